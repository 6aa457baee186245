//! What the console reads of a Redis.

use super::Finding;
use deadpool_redis::redis::{self, AsyncTypedCommands, InfoDict, RedisError};
use headroom_engine::cache::{ConnectError, RedisConnection, RedisPool, Servers};
use headroom_model::format;

pub(super) async fn examine(servers: &Servers) -> Vec<Finding> {
    let wrong = |reason: String| vec![Finding::wrong("Redis", reason)];
    let pool = match RedisPool::new(servers, super::PATIENCE) {
        Ok(pool) => pool,
        Err(error) => return wrong(error.to_string()),
    };
    let looked = match pool.connect().await {
        Ok(connection) if pool.is_cluster() => greet(connection).await,
        Ok(connection) => look(connection).await,
        Err(ConnectError::Redis(error)) => Err(error),
        Err(other) => return wrong(other.to_string()),
    };
    looked.unwrap_or_else(|error| wrong(reason(&error)))
}

/// A Cluster's nodes have memory and limits of their own; here they only have to answer, every master of them.
async fn greet(mut connection: RedisConnection) -> Result<Vec<Finding>, RedisError> {
    connection.ping().await?;
    Ok(vec![
        match connection.slots_unserved().await? {
            0 => Finding::good("Redis", "a Cluster, all slots are served"),
            unserved => Finding::wrong("Redis", format!("a Cluster in which nobody serves {unserved} of 16384 slots")),
        },
        Finding::advice("figures", "a Cluster's are not collected; watch a node as a target of its own (redis_url)"),
    ])
}

/// The cause without the connection string.
fn reason(error: &RedisError) -> String {
    match error.kind() {
        redis::ErrorKind::InvalidClientConfig => "the connection string cannot be read".to_owned(),
        redis::ErrorKind::AuthenticationFailed => "refuses the user or password".to_owned(),
        _ => format!("does not answer: {error}"),
    }
}

async fn look(mut connection: RedisConnection) -> Result<Vec<Finding>, RedisError> {
    let info: InfoDict = redis::cmd("INFO").query_async(&mut connection).await?;
    let version: String = info.get("redis_version").unwrap_or_default();
    let role: String = info.get("role").unwrap_or_default();
    let policy: Option<String> = info.get("maxmemory_policy");
    let limit: Option<u64> = info.get("maxmemory");
    let mut findings = vec![Finding::good("Redis", format!("{version}, {role}"))];
    findings.push(match limit {
        Some(0) => Finding::advice("maxmemory", "not set: memory has no limit to be measured against")
            .remedy("CONFIG SET maxmemory 1gb  -- and in redis.conf"),
        Some(bytes) => Finding::good("maxmemory", format::bytes(bytes as f64).to_string()),
        None => Finding::advice("maxmemory", "hidden by this server"),
    });
    findings.push(match policy.as_deref() {
        Some("noeviction") if limit != Some(0) => {
            Finding::advice("maxmemory-policy", "noeviction: writes fail when the limit is reached")
                .remedy("CONFIG SET maxmemory-policy allkeys-lru  -- if this Redis is a cache")
        }
        Some(policy) => Finding::good("maxmemory-policy", policy),
        None => Finding::advice("maxmemory-policy", "hidden by this server"),
    });
    connection.ping().await?;
    Ok(findings)
}
