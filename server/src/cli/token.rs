//! `headroom token`: bearer tokens for scrapers, pipelines and scripts.

use super::{Failure, print, record, user::refused};
use crate::{
    config::{Settings, value::parse_span},
    serve::open_store,
};
use headroom_engine::{access::Access, clock::Clock};
use headroom_model::{Role, Timestamp};
use serde_json::json;
use std::time::Duration;

/// What to do with tokens.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a token and print it; it is never shown again
    Add {
        /// Letters, digits, dot, underscore and dash; at most 64
        name: String,
        /// viewer, operator or admin
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// Stop working after this time, such as 90d
        #[arg(long, value_name = "TIME", value_parser = parse_expiry)]
        expires_in: Option<Duration>,
    },
    /// Remove a token; it stops working at once
    Remove {
        /// Its name
        name: String,
    },
    /// List tokens
    List,
}

fn parse_expiry(text: &str) -> Result<Duration, String> {
    parse_span(text).filter(|span| !span.is_zero()).ok_or_else(|| "allowed: a time such as 12h or 90d".to_owned())
}

/// Runs `headroom token`.
///
/// # Errors
/// The name is not allowed, taken or unknown, or the state store does not answer.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    let clock = Clock::system();
    let store = open_store(settings).await?;
    let access = Access::new(store.clone(), clock.clone());
    match command {
        Command::Add { name, role, expires_in } => {
            let expires_at =
                expires_in.map(|span| clock.now().plus_millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)));
            // The token alone goes to standard output, so that it can be piped into a secret store.
            print(&access.add_token(&name, role, expires_at).await.map_err(refused)?)?;
            let parameters = json!({"name": name, "role": role, "expiresAt": expires_at});
            record(store.as_ref(), "token.add", parameters).await?;
            eprintln!("{name} acts as {role}{}. This token is not shown again.", until(expires_at));
        }
        Command::Remove { name } => {
            if !access.remove_token(&name).await.map_err(refused)? {
                return Err(Failure::Usage(format!("no token is named \"{name}\"")));
            }
            record(store.as_ref(), "token.remove", json!({"name": name})).await?;
            print(&format!("{name} is gone."))?;
        }
        Command::List => {
            for token in access.tokens().await.map_err(refused)? {
                let (name, role, since) = (token.name, token.role.as_str(), token.created_at.to_rfc3339());
                print(&format!("{name:<24} {role:<9} since {since}{}", until(token.expires_at)))?;
            }
        }
    }
    Ok(())
}

fn until(expires_at: Option<Timestamp>) -> String {
    expires_at.map(|at| format!(" until {}", at.to_rfc3339())).unwrap_or_default()
}
