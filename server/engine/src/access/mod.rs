//! Users, tokens and sessions: who a request is.
//!
//! A session ends twelve hours after sign-in, however much it was used: a fixed end needs no write a request, and a stolen
//! cookie dies the same day. Lookups are cached for five seconds. A change made through this value shows at once; one made
//! by another process (the command line, another instance) within those five seconds.

mod password;
mod secret;
#[cfg(test)]
mod tests;
mod throttle;

use crate::{
    clock::Clock,
    store::{StateStore, StoreError, StoredSession, Token, User},
};
use headroom_model::{Actor, Role, Timestamp, access::Proof};
use moka::future::Cache;
use password::Passwords;
use secret::Hash;
use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use subtle::ConstantTimeEq;
use throttle::Throttle;
use tokio::sync::watch;

/// How long a session lasts.
const SESSION_MS: i64 = 12 * 60 * 60 * 1000;
/// How long a lookup is trusted.
const TRUST: Duration = Duration::from_secs(5);
/// How long "nobody has access yet" is trusted: the first user added on the command line closes the console within this.
const OPEN_TRUST: Duration = Duration::from_secs(1);
/// Sessions and tokens remembered, each.
const REMEMBERED: u64 = 10_000;
/// Characters a name has at most.
const NAME_LENGTH: usize = 64;

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
    /// Something that should never fail did.
    #[error("{0}")]
    Internal(&'static str),
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

/// Someone a secret stands for, until when.
#[derive(Clone, Debug)]
struct Known {
    actor: Actor,
    expires_at: Option<Timestamp>,
}

impl Known {
    fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Checks and manages access.
pub struct Access {
    store: Arc<dyn StateStore>,
    clock: Clock,
    passwords: Passwords,
    throttle: Mutex<Throttle>,
    /// Lookups of valid secrets alone: guesses never push them out.
    sessions: Cache<Hash, Known>,
    tokens: Cache<Hash, Known>,
    open: Cache<(), bool>,
    /// Rises with every change, so that a lookup that began before one is not remembered after it.
    changes: AtomicU64,
    /// Tells those who rely on an earlier answer that it may have changed.
    told: watch::Sender<()>,
}

impl Access {
    /// Access over a store.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Clock) -> Self {
        let lookups = || Cache::builder().max_capacity(REMEMBERED).time_to_live(TRUST).build();
        Access {
            passwords: Passwords::new(),
            throttle: Mutex::new(Throttle::new(clock.now())),
            sessions: lookups(),
            tokens: lookups(),
            open: Cache::builder().max_capacity(1).time_to_live(OPEN_TRUST).build(),
            changes: AtomicU64::new(0),
            told: watch::Sender::new(()),
            store,
            clock,
        }
    }

    /// Whether no user and no token is defined. Answered from memory nearly always.
    ///
    /// # Errors
    /// The store did not answer. Then nothing is open.
    pub async fn is_open(&self) -> Result<bool, AccessError> {
        if let Some(is_open) = self.open.get(&()).await {
            return Ok(is_open);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let is_open = !self.store.is_access_defined().await?;
        self.open.insert((), is_open).await;
        if self.changes.load(Ordering::Acquire) != changes {
            self.open.invalidate(&()).await;
        }
        Ok(is_open)
    }

    /// Adds a user. A name has 1 to 64 letters, digits, `.`, `_` and `-`; the password 12 to 200 characters.
    ///
    /// # Errors
    /// Name or password is not allowed, the name is taken, or the store did not answer.
    pub async fn add_user(&self, name: &str, role: Role, password: &str) -> Result<(), AccessError> {
        check_name("user", name)?;
        let password_hash = self.passwords.hash(password).await?;
        let user = User { name: name.to_owned(), role, password_hash, created_at: self.clock.now() };
        self.store.add_user(&user).await?;
        self.changed().await;
        Ok(())
    }

    /// Adds a token and answers it; it is never shown again.
    ///
    /// # Errors
    /// The name is not allowed or taken, the token would have expired already, or the store did not answer.
    pub async fn add_token(
        &self,
        name: &str,
        role: Role,
        expires_at: Option<Timestamp>,
    ) -> Result<String, AccessError> {
        check_name("token", name)?;
        let now = self.clock.now();
        if expires_at.is_some_and(|end| end <= now) {
            return Err(AccessError::Invalid("a token expires in the future, or never".to_owned()));
        }
        let text = secret::token();
        let hash = secret::token_hash(&text).ok_or(AccessError::Internal("a fresh token was not recognised"))?;
        let token = Token { name: name.to_owned(), role, hash: hash.to_vec(), created_at: now, expires_at };
        self.store.add_token(&token).await?;
        self.changed().await;
        Ok(text)
    }

    /// Removes a user and its sessions; false when there was none.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn remove_user(&self, name: &str) -> Result<bool, AccessError> {
        let outcome = self.store.remove_user(name).await;
        self.changed().await;
        Ok(outcome?)
    }

    /// Removes a token; false when there was none.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn remove_token(&self, name: &str) -> Result<bool, AccessError> {
        let outcome = self.store.remove_token(name).await;
        self.changed().await;
        Ok(outcome?)
    }

    /// All users.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn users(&self) -> Result<Vec<User>, AccessError> {
        Ok(self.store.users().await?)
    }

    /// All tokens.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn tokens(&self) -> Result<Vec<Token>, AccessError> {
        Ok(self.store.tokens().await?)
    }

    /// Checks name and password and begins a session. An unknown name takes as long as a wrong password. `peer` is the
    /// address the attempt comes from, where known.
    ///
    /// # Errors
    /// Refused, too many attempts, or the store did not answer.
    pub async fn sign_in(&self, name: &str, password: &str, peer: Option<IpAddr>) -> Result<SignedIn, AccessError> {
        let allowed = is_name(name).then_some(name);
        self.attempt(allowed, peer)?;
        let user = match allowed {
            Some(name) => self.store.user(name).await?,
            None => None,
        };
        let stored = user.as_ref().map(|user| user.password_hash.clone());
        let is_right = self.passwords.verify(password, stored).await?;
        let Some(user) = user.filter(|_| is_right) else { return Err(AccessError::Refused) };

        let cookie = secret::cookie();
        let hash = secret::cookie_hash(&cookie).ok_or(AccessError::Internal("a fresh cookie was not recognised"))?;
        let created_at = self.clock.now();
        let expires_at = created_at.plus_millis(SESSION_MS);
        let session = StoredSession { hash: hash.to_vec(), user: user.name.clone(), created_at, expires_at };
        if !self.store.add_session(&session).await? {
            return Err(AccessError::Refused);
        }
        self.throttle().succeeded(&user.name, peer, created_at);
        Ok(SignedIn { cookie, actor: Actor { name: user.name, role: user.role, proof: Proof::Session }, expires_at })
    }

    fn attempt(&self, name: Option<&str>, peer: Option<IpAddr>) -> Result<(), AccessError> {
        let now = self.clock.now();
        let mut throttle = self.throttle();
        throttle.attempt(name, peer, now).map_err(|retry_secs| {
            if let Some(held_up) = throttle.tell(now) {
                tracing::warn!(held_up, "sign-in: too many attempts");
            }
            AccessError::TooManyAttempts { retry_secs }
        })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store did not answer; the session may last.
    pub async fn sign_out(&self, cookie: &str) -> Result<(), AccessError> {
        let Some(hash) = secret::cookie_hash(cookie) else { return Ok(()) };
        let outcome = self.store.remove_session(&hash).await;
        self.changed().await;
        Ok(outcome?)
    }

    /// Who a session cookie stands for.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn session(&self, cookie: &str) -> Result<Option<Actor>, AccessError> {
        let Some(hash) = secret::cookie_hash(cookie) else { return Ok(None) };
        self.lookup(&self.sessions, Proof::Session, hash, async {
            let found = self.store.session(&hash, self.clock.now()).await?;
            Ok(found.map(|(session, role)| (session.hash, session.user, role, Some(session.expires_at))))
        })
        .await
    }

    /// Who a bearer token stands for.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn token(&self, token: &str) -> Result<Option<Actor>, AccessError> {
        let Some(hash) = secret::token_hash(token) else { return Ok(None) };
        self.lookup(&self.tokens, Proof::Token, hash, async {
            let found = self.store.token(&hash).await?;
            Ok(found.map(|token| (token.hash, token.name, token.role, token.expires_at)))
        })
        .await
    }

    async fn lookup(
        &self,
        lookups: &Cache<Hash, Known>,
        proof: Proof,
        hash: Hash,
        ask: impl Future<Output = Result<Option<(Vec<u8>, String, Role, Option<Timestamp>)>, StoreError>>,
    ) -> Result<Option<Actor>, AccessError> {
        if let Some(known) = lookups.get(&hash).await {
            return Ok(known.is_valid(self.clock.now()).then_some(known.actor));
        }
        let changes = self.changes.load(Ordering::Acquire);
        let Some((stored, name, role, expires_at)) = ask.await? else { return Ok(None) };
        if !bool::from(stored.ct_eq(hash.as_slice())) {
            return Ok(None);
        }
        let known = Known { actor: Actor { name, role, proof }, expires_at };
        if !known.is_valid(self.clock.now()) {
            return Ok(None);
        }
        lookups.insert(hash, known.clone()).await;
        if self.changes.load(Ordering::Acquire) != changes {
            lookups.invalidate(&hash).await;
        }
        Ok(Some(known.actor))
    }

    /// Forgets every lookup: those that are stored, and those on their way.
    async fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.sessions.invalidate_all();
        self.tokens.invalidate_all();
        self.open.invalidate(&()).await;
        self.told.send_replace(());
    }

    /// Changes whenever access was changed through this value: who was let in for longer than one request asks again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_LENGTH).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn check_name(what: &str, name: &str) -> Result<(), AccessError> {
    if is_name(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_LENGTH).collect();
    Err(AccessError::Invalid(format!(
        "\"{shown}\" is not a {what} name; allowed: 1 to {NAME_LENGTH} letters, digits, \".\", \"_\" and \"-\""
    )))
}
