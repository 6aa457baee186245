//! Import and export over real stores.

use super::*;
use crate::{
    clock::Clock,
    history::History,
    store::{self, Grid, HOUR_MS, MINUTE_MS, MinuteRow, NewImport, Retention, StateStore, Tally},
};
use headroom_model::{
    MetricId, TargetId,
    metric::CATALOGUE,
    origin::{ImportReport, Skipped},
};
use std::sync::Arc;
use uuid::Uuid;

/// Thu 19 Nov 2026, 12:00 UTC.
const NOON: Timestamp = Timestamp(1_795_089_600_000);
const DAY_MS: i64 = 24 * HOUR_MS;

async fn on_each_backend<F, Fut>(test: F)
where
    F: Fn(Arc<dyn StateStore>) -> Fut,
    Fut: Future<Output = ()>,
{
    let folder = tempfile::tempdir().unwrap();
    test(store::open(&format!("sqlite:{}/state.db", folder.path().display())).await.unwrap()).await;
    headroom_sandbox::test::on_each_postgres(async |database| test(store::open(&database.url()).await.unwrap()).await)
        .await;
}

fn orders() -> TargetId {
    TargetId("orders".into())
}

fn clock() -> Clock {
    Clock::from_fn(|| NOON)
}

async fn begin(store: &Arc<dyn StateStore>, rehearsal: bool) -> Importer {
    let what =
        NewImport { target: orders(), source: "old.csv".into(), generated: false, actor: "ada".into(), at: NOON };
    Importer::begin(store.clone(), clock(), what, None, Retention::default(), rehearsal).await.unwrap()
}

async fn import(store: &Arc<dyn StateStore>, text: &str) -> Result<ImportReport, ImportError> {
    let mut importer = begin(store, false).await;
    for piece in text.as_bytes().chunks(64 * 1024) {
        if let Err(error) = importer.feed(piece).await {
            importer.give_up().await;
            return Err(error);
        }
    }
    importer.finish().await
}

async fn export(store: &Arc<dyn StateStore>, step: Option<Step>, format: Format) -> String {
    let history = Arc::new(History::new(store.clone(), clock(), Retention::default()));
    let metrics = CATALOGUE.iter().map(|metric| metric.id).collect();
    let from = Retention::default().hours_from(NOON);
    let what = Export { target: orders(), metrics, from, to: NOON.plus_millis(HOUR_MS), step, format };
    let mut exported = what.start(history).await.unwrap();
    let mut text = exported.head().to_owned();
    while let Some(piece) = exported.next().await.unwrap() {
        text.push_str(&piece);
    }
    text
}

async fn rows(store: &Arc<dyn StateStore>, metric: MetricId, step_ms: i64) -> Vec<(i64, Tally)> {
    let days = if step_ms == HOUR_MS { 400 } else { 6 };
    let grid =
        Grid { from: NOON.plus_millis(-days * DAY_MS), step_ms, slots: ((days + 1) * DAY_MS / step_ms) as usize };
    let column = store.tallies(&orders(), &[metric], &grid).await.unwrap().remove(0);
    let minutes_ago = |slot: usize| (NOON.0 - grid.start_of(slot).0) / MINUTE_MS;
    column.into_iter().enumerate().filter_map(|(slot, tally)| Some((minutes_ago(slot), tally?))).collect()
}

fn csv(lines: &[(i64, &str, f64)]) -> String {
    let mut text = "time,metric,value\n".to_owned();
    for (minutes_ago, metric, value) in lines {
        text.push_str(&format!("{},{metric},{value}\n", NOON.plus_millis(-minutes_ago * MINUTE_MS).0));
    }
    text
}

async fn measured(store: &Arc<dyn StateStore>, minutes_ago: i64, values: &[f64]) {
    let mut tally = Tally::of(values[0]);
    values[1..].iter().for_each(|value| tally.merge(&Tally::of(*value)));
    let row = MinuteRow { metric: MetricId::Connections, at: NOON.plus_millis(-minutes_ago * MINUTE_MS), tally };
    store.merge_minutes(Uuid::now_v7(), &orders(), &[row]).await.unwrap();
}

#[tokio::test]
async fn a_past_is_taken_over_and_the_same_again_changes_nothing() {
    on_each_backend(async |store| {
        let id = "database.connections";
        let text =
            csv(&[(200, id, 1.0), (199, id, 3.0), (199, id, 5.0), (100 * 24 * 60, id, 7.0), (50, "redis.keys", 9.0)]);
        let report = import(&store, &text).await.unwrap();
        assert_eq!((report.points, report.metrics, report.lines, report.skipped), (5, 2, 6, Skipped::default()));
        let minutes = [(200, Tally::of(1.0)), (199, Tally { sum: 8.0, min: 3.0, max: 5.0, count: 2 })];
        assert_eq!(rows(&store, MetricId::Connections, MINUTE_MS).await, minutes);
        let hours = rows(&store, MetricId::Connections, HOUR_MS).await;
        // The oldest has left its minutes: it is an hour alone.
        assert_eq!(hours, [(100 * 24 * 60, Tally::of(7.0)), (240, Tally { sum: 9.0, min: 1.0, max: 5.0, count: 3 })]);
        let origins = store.origins(Some(&orders())).await.unwrap();
        assert_eq!((origins.len(), origins[0].source.as_str(), origins[0].points), (1, "old.csv", 5));
        assert_eq!(Some(origins[0].from), report.from);
        assert_eq!(store.history_start(&orders()).await.unwrap().hours, report.from);

        let again = import(&store, &text).await.unwrap();
        assert_eq!((again.points, again.skipped.present, again.id), (0, 5, None));
        assert_eq!(store.origins(None).await.unwrap(), origins);
        assert_eq!(rows(&store, MetricId::Connections, HOUR_MS).await, hours);
    })
    .await;
}

#[tokio::test]
async fn what_was_measured_wins_and_both_make_the_hour() {
    on_each_backend(async |store| {
        let id = "database.connections";
        measured(&store, 130, &[10.0, 20.0]).await;
        // An hour that was measured and has left its minutes.
        measured(&store, 100 * 24 * 60 - 5, &[30.0]).await;
        let text = csv(&[(131, id, 1.0), (130, id, 2.0), (129, id, 3.0), (100 * 24 * 60, id, 4.0)]);
        let report = import(&store, &text).await.unwrap();
        assert_eq!((report.points, report.skipped.measured), (2, 2));
        let hours = rows(&store, MetricId::Connections, HOUR_MS).await;
        assert_eq!(hours.last(), Some(&(180, Tally { sum: 34.0, min: 1.0, max: 20.0, count: 4 })));
    })
    .await;
}

#[tokio::test]
async fn a_fault_leaves_nothing_and_names_its_line() {
    on_each_backend(async |store| {
        let good: Vec<_> = (10..9_010).map(|minute| (minute, "database.connections", 1.0)).collect();
        for (line, reason) in [
            ("1795000000,database.conections,1", "did you mean database.connections?"),
            ("1895000000,database.connections,1", "lies in the future"),
            ("1795000000,database.connections,x", "not a finite number"),
        ] {
            let error = import(&store, &format!("{}{line}\n", csv(&good))).await.unwrap_err().to_string();
            assert!(error.contains("line 9002: ") && error.contains(reason), "{error}");
            assert_eq!(store.origins(None).await.unwrap(), []);
            assert_eq!(rows(&store, MetricId::Connections, HOUR_MS).await, []);
            assert_eq!(store.history_start(&orders()).await.unwrap(), store::HistoryStart::default());
        }
        // What was left behind unseen is cleared away, and nothing stands in the way of the next.
        let (table, rows) = store.row_counts().await.unwrap()[2];
        assert!(table == "imported_minutes" && rows > 3 * 4_000, "{rows} rows of {table}");
        while store.upkeep(NOON, Retention::default()).await.unwrap().rows_pruned > 0 {}
        assert!(store.row_counts().await.unwrap().contains(&("imported_minutes", 0)));
        assert_eq!(import(&store, &csv(&good)).await.unwrap().points, 9_000);
    })
    .await;
}

#[tokio::test]
async fn one_that_is_killed_shows_nowhere_and_is_cleared_away() {
    on_each_backend(async |store| {
        let mut importer = begin(&store, false).await;
        let lines: Vec<_> = (10..5_010).map(|minute| (minute, "database.connections", 1.0)).collect();
        importer.feed(csv(&lines).as_bytes()).await.unwrap();
        let other = NewImport { target: orders(), source: "b".into(), generated: false, actor: "bob".into(), at: NOON };
        let busy = Importer::begin(store.clone(), clock(), other, None, Retention::default(), false).await;
        assert!(matches!(busy, Err(ImportError::Busy(owner)) if owner == "ada"));
        // The process is gone from one moment to the next.
        drop(importer);
        assert!(store.row_counts().await.unwrap().contains(&("imported_minutes", 5_000)));
        assert_eq!(
            (rows(&store, MetricId::Connections, HOUR_MS).await.len(), store.origins(None).await.unwrap().len()),
            (0, 0)
        );
        store.upkeep(NOON.plus_millis(HOUR_MS / 2), Retention::default()).await.unwrap();
        assert!(store.row_counts().await.unwrap().contains(&("imported_minutes", 5_000)), "it may still be at work");
        let later = NOON.plus_millis(HOUR_MS + 1);
        while store.upkeep(later, Retention::default()).await.unwrap().rows_pruned > 0 {}
        assert!(store.row_counts().await.unwrap().contains(&("imported_minutes", 0)));
    })
    .await;
}

#[tokio::test]
async fn a_rehearsal_tells_and_writes_nothing() {
    on_each_backend(async |store| {
        let mut importer = begin(&store, true).await;
        importer
            .feed(csv(&[(9, "database.connections", 1.0), (0, "database.connections", 2.0)]).as_bytes())
            .await
            .unwrap();
        let report = importer.finish().await.unwrap();
        assert_eq!((report.dry_run, report.points, report.skipped.too_new, report.id), (true, 1, 1, None));
        assert!(store.row_counts().await.unwrap().iter().all(|(_, rows)| *rows == 0));
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_out_is_gone_at_once() {
    on_each_backend(async |store| {
        let report = import(&store, &csv(&[(9, "database.connections", 1.0)])).await.unwrap();
        let id = report.id.unwrap();
        assert!(store.drop_import(id).await.unwrap() && !store.drop_import(id).await.unwrap());
        assert_eq!(
            (rows(&store, MetricId::Connections, MINUTE_MS).await, store.origins(None).await.unwrap()),
            (vec![], vec![])
        );
        store.upkeep(NOON, Retention::default()).await.unwrap();
        assert!(store.row_counts().await.unwrap().contains(&("imported_hours", 0)));
    })
    .await;
}

/// Measured minutes of a gauge and a counter, with figures that no decimal writes exactly, an old hour, and gaps.
async fn fill(store: &Arc<dyn StateStore>) {
    for batch in 0..5_i64 {
        let minutes = (0..700).filter(|minute| minute % 7 > 0).map(|minute| batch * 700 + minute);
        let row = |metric, minute: i64, offset: f64| {
            let value = (minute as f64 + offset).sin().abs() * 1e6 / 3.0;
            let mut tally = Tally::of(value);
            tally.merge(&Tally::of(value / 7.0));
            MinuteRow { metric, at: NOON.plus_millis(-(minute + 5) * MINUTE_MS), tally }
        };
        let rows: Vec<_> = minutes
            .flat_map(|minute| [row(MetricId::DatabaseSize, minute, 0.0), row(MetricId::Deadlocks, minute, 0.5)])
            .collect();
        store.merge_minutes(Uuid::now_v7(), &orders(), &rows).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_exported_and_imported_is_the_same() {
    on_each_backend(async |store| {
        fill(&store).await;
        for format in [Format::Csv, Format::Ndjson] {
            let text = export(&store, None, format).await;
            let folder = tempfile::tempdir().unwrap();
            let copy = store::open(&format!("sqlite:{}/copy.db", folder.path().display())).await.unwrap();
            let report = import(&copy, &text).await.unwrap();
            assert_eq!(report.skipped, Skipped::default());
            for metric in [MetricId::DatabaseSize, MetricId::Deadlocks] {
                for step_ms in [MINUTE_MS, HOUR_MS] {
                    let (one, other) = (rows(&store, metric, step_ms).await, rows(&copy, metric, step_ms).await);
                    assert!(one.len() > 50, "{}", one.len());
                    assert_eq!(one, other);
                }
            }
            assert_eq!(export(&copy, None, format).await, text);
            assert_eq!(import(&copy, &text).await.unwrap().points, 0);
            // Two exports put one after another say the same twice.
            let (twice, head) = (store::open("sqlite::memory:").await.unwrap(), text.lines().next().unwrap());
            let lines = if format == Format::Csv { text.strip_prefix(head).unwrap().trim_start() } else { &text };
            import(&twice, &format!("{text}{lines}")).await.unwrap();
            for metric in [MetricId::DatabaseSize, MetricId::Deadlocks] {
                for step_ms in [MINUTE_MS, HOUR_MS] {
                    assert_eq!(rows(&twice, metric, step_ms).await, rows(&store, metric, step_ms).await);
                }
            }
        }
        // Prometheus text knows no smallest and largest: means and counts are what comes back.
        let text = export(&store, None, Format::Prometheus).await;
        let copy = store::open("sqlite::memory:").await.unwrap();
        assert_eq!(import(&copy, &text).await.unwrap().skipped, Skipped::default());
        for metric in [MetricId::DatabaseSize, MetricId::Deadlocks] {
            let value = |tally: &Tally| if metric == MetricId::Deadlocks { tally.sum } else { tally.mean() };
            let (one, other) = (rows(&store, metric, MINUTE_MS).await, rows(&copy, metric, MINUTE_MS).await);
            assert_eq!(one.len(), other.len());
            for ((at, one), (there, other)) in one.iter().zip(&other) {
                assert!(at == there && (value(one) - value(other)).abs() < 1e-3, "{at}: {one:?} {other:?}");
            }
        }
    })
    .await;
}
