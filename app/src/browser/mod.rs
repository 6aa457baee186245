//! What only the browser has: clock, live connection, keys, popovers.

pub mod clock;
pub mod feed;
pub mod keys;
pub mod page;
