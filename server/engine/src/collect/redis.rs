//! Redis: `INFO`, read once a sample, and one round trip.

use super::{
    findings::Findings,
    interval::{Counters, Reading, Step, share},
};
use crate::{
    cache::{ConnectError, RedisPool},
    target::Target,
};
use deadpool_redis::redis::{self, RedisError};
use headroom_model::MetricId;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// How long one conversation with Redis may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Below this many lookups a hit ratio says nothing.
const LEAST_LOOKUPS: f64 = 100.0;

/// One Redis and what is remembered of it.
#[derive(Debug)]
pub(super) struct Redis {
    line: Line,
    counters: Counters<8>,
    run: Option<(String, f64)>,
    version: Option<String>,
}

/// Why Redis gave no figures.
enum Failure {
    /// It does not answer.
    Down(String),
    /// It answers, but not that command to this user.
    Forbidden,
}

/// Talks to the Redis of a target. Cheap to clone: signs of life are asked for while a collection is under way.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<Target>);

impl Line {
    pub(super) fn new(target: &Arc<Target>) -> Option<Self> {
        target.redis.is_some().then(|| Line(Arc::clone(target)))
    }

    fn at(&self) -> &str {
        self.0.redis_address.as_deref().unwrap_or_default()
    }

    /// Asks for a sign of life.
    pub(super) async fn heartbeat(&self) -> Result<(), String> {
        match self.ask(false).await {
            Ok(_) | Err(Failure::Forbidden) => Ok(()),
            Err(Failure::Down(reason)) => Err(reason),
        }
    }

    fn is_cluster(&self) -> bool {
        self.0.redis.as_ref().is_some_and(RedisPool::is_cluster)
    }

    /// The time of a PING in milliseconds (in a Cluster: of every master's) and, where wanted, the text of INFO. Each
    /// node of a Cluster has its own INFO; there it is not asked for.
    async fn ask(&self, info: bool) -> Result<(f64, String), Failure> {
        let Some(pool) = &self.0.redis else { return Ok((0.0, String::new())) };
        let talk = async {
            let mut connection = pool.connect().await.map_err(|error| self.explain_connect(&error))?;
            let sent = Instant::now();
            redis::cmd("PING").query_async::<String>(&mut connection).await.map_err(|error| self.explain(&error))?;
            let round_trip = sent.elapsed().as_secs_f64() * 1000.0;
            if pool.is_cluster() {
                // Only nodes that are known were asked; what the others should keep shows here.
                let unserved = connection.slots_unserved().await.map_err(|error| self.explain(&error))?;
                if unserved > 0 {
                    let at = self.at();
                    return Err(Failure::Down(format!("Redis at {at}: nobody serves {unserved} of 16384 slots")));
                }
            }
            let text = if info && !pool.is_cluster() {
                redis::cmd("INFO").query_async(&mut connection).await.map_err(|error| self.explain(&error))?
            } else {
                String::new()
            };
            Ok((round_trip, text))
        };
        timeout(TIMEOUT, talk).await.unwrap_or_else(|_| Err(self.silent()))
    }

    fn silent(&self) -> Failure {
        Failure::Down(format!("Redis at {} did not answer within {} s", self.at(), TIMEOUT.as_secs()))
    }

    fn explain_connect(&self, error: &ConnectError) -> Failure {
        match error {
            ConnectError::Redis(error) => self.explain(error),
            ConnectError::Timeout => self.silent(),
            ConnectError::Closed => Failure::Down(format!("The connections to Redis at {} cannot be used", self.at())),
        }
    }

    fn explain(&self, error: &RedisError) -> Failure {
        let at = self.at();
        Failure::Down(match error.code() {
            Some("NOPERM") => return Failure::Forbidden,
            Some("NOAUTH" | "WRONGPASS") => format!("Redis at {at} refuses the password"),
            Some("LOADING") => format!("Redis at {at} is loading its data"),
            _ if error.is_connection_refusal() => format!("Redis at {at} refuses connections"),
            _ if error.is_timeout() => return self.silent(),
            _ if error.is_connection_dropped() => format!("Redis at {at} closed the connection"),
            _ => format!("Redis at {at}: {}", error.category()),
        })
    }
}

impl Redis {
    /// None where the target has no Redis.
    pub(super) fn new(target: &Arc<Target>) -> Option<Self> {
        Line::new(target).map(|line| Redis { line, counters: Counters::default(), run: None, version: None })
    }

    /// Reads INFO. The error says why there are no figures at all.
    pub(super) async fn collect(&mut self, findings: &mut Findings) -> Result<(), String> {
        let answer = self.line.ask(true).await;
        findings.set(MetricId::RedisUp, f64::from(u8::from(!matches!(answer, Err(Failure::Down(_))))));
        let outcome = match answer {
            Ok((round_trip, _)) if self.line.is_cluster() => {
                findings.set(MetricId::RedisRoundTrip, round_trip);
                findings.limit(
                    "Redis is a Cluster: whether its nodes answer is measured, the figures of each are not.",
                    "Watch a node as a target of its own: redis_url instead of redis_cluster",
                );
                Ok(())
            }
            Ok((round_trip, text)) => {
                findings.set(MetricId::RedisRoundTrip, round_trip);
                self.read(&Info::parse(&text), findings);
                Ok(())
            }
            Err(Failure::Forbidden) => {
                findings.limit(
                    "The Redis user may not run INFO, so cache figures are not measured.",
                    "ACL SETUSER <user> +ping +info",
                );
                Ok(())
            }
            Err(Failure::Down(reason)) => {
                findings.failed = true;
                Err(reason)
            }
        };
        findings.facts.redis_version.clone_from(&self.version);
        outcome
    }

    fn read(&mut self, info: &Info<'_>, findings: &mut Findings) {
        self.version = info.text("redis_version").map(str::to_owned);
        let restarted = self.notice_restart(info);
        if restarted {
            findings.restarted("Redis");
            self.counters.forget();
        }

        findings.set(MetricId::RedisMemory, info.number("used_memory"));
        let limit = info.number("maxmemory").filter(|bytes| *bytes > 0.0);
        findings.set(MetricId::RedisMemoryMax, limit);
        let used = info.number("used_memory").zip(limit).and_then(|(used, limit)| share(used, limit, 1.0));
        findings.set(MetricId::RedisMemoryUsed, used);
        findings.set(MetricId::RedisFragmentation, info.number("mem_fragmentation_ratio"));
        findings.set(MetricId::RedisKeys, info.keys());
        findings.set(MetricId::RedisClients, info.number("connected_clients"));
        let clients = info.number("connected_clients").zip(info.number("maxclients"));
        findings.set(MetricId::RedisClientsUsed, clients.and_then(|(now, most)| share(now, most, 1.0)));
        findings.set(MetricId::RedisBlockedClients, info.number("blocked_clients"));
        findings.set(MetricId::RedisForkTime, info.number("latest_fork_usec").map(|micros| micros / 1000.0));

        let counters = [
            "keyspace_hits",
            "keyspace_misses",
            "evicted_keys",
            "expired_keys",
            "total_commands_processed",
            "rejected_connections",
            "total_net_input_bytes",
            "total_net_output_bytes",
        ];
        let Some(values) = info.numbers(counters) else { return };
        match self.counters.advance(Reading { taken: Instant::now(), epoch: None, values }) {
            Step::First => {}
            Step::Reset => findings.statistics_reset("Redis statistics were reset", None),
            Step::Moved(interval) => {
                let [hits, misses, evicted, expired, _, rejected, ..] = interval.delta;
                let [hit_rate, miss_rate, eviction_rate, expiry_rate, command_rate, _, input, output] =
                    interval.rates();
                findings.set(MetricId::RedisHitRatio, share(hits, hits + misses, LEAST_LOOKUPS));
                findings.set(MetricId::RedisLookups, hit_rate + miss_rate);
                findings.set(MetricId::RedisCommands, command_rate);
                findings.set(MetricId::RedisEvictions, eviction_rate);
                findings.set(MetricId::RedisEvictionShare, share(evicted, evicted + expired, 1.0));
                findings.set(MetricId::RedisExpirations, expiry_rate);
                findings.set(MetricId::RedisRejected, rejected);
                findings.set(MetricId::RedisNetworkIn, input);
                findings.set(MetricId::RedisNetworkOut, output);
            }
        }
    }

    /// A new run id or a falling uptime is a new life of the server.
    fn notice_restart(&mut self, info: &Info<'_>) -> bool {
        let Some(run) = info.text("run_id").map(str::to_owned).zip(info.number("uptime_in_seconds")) else {
            return false;
        };
        let before = self.run.replace(run.clone());
        before.is_some_and(|(id, uptime)| id != run.0 || run.1 < uptime)
    }
}

/// The text of INFO: `name:value` lines.
struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    fn parse(text: &'a str) -> Self {
        Info(text.lines().filter_map(|line| line.split_once(':')).collect())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|value| value.trim())
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }

    fn numbers<const N: usize>(&self, names: [&str; N]) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for (value, name) in values.iter_mut().zip(names) {
            *value = self.number(name)?;
        }
        Some(values)
    }

    /// Keys of all databases: `db0:keys=12,expires=3,avg_ttl=0`. None where INFO has no such section to read from.
    fn keys(&self) -> Option<f64> {
        self.number("used_memory")?;
        let databases = self.0.iter().filter(|(name, _)| {
            name.strip_prefix("db").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        });
        databases.map(|(_, value)| value.split(',').next()?.strip_prefix("keys=")?.parse::<f64>().ok()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_info() {
        let info = Info::parse(
            "# Server\r\nredis_version:7.0.15\r\nused_memory:1024\r\nmaxmemory:0\r\n# Keyspace\r\n\
             db0:keys=12,expires=3,avg_ttl=0\r\ndb3:keys=5,expires=0,avg_ttl=0\r\n",
        );
        assert_eq!(info.text("redis_version"), Some("7.0.15"));
        assert_eq!(info.number("used_memory"), Some(1024.0));
        assert_eq!(info.keys(), Some(17.0));
        assert_eq!(info.numbers(["used_memory", "nothing"]), None);
        assert_eq!(Info::parse("used_memory:1").keys(), Some(0.0));
        assert_eq!(Info::parse("garbage").keys(), None);
    }
}
