//! The HTTP side against real servers. The modules mirror the addresses.

mod access;
mod conventions;
mod docs;
mod harness;
mod login;
mod metrics;
mod pages;
mod v1;
