//! A day and more of statements in moved time: roll-ups, restarts, and what is told of them.

use super::{StatementLog, Step};
use crate::{
    clock::Clock,
    collect::{Counters, Observation, StatementWork, Work, Workload},
    spine::feed::Feed,
    store::{self, EventQuery, HOUR_MS, MINUTE_MS, StateStore},
};
use headroom_model::{
    Sample, TargetId, Timestamp,
    event::{Event, EventKind, NewEvent},
    sample::Figures,
    statements::Sureness,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const NOON: Timestamp = Timestamp(1_795_089_600_000);

struct Stage {
    store: Arc<dyn StateStore>,
    now: Arc<AtomicI64>,
    log: StatementLog,
    feed: Arc<Feed>,
    stop: CancellationToken,
}

fn orders() -> TargetId {
    TargetId("orders".into())
}

/// One statement of a minute: id, calls, mean time, rows a call.
type Ran = (i64, f64, f64, f64);

impl Stage {
    async fn open() -> Self {
        Stage::over(store::open("sqlite::memory:").await.unwrap(), NOON)
    }

    fn over(store: Arc<dyn StateStore>, at: Timestamp) -> Self {
        let now = Arc::new(AtomicI64::new(at.0));
        let told = Arc::clone(&now);
        let clock = Clock::from_fn(move || Timestamp(told.load(Ordering::Relaxed)));
        let (feed, recorder) = Feed::new(store.clone());
        let stop = CancellationToken::new();
        tokio::spawn(recorder.run(stop.clone()));
        Stage { log: StatementLog::new(store.clone(), clock, feed.clone()), feed, store, now, stop }
    }

    fn at(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    /// A minute in which statements ran.
    fn minute(&self, ran: &[Ran]) {
        let statement = |(query_id, calls, mean_ms, rows): &Ran| StatementWork {
            query_id: *query_id,
            text: Some(format!("SELECT $1 FROM table_{query_id}").into()),
            tags: Arc::new([]),
            roles: vec!["shop".into()],
            work: Work {
                calls: *calls,
                time_ms: calls * mean_ms,
                // A deviation of a fifth of the mean.
                squares: calls * mean_ms * mean_ms * 1.04,
                rows: calls * rows,
                nested: 0.0,
                counters: Counters::ZERO,
            },
        };
        let workload = Workload {
            interval: Duration::from_secs(60),
            statements: ran.iter().map(statement).collect(),
            calls: ran.iter().map(|one| one.1).sum(),
            time_ms: ran.iter().map(|one| one.1 * one.2).sum(),
            evicted: false,
            learned: Vec::new(),
        };
        let sample = Sample { target: orders(), at: self.at(), figures: Figures::new() };
        self.log.observe(&Observation { workload: Some(workload), ..Observation::bare(sample, "Not read.") });
        self.now.fetch_add(MINUTE_MS, Ordering::Relaxed);
    }

    /// Some minutes, written as they end.
    async fn minutes(&self, count: i64, ran: &[Ran]) {
        for n in 0..count {
            self.minute(ran);
            if n % 10 == 9 {
                self.log.flush(false).await.unwrap();
            }
        }
        self.log.flush(false).await.unwrap();
    }

    /// Events of statements, newest first. What was told before is stored before the mark that is waited for.
    async fn events(&self) -> Vec<Event> {
        let mark = NewEvent {
            at: self.at(),
            target: None,
            kind: EventKind::Deploy,
            band: None,
            title: "mark".into(),
            detail: None,
            actor: None,
        };
        let marks = EventQuery { kinds: vec![EventKind::Deploy], limit: 500, ..EventQuery::default() };
        let before = self.store.events(&marks).await.unwrap().len();
        self.feed.mark_soon(mark);
        while self.store.events(&marks).await.unwrap().len() == before {
            tokio::task::yield_now().await;
        }
        let query = EventQuery { kinds: vec![EventKind::Statement], limit: 100, ..EventQuery::default() };
        self.store.events(&query).await.unwrap()
    }
}

const USUAL: [Ran; 2] = [(1, 100.0, 10.0, 1.0), (2, 60.0, 5.0, 1.0)];

#[tokio::test]
async fn what_is_rolled_up_is_the_sum_of_its_minutes_across_a_restart() {
    let stage = Stage::open().await;
    stage.minutes(125, &USUAL).await;
    let from = NOON.plus_millis(-HOUR_MS);
    let sums = async |stage: &Stage, step| {
        let slots = stage.log.slots(&orders(), step, (from, stage.at())).await.unwrap();
        let calls: f64 = slots.iter().map(|(_, slot)| slot.statements[&1].calls).sum();
        (slots.len(), calls, slots.iter().map(|(_, slot)| slot.measured_ms).sum::<f64>())
    };
    let whole = (12_500.0, 125.0 * MINUTE_MS as f64);
    for (step, count) in [(Step::Minute, 125), (Step::TenMinutes, 13), (Step::Hour, 3), (Step::Day, 1)] {
        let (slots, calls, measured) = sums(&stage, step).await;
        assert_eq!((slots, calls, measured), (count, whole.0, whole.1), "{step:?}");
    }

    // The console stops within a minute, and another one goes on in the same minute and stretch of ten.
    stage.minute(&USUAL);
    stage.now.fetch_add(-MINUTE_MS / 2, Ordering::Relaxed);
    stage.log.flush(true).await.unwrap();
    stage.stop.cancel();
    let next = Stage::over(stage.store.clone(), stage.at());
    next.minute(&USUAL);
    next.minutes(30, &USUAL).await;
    for step in Step::ALL {
        assert_eq!(sums(&next, step).await.1, 12_500.0 + 3_200.0, "{step:?}");
    }
    let rolled = next.store.statement_span(&orders(), Step::TenMinutes.millis()).await.unwrap().unwrap();
    assert_eq!(rolled.0, NOON);
    let known = next.log.texts(&orders(), vec![1, 3]).await.unwrap();
    assert_eq!((known.len(), known[&1].first_at), (1, NOON));
}

#[tokio::test]
async fn a_slowdown_is_told_once_dated_and_known_as_long_as_it_lasts() {
    let stage = Stage::open().await;
    stage.minutes(8 * 60, &USUAL).await;
    assert_eq!(stage.events().await, []);
    let slow_from = stage.at();
    stage.minutes(50, &[(1, 100.0, 62.0, 1.0), USUAL[1]]).await;
    let slower = stage.log.slower(&orders());
    let [one] = &slower[..] else { panic!("{slower:#?}") };
    assert_eq!((one.query_id, one.regression.sureness, one.regression.usual_ms), (1, Sureness::Sure, 10.0));
    assert_eq!(one.regression.since, Some(slow_from));
    let events = stage.events().await;
    let [told] = &events[..] else { panic!("{events:#?}") };
    assert_eq!(told.event.at, slow_from);
    assert!(told.event.title.contains("times slower than usual"), "{told:?}");
    assert!(told.event.detail.as_ref().unwrap().contains("FROM table_1"), "{told:?}");
    stage.minutes(90, &USUAL).await;
    assert_eq!(stage.log.slower(&orders()), []);
}

#[tokio::test]
async fn statements_that_came_and_went_are_told_of_a_few_at_a_time() {
    let stage = Stage::open().await;
    stage.minutes(30, &USUAL).await;
    assert_eq!(stage.events().await, [], "at first everything is new");
    stage.minutes(24 * 60, &USUAL).await;
    let many: Vec<Ran> = (10..16).map(|id| (id, 50.0, 8.0, 1.0)).chain([USUAL[0]]).collect();
    // The second statement stops, six others begin.
    stage.minutes(100, &many).await;
    let events = stage.events().await;
    let titled = |start: &str| events.iter().filter(|event| event.event.title.starts_with(start)).collect::<Vec<_>>();
    let new = titled("New statement");
    assert_eq!(new.len(), 3, "{events:#?}");
    assert!(new.iter().any(|event| event.event.detail.as_ref().unwrap().ends_with("and 3 more new statements")));
    let gone = titled("A statement no longer runs");
    assert_eq!(gone.len(), 1, "{events:#?}");
    assert!(gone[0].event.detail.as_ref().unwrap().contains("FROM table_2"));
}

#[tokio::test]
async fn a_lookup_a_row_is_found_within_minutes() {
    let stage = Stage::open().await;
    for lists in [10.0, 12.0, 9.0, 11.0, 14.0, 10.0, 12.0] {
        stage.minute(&[(1, lists, 2.0, 20.0), (2, lists * 20.0, 0.1, 1.0)]);
    }
    let found = stage.log.patterns(&orders());
    let [one] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((one.list_id.as_str(), one.lookup_id.as_str(), one.per_call), ("1", "2", 20.0));
    // Nobody reads any more: it is not told as if it went on.
    stage.now.fetch_add(20 * MINUTE_MS, Ordering::Relaxed);
    assert_eq!(stage.log.patterns(&orders()), []);
}
