//! The page's data: the list and what the server says are read again each half minute, the open table when it opens and while
//! it is being optimised.

use super::First;
use crate::{
    components::list::ListKeys,
    data::reads::Reads,
    error::AppError,
    functions::{self, ServerView, TableView},
    layout::{Frame, use_frame},
    url,
};
use headroom_model::tables::TableList;
use leptos::prelude::*;

/// The page looks again so often.
const LOOK_EVERY_MS: i64 = 30_000;
/// The kind of operation that the button starts.
pub const OPTIMIZE: &str = "table.optimize";

/// The data of the page, all of one target.
#[derive(Clone, Copy)]
pub struct Store {
    frame: Frame,
    /// The target.
    pub target: StoredValue<String>,
    /// The tables.
    pub list: RwSignal<TableList>,
    /// Readings of the tables.
    pub list_reads: Reads,
    /// What the server says; none until it could be read once.
    pub server: RwSignal<Option<ServerView>>,
    /// Readings of that.
    pub server_reads: Reads,
    /// The open table, once it was read.
    pub open: RwSignal<Option<TableView>>,
    /// Readings of that table.
    pub open_reads: Reads,
}

/// The data of the page.
pub fn use_store() -> Store {
    expect_context::<Store>()
}

impl Store {
    /// A store with the first data, in context.
    pub(super) fn provide(target: String, first: First) -> Self {
        let (server, server_reads) = Reads::begin(first.server);
        let (open, open_reads) = match first.open {
            Some(answer) => Reads::begin(answer),
            None => (None, Reads::new(None)),
        };
        let store = Store {
            frame: use_frame(),
            target: StoredValue::new(target),
            list: RwSignal::new(first.list),
            list_reads: Reads::new(None),
            server: RwSignal::new(server),
            server_reads,
            open: RwSignal::new(open),
            open_reads,
        };
        provide_context(store);
        store
    }

    /// Reads everything again.
    pub fn read(self) {
        let Some(target) = self.target.try_get_value() else { return };
        self.list_reads.ask(functions::tables(Some(target)), move |list| self.list.set(list));
        self.read_server();
        self.read_open();
    }

    /// Reads what the server says.
    pub fn read_server(self) {
        let Some(target) = self.target.try_get_value() else { return };
        self.server_reads.ask(functions::server(Some(target)), move |server| self.server.set(Some(server)));
    }

    /// Reads the open table.
    pub fn read_open(self) {
        let Some(target) = self.target.try_get_value() else { return };
        let Some(name) = self.frame.query.with_untracked(|query| query.get(ListKeys::PLAIN.open)) else { return };
        self.open_reads.ask(functions::table(Some(target), name), move |table| self.open.set(Some(table)));
    }

    /// One part of what the server says: none while it is on its way.
    pub fn part<T: Clone + Send + Sync + PartialEq + 'static>(
        self,
        part: fn(&ServerView) -> &Result<T, AppError>,
    ) -> Memo<Option<Result<T, AppError>>> {
        Memo::new(move |_| {
            match (self.server.with(|server| server.as_ref().map(part).cloned()), self.server_reads.error.get()) {
                (None, Some(error)) => Some(Err(error)),
                (known, _) => known,
            }
        })
    }

    /// Follows the clock, the URL and the feed. Runs in the browser only: effects do not run on the server.
    pub fn keep_fresh(self) {
        let frame = self.frame;
        // A held page keeps what it shows.
        let look = Memo::new(move |before: Option<&(i64, u32)>| {
            let now = (frame.now.get().floor_to(LOOK_EVERY_MS).0, frame.feed.refreshes.get());
            before.copied().filter(|_| frame.query.with(url::paused)).unwrap_or(now)
        });
        Effect::watch(move || look.get(), move |_, _, _| self.read(), false);
        let open = Memo::new(move |_| frame.query.with(|query| query.get(ListKeys::PLAIN.open)));
        Effect::watch(
            move || open.get(),
            move |_, _, _| {
                self.open.set(None);
                self.open_reads.error.set(None);
                self.read_open();
            },
            false,
        );
        Effect::watch(
            move || frame.feed.operation.get(),
            move |operation, _, _| {
                let Some(moved) = operation.as_ref().filter(|operation| operation.kind == OPTIMIZE) else { return };
                self.open.update(|open| {
                    if let Some(TableView { operation: known, .. }) = open
                        && known.as_ref().is_some_and(|known| known.id == moved.id)
                    {
                        *known = Some(moved.clone());
                    }
                });
                if moved.state.is_final() {
                    self.read();
                }
            },
            false,
        );
    }
}
