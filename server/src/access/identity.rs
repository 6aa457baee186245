//! Who a request is: bearer token, session cookie, or nobody in particular on an open console.

use super::{forwarded, host};
use crate::{
    http::{
        cookie,
        error::{Kind, WebError},
    },
    web::Web,
};
use axum::http::{HeaderMap, header};
use headroom_model::{Actor, Role, access::Proof};
use std::net::SocketAddr;

/// The outcome of looking at a request's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Proven, or open access.
    Known(Actor),
    /// Not proven.
    Anonymous(Why),
}

/// Why a request is anonymous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It carries nothing.
    NoCredentials,
    /// Its token is not known, or has ended.
    BadToken,
    /// Its session has ended.
    SessionEnded,
    /// Open access, but a proxy passed it on: the visitor may be anywhere.
    Proxied,
}

impl Why {
    /// Whether it did not even try.
    #[must_use]
    pub fn is_silent(self) -> bool {
        matches!(self, Why::NoCredentials)
    }

    /// For the problem document.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Why::NoCredentials => "Sign in, or send a bearer token.",
            Why::BadToken => "The bearer token is not known or has expired.",
            Why::SessionEnded => "The session has ended. Sign in again.",
            Why::Proxied => {
                "Behind a proxy the console needs users or tokens. Add one with `headroom user add NAME --role admin`."
            }
        }
    }
}

/// Finds the actor.
///
/// # Errors
/// The state store does not answer, or open access is asked for under a foreign host name (DNS rebinding).
pub async fn identify(web: &Web, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<Identity, WebError> {
    let access = &web.console.access;
    if let Some(token) = bearer(headers) {
        let actor = access.token(token).await?;
        return Ok(actor.map_or(Identity::Anonymous(Why::BadToken), Identity::Known));
    }
    let session = cookie::read(headers, cookie::SESSION);
    if let Some(session) = session
        && let Some(actor) = access.session(session).await?
    {
        return Ok(Identity::Known(actor));
    }
    if web.is_loopback() && peer.is_some_and(is_loopback) && access.is_open().await? {
        if forwarded::is_forwarded(headers) {
            return Ok(Identity::Anonymous(Why::Proxied));
        }
        if !host::is_loopback(headers) {
            return Err(WebError::new(
                Kind::WrongHost,
                "No user is defined, so the console answers only as localhost or 127.0.0.1. To use another name, add a \
                 user: `headroom user add NAME --role admin`.",
            ));
        }
        return Ok(Identity::Known(Actor { name: "local".to_owned(), role: Role::Admin, proof: Proof::Loopback }));
    }
    Ok(Identity::Anonymous(if session.is_some() { Why::SessionEnded } else { Why::NoCredentials }))
}

/// The bearer token of a request. Other schemes are not ours: a proxy in front may ask for a password of its own, and
/// browsers send that on with every request.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the request comes from this machine and no proxy passed it on.
#[must_use]
pub fn is_local(headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    peer.is_some_and(is_loopback) && !forwarded::is_forwarded(headers)
}

fn is_loopback(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}
