//! Queries: the statements of a target over the range, what each costs, and one statement's own page.

mod charts;
mod columns;
mod detail;
mod figures;
mod filter;
mod read;
mod statement;
mod words;

pub use statement::StatementPage;

use crate::{
    components::{
        banner::Banner,
        copy::CopyButton,
        first::first,
        icon::{Glyph, Icon},
        list::List,
        notices::{NotRead, RangeRefused},
        remedy::RemedyView,
        skeleton::Skeleton,
    },
    error::AppError,
    layout::use_frame,
};
use columns::STATEMENTS;
use detail::Detail;
use headroom_model::{
    Band, format,
    observation::Remedy,
    statements::{StatementList, StatementRow, StatementsAbsence},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route};
use read::{OneRead, View};
use serde::{Deserialize, Serialize};

/// The path of the page.
pub const PATH: &str = "/queries";

/// The page.
#[derive(Debug)]
pub struct QueriesPage;

#[lazy_route]
impl LazyRoute for QueriesPage {
    fn data() -> Self {
        QueriesPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Queries"/>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// What the first paint needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct First {
    list: Result<StatementList, AppError>,
    open: Option<(String, Result<View, AppError>)>,
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    let query = use_frame().query;
    // Read once, for the first paint; from then on the page follows the URL and the clock without being built anew.
    let answer = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| {
            let target = target.clone();
            let (asked, open) = query.with_untracked(|query| (read::asked(query), read::open(query)));
            async move {
                let list = read::list(target.clone(), asked.clone()).await;
                let open = match open {
                    Some(id) => Some((id.clone(), read::one(target, id, asked.range).await)),
                    None => None,
                };
                First { list, open }
            }
        }
    });
    let retry = Callback::new(move |()| answer.refetch());
    first(
        Some("Queries"),
        || view! { <Frames/> }.into_any(),
        retry,
        move || async move {
            let First { list, open } = answer.await;
            list.map(|list| (list, open))
        },
        move |(list, open)| view! { <Loaded target=target.clone() list open/> }.into_any(),
    )
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    let row = |_| {
        view! {
            <p class="cell">
                <Skeleton width="80%"/>
            </p>
        }
    };
    view! {
        <div class="page-head">
            <h1>"Queries"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            {(0..6).map(row).collect_view()}
        </section>
    }
    .into_any()
}

/// The page once its first data is there.
#[component]
fn Loaded(target: String, list: StatementList, open: Option<(String, Result<View, AppError>)>) -> impl IntoView {
    let frame = use_frame();
    let (shown, reads) = read::follow_list(target.clone(), list);
    let one = OneRead::new(target.clone(), open);
    let rows = Memo::new(move |_| shown.with(|shown| shown.rows.clone()));
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let head = Memo::new(move |_| shown.with(|shown| words::head(shown, minute.get())));
    let retry = Callback::new(move |()| reads.1.run(()));
    let detail = Callback::new(move |row: Signal<StatementRow>| view! { <Detail row one/> }.into_any());
    let csv = move || frame.query.with(|query| read::csv(&target, query));
    let notes = move || shown.with(|shown| shown.notes.iter().cloned().map(note).collect_view());
    let more = move || {
        shown.with(|shown| {
            (shown.found > shown.rows.len() as u64).then(|| {
                let text = format!(
                    "The {} statements with most time of {} are listed; a filter finds the others.",
                    format::count(shown.rows.len() as u64),
                    format::count(shown.found)
                );
                view! { <p class="cell note">{text}</p> }
            })
        })
    };
    view! {
        <div class="page-head">
            <div>
                <h1>"Queries"</h1>
                <p>{move || head.get()}</p>
            </div>
            <div class="push flow">
                <a class="btn" href=csv rel="external" download="" title="As a table, at most 300 statements">
                    <Glyph icon=Icon::Download small=true/>
                    "CSV"
                </a>
            </div>
        </div>
        <RangeRefused/>
        <NotRead error=reads.0.error what="Statements could not be read again." retry/>
        {notes}
        <section class="sheet" aria-labelledby="h-statements">
            <h2 class="vh" id="h-statements">
                "Statements"
            </h2>
            <List
                spec=&STATEMENTS
                rows
                detail
                tools=move || view! { <filter::Filters shown/> }
                empty=move || shown.with(empty)
                old=Signal::derive(move || reads.0.error.with(Option::is_some))
            />
            {more}
        </section>
        <words::Patterns shown=Signal::derive(move || shown.with(|shown| shown.patterns.clone()))/>
    }
    .into_any()
}

/// What makes the figures incomplete, with the exact fix.
fn note(note: StatementsAbsence) -> impl IntoView {
    let remedy = note.remedy.clone();
    let action = move || {
        remedy.clone().map(|sql| {
            let remedy = Remedy::Sql { label: "What lifts this".to_owned(), sql };
            view! { <RemedyView remedy/> }
        })
    };
    view! {
        <Banner status=Some(Band::Degraded) action>
            {note.reason}
        </Banner>
    }
}

/// What stands in the place of rows: why there are none, and what changes that.
fn empty(list: &StatementList) -> AnyView {
    let Some(absence) = list.absence.clone() else {
        return view! {
            <div class="empty">
                <h2>"No statement passes the filter"</h2>
                <p>{format!("{} are known in this range.", format::counted(list.known, "statement"))}</p>
            </div>
        }
        .into_any();
    };
    view! { <Absent absence/> }.into_any()
}

/// Why there is nothing, with the statement that changes it.
#[component]
pub fn Absent(absence: StatementsAbsence) -> impl IntoView {
    let fix = absence.remedy.map(|sql| {
        let text = sql.clone();
        view! {
            <p>"This brings them, run on the target by a role that may:"</p>
            <div class="code">
                <pre tabindex="0" role="group" aria-label="Statement that brings them">
                    {sql}
                </pre>
            </div>
            <CopyButton text=Signal::derive(move || text.clone())/>
        }
    });
    view! {
        <div class="empty">
            <h2>"No statements to show"</h2>
            <p>{absence.reason}</p>
            {fix}
        </div>
    }
    .into_any()
}
