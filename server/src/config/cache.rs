//! `[cache]`: the caches that datasets are read through.

use super::{ConfigError, section::Section, value, warmup};
use headroom_engine::{cache::CacheSettings, warmup::WarmupSettings};
use std::time::Duration;

pub(super) fn read(root: &Section<'_>) -> Result<(CacheSettings, WarmupSettings), ConfigError> {
    let section = root.section("cache")?;
    let default = CacheSettings::default();
    let space = value::form("1 to 40 of a-z, 0-9 and -", |text| {
        (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    });
    let settings = CacheSettings {
        space: section.value("space", &space)?.unwrap_or(default.space),
        memory_max: section.value("memory_max", &value::bytes(1 << 20..=64 << 30))?.unwrap_or(default.memory_max),
        loads_max: section
            .value("loads_max", &value::whole(1..=1000))?
            .map_or(default.loads_max, |loads| usize::try_from(loads).unwrap_or(usize::MAX)),
        redis_timeout: section
            .value("redis_timeout", &value::span(Duration::from_millis(10)..=Duration::from_secs(5)))?
            .unwrap_or(default.redis_timeout),
        ..default
    };
    let warmup = warmup::read(&section)?;
    section.finish()?;
    Ok((settings, warmup))
}
