//! Users, tokens and sessions: who a request is.

use crate::{
    clock::Clock,
    store::{StateStore, StoreError, Token, User},
};
use headroom_model::{Actor, Role, Timestamp};
use std::sync::Arc;

/// Why access was not given or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Name or password is wrong; which one is not said.
    #[error("name or password is wrong")]
    Refused,
    /// Too many attempts.
    #[error("too many attempts; try again in {retry_secs} s")]
    TooManyAttempts {
        /// When to try again.
        retry_secs: u64,
    },
    /// A name or password that is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A fresh session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The cookie's value; only its hash is kept.
    pub cookie: String,
    /// Who signed in.
    pub actor: Actor,
    /// When the session ends.
    pub expires_at: Timestamp,
}

/// Checks and manages access.
pub struct Access {}

impl Access {
    /// Access over a store.
    #[must_use]
    pub fn new(_store: Arc<dyn StateStore>, _clock: Clock) -> Self {
        unimplemented!()
    }

    /// Whether no user and no token is defined.
    pub async fn is_open(&self) -> Result<bool, AccessError> {
        unimplemented!()
    }

    /// Adds a user. The password has 12 to 200 characters.
    pub async fn add_user(&self, _name: &str, _role: Role, _password: &str) -> Result<(), AccessError> {
        unimplemented!()
    }

    /// Adds a token and answers it; it is never shown again.
    pub async fn add_token(
        &self,
        _name: &str,
        _role: Role,
        _expires_at: Option<Timestamp>,
    ) -> Result<String, AccessError> {
        unimplemented!()
    }

    /// Removes a user and its sessions; false when there was none.
    pub async fn remove_user(&self, _name: &str) -> Result<bool, AccessError> {
        unimplemented!()
    }

    /// Removes a token; false when there was none.
    pub async fn remove_token(&self, _name: &str) -> Result<bool, AccessError> {
        unimplemented!()
    }

    /// All users.
    pub async fn users(&self) -> Result<Vec<User>, AccessError> {
        unimplemented!()
    }

    /// All tokens.
    pub async fn tokens(&self) -> Result<Vec<Token>, AccessError> {
        unimplemented!()
    }

    /// Checks name and password and begins a session.
    pub async fn sign_in(&self, _name: &str, _password: &str) -> Result<SignedIn, AccessError> {
        unimplemented!()
    }

    /// Ends a session.
    pub async fn sign_out(&self, _cookie: &str) -> Result<(), AccessError> {
        unimplemented!()
    }

    /// Who a session cookie stands for.
    pub async fn session(&self, _cookie: &str) -> Result<Option<Actor>, AccessError> {
        unimplemented!()
    }

    /// Who a bearer token stands for.
    pub async fn token(&self, _token: &str) -> Result<Option<Actor>, AccessError> {
        unimplemented!()
    }
}
