//! The rules of one tier, with time that the tests move.

use super::{
    fill::{Fill, Older},
    key::KeyRef,
    *,
};
use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

fn cache() -> Cache<Bytes> {
    Cache::start(CacheSettings::default(), None, Clock::system()).unwrap()
}

/// Nothing happens by chance, and nobody gives up because the machine is busy.
fn plain() -> ClassSettings {
    ClassSettings { soft_timeout: Duration::from_secs(5), beta: 0.0, ..ClassSettings::default() }
}

fn hurried() -> ClassSettings {
    ClassSettings { soft_timeout: Duration::from_millis(30), hard_timeout: Duration::from_millis(300), ..plain() }
}

/// An origin that counts its calls and can be told to fail or to be slow.
#[derive(Clone, Default)]
struct Source {
    calls: Arc<AtomicU32>,
    fails: Arc<AtomicBool>,
    slow_ms: Arc<AtomicU32>,
}

#[derive(Debug, thiserror::Error)]
#[error("the origin is down")]
struct Down;

impl Source {
    fn load(&self) -> impl Future<Output = Result<Loaded<Bytes>, LoadFailure>> + Send + use<> {
        let source = self.clone();
        async move {
            let n = source.calls.fetch_add(1, SeqCst) + 1;
            tokio::time::sleep(Duration::from_millis(u64::from(source.slow_ms.load(SeqCst)))).await;
            if source.fails.load(SeqCst) {
                return Err(Arc::new(Down) as LoadFailure);
            }
            Ok(Loaded::value(Bytes::from(n.to_string())))
        }
    }

    fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }
}

async fn get(class: &Class<Bytes>, source: &Source, tags: &[&str]) -> Result<(String, Origin), CacheError> {
    let source = source.clone();
    let hit = class.get_or_load("k", tags, move || source.load()).await?;
    Ok((String::from_utf8(hit.value().expect("this origin has everything").to_vec()).unwrap(), hit.origin))
}

#[tokio::test]
async fn loads_once_then_answers_from_memory_until_its_time_is_over() {
    let cache = cache();
    let (class, source) = (cache.class("a", plain()), Source::default());
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Load));
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Memory));
    cache.inner.time.advance(Duration::from_secs(61));
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("2".into(), Origin::Load));
    let counters = class.report().counters;
    assert_eq!((counters.hits_memory, counters.misses, counters.loads), (1, 2, 2));
    assert!((counters.hit_rate().unwrap() - 100.0 / 3.0).abs() < 0.01);
}

#[tokio::test]
async fn a_thousand_callers_cause_one_load() {
    let cache = cache();
    let (class, source) = (cache.class("a", plain()), Source::default());
    source.slow_ms.store(50, SeqCst);
    let callers = (0..1000).map(|_| get(&class, &source, &[]));
    for answer in futures::future::join_all(callers).await {
        assert_eq!(answer.unwrap().0, "1");
    }
    assert_eq!((source.calls(), class.report().counters.joined), (1, 999));
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_load_running() {
    let cache = cache();
    let (class, source) = (cache.class("a", plain()), Source::default());
    source.slow_ms.store(60, SeqCst);
    assert!(tokio::time::timeout(Duration::from_millis(10), get(&class, &source, &[])).await.is_err());
    assert_eq!(get(&class, &source, &[]).await.unwrap().0, "1");
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn a_stale_value_stands_in_while_loading_fails_but_never_past_its_end() {
    let cache = cache();
    let (class, source) = (cache.class("a", plain()), Source::default());
    get(&class, &source, &[]).await.unwrap();
    source.fails.store(true, SeqCst);
    cache.inner.time.advance(Duration::from_secs(61));
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Stale));
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Stale));
    assert_eq!(source.calls(), 2, "a failed load is not repeated at once");
    cache.inner.time.advance(Duration::from_secs(6));
    assert_eq!(get(&class, &source, &[]).await.unwrap().1, Origin::Stale);
    assert_eq!(source.calls(), 3);
    // Standing in does not lengthen its life, however often it happens.
    cache.inner.time.advance(Duration::from_secs(595));
    let gone = get(&class, &source, &[]).await;
    assert!(matches!(gone, Err(CacheError::Load(_))), "{gone:?} {}", source.calls());
    source.fails.store(false, SeqCst);
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("5".into(), Origin::Load));
}

#[tokio::test]
async fn slow_loads_give_way_to_a_stale_value_and_go_on() {
    let cache = cache();
    let (class, source) = (cache.class("a", hurried()), Source::default());
    get(&class, &source, &[]).await.unwrap();
    cache.inner.time.advance(Duration::from_secs(61));
    source.slow_ms.store(200, SeqCst);
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Stale));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("2".into(), Origin::Memory));
}

#[tokio::test]
async fn with_nothing_at_hand_a_caller_waits_so_long_and_no_longer() {
    let cache = cache();
    let (class, source) = (cache.class("a", hurried()), Source::default());
    source.slow_ms.store(600, SeqCst);
    assert!(matches!(get(&class, &source, &[]).await, Err(CacheError::Timeout(_))));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Memory), "the load went on");
}

#[tokio::test]
async fn absence_is_remembered_for_its_own_time() {
    let cache = cache();
    let class = cache.class("a", plain());
    let calls = Arc::new(AtomicU32::new(0));
    let get = || {
        let calls = calls.clone();
        class.get_or_load("k", &[], move || async move {
            calls.fetch_add(1, SeqCst);
            Ok(Loaded::absent())
        })
    };
    assert!(get().await.unwrap().value().is_none());
    assert_eq!(get().await.unwrap().origin, Origin::Memory);
    cache.inner.time.advance(Duration::from_secs(11));
    assert_eq!(get().await.unwrap().origin, Origin::Load);
    assert_eq!((calls.load(SeqCst), class.report().counters.hits_negative), (2, 1));
}

#[tokio::test]
async fn tags_classes_and_the_whole_cache_are_invalidated_and_never_served_again() {
    let cache = cache();
    let (class, other) = (cache.class("a", plain()), cache.class("b", plain()));
    let source = Source::default();
    let tags = ["price:eu", "catalogue"];
    get(&class, &source, &tags).await.unwrap();
    get(&other, &source, &[]).await.unwrap();
    source.fails.store(true, SeqCst);
    cache.invalidate_tag("catalogue").await;
    assert!(get(&class, &source, &tags).await.is_err(), "not even when loading fails");
    assert_eq!(get(&other, &source, &[]).await.unwrap().1, Origin::Memory);
    source.fails.store(false, SeqCst);
    get(&class, &source, &tags).await.unwrap();
    class.clear().await;
    assert_eq!(get(&class, &source, &tags).await.unwrap().1, Origin::Load);
    cache.clear().await;
    assert_eq!(get(&class, &source, &tags).await.unwrap().1, Origin::Load);
    assert_eq!(get(&other, &source, &[]).await.unwrap().1, Origin::Load);
}

#[tokio::test]
async fn a_changed_table_makes_a_value_outdated_but_lets_it_stand_in_for_a_failed_load() {
    let cache = cache();
    let (class, source) = (cache.class("a", plain()), Source::default());
    let tags = ["table:shop.products"];
    get(&class, &source, &tags).await.unwrap();
    cache.invalidate_tag(tags[0]).await;
    source.slow_ms.store(60, SeqCst);
    assert_eq!(get(&class, &source, &tags).await.unwrap(), ("2".into(), Origin::Load), "slow is no excuse");
    cache.invalidate_tag(tags[0]).await;
    source.fails.store(true, SeqCst);
    assert_eq!(get(&class, &source, &tags).await.unwrap(), ("2".into(), Origin::Stale));
}

#[tokio::test]
async fn what_is_invalidated_while_it_is_loaded_is_not_kept() {
    for by_tag in [false, true] {
        let cache = cache();
        let (class, source) = (cache.class("a", plain()), Source::default());
        source.slow_ms.store(50, SeqCst);
        let tags = ["t"];
        let (first, ()) = tokio::join!(get(&class, &source, &tags), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if by_tag {
                cache.invalidate_tag("t").await;
            } else {
                class.invalidate("k").await;
            }
            // Whoever asks from now on does not wait for the old load.
            assert_eq!(get(&class, &source, &tags).await.unwrap(), ("2".into(), Origin::Load));
        });
        assert_eq!(first.unwrap().0, "1", "those who waited already get the value");
        assert_eq!(get(&class, &source, &tags).await.unwrap(), ("2".into(), Origin::Memory));
        assert_eq!(class.report().counters.discarded, 1);
    }
}

#[tokio::test]
async fn hits_slide_the_end_up_to_a_bound() {
    let cache = cache();
    let settings = ClassSettings { sliding_until: Some(Duration::from_secs(100)), ..plain() };
    let (class, source) = (cache.class("a", settings), Source::default());
    get(&class, &source, &[]).await.unwrap();
    for _ in 0..3 {
        cache.inner.time.advance(Duration::from_secs(30));
        assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Memory));
    }
    cache.inner.time.advance(Duration::from_secs(11));
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("2".into(), Origin::Load));
}

#[tokio::test]
async fn values_are_refreshed_before_their_time() {
    for settings in [
        ClassSettings { eager_after: Some(0.8), ..plain() },
        // A load of 20 ms and a β so large that 10 s before the end no draw of U is too small (once in 10⁵ with 10⁷ it is).
        ClassSettings { beta: 1e9, ..plain() },
    ] {
        let cache = cache();
        let (class, source) = (cache.class("a", settings), Source::default());
        source.slow_ms.store(20, SeqCst);
        get(&class, &source, &[]).await.unwrap();
        cache.inner.time.advance(Duration::from_secs(50));
        assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Memory), "nobody waits");
        let refreshed = async {
            while class.report().counters.loads < 2 || cache.inner.under_way.load(SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), refreshed).await.expect("a refresh began");
        assert_eq!(get(&class, &source, &[]).await.unwrap().0, "2");
        assert!(class.report().counters.refreshes >= 1);
    }
}

#[tokio::test]
async fn while_redis_is_lost_values_stay_fresh_for_longer_and_are_not_refreshed_at_their_old_end() {
    // Nobody listens there.
    let nowhere = Servers::Single("redis://127.0.0.1:1".into());
    let cache: Cache<Bytes> = Cache::start(CacheSettings::default(), Some(&nowhere), Clock::system()).unwrap();
    let class = cache.class("a", ClassSettings { beta: 1.0, eager_after: Some(0.9), ..plain() });
    let source = Source::default();
    let redis = cache.inner.remote.as_ref().unwrap();
    while !redis.breaker.is_open() {
        let _ = redis.beat().await;
    }
    get(&class, &source, &[]).await.unwrap();
    let ttl = class.settings().ttl;
    // Past its end, and far from the end of the time it is given on top.
    cache.inner.time.advance(ttl + ttl / 4);
    for _ in 0..100 {
        assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Memory));
    }
    assert_eq!(class.report().counters.refreshes, 0);
    cache.inner.time.advance(ttl * 3 / 4 - ttl / 20);
    get(&class, &source, &[]).await.unwrap();
    assert_eq!(class.report().counters.refreshes, 1, "its eager share of the longer time");
}

#[tokio::test]
async fn memory_is_bounded_and_says_what_left() {
    let settings = CacheSettings { memory_max: 1 << 20, ..CacheSettings::default() };
    let cache: Cache<Bytes> = Cache::start(settings, None, Clock::system()).unwrap();
    let class = cache.class("a", plain());
    for n in 0..2_000 {
        class.set(&n.to_string(), &[], Loaded::value(Bytes::from(vec![0; 1024]))).await.unwrap();
    }
    cache.inner.memory.run_pending_tasks();
    let report = class.report();
    assert!(cache.memory().0 <= 1 << 20, "{:?}", cache.memory());
    assert_eq!(report.memory_bytes, cache.memory().0);
    assert_eq!(report.memory_keys + report.counters.evicted, 2_000);
    // What is too large for its class is answered and not kept.
    let large = cache.class("b", ClassSettings { value_max: 100, ..plain() });
    let hit = large.get_or_load("k", &[], || async { Ok(Loaded::value(Bytes::from(vec![0; 101]))) }).await.unwrap();
    assert_eq!(hit.value().unwrap().len(), 101);
    assert_eq!((large.report().memory_keys, large.report().counters.oversized), (0, 1));
}

#[tokio::test]
async fn invalidated_entries_make_room() {
    let cache = cache();
    let class = cache.class("a", plain());
    for n in 0..100 {
        class.set(&n.to_string(), &["t"], Loaded::value(Bytes::from_static(b"x"))).await.unwrap();
    }
    assert_eq!(cache.tags()["t"].keys, 100);
    cache.invalidate_tag("t").await;
    assert!(cache.tags().is_empty());
    cache.inner.sweep();
    cache.inner.memory.run_pending_tasks();
    assert_eq!((class.report().memory_keys, class.report().memory_bytes), (0, 0));
}

#[tokio::test]
async fn modes_use_the_tiers_they_name() {
    let cache = cache();
    let (class, source) = (cache.class("a", ClassSettings { mode: Mode::None, ..plain() }), Source::default());
    for n in 1..=3 {
        assert_eq!(get(&class, &source, &[]).await.unwrap(), (n.to_string(), Origin::Load));
    }
    assert_eq!(class.report().memory_keys, 0);
}

#[tokio::test]
async fn a_loader_that_panics_fails_its_callers_alone() {
    let cache = cache();
    let class = cache.class("a", plain());
    let failed = class.get_or_load("k", &[], || async { panic!("as intended") }).await;
    assert!(matches!(failed, Err(CacheError::Panicked)));
    let source = Source::default();
    assert_eq!(get(&class, &source, &[]).await.unwrap().0, "1");
}

#[tokio::test]
async fn writes_go_through_and_void_loads_under_way() {
    let cache = cache();
    let (class, source) = (cache.class("a", plain()), Source::default());
    source.slow_ms.store(50, SeqCst);
    let (_, written) = tokio::join!(get(&class, &source, &[]), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        class.write_through("k", &[], async { Ok(Bytes::from_static(b"new")) }).await
    });
    assert_eq!(written.unwrap(), "new");
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("new".into(), Origin::Memory));
    let failed = class.write_through("k", &[], async { Err(Arc::new(Down) as LoadFailure) }).await;
    assert!(matches!(failed, Err(CacheError::Load(_))));
    assert!(class.get("k").await.is_none(), "nobody knows how far a failed write came");
}

#[tokio::test]
async fn long_keys_and_many_tags_are_refused() {
    let class = cache().class("a", plain());
    let load = || async { Ok(Loaded::value(Bytes::new())) };
    assert!(matches!(class.get_or_load(&"k".repeat(KEY_MAX + 1), &[], load).await, Err(CacheError::Key(_))));
    assert!(matches!(class.get_or_load("k", &[&*"t".repeat(KEY_MAX + 1)], load).await, Err(CacheError::Key(_))));
    assert!(matches!(class.get_or_load("k", &[""], load).await, Err(CacheError::Key(_))));
    assert!(matches!(class.get_or_load("k", &["t"; TAGS_MAX + 1], load).await, Err(CacheError::Key(_))));
    assert!(class.get_or_load("k", &["two\nlines"], load).await.is_ok());
}

#[tokio::test]
async fn hottest_coldest_and_patterns_name_the_right_keys() {
    let cache = cache();
    let class = cache.class("a", plain());
    for n in 0..50 {
        class.set(&format!("sku-{n}"), &[], Loaded::value(Bytes::from_static(b"x"))).await.unwrap();
    }
    for n in 0..10 {
        for _ in 0..=n {
            class.get(&format!("sku-{n}")).await.unwrap();
        }
    }
    let hottest = class.hottest(3);
    assert_eq!(hottest.iter().map(|key| &*key.key).collect::<Vec<_>>(), ["sku-9", "sku-8", "sku-7"]);
    assert_eq!(hottest[0].accesses, 10);
    assert!(class.coldest(40).iter().all(|key| key.accesses == 0));
    let (keys, more) = class.keys("sku-1?", 100).await.unwrap();
    assert_eq!((keys.len(), more), (10, false));
    assert!(class.keys("*", 5).await.unwrap().1);
    let inspected = class.inspect("sku-3").await;
    assert_eq!((inspected.hits, inspected.value.unwrap().unwrap()), (4, Bytes::from_static(b"x")));
    class.reset_statistics();
    assert!(class.hottest(3).is_empty() && class.report().counters.hits() == 0);
}

#[tokio::test]
async fn a_flight_that_panics_or_is_given_up_leaves_nothing_behind() {
    /// A value that cannot tell its weight the first time.
    #[derive(Clone)]
    struct Touchy(Arc<AtomicBool>);
    impl Cacheable for Touchy {
        fn weight(&self) -> usize {
            assert!(self.0.swap(true, SeqCst), "as intended");
            1
        }
        fn encode(&self) -> Bytes {
            Bytes::new()
        }
        fn decode(_: Bytes) -> Option<Self> {
            None
        }
    }
    let cache: Cache<Touchy> = Cache::start(CacheSettings::default(), None, Clock::system()).unwrap();
    let (class, value) = (cache.class("a", plain()), Touchy(Arc::default()));
    let get = || {
        let value = value.clone();
        class.get_or_load("k", &[], move || async move { Ok(Loaded::value(value)) })
    };
    assert!(matches!(get().await, Err(CacheError::Panicked)));
    assert_eq!(cache.inner.under_way.load(SeqCst), 0);
    // A runtime that ends drops tasks that never ran.
    let key = KeyRef { class: class.state.id, text: "k" }.to_key();
    let begun = {
        let mut stripe = cache.inner.flights.stripe(key.as_ref());
        Fill::begin(&class, &mut stripe, &key, Vec::new(), Older::Expired(None))
    };
    let (fill, mut flight) = begun.unwrap();
    drop(fill);
    assert!(flight.progress.changed().await.is_err());
    assert_eq!(cache.inner.under_way.load(SeqCst), 0);
    assert_eq!(get().await.unwrap().origin, Origin::Load);
}

#[tokio::test]
async fn with_too_many_loads_under_way_a_stale_value_stands_in() {
    let cache = cache();
    let (class, source) = (cache.class("a", plain()), Source::default());
    get(&class, &source, &[]).await.unwrap();
    cache.inner.time.advance(Duration::from_secs(61));
    cache.inner.under_way.store(FLIGHTS_MAX, SeqCst);
    assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Stale));
    let fresh = class.get_or_load("other", &[], || async { Ok(Loaded::absent()) }).await;
    assert!(matches!(fresh, Err(CacheError::Busy)));
}

#[tokio::test]
async fn a_refresh_that_fails_is_not_repeated_at_once() {
    let cache = cache();
    let settings = ClassSettings { eager_after: Some(0.5), ..plain() };
    let (class, source) = (cache.class("a", settings), Source::default());
    get(&class, &source, &[]).await.unwrap();
    source.fails.store(true, SeqCst);
    cache.inner.time.advance(Duration::from_secs(31));
    for failures in 1..=2 {
        for _ in 0..3 {
            assert_eq!(get(&class, &source, &[]).await.unwrap(), ("1".into(), Origin::Memory));
            while class.report().counters.load_errors < failures || cache.inner.under_way.load(SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(u64::from(source.calls()), 1 + failures);
        cache.inner.time.advance(Duration::from_secs(6));
    }
}

#[tokio::test]
async fn the_longest_life_is_no_overflow() {
    let class = cache().class("a", plain());
    let load = || async { Ok(Loaded { value: Some(Bytes::new()), ttl: Some(Duration::MAX) }) };
    class.get_or_load("k", &[], load).await.unwrap();
    assert_eq!(class.get_or_load("k", &[], load).await.unwrap().origin, Origin::Memory);
}

#[tokio::test]
async fn tags_count_their_hits_and_misses() {
    let cache = cache();
    let (class, other, source) = (cache.class("a", plain()), cache.class("b", plain()), Source::default());
    get(&class, &source, &["t", "u"]).await.unwrap();
    get(&other, &source, &["t"]).await.unwrap();
    for _ in 0..3 {
        get(&class, &source, &["t", "u"]).await.unwrap();
    }
    class.get("k").await.unwrap();
    cache.invalidate_tag("u").await;
    get(&class, &source, &["t", "u"]).await.unwrap();
    let tags = cache.tags();
    assert_eq!((tags["t"].keys, tags["t"].hits, tags["t"].misses, tags["t"].invalidations), (2, 4, 3, 0));
    assert_eq!((tags["u"].keys, tags["u"].hits, tags["u"].misses, tags["u"].invalidations), (1, 4, 2, 1));
    cache.reset_statistics();
    assert_eq!((cache.tags()["t"].hits, cache.tags()["t"].misses, class.report().counters.hits()), (0, 0, 0));
    // Sampled accesses stand for those that are not.
    (0..100_000).for_each(|_| _ = class.state.stats.keys.touch("k", true));
    class.state.stats.keys.adapt(1.0);
    for _ in 0..6_400 {
        get(&class, &source, &["t", "u"]).await.unwrap();
    }
    assert_eq!((class.report().sampled_every, cache.tags()["u"].hits), (64, 6_400));
}

#[tokio::test]
async fn who_joins_a_refresh_that_another_instance_does_waits_for_its_value() {
    let redis = headroom_sandbox::Redis::start(headroom_sandbox::RedisOptions::default()).await.unwrap();
    let start = |lease| {
        let servers = Servers::Single(redis.url(0));
        let settings = CacheSettings { redis_timeout: Duration::from_secs(5), lease, ..CacheSettings::default() };
        Cache::<Bytes>::start(settings, Some(&servers), Clock::system()).unwrap()
    };
    let (cache, other) = (start(Duration::from_secs(2)), start(Duration::from_secs(1)));
    let class = cache.class("a", plain());
    for is_joined in [false, true] {
        class.set("k", &[], Loaded::value(Bytes::from_static(b"old"))).await.unwrap();
        let key = KeyRef { class: class.state.id, text: "k" }.to_key();
        let entry = cache.inner.memory.get(&key.as_ref()).unwrap();
        assert!(entry.begin_refresh());
        let counters = cache.inner.counters(&class.state, &[]);
        let lease = remote::Lease::new(&counters);
        let remote = other.inner.remote.as_ref().unwrap();
        let claim = remote.claim(&class.state.names, "k", &lease, Some(entry.id)).await;
        assert_eq!(claim, Ok(remote::Claim::Ours));
        let (fill, mut flight) = {
            let mut stripe = cache.inner.flights.stripe(key.as_ref());
            let begun = Fill::begin(&class, &mut stripe, &key, counters, Older::Refreshed(entry.clone()));
            let (fill, flight) = begun.unwrap();
            (fill, if is_joined { stripe.join(&key).unwrap() } else { flight })
        };
        let load = async || Ok(Loaded::value(Bytes::from_static(b"new")));
        fill.run(Box::new(move || Box::pin(load()))).await;
        let outcome = flight.progress.borrow_and_update();
        let flight::Progress::Done(Ok((answer, origin))) = &*outcome else { panic!("it has not ended well") };
        let (value, origin) = (answer.value.as_deref(), *origin);
        // The lease is never given up; who waits for it takes it over when it has run out.
        let expected = if is_joined { (Some(&b"new"[..]), Origin::Load) } else { (Some(&b"old"[..]), Origin::Memory) };
        assert_eq!((value, origin), expected);
        assert!(entry.begin_refresh(), "it may be refreshed again");
    }
}

#[tokio::test]
async fn what_a_class_nobody_uses_any_more_left_behind_is_made_good_too() {
    let redis = headroom_sandbox::Redis::start(headroom_sandbox::RedisOptions::default()).await.unwrap();
    let start = || {
        let servers = Servers::Single(redis.url(0));
        let settings = CacheSettings { redis_timeout: Duration::from_secs(5), ..CacheSettings::default() };
        Cache::<Bytes>::start(settings, Some(&servers), Clock::system()).unwrap()
    };
    let (cache, other) = (start(), start());
    let classes = [other.class("gone", plain()), other.class("overflown", plain())];
    for class in &classes {
        assert!(class.set("k", &[], Loaded::value(Bytes::new())).await.unwrap());
        assert!(class.inspect("k").await.redis.is_some());
    }
    cache.inner.recovery.remove("gone".into(), "k".into());
    cache.inner.recovery.overflow("overflown".into());
    cache.inner.recover().await;
    assert_eq!(cache.inner.recovery.len(), 0);
    for class in &classes {
        assert!(class.inspect("k").await.redis.is_none());
    }
}

/// A hundred thousand random interleavings of loads and invalidations: an answer that began after an invalidation never
/// shows a value from before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_interleaving_keeps_a_stale_value() {
    const STEPS: u32 = 100_000;
    let cache = cache();
    let class = cache.class("a", plain());
    // The origin's value of a key is how often it was changed; `settled` is the newest whose invalidation has ended.
    let zeros = || Arc::new((0..8).map(|key| (format!("k{key}"), AtomicU32::new(0))).collect::<HashMap<_, _>>());
    let (origin, settled) = (zeros(), zeros());
    let workers = (0..8).map(|seed| {
        let (cache, class, origin, settled) = (cache.clone(), class.clone(), origin.clone(), settled.clone());
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            for _ in 0..STEPS / 8 {
                let key = format!("k{}", random.random_range(0..8));
                match random.random_range(0..10) {
                    0 => {
                        let value = origin[&key].fetch_add(1, SeqCst) + 1;
                        class.invalidate(&key).await;
                        settled[&key].fetch_max(value, SeqCst);
                    }
                    1 => {
                        let value = origin[&key].fetch_add(1, SeqCst) + 1;
                        cache.invalidate_tag(&key).await;
                        settled[&key].fetch_max(value, SeqCst);
                    }
                    _ => {
                        let least = settled[&key].load(SeqCst);
                        let (source, of) = (origin.clone(), key.clone());
                        let yields = random.random_range(0..3);
                        let hit = class
                            .get_or_load(&key, &[&key], move || async move {
                                let value = source[&of].load(SeqCst);
                                for _ in 0..yields {
                                    tokio::task::yield_now().await;
                                }
                                Ok(Loaded::value(Bytes::from(value.to_string())))
                            })
                            .await
                            .unwrap();
                        let got: u32 = std::str::from_utf8(hit.value().unwrap()).unwrap().parse().unwrap();
                        assert!(got >= least, "{key}: {got} was answered after {least} had been settled");
                    }
                }
            }
        })
    });
    futures::future::join_all(workers).await.into_iter().for_each(|worker| worker.unwrap());
    for (key, changes) in origin.iter() {
        let (source, of) = (origin.clone(), key.clone());
        let hit = class
            .get_or_load(key, &[key], move || async move {
                Ok(Loaded::value(Bytes::from(source[&of].load(SeqCst).to_string())))
            })
            .await
            .unwrap();
        assert_eq!(hit.value().unwrap(), &changes.load(SeqCst).to_string(), "{key} was kept stale");
    }
    assert!(class.report().counters.hits_memory > u64::from(STEPS) / 4, "{:?}", class.report().counters);
    assert!(class.report().counters.discarded > 0, "nothing ever raced");
}
