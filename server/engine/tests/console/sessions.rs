//! Sessions end by the button and by the policy: the one that is meant and no other, verified, on record; refusals say why.

use crate::support::{PATIENCE, config, id, start, until};
use headroom_engine::{
    actions::{ActionError, Ending, Request, end, preview_ending},
    clock::Clock,
    console::Console,
    policy,
    sql::quote_identifier,
    store::{self, AuditRow, EventQuery},
};
use headroom_model::{
    Actor, MetricId, Role,
    access::Proof,
    activity::{ActivityQuery, AutoTerminateAct, AutoTerminateRules, SessionAct, SessionKey, SessionKind},
    contention::Contention,
    event::EventKind,
    range,
};
use headroom_sandbox::test::{self, TestDatabase};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const SECRET: &str = "4556-7375-8689-9855";

fn request() -> Request {
    Request {
        actor: Actor { name: "ada".into(), role: Role::Operator, proof: Proof::Session },
        origin: Some("127.0.0.1".into()),
        reason: Some("it blocks the shop".into()),
    }
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

async fn key_of(connection: &mut PgConnection) -> SessionKey {
    let sql = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8 FROM pg_stat_activity \
               WHERE pid = pg_backend_pid()";
    let (pid, backend_start_us) = sqlx::query_as(sql).fetch_one(connection).await.unwrap();
    SessionKey { pid, backend_start_us }
}

/// Waits until a condition in SQL holds, on the server.
async fn eventually(admin: &mut PgConnection, what: &str, sql: &str) {
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(AssertSqlSafe(format!("SELECT {sql}"))).fetch_one(&mut *admin).await.unwrap() {
        assert!(begun.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn is_there(admin: &mut PgConnection, key: SessionKey) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    sqlx::query_scalar::<_, i64>(sql).bind(key.pid).fetch_one(admin).await.unwrap() > 0
}

fn ending(key: SessionKey, act: SessionAct) -> Ending {
    Ending { key, act, statement_start_us: None, only_while: None }
}

fn refusal<T: std::fmt::Debug>(done: Result<T, ActionError>) -> String {
    match done {
        Err(ActionError::Refused(reason)) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

async fn contention(console: &Console) -> Contention {
    let range = range::resolve("now-1h", "now", console.clock.now()).unwrap();
    console.contention(&id("orders"), range).await.unwrap().unwrap()
}

async fn shown(console: &Console, what: &str, wanted: impl Fn(&Contention) -> bool) -> Contention {
    let begun = Instant::now();
    loop {
        let seen = contention(console).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} was never seen: {seen:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A chain: `holder` has a row, one session waits for it and another behind that one.
async fn chain(database: &TestDatabase) -> (PgConnection, Vec<tokio::task::JoinHandle<bool>>) {
    let mut holder = database.connect().await.unwrap();
    run(&mut holder, "CREATE TABLE cards (id int PRIMARY KEY, number text); INSERT INTO cards VALUES (1, '')").await;
    run(&mut holder, "SET application_name = 'nightly'").await;
    run(&mut holder, &format!("BEGIN; UPDATE cards SET number = '{SECRET}' WHERE id = 1")).await;
    let mut admin = database.connect().await.unwrap();
    let mut waiting = Vec::new();
    for nth in 1..=2 {
        let mut waiter = database.connect().await.unwrap();
        waiting.push(tokio::spawn(async move {
            let sql = format!("UPDATE cards SET number = '{SECRET}' WHERE id = 1");
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut waiter).await;
            done.is_ok() && waiter.close().await.is_ok()
        }));
        // The second queues behind the first.
        let waits = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually(&mut admin, "it waits", &format!("(SELECT count(*) {waits}) = {nth}")).await;
    }
    (holder, waiting)
}

#[tokio::test]
async fn the_root_of_a_tree_is_shown_and_ended_and_the_others_go_on() {
    test::on_each_postgres(|database| async move {
        let (mut holder, waiting) = chain(&database).await;
        let key = key_of(&mut holder).await;
        let console = start(&[("orders", database.url(), None)]).await;
        let seen = shown(&console, "the chain", |seen| {
            seen.trees.iter().any(|tree| tree.waiting == 2 && tree.nodes[0].pid == key.pid)
                && seen.waits.classes.iter().any(|class| class.metric == MetricId::WaitsLock)
        })
        .await;
        let tree = &seen.trees[0];
        assert_eq!(tree.root(), Some(key), "named to the microsecond");
        let root = &tree.nodes[0];
        assert!(tree.longest_ms.is_some_and(|ms| ms > 0.0) && root.blocks == 2 && root.depth == 0, "{tree:#?}");
        let holds = |relation: &str, mode: &str| {
            root.locks
                .iter()
                .any(|lock| lock.granted && lock.relation.as_deref() == Some(relation) && lock.mode == mode)
        };
        assert!(holds("cards", "RowExclusiveLock"), "{:#?}", root.locks);
        assert!(root.locks.iter().all(|lock| lock.relation.as_deref() != Some("cards_pkey")), "indexes only repeat");
        let first = &tree.nodes[1];
        assert!(first.depth == 1 && first.waits_for == Some(key.pid) && first.blocks == 1, "{tree:#?}");
        assert!(first.locks.iter().any(|lock| !lock.granted && lock.kind == "transactionid"), "{:#?}", first.locks);
        let last = &tree.nodes[2];
        assert!(last.depth == 2 && last.locks.iter().any(|lock| !lock.granted && lock.kind == "tuple"), "{tree:#?}");
        assert!(!format!("{seen:?}").contains(SECRET));

        let activity =
            console.activity(&id("orders"), &ActivityQuery { kind: SessionKind::Blocking, ..Default::default() });
        let activity = activity.unwrap().unwrap();
        assert_eq!(activity.sessions.iter().map(|view| (view.key, view.blocks)).next(), Some((key, 2)));
        assert!(activity.sessions[0].query_id.is_some() == (database.major() >= 14));

        let preview = preview_ending(&console, &id("orders"), ending(key, SessionAct::Terminate)).await.unwrap();
        assert!(preview.application == "nightly" && preview.state == "idle in transaction", "{preview:?}");
        assert!(preview.blocks == 1 && preview.effect.contains("rolled back"), "{preview:?}");
        let outcome = end(&console, &id("orders"), ending(key, SessionAct::Terminate), &request()).await.unwrap();
        assert!(outcome.effect.contains("has ended"), "{outcome:?}");
        for waiter in waiting {
            assert!(waiter.await.unwrap(), "who waited goes on");
        }
        assert!(sqlx::query("SELECT 1").execute(&mut holder).await.is_err(), "the holder is disconnected");

        let (rows, _) = console.store.audit(0, 10).await.unwrap();
        let audit = &rows.iter().find(|row| row.id == outcome.audit_id).unwrap().audit;
        assert!(audit.succeeded && audit.actor == "ada" && audit.action == "session.terminate", "{audit:?}");
        assert_eq!(audit.parameters["backendStartUs"].as_i64(), Some(key.backend_start_us));
        assert!(!format!("{audit:?}").contains(SECRET));
        // The past of the tree stays, and someone who asks again is told that it is over.
        let after =
            shown(&console, "the end of the chain", |seen| seen.trees.is_empty() && !seen.stretches.is_empty()).await;
        let past = &after.stretches[0];
        assert_eq!((past.root.pid, past.root.backend_start_us), (key.pid, Some(key.backend_start_us)), "{after:#?}");
        assert_eq!(past.waiters, 2, "{after:#?}");
        let gone = refusal(end(&console, &id("orders"), ending(key, SessionAct::Terminate), &request()).await);
        assert!(gone.contains("is gone"), "{gone}");
        console.shutdown().await;
        let query = EventQuery { kinds: vec![EventKind::Action], limit: 10, ..EventQuery::default() };
        let events = console.store.events(&query).await.unwrap();
        assert_eq!(events.len(), 1, "what was refused is no event: {events:#?}");
    })
    .await;
}

#[tokio::test]
async fn only_what_is_meant_is_touched() {
    test::on_each_postgres(|database| async move {
        let mut admin = database.connect().await.unwrap();
        let mut busy = database.connect().await.unwrap();
        let key = key_of(&mut busy).await;
        let console = start(&[("orders", database.url(), None)]).await;
        let target = id("orders");
        let act = async |ending: Ending| end(&console, &target, ending, &request()).await;

        // A process id that was used again: the start differs, by a microsecond here.
        let other = SessionKey { backend_start_us: key.backend_start_us + 1, ..key };
        let reason = refusal(act(ending(other, SessionAct::Terminate)).await);
        assert!(reason.contains("is another session now"), "{reason}");
        let reason = refusal(act(ending(key, SessionAct::Cancel)).await);
        assert!(reason.contains("runs no statement") && reason.contains("idle"), "{reason}");
        let absent = SessionKey { pid: i32::MAX, ..key };
        assert!(refusal(act(ending(absent, SessionAct::Terminate)).await).contains("is gone"));
        // Processes of the server and sessions of the console.
        for (kind, sql) in [
            ("no client session", "backend_type = 'checkpointer'"),
            ("a console's own", "application_name LIKE 'headroom/%'"),
        ] {
            let sql = format!(
                "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8 FROM pg_stat_activity WHERE {sql} \
                 AND (datname IS NULL OR datname = current_database()) LIMIT 1"
            );
            eventually(&mut admin, kind, &format!("EXISTS ({sql})")).await;
            let (pid, backend_start_us) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut admin).await.unwrap();
            let reason = refusal(act(ending(SessionKey { pid, backend_start_us }, SessionAct::Terminate)).await);
            assert!(reason.contains(kind), "{reason}");
        }
        assert!(is_there(&mut admin, key).await);

        // A cancel stops the statement that it names, and not the next one.
        let sleeping = tokio::spawn(async move {
            let first = sqlx::query("SELECT pg_sleep(60)").execute(&mut busy).await;
            let code = first.unwrap_err().as_database_error().unwrap().code().unwrap().into_owned();
            let goes_on = sqlx::query("SELECT 1").execute(&mut busy).await.is_ok();
            // It stays connected until the cancel was verified.
            (code, goes_on, busy)
        });
        let runs = format!("EXISTS (SELECT FROM pg_stat_activity WHERE pid = {} AND wait_event = 'PgSleep')", key.pid);
        eventually(&mut admin, "the statement runs", &runs).await;
        let preview = preview_ending(&console, &target, ending(key, SessionAct::Cancel)).await.unwrap();
        let start = preview.statement_start_us.unwrap();
        let earlier = Ending { statement_start_us: Some(start - 1), ..ending(key, SessionAct::Cancel) };
        assert!(refusal(act(earlier).await).contains("runs another one"));
        let exact = Ending { statement_start_us: Some(start), ..ending(key, SessionAct::Cancel) };
        let outcome = act(exact).await.unwrap();
        assert!(outcome.effect.contains("was stopped"), "{outcome:?}");
        let (code, goes_on, _busy) = sleeping.await.unwrap();
        assert_eq!((code.as_str(), goes_on), ("57014", true), "cancelled, and still connected");
        console.shutdown().await;
    })
    .await;
}

/// A role of the test's own, and the connection string that uses it.
async fn role(admin: &mut PgConnection, database: &TestDatabase, what: &str) -> (String, String) {
    let role = format!("{what} \"{}\"", database.name());
    let quoted = quote_identifier(&role);
    run(admin, &format!("CREATE ROLE {quoted} LOGIN PASSWORD 'w'")).await;
    let url = database.url();
    let (_, host) = url.rsplit_once('@').unwrap();
    let name: String = role.bytes().map(|byte| format!("%{byte:02X}")).collect();
    (quoted, format!("postgres://{name}:w@{host}"))
}

#[tokio::test]
async fn missing_rights_are_named_with_the_grant_that_helps() {
    test::on_each_postgres(|database| async move {
        let mut admin = database.connect().await.unwrap();
        let (watcher, watcher_url) = role(&mut admin, &database, "ends").await;
        let (app, app_url) = role(&mut admin, &database, "app").await;
        let mut session = PgConnection::connect(&app_url).await.unwrap();
        let key = key_of(&mut session).await;
        let root = key_of(&mut admin).await;
        let console = start(&[("orders", watcher_url, None)]).await;
        let target = id("orders");
        until(&console, "orders", |update| update.figures.contains_key(&MetricId::Connections)).await;
        let bare = console.activity(&target, &ActivityQuery::default()).unwrap().unwrap();
        assert!(
            bare.hidden > 0 && bare.missing[0].remedy.as_deref() == Some(&format!("GRANT pg_monitor TO {watcher};"))
        );
        assert!(bare.sessions.iter().all(|view| view.key != key), "{bare:#?}");

        let act = async |key| end(&console, &target, ending(key, SessionAct::Terminate), &request()).await;
        let Err(ActionError::NotAllowed { remedy, .. }) = act(key).await else { panic!("it was allowed") };
        assert_eq!(remedy, format!("GRANT pg_monitor, pg_signal_backend TO {watcher};"));
        run(&mut admin, &format!("GRANT pg_monitor TO {watcher}")).await;
        let Err(ActionError::NotAllowed { remedy, .. }) = act(key).await else { panic!("it was allowed") };
        assert_eq!(remedy, format!("GRANT pg_signal_backend TO {watcher};"));
        run(&mut admin, &remedy).await;
        let reason = refusal(act(root).await);
        assert!(reason.contains("belongs to a superuser"), "{reason}");
        assert!(act(key).await.unwrap().effect.contains("has ended"));
        let (rows, _) = console.store.audit(0, 10).await.unwrap();
        assert_eq!(rows.iter().filter(|row| !row.audit.succeeded).count(), 3, "refusals are on record");
        console.shutdown().await;
        run(&mut admin, &format!("DROP OWNED BY {watcher}; DROP ROLE {watcher}; DROP ROLE {app}")).await;
    })
    .await;
}

/// Between two looks of a policy, where nothing has to come in between.
const QUICK: Duration = Duration::from_millis(250);

fn rules(applications: &[&str]) -> AutoTerminateRules {
    AutoTerminateRules {
        idle_in_transaction_ms: Some(500),
        long_running_ms: Some(500),
        applications: applications.iter().map(|name| (*name).to_owned()).collect(),
        users: Vec::new(),
        dry_run: false,
        most_per_minute: 100,
    }
}

async fn with_policy(url: String, rules: AutoTerminateRules, live_every: Duration) -> Arc<Console> {
    let mut config = config(&[("orders", url, None)]);
    config.collect.live_every = live_every;
    config.targets[0].auto_terminate = Some(rules);
    let store = store::open("sqlite::memory:").await.unwrap();
    Console::start(config, store, Clock::system()).await.unwrap()
}

/// What the policy did, newest first, once that is as `wanted`.
async fn acted(console: &Console, wanted: impl Fn(&[AutoTerminateAct]) -> bool) -> Vec<AutoTerminateAct> {
    let begun = Instant::now();
    loop {
        let acts = console.activity(&id("orders"), &ActivityQuery::default()).unwrap().unwrap().auto_terminate.acts;
        if wanted(&acts) {
            return acts;
        }
        assert!(begun.elapsed() < PATIENCE, "the policy did not act: {acts:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until so many more samples were looked at.
async fn looks(console: &Console, more: usize) {
    for _ in 0..more {
        let before = console.latest(&id("orders")).unwrap().at;
        until(console, "orders", |update| update.at > before).await;
    }
}

#[tokio::test]
async fn the_policy_touches_what_it_may_and_no_more_than_so_many() {
    test::on_each_postgres(|database| async move {
        let mut admin = database.connect().await.unwrap();
        let mut open = Vec::new();
        for name in ["nightly-1", "psql", "nightly-2", "nightly-3"] {
            let mut session = database.connect().await.unwrap();
            run(&mut session, &format!("SET application_name = '{name}'; BEGIN; SELECT 1")).await;
            open.push((key_of(&mut session).await, session));
            // Ages are told in milliseconds.
            let (pid, now) = (open.last().unwrap().0.pid, "clock_timestamp()");
            let older = format!("(SELECT {now} - state_change > '5 ms' FROM pg_stat_activity WHERE pid = {pid})");
            eventually(&mut admin, "it is older than the next", &older).await;
        }
        let two = AutoTerminateRules { most_per_minute: 2, ..rules(&["nightly-*"]) };
        let dry = with_policy(database.url(), AutoTerminateRules { dry_run: true, ..two.clone() }, QUICK).await;
        acted(&dry, |acts| acts.len() == 2).await;
        for (key, _) in &open {
            assert!(is_there(&mut admin, *key).await, "a dry run ends nobody");
        }
        dry.shutdown().await;
        let (_, audited) = dry.store.audit(0, 10).await.unwrap();
        assert_eq!(audited, 0);

        let console = with_policy(database.url(), two, QUICK).await;
        acted(&console, |acts| acts.len() == 2).await;
        looks(&console, 8).await;
        let there = [0, 1, 2, 3].map(|i| open[i].0);
        let [first, spared, second, third] = there;
        assert!(!is_there(&mut admin, first).await && !is_there(&mut admin, second).await, "the longest first");
        assert!(is_there(&mut admin, spared).await, "not on the list");
        assert!(is_there(&mut admin, third).await, "two a minute");
        let (rows, _) = console.store.audit(0, 10).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.audit.actor == policy::ACTOR && row.audit.succeeded), "{rows:#?}");
        assert!(rows[0].audit.reason.as_deref().unwrap().starts_with("idle in transaction for "), "{rows:#?}");
        console.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn what_the_policy_failed_to_end_is_tried_again_within_bounds_and_on_record_once() {
    test::on_each_postgres(|database| async move {
        let mut admin = database.connect().await.unwrap();
        let (watcher, watcher_url) = role(&mut admin, &database, "policy").await;
        let (app, app_url) = role(&mut admin, &database, "app").await;
        run(&mut admin, &format!("GRANT pg_monitor TO {watcher}")).await;
        let idle = async |name: &str| {
            let mut session = PgConnection::connect(&app_url).await.unwrap();
            run(&mut session, &format!("SET application_name = '{name}'; BEGIN; SELECT 1")).await;
            (key_of(&mut session).await, session)
        };
        let (stubborn, _first) = idle("nightly-1").await;
        let console = with_policy(watcher_url.clone(), rules(&["nightly-1"]), QUICK).await;
        let of = |acts: &[AutoTerminateAct], key| acts.iter().find(|act| act.key == key).map(|act| act.attempts);
        let given_up = acted(&console, |acts| of(acts, stubborn) == Some(5)).await;
        assert!(given_up.len() == 1 && given_up[0].outcome.ends_with("; given up"), "{given_up:#?}");
        assert!(given_up[0].outcome.contains("GRANT pg_signal_backend"), "{given_up:#?}");
        let (rows, _) = console.store.audit(0, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.audit.succeeded).collect::<Vec<_>>(), [false], "{rows:#?}");

        // At this pace the last attempt comes half a minute after the second: the grant is there in between.
        let (second, _second) = idle("nightly-2").await;
        let slow = with_policy(watcher_url, rules(&["nightly-2"]), Duration::from_secs(2)).await;
        acted(&slow, |acts| of(acts, second) >= Some(2)).await;
        run(&mut admin, &format!("GRANT pg_signal_backend TO {watcher}")).await;
        let ended = acted(&slow, |acts| acts.iter().any(|act| act.outcome.contains("has ended"))).await;
        assert!(ended[0].key == second && (3..=5).contains(&ended[0].attempts), "{ended:#?}");
        let (rows, _) = slow.store.audit(0, 10).await.unwrap();
        assert!(rows.iter().all(|row| row.audit.parameters["pid"].as_i64() == Some(second.pid.into())), "{rows:#?}");
        let outcomes: Vec<bool> = rows.iter().map(|row| row.audit.succeeded).collect();
        assert_eq!(outcomes, [true, false], "newest first: {rows:#?}");
        slow.shutdown().await;
        looks(&console, 4).await;
        assert!(is_there(&mut admin, stubborn).await, "what was given up stays given up");
        console.shutdown().await;
        run(&mut admin, &format!("DROP OWNED BY {watcher}; DROP ROLE {watcher}; DROP ROLE {app}")).await;
    })
    .await;
}

/// PL/pgSQL may catch the error of a cancel; then only the end of the session helps.
#[tokio::test]
async fn the_policy_ends_the_session_of_a_statement_that_outlives_its_cancel_and_both_are_on_record() {
    let database = test::database().await.unwrap();
    let mut deaf = database.connect().await.unwrap();
    run(&mut deaf, "SET application_name = 'nightly-1'").await;
    let key = key_of(&mut deaf).await;
    let begun = Instant::now();
    let running = tokio::spawn(async move {
        let sql = "DO $$ BEGIN LOOP
                       BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END;
                   END LOOP; END $$";
        sqlx::raw_sql(sql).execute(&mut deaf).await.map(drop)
    });
    let console = with_policy(database.url(), rules(&["nightly-*"]), QUICK).await;
    let acts = acted(&console, |acts| acts.iter().any(|act| act.outcome.contains("has ended"))).await;
    assert!(acts.len() == 1 && acts[0].key == key && acts[0].attempts == 1, "{acts:#?}");
    assert!(begun.elapsed() > Duration::from_secs(5), "the cancel had its time: {acts:#?}");
    assert!(running.await.unwrap().is_err());
    let (rows, _) = console.store.audit(0, 10).await.unwrap();
    let of = |row: &AuditRow| (row.audit.action.clone(), row.audit.succeeded);
    let expected = [("session.terminate".to_owned(), true), ("session.cancel".to_owned(), false)];
    assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected, "newest first: {rows:#?}");
    assert!(rows[1].audit.outcome.contains("still runs its statement"), "{rows:#?}");
    console.shutdown().await;
}
