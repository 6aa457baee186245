//! Locks in Redis. `hrl1:l:{space:name}` holds `id fence owner` and ends with the lease; `hrl1:f:{space:name}` is the
//! fence. Both lie on one node of a Cluster.

use super::{Backing, Holder, Unanswered};
use crate::cache::{RedisPool, Servers, ServersError};
use async_trait::async_trait;
use deadpool_redis::redis::{FromRedisValue, RedisError, Script, ScriptInvocation, cmd, pipe};
use std::time::Duration;
use uuid::Uuid;

/// One conversation. Far below every TTL, so that a watchdog can ask several times.
const TIMEOUT: Duration = Duration::from_secs(1);

/// `LOCK FENCE | id owner ttl_ms` → the fence, 0 while another holds it. It is the time in microseconds, or one
/// more where that was had already, so it never goes back, whatever Redis forgets.
const TAKE: &str = r"
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local t = redis.call('TIME')
local fence = math.max(t[1] * 1000000 + t[2], (tonumber(redis.call('GET', KEYS[2])) or 0) + 1)
redis.call('SET', KEYS[2], string.format('%.0f', fence))
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. string.format('%.0f', fence) .. ' ' .. ARGV[2], 'NX', 'PX', ARGV[3])
return fence";

/// `LOCK | id ttl_ms` → 1 renewed, 0 it is no longer this taking's.
const RENEW: &str = r"
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// `LOCK | id` → 1 free, 0 it was no longer this taking's.
const FREE: &str = r"
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

pub(super) struct RedisLocks {
    pool: RedisPool,
    space: String,
    take: Script,
    renew: Script,
    free: Script,
}

impl RedisLocks {
    pub fn new(servers: &Servers, space: &str) -> Result<Self, ServersError> {
        Ok(RedisLocks {
            pool: RedisPool::new(servers, TIMEOUT)?,
            space: space.to_owned(),
            take: Script::new(TAKE),
            renew: Script::new(RENEW),
            free: Script::new(FREE),
        })
    }

    fn lock(&self, name: &str) -> String {
        format!("hrl1:l:{{{}:{name}}}", self.space)
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Unanswered> {
        let talk = async {
            let mut connection = self.pool.get().await.map_err(Unanswered)?;
            script.invoke_async(&mut connection).await.map_err(|error| explain(&error))
        };
        within(talk).await
    }
}

async fn within<T>(talk: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
    let late = || Err(Unanswered(format!("Redis gave no answer within {} ms", TIMEOUT.as_millis())));
    tokio::time::timeout(TIMEOUT, talk).await.unwrap_or_else(|_| late())
}

fn explain(error: &RedisError) -> Unanswered {
    Unanswered(match error.code() {
        Some("NOPERM") => "Redis: the user may not use keys hrl1:* (see the runbook)".into(),
        _ => format!("Redis: {}", error.category()),
    })
}

#[async_trait]
impl Backing for RedisLocks {
    async fn take(&self, name: &str, id: Uuid, owner: &str, ttl: Duration) -> Result<Option<u64>, Unanswered> {
        let mut script = self.take.prepare_invoke();
        script.key(self.lock(name)).key(format!("hrl1:f:{{{}:{name}}}", self.space));
        script.arg(id.to_string()).arg(owner).arg(millis(ttl));
        let fence: u64 = self.run(&script).await?;
        Ok((fence > 0).then_some(fence))
    }

    async fn renew(&self, name: &str, id: Uuid, ttl: Duration) -> Result<bool, Unanswered> {
        let mut script = self.renew.prepare_invoke();
        script.key(self.lock(name)).arg(id.to_string()).arg(millis(ttl));
        Ok(self.run::<u8>(&script).await? == 1)
    }

    async fn free(&self, name: &str, id: Uuid) -> Result<bool, Unanswered> {
        let mut script = self.free.prepare_invoke();
        script.key(self.lock(name)).arg(id.to_string());
        Ok(self.run::<u8>(&script).await? == 1)
    }

    async fn holder(&self, name: &str) -> Result<Option<Holder>, Unanswered> {
        let lock = self.lock(name);
        let talk = async {
            let mut connection = self.pool.get().await.map_err(Unanswered)?;
            let mut look = pipe();
            look.add_command(cmd("GET").arg(&lock).clone()).add_command(cmd("PTTL").arg(&lock).clone());
            look.query_async(&mut connection).await.map_err(|error| explain(&error))
        };
        let (held, left): (Option<String>, i64) = within(talk).await?;
        Ok(held.filter(|_| left > 0).and_then(|held| {
            let mut parts = held.splitn(3, ' ').skip(1);
            let fence = parts.next()?.parse().ok()?;
            Some(Holder { fence, owner: parts.next()?.to_owned(), left: Duration::from_millis(left.unsigned_abs()) })
        }))
    }
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}
