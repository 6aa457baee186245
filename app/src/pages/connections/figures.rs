//! The key figures, and why some are missing.

use super::store::use_store;
use crate::components::{
    banner::Banner,
    copy::CopyButton,
    figure::{missed, of_limit},
    status::MarkOnly,
};
use headroom_model::{
    Band, MetricId,
    activity::{Activity, Unknown},
    format::{self, MISSING},
    live::LiveUpdate,
    metric::Unit,
};
use leptos::prelude::*;

/// The figures' names.
pub const NAMES: [&str; 6] =
    ["Connections", "Active", "Idle in transaction", "Waiting for a lock", "Longest transaction", "Longest statement"];

/// One figure: a number with its unit, and the line below.
#[derive(Clone, Debug, PartialEq)]
struct Figure {
    name: &'static str,
    number: String,
    unit: String,
    note: String,
    missed: Option<Band>,
}

fn figures(live: &LiveUpdate, activity: &Activity) -> Vec<Figure> {
    use MetricId as M;
    let value = |metric: M| activity.figures.get(&metric).copied();
    let figure = |index: usize, metric: M, note: String| {
        let unit = metric.metric().unit;
        let (number, unit) = match value(metric) {
            Some(value) => of_limit(value, None, unit),
            None => (MISSING.to_owned(), String::new()),
        };
        Figure { name: NAMES[index], number, unit, note, missed: missed(live, &[metric]) }
    };
    let mut connections = figure(0, M::Connections, String::new());
    if let Some(used) = value(M::Connections) {
        (connections.number, connections.unit) = of_limit(used, value(M::ConnectionsMax), Unit::Count);
    }
    connections.note = value(M::ConnectionsUsed)
        .map_or_else(String::new, |used| format!("{} of the limit", format::value(used, Unit::Percent)));
    connections.missed = missed(live, &[M::Connections, M::ConnectionsUsed]);
    let limit = |millis: f64| format::duration_ms(millis);
    let leaked = match activity.leaked {
        0 => format!("none for over {}", limit(activity.leaked_after_ms)),
        leaked => format!("{} for over {}", format::count(leaked), limit(activity.leaked_after_ms)),
    };
    let long = match activity.long_running {
        0 => format!("none over {}", limit(activity.long_running_after_ms)),
        long => format!("{} over {}", format::count(long), limit(activity.long_running_after_ms)),
    };
    let known = |metric: M, note: String| if value(metric).is_some() { note } else { String::new() };
    vec![
        connections,
        figure(1, M::SessionsActive, known(M::SessionsActive, "run a statement, waiting or not".into())),
        figure(2, M::SessionsIdleInTransaction, known(M::SessionsIdleInTransaction, leaked)),
        figure(3, M::LocksBlocked, known(M::LocksBlocked, "blocked by another session".into())),
        figure(4, M::LongestTransaction, known(M::LongestTransaction, "vacuum keeps what died since".into())),
        figure(5, M::LongestStatement, known(M::LongestStatement, long)),
    ]
}

/// The row of figures.
#[component]
pub fn Figures() -> impl IntoView {
    let store = use_store();
    let figures =
        Memo::new(move |_| store.activity.with(|activity| store.present.live.with(|live| figures(live, activity))));
    let cell = |figure: Figure| {
        view! {
            <div class="cell fig">
                <dt>
                    {figure.name} " "
                    {figure.missed.map(|band| view! { <MarkOnly status=Some(band)/> })}
                </dt>
                <dd>
                    {figure.number}
                    <span class="u">{figure.unit}</span>
                </dd>
                <dd>{figure.note}</dd>
            </div>
        }
    };
    view! { <dl class="row-cells figs">{move || figures.get().into_iter().map(cell).collect_view()}</dl> }.into_any()
}

/// Why sessions are missing, each with the statement that helps.
#[component]
pub fn Missing() -> impl IntoView {
    let store = use_store();
    let missing = Memo::new(move |_| {
        store.activity.with(|activity| {
            // That the server does not answer has a banner of its own.
            let is_up = store.present.live.with(|live| live.target.postgres.is_up());
            let hidden = match activity.hidden {
                0 => String::new(),
                hidden => format!(
                    " {} hidden now; the list holds those of the console's own role.",
                    format::counted(hidden, "session")
                ),
            };
            let words = |unknown: &Unknown| (format!("{}{hidden}", unknown.what), unknown.remedy.clone());
            if is_up { activity.missing.iter().map(words).collect() } else { Vec::new() }
        })
    });
    let banner = |(words, remedy): (String, Option<String>)| {
        let copied = remedy.clone();
        let action = move || copied.clone().map(|sql| view! { <CopyButton text=Signal::derive(move || sql.clone())/> });
        view! {
            <Banner status=Some(Band::Degraded) action>
                {words}
                {remedy.map(|sql| view! {
                    " "
                    <code>{sql}</code>
                })}
            </Banner>
        }
    };
    view! { {move || missing.get().into_iter().map(banner).collect_view()} }.into_any()
}
