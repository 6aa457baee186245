//! `[cache.warmup]`: when and how fast caches are warmed.

use super::{ConfigError, section::Section, value};
use headroom_engine::warmup::{Schedule, WarmupSettings};
use headroom_model::warmup::WarmupStrategy;

/// Every strategy, by its name.
const STRATEGIES: &[(&str, WarmupStrategy)] = &{
    let mut named = [("", WarmupStrategy::CriticalOnly); WarmupStrategy::ALL.len()];
    let mut n = 0;
    while n < named.len() {
        named[n] = (WarmupStrategy::ALL[n].as_str(), WarmupStrategy::ALL[n]);
        n += 1;
    }
    named
};

pub(super) fn read(cache: &Section<'_>) -> Result<WarmupSettings, ConfigError> {
    let section = cache.section("warmup")?;
    let default = WarmupSettings::default();
    let strategy = value::one_of(STRATEGIES);
    let by_schedule = section.value("strategy", &strategy)?;
    let schedule = match section.value("schedule", &value::text())? {
        Some(cron) => {
            let schedule = Schedule::new(&cron, by_schedule.unwrap_or(WarmupStrategy::HighFrequency));
            let allowed = |error| format!("minute hour day month weekday, in UTC, as 0 6 * * * ({error})");
            Some(schedule.map_err(|error| section.refuse("schedule", &format!("\"{cron}\""), &allowed(error)))?)
        }
        None if by_schedule.is_some() => return Err(section.wrong("strategy is set, but no schedule to use it")),
        None => None,
    };
    let settings = WarmupSettings {
        at_start: section.value("at_start", &strategy)?,
        schedule,
        keys_per_second: section
            .value("keys_per_second", &value::whole(1..=10_000))?
            .unwrap_or(default.keys_per_second),
    };
    section.finish()?;
    Ok(settings)
}
