//! The watched database: its statements.

pub mod statements;
