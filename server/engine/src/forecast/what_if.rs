//! Changes to try on a forecast: other growth, planned events. They touch what is ahead, never the history.

use headroom_model::{
    Timestamp,
    forecast::{Change, MAX_PLANNED, WhatIf},
};

const DAY_MS: i64 = 86_400_000;

/// A what-if, ready to be applied day by day.
pub struct Changes {
    /// What growth adds on each day.
    growth: Vec<f64>,
    /// From which day on, and what, in order of time.
    planned: Vec<(usize, Change)>,
}

/// The multiple of growth that is asked for; 1 where it is none.
pub fn factor(what_if: &WhatIf) -> f64 {
    if what_if.growth.is_finite() { what_if.growth.clamp(-1e6, 1e6) } else { 1.0 }
}

impl Changes {
    /// Changes for days from `start` on, whose trend is `trend` after `now`. Planned amounts are divided by `unit`.
    pub fn new(what_if: &WhatIf, start: Timestamp, trend: &[f64], now: f64, unit: f64) -> Changes {
        let extra = factor(what_if) - 1.0;
        let mut planned: Vec<(i64, usize, Change)> = what_if
            .planned
            .iter()
            .take(MAX_PLANNED)
            .filter_map(|event| {
                let change = match event.change {
                    Change::Add(by) => by.is_finite().then(|| Change::Add((by / unit).clamp(-1e12, 1e12)))?,
                    Change::Multiply(by) => by.is_finite().then(|| Change::Multiply(by.clamp(-1e6, 1e6)))?,
                };
                let day = event.at.0.saturating_sub(start.0).div_euclid(DAY_MS);
                Some((event.at.0, usize::try_from(day).unwrap_or(0), change))
            })
            .collect();
        planned.sort_by_key(|event| event.0);
        Changes {
            growth: trend.iter().map(|value| extra * (value - now)).collect(),
            planned: planned.into_iter().map(|(_, day, change)| (day, change)).collect(),
        }
    }

    /// `value` of day `h` as it would be.
    pub fn apply(&self, h: usize, value: f64) -> f64 {
        let grown = value + self.growth.get(h).copied().unwrap_or(0.0);
        self.planned.iter().take_while(|(day, _)| *day <= h).fold(grown, |value, (_, change)| match change {
            Change::Add(by) => value + by,
            Change::Multiply(by) => value * by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::forecast::Planned;

    #[test]
    fn growth_and_events_apply_in_order_of_time() {
        let start = Timestamp(1_000 * DAY_MS);
        let at = |day: i64| start.plus_millis(day * DAY_MS + 5);
        let planned = vec![
            Planned { at: at(3), change: Change::Multiply(2.0) },
            Planned { at: at(1), change: Change::Add(20.0) },
        ];
        let changes =
            Changes::new(&WhatIf { growth: 2.0, planned, limit: None }, start, &[11.0, 12.0, 13.0, 14.0], 10.0, 10.0);
        let values: Vec<f64> = (0..4).map(|h| changes.apply(h, 11.0 + h as f64)).collect();
        assert_eq!(values, [12.0, 16.0, 18.0, 40.0]);
    }

    #[test]
    fn nothing_changes_nothing() {
        let changes = Changes::new(&WhatIf::default(), Timestamp(0), &[1.0, 2.0], 0.0, 1.0);
        assert_eq!(changes.apply(1, 2.5), 2.5);
    }
}
