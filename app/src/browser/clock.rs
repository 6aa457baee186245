//! The one ticker of the page: the server's time, each second, while the page is visible.

use headroom_model::{Timestamp, overview::Shell};
use leptos::prelude::*;
use std::time::Duration;

/// The browser's own clock.
#[must_use]
pub fn browser_now() -> i64 {
    js_sys::Date::now() as i64
}

/// Ticks `now` from the moment the server rendered the shell. The browser's clock gives only the distance, so a wrong one
/// does no harm.
pub fn run(now: RwSignal<Timestamp>, shell: RwSignal<Shell>) {
    Effect::new(move |_| {
        let offset = StoredValue::new(None::<i64>);
        // A newer shell corrects the offset: its answer took less time than the first page did.
        Effect::new(move |_| {
            let server = shell.with(|shell| shell.now);
            if server != Timestamp::default() {
                let measured = server.0 - browser_now();
                offset.update_value(|offset| *offset = Some(offset.map_or(measured, |known| known.max(measured))));
            }
        });
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
