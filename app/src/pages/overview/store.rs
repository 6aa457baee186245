//! The page's data: the present from the feed, the past by reading it again, the last values kept when reading fails.

use crate::{
    chart::append,
    error::{AppError, ErrorCode},
    functions::{overview, timeline},
    layout::{Frame, use_frame},
    url,
};
use headroom_model::{
    MetricId,
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

/// The data of the page.
#[derive(Clone, Copy)]
pub struct Store {
    frame: Frame,
    present: RwSignal<LiveUpdate>,
    /// The newest view of the target.
    pub live: Memo<LiveUpdate>,
    /// Series and events; none until they could be read once.
    pub past: RwSignal<Option<Timeline>>,
    /// Why the past could not be read lately.
    pub past_error: RwSignal<Option<AppError>>,
    /// Why the present could not be read lately.
    pub present_error: RwSignal<Option<AppError>>,
    /// Operations, newest first.
    pub operations: RwSignal<Vec<Operation>>,
    generation: StoredValue<u32>,
}

/// The data of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}

impl Store {
    /// A store with the first data, in context.
    pub fn provide(first: Overview, past: Result<Timeline, AppError>) -> Self {
        let frame = use_frame();
        let present = RwSignal::new(first.live);
        let target = frame.target();
        let live = Memo::new(move |_| {
            let known = present.read();
            frame.feed.live.with(|live| match live {
                Some(live) if live.target.id.as_str() == target.read().as_str() && live.at >= known.at => live.clone(),
                _ => known.clone(),
            })
        });
        let (past, past_error) = match past {
            Ok(past) => (Some(past), None),
            Err(error) => (None, Some(error)),
        };
        let store = Store {
            frame,
            present,
            live,
            past: RwSignal::new(past),
            past_error: RwSignal::new(past_error),
            present_error: RwSignal::new(None),
            operations: RwSignal::new(first.operations),
            generation: StoredValue::new(0),
        };
        provide_context(store);
        store
    }

    /// The series of a metric, if it was read.
    pub fn series(&self, metric: MetricId) -> Option<Series> {
        self.past.with(|past| past.as_ref()?.series.iter().find(|series| series.metric == metric).cloned())
    }

    /// Reads the past again, and the present too where asked. A newer call makes an older answer void.
    pub fn read(&self, present_too: bool) {
        let store = *self;
        let target = Some(self.frame.target().get_untracked());
        let now = self.frame.now.get_untracked();
        let shown = self.frame.query.with_untracked(|query| url::shown_range(query, now));
        let range = (shown.from, shown.to);
        let Some(generation) = self.generation.try_update_value(|generation| {
            *generation = generation.wrapping_add(1);
            *generation
        }) else {
            return;
        };
        leptos::task::spawn_local(async move {
            let void = || store.generation.try_get_value() != Some(generation);
            if present_too {
                let answer = overview(target.clone()).await;
                if void() {
                    return;
                }
                match answer {
                    Ok(answer) => {
                        store.present.set(answer.live);
                        store.operations.set(answer.operations);
                        store.present_error.set(None);
                    }
                    Err(error) => store.fail(store.present_error, error),
                }
            }
            let answer = read_timeline(target, range).await;
            if void() {
                return;
            }
            match answer {
                Ok(answer) => {
                    store.past.set(Some(answer));
                    store.past_error.set(None);
                }
                Err(error) => store.fail(store.past_error, error),
            }
        });
    }

    fn fail(&self, place: RwSignal<Option<AppError>>, error: AppError) {
        #[cfg(feature = "hydrate")]
        if error.code == ErrorCode::Unauthenticated {
            // The session ended: the server sends a reload to the sign-in page and back here.
            let _ = window().location().reload();
            return;
        }
        place.set(Some(error));
    }

    /// Follows the URL and the feed. Runs in the browser only: effects do not run on the server.
    pub fn keep_fresh(self) {
        let frame = self.frame;
        let target = frame.target();
        let asked =
            Memo::new(move |_| (target.get(), frame.query.with(url::written_range), frame.feed.refreshes.get()));
        Effect::watch(move || asked.get(), move |_, _, _| self.read(true), false);
        let sampled = Memo::new(move |_| frame.feed.live.with(|live| live.as_ref().map(|live| live.at)));
        Effect::watch(move || sampled.get(), move |_, _, _| self.grow(), false);
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

    /// Takes a new sample into the series, or reads them again once a slot of theirs is full.
    fn grow(&self) {
        let live = self.live.get_untracked();
        let Some((range, step)) = self.past.with_untracked(|past| {
            let past = past.as_ref()?;
            Some((past.range, past.series.iter().map(|series| series.step_ms).max()?))
        }) else {
            return self.read(false);
        };
        if !range.live || live.at <= range.to {
            return;
        }
        if step > FINE_STEP_MS {
            if live.at.0 - range.to.0 >= step {
                self.read(false);
            }
            return;
        }
        let window = range.millis();
        self.past.update(|past| {
            if let Some(past) = past {
                for series in &mut past.series {
                    append(series, live.at, &live.figures, window);
                }
                past.range.to = live.at;
                past.range.from = live.at.plus_millis(-window);
            }
        });
    }
}
