//! Types that travel between Headroom's server and the browser.
//!
//! Plain data with public fields: no IO, no clock, nothing of ours below it, and it builds for `wasm32`. What both
//! sides must agree on lives here once: the metric catalogue, how a figure is written, how a time range is read.

pub mod access;
pub mod action;
pub mod activity;
pub mod advice;
pub mod api;
pub mod baseline;
pub mod cache;
pub mod capacity;
pub mod contention;
pub mod event;
pub mod forecast;
pub mod format;
pub mod health;
pub mod live;
pub mod metric;
pub mod moment;
pub mod observation;
pub mod operation;
pub mod origin;
pub mod overview;
pub mod plan;
pub mod pool;
pub mod range;
pub mod sample;
pub mod series;
pub mod share;
pub mod statements;
pub mod storage;
pub mod tables;
pub mod target;
pub mod timestamp;
pub mod trends;
pub mod warmup;

pub use access::{Actor, Role};
pub use health::{Band, Component};
pub use metric::MetricId;
pub use sample::Sample;
pub use target::TargetId;
pub use timestamp::Timestamp;
