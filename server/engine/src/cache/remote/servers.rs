//! Which Redis: one server, one watched by Sentinels, or a Cluster.

use deadpool_redis::{
    Runtime, cluster,
    redis::{
        Client, Cmd, IntoConnectionInfo, Pipeline, RedisFuture, Value,
        aio::{ConnectionLike, PubSub},
    },
    sentinel::{self, SentinelServerType},
};
use std::{fmt, time::Duration};

/// Connections a cache keeps to Redis. Each carries many conversations at once; more than a few gain nothing.
const CONNECTIONS: usize = 8;

/// Where Redis is. Addresses carry passwords: `Debug` leaves them out.
#[derive(Clone)]
pub enum Servers {
    /// One server: `redis://[user:password@]host[:port][/database]` or `unix:///path`.
    Single(String),
    /// The master of `service`, as these Sentinels know it.
    Sentinel {
        /// Addresses of Sentinels.
        sentinels: Vec<String>,
        /// The name of the watched master.
        service: String,
    },
    /// A Cluster, by some of its nodes.
    Cluster(Vec<String>),
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Servers::Single(_) => f.write_str("Single"),
            Servers::Sentinel { sentinels, service } => write!(f, "Sentinel({service}, {})", sentinels.len()),
            Servers::Cluster(nodes) => write!(f, "Cluster({})", nodes.len()),
        }
    }
}

/// A cache could not be prepared: its Redis address cannot be read. Does not repeat it.
#[derive(Debug, thiserror::Error)]
#[error("the Redis address cannot be read: {0}")]
pub struct ServersError(String);

pub(super) enum Pool {
    Single(deadpool_redis::Pool, Client),
    Sentinel(sentinel::Pool, Box<tokio::sync::Mutex<deadpool_redis::redis::sentinel::SentinelClient>>),
    Cluster(cluster::Pool, Client),
}

/// A connection to whichever it is.
pub(super) enum Connection {
    Single(deadpool_redis::Connection),
    Sentinel(sentinel::Connection),
    Cluster(cluster::Connection),
}

macro_rules! either {
    ($on:expr, $inner:ident => $body:expr) => {
        match $on {
            Connection::Single($inner) => $body,
            Connection::Sentinel($inner) => $body,
            Connection::Cluster($inner) => $body,
        }
    };
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        either!(self, inner => inner.req_packed_command(cmd))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        either!(self, inner => inner.req_packed_commands(pipeline, offset, count))
    }

    fn get_db(&self) -> i64 {
        either!(self, inner => inner.get_db())
    }
}

fn unreadable(error: &deadpool_redis::redis::RedisError) -> ServersError {
    ServersError(error.category().to_owned())
}

fn build<M, W>(manager: M, timeout: Duration) -> Result<deadpool::managed::Pool<M, W>, ServersError>
where
    M: deadpool::managed::Manager,
    W: From<deadpool::managed::Object<M>>,
{
    deadpool::managed::Pool::builder(manager)
        .max_size(CONNECTIONS)
        .timeouts(deadpool::managed::Timeouts { wait: Some(timeout), create: Some(timeout), recycle: Some(timeout) })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|_| ServersError("its connections cannot be prepared".into()))
}

impl Pool {
    pub fn new(servers: &Servers, timeout: Duration) -> Result<Self, ServersError> {
        let client = |address: &String| Client::open(address.as_str()).map_err(|error| unreadable(&error));
        Ok(match servers {
            Servers::Single(address) => {
                let info = address.as_str().into_connection_info().map_err(|error| unreadable(&error))?;
                let manager = deadpool_redis::Manager::new(info).map_err(|error| unreadable(&error))?;
                Pool::Single(build(manager, timeout)?, client(address)?)
            }
            Servers::Sentinel { sentinels, service } => {
                let addresses = || sentinels.iter().map(String::as_str).collect::<Vec<_>>();
                let manager = sentinel::Manager::new(addresses(), service.clone(), None, SentinelServerType::Master)
                    .map_err(|error| unreadable(&error))?;
                let client = deadpool_redis::redis::sentinel::SentinelClient::build(
                    addresses(),
                    service.clone(),
                    None,
                    deadpool_redis::redis::sentinel::SentinelServerType::Master,
                )
                .map_err(|error| unreadable(&error))?;
                Pool::Sentinel(build(manager, timeout)?, Box::new(tokio::sync::Mutex::new(client)))
            }
            Servers::Cluster(nodes) => {
                let first = nodes.first().ok_or_else(|| ServersError("no node is named".into()))?;
                let manager = cluster::Manager::new(nodes.iter().map(String::as_str).collect(), false)
                    .map_err(|error| unreadable(&error))?;
                Pool::Cluster(build(manager, timeout)?, client(first)?)
            }
        })
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self, Pool::Cluster(..))
    }

    pub async fn get(&self) -> Result<Connection, String> {
        fn failed<E: fmt::Display>(error: deadpool::managed::PoolError<E>) -> String {
            match error {
                deadpool::managed::PoolError::Timeout(_) => "no connection in time".into(),
                deadpool::managed::PoolError::Backend(_) => "it does not answer".into(),
                _ => "its connections cannot be used".into(),
            }
        }
        match self {
            Pool::Single(pool, _) => pool.get().await.map(Connection::Single).map_err(failed),
            Pool::Sentinel(pool, _) => pool.get().await.map(Connection::Sentinel).map_err(failed),
            Pool::Cluster(pool, _) => pool.get().await.map(Connection::Cluster).map_err(failed),
        }
    }

    /// A connection of its own for subscriptions. In a Cluster any node passes on what any node was told.
    pub async fn subscriber(&self) -> Result<PubSub, String> {
        let client = match self {
            Pool::Single(_, client) | Pool::Cluster(_, client) => client.clone(),
            Pool::Sentinel(_, sentinels) => {
                sentinels.lock().await.async_get_client().await.map_err(|error| error.category().to_owned())?
            }
        };
        client.get_async_pubsub().await.map_err(|error| error.category().to_owned())
    }
}
