//! The watched database: its statements and their plans, its indexes and tables, its sessions and lock waits, and what its
//! server says of itself.

pub mod activity;
pub mod contention;
pub mod indexes;
pub mod plans;
pub mod server;
pub mod statements;
pub mod tables;
