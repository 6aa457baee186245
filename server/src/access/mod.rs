//! Who a request is, and whether it may do what it asks.
//!
//! Every route carries an [`Access`]; [`authorize`] runs before its handler: it finds the actor, checks where the request
//! comes from, and compares roles. What carries no access cannot be registered (see [`crate::endpoint`]).

pub mod forms;
pub mod forwarded;
pub mod host;
pub mod identity;
pub mod origin;

use crate::{
    http::error::{Kind, WebError},
    web::Web,
};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use headroom_engine::actions;
use headroom_model::{Actor, Role};
use identity::Identity;
use std::net::SocketAddr;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, signed in or not.
    Public,
    /// Whoever holds at least this role.
    Role(Role),
    /// A viewer, or anyone on this machine: scrapers need no token there.
    Scrape,
    /// A page: as [`Access::Role`], but who is not signed in is led to the login page.
    Page(Role),
}

impl Access {
    /// The word in documents: `public`, a role, or `viewer or loopback`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Access::Public => "public",
            Access::Role(role) | Access::Page(role) => role.as_str(),
            Access::Scrape => "viewer or loopback",
        }
    }
}

/// The one who calls, as handlers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// Peer address, and the address that a proxy reports.
    pub origin: Option<String>,
}

impl Caller {
    /// This caller asking for an action.
    #[must_use]
    pub fn asks(&self, reason: Option<String>) -> actions::Request {
        actions::Request { actor: self.actor.clone(), origin: self.origin.clone(), reason }
    }
}

/// Lets a request through to its handler, or answers why not.
pub async fn authorize(State((web, access)): State<(Web, Access)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match check(&web, access, &parts).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refusal,
    }
}

/// Who calls, where that is known, or the answer that refuses the request.
pub async fn check(web: &Web, access: Access, request: &Parts) -> Result<Option<Caller>, Response> {
    let caller = |actor| Caller { actor, origin: forwarded::origin(&request.headers, peer(request)) };
    match admit(web, access, request).await {
        Ok(actor) => Ok(actor.map(caller)),
        Err(error) if error.kind() == Kind::Unauthenticated && is_navigation(access, request) => Err(to_login(request)),
        Err(error) => Err(error.into_response()),
    }
}

fn peer(request: &Parts) -> Option<SocketAddr> {
    request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
}

/// Decides. Public routes learn who calls where that is known, and work without.
pub async fn admit(web: &Web, access: Access, request: &Parts) -> Result<Option<Actor>, WebError> {
    let peer = peer(request);
    let headers = &request.headers;
    let identity = identity::identify(web, headers, peer).await;
    // Whatever the outcome, a foreign page must not change anything with the visitor's cookie or address.
    if !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        origin::check(headers)?;
    }
    Ok(match (access, identity) {
        (Access::Public, Ok(Identity::Known(actor))) => Some(actor),
        (Access::Public, _) => None,
        (_, Err(error)) => return Err(error),
        (Access::Role(role) | Access::Page(role), Ok(Identity::Known(actor))) => {
            if actor.role < role {
                return Err(WebError::forbidden(role, actor.role));
            }
            Some(actor)
        }
        (Access::Scrape, Ok(Identity::Known(actor))) => Some(actor),
        (Access::Scrape, Ok(Identity::Anonymous(why))) => {
            if !(why.is_silent() && identity::is_local(headers, peer) && host::is_loopback(headers)) {
                return Err(WebError::new(Kind::Unauthenticated, why.sentence()));
            }
            None
        }
        (_, Ok(Identity::Anonymous(why))) => return Err(WebError::new(Kind::Unauthenticated, why.sentence())),
    })
}

/// Whether a person waits for a page: page routes, and forms posted to server functions without JavaScript.
fn is_navigation(access: Access, request: &Parts) -> bool {
    let accepts_html = request.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    matches!(access, Access::Page(_))
        || (request.uri.path().starts_with(crate::pages::FUNCTIONS)
            && accepts_html.is_some_and(|accept| accept.contains("text/html")))
}

/// Leads to the login page and back afterwards.
pub(crate) fn to_login(request: &Parts) -> Response {
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let wanted = if is_read { wanted(&request.uri) } else { "/".to_owned() };
    // A link that was followed from another site arrives without the SameSite=Strict cookie. Loading the same address
    // once more from our own page brings it; only then is "not signed in" known.
    let site = request.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if site == Some("cross-site") && matches!(request.method, Method::GET) {
        let href = escape(&wanted);
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url={href}\">\
             <title>Headroom</title><a href=\"{href}\">Continue</a></html>"
        );
        return (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response();
    }
    Redirect::to(&forms::login_address(None, &wanted)).into_response()
}

fn wanted(uri: &Uri) -> String {
    forms::safe_next(uri.path_and_query().map_or("/", |path| path.as_str())).to_owned()
}

/// Text for HTML, inside elements and quoted attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
