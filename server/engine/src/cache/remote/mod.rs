//! The second tier: Redis, shared by all instances.
//!
//! Keys: `hrc1:e:{space:class:key}` holds an envelope, `hrc1:l:{space:class:key}` the lease of who loads it,
//! `hrc1:v:{space}:name` a version, `hrc1:i:{space:class}` the index of a class's keys. What a script touches together
//! carries one hash tag, so that it lies on one node of a Cluster. Nothing here asks KEYS or SCAN.

pub(super) mod backplane;
pub(super) mod breaker;
mod scripts;
pub(super) mod servers;

use super::{settings::CacheSettings, versions::Counter};
use backplane::Message;
use breaker::Breaker;
use bytes::Bytes;
use deadpool_redis::redis::{FromRedisValue, RedisError, RedisResult, ScriptInvocation, cmd, pipe};
use scripts::Scripts;
use servers::{Connection, Pool, Servers, ServersError};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Versions outlive every entry that depends on them; a longer silence only costs a miss.
const VERSION_KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// Keys of a class that can be found by pattern.
pub(super) const INDEX_MAX: u64 = 1_000_000;

/// Redis did not do it: unreachable, too slow, or refusing. The words name no key, value or secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis: {0}")]
pub(super) struct Lost(pub String);

/// A value as Redis holds it.
#[derive(Debug)]
pub(super) struct Found {
    pub bytes: Bytes,
    /// Milliseconds until Redis drops it.
    pub left_ms: u64,
}

/// What became of asking for the lease on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This instance loads.
    Ours,
    /// Another instance loads.
    Theirs,
    /// There is a newer value already.
    Changed,
}

/// The names a class uses in Redis.
#[derive(Debug)]
pub(super) struct Names {
    entry: String,
    lease: String,
    pub index: String,
}

impl Names {
    pub fn new(space: &str, class: &str) -> Self {
        Names {
            entry: format!("hrc1:e:{{{space}:{class}:"),
            lease: format!("hrc1:l:{{{space}:{class}:"),
            index: format!("hrc1:i:{{{space}:{class}}}"),
        }
    }

    pub fn entry(&self, key: &str) -> String {
        format!("{}{key}}}", self.entry)
    }

    fn lease(&self, key: &str) -> String {
        format!("{}{key}}}", self.lease)
    }
}

/// A value on its way to Redis.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub names: &'a Names,
    pub class: &'a str,
    pub key: &'a str,
    /// The lease that it was loaded under.
    pub token: Option<u64>,
    pub value: &'a [u8],
    pub life_ms: u64,
}

/// The connection of a cache to Redis.
pub(super) struct Remote {
    pool: Pool,
    scripts: Scripts,
    version_prefix: String,
    pub channel: String,
    timeout: Duration,
    lease: Duration,
    pub breaker: Breaker,
    /// Names this instance on the backplane.
    pub sender: u64,
    sequence: AtomicU64,
    problem: Mutex<Option<Problem>>,
    listens: AtomicBool,
}

/// The trouble Redis is in.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub since: Instant,
    pub words: String,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Remote {
    pub fn new(servers: &Servers, settings: &CacheSettings) -> Result<Self, ServersError> {
        Ok(Remote {
            pool: Pool::new(servers, settings.redis_timeout)?,
            scripts: Scripts::default(),
            version_prefix: format!("hrc1:v:{{{}}}:", settings.space),
            channel: format!("hrc1:b:{}", settings.space),
            timeout: settings.redis_timeout,
            lease: settings.lease,
            breaker: Breaker::default(),
            sender: rand::random(),
            sequence: AtomicU64::new(0),
            problem: Mutex::default(),
            listens: AtomicBool::new(false),
        })
    }

    pub fn subscriber(&self) -> impl Future<Output = Result<deadpool_redis::redis::aio::PubSub, String>> + '_ {
        self.pool.subscriber()
    }

    /// Whether the backplane is heard at present.
    pub fn listens(&self) -> bool {
        self.listens.load(Relaxed)
    }

    pub fn set_listens(&self, listens: bool) {
        self.listens.store(listens, Relaxed);
    }

    /// What is wrong with Redis at present.
    pub fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One conversation, bounded in time, past the breaker.
    async fn ask<T>(&self, talk: impl AsyncFnOnce(&mut Connection) -> RedisResult<T>) -> Result<T, Lost> {
        if !self.breaker.allows() {
            let words = self.problem().map_or_else(|| "it did not answer lately".to_owned(), |problem| problem.words);
            return Err(Lost(words));
        }
        self.ask_now(talk).await
    }

    /// As [`Remote::ask`], whatever the breaker says.
    async fn ask_now<T>(&self, talk: impl AsyncFnOnce(&mut Connection) -> RedisResult<T>) -> Result<T, Lost> {
        let conversation = async {
            let mut connection = self.pool.get().await?;
            talk(&mut connection).await.map_err(|error| explain(&error))
        };
        let answer = tokio::time::timeout(self.timeout, conversation)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} ms", self.timeout.as_millis())));
        match answer {
            Ok(value) => {
                self.breaker.succeeded();
                if self.breaker.opened() > 0 {
                    *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                Ok(value)
            }
            Err(words) => {
                self.breaker.failed();
                let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
                let since = problem.as_ref().map_or_else(Instant::now, |problem| problem.since);
                *problem = Some(Problem { since, words: words.clone() });
                Err(Lost(words))
            }
        }
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Lost> {
        self.ask(async |connection| script.invoke_async(connection).await).await
    }

    fn version_key(&self, counter: &Counter) -> String {
        format!("{}{}", self.version_prefix, counter.name)
    }

    /// Packs a message and gives it the next place in this instance's sequence.
    fn pack(&self, message: &Message<'_>) -> String {
        message.pack(self.sender, self.sequence.fetch_add(1, Relaxed) + 1)
    }

    /// A value and the versions it may depend on, in one round trip (two where Redis is a Cluster, and one more the
    /// first time a counter is used at all). The counters learn what Redis says.
    pub async fn read(&self, entry: &str, counters: &[Arc<Counter>]) -> Result<Option<Found>, Lost> {
        let (value, left, versions): (Option<Bytes>, i64, Vec<Option<u64>>) = self
            .ask(async |connection| {
                let mut versions = cmd("MGET");
                counters.iter().for_each(|counter| {
                    versions.arg(self.version_key(counter));
                });
                if self.pool.is_cluster() {
                    let (value, left) =
                        pipe().cmd("GET").arg(entry).cmd("PTTL").arg(entry).query_async(connection).await?;
                    Ok((value, left, versions.query_async(connection).await?))
                } else {
                    pipe()
                        .cmd("GET")
                        .arg(entry)
                        .cmd("PTTL")
                        .arg(entry)
                        .add_command(versions)
                        .query_async(connection)
                        .await
                }
            })
            .await?;
        self.learn(counters, &versions).await?;
        Ok(value.filter(|_| left > 0).map(|bytes| Found { bytes, left_ms: left.unsigned_abs() }))
    }

    /// The versions alone.
    pub async fn refresh(&self, counters: &[Arc<Counter>]) -> Result<(), Lost> {
        if counters.is_empty() {
            return Ok(());
        }
        let mut command = cmd("MGET");
        counters.iter().for_each(|counter| {
            command.arg(self.version_key(counter));
        });
        let versions: Vec<Option<u64>> = self.ask(async |connection| command.query_async(connection).await).await?;
        self.learn(counters, &versions).await
    }

    async fn learn(&self, counters: &[Arc<Counter>], versions: &[Option<u64>]) -> Result<(), Lost> {
        let mut missing = Vec::new();
        for (counter, version) in counters.iter().zip(versions) {
            match version {
                Some(version) => counter.learn(*version),
                None => missing.push(counter),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut seed = self.scripts.seed.prepare_invoke();
        missing.iter().for_each(|counter| {
            seed.key(self.version_key(counter));
        });
        seed.arg(millis(VERSION_KEEP));
        let versions: Vec<u64> = self.run(&seed).await?;
        missing.iter().zip(versions).for_each(|(counter, version)| counter.learn(version));
        Ok(())
    }

    /// Asks for the lease on a key, unless another value than `seen` stands there by now.
    pub async fn claim(&self, names: &Names, key: &str, token: u64, seen: Option<u64>) -> Result<Claim, Lost> {
        let seen = seen.map(u64::to_le_bytes);
        let mut script = self.scripts.claim.prepare_invoke();
        script
            .key(names.entry(key))
            .key(names.lease(key))
            .arg(token)
            .arg(seen.as_ref().map_or(&[][..], |id| &id[..]))
            .arg(millis(self.lease));
        Ok(match self.run::<u8>(&script).await? {
            0 => Claim::Theirs,
            1 => Claim::Ours,
            _ => Claim::Changed,
        })
    }

    /// Stores a value and tells the other instances. With a `token` only under that lease: false when it is gone. Without,
    /// whatever stood there.
    pub async fn put(&self, write: Write<'_>) -> Result<bool, Lost> {
        let Write { names, class, key, token, value, life_ms } = write;
        let message = match token {
            Some(_) => Message::Filled { class, key },
            None => Message::Key { class, key },
        };
        let mut script = self.scripts.put.prepare_invoke();
        script.key(names.entry(key)).key(names.lease(key));
        if !self.pool.is_cluster() {
            script.key(&names.index);
        }
        script.arg(token.map_or_else(String::new, |token| token.to_string())).arg(value).arg(life_ms);
        script.arg(&self.channel).arg(self.pack(&message)).arg(key);
        let stored = self.run::<u8>(&script).await? == 1;
        if stored && self.pool.is_cluster() {
            self.ask(async |connection| {
                let (now, _): (u64, u64) = cmd("TIME").query_async(connection).await?;
                let ends = now + life_ms.div_ceil(1000);
                cmd("ZADD").arg(&names.index).arg(ends).arg(key).query_async::<()>(connection).await
            })
            .await?;
        }
        Ok(stored)
    }

    /// Keeps a lease. False when it is no longer ours.
    pub async fn renew(&self, names: &Names, key: &str, token: u64) -> Result<bool, Lost> {
        let mut script = self.scripts.renew.prepare_invoke();
        script.key(names.lease(key)).arg(token).arg(millis(self.lease));
        Ok(self.run::<u8>(&script).await? == 1)
    }

    /// Gives up a lease after a failed load.
    pub async fn release(&self, names: &Names, class: &str, key: &str, token: u64) -> Result<(), Lost> {
        let filled = self.pack(&Message::Filled { class, key });
        let mut script = self.scripts.release.prepare_invoke();
        script.key(names.lease(key)).arg(token).arg(&self.channel).arg(filled);
        self.run::<u8>(&script).await.map(drop)
    }

    /// Removes a key everywhere; a load under way loses its lease. Answers whether there was an entry.
    pub async fn remove(&self, names: &Names, class: &str, key: &str) -> Result<bool, Lost> {
        let mut script = self.scripts.remove.prepare_invoke();
        script.key(names.entry(key)).key(names.lease(key));
        if !self.pool.is_cluster() {
            script.key(&names.index);
        }
        script.arg(&self.channel).arg(self.pack(&Message::Key { class, key })).arg(key);
        let removed = self.run::<u8>(&script).await? > 0;
        if self.pool.is_cluster() {
            self.ask(async |connection| cmd("ZREM").arg(&names.index).arg(key).query_async::<()>(connection).await)
                .await?;
        }
        Ok(removed)
    }

    /// Removes exactly this value, if it still stands there.
    pub async fn remove_poison(&self, entry: &str, value: &[u8]) -> Result<(), Lost> {
        let mut script = self.scripts.remove_if.prepare_invoke();
        script.key(entry).arg(value);
        self.run::<u8>(&script).await.map(drop)
    }

    /// Raises a counter everywhere, for all invalidations decided here so far.
    pub async fn bump(&self, counter: &Counter) -> Result<(), Lost> {
        let decided = counter.decided();
        let message = self.pack(&Message::Version { name: &counter.name, version: None });
        let mut script = self.scripts.bump.prepare_invoke();
        script.key(self.version_key(counter)).arg(millis(VERSION_KEEP)).arg(&self.channel).arg(message);
        counter.learn(self.run::<u64>(&script).await?);
        counter.tell(decided);
        Ok(())
    }

    /// Lets an entry live longer.
    pub async fn extend(&self, entry: &str, life_ms: u64) -> Result<(), Lost> {
        self.ask(async |connection| cmd("PEXPIRE").arg(entry).arg(life_ms).query_async::<()>(connection).await).await
    }

    /// A sign of life on the backplane, heard by all instances and by this one. Past the breaker: it is the probe that
    /// finds Redis again.
    pub async fn beat(&self) -> Result<(), Lost> {
        let message = self.pack(&Message::Beat);
        self.ask_now(async |connection| {
            cmd("PUBLISH").arg(&self.channel).arg(message).query_async::<()>(connection).await
        })
        .await
    }

    /// Part of a class's index: keys from `offset` on that have not ended, in the order they end.
    pub async fn indexed(&self, names: &Names, offset: u64, limit: usize) -> Result<Vec<String>, Lost> {
        self.ask(async |connection| {
            cmd("ZRANGE").arg(&names.index).arg(offset).arg(offset + limit as u64 - 1).query_async(connection).await
        })
        .await
    }

    /// Drops what has ended from a class's index, bounds it, and answers its length.
    pub async fn tidy_index(&self, names: &Names) -> Result<u64, Lost> {
        self.ask(async |connection| {
            let (now, _): (u64, u64) = cmd("TIME").query_async(connection).await?;
            let ((), (), length): ((), (), u64) = pipe()
                .cmd("ZREMRANGEBYSCORE")
                .arg(&names.index)
                .arg("-inf")
                .arg(now)
                .cmd("ZREMRANGEBYRANK")
                .arg(&names.index)
                .arg(0)
                .arg(-(INDEX_MAX as i64) - 1)
                .cmd("ZCARD")
                .arg(&names.index)
                .query_async(connection)
                .await?;
            Ok(length)
        })
        .await
    }

    /// The length of an entry in Redis, in bytes, and what is left of its life.
    pub async fn measure(&self, entry: &str) -> Result<Option<(u64, u64)>, Lost> {
        let (length, left): (u64, i64) = self
            .ask(async |connection| {
                pipe().cmd("STRLEN").arg(entry).cmd("PTTL").arg(entry).query_async(connection).await
            })
            .await?;
        Ok((left > 0).then(|| (length, left.unsigned_abs())))
    }
}

fn millis(duration: Duration) -> u64 {
    super::entry::millis(duration)
}

/// In words that hold no secret and no value.
fn explain(error: &RedisError) -> String {
    match error.code() {
        Some("OOM") => "it is out of memory and evicts nothing (maxmemory-policy)".into(),
        Some("NOPERM") => "the user may not run a command that the cache needs (see the runbook)".into(),
        Some("NOAUTH" | "WRONGPASS") => "it refuses the password".into(),
        Some("LOADING") => "it is loading its data".into(),
        Some("READONLY") => "it is a replica and takes no writes".into(),
        _ if error.is_connection_refusal() => "it refuses connections".into(),
        _ if error.is_connection_dropped() => "it closed the connection".into(),
        _ => error.category().to_owned(),
    }
}
