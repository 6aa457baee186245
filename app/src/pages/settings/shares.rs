//! Shared links: the snapshots that one may see, and the way to end them.

use crate::{
    components::{copy::CopyButton, notices::NotRead, status::Mark},
    data::reads::Reads,
    error::AppError,
    functions::{REVOKE_SHARE, revoke_share, shares},
    layout::use_frame,
    pages::confirm::Returned,
    url,
};
use headroom_model::{
    Band, Role, Timestamp, format,
    share::{Share, ShareState},
};
use leptos::{ev, prelude::*};

/// Query key of the page of the list.
const PAGE: &str = "shared";
/// Rows a page, as the server has them.
const ROWS: u64 = 50;

type Answer = Result<(Vec<Share>, u64), AppError>;

/// "until 19 Nov 2027", "expired 18 Nov 14:32", "revoked 18 Nov 14:32 by ann".
fn lasts(share: &Share, now: Timestamp) -> String {
    match share.state(now) {
        ShareState::Open => format!("until {}", format::date(share.expires_at)),
        ShareState::Expired => format!("expired {}", format::moment(share.expires_at, now)),
        ShareState::Revoked => {
            let at = share.revoked_at.map(|at| format::moment(at, now)).unwrap_or_default();
            format!("revoked {at} by {}", share.revoked_by.as_deref().unwrap_or_default())
        }
    }
}

/// "3 times, last 14:32".
fn opened(share: &Share, now: Timestamp) -> String {
    match (share.opens, share.last_opened_at) {
        (0, _) | (_, None) => "never".to_owned(),
        (1, Some(at)) => format!("once, {}", format::moment(at, now)),
        (times, Some(at)) => format!("{} times, last {}", format::count(times), format::moment(at, now)),
    }
}

/// The section.
#[component]
pub fn SharedLinks() -> impl IntoView {
    let frame = use_frame();
    let page = Memo::new(move |_| {
        frame.query.with(|query| query.get_str(PAGE).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0))
    });
    let first = Resource::new_blocking(move || page.get(), shares);
    view! {
        <section class="sheet" id="shared" aria-labelledby="h-shared">
            <div class="cell-head pad-head">
                <h2 id="h-shared">"Shared links"</h2>
                <small>
                    {move || {
                        if frame.may(Role::Admin) { "snapshots of everyone" } else { "snapshots that you made" }
                    }}
                </small>
            </div>
            <Transition fallback=|| view! { <p class="cell">"Reading the list…"</p> }>
                {move || Suspend::new(async move {
                    let answer = first.await;
                    view! { <List answer page/> }
                })}
            </Transition>
        </section>
    }
    .into_any()
}

#[component]
fn List(answer: Answer, page: Memo<u32>) -> impl IntoView {
    let frame = use_frame();
    let (read, reads) = Reads::begin(answer);
    let (rows, total) = read.unwrap_or_default();
    let is_empty = total == 0 && rows.is_empty() && reads.error.with_untracked(Option::is_none);
    let rows = RwSignal::new(rows);
    let again = Callback::new(move |()| {
        reads.ask(shares(page.get_untracked()), move |(fresh, _)| rows.set(fresh));
    });
    let path = leptos_router::hooks::use_location().pathname;
    let turn = move |to: Option<u32>, words: &'static str| {
        let to = to?;
        let href = frame.link(&path.read(), &[(PAGE, (to > 0).then(|| to.to_string()).as_deref())]);
        Some(view! {
            <a class="btn s" href=href data-noscroll="">
                {words}
            </a>
        })
    };
    let more = (u64::from(page.get_untracked()) + 1) * ROWS < total;
    let ended = Callback::new(move |share: Share| {
        rows.update(|rows| {
            if let Some(row) = rows.iter_mut().find(|row| row.id == share.id) {
                *row = share;
            }
        });
    });
    if is_empty {
        return view! {
            <div class="empty">
                <h3>"Nothing is shared"</h3>
                <p>
                    "A snapshot keeps the points of a view under a link of its own, for as long and for whom you choose. Make one with Share on Trends."
                </p>
            </div>
        }
        .into_any();
    }
    view! {
        <Returned said="Not revoked"/>
        <NotRead error=reads.error what="The list could not be read." retry=again/>
        <div class="scroll-x" tabindex="0" role="group" aria-label="Links">
            <table class="tbl" style="min-inline-size:56rem">
                <caption class="vh">"Shared links"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Snapshot"</th>
                        <th scope="col">"By"</th>
                        <th scope="col">"Who may open it"</th>
                        <th scope="col">"Opens"</th>
                        <th scope="col">"Opened"</th>
                        <th scope="col" class="num">
                            "Size"
                        </th>
                        <th scope="col">
                            <span class="vh">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>
                    <For
                        each=move || rows.get()
                        key=|share| (share.id.clone(), share.revoked_at)
                        children=move |share| view! { <Row share ended/> }
                    />
                </tbody>
            </table>
        </div>
        <div class="cell flow">
            {move || turn(page.get().checked_sub(1), "Newer")} {move || turn(more.then(|| page.get() + 1), "Older")}
        </div>
    }
    .into_any()
}

#[component]
fn Row(share: Share, ended: Callback<Share>) -> impl IntoView {
    let frame = use_frame();
    let minute = Memo::new(move |_| frame.now.get().floor_to(60_000));
    let kept = StoredValue::new(share.clone());
    let open = Memo::new(move |_| kept.with_value(|share| share.state(minute.get()) == ShareState::Open));
    let refused = Reads::new(None);
    let path = url::snapshot(&share);
    let link = {
        let path = path.clone();
        Signal::derive(move || crate::layout::share::whole(path.clone(), frame.alive.get()))
    };
    let id = share.id.0.clone();
    let revoke = {
        let id = id.clone();
        move |event: ev::SubmitEvent| {
            event.prevent_default();
            if !refused.waits() {
                refused.ask(revoke_share(id.clone()), move |share| ended.run(share));
            }
        }
    };
    let said = format!("Revoke {}", share.title);
    view! {
        <tr>
            <th scope="row">
                {move || {
                    if open.get() {
                        view! {
                            <a href=path.clone() rel="external">
                                {kept.with_value(|share| share.title.clone())}
                            </a>
                        }
                            .into_any()
                    } else {
                        kept.with_value(|share| share.title.clone()).into_any()
                    }
                }}
            </th>
            <td>{share.created_by.clone()}</td>
            <td>{share.audience.label()}</td>
            <td>{move || kept.with_value(|share| lasts(share, minute.get()))}</td>
            <td>{move || kept.with_value(|share| opened(share, minute.get()))}</td>
            <td class="num">{format::bytes(share.size_bytes as f64).to_string()}</td>
            <td>
                <Show when=move || open.get()>
                    <div class="flow" style="justify-content:end;flex-wrap:nowrap">
                        <CopyButton text=link/>
                        <details>
                            <summary class="btn s danger" aria-label=said.clone()>
                                "Revoke…"
                            </summary>
                            <form style="display:grid;gap:var(--p4);padding-block:var(--p4)" method="post" action=REVOKE_SHARE on:submit=revoke.clone()>
                                <p>"The link opens no longer, and its points are gone."</p>
                                <input type="hidden" name="id" value=id.clone()/>
                                {move || {
                                    refused
                                        .error
                                        .get()
                                        .map(|error| {
                                            view! {
                                                <div role="alert">
                                                    <Mark status=Some(Band::Critical) text="Not revoked"/>
                                                    <p class="sub">{error.message}</p>
                                                </div>
                                            }
                                        })
                                }}
                                <button class="btn danger solid">"Revoke now"</button>
                            </form>
                        </details>
                    </div>
                </Show>
            </td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        TargetId,
        share::{Audience, ShareId},
    };

    #[test]
    fn a_row_says_how_long_it_opens_and_how_often_it_was() {
        let now = Timestamp(1_795_098_728_250);
        let mut share = Share {
            id: ShareId("x".into()),
            title: "Connections".into(),
            target: TargetId("orders".into()),
            view: String::new(),
            from: now,
            to: now,
            audience: Audience::Link,
            size_bytes: 1,
            created_by: "ann".into(),
            created_at: now,
            expires_at: now.plus_millis(86_400_000),
            revoked_at: None,
            revoked_by: None,
            opens: 0,
            last_opened_at: None,
        };
        assert_eq!((lasts(&share, now).as_str(), opened(&share, now).as_str()), ("until 20 Nov 2026", "never"));
        let later = share.expires_at;
        assert_eq!(lasts(&share, later), "expired 14:32");
        (share.opens, share.last_opened_at) = (3, Some(now));
        (share.revoked_at, share.revoked_by) = (Some(now), Some("ben".into()));
        assert_eq!(lasts(&share, now), "revoked 14:32 by ben");
        assert_eq!(opened(&share, now), "3 times, last 14:32");
    }
}
