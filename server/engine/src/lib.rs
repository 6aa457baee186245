//! Headroom's engines: what watches, stores, scores and acts. No HTTP and no pages here.
//!
//! The spine runs through `collect` (reads a target into an [`collect::Observation`]), [`spine`] (publishes it once) and
//! its readers: the live feed, [`health`], [`history`], [`exposition`] and, later, the alert rules. [`console`] is the
//! process context that joins them; [`operations`] runs long actions; [`store`] keeps what must outlive the process.

pub mod access;
pub mod actions;
mod activity;
pub mod advisor;
pub mod baseline;
pub mod cache;
mod cache_view;
pub mod capacity;
pub mod clock;
pub mod collect;
pub mod console;
mod contention;
pub mod dataset;
pub mod exposition;
pub mod forecast;
pub mod health;
pub mod history;
pub mod issues;
mod latencies;
mod latency;
pub mod links;
pub mod lock;
pub mod moment;
pub mod nearest;
pub mod operations;
pub mod plans;
pub mod policy;
pub mod pool;
pub mod requests;
pub mod shares;
pub mod spine;
pub mod sql;
pub mod statements;
pub mod store;
pub mod tables;
pub mod target;
mod text;
pub mod warmup;
