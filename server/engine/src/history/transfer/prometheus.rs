//! Prometheus text exposition (0.0.4 and OpenMetrics) with timestamps.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use super::{Entry, Step, Take, moment, number, shown};
use crate::store::Tally;

/// Reads a line: `name{label="value",…} value timestamp`.
pub fn read(line: &str, take: &mut Take<'_>) -> Result<(), String> {
    if line.starts_with('#') {
        return Ok(());
    }
    let labels_from = line.find('{');
    let name_end = labels_from.or_else(|| line.find(char::is_whitespace)).unwrap_or(line.len());
    let (mut name, mut target) = (line[..name_end].trim(), String::new());
    let mut series_end = name_end;
    if let Some(from) = labels_from {
        let mut rest = &line[from + 1..];
        loop {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            if let Some(after) = rest.strip_prefix('}') {
                series_end = line.len() - after.len();
                break;
            }
            if let Some(quoted) = rest.strip_prefix('"') {
                // A name that is not of the old alphabet stands in quotes, first inside the braces.
                let (length, after) = value(quoted).ok_or_else(unended)?;
                (name, rest) = (&quoted[..length], after);
                continue;
            }
            let (label, quoted) = rest.split_once("=\"").ok_or_else(unended)?;
            let (length, after) = value(quoted).ok_or_else(unended)?;
            if label.trim() == "target" {
                target = quoted[..length].replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\");
            }
            rest = after;
        }
    }
    if name.is_empty() {
        return Err(format!("\"{}\" names no metric", shown(line)));
    }
    let mut words = line[series_end..].split_whitespace();
    let value = words.next().ok_or_else(|| format!("{name} has no value"))?;
    let at = words.next().ok_or_else(|| format!("{name} has no timestamp; when was it measured?"))?;
    // Behind a `#` OpenMetrics may name an example.
    if words.next().is_some_and(|word| word != "#") {
        return Err(format!("\"{}\" is more than a name, a value and a timestamp", shown(line)));
    }
    let at = moment::read(at)?;
    let Some(value) = number(value)? else { return Ok(()) };
    let (series, target) = (&line[..series_end], Some(target.as_str()).filter(|target| !target.is_empty()));
    take(Entry { name, series, target, at, tally: Tally::of(value), step: Step::Sample })
}

fn unended() -> String {
    "its labels do not end".to_owned()
}

/// How long a label's value is, and what stands behind its closing quote.
fn value(quoted: &str) -> Option<(usize, &str)> {
    let mut escaped = false;
    for (i, c) in quoted.char_indices() {
        match c {
            '"' if !escaped => return Some((i, &quoted[i + 1..])),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Whether a first line without a comment is of this format: a name, perhaps labels, a number, a time.
pub fn looks_like(line: &str) -> bool {
    read(line, &mut |_| Ok(())).is_ok()
}
