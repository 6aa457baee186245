//! Weights, limits and hold time, checked when they are set.

use super::checks::{self, CHECKS, Check, Rule};
use headroom_model::Component;
use std::collections::BTreeMap;

/// Two limits of a figure: past the first it is degraded, from the second on critical.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// What the figure should not pass; in the metric's own unit.
    pub degraded: f64,
    /// What it must not reach.
    pub critical: f64,
}

/// Share of each component in the overall score, in per cent. They add up to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// PostgreSQL. Default 40.
    pub database: u8,
    /// Redis, and the cache of datasets. Default 25.
    pub cache: u8,
    /// Pools, requests, process. Default 20.
    pub application: u8,
    /// Lock waits and deadlocks. Default 15.
    pub locks: u8,
    /// Jobs. Default 0: no jobs run yet.
    pub queue: u8,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { database: 40, cache: 25, application: 20, locks: 15, queue: 0 }
    }
}

impl Weights {
    /// The components in the order they are shown.
    pub const ORDER: [Component; 5] =
        [Component::Database, Component::Cache, Component::Application, Component::Locks, Component::Queue];

    /// The weight of one component.
    #[must_use]
    pub fn of(&self, component: Component) -> u8 {
        match component {
            Component::Database => self.database,
            Component::Cache => self.cache,
            Component::Application => self.application,
            Component::Locks => self.locks,
            Component::Queue => self.queue,
        }
    }
}

/// How long a session may do the same, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionLimits {
    /// Running one statement. Default 5 s and 60 s.
    pub long_statement: Limits,
    /// Idle in a transaction. Default 60 s and 600 s.
    pub idle_in_transaction: Limits,
}

/// Why a setting was refused; says what is allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// No check has this name.
    #[error("health check \"{name}\" is not known; allowed: {allowed}")]
    UnknownCheck {
        /// What was given.
        name: String,
        /// Every name.
        allowed: String,
    },
    /// The limits contradict each other or the figure.
    #[error("health check \"{name}\": {reason}")]
    Limits {
        /// Which check.
        name: &'static str,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The weights do not add up.
    #[error("health weights add up to {0}; they must add up to 100")]
    Weights(u16),
}

/// Weights, limits and hold time. Defaults are the documented ones.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthSettings {
    /// Seconds a target must be met before its deduction ends. Default 300. Outages end at once.
    pub hold_secs: u64,
    weights: Weights,
    /// What differs from the table of checks; none turns the check off.
    changed: BTreeMap<&'static str, Option<Limits>>,
}

impl Default for HealthSettings {
    fn default() -> Self {
        HealthSettings { hold_secs: 300, weights: Weights::default(), changed: BTreeMap::new() }
    }
}

impl HealthSettings {
    /// The weights in force.
    #[must_use]
    pub fn weights(&self) -> Weights {
        self.weights
    }

    /// Changes the weights. A component with weight 0 is not scored.
    ///
    /// # Errors
    /// They do not add up to 100.
    pub fn set_weights(&mut self, weights: Weights) -> Result<(), SettingsError> {
        let sum: u16 = Weights::ORDER.into_iter().map(|component| u16::from(weights.of(component))).sum();
        if sum != 100 {
            return Err(SettingsError::Weights(sum));
        }
        self.weights = weights;
        Ok(())
    }

    /// The limits of a check; none when it is turned off.
    #[must_use]
    pub fn limits(&self, check: &Check) -> Option<Limits> {
        self.changed.get(check.id).copied().unwrap_or(Some(check.limits))
    }

    /// From when on a session counts as long-running or as leaked. A check that is turned off costs no points, but a session
    /// past its default limit is still worth a mark.
    #[must_use]
    pub fn session_limits(&self) -> SessionLimits {
        let of = |id: &str| {
            let check = checks::find(id).expect("the table of checks has it; a test asks for both");
            self.limits(check).unwrap_or(check.limits)
        };
        SessionLimits { long_statement: of("long-statement"), idle_in_transaction: of("idle-in-transaction") }
    }

    /// Changes the limits of a check, given in the unit of its metric.
    ///
    /// # Errors
    /// No such check, it has no limits to change, or the limits are not finite, negative or in the wrong order.
    pub fn set_limits(&mut self, name: &str, limits: Limits) -> Result<(), SettingsError> {
        let check = find(name)?;
        let refuse = |reason: String| Err(SettingsError::Limits { name: check.id, reason });
        let Limits { degraded, critical } = limits;
        if !(degraded.is_finite() && critical.is_finite() && degraded >= 0.0 && critical >= 0.0) {
            return refuse("limits are numbers from 0".to_owned());
        }
        match check.rule {
            Rule::Outage => return refuse("an outage has no limits; it can only be turned off".to_owned()),
            Rule::Above if critical <= degraded => {
                return refuse(format!("critical ({critical}) must be above degraded ({degraded})"));
            }
            Rule::Below if critical >= degraded => {
                return refuse(format!("critical ({critical}) must be below degraded ({degraded})"));
            }
            Rule::Above | Rule::Below => {}
        }
        self.changed.insert(check.id, Some(limits));
        Ok(())
    }

    /// Leaves a check out of the score.
    ///
    /// # Errors
    /// No such check.
    pub fn turn_off(&mut self, name: &str) -> Result<(), SettingsError> {
        self.changed.insert(find(name)?.id, None);
        Ok(())
    }
}

fn find(name: &str) -> Result<&'static Check, SettingsError> {
    checks::find(name).ok_or_else(|| SettingsError::UnknownCheck {
        name: name.to_owned(),
        allowed: CHECKS.iter().map(|check| check.id).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_are_refused_with_what_is_allowed() {
        let mut settings = HealthSettings::default();
        let error = settings.set_limits("latency", Limits { degraded: 1.0, critical: 2.0 }).unwrap_err().to_string();
        assert!(error.contains("\"latency\" is not known") && error.contains("query-latency"), "{error}");
        for (name, degraded, critical) in [
            ("query-latency", 500.0, 500.0),
            ("query-latency", -1.0, 5.0),
            ("query-latency", f64::NAN, 5.0),
            ("cache-hit-rate", 50.0, 60.0),
            ("postgres-down", 0.0, 1.0),
        ] {
            assert!(settings.set_limits(name, Limits { degraded, critical }).is_err(), "{name} {degraded} {critical}");
        }
        assert_eq!(settings.set_weights(Weights { queue: 1, ..Weights::default() }), Err(SettingsError::Weights(101)),);
        assert_eq!(settings, HealthSettings::default());
    }

    #[test]
    fn settings_take_effect() {
        let mut settings = HealthSettings::default();
        let check = checks::find("query-latency").unwrap();
        let limits = Limits { degraded: 100.0, critical: 200.0 };
        settings.set_limits("query-latency", limits).unwrap();
        assert_eq!(settings.limits(check), Some(limits));
        settings.turn_off("query-latency").unwrap();
        assert_eq!(settings.limits(check), None);
        let session = Limits { degraded: 10_000.0, critical: 20_000.0 };
        settings.set_limits("long-statement", session).unwrap();
        settings.turn_off("idle-in-transaction").unwrap();
        let limits = settings.session_limits();
        assert_eq!((limits.long_statement, limits.idle_in_transaction.degraded), (session, 60_000.0));
    }
}
