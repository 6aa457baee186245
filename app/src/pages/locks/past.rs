//! Who kept others waiting in the range, and deadlocks.

use super::store::use_store;
use crate::{components::status::Mark, layout::use_frame, url};
use headroom_model::{
    Band, Timestamp,
    contention::ContentionStretch,
    event::Event,
    format::{self, MISSING},
};
use leptos::prelude::*;

fn stretch_row(stretch: ContentionStretch, now: Timestamp, trends: &str) -> AnyView {
    let when = match stretch.from == stretch.to {
        true => format::moment(stretch.from, now),
        false => format::range(stretch.from, stretch.to, now),
    };
    // Trends tells of each minute what ran in it.
    let href = format!("{trends}{}at={}", if trends.contains('?') { "&" } else { "?" }, stretch.from.0);
    let longest = stretch.longest_ms.map_or_else(|| MISSING.to_owned(), format::duration_ms);
    let root = &stretch.root;
    let who = match root.application.as_str() {
        "" => root.state.clone(),
        application => format!("{application}, {}", root.state),
    };
    view! {
        <tr>
            <th scope="row">
                <a href=href>{when}</a>
            </th>
            <td class="num">{if root.pid == 0 { "prepared".to_owned() } else { root.pid.to_string() }}</td>
            <td>{who}</td>
            <td class="num">{format::count(stretch.waiters)}</td>
            <td class="num">{longest}</td>
            <td>
                <span class="mono key-text">{root.text.clone()}</span>
            </td>
        </tr>
    }
    .into_any()
}

/// The sheet of stretches.
#[component]
pub fn Stretches() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let stretches = Memo::new(move |_| store.contention.with(|seen| seen.stretches.clone()));
    let since = Memo::new(move |_| store.contention.with(|seen| seen.details_from));
    let note = move || match since.get() {
        Some(since) => format!("from the minutes kept since {}, newest first", format::moment(since, minute.get())),
        None => "no minute of the range was kept".to_owned(),
    };
    let rows = move || {
        let now = minute.get();
        let trends = frame.query.with(|query| url::href("/trends", &url::carried(query), &[]));
        stretches.get().into_iter().map(|stretch| stretch_row(stretch, now, &trends)).collect_view()
    };
    let is_hidden = Memo::new(move |_| store.contention.with(|seen| !seen.missing.is_empty()));
    let empty = move || match since.get() {
        Some(_) if is_hidden.get() => "Not known, as long as the server does not show who waits.".to_owned(),
        Some(since) => {
            format!("Nobody was seen waiting behind another session since {}.", format::moment(since, minute.get()))
        }
        None => "Nothing of the range was kept, so nothing is known of it.".to_owned(),
    };
    view! {
        <section class="sheet" aria-labelledby="h-stretches">
            <div class="cell-head pad-head">
                <h2 id="h-stretches">"Contention in the range"</h2>
                <small>{note}</small>
            </div>
            <Show
                when=move || !stretches.with(Vec::is_empty)
                fallback=move || view! { <p class="empty sub">{empty}</p> }
            >
                <div class="scroll-x" tabindex="0" role="group" aria-label="Contention, table">
                    <table class="tbl" style="min-inline-size:52rem">
                        <caption class="vh">"Contention in the range"</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Minutes"</th>
                                <th scope="col" class="num">
                                    "Root"
                                </th>
                                <th scope="col">"Who"</th>
                                <th scope="col" class="num">
                                    "Waited"
                                </th>
                                <th scope="col" class="num">
                                    "Longest wait"
                                </th>
                                <th scope="col">"Statement"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </Show>
        </section>
    }
    .into_any()
}

fn event_row(event: Event, now: Timestamp) -> AnyView {
    view! {
        <dt>{format::moment_seconds(event.event.at, now)}</dt>
        <dd>{event.event.title}</dd>
    }
    .into_any()
}

/// The sheet of deadlocks.
#[component]
pub fn DeadlockSheet() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let deadlocks = Memo::new(move |_| store.contention.with(|seen| seen.deadlocks.clone()));
    let mark = move || match deadlocks.with(|deadlocks| deadlocks.count) {
        None => view! { <Mark status=None text="Not counted in the range"/> },
        Some(0) => view! { <Mark status=Some(Band::Excellent) text="None in the range, in this database"/> },
        Some(count) => {
            let said = format!("{} in the range, in this database", format::counted(count, "deadlock"));
            view! { <Mark status=Some(Band::Degraded) text=said/> }
        }
    };
    let details = move || {
        deadlocks.get().details.map(|unknown| {
            view! {
                <p class="sub">
                    {unknown.what}
                    {unknown.remedy.map(|sql| view! {
                        " "
                        <code>{sql}</code>
                    })}
                </p>
            }
        })
    };
    view! {
        <section class="sheet" aria-labelledby="h-deadlocks">
            <div class="cell-head pad-head">
                <h2 id="h-deadlocks">"Deadlocks"</h2>
                <small>"counted by pg_stat_database"</small>
            </div>
            <div class="cell">
                <p>{mark}</p>
                <dl class="kv facts">
                    {move || {
                        let now = minute.get();
                        deadlocks.get().events.into_iter().map(|event| event_row(event, now)).collect_view()
                    }}
                </dl>
                {details}
            </div>
        </section>
    }
    .into_any()
}
