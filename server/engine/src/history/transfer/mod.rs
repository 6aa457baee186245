//! History in and out: the past a team brings from elsewhere, and the one it takes along.
//!
//! Three formats, each read line by line in bounded memory: CSV in long form (`time,metric,value`) or wide form
//! (`time,<metric>,<metric>…`), NDJSON (`{"at":…, "metric":…, "value":…}`), and Prometheus text with timestamps. A time is
//! epoch seconds or milliseconds, or RFC 3339. What cannot be read is named with its line and the reason.
//!
//! [`Reader`] knows no catalogue: [`read_series`] reads any names (`headroom forecast FILE`).

mod csv;
mod export;
mod import;
mod moment;
mod names;
mod ndjson;
mod prometheus;
mod records;
mod series;
#[cfg(test)]
mod tests;

pub use export::{Export, Exported};
pub use import::{IMPORTS_MAX, ImportError, Importer};
pub use names::unknown;
pub use records::records;
pub use series::{POINTS_MAX, SERIES_MAX, read_series};

use crate::store::Tally;
use headroom_model::Timestamp;
use std::{fmt, str::FromStr};

/// Bytes of a line at most.
pub const LINE_MAX: usize = 64 * 1024;
/// Lines of a file at most: 25 months of hours and 30 days of minutes of five hundred metrics.
pub const LINES_MAX: u64 = 40_000_000;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Prometheus text exposition with timestamps.
    Prometheus,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Ndjson, Format::Prometheus];

    /// Its name on the command line and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Prometheus => "prometheus",
        }
    }

    /// What its first line of content gives away.
    fn of(line: &str) -> Format {
        if serde_json::from_str::<serde_json::Map<_, _>>(line).is_ok() {
            Format::Ndjson
        } else if line.starts_with('#') || prometheus::looks_like(line) {
            Format::Prometheus
        } else {
            Format::Csv
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Format::ALL.into_iter().find(|format| format.as_str() == name);
        found.ok_or_else(|| "allowed: csv, ndjson, prometheus".to_owned())
    }
}

/// What a line stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// One measurement.
    #[default]
    Sample,
    /// All of a minute.
    Minute,
    /// All of an hour.
    Hour,
}

impl Step {
    /// Its name in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Step::Sample => "sample",
            Step::Minute => "minute",
            Step::Hour => "hour",
        }
    }
}

/// One point that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Name as written, without labels.
    pub name: &'a str,
    /// Name with all that tells it from others: labels.
    pub series: &'a str,
    /// The target its labels name.
    pub target: Option<&'a str>,
    /// When.
    pub at: Timestamp,
    /// What was measured.
    pub tally: Tally,
    /// What the point stands for.
    pub step: Step,
}

/// Why a file cannot be read: the line, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: u64,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for Fault {}

/// Takes a point; refuses it with a reason.
pub type Take<'t> = dyn FnMut(Entry<'_>) -> Result<(), String> + Send + 't;

/// Reads a file piece by piece, as it arrives.
#[derive(Debug)]
pub struct Reader {
    format: Option<Format>,
    columns: Option<csv::Columns>,
    lines: u64,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
}

impl Reader {
    /// A reader of one format; of the one that the first line gives away when none is given.
    #[must_use]
    pub fn new(format: Option<Format>) -> Self {
        Reader { format, columns: None, lines: 0, rest: Vec::new() }
    }

    /// Lines read so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Takes the next piece in.
    ///
    /// # Errors
    /// A line cannot be read, is too long, or its point was refused; nothing more should be fed.
    pub fn feed(&mut self, mut piece: &[u8], take: &mut Take<'_>) -> Result<(), Fault> {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&piece[..end], &piece[end + 1..]);
            if self.rest.is_empty() {
                self.line(line, take)?;
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(&line[..line.len().min(LINE_MAX + 1)]);
                self.line(&whole, take)?;
            }
            piece = after;
        }
        if self.rest.len() + piece.len() > LINE_MAX {
            return Err(Fault { line: self.lines + 1, reason: too_long() });
        }
        self.rest.extend_from_slice(piece);
        Ok(())
    }

    /// The file is at its end: a last line needs no line break.
    ///
    /// # Errors
    /// As [`Reader::feed`].
    pub fn finish(&mut self, take: &mut Take<'_>) -> Result<(), Fault> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() { Ok(()) } else { self.line(&rest, take) }
    }

    fn line(&mut self, bytes: &[u8], take: &mut Take<'_>) -> Result<(), Fault> {
        self.lines += 1;
        let line = self.lines;
        self.entries(bytes, take).map_err(|reason| Fault { line, reason })
    }

    fn entries(&mut self, bytes: &[u8], take: &mut Take<'_>) -> Result<(), String> {
        if bytes.len() > LINE_MAX {
            return Err(too_long());
        }
        if self.lines > LINES_MAX {
            return Err(format!("more than {LINES_MAX} lines; import the file in parts"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())?;
        // What spreadsheets put before the first line.
        let text = if self.lines == 1 { text.trim_start_matches('\u{feff}') } else { text };
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        match *self.format.get_or_insert_with(|| Format::of(text)) {
            Format::Csv => match &self.columns {
                Some(columns) => columns.read(text, take),
                None => csv::Columns::of(text).map(|columns| self.columns = Some(columns)),
            },
            Format::Ndjson => ndjson::read(text, take),
            Format::Prometheus => prometheus::read(text, take),
        }
    }
}

fn too_long() -> String {
    format!("longer than {} KiB", LINE_MAX / 1024)
}

/// A piece of a file in a message.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A number as files write it; none where nothing was measured (`NaN`, `null`, nothing at all).
fn number(text: &str) -> Result<Option<f64>, String> {
    let text = text.trim();
    if text.is_empty() || ["nan", "null"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(None);
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    value.map(Some).ok_or_else(|| format!("\"{}\" is not a finite number", shown(text)))
}

/// What a line may say of a point besides its value.
#[derive(Clone, Copy, Debug, Default)]
struct Rollup {
    min: Option<f64>,
    max: Option<f64>,
    sum: Option<f64>,
    count: Option<f64>,
    step: Step,
}

impl Rollup {
    /// The point; none where nothing was measured.
    fn tally(&self, value: Option<f64>) -> Result<Option<Tally>, String> {
        let count = match self.count {
            None => 1,
            Some(count) if count >= 1.0 && count <= f64::from(u32::MAX) && count.fract() == 0.0 => count as u32,
            Some(count) => return Err(format!("count {count} is not a whole number from 1 on")),
        };
        let Some(sum) = self.sum.or_else(|| value.map(|value| value * f64::from(count))) else { return Ok(None) };
        let mean = sum / f64::from(count);
        let (min, max) = (self.min.unwrap_or(mean), self.max.unwrap_or(mean));
        if min > max {
            return Err(format!("min {min} is above max {max}"));
        }
        Ok(Some(Tally { sum, min, max, count }))
    }
}

fn step(text: &str) -> Result<Step, String> {
    match text.trim() {
        "" | "sample" => Ok(Step::Sample),
        "minute" => Ok(Step::Minute),
        "hour" => Ok(Step::Hour),
        other => Err(format!("step \"{}\" is none; allowed: sample, minute, hour", shown(other))),
    }
}

#[cfg(test)]
mod reading {
    use super::*;
    use proptest::prelude::*;

    type Read = (String, i64, f64, f64, f64, u32, Step);

    fn read(format: Option<Format>, text: &str) -> Result<Vec<Read>, Fault> {
        let mut found = Vec::new();
        let mut take = |entry: Entry<'_>| {
            let tally = entry.tally;
            found.push((entry.series.to_owned(), entry.at.0, tally.sum, tally.min, tally.max, tally.count, entry.step));
            Ok(())
        };
        let mut reader = Reader::new(format);
        reader.feed(text.as_bytes(), &mut take)?;
        reader.finish(&mut take)?;
        Ok(found)
    }

    fn sample(name: &str, at: i64, value: f64) -> Read {
        (name.into(), at, value, value, value, 1, Step::Sample)
    }

    #[test]
    fn csv_in_long_and_wide_form() {
        let long = "time,metric,value\r\n1795098720,a.b,1.5\n2026-11-19T14:32:00Z,\"c,d\",-2\n1795098720,a.b,\n";
        let found = read(None, long).unwrap();
        assert_eq!(found, [sample("a.b", 1_795_098_720_000, 1.5), sample("c,d", 1_795_098_720_000, -2.0)]);
        let wide = "\u{feff}Time, a.b ,c\n1795098720123,1,\n1795098721000,NaN,3";
        let found = read(None, wide).unwrap();
        assert_eq!(found, [sample("a.b", 1_795_098_720_123, 1.0), sample("c", 1_795_098_721_000, 3.0)]);
    }

    #[test]
    fn rollups_are_read_whole() {
        let text =
            "time,metric,value,min,max,sum,count,step\n1795098720,a,2,1,4,6,3,minute\n1795098720,a,2,,,,2,hour\n";
        let found = read(None, text).unwrap();
        assert_eq!(found[0], ("a".into(), 1_795_098_720_000, 6.0, 1.0, 4.0, 3, Step::Minute));
        assert_eq!(found[1], ("a".into(), 1_795_098_720_000, 4.0, 2.0, 2.0, 2, Step::Hour));
    }

    #[test]
    fn json_lines() {
        let text = "{\"at\":1795098720.5,\"metric\":\"a\",\"value\":2,\"other\":1}\n\n\
                    {\"time\":\"2026-11-19T14:32:00Z\",\"metric\":\"a\",\"value\":null}\n";
        assert_eq!(read(None, text).unwrap(), [sample("a", 1_795_098_720_500, 2.0)]);
    }

    #[test]
    fn prometheus_text() {
        let text = "# HELP up Whether\nup{job=\"x\",target=\"or\\\"ders\"} 1 1795098720000\nload 2e3 1795098720\nload NaN 1795098721\n# EOF\n";
        let found = read(None, text).unwrap();
        assert_eq!(found[0], sample("up{job=\"x\",target=\"or\\\"ders\"}", 1_795_098_720_000, 1.0));
        assert_eq!(found[1..], [sample("load", 1_795_098_720_000, 2000.0)]);
    }

    #[test]
    fn faults_name_line_and_reason() {
        for (text, line, reason) in [
            ("time,metric,value\n1795098720,a,1\n1795098720,a,x\n", 3, "\"x\" is not a finite number"),
            ("time,metric,value\n1795098720,a,1,7\n", 2, "4 fields; the header has 3"),
            ("time,metric,value\nnow-6h,a,1\n", 2, "\"now-6h\" is not a time"),
            ("time,metric,value\n1795098720,a,inf\n", 2, "\"inf\" is not a finite number"),
            ("a,b\n1,2\n", 1, "no column is named time"),
            ("{\"at\":1795098720,\"metric\":\"a\",\"value\":1}\n{\"metric\":\"a\"}", 2, "\"at\" is missing"),
            ("# x\nload 1\n", 2, "no timestamp"),
            ("# x\nload{a=\"b} 1 1795098720\n", 2, "its labels do not end"),
            ("time,metric,value,count\n1795098720,a,1,0\n", 2, "count 0 is not a whole number"),
            ("time,metric,value,step\n1795098720,a,1,day\n", 2, "step \"day\" is none"),
        ] {
            let fault = read(None, text).unwrap_err();
            assert_eq!(fault.line, line, "{text}: {fault}");
            assert!(fault.reason.contains(reason), "{text}: {fault}");
        }
    }

    #[test]
    fn lines_are_bounded() {
        let mut reader = Reader::new(Some(Format::Csv));
        let piece = vec![b'x'; 40 * 1024];
        reader.feed(&piece, &mut |_| Ok(())).unwrap();
        assert_eq!(reader.feed(&piece, &mut |_| Ok(())).unwrap_err().line, 1);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,80}\n\\PC{0,80}", format in 0_usize..3) {
            let _ = read(Some(Format::ALL[format]), &text);
            let _ = read(None, &text);
        }

        /// However a file is cut into pieces, the same is read.
        #[test]
        fn pieces_make_no_difference(cuts in prop::collection::vec(0_usize..90, 0..6)) {
            let text = "time,metric,value\n1795098720,a,1\n1795098780,b,2.5\n\n1795098840,é,3";
            let mut found = Vec::new();
            let mut take = |entry: Entry<'_>| {
                found.push((entry.name.to_owned(), entry.at, entry.tally));
                Ok(())
            };
            let mut reader = Reader::new(None);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                reader.feed(&text.as_bytes()[pair[0]..pair[1]], &mut take).unwrap();
            }
            reader.finish(&mut take).unwrap();
            prop_assert_eq!(found.len(), 3);
            prop_assert_eq!(found[2].2, Tally::of(3.0));
        }
    }
}
