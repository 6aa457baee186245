//! Tables: their size, growth, dead rows and bloat; below them what the server says of vacuum, replication and settings.

mod detail;
mod freeze;
mod list;
mod optimize;
mod replication;
mod server;
mod settings;
mod store;

use crate::{
    components::{
        first::first,
        list::{List, ListKeys},
        notices::NotRead,
        skeleton::Skeleton,
    },
    error::AppError,
    functions::{self, ServerView, TableView},
    layout::use_frame,
};
use headroom_model::{
    Timestamp, format,
    tables::{TableList, TableSummary},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};
pub use optimize::Preview;
use store::{Store, use_store};

/// The path of the page.
pub const PATH: &str = "/tables";

/// The page.
#[derive(Debug)]
pub struct TablesPage;

#[lazy_route]
impl LazyRoute for TablesPage {
    fn data() -> Self {
        TablesPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Tables"/>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// What the first paint needs: the list, the server, and the open row where there is one.
pub(crate) struct First {
    list: TableList,
    server: Result<ServerView, AppError>,
    open: Option<Result<TableView, AppError>>,
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    let open =
        use_frame().query.with_untracked(|query| query.get(ListKeys::PLAIN.open).filter(|open| !open.is_empty()));
    let asked = target.clone();
    let list = Resource::new_blocking(|| (), move |()| functions::tables(Some(asked.clone())));
    let asked = target.clone();
    let server = Resource::new_blocking(|| (), move |()| functions::server(Some(asked.clone())));
    let asked = target.clone();
    let opened = Resource::new_blocking(
        || (),
        move |()| {
            let (target, open) = (asked.clone(), open.clone());
            async move {
                match open {
                    Some(name) => Some(functions::table(Some(target), name).await),
                    None => None,
                }
            }
        },
    );
    let retry = Callback::new(move |()| {
        list.refetch();
        server.refetch();
        opened.refetch();
    });
    first(
        Some("Tables"),
        || view! { <Frames/> }.into_any(),
        retry,
        move || async move {
            let (list, server, open) = (list.await, server.await, opened.await);
            list.map(|list| First { list, server, open })
        },
        move |first| view! { <Loaded target=target.clone() first/> }.into_any(),
    )
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    view! {
        <div class="page-head">
            <h1>"Tables"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            {["70%", "55%", "62%", "48%"]
                .map(|width| {
                    view! {
                        <p class="cell">
                            <Skeleton width/>
                        </p>
                    }
                })
                .collect_view()}
        </section>
    }
    .into_any()
}

/// "128 tables, 5.9 GiB, counting since 12 Nov 09:00".
fn head(list: &TableList, now: Timestamp) -> String {
    let known: u64 = list.tables.iter().filter_map(|table| table.size_bytes).sum();
    let since = list.counting_since.map_or_else(
        || "counted since the statistics began".to_owned(),
        |at| format!("counted since {}", format::moment(at, now)),
    );
    let shown = list.tables.len() as u64;
    let (tables, bytes) = (format::counted(list.total, "table"), format::bytes(known as f64));
    if list.total > shown {
        return format!("{tables}, the largest {} shown, which take {bytes}; {since}", format::count(shown));
    }
    format!("{tables}, {bytes} together; {since}")
}

/// The page once its first data is there.
#[component]
fn Loaded(target: String, first: First) -> impl IntoView {
    let frame = use_frame();
    let store = Store::provide(target, first);
    store.keep_fresh();
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let words = Memo::new(move |_| store.list.with(|list| head(list, minute.get())));
    let again = Callback::new(move |()| store.read());
    let rows = Signal::derive(move || {
        let filter = list::Filter::read(&frame.query.read());
        store.list.with(|list| list.tables.iter().filter(|table| filter.keeps(table)).cloned().collect::<Vec<_>>())
    });
    let detail = Callback::new(|row: Signal<TableSummary>| view! { <detail::Detail row/> }.into_any());
    view! {
        <div class="page-head">
            <div>
                <h1>"Tables"</h1>
                <p>{words}</p>
            </div>
        </div>
        <NotRead error=store.list_reads.error what="Tables could not be read again." retry=again/>
        <section class="sheet" aria-labelledby="h-tables">
            <div class="cell-head pad-head">
                <h2 id="h-tables">"Tables"</h2>
                <small>"rows and scans as the server counts them; bloat by its statistics, rough"</small>
            </div>
            <List
                spec=&list::SPEC
                rows
                detail
                tools=|| view! { <list::Filters/> }.into_any()
                empty=|| view! { <Nothing/> }.into_any()
                old=Signal::derive(move || store.list_reads.error.with(Option::is_some))
            />
        </section>
        <server::Server/>
        <freeze::Freeze/>
        <replication::Replication/>
        <settings::Settings/>
    }
    .into_any()
}

/// Why there is no table to show.
#[component]
fn Nothing() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let filtered = Memo::new(move |_| store.list.with(|list| !list.tables.is_empty()));
    let filter = move || list::Filter::read(&frame.query.read());
    view! {
        {move || match filtered.get() {
            true => {
                let href = frame.link(PATH, &[(list::FILTER, None)]);
                view! {
                    <p class="empty sub">
                        {filter().without()} " "
                        <a href=href data-noscroll="">
                            "Show all tables"
                        </a>
                    </p>
                }
                    .into_any()
            }
            false => {
                view! {
                    <div class="empty">
                        <h3>"No tables"</h3>
                        <p>
                            "The database that this target names holds no tables outside the system's schemas. If the application's tables lie in another database of the server, name that in "
                            <code>"database_url"</code> "."
                        </p>
                    </div>
                }
                    .into_any()
            }
        }}
    }
    .into_any()
}
