//! The page's data: figures from the feed; counters, keys, tags read again with each sample, warmups with each step.

use super::{Panels, view};
use crate::{
    components::clear::Clearing,
    data::{
        past::{self, Past},
        present::Present,
        reads::Reads,
    },
    error::AppError,
    functions::{cache_key, cache_keys, cache_report, cache_tags, warmup_status},
    layout::{Frame, use_frame},
    url,
};
use headroom_model::{
    MetricId,
    cache::{CacheOverview, CacheReport, KeyDetail, KeyList, TagReport},
    operation::Operation,
    overview::Timeline,
    warmup::WarmupStatus,
};
use leptos::prelude::*;

/// Every series the page shows.
const METRICS: [MetricId; 16] = [
    MetricId::CacheHitRate,
    MetricId::CacheMemoryShare,
    MetricId::CacheRedisShare,
    MetricId::CacheStaleShare,
    MetricId::CacheMissShare,
    MetricId::CacheEvictions,
    MetricId::CacheMemory,
    MetricId::CacheMemoryLatencyP50,
    MetricId::CacheMemoryLatencyP95,
    MetricId::CacheMemoryLatencyP99,
    MetricId::CacheRedisLatencyP50,
    MetricId::CacheRedisLatencyP95,
    MetricId::CacheRedisLatencyP99,
    MetricId::CacheLoadLatencyP50,
    MetricId::CacheLoadLatencyP95,
    MetricId::CacheLoadLatencyP99,
];
/// Counters, keys and tags are read again no more often than this, in milliseconds, however fast samples come.
const AGAIN_MS: i64 = 5_000;
/// The kind of operation that a warmup is.
const WARMUP: &str = "cache.warm";

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
    /// Counters and levels.
    pub report: RwSignal<CacheReport>,
    /// Readings of the counters.
    pub report_reads: Reads,
    /// Series and events.
    pub past: Past,
    /// The keys listed; none until they could be read once.
    pub keys: RwSignal<Option<KeyList>>,
    /// Readings of the keys.
    pub key_reads: Reads,
    /// The key of the open row, once it was read.
    pub detail: RwSignal<Option<KeyDetail>>,
    /// Readings of that key.
    pub detail_reads: Reads,
    /// Tags, most keys first.
    pub tags: RwSignal<Option<Vec<TagReport>>>,
    /// Readings of the tags.
    pub tag_reads: Reads,
    /// Warmups.
    pub warmup: RwSignal<Option<WarmupStatus>>,
    /// Readings of the warmups.
    pub warmup_reads: Reads,
    /// Why a warmup was not started.
    pub refused: RwSignal<Option<AppError>>,
    /// The clear on its way.
    pub clearing: Clearing,
}

/// The data of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}

impl Store {
    /// A store with the first data, in context.
    pub fn provide(first: CacheOverview, panels: Panels, past: Result<Timeline, AppError>) -> Self {
        let target = StoredValue::new(first.live.target.id.0.clone());
        let (keys, key_reads) = Reads::begin(panels.keys);
        let (detail, detail_reads) = match panels.detail {
            Some(answer) => Reads::begin(answer),
            None => (None, Reads::new(None)),
        };
        let (tags, tag_reads) = Reads::begin(panels.tags);
        let (warmup, warmup_reads) = Reads::begin(panels.warmup);
        // Filled in below: the dialog reads the page again through it.
        let read = StoredValue::new(None::<Store>);
        let store = Store {
            frame: use_frame(),
            target,
            present: Present::new(first.live),
            report: RwSignal::new(first.report),
            report_reads: Reads::new(None),
            past: Past::new(target, &METRICS, past),
            keys: RwSignal::new(keys),
            key_reads,
            detail: RwSignal::new(detail),
            detail_reads,
            tags: RwSignal::new(tags),
            tag_reads,
            warmup: RwSignal::new(warmup),
            warmup_reads,
            refused: RwSignal::new(None),
            clearing: Clearing::new(
                target,
                Callback::new(move |()| {
                    if let Some(Some(store)) = read.try_get_value() {
                        store.read();
                    }
                }),
            ),
        };
        read.set_value(Some(store));
        provide_context(store);
        store
    }

    /// Reads everything again.
    pub fn read(self) {
        self.past.read();
        self.read_levels();
        self.read_detail();
        self.read_warmup();
    }

    /// Reads counters, keys and tags.
    fn read_levels(self) {
        let Some(target) = self.target.try_get_value() else { return };
        self.report_reads.ask(cache_report(Some(target.clone())), move |answer| {
            self.present.known.set(answer.live);
            self.report.set(answer.report);
        });
        self.tag_reads.ask(cache_tags(Some(target)), move |tags| self.tags.set(Some(tags)));
        self.read_keys();
    }

    /// Reads the keys that the URL asks for.
    pub fn read_keys(self) {
        let Some(target) = self.target.try_get_value() else { return };
        let ask = self.frame.query.with_untracked(view::keys);
        self.key_reads.ask(cache_keys(Some(target), ask), move |keys| self.keys.set(Some(keys)));
    }

    /// Reads the key of the open row.
    pub fn read_detail(self) {
        let Some(target) = self.target.try_get_value() else { return };
        let Some((dataset, key)) = self.frame.query.with_untracked(view::open_key) else { return };
        self.detail_reads.ask(cache_key(Some(target), dataset, key), move |detail| self.detail.set(Some(detail)));
    }

    /// Reads the warmups.
    pub fn read_warmup(self) {
        let Some(target) = self.target.try_get_value() else { return };
        self.warmup_reads.ask(warmup_status(Some(target)), move |status| self.warmup.set(Some(status)));
    }

    /// Takes the answer to a start of a warmup.
    pub fn warming(self) -> Callback<Result<Operation, AppError>> {
        Callback::new(move |answer: Result<Operation, AppError>| {
            self.refused.try_set(answer.err());
            self.read_warmup();
        })
    }

    /// Follows the URL and the feed. Runs in the browser only: effects do not run on the server.
    pub fn keep_fresh(self) {
        let frame = self.frame;
        let asked = Memo::new(move |_| (frame.query.with(url::written_range), frame.feed.refreshes.get()));
        Effect::watch(
            move || asked.get(),
            move |(_, refreshed), before, _| match before {
                Some((_, known)) if known == refreshed => self.past.read(),
                _ => self.read(),
            },
            false,
        );
        let keys = Memo::new(move |_| frame.query.with(view::keys));
        Effect::watch(move || keys.get(), move |_, _, _| self.read_keys(), false);
        let open = Memo::new(move |_| frame.query.with(view::open_key));
        Effect::watch(
            move || open.get(),
            move |_, _, _| {
                self.detail.set(None);
                self.detail_reads.error.set(None);
                self.read_detail();
            },
            false,
        );
        self.past.follow(self.present);
        let sampled = Memo::new(move |_| self.present.live.with(|live| live.at));
        let read_at = StoredValue::new(sampled.get_untracked());
        Effect::watch(
            move || sampled.get(),
            move |at, _, _| {
                if at.0 - read_at.get_value().0 >= AGAIN_MS - 500 && !self.report_reads.waits() {
                    read_at.set_value(*at);
                    self.read_levels();
                }
            },
            false,
        );
        Effect::watch(
            move || frame.feed.operation.get(),
            move |operation, _, _| {
                let Some(operation) = operation.as_ref().filter(|operation| operation.kind == WARMUP) else { return };
                // One question at a time, but none of the last word.
                if operation.state.is_final() || !self.warmup_reads.waits() {
                    self.read_warmup();
                }
            },
            false,
        );
    }
}
