//! How fast a warmup goes: a bounded rate, slower while the database suffers, not at all while readers wait or it is down.

use super::Site;
use crate::{
    console::Console,
    operations::{Failure, OperationContext},
    pool::Lane,
};
use headroom_model::{Band, TargetId, health::Component, live::LiveUpdate, target::Reach};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};

/// How much slower it goes while the database's health is degraded or worse.
const SLOWER: u32 = 5;
/// Between two looks whether a pause may end.
const LOOK: Duration = Duration::from_millis(250);
/// The longest pause; then the warmup ends and says what is left.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// What keeps a warmup from its full speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    Slow(String),
    Pause(String),
}

/// Judges the newest view of a target.
pub(super) fn hindrance(live: &LiveUpdate, crowded: Option<Lane>) -> Option<Hindrance> {
    if let Reach::Down { .. } = live.target.postgres {
        return Some(Hindrance::Pause("PostgreSQL does not answer".into()));
    }
    match crowded {
        Some(Lane::Replica) => {
            return Some(Hindrance::Pause("requests have every connection to the replica".into()));
        }
        Some(lane) => {
            return Some(Hindrance::Pause(format!("requests wait for a connection of the {} lane", lane.name())));
        }
        None => {}
    }
    let database = live.health.components.iter().find(|it| it.component == Component::Database);
    let band = database.and_then(|it| it.score).map(Band::of);
    match band {
        Some(band @ (Band::Degraded | Band::Critical)) => {
            Some(Hindrance::Slow(format!("the database's health is {}", band.as_str())))
        }
        _ => None,
    }
}

/// The turns of one warmup.
pub(super) struct Pace {
    pub console: Arc<Console>,
    pub target: TargetId,
    pub site: Arc<Site>,
    pub context: OperationContext,
    /// Between two loads.
    every: Duration,
    /// When the next load may begin. Whoever waits for a turn holds it, so turns come in order.
    next: Mutex<Instant>,
}

impl Pace {
    pub fn new(console: Arc<Console>, target: TargetId, site: Arc<Site>, context: OperationContext) -> Self {
        let every = Duration::from_secs(1) / console.config.warmup.keys_per_second.max(1);
        Pace { console, target, site, context, every, next: Mutex::new(Instant::now()) }
    }

    /// Returns when a load may begin.
    ///
    /// # Errors
    /// A pause took longer than it may.
    pub async fn turn(&self) -> Result<(), Failure> {
        let mut next = self.next.lock().await;
        let begun = Instant::now();
        let slower = loop {
            let hindrance = self.look();
            self.tell(hindrance.as_ref());
            match hindrance {
                None => break 1,
                Some(Hindrance::Slow(_)) => break SLOWER,
                Some(Hindrance::Pause(reason)) if begun.elapsed() >= PAUSE_MAX => {
                    return Err(Failure(format!("It paused for {} min because {reason}", PAUSE_MAX.as_secs() / 60)));
                }
                Some(Hindrance::Pause(_)) => sleep(LOOK).await,
            }
        };
        let at = (*next).max(Instant::now());
        *next = at + self.every * slower;
        sleep_until(at).await;
        Ok(())
    }

    fn look(&self) -> Option<Hindrance> {
        let crowded = self.console.target(&self.target)?.pools.crowded();
        hindrance(&*self.console.latest(&self.target)?, crowded)
    }

    /// Shows why it yields, and logs when that changes.
    fn tell(&self, hindrance: Option<&Hindrance>) {
        let words = hindrance.map(|hindrance| match hindrance {
            Hindrance::Slow(reason) => format!("{SLOWER} times slower: {reason}"),
            Hindrance::Pause(reason) => format!("paused: {reason}"),
        });
        let mut current = self.site.current();
        let Some(current) = current.as_mut().filter(|current| current.yields_because != words) else { return };
        self.context.log(words.clone().unwrap_or_else(|| "at full speed again".into()));
        current.yields_because = words;
    }
}
