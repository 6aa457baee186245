//! Slows guessing down: failures are counted by name and in all, within a window.

use super::AccessError;
use crate::store::lock;
use headroom_model::Timestamp;
use std::{collections::HashMap, sync::Mutex};

const WINDOW_MS: i64 = 5 * 60_000;
const MOST_BY_NAME: u32 = 5;
const MOST_IN_ALL: u32 = 100;
/// Names remembered; past that, the window of all attempts is what protects.
const NAMES: usize = 10_000;

/// Attempts since the start of a window.
#[derive(Clone, Copy, Debug)]
struct Attempts {
    since: Timestamp,
    count: u32,
}

#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all: Option<Attempts>,
    names: HashMap<String, Attempts>,
}

impl Throttle {
    /// Counts an attempt, or says when the next one is welcome.
    pub fn admit(&self, name: &str, now: Timestamp) -> Result<(), AccessError> {
        let mut state = lock(&self.0);
        let State { all, names } = &mut *state;
        if names.len() >= NAMES {
            names.retain(|_, attempts| is_current(attempts, now));
        }
        count(all.get_or_insert(Attempts { since: now, count: 0 }), MOST_IN_ALL, now)?;
        if names.len() < NAMES || names.contains_key(name) {
            count(names.entry(name.to_owned()).or_insert(Attempts { since: now, count: 0 }), MOST_BY_NAME, now)?;
        }
        Ok(())
    }

    /// The right password clears a name's count.
    pub fn succeeded(&self, name: &str) {
        let mut state = lock(&self.0);
        state.names.remove(name);
        if let Some(all) = &mut state.all {
            all.count = all.count.saturating_sub(1);
        }
    }
}

fn is_current(attempts: &Attempts, now: Timestamp) -> bool {
    now.0 - attempts.since.0 < WINDOW_MS
}

fn count(attempts: &mut Attempts, most: u32, now: Timestamp) -> Result<(), AccessError> {
    if !is_current(attempts, now) {
        *attempts = Attempts { since: now, count: 0 };
    }
    if attempts.count >= most {
        let left = WINDOW_MS - (now.0 - attempts.since.0);
        return Err(AccessError::TooManyAttempts { retry_secs: u64::try_from(left / 1000).unwrap_or(0) + 1 });
    }
    attempts.count += 1;
    Ok(())
}
