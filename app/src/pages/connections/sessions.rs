//! The list of sessions.

use super::{
    PATH,
    groups::InForce,
    row::Detail,
    store::use_store,
    view::{self, ONLY, Only, wait},
};
use crate::{
    components::{
        list::{Column, List, ListKeys, ListSpec, Order, Shown},
        status::Mark,
    },
    layout::use_frame,
};
use headroom_model::{
    Band,
    activity::SessionView,
    format::{self, MISSING},
};
use leptos::prelude::*;

fn age(millis: Option<f64>) -> AnyView {
    // Whole seconds: the figures are of the last sample, not of this moment.
    let said = millis.map_or_else(
        || MISSING.to_owned(),
        |millis| {
            format::duration_ms(if millis >= 1000.0 { (millis / 1000.0).floor() * 1000.0 } else { millis.round() })
        },
    );
    said.into_any()
}

/// What deserves a mark: the worst of it, in words.
pub fn trouble(session: &SessionView) -> Option<(Band, String)> {
    if session.blocks > 0 {
        return Some((Band::Critical, format!("blocks {}", format::count(session.blocks))));
    }
    if session.leaked {
        return Some((Band::Degraded, "idle in transaction too long".to_owned()));
    }
    if session.lock_wait_ms.is_some() || !session.blocked_by.is_empty() {
        return Some((Band::Degraded, "blocked".to_owned()));
    }
    session.long_running.then(|| (Band::Degraded, "long-running".to_owned()))
}

fn name(session: &SessionView) -> AnyView {
    let mark = trouble(session).map(|(band, words)| view! { <Mark status=Some(band) text=words/> });
    let own = session.own.then(|| view! { <small class="note">" console"</small> });
    view! {
        <b class="num">{session.key.pid.to_string()}</b>
        {own}
        " "
        {mark}
    }
    .into_any()
}

static SPEC: ListSpec<SessionView> = ListSpec {
    name: "Sessions",
    one: "session",
    many: "sessions",
    keys: ListKeys::PLAIN,
    find_label: "Filter by statement, application, role, address or process",
    columns: &[
        Column {
            key: "pid",
            label: "Session",
            class: "nowrap",
            cell: name,
            order: Some(Order::Number(|session| Some(f64::from(session.key.pid)))),
            largest_first: false,
            shown: Shown::Always,
        },
        Column::text("state", "State", "", |s| s.state.clone().into_any(), |s| s.state.clone(), Shown::Usually),
        Column::text(
            "application",
            "Application",
            "",
            |s| s.application.clone().into_any(),
            |s| s.application.clone(),
            Shown::Usually,
        ),
        Column::text("user", "Role", "", |s| s.user.clone().into_any(), |s| s.user.clone(), Shown::Usually),
        Column::text(
            "client",
            "Client",
            "",
            |s| s.client.clone().unwrap_or_else(|| "Unix socket".to_owned()).into_any(),
            |s| s.client.clone().unwrap_or_default(),
            Shown::OnDemand,
        ),
        Column::text(
            "database",
            "Database",
            "",
            |s| s.database.clone().into_any(),
            |s| s.database.clone(),
            Shown::OnDemand,
        ),
        Column::number("transaction", "Transaction", |s| age(s.transaction_ms), |s| s.transaction_ms, Shown::Usually),
        Column::number("in-state", "In state", |s| age(s.state_ms), |s| s.state_ms, Shown::Usually),
        Column::number(
            "statement-age",
            "Statement began",
            |s| age(s.statement_ms),
            |s| s.statement_ms,
            Shown::OnDemand,
        ),
        Column::text(
            "wait",
            "Waits for",
            "",
            |s| wait(s).unwrap_or_default().into_any(),
            |s| wait(s).unwrap_or_default(),
            Shown::Usually,
        ),
        Column::number(
            "blocks",
            "Blocks",
            |s| if s.blocks > 0 { format::count(s.blocks) } else { String::new() }.into_any(),
            |s| Some(s.blocks as f64),
            Shown::OnDemand,
        ),
        Column::number(
            "xmin",
            "Snapshot age",
            |s| s.xmin_age.map_or_else(|| MISSING.to_owned(), |age| format::count(age.unsigned_abs())).into_any(),
            |s| s.xmin_age.map(|age| age as f64),
            Shown::OnDemand,
        ),
        Column {
            key: "statement",
            label: "Statement",
            class: "",
            cell: |s| view! { <span class="mono key-text">{s.statement.clone()}</span> }.into_any(),
            order: None,
            largest_first: false,
            shown: Shown::Usually,
        },
    ],
    id: |session| session.key.to_string(),
    text: Some(|session| {
        format!(
            "{} {} {} {} {} {}",
            session.key.pid,
            session.application,
            session.user,
            session.database,
            session.client.as_deref().unwrap_or_default(),
            session.statement
        )
    }),
    sort: ("transaction", true),
    per_page: 25,
    least_width: "62rem",
};

/// The sheet.
#[component]
pub fn Sessions() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let filter = Memo::new(move |_| frame.query.with(view::filter));
    let rows = Memo::new(move |_| {
        let filter = filter.get();
        store.activity.with(|activity| {
            activity.sessions.iter().filter(|session| filter.holds(session)).cloned().collect::<Vec<_>>()
        })
    });
    let choice = move |(only, name, label): (Only, &'static str, &'static str)| {
        let href = move || {
            let value = (only != Only::All).then_some(name);
            frame.link(PATH, &[(ONLY, value), ("page", None), ("open", None)])
        };
        let current = move || (filter.get().only == only).then_some("true");
        view! {
            <a href=href aria-current=current data-noscroll="">
                {label}
            </a>
        }
    };
    let tools = move || {
        view! {
            {Only::ALL.into_iter().map(choice).collect_view()}
            <InForce/>
        }
    };
    let empty = move || {
        let said = store.activity.with(|activity| match (activity.at, filter.get()) {
            (None, _) => "Sessions are not known while the server does not answer.".to_owned(),
            (Some(_), filter) if filter == view::Filter::default() => "No client session is visible.".to_owned(),
            (Some(at), _) => format!(
                "None of {} is one of these, as of {}.",
                format::counted(activity.read, "session"),
                format::clock_seconds(at)
            ),
        });
        view! { <p class="empty sub">{said}</p> }
    };
    let detail = Callback::new(move |row: Signal<SessionView>| view! { <Detail row/> }.into_any());
    view! {
        <section class="sheet" aria-labelledby="h-sessions">
            <div class="cell-head pad-head">
                <h2 id="h-sessions">"Sessions"</h2>
                <small>"statements without their literals; oldest transaction first"</small>
            </div>
            <List spec=&SPEC rows detail tools empty old=Signal::derive(move || store.present.is_stale())/>
        </section>
    }
    .into_any()
}
