//! What the sources of one collection hand in.

use super::{DatasetFigures, ServerFacts, Session, Spending, Workload};
use headroom_model::{
    Band, MetricId, TargetId, Timestamp,
    event::{EventKind, NewEvent},
    sample::Figures,
    target::Limitation,
};

/// Collects figures and remarks on the way through the sources.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) at: Timestamp,
    pub(super) target: TargetId,
    pub(super) figures: Figures,
    pub(super) facts: ServerFacts,
    pub(super) sessions: Vec<Session>,
    pub(super) hidden_sessions: u64,
    pub(super) spending: Result<Spending, String>,
    pub(super) workload: Option<Workload>,
    pub(super) datasets: Vec<DatasetFigures>,
    pub(super) limitations: Vec<Limitation>,
    pub(super) events: Vec<NewEvent>,
    /// Whether a part ended in an error or a timeout.
    pub(super) failed: bool,
}

impl Findings {
    pub(super) fn new(at: Timestamp, target: TargetId) -> Self {
        Findings {
            at,
            target,
            figures: Figures::new(),
            facts: ServerFacts::default(),
            sessions: Vec::new(),
            hidden_sessions: 0,
            spending: Err("Statements could not be read.".to_owned()),
            workload: None,
            datasets: Vec::new(),
            limitations: Vec::new(),
            events: Vec::new(),
            failed: false,
        }
    }

    /// Stores a figure; what was not measured, or is not a number, stays absent.
    pub(super) fn set(&mut self, metric: MetricId, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            // An empty sum is −0.0; adding zero makes it 0.
            self.figures.insert(metric, value + 0.0);
        }
    }

    /// Says what could not be read, once.
    pub(super) fn limit(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        let limitation = Limitation { what: what.into(), remedy: remedy.into() };
        if !self.limitations.contains(&limitation) {
            self.limitations.push(limitation);
        }
    }

    /// A server came back with a new start time.
    pub(super) fn restarted(&mut self, server: &str) {
        self.event(EventKind::Restart, Some(Band::Degraded), format!("{server} was restarted"), None);
    }

    /// Someone's statistics started from zero.
    pub(super) fn statistics_reset(&mut self, title: &str, detail: Option<String>) {
        self.event(EventKind::StatisticsReset, None, title.to_owned(), detail);
    }

    /// Transactions were ended because they waited for each other in a circle.
    pub(super) fn deadlocked(&mut self, count: u64, over: &str) {
        let title = match count {
            1 => "A deadlock was detected".to_owned(),
            _ => format!("{count} deadlocks were detected"),
        };
        let detail = format!("{over}; the server's log names statements and tables of each");
        self.event(EventKind::Deadlock, Some(Band::Degraded), title, Some(detail));
    }

    fn event(&mut self, kind: EventKind, band: Option<Band>, title: String, detail: Option<String>) {
        self.events.push(NewEvent {
            at: self.at,
            target: Some(self.target.clone()),
            kind,
            band,
            title,
            detail,
            actor: None,
        });
    }
}
