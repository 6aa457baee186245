//! A cold key that everyone wants at once: how often the origin is asked, and when the last one has an answer.

use crate::{TAGS, TTL, class, ours, value};
use amalgam::provider::{PostcardSerializer, RedisBackplane, RedisDistributedCache, RedisDistributedLocker};
use anyhow::Context;
use bytes::Bytes;
use futures::future::join_all;
use headroom_engine::cache::{Cache, Class, Loaded, Mode};
use headroom_sandbox::Redis;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::sync::Barrier;

const INSTANCES: usize = 10;
const CALLERS: usize = 100;
/// What the origin takes for one answer.
const LOAD: Duration = Duration::from_millis(50);
/// All answers of one trial.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is loaded, and how often that was.
#[derive(Clone)]
struct Source {
    calls: Arc<AtomicUsize>,
    value: Arc<str>,
}

impl Source {
    async fn load(self) -> Arc<str> {
        self.calls.fetch_add(1, SeqCst);
        tokio::time::sleep(LOAD).await;
        self.value
    }
}

/// Someone's instances, with one call to any of them.
trait Instances: Clone + Send + Sync + 'static {
    fn ask(self, instance: usize, key: String, source: Source) -> impl Future<Output = anyhow::Result<usize>> + Send;
}

#[derive(Clone)]
struct Ours(Arc<Vec<Class<Bytes>>>);

impl Instances for Ours {
    async fn ask(self, instance: usize, key: String, source: Source) -> anyhow::Result<usize> {
        let load = move || async move { Ok(Loaded::value(Bytes::copy_from_slice(source.load().await.as_bytes()))) };
        let hit = self.0[instance].get_or_load(&key, &TAGS, load).await?;
        Ok(hit.value().map_or(0, Bytes::len))
    }
}

#[derive(Clone)]
struct Amalgam(Arc<Vec<amalgam::Cache<Arc<str>>>>);

impl Instances for Amalgam {
    async fn ask(self, instance: usize, key: String, source: Source) -> anyhow::Result<usize> {
        let load = amalgam::source::factory(|context| async move {
            Ok::<_, amalgam::FactoryError>(context.value(source.load().await))
        });
        Ok(self.0[instance].get_or_set(&key, load).tags(TAGS).await?.len())
    }
}

pub async fn compare(redis: Arc<Redis>, trials: usize) -> anyhow::Result<Value> {
    let mut caches: Vec<Cache<Bytes>> = Vec::new();
    let mut peers = Vec::new();
    for _ in 0..INSTANCES {
        caches.push(ours(&redis).await?);
        let url = || redis.url(1);
        let peer = amalgam::Cache::builder()
            .default_options(amalgam::EntryOptions::new(TTL))
            .distributed(Arc::new(RedisDistributedCache::connect(url()).await?))
            .serializer(Arc::new(PostcardSerializer))
            .backplane(Arc::new(RedisBackplane::connect(url()).await?))
            .distributed_locker(Arc::new(RedisDistributedLocker::connect(url()).await?))
            .wait_for_initial_backplane_subscribe(true)
            .try_build_ready()
            .await?;
        peers.push(peer);
    }
    let classes = caches.iter().map(|cache| cache.class("stampede", class(Mode::Tiered))).collect();
    let (ours, amalgam) = (Ours(Arc::new(classes)), Amalgam(Arc::new(peers)));
    let (mut of_ours, mut of_amalgam) = (Vec::new(), Vec::new());
    for trial in 0..trials {
        of_ours.push(stampede(&ours, trial).await.context("Headroom")?);
        of_amalgam.push(stampede(&amalgam, trial).await.context("amalgam-cache")?);
    }
    for cache in caches {
        cache.shutdown().await;
    }
    for peer in amalgam.0.iter() {
        peer.shutdown().await.context("amalgam-cache did not stop")?;
    }
    let rows = [report("Headroom get_or_load", of_ours), report("amalgam-cache get_or_set", of_amalgam)];
    Ok(
        json!({ "instances": INSTANCES, "callers": CALLERS, "loadMs": LOAD.as_millis(), "trials": trials, "rows": rows }),
    )
}

/// One cold key: calls of the origin, and the time until the last answer in milliseconds.
async fn stampede(instances: &impl Instances, trial: usize) -> anyhow::Result<(usize, f64)> {
    let source = Source { calls: Arc::default(), value: value().into() };
    let all = INSTANCES * CALLERS;
    let start = Arc::new(Barrier::new(all + 1));
    let callers: Vec<_> = (0..all)
        .map(|caller| {
            let (instances, source, start) = (instances.clone(), source.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                instances.ask(caller % INSTANCES, format!("cold:{trial}"), source).await
            })
        })
        .collect();
    start.wait().await;
    let begun = Instant::now();
    let answers = tokio::time::timeout(PATIENCE, join_all(callers)).await.context("not everyone was answered")?;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    for answer in answers {
        anyhow::ensure!(answer?? == source.value.len(), "a wrong value was answered");
    }
    Ok((source.calls.load(SeqCst), took))
}

fn report(name: &str, trials: Vec<(usize, f64)>) -> Value {
    let calls: Vec<usize> = trials.iter().map(|trial| trial.0).collect();
    let mut times: Vec<f64> = trials.iter().map(|trial| trial.1).collect();
    times.sort_unstable_by(f64::total_cmp);
    json!({
        "name": name,
        "callsTotal": calls.iter().sum::<usize>(),
        "callsMax": calls.iter().max(),
        "lastAnswerMsP50": times.get(times.len() / 2),
    })
}
