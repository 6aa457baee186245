//! `[health]`: weights of the components, limits of the checks, hold time.

use super::{ConfigError, section::Section, value};
use headroom_engine::health::{HealthSettings, Limits, Weights};
use toml::Value;

/// A day: a deduction that outlives its cause for longer would only confuse.
const MAX_HOLD_SECS: u32 = 86_400;
/// What a check may be set to.
const LIMITS: &str = "[degraded, critical] or \"off\"";

pub(super) fn read(root: &Section<'_>) -> Result<HealthSettings, ConfigError> {
    let section = root.section("health")?;
    let mut settings = HealthSettings::default();
    if let Some(secs) = section.value("hold_secs", &value::whole(0..=MAX_HOLD_SECS))? {
        settings.hold_secs = u64::from(secs);
    }
    weights(&section.section("weights")?, &mut settings)?;
    limits(&section.section("limits")?, &mut settings)?;
    section.finish()?;
    Ok(settings)
}

fn weights(section: &Section<'_>, settings: &mut HealthSettings) -> Result<(), ConfigError> {
    let percent = value::whole(0..=100);
    let weight = |key: &str, default: u8| {
        let written = section.value(key, &percent)?;
        Ok::<u8, ConfigError>(written.and_then(|value| u8::try_from(value).ok()).unwrap_or(default))
    };
    let default = settings.weights();
    let weights = Weights {
        database: weight("database", default.database)?,
        cache: weight("cache", default.cache)?,
        application: weight("application", default.application)?,
        locks: weight("locks", default.locks)?,
        queue: weight("queue", default.queue)?,
    };
    section.finish()?;
    settings.set_weights(weights).map_err(|error| section.wrong(&error.to_string()))
}

/// `query-latency = [500, 2000]` sets both limits of a check, `query-latency = "off"` leaves it out of the score.
fn limits(section: &Section<'_>, settings: &mut HealthSettings) -> Result<(), ConfigError> {
    for name in section.keys() {
        let outcome = match section.raw(name) {
            None => continue,
            Some(Value::String(word)) if word == "off" => settings.turn_off(name),
            Some(written) => match pair(written) {
                Some(limits) => settings.set_limits(name, limits),
                None => return Err(section.refuse(name, &written.to_string(), LIMITS)),
            },
        };
        outcome.map_err(|error| section.wrong(&error.to_string()))?;
    }
    Ok(())
}

fn pair(written: &Value) -> Option<Limits> {
    match written.as_array()?.as_slice() {
        [degraded, critical] => Some(Limits { degraded: number(degraded)?, critical: number(critical)? }),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        _ => None,
    }
}
