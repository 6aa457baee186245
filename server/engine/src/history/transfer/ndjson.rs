//! One JSON object a line.

use super::{Entry, Rollup, Take, moment, number, shown, step};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Numbers stay as written: serde_json's own may differ in the last digit.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, alias = "time", alias = "timestamp")]
    at: Option<&'a RawValue>,
    #[serde(borrow)]
    metric: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    min: Option<&'a RawValue>,
    #[serde(borrow)]
    max: Option<&'a RawValue>,
    #[serde(borrow)]
    sum: Option<&'a RawValue>,
    #[serde(borrow)]
    count: Option<&'a RawValue>,
    #[serde(borrow)]
    step: Option<Cow<'a, str>>,
}

/// Reads a line.
pub fn read(line: &str, take: &mut Take<'_>) -> Result<(), String> {
    let parsed: Line<'_> = serde_json::from_str(line)
        .map_err(|error| format!("not {{\"at\":…, \"metric\":…, \"value\":…}}: {error} (\"{}\")", shown(line)))?;
    // A time and a number may stand in quotes.
    let text = |value: &RawValue| value.get().trim_matches('"').to_owned();
    let at = moment::read(&text(parsed.at.ok_or("\"at\" is missing")?))?;
    let name = parsed.metric.as_deref().filter(|name| !name.is_empty()).ok_or("\"metric\" is missing")?;
    let figure = |value: Option<&RawValue>| value.map_or(Ok(None), |value| number(&text(value)));
    let rollup = Rollup {
        min: figure(parsed.min)?,
        max: figure(parsed.max)?,
        sum: figure(parsed.sum)?,
        count: figure(parsed.count)?,
        step: step(parsed.step.as_deref().unwrap_or_default())?,
    };
    match rollup.tally(figure(parsed.value)?)? {
        Some(tally) => take(Entry { name, series: name, target: None, at, tally, step: rollup.step }),
        None => Ok(()),
    }
}
