//! What chats and mail programs show of a link: title, one sentence, a picture.

use leptos::prelude::*;
use leptos_meta::Meta;

/// The console's own address as it was reached: `https://headroom.example`. Empty where that is not known.
#[must_use]
pub fn origin() -> String {
    #[cfg(feature = "ssr")]
    if let Some(request) = use_context::<axum::http::request::Parts>() {
        let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = text("x-forwarded-proto").and_then(|list| list.split(',').next()).map_or("", str::trim);
        let scheme = if scheme.eq_ignore_ascii_case("https") { "https" } else { "http" };
        // A host name and a port: whatever else is sent for one is not repeated.
        let host = text("host").and_then(|host| host.parse::<axum::http::uri::Authority>().ok());
        return host.map(|host| format!("{scheme}://{host}")).unwrap_or_default();
    }
    #[cfg(feature = "hydrate")]
    return window().location().origin().unwrap_or_default();
    #[cfg(not(feature = "hydrate"))]
    String::new()
}

/// The picture of every link that needs a sign-in: it shows no data.
pub const NEUTRAL: &str = "/preview.png";

/// The metadata of the page's link.
#[component]
pub fn LinkPreview(
    /// What the page shows.
    title: String,
    /// One sentence of it.
    description: String,
    /// The path of the page with its query.
    path: String,
    /// The path of a picture of 1200 × 630 pixels.
    #[prop(default = NEUTRAL.to_owned())]
    image: String,
) -> impl IntoView {
    // Who reads this has no page that a path could be completed from.
    let origin = origin();
    let (address, image) = (format!("{origin}{path}"), format!("{origin}{image}"));
    view! {
        <Meta name="description" content=description.clone()/>
        <Meta property="og:type" content="website"/>
        <Meta property="og:site_name" content="Headroom"/>
        <Meta property="og:title" content=title/>
        <Meta property="og:description" content=description/>
        <Meta property="og:url" content=address/>
        <Meta property="og:image" content=image/>
        <Meta property="og:image:width" content="1200"/>
        <Meta property="og:image:height" content="630"/>
        <Meta name="twitter:card" content="summary_large_image"/>
    }
}
