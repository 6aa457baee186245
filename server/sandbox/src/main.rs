//! `headroom-sandbox [folder]`: a private PostgreSQL and Redis until Ctrl-C, for work by hand and for the tests of this
//! crate. Prints shell variables, then waits.

use headroom_sandbox::{Postgres, PostgresOptions, Redis, RedisOptions};
use std::{io::Write, path::PathBuf, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(std::env::args_os().nth(1).map(PathBuf::from)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(folder: Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    // Before the servers start: from here on a signal drops them in order, whenever it comes.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let serve = async {
        let within = |name: &str| folder.as_ref().map(|folder| folder.join(name));
        let postgres = PostgresOptions { data_dir: within("postgres"), ..PostgresOptions::default() };
        let redis = RedisOptions { data_dir: within("redis"), ..RedisOptions::default() };
        let (postgres, redis) = tokio::try_join!(Postgres::start(postgres), Redis::start(redis))?;
        println!("DATABASE_URL={}", postgres.url("postgres"));
        println!("REDIS_URL={}", redis.url(0));
        println!("POSTGRES_PID={}", postgres.pid().unwrap_or_default());
        println!("REDIS_PID={}", redis.pid().unwrap_or_default());
        println!("PGDATA={}", postgres.data_dir().display());
        println!("PATH={}:$PATH", postgres.installation().bin.display());
        std::io::stdout().flush()?;
        std::future::pending::<Result<(), Box<dyn std::error::Error>>>().await
    };
    tokio::select! {
        failed = serve => failed,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
    }
}
