//! `headroom triggers`: tables that tell of their changes, so that pages of datasets are invalidated by themselves.

use super::{Failure, print};
use crate::config::Settings;
use anyhow::Context;
use clap::Args;
use headroom_engine::{
    clock::Clock,
    dataset::{Datasets, TriggerState, Triggers},
    pool::Lane,
    target::Target,
};
use std::{collections::BTreeSet, sync::Arc};

/// What to do with triggers.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show which tables tell of their changes
    Status(Which),
    /// Show the SQL that makes them tell; with --apply, run it
    Install {
        /// On which target.
        #[command(flatten)]
        which: Which,
        /// Run the statements
        #[arg(long)]
        apply: bool,
    },
    /// Show the SQL that stops them telling; with --apply, run it
    Remove {
        /// On which target.
        #[command(flatten)]
        which: Which,
        /// Run the statements
        #[arg(long)]
        apply: bool,
    },
}

/// On which target.
#[derive(Debug, Args)]
pub struct Which {
    /// The target [default: the first one]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

/// Writes the SQL for some tables.
type Write = fn(&BTreeSet<String>) -> String;

/// Runs `headroom triggers`.
///
/// # Errors
/// No such target, it has no datasets, a definition cannot be used, or PostgreSQL refuses.
pub async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    let (which, apply, write): (_, _, Option<Write>) = match command {
        Command::Status(which) => (which, false, None),
        Command::Install { which, apply } => (which, apply, Some(Triggers::install)),
        Command::Remove { which, apply } => (which, apply, Some(Triggers::remove)),
    };
    let wanted = which.target.as_deref();
    let config = settings.targets.iter().find(|config| wanted.is_none_or(|name| config.id.as_str() == name));
    let config = config.ok_or_else(|| {
        let known: Vec<&str> = settings.targets.iter().map(|config| config.id.as_str()).collect();
        Failure::Usage(format!("no target is named \"{}\"; known: {}", wanted.unwrap_or_default(), known.join(", ")))
    })?;
    let target = Arc::new(Target::new(config).map_err(|error| Failure::Usage(error.to_string()))?);
    let tables = tables(settings, config, &target).await?;
    let mut lease =
        target.pools.acquire(Lane::Interactive).await.map_err(|error| anyhow::anyhow!(target.explain(&error)))?;
    if let Some(write) = write {
        let sql = write(&tables);
        print(sql.trim_end())?;
        if !apply {
            eprintln!("Nothing was changed. Run it yourself, or again with --apply.");
            return Ok(());
        }
        Triggers::apply(&mut lease, &sql).await.context("PostgreSQL refused; nothing was changed")?;
    }
    for trigger in Triggers::status(&mut lease, &tables).await.context("the triggers could not be read")? {
        let state = match trigger.state {
            TriggerState::Installed => "tells of its changes",
            TriggerState::Disabled => "has the trigger, but it is switched off",
            TriggerState::Missing => "does not tell; pages live until their time is over",
            TriggerState::NoTable => "does not exist",
        };
        print(&format!("{}: {state}", trigger.table))?;
    }
    Ok(())
}

/// The tables that the datasets of a target read.
async fn tables(
    settings: &Settings,
    config: &headroom_engine::target::TargetConfig,
    target: &Arc<Target>,
) -> Result<BTreeSet<String>, Failure> {
    let configs: Vec<_> = settings.datasets.iter().filter(|dataset| dataset.target == config.id).cloned().collect();
    if configs.is_empty() {
        return Err(Failure::Usage(format!("target \"{}\" has no datasets; see [[datasets]]", config.id)));
    }
    let datasets = Datasets::start(configs, &[(config.clone(), target.clone())], &settings.cache, &Clock::system())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let mut tables = BTreeSet::new();
    for dataset in datasets.list() {
        dataset.prepare().await.with_context(|| format!("dataset \"{}\"", dataset.name()))?;
        tables.extend(dataset.tables());
    }
    datasets.shutdown().await;
    Ok(tables)
}
