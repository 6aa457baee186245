//! A connection that is not given back is told as an event, once, with the line of code that took it.

use crate::support::{PATIENCE, config, id};
use headroom_engine::{
    clock::Clock,
    console::Console,
    pool::{Lane, PoolProfile, Pools},
    store::{self, EventQuery},
};
use headroom_model::{
    event::{EventKind, NewEvent},
    live::LiveMessage,
};
use headroom_sandbox::test::database;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::Receiver;

const LEAK_AFTER: Duration = Duration::from_millis(1000);

async fn next_alert(feed: &mut Receiver<Arc<LiveMessage>>) -> NewEvent {
    let alert = async {
        loop {
            if let LiveMessage::Event(event) = &*feed.recv().await.unwrap()
                && event.event.kind == EventKind::Alert
            {
                return event.event.clone();
            }
        }
    };
    tokio::time::timeout(PATIENCE, alert).await.expect("told in time")
}

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
    // Announced work may take long.
    let long = target.pools.acquire(Lane::Batch).await.unwrap().purpose("a vacuum").long_work();
    let own = target.pools.acquire(Lane::Batch).await.unwrap().purpose("a forgotten export");
    let line = line!() - 1;
    let theirs = application.acquire(Lane::Data).await.unwrap();
    let mut told = vec![next_alert(&mut feed).await, next_alert(&mut feed).await];
    assert!(taken.elapsed() >= LEAK_AFTER, "{told:?}");
    let of =
        |application: &str| told.iter().find(|event| event.detail.as_ref().unwrap().starts_with(application)).unwrap();
    assert!(of("headroom").title.ends_with(&format!("tests/console/leaks.rs:{line}")), "{told:?}");
    assert!(of("headroom").detail.as_ref().unwrap().contains("lane batch, for a forgotten export"), "{told:?}");
    assert!(of("shop").detail.as_ref().unwrap().starts_with("shop, lane data"), "{told:?}");

    let holders = target.pools.holders();
    let leaks: Vec<_> = holders.iter().map(|holder| (holder.purpose.as_deref(), holder.is_leak)).collect();
    assert!(
        leaks.contains(&(Some("a vacuum"), false)) && leaks.contains(&(Some("a forgotten export"), true)),
        "{leaks:?}"
    );
    // Once: the watch has gone round again when it tells of a third one.
    let third = target.pools.acquire(Lane::Batch).await.unwrap().purpose("the third");
    told.push(next_alert(&mut feed).await);
    assert!(told[2].detail.as_ref().unwrap().contains("for the third"), "{told:?}");

    drop((long, own, theirs, third));
    let late = |pools: &Pools| pools.snapshot().iter().map(|lane| lane.returned_late).sum::<u64>();
    assert_eq!((late(&target.pools), late(&application)), (2, 1));
    let query = EventQuery { kinds: vec![EventKind::Alert], limit: 100, ..EventQuery::default() };
    application.close().await;
    console.shutdown().await;
    assert_eq!(console.store.events(&query).await.unwrap().len(), 3);
}
