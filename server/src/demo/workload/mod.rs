//! The shop's live traffic: enough of everything that every page has something true to show, below half a core.
//!
//! One task an activity. Each paces itself, survives a server that is away, and ends when told to; a statement in flight
//! is finished, never dropped.

mod cache;
mod datasets;
mod queries;
mod trouble;

use headroom_engine::{clock::Clock, console::Console, pool::Pools};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{f64::consts::TAU, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How lively the shop is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Product views a second at the busiest hour, most answered by Redis.
    pub views: f64,
    /// Pages of datasets a second at the busiest hour, most answered by the console's cache.
    pub pages: f64,
    /// Orders a second at the busiest hour.
    pub orders: f64,
    /// Tracking events a second at the busiest hour.
    pub events: f64,
    /// "My orders" pages a second at the busiest hour: the statement without its index.
    pub account_pages: f64,
    /// Between two lists for the packers: a statement that is run for each row of another.
    pub packing_every: Duration,
    /// Between two revenue reports.
    pub report_every: Duration,
    /// Between two transactions that block others.
    pub blocker_every: Duration,
    /// How long such a transaction holds its locks.
    pub blocker_holds: Duration,
    /// How long each third one does, which someone forgot: time enough to find it and to end it.
    pub forgotten_holds: Duration,
    /// Between two transactions left open by mistake.
    pub leak_every: Duration,
    /// How long such a transaction idles before it ends by itself.
    pub leak_lasts: Duration,
}

impl Default for Rates {
    fn default() -> Self {
        Rates {
            views: 120.0,
            pages: 60.0,
            orders: 6.0,
            events: 20.0,
            account_pages: 2.0,
            packing_every: Duration::from_secs(3),
            report_every: Duration::from_secs(20),
            blocker_every: Duration::from_secs(150),
            blocker_holds: Duration::from_secs(9),
            forgotten_holds: Duration::from_secs(75),
            leak_every: Duration::from_secs(420),
            leak_lasts: Duration::from_secs(90),
        }
    }
}

impl Rates {
    /// Everything that visitors do, `times` as often.
    #[must_use]
    pub fn scaled(self, times: f64) -> Self {
        Rates {
            views: self.views * times,
            pages: self.pages * times,
            orders: self.orders * times,
            events: self.events * times,
            account_pages: self.account_pages * times,
            ..self
        }
    }
}

/// What every activity needs.
#[derive(Clone)]
struct Shop {
    pools: Arc<Pools>,
    clock: Clock,
    rates: Rates,
    stop: CancellationToken,
}

/// The running traffic.
pub struct Workload {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    pools: Arc<Pools>,
}

impl Workload {
    /// Starts the traffic, without the part through Redis where there is none. Datasets are read through `console`. `seed`
    /// makes the choices of keys repeatable.
    pub fn start(
        pools: Pools,
        redis: Option<deadpool_redis::Pool>,
        console: Arc<Console>,
        rates: Rates,
        seed: u64,
    ) -> Self {
        let stop = CancellationToken::new();
        let pools = Arc::new(pools);
        // In the same process, so the console watches the shop's lanes beside its own, and tells its leaks.
        if let Some(target) = console.target(console.default_target()) {
            target.watch_pools(pools.clone());
        }
        let shop = Shop { pools: pools.clone(), clock: console.clock.clone(), rates, stop: stop.clone() };
        let random = |offset: u64| StdRng::seed_from_u64(seed.wrapping_add(offset));
        let mut tasks = JoinSet::new();
        if let Some(redis) = redis {
            tasks.spawn(cache::views(shop.clone(), redis.clone(), random(1)));
            tasks.spawn(cache::sessions(shop.clone(), redis, random(2)));
        }
        tasks.spawn(datasets::pages(shop.clone(), console.clone(), random(7)));
        tasks.spawn(datasets::sign_ups(shop.clone(), random(8)));
        tasks.spawn(datasets::new_prices(shop.clone(), console, random(9)));
        tasks.spawn(queries::orders(shop.clone(), random(3)));
        tasks.spawn(queries::events(shop.clone(), random(4)));
        tasks.spawn(queries::account_pages(shop.clone(), random(5)));
        tasks.spawn(queries::packing_lists(shop.clone()));
        tasks.spawn(queries::reports(shop.clone()));
        tasks.spawn(trouble::blockers(shop.clone()));
        tasks.spawn(trouble::leaks(shop, random(6)));
        Workload { stop, tasks, pools }
    }

    /// Ends the traffic: statements in flight finish, at most ten seconds are waited.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let drained =
            tokio::time::timeout(Duration::from_secs(10), async { while self.tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            self.tasks.abort_all();
        }
        self.pools.close().await;
    }
}

/// Products, customers: how many the sample shop has.
const PRODUCTS: i64 = 5_000;
const CUSTOMERS: i64 = 50_000;

impl Shop {
    /// Waits until the next occurrence of something that happens `per_second` times at the busiest hour. False when the
    /// shop closes.
    async fn pace(&self, random: &mut StdRng, per_second: f64) -> bool {
        let rate = (per_second * rhythm(self.clock.now().0)).max(0.01);
        // Arrivals of independent visitors: exponential gaps (a Poisson process), capped so that closing is prompt.
        let gap = (-random.random::<f64>().max(1e-9).ln() / rate).min(10.0);
        self.wait(Duration::from_secs_f64(gap)).await
    }

    /// Waits. False when the shop closes first.
    async fn wait(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Says once in a while that an activity failed and waits a second, so that an outage does not become a storm.
    async fn recover(&self, activity: &str, error: &anyhow::Error) {
        tracing::debug!(activity, %error, "the sample shop could not work");
        self.wait(Duration::from_secs(1)).await;
    }
}

/// Share of the busiest hour's traffic at a moment: quiet at 03:00 UTC, busiest at 15:00.
fn rhythm(epoch_ms: i64) -> f64 {
    let hour = epoch_ms.rem_euclid(86_400_000) as f64 / 3_600_000.0;
    0.65 - 0.35 * ((hour - 3.0) / 24.0 * TAU).cos()
}

/// A key by Zipf's law with exponent 1: of 5,000 keys the first gets a twelfth of the choices, a tenth of them three
/// quarters.
fn hot(random: &mut StdRng, keys: i64) -> i64 {
    (((keys + 1) as f64).powf(random.random()) as i64).min(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_has_a_rhythm() {
        let at = |hour: i64| rhythm(hour * 3_600_000);
        assert!((at(3) - 0.3).abs() < 1e-9 && (at(15) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn some_keys_are_hot_and_all_exist() {
        let mut random = StdRng::seed_from_u64(7);
        let keys: Vec<i64> = (0..10_000).map(|_| hot(&mut random, PRODUCTS)).collect();
        assert!(keys.iter().all(|k| (1..=PRODUCTS).contains(k)));
        let head = keys.iter().filter(|k| **k <= PRODUCTS / 10).count();
        let first = keys.iter().filter(|k| **k == 1).count();
        assert!((7_000..7_600).contains(&head) && (600..1_000).contains(&first), "{head} {first}");
    }
}
