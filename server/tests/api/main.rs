//! The HTTP side against real servers. The modules mirror the addresses.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail their test")]

mod access;
mod conventions;
mod docs;
mod harness;
mod login;
mod metrics;
mod pages;
mod response_cache;
mod v1;
