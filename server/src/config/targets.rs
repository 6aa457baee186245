//! `[[targets]]`, or `DATABASE_URL` and `REDIS_URL`: what is watched.

use super::{ConfigError, auto_terminate, section::Section, value};
use headroom_engine::{
    cache::Servers,
    pool::{PoolProfile, ReplicaConfig},
    target::{CapacityLimits, TargetConfig},
};
use headroom_model::TargetId;
use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

/// The name of the target that comes from `DATABASE_URL`.
const FROM_ENVIRONMENT: &str = "main";
/// One console watches a handful of databases; each costs two connections and a task.
const MAX_TARGETS: usize = 32;

/// The targets of the file. Only when it has none do `DATABASE_URL` and `REDIS_URL` make one: many machines have them
/// set for other programs, and a file that names its targets means those.
pub(super) fn read(root: &Section<'_>) -> Result<Vec<TargetConfig>, ConfigError> {
    let mut targets = Vec::new();
    let mut names = BTreeSet::new();
    for section in root.sections("targets")? {
        let target = target(&section)?;
        if !names.insert(target.id.clone()) {
            return Err(section.wrong(&format!("two targets have the id \"{}\"; each needs its own", target.id)));
        }
        targets.push(target);
    }
    if targets.len() > MAX_TARGETS {
        return Err(root.refuse("targets", &format!("{} tables", targets.len()), &format!("at most {MAX_TARGETS}")));
    }
    let database_url = root.env_secret("DATABASE_URL", &postgres())?;
    let redis = root.env_secret("REDIS_URL", &redis())?.map(Servers::Single);
    if let Some(database_url) = database_url.filter(|_| targets.is_empty()) {
        let id = TargetId(FROM_ENVIRONMENT.to_owned());
        targets.push(TargetConfig {
            id,
            database_url,
            replica: None,
            redis,
            pool: PoolProfile::default(),
            limits: CapacityLimits::default(),
            auto_terminate: None,
        });
    }
    Ok(targets)
}

fn target(section: &Section<'_>) -> Result<TargetConfig, ConfigError> {
    let id = value::form("1 to 40 of a-z, 0-9 and -", |text| {
        (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    });
    let id = section.value("id", &id)?.ok_or_else(|| section.wrong("id is missing"))?;
    let database_url = section
        .secret("database_url", &postgres())?
        .ok_or_else(|| section.wrong("database_url or database_url_file is missing"))?;
    let replica = replica(section)?;
    let redis = servers(section)?;
    let pool = pool(&section.section("pool")?)?;
    let limits = limits(&section.section("limits")?)?;
    let auto_terminate = auto_terminate::read(&section.section("auto_terminate")?)?;
    section.finish()?;
    Ok(TargetConfig { id: TargetId(id), database_url, replica, redis, pool, limits, auto_terminate })
}

/// `replica_url`, and how far it may be behind to be read from.
fn replica(section: &Section<'_>) -> Result<Option<ReplicaConfig>, ConfigError> {
    let max_lag =
        section.value("replica_max_lag", &value::span(Duration::from_millis(500)..=Duration::from_secs(600)))?;
    let url = section.secret("replica_url", &postgres())?;
    if url.is_none() && max_lag.is_some() {
        return Err(section.wrong("replica_max_lag needs replica_url"));
    }
    Ok(url.map(|url| ReplicaConfig { url, max_lag: max_lag.unwrap_or(Duration::from_secs(5)) }))
}

/// One server (`redis_url`), the master that Sentinels name (`redis_sentinels` and `redis_master`), or a Cluster
/// (`redis_cluster`).
fn servers(section: &Section<'_>) -> Result<Option<Servers>, ConfigError> {
    let single = section.secret("redis_url", &redis())?;
    let sentinels = section.secrets("redis_sentinels", &redis())?;
    let master = section.secret("redis_master", &master())?;
    let cluster = section.secrets("redis_cluster", &redis())?;
    Ok(match (single, sentinels.is_empty(), master, cluster.is_empty()) {
        (None, true, None, true) => None,
        (Some(address), true, None, true) => Some(Servers::Single(address)),
        (None, false, Some(master), true) => Some(Servers::Sentinel { sentinels, master }),
        (None, true, None, false) => Some(Servers::Cluster(cluster)),
        (None, false, None, true) => return Err(section.wrong("redis_sentinels needs redis_master, the master's name")),
        (None, true, Some(_), true) => {
            return Err(section.wrong("redis_master needs redis_sentinels, the addresses of those who know it"));
        }
        _ => {
            return Err(section.wrong(
                "a target has one Redis: keep redis_url, or redis_sentinels with redis_master, or redis_cluster",
            ));
        }
    })
}

fn pool(section: &Section<'_>) -> Result<PoolProfile, ConfigError> {
    let names = value::form("development, staging or production", |name| PoolProfile::NAMES.contains(&name));
    let named = section.value("profile", &names)?;
    let default = named.as_deref().and_then(PoolProfile::named).unwrap_or_default();
    let size = |key: &str, least: u32, default: u32| {
        section.value(key, &value::whole(least..=200)).map(|size| size.unwrap_or(default))
    };
    let span = |key: &str, range: RangeInclusive<Duration>, default: Duration| {
        section.value(key, &value::span(range)).map(|span| span.unwrap_or(default))
    };
    let secs = Duration::from_secs;
    let profile = PoolProfile {
        interactive_max: size("interactive_max", 1, default.interactive_max)?,
        // One for the collection, one for the sign of life beside it.
        monitor_max: size("monitor_max", 2, default.monitor_max)?,
        batch_max: size("batch_max", 1, default.batch_max)?,
        data_max: size("data_max", 1, default.data_max)?,
        warmup_max: size("warmup_max", 1, default.warmup_max)?,
        interactive_min: size("interactive_min", 0, default.interactive_min)?,
        data_min: size("data_min", 0, default.data_min)?,
        acquire_timeout: span("acquire_timeout", Duration::from_millis(100)..=secs(60), default.acquire_timeout)?,
        idle_timeout: span("idle_timeout", secs(10)..=secs(86_400), default.idle_timeout)?,
        max_lifetime: span("max_lifetime", secs(60)..=secs(86_400), default.max_lifetime)?,
        leak_after: span("leak_after", secs(1)..=secs(86_400), default.leak_after)?,
        health_every: span("health_every", secs(5)..=secs(3_600), default.health_every)?,
    };
    for (name, min, max) in [
        ("interactive", profile.interactive_min, profile.interactive_max),
        ("data", profile.data_min, profile.data_max),
    ] {
        if min > max {
            return Err(section.wrong(&format!("{name}_min = {min} is more than {name}_max = {max}")));
        }
    }
    section.finish()?;
    Ok(profile)
}

/// What the target can hold: Capacity forecasts when it is reached.
fn limits(section: &Section<'_>) -> Result<CapacityLimits, ConfigError> {
    const MIB: u64 = 1 << 20;
    const PIB: u64 = 1 << 50;
    let limits = CapacityLimits {
        storage_bytes: section.value("storage", &value::bytes(MIB..=PIB))?,
        network_bytes_per_second: section.value("network", &value::bit_rate())?,
        cache_memory_bytes: section.value("cache_memory", &value::bytes(MIB..=PIB))?,
        planned_percent: section
            .value("planned_percent", &value::number(1.0..=100.0))?
            .unwrap_or(CapacityLimits::default().planned_percent),
    };
    section.finish()?;
    Ok(limits)
}

fn postgres() -> value::Kind<String> {
    value::form("postgres://user:password@host:port/database", |url| {
        url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
    })
}

fn redis() -> value::Kind<String> {
    value::form("redis://host:port, rediss://… or redis+unix:///path", |url| {
        url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss" | "redis+unix" | "unix"))
    })
}

fn master() -> value::Kind<String> {
    value::form("a name such as mymaster, or redis://user:password@name", |text| {
        let is_name = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let is_url =
            || url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
        is_name || is_url()
    })
}
