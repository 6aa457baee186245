//! Takes turns and keeps the medians.

use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Samples of one turn; a turn that would take more ends earlier.
const SAMPLES_MAX: usize = 1 << 18;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long turns are taken before any counts: connections, branches, and what adapts itself to the traffic.
    pub warm: Duration,
    /// Turns of everyone. The result is the median over them.
    pub rounds: usize,
    /// How long a turn lasts.
    pub turn: Duration,
    /// Calls that are timed together, where one takes no longer than reading the clock.
    pub batch: usize,
}

/// A thing to measure. What it answers is checked inside; the timing includes that check.
pub struct Subject<'a> {
    name: &'static str,
    calls: Box<dyn Fn(usize, usize) -> BoxFuture<'a, ()> + 'a>,
    /// Whether its calls answer without waiting, so that what they allocate can be counted.
    is_ready: bool,
}

impl<'a> Subject<'a> {
    /// `call` makes the call with a number: they count up, from 0.
    pub fn new<C, F>(name: &'static str, call: C) -> Self
    where
        C: Fn(usize) -> F + Send + Sync + 'a,
        F: Future<Output = ()> + Send + 'a,
    {
        let call = Arc::new(call);
        let calls = move |first: usize, count: usize| -> BoxFuture<'a, ()> {
            let call = call.clone();
            Box::pin(async move {
                for number in first..first + count {
                    call(number).await;
                }
            })
        };
        Subject { name, calls: Box::new(calls), is_ready: false }
    }

    /// Marks one whose calls answer without waiting.
    pub fn ready(mut self) -> Self {
        self.is_ready = true;
        self
    }

    /// Allocations of a call. The one of the batch itself is made before counting.
    fn allocations(&self) -> Option<f64> {
        const CALLS: usize = 10_000;
        let mut batch = self.is_ready.then(|| (self.calls)(0, CALLS))?;
        let counted = allocation_counter::measure(|| {
            assert!(poll_once(&mut batch), "{}: a hit in memory waited", self.name);
        });
        Some(counted.count_total as f64 / CALLS as f64)
    }
}

fn poll_once(future: &mut BoxFuture<'_, ()>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_ready()
}

/// Times of one call, in nanoseconds.
#[derive(Debug)]
pub struct Figures {
    name: &'static str,
    p50: f64,
    p99: f64,
    /// Lowest and highest median of a turn: how steady the machine was.
    lowest: f64,
    highest: f64,
    calls: usize,
    allocations: Option<f64>,
}

impl Figures {
    /// As the report has it.
    pub fn report(&self) -> Value {
        json!({
            "name": self.name,
            "p50Ns": self.p50,
            "p99Ns": self.p99,
            "lowestNs": self.lowest,
            "highestNs": self.highest,
            "calls": self.calls,
            "allocations": self.allocations,
        })
    }
}

/// Measures all subjects in turns. Who begins changes from round to round.
pub async fn compare(subjects: &[Subject<'_>], plan: &Plan) -> Vec<Figures> {
    let mut turns: Vec<Vec<(f64, f64)>> = vec![Vec::new(); subjects.len()];
    let mut calls = vec![0; subjects.len()];
    let begun = Instant::now();
    while begun.elapsed() < plan.warm {
        for subject in subjects {
            turn(subject, plan, 0).await;
        }
    }
    for round in 0..plan.rounds {
        for place in 0..subjects.len() {
            let which = (round + place) % subjects.len();
            let mut samples = turn(&subjects[which], plan, calls[which]).await;
            calls[which] += samples.len() * plan.batch;
            samples.sort_unstable();
            let per_call = |rank: f64| quantile(&samples, rank) as f64 / plan.batch as f64;
            turns[which].push((per_call(0.5), per_call(0.99)));
        }
    }
    let figures = subjects.iter().zip(turns).zip(calls).map(|((subject, turns), calls)| {
        let mut medians: Vec<f64> = turns.iter().map(|turn| turn.0).collect();
        let mut tails: Vec<f64> = turns.iter().map(|turn| turn.1).collect();
        medians.sort_unstable_by(f64::total_cmp);
        tails.sort_unstable_by(f64::total_cmp);
        Figures {
            name: subject.name,
            p50: medians[medians.len() / 2],
            p99: tails[tails.len() / 2],
            lowest: medians[0],
            highest: medians[medians.len() - 1],
            calls,
            allocations: subject.allocations(),
        }
    });
    figures.collect()
}

/// Nanoseconds of one batch after another, until the turn is over.
async fn turn(subject: &Subject<'_>, plan: &Plan, first: usize) -> Vec<u64> {
    let mut samples = Vec::with_capacity(4096);
    let begun = Instant::now();
    let mut next = first;
    while samples.len() < SAMPLES_MAX && (begun.elapsed() < plan.turn || samples.is_empty()) {
        let batch = (subject.calls)(next, plan.batch);
        let start = Instant::now();
        batch.await;
        samples.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        next += plan.batch;
        if samples.len() % 64 == 0 {
            // The caches' own tasks live on this thread too.
            tokio::task::yield_now().await;
        }
    }
    samples
}

/// The nearest rank.
fn quantile(sorted: &[u64], rank: f64) -> u64 {
    let place = (rank * sorted.len() as f64).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}
