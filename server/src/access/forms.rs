//! Plain form routes that work without JavaScript: sign in, sign out, choose a theme.

use super::forwarded;
use crate::{
    http::{
        cookie::{self, Cookie},
        error::WebError,
        extract::read_form,
    },
    web::Web,
};
use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use headroom_engine::{
    access::{AccessError, SignedIn},
    store::NewAudit,
};
use headroom_model::Role;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// A year.
const THEME_SECS: u64 = 365 * 24 * 3600;

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `POST /login`: begins a session and leads to `next`.
pub async fn login(
    State(web): State<Web>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form: Login = match read_form(&body) {
        Ok(form) => form,
        Err(error) => return error.into_response(),
    };
    let next = safe_next(&form.next).to_owned();
    let visitor = Visitor::new(&headers, peer);
    // Begun is done and recorded, also when the visitor goes away meanwhile.
    let signing_in = web.console.spawn_action(sign_in(web.clone(), visitor, form.name, form.password));
    let signed_in = match signing_in.await.unwrap_or_else(|error| Err(SignInError::Web(WebError::internal(error)))) {
        Ok(signed_in) => signed_in,
        Err(SignInError::Throttled) => return see(&login_address(Some("throttled"), &next)),
        Err(SignInError::Refused) => return see(&login_address(Some("refused"), &next)),
        Err(SignInError::Web(error)) => return error.into_response(),
    };
    let session = Cookie {
        name: cookie::SESSION,
        value: &signed_in.cookie,
        max_age_secs: signed_in.expires_at.since(web.console.clock.now()).as_secs(),
        secure: forwarded::is_https(&headers),
        same_site: "Strict",
    };
    with_cookie(see(&next), session)
}

/// Where a form was posted from.
struct Visitor {
    peer: Option<IpAddr>,
    origin: Option<String>,
}

impl Visitor {
    fn new(headers: &HeaderMap, peer: Option<Extension<ConnectInfo<SocketAddr>>>) -> Self {
        let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
        Visitor { peer: peer.map(|peer| peer.ip()), origin: forwarded::origin(headers, peer) }
    }

    async fn record(
        self,
        web: &Web,
        (actor, role): (String, Role),
        action: &str,
        outcome: &str,
        succeeded: bool,
    ) -> Result<(), WebError> {
        let audit = NewAudit {
            at: web.console.clock.now(),
            actor,
            role,
            origin: self.origin,
            action: action.to_owned(),
            target: None,
            parameters: serde_json::Value::Null,
            reason: None,
            outcome: outcome.to_owned(),
            succeeded,
        };
        web.console.store.add_audit(&audit).await?;
        Ok(())
    }
}

enum SignInError {
    Refused,
    Throttled,
    Web(WebError),
}

/// Signs in and records it, or the refusal. What is let through to the password is bounded by the throttle, and so are
/// rows and log lines; the engine tells of the attempts that were held up.
async fn sign_in(web: Web, visitor: Visitor, name: String, password: String) -> Result<SignedIn, SignInError> {
    let name = name.trim();
    match web.console.access.sign_in(name, &password, visitor.peer).await {
        Ok(signed_in) => {
            let actor = (signed_in.actor.name.clone(), signed_in.actor.role);
            let recorded = visitor.record(&web, actor, "session.signIn", "signed in", true).await;
            recorded.map(|()| signed_in).map_err(SignInError::Web)
        }
        Err(AccessError::TooManyAttempts { .. }) => Err(SignInError::Throttled),
        Err(AccessError::Refused | AccessError::Invalid(_)) => {
            // A name that nobody has may be a password in the wrong field.
            let user = web.console.store.user(name).await.ok().flatten();
            let actor = user.map_or(("unknown".to_owned(), Role::Viewer), |user| (user.name, user.role));
            tracing::warn!(user = actor.0, origin = visitor.origin, "sign-in refused");
            if let Err(error) = visitor.record(&web, actor, "session.signIn", "refused", false).await {
                tracing::error!(%error, "a refused sign-in could not be recorded");
            }
            Err(SignInError::Refused)
        }
        Err(error) => Err(SignInError::Web(error.into())),
    }
}

/// `POST /logout`: ends the session.
pub async fn logout(
    State(web): State<Web>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Response {
    if let Some(session) = cookie::read(&headers, cookie::SESSION) {
        let signing_out = sign_out(web.clone(), Visitor::new(&headers, peer), session.to_owned());
        let ended = web.console.spawn_action(signing_out).await;
        if let Err(error) = ended.unwrap_or_else(|error| Err(WebError::internal(error))) {
            return error.into_response();
        }
    }
    let secure = forwarded::is_https(&headers);
    with_cookie(
        see("/login"),
        Cookie { name: cookie::SESSION, value: "", max_age_secs: 0, secure, same_site: "Strict" },
    )
}

async fn sign_out(web: Web, visitor: Visitor, session: String) -> Result<(), WebError> {
    let actor = web.console.access.session(&session).await?;
    web.console.access.sign_out(&session).await?;
    match actor {
        Some(actor) => visitor.record(&web, (actor.name, actor.role), "session.signOut", "signed out", true).await,
        None => Ok(()),
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ThemeChoice {
    Light,
    Dark,
    Auto,
}

#[derive(Deserialize)]
struct ThemeForm {
    theme: ThemeChoice,
    #[serde(default)]
    next: String,
}

/// `POST /theme`: remembers the theme; `auto` follows the browser again.
pub async fn theme(headers: HeaderMap, body: Bytes) -> Response {
    let form: ThemeForm = match read_form(&body) {
        Ok(form) => form,
        Err(error) => return error.into_response(),
    };
    let (value, max_age_secs) = match form.theme {
        ThemeChoice::Light => ("light", THEME_SECS),
        ThemeChoice::Dark => ("dark", THEME_SECS),
        ThemeChoice::Auto => ("", 0),
    };
    let secure = forwarded::is_https(&headers);
    with_cookie(
        see(safe_next(&form.next)),
        Cookie { name: cookie::THEME, value, max_age_secs, secure, same_site: "Lax" },
    )
}

fn see(address: &str) -> Response {
    Redirect::to(address).into_response()
}

fn with_cookie(mut response: Response, cookie: Cookie<'_>) -> Response {
    if let Some(value) = cookie.header() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The login page that leads to `next` afterwards.
#[must_use]
pub fn login_address(error: Option<&str>, next: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(error) = error {
        query.append_pair("error", error);
    }
    if next != "/" {
        query.append_pair("next", next);
    }
    let query = query.finish();
    if query.is_empty() { "/login".to_owned() } else { format!("/login?{query}") }
}

/// An address of this console, or `/`: never another site, never the login page again.
#[must_use]
pub fn safe_next(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//") && next.len() <= 2000;
    // Browsers read a backslash as a slash and drop tabs and line ends before they parse.
    let is_plain = next.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    let is_login = next.split(['?', '#']).next() == Some("/login");
    if is_path && is_plain && !is_login { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_never_leaves_the_console() {
        for good in ["/", "/?target=a&from=now-6h", "/queries/1#plan"] {
            assert_eq!(safe_next(good), good);
        }
        for bad in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "javascript:x",
            "/login",
            "/login?next=/login",
            "/a b",
            "/é",
        ] {
            assert_eq!(safe_next(bad), "/", "{bad}");
        }
    }

    #[test]
    fn the_way_back_survives_the_login_page() {
        assert_eq!(login_address(None, "/"), "/login");
        assert_eq!(login_address(Some("refused"), "/?a=1&b=2"), "/login?error=refused&next=%2F%3Fa%3D1%26b%3D2");
    }
}
