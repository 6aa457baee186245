//! A connection that is not given back is told as an event, once, with the line of code that took it.

use crate::support::{config, id};
use headroom_engine::{
    clock::Clock,
    console::Console,
    pool::{Lane, PoolProfile, Pools},
    store::{self, EventQuery},
};
use headroom_model::{event::EventKind, live::LiveMessage};
use headroom_sandbox::test::database;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const LEAK_AFTER: Duration = Duration::from_millis(1000);

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_told_within_a_second_of_becoming_one() {
    let database = database().await.unwrap();
    let mut config = config(&[("shop", database.url(), None)]);
    config.targets[0].pool = PoolProfile { leak_after: LEAK_AFTER, ..PoolProfile::default() };
    let store = store::open("sqlite::memory:").await.unwrap();
    let console = Console::start(config.clone(), store, Clock::system()).await.unwrap();
    let target = console.target(&id("shop")).unwrap();
    // An application in the same process is watched as well.
    let application = Arc::new(Pools::named(&config.targets[0], "shop").unwrap());
    target.watch_pools(application.clone());

    let mut feed = console.subscribe();
    let taken = Instant::now();
    let own = target.pools.acquire(Lane::Batch).await.unwrap().purpose("a forgotten export");
    let line = line!() - 1;
    let theirs = application.acquire(Lane::Data).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        let message = tokio::time::timeout(Duration::from_secs(20), feed.recv()).await.expect("told in time");
        if let Ok(message) = message
            && let LiveMessage::Event(event) = &*message
            && event.event.kind == EventKind::Alert
        {
            assert!(taken.elapsed() >= LEAK_AFTER, "{event:?}");
            told.push(event.event.clone());
        }
    }
    let of =
        |application: &str| told.iter().find(|event| event.detail.as_ref().unwrap().starts_with(application)).unwrap();
    assert!(of("headroom").title.ends_with(&format!("tests/console/leaks.rs:{line}")), "{told:?}");
    assert!(of("headroom").detail.as_ref().unwrap().contains("lane batch, for a forgotten export"), "{told:?}");
    assert!(of("shop").detail.as_ref().unwrap().starts_with("shop, lane data"), "{told:?}");

    drop((own, theirs));
    let late = |pools: &Pools| pools.snapshot().iter().map(|lane| lane.returned_late).sum::<u64>();
    assert_eq!((late(&target.pools), late(&application)), (1, 1));
    // Once: what was told is not told again.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let query = EventQuery { kinds: vec![EventKind::Alert], limit: 100, ..EventQuery::default() };
    assert_eq!(console.store.events(&query).await.unwrap().len(), 2);
    application.close().await;
    console.shutdown().await;
}
