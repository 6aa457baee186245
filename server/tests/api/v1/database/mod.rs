//! `/database`.

mod statements;
mod tables;
