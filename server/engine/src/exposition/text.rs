//! Writes the text format: every family once, with its HELP and TYPE, its series together.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write;

/// What a family's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Gauge,
    Counter,
}

/// An exposition under construction.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// Adds a family. One without series is left out: what was not measured is absent.
    pub fn family<'a, L>(&mut self, name: &str, kind: Type, help: &str, series: impl IntoIterator<Item = (L, f64)>)
    where
        L: IntoIterator<Item = (&'a str, &'a str)>,
    {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return;
        }
        let kind = match kind {
            Type::Gauge => "gauge",
            Type::Counter => "counter",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}", escaped(help, false));
        for (labels, value) in series {
            self.text.push_str(name);
            let mut separator = '{';
            for (label, text) in labels {
                let _ = write!(self.text, "{separator}{label}=\"{}\"", escaped(text, true));
                separator = ',';
            }
            if separator == ',' {
                self.text.push('}');
            }
            let _ = writeln!(self.text, " {value}");
        }
    }

    pub fn finish(self) -> String {
        self.text
    }
}

fn escaped(text: &str, in_quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if in_quotes { text.replace('"', "\\\"") } else { text }
}
