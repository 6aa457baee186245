//! `/database`.

mod indexes;
mod statements;
mod tables;
