//! The page's data: present, past, and operations.

use crate::{
    data::{
        past::{self, Past},
        present::Present,
        reads::Reads,
    },
    error::AppError,
    functions::overview,
    layout::{Frame, use_frame},
    url,
};
use headroom_model::{
    MetricId,
    operation::Operation,
    overview::{Overview, Timeline},
};
use leptos::prelude::*;

/// Every series the page shows: scores first, then the small multiples and what stands in for them.
const METRICS: [MetricId; 14] = [
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
/// Operations kept.
const OPERATIONS: usize = 40;

/// Reads the past that this page shows.
pub async fn read_past(target: Option<String>, range: (String, String)) -> Result<Timeline, AppError> {
    past::read(target, range, &METRICS).await
}

/// The data of the page, all of one target.
#[derive(Clone, Copy)]
pub struct Store {
    frame: Frame,
    /// The target.
    pub target: StoredValue<String>,
    /// The newest view of the target.
    pub present: Present,
    /// Readings of the present.
    pub present_reads: Reads,
    /// Series and events.
    pub past: Past,
    /// Operations, newest first.
    pub operations: RwSignal<Vec<Operation>>,
}

/// The data of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}

impl Store {
    /// A store with the first data, in context.
    pub fn provide(first: Overview, past: Result<Timeline, AppError>) -> Self {
        let target = StoredValue::new(first.live.target.id.0.clone());
        let store = Store {
            frame: use_frame(),
            target,
            present: Present::new(first.live),
            present_reads: Reads::new(None),
            past: Past::new(target, &METRICS, past),
            operations: RwSignal::new(first.operations),
        };
        provide_context(store);
        store
    }

    /// Reads present and past again.
    pub fn read(self) {
        let Some(target) = self.target.try_get_value() else { return };
        self.present_reads.ask(overview(Some(target)), move |answer| {
            self.present.known.set(answer.live);
            self.operations.set(answer.operations);
        });
        self.past.read();
    }

    /// Follows the URL and the feed. Runs in the browser only: effects do not run on the server.
    pub fn keep_fresh(self) {
        let frame = self.frame;
        let asked = Memo::new(move |_| (frame.query.with(url::written_range), frame.feed.refreshes.get()));
        Effect::watch(move || asked.get(), move |_, _, _| self.read(), false);
        self.past.follow(self.present);
        Effect::watch(
            move || frame.feed.operation.get(),
            move |operation, _, _| {
                let Some(operation) = operation.clone() else { return };
                self.keep_operation(operation);
            },
            false,
        );
    }

    /// Takes the newest state of an operation.
    pub fn keep_operation(self, operation: Operation) {
        self.operations.update(|known| {
            match known.iter_mut().find(|known| known.id == operation.id) {
                Some(known) => *known = operation,
                None => known.insert(0, operation),
            }
            known.truncate(OPERATIONS);
        });
    }
}
