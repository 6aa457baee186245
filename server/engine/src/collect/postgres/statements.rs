//! `pg_stat_statements`: throughput and latency of all statements of the watched database, and each of them.
//!
//! Counters are read without texts: asking for any text makes the server load its whole text file. Statements not seen
//! before are told apart into the console's own, which bear its mark ([`crate::sql::MARK`]) and figure nowhere but in the
//! load that it puts on the target, and all others; of those, texts are kept of what may be shown. Both are asked for at
//! most every [`TEXTS_EVERY`], and a server that takes too long to answer costs names, never figures.
//!
//! Calls, times and rows are read every time; all other counters as well where there are few statements, else with the heavy
//! part ([`detail`]).

mod detail;
mod snapshot;

use super::{
    ANSWER_SLACK, Findings, MAX_DOUBLINGS, Server,
    server::{Extension, ExtensionVersion},
};
use crate::{
    collect::{
        CollectSettings, Counters, STATEMENTS_RESET, Spending, StatementFigures, Workload, literals::redact, tags,
    },
    latency::Mixture,
    sql::MARK,
};
use headroom_model::{MetricId, Timestamp, statements::Tag};
use snapshot::{Change, Key, Snapshot, Totals};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Most statements read at once. pg_stat_statements.max is 5,000 by default.
const MAX_ROWS: usize = 50_000;

/// Most statements handed on.
const MAX_FIGURES: usize = 200;

/// Statements whose text is asked for: what is shown and what may be next.
const MAX_WANTED: usize = 2 * MAX_FIGURES;

/// Texts kept. About 4 MB at most where texts are long.
const MAX_TEXTS: usize = 2000;

/// Longest text kept of a statement, in characters.
const TEXT_CHARS: usize = 2000;

/// Between two fetches of texts, after the first three. Failures double it, [`MAX_DOUBLINGS`] times at most.
const TEXTS_EVERY: Duration = Duration::from_secs(15);

/// How long the server may take for texts.
const TEXTS_TIMEOUT: Duration = Duration::from_secs(1);

/// With less time than this left, texts wait for the next collection.
const TEXTS_LEAST: Duration = Duration::from_millis(200);

/// How long it is said that the server had to forget statements.
const REMEMBER_EVICTION: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Statements {
    previous: Option<Arc<Snapshot>>,
    /// Start of the window that the figures of single statements cover, and its next start.
    window: Option<(Arc<Snapshot>, Arc<Snapshot>)>,
    /// Whether a statement is the console's own.
    own: HashMap<Key, bool>,
    /// By query id: one statement run by several roles has one text.
    texts: HashMap<i64, Text>,
    detail: detail::Detail,
    text_fetches: u32,
    text_failures: u32,
    texts_at: Option<Instant>,
    evicted_at: Option<Instant>,
    reset_seen: Option<Timestamp>,
}

/// What is known of a statement's text.
#[derive(Clone, Debug)]
struct Text {
    /// Without literals.
    text: Arc<str>,
    tags: Arc<[Tag]>,
}

impl Statements {
    /// Reads the counters, sets the figures of the interval and returns the statements of the window: the last one to
    /// two `heavy_every`, shorter after the start and after a reset. Ends by `end` where the server keeps its limits.
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        settings: &CollectSettings,
        end: Instant,
        findings: &mut Findings,
    ) -> sqlx::Result<Vec<StatementFigures>> {
        let (Some(extension), Some(places)) = (&server.statements, server.statements_max) else {
            self.forget();
            findings.spending = Err("The extension pg_stat_statements is not there.".to_owned());
            let what = if server.statements_max.is_some() { "not installed" } else { "not loaded by the server" };
            findings.limit(
                format!(
                    "Query figures need the extension pg_stat_statements, which is {what} (database \"{}\").",
                    server.database
                ),
                server.install_statements(),
            );
            return Ok(Vec::new());
        };
        if server.statements_track.as_deref() == Some("none") {
            findings.limit(
                "pg_stat_statements.track is \"none\", so the server counts no statements.",
                "ALTER SYSTEM SET pg_stat_statements.track = 'top'; SELECT pg_reload_conf();",
            );
        }
        let counters = self.detail.is_due(settings.heavy_every).then(|| detail::columns(server, extension.version));
        let next = Arc::new(read_counters(connection, extension, server.database_oid, counters.as_deref()).await?);
        if next.hidden > 0 {
            findings.limit(
                "Statements of other roles are hidden, so query figures are not measured.",
                server.grant_monitor(),
            );
        }
        let previous = self.previous.replace(Arc::clone(&next));
        let change = previous.as_ref().map(|previous| next.since(previous));
        if let Some(Change::Reset { missing, of }) = change {
            self.reset_seen = Some(findings.at);
            let detail = format!("{missing} of {of} statements start from zero.");
            findings.statistics_reset(STATEMENTS_RESET, Some(detail));
        }
        findings.facts.statements_reset_at = next.reset_at.map(Timestamp).max(self.reset_seen);
        // While anything is hidden, totals are not known; a window begins with the first reading that shows all.
        let is_whole = next.hidden == 0 && previous.as_ref().is_some_and(|previous| previous.hidden == 0);
        let window = match change {
            Some(Change::Moved(_)) if is_whole => self.window_deltas(&next, settings.heavy_every),
            _ => {
                self.window = Some((Arc::clone(&next), Arc::clone(&next)));
                HashMap::new()
            }
        };
        self.learn(connection, server, extension, settings, end, (&next, &window), findings).await?;
        findings.spending = match (&previous, &change) {
            _ if next.hidden > 0 => Err("Statements of other roles are hidden.".to_owned()),
            (Some(previous), Some(Change::Moved(deltas))) if is_whole => Ok(self.spending(previous, &next, deltas)),
            (Some(_), Some(Change::Reset { .. })) => Err("Statement statistics were reset in between.".to_owned()),
            _ => Err("It was the first reading, with nothing to compare.".to_owned()),
        };
        match &change {
            Some(Change::Moved(_)) if is_whole => {
                let spent = self.detail.advance(&next);
                if let Some(spent) = spent {
                    self.detail.learn_roles(connection, &spent.deltas).await?;
                    let learned = self.detail.take_learned();
                    findings.workload = Some(Workload { learned, ..self.workload(&next, &spent) });
                }
            }
            _ => self.detail.restart(&next),
        }
        if let (Some(previous), Some(Change::Moved(deltas))) = (previous, change) {
            self.interval_figures(&previous, &next, &deltas, findings);
            self.mention_evictions(&previous, &next, places, findings);
        }
        Ok(self.figures(&window))
    }

    fn is_own(&self, key: &Key) -> bool {
        self.own.get(key).copied().unwrap_or(false)
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
        if previous.hidden > 0 || next.hidden > 0 {
            return;
        }
        // What ran inside functions counts in their callers.
        let is_wanted = |key: &Key| !key.nested && !self.is_own(key);
        let others: Vec<&Totals> = deltas.iter().filter(|(key, _)| is_wanted(key)).map(|(_, delta)| delta).collect();
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

    fn mention_evictions(&mut self, previous: &Snapshot, next: &Snapshot, places: i64, findings: &mut Findings) {
        let evictions = |snapshot: &Snapshot| snapshot.evictions.map(|(_, after)| after);
        if evictions(next) > evictions(previous) {
            self.evicted_at = Some(next.taken);
        }
        if self.evicted_at.is_some_and(|at| next.taken.duration_since(at) < REMEMBER_EVICTION) {
            findings.limit(
                "pg_stat_statements has more statements than places and forgets the rarest, so query totals are \
                 incomplete.",
                format!(
                    "ALTER SYSTEM SET pg_stat_statements.max = {}; -- then restart PostgreSQL",
                    places.saturating_mul(2)
                ),
            );
        }
    }

    /// What was added in the window.
    fn window_deltas(&mut self, next: &Arc<Snapshot>, heavy_every: Duration) -> HashMap<Key, Totals> {
        let (start, following) = self.window.get_or_insert_with(|| (Arc::clone(next), Arc::clone(next)));
        if next.taken.duration_since(following.taken) >= heavy_every {
            *start = std::mem::replace(following, Arc::clone(next));
        }
        match next.since(start) {
            Change::Moved(deltas) => deltas,
            Change::Reset { .. } => HashMap::new(),
        }
    }

    /// The statements of others, most time first, and the time of all of them. One statement run by several roles is one
    /// statement to whoever reads the list.
    fn by_time(&self, window: &HashMap<Key, Totals>, of: Of) -> (Vec<(i64, Totals)>, f64) {
        let mut by_id: HashMap<i64, Totals> = HashMap::new();
        let is_wanted = |key: &Key| !self.is_own(key) && (of == Of::All || !key.nested);
        for (key, delta) in window.iter().filter(|(key, _)| is_wanted(key)) {
            by_id.entry(key.query_id).or_default().add(delta);
        }
        let all_ms = by_id.values().map(|totals| totals.time_ms).sum();
        let mut sorted: Vec<(i64, Totals)> = by_id.into_iter().collect();
        sorted.sort_by(|a, b| b.1.time_ms.total_cmp(&a.1.time_ms).then(a.0.cmp(&b.0)));
        (sorted, all_ms)
    }

    fn figures(&self, window: &HashMap<Key, Totals>) -> Vec<StatementFigures> {
        let (sorted, all_ms) = self.by_time(window, Of::Clients);
        let named = sorted.iter().filter_map(|(id, totals)| Some((*id, totals, &self.texts.get(id)?.text)));
        named.take(MAX_FIGURES).map(|(id, totals, text)| totals.figures(id, text, all_ms)).collect()
    }

    /// What others spent between two readings.
    fn spending(&self, previous: &Snapshot, next: &Snapshot, deltas: &HashMap<Key, Totals>) -> Spending {
        let (sorted, time_ms) = self.by_time(deltas, Of::Clients);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "differences of counters, ≥ 0")]
        let calls = sorted.iter().map(|(_, totals)| totals.calls).sum::<f64>() as u64;
        let top = sorted.iter().take(MAX_FIGURES);
        Spending {
            interval: next.taken.duration_since(previous.taken),
            statements: top
                .map(|(id, totals)| totals.spend(*id, self.texts.get(id).map(|known| known.text.clone())))
                .collect(),
            calls,
            time_ms,
        }
    }

    /// Tells new statements apart, fetches the texts of those that may be shown, and drops what is gone. Sets a limit of
    /// its own on the server, so that a text file that takes too long to load leaves the connection usable.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a reading has at hand; a struct of it would serve this call alone"
    )]
    async fn learn(
        &mut self,
        connection: &mut PgConnection,
        server: &Server,
        extension: &Extension,
        settings: &CollectSettings,
        end: Instant,
        (next, window): (&Snapshot, &HashMap<Key, Totals>),
        findings: &mut Findings,
    ) -> sqlx::Result<()> {
        self.own.retain(|key, _| next.rows.contains_key(key));
        let unseen: Vec<i64> =
            next.rows.keys().filter(|key| !self.own.contains_key(key)).map(|key| key.query_id).collect();
        let ranked: Vec<i64> = self.by_time(window, Of::All).0.into_iter().map(|(id, _)| id).take(MAX_WANTED).collect();
        let wanted: Vec<i64> = ranked.iter().filter(|id| !self.texts.contains_key(id)).copied().collect();
        let pause = TEXTS_EVERY * 2_u32.pow(self.text_failures.min(MAX_DOUBLINGS));
        let due =
            (self.text_fetches < 3 && self.text_failures == 0) || self.texts_at.is_none_or(|at| at.elapsed() >= pause);
        let limit = end.saturating_duration_since(Instant::now()).saturating_sub(ANSWER_SLACK).min(TEXTS_TIMEOUT);
        if !unseen.is_empty() || !wanted.is_empty() {
            if due && limit >= TEXTS_LEAST {
                // Noted first: a server that is slow at this is not asked again at once.
                self.texts_at = Some(Instant::now());
                self.text_fetches = self.text_fetches.saturating_add(1);
                limit_statements(connection, limit).await?;
                let fetched = fetch_texts(connection, extension, server.database_oid, &unseen, &wanted).await;
                if matches!(&fetched, Err(error) if !is_refusal(error)) {
                    return fetched.map(drop);
                }
                limit_statements(connection, settings.statement_timeout).await?;
                self.text_failures = if fetched.is_ok() { 0 } else { self.text_failures.saturating_add(1) };
                self.remember(fetched.unwrap_or_default(), &ranked);
            }
            if self.text_failures > 0 {
                findings.limit(
                    "The server takes too long for the texts of statements, so new statements are left out of the list.",
                    "Lower pg_stat_statements.max: its text file then gets smaller.",
                );
            }
        }
        Ok(())
    }

    fn remember(&mut self, fetched: Vec<Fetched>, ranked: &[i64]) {
        for Fetched { key, own, text } in fetched {
            // Unknown when the server lost its text file: asked again later.
            if let Some(own) = own {
                self.own.insert(key, own);
            }
            if let Some(text) = text {
                // Constants are $n already, except in utility statements (ALTER ROLE … PASSWORD).
                let known = Text { text: redact(&text, TEXT_CHARS).into(), tags: tags::read(&text).into() };
                self.detail.learned(key.query_id, &known);
                self.texts.insert(key.query_id, known);
            }
        }
        if self.texts.len() > MAX_TEXTS {
            self.texts.retain(|id, _| ranked.contains(id));
        }
    }

    pub(super) fn forget(&mut self) {
        self.previous = None;
        self.window = None;
        self.detail.forget();
    }
}

/// Whose calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Clients alone.
    Clients,
    /// Also those from inside functions.
    All,
}

/// What the server says of a statement.
struct Fetched {
    key: Key,
    own: Option<bool>,
    text: Option<String>,
}

/// Whose the `unseen` statements are, and the texts of the `wanted` ones.
async fn fetch_texts(
    connection: &mut PgConnection,
    extension: &Extension,
    database: i64,
    unseen: &[i64],
    wanted: &[i64],
) -> sqlx::Result<Vec<Fetched>> {
    let nested = nested(extension.version);
    let statement = format!(
        "SELECT /* headroom */ userid::int8, queryid, position($4 IN query) > 0,
            CASE WHEN queryid = ANY($3) THEN left(query, 8192) END, {nested}
         FROM {}.pg_stat_statements(true) WHERE dbid = $1::oid AND (queryid = ANY($2) OR queryid = ANY($3))",
        extension.schema
    );
    let query = sqlx::query(AssertSqlSafe(statement)).bind(database).bind(unseen).bind(wanted).bind(MARK);
    let read = |row: PgRow| {
        let key = Key { user: row.try_get(0)?, query_id: row.try_get(1)?, nested: row.try_get(4)? };
        Ok(Fetched { key, own: row.try_get(2)?, text: row.try_get(3)? })
    };
    query.fetch_all(connection).await?.into_iter().map(read).collect()
}

/// Whether the server answered, with an error, and goes on.
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| !code.starts_with("57P"))
}

async fn limit_statements(connection: &mut PgConnection, limit: Duration) -> sqlx::Result<()> {
    let set = sqlx::query("SELECT /* headroom */ set_config('statement_timeout', $1, false)");
    set.bind(limit.as_millis().to_string()).execute(connection).await.map(drop)
}

/// When everything was last reset, and how often statements were forgotten.
async fn read_info(connection: &mut PgConnection, extension: &Extension) -> sqlx::Result<(Option<i64>, i64)> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT /* headroom */ floor(extract(epoch FROM stats_reset) * 1000)::int8, dealloc \
         FROM {}.pg_stat_statements_info()",
        extension.schema
    )))
    .fetch_one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// The expression that tells calls from inside functions.
fn nested(version: ExtensionVersion) -> &'static str {
    if version >= ExtensionVersion(1, 9) { "NOT toplevel" } else { "false" }
}

/// Reads the counters of the watched database; `counters` are the columns beyond calls, times and rows.
async fn read_counters(
    connection: &mut PgConnection,
    extension: &Extension,
    database: i64,
    counters: Option<&str>,
) -> sqlx::Result<Snapshot> {
    let (schema, version) = (&extension.schema, extension.version);
    let time = if version >= ExtensionVersion(1, 8) { "exec_time" } else { "time" };
    let since = if version >= ExtensionVersion(1, 11) { "stats_since" } else { "NULL::timestamptz" };
    let nested = nested(version);
    let (has_counters, counters) = (counters.is_some(), counters.unwrap_or("NULL::float8[]"));
    let statement = format!(
        "SELECT /* headroom */ userid::int8, queryid, calls::float8, total_{time}, mean_{time}, stddev_{time}, \
         rows::float8, {nested}, {since}, {counters} \
         FROM {schema}.pg_stat_statements(false) WHERE dbid = $1::oid LIMIT {MAX_ROWS}"
    );
    let has_info = version >= ExtensionVersion(1, 9);
    let mut before = if has_info { Some(read_info(connection, extension).await?) } else { None };
    let (rows, taken, after) = loop {
        let rows = sqlx::query(AssertSqlSafe(statement.clone())).bind(database).fetch_all(&mut *connection).await?;
        let taken = Instant::now();
        let Some((reset_at, _)) = before else { break (rows, taken, None) };
        let after = read_info(connection, extension).await?;
        if after.0 == reset_at {
            break (rows, taken, Some(after));
        }
        // Reset in between: whether the rows are from before or after it is not known. Resets are rare.
        before = Some(after);
    };
    let mut snapshot = Snapshot {
        taken,
        reset_at: after.and_then(|(reset_at, _)| reset_at),
        evictions: before.zip(after).map(|((_, before), (_, after))| (before, after)),
        complete: rows.len() < MAX_ROWS,
        hidden: 0,
        rows: HashMap::with_capacity(rows.len()),
        since: HashMap::new(),
        counters: has_counters.then(|| HashMap::with_capacity(rows.len())),
    };
    for row in rows {
        match row.try_get(1)? {
            Some(query_id) => {
                let key = Key { user: row.try_get(0)?, query_id, nested: row.try_get(7)? };
                let totals = Totals::cumulative(
                    row.try_get(2)?,
                    row.try_get(3)?,
                    row.try_get(4)?,
                    row.try_get(5)?,
                    row.try_get(6)?,
                );
                snapshot.rows.insert(key, totals);
                // Microseconds since 2000, as the server sends them: all that is asked is whether it is another moment.
                if let Some(since) = row.try_get_unchecked(8)? {
                    snapshot.since.insert(key, since);
                }
                if let Some(counters) = &mut snapshot.counters {
                    let values: Vec<Option<f64>> = row.try_get(9)?;
                    counters.insert(key, Counters::new(values));
                }
            }
            None => snapshot.hidden += 1,
        }
    }
    Ok(snapshot)
}
