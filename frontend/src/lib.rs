//! What a browser runs: brings the server's pages to life.
//!
//! Compiled for WebAssembly alone, and by the bundle tool: see `frontend/bundle`.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen::prelude::wasm_bindgen;

/// Hydrates the document. The page's own module script calls this once the module is loaded.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_lazy(headroom_app::App);
}
