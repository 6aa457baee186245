//! Datasets against real servers: pages, cursors, refusals, and tables that tell of their changes.

mod support;

use futures::StreamExt;
use headroom_engine::{
    cache::{CacheSettings, ClassSettings, Origin, Servers},
    clock::Clock,
    dataset::{
        Ask, Dataset, DatasetConfig, DatasetError, Datasets, Parameter, ParameterKind, SetupError, TriggerState,
        Triggers,
    },
    pool::PoolProfile,
    target::{CapacityLimits, Target, TargetConfig},
};
use headroom_model::TargetId;
use headroom_sandbox::test::{TestDatabase, database, on_each_postgres, redis};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

const SCHEMA: &str = "
    CREATE TABLE products (id bigint PRIMARY KEY, sku text NOT NULL, region text NOT NULL, price numeric NOT NULL);
    INSERT INTO products SELECT n, 'sku-' || n, CASE n % 2 WHEN 0 THEN 'eu' ELSE 'us' END, n * 1.5
    FROM generate_series(1, 250) AS n;
    CREATE TABLE events (id bigint NOT NULL, at date NOT NULL, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO events SELECT n, '2026-11-01' FROM generate_series(1, 10) AS n;
    CREATE VIEW regions AS SELECT region, count(*) AS products FROM products GROUP BY region;";

fn parameter(name: &str, kind: ParameterKind) -> Parameter {
    Parameter { name: name.into(), kind, default: None, min: None, max: None, values: Vec::new() }
}

fn dataset(name: &str, sql: &str, parameters: Vec<Parameter>) -> DatasetConfig {
    DatasetConfig {
        name: name.into(),
        target: TargetId("test".into()),
        sql: sql.into(),
        parameters,
        cache: ClassSettings { soft_timeout: Duration::from_secs(5), beta: 0.0, ..ClassSettings::default() },
        tags: Vec::new(),
        warmup: None,
        warm: Vec::new(),
        key: Vec::new(),
        tables: Vec::new(),
        per_user: false,
        count: true,
    }
}

fn products() -> DatasetConfig {
    let sql = "SELECT id, sku, price FROM products WHERE region = :region";
    DatasetConfig { key: vec!["id".into()], ..dataset("products", sql, vec![parameter("region", ParameterKind::Text)]) }
}

async fn start(database: &TestDatabase, redis: Option<String>, configs: Vec<DatasetConfig>) -> Datasets {
    sqlx::raw_sql(SCHEMA)
        .execute(&mut database.connect().await.expect("it answers"))
        .await
        .expect("the schema is right");
    try_start(&database.url(), redis, configs).expect("the definitions fit")
}

fn try_start(url: &str, redis_url: Option<String>, configs: Vec<DatasetConfig>) -> Result<Datasets, SetupError> {
    let redis = redis_url.map(Servers::Single);
    let config = TargetConfig {
        id: TargetId("test".into()),
        database_url: url.into(),
        replica: None,
        redis,
        pool: PoolProfile::default(),
        limits: CapacityLimits::default(),
        auto_terminate: None,
    };
    let target: Arc<Target> = support::target(url, config.redis.clone(), config.pool);
    let settings = CacheSettings { space: format!("t{:x}", rand::random::<u64>()), ..CacheSettings::default() };
    Datasets::start(configs, &[(config, target)], &settings, &Clock::system())
}

fn ask(arguments: &[(&str, &str)]) -> Ask {
    let arguments = arguments.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Ask { arguments, ..Ask::default() }
}

async fn body(dataset: &Arc<Dataset>, ask: &Ask) -> Result<(Value, Origin), DatasetError> {
    let hit = dataset.page(ask).await?;
    let page = hit.value().expect("a page is never absent");
    Ok((serde_json::from_slice(page.body()).expect("it is JSON"), hit.origin))
}

async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !check().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn pages_come_from_postgresql_once_and_then_from_memory() {
    on_each_postgres(async |database| {
        let datasets = start(&database, Some(redis().await.unwrap().url()), vec![products()]).await;
        let products = datasets.get("products").unwrap();
        let (first, origin) = body(products, &ask(&[("region", "eu")])).await.unwrap();
        assert_eq!(origin, Origin::Load);
        assert_eq!(first["data"].as_array().map(Vec::len), Some(50));
        assert_eq!(first["data"][0], json!({ "id": 2, "sku": "sku-2", "price": 3.0 }));
        let expected = json!({ "page": 1, "limit": 50, "total": 125, "pages": 3, "hasNext": true, "hasPrev": false });
        assert_eq!(first["pagination"], expected);
        // Beginning to listen for changes makes what was loaded before it outdated, once.
        eventually("an answer from memory", async || {
            let (again, origin) = body(products, &ask(&[("region", "eu")])).await.unwrap();
            assert_eq!(again, first);
            origin == Origin::Memory
        })
        .await;
        let (last, _) = body(products, &Ask { page: Some(3), ..ask(&[("region", "eu")]) }).await.unwrap();
        assert_eq!((last["data"].as_array().map(Vec::len), &last["pagination"]["hasNext"]), (Some(25), &json!(false)));
        let names: Vec<_> =
            products.columns().expect("checked by now").into_iter().map(|it| (it.name, it.kind)).collect();
        let expected = [("id", "bigint"), ("sku", "text"), ("price", "numeric")];
        assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
        datasets.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn cursors_walk_over_every_row_once() {
    let database = database().await.unwrap();
    let datasets = start(&database, None, vec![products()]).await;
    let products = datasets.get("products").unwrap();
    let mut seen = Vec::new();
    let mut cursor = Some(String::new());
    while let Some(at) = cursor {
        let ask = Ask { cursor: Some(at), limit: Some(40), ..ask(&[("region", "us")]) };
        let (page, _) = body(products, &ask).await.unwrap();
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()));
        cursor = page["nextCursor"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, (1..=250).step_by(2).collect::<Vec<u64>>());
    let foreign = Ask { cursor: Some("Zm9yZWlnbg".into()), ..ask(&[("region", "us")]) };
    assert!(
        matches!(body(products, &foreign).await, Err(DatasetError::Invalid(errors)) if errors[0].field == "cursor")
    );
}

#[tokio::test]
async fn definitions_are_held_against_the_database() {
    let database = database().await.unwrap();
    let keyed =
        |name: &str, sql: &str, key: &str| DatasetConfig { key: vec![key.into()], ..dataset(name, sql, vec![]) };
    let datasets = start(
        &database,
        None,
        vec![
            dataset("nowhere", "SELECT * FROM nowhere", vec![]),
            dataset("writes", "WITH gone AS (DELETE FROM products RETURNING id) SELECT * FROM gone", vec![]),
            dataset("twice", "SELECT 1 AS a, 2 AS a", vec![]),
            keyed("loose", "SELECT region FROM products", "region"),
            keyed("absent", "SELECT region FROM products", "id"),
            keyed("made", "SELECT id + 1 AS id FROM products", "id"),
            dataset("regions", "SELECT * FROM regions", vec![]),
            dataset("parted", "SELECT * FROM events WHERE id = :id", vec![parameter("id", ParameterKind::Integer)]),
        ],
    )
    .await;
    for (name, word) in [
        ("nowhere", "nowhere"),
        ("writes", "WITH"),
        ("twice", "two of its columns"),
        ("loose", "no unique index"),
        ("absent", "its columns are: region"),
        ("made", "names no row"),
    ] {
        let error = body(datasets.get(name).unwrap(), &Ask::default()).await.unwrap_err();
        let DatasetError::Definition(reason) = &error else { panic!("{name}: {error:?}") };
        assert!(reason.contains(word), "{name}: {reason}");
        assert_eq!(datasets.get(name).unwrap().problem().as_ref(), Some(reason));
    }
    // Views and partitions lead to the tables behind them.
    let (regions, parted) = (datasets.get("regions").unwrap(), datasets.get("parted").unwrap());
    eventually("the check", async || !regions.tables().is_empty() && !parted.tables().is_empty()).await;
    assert_eq!(regions.tables(), ["public.products"]);
    assert_eq!(parted.tables(), ["public.events", "public.events_1"]);
    let Err(error) = try_start(&database.url(), None, vec![products(), products()]) else { panic!("two of one name") };
    assert!(error.to_string().contains("two of this name"));
}

#[tokio::test]
async fn checking_one_dataset_does_not_disturb_the_sessions_of_another() {
    let database = database().await.unwrap();
    let late = dataset("late", "SELECT * FROM late", vec![]);
    let datasets = start(&database, None, vec![products(), late]).await;
    let (products, late) = (datasets.get("products").unwrap(), datasets.get("late").unwrap());
    body(products, &ask(&[("region", "eu")])).await.unwrap();
    assert!(body(late, &Ask::default()).await.is_err());
    sqlx::raw_sql("CREATE TABLE late (n int)").execute(&mut database.connect().await.unwrap()).await.unwrap();
    // A refusal stands for a moment.
    eventually("the definition is accepted", async || body(late, &Ask::default()).await.is_ok()).await;
    // The same statement with other arguments, on whichever session is at hand.
    for page in 1..=3 {
        body(products, &Ask { page: Some(page), ..ask(&[("region", "us")]) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_failing_statement_has_a_safe_text_and_an_older_page_stands_in() {
    let database = database().await.unwrap();
    let short = ClassSettings { ttl: Duration::from_millis(50), ..products().cache };
    let sql = "SELECT 10 / (id - :id) AS n FROM products WHERE id = 7";
    let datasets = start(
        &database,
        None,
        vec![
            dataset("divides", sql, vec![parameter("id", ParameterKind::Integer)]),
            DatasetConfig { cache: short, ..products() },
        ],
    )
    .await;
    let error = body(datasets.get("divides").unwrap(), &ask(&[("id", "7")])).await.unwrap_err();
    assert_eq!(error.to_string(), "PostgreSQL refused the dataset's statement (SQLSTATE 22012)");
    let products = datasets.get("products").unwrap();
    let eu = ask(&[("region", "eu")]);
    let (good, _) = body(products, &eu).await.unwrap();
    let mut connection = database.connect().await.unwrap();
    sqlx::raw_sql("ALTER TABLE products RENAME TO renamed").execute(&mut connection).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(body(products, &eu).await.unwrap(), (good, Origin::Stale));
    let other = body(products, &ask(&[("region", "us")])).await.unwrap_err();
    assert!(matches!(other, DatasetError::Failed(_)), "{other:?}");
}

#[tokio::test]
async fn a_change_of_its_table_makes_the_next_read_a_miss_within_a_second() {
    on_each_postgres(async |database| {
        let datasets = start(&database, Some(redis().await.unwrap().url()), vec![products()]).await;
        let products = datasets.get("products").unwrap();
        let eu = ask(&[("region", "eu")]);
        body(products, &eu).await.unwrap();
        let tables = BTreeSet::from(["public.products".to_owned(), "public.nothing".to_owned()]);
        let mut connection = database.connect().await.unwrap();
        let states = Triggers::status(&mut connection, &tables).await.unwrap();
        assert_eq!(
            states.iter().map(|it| it.state).collect::<Vec<_>>(),
            [TriggerState::NoTable, TriggerState::Missing]
        );
        let tables: BTreeSet<_> = products.tables().into_iter().collect();
        for _ in 0..2 {
            Triggers::apply(&mut connection, &Triggers::install(&tables)).await.unwrap();
        }
        assert_eq!(Triggers::status(&mut connection, &tables).await.unwrap()[0].state, TriggerState::Installed);
        // The first change tells that the ear is there; the second is measured.
        for price in [1, 2] {
            body(products, &eu).await.unwrap();
            sqlx::query("UPDATE products SET price = $1").bind(price).execute(&mut connection).await.unwrap();
            let changed = Instant::now();
            eventually("the miss", async || {
                body(products, &eu).await.is_ok_and(|(page, _)| page["data"][0]["price"] == price)
            })
            .await;
            assert!(price == 1 || changed.elapsed() < Duration::from_secs(1), "{:?}", changed.elapsed());
        }
        Triggers::apply(&mut connection, &Triggers::remove(&tables)).await.unwrap();
        assert_eq!(Triggers::status(&mut connection, &tables).await.unwrap()[0].state, TriggerState::Missing);
        datasets.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn users_have_pages_of_their_own_where_a_dataset_says_so() {
    let database = database().await.unwrap();
    let sql = "SELECT :user AS me";
    let datasets = start(&database, None, vec![DatasetConfig { per_user: true, ..dataset("me", sql, vec![]) }]).await;
    let me = datasets.get("me").unwrap();
    for user in ["ada", "bob&user=ada"] {
        let ask = Ask { user: user.into(), ..Ask::default() };
        let (page, origin) = body(me, &ask).await.unwrap();
        assert_eq!((&page["data"][0]["me"], origin), (&json!(user), Origin::Load));
    }
}

#[tokio::test]
async fn large_answers_stream_and_an_abandoned_stream_gives_its_connection_back() {
    let database = database().await.unwrap();
    let all = dataset("all", "SELECT n FROM generate_series(1, 100000) AS n", vec![]);
    let datasets = start(&database, None, vec![all]).await;
    let all = datasets.get("all").unwrap();
    let mut rows = all.stream(&Ask::default()).await.unwrap();
    let mut count = 0;
    while let Some(row) = rows.next().await {
        count += 1;
        assert_eq!(row.unwrap(), format!("{{\"n\":{count}}}"));
    }
    assert_eq!(count, 100_000);
    for _ in 0..20 {
        let mut rows = all.stream(&Ask::default()).await.unwrap();
        assert!(rows.next().await.unwrap().is_ok());
    }
    body(all, &Ask::default()).await.unwrap();
}

#[tokio::test]
async fn streams_are_few_and_one_that_was_sent_whole_counts_no_more() {
    let database = database().await.unwrap();
    let sql = "SELECT n FROM generate_series(1, :rows) AS n";
    let rows = Parameter {
        name: "rows".into(),
        kind: ParameterKind::Integer,
        default: None,
        min: None,
        max: None,
        values: Vec::new(),
    };
    let datasets = start(&database, None, vec![dataset("all", sql, vec![rows])]).await;
    let all = datasets.get("all").unwrap();
    let at_once = PoolProfile::default().data_max / 2;
    // One more than may wait for their reader; then as many as may, with only the end left to be told.
    for (rows, is_refused) in [("257", true), ("256", false)] {
        let ask = ask(&[("rows", rows)]);
        let mut open = Vec::new();
        for _ in 0..at_once {
            // Those of before give their places back in a moment.
            eventually("a place", async || all.stream(&ask).await.map(|rows| open.push(rows)).is_ok()).await;
        }
        if is_refused {
            assert!(matches!(all.stream(&ask).await, Err(DatasetError::Busy(_))));
        } else {
            eventually("a place", async || all.stream(&ask).await.is_ok()).await;
        }
    }
}
