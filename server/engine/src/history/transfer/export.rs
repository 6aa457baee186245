//! Taking history along: rows as they are kept, a piece at a time.

use super::{Format, Step, csv};
use crate::{
    exposition::names::{Exposed, exposed},
    history::History,
    store::{Grid, HOUR_MS, MINUTE_MS, StoreError, Tally},
};
use headroom_model::{MetricId, TargetId, Timestamp, metric::Kind};
use serde_json::json;
use std::{collections::VecDeque, fmt::Write, sync::Arc};

/// Rows read at once: a week of minutes, 420 days of hours.
const PIECE_ROWS: i64 = 10_080;

/// What to take along.
#[derive(Clone, Debug)]
pub struct Export {
    /// Whose history.
    pub target: TargetId,
    /// Which metrics, in this order.
    pub metrics: Vec<MetricId>,
    /// From the minute or hour that holds this moment.
    pub from: Timestamp,
    /// Before this moment.
    pub to: Timestamp,
    /// Minutes or hours; none for both, which alone restores all there is. Prometheus text, which cannot tell an hour from a
    /// sample, then has minutes where they are kept and hours before that.
    pub step: Option<Step>,
    /// How to write.
    pub format: Format,
}

impl Export {
    /// Begins. What is asked for beyond what can be there is left out: before what is kept, and later than in an hour.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn start(mut self, history: Arc<History>) -> Result<Exported, StoreError> {
        // A far end would cost a query a piece, all of them for nothing.
        self.to = self.to.min(history.clock.now().plus_millis(HOUR_MS));
        // A minute that is not over is no minute yet: told as one, it would stand in the place of the whole one.
        let minutes_end = self.to.min(history.clock.now().floor_to(MINUTE_MS));
        let start = history.start(&self.target).await?;
        let oldest = |kept: Option<Timestamp>, step_ms| kept.map(|kept| kept.max(self.from).floor_to(step_ms));
        let (minutes, hours) = (oldest(start.minutes, MINUTE_MS), oldest(start.hours.or(start.minutes), HOUR_MS));
        let hours_end = match (self.format, self.step, minutes) {
            // Whole hours only: minutes go on where they end.
            (Format::Prometheus, None, Some(minutes)) => minutes.floor_to(HOUR_MS).min(self.to),
            _ => self.to,
        };
        let mut pieces = VecDeque::new();
        for metric in &self.metrics {
            for (step, step_ms, from, end) in
                [(Step::Hour, HOUR_MS, hours, hours_end), (Step::Minute, MINUTE_MS, minutes, minutes_end)]
            {
                let Some(from) = from.filter(|_| self.step.is_none_or(|wanted| wanted == step)) else { continue };
                pieces.push_back(Stretch { metric: *metric, step, step_ms, at: from, end });
            }
        }
        Ok(Exported { history, what: self, pieces, lines: 0, counted: None })
    }
}

/// Rows of one metric still to write.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    metric: MetricId,
    step: Step,
    step_ms: i64,
    at: Timestamp,
    end: Timestamp,
}

/// An export under way.
pub struct Exported {
    history: Arc<History>,
    what: Export,
    pieces: VecDeque<Stretch>,
    lines: u64,
    /// Of the counter that is being written to Prometheus text: which, and how far it has counted.
    counted: Option<(MetricId, f64)>,
}

impl Exported {
    /// Points written so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The text before the first point.
    #[must_use]
    pub fn head(&self) -> &'static str {
        match self.what.format {
            Format::Csv => "time,metric,value,min,max,sum,count,step\n",
            Format::Ndjson | Format::Prometheus => "",
        }
    }

    /// The next piece, which may be empty; none at the end.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let Some(stretch) = self.pieces.front_mut() else { return Ok(None) };
        let Stretch { metric, step, step_ms, at, end } = *stretch;
        let until = at.plus_millis(PIECE_ROWS * step_ms).min(end);
        stretch.at = until;
        if until >= end {
            self.pieces.pop_front();
        }
        let mut text = String::new();
        let slots = usize::try_from((until.0 - at.0 + step_ms - 1).max(0) / step_ms).unwrap_or(0);
        if slots == 0 {
            return Ok(Some(text));
        }
        let grid = Grid { from: at, step_ms, slots };
        let column = self.history.tallies(&self.what.target, &[metric], &grid).await?.pop().unwrap_or_default();
        for (slot, tally) in column.into_iter().enumerate() {
            if let Some(tally) = tally {
                self.write(&mut text, metric, step, grid.start_of(slot), &tally);
                self.lines += 1;
            }
        }
        Ok(Some(text))
    }

    fn write(&mut self, text: &mut String, metric: MetricId, step: Step, at: Timestamp, tally: &Tally) {
        let Tally { sum, min, max, count } = *tally;
        let (step, time) = (step.as_str(), at.to_rfc3339());
        let value = match metric.metric().kind {
            Kind::Gauge => tally.mean(),
            Kind::Delta => sum,
        };
        // Writing to a string cannot fail.
        let _ = match self.what.format {
            Format::Csv => {
                let name = csv::escaped(metric.as_str());
                writeln!(text, "{time},{name},{value},{min},{max},{sum},{count},{step}")
            }
            Format::Ndjson => {
                let line = json!({
                    "at": time, "metric": metric, "value": value, "min": min, "max": max, "sum": sum, "count": count, "step": step,
                });
                writeln!(text, "{line}")
            }
            Format::Prometheus => return self.write_prometheus(text, metric, at, value),
        };
    }

    fn write_prometheus(&mut self, text: &mut String, metric: MetricId, at: Timestamp, value: f64) {
        let Exposed { name, factor, .. } = exposed(metric.metric());
        let target = self.what.target.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let mut line = |at: Timestamp, value: f64| {
            let _ = writeln!(text, "{name}{{target=\"{target}\"}} {value} {}", at.0);
        };
        let value = value * factor;
        match metric.metric().kind {
            Kind::Gauge => line(at, value),
            Kind::Delta => {
                // A counter: only its differences count, so its first value needs one before it.
                let counted = match self.counted {
                    Some((counter, counted)) if counter == metric => counted,
                    _ => {
                        line(at.plus_millis(-1), 0.0);
                        0.0
                    }
                };
                line(at, counted + value);
                self.counted = Some((metric, counted + value));
            }
        }
    }
}
