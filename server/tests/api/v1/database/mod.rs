//! `/database`.

mod statements;
