//! Comma-separated values (RFC 4180, without line breaks inside quotes): one metric a line, or one a column.

use super::{Entry, Rollup, Take, moment, number, shown, step};
use std::borrow::Cow;

/// Columns at most.
const COLUMNS_MAX: usize = 1_000;
/// Names of the column with the time.
const TIME: [&str; 3] = ["time", "at", "timestamp"];

/// What the header says.
#[derive(Debug)]
pub struct Columns {
    time: usize,
    count: usize,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// One metric a line; where the figures stand.
    Long { metric: usize, figures: [Option<usize>; 6] },
    /// One metric a column.
    Wide(Vec<(usize, String)>),
}

/// Columns of the long form besides time and metric, in the order of `Form::Long::figures`.
const FIGURES: [&str; 6] = ["value", "min", "max", "sum", "count", "step"];

impl Columns {
    /// Reads a header.
    pub fn of(header: &str) -> Result<Self, String> {
        let names: Vec<Cow<'_, str>> = fields(header)?;
        if names.len() > COLUMNS_MAX {
            return Err(format!("{} columns; at most {COLUMNS_MAX}", names.len()));
        }
        let find = |name: &str| names.iter().position(|column| column.eq_ignore_ascii_case(name));
        let time = TIME.into_iter().find_map(find).ok_or_else(|| {
            format!(
                "no column is named time; the header \"{}\" needs time,metric,value or time,<metric>…",
                shown(header)
            )
        })?;
        let figures = FIGURES.map(find);
        let form = match find("metric") {
            Some(metric) if figures[0].is_some() || figures[3].is_some() => Form::Long { metric, figures },
            Some(_) => return Err("a column metric needs a column value beside it".to_owned()),
            None => {
                let others = names.iter().enumerate().filter(|(i, name)| *i != time && !name.is_empty());
                Form::Wide(others.map(|(i, name)| (i, name.to_string())).collect())
            }
        };
        if matches!(&form, Form::Wide(metrics) if metrics.is_empty()) {
            return Err("no column names a metric".to_owned());
        }
        Ok(Columns { time, count: names.len(), form })
    }

    /// Reads a line.
    pub fn read(&self, line: &str, take: &mut Take<'_>) -> Result<(), String> {
        let values = fields(line)?;
        if values.len() != self.count {
            return Err(format!("{} fields; the header has {}", values.len(), self.count));
        }
        let at = moment::read(&values[self.time])?;
        let mut entry = |name: &str, rollup: Rollup, value: Option<f64>| match rollup.tally(value)? {
            Some(tally) => {
                let step = rollup.step;
                take(Entry { name, series: name, target: None, at, tally, step })
            }
            None => Ok(()),
        };
        match &self.form {
            Form::Wide(metrics) => {
                metrics.iter().try_for_each(|(i, name)| entry(name, Rollup::default(), number(&values[*i])?))
            }
            Form::Long { metric, figures } => {
                let figure = |i: usize| figures[i].map_or(Ok(None), |column| number(&values[column]));
                let rollup = Rollup {
                    min: figure(1)?,
                    max: figure(2)?,
                    sum: figure(3)?,
                    count: figure(4)?,
                    step: figures[5].map_or(Ok(super::Step::Sample), |column| step(&values[column]))?,
                };
                entry(&values[*metric], rollup, figure(0)?)
            }
        }
    }
}

/// The fields of a line, without blanks around them.
fn fields(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    if !line.contains('"') {
        return Ok(line.split(',').map(|field| field.trim().into()).collect());
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().into(), &rest[end..])
            }
        };
        fields.push(field);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => return Ok(fields),
            None => return Err(format!("\"{}\" stands behind a quoted field", shown(after))),
        }
    }
}

/// A field behind its opening quote, and what follows it.
fn quoted_field(quoted: &str) -> Result<(Cow<'_, str>, &str), String> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err("a quoted field does not end".to_owned());
        };
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field.into(), after)),
        }
    }
}

/// A field as written: in quotes where it must be.
pub fn escaped(field: &str) -> Cow<'_, str> {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(parts in prop::collection::vec("[a-z\",;é ]{0,8}", 1..5)) {
            let parts: Vec<String> = parts.into_iter().map(|part| part.trim().to_owned()).collect();
            let line = parts.iter().map(|part| escaped(part).into_owned()).collect::<Vec<_>>().join(",");
            prop_assert_eq!(fields(&line).unwrap(), parts);
        }
    }
}
