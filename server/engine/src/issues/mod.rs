//! Issues and recommendations drawn from an observation: each names its object and figures, and the one remedy that
//! helps.
//!
//! What is wrong now comes from sessions and from the health score's deductions, so that settings decide what is wrong in
//! one place; suggestions come from statements, tables, datasets and what could not be read.

pub(crate) mod blocking;
mod cache;
mod figures;
mod indexes;
mod limitations;
mod sessions;
mod statements;
mod tables;

use crate::{collect::Observation, health::SessionLimits, statements::SlowerStatement};
use headroom_model::{
    Band,
    advice::IndexAdvice,
    health::Health,
    observation::{Issue, IssueKind},
    statements::RowByRow,
};

/// The most issues one answer carries.
pub const MAX_ISSUES: usize = 20;

/// How many issues of one sort are worth reading; the rest are of the same cause.
const MAX_OF_A_SORT: usize = 5;

/// What is known beside an observation: from forecasts, and from the history of statements.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Issues of resources whose limit is near.
    pub near_limits: &'a [Issue],
    /// Statements that are slower than usual.
    pub slower: &'a [SlowerStatement],
    /// Rows that are fetched one by one.
    pub patterns: &'a [RowByRow],
    /// Indexes that are suggested and do not exist, most saved first.
    pub indexes: &'a [IndexAdvice],
}

/// What needs someone, worst first; suggestions after active issues. At most [`MAX_ISSUES`].
#[must_use]
pub fn draw(observation: &Observation, health: &Health, limits: &SessionLimits, beside: Beside<'_>) -> Vec<Issue> {
    let target = &observation.sample.target;
    let blocking = blocking::draw(observation, health);
    let mut issues = figures::draw(observation, health);
    issues.extend(cache::draw(observation, health));
    issues.extend(sessions::draw(observation, limits, &blocking.roots));
    issues.extend(blocking.issues);
    issues.extend_from_slice(beside.near_limits);
    issues.extend(statements::draw(observation, health));
    issues.extend(statements::slower(target, beside.slower));
    issues.extend(statements::row_by_row(target, beside.patterns));
    issues.extend(indexes::draw(target, beside.indexes));
    issues.extend(tables::draw(observation));
    issues.extend(limitations::draw(observation));
    // Stable: within a rank the order above stays, which is worst first within each sort.
    issues.sort_by_key(rank);
    issues.truncate(MAX_ISSUES);
    issues
}

fn rank(issue: &Issue) -> u8 {
    match (issue.kind, issue.band) {
        (IssueKind::Active, Some(Band::Critical)) => 0,
        (IssueKind::Active, _) => 1,
        (IssueKind::Suggested, _) => 2,
    }
}

/// `schema.table` as people write it: without `public`.
pub(crate) fn table_name(schema: &str, name: &str) -> String {
    if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") }
}

/// A statement in one line of at most 160 characters.
pub(crate) fn one_line(statement: &str) -> String {
    const MOST: usize = 160;
    let mut line = String::new();
    for word in statement.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if let Some((cut, _)) = line.char_indices().nth(MOST) {
            line.truncate(cut);
            line.push('…');
            break;
        }
    }
    line
}

/// "1 session", "14 sessions".
fn counted(count: usize, one: &str) -> String {
    let number = headroom_model::format::count(count as u64);
    if count == 1 { format!("{number} {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collect::{ServerFacts, Session, StatementFigures, TableFigures},
        health::{HealthSettings, assess},
    };
    use headroom_model::{
        MetricId, Sample, TargetId, Timestamp,
        advice::{AdviceState, Proof},
        health::Link,
        observation::Remedy,
        statements::{Basis, Regression, Sureness},
        target::Limitation,
    };

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    pub(super) fn observation(figures: &[(MetricId, f64)]) -> Observation {
        let figures = figures.iter().copied().collect();
        let sample = Sample { target: TargetId("orders".into()), at: NOW, figures };
        Observation {
            facts: ServerFacts { postgres_version: Some("18.1".into()), ..ServerFacts::default() },
            ..Observation::bare(sample, "Not read.")
        }
    }

    fn draw(observation: &Observation) -> Vec<Issue> {
        let settings = HealthSettings::default();
        let health = assess(&observation.sample, &settings, NOW);
        super::draw(observation, &health, &settings.session_limits(), Beside::default())
    }

    fn session(pid: i32, state: &str, state_secs: i64) -> Session {
        Session::sample(pid, state, state_secs, NOW)
    }

    fn waiter(pid: i32, by: i32, secs: f64) -> Session {
        Session { lock_wait_ms: Some(secs * 1000.0), blocked_by: vec![by], ..session(pid, "active", secs as i64) }
    }

    fn link(issue: &Issue) -> &Link {
        match issue.remedy.as_ref().unwrap() {
            Remedy::Open(link) => link,
            other => panic!("no link: {other:?}"),
        }
    }

    #[test]
    fn a_quiet_target_needs_nobody() {
        assert!(draw(&observation(&[])).is_empty());
    }

    #[test]
    fn the_root_of_a_chain_is_named_once() {
        let mut seen = observation(&[(MetricId::LocksWaiting, 3.0)]);
        seen.sessions =
            vec![session(1, "idle in transaction", 120), waiter(2, 1, 48.2), waiter(3, 2, 20.0), waiter(4, 2, 2.0)];
        let issues = draw(&seen);
        assert_eq!(issues.len(), 1, "{issues:#?}");
        let issue = &issues[0];
        assert_eq!(issue.id, "blocking:1");
        assert_eq!(issue.title, "Session 1 has blocked 3 others for 48.2 s");
        assert_eq!(issue.band, Some(Band::Critical));
        // The link opens the question for that backend and no other.
        let key = seen.sessions[0].key;
        assert_eq!(link(issue).href, format!("/locks?target=orders&open={key}&ask=terminate"));
        assert!(issue.gain.as_deref().unwrap().starts_with("frees 3 sessions"));
        // The statement's literals are gone before it comes here, and its text is all that is shown.
        assert!(issue.detail.contains("UPDATE order_items") && issue.detail.contains("order-sync"));
    }

    #[test]
    fn leaks_and_long_statements_are_named() {
        let mut seen = observation(&[]);
        seen.sessions = vec![
            session(1, "idle in transaction", 61),
            session(2, "idle in transaction", 59),
            session(3, "active", 61),
            session(4, "active", 1),
        ];
        let titles: Vec<String> = draw(&seen).into_iter().map(|issue| issue.title).collect();
        assert_eq!(
            titles,
            ["Session 3 has run one statement for 1 min 1 s", "Session 1 has been idle in transaction for 1 min 1 s"]
        );
    }

    #[test]
    fn a_table_name_cannot_leave_its_link() {
        let mut seen = observation(&[]);
        seen.tables = vec![TableFigures {
            schema: "public".into(),
            name: "x\"; DROP TABLE y; --".into(),
            size_bytes: 1 << 30,
            live_rows: 1_000_000,
            dead_rows: 300_000,
            vacuum_threshold: 200_050.0,
            seq_scans: 0,
            seq_rows: 0,
            index_scans: 10,
            vacuumed_at: None,
        }];
        let issues = draw(&seen);
        assert_eq!(issues.len(), 1);
        assert_eq!(issues[0].kind, IssueKind::Suggested);
        let expected = "/confirm/optimize?target=orders&table=public.x%22%3B+DROP+TABLE+y%3B+--";
        assert_eq!(link(&issues[0]).href, expected);
    }

    #[test]
    fn the_statement_that_takes_the_time_is_named_with_its_share() {
        let mut seen = observation(&[(MetricId::QueryLatencyP95, 640.0)]);
        seen.statements = vec![StatementFigures {
            query_id: -5,
            text: "SELECT * FROM orders WHERE customer_id = $1 AND status = $2".into(),
            calls: 1200,
            mean_ms: 612.0,
            deviation_ms: None,
            time_share: 0.61,
            rows: 1,
        }];
        let issues = draw(&seen);
        assert_eq!(issues[0].title, "One statement takes 61 % of the execution time, 612 ms a call");
        assert_eq!(issues[0].kind, IssueKind::Active);
        assert_eq!(link(&issues[0]).href, "/queries/-5?target=orders");
    }

    #[test]
    fn slower_statements_and_rows_fetched_one_by_one_lead_to_their_statement() {
        let slower = [SlowerStatement {
            query_id: 7,
            text: Some("SELECT * FROM orders WHERE status = $1".into()),
            regression: Regression {
                mean_ms: 612.0,
                usual_ms: 24.0,
                basis: Basis::Weeks(4),
                sureness: Sureness::Sure,
                since: Some(NOW),
            },
        }];
        let patterns = [RowByRow {
            list_id: "8".into(),
            list_text: "SELECT id FROM orders".into(),
            lookup_id: "-9".into(),
            lookup_text: "SELECT name FROM customers WHERE id = $1".into(),
            minutes: 7,
            of: 10,
            per_call: 20.0,
            calls: 1_400,
            total_ms: 90.0,
        }];
        let seen = observation(&[]);
        let health = assess(&seen.sample, &HealthSettings::default(), NOW);
        let beside = Beside { slower: &slower, patterns: &patterns, ..Beside::default() };
        let issues = super::draw(&seen, &health, &HealthSettings::default().session_limits(), beside);
        let titles: Vec<&str> = issues.iter().map(|issue| issue.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "A statement takes 612 ms a call, 24 ms is usual",
                "One statement is run for each row of another, 20 times a list"
            ]
        );
        let links = issues.iter().map(|issue| link(issue).href.as_str());
        assert_eq!(links.collect::<Vec<_>>(), ["/queries/7?target=orders", "/queries/-9?target=orders"]);
    }

    #[test]
    fn a_suggested_index_leads_to_its_proof() {
        let advice = IndexAdvice {
            id: "a1b2".into(),
            state: AdviceState::Proven,
            proof: Proof::Planner,
            table: "shop.orders".into(),
            index: "shop.orders_customer_id_idx".into(),
            schema: "shop".into(),
            table_name: "orders".into(),
            index_name: "orders_customer_id_idx".into(),
            keys: "(customer_id)".into(),
            sql: "CREATE INDEX CONCURRENTLY …".into(),
            drop_sql: "DROP INDEX CONCURRENTLY …".into(),
            reason: "WHERE customer_id = $1 reads the whole table.".into(),
            cost_before: 1000.0,
            cost_after: 40.0,
            write_overhead: 0.1,
            writes_per_hour: None,
            size_bytes: 12e6,
            build_ms: 900.0,
            statements: Vec::new(),
            found_at: NOW,
            created_at: None,
            gone_at: None,
            leftover: None,
        };
        let estimate = IndexAdvice { id: "c3".into(), proof: Proof::Estimate, ..advice.clone() };
        let seen = observation(&[]);
        let health = assess(&seen.sample, &HealthSettings::default(), NOW);
        let indexes = [advice, estimate];
        let beside = Beside { indexes: &indexes, ..Beside::default() };
        let issues = super::draw(&seen, &health, &HealthSettings::default().session_limits(), beside);
        assert_eq!(issues[0].title, "An index on shop.orders (customer_id) is worth creating");
        assert_eq!(link(&issues[0]).href, "/indexes?target=orders#advice-a1b2");
        let gains: Vec<&str> = issues.iter().filter_map(|issue| issue.gain.as_deref()).collect();
        let planned =
            "estimate: saves 96 % of the planner cost of its statements, planned by the server with the index";
        assert_eq!(gains, [planned, "estimate: saves 96 % of the planner cost of its statements, from statistics"]);
    }

    #[test]
    fn an_outage_says_why() {
        let mut seen = observation(&[(MetricId::DatabaseUp, 0.0)]);
        seen.postgres_error = Some("PostgreSQL at 127.0.0.1:5432 refuses connections".into());
        let issues = draw(&seen);
        assert_eq!(issues[0].title, "PostgreSQL does not answer since 14:32");
        assert_eq!(issues[0].detail, "PostgreSQL at 127.0.0.1:5432 refuses connections");
    }

    #[test]
    fn issues_are_bounded_worst_first_with_stable_ids() {
        let mut seen = observation(&[(MetricId::DatabaseUp, 1.0), (MetricId::ConnectionsUsed, 95.0)]);
        seen.sessions = (0..200).map(|pid| session(pid, "idle in transaction", 100 + i64::from(pid))).collect();
        for i in 0..30 {
            seen.limitations.push(Limitation {
                what: format!("Figures {i} cannot be read."),
                remedy: "GRANT pg_monitor TO \"headroom\";".into(),
            });
        }
        let issues = draw(&seen);
        assert_eq!(issues.len(), 1 + MAX_OF_A_SORT + MAX_OF_A_SORT);
        assert!(issues.len() <= MAX_ISSUES);
        assert!(issues.is_sorted_by_key(rank));
        let ids: std::collections::BTreeSet<&str> = issues.iter().map(|issue| issue.id.as_str()).collect();
        assert_eq!(ids.len(), issues.len(), "ids are unique");
        assert_eq!(issues, draw(&seen));
    }

    #[test]
    fn what_is_no_statement_is_not_offered_as_one() {
        let mut seen = observation(&[]);
        let mut remedy = |remedy: &str| {
            seen.limitations = vec![Limitation { what: "Figures cannot be read.".into(), remedy: remedy.into() }];
            draw(&seen)[0].remedy.clone().unwrap()
        };
        for statement in ["GRANT pg_monitor TO a;", "ALTER SYSTEM SET x = 1; -- then restart PostgreSQL"] {
            assert!(matches!(remedy(statement), Remedy::Sql { sql, .. } if sql == statement));
        }
        for words in ["ACL SETUSER a +info", "Update PostgreSQL.", "Add x.\nCREATE EXTENSION x;"] {
            assert_eq!(remedy(words), Remedy::Text { text: words.into() });
        }
    }

    #[test]
    fn statements_are_shortened_at_a_character() {
        let line = one_line(&"ä ".repeat(500));
        assert_eq!(line.chars().count(), 161);
        assert_eq!(one_line("SELECT\n  1"), "SELECT 1");
    }
}
