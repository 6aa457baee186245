//! How large lanes are and how patient: the profiles.

use super::Lane;
use std::time::Duration;

/// Limits of a target's lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolProfile {
    /// Largest size of the interactive lane. Default 10.
    pub interactive_max: u32,
    /// Largest size of the monitor lane. Default 3: the collection, the look at waits, the sign of life beside them.
    pub monitor_max: u32,
    /// Largest size of the batch lane. Default 4.
    pub batch_max: u32,
    /// Largest size of the data lane, and of its twin on a replica, whose guard has one connection more. Default 8.
    pub data_max: u32,
    /// Largest size of the warmup lane, and so how many keys are warmed at the same time. Default 2.
    pub warmup_max: u32,
    /// Connections of the interactive lane that stay open also when nobody needs them. Default 0.
    pub interactive_min: u32,
    /// Connections of the data lane that stay open also when nobody needs them. Default 0.
    pub data_min: u32,
    /// How long a caller waits for a connection, queue and connect together. Default 5 s.
    pub acquire_timeout: Duration,
    /// An unused connection beyond the least is closed after this. Default 10 min.
    pub idle_timeout: Duration,
    /// A connection is replaced after this, give or take a tenth. Default 30 min.
    pub max_lifetime: Duration,
    /// A connection lent out for longer counts as a suspected leak. Default 60 s.
    pub leak_after: Duration,
    /// Between two checks whether an idle connection still answers. Default 30 s.
    pub health_every: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

impl PoolProfile {
    /// Names of the ready-made profiles.
    pub const NAMES: [&str; 3] = ["development", "staging", "production"];

    /// A ready-made profile: 10, 50 or 100 connections over all lanes, of which 2, 10 or 25 stay open; the others are
    /// closed when unused for 10 min, 30 min or 1 h. None for another name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let sizes = |interactive_max, batch_max, data_max, warmup_max| PoolProfile {
            interactive_max,
            batch_max,
            data_max,
            warmup_max,
            ..PoolProfile::default()
        };
        match name {
            "development" => {
                Some(PoolProfile { interactive_min: 1, data_min: 1, idle_timeout: 10 * MINUTE, ..sizes(2, 1, 3, 1) })
            }
            "staging" => Some(PoolProfile {
                interactive_min: 4,
                data_min: 6,
                idle_timeout: 30 * MINUTE,
                max_lifetime: 60 * MINUTE,
                ..sizes(16, 6, 21, 4)
            }),
            "production" => Some(PoolProfile {
                interactive_min: 8,
                data_min: 17,
                idle_timeout: 60 * MINUTE,
                max_lifetime: 120 * MINUTE,
                ..sizes(30, 12, 47, 8)
            }),
            _ => None,
        }
    }

    /// The limit of one lane.
    #[must_use]
    pub fn max(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Interactive => self.interactive_max,
            Lane::Monitor => self.monitor_max,
            Lane::Batch => self.batch_max,
            Lane::Data | Lane::Replica => self.data_max,
            Lane::Warmup => self.warmup_max,
        }
    }

    /// What one lane keeps open: lanes for which someone waits. Never more than its limit.
    #[must_use]
    pub fn min(&self, lane: Lane) -> u32 {
        let min = match lane {
            Lane::Interactive => self.interactive_min,
            Lane::Data | Lane::Replica => self.data_min,
            Lane::Monitor | Lane::Batch | Lane::Warmup => 0,
        };
        min.min(self.max(lane))
    }
}

impl Default for PoolProfile {
    fn default() -> Self {
        PoolProfile {
            interactive_max: 10,
            monitor_max: 3,
            batch_max: 4,
            data_max: 8,
            warmup_max: 2,
            interactive_min: 0,
            data_min: 0,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: 10 * MINUTE,
            max_lifetime: 30 * MINUTE,
            leak_after: MINUTE,
            health_every: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_as_large_as_their_names_say() {
        for (name, max, min, idle_minutes) in
            [("development", 10, 2, 10), ("staging", 50, 10, 30), ("production", 100, 25, 60)]
        {
            let profile = PoolProfile::named(name).unwrap();
            assert_eq!(Lane::ALL.iter().map(|lane| profile.max(*lane)).sum::<u32>(), max, "{name}");
            assert_eq!(Lane::ALL.iter().map(|lane| profile.min(*lane)).sum::<u32>(), min, "{name}");
            assert_eq!(profile.idle_timeout, MINUTE * idle_minutes);
            assert!(profile.max_lifetime > profile.idle_timeout);
        }
        assert!(PoolProfile::NAMES.iter().all(|name| PoolProfile::named(name).is_some()));
        assert_eq!(PoolProfile::named("test"), None);
    }
}
