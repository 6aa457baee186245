//! `headroom cache`: warms, clears and shows the cache of a running console.

use super::{
    Failure,
    client::{Connection, Console},
    print,
};
use anyhow::anyhow;
use clap::{ArgGroup, Args};
use headroom_model::{
    action::ActionOutcome,
    cache::{CacheReport, ClearPreview},
    format,
    operation::{Operation, OperationState},
    warmup::{WarmupPreview, WarmupStrategy},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    io::{BufRead, IsTerminal, stdin},
    time::Duration,
};
use tokio::time::sleep;

/// Between two looks at a warmup.
const LOOK: Duration = Duration::from_millis(500);
/// Looks that may fail one after another: a warmup outlives a network that stutters.
const FAILURES: u32 = 10;

/// What to do with the cache.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load pages before anyone asks, and wait until that has ended
    Warm {
        /// Which console.
        #[command(flatten)]
        connection: Connection,
        /// CRITICAL_ONLY, HIGH_FREQUENCY, RECENT_DATA, BY_SAVINGS or COMPREHENSIVE
        #[arg(long, default_value = "CRITICAL_ONLY")]
        strategy: WarmupStrategy,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Only say what would be loaded
        #[arg(long)]
        dry_run: bool,
    },
    /// Invalidate all of it, or a part; asks first
    Clear {
        /// Which console.
        #[command(flatten)]
        connection: Connection,
        /// What.
        #[command(flatten)]
        part: Part,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show hit rates, keys and memory, a line a dataset
    Stats {
        /// Which console.
        #[command(flatten)]
        connection: Connection,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to clear.
#[derive(Clone, Debug, Args, Serialize)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// All of the target's cache
    #[arg(long, group = "what", conflicts_with_all = ["tag", "dataset", "key", "pattern"])]
    #[serde(skip)]
    all: bool,
    /// Whatever carries this tag
    #[arg(long, group = "what", conflicts_with_all = ["dataset", "key", "pattern"])]
    tag: Option<String>,
    /// This dataset
    #[arg(long, group = "what")]
    dataset: Option<String>,
    /// One key of the dataset, as X-Cache-Key tells it
    #[arg(long, requires = "dataset", conflicts_with = "pattern")]
    key: Option<String>,
    /// Keys of the dataset that match: * any characters, ? one
    #[arg(long, requires = "dataset")]
    pattern: Option<String>,
}

#[derive(Deserialize)]
struct ClearAnswer {
    preview: ClearPreview,
    outcome: Option<ActionOutcome>,
}

#[derive(Deserialize)]
struct WarmupAnswer {
    preview: WarmupPreview,
    operation: Option<Operation>,
}

/// Runs `headroom cache`.
///
/// # Errors
/// The console cannot be reached or refuses, or a warmup does not succeed.
pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Warm { connection, strategy, reason, dry_run } => {
            warm(&Console::new(&connection)?, strategy, reason, dry_run).await
        }
        Command::Clear { connection, part, reason, yes } => {
            clear(&Console::new(&connection)?, &part, reason, yes).await
        }
        Command::Stats { connection, json } => stats(&Console::new(&connection)?, json).await,
    }
}

async fn warm(
    console: &Console,
    strategy: WarmupStrategy,
    reason: Option<String>,
    dry_run: bool,
) -> Result<(), Failure> {
    let body = json!({ "strategy": strategy, "reason": reason, "dryRun": dry_run });
    let answer: WarmupAnswer = console.post("/api/v1/cache/warmup", &body).await?;
    print(&answer.preview.effect)?;
    let Some(operation) = answer.operation else { return Ok(()) };
    let ended = follow(console, operation).await?;
    let (outcome, effect) = (ended.outcome.unwrap_or_default(), ended.effect.unwrap_or_default());
    if ended.state == OperationState::Succeeded {
        return print(&format!("{outcome} {effect}."));
    }
    Err(anyhow!("the warmup {}: {outcome}", ended.state.as_str()).into())
}

/// Shows an operation's progress until it ends. The bar stays away where nobody looks at a terminal.
async fn follow(console: &Console, mut operation: Operation) -> Result<Operation, Failure> {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} keys {msg}").map_err(anyhow::Error::from)?;
    let bar = ProgressBar::new(operation.progress.total.unwrap_or(0)).with_style(style);
    let path = format!("/api/v1/operations/{}", operation.id);
    let mut failures = 0;
    while !operation.state.is_final() {
        let progress = &operation.progress;
        bar.set_length(progress.total.unwrap_or(0));
        bar.set_position(progress.done);
        let left = progress.eta_ms.map(|ms| format!(", {} left", format::duration_ms(ms as f64)));
        let rate = progress.rate.map(|rate| format!("{}/s", format::number(rate)));
        bar.set_message(rate.unwrap_or_default() + &left.unwrap_or_default());
        sleep(LOOK).await;
        match console.get(&path).await {
            Ok(newer) => (operation, failures) = (newer, 0),
            Err(Failure::Runtime(_)) if failures < FAILURES => failures += 1,
            Err(failure) => {
                bar.abandon();
                return Err(anyhow!("{failure}; the warmup itself may go on").into());
            }
        }
    }
    bar.finish_and_clear();
    Ok(operation)
}

async fn clear(console: &Console, part: &Part, reason: Option<String>, yes: bool) -> Result<(), Failure> {
    let ask = async |dry_run: bool| -> Result<ClearAnswer, Failure> {
        if part.all {
            let mut path = format!("/api/v1/cache/clear?dryRun={dry_run}");
            if let Some(reason) = &reason {
                let pairs = url::form_urlencoded::Serializer::new(String::new()).append_pair("reason", reason).finish();
                path = format!("{path}&{pairs}");
            }
            return console.post(&path, &json!({ "scope": "all" })).await;
        }
        let mut body = serde_json::to_value(part).map_err(anyhow::Error::from)?;
        body["dryRun"] = dry_run.into();
        body["reason"] = reason.clone().into();
        console.post("/api/v1/cache/invalidate", &body).await
    };
    print(&ask(true).await?.preview.effect)?;
    if !yes && !confirmed()? {
        return Err(Failure::Usage("nothing was cleared".into()));
    }
    let outcome = ask(false).await?.outcome;
    print(&outcome.map(|outcome| format!("{}.", outcome.effect)).unwrap_or_default())
}

/// Asks on the terminal. Without one there is nobody to ask.
fn confirmed() -> Result<bool, Failure> {
    if !stdin().is_terminal() {
        return Err(Failure::Usage("nobody can be asked here; nothing was cleared. Say --yes to clear".into()));
    }
    eprint!("Clear it? [y/N] ");
    let mut line = String::new();
    stdin().lock().read_line(&mut line).map_err(anyhow::Error::from)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

async fn stats(console: &Console, json: bool) -> Result<(), Failure> {
    if json {
        let report: Value = console.get("/api/v1/cache").await?;
        return print(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)?);
    }
    print(&table(&console.get("/api/v1/cache").await?))
}

fn table(report: &CacheReport) -> String {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), |rate| format!("{} %", format::number(rate)));
    let line = |name: &str, cells: [String; 6]| {
        let [hit_rate, hits, misses, keys, bytes, saved] = cells;
        format!("{name:<32} {hit_rate:>9} {hits:>12} {misses:>12} {keys:>9} {bytes:>10} {saved:>9}\n")
    };
    let mut text = line("Dataset", ["Hit rate", "Hits", "Misses", "Keys", "Memory", "Saved"].map(str::to_owned));
    let saved = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), format::duration_ms);
    for class in &report.classes {
        let counters = &class.counters;
        let cells = [
            rate(counters.hit_rate()),
            format::count(counters.hits()),
            format::count(counters.misses),
            format::count(class.memory_keys),
            format::bytes(class.memory_bytes as f64).to_string(),
            saved(counters.saved_ms),
        ];
        text += &line(&class.class, cells);
    }
    let all = &report.counters;
    let keys = report.classes.iter().map(|class| class.memory_keys).sum();
    let cells = [
        rate(all.hit_rate()),
        format::count(all.hits()),
        format::count(all.misses),
        format::count(keys),
        format::bytes(report.memory_bytes as f64).to_string(),
        saved(all.saved_ms),
    ];
    text += &line("All", cells);
    let redis = match &report.redis {
        None => "none; pages are in this console's memory alone".to_owned(),
        Some(redis) if redis.answers => "answers".to_owned(),
        Some(redis) => format!("does not answer: {}", redis.problem.as_deref().unwrap_or("unknown why")),
    };
    text + &format!("Redis: {redis}. Counting since {}.", report.counting_since.to_rfc3339())
}
