//! The watched database: its statements, its tables, and what its server says of itself.

pub mod server;
pub mod statements;
pub mod tables;
