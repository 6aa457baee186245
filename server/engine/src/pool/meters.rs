//! What a lane measures: how long callers wait, how long connections are used, how long opening one takes; and how busy its
//! busiest minute was.

use super::lock;
use crate::latencies::{MINUTE_MICROS, micros_to};
use hdrhistogram::Histogram;
use headroom_model::pool::{Distribution, Sizing};
use std::{collections::VecDeque, sync::Mutex, time::Duration};
use tokio::time::Instant;

/// Minutes that are kept for the advice.
const MINUTES: usize = 60;
/// A lane should be busy for this share of its places in its busiest minute, not more.
const GOAL: f64 = 0.7;

pub(super) struct Meters(Mutex<Inner>);

struct Inner {
    acquire: Histogram<u32>,
    usage: Histogram<u32>,
    creation: Histogram<u32>,
    busy: Busy,
}

/// Acquires and time in use by minute since the lane began.
struct Busy {
    origin: Instant,
    /// (number of the minute, acquires, seconds in use), oldest first, at most [`MINUTES`].
    minutes: VecDeque<(u64, u64, f64)>,
}

impl Default for Meters {
    fn default() -> Self {
        Meters(Mutex::new(Inner {
            acquire: micros_to(MINUTE_MICROS, 2),
            // A connection may be held for an hour and more.
            usage: micros_to(120 * MINUTE_MICROS, 2),
            creation: micros_to(MINUTE_MICROS, 2),
            busy: Busy { origin: Instant::now(), minutes: VecDeque::new() },
        }))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

impl Meters {
    /// A caller was served after so long.
    pub(super) fn acquired(&self, waited: Duration, now: Instant) {
        let mut inner = lock(&self.0);
        inner.acquire.saturating_record(micros(waited));
        let minute = inner.busy.minute_of(now);
        if let Some((_, acquires, _)) = inner.busy.at(minute) {
            *acquires += 1;
        }
    }

    /// A connection was in use from `since` to `now`.
    pub(super) fn used(&self, since: Instant, now: Instant) {
        let mut inner = lock(&self.0);
        inner.usage.saturating_record(micros(now.duration_since(since)));
        inner.busy.used(since, now);
    }

    /// A connection was opened.
    pub(super) fn created(&self, took: Duration) {
        lock(&self.0).creation.saturating_record(micros(took));
    }

    /// Distributions of waits, uses and creations.
    pub(super) fn distributions(&self) -> [Distribution; 3] {
        let inner = lock(&self.0);
        [&inner.acquire, &inner.usage, &inner.creation].map(distribution)
    }

    pub(super) fn sizing(&self, now: Instant) -> Option<Sizing> {
        lock(&self.0).busy.sizing(now)
    }

    pub(super) fn clear(&self) {
        let mut inner = lock(&self.0);
        inner.acquire.reset();
        inner.usage.reset();
        inner.creation.reset();
        inner.busy = Busy { origin: Instant::now(), minutes: VecDeque::new() };
    }
}

fn distribution(histogram: &Histogram<u32>) -> Distribution {
    #[expect(clippy::cast_precision_loss, reason = "at most 7.2e9")]
    let ms = |value: u64| (!histogram.is_empty()).then_some(value as f64 / 1000.0);
    Distribution {
        count: histogram.len(),
        p50_ms: ms(histogram.value_at_quantile(0.5)),
        p95_ms: ms(histogram.value_at_quantile(0.95)),
        p99_ms: ms(histogram.value_at_quantile(0.99)),
        max_ms: ms(histogram.max()),
    }
}

impl Busy {
    fn minute_of(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_secs() / 60
    }

    /// The entry of a minute, made if it is not past keeping.
    fn at(&mut self, minute: u64) -> Option<&mut (u64, u64, f64)> {
        let newest = self.minutes.back().map_or(minute, |last| last.0.max(minute));
        let oldest = newest.saturating_sub(MINUTES as u64 - 1);
        while self.minutes.front().is_some_and(|first| first.0 < oldest) {
            self.minutes.pop_front();
        }
        if minute < oldest {
            return None;
        }
        let place = self.minutes.partition_point(|entry| entry.0 < minute);
        if self.minutes.get(place).is_none_or(|entry| entry.0 != minute) {
            self.minutes.insert(place, (minute, 0, 0.0));
        }
        self.minutes.get_mut(place)
    }

    /// Shares a use out among the minutes that it lasted.
    fn used(&mut self, since: Instant, now: Instant) {
        let last = self.minute_of(now);
        let first = self.minute_of(since).max(last.saturating_sub(MINUTES as u64 - 1));
        for minute in first..=last {
            let starts = self.origin + Duration::from_secs(minute * 60);
            let ends = starts + Duration::from_secs(60);
            let part = now.min(ends).saturating_duration_since(since.max(starts));
            if let Some((_, _, seconds)) = self.at(minute) {
                *seconds += part.as_secs_f64();
            }
        }
    }

    /// Little's law: λ callers a second that each use a connection for S seconds keep λ·S connections busy. None before a
    /// whole minute with callers has passed.
    fn sizing(&self, now: Instant) -> Option<Sizing> {
        let current = self.minute_of(now);
        let oldest = (current + 1).saturating_sub(MINUTES as u64);
        let whole = self.minutes.iter().filter(|entry| (oldest..current).contains(&entry.0) && entry.1 > 0);
        let (_, acquires, seconds) = whole.max_by(|a, b| a.2.total_cmp(&b.2))?;
        #[expect(clippy::cast_precision_loss, reason = "acquires of one minute")]
        let acquires = *acquires as f64;
        let busy = seconds / 60.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded below 1 and far below 2³²"
        )]
        let advised = (busy / GOAL).ceil().max(1.0) as u32;
        Some(Sizing { rate: acquires / 60.0, usage_ms: seconds / acquires * 1000.0, busy, advised })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_minute_sizes_the_lane() {
        let meters = Meters::default();
        let start = Instant::now();
        let at = |secs: f64| start + Duration::from_secs_f64(secs);
        // A quiet minute, then one in which 600 callers hold a connection for 0.5 s each: five are busy.
        meters.acquired(Duration::from_millis(1), at(3.0));
        meters.used(at(3.0), at(3.5));
        for n in 0..600 {
            let taken = 60.0 + f64::from(n) * 0.0991;
            meters.acquired(Duration::from_millis(1), at(taken));
            meters.used(at(taken), at(taken + 0.5));
        }
        assert_eq!(meters.sizing(at(30.0)), None, "no minute has passed");
        let sizing = meters.sizing(at(125.0)).unwrap();
        assert!((sizing.rate - 10.0).abs() < 0.01 && (sizing.usage_ms - 500.0).abs() < 5.0, "{sizing:?}");
        assert!((sizing.busy - 5.0).abs() < 0.05 && sizing.advised == 8, "{sizing:?}");
        // One connection held for half an hour keeps one busy, not thirty.
        meters.used(at(200.0), at(2000.0));
        assert_eq!(meters.sizing(at(2001.0)).unwrap().advised, 8);
        // An hour later the busy minute is forgotten.
        meters.acquired(Duration::from_millis(1), at(4000.0));
        meters.used(at(4000.0), at(4001.0));
        assert_eq!(meters.sizing(at(7300.0)).unwrap().advised, 1);
        let [acquire, usage, creation] = meters.distributions();
        assert_eq!((acquire.count, usage.count, creation.count, creation.p50_ms), (602, 603, 0, None));
    }
}
