//! The server behind a database: sizes, counters, replication, vacuum, settings.

use crate::{
    http::{
        answer::Answer,
        error::WebError,
        extract::{Chosen, TargetQuery},
    },
    web::Web,
};
use axum::extract::State;
use headroom_model::{
    api::Envelope,
    tables::{DatabaseStats, ReplicationReport, SettingsReport, SizeReport, VacuumReport},
};

/// Sizes
///
/// Of the database, its parts, its largest tables, its neighbours and the write-ahead log; growth by the last 30 days.
#[utoipa::path(get, path = "/api/v1/database/size", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<SizeReport>, description = "In bytes.")))]
pub async fn size(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<SizeReport>, WebError> {
    Ok(Answer(web.console.database_size(&target).await?))
}

/// Statistics of the database
///
/// Transactions, rows, buffers, temporary files, deadlocks; checkpoints of the server; input and output by kind where the
/// server tells (version 16 and newer). Since the statistics were reset.
#[utoipa::path(get, path = "/api/v1/database/stats", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<DatabaseStats>, description = "Counters.")))]
pub async fn stats(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<DatabaseStats>, WebError> {
    Ok(Answer((*web.console.tables.stats(&target).await?).clone()))
}

/// Replication
///
/// Standbys with their lag a stage, slots with what they keep and what to do, and what a replica receives.
#[utoipa::path(get, path = "/api/v1/database/replication", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<ReplicationReport>, description = "Standbys and slots.")))]
pub async fn replication(
    State(web): State<Web>,
    Chosen(target): Chosen,
) -> Result<Answer<ReplicationReport>, WebError> {
    Ok(Answer((*web.console.tables.replication(&target).await?).clone()))
}

/// Vacuum and freeze
///
/// Running vacuums, ages of databases and tables, and who keeps dead rows from being removed: sessions, prepared
/// transactions, slots, standbys.
#[utoipa::path(get, path = "/api/v1/database/vacuum", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<VacuumReport>, description = "Ages and holders.")))]
pub async fn vacuum(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<VacuumReport>, WebError> {
    Ok(Answer((*web.console.tables.vacuum(&target).await?).clone()))
}

/// Settings worth a look
///
/// Each with its reason, what changes it, and where the PostgreSQL documentation says so. Risks first.
#[utoipa::path(get, path = "/api/v1/database/settings", tag = "Database", params(TargetQuery), responses((status = 200, body = Envelope<SettingsReport>, description = "Settings.")))]
pub async fn settings(State(web): State<Web>, Chosen(target): Chosen) -> Result<Answer<SettingsReport>, WebError> {
    Ok(Answer((*web.console.tables.settings(&target).await?).clone()))
}
