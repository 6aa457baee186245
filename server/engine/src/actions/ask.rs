//! Asking a target on behalf of someone who waits: a connection, a limit, and words for what went wrong.

use super::ActionError;
use crate::{
    pool::{Lane, Lease},
    target::Target,
};
use std::time::Duration;
use tokio::time::timeout;

/// Patience with the target, all statements of one step together.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn bounded<T>(step: impl Future<Output = Result<T, ActionError>>) -> Result<T, ActionError> {
    timeout(PATIENCE, step).await.unwrap_or_else(|_| {
        Err(ActionError::Unreachable(format!("PostgreSQL did not answer within {} s", PATIENCE.as_secs())))
    })
}

pub(super) async fn lease(target: &Target) -> Result<Lease, ActionError> {
    target.pools.acquire(Lane::Interactive).await.map_err(|error| ActionError::Unreachable(target.explain(&error)))
}

/// SQLSTATE, where the server refused.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// The server's own words on statements of ours hold neither literals nor secrets; anything else is named by kind.
pub(super) fn unreachable(error: &sqlx::Error) -> ActionError {
    ActionError::Unreachable(match error.as_database_error() {
        Some(refused) => format!("PostgreSQL refused: {}", refused.message()),
        None => "The connection to PostgreSQL broke; nothing more was changed".to_owned(),
    })
}
