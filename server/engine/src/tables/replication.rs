//! Who follows the server, which slots keep its log, and what it receives where it is a replica itself.

use super::{Look, moment};
use crate::sql::quote_literal;
use headroom_model::{
    Timestamp, format,
    tables::{Receiver, ReplicationReport, ReplicationSlot, Standby},
};
use sqlx::{Row, postgres::PgRow};

/// A slot that keeps more log than this should be looked at.
const RETAINED_MUCH: f64 = (1u64 << 30) as f64;

/// GREATEST would make 0 of what is not known. On a replica the log is written up to where it was received. A standby that has everything is not behind, whatever the last
/// measured delay says; `replay_lag` is null on an idle server.
const STANDBYS: &str = "
SELECT /* headroom */ coalesce(nullif(r.application_name, ''), r.pid::text) AS name, host(r.client_addr) AS address, r.state,
    r.sync_state, (SELECT CASE WHEN d < 0 THEN 0 ELSE d END FROM (VALUES (pg_wal_lsn_diff(w.lsn, r.sent_lsn))) v(d))::float8 AS send_lag,
    (SELECT CASE WHEN d < 0 THEN 0 ELSE d END FROM (VALUES (pg_wal_lsn_diff(r.sent_lsn, r.flush_lsn))) v(d))::float8 AS flush_lag,
    (SELECT CASE WHEN d < 0 THEN 0 ELSE d END FROM (VALUES (pg_wal_lsn_diff(r.flush_lsn, r.replay_lsn))) v(d))::float8 AS replay_lag,
    (CASE WHEN r.replay_lsn >= w.lsn THEN 0 ELSE extract(epoch FROM r.replay_lag) * 1000 END)::float8 AS replay_ms
FROM pg_stat_replication r, (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
    ELSE pg_current_wal_lsn() END AS lsn) w ORDER BY replay_lag DESC NULLS LAST, name LIMIT 50";

/// Columns that came with a version are read as fields of the row, so that one statement serves all.
const SLOTS: &str = "
SELECT /* headroom */ s.slot_name::text AS name, s.slot_type AS kind, s.active,
    pg_wal_lsn_diff(w.lsn, s.restart_lsn)::float8 AS retained, s.wal_status, s.safe_wal_size::float8 AS safe,
    floor(extract(epoch FROM (to_jsonb(s) ->> 'inactive_since')::timestamptz) * 1000)::int8 AS inactive_since,
    to_jsonb(s) ->> 'invalidation_reason' AS invalidation, current_setting('max_slot_wal_keep_size') AS bound
FROM pg_replication_slots s, (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
    ELSE pg_current_wal_lsn() END AS lsn) w ORDER BY retained DESC NULLS LAST, name LIMIT 50";

const RECEIVER: &str = "
SELECT /* headroom */ r.status, r.sender_host || ':' || r.sender_port AS sender,
    (SELECT CASE WHEN d < 0 THEN 0 ELSE d END
        FROM (VALUES (pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()))) v(d))::float8 AS lag,
    r.pid IS NOT NULL AND r.status IS NULL AS is_hidden,
    floor(extract(epoch FROM r.last_msg_receipt_time) * 1000)::int8 AS heard, pg_is_wal_replay_paused() AS paused
FROM (SELECT) one LEFT JOIN pg_stat_wal_receiver r ON true";

pub(super) async fn read(to: &mut Look, at: Timestamp) -> sqlx::Result<ReplicationReport> {
    let standbys = to.all(STANDBYS).await?.iter().map(standby).collect::<sqlx::Result<_>>()?;
    let slots = to.all(SLOTS).await?.iter().map(slot).collect::<sqlx::Result<_>>()?;
    let receiver = match to.server.in_recovery {
        true => Some(receiver(&sqlx::query(RECEIVER).fetch_one(to.connection()).await?)?),
        false => None,
    };
    Ok(ReplicationReport {
        at,
        is_replica: to.server.in_recovery,
        standbys,
        slots,
        receiver,
        limitations: to.server.hides("State and lag of standbys stay hidden.").into_iter().collect(),
    })
}

fn standby(row: &PgRow) -> sqlx::Result<Standby> {
    Ok(Standby {
        name: row.try_get("name")?,
        address: row.try_get("address")?,
        state: row.try_get("state")?,
        sync: row.try_get("sync_state")?,
        send_lag_bytes: row.try_get("send_lag")?,
        flush_lag_bytes: row.try_get("flush_lag")?,
        replay_lag_bytes: row.try_get("replay_lag")?,
        replay_lag_ms: row.try_get("replay_ms")?,
    })
}

fn slot(row: &PgRow) -> sqlx::Result<ReplicationSlot> {
    let mut slot = ReplicationSlot {
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        is_active: row.try_get("active")?,
        retained_bytes: row.try_get("retained")?,
        wal_status: row.try_get("wal_status")?,
        safe_bytes: row.try_get("safe")?,
        inactive_since: moment(row, "inactive_since")?,
        invalidation: row.try_get("invalidation")?,
        advice: None,
    };
    slot.advice = advice(&slot, row.try_get("bound")?);
    Ok(slot)
}

/// What should be done about a slot. `bound` is max_slot_wal_keep_size.
fn advice(slot: &ReplicationSlot, bound: &str) -> Option<String> {
    let drop = format!("SELECT pg_drop_replication_slot({});", quote_literal(&slot.name));
    if slot.wal_status.as_deref() == Some("lost") || slot.invalidation.is_some() {
        return Some(format!("Its log is gone: whoever uses it must begin anew. {drop}"));
    }
    if matches!(slot.wal_status.as_deref(), Some("unreserved")) {
        return Some("Its log will be removed at the next checkpoint: its consumer must catch up now.".to_owned());
    }
    let retained = slot.retained_bytes.filter(|bytes| *bytes > RETAINED_MUCH)?;
    let kept = format::bytes(retained);
    let without =
        if bound == "-1" { ", without a bound (max_slot_wal_keep_size = -1): the disk may fill up" } else { "" };
    if slot.is_active {
        // Also a long transaction that is being decoded keeps log, whatever its consumer has confirmed.
        return Some(format!("It is read, and keeps {kept} of log{without}."));
    }
    Some(format!("Nobody reads it, and it keeps {kept} of log{without}. If nobody will: {drop}"))
}

fn receiver(row: &PgRow) -> sqlx::Result<Receiver> {
    Ok(Receiver {
        status: row.try_get("status")?,
        from: row.try_get("sender")?,
        replay_lag_bytes: row.try_get("lag")?,
        heard_at: moment(row, "heard")?,
        is_paused: row.try_get("paused")?,
        is_hidden: row.try_get("is_hidden")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_endanger_the_disk_or_are_lost_are_named() {
        let slot = ReplicationSlot {
            name: "it's".into(),
            kind: "physical".into(),
            is_active: false,
            retained_bytes: Some(5.0 * RETAINED_MUCH),
            wal_status: Some("reserved".into()),
            safe_bytes: None,
            inactive_since: None,
            invalidation: None,
            advice: None,
        };
        let words = advice(&slot, "-1").unwrap();
        assert!(words.contains("disk may fill up") && words.ends_with("pg_drop_replication_slot('it''s');"), "{words}");
        assert!(!advice(&slot, "10GB").unwrap().contains("disk"));
        let behind = advice(&ReplicationSlot { is_active: true, ..slot.clone() }, "-1").unwrap();
        assert!(behind.contains("It is read") && !behind.contains("drop"), "{behind}");
        assert_eq!(advice(&ReplicationSlot { retained_bytes: None, ..slot.clone() }, "-1"), None);
        assert_eq!(advice(&ReplicationSlot { retained_bytes: Some(1e6), ..slot.clone() }, "-1"), None);
        assert!(advice(&ReplicationSlot { wal_status: Some("lost".into()), ..slot }, "-1").unwrap().contains("gone"));
    }
}
