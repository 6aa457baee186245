//! The command line. Wrong usage and wrong configuration end with code 2 and one sentence; trouble at work with code 1.

pub mod cache;
pub mod check;
pub mod client;
pub mod event;
pub mod forecast;
pub mod history;
pub mod password;
pub mod token;
pub mod triggers;
pub mod user;

use crate::{
    config::{Overrides, Settings, value},
    demo, logging, openapi, router, serve,
};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use headroom_engine::{
    clock::Clock,
    store::{NewAudit, StateStore},
};
use headroom_model::Role;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// Operations console for PostgreSQL and Redis.
#[derive(Debug, Parser)]
#[command(name = "headroom", version, about, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct Common {
    /// Configuration file [default: headroom.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where users, history and audit are kept
    #[arg(long, value_name = "FOLDER", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the configured targets and answer pages and API
    Serve(Listen),
    /// Try the console: a private PostgreSQL and Redis with a sample shop and live traffic
    Demo {
        #[command(flatten)]
        listen: Listen,
        #[command(flatten)]
        demo: demo::DemoArgs,
    },
    /// Look whether everything the console needs is there, and say what is missing
    Check {
        #[command(flatten)]
        listen: Listen,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Manage users of the login page
    #[command(subcommand)]
    User(user::Command),
    /// Manage bearer tokens for programs
    #[command(subcommand)]
    Token(token::Command),
    /// Warm, clear or show the cache of a running console
    #[command(subcommand)]
    Cache(Box<cache::Command>),
    /// Mark a deploy on the timeline of a running console
    #[command(subcommand)]
    Event(Box<event::Command>),
    /// Have tables tell of their changes, so that datasets are never older than them
    #[command(subcommand)]
    Triggers(triggers::Command),
    /// Bring history in from elsewhere, or take it along
    #[command(subcommand)]
    History(Box<history::Command>),
    /// Forecast a series from a file: what it will do, how sure that is, when it meets a limit
    Forecast(forecast::Forecasting),
    /// Print the OpenAPI document
    Openapi,
}

/// Where to listen.
#[derive(Clone, Debug, Args)]
pub struct Listen {
    /// Address and port [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    value::parse_address(text).ok_or_else(|| "allowed: an address with a port, such as 127.0.0.1:3000".to_owned())
}

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or the configuration is wrong, in one sentence. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Something did not work. Exit code 1.
    #[error("{0:#}")]
    Runtime(#[from] anyhow::Error),
}

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("headroom: {failure}");
            ExitCode::from(match failure {
                Failure::Usage(_) => 2,
                Failure::Runtime(_) => 1,
            })
        }
    }
}

async fn execute(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { common, command } = cli;
    match command {
        Command::Serve(listen) => {
            let settings = settings(&common, listen.listen)?;
            logging::start(&settings.log);
            let watched: Vec<String> = settings.targets.iter().map(|target| target.id.to_string()).collect();
            let ready = move |address, _: &_| println!("Headroom watches {} on http://{address}", watched.join(", "));
            serve::serve(settings, serve::stop_on_signal(), ready).await?;
        }
        Command::Demo { listen, demo } => {
            let settings = settings(&common, listen.listen)?;
            logging::start(&settings.log);
            demo::run(demo, settings, common.data_dir, serve::stop_on_signal()).await?;
        }
        Command::Check { listen, json } => return check::run(settings(&common, listen.listen), json).await,
        Command::User(command) => user::run(command, &settings(&common, None)?).await?,
        Command::Token(command) => token::run(command, &settings(&common, None)?).await?,
        Command::Cache(command) => cache::run(*command).await?,
        Command::Event(command) => event::run(*command).await?,
        Command::Triggers(command) => triggers::run(command, &settings(&common, None)?).await?,
        Command::History(command) => history::run(*command, &settings(&common, None)?).await?,
        Command::Forecast(what) => forecast::run(&what)?,
        Command::Openapi => {
            let document = openapi::document(&router::endpoints());
            print(&document.to_pretty_json().map_err(anyhow::Error::from)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a change of access on record. It was made already: what fails here is said, not undone.
///
/// # Errors
/// The state store does not answer.
async fn record(store: &dyn StateStore, action: &str, parameters: serde_json::Value) -> Result<(), Failure> {
    let audit = NewAudit {
        at: Clock::system().now(),
        actor: "command line".to_owned(),
        role: Role::Admin,
        origin: None,
        action: action.to_owned(),
        target: None,
        parameters,
        reason: None,
        outcome: "done".to_owned(),
        succeeded: true,
    };
    let recorded = store.add_audit(&audit).await.context("the change was made, but not recorded in the audit");
    Ok(recorded.map(drop)?)
}

/// Prints a result. A reader that has seen enough (`| head`) is no trouble.
///
/// # Errors
/// Standard output cannot be written.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write, stdout};
    match writeln!(stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(anyhow::Error::from(error).into()),
        _ => Ok(()),
    }
}

fn settings(common: &Common, listen: Option<SocketAddr>) -> Result<Settings, Failure> {
    let overrides = Overrides { config: common.config.clone(), listen, data_dir: common.data_dir.clone() };
    Settings::load(&overrides, &|name| std::env::var(name).ok()).map_err(|error| Failure::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_carries_a_secret() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(!id.contains("password") || id.ends_with("_file"), "{id} of {}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn addresses_are_checked() {
        assert!(Cli::try_parse_from(["headroom", "serve", "--listen", "localhost:0"]).is_ok());
        let error = Cli::try_parse_from(["headroom", "serve", "--listen", "3000"]).unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:3000"), "{error}");
    }
}
