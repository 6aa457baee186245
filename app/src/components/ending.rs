//! Cancelling a statement, terminating a session: asked in place, one question a page at a time, with its verified outcome.
//! Without JavaScript the buttons lead to the confirm page.

use super::steps::{DoneText, FailedText, ReasonField, Step, Steps};
use crate::{
    functions::{end_session, preview_ending},
    layout::{go, use_frame},
    url,
};
use headroom_model::{
    Role,
    activity::{SessionAct, SessionKey, SessionPreview},
};
use leptos::{ev, prelude::*};
use leptos_router::{hooks::use_location, params::ParamsMap};

/// Query key of the session that is looked at.
pub const OPEN: &str = "open";
/// Query key of what is asked about it at once: the link of an issue.
const ASK: &str = "ask";
/// The id of the place where a question stands.
const ID: &str = "ending";

/// Which session, and what to do to it.
type Asked = (SessionKey, SessionAct);

/// The endings of a page.
#[derive(Clone, Copy)]
pub struct Endings {
    target: StoredValue<String>,
    steps: Steps<Asked, SessionPreview>,
    /// Called when one was done.
    after: Callback<()>,
}

fn about(step: &Step<Asked, SessionPreview>) -> Option<Asked> {
    match step {
        Step::Idle => None,
        Step::Asking(about) | Step::Confirm(about, _) | Step::Running(about, _) => Some(*about),
        Step::Done(about, _) | Step::Failed(about, _) => Some(*about),
    }
}

/// What the URL asks at once.
fn asked(query: &ParamsMap) -> Option<Asked> {
    Some((query.get_str(OPEN)?.parse().ok()?, query.get_str(ASK)?.parse().ok()?))
}

impl Endings {
    /// The endings of a page about one target, in context. A link that asks is followed once the page is alive.
    pub fn provide(target: StoredValue<String>, after: Callback<()>) -> Self {
        let endings = Endings { target, steps: Steps::new(), after };
        provide_context(endings);
        let (frame, path, navigate) = (use_frame(), use_location().pathname, go());
        Effect::new(move |_| {
            let Some(about) = frame.query.with(asked).filter(|_| frame.may(Role::Operator)) else { return };
            endings.ask(about);
            // A reload is no second question.
            navigate(&untrack(|| frame.link(&path.read(), &[(ASK, None)])), true);
        });
        endings
    }

    fn ask(self, about: Asked) {
        self.steps.reason.set(String::new());
        self.steps.ask(about, preview_ending(self.target.try_get_value(), about.0.to_string(), about.1));
    }

    fn run(self) {
        let Step::Confirm((key, act), preview) = self.steps.step.get_untracked() else { return };
        let reason = Some(self.steps.reason.get_untracked());
        let statement = preview.statement_start_us.filter(|_| act == SessionAct::Cancel);
        let ending = end_session(self.target.try_get_value(), key.to_string(), act, statement, reason);
        self.steps.run(ending, move |_| self.after.run(()));
    }
}

/// The place for a question, once something is asked about `session`; its buttons before.
#[component]
pub fn EndingHere(
    #[prop(into)] session: Signal<SessionKey>,
    /// What can be done to it now.
    #[prop(into)]
    acts: Signal<Vec<SessionAct>>,
) -> impl IntoView {
    let frame = use_frame();
    let endings = expect_context::<Endings>();
    let mine = Memo::new(move |_| {
        let step = endings.steps.step.get();
        about(&step).filter(|(key, _)| *key == session.get()).map(|_| step)
    });
    // Each step takes the control away that had the focus.
    #[cfg(feature = "hydrate")]
    Effect::watch(
        move || mine.get(),
        move |step, _, _| {
            if step.is_some() {
                crate::browser::page::refocus(ID);
            }
        },
        false,
    );
    let button = move |act: SessionAct| {
        let href = move || {
            let (target, key) = (endings.target.get_value(), session.get().to_string());
            let changes = [("target", Some(target.as_str())), ("session", Some(&key)), ("act", Some(act.as_str()))];
            frame.query.with(|query| url::href("/confirm/session", &url::carried(query), &changes))
        };
        let pressed = move |event: ev::MouseEvent| {
            event.prevent_default();
            endings.ask((session.get_untracked(), act));
        };
        let label = move || format!("{} {}…", act.verb(), session.get().pid);
        let class = if act == SessionAct::Terminate { "btn s danger" } else { "btn s" };
        view! {
            <a class=class href=href on:click=pressed>
                {label}
            </a>
        }
    };
    let buttons = move || {
        let acts = acts.get();
        match (acts.is_empty(), frame.may(Role::Operator)) {
            (true, _) => ().into_any(),
            (_, false) => view! { <span class="note">"Cancel and terminate need the role operator"</span> }.into_any(),
            _ => view! { <span class="flow">{acts.into_iter().map(button).collect_view()}</span> }.into_any(),
        }
    };
    view! {
        <div class="ending" id=move || mine.with(Option::is_some).then_some(ID)>
            <div role="status">{move || mine.get().map(|step| words(&step))}</div>
            {move || match mine.get() {
                None => buttons().into_any(),
                Some(step) => controls(step, endings).into_any(),
            }}
        </div>
    }
    .into_any()
}

/// What a step says.
fn words(step: &Step<Asked, SessionPreview>) -> AnyView {
    match step {
        Step::Idle => ().into_any(),
        Step::Asking((key, _)) => view! { <p>{format!("Looking at session {}…", key.pid)}</p> }.into_any(),
        Step::Confirm(_, preview) => {
            let who = match preview.application.as_str() {
                "" => format!("Session {}, role {}, {}.", preview.key.pid, preview.user, preview.state),
                application => {
                    format!("Session {} of {application}, role {}, {}.", preview.key.pid, preview.user, preview.state)
                }
            };
            view! {
                <p>{who} " " {preview.effect.clone()}</p>
                <p class="mono sub">{preview.statement.clone()}</p>
            }
            .into_any()
        }
        Step::Running((key, SessionAct::Cancel), _) => {
            view! { <p>{format!("Cancelling the statement of session {}…", key.pid)}</p> }.into_any()
        }
        Step::Running((key, SessionAct::Terminate), _) => {
            view! { <p>{format!("Terminating session {}…", key.pid)}</p> }.into_any()
        }
        Step::Done((_, act), outcome) => {
            let said = match act {
                SessionAct::Cancel => "Statement cancelled",
                SessionAct::Terminate => "Session terminated",
            };
            view! { <DoneText said=said.to_owned() outcome=outcome.clone()/> }.into_any()
        }
        Step::Failed((_, act), error) => {
            let said = match act {
                SessionAct::Cancel => "Not cancelled",
                SessionAct::Terminate => "Not terminated",
            };
            view! { <FailedText said=said.to_owned() error=error.clone()/> }.into_any()
        }
    }
}

/// What can be done at a step.
fn controls(step: Step<Asked, SessionPreview>, endings: Endings) -> AnyView {
    let rest = move |label: &'static str| {
        view! {
            <button type="button" class="btn s" on:click=move |_| endings.steps.rest()>
                {label}
            </button>
        }
    };
    match step {
        Step::Idle => ().into_any(),
        Step::Asking(_) | Step::Running(..) => view! {
            <button type="button" class="btn s" aria-busy="true" disabled>
                <span class="spin"></span>
                "One moment…"
            </button>
        }
        .into_any(),
        Step::Confirm((key, act), _) => view! {
            <form
                class="ask"
                on:submit=move |event: ev::SubmitEvent| {
                    event.prevent_default();
                    endings.run();
                }
            >
                <ReasonField id="ending-reason" reason=endings.steps.reason/>
                <div class="acts">
                    <button class="btn s danger solid">
                        {match act {
                            SessionAct::Cancel => format!("Cancel the statement of {}", key.pid),
                            SessionAct::Terminate => format!("Terminate {}", key.pid),
                        }}
                    </button>
                    {rest("Keep")}
                </div>
            </form>
        }
        .into_any(),
        Step::Done(..) => rest("Close").into_any(),
        Step::Failed(about, _) => view! {
            <span class="flow">
                <button type="button" class="btn s" on:click=move |_| endings.ask(about)>
                    "Try again"
                </button>
                {rest("Close")}
            </span>
        }
        .into_any(),
    }
}

/// The place for a question about a session that is not, or no longer, among `shown`: its outcome stays to be read.
#[component]
pub fn EndingElsewhere(#[prop(into)] shown: Signal<Vec<SessionKey>>) -> impl IntoView {
    let endings = expect_context::<Endings>();
    let lost = Memo::new(move |_| {
        let (key, _) = endings.steps.step.with(about)?;
        shown.with(|shown| !shown.contains(&key)).then_some(key)
    });
    view! {
        {move || {
            lost.get()
                .map(|key| {
                    let heading = format!("Session {}", key.pid);
                    let label = heading.clone();
                    view! {
                        <section class="sheet" aria-label=label>
                            <div class="cell">
                                <h2>{heading}</h2>
                                <EndingHere session=key acts=Vec::new()/>
                            </div>
                        </section>
                    }
                })
        }}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_asks_about_one_session() {
        let query = |pairs: &[(&'static str, &str)]| -> ParamsMap {
            pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
        };
        let key = SessionKey { pid: 7, backend_start_us: 5 };
        assert_eq!(asked(&query(&[("open", "7-5"), ("ask", "terminate")])), Some((key, SessionAct::Terminate)));
        assert_eq!(asked(&query(&[("open", "7-5")])), None);
        assert_eq!(asked(&query(&[("open", "7"), ("ask", "terminate")])), None);
        assert_eq!(asked(&query(&[("open", "7-5"), ("ask", "drop")])), None);
    }
}
