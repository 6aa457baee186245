//! `[targets.auto_terminate]`: which sessions are ended without being asked.

use super::{ConfigError, section::Section, value};
use headroom_model::activity::AutoTerminateRules;
use std::time::Duration;

/// A limit below would end what merely takes its time between two statements.
const LEAST: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(7 * 86_400);
/// Names in a list.
const MAX_NAMES: usize = 100;

/// None while no limit is set: the policy is off.
pub(super) fn read(section: &Section<'_>) -> Result<Option<AutoTerminateRules>, ConfigError> {
    let limit = |key: &str| {
        let span = section.value(key, &value::span(LEAST..=MOST))?;
        Ok::<_, ConfigError>(span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    };
    let rules = AutoTerminateRules {
        idle_in_transaction_ms: limit("idle_in_transaction")?,
        long_running_ms: limit("long_running")?,
        applications: names(section, "applications")?,
        users: names(section, "users")?,
        dry_run: section.value("dry_run", &value::flag())?.unwrap_or(true),
        most_per_minute: section.value("most_per_minute", &value::whole(1..=60))?.unwrap_or(3),
    };
    section.finish()?;
    if rules.idle_in_transaction_ms.is_none() && rules.long_running_ms.is_none() {
        let is_written = section.keys().next().is_some();
        return match is_written {
            true => Err(section.wrong("set idle_in_transaction or long_running, or leave the section out")),
            false => Ok(None),
        };
    }
    if rules.applications.is_empty() && rules.users.is_empty() {
        return Err(section.wrong("name in applications or users whose sessions it may touch"));
    }
    Ok(Some(rules))
}

fn names(section: &Section<'_>, key: &str) -> Result<Vec<String>, ConfigError> {
    let name = value::form("a name of up to 63 bytes, not * alone; * at its end stands for any rest", |text| {
        (1..=64).contains(&text.len()) && text != "*" && !text.trim_end_matches('*').contains('*')
    });
    let names = section.list(key, &name)?;
    if names.len() > MAX_NAMES {
        return Err(section.refuse(key, &format!("{} names", names.len()), &format!("at most {MAX_NAMES}")));
    }
    Ok(names)
}
