//! `[collect]`: how often and how patiently targets are read.

use super::{ConfigError, section::Section, value};
use headroom_engine::collect::CollectSettings;
use std::{ops::RangeInclusive, time::Duration};

pub(super) fn read(root: &Section<'_>) -> Result<CollectSettings, ConfigError> {
    let section = root.section("collect")?;
    let span = |key: &str, range: RangeInclusive<Duration>, default: Duration| {
        section.value(key, &value::span(range)).map(|written| written.unwrap_or(default))
    };
    let secs = Duration::from_secs;
    let default = CollectSettings::default();
    let settings = CollectSettings {
        live_every: span("live_every", secs(1)..=secs(60), default.live_every)?,
        heavy_every: span("heavy_every", secs(10)..=secs(3600), default.heavy_every)?,
        heartbeat_every: span("heartbeat_every", secs(1)..=secs(60), default.heartbeat_every)?,
        // A collection ends its reads before that: more could not be kept.
        statement_timeout: span("statement_timeout", secs(1)..=secs(3), default.statement_timeout)?,
        waits_every: span("waits_every", secs(1)..=secs(60), default.waits_every)?,
        lock_timeout: span("lock_timeout", Duration::from_millis(10)..=secs(5), default.lock_timeout)?,
    };
    section.finish()?;
    Ok(settings)
}
