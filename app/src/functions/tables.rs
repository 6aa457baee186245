//! The page Tables and its button.

use crate::error::AppError;
use headroom_model::{
    operation::Operation,
    tables::{
        DatabaseStats, MeasuredBloat, OptimizePreview, ReplicationReport, SettingsReport, SizeReport, TableDetail,
        TableList, VacuumReport,
    },
};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use serde::{Deserialize, Serialize};

/// Where the form of the optimise confirm page posts to.
pub const OPTIMIZE_TABLE: &str = "/api/fn/optimize_table";

/// Longest `schema.table`, in bytes: two names of the server and a dot.
#[cfg(feature = "ssr")]
const NAME_MAX: usize = 2 * 63 + 1;

/// One table with what was last done to it from here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableView {
    /// The table.
    pub detail: TableDetail,
    /// The newest operation on it: the one under way, else the last.
    pub operation: Option<Operation>,
}

/// What the server says of itself, each part by itself: one that fails leaves the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerView {
    /// Sizes.
    pub size: Result<SizeReport, AppError>,
    /// Counters, checkpoints, input and output.
    pub stats: Result<DatabaseStats, AppError>,
    /// Vacuum and freeze.
    pub vacuum: Result<VacuumReport, AppError>,
    /// Replication.
    pub replication: Result<ReplicationReport, AppError>,
    /// Settings worth a look.
    pub settings: Result<SettingsReport, AppError>,
}

/// The largest tables.
#[server(name = ReadTables, prefix = "/api/fn", endpoint = "tables", input = GetUrl)]
pub async fn tables(target: Option<String>) -> Result<TableList, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    Ok((*context.console.tables.list(&target).await?).clone())
}

/// One table, opened.
#[server(name = ReadTable, prefix = "/api/fn", endpoint = "table", input = GetUrl)]
pub async fn table(target: Option<String>, table: String) -> Result<TableView, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let detail = context.console.tables.detail(&target, &bounded(table)?).await?;
    let operation = context.console.last_optimize(&target, &detail.table);
    Ok(TableView { detail, operation })
}

/// Sizes, counters, vacuum, replication and settings.
#[server(name = ReadServer, prefix = "/api/fn", endpoint = "server", input = GetUrl)]
pub async fn server(target: Option<String>) -> Result<ServerView, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let target = context.target(target.as_deref())?;
    let looks = Box::pin(context.console.server_looks(&target)).await;
    Ok(ServerView {
        size: looks.size.map_err(AppError::of_look),
        stats: looks.stats.map(|stats| (*stats).clone()).map_err(AppError::of_look),
        vacuum: looks.vacuum.map(|vacuum| (*vacuum).clone()).map_err(AppError::of_look),
        replication: looks.replication.map(|replication| (*replication).clone()).map_err(AppError::of_look),
        settings: looks.settings.map(|settings| (*settings).clone()).map_err(AppError::of_look),
    })
}

/// Measures the wasted space of a table.
#[server(prefix = "/api/fn", endpoint = "measure_bloat")]
pub async fn measure_bloat(target: Option<String>, table: String) -> Result<MeasuredBloat, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    Ok(context.console.tables.measure(&target, &bounded(table)?).await?)
}

/// What VACUUM (ANALYZE) of a table would do. Changes nothing.
#[server(name = ReadPreviewOptimize, prefix = "/api/fn", endpoint = "preview_optimize", input = GetUrl)]
pub async fn preview_optimize(target: Option<String>, table: String) -> Result<OptimizePreview, AppError> {
    use crate::context::PageContext;
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    Ok(context.console.tables.preview_optimize(&target, &bounded(table)?).await?)
}

/// Starts VACUUM (ANALYZE) of a table; it reports as an operation. A plain form is sent back to the confirm page, which shows
/// how far it is.
#[server(prefix = "/api/fn", endpoint = "optimize_table")]
pub async fn optimize_table(
    target: Option<String>,
    table: String,
    reason: Option<String>,
) -> Result<Operation, AppError> {
    use crate::context::{PageContext, is_plain_form};
    let context = PageContext::require(headroom_model::Role::Operator)?;
    let target = context.target(target.as_deref())?;
    let (request, table) = (context.asks(reason)?, bounded(table)?);
    let started = headroom_engine::actions::optimize(&context.console, &target, &table, &request).await?;
    if is_plain_form() {
        let back =
            [("target", Some(target.as_str())), ("table", Some(table.as_str())), ("done", Some(started.id.as_str()))];
        leptos_axum::redirect(&crate::url::href("/confirm/optimize", &Default::default(), &back));
    }
    Ok(started)
}

#[cfg(feature = "ssr")]
fn bounded(table: String) -> Result<String, AppError> {
    if table.len() <= NAME_MAX {
        return Ok(table);
    }
    let message = format!("The name of a table has at most {NAME_MAX} bytes.");
    Err(AppError::new(crate::error::ErrorCode::Invalid, message).answered())
}
