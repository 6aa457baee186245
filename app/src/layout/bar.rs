//! The top bar: what is looked at, over which time, how fresh it is; share, theme, user.

use super::{
    live_indicator::LiveIndicator, range_picker::RangePicker, share::Share, target_picker::TargetPicker,
    theme_switch::ThemeSwitch, use_frame, user_menu::UserMenu,
};
use crate::components::icon::{Glyph, Icon};
use leptos::prelude::*;

/// The bar.
#[component]
pub fn Bar() -> impl IntoView {
    let frame = use_frame();
    view! {
        <header class="bar">
            <TargetPicker/>
            <RangePicker/>
            <LiveIndicator/>
            <Show when=move || frame.alive.get()>
                <button
                    type="button"
                    class="btn ghost icon hide-s"
                    aria-label="Refresh now"
                    title="Refresh now"
                    on:click=move |_| frame.feed.refresh()
                >
                    <Glyph icon=Icon::Refresh/>
                </button>
            </Show>
            <span class="push"></span>
            <Share/>
            <ThemeSwitch/>
            <UserMenu/>
        </header>
    }
    .into_any()
}
