//! The one ticker of the page: the server's time, each second, while the page is visible.

use crate::layout::Frame;
use headroom_model::Timestamp;
use leptos::prelude::*;
use std::time::Duration;

/// The browser's own clock.
#[must_use]
pub fn browser_now() -> i64 {
    js_sys::Date::now() as i64
}

/// Ticks `now` from the moment the server rendered the shell. The browser's clock gives only the distance, so a wrong one
/// does no harm. Every answer of the server was older on arrival than when it was written, so the largest distance seen is
/// the truest.
pub fn run(now: RwSignal<Timestamp>, frame: Frame) {
    Effect::new(move |_| {
        let offset = StoredValue::new(None::<i64>);
        let told = move |server: Timestamp| {
            if server != Timestamp::default() {
                let measured = server.0 - browser_now();
                offset.update_value(|offset| *offset = Some(offset.map_or(measured, |known| known.max(measured))));
            }
        };
        Effect::new(move |_| told(frame.shell.with(|shell| shell.now)));
        Effect::new(move |_| frame.feed.live.with(|live| live.as_ref().map(|live| live.at)).map_or((), told));
        let tick = move || {
            if document().visibility_state() == web_sys::VisibilityState::Visible
                && let Some(Some(offset)) = offset.try_get_value()
            {
                now.try_set(Timestamp(browser_now() + offset));
            }
        };
        if let Ok(handle) = set_interval_with_handle(tick, Duration::from_secs(1)) {
            on_cleanup(move || handle.clear());
        }
        let shown = window_event_listener_untyped("visibilitychange", move |_| tick());
        on_cleanup(move || shown.remove());
    });
}
