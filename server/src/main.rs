//! The operations console for PostgreSQL and Redis. See `headroom --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    headroom_server::cli::run().await
}
