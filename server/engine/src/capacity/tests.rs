use super::{
    subject::{Known, Subject},
    *,
};
use crate::{
    store::{HOUR_MS, MinuteRow, Retention, Tally, open},
    target::CapacityLimits,
};
use headroom_model::{
    MetricId as M,
    capacity::{LimitSource, Past, RESERVE_DAYS},
    forecast::{Crossing, Forecast, Measure},
    sample::Figures,
};
use uuid::Uuid;

const DAY_MS: i64 = 24 * HOUR_MS;
/// Midnight.
const NOW: Timestamp = Timestamp(1_795_046_400_000);
const GIB: f64 = 1_073_741_824.0;

fn target() -> TargetId {
    TargetId("orders".into())
}

/// A value by how many days ago it was.
type Course = fn(f64) -> f64;

/// Hours of a metric up to now, by how many days ago they were.
async fn hours(metrics: &[(M, Course)], days: i64) -> Hours {
    let store = open("sqlite::memory:").await.unwrap();
    for (metric, value) in metrics {
        let rows: Vec<MinuteRow> = (1..=days * 24)
            .map(|ago| MinuteRow {
                metric: *metric,
                at: NOW.plus_millis(-ago * HOUR_MS),
                tally: Tally::of(value(ago as f64 / 24.0)),
            })
            .collect();
        store.merge_minutes(Uuid::now_v7(), &target(), &rows).await.unwrap();
    }
    let history = History::new(store, Clock::system(), Retention::default());
    let metrics: Vec<M> = Resource::ALL.iter().flat_map(|of| subject::metrics(*of)).copied().collect();
    history.hours(&target(), &metrics, NOW.plus_millis(-PAST_MS), NOW).await.unwrap()
}

fn subject(hours: &Hours, resource: Resource, figures: &[(M, f64)], limits: CapacityLimits) -> Subject {
    let figures: Figures = figures.iter().copied().collect();
    subject::of(resource, &Known { hours, figures: &figures, limits: &limits, has_redis: false })
}

#[tokio::test]
async fn storage_takes_the_limit_that_is_known_best() {
    let database = |ago: f64| (100.0 - ago) * GIB;
    let both = hours(&[(M::DatabaseSize, database), (M::HostDiskUsed, |ago| (300.0 - ago) * GIB)], 20).await;
    let figures = [(M::DatabaseSize, 100.0 * GIB), (M::HostDiskUsed, 300.0 * GIB), (M::HostDiskSize, 500.0 * GIB)];
    let disk = subject(&both, Resource::Storage, &figures, CapacityLimits::default());
    assert_eq!((disk.metrics.as_slice(), disk.limit.unwrap().value), (&[M::HostDiskUsed][..], 500.0 * GIB));

    // A configured limit is one of the databases.
    let limits = CapacityLimits { storage_bytes: Some(150 << 30), ..CapacityLimits::default() };
    let configured = subject(&both, Resource::Storage, &figures, limits);
    assert_eq!(configured.metrics, [M::DatabaseSize]);
    let limit = configured.limit.unwrap();
    assert_eq!((limit.value, limit.source), (150.0 * GIB, LimitSource::Configuration));

    // The database was watched for long, the disk is known only now: what is free is its room.
    let alone = hours(&[(M::DatabaseSize, database)], 20).await;
    let free = subject(&alone, Resource::Storage, &figures, CapacityLimits::default());
    assert_eq!((free.metrics.as_slice(), free.limit.unwrap().value), (&[M::DatabaseSize][..], 300.0 * GIB));

    // With its log, where that was measured as long.
    let logged = hours(&[(M::DatabaseSize, database), (M::WalSize, |_| GIB)], 20).await;
    let sum = subject(&logged, Resource::Storage, &[], CapacityLimits::default());
    assert_eq!(sum.metrics, [M::DatabaseSize, M::WalSize]);
    assert!((sum.hours.last().unwrap().unwrap() / GIB - (101.0 - 1.0 / 24.0)).abs() < 1e-6);
    assert!(sum.limit.is_none() && sum.limit_help.unwrap().contains("storage = "));
}

#[tokio::test]
async fn what_is_not_measured_says_why_and_is_never_zero() {
    let nothing = hours(&[], 1).await;
    for resource in Resource::ALL {
        let subject = subject(&nothing, *resource, &[], CapacityLimits::default());
        assert!(subject.absent.is_some() && subject.hours.is_empty() && subject.current().is_none(), "{subject:?}");
        let report = forecast_of(subject, &WhatIf::default());
        assert!(
            matches!(report.verdict, Verdict::Silent { .. })
                && report.urgency.is_none()
                && report.past.values.is_empty()
        );
    }
    let queue = subject(&nothing, Resource::QueueDepth, &[], CapacityLimits::default());
    assert_eq!(queue.absent.as_deref(), Some("There is no job queue on this target."));
}

#[tokio::test]
async fn peaks_and_levels_are_told_apart_by_day() {
    // Each day ends one higher; at noon there is a peak.
    let course = |ago: f64| if (ago.fract() - 0.5).abs() < 0.01 { 90.0 } else { 10.0 };
    let known = hours(&[(M::Connections, course), (M::TransactionIdAge, course)], 3).await;
    let peak = subject(&known, Resource::Connections, &[(M::ConnectionsMax, 97.0)], CapacityLimits::default());
    assert_eq!(
        (peak.measure, peak.current(), peak.past().values),
        (Measure::DailyPeak, Some(90.0), vec![Some(90.0); 3])
    );
    let level = subject(&known, Resource::TransactionIds, &[], CapacityLimits::default());
    let mean = (23.0 * 10.0 + 90.0) / 24.0;
    assert_eq!((level.measure, level.current()), (Measure::Level, Some(mean)));
    let past = level.past();
    assert_eq!((past.from, past.values.len()), (NOW.plus_millis(-3 * DAY_MS), 3));
}

#[tokio::test]
async fn a_question_moves_the_date_and_nothing_else() {
    let known = hours(&[(M::DatabaseSize, |ago| (100.0 - ago) * GIB)], 90).await;
    let limits = CapacityLimits { storage_bytes: Some(130 << 30), ..CapacityLimits::default() };
    let storage = subject(&known, Resource::Storage, &[], limits);
    let days = |changes: WhatIf| forecast_of(storage.clone(), &changes).reaches(MAX_HORIZON_DAYS).median();
    let present = days(WhatIf::default()).unwrap();
    assert!((present - 30.0).abs() < 2.0, "{present}");
    let faster = days(WhatIf { growth: 2.0, ..WhatIf::default() }).unwrap();
    assert!((faster - 15.0).abs() < 2.0, "{faster}");
    assert_eq!(days(WhatIf { growth: 0.0, ..WhatIf::default() }), None);
    let larger = days(WhatIf { limit: Some(160.0 * GIB), ..WhatIf::default() }).unwrap();
    assert!((larger - 60.0).abs() < 4.0, "{larger}");
    assert_eq!(days(WhatIf::default()), Some(present));
}

/// A forecast that grows by one a day from 100, its upper edge by 1.25.
fn growing(resource: Resource, limit: f64, crossing: Crossing) -> ResourceReport {
    let days = |slope: f64| (0..MAX_HORIZON_DAYS).map(|day| 100.0 + f64::from(day) * slope).collect::<Vec<f64>>();
    let forecast = Forecast {
        start: NOW,
        step_ms: DAY_MS,
        median: days(1.0),
        low80: days(0.75),
        high80: days(1.25),
        low95: days(0.5),
        high95: days(1.5),
        measure: Measure::Level,
        model: "line".into(),
        history_days: 60.0,
        growth_per_day: 1.0,
        backtest: None,
        shifts: Vec::new(),
        shifts_recur: false,
        spikes: 0,
        gaps: 0,
        seasons: Vec::new(),
        crossing,
    };
    let values = (0..60).map(|day| Some(f64::from(day))).collect();
    ResourceReport {
        current: Some(100.0),
        limit: Some(Limit { value: limit, source: LimitSource::Server, label: "limit".into() }),
        past: Past { from: NOW.plus_millis(-60 * DAY_MS), step_ms: DAY_MS, values },
        verdict: Verdict::Forecast(Box::new(forecast)),
        ..ResourceReport::empty(resource, Unit::Count)
    }
}

fn dashboard(resources: Vec<ResourceReport>) -> CapacityDashboard {
    CapacityDashboard {
        target: target(),
        computed_at: NOW,
        computed_in_ms: 1.0,
        horizon_days: MAX_HORIZON_DAYS,
        resources,
    }
}

fn within(p10: f64, p50: f64) -> Crossing {
    Crossing::Within { p10: Some(p10), p50: Some(p50), p90: None }
}

#[test]
fn the_nearest_limit_comes_first_and_the_unknown_last() {
    let mut silent = growing(Resource::Cpu, 1.0, Crossing::NoLimit);
    silent.verdict = Verdict::Silent { reason: "too short".into() };
    let full = dashboard(vec![
        silent,
        growing(Resource::Memory, 500.0, Crossing::Never { within_days: MAX_HORIZON_DAYS }),
        growing(Resource::Connections, 200.0, within(80.0, 100.0)),
        growing(Resource::Storage, 150.0, within(40.0, 50.0)),
    ]);
    let order = |days| -> Vec<Resource> {
        view::dashboard(&full, days, Detail::Chart).resources.iter().map(|report| report.resource).collect()
    };
    let expected = [Resource::Storage, Resource::Connections, Resource::Memory, Resource::Cpu];
    assert_eq!(order(180), expected);
    assert_eq!(order(60), expected, "by used share where no date is in sight");
    let ranked = rank(&view::dashboard(&full, 180, Detail::Chart));
    assert_eq!((ranked[0].rank, ranked[0].reaches.as_str()), (1, "in 50 days (40–over 180)"));
    assert!(ranked.iter().all(|bottleneck| !bottleneck.consequence.is_empty()));
}

#[test]
fn a_shorter_view_keeps_the_ends() {
    let report = growing(Resource::Storage, 150.0, within(40.0, 50.0));
    let near = view::shorten(&report, 30, Detail::Days);
    let forecast = near.forecast().unwrap();
    assert_eq!((forecast.median.len(), &forecast.crossing), (30, &Crossing::Never { within_days: 30 }));
    assert_eq!((near.past.values.len(), near.past.values[29]), (30, Some(59.0)));
    assert_eq!(near.past.from, NOW.plus_millis(-30 * DAY_MS));
    let far = view::shorten(&report, MAX_HORIZON_DAYS, Detail::Chart);
    let forecast = far.forecast().unwrap();
    assert_eq!((forecast.step_ms, forecast.median.len(), forecast.median[1]), (4 * DAY_MS, 183, 104.0));
    assert_eq!((far.past.values.len(), far.past.values[0]), (15, Some(1.5)), "the mean of four days");
    assert_eq!(far.past.from, NOW.plus_millis(-60 * DAY_MS));
}

#[test]
fn a_plan_stays_clear_of_the_earliest_limit() {
    let plan = plan::draw(&dashboard(vec![growing(Resource::Connections, 150.0, within(40.0, 50.0))]), 700, NOW);
    let steps: Vec<_> = plan.steps().collect();
    assert!(steps.len() >= 2, "{plan:#?}");
    // The earliest date is day 40; the plan acts a reserve before.
    assert_eq!(steps[0].by, NOW.plus_millis((40 - i64::from(RESERVE_DAYS)) * DAY_MS));
    assert!(!steps[0].overdue && steps[0].step.contains("max_connections"), "{plan:#?}");
    assert!(steps.windows(2).all(|pair| pair[0].by < pair[1].by));
    assert!(
        plan.months.iter().all(|month| month.steps.iter().all(|step| step.by.to_rfc3339().starts_with(&month.month)))
    );

    let late = plan::draw(&dashboard(vec![growing(Resource::Storage, 105.0, within(4.0, 5.0))]), 60, NOW);
    let first = late.steps().next().unwrap();
    assert!(first.overdue && first.by == NOW, "{late:#?}");

    let mut silent = growing(Resource::Cpu, 1.0, Crossing::NoLimit);
    silent.verdict = Verdict::Silent { reason: "too short".into() };
    let never = growing(Resource::Memory, 500.0, Crossing::Never { within_days: MAX_HORIZON_DAYS });
    let nothing = plan::draw(&dashboard(vec![silent, never]), 700, NOW);
    assert!(nothing.months.is_empty());
    assert_eq!(nothing.unplanned, ["CPU: too short"]);
}

#[test]
fn only_a_near_limit_is_an_issue() {
    let near = near_limits(&dashboard(vec![
        growing(Resource::Storage, 150.0, within(9.0, 12.0)),
        growing(Resource::Connections, 150.0, within(20.0, 31.0)),
    ]));
    assert_eq!(near.len(), 1);
    assert_eq!(near[0].title, "Storage reaches its limit in 12 days (9–over 180): 100 of 150");
    assert_eq!(near[0].band, Some(Band::Critical));
    let Some(Remedy::Open(link)) = &near[0].remedy else { panic!("{near:?}") };
    assert_eq!(link.href, "/capacity?target=orders");
}
