//! `headroom forecast`: what a series will do, read from a file; needs no console.

use super::{Failure, print};
use anyhow::Context;
use clap::Args;
use headroom_engine::{
    forecast::{Ask, Hourly, forecast},
    history::transfer::read_series,
    nearest::nearest,
};
use headroom_model::{
    Timestamp,
    forecast::{Backtest, Crossing, Forecast, Measure, Verdict},
    format,
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::File,
    io::{Read, stdin},
};

const DAY_MS: i64 = 86_400_000;
/// Mean length of a month, in days.
const MONTH_DAYS: f64 = 30.4375;
/// Days between the lines of the table.
const LINE_DAYS: usize = 30;
/// Names listed where one must be chosen, at most.
const NAMES_MAX: usize = 20;

type Series = BTreeMap<String, Vec<(Timestamp, f64)>>;

/// What to forecast.
#[derive(Debug, Args)]
pub struct Forecasting {
    /// CSV, NDJSON or Prometheus text with timestamps; - for standard input
    file: String,
    /// Which series, where the file has several
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// What it must stay below
    #[arg(long, value_name = "X", value_parser = parse_limit, allow_hyphen_values = true)]
    limit: Option<f64>,
    /// How far to look
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=24))]
    months: u8,
    /// Forecast the highest hour of each day instead of its mean (CPU, connections)
    #[arg(long)]
    peak: bool,
    /// Print the forecast as JSON
    #[arg(long)]
    json: bool,
}

fn parse_limit(text: &str) -> Result<f64, String> {
    let limit = text.parse().ok().filter(|limit: &f64| limit.is_finite());
    limit.ok_or_else(|| "allowed: a number, such as 500 or 1.5e12".to_owned())
}

/// Runs `headroom forecast`. A series that does not support a forecast is an answer, not trouble.
///
/// # Errors
/// The file cannot be read (line and reason), or it is not clear which series is meant.
pub fn run(what: &Forecasting) -> Result<(), Failure> {
    let from: Box<dyn Read> = if what.file == "-" {
        Box::new(stdin())
    } else {
        let refused = |error| Failure::Usage(format!("{} cannot be read: {error}", what.file));
        Box::new(File::open(&what.file).map_err(refused)?)
    };
    let all = read_series(from, None).map_err(|fault| Failure::Usage(format!("{}: {fault}", what.file)))?;
    let name = choose(&all, what)?;
    let input = Hourly::from_points(&all[name]);
    let verdict = forecast(&input, &ask(what, &input));
    if what.json {
        return print(&serde_json::to_string_pretty(&verdict).map_err(anyhow::Error::from)?);
    }
    print(&match verdict {
        Verdict::Forecast(it) => table(name, &it, what.limit).context("the forecast cannot be written")?,
        Verdict::Silent { reason } => format!("{name}: no forecast: {reason}"),
    })
}

/// The name of the series that is meant; `all` has it.
fn choose<'a>(all: &'a Series, what: &Forecasting) -> Result<&'a str, Failure> {
    let names = || -> String {
        let more = all.len().saturating_sub(NAMES_MAX);
        let listed = all.keys().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{listed} and {more} more") } else { listed }
    };
    let found = match &what.metric {
        Some(name) => all.get_key_value(name).ok_or_else(|| {
            let hint = nearest(name, all.keys().map(String::as_str))
                .map_or_else(|| format!("it has {}", names()), |found| format!("did you mean {found}?"));
            Failure::Usage(format!("{} has no series {name}; {hint}", what.file))
        })?,
        None if all.len() > 1 => {
            return Err(Failure::Usage(format!(
                "{} has {} series; name one with --metric: {}",
                what.file,
                all.len(),
                names()
            )));
        }
        None => all.first_key_value().ok_or_else(|| Failure::Usage(format!("{} has no points", what.file)))?,
    };
    Ok(found.0)
}

fn ask(what: &Forecasting, input: &Hourly) -> Ask {
    // A figure that was never below zero is a size or a count.
    let is_never_negative = input.values.iter().flatten().all(|value| *value >= 0.0);
    Ask {
        horizon_days: (f64::from(what.months) * MONTH_DAYS).round() as u32,
        limit: what.limit,
        measure: if what.peak { Measure::DailyPeak } else { Measure::Level },
        floor: is_never_negative.then_some(0.0),
        ..Ask::default()
    }
}

/// The forecast for people.
fn table(name: &str, it: &Forecast, limit: Option<f64>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let mut line = |head: &str, words: &str| writeln!(text, "{head:<10}{words}");
    line(
        "Series",
        &format!("{name}, {} days of history up to {}", format::number(it.history_days), it.start.to_rfc3339()),
    )?;
    line("Model", &it.model)?;
    line("Growth", &format!("{} a day", signed(it.growth_per_day)))?;
    for shift in &it.shifts {
        let habit = if it.shifts_recur { ", a habit" } else { "" };
        line("Shift", &format!("{} at {}{habit}", signed(shift.by), shift.at.to_rfc3339()))?;
    }
    if it.spikes > 0 || it.gaps > 0 {
        let [spikes, gaps] = [it.spikes, it.gaps].map(|hours| format::counted(u64::from(hours), "hour"));
        line("Left out", &format!("{spikes} as outliers; {gaps} not measured"))?;
    }
    line("Backtest", &it.backtest.as_ref().map_or_else(|| "none: the history is too short".to_owned(), backtest))?;
    line("Limit", &crossing(it, limit))?;
    let columns = [&it.median, &it.low80, &it.high80, &it.low95, &it.high95];
    let rows = rows(it.median.len());
    // Bytes of a large disk have twenty characters and more.
    let cells = rows.iter().flat_map(|h| columns.map(|column| format::number(column[*h]).chars().count()));
    let width = cells.max().unwrap_or(0).max(10) + 2;
    write!(text, "\n{:<10}", "day")?;
    for head in ["median", "80 % from", "to", "95 % from", "to"] {
        write!(text, "{head:>width$}")?;
    }
    writeln!(text)?;
    for h in rows {
        let at = it.start.plus_millis(h as i64 * DAY_MS);
        write!(text, "{:<10}", at.to_rfc3339().split('T').next().unwrap_or_default())?;
        for column in columns {
            write!(text, "{:>width$}", format::number(column[h]))?;
        }
        writeln!(text)?;
    }
    Ok(text)
}

/// Days that get a line: the first, every thirtieth, the last.
fn rows(days: usize) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..days).step_by(LINE_DAYS).collect();
    rows.extend(days.checked_sub(1).filter(|last| rows.last() != Some(last)));
    rows
}

fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", format::number(value)) } else { format::number(value) }
}

fn backtest(it: &Backtest) -> String {
    let percent = it.ours.error_percent.map_or_else(String::new, |percent| format!(" ({} %)", format::number(percent)));
    let [ours, line, naive] = [it.ours, it.straight_line, it.seasonal_naive].map(|of| format::number(of.mase));
    format!(
        "{} looks of up to {} days: error {}{percent}; scaled {ours}, a straight line's {line}, the week before's {naive}; \
         the interval of 80 % held {} %, that of 95 % {} %",
        it.folds,
        it.horizon_days,
        format::number(it.ours.error),
        format::number(it.covered80_percent),
        format::number(it.covered95_percent),
    )
}

fn crossing(it: &Forecast, limit: Option<f64>) -> String {
    let limit = limit.map_or_else(|| "none".to_owned(), format::number);
    let day = |days: Option<f64>| {
        days.map_or_else(
            || "beyond the horizon".to_owned(),
            |days| {
                let at = it.start.plus_millis((days * DAY_MS as f64) as i64);
                format!("{} days ({})", format::number(days), at.to_rfc3339().split('T').next().unwrap_or_default())
            },
        )
    };
    match &it.crossing {
        Crossing::NoLimit => limit,
        Crossing::Reached => format!("{limit}: reached"),
        Crossing::Never { within_days } => format!("{limit}: not within {within_days} days"),
        Crossing::Within { p10, p50, p90 } => {
            format!(
                "{limit}: half of the outcomes in {}; one in ten: {}; nine in ten: {}",
                day(*p50),
                day(*p10),
                day(*p90)
            )
        }
        Crossing::Unpromised { reason } => format!("{limit}: {reason}"),
    }
}
