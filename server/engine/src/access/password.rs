//! Password hashing away from the async workers, a bounded number at once.

use super::AccessError;
use crate::store::StoreError;
use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use tokio::sync::Semaphore;

/// Hashes computed at once: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;

/// Verified when a name is unknown, so that the answer takes as long as for a known one. Its password is nobody's.
pub(super) const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LW5vYm9keQ$q3g0B6CWfzlFPrJrEKwPzMuyfZBWBEhvnSAEdGMNgO4";

pub(super) struct Passwords {
    places: Semaphore,
}

impl Passwords {
    pub fn new() -> Self {
        Passwords { places: Semaphore::new(AT_ONCE) }
    }

    pub async fn hash(&self, password: &str) -> Result<String, AccessError> {
        let password = password.to_owned();
        self.compute(move || {
            let salt = SaltString::generate(&mut OsRng);
            Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
        })
        .await?
        .map_err(|error| AccessError::Invalid(format!("the password cannot be hashed: {error}")))
    }

    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool, AccessError> {
        let password = password.to_owned();
        let known = stored.is_some();
        let stored = stored.unwrap_or(NOBODY).to_owned();
        let matches = self
            .compute(move || {
                PasswordHash::new(&stored)
                    .and_then(|hash| Argon2::default().verify_password(password.as_bytes(), &hash))
                    .is_ok()
            })
            .await?;
        Ok(known && matches)
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AccessError> {
        let failed = |error: tokio::task::JoinError| StoreError::from(sqlx::Error::Io(std::io::Error::other(error)));
        let _place = self.places.acquire().await.map_err(|_| AccessError::Refused)?;
        Ok(tokio::task::spawn_blocking(work).await.map_err(failed)?)
    }
}
