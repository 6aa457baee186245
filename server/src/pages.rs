//! Pages and server functions: the bridge to `headroom-app`.

pub mod preview;
pub mod shared;

use crate::{
    access::{self, Access, Caller, authorize, forms},
    http::{
        cookie,
        error::{Kind, WebError},
        extract::read_form,
        headers::{NOBODY, page_policy},
    },
    web::Web,
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::from_fn_with_state,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use headroom_app::{App, PageContext, functions::ROLES, shell};
use headroom_model::{Actor, Role, access::Proof, share::Shown};
use leptos::{
    config::LeptosOptions,
    nonce::use_nonce,
    prelude::{provide_context, use_context},
    server_fn::axum::server_fn_paths,
};
use leptos_axum::{
    AxumRouteListing, ResponseOptions, generate_route_list, handle_server_fns_with_context,
    render_app_async_with_context, render_route_with_context,
};
use serde::Deserialize;
use std::sync::Arc;

/// Where server functions answer.
pub const FUNCTIONS: &str = "/api/fn";

const LOGIN: &str = "/login";
const TRENDS: &str = "/trends";

/// The page routes as the application declares them, each behind its access layer.
pub fn routes(web: &Web) -> Router<Web> {
    let listings = listings();
    listings.iter().fold(Router::new(), |router, listing| {
        let path = listing.path();
        let layer = from_fn_with_state((web.clone(), access_of(path)), authorize);
        let listings = listings.clone();
        if path == shared::ROUTE {
            let handler = move |State(web): State<Web>, request: Request| shared::page(web, listings, request);
            return router.route(path, get(handler).route_layer(layer));
        }
        let handler = move |State(web): State<Web>, request: Request| page(web, listings, request);
        router.route(path, get(handler).route_layer(layer))
    })
}

/// The routes that the application declares.
#[must_use]
pub fn listings() -> Vec<AxumRouteListing> {
    generate_route_list(App)
}

/// Who may see a page. Pages show figures; what they let someone do is up to the server functions.
#[must_use]
pub fn access_of(path: &str) -> Access {
    // Who may open a snapshot, its audience says: `shared` looks before it renders.
    if matches!(path, LOGIN | shared::ROUTE) { Access::Public } else { Access::Page(Role::Viewer) }
}

/// Who may put a page into a frame: nobody, unless it is asked for to be embedded; then the sites of the configuration.
fn ancestors(web: &Web, uri: &Uri) -> String {
    let embeds = uri.path() == TRENDS || uri.path().starts_with(shared::PREFIX);
    if !(embeds && shared::is_embedded(uri)) {
        return NOBODY.to_owned();
    }
    std::iter::once("'self'").chain(web.settings.embed_origins.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// The role a server function needs; none when it is not on the list, and then nobody may call it.
#[must_use]
pub fn role_of(path: &str) -> Option<Role> {
    ROLES.iter().find(|(known, _)| *known == path).map(|(_, role)| *role)
}

#[derive(Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn page(web: Web, listings: Vec<AxumRouteListing>, request: Request) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    // Who is signed in already has no business on the login page.
    if caller.is_some() && request.uri().path() == LOGIN {
        let query = request.uri().query().unwrap_or_default();
        let Next { next } = read_form(query.as_bytes()).unwrap_or_default();
        return Redirect::to(forms::safe_next(&next)).into_response();
    }
    render(&web, listings, caller, None, request).await
}

/// Renders the page of a request. `shared` is what stands at the address of a snapshot.
async fn render(
    web: &Web,
    listings: Vec<AxumRouteListing>,
    caller: Option<Caller>,
    shared: Option<Arc<Shown>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let rendering = match Rendering::prepare(web, caller, &parts).await {
        Ok(rendering) => Rendering { shared, ..rendering },
        Err(error) => return error.into_response(),
    };
    let (context, document) = rendering.split();
    let request = Request::from_parts(parts, body);
    let render = render_route_with_context::<LeptosOptions, _>(listings, context, document);
    uncached(render(State(options()), request).await)
}

/// Files of the bundle, the page for an address that does not exist, or a problem document.
pub async fn fallback(State(web): State<Web>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let path = parts.uri.path();
    if is_read && let Some(file) = web.dist.answer(path, &parts.headers).await {
        return file;
    }
    let accepts = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let wants_page = accepts.is_some_and(|accept| accept.contains("text/html")) && !path.starts_with("/api/");
    if !is_read || !wants_page {
        return WebError::new(Kind::NotFound, "Nothing lies at this address. /api/docs lists what does.")
            .into_response();
    }
    let caller = match access::check(&web, Access::Page(Role::Viewer), &parts).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let rendering = match Rendering::prepare(&web, caller, &parts).await {
        Ok(rendering) => rendering,
        Err(error) => return error.into_response(),
    };
    let (context, document) = rendering.split();
    let request = Request::from_parts(parts, body);
    let mut response = render_app_async_with_context(context, document)(request).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    uncached(response)
}

/// A server function, if it is on the list of roles and the caller holds the role.
pub async fn function(State(web): State<Web>, request: Request) -> Response {
    let path = request.uri().path();
    let Some(role) = role_of(path) else {
        return WebError::new(Kind::NotFound, "No server function has this name.").into_response();
    };
    if !server_fn_paths().any(|(known, method)| known == path && method == *request.method()) {
        return WebError::new(Kind::MethodNotAllowed, "This function does not answer to the method of the request.")
            .into_response();
    }
    let (parts, body) = request.into_parts();
    let caller = match access::check(&web, Access::Role(role), &parts).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let rendering = match Rendering::prepare(&web, caller, &parts).await {
        Ok(rendering) => rendering,
        Err(error) => return error.into_response(),
    };
    let (context, _) = rendering.split();
    let request = Request::from_parts(parts, body);
    uncached(handle_server_fns_with_context(context, request).await.into_response())
}

/// What one render needs.
struct Rendering {
    context: PageContext,
    /// Whether the caller is known. The login page of a stranger is rendered without the context, so that no server
    /// function can answer inside it.
    is_known: bool,
    /// What stands at the address of a snapshot. A stranger's page is given this and nothing else.
    shared: Option<Arc<Shown>>,
    /// Who may put the page into a frame.
    ancestors: String,
}

impl Rendering {
    async fn prepare(web: &Web, caller: Option<Caller>, request: &Parts) -> Result<Self, WebError> {
        let assets = web.dist.assets().await?;
        let is_known = caller.is_some();
        let caller = caller.unwrap_or_else(|| Caller {
            actor: Actor { name: String::new(), role: Role::Viewer, proof: Proof::Session },
            origin: None,
        });
        let context = PageContext {
            console: web.console.clone(),
            actor: caller.actor,
            origin: caller.origin,
            assets,
            theme: cookie::theme(&request.headers),
        };
        Ok(Rendering { context, is_known, shared: None, ancestors: ancestors(web, &request.uri) })
    }

    /// The function that provides the Leptos context, and the one that makes the document.
    fn split(
        self,
    ) -> (
        impl Fn() + Clone + Send + Sync + 'static,
        impl Fn() -> leptos::prelude::AnyView + Clone + Send + Sync + 'static,
    ) {
        let Rendering { context, is_known, shared, ancestors } = self;
        let provided = context.clone();
        let provide = move || {
            if is_known {
                provide_context(provided.clone());
            }
            if let Some(shared) = &shared {
                provide_context(shared.clone());
            }
        };
        let document = move || {
            use leptos::prelude::IntoAny;
            let nonce = use_nonce().map(|nonce| nonce.to_string());
            let policy = HeaderValue::from_str(&page_policy(nonce.as_deref(), &ancestors));
            if let (Ok(policy), Some(options)) = (policy, use_context::<ResponseOptions>()) {
                options.insert_header(header::CONTENT_SECURITY_POLICY, policy);
            }
            shell(context.clone()).into_any()
        };
        (provide, document)
    }
}

/// Leptos asks for options that only its own bundle lookup and reload script use; ours come from `dist/assets.json`.
fn options() -> LeptosOptions {
    LeptosOptions::builder().output_name("headroom").build()
}

/// Pages and function answers show figures of the moment and who is signed in: they are never stored.
fn uncached(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
