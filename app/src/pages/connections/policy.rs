//! Auto-terminate: what the policy may do, and what it did. Without one: how to turn it on.

use super::store::use_store;
use crate::{components::status::Mark, layout::use_frame};
use headroom_model::{
    Band, Timestamp,
    activity::{AutoTerminateAct, AutoTerminateRules},
    format,
};
use leptos::prelude::*;

/// What a person who wants it writes.
const EXAMPLE: &str = "[targets.auto_terminate]\nidle_in_transaction = \"10m\"\napplications = [\"order-sync\", \"report-*\"]\ndry_run = true   # first see what it would do";

/// The rules in sentences.
fn rules(rules: &AutoTerminateRules) -> Vec<(&'static str, String)> {
    let after = |millis: Option<u64>| {
        millis.map_or_else(|| "off".to_owned(), |millis| format!("after {}", format::duration_ms(millis as f64)))
    };
    let list = |names: &[String]| if names.is_empty() { "any".to_owned() } else { names.join(", ") };
    vec![
        ("Terminates sessions idle in transaction", after(rules.idle_in_transaction_ms)),
        ("Cancels statements, then terminates", after(rules.long_running_ms)),
        ("Applications it may touch", list(&rules.applications)),
        ("Roles it may touch", list(&rules.users)),
        ("Acts a minute at most", rules.most_per_minute.to_string()),
    ]
}

fn act(act: AutoTerminateAct, now: Timestamp) -> AnyView {
    view! {
        <tr>
            <th scope="row">{format::moment_seconds(act.at, now)}</th>
            <td class="num">{act.key.pid.to_string()}</td>
            <td>{act.application}</td>
            <td>{act.user}</td>
            <td>{act.reason}</td>
            <td>{act.outcome} {(act.attempts > 1).then(|| format!(", attempt {}", act.attempts))}</td>
        </tr>
    }
    .into_any()
}

/// The sheet.
#[component]
pub fn Policy() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let policy = Memo::new(move |_| store.activity.with(|activity| activity.auto_terminate.clone()));
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let body = move || {
        let policy = policy.get();
        let Some(in_force) = policy.rules else {
            return view! {
                <div class="cell">
                    <p>
                        <Mark status=None text="Off"/>
                    </p>
                    <p class="sub">
                        "The console ends no session by itself. To have it end those that idle in a transaction, or statements that run, for too long, of applications that you name:"
                    </p>
                    <div class="code">
                        <pre tabindex="0" role="group" aria-label="Example">
                            {EXAMPLE}
                        </pre>
                    </div>
                </div>
            }
            .into_any();
        };
        let (status, word) = match in_force.dry_run {
            true => (None, "Dry run: it only says what it would do"),
            false => (Some(Band::Good), "On"),
        };
        let pair = |(name, value): (&'static str, String)| {
            view! {
                <dt>{name}</dt>
                <dd>{value}</dd>
            }
        };
        let acts = policy.acts;
        let now = minute.get();
        let done = match acts.is_empty() {
            true => view! { <p class="empty sub">"It has not had to act since the console started."</p> }.into_any(),
            false => view! {
                <div class="scroll-x" tabindex="0" role="group" aria-label="What auto-terminate did, table">
                    <table class="tbl" style="min-inline-size:52rem">
                        <caption class="vh">"What auto-terminate did"</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Time"</th>
                                <th scope="col" class="num">
                                    "Session"
                                </th>
                                <th scope="col">"Application"</th>
                                <th scope="col">"Role"</th>
                                <th scope="col">"Because"</th>
                                <th scope="col">"Outcome"</th>
                            </tr>
                        </thead>
                        <tbody>{acts.into_iter().map(|one| act(one, now)).collect_view()}</tbody>
                    </table>
                </div>
            }
            .into_any(),
        };
        view! {
            <div class="cell">
                <p>
                    <Mark status text=word/>
                </p>
                <dl class="kv facts">{rules(&in_force).into_iter().map(pair).collect_view()}</dl>
            </div>
            {done}
        }
        .into_any()
    };
    view! {
        <section class="sheet" aria-labelledby="h-policy">
            <div class="cell-head pad-head">
                <h2 id="h-policy">"Auto-terminate"</h2>
                <small>"ends sessions by rule, on record"</small>
            </div>
            {body}
        </section>
    }
    .into_any()
}
