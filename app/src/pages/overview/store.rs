//! The page's data: the present from the feed, the past by reading it again, the last values kept when reading fails.

use crate::{
    chart::{Sampled, append},
    error::{AppError, ErrorCode},
    functions::{overview, timeline},
    layout::{Frame, use_frame},
    url,
};
use headroom_model::{
    MetricId, Timestamp, format,
    live::LiveUpdate,
    operation::Operation,
    overview::{Overview, Timeline},
    range::{DEFAULT_FROM, DEFAULT_TO},
    series::Series,
};
use leptos::prelude::*;

/// Every series the page shows: scores first, then the small multiples and what stands in for them.
pub const METRICS: [MetricId; 14] = [
    MetricId::HealthScore,
    MetricId::HealthDatabase,
    MetricId::HealthCache,
    MetricId::HealthApplication,
    MetricId::HealthLocks,
    MetricId::QueryLatencyP95,
    MetricId::Queries,
    MetricId::RedisHitRatio,
    MetricId::Connections,
    MetricId::LocksWaiting,
    MetricId::HostCpu,
    MetricId::BufferHitRatio,
    MetricId::Transactions,
    MetricId::Deadlocks,
];
/// Series with slots up to this width grow with every sample; coarser ones are read again when a slot is full.
const FINE_STEP_MS: i64 = 15_000;
/// Events and operations kept.
const MOST: usize = 40;

/// Reads the past over a range; over the default one where the URL's cannot be used (the page says so).
pub async fn read_timeline(target: Option<String>, range: (String, String)) -> Result<Timeline, AppError> {
    let answer = timeline(target.clone(), range.0, range.1, METRICS.to_vec()).await;
    match answer {
        Err(error) if error.code == ErrorCode::Invalid => {
            timeline(target, DEFAULT_FROM.to_owned(), DEFAULT_TO.to_owned(), METRICS.to_vec()).await
        }
        answer => answer,
    }
}

/// Counts questions of one kind: a newer one makes the answers to older ones void.
#[derive(Clone, Copy, Debug)]
struct Questions(StoredValue<(u32, u32)>);

impl Questions {
    fn new() -> Self {
        Questions(StoredValue::new((0, 0)))
    }

    /// Begins a question; none when the page is gone.
    fn ask(self) -> Option<u32> {
        self.0.try_update_value(|(asked, _)| {
            *asked = asked.wrapping_add(1);
            *asked
        })
    }

    /// Ends a question; whether its answer still counts.
    fn answered(self, question: u32) -> bool {
        let counts = self.0.try_update_value(|(asked, answered)| {
            *answered = question;
            *asked == question
        });
        counts == Some(true)
    }

    /// Whether the newest question waits for its answer.
    fn waits(self) -> bool {
        self.0.with_value(|(asked, answered)| asked != answered)
    }
}

/// The data of the page, all of one target.
#[derive(Clone, Copy)]
pub struct Store {
    frame: Frame,
    /// The target.
    pub target: StoredValue<String>,
    present: RwSignal<LiveUpdate>,
    /// The newest view of the target.
    pub live: Memo<LiveUpdate>,
    /// The moment of that view, once the connection is lost.
    pub stale_since: Memo<Option<Timestamp>>,
    /// Series and events; none until they could be read once.
    pub past: RwSignal<Option<Timeline>>,
    /// Why the past could not be read lately.
    pub past_error: RwSignal<Option<AppError>>,
    /// Why the present could not be read lately.
    pub present_error: RwSignal<Option<AppError>>,
    /// Operations, newest first.
    pub operations: RwSignal<Vec<Operation>>,
    present_reads: Questions,
    past_reads: Questions,
}

/// The data of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}

impl Store {
    /// A store with the first data, in context.
    pub fn provide(first: Overview, past: Result<Timeline, AppError>) -> Self {
        let frame = use_frame();
        let target = StoredValue::new(first.live.target.id.0.clone());
        let present = RwSignal::new(first.live);
        let live = Memo::new(move |_| {
            let known = present.read();
            frame.feed.live.with(|live| match live {
                Some(live) if live.target.id == known.target.id && live.at >= known.at => live.clone(),
                _ => known.clone(),
            })
        });
        let stale_since = Memo::new(move |_| frame.feed.is_lost().then(|| live.with(|live| live.at)));
        let (past, past_error) = match past {
            Ok(past) => (Some(past), None),
            Err(error) => (None, Some(error)),
        };
        let store = Store {
            frame,
            target,
            present,
            live,
            stale_since,
            past: RwSignal::new(past),
            past_error: RwSignal::new(past_error),
            present_error: RwSignal::new(None),
            operations: RwSignal::new(first.operations),
            present_reads: Questions::new(),
            past_reads: Questions::new(),
        };
        provide_context(store);
        store
    }

    /// The series of a metric, if it was read.
    pub fn series(&self, metric: MetricId) -> Option<Series> {
        self.past.with(|past| past.as_ref()?.series.iter().find(|series| series.metric == metric).cloned())
    }

    /// "as of 14:24", once the connection is lost.
    pub fn as_of(&self) -> Option<String> {
        let at = self.stale_since.get()?;
        Some(format!("as of {}", format::moment(at, self.frame.now.get())))
    }

    /// Reads present and past again.
    pub fn read(self) {
        self.read_present();
        self.read_past();
    }

    fn read_present(self) {
        let (Some(question), target) = (self.present_reads.ask(), self.target.try_get_value()) else { return };
        leptos::task::spawn_local(async move {
            let answer = overview(target).await;
            if !self.present_reads.answered(question) {
                return;
            }
            match answer {
                Ok(answer) => {
                    self.present.set(answer.live);
                    self.operations.set(answer.operations);
                    self.present_error.set(None);
                }
                Err(error) => fail(self.present_error, error),
            }
        });
    }

    fn read_past(self) {
        let (Some(question), target) = (self.past_reads.ask(), self.target.try_get_value()) else { return };
        let now = self.frame.now.get_untracked();
        let shown = self.frame.query.with_untracked(|query| url::shown_range(query, now));
        leptos::task::spawn_local(async move {
            let answer = read_timeline(target, (shown.from, shown.to)).await;
            if !self.past_reads.answered(question) {
                return;
            }
            match answer {
                Ok(mut answer) => {
                    self.past.update(|past| {
                        if let Some(before) = past.take() {
                            keep_newer(&mut answer, before);
                        }
                        *past = Some(answer);
                    });
                    self.past_error.set(None);
                }
                Err(error) => fail(self.past_error, error),
            }
        });
    }

    /// Follows the URL and the feed. Runs in the browser only: effects do not run on the server.
    pub fn keep_fresh(self) {
        let frame = self.frame;
        let asked = Memo::new(move |_| (frame.query.with(url::written_range), frame.feed.refreshes.get()));
        Effect::watch(move || asked.get(), move |_, _, _| self.read(), false);
        let sampled = Memo::new(move |_| {
            self.live.with(|live| (live.at, live.target.postgres.is_up(), live.target.redis.is_up()))
        });
        Effect::watch(
            move || sampled.get(),
            move |(_, postgres, redis), before, _| {
                if before.is_some_and(|(_, was, redis_was)| (was, redis_was) != (postgres, redis)) {
                    // While PostgreSQL is down the view keeps its date: what was measured meanwhile has to be read.
                    self.read_past();
                } else {
                    self.grow();
                }
            },
            false,
        );
        Effect::watch(
            move || frame.feed.event.get(),
            move |event, _, _| {
                let Some(event) = event.clone() else { return };
                self.past.update(|past| {
                    let Some(past) = past.as_mut().filter(|past| past.range.live) else { return };
                    if !past.events.iter().any(|known| known.id == event.id) {
                        past.events.insert(0, event);
                        past.events.truncate(MOST);
                    }
                });
            },
            false,
        );
        Effect::watch(
            move || frame.feed.operation.get(),
            move |operation, _, _| {
                let Some(operation) = operation.clone() else { return };
                self.operations.update(|known| {
                    match known.iter_mut().find(|known| known.id == operation.id) {
                        Some(known) => *known = operation,
                        None => known.insert(0, operation),
                    }
                    known.truncate(MOST);
                });
            },
            false,
        );
    }

    /// Takes a new sample into the series. They are read again where samples were missed or a slot of theirs is full, and
    /// left alone while that goes on: the answer is newer.
    fn grow(self) {
        if self.past_reads.waits() {
            return;
        }
        let live = self.live.get_untracked();
        let Some((range, step)) = self.past.with_untracked(|past| {
            let past = past.as_ref()?;
            Some((past.range, past.series.iter().map(|series| series.step_ms).max()?))
        }) else {
            return self.read_past();
        };
        let passed = live.at.0 - range.to.0;
        if !range.live || passed <= 0 {
            return;
        }
        let interval = self.frame.shell.with_untracked(|shell| i64::try_from(shell.interval_ms).unwrap_or(i64::MAX));
        if step > FINE_STEP_MS {
            if passed >= step {
                self.read_past();
            }
            return;
        }
        if passed > step.max(interval).saturating_mul(2) {
            return self.read_past();
        }
        // Resolved again: the start of some ranges moves with the clock, that of others stays.
        let shown = self.frame.query.with_untracked(|query| url::shown_range(query, live.at)).range;
        let sample = Sampled { at: live.at, figures: &live.figures, interval_ms: interval };
        self.past.update(|past| {
            if let Some(past) = past {
                for series in &mut past.series {
                    append(series, &sample, shown.from);
                }
                past.range = shown;
            }
        });
    }
}

/// Keeps the events that the feed told of while an answer was on its way.
fn keep_newer(answer: &mut Timeline, before: Timeline) {
    if !answer.range.live {
        return;
    }
    let newest = answer.events.iter().map(|event| event.id).max().unwrap_or(i64::MIN);
    let told = before.events.into_iter().filter(|event| event.id > newest && event.event.at >= answer.range.from);
    answer.events.splice(0..0, told);
    answer.events.truncate(MOST);
}

fn fail(place: RwSignal<Option<AppError>>, error: AppError) {
    #[cfg(feature = "hydrate")]
    if error.code == ErrorCode::Unauthenticated {
        // The session ended: the server sends a reload to the sign-in page and back here.
        let _ = window().location().reload();
        return;
    }
    place.set(Some(error));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_question_counts() {
        let owner = Owner::new();
        owner.with(|| {
            let reads = Questions::new();
            let (first, second) = (reads.ask().unwrap(), reads.ask().unwrap());
            assert!(reads.waits());
            assert!(reads.answered(second) && !reads.waits());
            let third = reads.ask().unwrap();
            assert!(!reads.answered(first) && reads.waits());
            assert!(reads.answered(third) && !reads.waits());
        });
    }
}
