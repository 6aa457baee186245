//! What a look must know of the server before it asks.

use crate::sql::quote_identifier;
use headroom_model::target::Limitation;
use sqlx::{PgConnection, Row};

/// One server at one moment.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// `150018`.
    pub(super) version: i32,
    pub(super) database: String,
    pub(super) in_recovery: bool,
    pub(super) block_size: f64,
    /// The role sees everyone's sessions and statistics.
    pub(super) is_monitor: bool,
    role: String,
}

impl Server {
    pub(super) async fn read(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let row = sqlx::query(
            "SELECT /* headroom */ current_setting('server_version_num')::int4, current_database()::text,
                pg_is_in_recovery(), current_setting('block_size')::float8,
                pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), current_user::text",
        )
        .fetch_one(connection)
        .await?;
        Ok(Server {
            version: row.try_get(0)?,
            database: row.try_get(1)?,
            in_recovery: row.try_get(2)?,
            block_size: row.try_get(3)?,
            is_monitor: row.try_get(4)?,
            role: row.try_get(5)?,
        })
    }

    /// The role, quoted.
    pub(super) fn role(&self) -> String {
        quote_identifier(&self.role)
    }

    /// What the role does not see without pg_monitor; none where it sees all.
    pub(super) fn hides(&self, what: &str) -> Option<Limitation> {
        (!self.is_monitor)
            .then(|| Limitation { what: what.to_owned(), remedy: format!("GRANT pg_monitor TO {};", self.role()) })
    }
}
