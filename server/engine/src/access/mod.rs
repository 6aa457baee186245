//! Users, tokens and sessions: who a request is.
//!
//! Passwords are hashed with Argon2id (RFC 9106, the crate's defaults: 19 MiB, two passes). Tokens and session cookies
//! carry 256 random bits; only their SHA-256 is kept. Lookups of tokens and sessions are remembered for some seconds, so a
//! change takes effect at once on the instance that made it and within [`REMEMBERED`] on others.

mod password;
mod secret;
mod throttle;

use crate::{
    clock::Clock,
    store::{StateStore, StoreError, StoredSession, Token, User},
};
use headroom_model::{Actor, Role, Timestamp, access::Proof};
use moka::future::Cache;
use password::Passwords;
use std::{sync::Arc, time::Duration};
use throttle::Throttle;

/// How long a lookup is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(5);
/// A session ends so long after it began, however busy it was.
const SESSION_MS: i64 = 12 * 3_600_000;
/// Lookups remembered at once.
const REMEMBERED_MOST: u64 = 10_000;

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
pub struct Access {
    store: Arc<dyn StateStore>,
    clock: Clock,
    passwords: Passwords,
    throttle: Throttle,
    /// By hash: who, until when.
    known: Cache<Vec<u8>, Option<Known>>,
    open: Cache<(), bool>,
}

/// A proven identity with its end.
#[derive(Clone, Debug)]
struct Known {
    actor: Actor,
    expires_at: Option<Timestamp>,
}

impl Access {
    /// Access over a store.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Clock) -> Self {
        Access {
            store,
            clock,
            passwords: Passwords::new(),
            throttle: Throttle::default(),
            known: Cache::builder().max_capacity(REMEMBERED_MOST).time_to_live(REMEMBERED).build(),
            open: Cache::builder().max_capacity(1).time_to_live(REMEMBERED).build(),
        }
    }

    /// Whether no user and no token is defined.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn is_open(&self) -> Result<bool, AccessError> {
        if let Some(open) = self.open.get(&()).await {
            return Ok(open);
        }
        let open = self.store.users().await?.is_empty() && self.store.tokens().await?.is_empty();
        self.open.insert((), open).await;
        Ok(open)
    }

    /// Adds a user. The password has 12 to 200 characters.
    ///
    /// # Errors
    /// The name or password is not allowed, or the name is taken.
    pub async fn add_user(&self, name: &str, role: Role, password: &str) -> Result<(), AccessError> {
        check_name(name)?;
        let length = password.chars().count();
        if !(12..=200).contains(&length) {
            return Err(AccessError::Invalid(format!("the password has {length} characters; allowed: 12 to 200")));
        }
        let password_hash = self.passwords.hash(password).await?;
        let user = User { name: name.to_owned(), role, password_hash, created_at: self.clock.now() };
        self.store.add_user(&user).await?;
        self.forget();
        Ok(())
    }

    /// Adds a token and answers it; it is never shown again.
    ///
    /// # Errors
    /// The name is not allowed or taken, or the end lies in the past.
    pub async fn add_token(
        &self,
        name: &str,
        role: Role,
        expires_at: Option<Timestamp>,
    ) -> Result<String, AccessError> {
        check_name(name)?;
        let created_at = self.clock.now();
        if expires_at.is_some_and(|end| end <= created_at) {
            return Err(AccessError::Invalid("the token would have expired already".into()));
        }
        let (token, hash) = secret::new("hr_");
        self.store.add_token(&Token { name: name.to_owned(), role, hash, created_at, expires_at }).await?;
        self.forget();
        Ok(token)
    }

    /// Removes a user and its sessions; false when there was none.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn remove_user(&self, name: &str) -> Result<bool, AccessError> {
        let removed = self.store.remove_user(name).await?;
        self.forget();
        Ok(removed)
    }

    /// Removes a token; false when there was none.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn remove_token(&self, name: &str) -> Result<bool, AccessError> {
        let removed = self.store.remove_token(name).await?;
        self.forget();
        Ok(removed)
    }

    /// All users.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn users(&self) -> Result<Vec<User>, AccessError> {
        Ok(self.store.users().await?)
    }

    /// All tokens.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn tokens(&self) -> Result<Vec<Token>, AccessError> {
        Ok(self.store.tokens().await?)
    }

    /// Checks name and password and begins a session of twelve hours.
    ///
    /// # Errors
    /// [`AccessError::Refused`] for a wrong name or password alike, after the same work;
    /// [`AccessError::TooManyAttempts`] after five failures of a name, or a hundred of all, within some minutes.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn, AccessError> {
        let now = self.clock.now();
        self.throttle.admit(name, now)?;
        let user = self.store.users().await?.into_iter().find(|user| user.name == name);
        let matches = self.passwords.verify(password, user.as_ref().map(|user| user.password_hash.as_str())).await?;
        let Some(user) = user.filter(|_| matches) else { return Err(AccessError::Refused) };
        self.throttle.succeeded(name);
        let (cookie, hash) = secret::new("");
        let expires_at = now.plus_millis(SESSION_MS);
        self.store.add_session(&StoredSession { hash, user: user.name.clone(), created_at: now, expires_at }).await?;
        let actor = Actor { name: user.name, role: user.role, proof: Proof::Session };
        Ok(SignedIn { cookie, actor, expires_at })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn sign_out(&self, cookie: &str) -> Result<(), AccessError> {
        let hash = secret::hash(cookie);
        self.store.remove_session(&hash).await?;
        self.known.invalidate(&hash).await;
        Ok(())
    }

    /// Who a session cookie stands for.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn session(&self, cookie: &str) -> Result<Option<Actor>, AccessError> {
        let hash = secret::hash(cookie);
        let now = self.clock.now();
        if let Some(known) = self.known.get(&hash).await {
            return Ok(current(known, now));
        }
        let known = self.store.session(&hash, now).await?.map(|(session, role)| Known {
            actor: Actor { name: session.user, role, proof: Proof::Session },
            expires_at: Some(session.expires_at),
        });
        self.known.insert(hash, known.clone()).await;
        Ok(current(known, now))
    }

    /// Who a bearer token stands for.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn token(&self, token: &str) -> Result<Option<Actor>, AccessError> {
        let hash = secret::hash(token);
        let now = self.clock.now();
        if let Some(known) = self.known.get(&hash).await {
            return Ok(current(known, now));
        }
        let stored = self.store.tokens().await?.into_iter().find(|stored| secret::same(&stored.hash, &hash));
        let known = stored.map(|stored| Known {
            actor: Actor { name: stored.name, role: stored.role, proof: Proof::Token },
            expires_at: stored.expires_at,
        });
        self.known.insert(hash, known.clone()).await;
        Ok(current(known, now))
    }

    /// Lookups start anew: something changed.
    fn forget(&self) {
        self.known.invalidate_all();
        self.open.invalidate_all();
    }
}

fn current(known: Option<Known>, now: Timestamp) -> Option<Actor> {
    known.filter(|known| known.expires_at.is_none_or(|end| now < end)).map(|known| known.actor)
}

fn check_name(name: &str) -> Result<(), AccessError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(AccessError::Invalid("a name has 1 to 64 of the characters a-z, A-Z, 0-9, dot, underscore and hyphen".into()))
}

#[cfg(test)]
mod tests;
