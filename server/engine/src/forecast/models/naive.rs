//! As in the week before; with less than two weeks, as on the last day. What every other model must beat.

use super::{Projection, Training};
use crate::forecast::{daily::filled, season::WEEK};

/// The last week (or day) repeated.
pub fn project(of: &Training<'_>, horizon: usize) -> Option<Projection> {
    let bridged = filled(of.days, of.week);
    let period = if bridged.len() < 2 * WEEK { 1 } else { WEEK };
    let last = bridged.get(bridged.len().checked_sub(period)?..)?;
    let level = last.iter().sum::<f64>() / period as f64;
    let season = (0..horizon).map(|h| last[h % period] - level).collect();
    Some(Projection { trend: vec![level; horizon], season })
}
