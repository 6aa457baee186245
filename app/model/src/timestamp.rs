//! A moment: milliseconds since the Unix epoch, UTC. Exact in JSON and in JavaScript until the year 287396.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment as a calendar date, clamped to what the calendar can express (±9999 years).
    #[must_use]
    pub fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).unwrap_or_else(|_| {
            let end = if self.0 < 0 { PrimitiveDateTime::MIN } else { PrimitiveDateTime::MAX };
            end.assume_utc()
        })
    }

    /// RFC 3339 in UTC, for `<time datetime>`, exports and logs.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.to_utc().format(&Rfc3339).unwrap_or_default()
    }

    /// Time passed since `earlier`; zero when `earlier` lies in the future.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment moved by `millis`, saturating.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }

    /// The start of the `step_ms` slot that holds this moment. A step below 1 counts as 1.
    #[must_use]
    pub fn floor_to(self, step_ms: i64) -> Timestamp {
        let step = step_ms.max(1);
        Timestamp(self.0.div_euclid(step).saturating_mul(step))
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        Timestamp(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
    }
}
