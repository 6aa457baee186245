//! History: five-second samples of the last hour in memory, minutes and hours in the state store, one way to ask.

use crate::{
    clock::Clock,
    store::{Retention, StateStore, StoreError},
};
use headroom_model::{MetricId, Sample, TargetId, Timestamp, range::Resolved, series::Series};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Samples on their way into the store, and the way back as series.
#[derive(Debug)]
pub struct History {}

impl History {
    /// A history over a store.
    #[must_use]
    pub fn new(_store: Arc<dyn StateStore>, _clock: Clock, _retention: Retention) -> Self {
        unimplemented!()
    }

    /// Takes a sample in: ring and minute. Never waits; bounded.
    pub fn observe(&self, _sample: &Sample) {
        unimplemented!()
    }

    /// Series of at most [`headroom_model::series::MAX_POINTS`] slots: from memory where the range lies in the last
    /// hour, else from the store joined with the minutes not yet written.
    pub async fn series(
        &self,
        _target: &TargetId,
        _metrics: &[MetricId],
        _range: Resolved,
    ) -> Result<Vec<Series>, StoreError> {
        unimplemented!()
    }

    /// When the history of a target starts.
    pub async fn starts(&self, _target: &TargetId) -> Result<Option<Timestamp>, StoreError> {
        unimplemented!()
    }

    /// Writes what is pending. Complete minutes only, unless `all`.
    pub async fn flush(&self, _all: bool) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Flushes every minute and keeps the store within its retention, until told to stop; then flushes all.
    pub async fn run(&self, _stop: CancellationToken) {
        unimplemented!()
    }
}
