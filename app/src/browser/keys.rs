//! Keyboard shortcuts. Off while a field has the focus, and never with a modifier.

use super::page;
use crate::{
    layout::{Frame, go, help, range_picker, share, target_picker},
    url,
};
use leptos::{ev, prelude::*};
use leptos_router::hooks::use_location;
use wasm_bindgen::JsCast;

/// Whether typing goes into a field.
fn in_field(event: &ev::KeyboardEvent) -> bool {
    event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|element| element.closest("input, textarea, select, [contenteditable]").ok().flatten().is_some())
}

/// Listens for the keys that the help lists.
pub fn run(frame: Frame) {
    let navigate = go();
    let path = use_location().pathname;
    let after_g = StoredValue::new(false);
    Effect::new(move |_| page::install());
    let listener = window_event_listener(ev::keydown, move |event: ev::KeyboardEvent| {
        let key = event.key();
        if key == "Escape" {
            page::closePopover();
            return;
        }
        if event.ctrl_key() || event.meta_key() || event.alt_key() || event.repeat() || in_field(&event) {
            return;
        }
        let led = after_g.get_value();
        after_g.set_value(key == "g" && !led);
        let here = |changes: &[(&'static str, Option<&str>)]| untrack(|| frame.link(&path.read_untracked(), changes));
        match (led, key.as_str()) {
            (true, "o") => {
                navigate(&frame.query.with_untracked(|query| url::href("/", &url::carried(query), &[])), false)
            }
            (true, "t") => page::togglePopover(target_picker::ID),
            (true, _) | (false, "g") => return,
            (false, "t") => page::togglePopover(range_picker::ID),
            (false, "s") => page::togglePopover(share::ID),
            (false, "r") => frame.feed.refresh(),
            (false, "p") => {
                let paused = frame.query.with_untracked(url::paused);
                navigate(&here(&[("refresh", (!paused).then_some(url::OFF))]), true);
            }
            (false, "z") => {
                let shown = frame.query.with_untracked(|query| url::shown_range(query, frame.now.get_untracked()));
                let (from, to) = url::zoomed_out(shown.range, frame.now.get_untracked());
                navigate(&here(&[("from", Some(&from)), ("to", Some(&to))]), false);
            }
            (false, "?") => page::showDialog(help::ID),
            _ => return,
        }
        event.prevent_default();
    });
    on_cleanup(move || listener.remove());
}
