//! The metric that a name in a file means: an id of the catalogue, or the name under which it is exposed to Prometheus.

use crate::{exposition::names::exposed, nearest::nearest};
use headroom_model::{
    MetricId,
    metric::{CATALOGUE, Kind},
};
use std::collections::HashMap;

/// A metric as a file writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named {
    pub metric: MetricId,
    /// What the catalogue's unit has to be multiplied with to get the file's.
    pub factor: f64,
    /// Whether values count on from a start, so that only their differences say anything.
    pub is_cumulative: bool,
}

/// All names.
#[derive(Debug)]
pub struct Names(HashMap<String, Named>);

impl Names {
    pub fn new() -> Self {
        let mut names = HashMap::new();
        for metric in CATALOGUE {
            let exposed = exposed(metric);
            let is_cumulative = metric.kind == Kind::Delta;
            names.insert(exposed.name, Named { metric: metric.id, factor: exposed.factor, is_cumulative });
            let plain = Named { metric: metric.id, factor: 1.0, is_cumulative: false };
            names.insert(metric.id.as_str().to_owned(), plain);
        }
        Names(names)
    }

    /// The metric of this name; else what is wrong, with the name that was probably meant.
    pub fn find(&self, name: &str) -> Result<Named, String> {
        self.0.get(name).copied().ok_or_else(|| unknown(name, self.0.keys().map(String::as_str)))
    }
}

/// The refusal of a name that is not in the catalogue.
#[must_use]
pub fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let shown = super::shown(name);
    let hint = nearest(&shown, known)
        .map_or_else(|| "; /api/v1/metrics/catalogue lists all".to_owned(), |id| format!("; did you mean {id}?"));
    format!("\"{shown}\" is not in the catalogue{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_mean_the_same_metric() {
        let names = Names::new();
        let plain = names.find("database.query_latency_p95").unwrap();
        let exposed = names.find("headroom_database_query_latency_p95_seconds").unwrap();
        assert_eq!((plain.metric, plain.factor), (MetricId::QueryLatencyP95, 1.0));
        assert_eq!((exposed.metric, exposed.factor), (MetricId::QueryLatencyP95, 0.001));
        assert!(names.find("headroom_locks_deadlocks_total").unwrap().is_cumulative);
        assert!(!names.find("locks.deadlocks").unwrap().is_cumulative);
        assert!(names.find("database.conections").unwrap_err().ends_with("did you mean database.connections?"));
    }
}
