//! Bearer tokens and session cookies: 256 random bits, of which only the SHA-256 is kept.
//!
//! Nobody can search 2^256 values, so a fast hash is as good as a slow one, and it can be looked up.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::RngCore;
use sha2::{Digest, Sha256};

const BYTES: usize = 32;
/// Begins every bearer token, so that secret scanners and people know one when they see it.
const TOKEN_PREFIX: &str = "hr_";

/// What is kept of a secret.
pub type Hash = [u8; 32];

/// A fresh bearer token: `hr_` and 43 characters.
pub fn token() -> String {
    format!("{TOKEN_PREFIX}{}", cookie())
}

/// A fresh cookie: 43 characters.
pub fn cookie() -> String {
    let mut bytes = [0; BYTES];
    // A cryptographically secure generator, seeded and reseeded by the operating system.
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The hash of a text that may be a bearer token; none for what cannot be one, without asking the store.
pub fn token_hash(text: &str) -> Option<Hash> {
    cookie_hash(text.strip_prefix(TOKEN_PREFIX)?)
}

/// The hash of a text that may be a cookie.
pub fn cookie_hash(text: &str) -> Option<Hash> {
    let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    Some(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_distinct_and_recognised() {
        let (a, b) = (token(), token());
        assert_ne!(a, b);
        assert_eq!(a.len(), 46);
        assert!(token_hash(&a).is_some_and(|hash| hash != token_hash(&b).unwrap()));
        assert_ne!(cookie_hash(&cookie()), None);
    }

    #[test]
    fn what_cannot_be_one_is_not_looked_up() {
        let cut = &token()[..45];
        for text in ["", "hr_", "hr_abc", cut, &cookie(), &format!("hr_{}", "é".repeat(21)), &"A".repeat(100_000)] {
            assert_eq!(token_hash(text), None, "{text:.60}");
        }
    }
}
