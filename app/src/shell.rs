//! The document around every page: head, bundle addresses and the nonce.

use crate::{App, context::PageContext};
use leptos::{WasmSplitManifest, nonce::use_nonce, prelude::*};
use leptos_meta::MetaTags;

/// The product mark. Colours are fixed: an icon sees neither the page's tokens nor its theme.
const FAVICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20' fill='none' \
    stroke-width='2.5'%3E%3Cpath d='M2 2.75h16' stroke='%231f6fc4'/%3E%3Cpath d='M4 7v11M16 7v11M4 13h12' \
    stroke='%23888'/%3E%3C/svg%3E";

/// The complete document of a page. The caller provides `context` as a Leptos context as well.
#[must_use]
pub fn shell(context: PageContext) -> impl IntoView {
    let PageContext { assets, theme, .. } = context;
    if !assets.prefetch.is_empty() {
        provide_context(WasmSplitManifest(ArcStoredValue::new((
            assets.pkg.clone(),
            assets.prefetch.clone(),
            assets.split_js.clone(),
        ))));
    }
    // Addresses come from our own bundle tool; JSON strings are JavaScript strings.
    let boot = format!(
        "import init,{{hydrate}} from {};await init({{module_or_path:{}}});hydrate();",
        serde_json::Value::from(assets.js.as_str()),
        serde_json::Value::from(assets.wasm.as_str()),
    );
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme.map(|theme| theme.as_str())>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="asset-echarts" content=assets.echarts.clone()/>
                <link rel="icon" href=FAVICON/>
                {assets
                    .fonts
                    .iter()
                    .map(|font| {
                        view! { <link rel="preload" href=font.clone() r#as="font" r#type="font/woff2" crossorigin=""/> }
                    })
                    .collect_view()}
                <link rel="stylesheet" href=assets.css.clone()/>
                <link rel="modulepreload" href=assets.js.clone()/>
                <link
                    rel="preload"
                    href=assets.wasm.clone()
                    r#as="fetch"
                    r#type="application/wasm"
                    crossorigin=""
                />
                <script type="module" nonce=use_nonce()>
                    {boot}
                </script>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}
