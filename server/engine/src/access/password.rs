//! Passwords: argon2id with the parameters OWASP recommends (19 MiB, two passes), off the runtime's threads.

use super::AccessError;
use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use rand::RngCore;
use std::sync::Arc;
use tokio::{
    sync::{OnceCell, Semaphore},
    task::spawn_blocking,
};

/// Characters a password has.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=200;
/// Hashes computed at once: 19 MiB and a core each. The throttle bounds who waits.
const AT_ONCE: usize = 2;

/// Hashes and checks passwords.
#[derive(Debug)]
pub struct Passwords {
    places: Arc<Semaphore>,
    /// What an attempt for an unknown name is checked against, so that it takes as long as any other.
    nobody: OnceCell<String>,
}

impl Passwords {
    pub fn new() -> Self {
        Passwords { places: Arc::new(Semaphore::new(AT_ONCE)), nobody: OnceCell::new() }
    }

    /// Hashes a new password, after checking its length.
    pub async fn hash(&self, password: &str) -> Result<String, AccessError> {
        let length = password.chars().count();
        if !LENGTH.contains(&length) {
            return Err(AccessError::Invalid(format!(
                "a password has {} to {} characters; this one has {length}",
                LENGTH.start(),
                LENGTH.end()
            )));
        }
        self.compute(password.to_owned(), |password| hash(&password)).await
    }

    /// Whether a password is the one of a user; false when there is no user, after the same time.
    pub async fn verify(&self, password: &str, stored: Option<String>) -> Result<bool, AccessError> {
        if password.chars().count() > *LENGTH.end() {
            return Ok(false);
        }
        // Always there before the check, for known and unknown names alike.
        let nobody = self.nobody.get_or_try_init(|| self.compute(String::new(), |empty| hash(&empty))).await?.clone();
        let is_known = stored.is_some();
        let stored = stored.unwrap_or(nobody);
        let matches = self.compute(password.to_owned(), move |password| {
            let stored = PasswordHash::new(&stored).map_err(|_| unusable("a stored password hash is damaged"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
        });
        Ok(matches.await? && is_known)
    }

    async fn compute<T: Send + 'static>(
        &self,
        password: String,
        work: impl FnOnce(String) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.map_err(|_| unusable("no place to hash a password"))?;
        // The place goes with the work, which goes on when its caller goes away.
        spawn_blocking(move || {
            let _place = place;
            work(password)
        })
        .await
        .map_err(|_| unusable("hashing a password failed"))?
    }
}

fn hash(password: &str) -> Result<String, AccessError> {
    let mut salt = [0; 16];
    rand::rng().fill_bytes(&mut salt);
    let salt = SaltString::encode_b64(&salt).map_err(|_| unusable("a salt was refused"))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|_| unusable("hashing a password failed"))?.to_string())
}

fn unusable(what: &'static str) -> AccessError {
    AccessError::Internal(what)
}
