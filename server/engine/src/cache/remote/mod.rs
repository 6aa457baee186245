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
use deadpool_redis::redis::{
    Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation, Value, cmd, from_redis_value, pipe,
};
use futures::StreamExt;
use scripts::Scripts;
use servers::{CONNECTIONS, Connection, Pool, Servers, ServersError};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Versions outlive every entry that depends on them; a longer silence only costs a miss.
const VERSION_KEEP: Duration = Duration::from_secs(7 * 24 * 3600);
/// Keys of a class that can be found by pattern.
pub(super) const INDEX_MAX: u64 = 1_000_000;
/// Keys that a Cluster is asked for at a time.
const AT_A_TIME: usize = CONNECTIONS;

/// Redis did not do it: unreachable, too slow, or refusing. The words name no key, value or secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis: {0}")]
pub(super) struct Lost(pub String);

/// A value as Redis holds it.
#[derive(Debug)]
pub(super) struct Found {
    /// Empty where it is no string, and so nothing that a cache wrote.
    pub bytes: Bytes,
    /// Milliseconds until Redis drops it; none where it never does. A cache writes nothing that stays for ever.
    pub left_ms: Option<u64>,
}

/// The right to load a key, for one flight: a name of its own, after the sum of the versions that its load will depend on.
///
/// Versions only rise. Who asks for the lease with a greater sum knows of an invalidation that the load under way has not
/// seen: what that load brings will not be kept, so nobody waits for it, and the lease changes hands.
#[derive(Clone, Debug)]
pub(super) struct Lease(String);

impl Lease {
    pub fn new(counters: &[Arc<Counter>]) -> Self {
        let sum = counters.iter().fold(0u64, |sum, counter| sum.saturating_add(counter.version()));
        // As long as the longest, so that the order of the texts is that of the numbers: Lua's have 53 bits.
        Lease(format!("{sum:020}:{:016x}", rand::random::<u64>()))
    }
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
#[derive(Clone)]
pub(super) struct Write<'a> {
    pub names: &'a Names,
    pub class: &'a str,
    pub key: &'a str,
    /// The lease that it was loaded under.
    pub lease: Option<&'a Lease>,
    pub value: Bytes,
    pub life_ms: u64,
}

/// The connection of a cache to Redis.
pub(super) struct Remote {
    pool: Pool,
    scripts: Scripts,
    version_prefix: String,
    pub channel: String,
    timeout: Duration,
    /// Conversations at a time, as many as there are connections. Who gets no turn in time was not failed by Redis.
    turns: Semaphore,
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
            turns: Semaphore::new(CONNECTIONS),
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
        let Ok(Ok(_turn)) = tokio::time::timeout(self.timeout, self.turns.acquire()).await else {
            return Err(Lost("all connections are busy".into()));
        };
        let conversation = async {
            let mut connection = self.pool.get().await?;
            talk(&mut connection).await.map_err(|error| explain(&error))
        };
        let answer = tokio::time::timeout(self.timeout, conversation)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} ms", self.timeout.as_millis())));
        match answer {
            Ok(value) => {
                if self.breaker.succeeded() {
                    *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                Ok(value)
            }
            Err(words) => {
                {
                    let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
                    let since = problem.as_ref().map_or_else(Instant::now, |problem| problem.since);
                    *problem = Some(Problem { since, words: words.clone() });
                }
                // After the words: whoever succeeds from here on takes them back.
                self.breaker.failed();
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

    /// Values, and the versions that all of them may depend on, in one round trip (in a Cluster one for each value, and
    /// one more the first time a counter is used at all). The counters learn what Redis says.
    pub async fn read(&self, entries: &[String], counters: &[Arc<Counter>]) -> Result<Vec<Option<Found>>, Lost> {
        let ask = |pipe: &mut Pipeline, entry: &String| {
            pipe.cmd("GET").arg(entry).cmd("PTTL").arg(entry);
        };
        if self.pool.is_cluster() {
            self.refresh(counters).await?;
            let read = async |entry: &String| {
                let mut pipe = Pipeline::new();
                ask(pipe.ignore_errors(), entry);
                let (value, left): (RedisResult<Option<Bytes>>, i64) =
                    self.ask(async |connection| pipe.query_async(connection).await).await?;
                found(value, left)
            };
            let found: Vec<_> = futures::stream::iter(entries).map(read).buffered(AT_A_TIME).collect().await;
            return found.into_iter().collect();
        }
        let mut pipe = Pipeline::new();
        pipe.ignore_errors().cmd("MGET");
        counters.iter().for_each(|counter| {
            pipe.arg(self.version_key(counter));
        });
        entries.iter().for_each(|entry| ask(&mut pipe, entry));
        let answers: Vec<RedisResult<Value>> = self.ask(async |connection| pipe.query_async(connection).await).await?;
        let mut answers = answers.into_iter();
        let versions = read_as::<Vec<Option<u64>>>(answers.next()).map_err(lost)?;
        self.learn(counters, &versions).await?;
        let mut values = Vec::with_capacity(entries.len());
        for _ in entries {
            let value = read_as(answers.next());
            values.push(found(value, read_as(answers.next()).map_err(lost)?)?);
        }
        Ok(values)
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
    pub async fn claim(&self, names: &Names, key: &str, lease: &Lease, seen: Option<u64>) -> Result<Claim, Lost> {
        let seen = seen.map(u64::to_le_bytes);
        let mut script = self.scripts.claim.prepare_invoke();
        script
            .key(names.entry(key))
            .key(names.lease(key))
            .arg(&lease.0)
            .arg(seen.as_ref().map_or(&[][..], |id| &id[..]))
            .arg(millis(self.lease));
        Ok(match self.run::<u8>(&script).await? {
            0 => Claim::Theirs,
            1 => Claim::Ours,
            _ => Claim::Changed,
        })
    }

    /// Stores values and tells the other instances, in one round trip (in a Cluster three for each value, or five without
    /// a lease). One with a lease is stored only under it: false when it is gone. One without, whatever stood there.
    pub async fn put(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, Lost> {
        if !self.pool.is_cluster() {
            let mut pipe = Pipeline::new();
            for (n, write) in writes.iter().enumerate() {
                pipe.add_command(self.put_command(write, n == 0));
            }
            let stored: Vec<u8> = self.ask(async |connection| pipe.query_async(connection).await).await?;
            return Ok(stored.into_iter().map(|stored| stored == 1).collect());
        }
        let put = async |write: &Write<'_>| {
            // First the index: what is not in it, invalidating by a pattern would miss. Only then the message's number is
            // taken, for one that is never sent looks like a loss.
            self.index(write).await?;
            let command = self.put_command(write, true);
            let stored = self.ask(async |connection| command.query_async::<u8>(connection).await).await? == 1;
            if stored && write.lease.is_none() {
                // Nothing stopped it from landing behind a removal, which took the key out of the index.
                self.index(write).await?;
            }
            Ok(stored)
        };
        let stored: Vec<_> = futures::stream::iter(writes).map(put).buffered(AT_A_TIME).collect().await;
        stored.into_iter().collect()
    }

    /// Stores one value. With its text Redis learns the script; afterwards its name is enough, for as long as a pipeline
    /// takes at least.
    fn put_command(&self, write: &Write<'_>, with_text: bool) -> Cmd {
        let Write { names, class, key, lease, value, life_ms } = write;
        let message = match lease {
            Some(_) => Message::Filled { class, key },
            None => Message::Key { class, key },
        };
        let mut command = if with_text {
            cmd("EVAL").arg(scripts::PUT).take()
        } else {
            cmd("EVALSHA").arg(self.scripts.put.get_hash()).take()
        };
        let keys = [names.entry(key), names.lease(key), names.index.clone()];
        let keys = if self.pool.is_cluster() { &keys[..2] } else { &keys[..] };
        command.arg(keys.len()).arg(keys).arg(lease.map_or("", |lease| &lease.0)).arg(&value[..]).arg(life_ms);
        command.arg(&self.channel).arg(self.pack(&message)).arg(key);
        command
    }

    /// Notes a key in its class's index, which lies on another node of a Cluster than the key.
    async fn index(&self, write: &Write<'_>) -> Result<(), Lost> {
        self.ask(async |connection| {
            let (now, _): (u64, u64) = cmd("TIME").query_async(connection).await?;
            let ends = now + write.life_ms.div_ceil(1000);
            cmd("ZADD").arg(&write.names.index).arg(ends).arg(write.key).query_async::<()>(connection).await
        })
        .await
    }

    /// Keeps a lease. False when it is no longer ours.
    pub async fn renew(&self, names: &Names, key: &str, lease: &Lease) -> Result<bool, Lost> {
        let mut script = self.scripts.renew.prepare_invoke();
        script.key(names.lease(key)).arg(&lease.0).arg(millis(self.lease));
        Ok(self.run::<u8>(&script).await? == 1)
    }

    /// Gives up a lease after a failed load.
    pub async fn release(&self, names: &Names, class: &str, key: &str, lease: &Lease) -> Result<(), Lost> {
        let filled = self.pack(&Message::Filled { class, key });
        let mut script = self.scripts.release.prepare_invoke();
        script.key(names.lease(key)).arg(&lease.0).arg(&self.channel).arg(filled);
        self.run::<u8>(&script).await.map(drop)
    }

    /// Removes a key everywhere; a load under way loses its lease. Answers whether there was an entry.
    pub async fn remove(&self, names: &Names, class: &str, key: &str) -> Result<bool, Lost> {
        let mut script = self.scripts.remove.prepare_invoke();
        script.key(names.entry(key)).key(names.lease(key));
        if !self.pool.is_cluster() {
            script.key(&names.index);
        }
        // Before the entry and its lease: whoever still holds the lease cannot store what the index lacks. Where the
        // index's node is away, the entry goes all the same.
        let unindexed = if self.pool.is_cluster() {
            self.ask(async |connection| cmd("ZREM").arg(&names.index).arg(key).query_async::<()>(connection).await)
                .await
        } else {
            Ok(())
        };
        script.arg(&self.channel).arg(self.pack(&Message::Key { class, key })).arg(key);
        let removed = self.run::<u8>(&script).await? > 0;
        unindexed.map(|()| removed)
    }

    /// Removes exactly this value, if it still stands there; and whatever is no string.
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

    /// A sign of life on the backplane, heard by all instances and by this one. Past the breaker: it is the probe that
    /// finds Redis again.
    pub async fn beat(&self) -> Result<(), Lost> {
        let message = self.pack(&Message::Beat);
        self.ask_now(async |connection| {
            cmd("PUBLISH").arg(&self.channel).arg(message).query_async::<()>(connection).await
        })
        .await
    }

    /// Part of a class's index: keys from `offset` on, the last to end first. A key that is loaded again meanwhile moves
    /// to the front, so who reads on sees some keys twice and misses none.
    pub async fn indexed(&self, names: &Names, offset: u64, limit: usize) -> Result<Vec<String>, Lost> {
        self.ask(async |connection| {
            cmd("ZREVRANGE").arg(&names.index).arg(offset).arg(offset + limit as u64 - 1).query_async(connection).await
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

/// One answer of a pipeline.
fn read_as<T: FromRedisValue>(answer: Option<RedisResult<Value>>) -> RedisResult<T> {
    Ok(from_redis_value(answer.unwrap_or(Ok(Value::Nil))?)?)
}

fn lost(error: RedisError) -> Lost {
    Lost(explain(&error))
}

/// What GET and PTTL say of one key.
fn found(value: RedisResult<Option<Bytes>>, left: i64) -> Result<Option<Found>, Lost> {
    let bytes = match value {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) if error.code() == Some("WRONGTYPE") => Bytes::new(),
        Err(error) => return Err(lost(error)),
    };
    Ok(match left {
        1.. => Some(Found { bytes, left_ms: Some(left.unsigned_abs()) }),
        -1 => Some(Found { bytes, left_ms: None }),
        // It ended between the two.
        _ => None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_sandbox::{Redis, RedisOptions};

    async fn remote(timeout: Duration) -> (Redis, Remote) {
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        let settings = CacheSettings { redis_timeout: timeout, ..CacheSettings::default() };
        let remote = Remote::new(&Servers::Single(redis.url(0)), &settings).unwrap();
        (redis, remote)
    }

    #[tokio::test]
    async fn trouble_too_short_to_open_the_breaker_is_forgotten() {
        let (_redis, remote) = remote(Duration::from_secs(5)).await;
        for _ in 0..2 {
            let refused = remote.ask_now(async |redis| cmd("NOSUCHCOMMAND").query_async::<()>(redis).await).await;
            assert!(refused.is_err());
        }
        assert!(remote.problem().is_some() && remote.breaker.opened() == 0);
        remote.beat().await.unwrap();
        assert!(remote.problem().is_none());
    }

    #[tokio::test]
    async fn waiting_for_a_turn_is_no_failure_of_redis() {
        let (_redis, remote) = remote(Duration::from_millis(20)).await;
        let turns = remote.turns.acquire_many(CONNECTIONS as u32).await.unwrap();
        for _ in 0..5 {
            assert!(remote.beat().await.is_err());
        }
        assert!(remote.problem().is_none() && !remote.breaker.is_open());
        drop(turns);
    }
}
