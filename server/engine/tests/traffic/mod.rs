//! Caches over given servers, and callers that ask and change them while something breaks.

use bytes::Bytes;
use headroom_engine::{
    cache::{Cache, CacheError, CacheSettings, Class, ClassSettings, Loaded, Origin, Servers},
    clock::Clock,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const KEYS: usize = 20;
const CALLERS: usize = 3;
const PACE: Duration = Duration::from_millis(2);
/// One in so many calls changes something at the origin.
const CHANGE_EVERY: u32 = 60;

/// A cache of the space `test`, with patience for a busy machine.
pub fn instance(servers: &Servers) -> Cache<Bytes> {
    let redis_timeout = Duration::from_millis(500);
    let settings = CacheSettings { space: "test".into(), redis_timeout, ..CacheSettings::default() };
    Cache::start(settings, Some(servers), Clock::system()).expect("the sandbox's address can be read")
}

/// No early refreshes, and no giving way to stale values where a machine is slow.
pub fn plain() -> ClassSettings {
    ClassSettings {
        soft_timeout: Duration::from_secs(20),
        hard_timeout: Duration::from_secs(20),
        beta: 0.0,
        ..ClassSettings::default()
    }
}

/// Waits until `check` holds; fails after a minute.
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until every cache hears the others and Redis has been told everything.
pub async fn healed(caches: &[Cache<Bytes>]) {
    for cache in caches {
        eventually("healing", async || {
            cache.redis().is_some_and(|tier| tier.answers && tier.listens && tier.waiting == 0)
        })
        .await;
    }
}

/// One value at the origin.
#[derive(Clone, Default)]
pub struct Source {
    pub calls: Arc<AtomicU32>,
    pub value: Arc<AtomicU32>,
    /// How long a load takes.
    pub slow: Duration,
}

impl Source {
    /// The value of a key through a class, and where it came from.
    pub async fn get(&self, class: &Class<Bytes>, key: &str, tags: &[&str]) -> Result<(u32, Origin), CacheError> {
        let source = self.clone();
        let load = move || async move {
            source.calls.fetch_add(1, SeqCst);
            let value = source.value.load(SeqCst);
            tokio::time::sleep(source.slow).await;
            Ok(Loaded::value(Bytes::from(value.to_string())))
        };
        let hit = class.get_or_load(key, tags, load).await?;
        Ok((number(hit.value()), hit.origin))
    }
}

fn number(value: Option<&Bytes>) -> u32 {
    value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).expect("this origin has numbers")
}

/// Callers at several caches. Each value at the origin counts its changes. A change is followed by an invalidation: of
/// its key, of its tag, of the class or of everything; an answer at the same cache that was asked for after that has
/// ended must show the change.
pub struct Traffic {
    caches: Vec<Cache<Bytes>>,
    origin: Arc<Origins>,
    stop: CancellationToken,
    callers: JoinSet<()>,
}

#[derive(Default)]
struct Origins {
    values: [Source; KEYS],
    /// Keys of which an invalidation voided the copies, over all invalidations.
    voided: AtomicU64,
    answers: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Traffic {
    pub fn start(caches: &[Cache<Bytes>]) -> Self {
        let origin = Arc::new(Origins::default());
        let stop = CancellationToken::new();
        let mut callers = JoinSet::new();
        for (at, cache) in caches.iter().enumerate() {
            // What this cache has invalidated binds what it answers.
            let settled = Arc::new([const { AtomicU32::new(0) }; KEYS]);
            for caller in 0..CALLERS {
                let random = StdRng::seed_from_u64((at * CALLERS + caller) as u64);
                let (cache, origin, settled) = (cache.clone(), origin.clone(), settled.clone());
                let stop = stop.clone();
                callers.spawn(async move {
                    let mut random = random;
                    while !stop.is_cancelled() {
                        origin.call(&cache, &settled, &mut random).await;
                        tokio::time::sleep(PACE).await;
                    }
                });
            }
        }
        Traffic { caches: caches.to_vec(), origin, stop, callers }
    }

    /// Answers so far.
    pub fn answers(&self) -> u64 {
        self.origin.answers.load(SeqCst)
    }

    /// Lets the callers go on for so many more answers: time is no measure of what a busy machine does.
    pub async fn answer(&self, more: u64) {
        let enough = self.answers() + more;
        eventually("answering", async || self.answers() >= enough).await;
    }

    /// Stops the callers. Then: no call failed and none was answered with what was settled before; the origin was asked
    /// as often as invalidations and lost contact explain; and once all has healed, every cache shows the newest values.
    pub async fn finish(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.callers.join_next().await {
            ended.expect("callers do not panic");
        }
        healed(&self.caches).await;
        let faults = std::mem::take(&mut *self.origin.faults.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(
            faults.is_empty(),
            "{} of {} calls: {:?}",
            faults.len(),
            self.answers(),
            &faults[..faults.len().min(5)]
        );

        for cache in &self.caches {
            let class = cache.class("traffic", plain());
            for (at, source) in self.origin.values.iter().enumerate() {
                let key = key(at);
                eventually("the newest value everywhere", async || {
                    source.get(&class, &key, &[&key]).await.is_ok_and(|(value, _)| value == source.value.load(SeqCst))
                })
                .await;
            }
        }
        let calls: u64 = self.origin.values.iter().map(|source| u64::from(source.calls.load(SeqCst))).sum();
        let caches = self.caches.len() as u64;
        let lost: u64 = self.caches.iter().filter_map(Cache::redis).map(|tier| tier.resynchronised + 1).sum();
        // An invalidation costs each cache one load, and one more where it came amid another.
        let explained = lost * KEYS as u64 + 2 * caches * self.origin.voided.load(SeqCst);
        let answers = self.answers();
        assert!(calls <= explained, "{calls} loads for {answers} answers, of which {explained} are explained");
        eprintln!("{answers} answers, {calls} loads, {explained} explained");
    }
}

fn key(at: usize) -> String {
    format!("k{at}")
}

impl Origins {
    async fn call(&self, cache: &Cache<Bytes>, settled: &[AtomicU32; KEYS], random: &mut StdRng) {
        let class = cache.class("traffic", plain());
        let at = random.random_range(0..KEYS);
        let (key, source) = (key(at), &self.values[at]);
        if random.random_range(0..CHANGE_EVERY) > 0 {
            let least = settled[at].load(SeqCst);
            match source.get(&class, &key, &[&key]).await {
                Ok((value, _)) if value >= least => {}
                Ok((value, origin)) => {
                    self.fault(format!("{key}: {value} by {origin:?} after {least} was settled"));
                }
                Err(error) => self.fault(format!("{key}: {error}")),
            }
            self.answers.fetch_add(1, SeqCst);
            return;
        }
        let kind = random.random_range(0..10);
        let changed = if kind < 8 { at..at + 1 } else { 0..KEYS };
        self.voided.fetch_add(changed.len() as u64, SeqCst);
        let new: Vec<u32> = changed.clone().map(|at| self.values[at].value.fetch_add(1, SeqCst) + 1).collect();
        match kind {
            0..4 => class.invalidate(&key).await,
            4..8 => cache.invalidate_tag(&key).await,
            8 => class.clear().await,
            _ => cache.clear().await,
        };
        for (at, value) in changed.zip(new) {
            settled[at].fetch_max(value, SeqCst);
        }
    }

    fn fault(&self, words: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }
}
