//! Where a stretch of history comes from when this console did not measure it: imported from elsewhere, or generated for
//! the demo.

use crate::{TargetId, Timestamp};
use serde::{Deserialize, Serialize};

/// A stretch of a target's history that was imported or generated. Pages that show a part of it say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Its number in the state store.
    pub id: i64,
    /// Whose history.
    pub target: TargetId,
    /// Start of its oldest point.
    pub from: Timestamp,
    /// End of its newest point, exclusive.
    pub to: Timestamp,
    /// Where it comes from, in the words of whoever imported it: a file's name, a monitoring system.
    pub source: String,
    /// Whether it was made up (the demo's past) rather than measured elsewhere.
    pub generated: bool,
    /// How many metrics it has points of.
    pub metrics: u32,
    /// How many points were taken over.
    pub points: u64,
    /// When it was imported.
    pub at: Timestamp,
    /// Who imported it.
    pub actor: String,
}

impl Origin {
    /// Whether it has points in a range.
    #[must_use]
    pub fn touches(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from < to && from < self.to
    }
}

/// Points of an import that were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// This console measured there itself: what was measured wins.
    pub measured: u64,
    /// An earlier import has them already, or an earlier line of the same file.
    pub present: u64,
    /// Older than what is kept.
    pub too_old: u64,
    /// Of the newest minutes, which a running console may still be measuring.
    pub too_new: u64,
    /// Of another target, by their labels.
    pub other_target: u64,
}

impl Skipped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.measured + self.present + self.too_old + self.too_new + self.other_target
    }
}

/// What an import did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Whose history.
    pub target: TargetId,
    /// Whether nothing was written: a rehearsal.
    pub dry_run: bool,
    /// Lines read.
    pub lines: u64,
    /// Points taken over.
    pub points: u64,
    /// Metrics they are of.
    pub metrics: u32,
    /// Start of the oldest point taken over; null when there is none.
    pub from: Option<Timestamp>,
    /// End of the newest one.
    pub to: Option<Timestamp>,
    /// Points left out, by reason.
    pub skipped: Skipped,
    /// The number of the new stretch; null when nothing new was in the file, or nothing was written.
    pub id: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_touches_what_it_overlaps() {
        let origin = Origin {
            id: 1,
            target: TargetId("orders".into()),
            from: Timestamp(100),
            to: Timestamp(200),
            source: "old.csv".into(),
            generated: false,
            metrics: 1,
            points: 1,
            at: Timestamp(300),
            actor: "ada".into(),
        };
        assert!(origin.touches(Timestamp(199), Timestamp(300)) && origin.touches(Timestamp(0), Timestamp(101)));
        assert!(!origin.touches(Timestamp(200), Timestamp(300)) && !origin.touches(Timestamp(0), Timestamp(100)));
    }
}
