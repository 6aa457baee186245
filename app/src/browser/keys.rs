//! Keyboard shortcuts. Off while a field has the focus or a dialog is open, never with a modifier, and all of them can be
//! switched off (WCAG 2.1.4).

use super::{clock::browser_now, page};
use crate::{
    layout::{Frame, go, help, nav, range_picker, share, target_picker},
    url,
};
use leptos::{ev, prelude::*};
use leptos_router::hooks::use_location;
use wasm_bindgen::JsCast;

/// How long `g` waits for the key that follows it.
const LEAD_MS: i64 = 1000;

/// Whether typing goes into a field.
pub fn in_field(event: &ev::KeyboardEvent) -> bool {
    event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|element| element.closest("input, textarea, select, [contenteditable]").ok().flatten().is_some())
}

/// Whether a key may be a shortcut: no field has the focus, no dialog is open, nothing else is held but Shift.
pub fn is_free(event: &ev::KeyboardEvent) -> bool {
    let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
    !modified && !in_field(event) && !page::isDialogOpen() && page::keysWork()
}

/// Listens for the keys that the help lists.
pub fn run(frame: Frame) {
    let navigate = go();
    let path = use_location().pathname;
    let g_pressed_at = StoredValue::new(None::<i64>);
    Effect::new(move |_| page::install());
    let listener = window_event_listener(ev::keydown, move |event: ev::KeyboardEvent| {
        let key = event.key();
        // An open dialog is the topmost thing; the browser closes it by itself.
        if page::isDialogOpen() {
            return;
        }
        let may_repeat = matches!(key.as_str(), "j" | "k");
        if (event.repeat() && !may_repeat) || !is_free(&event) {
            return;
        }
        let led = g_pressed_at.get_value().is_some_and(|at| browser_now() - at < LEAD_MS);
        g_pressed_at.set_value((key == "g" && !led).then(browser_now));
        let here = |changes: &[(&'static str, Option<&str>)]| untrack(|| frame.link(&path.read_untracked(), changes));
        let there = |path: &str| {
            navigate(&frame.query.with_untracked(|query| url::href(path, &url::carried(query), &[])), false);
        };
        match (led, key.as_str()) {
            (true, "t") => page::togglePopover(target_picker::ID),
            (true, key) => match nav::PAGES.iter().find(|place| place.key == key) {
                Some(place) => there(place.path),
                None => return,
            },
            (false, "g") => return,
            (false, "/") if page::search() => {}
            (false, "j") => page::stepRow(1),
            (false, "k") => page::stepRow(-1),
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
