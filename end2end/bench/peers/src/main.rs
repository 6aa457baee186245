//! The cache against its peers, in one process: hits in memory, reads from Redis, a stampede.
//!
//! Everything that is compared runs on one thread in turns, so that a slower or faster minute of the machine meets all of
//! it. Each answer is checked: a value that comes from the wrong place ends the run. Prints JSON; progress goes to stderr.
//!
//! `headroom-peers [--quick]` with redis-server in `PATH`. The private Redis ends with this process, however that ends.

mod measure;
mod memory;
mod redis;
mod stampede;

use anyhow::Context;
use headroom_engine::{
    cache::{Cache, CacheSettings, Cacheable, ClassSettings, Mode, Servers},
    clock::Clock,
};
use headroom_sandbox::{Redis, RedisOptions};
use measure::Plan;
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Keys that are read in turn: all of them fit into every cache.
const KEYS: usize = 1_000;
/// Bytes of a value.
const VALUE: usize = 1024;
/// What every entry of a cache with tags carries.
const TAGS: [&str; 2] = ["catalogue", "region:eu"];
/// Longer than the run: nothing expires while it is measured.
const TTL: Duration = Duration::from_secs(3600);
const CONNECT: Duration = Duration::from_secs(10);

fn keys() -> Vec<String> {
    (0..KEYS).map(|n| format!("product:{n}")).collect()
}

fn value() -> String {
    "abcdefghijklmnop".repeat(VALUE / 16)
}

/// Our cache, once it hears the other instances: from then on memory is trusted.
async fn ours<V: Cacheable>(redis: &Redis) -> anyhow::Result<Cache<V>> {
    let settings = CacheSettings { space: "bench".into(), ..CacheSettings::default() };
    let cache = Cache::start(settings, Some(&Servers::Single(redis.url(0))), Clock::system())?;
    let end = Instant::now() + CONNECT;
    while !cache.redis().is_some_and(|tier| tier.listens) {
        anyhow::ensure!(Instant::now() < end, "the cache did not connect to Redis");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(cache)
}

fn class(mode: Mode) -> ClassSettings {
    ClassSettings { mode, ttl: TTL, ..ClassSettings::default() }
}

fn main() -> anyhow::Result<()> {
    let quick = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--quick" => true,
        _ => anyhow::bail!("usage: headroom-peers [--quick]"),
    };
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let redis = one.block_on(Redis::start(RedisOptions::default())).context("no private Redis")?;
    let plan = |rounds, turn_ms, batch| {
        if quick {
            Plan { warm: Duration::from_millis(1_200), rounds: 3, turn: Duration::from_millis(20), batch }
        } else {
            Plan { warm: Duration::from_secs(3), rounds, turn: Duration::from_millis(turn_ms), batch }
        }
    };

    eprintln!("hits in memory …");
    let memory = one.block_on(memory::compare(&redis, &plan(21, 150, 64)))?;
    eprintln!("reads from Redis …");
    let reads = one.block_on(redis::compare(&redis, &plan(11, 400, 1)))?;
    drop(one);
    eprintln!("a stampede …");
    let many = tokio::runtime::Runtime::new()?;
    let stampede = many.block_on(stampede::compare(Arc::new(redis), if quick { 2 } else { 20 }))?;
    let report = json!({
        "keys": KEYS,
        "valueBytes": VALUE,
        "memory": memory.iter().map(measure::Figures::report).collect::<Vec<_>>(),
        "redis": reads.iter().map(measure::Figures::report).collect::<Vec<_>>(),
        "stampede": stampede,
    });
    println!("{report}");
    Ok(())
}
