//! What a chart shows, in one sentence below its legend: computed from the points, never a guess.

use super::plots::{chart_of, look_of};
use headroom_model::{
    MetricId, Timestamp, format,
    metric::{Good, Unit},
    series::Series,
    trends::TrendsData,
};

/// Differences below this share are not told apart from none.
const ALIKE: f64 = 0.01;

/// "On average p95 is 67 % above the previous 6 h, and past its target since 13:14."
#[must_use]
pub fn sentence(data: &TrendsData, first: MetricId, today: Timestamp) -> Option<String> {
    let chart = chart_of(data, first)?;
    let look = look_of(chart);
    let line = chart.lines.get(chart.lead)?;
    let name = look.lines.get(chart.lead)?.name;
    let mut parts = Vec::new();
    let compared = line.before.as_ref().map(|before| compared(&line.series, before, &data.compare.words(data.range)));
    let past = past_since(data, &line.series, today);
    match (compared, past) {
        (Some(Some(compared)), Some(past)) => parts.push(format!("On average {name} is {compared}; {past}.")),
        (Some(Some(compared)), None) => parts.push(format!("On average {name} is {compared}.")),
        (Some(None), past) => {
            parts.push(format!("Nothing is known of the {}.", data.compare.words(data.range)));
            parts.extend(past.map(|past| format!("{name} is {past}.")));
        }
        (None, Some(past)) => parts.push(format!("{name} is {past}.")),
        (None, None) => {}
    }
    if has_inner_gap(&line.series) {
        parts.push("Averages leave out the gap.".to_owned());
    }
    if parts.is_empty() { None } else { Some(parts.join(" ")) }
}

/// "67 % above the previous 6 h"; none where one of them has no points.
fn compared(now: &Series, before: &Series, earlier: &str) -> Option<String> {
    let (now, before, unit) = (now.summary()?.avg, before.summary()?.avg, now.metric.metric().unit);
    let direction = if now > before { "above" } else { "below" };
    let difference = (now - before).abs();
    if unit == Unit::Percent || unit == Unit::Score {
        if difference < 0.05 {
            return Some(format!("as in the {earlier}"));
        }
        return Some(format!("{difference:.1} points {direction} the {earlier}"));
    }
    if before == 0.0 {
        let zero = format::value(0.0, unit);
        return Some(if now == 0.0 {
            format!("as in the {earlier}: {zero}")
        } else {
            format!("{}; in the {earlier} it was {zero}", format::value(now, unit))
        });
    }
    let share = difference / before.abs();
    if share < ALIKE {
        return Some(format!("as in the {earlier}, within 1 %"));
    }
    // Past three times as much, a factor is read more easily than per cent.
    if now > before && now / before >= 3.0 {
        return Some(format!("{} times that of the {earlier}", format::number(now / before)));
    }
    Some(format!("{} % {direction} the {earlier}", format::number((share * 100.0).round())))
}

/// "past its target since 13:14", where the newest points are.
fn past_since(data: &TrendsData, series: &Series, today: Timestamp) -> Option<String> {
    let limits = data.limits.iter().find(|limits| limits.metric == series.metric)?;
    let is_past = |value: f64| match series.metric.metric().good {
        Good::Up => value < limits.degraded,
        _ => value > limits.degraded,
    };
    let newest = series.avg.iter().rposition(Option::is_some)?;
    let run = series.avg[..=newest].iter().rev().take_while(|value| value.is_some_and(is_past)).count();
    if run == 0 {
        return None;
    }
    let begin = newest + 1 - run;
    let side = if series.metric.metric().good == Good::Up { "below" } else { "past" };
    let known = series.avg.iter().position(Option::is_some).unwrap_or(0);
    if begin <= known || series.at(begin) <= data.range.from {
        return Some(format!("{side} its target in the whole range"));
    }
    Some(format!("{side} its target since {}", format::moment(series.at(begin), today)))
}

/// Whether points are missing between points.
fn has_inner_gap(series: &Series) -> bool {
    let first = series.avg.iter().position(Option::is_some);
    let last = series.avg.iter().rposition(Option::is_some);
    match (first, last) {
        (Some(first), Some(last)) => series.avg[first..last].iter().any(Option::is_none),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::plots::tests::{FROM, data, latency, series};
    use super::*;
    use headroom_model::trends::Compare;

    #[test]
    fn a_sentence_says_how_it_was_and_since_when_it_is_bad() {
        let mut known = data(vec![latency()]);
        let said = |data: &TrendsData| sentence(data, MetricId::QueryLatencyP99, FROM);
        assert_eq!(
            said(&known).unwrap(),
            "On average p95 is 28 % above the previous 4 min; past its target since 14:34."
        );
        known.charts[0].lines[1].before = Some(series(MetricId::QueryLatencyP95, &[None; 4]));
        assert_eq!(
            said(&known).unwrap(),
            "Nothing is known of the previous 4 min. p95 is past its target since 14:34."
        );
        known.compare = Compare::None;
        known.charts[0].lines[1].before = None;
        known.charts[0].lines[1].series = series(MetricId::QueryLatencyP95, &[Some(1.0), None, Some(1.0)]);
        assert_eq!(said(&known).unwrap(), "Averages leave out the gap.");
        known.charts[0].lines[1].series = series(MetricId::QueryLatencyP95, &[Some(1.0), Some(1.0), None]);
        assert_eq!(said(&known), None);
    }

    #[test]
    fn shares_differ_by_points_and_large_changes_by_factors() {
        let of = |metric, now: f64, before: f64| {
            compared(&series(metric, &[Some(now)]), &series(metric, &[Some(before)]), "previous 6 h").unwrap()
        };
        assert_eq!(of(MetricId::CacheHitRate, 91.2, 95.2), "4.0 points below the previous 6 h");
        assert_eq!(of(MetricId::CacheHitRate, 91.2, 91.2), "as in the previous 6 h");
        assert_eq!(of(MetricId::Queries, 12.0, 3.0), "4 times that of the previous 6 h");
        assert_eq!(of(MetricId::Queries, 1.004, 1.0), "as in the previous 6 h, within 1 %");
        assert_eq!(of(MetricId::Queries, 3.0, 0.0), "3 /s; in the previous 6 h it was 0 /s");
        assert_eq!(of(MetricId::Queries, 0.0, 0.0), "as in the previous 6 h: 0 /s");
        assert_eq!(of(MetricId::Queries, 1.0, 2.0), "50 % below the previous 6 h");
    }
}
