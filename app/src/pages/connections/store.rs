//! The page's data: sessions and pools, read again with each sample.

use crate::{
    components::ending::Endings,
    data::{present::Present, reads::Reads},
    functions,
    layout::{Frame, use_frame},
};
use headroom_model::{
    activity::{Activity, ConnectionsView},
    format,
    pool::{HolderReport, PoolReport},
};
use leptos::prelude::*;

/// Sessions are read again no more often than this, in milliseconds, however fast samples come.
const AGAIN_MS: i64 = 4_500;

/// The data of the page, all of one target.
#[derive(Clone, Copy)]
pub struct Store {
    frame: Frame,
    target: StoredValue<String>,
    /// The newest view of the target.
    pub present: Present,
    /// Sessions.
    pub activity: RwSignal<Activity>,
    /// The console's own pools.
    pub pools: RwSignal<PoolReport>,
    /// Who holds their connections.
    pub holders: RwSignal<Vec<HolderReport>>,
    /// Readings.
    pub reads: Reads,
}

/// The data of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}

impl Store {
    /// A store with the first data, in context; with it the page's questions about sessions.
    pub fn provide(first: ConnectionsView) -> Self {
        let target = StoredValue::new(first.live.target.id.0.clone());
        let store = Store {
            frame: use_frame(),
            target,
            present: Present::new(first.live),
            activity: RwSignal::new(first.activity),
            pools: RwSignal::new(first.pools),
            holders: RwSignal::new(first.holders),
            reads: Reads::new(None),
        };
        provide_context(store);
        Endings::provide(target, Callback::new(move |()| store.read()));
        store
    }

    /// Reads everything again.
    pub fn read(self) {
        let Some(target) = self.target.try_get_value() else { return };
        self.reads.ask(functions::connections(Some(target)), move |view| {
            self.present.known.set(view.live);
            self.activity.set(view.activity);
            self.pools.set(view.pools);
            self.holders.set(view.holders);
        });
    }

    /// "128 sessions at 14:32:08": the line below the heading.
    pub fn summary(self) -> String {
        self.activity.with(|activity| match activity.at {
            Some(at) => {
                let sessions = format::counted(activity.read, "client session");
                let more = if activity.read >= 500 { " (the 500 with the oldest transactions)" } else { "" };
                format!("{sessions}{more} of the whole server at {}", format::clock_seconds(at))
            }
            None => "Sessions are not known now".to_owned(),
        })
    }

    /// Follows the feed. Runs in the browser only: effects do not run on the server.
    pub fn keep_fresh(self) {
        let frame = self.frame;
        let refreshed = Memo::new(move |_| frame.feed.refreshes.get());
        Effect::watch(move || refreshed.get(), move |_, _, _| self.read(), false);
        let sampled = Memo::new(move |_| self.present.live.with(|live| (live.at, live.target.postgres.is_up())));
        let read_at = StoredValue::new(sampled.get_untracked().0);
        Effect::watch(
            move || sampled.get(),
            move |(at, is_up), before, _| {
                let changed = before.is_some_and(|(_, was_up)| was_up != is_up);
                if changed || (at.0 - read_at.get_value().0 >= AGAIN_MS && !self.reads.waits()) {
                    read_at.set_value(*at);
                    self.read();
                }
            },
            false,
        );
    }
}
