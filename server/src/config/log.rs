//! `[log]`: what is logged, and how a line is written.

use super::{ConfigError, section::Section, value};

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `HEADROOM_LOG_FILTER`: level, or levels by module. Default `info,sqlx=warn`.
    pub filter: String,
    /// `HEADROOM_LOG_FORMAT`: auto, text or json. Default auto.
    pub format: Format,
}

impl Default for LogSettings {
    fn default() -> Self {
        // sqlx logs statement text at info; literals must not get into a log.
        LogSettings { filter: "info,sqlx=warn".to_owned(), format: Format::Auto }
    }
}

pub(super) fn read(root: &Section<'_>) -> Result<LogSettings, ConfigError> {
    let section = root.section("log")?;
    let filter = value::form("trace, debug, info, warn, error, or a list such as info,headroom_engine=debug", |text| {
        tracing_subscriber::EnvFilter::try_new(text).is_ok()
    });
    let format = value::one_of(&[("auto", Format::Auto), ("text", Format::Text), ("json", Format::Json)]);
    let default = LogSettings::default();
    let settings = LogSettings {
        filter: section.value("filter", &filter)?.unwrap_or(default.filter),
        format: section.value("format", &format)?.unwrap_or(default.format),
    };
    section.finish()?;
    Ok(settings)
}
