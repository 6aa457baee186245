//! Settings that are worth a look: a few rules, each with its reason and where the documentation says so.

use super::Look;
use headroom_model::{
    Timestamp, format,
    tables::{SettingAdvice, SettingsReport},
};
use sqlx::Row;
use std::collections::HashMap;

/// One setting as the server tells it.
#[derive(Clone, Debug)]
struct Setting {
    /// In the unit of the server.
    raw: String,
    /// As `SHOW` writes it.
    shown: String,
    pending_restart: bool,
}

/// What rules look at besides settings.
#[derive(Clone, Debug)]
struct Facts {
    settings: HashMap<String, Setting>,
    database_bytes: f64,
    requested_checkpoints: f64,
    timed_checkpoints: f64,
    slots: i64,
    version: i32,
}

/// Why a setting is worth a look, and what changes it where that does not depend.
type Finding = Option<(String, Option<&'static str>)>;

/// A rule: its setting, and what it says of the facts.
struct Rule {
    name: &'static str,
    is_risk: bool,
    page: &'static str,
    check: fn(&Facts, &Setting) -> Finding,
}

/// What sessions begin with: this one has limits of its own.
const SQL: &str = "
SELECT /* headroom */ s.name, s.reset_val AS setting,
    CASE WHEN s.source = 'session' THEN concat_ws(' ', s.reset_val, s.unit) ELSE current_setting(s.name) END AS shown, s.pending_restart,
    (SELECT pg_database_size(current_database())::float8) AS bytes, (SELECT count(*) FROM pg_replication_slots) AS slots
FROM pg_settings s WHERE s.name = ANY($1) OR s.pending_restart";
const CHECKPOINTER: &str =
    "SELECT /* headroom */ num_timed::float8 AS timed, num_requested::float8 AS requested FROM pg_stat_checkpointer";
const BGWRITER: &str = "SELECT /* headroom */ checkpoints_timed::float8 AS timed, checkpoints_req::float8 AS requested FROM pg_stat_bgwriter";

const GIB: f64 = (1u64 << 30) as f64;
/// Fewer checkpoints say nothing about their cause.
const CHECKPOINTS_LEAST: f64 = 10.0;

pub(super) async fn read(to: &mut Look, at: Timestamp) -> sqlx::Result<SettingsReport> {
    let names: Vec<String> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
    let rows = sqlx::query(SQL).bind(names).fetch_all(to.connection()).await?;
    let checkpoints = if to.server.version >= 170_000 { CHECKPOINTER } else { BGWRITER };
    let checkpoints = sqlx::query(checkpoints).fetch_one(to.connection()).await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut facts = Facts {
        settings: HashMap::new(),
        database_bytes: first.try_get("bytes")?,
        requested_checkpoints: checkpoints.try_get("requested")?,
        timed_checkpoints: checkpoints.try_get("timed")?,
        slots: first.try_get("slots")?,
        version: to.server.version,
    };
    for row in &rows {
        let setting = Setting {
            raw: row.try_get("setting")?,
            shown: row.try_get("shown")?,
            pending_restart: row.try_get("pending_restart")?,
        };
        facts.settings.insert(row.try_get("name")?, setting);
    }
    Ok(SettingsReport { at, checked: u32::try_from(RULES.len() + 1).unwrap_or(u32::MAX), advice: judge(&facts) })
}

fn source(page: &str) -> String {
    format!("https://www.postgresql.org/docs/current/{page}")
}

fn judge(facts: &Facts) -> Vec<SettingAdvice> {
    let by_rule = RULES.iter().filter_map(|rule| {
        let setting = facts.settings.get(rule.name)?;
        let (reason, remedy) = (rule.check)(facts, setting)?;
        Some(SettingAdvice {
            name: rule.name.to_owned(),
            value: setting.shown.clone(),
            is_risk: rule.is_risk,
            reason,
            remedy: remedy.map(str::to_owned),
            source: source(rule.page),
        })
    });
    let mut pending: Vec<_> = facts.settings.iter().filter(|(_, setting)| setting.pending_restart).collect();
    pending.sort_by_key(|(name, _)| *name);
    let waiting = pending.into_iter().map(|(name, setting)| SettingAdvice {
        name: name.clone(),
        value: setting.shown.clone(),
        is_risk: false,
        reason: "Another value is in the configuration; it takes effect when the server restarts.".to_owned(),
        remedy: Some("Restart PostgreSQL.".to_owned()),
        source: source("view-pg-settings.html"),
    });
    let mut advice: Vec<SettingAdvice> = by_rule.chain(waiting).collect();
    advice.sort_by_key(|advice| !advice.is_risk);
    advice
}

fn is(setting: &Setting, value: &str) -> bool {
    setting.raw == value
}

fn number(setting: &Setting) -> f64 {
    setting.raw.parse().unwrap_or(f64::NAN)
}

/// Something that is off and should be on.
fn off(setting: &Setting, reason: &str, remedy: &'static str) -> Finding {
    is(setting, "off").then(|| (reason.to_owned(), Some(remedy)))
}

const RULES: &[Rule] = &[
    Rule {
        name: "fsync",
        is_risk: true,
        page: "runtime-config-wal.html#GUC-FSYNC",
        check: |_, s| {
            off(
                s,
                "A crash of the machine can leave data that cannot be recovered.",
                "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
            )
        },
    },
    Rule {
        name: "full_page_writes",
        is_risk: true,
        page: "runtime-config-wal.html#GUC-FULL-PAGE-WRITES",
        check: |_, s| {
            off(
                s,
                "A page that was half written when the machine crashed cannot be recovered.",
                "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
            )
        },
    },
    Rule {
        name: "autovacuum",
        is_risk: true,
        page: "routine-vacuuming.html#AUTOVACUUM",
        check: |_, s| {
            off(
                s,
                "Dead rows are never removed and statistics never renewed by themselves; only wraparound is prevented.",
                "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
            )
        },
    },
    Rule {
        name: "track_counts",
        is_risk: true,
        page: "runtime-config-statistics.html#GUC-TRACK-COUNTS",
        check: |_, s| {
            off(
                s,
                "Autovacuum does not work without these counters.",
                "ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();",
            )
        },
    },
    Rule {
        name: "max_slot_wal_keep_size",
        is_risk: true,
        page: "runtime-config-replication.html#GUC-MAX-SLOT-WAL-KEEP-SIZE",
        check: |facts, s| {
            (is(s, "-1") && facts.slots > 0).then(|| {
                let slots = format::counted(u64::try_from(facts.slots).unwrap_or(0), "replication slot");
                (format!("{slots}, without a bound: one that nobody reads keeps log until the disk is full."), None)
            })
        },
    },
    Rule {
        name: "synchronous_commit",
        is_risk: true,
        page: "runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT",
        check: |_, s| {
            is(s, "off").then(|| {
                let reason =
                    "A crash can lose transactions that were reported as committed in the last moments before it.";
                (reason.to_owned(), None)
            })
        },
    },
    Rule {
        name: "shared_buffers",
        is_risk: false,
        page: "runtime-config-resource.html#GUC-SHARED-BUFFERS",
        check: |facts, s| {
            // In blocks of 8 KiB; 128 MiB is what a server comes with.
            (number(s) * 8192.0 <= GIB / 8.0 && facts.database_bytes > GIB).then(|| {
                let reason = format!(
                    "The value a server comes with, for a database of {}. Of a machine of its own a quarter of the memory is a \
                     reasonable start.",
                    format::bytes(facts.database_bytes)
                );
                (reason, None)
            })
        },
    },
    Rule {
        name: "maintenance_work_mem",
        is_risk: false,
        page: "runtime-config-resource.html#GUC-MAINTENANCE-WORK-MEM",
        check: |facts, s| {
            (number(s) <= 65_536.0 && facts.database_bytes > 10.0 * GIB).then(|| {
                let reason = format!(
                    "The value a server comes with, for a database of {}: vacuums and index builds are faster with more.",
                    format::bytes(facts.database_bytes)
                );
                (reason, None)
            })
        },
    },
    Rule {
        name: "max_wal_size",
        is_risk: false,
        page: "wal-configuration.html",
        check: |facts, _| {
            let (requested, timed) = (facts.requested_checkpoints, facts.timed_checkpoints);
            (requested + timed >= CHECKPOINTS_LEAST && requested > timed).then(|| {
                let reason = format!(
                    "{} of {} checkpoints came because the log was full or someone asked, not because it was time: they cost \
                     more writes.",
                    format::number(requested),
                    format::number(requested + timed)
                );
                (reason, None)
            })
        },
    },
    Rule {
        name: "checkpoint_completion_target",
        is_risk: false,
        page: "runtime-config-wal.html#GUC-CHECKPOINT-COMPLETION-TARGET",
        check: |_, s| {
            (number(s) < 0.9).then(|| {
                let reason = "Checkpoints write faster than they need to, which makes load uneven; 0.9 is advised.";
                (
                    reason.to_owned(),
                    Some("ALTER SYSTEM SET checkpoint_completion_target = 0.9; SELECT pg_reload_conf();"),
                )
            })
        },
    },
    Rule {
        name: "random_page_cost",
        is_risk: false,
        page: "runtime-config-query.html#GUC-RANDOM-PAGE-COST",
        check: |_, s| {
            (number(s) >= 4.0).then(|| {
                let reason = "The value for rotating disks. On solid-state drives a lower one, such as 1.1, models reality better \
                     and makes index scans cheaper.";
                (reason.to_owned(), None)
            })
        },
    },
    Rule {
        name: "idle_in_transaction_session_timeout",
        is_risk: false,
        page: "runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT",
        check: |_, s| {
            is(s, "0").then(|| {
                let reason = "A session that forgets its transaction keeps its locks and keeps vacuum from removing rows, for ever.";
                (
                    reason.to_owned(),
                    Some("ALTER SYSTEM SET idle_in_transaction_session_timeout = '10min'; SELECT pg_reload_conf();"),
                )
            })
        },
    },
    Rule {
        name: "track_io_timing",
        is_risk: false,
        page: "runtime-config-statistics.html#GUC-TRACK-IO-TIMING",
        check: |_, s| {
            off(
                s,
                "How long reads and writes take stays unknown.",
                "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf();",
            )
        },
    },
    Rule {
        name: "log_lock_waits",
        is_risk: false,
        page: "runtime-config-logging.html#GUC-LOG-LOCK-WAITS",
        check: |_, s| {
            off(
                s,
                "The log does not tell who waited for whom for longer than deadlock_timeout.",
                "ALTER SYSTEM SET log_lock_waits = on; SELECT pg_reload_conf();",
            )
        },
    },
    Rule {
        name: "data_checksums",
        is_risk: false,
        page: "checksums.html",
        check: |facts, s| {
            is(s, "off").then(|| {
                let now = if facts.version >= 180_000 { "; new servers have them since version 18" } else { "" };
                (
                    format!("Pages that the storage damaged are not noticed{now}."),
                    Some("pg_checksums --enable, while the server is stopped"),
                )
            })
        },
    },
    Rule {
        name: "password_encryption",
        is_risk: false,
        page: "auth-password.html",
        check: |_, s| {
            is(s, "md5").then(|| {
                let reason = "New passwords are stored as MD5 hashes, which are weak; clients of today know SCRAM.";
                (
                    reason.to_owned(),
                    Some("ALTER SYSTEM SET password_encryption = 'scram-sha-256'; SELECT pg_reload_conf();"),
                )
            })
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(settings: &[(&str, &str)]) -> Facts {
        let setting = |value: &str| Setting { raw: value.into(), shown: value.into(), pending_restart: false };
        Facts {
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), setting(value))).collect(),
            database_bytes: 20.0 * GIB,
            requested_checkpoints: 3.0,
            timed_checkpoints: 30.0,
            slots: 0,
            version: 180_000,
        }
    }

    #[test]
    fn good_settings_are_not_worth_a_look() {
        let good = [
            ("fsync", "on"),
            ("shared_buffers", "1048576"),
            ("maintenance_work_mem", "524288"),
            ("max_wal_size", "1024"),
            ("random_page_cost", "1.1"),
            ("max_slot_wal_keep_size", "-1"),
            ("idle_in_transaction_session_timeout", "60000"),
        ];
        assert!(judge(&facts(&good)).is_empty());
    }

    #[test]
    fn risks_come_first_and_every_rule_has_its_source() {
        let mut bad = facts(&[
            ("random_page_cost", "4"),
            ("fsync", "off"),
            ("max_slot_wal_keep_size", "-1"),
            ("max_wal_size", "1024"),
        ]);
        bad.slots = 2;
        bad.requested_checkpoints = 40.0;
        bad.settings.insert(
            "max_connections".into(),
            Setting { raw: "100".into(), shown: "100".into(), pending_restart: true },
        );
        let advice = judge(&bad);
        let names: Vec<&str> = advice.iter().map(|advice| advice.name.as_str()).collect();
        assert_eq!(names, ["fsync", "max_slot_wal_keep_size", "max_wal_size", "random_page_cost", "max_connections"]);
        assert!(advice[1].reason.starts_with("2 replication slots"), "{advice:?}");
        assert!(advice[2].reason.starts_with("40 of 70 checkpoints"), "{advice:?}");
        assert!(advice.iter().all(|advice| advice.source.starts_with("https://www.postgresql.org/docs/current/")));
    }
}
