//! Statements over a range, as pg_stat_statements counts them: the list, one statement's own history, and what is unusual.
//!
//! Counters come from the extension, summed over whole slots; percentiles are estimates and absent where they would mislead.
//! What a server does not count (I/O time without `track_io_timing`, planning without `track_planning`) is absent, never zero.

use crate::{Timestamp, range::Resolved, target::TargetId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Statements followed in one slot: those with most time, and beside them those with most calls.
pub const MAX_IN_SLOT: usize = 250;
/// Tags kept of a statement.
pub const MAX_TAGS: usize = 10;
/// Roles kept of a statement.
pub const MAX_ROLES: usize = 8;
/// Rows of a list at once at most.
pub const MAX_ROWS: u32 = 300;
/// Slots that series are cut into at most.
pub const MAX_SLOTS: usize = 1_000;
/// Patterns told at once.
pub const MAX_PATTERNS: usize = 10;

/// What a statement does, by its first keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum StatementKind {
    /// SELECT, WITH, TABLE, VALUES.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// Anything else: COPY, VACUUM, BEGIN, …
    Utility,
}

impl StatementKind {
    /// Every kind.
    pub const ALL: [StatementKind; 6] = [
        StatementKind::Select,
        StatementKind::Insert,
        StatementKind::Update,
        StatementKind::Delete,
        StatementKind::Merge,
        StatementKind::Utility,
    ];

    /// By the first keyword of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        let verb: String = start.chars().take_while(char::is_ascii_alphabetic).take(10).collect();
        match verb.to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" | "TABLE" | "VALUES" => StatementKind::Select,
            "INSERT" => StatementKind::Insert,
            "UPDATE" => StatementKind::Update,
            "DELETE" => StatementKind::Delete,
            "MERGE" => StatementKind::Merge,
            _ => StatementKind::Utility,
        }
    }

    /// The name in URLs and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StatementKind::Select => "select",
            StatementKind::Insert => "insert",
            StatementKind::Update => "update",
            StatementKind::Delete => "delete",
            StatementKind::Merge => "merge",
            StatementKind::Utility => "utility",
        }
    }
}

/// What a list of statements is sorted by; the most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum StatementSort {
    /// Execution time in all.
    #[default]
    Time,
    /// Calls.
    Calls,
    /// Mean execution time.
    Mean,
    /// Estimated 95th percentile.
    P95,
    /// Rows.
    Rows,
    /// Blocks read from outside the buffers.
    Reads,
    /// Share of blocks found in the buffers; the least first.
    HitRatio,
    /// Temporary blocks.
    Temp,
    /// Write-ahead log.
    Wal,
    /// Time spent reading and writing blocks.
    Io,
    /// Planning time.
    Plan,
    /// How much slower than usual.
    Slower,
    /// First seen, the newest first.
    FirstSeen,
}

impl StatementSort {
    /// Every order.
    pub const ALL: [StatementSort; 13] = [
        StatementSort::Time,
        StatementSort::Calls,
        StatementSort::Mean,
        StatementSort::P95,
        StatementSort::Rows,
        StatementSort::Reads,
        StatementSort::HitRatio,
        StatementSort::Temp,
        StatementSort::Wal,
        StatementSort::Io,
        StatementSort::Plan,
        StatementSort::Slower,
        StatementSort::FirstSeen,
    ];

    /// The name in URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StatementSort::Time => "time",
            StatementSort::Calls => "calls",
            StatementSort::Mean => "mean",
            StatementSort::P95 => "p95",
            StatementSort::Rows => "rows",
            StatementSort::Reads => "reads",
            StatementSort::HitRatio => "hitRatio",
            StatementSort::Temp => "temp",
            StatementSort::Wal => "wal",
            StatementSort::Io => "io",
            StatementSort::Plan => "plan",
            StatementSort::Slower => "slower",
            StatementSort::FirstSeen => "firstSeen",
        }
    }
}

macro_rules! named {
    ($type:ty, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                <$type>::ALL.into_iter().find(|one| one.as_str() == name).ok_or_else(|| {
                    let shown: String = name.chars().take(40).collect();
                    let allowed: Vec<&str> = <$type>::ALL.iter().map(|one| one.as_str()).collect();
                    format!(concat!("\"{}\" is not ", $what, "; allowed: {}"), shown, allowed.join(", "))
                })
            }
        }
    };
}

named!(StatementKind, "a kind of statement");
named!(StatementSort, "a column to sort by");

/// A tag from the comment that an application put into a statement (sqlcommenter, marginalia).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// `application`, `controller`, `action`, `route`, `framework`, `job`, `db_driver`.
    pub key: String,
    /// Its value, at most 100 characters.
    pub value: String,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.value)
    }
}

/// What one statement did over a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatementStats {
    /// Calls that ended.
    pub calls: u64,
    /// Calls a second of measured time; null where no time was measured.
    pub calls_per_second: Option<f64>,
    /// Execution time in all, in milliseconds.
    pub total_ms: f64,
    /// Share of the execution time of all statements, 0 to 1.
    pub time_share: f64,
    /// Mean execution time in milliseconds; null without a call.
    pub mean_ms: Option<f64>,
    /// Population standard deviation in milliseconds; null below two calls.
    pub deviation_ms: Option<f64>,
    /// Estimate of the time that 95 of 100 calls stay below; null where an estimate would mislead.
    pub p95_ms: Option<f64>,
    /// Estimate of the time that 99 of 100 calls stay below; null where an estimate would mislead.
    pub p99_ms: Option<f64>,
    /// Rows returned or changed.
    pub rows: u64,
    /// Shared blocks found in the buffers.
    pub shared_hit: Option<f64>,
    /// Shared blocks read from outside the buffers.
    pub shared_read: Option<f64>,
    /// Shared blocks made dirty.
    pub shared_dirtied: Option<f64>,
    /// Shared blocks written by the statement itself.
    pub shared_written: Option<f64>,
    /// Blocks of temporary tables, found, read and written.
    pub local_blocks: Option<f64>,
    /// Bytes read from temporary files (sorts, hashes).
    pub temp_read_bytes: Option<f64>,
    /// Bytes written to temporary files.
    pub temp_written_bytes: Option<f64>,
    /// Time spent reading and writing blocks, in milliseconds; null without `track_io_timing`.
    pub io_ms: Option<f64>,
    /// Write-ahead log in bytes.
    pub wal_bytes: Option<f64>,
    /// Planning time in milliseconds; null without `pg_stat_statements.track_planning`.
    pub plan_ms: Option<f64>,
    /// Time of just-in-time compilation in milliseconds; from extension version 1.10 on.
    pub jit_ms: Option<f64>,
    /// Calls from inside functions: their time also counts in that of their callers.
    pub nested_calls: u64,
}

impl StatementStats {
    /// Rows a call.
    #[must_use]
    pub fn rows_per_call(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.rows as f64 / self.calls as f64)
    }

    /// Share of shared blocks found in the buffers, in percent; none for fewer than a thousand blocks.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        const LEAST_BLOCKS: f64 = 1_000.0;
        let (hit, read) = (self.shared_hit?, self.shared_read?);
        (hit + read >= LEAST_BLOCKS).then(|| 100.0 * hit / (hit + read))
    }

    /// Share of the execution time spent reading and writing blocks, in percent.
    #[must_use]
    pub fn io_share(&self) -> Option<f64> {
        let io = self.io_ms?;
        (self.total_ms > 0.0).then(|| (100.0 * io / self.total_ms).min(100.0))
    }

    /// Bytes of temporary files, read and written.
    #[must_use]
    pub fn temp_bytes(&self) -> Option<f64> {
        Some(self.temp_read_bytes? + self.temp_written_bytes?)
    }
}

/// How sure it is that something is not chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Sureness {
    /// Four deviations or more beyond what is usual.
    Likely,
    /// Eight or more.
    Sure,
}

/// What a usual time rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", tag = "kind", content = "count")]
pub enum Basis {
    /// The same hour of this many earlier weeks.
    Weeks(u8),
    /// This many hours of the week before.
    Hours(u8),
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Basis::Weeks(weeks) => write!(f, "the same hour of {weeks} earlier weeks"),
            Basis::Hours(hours) => write!(f, "{hours} hours of the week before"),
        }
    }
}

/// A statement that takes longer than it used to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Regression {
    /// Mean execution time of late, in milliseconds.
    pub mean_ms: f64,
    /// What is usual, in milliseconds.
    pub usual_ms: f64,
    /// What that rests on.
    pub basis: Basis,
    /// How sure.
    pub sureness: Sureness,
    /// Since when it has been slower, as far as slots tell; null where only the newest one is known.
    pub since: Option<Timestamp>,
}

impl Regression {
    /// How many times slower.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.mean_ms / self.usual_ms.max(f64::MIN_POSITIVE)
    }
}

/// Rows of one statement that another one fetches something for, one by one: the N+1 pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RowByRow {
    /// The statement whose rows are walked through.
    pub list_id: String,
    /// Its text, shortened.
    pub list_text: String,
    /// The statement that is called for each of them.
    pub lookup_id: String,
    /// Its text, shortened.
    pub lookup_text: String,
    /// Minutes in which calls and rows agreed.
    pub minutes: u32,
    /// Minutes that were looked at.
    pub of: u32,
    /// Lookups for one call of the list.
    pub per_call: f64,
    /// Lookups in those minutes.
    pub calls: u64,
    /// Their execution time, in milliseconds; what the round trips took comes on top.
    pub total_ms: f64,
}

impl RowByRow {
    /// What helps.
    pub const REMEDY: &'static str = "Fetch them at once: join the two, or ask with WHERE … = ANY($1) for all keys of the \
         list. In an object-relational mapper that is eager loading (includes, joinedload, prefetch_related, JOIN FETCH).";
}

/// One statement of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatementRow {
    /// pg_stat_statements key, as text: it does not fit a JavaScript number.
    pub query_id: String,
    /// Text without literals, at most 300 characters in a list, 2,000 on its own page; null while the server has not told it.
    pub text: Option<String>,
    /// What it does.
    pub kind: StatementKind,
    /// Tags of the first call that the server kept.
    pub tags: Vec<Tag>,
    /// Roles that ran it, at most eight.
    pub roles: Vec<String>,
    /// Its figures in the range.
    pub stats: StatementStats,
    /// Mean execution time in milliseconds, about 30 points over the range; null where it was not called.
    pub trend: Vec<Option<f64>>,
    /// When the console saw it first; null where it has not been written down yet.
    pub first_at: Option<Timestamp>,
    /// Whether it is slower than usual.
    pub regression: Option<Regression>,
}

/// A value to filter by, and how many statements have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Facet {
    /// The value (`controller:orders`, a role).
    pub value: String,
    /// Statements that have it.
    pub statements: u32,
}

/// Why there is nothing to show, and what changes that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatementsAbsence {
    /// Why, in one or two sentences.
    pub reason: String,
    /// The exact fix, where there is one.
    pub remedy: Option<String>,
}

/// Which statements a list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatementFilter {
    /// Words that the statement, its tags or its query id hold, all of them, in any case.
    pub text: String,
    /// A tag, `key:value`.
    pub tag: String,
    /// A role that ran it.
    pub role: String,
    /// What it does.
    pub kind: Option<StatementKind>,
    /// Only those whose mean is at least so many milliseconds.
    pub mean_ms_min: Option<u64>,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatementAsk {
    /// Which statements.
    pub filter: StatementFilter,
    /// In which order.
    pub sort: StatementSort,
    /// Whether the order is turned round.
    pub reversed: bool,
    /// Page, from 1.
    pub page: u32,
    /// Rows a page, at most [`MAX_ROWS`].
    pub limit: u32,
}

/// Statements of a target over a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatementList {
    /// Whose.
    pub target: TargetId,
    /// What the figures cover: the range, widened to whole slots.
    pub range: Resolved,
    /// Width of those slots.
    pub step_ms: i64,
    /// How much of the range was measured.
    pub measured_ms: i64,
    /// Calls of all statements, also of those that no list holds.
    pub calls: u64,
    /// Execution time of all statements, in milliseconds.
    pub total_ms: f64,
    /// Statements that pass the filter.
    pub found: u64,
    /// Statements known in the range.
    pub known: u64,
    /// A page of those that pass.
    pub rows: Vec<StatementRow>,
    /// Tags of all known statements, most frequent first, at most 50.
    pub tags: Vec<Facet>,
    /// Roles of all known statements, most frequent first, at most 50.
    pub roles: Vec<Facet>,
    /// Rows fetched one by one, now.
    pub patterns: Vec<RowByRow>,
    /// When the history of statements begins; null while there is none.
    pub starts_at: Option<Timestamp>,
    /// Why there is nothing, where there is nothing.
    pub absence: Option<StatementsAbsence>,
    /// What makes the figures incomplete.
    pub notes: Vec<StatementsAbsence>,
}

/// One statement's figures on a grid; null where it was not called or not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatementSeries {
    /// Start of the first slot.
    pub from: Timestamp,
    /// Width of a slot.
    pub step_ms: i64,
    /// Calls a second; 0 where other statements were measured and this one was not called.
    pub calls_per_second: Vec<Option<f64>>,
    /// Mean execution time in milliseconds.
    pub mean_ms: Vec<Option<f64>>,
    /// Estimated 95th percentile in milliseconds.
    pub p95_ms: Vec<Option<f64>>,
    /// Estimated 99th percentile in milliseconds.
    pub p99_ms: Vec<Option<f64>>,
    /// Rows a call.
    pub rows_per_call: Vec<Option<f64>>,
    /// Share of all execution time, in percent.
    pub time_share: Vec<Option<f64>>,
    /// Shared blocks found in the buffers, a call.
    pub hits_per_call: Vec<Option<f64>>,
    /// Shared blocks read from outside the buffers, a call.
    pub reads_per_call: Vec<Option<f64>>,
    /// Time spent reading and writing blocks, in milliseconds a call.
    pub io_ms_per_call: Vec<Option<f64>>,
    /// Temporary files in bytes a call, read and written.
    pub temp_bytes_per_call: Vec<Option<f64>>,
    /// Write-ahead log in bytes a call.
    pub wal_bytes_per_call: Vec<Option<f64>>,
    /// Usual mean of the same hours of earlier weeks, in milliseconds.
    pub usual_ms: Vec<Option<f64>>,
}

/// One statement over a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct StatementDetail {
    /// Whose.
    pub target: TargetId,
    /// What the figures cover: the range, widened to whole slots.
    pub range: Resolved,
    /// The statement and its figures in the range.
    pub statement: StatementRow,
    /// When it was last seen, to the hour; null where it has not been written down yet.
    pub last_at: Option<Timestamp>,
    /// Its figures on a grid.
    pub series: StatementSeries,
    /// Why there is no estimate of percentiles, where there is none.
    pub no_estimate: Option<String>,
    /// What its time is compared with; null where too little is known.
    pub basis: Option<Basis>,
    /// Minutes of the range in which it took most time and whose records name it, most first; at most five.
    pub minutes: Vec<Timestamp>,
    /// Patterns that it is part of, now.
    pub patterns: Vec<RowByRow>,
    /// When the history of statements begins.
    pub starts_at: Option<Timestamp>,
    /// Why there are no figures in the range, where there are none.
    pub absence: Option<StatementsAbsence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_by_its_first_keyword() {
        for (text, kind) in [
            ("SELECT 1", StatementKind::Select),
            (" ( select a from b) union all (select 1)", StatementKind::Select),
            ("with x as (select 1) select * from x", StatementKind::Select),
            ("INSERT INTO a VALUES ($1)", StatementKind::Insert),
            ("update a set b = $1", StatementKind::Update),
            ("VACUUM", StatementKind::Utility),
            ("", StatementKind::Utility),
        ] {
            assert_eq!(StatementKind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for sort in StatementSort::ALL {
            assert_eq!(sort.to_string().parse(), Ok(sort));
        }
        for kind in StatementKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("fast".parse::<StatementSort>().unwrap_err().contains("allowed: time, calls"));
    }

    #[test]
    fn ratios_of_too_little_are_unknown() {
        let stats = |hit, read| StatementStats { shared_hit: hit, shared_read: read, ..StatementStats::default() };
        assert_eq!(stats(Some(900.0), Some(99.0)).hit_ratio(), None);
        assert_eq!(stats(Some(900.0), Some(100.0)).hit_ratio(), Some(90.0));
        assert_eq!(stats(None, Some(5_000.0)).hit_ratio(), None);
        assert_eq!((stats(None, None).io_share(), stats(None, None).rows_per_call()), (None, None));
    }
}
