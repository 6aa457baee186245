//! From a statement to candidates, on tables that are made up; the server has its say in `tests/advice.rs`.

use super::{
    candidates::{self, Candidate, NoCandidate},
    catalog::{Catalog, Column, Index, Table},
    shape,
    workload::{Spent, Workload},
};
use crate::{
    collect::{Observation, Spending, StatementSpend},
    plans::{Purpose, screen},
};
use headroom_model::{Sample, TargetId, Timestamp, sample::Figures};
use std::time::Duration;

fn column(name: &str, type_name: &str, distinct: f64) -> Column {
    Column {
        name: name.into(),
        type_name: type_name.into(),
        width: Some(8.0),
        distinct: Some(distinct),
        null_fraction: if name == "shipped_at" { 0.9 } else { 0.0 },
        true_fraction: (type_name == "bool").then_some(0.01),
    }
}

fn index(name: &str, keys: &[&str]) -> Index {
    Index {
        name: name.into(),
        method: "btree".into(),
        keys: keys.iter().map(|&key| key.into()).collect(),
        is_partial: false,
        is_unique: false,
        is_valid: true,
    }
}

fn orders() -> Table {
    Table {
        oid: 1,
        schema: "shop".into(),
        name: "orders".into(),
        kind: "r".into(),
        rows: 250_000.0,
        pages: 2_000.0,
        columns: vec![
            column("id", "int8", 250_000.0),
            column("customer_id", "int8", 50_000.0),
            column("status", "text", 4.0),
            column("total_cents", "int8", 60_000.0),
            column("created_at", "timestamptz", 240_000.0),
            column("shipped_at", "timestamptz", 20_000.0),
            column("is_flagged", "bool", 2.0),
            column("payload", "jsonb", 1_000.0),
            column("tags", "_text", 100.0),
            column("note", "text", 1_000.0),
        ],
        indexes: vec![Index { is_unique: true, ..index("orders_pkey", &["id"]) }],
        writes: 100.0,
        counted_hours: Some(1.0),
    }
}

fn items() -> Table {
    Table {
        oid: 2,
        name: "items".into(),
        columns: vec![column("order_id", "int8", 200_000.0)],
        indexes: vec![],
        ..orders()
    }
}

fn advised(sql: &str, tables: Vec<Table>) -> (Vec<Candidate>, Vec<NoCandidate>) {
    let catalog = Catalog::of(tables);
    let screened = screen(sql, Purpose::Plan).unwrap_or_else(|refusal| panic!("{sql}: {refusal}"));
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for asked in shape::uses(&screened.statement, &catalog) {
        let (candidates, no) = candidates::of(&asked, &catalog);
        made.extend(candidates);
        refused.extend(no);
    }
    (made, refused)
}

fn shown(sql: &str) -> Vec<String> {
    let mut shown: Vec<String> =
        advised(sql, vec![orders(), items()]).0.iter().map(|it| format!("{} {}", it.table.name, it.shown())).collect();
    shown.sort();
    shown
}

#[test]
fn equality_comes_first_then_one_range_then_the_order() {
    // Five rows are left after the customer: the status is not worth a place.
    assert_eq!(
        shown("SELECT id FROM shop.orders WHERE status = $2 AND customer_id = $1 ORDER BY total_cents DESC LIMIT $3"),
        ["orders (customer_id)", "orders (customer_id, total_cents DESC)"]
    );
    assert_eq!(
        shown("SELECT * FROM orders o WHERE o.status = $1 AND o.created_at >= $2 AND o.total_cents < $3"),
        ["orders (status)", "orders (status, created_at)"]
    );
    assert_eq!(shown("SELECT * FROM orders WHERE created_at > now() - $1::interval"), ["orders (created_at)"]);
    assert_eq!(shown("SELECT * FROM orders ORDER BY created_at LIMIT 10"), ["orders (created_at)"]);
    assert!(shown("SELECT * FROM orders ORDER BY created_at").is_empty());
}

#[test]
fn every_place_of_a_statement_is_looked_at() {
    assert_eq!(
        shown("SELECT count(*) FROM orders o JOIN items i ON i.order_id = o.id WHERE o.customer_id = ANY($1)"),
        ["items (order_id)", "orders (customer_id)"]
    );
    assert_eq!(shown("SELECT 1 WHERE EXISTS (SELECT 1 FROM items WHERE order_id = $1)"), ["items (order_id)"]);
    assert_eq!(
        shown("WITH a AS (SELECT * FROM orders WHERE customer_id IN ($1, $2)) SELECT * FROM a"),
        ["orders (customer_id)"]
    );
    assert_eq!(shown("UPDATE orders SET status = $1 WHERE customer_id = $2"), ["orders (customer_id)"]);
    assert_eq!(shown("DELETE FROM items USING orders o WHERE order_id = o.id"), ["items (order_id)"]);
    assert_eq!(shown("SELECT * FROM orders WHERE $1 = customer_id"), ["orders (customer_id)"]);
    assert!(shown("SELECT * FROM orders WHERE customer_id = $1 OR status = $2").is_empty());
    assert!(shown("INSERT INTO orders (id) VALUES ($1)").is_empty());
}

#[test]
fn conditions_that_always_hold_make_partial_indexes() {
    let found = shown("SELECT * FROM orders WHERE is_flagged AND customer_id = $1");
    assert_eq!(found, ["orders (customer_id)", "orders (customer_id) WHERE is_flagged"]);
    assert_eq!(
        shown("SELECT * FROM orders WHERE shipped_at IS NOT NULL"),
        ["orders (shipped_at) WHERE shipped_at IS NOT NULL"]
    );
    // Nine of ten rows have none: a partial index would hold nearly all.
    assert!(shown("SELECT * FROM orders WHERE shipped_at IS NULL").is_empty());
}

#[test]
fn expressions_contents_and_parts_of_texts() {
    assert_eq!(shown("SELECT * FROM orders WHERE lower(note) = $1"), ["orders (lower(note))"]);
    assert_eq!(shown("SELECT * FROM orders WHERE payload @> $1"), ["orders gin (payload jsonb_path_ops)"]);
    assert_eq!(shown("SELECT * FROM orders WHERE tags && $1"), ["orders gin (tags)"]);
    let (made, refused) = advised("SELECT * FROM orders WHERE note LIKE $1", vec![orders()]);
    assert!(made.is_empty() && refused[0].why_not.contains("pg_trgm"), "{refused:?}");
    let (made, refused) = advised("SELECT * FROM orders WHERE payload ->> $1 = $2", vec![orders()]);
    assert!(made.is_empty() && refused[0].why_not.contains("shows as $n"), "{refused:?}");
    let (made, refused) = advised("SELECT * FROM orders WHERE random_thing(note) = $1", vec![orders()]);
    assert!(made.is_empty() && refused[0].why_not.contains("not immutable"), "{refused:?}");
}

#[test]
fn guards_turn_down_and_say_why() {
    let sql = "SELECT * FROM orders WHERE customer_id = $1";
    let why = |table: Table| {
        let (made, refused) = advised(sql, vec![table]);
        assert!(made.is_empty(), "{made:?}");
        refused[0].why_not.clone()
    };
    assert!(why(Table { rows: 400.0, ..orders() }).contains("400 rows"));
    assert!(why(Table { rows: -1.0, ..orders() }).contains("ANALYZE"));
    assert!(why(Table { schema: "pg_catalog".into(), ..orders() }).contains("system"));
    assert!(why(Table { kind: "p".into(), ..orders() }).contains("partition"));
    let mut hidden = orders();
    hidden.columns.iter_mut().for_each(|column| column.distinct = None);
    assert!(why(hidden).contains("hidden"));
    let mut wide = orders();
    wide.columns[1].width = Some(12_000.0);
    assert!(why(wide).contains("too wide"));
    let mut has = orders();
    has.indexes.push(index("both", &["customer_id", "status"]));
    assert!(why(has).contains("The index both begins"));
}

#[test]
fn statements_and_names_are_exact() {
    let (made, _) = advised("SELECT * FROM orders WHERE customer_id = $1", vec![orders()]);
    assert_eq!(
        made[0].create_sql(),
        r#"CREATE INDEX CONCURRENTLY "orders_customer_id_idx" ON "shop"."orders" ("customer_id");"#
    );
    assert_eq!(made[0].drop_sql(), r#"DROP INDEX CONCURRENTLY "shop"."orders_customer_id_idx";"#);
    let mut taken = orders();
    taken.indexes.push(Index { method: "hash".into(), ..index("orders_customer_id_idx", &[]) });
    let (made, _) = advised("SELECT * FROM orders WHERE customer_id = $1", vec![taken]);
    assert_eq!(made[0].name(), "orders_customer_id_idx2");
    let mut long = orders();
    long.columns[1].name = "ü".repeat(40);
    let (made, _) = advised(&format!("SELECT * FROM orders WHERE {} = $1", "ü".repeat(40)), vec![long]);
    assert!(made[0].name().len() <= 63 && made[0].name().ends_with("_idx"));
}

#[test]
fn rows_without_a_partner_make_no_partial_index() {
    // Of nine in ten the note is known, so that an index of the others would be small.
    let mut items = items();
    items.columns.extend([column("shipped_at", "timestamptz", 20_000.0), column("is_flagged", "bool", 2.0)]);
    items.columns[1].null_fraction = 0.1;
    let shown = |sql: &str| -> Vec<String> {
        let made = advised(sql, vec![orders(), items.clone()]).0;
        made.iter().map(|it| format!("{} {}", it.table.name, it.shown())).filter(|it| it.contains("WHERE")).collect()
    };
    let none: [&str; 0] = [];
    for sql in [
        "SELECT * FROM orders o LEFT JOIN items i ON i.order_id = o.id WHERE i.shipped_at IS NULL",
        "SELECT * FROM items i RIGHT JOIN orders o ON i.order_id = o.id WHERE i.shipped_at IS NULL",
        "SELECT * FROM orders o FULL JOIN items i ON i.order_id = o.id WHERE i.shipped_at IS NULL",
        "SELECT * FROM orders o LEFT JOIN (items i JOIN orders b ON b.id = i.order_id) ON b.id = o.id WHERE i.shipped_at IS NULL",
        "SELECT * FROM (orders o LEFT JOIN items i ON i.order_id = o.id) JOIN orders b ON i.shipped_at IS NULL",
        // Each row of the left side comes, whatever the condition of the join says of it.
        "SELECT * FROM items i LEFT JOIN orders o ON i.order_id = o.id AND i.shipped_at IS NULL",
        "SELECT * FROM items i LEFT JOIN orders o ON i.order_id = o.id AND i.is_flagged",
    ] {
        assert_eq!(shown(sql), none, "{sql}");
    }
    for sql in [
        "SELECT * FROM orders o JOIN items i ON i.order_id = o.id WHERE i.shipped_at IS NULL",
        "SELECT * FROM items i LEFT JOIN orders o ON i.order_id = o.id WHERE i.shipped_at IS NULL",
        // The condition chooses rows before they are joined.
        "SELECT * FROM orders o LEFT JOIN items i ON i.order_id = o.id AND i.shipped_at IS NULL",
    ] {
        assert_eq!(shown(sql), ["items (order_id) WHERE shipped_at IS NULL"], "{sql}");
    }
    // No row without a partner meets it.
    let sql = "SELECT * FROM orders o LEFT JOIN items i ON i.order_id = o.id WHERE i.is_flagged";
    assert_eq!(shown(sql), ["items (order_id) WHERE is_flagged"]);
}

#[test]
fn what_a_join_says_of_the_side_that_comes_anyway_makes_no_index() {
    let conditions = [
        "o.customer_id = $1",
        "$1 = o.customer_id",
        "o.customer_id IN ($1, $2)",
        "o.customer_id = ANY($1)",
        "o.customer_id > $1",
        "$1 >= o.customer_id",
        "o.customer_id > i.order_id",
        "o.customer_id BETWEEN $1 AND $2",
        "o.tags @> $1",
        "lower(o.note) = $1",
        "o.note LIKE $1",
        "o.note ~ $1",
        "o.payload ->> $1 = $2",
        "to_tsvector($1, o.note) @@ $2",
    ];
    // By the primary key of orders the join has its index.
    let found = |sql: &str| -> (Vec<String>, Vec<String>) {
        let (made, refused) = advised(sql, vec![orders(), items()]);
        let made = made.iter().map(|it| format!("{} {}", it.table.name, it.shown()));
        let of_orders = |it: &String| it.starts_with("orders");
        let why_not = refused.into_iter().map(|it| it.why_not).filter(|it| !it.contains("orders_pkey"));
        (made.filter(of_orders).collect(), why_not.collect())
    };
    let nothing = (Vec::<String>::new(), Vec::<String>::new());
    for condition in conditions {
        for preserved in [
            format!("SELECT * FROM orders o LEFT JOIN items i ON i.order_id = o.id AND {condition}"),
            format!("SELECT * FROM items i RIGHT JOIN orders o ON i.order_id = o.id AND {condition}"),
            format!("SELECT * FROM items i FULL JOIN orders o ON i.order_id = o.id AND {condition}"),
        ] {
            assert_eq!(found(&preserved), nothing, "{preserved}");
        }
        for chosen in [
            format!("SELECT * FROM orders o JOIN items i ON i.order_id = o.id AND {condition}"),
            format!("SELECT * FROM items i LEFT JOIN orders o ON i.order_id = o.id AND {condition}"),
            format!("SELECT * FROM orders o LEFT JOIN items i ON i.order_id = o.id WHERE {condition}"),
        ] {
            assert_ne!(found(&chosen), nothing, "{chosen}");
        }
    }
    assert_eq!(
        shown(
            "SELECT * FROM orders o LEFT JOIN items i ON i.order_id = o.status AND o.customer_id IN (SELECT id FROM orders)"
        ),
        ["items (order_id)", "orders (status)"]
    );
    // The keys of the join itself stay.
    assert_eq!(
        shown("SELECT * FROM orders o LEFT JOIN items i ON i.order_id = o.customer_id"),
        ["items (order_id)", "orders (customer_id)"]
    );
}

#[test]
fn functions_keep_their_schema() {
    let sql = |call: &str| format!("SELECT * FROM orders WHERE {call}(note) = $1");
    let made = |call: &str| advised(&sql(call), vec![orders()]).0[0].create_sql();
    assert!(made("lower").ends_with(r#"("lower"("note"));"#), "{}", made("lower"));
    assert!(made("pg_catalog.lower").ends_with(r#"("lower"("note"));"#));
    assert!(made("folded").ends_with(r#"("shop"."folded"("note"));"#), "{}", made("folded"));
    assert!(made("shop.folded").ends_with(r#"("shop"."folded"("note"));"#));
    assert!(made("legacy.trimmed").ends_with(r#"("legacy"."trimmed"("note"));"#));
    let why_not = |call: &str, table: Table| {
        let (made, refused) = advised(&sql(call), vec![table]);
        assert!(made.is_empty(), "{made:?}");
        refused[0].why_not.clone()
    };
    assert!(why_not("trimmed", orders()).contains("several schemas (legacy, shop)"));
    assert!(why_not("other.lower", orders()).starts_with("other.lower() is not immutable"));
    let mut has = orders();
    has.indexes.push(index("by_note", &["shop.folded(note)"]));
    assert!(why_not("folded", has).contains("by_note begins with"));
}

#[test]
fn what_a_build_left_behind_neither_serves_nor_takes_the_name() {
    let with = |left: Index| {
        let mut table = orders();
        table.indexes.push(left);
        advised("SELECT * FROM orders WHERE customer_id = $1", vec![table]).0.remove(0)
    };
    let left = Index { is_valid: false, ..index("orders_customer_id_idx", &["customer_id"]) };
    let found = with(left.clone());
    assert_eq!((found.name().as_str(), found.leftover()), ("orders_customer_id_idx", true));
    // A unique one may be there on purpose: it still turns duplicates away.
    let found = with(Index { is_unique: true, ..left });
    assert_eq!((found.name().as_str(), found.leftover()), ("orders_customer_id_idx2", false));
}

/// Statements of a reading, each with one call of a millisecond.
fn reading(at: i64, ids: impl IntoIterator<Item = i64>) -> Observation {
    let spend = |query_id: i64| StatementSpend {
        query_id,
        text: Some(format!("SELECT {query_id}").into()),
        calls: 1,
        time_ms: 1.0,
        rows: 1,
    };
    let interval = Duration::from_secs(36);
    let spending = Spending { interval, statements: ids.into_iter().map(spend).collect(), calls: 0, time_ms: 0.0 };
    let sample = Sample { target: TargetId("shop".into()), at: Timestamp(at), figures: Figures::new() };
    Observation { spending: Ok(spending), ..Observation::bare(sample, "") }
}

#[test]
fn what_statements_did_is_counted_within_bounds() {
    const HOUR: i64 = 3_600_000;
    let mut workload = Workload::default();
    assert_eq!((workload.hours(), workload.top(10).len()), (0.0, 0));
    assert_eq!(workload.spent(1), Spent::default());
    assert_eq!(Spent { calls: 4.0, time_ms: 10.0 }.mean_ms(), Some(2.5));
    assert_eq!(Spent::default().mean_ms(), None);

    // The thousand that come first keep their places; those after them are not counted.
    for first in (0..1_200).step_by(200) {
        workload.observe(&reading(1, first..first + 200));
    }
    workload.observe(&reading(2, [999, 1_000]));
    assert_eq!(workload.top(usize::MAX).len(), 1_000);
    assert_eq!((workload.spent(999).calls, workload.spent(1_000).calls), (2.0, 0.0));
    assert_eq!(workload.top(3).len(), 3);

    // An hour later a new generation has room; the one before still counts, the one before that no more.
    workload.observe(&reading(1 + HOUR, 1_000..2_200));
    assert_eq!(workload.top(usize::MAX).len(), 2_000);
    assert_eq!((workload.spent(999).calls, workload.spent(1_999).calls, workload.spent(2_000).calls), (2.0, 1.0, 0.0));
    workload.observe(&reading(1 + 2 * HOUR, [5]));
    assert_eq!(workload.top(usize::MAX).len(), 1_001);
    assert_eq!((workload.spent(999).calls, workload.spent(5).calls), (0.0, 1.0));
    // What is forgotten is not covered either: a reading of each of the two generations is left.
    assert!((workload.hours() - 0.02).abs() < 1e-9, "{}", workload.hours());

    // Twenty indexes are measured at once, of the statements asked for alone.
    for advice in 0..25 {
        workload.measure(&advice.to_string(), [7]);
    }
    workload.observe(&reading(2 + 2 * HOUR, [7, 8]));
    let measured = (0..25).filter(|advice| workload.is_measuring(&advice.to_string())).count();
    assert_eq!((measured, workload.is_measuring("20")), (20, false));
    let once = Some(Spent { calls: 1.0, time_ms: 1.0 });
    assert_eq!((workload.since("19", 7), workload.since("19", 8), workload.since("20", 7)), (once, None, None));
    workload.measured("3");
    workload.measure("20", [7]);
    assert!(workload.is_measuring("20"));
}
