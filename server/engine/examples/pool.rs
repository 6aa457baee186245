//! The pool beside sqlx's own and deadpool over the same driver, on a private server: what an acquire costs, how soon a leak is
//! told, what a storm of cancelled acquires and begins leaves behind. Prints JSON; `--quick` proves only that it works.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use anyhow::Context;
use deadpool::managed::{self, Manager, Metrics, RecycleError, RecycleResult};
use headroom_engine::{
    cache::CacheSettings,
    clock::Clock,
    collect::CollectSettings,
    console::{Console, ConsoleConfig},
    health::HealthSettings,
    plans::PlanSettings,
    pool::{Lane, PoolProfile, Pools},
    store::{self, Retention},
    target::{CapacityLimits, TargetConfig},
    warmup::WarmupSettings,
};
use headroom_model::{TargetId, event::EventKind, live::LiveMessage};
use headroom_sandbox::{Postgres, PostgresOptions};
use serde_json::{Value, json};
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Places of every pool.
const PLACES: u32 = 4;
const LEAK_AFTER: Duration = Duration::from_secs(1);

/// deadpool over sqlx's connections: asked whether they answer before they are lent, as sqlx's own pool does.
struct Sessions(PgConnectOptions);

impl Manager for Sessions {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        self.0.connect().await
    }

    async fn recycle(&self, session: &mut PgConnection, _: &Metrics) -> RecycleResult<sqlx::Error> {
        session.ping().await.map_err(RecycleError::Backend)
    }
}

fn config(url: &str) -> TargetConfig {
    TargetConfig {
        id: TargetId("bench".to_owned()),
        database_url: url.to_owned(),
        replica: None,
        redis: None,
        pool: PoolProfile { interactive_max: PLACES, leak_after: LEAK_AFTER, ..PoolProfile::default() },
        limits: CapacityLimits::default(),
        auto_terminate: None,
    }
}

/// The median of microseconds.
fn median(mut micros: Vec<f64>) -> f64 {
    micros.sort_by(f64::total_cmp);
    micros.get(micros.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The pools under test.
struct Rivals {
    ours: Arc<Pools>,
    raw: PgPool,
    untested: PgPool,
    deadpool: managed::Pool<Sessions>,
}

impl Rivals {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("raw");
        let raw = |tested| PgPoolOptions::new().max_connections(PLACES).test_before_acquire(tested);
        let deadpool = managed::Pool::builder(Sessions(options.clone().application_name("deadpool")));
        Ok(Rivals {
            ours: Arc::new(Pools::named(&config(url), "bench")?),
            raw: raw(true).connect_with(options.clone()).await?,
            untested: raw(false).connect_with(options.clone().application_name("untested")).await?,
            deadpool: deadpool.max_size(PLACES as usize).build()?,
        })
    }

    /// Microseconds of one acquire with a statement and the way back, by pool, taken in turns.
    async fn rounds(&self, rounds: usize, with_statement: bool) -> anyhow::Result<[f64; 4]> {
        const STATEMENT: &str = "SELECT 1";
        let mut times: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds {
            let began = Instant::now();
            let mut lease = self.ours.acquire(Lane::Interactive).await?;
            if with_statement {
                lease.execute(STATEMENT).await?;
            }
            drop(lease);
            times[0].push(began.elapsed().as_secs_f64() * 1e6);
            for (place, pool) in [(1, &self.raw), (2, &self.untested)] {
                let began = Instant::now();
                let mut lease = pool.acquire().await?;
                if with_statement {
                    lease.execute(STATEMENT).await?;
                }
                drop(lease);
                times[place].push(began.elapsed().as_secs_f64() * 1e6);
            }
            let began = Instant::now();
            let mut lease = self.deadpool.get().await.map_err(|error| anyhow::anyhow!("{error}"))?;
            if with_statement {
                lease.execute(STATEMENT).await?;
            }
            drop(lease);
            times[3].push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(times.map(median))
    }
}

/// What keeping books of an acquire costs beside the acquire itself: an acquire and its way back that touch no server.
async fn books(pools: &Pools, rounds: u32) -> anyhow::Result<f64> {
    // Warm: the session is trusted as long as it is used.
    drop(pools.acquire(Lane::Interactive).await?);
    let began = Instant::now();
    for _ in 0..rounds {
        drop(pools.acquire(Lane::Interactive).await?);
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds))
}

/// Cuts `count` acquires and begins at a different point each.
async fn storm<F, Work>(count: u64, work: F)
where
    F: Fn() -> Work + Clone + Send + 'static,
    Work: Future<Output = ()> + Send,
{
    const WORKERS: u64 = 8;
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let work = work.clone();
        workers.spawn(async move {
            for round in 0..count / WORKERS {
                let _cut =
                    tokio::time::timeout(Duration::from_micros((worker * 131 + round * 37) % 2000), work()).await;
            }
        });
    }
    workers.join_all().await;
}

/// Sessions of an application that are inside a transaction, once what still runs has ended.
async fn left_open(server: &Postgres, application: &str) -> anyhow::Result<i64> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut connection = server.connect("postgres").await?;
    let count =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE $1 AND state LIKE 'idle in transaction%'";
    Ok(sqlx::query_scalar(count).bind(application).fetch_one(&mut connection).await?)
}

/// Seconds from a checkout to the event that tells of it.
async fn leak(url: &str) -> anyhow::Result<f64> {
    let console = ConsoleConfig {
        targets: vec![config(url)],
        collect: CollectSettings::default(),
        health: HealthSettings::default(),
        retention: Retention { minutes_days: 30, hours_days: 762, events_days: 762 },
        cache: CacheSettings::default(),
        datasets: Vec::new(),
        warmup: WarmupSettings::default(),
        plans: PlanSettings::default(),
    };
    let console = Console::start(console, store::open("sqlite::memory:").await?, Clock::system()).await?;
    let target = console.target(&TargetId("bench".to_owned())).context("a target")?;
    let mut feed = console.subscribe();
    let lease = target.pools.acquire(Lane::Batch).await?;
    let taken = Instant::now();
    loop {
        let message = tokio::time::timeout(Duration::from_secs(10), feed.recv()).await?;
        if let Ok(message) = message
            && matches!(&*message, LiveMessage::Event(event) if event.event.kind == EventKind::Alert)
        {
            break;
        }
    }
    let told = taken.elapsed().as_secs_f64();
    drop(lease);
    console.shutdown().await;
    Ok(told)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, storms) = if quick { (300, 4_000) } else { (20_000, 100_000) };
    let server = Postgres::start(PostgresOptions::default()).await?;
    let url = server.url("postgres");
    let rivals = Rivals::open(&url).await?;
    rivals.rounds(100, true).await?;
    let statement = rivals.rounds(rounds, true).await?;
    let bare = rivals.rounds(rounds, false).await?;
    let books = books(&rivals.ours, if quick { 2_000 } else { 200_000 }).await?;

    let ours = Arc::clone(&rivals.ours);
    storm(storms, move || {
        let ours = Arc::clone(&ours);
        async move {
            let Ok(mut lease) = ours.acquire(Lane::Interactive).await else { return };
            let Ok(mut transaction) = lease.begin().await else { return };
            let _cut = sqlx::query("SELECT 1").execute(&mut *transaction).await;
        }
    })
    .await;
    let of_ours = left_open(&server, "bench/%").await?;
    let raw = rivals.raw.clone();
    storm(storms, move || {
        let raw = raw.clone();
        async move {
            let Ok(mut transaction) = raw.begin().await else { return };
            let _cut = sqlx::query("SELECT 1").execute(&mut *transaction).await;
        }
    })
    .await;
    let of_raw = left_open(&server, "raw").await?;
    let by_pool = |[ours, raw, untested, deadpool]: [f64; 4]| -> Value {
        json!({ "ours": ours, "sqlx": raw, "sqlxUntested": untested, "deadpool": deadpool })
    };
    println!(
        "{}",
        json!({
            "rounds": rounds,
            "storms": storms,
            "postgres": server.installation().version,
            "statementMicros": by_pool(statement),
            "bareMicros": by_pool(bare),
            "booksMicros": books,
            "leakAfterSecs": LEAK_AFTER.as_secs_f64(),
            "leakToldSecs": leak(&url).await?,
            "leftOpen": { "ours": of_ours, "sqlx": of_raw },
        })
    );
    rivals.ours.close().await;
    Ok(())
}
