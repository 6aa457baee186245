//! Configuration: command line over environment over `headroom.toml` over defaults.
//!
//! One file a concern. A wrong value is one [`ConfigError`] that names the key, the value and what is allowed; an unknown
//! key is an error too, with the key that was probably meant.

pub mod auto_terminate;
pub mod cache;
pub mod collect;
pub mod datasets;
pub mod health;
pub mod listen;
pub mod log;
pub mod plans;
pub mod retention;
pub mod section;
pub mod share;
pub mod state;
pub mod targets;
#[cfg(test)]
mod tests;
pub mod value;
pub mod warmup;

use headroom_engine::{
    cache::CacheSettings, collect::CollectSettings, console::ConsoleConfig, dataset::DatasetConfig,
    health::HealthSettings, plans::PlanSettings, store::Retention, target::TargetConfig, warmup::WarmupSettings,
};
use log::LogSettings;
use section::Section;
use share::ShareSettings;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The file that is read when it exists and no other is named.
pub const DEFAULT_FILE: &str = "headroom.toml";

/// Why the configuration cannot be used: one sentence for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Reads one environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the command line sets.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

/// Everything the process is started with.
#[derive(Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the state store lies by default.
    pub data_dir: PathBuf,
    /// The state store. May hold a password: never log it.
    pub state_url: String,
    /// A folder with the browser bundle, instead of the default one.
    pub dist: Option<PathBuf>,
    /// Log lines.
    pub log: LogSettings,
    /// How to collect.
    pub collect: CollectSettings,
    /// How to score.
    pub health: HealthSettings,
    /// How long to keep.
    pub retention: Retention,
    /// How the caches of datasets behave.
    pub cache: CacheSettings,
    /// When and how fast caches are warmed.
    pub warmup: WarmupSettings,
    /// How statements are explained and indexes are advised.
    pub plans: PlanSettings,
    /// What other sites may do with shared views.
    pub share: ShareSettings,
    /// What applications may read.
    pub datasets: Vec<DatasetConfig>,
    /// What to watch. May be empty: commands that need none work without.
    pub targets: Vec<TargetConfig>,
}

impl Settings {
    /// Reads file and environment.
    ///
    /// # Errors
    /// The file cannot be read, or a value or key in it is wrong.
    pub fn load(overrides: &Overrides, env: Environment<'_>) -> Result<Self, ConfigError> {
        let named = overrides.config.clone().or_else(|| env("HEADROOM_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(ConfigError(format!("{} cannot be read: {error}", path.display()))),
        };
        Settings::parse(&path, &text, overrides, env)
    }

    /// As [`Settings::load`], from text.
    ///
    /// # Errors
    /// A value or key is wrong.
    pub fn parse(path: &Path, text: &str, overrides: &Overrides, env: Environment<'_>) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        // The parser's own message quotes the line, which may hold a secret: only its place and reason are passed on.
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            ConfigError(format!("{file}: line {line} is not TOML: {}", error.message()))
        })?;
        let root = Section::root(&file, &table, env);
        let listen = listen::read(&root, overrides.listen)?;
        let (data_dir, state_url) = state::read(&root, overrides.data_dir.clone())?;
        let targets = targets::read(&root)?;
        let (cache, warmup) = cache::read(&root)?;
        let settings = Settings {
            listen,
            data_dir,
            state_url,
            dist: env("HEADROOM_DIST").map(PathBuf::from),
            log: log::read(&root)?,
            collect: collect::read(&root)?,
            health: health::read(&root)?,
            retention: retention::read(&root)?,
            cache,
            warmup,
            plans: plans::read(&root)?,
            share: share::read(&root)?,
            datasets: datasets::read(&root, &targets)?,
            targets,
        };
        root.finish()?;
        Ok(settings)
    }

    /// What the engines are started with.
    ///
    /// # Errors
    /// There is nothing to watch.
    pub fn console(&self) -> Result<ConsoleConfig, ConfigError> {
        if self.targets.is_empty() {
            return Err(ConfigError(format!(
                "there is nothing to watch: set DATABASE_URL, or add a [[targets]] section to {DEFAULT_FILE} \
                 (headroom.example.toml shows one); `headroom demo` needs neither"
            )));
        }
        Ok(ConsoleConfig {
            targets: self.targets.clone(),
            collect: self.collect,
            health: self.health.clone(),
            retention: self.retention,
            cache: self.cache.clone(),
            datasets: self.datasets.clone(),
            warmup: self.warmup.clone(),
            plans: self.plans,
        })
    }
}
