//! What the server is and can do: asked anew at every collection, because an extension or a setting may come any time.

use crate::sql::{load_statements, quote_identifier};
use sqlx::{PgConnection, Row};

/// Version of an extension: 1.10 comes after 1.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExtensionVersion(pub(super) u32, pub(super) u32);

impl ExtensionVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        Some(ExtensionVersion(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// pg_stat_statements, where it is installed in the watched database.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    pub(super) version: ExtensionVersion,
    /// Quoted.
    pub(super) schema: String,
}

/// One server at one moment.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// `150018`.
    pub(super) version: i32,
    /// `15.18`.
    pub(super) version_text: String,
    /// Milliseconds since 1970 by the server's clock.
    pub(super) started_at: i64,
    pub(super) in_recovery: bool,
    pub(super) track_io_timing: bool,
    pub(super) logs_lock_waits: bool,
    /// As people write it: `1s`.
    pub(super) deadlock_timeout: String,
    pub(super) connections_max: f64,
    pub(super) block_size: f64,
    pub(super) database_oid: i64,
    pub(super) database: String,
    pub(super) statements: Option<Extension>,
    /// Places for statements; none where the library is not loaded.
    pub(super) statements_max: Option<i64>,
    /// Whose calls are counted: `top`, `all`, `none`.
    pub(super) statements_track: Option<String>,
    /// Whether planning is counted.
    pub(super) track_planning: bool,
    role: String,
    /// Asked for only where pg_stat_statements is not loaded; none also where the role may not read it.
    preloaded: Option<String>,
}

impl Server {
    pub(super) async fn read(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let row = sqlx::query(
            "SELECT /* headroom */
                current_setting('server_version_num')::int4,
                split_part(current_setting('server_version'), ' ', 1),
                floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::int8,
                pg_is_in_recovery(),
                current_setting('track_io_timing')::bool,
                (current_setting('max_connections')::int4
                    - current_setting('superuser_reserved_connections')::int4
                    - coalesce(current_setting('reserved_connections', true), '0')::int4)::float8,
                current_setting('block_size')::float8,
                (SELECT d.oid::int8 FROM pg_database d WHERE d.datname = current_database()),
                current_database()::text,
                current_user::text,
                (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'pg_stat_statements'),
                (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                    WHERE e.extname = 'pg_stat_statements'),
                current_setting('pg_stat_statements.max', true)::int8,
                CASE WHEN current_setting('pg_stat_statements.max', true) IS NULL THEN
                    (SELECT s.setting FROM pg_settings s WHERE s.name = 'shared_preload_libraries') END,
                current_setting('pg_stat_statements.track', true),
                coalesce(current_setting('pg_stat_statements.track_planning', true), 'off')::bool,
                current_setting('log_lock_waits')::bool,
                current_setting('deadlock_timeout')",
        )
        .fetch_one(connection)
        .await?;
        let version: Option<String> = row.try_get(10)?;
        let schema: Option<String> = row.try_get(11)?;
        Ok(Server {
            version: row.try_get(0)?,
            version_text: row.try_get(1)?,
            started_at: row.try_get(2)?,
            in_recovery: row.try_get(3)?,
            track_io_timing: row.try_get(4)?,
            connections_max: row.try_get(5)?,
            block_size: row.try_get(6)?,
            database_oid: row.try_get(7)?,
            database: row.try_get(8)?,
            role: row.try_get(9)?,
            statements: version
                .as_deref()
                .and_then(ExtensionVersion::parse)
                .zip(schema)
                .map(|(version, schema)| Extension { version, schema: quote_identifier(&schema) }),
            statements_max: row.try_get(12)?,
            preloaded: row.try_get(13)?,
            statements_track: row.try_get(14)?,
            track_planning: row.try_get(15)?,
            logs_lock_waits: row.try_get(16)?,
            deadlock_timeout: row.try_get(17)?,
        })
    }

    /// The statement that lets this role see everyone's sessions and statements.
    pub(super) fn grant_monitor(&self) -> String {
        format!("GRANT pg_monitor TO {};", quote_identifier(&self.role))
    }

    /// The statement that lets this role read the sequences of a schema, whose name is quoted already.
    pub(super) fn grant_sequences(&self, schema: &str) -> String {
        format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {};", quote_identifier(&self.role))
    }

    /// What brings pg_stat_statements into this database.
    pub(super) fn install_statements(&self) -> String {
        const CREATE: &str = "CREATE EXTENSION pg_stat_statements;";
        let mut steps = Vec::new();
        if self.statements_max.is_none() {
            steps.push(load_statements(self.preloaded.as_deref()));
        }
        if self.statements.is_none() {
            steps.push(CREATE.to_owned());
        }
        steps.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let [old, new] = ["1.9", "1.10"].map(|text| ExtensionVersion::parse(text).unwrap());
        assert!(old < new);
        assert_eq!(ExtensionVersion::parse("1"), Some(ExtensionVersion(1, 0)));
        assert_eq!(ExtensionVersion::parse("beta"), None);
    }

    fn server(preloaded: Option<&str>, loaded: bool) -> Server {
        Server {
            version: 150_018,
            version_text: "15.18".into(),
            started_at: 0,
            in_recovery: false,
            track_io_timing: true,
            logs_lock_waits: true,
            deadlock_timeout: "1s".into(),
            connections_max: 97.0,
            block_size: 8192.0,
            database_oid: 5,
            database: "shop".into(),
            statements: None,
            statements_max: loaded.then_some(5000),
            statements_track: None,
            track_planning: false,
            role: "watch\"er".into(),
            preloaded: preloaded.map(Into::into),
        }
    }

    #[test]
    fn remedies_are_exact() {
        assert_eq!(server(None, true).grant_monitor(), r#"GRANT pg_monitor TO "watch""er";"#);
        assert_eq!(server(None, true).install_statements(), "CREATE EXTENSION pg_stat_statements;");
        assert_eq!(
            server(Some("auto_explain, pg_cron"), false).install_statements(),
            "ALTER SYSTEM SET shared_preload_libraries = 'auto_explain', 'pg_cron', 'pg_stat_statements'; \
             -- then restart PostgreSQL\nCREATE EXTENSION pg_stat_statements;"
        );
        assert_eq!(
            server(None, false).install_statements(),
            "Add pg_stat_statements to shared_preload_libraries and restart PostgreSQL.\n\
             CREATE EXTENSION pg_stat_statements;"
        );
    }
}
