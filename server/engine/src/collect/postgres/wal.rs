//! The write-ahead log on disk, and where the server keeps its data.

use super::Findings;
use headroom_model::MetricId;
use sqlx::{PgConnection, Row};
use std::path::PathBuf;

/// Reads the size of the files in pg_wal and answers the data directory, as the server's machine names it.
pub(super) async fn read(connection: &mut PgConnection, findings: &mut Findings) -> sqlx::Result<Option<PathBuf>> {
    let row = sqlx::query(
        "SELECT /* headroom */ coalesce(sum(w.size), 0)::float8,
            (SELECT s.setting FROM pg_settings s WHERE s.name = 'data_directory')
         FROM pg_ls_waldir() w",
    )
    .fetch_one(connection)
    .await?;
    findings.set(MetricId::WalSize, row.try_get::<f64, _>(0)?);
    Ok(row.try_get::<Option<String>, _>(1)?.map(PathBuf::from))
}
