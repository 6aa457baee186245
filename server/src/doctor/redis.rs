//! What the console reads of a Redis.

use super::Finding;
use deadpool_redis::redis::{self, AsyncTypedCommands, Client, InfoDict, RedisError};
use headroom_model::format;

pub(super) async fn examine(url: &str) -> Vec<Finding> {
    match look(url).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::wrong("Redis", reason(&error))],
    }
}

/// The cause without the connection string.
fn reason(error: &RedisError) -> String {
    match error.kind() {
        redis::ErrorKind::InvalidClientConfig => "the connection string cannot be read".to_owned(),
        redis::ErrorKind::AuthenticationFailed => "refuses the user or password".to_owned(),
        _ => format!("does not answer: {error}"),
    }
}

async fn look(url: &str) -> Result<Vec<Finding>, RedisError> {
    let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
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
