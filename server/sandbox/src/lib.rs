//! Private PostgreSQL and Redis servers for the demo and the tests.
//!
//! Redis comes alone, watched by Sentinels, or as a Cluster.
//!
//! Promises: a server started here listens on 127.0.0.1 alone, asks for a random password, runs as an unprivileged user
//! when we are root, and never outlives us. Dropping a handle stops its server; if we are killed instead, a small guard
//! process stops it and clears away its temporary folder; should even that be killed, the next start on the same folder
//! finds what was left and stops it first.
//!
//! Not promised: anything about servers that were started elsewhere. They are never looked at.

mod account;
mod binaries;
mod cluster;
mod error;
mod folder;
mod guard;
mod host;
mod port;
mod postgres;
mod process;
mod redis;
mod sentinel;
pub mod test;

pub use binaries::{Binaries, PostgresInstallation};
pub use cluster::RedisCluster;
pub use error::Error;
pub use postgres::{Postgres, PostgresOptions};
pub use redis::{Redis, RedisOptions};
pub use sentinel::RedisSentinel;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
