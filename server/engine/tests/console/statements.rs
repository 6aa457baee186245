//! The history of statements, on real servers of every version: figures agree with what was run, over a restart as well.

use crate::support::{PATIENCE, config, id};
use headroom_engine::{
    clock::Clock,
    console::Console,
    store::{self, StateStore},
};
use headroom_model::{
    Timestamp,
    range::Resolved,
    statements::{StatementAsk, StatementFilter, StatementKind, StatementList, StatementSort},
};
use headroom_sandbox::test::{TestDatabase, on_each_postgres};
use sqlx::{AssertSqlSafe, PgConnection};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const SECRET: &str = "4556-7375-8689-9855";

async fn open(database: &TestDatabase, store: &Arc<dyn StateStore>) -> Arc<Console> {
    let mut config = config(&[("orders", database.url(), None)]);
    config.collect.live_every = Duration::from_millis(500);
    Console::start(config, store.clone(), Clock::system()).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Waits until what runs from now on is counted.
async fn second_reading(console: &Console) {
    let begun = Instant::now();
    while console.observation(&id("orders")).is_none_or(|seen| seen.workload.is_none()) {
        assert!(begun.elapsed() < PATIENCE, "no second reading");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn last_hour(console: &Console) -> Resolved {
    let to = console.clock.now();
    Resolved { from: to.plus_millis(-3_600_000), to, live: true }
}

fn ask(filter: StatementFilter) -> StatementAsk {
    StatementAsk { filter, page: 1, limit: 100, ..StatementAsk::default() }
}

/// Waits until the list shows what is wanted.
async fn shown(
    console: &Console,
    what: &str,
    filter: &StatementFilter,
    wanted: impl Fn(&StatementList) -> bool,
) -> StatementList {
    let begun = Instant::now();
    loop {
        let list = console.statements(&id("orders"), last_hour(console), &ask(filter.clone())).await.unwrap();
        if wanted(&list) {
            return list;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} was never seen: {list:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn calls(list: &StatementList, text: &str) -> u64 {
    let matching = list.rows.iter().filter(|row| row.text.as_deref().is_some_and(|shown| shown.contains(text)));
    matching.map(|row| row.stats.calls).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_agree_with_what_was_run_and_outlive_the_console() {
    on_each_postgres(async |database| {
        let mut connection = database.connect().await.unwrap();
        run(
            &mut connection,
            "CREATE TABLE items (id int PRIMARY KEY, note text);
             INSERT INTO items SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i; ANALYZE items;
             CREATE FUNCTION touch() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
                 RETURN (SELECT count(*) FROM items WHERE id < 100); END $$;
             SET pg_stat_statements.track = 'all'",
        )
        .await;
        let store = store::open("sqlite::memory:").await.unwrap();
        let console = open(&database, &store).await;
        let filter = StatementFilter::default();
        second_reading(&console).await;
        let tagged = format!(
            "SELECT note FROM items WHERE id = 7 /*action='show',controller='items',password='{SECRET}',route='/items/%3Aid'*/"
        );
        for _ in 0..60 {
            run(&mut connection, &tagged).await;
        }
        run(&mut connection, &format!("UPDATE items SET note = '{SECRET}' WHERE id <= 5000")).await;
        run(&mut connection, "SET work_mem = '64kB'; SELECT count(*) FROM (SELECT * FROM items ORDER BY note) s").await;
        run(&mut connection, "SELECT touch()").await;

        let is_whole = |list: &StatementList| calls(list, "FROM items WHERE id = ") == 60 && calls(list, "touch()") == 1;
        let list = shown(&console, "sixty calls", &filter, is_whole).await;
        let find = |text: &str| list.rows.iter().find(|row| row.text.as_deref().is_some_and(|shown| shown.contains(text)));
        let select = find("FROM items WHERE id = ").unwrap();
        assert_eq!((select.stats.rows, select.kind, select.stats.nested_calls), (60, StatementKind::Select, 0));
        let tags: Vec<String> = select.tags.iter().map(ToString::to_string).collect();
        assert_eq!(tags, ["action:show", "controller:items", "route:/items/:id"]);
        let blocks = select.stats.shared_hit.unwrap() + select.stats.shared_read.unwrap();
        assert!(blocks >= 120.0, "{select:#?}");
        assert!(!select.roles.is_empty() && select.first_at.is_some());
        let update = find("UPDATE items").unwrap();
        assert_eq!((update.stats.calls, update.stats.rows, update.kind), (1, 5000, StatementKind::Update));
        assert!(update.stats.wal_bytes.unwrap() > 1e5 && update.stats.shared_dirtied.unwrap() > 0.0, "{update:#?}");
        let sort = find("ORDER BY note").unwrap();
        assert!(sort.stats.temp_bytes().unwrap() > 1e6, "{sort:#?}");
        let nested = find("id < ").unwrap();
        assert_eq!((nested.stats.calls, nested.stats.nested_calls), (1, 1), "{nested:#?}");
        let tracks = "SELECT coalesce(current_setting('pg_stat_statements.track_planning', true), 'off')::bool";
        let tracks_planning: bool = sqlx::query_scalar(tracks).fetch_one(&mut connection).await.unwrap();
        assert_eq!(select.stats.plan_ms.is_some(), tracks_planning);
        assert!(list.calls >= 63 && list.total_ms > 0.0 && list.absence.is_none());
        let written = format!("{list:?}");
        assert!(!written.contains(SECRET) && !written.contains("pg_stat_activity"), "{written}");

        // Filters and orders.
        let tag = StatementFilter { tag: "route:/items/:id".into(), ..filter.clone() };
        let tagged_list = shown(&console, "the tagged one", &tag, |list| list.found == 1).await;
        assert_eq!(tagged_list.rows[0].query_id, select.query_id);
        assert!(tagged_list.tags.iter().any(|facet| facet.value == "controller:items"));
        let updates = StatementFilter { kind: Some(StatementKind::Update), ..filter.clone() };
        shown(&console, "the update", &updates, |list| list.found == 1 && list.known > 3).await;
        let by_rows = StatementAsk { sort: StatementSort::Rows, ..ask(filter.clone()) };
        let by_rows = console.statements(&id("orders"), last_hour(&console), &by_rows).await.unwrap();
        assert_eq!(by_rows.rows[0].query_id, update.query_id);

        // One statement, with its series.
        let query_id: i64 = select.query_id.parse().unwrap();
        let one = console.statement(&id("orders"), query_id, last_hour(&console)).await.unwrap().unwrap();
        assert_eq!((one.statement.stats.calls, one.absence.is_none()), (60, true));
        let minutes = one.series.mean_ms.iter().flatten().count();
        assert!((1..=3).contains(&minutes) && one.series.step_ms == 60_000, "{one:#?}");
        assert_eq!(one.series.calls_per_second.len(), one.series.mean_ms.len());
        assert!(console.statement(&id("orders"), 1, last_hour(&console)).await.unwrap().is_none());

        // What was seen outlives the console, and the minute of the change is that of both.
        console.shutdown().await;
        let console = open(&database, &store).await;
        let again = shown(&console, "the past", &filter, is_whole).await;
        assert_eq!(again.starts_at, list.starts_at);
        second_reading(&console).await;
        run(&mut connection, &tagged).await;
        shown(&console, "one more", &filter, |list| calls(list, "FROM items WHERE id = ") == 61).await;
        let past = Resolved { from: Timestamp(0), to: Timestamp(1_000_000_000), live: false };
        let nothing = console.statements(&id("orders"), past, &ask(filter.clone())).await.unwrap();
        assert!(nothing.absence.unwrap().reason.contains("begins at"));
        console.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_extension_the_list_says_what_brings_it() {
    on_each_postgres(async |database| {
        let mut connection = database.connect().await.unwrap();
        run(&mut connection, "DROP EXTENSION pg_stat_statements").await;
        let store = store::open("sqlite::memory:").await.unwrap();
        let console = open(&database, &store).await;
        let told = |list: &StatementList| list.absence.as_ref().is_some_and(|absence| absence.remedy.is_some());
        let list = shown(&console, "the remedy", &StatementFilter::default(), told).await;
        assert_eq!(list.absence.unwrap().remedy.as_deref(), Some("CREATE EXTENSION pg_stat_statements;"));
        console.shutdown().await;
    })
    .await;
}
