//! Locks against real backings: Redis, SQLite, PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test ends with what went wrong")]

use headroom_engine::{
    cache::Servers,
    lock::{Lock, LockError, Locks},
    store,
};
use headroom_sandbox::{Redis, RedisOptions, test};
use std::{
    process::Command,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// Longer than any test holds a lock.
const LONG: Duration = Duration::from_secs(30);
/// Longer than a watchdog takes to notice, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

async fn on_each_backing<F, Fut>(test: F)
where
    F: Fn(Locks) -> Fut,
    Fut: Future<Output = ()>,
{
    test(Locks::in_redis(&Servers::Single(test::redis().await.unwrap().url()), "test").unwrap()).await;
    test(Locks::in_store(store::open("sqlite::memory:").await.unwrap())).await;
    test::on_each_postgres(async |database| {
        test(Locks::in_store(store::open(&database.url()).await.unwrap())).await;
    })
    .await;
}

/// Takes a lock as soon as it is free.
async fn wait_for(locks: &Locks, owner: &str, ttl: Duration) -> Lock {
    let end = Instant::now() + PATIENCE;
    loop {
        match locks.take("job", owner, ttl).await {
            Ok(lock) => return lock,
            Err(error) => assert!(Instant::now() < end, "never free: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_of_two_owners_holds_it_and_the_fence_rises() {
    on_each_backing(async |locks| {
        assert_eq!(locks.holder("job").await.unwrap(), None);
        let first = locks.take("job", "ada: nightly\nload", LONG).await.unwrap();
        let Err(LockError::Held { holder, .. }) = locks.take("job", "bob", LONG).await else { panic!("taken twice") };
        assert_eq!((holder.owner.as_str(), holder.fence), ("ada: nightlyload", first.fence()));
        assert!(holder.left <= LONG && holder.left > LONG / 2, "{holder:?}");
        let other = locks.take("other", "bob", LONG).await.unwrap();
        assert!(first.release().await && other.release().await);
        assert_eq!(locks.holder("job").await.unwrap(), None);
        let second = locks.take("job", "bob", LONG).await.unwrap();
        assert!(second.fence() > first.fence(), "{} {}", second.fence(), first.fence());
        // Releasing again what was released leaves the next holder alone.
        first.release().await;
        assert_eq!(locks.holder("job").await.unwrap().unwrap().owner, "bob");
        let fence = second.fence();
        drop(second);
        assert!(wait_for(&locks, "ada", LONG).await.fence() > fence, "dropping gives it free");
    })
    .await;
}

#[tokio::test]
async fn a_watchdog_keeps_it_past_its_time_to_live() {
    on_each_backing(async |locks| {
        // Long enough for a busy machine to renew in time.
        let ttl = Duration::from_secs(4);
        let lock = locks.take("job", "ada", ttl).await.unwrap();
        let end = Instant::now() + ttl.mul_f64(1.3);
        while Instant::now() < end {
            let another = locks.take("job", "bob", ttl).await;
            assert!(matches!(another, Err(LockError::Held { .. })), "{locks:?}: {another:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(!lock.lost().is_cancelled());
        assert!(lock.release().await);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_is_gone_gives_it_free_when_its_time_is_over() {
    on_each_backing(async |locks| {
        // A runtime that ends takes the watchdog along, as a kill would, and work under it is told.
        let (there, ttl) = (locks.clone(), Duration::from_millis(700));
        let (lost, fence) = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let lock = runtime.block_on(there.take("job", "ada", ttl)).unwrap();
            let found = (lock.lost().clone(), lock.fence());
            runtime.shutdown_background();
            std::mem::forget(lock);
            found
        })
        .await
        .unwrap();
        assert!(lost.is_cancelled());
        let next = wait_for(&locks, "bob", LONG).await;
        assert!(next.fence() > fence);
    })
    .await;
}

#[tokio::test]
async fn work_is_cancelled_while_redis_is_frozen_and_the_lock_is_not_made_anew() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let locks = Locks::in_redis(&Servers::Single(redis.url(0)), "test").unwrap();
    let ttl = Duration::from_millis(1500);
    let taken_at = Instant::now();
    let lock = locks.take("job", "ada", ttl).await.unwrap();
    redis.pause();
    timeout(PATIENCE, lock.lost().cancelled()).await.expect("work is cancelled");
    // A renewal just before the freeze may have begun the lease anew; it ends before Redis can have dropped it.
    assert!(taken_at.elapsed() < 2 * ttl, "{:?}", taken_at.elapsed());
    assert!(matches!(locks.take("job", "bob", ttl).await, Err(LockError::Unreachable(_))));
    redis.resume();
    let next = wait_for(&locks, "bob", LONG).await;
    assert!(next.fence() > lock.fence());
    assert!(!lock.release().await, "it was lost");
    assert_eq!(locks.holder("job").await.unwrap().unwrap().owner, "bob");
}

#[tokio::test]
async fn work_is_cancelled_when_the_lock_was_taken_away() {
    // In Redis someone deletes the key, and another takes it.
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let locks = Locks::in_redis(&Servers::Single(redis.url(0)), "test").unwrap();
    let ttl = Duration::from_millis(1500);
    let lock = locks.take("job", "ada", ttl).await.unwrap();
    let url = redis.url(0);
    let password = url.split([':', '@']).nth(2).unwrap();
    let mut delete = Command::new("redis-cli");
    delete.args(["-p", &redis.port().to_string(), "DEL", "hrl1:l:{test:job}"]).env("REDISCLI_AUTH", password);
    assert_eq!(String::from_utf8_lossy(&delete.output().unwrap().stdout).trim(), "1");
    let thief = locks.take("job", "bob", LONG).await.unwrap();
    timeout(PATIENCE, lock.lost().cancelled()).await.expect("work is cancelled");
    assert!(thief.fence() > lock.fence() && !lock.release().await);
    assert_eq!(locks.holder("job").await.unwrap().unwrap().owner, "bob");

    // In the store someone else's row stands there.
    let database = test::database().await.unwrap();
    let locks = Locks::in_store(store::open(&database.url()).await.unwrap());
    let lock = locks.take("job", "ada", ttl).await.unwrap();
    let theft = "UPDATE headroom.locks SET holder = 'x', owner = 'bob', fence = fence + 1";
    sqlx::raw_sql(theft).execute(&mut database.connect().await.unwrap()).await.unwrap();
    timeout(PATIENCE, lock.lost().cancelled()).await.expect("work is cancelled");
    assert!(!lock.release().await);
    assert_eq!(locks.holder("job").await.unwrap().unwrap().owner, "bob");
}

#[tokio::test]
async fn a_fence_that_redis_forgot_still_rises() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let locks = Locks::in_redis(&Servers::Single(redis.url(0)), "test").unwrap();
    let first = locks.take("job", "ada", LONG).await.unwrap();
    first.release().await;
    let url = redis.url(0);
    let mut flush = Command::new("redis-cli");
    flush
        .args(["-p", &redis.port().to_string(), "FLUSHALL"])
        .env("REDISCLI_AUTH", url.split([':', '@']).nth(2).unwrap());
    assert!(flush.output().unwrap().status.success());
    assert!(locks.take("job", "ada", LONG).await.unwrap().fence() > first.fence());
}
