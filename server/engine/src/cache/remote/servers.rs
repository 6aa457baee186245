//! Which Redis: one server, one watched by Sentinels, or a Cluster.

use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult, Timeouts};
use deadpool_redis::{
    Runtime,
    redis::{
        Arg, AsyncConnectionConfig, Client, Cmd, ConnectionAddr, InfoDict, IntoConnectionInfo, Pipeline, RedisError,
        RedisFuture, RedisResult, TlsMode, Value,
        aio::{ConnectionLike, MultiplexedConnection, PubSub},
        cluster::{ClusterClient, ClusterClientBuilder},
        cluster_async::ClusterConnection,
        cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
        cmd,
        sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
    },
};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{sync::OnceCell, time::timeout};

/// Connections a pool keeps to one server. Each carries many conversations at once; more than a few gain nothing.
pub(super) const CONNECTIONS: usize = 8;
/// A connection that was used since, without trouble, is taken for alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Slots of every Cluster.
const SLOTS: u32 = 16_384;
/// While a pool is used, the Sentinels are asked this often who the master is.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A request to a Cluster that was sent to the wrong node, or came too early, is repeated so often.
const RETRIES: u32 = 3;
const RETRY_WAIT_MS: u64 = 10;
const RETRY_WAIT_MS_MAX: u64 = 100;

/// Where Redis is. Addresses carry passwords: `Debug` and `Display` leave them out.
#[derive(Clone)]
pub enum Servers {
    /// One server: `redis://[user:password@]host[:port][/database]` or `unix:///path`.
    Single(String),
    /// The master that these Sentinels name.
    Sentinel {
        /// Addresses of Sentinels.
        sentinels: Vec<String>,
        /// The name of the watched master, or `redis://[user:password@]name[/database]` where it asks for a password.
        master: String,
    },
    /// A Cluster, by some of its nodes.
    Cluster(Vec<String>),
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Servers::Single(_) => f.write_str("Single"),
            Servers::Sentinel { sentinels, .. } => write!(f, "Sentinel({})", sentinels.len()),
            Servers::Cluster(nodes) => write!(f, "Cluster({})", nodes.len()),
        }
    }
}

/// As messages name it: `cache.example:6379`, `main (by Sentinel)`, `cache.example:6379 (Cluster)`.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Servers::Single(address) => f.write_str(&shown(address)),
            Servers::Sentinel { master, .. } => match Master::read(master) {
                Ok(master) => write!(f, "{} (by Sentinel)", master.name),
                Err(_) => f.write_str("a master (by Sentinel)"),
            },
            Servers::Cluster(nodes) => {
                write!(f, "{} (Cluster)", nodes.first().map_or_else(String::new, |it| shown(it)))
            }
        }
    }
}

/// Host and port, or the path of a socket.
fn shown(address: &str) -> String {
    match address.into_connection_info().as_ref().map(|info| info.addr()) {
        Ok(ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) => {
            format!("{host}:{port}")
        }
        Ok(ConnectionAddr::Unix(path)) => path.display().to_string(),
        Ok(_) | Err(_) => "an unreadable address".into(),
    }
}

/// A Redis address cannot be read. Does not repeat it.
#[derive(Debug, thiserror::Error)]
#[error("the Redis address cannot be read: {0}")]
pub struct ServersError(String);

impl From<RedisError> for ServersError {
    fn from(error: RedisError) -> Self {
        ServersError(error.category().to_owned())
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It takes too long.
    #[error("no connection in time")]
    Timeout,
    /// Redis, or the Sentinels, refuse or are not there.
    #[error("it does not answer")]
    Redis(#[source] RedisError),
    /// The pool is closed.
    #[error("its connections cannot be used")]
    Closed,
}

impl From<PoolError<RedisError>> for ConnectError {
    fn from(error: PoolError<RedisError>) -> Self {
        match error {
            PoolError::Timeout(_) => ConnectError::Timeout,
            PoolError::Backend(error) => ConnectError::Redis(error),
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => ConnectError::Closed,
        }
    }
}

/// Connections to a Redis, whichever it is. Nothing connects before it is asked to; what breaks is replaced.
pub struct Pool(Kind);

enum Kind {
    Single(managed::Pool<ServerManager>, Box<Client>),
    Sentinel(managed::Pool<MasterManager>, Arc<Masters>),
    Cluster(Box<Cluster>),
}

/// A connection to whichever it is.
pub struct Connection(Line);

enum Line {
    Single(managed::Object<ServerManager>),
    Sentinel(managed::Object<MasterManager>),
    Cluster(ClusterConnection),
}

impl Connection {
    /// How many of a Cluster's 16,384 slots nobody serves, as one of its nodes sees it. A node that is away is noticed
    /// once it was silent for `cluster-node-timeout`.
    ///
    /// # Errors
    /// The node does not answer, or is no part of a Cluster.
    pub async fn slots_unserved(&mut self) -> RedisResult<u32> {
        let info: InfoDict = cmd("CLUSTER").arg("INFO").query_async(self).await?;
        Ok(SLOTS.saturating_sub(info.get("cluster_slots_ok").unwrap_or(0)))
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.0 {
            Line::Single(line) => line.talk(|inner| inner.req_packed_command(cmd)),
            Line::Sentinel(object) => object.line.talk(|inner| inner.req_packed_command(cmd)),
            Line::Cluster(inner) => {
                if goes_anywhere(cmd) {
                    Box::pin(inner.route_command(cmd.clone(), RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random)))
                } else {
                    inner.req_packed_command(cmd)
                }
            }
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.0 {
            Line::Single(line) => line.talk(|inner| inner.req_packed_commands(pipeline, offset, count)),
            Line::Sentinel(object) => object.line.talk(|inner| inner.req_packed_commands(pipeline, offset, count)),
            Line::Cluster(inner) => inner.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.0 {
            Line::Single(line) => line.connection.get_db(),
            Line::Sentinel(object) => object.line.connection.get_db(),
            Line::Cluster(inner) => inner.get_db(),
        }
    }
}

/// In a Cluster every node passes a message on to all others. The client would send it to the one that the channel's name
/// lies on, and nothing would be heard while that one is away.
fn goes_anywhere(cmd: &Cmd) -> bool {
    cmd.args_iter().next() == Some(Arg::Simple(b"PUBLISH"))
}

impl Pool {
    /// Connections to `servers`. `limit` bounds waiting for one, making one, and checking one.
    ///
    /// # Errors
    /// An address cannot be read.
    pub fn new(servers: &Servers, limit: Duration) -> Result<Self, ServersError> {
        Ok(Pool(match servers {
            Servers::Single(address) => {
                let manager = deadpool_redis::Manager::new_with_config(address.as_str(), patience(limit))?;
                let manager = ServerManager(manager);
                Kind::Single(build(manager, limit)?, Box::new(Client::open(address.as_str())?))
            }
            Servers::Sentinel { sentinels, master } => {
                let masters = Arc::new(Masters::new(sentinels, master, limit)?);
                Kind::Sentinel(build(MasterManager(masters.clone()), limit)?, masters)
            }
            Servers::Cluster(nodes) => Kind::Cluster(Box::new(Cluster::new(nodes, limit)?)),
        }))
    }

    /// Whether keys lie on several nodes.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        matches!(self.0, Kind::Cluster(_))
    }

    /// [`Pool::connect`] with the reason in words.
    pub(crate) async fn get(&self) -> Result<Connection, String> {
        self.connect().await.map_err(|error| error.to_string())
    }

    /// A connection. Cancel-safe.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        Ok(Connection(match &self.0 {
            Kind::Single(pool, _) => Line::Single(pool.get().await?),
            Kind::Sentinel(pool, _) => Line::Sentinel(pool.get().await?),
            Kind::Cluster(cluster) => Line::Cluster(cluster.connection().await.map_err(ConnectError::Redis)?),
        }))
    }

    /// A connection of its own for subscriptions. In a Cluster any node passes on what any node was told.
    pub(super) async fn subscriber(&self) -> Result<PubSub, String> {
        let connected = match &self.0 {
            Kind::Single(_, client) => client.get_async_pubsub().await,
            Kind::Sentinel(_, masters) => match masters.find().await {
                Ok((client, _)) => client.get_async_pubsub().await,
                Err(error) => Err(error),
            },
            Kind::Cluster(cluster) => return cluster.subscriber().await,
        };
        connected.map_err(|error| error.category().to_owned())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Single(..) => "Pool(Single)",
            Kind::Sentinel(..) => "Pool(Sentinel)",
            Kind::Cluster(_) => "Pool(Cluster)",
        })
    }
}

/// The client's own limits, which would cut ours short. Sentinels are asked within those of the client: 1 s and 500 ms.
fn patience(limit: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(limit))
}

fn build<M, W>(manager: M, limit: Duration) -> Result<managed::Pool<M, W>, ServersError>
where
    M: managed::Manager,
    W: From<managed::Object<M>>,
{
    managed::Pool::builder(manager)
        .max_size(CONNECTIONS)
        .timeouts(Timeouts { wait: Some(limit), create: Some(limit), recycle: Some(limit) })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|_| ServersError("its connections cannot be prepared".into()))
}

/// One connection of a pool.
struct Pooled {
    connection: MultiplexedConnection,
    /// Whether its last conversation failed or was given up half way.
    is_doubtful: bool,
}

impl Pooled {
    fn new(connection: MultiplexedConnection) -> Self {
        Pooled { connection, is_doubtful: false }
    }

    fn talk<'a, T: Send + 'a>(
        &'a mut self,
        say: impl FnOnce(&'a mut MultiplexedConnection) -> RedisFuture<'a, T>,
    ) -> RedisFuture<'a, T> {
        let Pooled { connection, is_doubtful } = self;
        *is_doubtful = true;
        let answer = say(connection);
        Box::pin(async move {
            let answer = answer.await;
            *is_doubtful = answer.is_err();
            answer
        })
    }

    /// Whether it may be lent again without asking whether it lives. That question is a round trip of its own, as long
    /// as the conversation it precedes, and a moment ago there was an answer.
    fn is_trusted(&self, metrics: &Metrics) -> bool {
        !self.is_doubtful && metrics.last_used() < TRUSTED_FOR
    }
}

/// deadpool-redis's connections, asked only where there is a doubt.
struct ServerManager(deadpool_redis::Manager);

impl managed::Manager for ServerManager {
    type Type = Pooled;
    type Error = RedisError;

    async fn create(&self) -> Result<Pooled, RedisError> {
        self.0.create().await.map(Pooled::new)
    }

    async fn recycle(&self, used: &mut Pooled, metrics: &Metrics) -> RecycleResult<RedisError> {
        if used.is_trusted(metrics) {
            return Ok(());
        }
        self.0.recycle(&mut used.connection, metrics).await
    }
}

/// What is known of a watched master without asking.
struct Master {
    name: String,
    node: SentinelNodeConnectionInfo,
}

impl Master {
    fn read(text: &str) -> Result<Self, ServersError> {
        let node = SentinelNodeConnectionInfo::default();
        if !text.contains("://") {
            return Ok(Master { name: text.to_owned(), node });
        }
        let info = text.into_connection_info()?;
        let (name, node) = match info.addr() {
            ConnectionAddr::Tcp(name, _) => (name.clone(), node),
            ConnectionAddr::TcpTls { host, insecure, .. } => {
                (host.clone(), node.set_tls_mode(if *insecure { TlsMode::Insecure } else { TlsMode::Secure }))
            }
            _ => return Err(ServersError("a master has a name, not a path".into())),
        };
        Ok(Master { name, node: node.set_redis_connection_info(info.redis_settings().clone()) })
    }
}

/// Finds the master through the Sentinels.
///
/// A server that froze or lost its network, and was replaced meanwhile, still takes itself for the master when it is
/// back, until a Sentinel tells it some ten seconds later. Old connections to it would read and write beside everybody
/// else. So each connection carries the term it was made in, and another master begins a new term.
struct Masters {
    sentinels: tokio::sync::Mutex<SentinelClient>,
    newest: Mutex<Newest>,
    limit: Duration,
}

struct Newest {
    address: String,
    term: u64,
    looked: Instant,
}

impl Masters {
    fn new(sentinels: &[String], master: &str, limit: Duration) -> Result<Self, ServersError> {
        if sentinels.is_empty() {
            return Err(ServersError("no Sentinel is named".into()));
        }
        let addresses = sentinels.iter().map(String::as_str).collect();
        let Master { name, node } = Master::read(master)?;
        let sentinels = SentinelClient::build(addresses, name, Some(node), SentinelServerType::Master)?;
        let newest = Newest { address: String::new(), term: 0, looked: Instant::now() };
        Ok(Masters { sentinels: tokio::sync::Mutex::new(sentinels), newest: Mutex::new(newest), limit })
    }

    /// Asks the Sentinels; answers the master, which has said itself that it is one, and its term.
    async fn find(&self) -> Result<(Client, u64), RedisError> {
        let client = self.sentinels.lock().await.async_get_client().await?;
        let address = client.get_connection_info().addr().to_string();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.looked = Instant::now();
        if newest.address != address {
            if newest.term > 0 {
                tracing::info!(%address, "Redis has another master");
            }
            newest.address = address;
            newest.term += 1;
        }
        Ok((client, newest.term))
    }

    /// Whether connections of a term may still be used.
    async fn is_current(&self, term: u64) -> bool {
        let is_due = {
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = newest.looked.elapsed() >= LOOK_EVERY;
            if is_due {
                // One asks for all.
                newest.looked = Instant::now();
            }
            is_due
        };
        if is_due {
            // Without an answer the master is who it was. Half the time, so that the connection can still be checked.
            let _ = timeout(self.limit / 2, self.find()).await;
        }
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).term == term
    }
}

struct MasterManager(Arc<Masters>);

struct MasterConnection {
    line: Pooled,
    term: u64,
}

impl managed::Manager for MasterManager {
    type Type = MasterConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<MasterConnection, RedisError> {
        let (client, term) = self.0.find().await?;
        let connection = client.get_multiplexed_async_connection_with_config(&patience(self.0.limit)).await?;
        Ok(MasterConnection { line: Pooled::new(connection), term })
    }

    async fn recycle(&self, used: &mut MasterConnection, metrics: &Metrics) -> RecycleResult<RedisError> {
        if !self.0.is_current(used.term).await {
            return Err(RecycleError::message("there is another master"));
        }
        if used.line.is_trusted(metrics) {
            return Ok(());
        }
        cmd("PING").query_async::<()>(&mut used.line.connection).await.map_err(RecycleError::Backend)
    }
}

/// A Cluster. One connection is enough: it holds one to each node, finds moved slots, and replaces what breaks.
struct Cluster {
    client: ClusterClient,
    connection: OnceCell<ClusterConnection>,
    nodes: Vec<Client>,
    /// The node to begin with when a subscription is made: not always one that may be away.
    next: AtomicUsize,
    limit: Duration,
}

impl Cluster {
    fn new(nodes: &[String], limit: Duration) -> Result<Self, ServersError> {
        if nodes.is_empty() {
            return Err(ServersError("no node is named".into()));
        }
        let client = ClusterClientBuilder::new(nodes.iter().map(String::as_str).collect::<Vec<_>>())
            // Half the time: beside a node that does not answer there is time left for one that does.
            .connection_timeout(limit / 2)
            .response_timeout(limit)
            .retries(RETRIES)
            .min_retry_wait(RETRY_WAIT_MS)
            .max_retry_wait(RETRY_WAIT_MS_MAX)
            .build()?;
        let nodes = nodes.iter().map(|node| Client::open(node.as_str())).collect::<Result<_, _>>()?;
        Ok(Cluster { client, connection: OnceCell::new(), nodes, next: AtomicUsize::new(0), limit })
    }

    async fn connection(&self) -> Result<ClusterConnection, RedisError> {
        self.connection.get_or_try_init(|| self.client.get_async_connection()).await.cloned()
    }

    async fn subscriber(&self) -> Result<PubSub, String> {
        let first = self.next.fetch_add(1, Relaxed);
        let mut words = String::new();
        for offset in 0..self.nodes.len() {
            let node = &self.nodes[(first + offset) % self.nodes.len()];
            match timeout(self.limit, node.get_async_pubsub()).await {
                Ok(Ok(subscriber)) => return Ok(subscriber),
                Ok(Err(error)) => words = error.category().to_owned(),
                Err(_) => words = "no connection in time".to_owned(),
            }
        }
        Err(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_named_with_or_without_its_password() {
        let named = Master::read("main").unwrap();
        assert_eq!(named.name, "main");
        let Master { name, node } = Master::read("redis://cache:hunter2@main/3").unwrap();
        assert_eq!(name, "main");
        let node = format!("{node:?}");
        assert!(node.contains("db: 3") && node.contains("cache"), "{node}");
        assert!(Master::read("unix:///run/redis.sock").is_err());
    }

    #[test]
    fn secrets_stay_out_of_words() {
        let secret = |host: &str| format!("redis://cache:hunter2@{host}");
        let sentinel = |master: &str| Servers::Sentinel { sentinels: vec![secret("s:26379")], master: secret(master) };
        for (servers, shown) in [
            (Servers::Single(secret("cache.example:6380/1")), "cache.example:6380"),
            (Servers::Single("unix:///run/redis.sock".into()), "/run/redis.sock"),
            (sentinel("main"), "main (by Sentinel)"),
            (Servers::Cluster(vec![secret("a:7000"), secret("b:7000")]), "a:7000 (Cluster)"),
            (Servers::Single(secret("host:notaport")), "an unreadable address"),
        ] {
            assert_eq!(servers.to_string(), shown);
            assert!(!format!("{servers:?}").contains("hunter2"));
        }
        for servers in [Servers::Single(secret("host:notaport")), Servers::Cluster(vec![secret("host:notaport")])] {
            let error = Pool::new(&servers, Duration::from_secs(1)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        for servers in
            [Servers::Cluster(Vec::new()), Servers::Sentinel { sentinels: Vec::new(), master: "main".into() }]
        {
            assert!(Pool::new(&servers, Duration::from_secs(1)).is_err());
        }
    }
}
