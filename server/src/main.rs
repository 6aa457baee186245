//! The operations console for PostgreSQL and Redis. See `headroom --help`.
// As in the library: the futures of the whole process lie in one another, deeper than the compiler looks by default.
#![recursion_limit = "512"]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    headroom_server::cli::run().await
}
