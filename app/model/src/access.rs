//! Who may do what. Every route and server function declares the least role that it needs.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Roles, each including the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads pages and figures; sees statements without their literals.
    Viewer,
    /// Presses the buttons that change state and can be undone or repeated.
    Operator,
    /// Manages users, tokens and settings; runs what cannot be undone.
    Admin,
}

impl Role {
    /// All roles, least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// The name used in configuration, on the command line and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("role \"{text}\" is not known; allowed: viewer, operator, admin"))
    }
}

/// How a request proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// Signed in on the login page; a session cookie.
    Session,
    /// A bearer token.
    Token,
    /// Loopback with no user and no token defined: nothing was proven.
    Loopback,
}

/// The one who acts: named in the audit and on the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// User name, token name, or `local`.
    pub name: String,
    /// The role the request acts with.
    pub role: Role,
    /// How that was proven.
    pub proof: Proof,
}
