//! `headroom user`: who can sign in.

use super::{Failure, password, print, record};
use crate::{config::Settings, serve::open_store};
use headroom_engine::{
    access::{Access, AccessError},
    clock::Clock,
    store::StoreError,
};
use headroom_model::Role;
use serde_json::json;
use std::path::PathBuf;

/// What to do with users.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a user; the password is asked for, or read from standard input
    Add {
        /// Letters, digits, dot, underscore and dash; at most 64
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// Read the password from the first line of a file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Remove a user and end its sessions
    Remove {
        /// Its name
        name: String,
    },
    /// List users
    List,
}

/// Runs `headroom user`.
///
/// # Errors
/// The name or password is not allowed, the name is taken or unknown, or the state store does not answer.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    let store = open_store(settings).await?;
    let access = Access::new(store.clone(), Clock::system());
    match command {
        Command::Add { name, role, password_file } => {
            let password = password::read(&name, password_file.as_deref())?;
            access.add_user(&name, role, &password).await.map_err(refused)?;
            record(store.as_ref(), "user.add", json!({"name": name, "role": role})).await?;
            print(&format!("{name} can sign in as {role}."))?;
        }
        Command::Remove { name } => {
            if !access.remove_user(&name).await.map_err(refused)? {
                return Err(Failure::Usage(format!("no user is named \"{name}\"")));
            }
            record(store.as_ref(), "user.remove", json!({"name": name})).await?;
            print(&format!("{name} is gone, its sessions have ended."))?;
        }
        Command::List => {
            for user in access.users().await.map_err(refused)? {
                let (name, role, since) = (user.name, user.role.as_str(), user.created_at.to_rfc3339());
                print(&format!("{name:<24} {role:<9} since {since}"))?;
            }
        }
    }
    Ok(())
}

/// What the caller can mend is a matter of usage; the rest is trouble.
pub(super) fn refused(error: AccessError) -> Failure {
    match error {
        AccessError::Invalid(_) | AccessError::Store(StoreError::Exists { .. }) => Failure::Usage(error.to_string()),
        error => Failure::Runtime(error.into()),
    }
}
