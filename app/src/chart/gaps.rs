//! Where a series was not measured. Gaps are gaps: nothing is drawn through them, and long ones are named.

use headroom_model::{Timestamp, series::Series};

/// A stretch without a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Whether nothing was ever measured before it in this range.
    pub leading: bool,
}

/// Gaps of a series inside a range, oldest first. A single missing slot at the end is not one: it is still filling.
#[must_use]
pub fn gaps(series: &Series, from: Timestamp, to: Timestamp) -> Vec<Gap> {
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let mut measured = false;
    for (i, value) in series.avg.iter().chain(std::iter::once(&Some(0.0))).enumerate() {
        let end_of_data = i == series.avg.len();
        match (value, start) {
            (None, None) => start = Some(i),
            (Some(_), Some(first)) => {
                if !(end_of_data && i - first < 2) {
                    let gap = Gap { from: series.at(first).max(from), to: series.at(i).min(to), leading: !measured };
                    if gap.from < gap.to {
                        found.push(gap);
                    }
                }
                start = None;
                measured = true;
            }
            (Some(_), None) => measured = true,
            (None, Some(_)) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::MetricId;

    fn series(avg: Vec<Option<f64>>) -> Series {
        Series {
            metric: MetricId::Queries,
            from: Timestamp(1000),
            step_ms: 10,
            min: avg.clone(),
            max: avg.clone(),
            avg,
        }
    }

    fn found(avg: Vec<Option<f64>>) -> Vec<(i64, i64, bool)> {
        let to = Timestamp(1000 + 10 * avg.len() as i64);
        gaps(&series(avg), Timestamp(1000), to).into_iter().map(|g| (g.from.0, g.to.0, g.leading)).collect()
    }

    #[test]
    fn finds_gaps_and_leaves_the_filling_slot_alone() {
        let v = Some(1.0);
        assert_eq!(found(vec![v, v, v]), []);
        assert_eq!(found(vec![v, None, None, v]), [(1010, 1030, false)]);
        assert_eq!(found(vec![None, None, v]), [(1000, 1020, true)]);
        assert_eq!(found(vec![v, None]), []);
        assert_eq!(found(vec![v, None, None]), [(1010, 1030, false)]);
        assert_eq!(found(vec![None, None]), [(1000, 1020, true)]);
        assert_eq!(found(vec![]), []);
    }
}
