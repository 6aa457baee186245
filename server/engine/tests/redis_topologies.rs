//! The cache on a Redis watched by Sentinels and on a Redis Cluster: the same promises, and what a failover costs.

mod support;
mod traffic;

use bytes::Bytes;
use deadpool_redis::redis::{self, Client, InfoDict};
use headroom_engine::{
    cache::{Cache, Class, Loaded, Origin, RedisPool, Servers},
    clock::Clock,
    collect::{CollectSettings, Collector, Observation, Pulse},
    pool::PoolProfile,
};
use headroom_model::{MetricId, sample::Figures};
use headroom_sandbox::{Redis, RedisCluster, RedisSentinel};
use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};
use traffic::{Source, Traffic, eventually, healed, instance, plain};

fn by_sentinel(set: &RedisSentinel) -> Servers {
    Servers::Sentinel { sentinels: set.sentinels(), master: format!("redis://:{}@{}", set.password(), set.service()) }
}

fn pair(servers: &Servers) -> [Cache<Bytes>; 2] {
    [instance(servers), instance(servers)]
}

async fn talk<T: redis::FromRedisValue>(server: &Redis, command: &[&str]) -> T {
    let client = Client::open(server.url(0)).expect("the sandbox's address can be read");
    let mut connection = client.get_multiplexed_async_connection().await.expect("it answers");
    let mut cmd = redis::cmd(command[0]);
    cmd.arg(&command[1..]).query_async(&mut connection).await.expect("it answers")
}

/// Values, leases, invalidations, batches and patterns across two instances.
async fn shares_everything(servers: &Servers) {
    let [a, b] = pair(servers);
    healed(&[a.clone(), b.clone()]).await;
    let (at_a, at_b) = (a.class("c", plain()), b.class("c", plain()));

    let source = Source { slow: Duration::from_millis(100), ..Source::default() };
    let callers = [&at_a, &at_b].into_iter().flat_map(|class| (0..100).map(|_| source.get(class, "k", &["t"])));
    for answer in futures::future::join_all(callers).await {
        assert_eq!(answer.expect("it answers").0, 0);
    }
    assert_eq!(source.calls.load(SeqCst), 1, "one load for two instances");
    assert_eq!(source.get(&at_b, "k", &["t"]).await.expect("it answers"), (0, Origin::Memory));

    for round in 1..=4 {
        source.get(&at_b, "k", &["t"]).await.expect("it answers");
        source.value.store(round, SeqCst);
        assert!(match round {
            1 => at_a.invalidate("k").await,
            2 => a.invalidate_tag("t").await,
            3 => at_a.clear().await,
            _ => a.clear().await,
        });
        assert_eq!(source.get(&at_a, "k", &["t"]).await.expect("it answers").0, round, "at once where it was decided");
        eventually("invalidation at the other", async || {
            source.get(&at_b, "k", &["t"]).await.expect("it answers").0 == round
        })
        .await;
    }

    let values = (0..200).map(|n| (format!("b{n}"), Loaded::value(Bytes::from(n.to_string())))).collect();
    assert_eq!(at_a.set_many(values, &["batch"]).await.expect("it answers"), 200);
    let names: Vec<String> = (0..201).map(|n| format!("b{n}")).collect();
    let found = at_b.get_many(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (n, hit) in found[..200].iter().enumerate() {
        let hit = hit.as_ref().expect("the other instance has stored it");
        assert_eq!(
            (hit.value().expect("it is no negative entry"), hit.origin),
            (&Bytes::from(n.to_string()), Origin::Redis)
        );
    }
    assert!(found[200].is_none());

    assert_eq!(at_b.redis_keys().await, Some(201));
    let matching = async |class: &Class<Bytes>| class.keys("b1?", 100).await.expect("it answers").0;
    assert_eq!(matching(&at_b).await, (10..20).map(|n| format!("b{n}")).collect::<Vec<_>>());
    assert!(at_a.invalidate("b13").await);
    eventually("one key fewer", async || matching(&at_b).await.len() == 9).await;
    assert!(at_b.get("b13").await.is_none());
    let inspected = at_b.inspect("b14").await;
    assert!(inspected.redis.is_some() && inspected.tags == ["batch"], "{inspected:?}");
}

async fn observed(servers: &Servers) -> (Observation, Option<Result<(), String>>) {
    // No PostgreSQL: what is collected of Redis does not depend on it.
    let target =
        support::target("postgres://nobody@127.0.0.1:9/nothing", Some(servers.clone()), PoolProfile::default());
    let mut collector = Collector::new(Arc::clone(&target), Clock::system(), CollectSettings::default());
    let observation = collector.collect(&Figures::new()).await;
    (observation, Pulse::new(target).ask().await.redis)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_lead_to_the_master() {
    let mut set = RedisSentinel::start().await.unwrap();
    let servers = by_sentinel(&set);
    shares_everything(&servers).await;
    let (observation, pulse) = observed(&servers).await;
    assert_eq!((&observation.redis_error, pulse), (&None, Some(Ok(()))));
    let figure = |metric| observation.sample.get(metric);
    assert_eq!(figure(MetricId::RedisUp), Some(1.0));
    let master = set.master().await.unwrap();
    let keys: f64 = talk::<u64>(set.server(master).unwrap(), &["DBSIZE"]).await as f64;
    assert_eq!(figure(MetricId::RedisKeys), Some(keys), "the master's own figures");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_fails_nobody_and_the_former_master_misleads_nobody() {
    for frozen in [false, true] {
        let mut set = RedisSentinel::start().await.unwrap();
        let servers = by_sentinel(&set);
        let caches = pair(&servers);
        healed(&caches).await;
        let traffic = Traffic::start(&caches);
        traffic.answer(300).await;

        let first = set.master().await.unwrap();
        let former = set.server(first).unwrap();
        // What the replica has not got by then is lost with the master; that is Redis's affair and not tested here.
        let _: u32 = talk(former, &["WAIT", "1", "5000"]).await;
        if frozen {
            former.pause();
        } else {
            former.kill().await;
        }
        eventually("promotion", async || set.master().await.is_ok_and(|port| port != first)).await;
        traffic.answer(300).await;
        let former = set.server(first).unwrap();
        // Back, it takes itself for the master for a while.
        if frozen {
            former.resume();
        } else {
            former.restart().await.unwrap();
        }
        traffic.answer(300).await;
        healed(&caches).await;
        traffic.finish().await;
        set.settled().await.unwrap();

        // Both use the new one.
        let [at_a, at_b] = caches.each_ref().map(|cache| cache.class("after", plain()));
        let source = Source::default();
        eventually("sharing through the new master", async || {
            let key = format!("k{}", source.value.fetch_add(1, SeqCst));
            source.get(&at_a, &key, &[]).await.unwrap();
            source.get(&at_b, &key, &[]).await.unwrap().1 == Origin::Redis
        })
        .await;
        let (observation, _) = observed(&servers).await;
        assert_eq!(observation.redis_error, None);
    }
}

/// Sentinels tell a former master some ten seconds after it is back. Until then it answers as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_to_a_former_master_is_not_used_again() {
    let mut set = RedisSentinel::start().await.unwrap();
    let pool = RedisPool::new(&by_sentinel(&set), Duration::from_secs(10)).unwrap();
    let info = async || {
        let mut connection = pool.connect().await.unwrap();
        redis::cmd("INFO").query_async::<InfoDict>(&mut connection).await.unwrap()
    };
    let first = set.master().await.unwrap();
    assert_eq!(info().await.get("tcp_port"), Some(first));
    let used = Instant::now();
    set.server(first).unwrap().pause();
    eventually("promotion", async || set.master().await.is_ok_and(|port| port != first)).await;
    // Sentinels are asked two seconds after they were last asked.
    tokio::time::sleep_until((used + Duration::from_secs(2)).into()).await;
    let former = set.server(first).unwrap();
    former.resume();
    let role: String = talk::<InfoDict>(former, &["INFO", "replication"]).await.get("role").unwrap();
    assert_eq!(role, "master", "or there is nothing to be misled by");
    let now = info().await;
    assert_eq!(now.get::<String>("role").as_deref(), Some("master"));
    assert_ne!(now.get("tcp_port"), Some(first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_one_cache() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let servers = Servers::Cluster(cluster.nodes());
    shares_everything(&servers).await;
    for index in 0..3 {
        let keys: u64 = talk(cluster.node(index).unwrap(), &["DBSIZE"]).await;
        assert!(keys > 20, "node {index} has {keys} keys");
    }
    let (observation, pulse) = observed(&servers).await;
    assert_eq!((&observation.redis_error, pulse), (&None, Some(Ok(()))));
    assert_eq!(observation.sample.get(MetricId::RedisUp), Some(1.0));
    assert!(observation.sample.get(MetricId::RedisRoundTrip).is_some());
    assert!(observation.sample.get(MetricId::RedisMemory).is_none(), "nothing is invented");
    assert!(observation.limitations.iter().any(|it| it.what.contains("Cluster")), "{:?}", observation.limitations);
    cluster.node(2).unwrap().kill().await;
    eventually("the lost node to show", async || {
        let (observation, _) = observed(&servers).await;
        let said = observation.redis_error.is_some_and(|reason| reason.contains("(Cluster): nobody serves 5462 of"));
        said && observation.sample.get(MetricId::RedisUp) == Some(0.0)
    })
    .await;
}

/// Which node keeps the versions decides how far its loss reaches.
async fn keeper_of_versions(cluster: &RedisCluster) -> usize {
    cluster.keeper("hrc1:v:{test}:*").await.expect("it answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_one_node_its_keys_live_in_memory_and_the_others_are_shared() {
    for frozen in [false, true] {
        let mut cluster = RedisCluster::start().await.unwrap();
        let versions = keeper_of_versions(&cluster).await;
        let index = cluster.keeper("hrc1:i:{test:c}").await.unwrap();
        let away = (0..3).find(|node| ![versions, index].contains(node)).unwrap();
        assert_eq!(cluster.keeper("hrc1:b:test").await.unwrap(), away, "the channel's name lies on it too");
        // The first that is named is the one they listen to.
        let mut nodes = cluster.nodes();
        nodes.rotate_left(away);
        let caches = pair(&Servers::Cluster(nodes));
        healed(&caches).await;
        let [at_a, at_b] = caches.each_ref().map(|cache| cache.class("c", plain()));
        // Names of keys by whether the node that will be away keeps them.
        let (mut lost, mut kept) = (Vec::new(), Vec::new());
        for n in 0..400 {
            let key = format!("k{n}");
            let keeper = cluster.keeper(&format!("hrc1:e:{{test:c:{key}}}")).await.unwrap();
            if keeper == away { lost.push(key) } else { kept.push(key) }
        }
        let source = Source::default();
        for key in [&lost[0], &kept[0]] {
            source.get(&at_a, key, &["t"]).await.unwrap();
            assert_eq!(source.get(&at_b, key, &["t"]).await.unwrap().1, Origin::Redis);
        }
        let node = cluster.node(away).unwrap();
        if frozen {
            node.pause();
        } else {
            node.kill().await;
        }

        assert_eq!(source.get(&at_a, &lost[0], &["t"]).await.unwrap(), (0, Origin::Memory));
        assert_eq!(source.get(&at_a, &lost[1], &["t"]).await.unwrap(), (0, Origin::Load));
        assert_eq!(source.get(&at_a, &lost[1], &["t"]).await.unwrap(), (0, Origin::Memory));
        source.value.store(1, SeqCst);
        assert!(!at_a.invalidate(&lost[0]).await, "Redis does not know yet");
        assert_eq!(source.get(&at_a, &lost[0], &["t"]).await.unwrap(), (1, Origin::Load));
        // The others are shared; failures of the lost ones may make the cache pause in between.
        let mut fresh = kept[1..].iter();
        eventually("sharing through the nodes that are left", async || {
            let key = fresh.next().expect("not one key of many was shared");
            source.get(&at_a, key, &["t"]).await.unwrap();
            source.get(&at_b, key, &["t"]).await.unwrap().1 == Origin::Redis
        })
        .await;
        // They listen to another node then, and have asked what they missed.
        for cache in &caches {
            eventually("hearing again", async || {
                let tier = cache.redis().unwrap();
                tier.listens && tier.resynchronised > 0
            })
            .await;
        }
        eventually("an acknowledged invalidation", async || at_a.invalidate(&kept[0]).await).await;
        eventually("invalidation at the other", async || source.get(&at_b, &kept[0], &["t"]).await.unwrap().0 == 1)
            .await;

        let node = cluster.node(away).unwrap();
        if frozen {
            node.resume();
        } else {
            node.restart().await.unwrap();
        }
        cluster.settled().await.unwrap();
        healed(&caches).await;
        eventually("what was invalidated meanwhile", async || {
            source.get(&at_b, &lost[0], &["t"]).await.unwrap().0 == 1
        })
        .await;
        let mut fresh = lost[2..].iter();
        eventually("sharing through the node that is back", async || {
            let key = fresh.next().expect("not one key of many was shared");
            source.get(&at_a, key, &["t"]).await.unwrap();
            source.get(&at_b, key, &["t"]).await.unwrap().1 == Origin::Redis
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_may_lose_any_node_under_load() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let caches = pair(&Servers::Cluster(cluster.nodes()));
    healed(&caches).await;
    let traffic = Traffic::start(&caches);
    traffic.answer(200).await;
    let versions = keeper_of_versions(&cluster).await;
    for (node, frozen) in [(versions, true), (0, true), (2, false), (versions, false)] {
        let server = cluster.node(node).unwrap();
        if frozen {
            server.pause();
        } else {
            server.kill().await;
        }
        traffic.answer(300).await;
        let server = cluster.node(node).unwrap();
        if frozen {
            server.resume();
        } else {
            server.restart().await.unwrap();
        }
        cluster.settled().await.unwrap();
        healed(&caches).await;
        traffic.answer(100).await;
    }
    traffic.finish().await;
}
