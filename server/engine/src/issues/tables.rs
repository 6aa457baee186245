//! Tables that wait for vacuum, and large tables that are read from end to end.

use super::{MAX_OF_A_SORT, one_line, statements, table_name};
use crate::{
    collect::{Observation, TableFigures},
    links::optimize,
};
use headroom_model::{
    format,
    metric::Unit,
    observation::{Issue, IssueKind, Remedy},
};

/// Fewer dead rows are not worth a vacuum by hand.
const DEAD_ROWS: i64 = 10_000;
/// A smaller table is read from end to end for good reason.
const LARGE_ROWS: i64 = 100_000;
/// A sequential scan that reads fewer rows has stopped early (a LIMIT) and does little harm.
const ROWS_PER_SCAN: u64 = 50_000;

/// Suggestions about tables, most rows first.
pub(super) fn draw(observation: &Observation) -> Vec<Issue> {
    let tables = &observation.tables;
    let mut overdue: Vec<&TableFigures> =
        tables.iter().filter(|t| t.dead_rows >= DEAD_ROWS && t.dead_rows as f64 > t.vacuum_threshold).collect();
    overdue.sort_by_key(|table| std::cmp::Reverse(table.dead_rows));
    let mut scanned: Vec<&TableFigures> = tables
        .iter()
        .filter(|t| t.live_rows >= LARGE_ROWS && t.seq_rows.checked_div(t.seq_scans).unwrap_or(0) >= ROWS_PER_SCAN)
        .collect();
    scanned.sort_by_key(|table| std::cmp::Reverse(table.seq_rows));
    let scanned = scanned.into_iter().take(MAX_OF_A_SORT).map(|table| sequential_scans(table, observation));
    scanned.chain(overdue.into_iter().take(MAX_OF_A_SORT).map(|table| vacuum(table, observation))).collect()
}

fn count(rows: i64) -> String {
    format::count(u64::try_from(rows).unwrap_or(0))
}

fn vacuum(table: &TableFigures, observation: &Observation) -> Issue {
    let TableFigures { schema, name, live_rows, dead_rows, vacuum_threshold, vacuumed_at, .. } = table;
    let share = 100.0 * *dead_rows as f64 / (live_rows + dead_rows).max(1) as f64;
    let (now, target) = (observation.sample.at, &observation.sample.target);
    let last = vacuumed_at.map_or_else(
        || "not vacuumed since its statistics began".to_owned(),
        |at| format!("last vacuumed {}", format::moment(at, now)),
    );
    Issue {
        id: format!("vacuum:{schema}.{name}"),
        kind: IssueKind::Suggested,
        band: None,
        title: format!("Vacuum {} now", table_name(schema, name)),
        detail: format!(
            "{} dead rows ({}), autovacuum starts at {}; {last}",
            count(*dead_rows),
            format::value(share, Unit::Percent),
            format::number(*vacuum_threshold),
        ),
        remedy: Some(Remedy::Open(optimize(target, &format!("{schema}.{name}")))),
        gain: Some(format!("estimate: makes the room of {} dead rows usable again, no blocking", count(*dead_rows))),
    }
}

fn sequential_scans(table: &TableFigures, observation: &Observation) -> Issue {
    let TableFigures { schema, name, seq_scans, seq_rows, index_scans, .. } = table;
    // Which statement scans is not recorded. Only the costliest one that names the table is offered, as a likelihood.
    let likely = observation
        .statements
        .iter()
        .filter(|statement| names(&statement.text, name))
        .max_by(|a, b| a.time_share.total_cmp(&b.time_share));
    let mut detail = format!(
        "{} sequential scans read {} rows each, against {} index scans in the last interval",
        format::count(*seq_scans),
        format::count(seq_rows.checked_div(*seq_scans).unwrap_or(0)),
        format::count(*index_scans),
    );
    if let Some(statement) = likely {
        detail.push_str(&format!("; likely by {}", one_line(&statement.text)));
    }
    Issue {
        id: format!("sequential-scans:{schema}.{name}"),
        kind: IssueKind::Suggested,
        band: None,
        title: format!("{} is read from end to end", table_name(schema, name)),
        detail,
        remedy: Some(likely.map_or_else(
            || statements::open_all(&observation.sample.target),
            |statement| statements::open(&observation.sample.target, statement.query_id),
        )),
        gain: None,
    }
}

/// Whether a statement holds a table's name as a whole word.
fn names(text: &str, table: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word.eq_ignore_ascii_case(table))
}
