//! `/api/v1`.

mod audit;
mod cache;
mod data;
mod events;
mod health;
mod history;
mod openapi;
mod operations;
mod pool;
mod probes;
mod session;
mod stats;
mod stream;
mod tokens;
mod users;
mod warmup;
