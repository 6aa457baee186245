//! A plan as a table (RFC 4180) and as a calendar (RFC 5545).

use crate::http::csv::cell;
use headroom_model::{
    Timestamp,
    capacity::{Plan, PlanStep},
};
use std::fmt::Write;

/// Octets of a calendar's line, its end left out.
const LINE: usize = 75;

/// Rows by day: by, resource, step, because, achieves, overdue.
pub fn csv(plan: &Plan) -> String {
    let mut out = String::from("by,resource,step,because,achieves,overdue\r\n");
    for step in plan.steps() {
        let overdue = if step.overdue { "yes" } else { "no" };
        let cells =
            [day(step.by), step.resource.to_string(), step.step.clone(), step.because.clone(), step.achieves.clone()];
        for text in cells {
            let _ = write!(out, "{},", cell(&text));
        }
        let _ = write!(out, "{overdue}\r\n");
    }
    out
}

/// One entry a step, all day long. A step keeps its id, so that a later file moves it instead of doubling it.
pub fn ics(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |text: &str| fold(&mut out, text);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//Headroom//Capacity//EN");
    let mut nth = std::collections::BTreeMap::new();
    for step in plan.steps() {
        let n: &mut u32 = nth.entry(step.resource).or_default();
        *n += 1;
        line("BEGIN:VEVENT");
        line(&format!("UID:{}-{}-{n}@headroom", plan.target, step.resource));
        line(&format!("DTSTAMP:{}", stamp(plan.computed_at)));
        line(&format!("DTSTART;VALUE=DATE:{}", day(step.by).replace('-', "")));
        line(&format!("SUMMARY:{}", escaped(&summary(plan, step))));
        line(&format!("DESCRIPTION:{}", escaped(&format!("Because {}.\n{}", step.because, step.achieves))));
        line("TRANSP:TRANSPARENT");
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    out
}

fn summary(plan: &Plan, step: &PlanStep) -> String {
    format!("{} ({}): {}", step.resource.name(), plan.target, step.step)
}

/// `2026-12-08`.
fn day(at: Timestamp) -> String {
    at.to_rfc3339().chars().take(10).collect()
}

/// `20261208T021000Z`.
fn stamp(at: Timestamp) -> String {
    let text: String = at.to_rfc3339().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{text}Z")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace("\r\n", "\n").replace('\n', "\\n")
}

/// A line, folded where it is longer than 75 octets; characters stay whole.
fn fold(out: &mut String, text: &str) {
    let mut used = 0;
    for c in text.chars() {
        if used + c.len_utf8() > LINE {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(c);
        used += c.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::{
        TargetId,
        capacity::{PlanMonth, RESERVE_DAYS, Resource},
    };

    fn plan() -> Plan {
        let step = |resource, text: &str| PlanStep {
            by: Timestamp(1_795_098_728_250),
            resource,
            step: text.into(),
            because: "it may reach 500 GiB on 5 Dec 2026".into(),
            achieves: "estimate: lasts, \"in nine of ten\"".into(),
            overdue: false,
        };
        let steps = vec![step(Resource::Storage, "Grow; then look"), step(Resource::Storage, "=1+1")];
        Plan {
            target: TargetId("orders".into()),
            computed_at: Timestamp(1_795_098_728_250),
            horizon_days: 183,
            reserve_days: RESERVE_DAYS,
            months: vec![PlanMonth { month: "2026-11".into(), steps }],
            unplanned: Vec::new(),
        }
    }

    #[test]
    fn a_table_keeps_commas_and_quotes_and_holds_no_formula() {
        let text = csv(&plan());
        let rows: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(rows[0], "by,resource,step,because,achieves,overdue");
        assert_eq!(
            rows[1],
            "2026-11-19,storage,Grow; then look,it may reach 500 GiB on 5 Dec 2026,\
             \"estimate: lasts, \"\"in nine of ten\"\"\",no"
        );
        assert!(rows[2].contains(",'=1+1,"), "{}", rows[2]);
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn a_calendar_folds_escapes_and_names_each_step_for_good() {
        let text = ics(&plan());
        assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n") && text.ends_with("END:VCALENDAR\r\n"));
        assert!(text.split("\r\n").all(|line| line.len() <= LINE), "{text}");
        let whole = text.replace("\r\n ", "");
        assert!(whole.contains("UID:orders-storage-1@headroom") && whole.contains("UID:orders-storage-2@headroom"));
        assert!(whole.contains("DTSTART;VALUE=DATE:20261119\r\n") && whole.contains("DTSTAMP:20261119T"));
        assert!(whole.contains("SUMMARY:Storage (orders): Grow\\; then look"), "{whole}");
        assert!(whole.contains("5 Dec 2026.\\nestimate: lasts\\, \"in nine of ten\""), "{whole}");
    }
}
