//! The sentences of the page.

use headroom_model::{
    Timestamp,
    advice::{AdviceReport, AdviceState, IndexAdvice, Proof},
    format,
    metric::Unit,
};

/// How often the page looks, in milliseconds: advice changes about hourly; a build or a round moves within seconds; the gain of
/// a new index and the first round come when statements have run often enough.
pub(super) fn look_every(report: &AdviceReport) -> i64 {
    let is_measured = report.suggestions.iter().any(|advice| advice.state == AdviceState::Created);
    match (report.building.is_some() || report.is_computing, is_measured || report.computed_at.is_none()) {
        (true, _) => 2_000,
        (_, true) => 10_000,
        _ => 30_000,
    }
}

/// "From 12 statements over 2 h, at 14:03: 1 suggestion would save 96 % of their planner cost."
pub(super) fn head(report: &AdviceReport, now: Timestamp) -> String {
    let Some(at) = report.computed_at else {
        return "Advice from the statements that really run. The first round begins once some have been seen."
            .to_owned();
    };
    let open = report.suggestions.iter().filter(|advice| advice.state.is_open()).count() as u64;
    let seen = format!(
        "From {} over {}, at {}",
        format::counted(u64::from(report.statements), "statement"),
        format::duration_ms(report.hours_seen * 3_600_000.0),
        format::moment(at, now)
    );
    if open == 0 {
        return format!("{seen}: no index would pay.");
    }
    let saved = if report.cost_before > 0.0 { 100.0 * (1.0 - report.cost_after / report.cost_before) } else { 0.0 };
    format!(
        "{seen}: {} would save {} of their planner cost.",
        format::counted(open, "suggestion"),
        format::value(saved, Unit::Percent)
    )
}

/// How the gain is known.
pub(super) fn proof(advice: &IndexAdvice) -> &'static str {
    match (advice.state, advice.proof) {
        (AdviceState::Measured | AdviceState::RevertAdvised, _) => "measured on the statements themselves",
        (AdviceState::Created, _) => "created; its gain is being measured",
        (AdviceState::Gone, _) => "created from here, and not there any more",
        (_, Proof::Planner) => "proven: the planner would use it (hypothetical index)",
        (_, Proof::Estimate) => "estimate: not confirmed by the planner",
    }
}

/// "+18 % per row written to shop.orders, 1,200 rows an hour".
pub(super) fn writers(advice: &IndexAdvice) -> String {
    let share = format::value(100.0 * advice.write_overhead, Unit::Percent);
    match advice.writes_per_hour {
        Some(rows) => format!("+{share} per row written, {} rows an hour (estimate)", format::number(rows)),
        None => format!("+{share} per row written (estimate)"),
    }
}

/// "5.6 MiB, about 1 s".
pub(super) fn size(advice: &IndexAdvice) -> String {
    let size = format::bytes(advice.size_bytes);
    if !advice.state.is_open() {
        return size.to_string();
    }
    format!("{size}, about {}; nobody is blocked (estimate)", format::duration_ms(advice.build_ms.max(1_000.0)))
}

/// "Missed at 14:03: it was dropped, or is not valid any more. …", of one that is gone.
pub(super) fn gone(advice: &IndexAdvice, now: Timestamp) -> Option<String> {
    let at = advice.gone_at?;
    let next = if advice.helped_too_little() {
        "It helped too little, so it is not suggested again."
    } else {
        "It is suggested again where it still pays."
    };
    Some(format!("Missed at {}: it was dropped, renamed, or is not valid any more. {next}", format::moment(at, now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::TargetId;

    #[test]
    fn the_head_says_from_what_and_how_much() {
        let mut report = AdviceReport {
            target: TargetId("shop".into()),
            computed_at: None,
            is_computing: false,
            failed: None,
            proof: Proof::Planner,
            missing: vec![],
            statements: 12,
            hours_seen: 2.0,
            cost_before: 100.0,
            cost_after: 4.0,
            suggestions: vec![],
            rejected: vec![],
            skipped: vec![],
            building: None,
        };
        let now = Timestamp(1_795_098_728_250);
        assert!(head(&report, now).contains("first round") && look_every(&report) == 10_000);
        report.computed_at = Some(now);
        assert!(head(&report, now).starts_with("From 12 statements over 2 h, at "));
        assert!(head(&report, now).ends_with(": no index would pay.") && look_every(&report) == 30_000);
    }
}
