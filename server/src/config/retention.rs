//! `[retention]`: how long history is kept.

use super::{ConfigError, section::Section, value};
use headroom_engine::store::Retention;

/// Ten years: what is kept longer belongs into a data warehouse.
const MAX_DAYS: u32 = 3660;

pub(super) fn read(root: &Section<'_>) -> Result<Retention, ConfigError> {
    let section = root.section("retention")?;
    let days = |key: &str, default: u32| {
        section.value(key, &value::whole(1..=MAX_DAYS)).map(|written| written.unwrap_or(default))
    };
    let default = Retention::default();
    let retention = Retention {
        minutes_days: days("minutes_days", default.minutes_days)?,
        hours_days: days("hours_days", default.hours_days)?,
        events_days: days("events_days", default.events_days)?,
    };
    section.finish()?;
    if retention.hours_days < retention.minutes_days {
        return Err(section.wrong(&format!(
            "hours_days ({}) is below minutes_days ({}); allowed: at least as many",
            retention.hours_days, retention.minutes_days
        )));
    }
    Ok(retention)
}
