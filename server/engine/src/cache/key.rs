//! Keys in memory: a class and a text. A lookup borrows the text and allocates nothing.

use moka::Equivalent;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// An owned key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub class: u32,
    pub text: Arc<str>,
}

/// A borrowed key.
#[derive(Clone, Copy)]
pub(super) struct KeyRef<'a> {
    pub class: u32,
    pub text: &'a str,
}

impl KeyRef<'_> {
    pub fn to_key(self) -> Key {
        Key { class: self.class, text: self.text.into() }
    }
}

impl Key {
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { class: self.class, text: &self.text }
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.class);
        state.write(self.text.as_bytes());
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.class == key.class && *self.text == *key.text
    }
}
