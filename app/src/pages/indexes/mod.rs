//! Indexes: which to create, with proof and gain; what was considered and why not; which nobody uses; which are there
//! twice.

mod create;
mod lists;
mod suggestion;
mod words;

use crate::{
    components::{
        banner::Banner,
        copy::CopyButton,
        first::first,
        icon::{Glyph, Icon},
        notices::NotRead,
        operation::OperationRow,
        plan::KnownPlans,
        skeleton::Skeleton,
    },
    data::reads::Reads,
    error::AppError,
    functions::{self, LOOK_FOR_INDEXES, look_for_indexes},
    layout::use_frame,
    url,
};
use headroom_model::{Band, Role, advice::IndexesView};
use leptos::{ev, prelude::*};
use leptos_meta::Title;
use leptos_router::{LazyRoute, lazy_route, params::ParamsMap};

/// The path of the page.
pub const PATH: &str = "/indexes";
/// Which list is shown.
const TAB: &str = "tab";
/// The statement whose plan is open.
const PLAN: &str = "plan";

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Suggestions,
    Rejected,
    Unused,
    Duplicates,
}

impl Tab {
    const ALL: [Tab; 4] = [Tab::Suggestions, Tab::Rejected, Tab::Unused, Tab::Duplicates];

    fn key(self) -> Option<&'static str> {
        match self {
            Tab::Suggestions => None,
            Tab::Rejected => Some("rejected"),
            Tab::Unused => Some("unused"),
            Tab::Duplicates => Some("duplicates"),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Tab::Suggestions => "Suggested",
            Tab::Rejected => "Not advised",
            Tab::Unused => "Unused",
            Tab::Duplicates => "Duplicates",
        }
    }

    fn of(query: &ParamsMap) -> Self {
        let named = query.get_str(TAB);
        Tab::ALL.into_iter().find(|tab| tab.key() == named).unwrap_or(Tab::Suggestions)
    }

    fn count(self, view: &IndexesView) -> Option<usize> {
        match self {
            Tab::Suggestions => Some(view.advice.suggestions.len()),
            Tab::Rejected => Some(view.advice.rejected.len()),
            Tab::Unused => view.unused.as_ref().ok().map(|unused| unused.indexes.len()),
            Tab::Duplicates => view.duplicates.as_ref().ok().map(|duplicates| duplicates.indexes.len()),
        }
    }
}

/// The page.
#[derive(Debug)]
pub struct IndexesPage;

#[lazy_route]
impl LazyRoute for IndexesPage {
    fn data() -> Self {
        IndexesPage
    }

    fn view(_this: Self) -> AnyView {
        let target = use_frame().target();
        view! {
            <Title text="Indexes"/>
            // Links to another target load the page anew: what is known of one never stands under the name of another.
            <TargetPage target=target.get_untracked()/>
        }
        .into_any()
    }
}

/// All of the page that is about one target.
#[component]
fn TargetPage(target: String) -> impl IntoView {
    let query = use_frame().query;
    let answer = Resource::new_blocking(|| (), {
        let target = target.clone();
        move |()| {
            let target = Some(target.clone());
            let open = query.with_untracked(|query| query.get(PLAN));
            async move {
                let plans = match open {
                    Some(id) => Some((id.clone(), functions::statement_plans(target.clone(), id).await)),
                    None => None,
                };
                functions::indexes(target).await.map(|view| (view, plans))
            }
        }
    });
    let retry = Callback::new(move |()| answer.refetch());
    first(
        Some("Indexes"),
        || view! { <Frames/> }.into_any(),
        retry,
        move || async move { answer.await },
        move |first| view! { <Loaded target=target.clone() first/> }.into_any(),
    )
}

/// The frames of the page while its first data is on its way.
#[component]
fn Frames() -> impl IntoView {
    view! {
        <div class="page-head">
            <h1>"Indexes"</h1>
        </div>
        <section class="sheet skel-page" aria-busy="true" aria-label="Loading">
            <p class="cell">
                <Skeleton width="60%"/>
            </p>
            <p class="cell">
                <Skeleton width="40%"/>
            </p>
        </section>
    }
    .into_any()
}

/// What the parts of the page share.
#[derive(Clone, Copy)]
struct Page {
    target: StoredValue<String>,
    shown: RwSignal<IndexesView>,
    /// Plans of the statement that was open at first.
    plans: StoredValue<Option<(String, KnownPlans)>>,
    reads: Reads,
}

impl Page {
    fn read(self) {
        self.reads.ask(functions::indexes(self.target.try_get_value()), move |view| self.shown.set(view));
    }
}

fn use_page() -> Page {
    expect_context::<Page>()
}

/// The page once its first data is there.
#[component]
fn Loaded(target: String, first: (IndexesView, Option<(String, KnownPlans)>)) -> impl IntoView {
    let frame = use_frame();
    let page = Page {
        target: StoredValue::new(target),
        shown: RwSignal::new(first.0),
        plans: StoredValue::new(first.1),
        reads: Reads::new(None),
    };
    provide_context(page);
    let shown = page.shown;
    let every = Memo::new(move |_| shown.with(|view| words::look_every(&view.advice)));
    // A held page keeps what it shows, unless someone has just set something in motion.
    let look = Memo::new(move |before: Option<&i64>| {
        let now = frame.now.get().floor_to(every.get()).0;
        before.copied().filter(|_| frame.query.with(url::paused)).unwrap_or(now)
    });
    Effect::watch(move || look.get(), move |_, _, _| page.read(), false);
    let tab = Memo::new(move |_| frame.query.with(Tab::of));
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let head = Memo::new(move |_| shown.with(|view| words::head(&view.advice, minute.get())));
    let building = Memo::new(move |_| shown.with(|view| view.advice.building.clone()));
    let missing = Memo::new(move |_| shown.with(|view| view.advice.missing.clone()));
    let failed = Memo::new(move |_| shown.with(|view| view.advice.failed.clone()));
    let link = move |to: Tab| {
        let href = move || {
            let changes =
                [(TAB, to.key()), ("sort", None), ("find", None), ("page", None), ("open", None), (PLAN, None)];
            frame.link(PATH, &changes)
        };
        let count = move || shown.with(|view| to.count(view)).map(|count| format!(" {count}"));
        view! {
            <a href=href aria-current=move || (tab.get() == to).then_some("true") data-noscroll="">
                {to.label()}
                <span class="dim">{count}</span>
            </a>
        }
    };
    let list = move || match tab.get() {
        Tab::Suggestions => view! { <suggestion::Suggestions/> }.into_any(),
        Tab::Rejected => view! { <lists::Rejected/> }.into_any(),
        Tab::Unused => view! { <lists::Unused/> }.into_any(),
        Tab::Duplicates => view! { <lists::Duplicates/> }.into_any(),
    };
    let retry = Callback::new(move |()| page.read());
    let notice = |missing: headroom_model::advice::Missing| {
        let sql = missing.remedy.clone();
        view! {
            <Banner
                status=Some(Band::Degraded)
                action=move || {
                    let sql = sql.clone();
                    view! { <CopyButton text=Signal::derive(move || sql.clone())/> }
                }
            >
                {missing.what}
                " "
                <code>{missing.remedy}</code>
            </Banner>
        }
    };
    view! {
        <div class="page-head">
            <div>
                <h1>"Indexes"</h1>
                <p>{head}</p>
            </div>
            <Look/>
        </div>
        <NotRead error=page.reads.error what="Advice could not be read again." retry/>
        {move || {
            failed
                .get()
                .map(|why| {
                    view! { <Banner status=Some(Band::Critical)>{format!("The last round of advice failed: {why}")}</Banner> }
                })
        }}
        {move || missing.get().into_iter().map(notice).collect_view()}
        {move || {
            building
                .get()
                .map(|operation| {
                    view! {
                        <section class="sheet" aria-label="Under way">
                            <div class="cell">
                                <OperationRow operation=Signal::stored(operation)/>
                            </div>
                        </section>
                    }
                })
        }}
        <section class="sheet" aria-label="Indexes">
            <h2 class="vh">"Suggestions and lists"</h2>
            <div class="tabs">
                <nav class="tab-links" aria-label="Indexes">
                    {Tab::ALL.into_iter().map(link).collect_view()}
                </nav>
            </div>
            {list}
        </section>
    }
    .into_any()
}

/// Asks for a round now.
#[component]
fn Look() -> impl IntoView {
    let (frame, page) = (use_frame(), use_page());
    let refused = RwSignal::new(None::<AppError>);
    let asked = RwSignal::new(false);
    let is_computing = Memo::new(move |_| page.shown.with(|view| view.advice.is_computing));
    let ask = move |event: ev::SubmitEvent| {
        event.prevent_default();
        asked.set(true);
        leptos::task::spawn_local(async move {
            let answer = look_for_indexes(page.target.try_get_value()).await;
            refused.try_set(answer.err());
            // The round begins within seconds and takes seconds.
            set_timeout(
                move || {
                    asked.try_set(false);
                    page.read();
                },
                std::time::Duration::from_secs(3),
            );
        });
    };
    let busy = move || asked.get() || is_computing.get();
    view! {
        <Show when=move || frame.may(Role::Operator)>
            <form class="push" method="post" action=LOOK_FOR_INDEXES on:submit=ask>
                <input type="hidden" name="target" value=page.target.get_value()/>
                <button class="btn" aria-busy=move || busy().then_some("true")>
                    <Glyph icon=Icon::Refresh small=true/>
                    {move || if busy() { "Looking…" } else { "Look now" }}
                </button>
                {move || refused.get().map(|error| view! { <span class="note" role="alert">{error.message}</span> })}
            </form>
        </Show>
    }
    .into_any()
}
