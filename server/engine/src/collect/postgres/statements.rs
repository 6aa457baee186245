//! `pg_stat_statements`: throughput and latency of all statements of the watched database, and each of them.
//!
//! Counters are read without texts: asking for any text makes the server load its whole text file. Texts are fetched for
//! statements not seen before, at most every [`TEXTS_EVERY`]. The console's own statements are told by their mark
//! ([`crate::sql::MARK`]) and figure nowhere but in the load that it puts on the target.

mod snapshot;

use super::{
    Findings, Server,
    server::{Extension, ExtensionVersion},
};
use crate::{
    collect::{STATEMENTS_RESET, StatementFigures, latency::Mixture, literals::redact},
    sql::MARK,
};
use headroom_model::{MetricId, Timestamp};
use snapshot::{Change, Key, Snapshot, Totals};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Most statements read at once. pg_stat_statements.max is 5,000 by default.
const MAX_ROWS: usize = 50_000;

/// Most statements handed on.
const MAX_FIGURES: usize = 200;

/// Longest text kept of a statement, in characters.
const TEXT_CHARS: usize = 2000;

/// Between two fetches of texts, after the first three.
const TEXTS_EVERY: Duration = Duration::from_secs(15);

/// How long it is said that the server had to forget statements.
const REMEMBER_EVICTION: Duration = Duration::from_secs(3600);

/// What is known of a statement besides its counters.
#[derive(Debug)]
struct Known {
    text: Arc<str>,
    own: bool,
}

#[derive(Debug, Default)]
pub(super) struct Statements {
    previous: Option<Arc<Snapshot>>,
    /// Start of the window that the figures of single statements cover, and its next start.
    window: Option<(Arc<Snapshot>, Arc<Snapshot>)>,
    known: HashMap<Key, Known>,
    text_fetches: u32,
    texts_at: Option<Instant>,
    evicted_at: Option<Instant>,
    reset_seen: Option<Timestamp>,
}

impl Statements {
    /// Reads the counters, sets the figures of the interval and returns the statements of the window: the last one to
    /// two `heavy_every`, shorter after the start and after a reset.
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        heavy_every: Duration,
        findings: &mut Findings,
    ) -> sqlx::Result<Vec<StatementFigures>> {
        let (Some(extension), true) = (&server.statements, server.statements_loaded) else {
            self.forget();
            let what = if server.statements_loaded { "not installed" } else { "not loaded by the server" };
            findings.limit(
                format!(
                    "Query figures need the extension pg_stat_statements, which is {what} (database \"{}\").",
                    server.database
                ),
                server.install_statements(),
            );
            return Ok(Vec::new());
        };
        let next = Arc::new(read_counters(connection, extension, server.database_oid).await?);
        if next.hidden > 0 {
            findings.limit(
                "Statements of other roles are hidden, so query figures are not measured.",
                server.grant_monitor(),
            );
        }
        self.learn(connection, extension, server.database_oid, &next).await?;
        let previous = self.previous.replace(Arc::clone(&next));
        findings.facts.statements_reset_at = next.reset_at.map(Timestamp).max(self.reset_seen);
        let Some(previous) = previous else {
            self.window = Some((Arc::clone(&next), next));
            return Ok(Vec::new());
        };
        match next.since(&previous) {
            Change::Reset { missing, of } => {
                self.reset_seen = Some(findings.at);
                findings.facts.statements_reset_at = next.reset_at.map(Timestamp).max(self.reset_seen);
                let detail = format!("{missing} of {of} statements start from zero.");
                findings.statistics_reset(STATEMENTS_RESET, Some(detail));
                self.window = Some((Arc::clone(&next), next));
                return Ok(Vec::new());
            }
            Change::Moved(deltas) => self.interval_figures(&previous, &next, &deltas, findings),
        }
        self.mention_evictions(&previous, &next, findings);
        Ok(self.window_figures(&next, heavy_every))
    }

    fn is_own(&self, key: &Key) -> bool {
        self.known.get(key).is_some_and(|known| known.own)
    }

    fn interval_figures(
        &self,
        previous: &Snapshot,
        next: &Snapshot,
        deltas: &HashMap<Key, Totals>,
        findings: &mut Findings,
    ) {
        let seconds = next.taken.duration_since(previous.taken).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let own_ms: f64 = deltas.iter().filter(|(key, _)| self.is_own(key)).map(|(_, delta)| delta.time_ms).sum();
        findings.set(MetricId::SelfTargetLoad, own_ms / seconds / 10.0);
        if next.hidden > 0 {
            return;
        }
        let others: Vec<&Totals> = deltas.iter().filter(|(key, _)| !self.is_own(key)).map(|(_, delta)| delta).collect();
        let calls: f64 = others.iter().map(|delta| delta.calls).sum();
        findings.set(MetricId::Queries, calls / seconds);
        if calls == 0.0 {
            return;
        }
        findings.set(MetricId::QueryLatencyMean, others.iter().map(|delta| delta.time_ms).sum::<f64>() / calls);
        findings.set(MetricId::SlowestStatementMean, others.iter().map(|delta| delta.mean_ms()).reduce(f64::max));
        let modes: Vec<_> = others.iter().map(|delta| delta.mode()).collect();
        if let Some(mixture) = Mixture::new(&modes) {
            findings.set(MetricId::QueryLatencyP50, mixture.quantile_ms(0.5));
            findings.set(MetricId::QueryLatencyP95, mixture.quantile_ms(0.95));
            findings.set(MetricId::QueryLatencyP99, mixture.quantile_ms(0.99));
        }
    }

    fn mention_evictions(&mut self, previous: &Snapshot, next: &Snapshot, findings: &mut Findings) {
        if next.evictions > previous.evictions {
            self.evicted_at = Some(next.taken);
        }
        if self.evicted_at.is_some_and(|at| next.taken.duration_since(at) < REMEMBER_EVICTION) {
            findings.limit(
                "pg_stat_statements has more statements than places and forgets the rarest, so query totals are \
                 incomplete.",
                "ALTER SYSTEM SET pg_stat_statements.max = 20000; -- then restart PostgreSQL",
            );
        }
    }

    fn window_figures(&mut self, next: &Arc<Snapshot>, heavy_every: Duration) -> Vec<StatementFigures> {
        let (start, following) = self.window.get_or_insert_with(|| (Arc::clone(next), Arc::clone(next)));
        if next.taken.duration_since(following.taken) >= heavy_every {
            *start = std::mem::replace(following, Arc::clone(next));
        }
        let Change::Moved(deltas) = next.since(start) else { return Vec::new() };
        if next.hidden > 0 {
            return Vec::new();
        }
        // One statement run by several roles is one statement to whoever reads the list.
        let mut by_id: HashMap<i64, (Totals, Option<Arc<str>>)> = HashMap::new();
        let mut all_ms = 0.0;
        for (key, delta) in &deltas {
            let known = self.known.get(key);
            if known.is_some_and(|known| known.own) {
                continue;
            }
            all_ms += delta.time_ms;
            let (sum, text) = by_id.entry(key.query_id).or_default();
            sum.add(delta);
            *text = text.take().or_else(|| known.map(|known| Arc::clone(&known.text)));
        }
        let mut figures: Vec<(i64, Totals, Arc<str>)> =
            by_id.into_iter().filter_map(|(id, (totals, text))| Some((id, totals, text?))).collect();
        figures.sort_by(|a, b| b.1.time_ms.total_cmp(&a.1.time_ms).then(a.0.cmp(&b.0)));
        figures.truncate(MAX_FIGURES);
        figures.into_iter().map(|(id, totals, text)| totals.figures(id, &text, all_ms)).collect()
    }

    /// Fetches the texts of statements not seen before and drops those that are gone.
    async fn learn(
        &mut self,
        connection: &mut PgConnection,
        extension: &Extension,
        database: i64,
        next: &Snapshot,
    ) -> sqlx::Result<()> {
        self.known.retain(|key, _| next.rows.contains_key(key));
        let unseen: Vec<i64> =
            next.rows.keys().filter(|key| !self.known.contains_key(key)).map(|key| key.query_id).collect();
        let due = self.text_fetches < 3 || self.texts_at.is_none_or(|at| at.elapsed() >= TEXTS_EVERY);
        if unseen.is_empty() || !due {
            return Ok(());
        }
        let statement = format!(
            "SELECT /* headroom */ userid::int8, queryid, left(query, 8192), position($3 IN query) > 0
             FROM {}.pg_stat_statements(true) WHERE dbid = $1::oid AND queryid = ANY($2)",
            extension.schema
        );
        let rows =
            sqlx::query(AssertSqlSafe(statement)).bind(database).bind(&unseen).bind(MARK).fetch_all(connection).await?;
        self.text_fetches = self.text_fetches.saturating_add(1);
        self.texts_at = Some(Instant::now());
        for row in rows {
            // Null when the server lost its text file: asked again later.
            let Some(text) = row.try_get::<Option<String>, _>(2)? else { continue };
            let key = Key { user: row.try_get(0)?, query_id: row.try_get(1)? };
            // Constants are $n already, except in utility statements (ALTER ROLE … PASSWORD).
            let known = Known { text: redact(&text, TEXT_CHARS).into(), own: row.try_get(3)? };
            self.known.insert(key, known);
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.previous = None;
        self.window = None;
    }
}

/// Reads the counters of the watched database, top-level statements only where the version tells them apart.
async fn read_counters(connection: &mut PgConnection, extension: &Extension, database: i64) -> sqlx::Result<Snapshot> {
    let (schema, version) = (&extension.schema, extension.version);
    let time = if version >= ExtensionVersion(1, 8) { "exec_time" } else { "time" };
    let top_level = if version >= ExtensionVersion(1, 9) { "AND toplevel" } else { "" };
    let statement = format!(
        "SELECT /* headroom */ userid::int8, queryid, calls::float8, total_{time}, mean_{time}, stddev_{time}, \
         rows::float8 FROM {schema}.pg_stat_statements(false) WHERE dbid = $1::oid {top_level} LIMIT {MAX_ROWS}"
    );
    let rows = sqlx::query(AssertSqlSafe(statement)).bind(database).fetch_all(&mut *connection).await?;
    let taken = Instant::now();
    let (reset_at, evictions) = if version >= ExtensionVersion(1, 9) {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT /* headroom */ floor(extract(epoch FROM stats_reset) * 1000)::int8, dealloc \
             FROM {schema}.pg_stat_statements_info()"
        )))
        .fetch_one(connection)
        .await?;
        (row.try_get(0)?, Some(row.try_get(1)?))
    } else {
        (None, None)
    };
    let mut snapshot = Snapshot {
        taken,
        reset_at,
        evictions,
        complete: rows.len() < MAX_ROWS,
        hidden: 0,
        rows: HashMap::with_capacity(rows.len()),
    };
    for row in rows {
        match row.try_get(1)? {
            Some(query_id) => {
                let key = Key { user: row.try_get(0)?, query_id };
                let totals = Totals::cumulative(
                    row.try_get(2)?,
                    row.try_get(3)?,
                    row.try_get(4)?,
                    row.try_get(5)?,
                    row.try_get(6)?,
                );
                snapshot.rows.insert(key, totals);
            }
            None => snapshot.hidden += 1,
        }
    }
    Ok(snapshot)
}
