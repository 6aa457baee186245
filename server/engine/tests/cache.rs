//! Two tiers against real Redis: several instances, outages, damage.

use bytes::Bytes;
use futures::StreamExt;
use headroom_engine::{
    cache::{Cache, CacheError, CacheSettings, Class, ClassSettings, Hit, LoadFailure, Loaded, Mode, Origin, Servers},
    clock::Clock,
};
use headroom_sandbox::{Redis, RedisOptions};
use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;

fn instance(redis: &Redis) -> Cache<Bytes> {
    instance_with(redis, Clock::system())
}

fn instance_with(redis: &Redis, clock: Clock) -> Cache<Bytes> {
    // Patience for a busy machine.
    let redis_timeout = Duration::from_secs(1);
    let settings = CacheSettings { space: "test".into(), redis_timeout, ..CacheSettings::default() };
    Cache::start(settings, Some(&Servers::Single(redis.url(0))), clock).expect("the sandbox's address can be read")
}

fn plain() -> ClassSettings {
    ClassSettings { soft_timeout: Duration::from_secs(5), beta: 0.0, ..ClassSettings::default() }
}

/// An origin with one value, which counts how often it is asked.
#[derive(Clone, Default)]
struct Source {
    calls: Arc<AtomicU32>,
    value: Arc<AtomicU32>,
    slow: Duration,
}

impl Source {
    fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }

    async fn get(&self, class: &Class<Bytes>, key: &str, tags: &[&str]) -> Result<(u32, Origin), CacheError> {
        let source = self.clone();
        let hit = class
            .get_or_load(key, tags, move || async move {
                source.calls.fetch_add(1, SeqCst);
                let value = source.value.load(SeqCst);
                tokio::time::sleep(source.slow).await;
                Ok(Loaded::value(Bytes::from(value.to_string())))
            })
            .await?;
        Ok((number(&hit), hit.origin))
    }
}

fn number(hit: &Hit<Bytes>) -> u32 {
    let value = hit.value().expect("this origin has everything");
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).expect("this origin has numbers")
}

/// Waits until `check` holds; fails after ten seconds.
async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !check().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn listening(caches: &[&Cache<Bytes>]) {
    for cache in caches {
        eventually("connecting", async || cache.redis().is_some_and(|tier| tier.listens)).await;
    }
}

fn redis_cli(redis: &Redis, arguments: &[&str]) -> String {
    let url = redis.url(0);
    let password = url.split([':', '@']).nth(2).expect("redis://default:password@…");
    let mut command = Command::new("redis-cli");
    command.args(["-p", &redis.port().to_string()]).env("REDISCLI_AUTH", password).args(arguments);
    let output = command.output().expect("redis-cli comes with redis-server");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn what_one_instance_loads_the_other_finds_in_redis() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
    let source = Source::default();
    assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap(), (0, Origin::Load));
    assert_eq!(source.get(&at_b, "k", &["t"]).await.unwrap(), (0, Origin::Redis));
    assert_eq!(source.get(&at_b, "k", &["t"]).await.unwrap(), (0, Origin::Memory));
    assert_eq!(source.calls(), 1);
    // The envelope is there for anyone to see, with an end.
    assert!(redis_cli(&redis, &["GET", "hrc1:e:{test:c:k}"]).starts_with("HRC"));
    assert!(redis_cli(&redis, &["PTTL", "hrc1:e:{test:c:k}"]).parse::<i64>().unwrap() > 600_000);
    let inspected = at_a.inspect("k").await;
    assert_eq!(inspected.tags, ["t"]);
    assert!(inspected.memory.is_some() && inspected.redis.is_some());
    assert_eq!(at_a.keys("k*", 10).await.unwrap(), (vec!["k".to_owned()], false));
    assert_eq!(at_b.redis_keys().await, Some(1));
}

#[tokio::test]
async fn ten_instances_with_a_hundred_callers_each_ask_the_origin_once() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let caches: Vec<_> = (0..10).map(|_| instance(&redis)).collect();
    let source = Source { slow: Duration::from_millis(100), ..Source::default() };
    let classes: Vec<_> = caches.iter().map(|cache| cache.class("c", plain())).collect();
    let callers = classes.iter().flat_map(|class| (0..100).map(|_| source.get(class, "k", &["t"])));
    for answer in futures::future::join_all(callers).await {
        assert_eq!(answer.unwrap().0, 0);
    }
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn invalidation_reaches_every_instance() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
    listening(&[&a, &b]).await;
    let source = Source::default();
    for round in 1..=4 {
        source.get(&at_a, "k", &["t"]).await.unwrap();
        source.get(&at_b, "k", &["t"]).await.unwrap();
        source.value.store(round, SeqCst);
        assert!(match round {
            1 => at_a.invalidate("k").await,
            2 => a.invalidate_tag("t").await,
            3 => at_a.clear().await,
            _ => a.clear().await,
        });
        assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap().0, round, "at once where it was decided");
        eventually("invalidation at the other", async || source.get(&at_b, "k", &["t"]).await.unwrap().0 == round)
            .await;
    }
    // A value set at one replaces the other's.
    at_b.set("k", &["t"], Loaded::value(Bytes::from_static(b"99"))).await.unwrap();
    eventually("the set value at the other", async || source.get(&at_a, "k", &["t"]).await.unwrap().0 == 99).await;
}

#[tokio::test]
async fn a_load_that_another_instance_invalidates_is_stored_nowhere() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
    listening(&[&a, &b]).await;
    for by_tag in [false, true] {
        let source = Source { slow: Duration::from_millis(200), ..Source::default() };
        let (loaded, ()) = tokio::join!(source.get(&at_a, "k", &["t"]), async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            source.value.store(1, SeqCst);
            if by_tag {
                b.invalidate_tag("t").await;
            } else {
                at_b.invalidate("k").await;
            }
        });
        assert_eq!(loaded.unwrap().0, 0, "whoever waited gets what was loaded");
        assert_eq!(source.get(&at_b, "k", &["t"]).await.unwrap().0, 1);
        assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap().0, 1);
        a.clear().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// 30 s of outage are a matter of the demo; here a few seconds show the same: no error, and everything heals.
#[tokio::test]
async fn an_outage_of_redis_fails_nobody_and_what_was_invalidated_meanwhile_is_made_good() {
    for frozen in [false, true] {
        let mut redis = Redis::start(RedisOptions::default()).await.unwrap();
        let (a, b) = (instance(&redis), instance(&redis));
        let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
        listening(&[&a, &b]).await;
        let source = Source::default();
        for key in ["k", "j"] {
            source.get(&at_a, key, &["t"]).await.unwrap();
            source.get(&at_b, key, &["t"]).await.unwrap();
        }
        // Only a snapshot keeps keys over a kill; what counts is that an old value in Redis cannot come back.
        redis_cli(&redis, &["SAVE"]);
        if frozen {
            redis.pause();
        } else {
            redis.kill().await;
        }
        assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap().1, Origin::Memory);
        assert_eq!(source.get(&at_a, "new", &["t"]).await.unwrap().1, Origin::Load);
        source.value.store(1, SeqCst);
        assert!(!at_a.invalidate("k").await, "Redis does not know yet");
        assert!(!a.invalidate_tag("t").await);
        assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap().0, 1, "this instance does");
        let tier = a.redis().unwrap();
        assert!(!tier.answers && tier.problem.is_some() && tier.waiting == 2, "{tier:?}");

        if frozen {
            redis.resume();
        } else {
            redis.restart().await.unwrap();
        }
        eventually("recovery", async || {
            let tier = a.redis().unwrap();
            tier.answers && tier.waiting == 0
        })
        .await;
        for key in ["k", "j"] {
            eventually("the other instance to hear of it", async || {
                source.get(&at_b, key, &["t"]).await.unwrap().0 == 1
            })
            .await;
        }
        assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap().0, 1);
    }
}

#[tokio::test]
async fn while_redis_is_lost_values_live_longer() {
    let mut redis = Redis::start(RedisOptions::default()).await.unwrap();
    let cache = instance(&redis);
    let class = cache.class("c", ClassSettings { ttl: Duration::from_millis(1500), ..plain() });
    let source = Source::default();
    source.get(&class, "k", &[]).await.unwrap();
    redis.kill().await;
    for n in 0..5 {
        // Fresh keys, so that the loss of Redis is noticed.
        source.get(&class, &n.to_string(), &[]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(source.get(&class, "k", &[]).await.unwrap().1, Origin::Memory);
}

#[tokio::test]
async fn damage_in_redis_is_a_miss_and_is_removed() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
    let source = Source::default();
    for (n, damage) in ["garbage", "", "HRC\u{1}"].iter().enumerate() {
        let name = format!("hrc1:e:{{test:c:{n}}}");
        redis_cli(&redis, &["SET", &name, damage, "PX", "60000"]);
        assert_eq!(source.get(&at_a, &n.to_string(), &[]).await.unwrap().1, Origin::Load);
        assert_eq!(source.get(&at_b, &n.to_string(), &[]).await.unwrap().1, Origin::Redis, "repaired");
    }
    assert_eq!(at_a.report().counters.poison, 3);
    // Another kind of value, and an envelope without an end: no cache writes either.
    redis_cli(&redis, &["HSET", "hrc1:e:{test:c:hash}", "a", "b"]);
    source.get(&at_a, "eternal", &[]).await.unwrap();
    assert_eq!(redis_cli(&redis, &["PERSIST", "hrc1:e:{test:c:eternal}"]), "1");
    for key in ["hash", "eternal"] {
        assert_eq!(source.get(&at_b, key, &[]).await.unwrap().1, Origin::Load, "{key}");
        let ends = redis_cli(&redis, &["PTTL", &format!("hrc1:e:{{test:c:{key}}}")]);
        assert!(ends.parse::<i64>().unwrap() > 600_000, "{key} was not repaired");
    }
    assert_eq!(at_b.report().counters.poison, 2);
    assert!(b.redis().unwrap().answers, "that is no trouble with Redis");
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_fresh_value_and_is_tried_again() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let cache = instance(&redis);
    let settings = ClassSettings { eager_after: Some(0.0), retry_after: Duration::from_millis(50), ..plain() };
    let class = cache.class("c", settings);
    let loaded = |text: &'static str, ttl| Loaded { value: Some(Bytes::from_static(text.as_bytes())), ttl };
    class.set("k", &[], loaded("1", None)).await.unwrap();
    // Redis has another value by now, past its time: no message told of it.
    class.set("other", &[], loaded("2", Some(Duration::from_millis(1)))).await.unwrap();
    assert_eq!(redis_cli(&redis, &["COPY", "hrc1:e:{test:c:other}", "hrc1:e:{test:c:k}", "REPLACE"]), "1");
    let down = || async { Err(Arc::new(std::io::Error::other("down")) as LoadFailure) };
    for attempts in 1..=3 {
        eventually("a refresh", async || {
            let hit = class.get_or_load("k", &[], down).await.unwrap();
            assert_eq!((number(&hit), hit.origin), (1, Origin::Memory));
            class.report().counters.load_errors >= attempts
        })
        .await;
    }
}

#[tokio::test]
async fn nobody_waits_for_a_load_that_an_invalidation_has_outdated() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        at_a.get_or_load("k", &["t"], move || async move {
            begun.notify_one();
            go_on.notified().await;
            Ok(Loaded::value(Bytes::from_static(b"0")))
        })
    };
    let source = Source::default();
    source.value.store(1, SeqCst);
    let (slow, ()) = tokio::join!(slow, async {
        begun.notified().await;
        b.invalidate_tag("t").await;
        // The load that runs began before: what it brings will not be kept anywhere.
        assert_eq!(source.get(&at_b, "k", &["t"]).await.unwrap(), (1, Origin::Load));
        go_on.notify_one();
    });
    assert_eq!(number(&slow.unwrap()), 0, "who waited from before gets it");
    assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap(), (1, Origin::Redis));
    assert_eq!(at_a.report().counters.discarded, 1);
}

/// Numbers that are missing are taken for messages that were lost, and make every instance verify all it has.
#[tokio::test]
async fn what_is_not_stored_leaves_no_gap_in_the_messages() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let client = deadpool_redis::redis::Client::open(redis.url(0)).unwrap();
    let mut ear = client.get_async_pubsub().await.unwrap();
    ear.subscribe("hrc1:b:test").await.unwrap();
    let mut messages = ear.into_on_message();
    let cache = instance(&redis);
    let class = cache.class("c", plain());
    let lease = "hrc1:l:{test:c:k}";
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    for fails in [false, true] {
        let (started, done) = (begun.clone(), go_on.clone());
        let load = class.get_or_load("k", &[], move || async move {
            started.notify_one();
            done.notified().await;
            let value = Ok(Loaded::value(Bytes::from_static(b"0")));
            if fails { Err(Arc::new(std::io::Error::other("down")) as LoadFailure) } else { value }
        });
        let (loaded, ()) = tokio::join!(load, async {
            begun.notified().await;
            redis_cli(&redis, &["DEL", lease]);
            go_on.notify_one();
        });
        assert_eq!(loaded.is_err(), fails);
    }
    class.set("end", &[], Loaded::absent()).await.unwrap();
    let mut numbers = Vec::new();
    // The newest message is the key that was set; those before it may arrive a little later.
    eventually("hearing of all", async || {
        let text: String = messages.next().await.unwrap().get_payload().unwrap();
        numbers.push(text.split('\n').nth(1).unwrap().parse::<usize>().unwrap());
        numbers.len() >= 4 && numbers.iter().max() == Some(&numbers.len())
    })
    .await;
}

#[tokio::test]
async fn a_forgotten_version_never_revives_an_old_value() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let a = instance(&redis);
    let at_a = a.class("c", plain());
    let source = Source::default();
    source.get(&at_a, "k", &["t"]).await.unwrap();
    source.value.store(1, SeqCst);
    a.invalidate_tag("t").await;
    // Redis evicts the version, as it may under memory pressure, while the old envelope is still there.
    assert_eq!(redis_cli(&redis, &["DEL", "hrc1:v:{test}:t:t"]), "1");
    let b = instance(&redis);
    assert_eq!(source.get(&b.class("c", plain()), "k", &["t"]).await.unwrap(), (1, Origin::Load));
    assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap().0, 1);
}

#[tokio::test]
async fn a_clock_fifteen_minutes_off_changes_nothing() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let off = Clock::from_fn(|| Clock::system().now().plus_millis(15 * 60_000));
    let (right, wrong) = (instance(&redis), instance_with(&redis, off));
    let settings = ClassSettings { ttl: Duration::from_secs(2), stale_for: Duration::from_secs(60), ..plain() };
    let (at_right, at_wrong) = (right.class("c", settings.clone()), wrong.class("c", settings));
    listening(&[&right, &wrong]).await;
    let source = Source::default();
    for (loads, reads) in [(&at_right, &at_wrong), (&at_wrong, &at_right)] {
        let key = loads.name().to_owned() + &source.calls().to_string();
        assert_eq!(source.get(loads, &key, &["t"]).await.unwrap().1, Origin::Load);
        assert_eq!(source.get(reads, &key, &["t"]).await.unwrap().1, Origin::Redis, "neither dead nor eternal");
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(source.get(reads, &key, &["t"]).await.unwrap().1, Origin::Load);
    }
    wrong.invalidate_tag("t").await;
    let key = "c0";
    eventually("invalidation by the wrong clock", async || {
        source.get(&at_right, key, &["t"]).await.unwrap().1 == Origin::Load
    })
    .await;
}

#[tokio::test]
async fn oversized_and_compressed_values() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let settings = ClassSettings { value_max: 1 << 20, ..plain() };
    let (at_a, at_b) = (a.class("c", settings.clone()), b.class("c", settings));
    let text = Bytes::from("a row of a table, ".repeat(30_000));
    let (sent, load) = (text.clone(), |value: Bytes| move || async move { Ok(Loaded::value(value)) });
    at_a.get_or_load("large", &[], load(sent)).await.unwrap();
    let stored: usize = redis_cli(&redis, &["STRLEN", "hrc1:e:{test:c:large}"]).parse().unwrap();
    assert!(stored * 20 < text.len(), "{stored}");
    assert_eq!(at_b.get("large").await.unwrap().value(), Some(&text));
    let counters = at_a.report().counters;
    assert!(counters.packed_from as usize == text.len() && counters.packed_to < counters.packed_from / 20);

    let too_large = Bytes::from(vec![7; (1 << 20) + 1]);
    let hit = at_a.get_or_load("huge", &[], load(too_large.clone())).await.unwrap();
    assert_eq!(hit.value(), Some(&too_large), "answered, not thrown");
    eventually("giving up the lease", async || {
        redis_cli(&redis, &["EXISTS", "hrc1:e:{test:c:huge}", "hrc1:l:{test:c:huge}"]) == "0"
    })
    .await;
    assert!(at_b.get("huge").await.is_none());
}

#[tokio::test]
async fn a_lease_is_renewed_while_its_load_takes_long() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    // Longer than the lease of 2 s.
    let source = Source { slow: Duration::from_millis(3500), ..Source::default() };
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
    let (first, second) = tokio::join!(source.get(&at_a, "k", &[]), source.get(&at_b, "k", &[]));
    assert!(first.is_ok() && second.is_ok() && source.calls() == 1, "{first:?} {second:?} {}", source.calls());
}

#[tokio::test]
async fn a_failed_load_leaves_no_lease_behind() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let fails = || async { Err(Arc::new(std::io::Error::other("down")) as LoadFailure) };
    assert!(a.class("c", plain()).get_or_load("k", &[], fails).await.is_err());
    let source = Source::default();
    let begun = Instant::now();
    source.get(&b.class("c", plain()), "k", &[]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "waited for a lease that nobody held");
}

#[tokio::test]
async fn memory_mode_keeps_values_to_itself_and_shares_invalidations() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let settings = ClassSettings { mode: Mode::Memory, ..plain() };
    let (at_a, at_b) = (a.class("c", settings.clone()), b.class("c", settings));
    listening(&[&a, &b]).await;
    let source = Source::default();
    assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap().1, Origin::Load);
    assert_eq!(source.get(&at_b, "k", &["t"]).await.unwrap().1, Origin::Load);
    assert_eq!(redis_cli(&redis, &["EXISTS", "hrc1:e:{test:c:k}"]), "0");
    b.invalidate_tag("t").await;
    eventually("invalidation", async || source.get(&at_a, "k", &["t"]).await.unwrap().1 == Origin::Load).await;
    let shared = ClassSettings { mode: Mode::Redis, ..plain() };
    let (at_a, at_b) = (a.class("r", shared.clone()), b.class("r", shared));
    assert_eq!(source.get(&at_a, "k", &[]).await.unwrap().1, Origin::Load);
    assert_eq!(source.get(&at_a, "k", &[]).await.unwrap().1, Origin::Redis);
    assert_eq!(source.get(&at_b, "k", &[]).await.unwrap().1, Origin::Redis);
    assert_eq!(at_a.report().memory_keys, 0);
}

#[tokio::test]
async fn many_at_once() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    let values = (0..500).map(|n| (n.to_string(), Loaded::value(Bytes::from(n.to_string())))).collect();
    assert_eq!(a.class("c", plain()).set_many(values, &["t"]).await.unwrap(), 500);
    let at_b = b.class("c", plain());
    let names: Vec<String> = (0..501).map(|n| n.to_string()).collect();
    let found = at_b.get_many(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(found[..500].iter().enumerate().all(|(n, hit)| number(hit.as_ref().unwrap()) == n as u32));
    assert!(found[500].is_none());
    assert_eq!(at_b.redis_keys().await, Some(500));
}

/// Redis counts how often it read from a connection: once for a command that is waited for, and once for many that come
/// together, but for those that fill its buffer of 16 KiB.
#[tokio::test]
async fn many_keys_are_few_round_trips() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let (a, b) = (instance(&redis), instance(&redis));
    listening(&[&a, &b]).await;
    let reads = || {
        let info = redis_cli(&redis, &["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:")).expect("since Redis 6");
        line.trim().parse::<u64>().unwrap()
    };
    let names: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let values =
        names.iter().map(|name| ((*name).to_owned(), Loaded::value(Bytes::from((*name).to_owned())))).collect();
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));
    // The tags are known from here on.
    at_b.set("known", &["t"], Loaded::absent()).await.unwrap();
    let before = reads();
    assert_eq!(at_a.set_many(values, &["t"]).await.unwrap(), 400);
    let between = reads();
    let found = at_b.get_many(&names).await;
    let after = reads();
    assert!(found.iter().all(|hit| hit.as_ref().is_some_and(|hit| hit.origin == Origin::Redis)));
    assert!(between - before < 40 && after - between < 40, "{before} {between} {after}");
    // What was heard of as set while it was read is not kept; sooner or later memory has all.
    eventually("keeping", async || {
        let again = at_b.get_many(&names).await;
        again.iter().all(|hit| hit.as_ref().is_some_and(|hit| hit.origin == Origin::Memory))
    })
    .await;
}

#[tokio::test]
async fn what_is_set_together_is_kept_and_the_last_of_a_key_stands() {
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let cache = instance(&redis);
    let class = cache.class("c", ClassSettings { value_max: 100, ..plain() });
    let value = |n: usize| Loaded::value(Bytes::from(n.to_string()));
    // More than one batch, and many to a lock.
    let mut values: Vec<_> = (0..1_200).map(|n| (n.to_string(), value(n))).collect();
    values.push(("1".into(), value(11)));
    values.push(("large".into(), Loaded::value(Bytes::from(vec![0; 101]))));
    assert_eq!(class.set_many(values, &[]).await.unwrap(), 1_201);
    assert_eq!(class.report().memory_keys, 1_200);
    assert_eq!(number(&class.get("1").await.unwrap()), 11);
    assert_eq!(redis_cli(&redis, &["EXISTS", "hrc1:e:{test:c:1}", "hrc1:e:{test:c:large}"]), "1");
    let refused = class.set_many(vec![("new".into(), value(1)), ("k".repeat(2_000), value(1))], &[]).await;
    assert!(matches!(refused, Err(CacheError::Key(_))) && class.get("new").await.is_none());
}

/// Random loads and invalidations on three instances that share Redis: an answer that began after an invalidation had
/// ended at its own instance never shows a value from before it, and in the end all agree on the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_interleaving_across_instances_keeps_a_stale_value() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    const STEPS: usize = 3_000;
    let redis = Redis::start(RedisOptions::default()).await.unwrap();
    let caches: Vec<_> = (0..3).map(|_| instance(&redis)).collect();
    listening(&caches.iter().collect::<Vec<_>>()).await;
    let keys: Arc<Vec<(String, AtomicU32)>> = Arc::new((0..4).map(|n| (format!("k{n}"), AtomicU32::new(0))).collect());
    let workers = (0..6).map(|worker| {
        let (cache, keys) = (caches[worker % 3].clone(), keys.clone());
        let class = cache.class("c", plain());
        // What this worker itself has invalidated binds what it reads afterwards.
        let mut settled = [0; 4];
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(worker as u64);
            for _ in 0..STEPS {
                let at = random.random_range(0..4);
                let (key, value) = &keys[at];
                match random.random_range(0..8) {
                    0 => {
                        let new = value.fetch_add(1, SeqCst) + 1;
                        class.invalidate(key).await;
                        settled[at] = new;
                    }
                    1 => {
                        let new = value.fetch_add(1, SeqCst) + 1;
                        cache.invalidate_tag(key).await;
                        settled[at] = new;
                    }
                    2 | 3 => {
                        if let Some(hit) = class.get(key).await {
                            assert!(number(&hit) >= settled[at], "{key}: {} after {}", number(&hit), settled[at]);
                        }
                    }
                    _ => {
                        let source = keys.clone();
                        let hit = class
                            .get_or_load(key, &[key], move || async move {
                                let value = source[at].1.load(SeqCst);
                                tokio::task::yield_now().await;
                                Ok(Loaded::value(Bytes::from(value.to_string())))
                            })
                            .await
                            .unwrap();
                        assert!(number(&hit) >= settled[at], "{key}: {} after {}", number(&hit), settled[at]);
                    }
                }
            }
        })
    });
    futures::future::join_all(workers).await.into_iter().for_each(|worker| worker.unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    for cache in &caches {
        for (at, (key, value)) in keys.iter().enumerate() {
            let source = keys.clone();
            let class = cache.class("c", plain());
            let load = move || async move { Ok(Loaded::value(Bytes::from(source[at].1.load(SeqCst).to_string()))) };
            let hit = class.get_or_load(key, &[key], load).await.unwrap();
            assert_eq!(number(&hit), value.load(SeqCst), "{key} was kept stale");
        }
    }
}
