//! Series and events of the page's range: read again when the URL asks for it, grown by each sample in between.

use super::{present::Present, reads::Reads};
use crate::{
    chart::{Sampled, append},
    error::{AppError, ErrorCode},
    functions::timeline,
    layout::{Frame, use_frame},
    url,
};
use headroom_model::{
    MetricId,
    overview::Timeline,
    range::{DEFAULT_FROM, DEFAULT_TO},
    series::Series,
};
use leptos::prelude::*;

/// Series with slots up to this width grow with every sample; coarser ones are read again when a slot is full.
const FINE_STEP_MS: i64 = 15_000;
/// Events kept.
const EVENTS: usize = 40;

/// Reads the past over a range; over the default one where the URL's cannot be used (the page says so).
pub async fn read(
    target: Option<String>,
    range: (String, String),
    metrics: &'static [MetricId],
) -> Result<Timeline, AppError> {
    let answer = timeline(target.clone(), range.0, range.1, metrics.to_vec()).await;
    match answer {
        Err(error) if error.code == ErrorCode::Invalid => {
            timeline(target, DEFAULT_FROM.to_owned(), DEFAULT_TO.to_owned(), metrics.to_vec()).await
        }
        answer => answer,
    }
}

/// The past of one target.
#[derive(Clone, Copy)]
pub struct Past {
    frame: Frame,
    target: StoredValue<String>,
    metrics: &'static [MetricId],
    /// Series and events; none until they could be read once.
    pub timeline: RwSignal<Option<Timeline>>,
    /// Readings.
    pub reads: Reads,
}

impl Past {
    /// The past of a target with its first answer.
    #[must_use]
    pub fn new(target: StoredValue<String>, metrics: &'static [MetricId], first: Result<Timeline, AppError>) -> Self {
        let (first, reads) = Reads::begin(first);
        Past { frame: use_frame(), target, metrics, timeline: RwSignal::new(first), reads }
    }

    /// The series of a metric, if it was read.
    #[must_use]
    pub fn series(&self, metric: MetricId) -> Option<Series> {
        self.timeline.with(|past| past.as_ref()?.series.iter().find(|series| series.metric == metric).cloned())
    }

    /// Reads it again.
    pub fn read(self) {
        let Some(target) = self.target.try_get_value() else { return };
        let now = self.frame.now.get_untracked();
        let shown = self.frame.query.with_untracked(|query| url::shown_range(query, now));
        self.reads.ask(read(Some(target), (shown.from, shown.to), self.metrics), move |mut answer| {
            self.timeline.update(|past| {
                if let Some(before) = past.take() {
                    keep_newer(&mut answer, before);
                }
                *past = Some(answer);
            });
        });
    }

    /// Follows the feed. Runs in the browser only: effects do not run on the server.
    pub fn follow(self, present: Present) {
        let sampled = Memo::new(move |_| {
            present.live.with(|live| (live.at, live.target.postgres.is_up(), live.target.redis.is_up()))
        });
        Effect::watch(
            move || sampled.get(),
            move |(_, postgres, redis), before, _| {
                if before.is_some_and(|(_, was, redis_was)| (was, redis_was) != (postgres, redis)) {
                    // While PostgreSQL is down the view keeps its date: what was measured meanwhile has to be read.
                    self.read();
                } else {
                    self.grow(present);
                }
            },
            false,
        );
        let feed = self.frame.feed;
        Effect::watch(
            move || feed.event.get(),
            move |event, _, _| {
                let Some(event) = event.clone() else { return };
                self.timeline.update(|past| {
                    let Some(past) = past.as_mut().filter(|past| past.range.live) else { return };
                    if !past.events.iter().any(|known| known.id == event.id) {
                        past.events.insert(0, event);
                        past.events.truncate(EVENTS);
                    }
                });
            },
            false,
        );
    }

    /// Takes a new sample into the series. They are read again where samples were missed or a slot of theirs is full, and
    /// left alone while that goes on: the answer is newer.
    fn grow(self, present: Present) {
        if self.reads.waits() {
            return;
        }
        let live = present.live.get_untracked();
        let Some((range, step)) = self.timeline.with_untracked(|past| {
            let past = past.as_ref()?;
            Some((past.range, past.series.iter().map(|series| series.step_ms).max()?))
        }) else {
            return self.read();
        };
        let passed = live.at.0 - range.to.0;
        if !range.live || passed <= 0 {
            return;
        }
        let interval = self.frame.shell.with_untracked(|shell| i64::try_from(shell.interval_ms).unwrap_or(i64::MAX));
        if step > FINE_STEP_MS {
            if passed >= step {
                self.read();
            }
            return;
        }
        if passed > step.max(interval).saturating_mul(2) {
            return self.read();
        }
        // Resolved again: the start of some ranges moves with the clock, that of others stays.
        let shown = self.frame.query.with_untracked(|query| url::shown_range(query, live.at)).range;
        let sample = Sampled { at: live.at, figures: &live.figures, interval_ms: interval };
        self.timeline.update(|past| {
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
    answer.events.truncate(EVENTS);
}
