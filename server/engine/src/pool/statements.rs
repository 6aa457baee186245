//! Exact percentiles of the statements that pass our own lanes under a label.

use super::lock;
use crate::latencies::{Latencies, Latency};
use headroom_model::pool::LabelledStatement;
use std::{fmt, sync::Mutex, time::Duration};
use tokio::time::Instant;

/// Latencies by label, from the acquire to the last row.
pub struct Statements(Mutex<Latencies>);

impl Default for Statements {
    fn default() -> Self {
        Statements(Mutex::new(Latencies::new("other labels")))
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements").field("labels", &lock(&self.0).len()).finish()
    }
}

/// Counts a run that was given up half way as one that failed.
struct Run<'a> {
    statements: &'a Statements,
    label: &'a str,
    began: Instant,
    failed: bool,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        lock(&self.statements.0).record(self.label, self.failed, self.began.elapsed());
    }
}

impl Statements {
    /// Runs `work` and counts it under `label`, of which 500 are kept apart. Work that is cancelled counts as failed.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn time<T, E>(&self, label: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut run = Run { statements: self, label, began: Instant::now(), failed: true };
        let outcome = work.await;
        run.failed = outcome.is_err();
        outcome
    }

    /// Figures by label, most runs first. `slow` is what counts as slow.
    #[must_use]
    pub fn list(&self, slow: Duration) -> Vec<LabelledStatement> {
        lock(&self.0).list(|label, latency: &Latency| LabelledStatement {
            label: label.to_owned(),
            count: latency.count(),
            errors: latency.errors,
            mean_ms: latency.mean_ms(),
            p50_ms: latency.quantile_ms(0.5),
            p95_ms: latency.quantile_ms(0.95),
            p99_ms: latency.quantile_ms(0.99),
            max_ms: latency.max_ms(),
            slow: latency.count_from(slow),
        })
    }

    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_are_counted_however_they_end() {
        let statements = Statements::default();
        for outcome in [Ok(()), Err("refused"), Ok(())] {
            assert_eq!(statements.time("dataset orders", async { outcome }).await, outcome);
        }
        let never = statements.time("dataset orders", std::future::pending::<Result<(), ()>>());
        let cut = tokio::time::timeout(Duration::from_millis(20), never).await;
        assert!(cut.is_err());
        let list = statements.list(Duration::from_millis(20));
        assert_eq!((list.len(), list[0].count, list[0].errors, list[0].slow), (1, 4, 2, 1));
        assert!(list[0].p99_ms >= 19.0 && list[0].max_ms >= list[0].p99_ms, "{list:?}");
        statements.clear();
        assert!(statements.list(Duration::ZERO).is_empty());
    }
}
