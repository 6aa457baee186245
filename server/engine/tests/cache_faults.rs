//! What the cache does when Redis is killed, frozen, emptied or lies, when clocks jump, and when changes come at the
//! worst moment. In all of it: no error where a value may stand in, no value from before a settled invalidation, no more
//! loads than the fault explains, and everything heals by itself.

mod traffic;

use bytes::Bytes;
use deadpool_redis::redis::{AsyncTypedCommands, Client, aio::MultiplexedConnection, cmd};
use headroom_engine::{
    cache::{Cache, CacheError, CacheSettings, ClassSettings, LoadFailure, Loaded, Origin, Servers},
    clock::Clock,
};
use headroom_model::Timestamp;
use headroom_sandbox::{Redis, RedisOptions};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use traffic::{Source, Traffic, eventually, healed, instance, plain};

async fn start() -> (Redis, Servers) {
    let redis = Redis::start(RedisOptions::default()).await.expect("redis-server is installed");
    let servers = Servers::Single(redis.url(0));
    (redis, servers)
}

async fn connect(redis: &Redis) -> MultiplexedConnection {
    let client = Client::open(redis.url(0)).expect("the sandbox's address can be read");
    client.get_multiplexed_async_connection().await.expect("it answers")
}

/// The name under which a value of class `c` lies in Redis.
fn entry(key: &str) -> String {
    format!("hrc1:e:{{test:c:{key}}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_killed_emptied_or_frozen_under_load() {
    let (mut redis, servers) = start().await;
    let caches = [(); 3].map(|()| instance(&servers));
    healed(&caches).await;
    let traffic = Traffic::start(&caches);
    traffic.answer(300).await;
    for fault in ["killed, back with its old values", "killed, back empty", "emptied", "frozen", "restarted"] {
        eprintln!("{fault}");
        match fault {
            "killed, back with its old values" => {
                let () = cmd("SAVE").query_async(&mut connect(&redis).await).await.unwrap();
                traffic.answer(100).await;
                redis.kill().await;
                traffic.answer(400).await;
                redis.restart().await.unwrap();
            }
            "killed, back empty" => {
                let _ = std::fs::remove_file(redis.data_dir().join("dump.rdb"));
                redis.kill().await;
                traffic.answer(400).await;
                redis.restart().await.unwrap();
            }
            "emptied" => {
                let () = cmd("FLUSHALL").query_async(&mut connect(&redis).await).await.unwrap();
            }
            "frozen" => {
                redis.pause();
                traffic.answer(400).await;
                redis.resume();
            }
            _ => redis.restart().await.unwrap(),
        }
        traffic.answer(200).await;
        healed(&caches).await;
    }
    traffic.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_and_origin_stale_values_stand_in_and_the_origin_is_spared() {
    const KEYS: u32 = 8;
    let (mut redis, servers) = start().await;
    let caches = [instance(&servers), instance(&servers)];
    healed(&caches).await;
    let settings = ClassSettings { ttl: Duration::from_millis(100), retry_after: Duration::from_secs(1), ..plain() };
    let (fails, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let get = async |cache: &Cache<Bytes>, key: u32| {
        let (fails, calls) = (fails.clone(), calls.clone());
        let load = move || async move {
            calls.fetch_add(1, SeqCst);
            match fails.load(SeqCst) {
                true => Err(Arc::new(std::io::Error::other("down")) as LoadFailure),
                false => Ok(Loaded::value(Bytes::from_static(b"kept"))),
            }
        };
        cache.class("c", settings.clone()).get_or_load(&key.to_string(), &["t"], load).await
    };
    for key in 0..KEYS {
        for cache in &caches {
            get(cache, key).await.unwrap();
        }
    }
    fails.store(true, SeqCst);
    redis.kill().await;
    calls.store(0, SeqCst);
    let begun = Instant::now();
    let (mut answers, mut stale) = (0, 0);
    while begun.elapsed() < Duration::from_secs(4) {
        let asked = caches.iter().flat_map(|cache| (0..KEYS).map(|key| get(cache, key)));
        for answer in futures::future::join_all(asked).await {
            let hit = answer.expect("a stale value is there");
            assert_eq!(hit.value().unwrap(), "kept");
            answers += 1;
            stale += u32::from(hit.origin == Origin::Stale);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let most = 2 * KEYS * (begun.elapsed().as_secs() as u32 + 2);
    assert!(calls.load(SeqCst) <= most, "{} attempts for {answers} answers; at most {most}", calls.load(SeqCst));
    assert!(stale > answers / 2, "{stale} of {answers}");

    redis.restart().await.unwrap();
    fails.store(false, SeqCst);
    healed(&caches).await;
    for cache in &caches {
        eventually("a fresh value", async || get(cache, 0).await.unwrap().origin != Origin::Stale).await;
    }
}

/// An envelope with a checksum that fits, whatever it says.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

#[tokio::test]
async fn poisoned_values_are_misses_and_are_removed() {
    let (redis, servers) = start().await;
    let writer = instance(&servers);
    let source = Source::default();
    source.get(&writer.class("c", plain()), "good", &["t"]).await.unwrap();
    let mut connection = connect(&redis).await;
    let good: Vec<u8> = cmd("GET").arg(entry("good")).query_async(&mut connection).await.unwrap();
    let body = &good[..good.len() - 8];

    let mut random = StdRng::seed_from_u64(7);
    let mut poison: Vec<Vec<u8>> = Vec::new();
    for length in [1, 7, 60, 64, 1_000, 100_000] {
        let mut bytes = vec![0; length];
        random.fill_bytes(&mut bytes);
        poison.push(bytes);
    }
    // Truncated anywhere, also where the header still looks right.
    poison.extend([3, 4, 30, good.len() - 9, good.len() - 8, good.len() - 1].map(|end| good[..end].to_vec()));
    // One bit of the payload, of the checksum, of the length.
    for at in [body.len() - 1, good.len() - 1, 8] {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << random.random_range(0..8);
        poison.push(bytes);
    }
    // Sealed rightly, and wrong: a payload of 4 GiB declared plain and packed, an unknown codec, 65,535 tags.
    for (at, lie) in [(8, &[0xFF; 4][..]), (4, &[9]), (6, &[0xFF, 0xFF])] {
        let mut bytes = body.to_vec();
        bytes[at..at + lie.len()].copy_from_slice(lie);
        poison.push(sealed(bytes.clone()));
        bytes[4] = 1;
        poison.push(sealed(bytes));
    }
    let (reader, other) = (instance(&servers), instance(&servers));
    let (at_reader, at_other) = (reader.class("c", plain()), other.class("c", plain()));
    for (n, bytes) in poison.iter().enumerate() {
        let key = format!("p{n}");
        let () =
            cmd("SET").arg(entry(&key)).arg(bytes).arg("PX").arg(60_000).query_async(&mut connection).await.unwrap();
        // Looked up alone it is absent and gone; loaded it is replaced.
        assert!(at_reader.get(&key).await.is_none(), "{n}");
        assert!(!connection.exists(entry(&key)).await.unwrap(), "{n} is still there");
        let () =
            cmd("SET").arg(entry(&key)).arg(bytes).arg("PX").arg(60_000).query_async(&mut connection).await.unwrap();
        assert_eq!(source.get(&at_reader, &key, &["t"]).await.unwrap().1, Origin::Load, "{n}");
        assert_eq!(source.get(&at_other, &key, &["t"]).await.unwrap().1, Origin::Redis, "{n} was not replaced");
    }
    assert_eq!(at_reader.report().counters.poison, 2 * poison.len() as u64);
    // Something that is no string at all.
    let () = cmd("RPUSH").arg(entry("list")).arg("x").query_async(&mut connection).await.unwrap();
    assert_eq!(source.get(&at_reader, "list", &["t"]).await.unwrap().1, Origin::Load);
    assert_eq!(source.get(&at_other, "list", &["t"]).await.unwrap().1, Origin::Redis, "it was not replaced");
    let tier = reader.redis().unwrap();
    assert!(tier.answers && tier.breaker_opened == 0, "poison is no outage: {tier:?}");
}

#[tokio::test]
async fn clocks_may_be_off_and_jump() {
    let (_redis, servers) = start().await;
    let minutes = Arc::new(AtomicI64::new(-15));
    let jumping = {
        let minutes = minutes.clone();
        Clock::from_fn(move || {
            let now: Timestamp = Clock::system().now();
            now.plus_millis(minutes.load(SeqCst) * 60_000)
        })
    };
    let wrong = Cache::<Bytes>::start(
        CacheSettings { space: "test".into(), redis_timeout: Duration::from_secs(1), ..CacheSettings::default() },
        Some(&servers),
        jumping,
    )
    .unwrap();
    let right = instance(&servers);
    let settings = ClassSettings { stale_for: Duration::from_secs(60), ..plain() };
    for (n, (loads, reads)) in [(&wrong, &right), (&right, &wrong)].into_iter().cycle().take(6).enumerate() {
        let (loads, reads) = (loads.class("c", settings.clone()), reads.class("c", settings.clone()));
        let (key, source) = (format!("k{n}"), Source::default());
        let before = Instant::now();
        source.get(&loads, &key, &[]).await.unwrap();
        minutes.fetch_update(SeqCst, SeqCst, |minutes| Some(-minutes)).unwrap();
        assert_eq!(source.get(&reads, &key, &[]).await.unwrap().1, Origin::Redis);
        let hit = reads.get(&key).await.unwrap();
        // Neither younger than it is, nor older than the time that has passed here.
        let passed = before.elapsed() + Duration::from_millis(2);
        assert!(hit.age() <= passed, "{:?} {passed:?}", hit.age());
        let lived = settings.ttl - hit.fresh_for();
        assert!(lived <= passed, "{lived:?} {passed:?}");
    }

    // An end is an end for every clock: past ttl and stale_for nothing stands in.
    let brief = ClassSettings {
        ttl: Duration::from_millis(300),
        stale_for: Duration::from_millis(700),
        retry_after: Duration::from_millis(1),
        ..plain()
    };
    for (loads, reads) in [(&wrong, &right), (&right, &wrong)] {
        let (loads, reads) = (loads.class("brief", brief.clone()), reads.class("brief", brief.clone()));
        let key = format!("{}", minutes.load(SeqCst));
        Source::default().get(&loads, &key, &[]).await.unwrap();
        let loaded = Instant::now();
        minutes.fetch_update(SeqCst, SeqCst, |minutes| Some(-minutes)).unwrap();
        eventually("the end", async || {
            let asked = loaded.elapsed();
            let fails = || async { Err(Arc::new(std::io::Error::other("down")) as LoadFailure) };
            match reads.get_or_load(&key, &[], fails).await {
                Ok(hit) => {
                    assert!(asked <= brief.ttl + brief.stale_for, "{asked:?} after it was loaded: {hit:?}");
                    false
                }
                Err(CacheError::Load(_)) => true,
                Err(other) => panic!("{other}"),
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_oversized_value_replaces_nothing_and_leaves_nothing_old() {
    let (redis, servers) = start().await;
    let caches = [instance(&servers), instance(&servers)];
    healed(&caches).await;
    let settings = ClassSettings { value_max: 1 << 10, ..plain() };
    let [at_a, at_b] = caches.each_ref().map(|cache| cache.class("c", settings.clone()));
    let small = || Loaded::value(Bytes::from_static(b"small"));
    let large = || Loaded::value(Bytes::from(vec![7; (1 << 10) + 1]));
    assert!(at_a.set("k", &[], small()).await.unwrap());
    assert_eq!(at_b.get("k").await.unwrap().origin, Origin::Redis);
    assert!(!at_a.set("k", &[], large()).await.unwrap(), "not kept");
    assert!(at_a.get("k").await.is_none(), "and neither is what it replaces");
    eventually("the other's copy going", async || at_b.get("k").await.is_none()).await;
    // The same by write-through, and by a load, for many callers at once.
    assert_eq!(at_a.write_through("w", &[], async { Ok(Bytes::from(vec![7; 2 << 10])) }).await.unwrap().len(), 2 << 10);
    let calls = AtomicU32::new(0);
    let load = || {
        calls.fetch_add(1, SeqCst);
        at_b.get_or_load("l", &[], move || async move { Ok(large()) })
    };
    for answer in futures::future::join_all((0..20).map(|_| load())).await {
        assert_eq!(answer.unwrap().value().unwrap().len(), (1 << 10) + 1);
    }
    assert!(!connect(&redis).await.exists(&[entry("k"), entry("w"), entry("l")]).await.unwrap());
}

/// An origin whose loads begin and end when the test says so.
#[derive(Clone)]
struct Gate {
    value: Arc<AtomicU32>,
    begun: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Gate {
    async fn load(self) -> Result<Loaded<Bytes>, LoadFailure> {
        let value = self.value.load(SeqCst);
        self.begun.add_permits(1);
        self.go.acquire().await.expect("it is never closed").forget();
        Ok(Loaded::value(Bytes::from(value.to_string())))
    }
}

#[tokio::test]
async fn a_tag_removed_while_a_background_refresh_runs_is_not_undone_by_it() {
    let (_redis, servers) = start().await;
    let caches = [instance(&servers), instance(&servers)];
    healed(&caches).await;
    // Every hit on a fresh value refreshes.
    let settings = ClassSettings { eager_after: Some(0.0), ..plain() };
    let [at_a, at_b] = caches.each_ref().map(|cache| cache.class("c", settings.clone()));
    for by_other in [false, true] {
        for by_key in [false, true] {
            let key = format!("{by_other}{by_key}");
            let gate =
                Gate { value: Arc::default(), begun: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(1)) };
            let get = async |class: &headroom_engine::cache::Class<Bytes>| {
                let gate = gate.clone();
                let hit = class.get_or_load(&key, &["t"], move || gate.load()).await.unwrap();
                (hit.value().unwrap().clone(), hit.origin)
            };
            assert_eq!(get(&at_a).await, (Bytes::from("0"), Origin::Load));
            gate.begun.acquire().await.unwrap().forget();
            // This hit begins a refresh, which reads the old value and then waits.
            assert_eq!(get(&at_a).await, (Bytes::from("0"), Origin::Memory));
            gate.begun.acquire().await.unwrap().forget();
            gate.value.store(1, SeqCst);
            let (cache, class) = if by_other { (&caches[1], &at_b) } else { (&caches[0], &at_a) };
            assert!(if by_key { class.invalidate(&key).await } else { cache.invalidate_tag("t").await });
            let discarded = at_a.report().counters.discarded;
            gate.go.add_permits(1);
            eventually("the refresh to end", async || at_a.report().counters.discarded > discarded).await;
            // From here on loads need not wait.
            gate.go.add_permits(100);
            assert_eq!(get(&at_b).await.0, "1", "not in Redis");
            assert_eq!(get(&at_a).await.0, "1", "nor in memory");
        }
    }
}

#[tokio::test]
async fn a_clear_while_redis_is_away_is_made_good_afterwards() {
    for frozen in [false, true] {
        for everything in [false, true] {
            let (mut redis, servers) = start().await;
            let caches = [instance(&servers), instance(&servers)];
            healed(&caches).await;
            let [at_a, at_b] = caches.each_ref().map(|cache| cache.class("c", plain()));
            let source = Source::default();
            for key in ["k", "j"] {
                source.get(&at_a, key, &["t"]).await.unwrap();
                source.get(&at_b, key, &["t"]).await.unwrap();
            }
            // The old values come back with Redis.
            let () = cmd("SAVE").query_async(&mut connect(&redis).await).await.unwrap();
            if frozen {
                redis.pause();
            } else {
                redis.kill().await;
            }
            source.value.store(1, SeqCst);
            assert!(!if everything { caches[0].clear().await } else { at_a.clear().await });
            assert_eq!(source.get(&at_a, "k", &["t"]).await.unwrap(), (1, Origin::Load), "at once here");
            if frozen {
                redis.resume();
            } else {
                redis.restart().await.unwrap();
            }
            healed(&caches).await;
            for key in ["k", "j"] {
                assert_eq!(source.get(&at_a, key, &["t"]).await.unwrap().0, 1, "never again here");
                eventually("the clear at the other", async || source.get(&at_b, key, &["t"]).await.unwrap().0 == 1)
                    .await;
            }
            // Nor for one who was not there.
            let late = instance(&servers).class("c", plain());
            assert_eq!(source.get(&late, "j", &["t"]).await.unwrap().0, 1);
        }
    }
}
