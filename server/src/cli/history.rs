//! `headroom history`: bring a past in, take it along.

use super::{Failure, print};
use crate::{config::Settings, serve::open_store};
use anyhow::Context;
use clap::{Args, ValueEnum};
use headroom_engine::{
    clock::Clock,
    history::{
        History,
        transfer::{Export, Format, ImportError, Importer, Step, records, unknown},
    },
    nearest::nearest,
    store::NewImport,
};
use headroom_model::{
    MetricId, Role, TargetId,
    format::{count, counted},
    metric::CATALOGUE,
    origin::ImportReport,
    range,
};
use std::{
    io::{ErrorKind, Read, Write},
    path::Path,
    sync::Arc,
};

/// What to do with history.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Bring in a past: all of a file, or nothing
    Import(Import),
    /// Write history to standard output
    Export(ExportArgs),
    /// Show what was imported or generated
    List(Which),
    /// Take an imported stretch out again
    Remove {
        /// Its number, as `headroom history list` shows it
        number: i64,
    },
}

/// What to bring in.
#[derive(Debug, Args)]
pub struct Import {
    /// The file; - for standard input
    file: String,
    #[command(flatten)]
    which: Which,
    /// How it is written [default: by its name, else by its first line]
    #[arg(long, value_name = "csv|ndjson|prometheus")]
    format: Option<Format>,
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
    /// Where it comes from, as pages will say [default: the file's name]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// What to take along.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    which: Which,
    /// A metric of the catalogue; may be given several times [default: all]
    #[arg(long = "metric", value_name = "ID", value_parser = parse_metric)]
    metrics: Vec<MetricId>,
    /// Start: now-30d, 2026-11-19 [default: the oldest point]
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// End, as --from
    #[arg(long, value_name = "MOMENT", default_value = "now")]
    to: String,
    /// How to write
    #[arg(long, value_name = "csv|ndjson|prometheus", default_value = "csv")]
    format: Format,
    /// Minutes or hours [default: both, which alone restores all there is]
    #[arg(long)]
    step: Option<Steps>,
}

/// The steps that are kept.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Steps {
    /// A point each minute.
    Minutes,
    /// A point each hour.
    Hours,
}

/// Of which target.
#[derive(Debug, Args)]
pub struct Which {
    /// The target [default: the first configured one]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

fn parse_metric(name: &str) -> Result<MetricId, String> {
    MetricId::parse(name).ok_or_else(|| unknown(name, CATALOGUE.iter().map(|metric| metric.id.as_str())))
}

/// The longest name of a source.
const SOURCE_MAX: usize = 200;
/// Who imports.
const ACTOR: &str = "command line";

/// Runs `headroom history`.
///
/// # Errors
/// No such target, a file that cannot be imported, or a state store that does not answer.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Import(import) => bring(import, settings).await,
        Command::Export(export) => take(export, settings).await,
        Command::List(which) => {
            let store = open_store(settings).await?;
            let target = which.target.map(TargetId);
            for origin in store.origins(target.as_ref()).await.map_err(anyhow::Error::from)? {
                let (from, to) = (origin.from.to_rfc3339(), origin.to.to_rfc3339());
                let kind = if origin.generated { "generated" } else { "imported" };
                print(&format!(
                    "{:>4}  {:<16} {from} to {to}  {} points of {} metrics, {kind} from {} by {} on {}",
                    origin.id,
                    origin.target,
                    count(origin.points),
                    origin.metrics,
                    origin.source,
                    origin.actor,
                    origin.at.to_rfc3339(),
                ))?;
            }
            Ok(())
        }
        Command::Remove { number } => {
            let store = open_store(settings).await?;
            if !store.drop_import(number).await.map_err(anyhow::Error::from)? {
                return Err(Failure::Usage(format!(
                    "no import has the number {number}; `headroom history list` shows all"
                )));
            }
            super::record(store.as_ref(), "history.remove", serde_json::json!({"import": number})).await?;
            print(&format!("{number} is gone; a running console frees its space within a quarter of an hour."))
        }
    }
}

async fn bring(import: Import, settings: &Settings) -> Result<(), Failure> {
    let target = target(&import.which, settings)?;
    let by_name = || match Path::new(&import.file).extension()?.to_str()? {
        "csv" => Some(Format::Csv),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "prom" => Some(Format::Prometheus),
        _ => None,
    };
    let format = import.format.or_else(by_name);
    let mut file: Box<dyn Read + Send> = if import.file == "-" {
        Box::new(std::io::stdin())
    } else {
        let opened = std::fs::File::open(&import.file);
        Box::new(opened.map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", import.file)))?)
    };
    let named = || match import.file.as_str() {
        "-" => "standard input".to_owned(),
        path => Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let source: String = import.source.unwrap_or_else(named).chars().take(SOURCE_MAX).collect();
    let store = open_store(settings).await?;
    let clock = Clock::system();
    let what = NewImport { target, source, generated: false, actor: ACTOR.to_owned(), at: clock.now() };
    let begun = Importer::begin(store.clone(), clock, what.clone(), format, settings.retention, import.dry_run).await;
    let mut importer = begun.map_err(refused)?;
    let report = match feed(&mut importer, &mut *file).await {
        Ok(()) => importer.finish().await.map_err(refused)?,
        Err(failure) => {
            importer.give_up().await;
            return Err(failure);
        }
    };
    if report.id.is_some() {
        let (audit, event) = records(&what, &report, Role::Admin, None);
        let recorded = async {
            store.add_audit(&audit).await?;
            store.add_event(uuid::Uuid::now_v7(), &event).await
        };
        recorded.await.context("the history was imported, but not recorded in the audit")?;
    }
    tell(&report)
}

async fn feed(importer: &mut Importer, file: &mut (dyn Read + Send)) -> Result<(), Failure> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        // A pipe may be slow; the lock is kept meanwhile.
        let read = tokio::task::block_in_place(|| file.read(&mut piece));
        let length = match read {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.context("the file cannot be read on; nothing was imported")?,
        };
        if length == 0 {
            return Ok(());
        }
        importer.feed(&piece[..length]).await.map_err(refused)?;
    }
}

/// What the caller can mend is a matter of usage; the rest is trouble.
fn refused(error: ImportError) -> Failure {
    match error {
        ImportError::Fault(_) | ImportError::TooMany(_) => Failure::Usage(error.to_string()),
        error => Failure::Runtime(error.into()),
    }
}

fn tell(report: &ImportReport) -> Result<(), Failure> {
    let verb = if report.dry_run { "would be imported" } else { "imported" };
    let span = report.from.zip(report.to);
    let span = span.map_or_else(String::new, |(from, to)| format!(", {} to {}", from.to_rfc3339(), to.to_rfc3339()));
    let (points, metrics) = (counted(report.points, "point"), counted(report.metrics.into(), "metric"));
    print(&format!("{}: {points} of {metrics} {verb}{span}.", report.target))?;
    let skipped = report.skipped;
    for (points, why) in [
        (skipped.measured, "were measured here already, which counts more"),
        (skipped.present, "were imported before"),
        (skipped.too_old, "are older than what is kept (retention.hours_days)"),
        (skipped.too_new, "are of the last two minutes, which are left to a running console"),
        (skipped.other_target, "are of another target"),
    ] {
        if points > 0 {
            print(&format!("Left out: {} {why}.", counted(points, "point")))?;
        }
    }
    Ok(())
}

async fn take(export: ExportArgs, settings: &Settings) -> Result<(), Failure> {
    let target = target(&export.which, settings)?;
    let clock = Clock::system();
    let now = clock.now();
    let moment = |field: &str, text: &str, edge| {
        let found = range::moment(text, now, edge);
        found.ok_or_else(|| {
            Failure::Usage(format!("--{field} \"{text}\" is not a moment; allowed: now-30d, 2026-11-19"))
        })
    };
    let from = match &export.from {
        Some(from) => moment("from", from, range::Edge::Start)?,
        None => settings.retention.hours_from(now),
    };
    let to = moment("to", &export.to, range::Edge::End)?;
    if from >= to {
        return Err(Failure::Usage(format!("--from ({}) is not before --to ({})", from.to_rfc3339(), to.to_rfc3339())));
    }
    let store = open_store(settings).await?;
    let history = Arc::new(History::new(store, clock, settings.retention));
    let metrics =
        if export.metrics.is_empty() { CATALOGUE.iter().map(|metric| metric.id).collect() } else { export.metrics };
    let step = export.step.map(|step| match step {
        Steps::Minutes => Step::Minute,
        Steps::Hours => Step::Hour,
    });
    let what = Export { target, metrics, from, to, step, format: export.format };
    let mut exported = what.start(history).await.map_err(anyhow::Error::from)?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut text = exported.head().to_owned();
    loop {
        match out.write_all(text.as_bytes()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other.context("standard output cannot be written")?,
        }
        match exported.next().await.map_err(anyhow::Error::from)? {
            Some(next) => text = next,
            None => break,
        }
    }
    match out.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            return Err(anyhow::Error::from(error).context("standard output cannot be written").into());
        }
        _ => {}
    }
    eprintln!("{} written.", counted(exported.lines(), "point"));
    Ok(())
}

/// The target that is meant. Without any in the configuration any name will do: a demo's store names its own.
fn target(which: &Which, settings: &Settings) -> Result<TargetId, Failure> {
    let known = settings.targets.iter().map(|target| target.id.as_str());
    match (&which.target, settings.targets.first()) {
        (None, Some(first)) => Ok(first.id.clone()),
        (None, None) => Err(Failure::Usage("no target is configured; name one with --target".to_owned())),
        (Some(name), None) => Ok(TargetId(name.clone())),
        (Some(name), Some(_)) => match known.clone().find(|known| known == name) {
            Some(known) => Ok(TargetId(known.to_owned())),
            None => {
                let meant = nearest(name, known.clone()).map(|meant| format!("; did you mean {meant}?"));
                let known: Vec<&str> = known.collect();
                let known = known.join(", ");
                let meant = meant.unwrap_or_else(|| format!("; known: {known}"));
                Err(Failure::Usage(format!("no target is named \"{name}\"{meant}")))
            }
        },
    }
}
