//! Random secrets and their hashes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new secret of 256 random bits behind a prefix, and its hash.
pub(super) fn new(prefix: &str) -> (String, Vec<u8>) {
    let mut bits = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bits).expect("the operating system gives random bytes once it has started");
    let secret = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits));
    let hash = hash(&secret);
    (secret, hash)
}

/// What is kept of a secret. The secret is random, so a slow hash adds nothing.
pub(super) fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Compares without telling by its duration where two hashes differ.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}
