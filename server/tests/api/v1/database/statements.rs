//! `/database/statements`, one of them, and the slow ones.

use crate::harness::{Harness, problem};
use serde_json::Value;
use std::time::{Duration, Instant};

const STATEMENTS: &str = "/api/v1/database/statements";

/// Waits until the list has a statement with this text.
async fn find(harness: &Harness, path: &str, text: &str) -> Value {
    let begun = Instant::now();
    loop {
        let rows = harness.data(path).await;
        let of_it = |row: &&Value| row["text"].as_str().is_some_and(|shown| shown.contains(text));
        if let Some(row) = rows.as_array().unwrap().iter().find(of_it) {
            return row.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{text} was never listed: {rows:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn statements_are_listed_filtered_and_told_one_by_one() {
    let harness = Harness::open().await;
    harness.sampled().await;
    let mut connection = harness.connect().await;
    // Two readings lie between what was there before and what is run now.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    sqlx::raw_sql("SELECT 'api test', pg_sleep(0.15) /*action:slowly*/").execute(&mut connection).await.unwrap();
    let row = find(&harness, STATEMENTS, "pg_sleep").await;
    assert_eq!(
        (&row["kind"], &row["stats"]["calls"], &row["tags"][0]["value"]),
        (&"select".into(), &1.into(), &"slowly".into())
    );
    assert!(row["stats"]["meanMs"].as_f64().unwrap() >= 150.0, "{row}");
    assert!(row["stats"]["p95Ms"].is_null(), "one call has no percentiles");
    assert!(!row["text"].as_str().unwrap().contains("api test"));

    let table = harness.get(&format!("{STATEMENTS}.csv?text=pg_sleep%20slowly")).await;
    assert_eq!(table.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(table.headers()["x-total-count"], "1");
    assert_eq!(table.headers()["x-per-page"], "300");
    let table = table.text().await.unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("query_id,text,kind"), "{table}");
    assert!(lines[1].contains("pg_sleep") && lines[1].contains("action:slowly"), "{table}");
    let none = harness.data(&format!("{STATEMENTS}?text=pg_sleep%20quickly")).await;
    assert_eq!(none, serde_json::json!([]), "every word is wanted");

    let listed = harness.get(&format!("{STATEMENTS}?tag=action:slowly&sort=mean&limit=1")).await;
    assert_eq!((listed.headers()["x-total-count"].to_str().unwrap(), listed.status().as_u16()), ("1", 200));
    assert!(listed.headers().contains_key("link"));
    let slow = find(&harness, "/api/v1/database/slow-queries?threshold=140", "pg_sleep").await;
    assert_eq!(slow["queryId"], row["queryId"]);
    let none = harness.data("/api/v1/database/slow-queries?threshold=60000").await;
    assert_eq!(none.as_array().unwrap().len(), 0);

    let one = harness.data(&format!("{STATEMENTS}/{}?duration=15", row["queryId"].as_str().unwrap())).await;
    assert_eq!((&one["statement"]["queryId"], &one["statement"]["stats"]["calls"]), (&row["queryId"], &1.into()));
    assert_eq!(one["series"]["meanMs"].as_array().unwrap().iter().filter(|mean| !mean.is_null()).count(), 1);
    harness.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_field() {
    let harness = Harness::open().await;
    for (query, field) in [
        ("sort=fast", "sort"),
        ("kind=query", "kind"),
        ("order=up", "order"),
        ("from=soon", "from"),
        ("limit=1000", "limit"),
        ("duration=5&from=now-1h", "duration"),
        (&format!("text={}", "x".repeat(201)), "text"),
    ] {
        let refused = problem(harness.get(&format!("{STATEMENTS}?{query}")).await, 422, "invalid").await;
        assert_eq!(refused["errors"][0]["field"], field, "{query}");
    }
    let refused = problem(harness.get(&format!("{STATEMENTS}/select")).await, 422, "invalid").await;
    assert_eq!(refused["errors"][0]["field"], "queryid");
    problem(harness.get(&format!("{STATEMENTS}/1")).await, 404, "not-found").await;
    harness.stop().await;
}
