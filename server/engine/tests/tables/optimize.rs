//! VACUUM (ANALYZE) from a button: progress, effect, cancel, audit.

use crate::{console, fill, run, shop};
use headroom_engine::{
    actions::{self, ActionError, Request},
    console::Console,
};
use headroom_model::{
    Actor, Role,
    access::Proof,
    operation::{Operation, OperationState},
};
use headroom_sandbox::test::on_each_postgres;
use std::time::{Duration, Instant};

fn request() -> Request {
    Request {
        actor: Actor { name: "ann".into(), role: Role::Operator, proof: Proof::Session },
        origin: None,
        reason: Some("too many dead rows".into()),
    }
}

async fn until(console: &Console, id: &str, is_reached: impl Fn(&Operation) -> bool) -> Operation {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let operation = console.operations.get(id).unwrap();
        if is_reached(&operation) {
            return operation;
        }
        assert!(Instant::now() < end, "never: {operation:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_vacuumed_and_the_effect_is_checked() {
    on_each_postgres(async |database| {
        fill(&database).await;
        let console = console(database.url()).await;
        let preview = console.tables.preview_optimize(&shop(), "shop.orders").await.unwrap();
        assert_eq!(preview.statement, "VACUUM (ANALYZE) \"shop\".\"orders\"");
        assert_eq!((preview.dead_rows, preview.missing), (10_000, None));
        let queued = actions::optimize(&console, &shop(), "shop.orders", &request()).await.unwrap();
        let ended = until(&console, &queued.id, |operation| operation.state.is_final()).await;
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:#?}");
        let effect = ended.effect.unwrap();
        assert!(effect.contains("dead rows 10,000 → 0"), "{effect}");
        let list = console.tables.list(&shop()).await.unwrap();
        let orders = list.tables.iter().find(|table| table.name == "orders").unwrap();
        assert!(orders.vacuumed_at.is_some() && orders.dead_rows == 0, "{orders:#?}");
        // The lane's sessions are as they were.
        let target = console.target(&shop()).unwrap();
        let mut lease = target.pools.acquire(headroom_engine::pool::Lane::Batch).await.unwrap();
        let limit: String = sqlx::query_scalar("SHOW statement_timeout").fetch_one(&mut *lease).await.unwrap();
        assert_eq!(limit, "1h");
        drop(lease);
        let (audit, _) = console.store.audit(0, 50).await.unwrap();
        let row = audit.iter().find(|row| row.audit.action == "table.optimize").unwrap();
        assert!(row.audit.succeeded && row.audit.reason.as_deref() == Some("too many dead rows"), "{row:?}");
        console.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_shows_progress_runs_once_and_stops_when_told() {
    on_each_postgres(async |database| {
        fill(&database).await;
        // So slow that it does not end by itself: every page costs a pause.
        for setting in ["vacuum_cost_delay = 100", "vacuum_cost_limit = 1"] {
            run(&database, &format!("ALTER DATABASE {} SET {setting}", database.name())).await;
        }
        let console = console(database.url()).await;
        let queued = actions::optimize(&console, &shop(), "shop.orders", &request()).await.unwrap();
        let running = until(&console, &queued.id, |operation| operation.progress.total.is_some()).await;
        assert!(
            running.progress.total.unwrap() > 100 && running.log.iter().any(|line| line.text.contains("scanning heap")),
            "{running:#?}"
        );
        let again = actions::optimize(&console, &shop(), "shop.orders", &request()).await.unwrap_err();
        assert!(matches!(again, ActionError::Conflict(_)), "{again}");
        let report = console.tables.vacuum(&shop()).await.unwrap();
        assert_eq!(report.running[0].table.as_deref(), Some("shop.orders"), "{report:#?}");
        assert!(!report.running[0].is_automatic);
        console.operations.cancel(&queued.id, &request().actor).unwrap();
        let ended = until(&console, &queued.id, |operation| operation.state.is_final()).await;
        assert_eq!(ended.state, OperationState::Cancelled, "{ended:#?}");
        let mut connection = database.connect().await.unwrap();
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_stat_progress_vacuum WHERE datname = current_database()")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!(left, 0, "nothing runs on");
        console.shutdown().await;
    })
    .await;
}
