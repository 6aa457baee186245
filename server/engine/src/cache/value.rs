//! What can be cached.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// A value that can be kept in memory and sent to Redis. Cloning must be cheap (`Bytes`, `Arc`).
pub trait Cacheable: Clone + Send + Sync + 'static {
    /// Bytes it takes in memory.
    fn weight(&self) -> usize;

    /// The bytes that go to Redis.
    fn encode(&self) -> Bytes;

    /// What [`Cacheable::encode`] wrote. Anything else is none: it counts as a miss, never as an error.
    fn decode(bytes: Bytes) -> Option<Self>;
}

impl Cacheable for Bytes {
    fn weight(&self) -> usize {
        self.len()
    }

    fn encode(&self) -> Bytes {
        self.clone()
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        Some(bytes)
    }
}

/// Any value with a JSON form.
#[derive(Debug)]
pub struct Json<T> {
    value: Arc<T>,
    weight: usize,
}

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        Json { value: self.value.clone(), weight: self.weight }
    }
}

impl<T> std::ops::Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Serialize> Json<T> {
    /// Wraps a value; its weight is taken from the length of its JSON form.
    ///
    /// # Errors
    /// The value has no JSON form (a map whose keys are no strings, say).
    pub fn new(value: T) -> Result<Self, serde_json::Error> {
        let weight = serde_json::to_vec(&value)?.len();
        Ok(Json { value: Arc::new(value), weight })
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Cacheable for Json<T> {
    fn weight(&self) -> usize {
        self.weight
    }

    fn encode(&self) -> Bytes {
        serde_json::to_vec(&*self.value).expect("its JSON form was made before, in `new` or by `decode`").into()
    }

    fn decode(bytes: Bytes) -> Option<Self> {
        Some(Json { value: Arc::new(serde_json::from_slice(&bytes).ok()?), weight: bytes.len() })
    }
}
