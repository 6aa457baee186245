//! A private Redis with a replica, watched by three Sentinels.

use crate::{
    Error, Redis, RedisOptions, Result,
    redis::{Part, new_password},
};
use deadpool_redis::redis::{Client, InfoDict, RedisResult, cmd};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

const SERVICE: &str = "main";
const SENTINELS: usize = 3;
const QUORUM: usize = 2;
/// How long a silent master is waited for. Longer than a busy machine stalls, or Sentinels would replace a healthy one.
const DOWN_AFTER: Duration = Duration::from_millis(1500);
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// A master, a replica of it, and three Sentinels of which two decide. Dropping it stops all five.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: [Redis; 2],
    sentinels: Vec<Redis>,
    password: String,
}

impl RedisSentinel {
    /// Starts the servers and waits until the Sentinels know each other and the replica follows. Safe to cancel.
    pub async fn start() -> Result<Self> {
        let password = new_password();
        let part = |replica_of: Option<u16>| {
            let mut lines = format!("masterauth {password}\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 0\n");
            if let Some(port) = replica_of {
                lines += &format!("replicaof 127.0.0.1 {port}\n");
            }
            Part { lines, is_sentinel: false }
        };
        let master = Redis::start_as(part(None), RedisOptions::default(), password.clone()).await?;
        let replica = Redis::start_as(part(Some(master.port())), RedisOptions::default(), password.clone()).await?;
        let mut sentinels = Vec::new();
        for _ in 0..SENTINELS {
            let lines = format!(
                "sentinel monitor {SERVICE} 127.0.0.1 {} {QUORUM}\nsentinel auth-pass {SERVICE} {password}\n\
                 sentinel sentinel-pass {password}\nsentinel down-after-milliseconds {SERVICE} {}\n\
                 sentinel failover-timeout {SERVICE} {}\nsentinel parallel-syncs {SERVICE} 1\n",
                master.port(),
                DOWN_AFTER.as_millis(),
                FAILOVER_TIMEOUT.as_millis(),
            );
            let part = Part { lines, is_sentinel: true };
            sentinels.push(Redis::start_as(part, RedisOptions::default(), password.clone()).await?);
        }
        let set = Self { servers: [master, replica], sentinels, password };
        set.settled().await?;
        Ok(set)
    }

    /// Connection strings of the Sentinels.
    #[must_use]
    pub fn sentinels(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| sentinel.url(0)).collect()
    }

    /// The name under which the Sentinels know the master.
    #[must_use]
    pub fn service(&self) -> &'static str {
        SERVICE
    }

    /// The password of master, replica and Sentinels alike.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The server at a port that [`RedisSentinel::master`] named.
    pub fn server(&mut self, port: u16) -> Option<&mut Redis> {
        self.servers.iter_mut().find(|server| server.port() == port)
    }

    /// Port of the master as most of the Sentinels that answer see it.
    ///
    /// # Errors
    /// No Sentinel answers.
    pub async fn master(&self) -> Result<u16> {
        let mut votes: HashMap<u16, usize> = HashMap::new();
        let mut failure = None;
        for sentinel in &self.sentinels {
            match master_of(sentinel).await {
                Ok(port) => *votes.entry(port).or_default() += 1,
                Err(error) => failure = Some(error),
            }
        }
        match (votes.into_iter().max_by_key(|(_, votes)| *votes), failure) {
            (Some((port, _)), _) => Ok(port),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(Error::Apart { servers: "Sentinels", waited: Duration::ZERO, missing: "all".into() }),
        }
    }

    /// Waits until the Sentinels agree on a master that says so itself, and the other server, if it runs, follows it.
    ///
    /// # Errors
    /// That takes longer than a minute.
    pub async fn settled(&self) -> Result<()> {
        let begin = Instant::now();
        while let Some(missing) = self.unsettled().await {
            if begin.elapsed() > PATIENCE {
                return Err(Error::Apart { servers: "Redis and its Sentinels", waited: PATIENCE, missing });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// What is still missing.
    async fn unsettled(&self) -> Option<String> {
        let master = match self.master().await {
            Ok(port) => port,
            Err(error) => return Some(error.to_string()),
        };
        for sentinel in &self.sentinels {
            match knows(sentinel).await {
                Ok((port, others, replicas)) if (port, others, replicas) == (master, SENTINELS - 1, 1) => {}
                Ok(seen) => return Some(format!("a Sentinel sees (port, other Sentinels, replicas) {seen:?}")),
                Err(error) => return Some(format!("a Sentinel does not answer: {error}")),
            }
        }
        for server in self.servers.iter().filter(|server| server.pid().is_some()) {
            let replication = match replication(server).await {
                Ok(replication) => replication,
                Err(error) => return Some(format!("port {}: {error}", server.port())),
            };
            let says = |key: &str| replication.get::<String>(key).unwrap_or_default();
            let fits = match server.port() == master {
                true => says("role") == "master",
                false => says("master_port") == master.to_string() && says("master_link_status") == "up",
            };
            if !fits {
                return Some(format!(
                    "port {} is a {} whose link is {}",
                    server.port(),
                    says("role"),
                    says("master_link_status")
                ));
            }
        }
        None
    }
}

async fn master_of(sentinel: &Redis) -> RedisResult<u16> {
    let mut connection = Client::open(sentinel.url(0))?.get_multiplexed_async_connection().await?;
    let (_, port): (String, u16) =
        cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(SERVICE).query_async(&mut connection).await?;
    Ok(port)
}

/// The master's port, how many other Sentinels, and how many replicas a Sentinel knows.
async fn knows(sentinel: &Redis) -> RedisResult<(u16, usize, usize)> {
    let mut connection = Client::open(sentinel.url(0))?.get_multiplexed_async_connection().await?;
    let seen: HashMap<String, String> = cmd("SENTINEL").arg("MASTER").arg(SERVICE).query_async(&mut connection).await?;
    let number = |key: &str| seen.get(key).and_then(|text| text.parse().ok()).unwrap_or_default();
    let port = seen.get("port").and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok((port, number("num-other-sentinels"), number("num-slaves")))
}

async fn replication(server: &Redis) -> RedisResult<InfoDict> {
    let mut connection = Client::open(server.url(0))?.get_multiplexed_async_connection().await?;
    cmd("INFO").arg("replication").query_async(&mut connection).await
}
