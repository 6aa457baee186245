//! How a finding is said: what is, against what was expected.

use super::{checks::Check, settings::Limits};
use headroom_model::{Timestamp, format, metric::Unit};

/// The words of a check.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phrase {
    /// A name that a value follows: "p95 query latency 640 ms, target 500 ms".
    Figure(&'static str),
    /// Things, one and many, and what is wrong with them: "14 sessions waiting on a lock over 1 s, target 0".
    Counted(&'static str, &'static str, &'static str),
    /// A server: "PostgreSQL does not answer since 14:02".
    Outage(&'static str),
}

impl Check {
    /// The cause in one line. `met` says that the value keeps its limit again, but not for long enough yet.
    pub(super) fn cause(&self, value: f64, limits: Limits, met: bool, since: Timestamp, now: Timestamp) -> String {
        let unit = self.metric.metric().unit;
        let (is, target) = (written(value, unit), written(limits.degraded, unit));
        match self.phrase {
            Phrase::Figure(name) if met => format!("{name} back at {is}, target {target}"),
            Phrase::Figure(name) => format!("{name} {is}, target {target}"),
            Phrase::Counted(one, many, what) => {
                let things = if is == "1" { one } else { many };
                let back = if met { "Back at " } else { "" };
                format!("{back}{is} {things} {what}, target {target}")
            }
            Phrase::Outage(server) => format!("{server} does not answer since {}", format::moment(since, now)),
        }
    }
}

/// Long times in words ("4 min 12 s"), everything else as the catalogue's unit says.
fn written(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds if value >= 2000.0 => format::duration_ms(value),
        _ => format::value(value, unit).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks;

    #[test]
    fn causes_read_like_the_design() {
        let now = Timestamp(1_795_098_728_250);
        let say = |id: &str, value: f64, met: bool| {
            let check = checks::find(id).unwrap();
            check.cause(value, check.limits, met, now, now)
        };
        assert_eq!(say("query-latency", 640.0, false), "p95 query latency 640 ms, target 500 ms");
        assert_eq!(say("query-latency", 120.0, true), "p95 query latency back at 120 ms, target 500 ms");
        assert_eq!(say("lock-waits", 14.0, false), "14 sessions waiting on a lock over 1 s, target 0");
        assert_eq!(say("lock-waits", 1.0, false), "1 session waiting on a lock over 1 s, target 0");
        assert_eq!(say("lock-waits", 0.0, true), "Back at 0 sessions waiting on a lock over 1 s, target 0");
        assert_eq!(say("long-statement", 252_000.0, false), "Longest running statement 4 min 12 s, target 5 s");
        assert_eq!(say("cache-hit-rate", 41.25, false), "Cache hit rate 41.2 %, target 50 %");
        assert_eq!(say("postgres-down", 0.0, false), "PostgreSQL does not answer since 14:32");
        assert_eq!(say("cache-second-tier", 0.0, false), "Redis as second tier does not answer since 14:32");
        assert_eq!(say("cache-poison", 1.0, false), "1 value of Redis unreadable, target 0");
    }
}
