//! Which keys a warmup loads, and in which order.

use super::Site;
use crate::{
    actions::ActionError,
    cache::Mode,
    console::Console,
    dataset::{Ask, Dataset, WarmupClass},
    pool::Lane,
    store::{HOT_KEYS_MAX, HotKey},
};
use headroom_model::{
    TargetId,
    warmup::{WarmupShare, WarmupStrategy},
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Keys of one warmup.
const KEYS_MAX: usize = 10_000;
/// How far back a miss is recent.
const RECENT: Duration = Duration::from_secs(30 * 60);

/// One key to warm.
pub(super) struct Planned {
    pub dataset: Arc<Dataset>,
    pub key: String,
    pub ask: Ask,
    /// Its dataset's place in the shares.
    pub share: usize,
}

impl Planned {
    pub fn is_fresh(&self) -> bool {
        self.dataset.class().is_fresh(&self.key)
    }
}

/// What a warmup does.
pub(super) struct Plan {
    /// In the order they are loaded.
    pub keys: Vec<Planned>,
    pub shares: Vec<WarmupShare>,
    /// How many at the same time.
    pub at_once: usize,
    /// What was left out, one sentence each.
    pub notes: Vec<String>,
}

/// A key that was found, and why it comes when it does.
struct Candidate {
    dataset: Arc<Dataset>,
    key: String,
    ask: Ask,
    /// Critical datasets come first.
    critical: bool,
    /// Larger comes first.
    rank: f64,
}

/// Keys found so far, each once: the first finding counts.
#[derive(Default)]
struct Candidates {
    seen: HashSet<(String, String)>,
    found: Vec<Candidate>,
}

impl Candidates {
    fn add(&mut self, dataset: &Arc<Dataset>, key: &str, rank: f64) {
        // A key of an older definition names nothing now.
        if let Some(ask) = dataset.parse_key(key)
            && self.seen.insert((dataset.name().to_owned(), key.to_owned()))
        {
            let critical = dataset.config().warmup == Some(WarmupClass::Critical);
            self.found.push(Candidate { dataset: dataset.clone(), key: key.to_owned(), ask, critical, rank });
        }
    }

    /// In the order of a warmup.
    fn sorted(mut self) -> Vec<Candidate> {
        self.found.sort_by(|a, b| {
            let names = || a.dataset.name().cmp(b.dataset.name()).then_with(|| a.key.cmp(&b.key));
            b.critical.cmp(&a.critical).then_with(|| b.rank.total_cmp(&a.rank)).then_with(names)
        });
        self.found
    }
}

impl Plan {
    pub async fn choose(console: &Console, target: &TargetId, strategy: WarmupStrategy) -> Result<Self, ActionError> {
        let site = console.warmups.site(target)?;
        let mut notes = Vec::new();
        let mut candidates = Candidates::default();
        for dataset in console.datasets.list().filter(|dataset| dataset.config().target == *target) {
            // Without a tier nothing can be kept.
            if dataset.class().settings().mode == Mode::None {
                continue;
            }
            collect(site, dataset, strategy, &mut candidates, &mut notes).await;
        }
        let mut found = candidates.sorted();
        if found.len() > KEYS_MAX {
            notes.push(format!("{} more keys are left out.", found.len() - KEYS_MAX));
            found.truncate(KEYS_MAX);
        }
        let mut shares: Vec<WarmupShare> = Vec::new();
        let mut keys = Vec::with_capacity(found.len());
        for Candidate { dataset, key, ask, .. } in found {
            let share = shares.iter().position(|share| share.dataset == dataset.name()).unwrap_or_else(|| {
                shares.push(WarmupShare { dataset: dataset.name().to_owned(), keys: 0, done: 0, failed: 0 });
                shares.len() - 1
            });
            shares[share].keys += 1;
            keys.push(Planned { dataset, key, ask, share });
        }
        // As many as have a connection, so that none waits for one.
        let at_once = console.target(target).map_or(1, |target| target.pools.size(Lane::Warmup) as usize);
        Ok(Plan { keys, shares, at_once, notes })
    }
}

/// The keys that a strategy wants of one dataset.
async fn collect(
    site: &Site,
    dataset: &Arc<Dataset>,
    strategy: WarmupStrategy,
    candidates: &mut Candidates,
    notes: &mut Vec<String>,
) {
    use WarmupStrategy::{BySavings, Comprehensive, CriticalOnly, HighFrequency, RecentData};
    let class = dataset.config().warmup;
    if strategy == CriticalOnly && class != Some(WarmupClass::Critical) {
        return;
    }
    let wants_first_pages = match class {
        Some(WarmupClass::Critical) => true,
        Some(WarmupClass::HighFrequency) => matches!(strategy, HighFrequency | Comprehensive),
        Some(WarmupClass::Recent) => matches!(strategy, RecentData | Comprehensive),
        None => strategy == Comprehensive,
    };
    if wants_first_pages {
        for ask in dataset.first_pages() {
            if let Ok(key) = dataset.key_of(&ask) {
                candidates.add(dataset, &key, f64::INFINITY);
            }
        }
    }
    if strategy != RecentData {
        // Where no load was measured all its keys weigh alike, behind those that are known to save time.
        let worth = if strategy == BySavings { dataset.class().mean_load_ms().unwrap_or(f64::EPSILON) } else { 1.0 };
        for hot in hot_keys(site, dataset) {
            candidates.add(dataset, &hot.key, hot.accesses as f64 * worth);
        }
    }
    if matches!(strategy, RecentData | Comprehensive) {
        for (n, key) in dataset.class().recently_missed(RECENT, KEYS_MAX).iter().enumerate() {
            candidates.add(dataset, key, -(n as f64));
        }
    }
    if matches!(strategy, CriticalOnly | Comprehensive) {
        match dataset.class().keys("*", KEYS_MAX).await {
            Ok((keys, _)) => keys.iter().for_each(|key| candidates.add(dataset, key, f64::NEG_INFINITY)),
            Err(reason) => notes.push(format!("Keys of {} in Redis are left out: {reason}.", dataset.name())),
        }
    }
}

/// The most used keys of a dataset, by this process's sketch and by what was remembered of earlier ones; that weighs half,
/// so that what is not used any more is forgotten after some restarts.
pub(super) fn hot_keys(site: &Site, dataset: &Dataset) -> Vec<HotKey> {
    let mut accesses: BTreeMap<String, u64> = BTreeMap::new();
    for hot in dataset.class().hottest(HOT_KEYS_MAX) {
        accesses.insert(hot.key.to_string(), hot.accesses);
    }
    if let Some(earlier) = site.remembered().as_ref().and_then(|all| all.get(dataset.name())) {
        for hot in earlier {
            *accesses.entry(hot.key.clone()).or_default() += hot.accesses / 2;
        }
    }
    let mut hot: Vec<HotKey> = accesses.into_iter().map(|(key, accesses)| HotKey { key, accesses }).collect();
    hot.retain(|hot| hot.accesses > 0);
    hot.sort_by(|a, b| b.accesses.cmp(&a.accesses).then_with(|| a.key.cmp(&b.key)));
    hot.truncate(HOT_KEYS_MAX);
    hot
}
