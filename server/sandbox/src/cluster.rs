//! A private Redis Cluster.

use crate::{
    Error, Redis, RedisOptions, Result, port,
    redis::{Part, new_password},
};
use deadpool_redis::redis::{Client, RedisResult, aio::MultiplexedConnection, cmd};
use std::time::{Duration, Instant};

const NODES: u16 = 3;
const SLOTS: u16 = 16_384;
/// How long a silent node is waited for. Longer than a busy machine stalls, or nodes would be taken for dead.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// Three masters with a third of the slots each and no replicas. While one is away the others go on
/// (`cluster-require-full-coverage no`). Dropping it stops all three. Needs Redis 7 or newer.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the nodes, gives them their slots and waits until each knows all. Safe to cancel.
    pub async fn start() -> Result<Self> {
        let password = new_password();
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..NODES {
            let bus = port::free()?;
            let lines = format!(
                "masterauth {password}\ncluster-enabled yes\ncluster-config-file nodes.conf\ncluster-port {bus}\n\
                 cluster-announce-ip 127.0.0.1\ncluster-node-timeout {}\ncluster-require-full-coverage no\n",
                NODE_TIMEOUT.as_millis()
            );
            let part = Part { lines, is_sentinel: false };
            nodes.push(Redis::start_as(part, RedisOptions::default(), password.clone()).await?);
            buses.push(bus);
        }
        let cluster = Self { nodes };
        for (index, node) in (0..NODES).zip(&cluster.nodes) {
            let mut connection = connect(node).await?;
            let (first, end) = (SLOTS / NODES * index, SLOTS / NODES * (index + 1));
            let last = if index + 1 == NODES { SLOTS } else { end } - 1;
            let mut ask =
                async |arguments: &[String]| cmd("CLUSTER").arg(arguments).query_async::<()>(&mut connection).await;
            ask(&["ADDSLOTSRANGE".into(), first.to_string(), last.to_string()]).await?;
            // Epochs of their own from the start: otherwise nodes settle that among themselves, which takes a while.
            ask(&["SET-CONFIG-EPOCH".into(), (index + 1).to_string()]).await?;
            for (other, bus) in cluster.nodes.iter().zip(&buses).take(usize::from(index)) {
                ask(&["MEET".into(), "127.0.0.1".into(), other.port().to_string(), bus.to_string()]).await?;
            }
        }
        cluster.settled().await?;
        Ok(cluster)
    }

    /// Connection strings of the nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url(0)).collect()
    }

    /// A node by its place in [`RedisCluster::nodes`].
    pub fn node(&mut self, index: usize) -> Option<&mut Redis> {
        self.nodes.get_mut(index)
    }

    /// The place of the node that keeps a key.
    ///
    /// # Errors
    /// The first node that runs does not answer.
    pub async fn keeper(&self, key: &str) -> Result<usize> {
        let Some(node) = self.nodes.iter().find(|node| node.pid().is_some()) else {
            return Err(Error::Apart {
                servers: "the nodes of the Cluster",
                waited: Duration::ZERO,
                missing: "all".into(),
            });
        };
        let mut connection = connect(node).await?;
        let slot: u16 = cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async(&mut connection).await?;
        Ok(usize::from((slot / (SLOTS / NODES)).min(NODES - 1)))
    }

    /// Waits until every node that runs finds all slots served by nodes that answer.
    ///
    /// # Errors
    /// That takes longer than a minute.
    pub async fn settled(&self) -> Result<()> {
        let begin = Instant::now();
        while let Some(missing) = self.unsettled().await {
            if begin.elapsed() > PATIENCE {
                return Err(Error::Apart { servers: "the nodes of the Cluster", waited: PATIENCE, missing });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// What is still missing.
    async fn unsettled(&self) -> Option<String> {
        let wanted =
            ["cluster_state:ok", &format!("cluster_slots_ok:{SLOTS}"), &format!("cluster_known_nodes:{NODES}")]
                .map(str::to_owned);
        for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
            let info: RedisResult<String> =
                async { cmd("CLUSTER").arg("INFO").query_async(&mut connect(node).await?).await }.await;
            match info {
                Ok(info) => {
                    if let Some(line) = wanted.iter().find(|line| !info.lines().any(|said| said == line.as_str())) {
                        return Some(format!("{line} at port {}", node.port()));
                    }
                }
                Err(error) => return Some(format!("port {}: {error}", node.port())),
            }
        }
        None
    }
}

async fn connect(node: &Redis) -> RedisResult<MultiplexedConnection> {
    Client::open(node.url(0))?.get_multiplexed_async_connection().await
}
