//! The watched database: its statements, their plans, and its indexes.

pub mod indexes;
pub mod plans;
pub mod statements;
