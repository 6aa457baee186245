//! The page's sentences that are more than a figure.

use headroom_model::{
    Band, Timestamp,
    event::{Event, EventKind},
    format,
    health::Health,
    observation::{Issue, IssueKind},
    series::Series,
};

/// A score has moved when it differs by this much.
const MOVED: f64 = 3.0;

/// Beside "Why 77": "100 minus 23 points in 5 deductions; each ends when its target is met for 5 min".
#[must_use]
pub fn ledger_note(health: &Health) -> String {
    let Some(score) = health.score else { return "nothing was measured yet".to_owned() };
    if health.deductions.is_empty() {
        return "no deductions: every target is met".to_owned();
    }
    let deductions = format::counted(health.deductions.len() as u64, "deduction");
    let points = format::counted(u64::from(100 - score), "point");
    let hold = format::duration_ms(health.hold_secs as f64 * 1000.0);
    format!("100 minus {points} in {deductions}; each ends when its target is met for {hold}")
}

/// What the scale shows, for those who do not see it.
#[must_use]
pub fn scale_sentence(health: &Health) -> String {
    let Some(score) = health.score else { return "Scale from 0 to 100. No score.".to_owned() };
    let band = Band::of(score).word();
    let cuts: Vec<String> = health.deductions.iter().map(|deduction| deduction.points.to_string()).collect();
    if cuts.is_empty() {
        format!("Scale from 0 to 100. Score {score}, band {band}. No deductions.")
    } else {
        format!("Scale from 0 to 100. Score {score}, band {band}. Deductions of {} points.", cuts.join(", "))
    }
}

/// "down 14 since 13:08, deploy orders-api 4.18.0": against the newest deploy in the range, else against its start.
#[must_use]
pub fn trend(score: Option<u8>, series: Option<&Series>, events: &[Event], now: Timestamp) -> Option<String> {
    let (score, series) = (f64::from(score?), series?);
    let before = |at: Timestamp| (0..series.avg.len()).rev().filter(|i| series.at(*i) < at).find_map(|i| series.avg[i]);
    let deploy = events.iter().map(|event| &event.event).find(|event| event.kind == EventKind::Deploy);
    let moved = |from: f64| {
        let by = (score - from).round();
        match by {
            by if by >= MOVED => Some(format!("up {by}")),
            by if by <= -MOVED => Some(format!("down {}", -by)),
            _ => None,
        }
    };
    if let Some(deploy) = deploy
        && let Some(moved) = before(deploy.at).and_then(moved)
    {
        return Some(format!("{moved} since {}, {}", format::moment(deploy.at, now), deploy.title));
    }
    let first = (0..series.avg.len()).find_map(|i| Some((series.at(i), series.avg[i]?)))?;
    let since = format::moment(first.0, now);
    Some(match moved(first.1) {
        Some(moved) => format!("{moved} since {since}"),
        None => format!("steady since {since}"),
    })
}

/// "6 h: low 77, high 92".
#[must_use]
pub fn extremes(series: Option<&Series>) -> Option<String> {
    let summary = series?.summary()?;
    let span = series?.avg.iter().position(Option::is_some).map(|first| {
        let slots = series.map_or(0, |series| series.avg.len()) - first;
        slots as f64 * series.map_or(0, |series| series.step_ms) as f64
    })?;
    let span = format::duration_ms((span / 60_000.0).round() * 60_000.0);
    let span = if span == "0 ms" { "under 1 min".to_owned() } else { span };
    Some(format!("{span}: low {:.0}, high {:.0}", summary.min, summary.max))
}

/// How many active issues there are of a band.
#[must_use]
pub fn active_of(issues: &[Issue], band: Band) -> usize {
    issues.iter().filter(|issue| issue.kind == IssueKind::Active && issue.band == Some(band)).count()
}

/// "3 active, 3 suggested, worst first".
#[must_use]
pub fn issues_note(issues: &[Issue]) -> String {
    let active = issues.iter().filter(|issue| issue.kind == IssueKind::Active).count();
    let suggested = issues.len() - active;
    match (active, suggested) {
        (0, 0) => String::new(),
        (0, suggested) => format!("{suggested} suggested"),
        (active, 0) => format!("{active} active, worst first"),
        (active, suggested) => format!("{active} active, {suggested} suggested, worst first"),
    }
}

/// "dotted: deploy 13:08; dashed: target": what the rules in the small charts stand for.
#[must_use]
pub fn marks_note(events: &[Event], now: Timestamp) -> String {
    let newest =
        events.iter().map(|event| &event.event).find(|event| crate::components::small_chart::is_marked(event.kind));
    match newest {
        Some(event) => {
            format!(
                "dotted: events, newest {} {}; dashed: target; solid: limit",
                event.title,
                format::moment(event.at, now)
            )
        }
        None => "dashed: target; solid: limit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        Component, MetricId,
        event::NewEvent,
        health::{Deduction, Link},
    };

    const NOW: Timestamp = Timestamp(1_795_098_720_000);

    fn scores(avg: Vec<Option<f64>>) -> Series {
        Series {
            metric: MetricId::HealthScore,
            from: NOW.plus_millis(-3_600_000 * avg.len() as i64),
            step_ms: 3_600_000,
            min: avg.clone(),
            max: avg.clone(),
            avg,
        }
    }

    fn health(points: &[u8]) -> Health {
        Health {
            at: NOW,
            score: Some(100 - points.iter().sum::<u8>()),
            components: vec![],
            deductions: points
                .iter()
                .map(|points| Deduction {
                    check: "query-latency".into(),
                    component: Component::Database,
                    points: *points,
                    band: Band::Degraded,
                    cause: "p95 query latency 640 ms, target 500 ms".into(),
                    metric: MetricId::QueryLatencyP95,
                    value: 640.0,
                    threshold: 500.0,
                    since: NOW,
                    met_since: None,
                    evidence: Link { label: "Slowest statements".into(), href: "/#h-tr".into() },
                })
                .collect(),
            hold_secs: 300,
        }
    }

    #[test]
    fn the_ledger_is_summed_up() {
        assert_eq!(
            ledger_note(&health(&[8, 6, 5, 2, 2])),
            "100 minus 23 points in 5 deductions; each ends when its target is met for 5 min"
        );
        assert_eq!(ledger_note(&health(&[])), "no deductions: every target is met");
        assert!(ledger_note(&health(&[1])).starts_with("100 minus 1 point in 1 deduction;"));
        assert_eq!(
            scale_sentence(&health(&[8, 5])),
            "Scale from 0 to 100. Score 87, band Good. Deductions of 8, 5 points."
        );
    }

    #[test]
    fn a_fall_is_told_against_the_deploy() {
        let deploy = Event {
            id: 1,
            event: NewEvent {
                at: NOW.plus_millis(-5_000_000),
                target: None,
                kind: EventKind::Deploy,
                band: None,
                title: "Deploy orders-api 4.18.0".into(),
                detail: None,
                actor: None,
            },
        };
        let series = scores(vec![Some(91.0), Some(91.0), Some(80.0)]);
        let told = |events: &[Event], score| trend(Some(score), Some(&series), events, NOW);
        assert_eq!(
            told(std::slice::from_ref(&deploy), 77).as_deref(),
            Some("down 14 since 13:08, Deploy orders-api 4.18.0")
        );
        assert_eq!(told(&[], 77).as_deref(), Some("down 14 since 11:32"));
        assert_eq!(told(&[deploy], 90).as_deref(), Some("steady since 11:32"));
        assert_eq!(trend(None, Some(&series), &[], NOW), None);
        assert_eq!(extremes(Some(&series)).as_deref(), Some("3 h: low 80, high 91"));
        assert_eq!(extremes(Some(&scores(vec![None]))), None);
    }
}
