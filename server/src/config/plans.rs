//! `[plans]`: how statements are explained, and how indexes are advised and built.

use super::{ConfigError, section::Section, value};
use headroom_engine::plans::PlanSettings;
use std::{ops::RangeInclusive, time::Duration};

pub(super) fn read(root: &Section<'_>) -> Result<PlanSettings, ConfigError> {
    let section = root.section("plans")?;
    let span = |key: &str, range: RangeInclusive<Duration>, default: Duration| {
        section.value(key, &value::span(range)).map(|written| written.unwrap_or(default))
    };
    let secs = Duration::from_secs;
    let default = PlanSettings::default();
    let settings = PlanSettings {
        analyze: section.value("analyze", &value::flag())?.unwrap_or(default.analyze),
        statement_timeout: span("statement_timeout", secs(1)..=secs(15), default.statement_timeout)?,
        advice_every: span("advice_every", secs(60)..=secs(86_400), default.advice_every)?,
        build_timeout: span("build_timeout", secs(60)..=secs(7 * 86_400), default.build_timeout)?,
    };
    section.finish()?;
    Ok(settings)
}
