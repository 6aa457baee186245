//! The browser's side of a chart: attaches a plot to an element, follows it, lets go on cleanup.

use super::{Plot, option::option, tooltip};
use headroom_model::Timestamp;
use leptos::{html::Div, prelude::*};
use wasm_bindgen::{JsCast, prelude::*};

mod js {
    use wasm_bindgen::prelude::*;

    #[wasm_bindgen(module = "/js/chart.js")]
    extern "C" {
        pub fn attach(
            element: &web_sys::HtmlElement,
            option: &str,
            tooltip: &js_sys::Function,
            zoom: &js_sys::Function,
        ) -> JsValue;
        pub fn update(handle: &JsValue, option: &str);
        pub fn detach(handle: &JsValue);
    }
}

/// What keeps a mounted chart alive: dropping the closures would cut ECharts off from Rust.
struct Mounted {
    handle: JsValue,
    _tooltip: Closure<dyn FnMut(usize) -> String>,
    _zoom: Closure<dyn FnMut(f64, f64)>,
}

/// Keeps the chart in `node` showing `plot`; `on_zoom` is told which stretch was dragged.
pub fn bind(node: NodeRef<Div>, plot: Signal<Plot>, on_zoom: Callback<(Timestamp, Timestamp)>) {
    let mounted = StoredValue::new_local(None::<Mounted>);
    let json = move || plot.with(|plot| serde_json::to_string(&option(plot)).unwrap_or_default());
    Effect::new(move |_| {
        let Some(element) = node.get() else { return };
        if mounted.with_value(Option::is_some) {
            return;
        }
        let text = Closure::<dyn FnMut(usize) -> String>::new(move |slot: usize| {
            plot.try_with_untracked(|plot| tooltip(plot, slot)).unwrap_or_default()
        });
        let zoom = Closure::<dyn FnMut(f64, f64)>::new(move |from: f64, to: f64| {
            on_zoom.run((Timestamp(from as i64), Timestamp(to as i64)));
        });
        let handle = js::attach(
            element.unchecked_ref(),
            &untrack(json),
            text.as_ref().unchecked_ref(),
            zoom.as_ref().unchecked_ref(),
        );
        mounted.set_value(Some(Mounted { handle, _tooltip: text, _zoom: zoom }));
    });
    Effect::new(move |first: Option<()>| {
        let next = json();
        if first.is_some() {
            mounted.with_value(|mounted| {
                if let Some(mounted) = mounted {
                    js::update(&mounted.handle, &next);
                }
            });
        }
    });
    on_cleanup(move || {
        mounted.try_update_value(|mounted| {
            if let Some(mounted) = mounted.take() {
                js::detach(&mounted.handle);
            }
        });
    });
}
