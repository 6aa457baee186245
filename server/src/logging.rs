//! Log lines: text on a terminal, JSON otherwise. Secrets never get here: what holds one does not implement `Display`,
//! or leaves it out of `Debug`.

use crate::config::log::{Format, LogSettings};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging to standard error. Called once; a second call keeps the first.
pub fn start(settings: &LogSettings) {
    // sqlx logs the text of slow statements, which may hold literals: never, whatever the filter says.
    let filter = EnvFilter::builder().parse_lossy(format!("{},sqlx::query=off", settings.filter));
    let is_text = match settings.format {
        Format::Text => true,
        Format::Json => false,
        Format::Auto => stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if is_text {
        lines.with_target(false).with_ansi(stderr().is_terminal()).boxed()
    } else {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    };
    // A test binary may have started logging already.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
