//! `/database`.

mod indexes;
mod sessions;
mod statements;
mod tables;
