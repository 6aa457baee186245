//! The live connection: one `EventSource`, opened and closed as the page asks, retried with a growing wait.

use super::clock::browser_now;
use crate::{
    layout::Frame,
    live::{Link, backoff_ms},
    url,
};
use headroom_model::Timestamp;
use leptos::prelude::*;
use serde::de::DeserializeOwned;
use std::{cell::RefCell, rc::Rc, time::Duration};
use wasm_bindgen::{JsCast, prelude::*};
use web_sys::{EventSource, MessageEvent};

/// Messages the feed is made of.
const NAMES: [&str; 3] = ["update", "event", "operation"];
/// Silence after which an open connection counts as broken, at least; three samples where they are far apart.
const SILENCE_MS: i64 = 60_000;

/// An open connection with the closures it calls.
struct Connection {
    source: EventSource,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _open: Closure<dyn FnMut()>,
    _error: Closure<dyn FnMut()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closed first: the closures are gone afterwards.
        self.source.set_onopen(None);
        self.source.set_onerror(None);
        self.source.close();
    }
}

/// What outlives a connection.
#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Counts connections, so that a late retry of an old one does nothing.
    generation: u32,
    failures: u32,
    /// When the first of these failures was.
    failing_since: Timestamp,
    /// Whether messages may have been missed since the page was read.
    missed: bool,
    heard_at: i64,
}

type Shared = Rc<RefCell<State>>;

/// Keeps the feed of a frame connected while it is wanted.
pub fn run(frame: Frame) {
    let state: Shared = Rc::default();
    let visible = RwSignal::new(true);
    let target = frame.target();
    let wanted = Memo::new(move |_| {
        let follows = frame.query.with(|query| url::follows(query, frame.now.get()));
        let known =
            frame.shell.with(|shell| shell.targets.iter().any(|t| t.info.id.as_str() == target.read().as_str()));
        (frame.alive.get() && visible.get() && follows && known).then(|| target.get())
    });
    let local = StoredValue::new_local(state);
    Effect::new(move |_| {
        let wanted = wanted.get();
        local.with_value(|state| {
            state.borrow_mut().connection = None;
            match wanted {
                Some(target) => connect(state, frame, target),
                None => {
                    let mut state = state.borrow_mut();
                    state.generation = state.generation.wrapping_add(1);
                    state.missed = true;
                    state.failures = 0;
                    frame.feed.link.set(Link::Resting);
                }
            }
        });
    });
    let shown = window_event_listener_untyped("visibilitychange", move |_| {
        visible.set(document().visibility_state() == web_sys::VisibilityState::Visible);
    });
    // A connection can die without a word (a suspended machine, a dropped route): silence is a failure, too.
    let watch = set_interval_with_handle(
        move || {
            let interval = frame.shell.with_untracked(|shell| i64::try_from(shell.interval_ms).unwrap_or(i64::MAX));
            let patience = SILENCE_MS.max(interval.saturating_mul(3));
            local.try_with_value(|state| {
                let silent = {
                    let state = state.borrow();
                    state.connection.is_some() && browser_now() - state.heard_at > patience
                };
                if silent && let Some(target) = wanted.get_untracked() {
                    failed(state, frame, target);
                }
            });
        },
        Duration::from_secs(10),
    );
    on_cleanup(move || {
        shown.remove();
        if let Ok(watch) = watch {
            watch.clear();
        }
        local.try_with_value(|state| {
            let mut state = state.borrow_mut();
            state.generation = state.generation.wrapping_add(1);
            state.connection = None;
        });
    });
}

fn connect(state: &Shared, frame: Frame, target: String) {
    let encoded = js_sys::encode_uri_component(&target);
    let Ok(source) = EventSource::new(&format!("/api/v1/stream?target={encoded}")) else { return };
    let message = {
        let state = Rc::clone(state);
        Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            state.borrow_mut().heard_at = browser_now();
            let Some(text) = message.data().as_string() else { return };
            deliver(frame, &message.type_(), &text);
        })
    };
    for name in NAMES {
        let _ = source.add_event_listener_with_callback(name, message.as_ref().unchecked_ref());
    }
    let open = {
        let state = Rc::clone(state);
        Closure::<dyn FnMut()>::new(move || {
            let missed = {
                let mut state = state.borrow_mut();
                state.failures = 0;
                state.heard_at = browser_now();
                std::mem::take(&mut state.missed)
            };
            frame.feed.link.set(Link::Open);
            if missed {
                frame.feed.refresh();
            }
        })
    };
    let error = {
        let state = Rc::clone(state);
        Closure::<dyn FnMut()>::new(move || failed(&state, frame, target.clone()))
    };
    source.set_onopen(Some(open.as_ref().unchecked_ref()));
    source.set_onerror(Some(error.as_ref().unchecked_ref()));
    let mut state = state.borrow_mut();
    state.generation = state.generation.wrapping_add(1);
    state.heard_at = browser_now();
    state.connection = Some(Connection { source, _message: message, _open: open, _error: error });
}

/// Gives a connection up and tries again later. Our own wait, not the browser's: it is shown, and it ends for good
/// answers that a browser would never retry (a restart behind a proxy answers 502). The first failure is not said: the
/// server ends every feed once an hour, and the next attempt brings it back.
fn failed(state: &Shared, frame: Frame, target: String) {
    let now = frame.now.get_untracked();
    let (generation, wait, lost_since, old) = {
        let mut state = state.borrow_mut();
        let wait = backoff_ms(state.failures);
        if state.failures == 0 {
            state.failing_since = now;
        }
        let lost_since = (state.failures > 0).then_some(state.failing_since);
        state.failures = state.failures.saturating_add(1);
        state.missed = true;
        state.generation = state.generation.wrapping_add(1);
        (state.generation, wait, lost_since, state.connection.take())
    };
    // Dropped a tick later: this may run inside one of its own closures.
    set_timeout(move || drop(old), Duration::ZERO);
    if let Some(since) = lost_since {
        frame.feed.link.set(Link::Lost { since, retry_at: now.plus_millis(wait) });
    }
    let state = Rc::clone(state);
    set_timeout(
        move || {
            let current = state.borrow().generation == generation;
            if current && frame.feed.link.try_get_untracked().is_some() {
                connect(&state, frame, target);
            }
        },
        Duration::from_millis(wait.unsigned_abs()),
    );
}

/// Hands a message on to the pages. By its name, not by the tag inside: that would need every reader of JSON twice. A message
/// of a newer server that this page does not know is left out; the next page load brings both in step.
fn deliver(frame: Frame, name: &str, text: &str) {
    fn read<T: DeserializeOwned + Send + Sync + 'static>(to: RwSignal<Option<T>>, text: &str) {
        if let Ok(message) = serde_json::from_str(text) {
            to.try_set(Some(message));
        }
    }
    let feed = frame.feed;
    match name {
        "update" => read(feed.live, text),
        "event" => read(feed.event, text),
        "operation" => read(feed.operation, text),
        _ => {}
    }
}
