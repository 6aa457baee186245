//! The page's data: trees read again with each sample, the past with the range.

use crate::{
    components::ending::Endings,
    data::{
        past::{self, Past, or_default},
        present::Present,
        reads::Reads,
    },
    error::AppError,
    functions,
    layout::{Frame, use_frame},
    url,
};
use headroom_model::{
    MetricId,
    activity::SessionKey,
    contention::{Contention, ContentionView},
    format,
    overview::Timeline,
};
use leptos::prelude::*;

/// Every series the page shows: the classes of waits, lowest on the chart first, and who waits for a lock.
pub const METRICS: [MetricId; 8] = [
    MetricId::WaitsRunning,
    MetricId::WaitsIo,
    MetricId::WaitsLwlock,
    MetricId::WaitsClient,
    MetricId::WaitsOther,
    MetricId::WaitsLock,
    MetricId::LocksLongestWait,
    MetricId::Deadlocks,
];
/// Trees are read again no more often than this, in milliseconds, however fast samples come.
const AGAIN_MS: i64 = 4_500;

/// Reads the past that this page shows.
pub async fn read_past(target: Option<String>, range: (String, String)) -> Result<Timeline, AppError> {
    past::read(target, range, &METRICS).await
}

/// The data of the page, all of one target.
#[derive(Clone, Copy)]
pub struct Store {
    frame: Frame,
    target: StoredValue<String>,
    /// The newest view of the target.
    pub present: Present,
    /// Trees, waits, deadlocks.
    pub contention: RwSignal<Contention>,
    /// Readings.
    pub reads: Reads,
    /// Series and events.
    pub past: Past,
}

/// The data of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}

impl Store {
    /// A store with the first data, in context; with it the page's questions about sessions.
    pub fn provide(first: ContentionView, past: Result<Timeline, AppError>) -> Self {
        let target = StoredValue::new(first.live.target.id.0.clone());
        let store = Store {
            frame: use_frame(),
            target,
            present: Present::new(first.live),
            contention: RwSignal::new(first.contention),
            reads: Reads::new(None),
            past: Past::new(target, &METRICS, past),
        };
        provide_context(store);
        Endings::provide(target, Callback::new(move |()| store.read_contention()));
        store
    }

    /// Reads everything again.
    pub fn read(self) {
        self.past.read();
        self.read_contention();
    }

    fn read_contention(self) {
        let Some(target) = self.target.try_get_value() else { return };
        let range = self.frame.query.with_untracked(url::written_range);
        let asked = or_default(range, move |from, to| functions::contention(Some(target.clone()), from, to));
        self.reads.ask(asked, move |view| {
            self.present.known.set(view.live);
            self.contention.set(view.contention);
        });
    }

    /// The sessions at the roots.
    pub fn roots(self) -> Signal<Vec<SessionKey>> {
        Memo::new(move |_| {
            self.contention.with(|seen| seen.trees.iter().filter_map(|tree| tree.root()).collect::<Vec<_>>())
        })
        .into()
    }

    /// The line below the heading.
    pub fn summary(self) -> String {
        self.contention.with(|seen| {
            let Some(at) = seen.at.filter(|_| seen.missing.is_empty()) else {
                return "Lock waits are not known now".to_owned();
            };
            let waiting: u64 = seen.trees.iter().map(|tree| tree.waiting).sum();
            let said = match waiting {
                0 => "Nobody waits for a lock".to_owned(),
                1 => format!("1 session waits behind {}", format::counted(seen.trees_total, "other")),
                _ => format!(
                    "{} sessions wait behind {}",
                    format::count(waiting),
                    format::counted(seen.trees_total, "other")
                ),
            };
            format!("{said}, at {}", format::clock_seconds(at))
        })
    }

    /// Follows the URL and the feed. Runs in the browser only: effects do not run on the server.
    pub fn keep_fresh(self) {
        let frame = self.frame;
        let asked = Memo::new(move |_| (frame.query.with(url::written_range), frame.feed.refreshes.get()));
        Effect::watch(move || asked.get(), move |_, _, _| self.read(), false);
        self.past.follow(self.present);
        let sampled = Memo::new(move |_| self.present.live.with(|live| (live.at, live.target.postgres.is_up())));
        let read_at = StoredValue::new(sampled.get_untracked().0);
        Effect::watch(
            move || sampled.get(),
            move |(at, is_up), before, _| {
                let changed = before.is_some_and(|(_, was_up)| was_up != is_up);
                if changed || (at.0 - read_at.get_value().0 >= AGAIN_MS && !self.reads.waits()) {
                    read_at.set_value(*at);
                    self.read_contention();
                }
            },
            false,
        );
    }
}
