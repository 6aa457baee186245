//! What the console needs of a PostgreSQL, and the statement that provides what is missing.

use super::Finding;
use headroom_engine::{
    pool::read_url,
    sql::{load_statements, quote_identifier},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

/// Oldest supported server.
const OLDEST: i32 = 130_000;

/// What one look answers.
#[derive(sqlx::FromRow)]
struct Facts {
    version: String,
    version_number: i32,
    database: String,
    role: String,
    is_monitor: bool,
    may_signal: bool,
    /// Loaded libraries; none where the role may not read them.
    preloaded: Option<String>,
    has_loaded_statements: bool,
    has_statements: bool,
    offers_statements: bool,
    may_reset: Option<bool>,
    has_hypopg: bool,
    offers_hypopg: bool,
    io_timing: bool,
    has_pgstattuple: bool,
    offers_pgstattuple: bool,
    may_measure: Option<bool>,
    /// Schemas with tables that the role may not vacuum.
    not_maintained: Vec<String>,
    /// An owner of such tables.
    table_owner: Option<String>,
    /// Schemas with tables whose statistics by column the role may not read.
    hidden_statistics: Vec<String>,
    /// Schemas with sequences that the role may not read.
    hidden_sequences: Vec<String>,
    /// Tables that the role may not read.
    hidden_tables: i64,
    /// Roles that own tables and of which the role is no member.
    foreign_owners: Vec<String>,
    /// Connections the role may have; −1 without a limit.
    connection_limit: i32,
}

/// Who may vacuum: the owner of the table or of the database; from version 17 on who has MAINTAIN, which an older server does
/// not know as a privilege, so that it is asked for by way of the table's list of grants and the role pg_maintain.
const LOOK: &str = "
WITH tables AS MATERIALIZED (
    SELECT n.nspname::text AS schema, pg_get_userbyid(c.relowner)::text AS owner,
        has_table_privilege(c.oid, 'SELECT') AS may_read,
        pg_has_role(current_user, c.relowner, 'USAGE')
            OR (SELECT pg_has_role(current_user, d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database())
            OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'pg_maintain' AND pg_has_role(current_user, r.oid, 'USAGE'))
            OR EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.privilege_type = 'MAINTAIN'
                AND (a.grantee = 0 OR pg_has_role(current_user, a.grantee, 'USAGE'))) AS may_vacuum
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'headroom'))
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_number,
       current_database()::text AS database,
       current_user::text AS role,
       pg_has_role(current_user, 'pg_monitor', 'USAGE') AS is_monitor,
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS may_signal,
       (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries') AS preloaded,
       current_setting('pg_stat_statements.max', true) IS NOT NULL AS has_loaded_statements,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS has_statements,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS offers_statements,
       (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
         WHERE p.proname = 'pg_stat_statements_reset') AS may_reset,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'hypopg') AS has_hypopg,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hypopg') AS offers_hypopg,
       current_setting('track_io_timing')::bool AS io_timing,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'pgstattuple') AS has_pgstattuple,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgstattuple') AS offers_pgstattuple,
       (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
         WHERE p.proname = 'pgstattuple_approx') AS may_measure,
       ARRAY(SELECT DISTINCT t.schema FROM tables t WHERE NOT t.may_vacuum ORDER BY 1 LIMIT 20) AS not_maintained,
       (SELECT min(t.owner) FROM tables t WHERE NOT t.may_vacuum) AS table_owner,
       ARRAY(SELECT DISTINCT t.schema FROM tables t WHERE NOT t.may_read ORDER BY 1 LIMIT 20) AS hidden_statistics,
       ARRAY(SELECT DISTINCT n.nspname::text FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT s.seqcycle AND c.relpersistence = 'p'
             AND NOT coalesce(has_sequence_privilege(c.oid, 'SELECT,USAGE'), false)
         ORDER BY 1 LIMIT 20) AS hidden_sequences,
       (SELECT count(*) FROM pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm')
         AND NOT has_table_privilege(c.oid, 'SELECT')) AS hidden_tables,
       ARRAY(SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM pg_class c
         WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm') AND NOT pg_has_role(c.relowner, 'USAGE')
         AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = c.relowner AND r.rolsuper)
         ORDER BY 1 LIMIT 20) AS foreign_owners,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS connection_limit";

pub(super) async fn examine(url: &str) -> Vec<Finding> {
    let options = match read_url(url) {
        Ok(options) => options.application_name("headroom check"),
        Err(error) => return vec![Finding::wrong("PostgreSQL", error.to_string())],
    };
    match look(options).await {
        Ok(facts) => findings(&facts),
        Err(error) => vec![Finding::wrong("PostgreSQL", reason(&error))],
    }
}

/// The limits are set by a statement, not by the start packet's `options`: poolers in between refuse those.
const LIMIT: &str = "
SELECT set_config('statement_timeout', '5000', false), set_config('default_transaction_read_only', 'on', false)";

async fn look(options: PgConnectOptions) -> Result<Facts, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::query(LIMIT).execute(&mut connection).await?;
    let facts = sqlx::query_as(LOOK).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(facts)
}

/// The cause without the connection string.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => format!("cannot be reached: {error}"),
        error => format!("cannot be asked: {error}"),
    }
}

fn findings(facts: &Facts) -> Vec<Finding> {
    let role = quote_identifier(&facts.role);
    let database = quote_identifier(&facts.database);
    let mut findings = vec![if facts.version_number >= OLDEST {
        Finding::good("PostgreSQL", format!("{}, database {database} as {role}", facts.version))
    } else {
        Finding::wrong("PostgreSQL", format!("{} is too old; supported: 13 and newer", facts.version))
    }];
    findings.push(if facts.is_monitor {
        Finding::good("pg_monitor", "granted: sees activity, statements, sizes and write-ahead log of all users")
    } else {
        Finding::advice(
            "pg_monitor",
            "not granted: other users' sessions and statements stay hidden, write-ahead log and disk unmeasured",
        )
        .remedy(format!("GRANT pg_monitor TO {role};"))
    });
    findings.extend(statements(facts, &role, &database));
    findings.push(if facts.io_timing {
        Finding::good("track_io_timing", "on")
    } else {
        Finding::advice("track_io_timing", "off: block read times stay unknown")
            .remedy("ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf();")
    });
    findings.push(if facts.may_signal {
        Finding::good("pg_signal_backend", "granted: can cancel and terminate sessions")
    } else {
        Finding::advice("pg_signal_backend", "not granted: sessions cannot be cancelled from the console")
            .remedy(format!("GRANT pg_signal_backend TO {role};"))
    });
    findings.push(match (facts.has_hypopg, facts.offers_hypopg) {
        (true, _) => Finding::good("hypopg", "installed: index suggestions can be proven"),
        (false, true) => Finding::advice("hypopg", "not installed: index suggestions stay estimates")
            .remedy(format!("CREATE EXTENSION hypopg;  -- in database {database}")),
        (false, false) => Finding::advice("hypopg", "not offered by this server: index suggestions stay estimates"),
    });
    findings.extend(tables(facts, &role, &database));
    findings.push(if facts.hidden_sequences.is_empty() {
        Finding::good("sequences", "readable: which one is the fullest is known")
    } else {
        let grant = |schema: &String| {
            format!("GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {role};", quote_identifier(schema))
        };
        let grants: Vec<String> = facts.hidden_sequences.iter().map(grant).collect();
        Finding::advice("sequences", "some may not be read: which one is the fullest stays unknown")
            .remedy(grants.join("\n"))
    });
    findings.extend(plans(facts, &role));
    if (0..10).contains(&facts.connection_limit) {
        findings.push(
            Finding::advice("connection limit", format!("{} may have {} connections", role, facts.connection_limit))
                .remedy(format!("ALTER ROLE {role} CONNECTION LIMIT 20;")),
        );
    }
    findings
}

/// What the page Tables and its button need.
fn tables(facts: &Facts, role: &str, database: &str) -> [Finding; 3] {
    let vacuum = if facts.not_maintained.is_empty() {
        Finding::good("vacuum", "allowed on every table")
    } else {
        let owner = quote_identifier(facts.table_owner.as_deref().unwrap_or_default());
        let grant = match facts.version_number {
            170_000.. => format!("GRANT pg_maintain TO {role};  -- or MAINTAIN on single tables"),
            _ => format!("GRANT {owner} TO {role};  -- before version 17 only the owner may"),
        };
        let detail = format!("not allowed in {}: Optimise will say so", facts.not_maintained.join(", "));
        Finding::advice("vacuum", detail).remedy(grant)
    };
    let bloat = if facts.hidden_statistics.is_empty() {
        Finding::good("column statistics", "readable: wasted space can be estimated")
    } else {
        let grant = |schema: &String| {
            let schema = quote_identifier(schema);
            format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};"
            )
        };
        let grants: Vec<String> = facts.hidden_statistics.iter().map(grant).collect();
        Finding::advice("column statistics", "some may not be read: wasted space of those tables stays unknown")
            .remedy(grants.join("\n"))
    };
    let measure = match (facts.has_pgstattuple, facts.offers_pgstattuple, facts.may_measure) {
        (true, _, Some(true)) => Finding::good("pgstattuple", "installed: wasted space can be measured"),
        (true, ..) => Finding::advice("pgstattuple", "installed, but not allowed: wasted space stays an estimate")
            .remedy(format!("GRANT pg_stat_scan_tables TO {role};")),
        (false, true, _) => Finding::advice("pgstattuple", "not installed: wasted space stays an estimate")
            .remedy(format!("CREATE EXTENSION pgstattuple;  -- in database {database}")),
        (false, false, _) => {
            Finding::advice("pgstattuple", "not offered by this server: wasted space stays an estimate")
        }
    };
    [vacuum, bloat, measure]
}

/// Whether plans can be seen and indexes built.
fn plans(facts: &Facts, role: &str) -> [Finding; 2] {
    let plans = if facts.hidden_tables == 0 {
        Finding::good("plans", "every table may be read: statements can be explained")
    } else {
        let detail =
            format!("{} tables may not be read: their statements have no plans, no index advice", facts.hidden_tables);
        let grant = if facts.version_number >= 140_000 {
            format!("GRANT pg_read_all_data TO {role};")
        } else {
            format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};  -- and in each other schema")
        };
        Finding::advice("plans", detail).remedy(grant)
    };
    let owners: Vec<String> =
        facts.foreign_owners.iter().map(|owner| format!("GRANT {} TO {role};", quote_identifier(owner))).collect();
    let indexes = if owners.is_empty() {
        Finding::good("index builds", "the role owns every table, or is a member of its owner")
    } else {
        Finding::advice(
            "index builds",
            "not a member of the owners of all tables: their indexes cannot be created from here",
        )
        .remedy(owners.join("\n"))
    };
    [plans, indexes]
}

fn statements(facts: &Facts, role: &str, database: &str) -> Vec<Finding> {
    let name = "pg_stat_statements";
    if !facts.has_loaded_statements {
        if !facts.offers_statements {
            let detail = "not offered by this server: install the contrib package; query figures stay unknown";
            return vec![Finding::advice(name, detail)];
        }
        return vec![Finding::advice(name, "not preloaded: query figures stay unknown").remedy(format!(
            "{}\nCREATE EXTENSION IF NOT EXISTS {name};  -- in database {database}",
            load_statements(facts.preloaded.as_deref())
        ))];
    }
    if !facts.has_statements {
        return vec![
            Finding::advice(name, "preloaded, but not created: query figures stay unknown")
                .remedy(format!("CREATE EXTENSION {name};  -- in database {database}")),
        ];
    }
    let reset = if facts.may_reset == Some(true) {
        Finding::good("statistics reset", "allowed")
    } else {
        Finding::advice("statistics reset", "not allowed: the Reset statistics button will say so")
            .remedy(format!("GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO {role};"))
    };
    vec![Finding::good(name, "preloaded and created"), reset]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn facts() -> Facts {
        Facts {
            version: "15.18".into(),
            version_number: 150_018,
            database: "orders".into(),
            role: "we\"ird".into(),
            is_monitor: true,
            may_signal: true,
            preloaded: Some("auto_explain, pg_stat_statements".into()),
            has_loaded_statements: true,
            has_statements: true,
            offers_statements: true,
            may_reset: Some(true),
            has_hypopg: true,
            offers_hypopg: true,
            io_timing: true,
            has_pgstattuple: true,
            offers_pgstattuple: true,
            may_measure: Some(true),
            not_maintained: Vec::new(),
            table_owner: None,
            hidden_statistics: Vec::new(),
            hidden_sequences: Vec::new(),
            hidden_tables: 0,
            foreign_owners: Vec::new(),
            connection_limit: -1,
        }
    }

    #[test]
    fn a_full_server_needs_nothing() {
        assert!(findings(&facts()).iter().all(|finding| finding.verdict == Verdict::Good));
    }

    #[test]
    fn what_is_missing_has_its_statement() {
        let bare = Facts {
            is_monitor: false,
            may_signal: false,
            preloaded: Some("auto_explain".into()),
            has_loaded_statements: false,
            has_statements: false,
            may_reset: None,
            has_hypopg: false,
            io_timing: false,
            may_measure: Some(false),
            not_maintained: vec!["shop".into()],
            table_owner: Some("shop".into()),
            hidden_statistics: vec!["shop".into()],
            hidden_sequences: vec!["Shop".into()],
            hidden_tables: 3,
            foreign_owners: vec!["shop".into()],
            connection_limit: 3,
            ..facts()
        };
        let findings = findings(&bare);
        let remedies: Vec<&str> = findings.iter().filter_map(|finding| finding.remedy.as_deref()).collect();
        assert_eq!(remedies.len(), 12, "{remedies:?}");
        assert!(remedies.contains(&"GRANT pg_stat_scan_tables TO \"we\"\"ird\";"));
        assert!(remedies.iter().any(|remedy| remedy.starts_with("GRANT \"shop\" TO \"we\"\"ird\";")));
        assert!(remedies.contains(&"GRANT SELECT ON ALL SEQUENCES IN SCHEMA \"Shop\" TO \"we\"\"ird\";"));
        assert!(remedies.contains(&"GRANT pg_read_all_data TO \"we\"\"ird\";"));
        assert!(remedies.contains(&"GRANT \"shop\" TO \"we\"\"ird\";"));
        assert!(remedies[0].contains("GRANT pg_monitor TO \"we\"\"ird\";"));
        assert!(remedies[1].contains("'auto_explain', 'pg_stat_statements'"));
        assert!(findings.iter().all(|finding| finding.verdict != Verdict::Wrong));
    }

    #[test]
    fn an_old_server_is_wrong() {
        let old = Facts { version_number: 120_000, ..facts() };
        assert_eq!(findings(&old)[0].verdict, Verdict::Wrong);
    }
}
