//! Figures of the cache that datasets are read through: they agree with what was asked, and end where it is not known.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail their test")]

mod support;

use headroom_engine::{
    cache::{CacheSettings, ClassSettings, Servers},
    clock::Clock,
    collect::{CollectSettings, Collector, Observation},
    dataset::{Ask, DatasetConfig, Datasets, Parameter, ParameterKind},
    pool::PoolProfile,
    target::{CapacityLimits, Target, TargetConfig},
};
use headroom_model::{MetricId, TargetId, metric::CATALOGUE, sample::Figures};
use headroom_sandbox::{
    Redis, RedisOptions,
    test::{TestDatabase, database},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// One row for every n; below zero the statement fails.
fn squares(cache: ClassSettings) -> DatasetConfig {
    let n = Parameter {
        name: "n".into(),
        kind: ParameterKind::Integer,
        default: None,
        min: None,
        max: None,
        values: Vec::new(),
    };
    DatasetConfig {
        name: "squares".into(),
        target: TargetId("test".into()),
        sql: "SELECT :n * :n AS square, sqrt(:n) AS root".into(),
        parameters: vec![n],
        cache,
        tags: Vec::new(),
        warmup: None,
        warm: Vec::new(),
        key: Vec::new(),
        tables: Vec::new(),
        per_user: false,
        count: false,
    }
}

/// A target with its datasets, and the collector that reads both.
struct Watched {
    datasets: Datasets,
    collector: Collector,
}

impl Watched {
    fn start(database: &TestDatabase, redis: Option<&Redis>, configs: Vec<DatasetConfig>) -> Self {
        let redis = redis.map(|redis| Servers::Single(redis.url(0)));
        let (id, pool) = (TargetId("test".into()), PoolProfile::default());
        let config = TargetConfig {
            id: id.clone(),
            database_url: database.url(),
            replica: None,
            redis: redis.clone(),
            pool,
            limits: CapacityLimits::default(),
            auto_terminate: None,
        };
        let target: Arc<Target> = support::target(&config.database_url, redis, pool);
        // Patience for a busy machine.
        let settings = CacheSettings { redis_timeout: Duration::from_secs(1), ..CacheSettings::default() };
        let datasets = Datasets::start(configs, &[(config, target.clone())], &settings, &Clock::system()).unwrap();
        let cache = datasets.cache(&id).unwrap().clone();
        let collector = Collector::new(target, Clock::system(), CollectSettings::default()).with_cache(cache);
        Watched { datasets, collector }
    }

    async fn collect(&mut self) -> Observation {
        self.collector.collect(&Figures::new()).await
    }

    /// Asks for one page; true where there is an answer.
    async fn read(&self, n: i64) -> bool {
        let ask = Ask { arguments: vec![("n".into(), n.to_string())], ..Ask::default() };
        self.datasets.get("squares").unwrap().page(&ask).await.is_ok()
    }
}

/// Fresh for longer than a test takes, and nothing loaded before its time.
fn plain() -> ClassSettings {
    ClassSettings {
        ttl: Duration::from_secs(600),
        soft_timeout: Duration::from_secs(5),
        beta: 0.0,
        ..Default::default()
    }
}

fn figure(observation: &Observation, metric: MetricId) -> f64 {
    observation.sample.get(metric).unwrap_or_else(|| panic!("{metric} was not measured: {:#?}", observation.sample))
}

#[tokio::test]
async fn an_interval_is_what_was_asked_in_it() {
    let (database, redis) = (database().await.unwrap(), Redis::start(RedisOptions::default()).await.unwrap());
    let mut watched = Watched::start(&database, Some(&redis), vec![squares(plain())]);
    let before = watched.collect().await;
    // The levels are known at once, a rate is not, and the second tier has not been asked.
    assert_eq!((figure(&before, MetricId::CacheKeys), figure(&before, MetricId::CacheMemoryMax)), (0.0, 67_108_864.0));
    for metric in [MetricId::CacheLookups, MetricId::CacheHitRate, MetricId::CacheRedisUp] {
        assert_eq!(before.sample.get(metric), None, "{metric}");
    }

    for n in 0..4 {
        assert!(watched.read(n).await);
    }
    for _ in 0..9 {
        for n in 0..4 {
            assert!(watched.read(n).await);
        }
    }
    let seen = watched.collect().await;
    for (metric, value) in [
        (MetricId::CacheHitRate, 90.0),
        (MetricId::CacheMemoryShare, 90.0),
        (MetricId::CacheRedisShare, 0.0),
        (MetricId::CacheStaleShare, 0.0),
        (MetricId::CacheMissShare, 10.0),
        (MetricId::CacheKeys, 4.0),
        (MetricId::CacheLoadErrors, 0.0),
        (MetricId::CacheRedisUp, 1.0),
        (MetricId::CacheInvalidationsWaiting, 0.0),
        (MetricId::CachePoison, 0.0),
    ] {
        assert_eq!(figure(&seen, metric), value, "{metric}");
    }
    let (lookups, misses) = (figure(&seen, MetricId::CacheLookups), figure(&seen, MetricId::CacheMisses));
    assert!((lookups - 10.0 * misses).abs() < 1e-6 && misses > 0.0, "{lookups} {misses}");
    assert!((figure(&seen, MetricId::CacheLoads) - misses).abs() < 1e-6);
    // A quiet cache times every answer. From memory it takes less than from anywhere else.
    let (memory, load) = (figure(&seen, MetricId::CacheMemoryLatencyP50), figure(&seen, MetricId::CacheLoadLatencyP50));
    assert!(memory > 0.0 && memory < load, "{memory} {load}");
    assert!(figure(&seen, MetricId::CacheRedisLatencyP99) >= figure(&seen, MetricId::CacheRedisLatencyP50));
    assert!(figure(&seen, MetricId::CacheSavedTime) > 0.0);
    // No figure of the catalogue is missing without a reason: nothing has left memory.
    let missing = CATALOGUE
        .iter()
        .filter(|metric| metric.id.as_str().starts_with("cache.") && seen.sample.get(metric.id).is_none());
    assert_eq!(missing.map(|metric| metric.id).collect::<Vec<_>>(), [MetricId::CacheEvictionShare]);
    assert_eq!(seen.datasets.len(), 1);
    let dataset = &seen.datasets[0];
    assert_eq!((dataset.name.as_str(), dataset.lookups, dataset.hits, dataset.loads), ("squares", 40, 36, 4));

    // Nothing is asked: nothing is claimed, but that it was nothing.
    let quiet = watched.collect().await;
    assert_eq!(figure(&quiet, MetricId::CacheLookups), 0.0);
    for metric in [MetricId::CacheHitRate, MetricId::CacheMemoryLatencyP50, MetricId::CacheLoadErrors] {
        assert_eq!(quiet.sample.get(metric), None, "{metric}");
    }
    watched.datasets.shutdown().await;
}

#[tokio::test]
async fn a_reset_leaves_a_gap_and_failures_are_counted() {
    let database = database().await.unwrap();
    let mut watched = Watched::start(&database, None, vec![squares(plain())]);
    watched.collect().await;
    for n in -10..10 {
        assert_eq!(watched.read(n).await, n >= 0);
    }
    let seen = watched.collect().await;
    assert_eq!((figure(&seen, MetricId::CacheLoadErrors), figure(&seen, MetricId::CacheHitRate)), (50.0, 0.0));
    // Of one tier nothing can be said about a second.
    for metric in [MetricId::CacheRedisUp, MetricId::CachePoison, MetricId::CacheRedisLatencyP50] {
        assert_eq!(seen.sample.get(metric), None, "{metric}");
    }
    assert_eq!(seen.sample.get(MetricId::CacheResynchronisations), None);
    watched.datasets.get("squares").unwrap().class().reset_statistics();
    // More than before the reset, so that no counter falls.
    for _ in 0..5 {
        for n in 0..10 {
            assert!(watched.read(n).await);
        }
    }
    let reset = watched.collect().await;
    for metric in [MetricId::CacheLookups, MetricId::CacheHitRate, MetricId::CacheEvictions, MetricId::CacheSavedTime] {
        assert_eq!(reset.sample.get(metric), None, "{metric}");
    }
    assert!(reset.datasets.is_empty() && figure(&reset, MetricId::CacheKeys) >= 10.0);
    for _ in 0..3 {
        for n in 0..10 {
            assert!(watched.read(n).await);
        }
    }
    assert_eq!(figure(&watched.collect().await, MetricId::CacheHitRate), 100.0);
    watched.datasets.shutdown().await;
}

#[tokio::test]
async fn what_lack_of_room_drives_out_is_told_from_what_was_invalidated() {
    let database = database().await.unwrap();
    let mut watched = Watched::start(&database, None, vec![squares(plain())]);
    let class = watched.datasets.get("squares").unwrap().class().clone();
    watched.collect().await;
    for n in 0..25 {
        assert!(watched.read(n).await);
        assert!(class.invalidate(&format!("n={n}#p1,50")).await);
    }
    // Memory tells what left it a moment later.
    let end = Instant::now() + Duration::from_secs(20);
    while class.report().counters.invalidated < 25 {
        assert!(Instant::now() < end, "{:?}", class.report());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seen = watched.collect().await;
    assert_eq!((figure(&seen, MetricId::CacheEvictionShare), figure(&seen, MetricId::CacheEvictions)), (0.0, 0.0));
    watched.datasets.shutdown().await;
}

#[tokio::test]
async fn a_lost_second_tier_shows_and_comes_back() {
    let (database, mut redis) = (database().await.unwrap(), Redis::start(RedisOptions::default()).await.unwrap());
    let mut watched = Watched::start(&database, Some(&redis), vec![squares(plain())]);
    assert!(watched.read(1).await);
    assert_eq!(figure(&watched.collect().await, MetricId::CacheRedisUp), 1.0);
    redis.stop().await;
    let end = Instant::now() + Duration::from_secs(20);
    let mut n = 100;
    loop {
        n += 1;
        assert!(watched.read(n).await, "memory goes on alone");
        let seen = watched.collect().await;
        if figure(&seen, MetricId::CacheRedisUp) == 0.0 {
            break;
        }
        assert!(Instant::now() < end, "it was never noticed");
    }
    assert!(!watched.datasets.get("squares").unwrap().class().invalidate("n=1#p1,50").await);
    assert_eq!(figure(&watched.collect().await, MetricId::CacheInvalidationsWaiting), 1.0);
    redis.restart().await.unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = watched.collect().await;
        if figure(&seen, MetricId::CacheRedisUp) == 1.0 && figure(&seen, MetricId::CacheInvalidationsWaiting) == 0.0 {
            break;
        }
        assert!(Instant::now() < end, "it never came back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    watched.datasets.shutdown().await;
}

#[tokio::test]
async fn a_target_without_datasets_has_no_cache_to_speak_of() {
    let database = database().await.unwrap();
    let mut watched = Watched::start(&database, None, Vec::new());
    let seen = watched.collect().await;
    let cache = seen.sample.figures.keys().filter(|metric| metric.as_str().starts_with("cache."));
    assert_eq!(cache.count(), 0, "{:#?}", seen.sample);
    watched.datasets.shutdown().await;
}
