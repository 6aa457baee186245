//! What looks find.

use crate::{console, fill, run, shop};
use headroom_engine::tables::LookError;
use headroom_model::{
    Timestamp,
    tables::{IoFigures, TableSummary},
};
use headroom_sandbox::test::on_each_postgres;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn tables_show_sizes_dead_rows_bloat_and_missing_indexes() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let console = console(database.url()).await;
        let list = console.tables.list(&shop()).await.unwrap();
        assert_eq!((list.total, list.tables.len(), list.limitations.len()), (2, 2, 0), "{list:#?}");
        let named =
            |name: &str| -> TableSummary { list.tables.iter().find(|table| table.name == name).unwrap().clone() };
        let orders = named("orders");
        assert_eq!(list.tables[0].name, "orders", "largest first");
        let parts = [orders.heap_bytes, orders.index_bytes, orders.toast_bytes].map(Option::unwrap);
        assert_eq!(parts.iter().sum::<u64>(), orders.size_bytes.unwrap(), "{orders:#?}");
        assert!(parts[0] > 2_000_000 && parts[1] > 400_000, "{orders:#?}");
        assert_eq!((orders.live_rows, orders.dead_rows, orders.dead_percent), (10_000, 10_000, Some(50.0)));
        assert_eq!((orders.inserted, orders.deleted, orders.hot_percent), (20_000, 10_000, None));
        // Half of the rows are gone, their pages are not.
        let bloat = orders.bloat.unwrap();
        assert!((40.0..60.0).contains(&bloat.percent), "{bloat:?}");
        assert!(orders.analyzed_at.is_some() && orders.vacuumed_at.is_none());
        assert!(orders.freeze_percent < 1.0 && (orders.growth_bytes_a_day, orders.keys_without_index) == (None, 0));
        let items = named("order items");
        assert_eq!(items.keys_without_index, 1);
        assert!(items.bloat.is_none() && items.bloat_unknown.unwrap().contains("1 MiB"));

        let detail = console.tables.detail(&shop(), "shop.order items").await.unwrap();
        assert_eq!(detail.indexes.len(), 1);
        assert!(detail.indexes[0].is_primary && detail.indexes[0].definition.starts_with("CREATE UNIQUE INDEX"));
        let key = &detail.foreign_keys[0];
        assert_eq!((key.references.as_str(), key.columns.as_slice()), ("shop.orders", &["order".to_owned()][..]));
        let sql = "CREATE INDEX CONCURRENTLY ON \"shop\".\"order items\" (\"order\");";
        assert_eq!(key.missing_index.as_deref(), Some(sql));
        let orders = console.tables.detail(&shop(), "shop.orders").await.unwrap();
        assert_eq!(orders.referenced_without_index, detail.foreign_keys);
        assert_eq!((orders.options.as_slice(), orders.analyzes.count), (&["autovacuum_enabled=off".to_owned()][..], 1));
        assert_eq!((orders.indexes.len(), orders.foreign_keys.len(), orders.vacuum), (2, 0, None));
        // With the index that is proposed nothing is missing.
        run(&database, sql).await;
        let detail = console.tables.detail(&shop(), "shop.order items").await.unwrap();
        assert_eq!(detail.foreign_keys[0].missing_index, None);

        let unknown = console.tables.detail(&shop(), "shop.none; DROP TABLE shop.orders").await.unwrap_err();
        assert!(matches!(unknown, LookError::UnknownTable(_)), "{unknown}");
        console.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bloat_is_measured_where_the_extension_is() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let console = console(database.url()).await;
        let missing = console.tables.measure(&shop(), "shop.orders").await.unwrap_err();
        let LookError::NotAllowed { remedy, .. } = &missing else { panic!("{missing:?}") };
        let offered = remedy == "CREATE EXTENSION pgstattuple;";
        assert!(offered || remedy.contains("contrib"), "{remedy}");
        let detail = console.tables.detail(&shop(), "shop.orders").await.unwrap();
        assert_eq!(&detail.measure_missing.unwrap().remedy, remedy);
        if offered {
            run(&database, remedy).await;
            let measured = console.tables.measure(&shop(), "shop.orders").await.unwrap();
            assert!((40.0..60.0).contains(&measured.percent) && measured.scanned_percent > 99.0, "{measured:?}");
            let estimated = detail.table.bloat.unwrap().percent;
            assert!((measured.percent - estimated).abs() < 10.0, "{estimated} {measured:?}");
        }
        console.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_dead_rows_is_named() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let console = console(database.url()).await;
        let mut holder = database.connect().await.unwrap();
        sqlx::raw_sql("SET application_name = 'the holder'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM shop.orders")
            .execute(&mut holder)
            .await
            .unwrap();
        run(&database, "UPDATE shop.orders SET amount = 0 WHERE id < 10").await;
        let report = console.tables.vacuum(&shop()).await.unwrap();
        let found = report.holders.iter().find(|holder| holder.detail.contains("the holder")).unwrap();
        assert_eq!(found.kind, "session");
        assert!(found.since.is_some() && found.age >= 1, "{found:?}");
        assert!(found.remedy.contains(&format!("pid = {} AND backend_start = '", found.name)), "{found:?}");
        assert!(report.databases.iter().any(|age| age.name == database.name()), "{report:#?}");
        assert!(report.tables.is_sorted_by_key(|age| -age.age) && report.tables.len() == 20, "{report:#?}");
        assert!(report.freeze_max_age > 0 && report.tables[0].percent < 1.0);
        assert!(report.running.is_empty() && report.limitations.is_empty(), "{report:#?}");
        // The remedy does what it says.
        run(&database, &found.remedy).await;
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let report = console.tables.vacuum(&shop()).await.unwrap();
        assert!(report.holders.iter().all(|holder| !holder.detail.contains("the holder")), "{report:#?}");
        console.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_counters_replication_and_settings_are_told() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let console = console(database.url()).await;
        let size = console.database_size(&shop()).await.unwrap();
        assert_eq!((size.database.as_str(), size.growth_bytes_a_day), (database.name(), None));
        assert!(size.database_bytes > size.heap_bytes + size.index_bytes && size.heap_bytes > 1_000_000, "{size:#?}");
        assert_eq!(size.largest[0].name, "shop.orders");
        assert!(size.wal_bytes.unwrap() > 0 && size.databases.iter().all(|database| database.bytes.is_some()));

        let stats = console.tables.stats(&shop()).await.unwrap();
        assert!(stats.commits > 0 && stats.rows_written > 20_000 && stats.connections > 0, "{stats:#?}");
        assert_eq!((stats.io.is_some(), stats.sessions_lost.is_some()), (database.major() >= 16, true));
        if let Some(io) = &stats.io {
            let is_normal = |of: &&IoFigures| {
                (of.backend.as_str(), of.object.as_str(), of.context.as_str())
                    == ("client backend", "relation", "normal")
            };
            let normal = io.iter().find(is_normal).unwrap();
            assert!(normal.hits.unwrap() > 0.0, "{io:#?}");
            assert!(
                io.iter().any(|io| io.read_bytes.or(io.written_bytes).or(io.extended_bytes) > Some(0.0)),
                "{io:#?}"
            );
        }

        run(&database, &format!("SELECT pg_create_physical_replication_slot('slot_{}', true)", database.name())).await;
        let replication = console.tables.replication(&shop()).await.unwrap();
        assert!(!replication.is_replica && replication.receiver.is_none());
        let name = format!("slot_{}", database.name());
        let slot = replication.slots.iter().find(|slot| slot.name == name).unwrap();
        assert!(!slot.is_active && slot.retained_bytes.is_some() && slot.advice.is_none(), "{slot:?}");

        // The sandbox trades safety for speed, and says so.
        let settings = console.tables.settings(&shop()).await.unwrap();
        let named = |name: &str| settings.advice.iter().find(|advice| advice.name == name);
        assert!(named("fsync").unwrap().is_risk && named("full_page_writes").is_some(), "{settings:#?}");
        assert!(named("max_slot_wal_keep_size").is_some(), "a slot without a bound: {settings:#?}");
        assert!(named("autovacuum").is_none() && named("track_io_timing").is_none(), "{settings:#?}");
        run(&database, &format!("SELECT pg_drop_replication_slot('{name}')")).await;
        console.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_delays_nobody_and_says_why_it_has_no_size() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let console = console(database.url()).await;
        let mut holder = database.connect().await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE shop.orders IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await.unwrap();
        let list = console.tables.list(&shop()).await.unwrap();
        let orders = list.tables.iter().find(|table| table.name == "orders").unwrap();
        assert_eq!((orders.size_bytes, orders.bloat.as_ref(), orders.live_rows), (None, None, 10_000));
        assert!(orders.bloat_unknown.as_ref().unwrap().contains("exclusively"));
        // Looks are kept and shared: a hundred at once are one.
        let before = console.target(&shop()).unwrap().pools.statements().list(Duration::from_secs(1));
        let shop = shop();
        let looks = (0..100).map(|_| console.tables.list(&shop));
        assert!(futures::future::join_all(looks).await.iter().all(Result::is_ok));
        let count = |list: &[headroom_model::pool::LabelledStatement]| {
            list.iter().find(|statement| statement.label == "list of tables").map(|statement| statement.count)
        };
        let after = console.target(&shop).unwrap().pools.statements().list(Duration::from_secs(1));
        assert_eq!((count(&before), count(&after)), (Some(1), Some(1)));
        console.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_is_told_from_noted_sizes() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let console = console(database.url()).await;
        let earlier = console.clock.now().plus_millis(-2 * 86_400_000);
        let size = |at: Timestamp, bytes| headroom_engine::store::TableSize {
            schema: "shop".into(),
            name: "orders".into(),
            at,
            bytes,
        };
        console.store.note_table_sizes(&shop(), &[size(earlier, 1_000_000)]).await.unwrap();
        let list = console.tables.list(&shop()).await.unwrap();
        let orders = list.tables.iter().find(|table| table.name == "orders").unwrap();
        let grown = (orders.size_bytes.unwrap() as f64 - 1e6) / 2.0;
        assert!((orders.growth_bytes_a_day.unwrap() / grown - 1.0).abs() < 0.01, "{orders:#?}");
        assert!(orders.growth_over_ms.unwrap() / 86_400_000 == 2);
        console.shutdown().await;
    })
    .await;
}
