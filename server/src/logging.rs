//! Log lines: text on a terminal, JSON otherwise. Secrets never get here: what holds one does not implement `Display`,
//! or leaves it out of `Debug`.

use crate::config::log::{Format, LogSettings};
use std::io::{IsTerminal, stderr};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, fmt, fmt::MakeWriter, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

/// Starts logging to standard error. Called once; a second call keeps the first.
pub fn start(settings: &LogSettings) {
    let is_terminal = stderr().is_terminal();
    let is_text = match settings.format {
        Format::Text => true,
        Format::Json => false,
        Format::Auto => is_terminal,
    };
    // A test binary may have started logging already.
    let _ = lines(&settings.filter, is_text, is_terminal, stderr).try_init();
}

fn lines<W>(filter: &str, is_text: bool, is_coloured: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // sqlx logs the text of slow statements, which may hold literals: never, whatever the filter says.
    let filter = EnvFilter::builder().parse_lossy(format!("{filter},sqlx::query=off"));
    // The filter stands before the layer. Inside it, lines are lost: the one after another that was only asked about.
    let filtered = registry().with(filter);
    let lines = fmt::layer().with_writer(writer);
    filtered.with(if is_text {
        lines.with_target(false).with_ansi(is_coloured).boxed()
    } else {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };
    use tracing::{dispatcher::get_default, subscriber::with_default};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn statements_are_never_logged_and_what_follows_one_is() {
        for is_text in [true, false] {
            let written = Written::default();
            let writer = written.clone();
            with_default(lines("trace", is_text, false, move || writer.clone()), || {
                tracing::error!(target: "sqlx::query", "SELECT 'secret'");
                // Asks whether a line would be written and writes none, as a bridge from another log does.
                let silent = tracing::error_span!(target: "sqlx::query", "statement");
                let kind = silent.metadata().expect("a span that is off knows what it is");
                get_default(|dispatch| dispatch.enabled(kind));
                tracing::info!("listening");
            });
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            assert!(text.contains("listening") && !text.contains("secret"), "{text}");
        }
    }
}
