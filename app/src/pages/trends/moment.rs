//! What ran in one minute, below the charts: statements, waits, locks, datasets, and what else happened.
//!
//! The minute is in the URL (`at`), so a link shows it and it works without JavaScript. Its data is read when it is opened.

use crate::{
    components::{
        event::EventRow,
        failure::Failure,
        icon::{Glyph, Icon},
        skeleton::Skeleton,
        status::Mark,
    },
    data::reads::Reads,
    error::AppError,
    functions,
    layout::use_frame,
};
use headroom_model::{
    Band, Timestamp,
    format::{self, MISSING},
    moment::{
        Absence, LockSession, LockTree, MinuteAction, MinuteDataset, MinuteOperation, MinuteRecord, MinuteStatement,
        Moment, Part, RunningStatement, StateCount, Wait,
    },
    operation::OperationState,
    trends::AT,
};
use leptos::prelude::*;

/// The page that this lies on.
const PATH: &str = "/trends";
const MINUTE_MS: i64 = 60_000;
/// The id of the sheet's heading.
const HEADING: &str = "h-moment";
/// What surrounds a minute on the Overview that is linked to.
const AROUND_MS: i64 = 15 * MINUTE_MS;

/// A minute that is looked into, and what is known of it.
#[derive(Clone, Copy)]
pub struct Drill {
    target: StoredValue<String>,
    /// The minute; none while none is open.
    pub at: Signal<Option<Timestamp>>,
    moment: RwSignal<Option<Moment>>,
    reads: Reads,
}

impl Drill {
    /// A drill of a target; `first` is the minute of the first paint, where the URL names one.
    #[must_use]
    pub fn new(
        target: StoredValue<String>,
        at: Signal<Option<Timestamp>>,
        first: Option<Result<Moment, AppError>>,
    ) -> Self {
        let (first, reads) = match first {
            Some(answer) => Reads::begin(answer),
            None => (None, Reads::new(None)),
        };
        Drill { target, at, moment: RwSignal::new(first), reads }
    }

    /// Reads the open minute again.
    pub fn read(self) {
        let (Some(target), Some(at)) = (self.target.try_get_value(), self.at.get_untracked()) else { return };
        self.reads.ask(functions::moment(Some(target), at), move |moment| self.moment.set(Some(moment)));
    }

    /// Reads each minute that is opened. Runs in the browser only: effects do not run on the server.
    pub fn follow(self) {
        let minute = Memo::new(move |_| self.at.get().map(|at| at.floor_to(MINUTE_MS)));
        Effect::watch(
            move || minute.get(),
            move |minute, before, _| {
                self.reads.error.set(None);
                self.read();
                // It opens below the charts, out of sight.
                #[cfg(feature = "hydrate")]
                if minute.is_some() && before.copied().flatten().is_none() {
                    crate::browser::page::showHeading(HEADING);
                }
                #[cfg(not(feature = "hydrate"))]
                let _ = (minute, before);
            },
            false,
        );
        // A minute that still runs is read once more when it has ended.
        let now = use_frame().now;
        let clock = Memo::new(move |_| now.get().floor_to(MINUTE_MS));
        Effect::watch(
            move || clock.get(),
            move |_, _, _| {
                if self.moment.with_untracked(|moment| moment.as_ref().is_some_and(|moment| moment.open)) {
                    self.read();
                }
            },
            false,
        );
    }

    /// What is known of the open minute; none while it is read.
    fn open(self) -> Option<Moment> {
        let at = self.at.get()?.floor_to(MINUTE_MS);
        self.moment.with(|moment| moment.as_ref().filter(|moment| moment.at == at).cloned())
    }
}

/// The sheet of the open minute; nothing while none is open.
#[component]
pub fn MomentSheet(drill: Drill) -> impl IntoView {
    let is_open = Memo::new(move |_| drill.at.get().is_some());
    #[cfg(feature = "hydrate")]
    close_on_escape(drill);
    view! {
        <Show when=move || is_open.get()>
            <section class="sheet moment" id="moment" aria-labelledby=HEADING>
                <Head drill/>
                {move || match (drill.open(), drill.reads.error.get()) {
                    (Some(moment), _) => view! { <Found moment/> }.into_any(),
                    (None, Some(error)) => {
                        view! { <Failure error retry=Callback::new(move |()| drill.read())/> }.into_any()
                    }
                    (None, None) => {
                        view! {
                            <div class="cell skel-page" aria-busy="true" aria-label="Loading">
                                <Skeleton width="60%"/>
                            </div>
                        }
                            .into_any()
                    }
                }}
            </section>
        </Show>
    }
    .into_any()
}

#[cfg(feature = "hydrate")]
fn close_on_escape(drill: Drill) {
    use crate::{browser::page, layout::go};
    let (frame, navigate) = (use_frame(), go());
    let listener = window_event_listener(leptos::ev::keydown, move |event: leptos::ev::KeyboardEvent| {
        // What lies on top is closed first: a popover has taken the key then.
        let covered = || event.default_prevented() || page::isDialogOpen();
        if event.key() == "Escape" && drill.at.get_untracked().is_some() && !covered() {
            navigate(&untrack(|| frame.link(PATH, &[(AT, None)])), true);
        }
    });
    on_cleanup(move || listener.remove());
}

/// The name of the minute, and the ways to its neighbours, to the Overview and out.
#[component]
fn Head(drill: Drill) -> impl IntoView {
    let frame = use_frame();
    let at = Memo::new(move |_| drill.at.get().unwrap_or_default().floor_to(MINUTE_MS));
    let beside = move |millis: i64| {
        move || {
            let minute = at.get().plus_millis(millis).0.to_string();
            frame.link(PATH, &[(AT, Some(&minute))])
        }
    };
    let overview = move || {
        let (from, to) = (at.get().plus_millis(-AROUND_MS), at.get().plus_millis(AROUND_MS + MINUTE_MS));
        let ends = (from.0.to_string(), to.0.min(frame.now.get().0).max(from.0 + MINUTE_MS).to_string());
        let kept = frame.query.with(crate::url::carried);
        crate::url::href("/", &kept, &[("from", Some(&ends.0)), ("to", Some(&ends.1))])
    };
    view! {
        <div class="cell-head cell">
            <h2 id=HEADING tabindex="-1">
                "What ran at "
                <time datetime=move || at.get().to_rfc3339()>{move || format::clock(at.get())}</time>
            </h2>
            <small>{move || format!("{}, UTC, one minute", format::date(at.get()))}</small>
            <nav class="flow push" aria-label="Minutes">
                <a class="btn s" href=beside(-MINUTE_MS) data-noscroll="">
                    "Minute before"
                </a>
                <a class="btn s" href=beside(MINUTE_MS) data-noscroll="">
                    "Minute after"
                </a>
                <a class="btn s" href=overview>
                    "Overview around it"
                </a>
                <a
                    class="btn s"
                    href=move || frame.link(PATH, &[(AT, None)])
                    data-noscroll=""
                    aria-keyshortcuts="Escape"
                >
                    <Glyph icon=Icon::Close small=true/>
                    "Close"
                </a>
            </nav>
        </div>
    }
    .into_any()
}

/// What is known of a minute.
#[component]
fn Found(moment: Moment) -> impl IntoView {
    let Moment { at, open, record, absence, events, operations, actions, timeline_missing, .. } = moment;
    let happened = !(events.is_empty() && operations.is_empty() && actions.is_empty());
    view! {
        {open.then(|| view! { <p class="cell note">"This minute still runs; what follows is what was seen so far."</p> })}
        {record.map(|record| view! { <Record record/> })}
        {absence.map(|absence| view! { <Absent absence/> })}
        <div class="row-cells cols-2">
            <div class="cell">
                <h3>"Events"</h3>
                <p class="sub">"From a minute before to a minute after"</p>
                {match (&timeline_missing, happened) {
                    (Some(missing), _) => view! { <p class="note">{missing.clone()}</p> }.into_any(),
                    (None, false) => view! { <p class="note">"Nothing was marked, pressed or run."</p> }.into_any(),
                    (None, true) => {
                        view! {
                            <ol class="events">
                                {events
                                    .into_iter()
                                    .map(|event| view! { <EventRow event now=Signal::stored(at)/> })
                                    .collect_view()}
                            </ol>
                        }
                            .into_any()
                    }
                }}
            </div>
            <div class="cell">
                <h3>"Operations and actions"</h3>
                <p class="sub">"From the console, with who and why"</p>
                {(timeline_missing.is_none() && operations.is_empty() && actions.is_empty())
                    .then(|| view! { <p class="note">"No operation ran and no action was taken."</p> })}
                <ul class="lines">
                    {operations.into_iter().map(|operation| view! { <OperationRow operation/> }).collect_view()}
                    {actions.into_iter().map(|action| view! { <ActionRow action/> }).collect_view()}
                </ul>
            </div>
        </div>
    }
    .into_any()
}

/// Why there is no record, and the way to the nearest one.
#[component]
fn Absent(absence: Absence) -> impl IntoView {
    let frame = use_frame();
    let Absence { reason, nearest, .. } = absence;
    view! {
        <div class="empty">
            <h3>"No record of this minute"</h3>
            <p>{reason}</p>
            {nearest
                .map(|nearest| {
                    let minute = nearest.0.to_string();
                    view! {
                        <div class="flow">
                            <a class="btn" href=move || frame.link(PATH, &[(AT, Some(&minute))]) data-noscroll="">
                                {move || format!("Open the nearest one, {} UTC", format::moment(nearest, frame.now.get()))}
                            </a>
                        </div>
                    }
                })}
        </div>
    }
    .into_any()
}

/// The record of a minute.
#[component]
fn Record(record: MinuteRecord) -> impl IntoView {
    let gaps = gaps(&record);
    let has_statements = record.has(Part::Statements);
    let has_sessions = record.has(Part::Sessions);
    let totals = record.totals.map(|totals| {
        // A minute of execution time is one session that is busy all the time.
        let busy = totals.total_ms / MINUTE_MS as f64;
        let calls = format::counted(totals.calls, "call");
        format!("{calls}, {} of execution time: {} sessions busy on average", ms(totals.total_ms), format::number(busy))
    });
    view! {
        {(!gaps.is_empty())
            .then(|| {
                view! {
                    <ul class="cell note">
                        {gaps.into_iter().map(|gap| view! { <li>{gap}</li> }).collect_view()}
                    </ul>
                }
            })}
        <div class="cell">
            <div class="cell-head">
                <h3>"Statements"</h3>
                <small>{totals.unwrap_or_default()}</small>
            </div>
        </div>
        {match (has_statements, record.statements.is_empty()) {
            (false, _) => view! { <p class="cell note">"Not measured in this minute; see above."</p> }.into_any(),
            (true, true) => view! { <p class="cell note">"No statement ended in this minute."</p> }.into_any(),
            (true, false) => view! { <Statements statements=record.statements/> }.into_any(),
        }}
        {has_sessions
            .then(|| {
                view! {
                    <div class="row-cells cols-2">
                        <Waits waits=record.waits/>
                        <States states=record.states/>
                    </div>
                    <Running running=record.running/>
                    <Locks locks=record.locks/>
                }
            })}
        {(!record.datasets.is_empty()).then(|| view! { <Datasets datasets=record.datasets/> })}
    }
    .into_any()
}

/// "Statements: 3 of 12 readings are missing. Statement statistics were reset in between."
fn gaps(record: &MinuteRecord) -> Vec<String> {
    // Most targets have no dataset, or its counters have just started: that is no gap worth a line.
    let parts = record.coverage.iter().filter(|part| part.missed > 0 && part.part != Part::Datasets);
    parts
        .map(|part| {
            let all = format::counted(part.readings + part.missed, "reading");
            let reason = part.reason.clone().unwrap_or_default();
            format!("{}: {} of {all} missing. {reason}", part.part.name(), format::count(part.missed))
        })
        .collect()
}

fn ms(value: f64) -> String {
    format::value(value, headroom_model::metric::Unit::Milliseconds).to_string()
}

fn percent(share: f64) -> String {
    format!("{} %", format::number(share * 100.0))
}

/// A share as a bar with its figure.
#[component]
fn ShareBar(share: f64) -> impl IntoView {
    let width = format!("inline-size:{:.1}%", (share * 100.0).clamp(0.0, 100.0));
    view! {
        <span class="barcell">
            <span aria-hidden="true">
                <span class="bar" style=width></span>
            </span>
            <span class="num">{percent(share)}</span>
        </span>
    }
    .into_any()
}

/// A table that scrolls within itself where it is wider than the page, reachable by keyboard.
#[component]
fn Wide(label: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="scroll-x" role="group" aria-label=label tabindex="0">
            {children()}
        </div>
    }
    .into_any()
}

#[component]
fn Statements(statements: Vec<MinuteStatement>) -> impl IntoView {
    let row = |one: MinuteStatement| {
        let mean = ms(one.mean_ms());
        let text = one.text.unwrap_or_else(|| "The server has not told its text yet.".to_owned());
        view! {
            <tr>
                <td class="sql">
                    <code title=format!("queryid {}", one.query_id)>{text}</code>
                </td>
                <td class="num">{format::count(one.calls)}</td>
                <td class="num">{mean}</td>
                <td class="num">{ms(one.total_ms)}</td>
                <td class="num">{format::count(one.rows)}</td>
                <td class="use-h">
                    <ShareBar share=one.share/>
                </td>
            </tr>
        }
    };
    view! {
        <Wide label="Statements of the minute">
            <table class="tbl dense">
                <thead>
                    <tr>
                        <th scope="col">"Statement"</th>
                        <th scope="col" class="num">
                            "Calls"
                        </th>
                        <th scope="col" class="num">
                            "Mean"
                        </th>
                        <th scope="col" class="num">
                            "Total"
                        </th>
                        <th scope="col" class="num">
                            "Rows"
                        </th>
                        <th scope="col" class="use-h">
                            "Share of time"
                        </th>
                    </tr>
                </thead>
                <tbody>{statements.into_iter().map(row).collect_view()}</tbody>
            </table>
        </Wide>
    }
    .into_any()
}

#[component]
fn Waits(waits: Vec<Wait>) -> impl IntoView {
    let none = waits.is_empty();
    let row = |wait: Wait| {
        view! {
            <tr>
                <th scope="row">{wait.name()}</th>
                <td class="num">{format::count(wait.seen)}</td>
                <td class="use-h">
                    <ShareBar share=wait.share/>
                </td>
            </tr>
        }
    };
    view! {
        <div class="cell">
            <div class="cell-head">
                <h3>"Waits"</h3>
                <small>"of active sessions, as seen by readings"</small>
            </div>
            {if none {
                view! { <p class="note">"No session was active when it was looked."</p> }.into_any()
            } else {
                view! {
                    <table class="tbl dense copies">
                        <thead>
                            <tr>
                                <th scope="col">"Wait event"</th>
                                <th scope="col" class="num">
                                    "Seen"
                                </th>
                                <th scope="col" class="use-h">
                                    "Share"
                                </th>
                            </tr>
                        </thead>
                        <tbody>{waits.into_iter().map(row).collect_view()}</tbody>
                    </table>
                }
                    .into_any()
            }}
        </div>
    }
    .into_any()
}

#[component]
fn States(states: Vec<StateCount>) -> impl IntoView {
    let row = |state: StateCount| {
        view! {
            <tr>
                <th scope="row">{state.state}</th>
                <td class="num">{format::number(state.mean)}</td>
                <td class="num">{format::count(state.most)}</td>
            </tr>
        }
    };
    view! {
        <div class="cell">
            <div class="cell-head">
                <h3>"Sessions"</h3>
                <small>"by state"</small>
            </div>
            <table class="tbl dense copies">
                <thead>
                    <tr>
                        <th scope="col">"State"</th>
                        <th scope="col" class="num">
                            "Mean"
                        </th>
                        <th scope="col" class="num">
                            "Most"
                        </th>
                    </tr>
                </thead>
                <tbody>{states.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Running(running: Vec<RunningStatement>) -> impl IntoView {
    if running.is_empty() {
        return ().into_any();
    }
    let row = |one: RunningStatement| {
        view! {
            <tr>
                <td class="sql">
                    <code>{one.text}</code>
                </td>
                <td>{named(&one.application)}</td>
                <td class="num">{ms(one.longest_ms)}</td>
                <td class="num">{format::count(one.seen)}</td>
            </tr>
        }
    };
    view! {
        <div class="cell">
            <div class="cell-head">
                <h3>"Seen running"</h3>
                <small>"when sessions were read; a call may have ended later"</small>
            </div>
        </div>
        <Wide label="Statements seen running">
            <table class="tbl dense">
                <thead>
                    <tr>
                        <th scope="col">"Statement"</th>
                        <th scope="col">"Application"</th>
                        <th scope="col" class="num">
                            "Longest"
                        </th>
                        <th scope="col" class="num">
                            "Seen"
                        </th>
                    </tr>
                </thead>
                <tbody>{running.into_iter().map(row).collect_view()}</tbody>
            </table>
        </Wide>
    }
    .into_any()
}

fn named(application: &str) -> String {
    if application.is_empty() { MISSING.to_owned() } else { application.to_owned() }
}

#[component]
fn Locks(locks: Vec<LockTree>) -> impl IntoView {
    let frame = use_frame();
    let none = locks.is_empty();
    let issues = move || frame.query.with(|query| crate::url::inside("/#h-iss", query));
    view! {
        <div class="cell">
            <div class="cell-head">
                <h3>"Lock waits"</h3>
                <small>"who blocked first, and who waited for it"</small>
                {(!none)
                    .then(|| {
                        view! {
                            <a class="btn s push" href=issues>
                                "Issues now"
                            </a>
                        }
                    })}
            </div>
            {none.then(|| view! { <p class="note">"No session waited for a lock when it was looked."</p> })}
            <ul class="lines">{locks.into_iter().map(|tree| view! { <Tree tree/> }).collect_view()}</ul>
        </div>
    }
    .into_any()
}

/// "for 48.2 s", where the server tells.
fn waited(millis: Option<f64>) -> String {
    millis.map_or_else(String::new, |millis| format!(", waited {}", format::duration_ms(millis)))
}

#[component]
fn Tree(tree: LockTree) -> impl IntoView {
    let LockTree { root, waiters, waiters_total, longest_ms, seen } = tree;
    let left_out = waiters_total.saturating_sub(waiters.len() as u64);
    let longest = longest_ms.map_or_else(String::new, |ms| format!(", longest wait {}", format::duration_ms(ms)));
    let words = format!("blocked {}{longest}, seen {}", format::counted(waiters_total, "session"), times(seen));
    view! {
        <li>
            <p>
                <strong>{who(&root)}</strong>
                " "
                {words}
            </p>
            <LockText session=root/>
            <ul class="lines">
                {waiters
                    .into_iter()
                    .map(|waiter| {
                        let behind = waiter.waits_for.map_or_else(String::new, |pid| format!(" waits for {pid}"));
                        let words = format!("{}{behind}{}", who(&waiter), waited(waiter.waited_ms));
                        view! {
                            <li>
                                <p>{words}</p>
                                <LockText session=waiter/>
                            </li>
                        }
                    })
                    .collect_view()}
            </ul>
            {(left_out > 0).then(|| view! { <p class="note">{format!("and {} more", format::count(left_out))}</p> })}
        </li>
    }
    .into_any()
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", format::count(count)) }
}

/// "Session 4711 (order-sync)".
fn who(session: &LockSession) -> String {
    match (session.pid, session.application.as_str()) {
        (0, _) => "A prepared transaction".to_owned(),
        (pid, "") => format!("Session {pid}"),
        (pid, application) => format!("Session {pid} ({application})"),
    }
}

#[component]
fn LockText(session: LockSession) -> impl IntoView {
    let LockSession { state, text, .. } = session;
    view! {
        <p class="sub">
            {(!text.is_empty()).then(|| view! { <code>{text}</code> ", " })}
            {state}
        </p>
    }
    .into_any()
}

#[component]
fn Datasets(datasets: Vec<MinuteDataset>) -> impl IntoView {
    let row = |one: MinuteDataset| {
        let rate = if one.lookups > 0 { percent(one.hits as f64 / one.lookups as f64) } else { MISSING.to_owned() };
        view! {
            <tr>
                <th scope="row" class="mono">
                    {one.name.clone()}
                </th>
                <td class="num">{format::count(one.lookups)}</td>
                <td class="num">{format::count(one.misses())}</td>
                <td class="num">{rate}</td>
                <td class="num">{format::count(one.loads)}</td>
                <td class="num">{format::count(one.load_errors)}</td>
                <td class="num">{ms(one.load_ms)}</td>
            </tr>
        }
    };
    view! {
        <div class="cell">
            <div class="cell-head">
                <h3>"Datasets"</h3>
                <small>"what the cache was asked for, and what misses cost the database"</small>
            </div>
        </div>
        <Wide label="Datasets of the minute">
            <table class="tbl dense">
                <thead>
                    <tr>
                        <th scope="col">"Dataset"</th>
                        <th scope="col" class="num">
                            "Lookups"
                        </th>
                        <th scope="col" class="num">
                            "Misses"
                        </th>
                        <th scope="col" class="num">
                            "Hit rate"
                        </th>
                        <th scope="col" class="num">
                            "Loads"
                        </th>
                        <th scope="col" class="num">
                            "Failed"
                        </th>
                        <th scope="col" class="num">
                            "Database time"
                        </th>
                    </tr>
                </thead>
                <tbody>{datasets.into_iter().map(row).collect_view()}</tbody>
            </table>
        </Wide>
    }
    .into_any()
}

#[component]
fn OperationRow(operation: MinuteOperation) -> impl IntoView {
    let (band, word) = match operation.state {
        OperationState::Succeeded => (Some(Band::Excellent), "Succeeded"),
        OperationState::Failed => (Some(Band::Critical), "Failed"),
        OperationState::Cancelled => (Some(Band::Degraded), "Cancelled"),
        OperationState::Running => (None, "Running"),
        OperationState::Queued => (None, "Waits"),
    };
    let end = operation.finished_at.map_or_else(String::new, |end| format!(" – {}", format::clock_seconds(end)));
    let span = format!("{}{end}", format::clock_seconds(operation.began_at));
    let outcome = operation.outcome.map_or_else(String::new, |outcome| format!(": {outcome}"));
    view! {
        <li>
            <Mark status=band text=word/>
            " "
            {operation.title}
            <p class="sub">{format!("{span}, {}{outcome}", operation.actor)}</p>
        </li>
    }
    .into_any()
}

#[component]
fn ActionRow(action: MinuteAction) -> impl IntoView {
    let band = Some(if action.succeeded { Band::Excellent } else { Band::Critical });
    let word = if action.succeeded { "Done" } else { "Failed" };
    let reason = action.reason.map_or_else(String::new, |reason| format!(", because: {reason}"));
    view! {
        <li>
            <Mark status=band text=word/>
            " "
            <span class="mono">{action.action}</span>
            <p class="sub">
                {format!("{}, {}: {}{reason}", format::clock_seconds(action.at), action.actor, action.outcome)}
            </p>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::moment::Coverage;

    #[test]
    fn gaps_are_told_with_their_reason() {
        let part = |part, readings, missed| Coverage { part, readings, missed, reason: Some("It was reset.".into()) };
        let record = MinuteRecord {
            readings: 12,
            coverage: vec![
                part(Part::Statements, 9, 3),
                part(Part::Sessions, 12, 0),
                part(Part::Locks, 12, 0),
                part(Part::Datasets, 0, 12),
            ],
            ..MinuteRecord::default()
        };
        assert_eq!(gaps(&record), ["Statements: 3 of 12 readings missing. It was reset."]);
    }

    #[test]
    fn sessions_have_names() {
        let session = |pid, application: &str| LockSession {
            pid,
            backend_start_us: None,
            waits_for: None,
            application: application.into(),
            state: String::new(),
            text: String::new(),
            waited_ms: None,
        };
        assert_eq!(who(&session(7, "order-sync")), "Session 7 (order-sync)");
        assert_eq!(who(&session(7, "")), "Session 7");
        assert_eq!(who(&session(0, "")), "A prepared transaction");
        assert_eq!((times(1).as_str(), times(12).as_str()), ("once", "12 times"));
    }
}
