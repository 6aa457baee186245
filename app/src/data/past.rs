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
    MetricId, Timestamp,
    event::Event,
    overview::Timeline,
    range::{DEFAULT_FROM, DEFAULT_TO, Resolved},
    series::Series,
    trends::{self, Compare, MAX_EVENTS, TrendsData},
};
use leptos::prelude::*;
use std::{pin::Pin, sync::Arc};

/// Series with slots up to this width grow with every sample; coarser ones are read again when a slot is full.
const FINE_STEP_MS: i64 = 15_000;
/// Reads the past over a range; over the default one where the URL's cannot be used (the page says so).
pub async fn read(
    target: Option<String>,
    range: (String, String),
    metrics: &'static [MetricId],
) -> Result<Timeline, AppError> {
    or_default(range, |from, to| timeline(target.clone(), from, to, metrics.to_vec())).await
}

/// Asks for a range; for the default one where that cannot be used.
pub async fn or_default<T, F: Future<Output = Result<T, AppError>>>(
    range: (String, String),
    ask: impl Fn(String, String) -> F,
) -> Result<T, AppError> {
    match ask(range.0, range.1).await {
        Err(error) if error.code == ErrorCode::Invalid => ask(DEFAULT_FROM.to_owned(), DEFAULT_TO.to_owned()).await,
        answer => answer,
    }
}

/// What is known of a range: series that grow, and events.
pub trait Known: Clone + Send + Sync + 'static {
    /// Events kept.
    const EVENTS: usize;
    /// The range.
    fn range(&self) -> Resolved;
    /// When the history of the target starts.
    fn starts(&self) -> Option<Timestamp>;
    /// The coarsest step of the series that grow; none where there is none.
    fn step_ms(&self) -> Option<i64>;
    /// The events, newest first.
    fn events(&mut self) -> &mut Vec<Event>;
    /// Takes a sample in; the range becomes `range`.
    fn grow(&mut self, sample: &Sampled<'_>, range: Resolved);
    /// Whether it should be read again although it grows: how long ago it was read, in milliseconds.
    fn is_due(&self, read_ago_ms: i64) -> bool {
        let _ = read_ago_ms;
        false
    }
}

impl Known for Timeline {
    const EVENTS: usize = 40;

    fn range(&self) -> Resolved {
        self.range
    }

    fn starts(&self) -> Option<Timestamp> {
        self.starts
    }

    fn step_ms(&self) -> Option<i64> {
        self.series.iter().map(|series| series.step_ms).max()
    }

    fn events(&mut self) -> &mut Vec<Event> {
        &mut self.events
    }

    fn grow(&mut self, sample: &Sampled<'_>, range: Resolved) {
        for series in &mut self.series {
            append(series, sample, range.from);
        }
        self.range = range;
    }
}

impl Known for TrendsData {
    const EVENTS: usize = MAX_EVENTS as usize;

    fn range(&self) -> Resolved {
        self.range
    }

    fn starts(&self) -> Option<Timestamp> {
        self.starts
    }

    fn step_ms(&self) -> Option<i64> {
        TrendsData::step_ms(self)
    }

    fn events(&mut self) -> &mut Vec<Event> {
        &mut self.events
    }

    fn grow(&mut self, sample: &Sampled<'_>, range: Resolved) {
        for line in self.charts.iter_mut().flat_map(|chart| &mut chart.lines) {
            append(&mut line.series, sample, range.from);
        }
        self.range = range;
        if let Some(around) = &mut self.around {
            around.range = trends::around(range, sample.at);
            append(&mut around.series, sample, around.range.from);
        }
    }

    fn is_due(&self, read_ago_ms: i64) -> bool {
        // Only the server knows the newest points of a stretch that is compared, and what is usual.
        (self.compare != Compare::None || !self.baselines.is_empty())
            && read_ago_ms >= (self.range.millis() / 60).max(30_000)
    }
}

/// Asks the server for a range as people write it.
type Ask<T> = Arc<dyn Fn((String, String)) -> Pin<Box<dyn Future<Output = Result<T, AppError>>>> + Send + Sync>;

/// The past of one target.
pub struct Past<T: Known = Timeline> {
    frame: Frame,
    ask: StoredValue<Ask<T>>,
    /// The end of the range that was read last.
    read_to: StoredValue<i64>,
    /// Series and events; none until they could be read once.
    pub timeline: RwSignal<Option<T>>,
    /// Readings.
    pub reads: Reads,
}

impl<T: Known> Clone for Past<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Known> Copy for Past<T> {}

impl Past {
    /// The past of a target with its first answer.
    #[must_use]
    pub fn new(target: StoredValue<String>, metrics: &'static [MetricId], first: Result<Timeline, AppError>) -> Self {
        Past::over(move |range| read(target.try_get_value(), range, metrics), first)
    }

    /// The series of a metric, if it was read.
    #[must_use]
    pub fn series(&self, metric: MetricId) -> Option<Series> {
        self.timeline.with(|past| past.as_ref()?.series.iter().find(|series| series.metric == metric).cloned())
    }
}

impl<T: Known> Past<T> {
    /// A past that `ask` reads, with its first answer.
    pub fn over<F: Future<Output = Result<T, AppError>> + 'static>(
        ask: impl Fn((String, String)) -> F + Send + Sync + 'static,
        first: Result<T, AppError>,
    ) -> Self {
        let (first, reads) = Reads::begin(first);
        let ask: Ask<T> = Arc::new(move |range| Box::pin(ask(range)));
        Past {
            frame: use_frame(),
            ask: StoredValue::new(ask),
            read_to: StoredValue::new(first.as_ref().map_or(0, |first| first.range().to.0)),
            timeline: RwSignal::new(first),
            reads,
        }
    }

    /// The range that was read.
    #[must_use]
    pub fn range(self) -> Signal<Option<Resolved>> {
        Signal::derive(move || self.timeline.with(|past| past.as_ref().map(Known::range)))
    }

    /// When the history of the target starts, as far as it was read.
    #[must_use]
    pub fn starts(self) -> Signal<Option<Timestamp>> {
        Signal::derive(move || self.timeline.with(|past| past.as_ref()?.starts()))
    }

    /// Reads it again.
    pub fn read(self) {
        let Some(ask) = self.ask.try_get_value() else { return };
        let now = self.frame.now.get_untracked();
        let shown = self.frame.query.with_untracked(|query| url::shown_range(query, now));
        self.reads.ask(ask((shown.from, shown.to)), move |mut answer: T| {
            self.read_to.try_set_value(answer.range().to.0);
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
                    let Some(past) = past.as_mut().filter(|past| past.range().live) else { return };
                    let events = past.events();
                    if !events.iter().any(|known| known.id == event.id) {
                        events.insert(0, event);
                        events.truncate(T::EVENTS);
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
            Some((past.range(), past.step_ms()?))
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
        let read_ago = live.at.0 - self.read_to.get_value();
        let due = self.timeline.with_untracked(|past| past.as_ref().is_some_and(|past| past.is_due(read_ago)));
        if due || passed > step.max(interval).saturating_mul(2) {
            return self.read();
        }
        // Resolved again: the start of some ranges moves with the clock, that of others stays.
        let shown = self.frame.query.with_untracked(|query| url::shown_range(query, live.at)).range;
        let sample = Sampled { at: live.at, figures: &live.figures, interval_ms: interval };
        self.timeline.update(|past| {
            if let Some(past) = past {
                past.grow(&sample, shown);
            }
        });
    }
}

/// Keeps the events that the feed told of while an answer was on its way.
fn keep_newer<T: Known>(answer: &mut T, mut before: T) {
    let range = answer.range();
    if !range.live {
        return;
    }
    let events = answer.events();
    let newest = events.iter().map(|event| event.id).max().unwrap_or(i64::MIN);
    let told = std::mem::take(before.events());
    events.splice(0..0, told.into_iter().filter(|event| event.id > newest && event.event.at >= range.from));
    events.truncate(T::EVENTS);
}
