//! One suite against every backend: a SQLite file, SQLite in memory, and each PostgreSQL that this machine has.

use super::*;
use headroom_model::{
    Band,
    operation::{OperationState, Progress},
    range::Resolved,
    share::{Audience, SHARE_REMEMBERED_DAYS, SHARES_MAX, SHARES_OF_ONE_MAX},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;

const NOON: Timestamp = Timestamp(1_795_089_600_000);

async fn on_each_backend<F, Fut>(test: F)
where
    F: Fn(Arc<dyn StateStore>) -> Fut,
    Fut: Future<Output = ()>,
{
    let folder = tempfile::tempdir().unwrap();
    test(open(&file_url(folder.path())).await.unwrap()).await;
    test(open("sqlite::memory:").await.unwrap()).await;
    headroom_sandbox::test::on_each_postgres(async |database| test(open(&database.url()).await.unwrap()).await).await;
}

fn file_url(folder: &std::path::Path) -> String {
    format!("sqlite:{}/state.db", folder.display())
}

fn orders() -> TargetId {
    TargetId("orders".into())
}

fn row(metric: MetricId, minute: i64, values: &[f64]) -> MinuteRow {
    let mut tallies = values.iter().map(|value| Tally::of(*value));
    let mut tally = tallies.next().unwrap();
    tallies.for_each(|other| tally.merge(&other));
    MinuteRow { metric, at: NOON.plus_millis(minute * MINUTE_MS), tally }
}

fn hour_of_minutes(step_ms: i64) -> Grid {
    let range = Resolved { from: NOON, to: NOON.plus_millis(HOUR_MS), live: false };
    Grid::covering(range, 1500, step_ms)
}

async fn read(store: &dyn StateStore, metric: MetricId, grid: Grid) -> Vec<Option<Tally>> {
    store.tallies(&orders(), &[metric], &grid).await.unwrap().remove(0)
}

#[tokio::test]
async fn minutes_merge_and_hours_are_their_sum() {
    on_each_backend(async |store| {
        let metric = MetricId::Connections;
        let first = [row(metric, 0, &[1.0, 5.0]), row(metric, 2, &[3.0]), row(MetricId::Queries, 0, &[9.0])];
        store.merge_minutes(Uuid::now_v7(), &orders(), &first).await.unwrap();
        store.merge_minutes(Uuid::now_v7(), &orders(), &[row(metric, 0, &[-2.0])]).await.unwrap();
        store.merge_minutes(Uuid::now_v7(), &TargetId("other".into()), &[row(metric, 0, &[99.0])]).await.unwrap();

        let minutes = read(&*store, metric, hour_of_minutes(MINUTE_MS)).await;
        assert_eq!(minutes.len(), 60);
        assert_eq!(minutes[0], Some(Tally { sum: 4.0, min: -2.0, max: 5.0, count: 3 }));
        assert_eq!((minutes[1], minutes[2]), (None, Some(Tally::of(3.0))));
        let fives = read(&*store, metric, hour_of_minutes(5 * MINUTE_MS)).await;
        let hour = read(&*store, metric, hour_of_minutes(HOUR_MS)).await;
        assert_eq!(hour, [Some(Tally { sum: 7.0, min: -2.0, max: 5.0, count: 4 })]);
        assert_eq!(fives[0], hour[0]);
        assert!(fives[1..].iter().all(Option::is_none));
    })
    .await;
}

/// Minutes by chance, with gaps, read back on every grid: each slot is exactly what was measured in it, and nothing else is.
#[tokio::test]
async fn rollups_keep_what_was_measured_and_gaps_stay_gaps() {
    on_each_backend(async |store| {
        let mut rng = StdRng::seed_from_u64(7);
        let metric = MetricId::Connections;
        let rows: Vec<MinuteRow> = (0..3 * 24 * 60)
            .filter_map(|minute| {
                let is_gap = rng.random_bool(0.4) || (600..1900).contains(&minute);
                let values: Vec<f64> =
                    (0..rng.random_range(1..4)).map(|_| f64::from(rng.random_range(-500..500))).collect();
                (!is_gap).then(|| row(metric, minute, &values))
            })
            .collect();
        for batch in rows.chunks(700) {
            store.merge_minutes(Uuid::now_v7(), &orders(), batch).await.unwrap();
        }
        for step_ms in [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS] {
            let slots = usize::try_from(3 * DAY_MS / step_ms).unwrap() + 1;
            let grid = Grid { from: NOON.floor_to(step_ms), step_ms, slots };
            let mut expected = vec![None; slots];
            for row in &rows {
                merge_into(&mut expected[grid.slot_of(row.at).unwrap()], &row.tally);
            }
            assert!(step_ms > HOUR_MS || expected.iter().any(Option::is_none));
            assert_eq!(read(&*store, metric, grid).await, expected, "{step_ms}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_batch_sent_twice_counts_once() {
    on_each_backend(async |store| {
        let (batch, rows) = (Uuid::now_v7(), [row(MetricId::Deadlocks, 0, &[2.0])]);
        store.merge_minutes(batch, &orders(), &rows).await.unwrap();
        store.merge_minutes(batch, &orders(), &rows).await.unwrap();
        let hour = read(&*store, MetricId::Deadlocks, hour_of_minutes(HOUR_MS)).await;
        assert_eq!(hour, [Some(Tally::of(2.0))]);
    })
    .await;
}

#[tokio::test]
async fn large_batches_and_repeated_minutes_are_taken() {
    on_each_backend(async |store| {
        let mut rows: Vec<_> = (0..1300).map(|minute| row(MetricId::Queries, minute, &[1.0])).collect();
        rows.push(row(MetricId::Queries, 0, &[2.0]));
        store.merge_minutes(Uuid::now_v7(), &orders(), &rows).await.unwrap();
        store.merge_minutes(Uuid::now_v7(), &orders(), &[]).await.unwrap();
        let range = Resolved { from: NOON, to: NOON.plus_millis(DAY_MS), live: false };
        let day = read(&*store, MetricId::Queries, Grid::covering(range, 1500, HOUR_MS)).await;
        assert_eq!(day.iter().flatten().map(|tally| tally.count).sum::<u32>(), 1301);
        assert_eq!(day.iter().flatten().map(|tally| tally.sum).sum::<f64>(), 1302.0);
    })
    .await;
}

#[tokio::test]
async fn unknown_targets_and_metrics_are_all_gaps() {
    on_each_backend(async |store| {
        let (metrics, grid) = ([MetricId::Queries, MetricId::RedisKeys], hour_of_minutes(MINUTE_MS));
        let columns = store.tallies(&orders(), &metrics, &grid).await.unwrap();
        assert_eq!(columns, vec![vec![None; 60]; 2]);
        assert_eq!(store.history_start(&orders()).await.unwrap(), HistoryStart::default());
    })
    .await;
}

#[tokio::test]
async fn retention_prunes_each_kind_at_its_age() {
    on_each_backend(async |store| {
        let metric = MetricId::RedisKeys;
        for minute in [0, 24 * 60, 3 * 24 * 60] {
            store.merge_minutes(Uuid::now_v7(), &orders(), &[row(metric, minute, &[1.0])]).await.unwrap();
        }
        store.add_event(Uuid::now_v7(), &event(NOON, None, EventKind::Deploy)).await.unwrap();
        let kept = store
            .add_event(Uuid::now_v7(), &event(NOON.plus_millis(3 * DAY_MS), None, EventKind::Deploy))
            .await
            .unwrap();
        store.add_audit(&audit("ann", NOON)).await.unwrap();
        store.save_operation(&operation("old", OperationState::Succeeded, 0)).await.unwrap();
        store.save_operation(&operation("running", OperationState::Running, 0)).await.unwrap();

        let now = NOON.plus_millis(3 * DAY_MS + 61_000);
        let retention = Retention { minutes_days: 1, hours_days: 2, events_days: 2 };
        let upkeep = store.upkeep(now, retention).await.unwrap();
        // Two minutes, one hour, one event, one audit row, one ended operation.
        assert_eq!(upkeep, Upkeep { rows_pruned: 6, unfinished: false });
        let (minutes, hours) = (Some(NOON.plus_millis(3 * DAY_MS)), Some(NOON.plus_millis(DAY_MS)));
        assert_eq!(store.history_start(&orders()).await.unwrap(), HistoryStart { minutes, hours, measured: hours });
        let query = EventQuery { limit: 10, ..EventQuery::default() };
        assert_eq!(store.events(&query).await.unwrap(), [kept]);
        assert_eq!(store.audit(0, 10).await.unwrap().1, 0);
        let left = store.operations(None, 10).await.unwrap();
        assert_eq!(left.iter().map(|operation| operation.id.as_str()).collect::<Vec<_>>(), ["running"]);
        assert_eq!(store.upkeep(now, retention).await.unwrap(), Upkeep::default());
    })
    .await;
}

fn event(at: Timestamp, target: Option<&str>, kind: EventKind) -> NewEvent {
    NewEvent {
        at,
        target: target.map(|target| TargetId(target.into())),
        kind,
        band: Some(Band::Degraded),
        title: "It's \"done\"; DROP TABLE events; --".into(),
        detail: None,
        actor: Some("ann".into()),
    }
}

#[tokio::test]
async fn an_event_sent_twice_is_stored_once() {
    on_each_backend(async |store| {
        let (uid, event) = (Uuid::now_v7(), event(NOON, Some("orders"), EventKind::Outage));
        let first = store.add_event(uid, &event).await.unwrap();
        assert_eq!(store.add_event(uid, &event).await.unwrap(), first);
        let other = store.add_event(Uuid::now_v7(), &event).await.unwrap();
        let all = store.events(&EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
        assert_eq!(all, [other, first]);
    })
    .await;
}

#[tokio::test]
async fn one_console_holds_it_until_it_goes_or_its_term_ends() {
    on_each_backend(async |store| {
        let (one, other, term) = (Uuid::now_v7(), Uuid::now_v7(), Duration::from_secs(60));
        assert!(store.hold(one, term).await.unwrap() && store.hold(one, term).await.unwrap());
        assert!(!store.hold(other, term).await.unwrap());
        store.release(other).await.unwrap();
        assert!(!store.hold(other, term).await.unwrap(), "it was not the other's to give");
        store.release(one).await.unwrap();
        assert!(store.hold(other, Duration::ZERO).await.unwrap());
        let taken = async { while !store.hold(one, term).await.unwrap() {} };
        tokio::time::timeout(Duration::from_secs(20), taken).await.expect("a term that ended is over");
        assert!(!store.hold(other, term).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn events_come_back_newest_first_and_filtered() {
    on_each_backend(async |store| {
        let mut stored = Vec::new();
        for (i, (target, kind)) in
            [(Some("orders"), EventKind::Deploy), (Some("other"), EventKind::Outage), (None, EventKind::Restart)]
                .into_iter()
                .enumerate()
        {
            let at = NOON.plus_millis(i as i64 * 1000);
            stored.push(store.add_event(Uuid::now_v7(), &event(at, target, kind)).await.unwrap());
        }
        assert!(stored[0].id < stored[1].id && stored[1].id < stored[2].id);
        let all = EventQuery { limit: 10, ..EventQuery::default() };
        let list = async |query: EventQuery| -> Vec<i64> {
            store.events(&query).await.unwrap().into_iter().map(|event| event.id).collect()
        };
        let ids: Vec<i64> = stored.iter().map(|event| event.id).collect();
        assert_eq!(store.events(&EventQuery { limit: 1, ..all.clone() }).await.unwrap(), stored[2..]);
        assert_eq!(list(all.clone()).await, [ids[2], ids[1], ids[0]]);
        assert_eq!(list(EventQuery { target: Some(orders()), ..all.clone() }).await, [ids[2], ids[0]]);
        assert_eq!(list(EventQuery { before: Some(ids[1]), ..all.clone() }).await, [ids[0]]);
        let kinds = vec![EventKind::Deploy, EventKind::Restart];
        assert_eq!(list(EventQuery { kinds, ..all.clone() }).await, [ids[2], ids[0]]);
        let second = EventQuery { from: Some(stored[1].event.at), to: Some(stored[2].event.at), ..all };
        assert_eq!(list(second).await, [ids[1]]);
    })
    .await;
}

fn audit(actor: &str, at: Timestamp) -> NewAudit {
    NewAudit {
        at,
        actor: actor.into(),
        role: Role::Operator,
        origin: Some("127.0.0.1".into()),
        action: "stats.reset".into(),
        target: Some(orders()),
        parameters: serde_json::json!({ "scope": "pool", "nested": [1, null] }),
        reason: None,
        outcome: "reset".into(),
        succeeded: true,
    }
}

#[tokio::test]
async fn the_audit_is_paged_newest_first() {
    on_each_backend(async |store| {
        for name in ["ann", "ben", "cem"] {
            store.add_audit(&audit(name, NOON)).await.unwrap();
        }
        let (rows, total) = store.audit(1, 1).await.unwrap();
        assert_eq!((rows.len(), total), (1, 3));
        assert_eq!(rows[0].audit, audit("ben", NOON));
        assert!(store.audit(3, 10).await.unwrap().0.is_empty());
    })
    .await;
}

fn user(name: &str) -> User {
    User { name: name.into(), role: Role::Admin, password_hash: "$argon2id$…".into(), created_at: NOON }
}

fn session(hash: u8, user: &str, created_at: Timestamp) -> StoredSession {
    StoredSession { hash: vec![hash; 32], user: user.into(), created_at, expires_at: created_at.plus_millis(HOUR_MS) }
}

#[tokio::test]
async fn users_own_their_sessions() {
    on_each_backend(async |store| {
        assert!(!store.is_access_defined().await.unwrap());
        store.add_user(&user("ben")).await.unwrap();
        store.add_user(&user("ann")).await.unwrap();
        assert!(store.is_access_defined().await.unwrap());
        assert!(matches!(store.add_user(&user("ann")).await, Err(StoreError::Exists { what: "user", .. })));
        assert_eq!(store.users().await.unwrap(), [user("ann"), user("ben")]);
        assert_eq!(store.user("ben").await.unwrap(), Some(user("ben")));
        assert_eq!(store.user("eve").await.unwrap(), None);

        let ann = session(1, "ann", NOON);
        assert!(store.add_session(&ann).await.unwrap());
        assert!(!store.add_session(&session(2, "eve", NOON)).await.unwrap(), "nobody's session");
        assert_eq!(store.session(&ann.hash, NOON).await.unwrap(), Some((ann.clone(), Role::Admin)));
        assert_eq!(store.session(&ann.hash, ann.expires_at).await.unwrap(), None);
        assert!(store.remove_user("ann").await.unwrap());
        assert!(!store.remove_user("ann").await.unwrap());
        assert_eq!(store.session(&ann.hash, NOON).await.unwrap(), None);

        for i in 0..60 {
            store.add_session(&session(i, "ben", NOON.plus_millis(i.into()))).await.unwrap();
        }
        assert_eq!(store.session(&[9; 32], NOON).await.unwrap(), None, "only the newest fifty stay");
        assert!(store.session(&[10; 32], NOON).await.unwrap().is_some());
        store.remove_session(&[10; 32]).await.unwrap();
        assert_eq!(store.session(&[10; 32], NOON).await.unwrap(), None);
        assert_eq!(store.upkeep(NOON.plus_millis(DAY_MS), Retention::default()).await.unwrap().rows_pruned, 49);
    })
    .await;
}

#[tokio::test]
async fn tokens_are_found_by_hash() {
    on_each_backend(async |store| {
        let token = Token {
            name: "scraper".into(),
            role: Role::Viewer,
            hash: vec![7; 32],
            created_at: NOON,
            expires_at: Some(NOON.plus_millis(1)),
        };
        store.add_token(&token).await.unwrap();
        assert!(store.is_access_defined().await.unwrap());
        assert!(matches!(store.add_token(&token).await, Err(StoreError::Exists { what: "token", .. })));
        assert_eq!(store.token(&token.hash).await.unwrap(), Some(token.clone()));
        assert_eq!(store.token(&[8; 32]).await.unwrap(), None);
        assert_eq!(store.tokens().await.unwrap(), [token]);
        assert!(store.remove_token("scraper").await.unwrap());
        assert!(!store.remove_token("scraper").await.unwrap());
    })
    .await;
}

fn operation(id: &str, state: OperationState, minute: i64) -> Operation {
    let at = NOON.plus_millis(minute * MINUTE_MS);
    Operation {
        id: id.into(),
        kind: "cache.warm".into(),
        title: "Warm".into(),
        target: Some(orders()),
        actor: "ann".into(),
        cancel_role: Role::Operator,
        reason: None,
        state,
        progress: Progress { done: 1, total: Some(2), unit: "keys".into(), rate: Some(1.5), eta_ms: Some(700) },
        log: Vec::new(),
        log_dropped: 0,
        outcome: None,
        effect: None,
        created_at: at,
        started_at: Some(at),
        finished_at: state.is_final().then_some(at),
    }
}

#[tokio::test]
async fn operations_move_and_interrupted_ones_fail() {
    on_each_backend(async |store| {
        store.save_operation(&operation("a", OperationState::Queued, 0)).await.unwrap();
        store.save_operation(&operation("a", OperationState::Running, 0)).await.unwrap();
        let done = operation("b", OperationState::Succeeded, 1);
        store.save_operation(&done).await.unwrap();
        assert_eq!(store.operations(Some(&TargetId("other".into())), 10).await.unwrap(), []);
        assert_eq!(store.operations(None, 1).await.unwrap(), [done]);

        let later = NOON.plus_millis(DAY_MS);
        assert_eq!(store.fail_interrupted_operations(later).await.unwrap(), 1);
        assert_eq!(store.fail_interrupted_operations(later).await.unwrap(), 0);
        let failed = store.operations(Some(&orders()), 10).await.unwrap().remove(1);
        assert_eq!((failed.id.as_str(), failed.state), ("a", OperationState::Failed));
        assert_eq!((failed.finished_at, failed.outcome.as_deref()), (Some(later), Some("the console stopped")));
        assert_eq!((failed.progress.rate, failed.progress.eta_ms), (None, None));
    })
    .await;
}

#[tokio::test]
async fn tells_its_backend_and_its_size() {
    let mut backends = BTreeSet::new();
    let seen = std::sync::Mutex::new(&mut backends);
    on_each_backend(async |store| {
        store.ping().await.unwrap();
        assert!(store.size_bytes().await.unwrap() >= 8192);
        seen.lock().unwrap().insert(store.backend());
    })
    .await;
    assert_eq!(backends, BTreeSet::from(["postgres", "sqlite"]));
}

#[tokio::test]
async fn instances_may_start_at_once_and_find_what_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    start_at_once(&file_url(folder.path())).await;
    headroom_sandbox::test::on_each_postgres(async |database| start_at_once(&database.url()).await).await;
}

async fn start_at_once(url: &str) {
    let stores = futures::future::join_all((0..6).map(|_| open(url))).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    // Both learn the same names and merge the same minute.
    let merges = stores.iter().map(|store| async {
        let rows = [row(MetricId::Queries, 0, &[1.0]), row(MetricId::RedisKeys, 0, &[1.0])];
        store.merge_minutes(Uuid::now_v7(), &orders(), &rows).await.unwrap();
    });
    futures::future::join_all(merges).await;
    let again = open(url).await.unwrap();
    assert_eq!(read(&*again, MetricId::Queries, hour_of_minutes(HOUR_MS)).await[0].unwrap().count, 6);
}

#[tokio::test]
async fn a_sqlite_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/state.db");
    let url = format!("sqlite:{}", path.display());
    let store = open(&url).await.unwrap();
    store.add_user(&user("ann")).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    drop(store);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    open(&url).await.unwrap();
    assert_eq!(mode(&path), 0o600, "a file made readable to others is made private again");
}

#[tokio::test]
async fn refuses_urls_that_name_no_store() {
    for url in ["", "state.db", "mysql://localhost/x"] {
        assert!(matches!(open(url).await, Err(StoreError::Url)), "{url}");
    }
    let error = open("postgres://ann:secret@127.0.0.1:1/x").await.err().unwrap().to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn locks_have_one_holder_run_out_and_count_up() {
    on_each_backend(async |store| {
        let (a, b, long) = (Uuid::now_v7(), Uuid::now_v7(), Duration::from_secs(60));
        assert_eq!(store.lock("job").await.unwrap(), None);
        assert_eq!(store.take_lock("job", a, "ada", long).await.unwrap(), Some(1));
        assert_eq!(store.take_lock("job", b, "bob", long).await.unwrap(), None);
        assert_eq!(store.take_lock("job", a, "ada", long).await.unwrap(), None, "not even by its holder");
        let held = store.lock("job").await.unwrap().unwrap();
        assert_eq!((held.owner.as_str(), held.fence), ("ada", 1));
        assert!(held.left <= long && held.left > long / 2, "{held:?}");
        assert!(store.renew_lock("job", a, long).await.unwrap() && !store.renew_lock("job", b, long).await.unwrap());
        assert!(!store.free_lock("job", b).await.unwrap() && store.free_lock("job", a).await.unwrap());
        assert!(!store.renew_lock("job", a, long).await.unwrap(), "what was given free is not revived");
        // A lease of no length has run out at once.
        assert_eq!(store.take_lock("job", a, "ada", Duration::ZERO).await.unwrap(), Some(2));
        assert!(!store.renew_lock("job", a, long).await.unwrap(), "what has run out is not revived");
        assert_eq!(store.lock("job").await.unwrap(), None);
        assert_eq!(store.take_lock("job", b, "bob", long).await.unwrap(), Some(3));
        assert_eq!(store.take_lock("other", b, "bob", long).await.unwrap(), Some(1));
    })
    .await;
}

#[tokio::test]
async fn the_first_size_of_a_day_is_kept_and_the_oldest_told() {
    on_each_backend(async |store| {
        let hour = |hour: i64, bytes| TableSize {
            schema: "shop".into(),
            name: "orders".into(),
            at: NOON.plus_millis(hour * HOUR_MS),
            bytes,
        };
        let many: Vec<_> = (0..600).map(|n| TableSize { name: format!("t{n}"), ..hour(0, 7) }).collect();
        store.note_table_sizes(&orders(), &many).await.unwrap();
        for size in [hour(0, 100), hour(1, 200), hour(48, 300), hour(49, 400)] {
            store.note_table_sizes(&orders(), &[size]).await.unwrap();
        }
        let told = async |since: i64| {
            let sizes = store.table_sizes(&orders(), hour(since, 0).at).await.unwrap();
            sizes.into_iter().find(|size| size.name == "orders")
        };
        assert_eq!(told(-1).await, Some(hour(0, 100)));
        assert_eq!(told(24).await, Some(hour(48, 300)));
        assert_eq!(told(49).await, None);
        assert_eq!(store.table_sizes(&orders(), hour(-1, 0).at).await.unwrap().len(), 601);
        assert!(store.table_sizes(&TargetId("other".into()), hour(-1, 0).at).await.unwrap().is_empty());
        store
            .upkeep(hour(24 * 31, 0).at, Retention { minutes_days: 30, hours_days: 762, events_days: 762 })
            .await
            .unwrap();
        assert_eq!(store.table_sizes(&orders(), hour(-1, 0).at).await.unwrap(), [hour(48, 300)]);
    })
    .await;
}

#[tokio::test]
async fn hot_keys_are_replaced_by_dataset_and_bounded() {
    on_each_backend(async |store| {
        let hot = |n: u64| HotKey { key: format!("region={n}#p1,50"), accesses: n };
        let keys: Vec<HotKey> = (1..=1_200).map(hot).collect();
        store.save_hot_keys(&orders(), "prices", &keys).await.unwrap();
        store.save_hot_keys(&orders(), "news", &[hot(7), hot(7)]).await.unwrap();
        let read = store.hot_keys(&orders(), "prices").await.unwrap();
        assert_eq!((read.len(), &read[0]), (HOT_KEYS_MAX, &hot(1_000)), "those that were named first");
        store.save_hot_keys(&orders(), "prices", &[hot(3), hot(5)]).await.unwrap();
        assert_eq!(store.hot_keys(&orders(), "prices").await.unwrap(), [hot(5), hot(3)]);
        assert_eq!(store.hot_keys(&orders(), "news").await.unwrap(), [hot(7)]);
        assert_eq!(store.hot_keys(&TargetId("other".into()), "news").await.unwrap(), []);
    })
    .await;
}

const POINTS: &[u8] = &[0, 1, 255, 0];

fn share(n: u32, maker: &str, minute: i64) -> Share {
    let created_at = NOON.plus_millis(minute * MINUTE_MS);
    Share {
        id: ShareId(format!("{n:024}")),
        title: "Query latency of orders; DROP TABLE shares; --".into(),
        target: orders(),
        view: "target=orders&from=now-6h&to=now".into(),
        from: created_at.plus_millis(-6 * HOUR_MS),
        to: created_at,
        audience: Audience::Link,
        size_bytes: POINTS.len() as u64,
        created_by: maker.into(),
        created_at,
        expires_at: created_at.plus_millis(DAY_MS),
        revoked_at: None,
        revoked_by: None,
        opens: 0,
        last_opened_at: None,
    }
}

#[tokio::test]
async fn shares_are_kept_counted_revoked_and_forgotten() {
    on_each_backend(async |store| {
        let (first, other, none) = (share(1, "ann", 0), share(2, "ben", 1), ShareId("none".into()));
        assert!(store.add_share(&first, POINTS).await.unwrap() && store.add_share(&other, POINTS).await.unwrap());
        assert_eq!(store.share(&first.id).await.unwrap(), Some(first.clone()));
        assert_eq!(store.share_points(&first.id).await.unwrap().as_deref(), Some(POINTS));
        assert_eq!((store.share(&none).await.unwrap(), store.share_points(&none).await.unwrap()), (None, None));
        assert_eq!(store.shares(Some("ann"), 0, 10).await.unwrap(), (vec![first.clone()], 1));
        assert_eq!(store.shares(None, 0, 10).await.unwrap(), (vec![other.clone(), first.clone()], 2));
        assert_eq!(store.shares(None, 1, 1).await.unwrap(), (vec![first.clone()], 2));

        for minute in [5, 7] {
            let last_at = NOON.plus_millis(minute * MINUTE_MS);
            store.shares_opened(&[ShareOpenings { id: first.id.clone(), opens: 1, last_at }]).await.unwrap();
        }
        let at = NOON.plus_millis(HOUR_MS);
        assert!(store.revoke_share(&first.id, "cem", at).await.unwrap());
        assert!(!store.revoke_share(&first.id, "dan", at).await.unwrap(), "once");
        assert!(!store.revoke_share(&none, "dan", at).await.unwrap());
        assert_eq!(store.share_points(&first.id).await.unwrap(), Some(vec![]), "what was revoked keeps no points");
        let ended = store.share(&first.id).await.unwrap().unwrap();
        assert_eq!((ended.opens, ended.last_opened_at), (2, Some(NOON.plus_millis(7 * MINUTE_MS))));
        assert_eq!((ended.revoked_at, ended.revoked_by.as_deref()), (Some(at), Some("cem")));

        // Each is remembered from its own end on.
        let remembered = i64::from(SHARE_REMEMBERED_DAYS) * DAY_MS;
        let prune = async |now| store.upkeep(now, Retention::default()).await.unwrap().rows_pruned;
        assert_eq!(prune(NOON.plus_millis(remembered + 3 * HOUR_MS)).await, 1);
        assert!(store.share(&first.id).await.unwrap().is_none() && store.share(&other.id).await.unwrap().is_some());
        assert_eq!(prune(other.expires_at.plus_millis(remembered)).await, 0);
        assert_eq!(prune(other.expires_at.plus_millis(remembered + HOUR_MS)).await, 1);
        assert!(store.share(&other.id).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn slots_of_statements_are_kept_by_part_and_pruned_by_width() {
    on_each_backend(async |store| {
        let row = |step_ms: i64, at: i64, part: i64, body: &[u8]| SlotRow {
            step_ms,
            at: NOON.plus_millis(at),
            part: Timestamp(part),
            body: body.into(),
        };
        let text = |query_id: i64, text: Option<&str>, first: i64, last: i64| StatementText {
            query_id,
            text: text.map(Into::into),
            tags: text.map(|_| Tag { key: "route".into(), value: "/orders".into() }).into_iter().collect(),
            roles: vec!["shop".into()],
            first_at: NOON.plus_millis(first),
            last_at: NOON.plus_millis(last),
        };
        let day = 24 * HOUR_MS;
        assert_eq!(store.statement_span(&orders(), MINUTE_MS).await.unwrap(), None);
        assert_eq!(store.statement_texts(&orders(), &[1]).await.unwrap(), []);
        let rows = [row(MINUTE_MS, 0, 1, b"one"), row(MINUTE_MS, 0, 2, &[0, 255]), row(HOUR_MS, 0, 0, b"hour")];
        let texts = [text(1, Some("SELECT $1"), 0, 0), text(i64::MIN, None, 0, 0)];
        store.save_statements(&orders(), &rows, &texts).await.unwrap();
        store.save_statements(&orders(), &rows, &texts).await.unwrap();
        store.save_statements(&TargetId("other".into()), &rows[..1], &[]).await.unwrap();
        let range = (NOON, NOON.plus_millis(HOUR_MS));
        assert_eq!(store.statement_slots(&orders(), MINUTE_MS, range).await.unwrap(), rows[..2]);
        store.save_statements(&orders(), &[row(HOUR_MS, 0, 0, b"more")], &[]).await.unwrap();
        assert_eq!(&*store.statement_slots(&orders(), HOUR_MS, range).await.unwrap()[0].body, b"more");
        let before = (NOON.plus_millis(-HOUR_MS), NOON);
        assert_eq!(store.statement_slots(&orders(), MINUTE_MS, before).await.unwrap(), []);

        // A text is kept once known; a statement was seen from the first time to the last.
        store.save_statements(&orders(), &[], &[text(1, None, 5, 9), text(2, Some("B"), 7, 7)]).await.unwrap();
        let found = store.statement_texts(&orders(), &[1, 2, 3, i64::MIN]).await.unwrap();
        let one = found.iter().find(|text| text.query_id == 1).unwrap();
        assert_eq!((one, found.len()), (&text(1, Some("SELECT $1"), 0, 9), 3));

        store.save_statements(&orders(), &[row(MINUTE_MS, 3 * day, 1, b"late")], &[]).await.unwrap();
        store.upkeep(NOON.plus_millis(3 * day), Retention::default()).await.unwrap();
        let late = NOON.plus_millis(3 * day);
        assert_eq!(store.statement_span(&orders(), MINUTE_MS).await.unwrap(), Some((late, late)));
        assert_eq!(store.statement_span(&orders(), HOUR_MS).await.unwrap(), Some((NOON, NOON)));
        assert_eq!(store.statement_texts(&orders(), &[1, 2]).await.unwrap().len(), 2);
        store.upkeep(NOON.plus_millis(763 * day), Retention::default()).await.unwrap();
        assert_eq!(store.statement_span(&orders(), HOUR_MS).await.unwrap(), None);
        assert_eq!(store.statement_texts(&orders(), &[1, 2]).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn what_ran_is_kept_once_a_minute_and_pruned_with_the_minutes() {
    on_each_backend(async |store| {
        let row = |minute: i64, readings: u32, body: &[u8]| MomentRow {
            at: NOON.plus_millis(minute * MINUTE_MS),
            readings,
            body: body.into(),
        };
        let at = |minute: i64| NOON.plus_millis(minute * MINUTE_MS);
        let day = 24 * 60;
        assert_eq!(store.moment(&orders(), NOON).await.unwrap(), None);
        assert_eq!(store.moments_around(&orders(), NOON).await.unwrap(), (None, None));
        let rows = [row(0, 12, b"first"), row(5, 12, &[0, 255, 0]), row(3 * day, 12, b"late")];
        store.save_moments(&orders(), &rows).await.unwrap();
        store.save_moments(&orders(), &rows).await.unwrap();
        store.save_moments(&TargetId("other".into()), &[row(0, 12, b"other")]).await.unwrap();
        // Of two documents of a minute the one that saw more stays.
        store.save_moments(&orders(), &[row(0, 3, b"shorter")]).await.unwrap();
        assert_eq!(store.moment(&orders(), NOON).await.unwrap().as_deref(), Some(&b"first"[..]));
        store.save_moments(&orders(), &[row(0, 13, b"longer")]).await.unwrap();
        assert_eq!(store.moment(&orders(), NOON).await.unwrap().as_deref(), Some(&b"longer"[..]));
        assert_eq!(store.moment(&orders(), at(5)).await.unwrap().as_deref(), Some(&[0, 255, 0][..]));
        assert_eq!(store.moment(&orders(), at(1)).await.unwrap(), None);
        assert_eq!(store.moments_around(&orders(), at(1)).await.unwrap(), (Some(at(0)), Some(at(5))));
        assert_eq!(store.moments_around(&orders(), at(5)).await.unwrap(), (Some(at(5)), Some(at(3 * day))));
        let kept = store.moments_between(&orders(), at(0), at(6), 10).await.unwrap();
        assert_eq!(kept, [(at(0), b"longer".to_vec()), (at(5), vec![0, 255, 0])]);
        let newest = store.moments_between(&orders(), at(0), at(6), 1).await.unwrap();
        assert_eq!(newest, [(at(5), vec![0, 255, 0])]);
        assert_eq!(store.moments_between(&orders(), at(0), at(5), 10).await.unwrap().len(), 1, "the end is not in it");
        assert_eq!(store.moments_size().await.unwrap(), MomentsSize { minutes: 4, bytes: 18 });

        let retention = Retention { minutes_days: 2, ..Retention::default() };
        store.upkeep(at(3 * day), retention).await.unwrap();
        assert_eq!(store.moments_size().await.unwrap(), MomentsSize { minutes: 1, bytes: 4 });
        assert_eq!(store.moments_around(&orders(), at(0)).await.unwrap(), (None, Some(at(3 * day))));
    })
    .await;
}

#[tokio::test]
async fn shares_are_bounded_and_ended_ones_make_room() {
    on_each_backend(async |store| {
        let makers = SHARES_MAX / SHARES_OF_ONE_MAX;
        for n in 0..SHARES_MAX {
            let maker = format!("maker {}", n % makers);
            assert!(store.add_share(&share(n, &maker, 0), POINTS).await.unwrap(), "{n}");
        }
        let next = |maker| share(SHARES_MAX, maker, 0);
        assert!(!store.add_share(&next("new"), POINTS).await.unwrap(), "full");
        let ended = share(7, "", 0).id;
        assert!(store.revoke_share(&ended, "ann", NOON).await.unwrap());
        assert!(!store.add_share(&next("maker 0"), POINTS).await.unwrap(), "its maker has enough");
        assert!(store.add_share(&next("new"), POINTS).await.unwrap(), "in place of the one that ended");
        assert_eq!(store.shares(None, 0, 1).await.unwrap().1, u64::from(SHARES_MAX));
        assert!(store.share(&ended).await.unwrap().is_none());
        // A day later all have ended.
        assert!(store.add_share(&share(SHARES_MAX + 1, "maker 0", 24 * 60), POINTS).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn operations_and_actions_of_a_stretch_of_time_are_found() {
    on_each_backend(async |store| {
        let at = |minute: i64| NOON.plus_millis(minute * MINUTE_MS);
        let ran = |id: &str, began: i64, ended: Option<i64>| Operation {
            created_at: at(began),
            finished_at: ended.map(at),
            ..operation(id, OperationState::Running, began)
        };
        for one in
            [ran("before", 0, Some(4)), ran("across", 2, Some(8)), ran("running", 1, None), ran("after", 9, None)]
        {
            store.save_operation(&one).await.unwrap();
        }
        let found = store.operations_between(&orders(), (at(5), at(7)), 10).await.unwrap();
        assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["running", "across"]);
        assert_eq!(store.operations_between(&orders(), (at(5), at(7)), 1).await.unwrap().len(), 1);

        for minute in [4, 5, 6, 7] {
            store.add_audit(&NewAudit { target: Some(orders()), ..audit("anna", at(minute)) }).await.unwrap();
        }
        store.add_audit(&NewAudit { target: None, ..audit("console", at(6)) }).await.unwrap();
        store.add_audit(&NewAudit { target: Some(TargetId("other".into())), ..audit("ben", at(6)) }).await.unwrap();
        let found = store.audit_between(&orders(), (at(5), at(7)), 10).await.unwrap();
        let who: Vec<_> = found.iter().map(|row| (row.audit.actor.as_str(), row.audit.at)).collect();
        assert_eq!(who, [("anna", at(5)), ("anna", at(6)), ("console", at(6))]);
    })
    .await;
}
