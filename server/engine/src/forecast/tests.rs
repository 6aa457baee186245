use super::*;
use headroom_model::forecast::{Change, Crossing, Forecast, Planned, Season};
use proptest::prelude::*;

const DAY: usize = 24;

fn noise(i: usize) -> f64 {
    (i * i * 7919 % 1009) as f64 / 504.5 - 1.0
}

/// `per_day` of growth from 100 on, a course of the day and noise.
fn growing(days: usize, per_day: f64) -> Hourly {
    let hour =
        |i: usize| 100.0 + per_day * i as f64 / 24.0 + 3.0 * (i as f64 / 24.0 * std::f64::consts::TAU).sin() + noise(i);
    Hourly { start: Timestamp(1_790_000_000_000), values: (0..days * DAY).map(|i| Some(hour(i))).collect() }
}

fn spoken(verdict: Verdict) -> Forecast {
    match verdict {
        Verdict::Forecast(forecast) => *forecast,
        Verdict::Silent { reason } => panic!("silent: {reason}"),
    }
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::Silent { reason } => reason,
        Verdict::Forecast(_) => panic!("not silent"),
    }
}

fn days_until(crossing: &Crossing) -> f64 {
    match crossing {
        Crossing::Within { p50: Some(days), .. } => *days,
        other => panic!("{other:?}"),
    }
}

#[test]
fn steady_growth_meets_its_limit_when_the_line_does() {
    let input = growing(120, 1.0);
    let ask = Ask { limit: Some(280.0), ..Ask::default() };
    let forecast = spoken(forecast(&input, &ask));
    assert!((days_until(&forecast.crossing) - 60.0).abs() < 1.5, "{:?}", forecast.crossing);
    assert_eq!(forecast.start, input.start.plus_millis(120 * 86_400_000));
    assert_eq!(forecast.median.len(), 90);
    assert!((forecast.growth_per_day - 1.0).abs() < 0.02, "{}", forecast.growth_per_day);
    assert_eq!(forecast.seasons, [Season::Day]);
    let backtest = forecast.backtest.unwrap();
    assert!(backtest.ours.mase < backtest.seasonal_naive.mase, "{backtest:?}");
}

#[test]
fn a_purge_is_a_shift_and_the_crossing_is_on_the_level_after_it() {
    let mut input = growing(120, 1.0);
    input.values[100 * DAY + 5..].iter_mut().flatten().for_each(|value| *value -= 70.0);
    let forecast = spoken(forecast(&input, &Ask { limit: Some(210.0), ..Ask::default() }));
    assert_eq!(forecast.shifts.len(), 1, "{:?}", forecast.shifts);
    assert_eq!(forecast.shifts[0].at, input.start.plus_millis((100 * 24 + 5) * 3_600_000));
    assert!((forecast.shifts[0].by + 70.0).abs() < 1.0, "{:?}", forecast.shifts);
    assert!((days_until(&forecast.crossing) - 60.0).abs() < 2.0, "{:?}", forecast.crossing);
}

#[test]
fn a_new_slope_counts_from_where_it_began() {
    let mut input = growing(180, 1.0);
    for (i, value) in input.values.iter_mut().enumerate().skip(130 * DAY) {
        *value = value.map(|it| it + 2.0 * (i - 130 * DAY) as f64 / 24.0);
    }
    // 100 + 180 + 2 × 50 = 380, then 3 a day.
    let forecast = spoken(forecast(&input, &Ask { limit: Some(530.0), ..Ask::default() }));
    assert!((days_until(&forecast.crossing) - 50.0).abs() < 2.5, "{:?}", forecast.crossing);
}

#[test]
fn flat_and_shrinking_meet_no_limit() {
    for per_day in [0.0, -0.4] {
        let ask = Ask { limit: Some(150.0), horizon_days: 365, ..Ask::default() };
        let forecast = spoken(forecast(&growing(120, per_day), &ask));
        assert_eq!(forecast.crossing, Crossing::Never { within_days: 365 });
    }
}

#[test]
fn what_is_there_already_is_reached_and_no_limit_is_none() {
    let input = growing(40, 1.0);
    let with = |limit| spoken(forecast(&input, &Ask { limit, ..Ask::default() })).crossing;
    assert_eq!(with(Some(120.0)), Crossing::Reached);
    assert_eq!(with(None), Crossing::NoLimit);
}

#[test]
fn a_day_of_history_promises_no_date() {
    let forecast = spoken(forecast(&growing(1, 20.0), &Ask { limit: Some(200.0), ..Ask::default() }));
    assert!(matches!(forecast.crossing, Crossing::Unpromised { .. }), "{:?}", forecast.crossing);
    assert_eq!(forecast.median.len(), 6, "six times the history");
    assert_eq!(forecast.backtest, None);
}

#[test]
fn ten_days_give_a_line_and_a_date() {
    let forecast = spoken(forecast(&growing(10, 2.0), &Ask { limit: Some(160.0), ..Ask::default() }));
    assert!((days_until(&forecast.crossing) - 20.0).abs() < 2.0, "{:?}", forecast.crossing);
    assert!(forecast.model.contains("Theil–Sen"), "{}", forecast.model);
}

#[test]
fn the_peak_of_the_day_crosses_before_its_mean() {
    let input = growing(60, 1.0);
    let until = |measure| {
        days_until(&spoken(forecast(&input, &Ask { limit: Some(200.0), measure, ..Ask::default() })).crossing)
    };
    assert!(until(Measure::DailyPeak) + 2.0 < until(Measure::Level));
}

#[test]
fn silence_says_why() {
    let silent = |values: Vec<Option<f64>>| reason(forecast(&Hourly { start: Timestamp(0), values }, &Ask::default()));
    assert_eq!(silent(Vec::new()), "nothing was measured");
    assert_eq!(silent(vec![None; 90]), "nothing was measured");
    assert!(silent(vec![Some(1.0); 3]).starts_with("3 hours"));
    let mut stale = vec![Some(1.0); 240];
    stale.extend(vec![None; 20 * DAY]);
    assert!(silent(stale).contains("20 days old"));
    let sparse = (0..100 * DAY).map(|i| ((i / DAY).is_multiple_of(5)).then_some(1.0)).collect();
    assert!(silent(sparse).contains("half are needed"));
}

#[test]
fn what_if_changes_the_date() {
    let input = growing(120, 1.0);
    let end = input.start.plus_millis(120 * 86_400_000);
    let until = |what_if: WhatIf| {
        let ask = Ask { limit: Some(280.0), horizon_days: 300, what_if, ..Ask::default() };
        spoken(forecast(&input, &ask)).crossing
    };
    assert!((days_until(&until(WhatIf { growth: 2.0, ..WhatIf::default() })) - 30.0).abs() < 1.5);
    let planned = vec![Planned { at: end.plus_millis(10 * 86_400_000), change: Change::Add(30.0) }];
    assert!((days_until(&until(WhatIf { planned, ..WhatIf::default() })) - 30.0).abs() < 1.5);
    assert!((days_until(&until(WhatIf { limit: Some(300.0), ..WhatIf::default() })) - 80.0).abs() < 2.0);
    assert_eq!(until(WhatIf { growth: 0.0, ..WhatIf::default() }), Crossing::Never { within_days: 300 });
}

#[test]
fn the_same_ask_has_the_same_answer() {
    let ask = Ask { limit: Some(280.0), ..Ask::default() };
    assert_eq!(forecast(&growing(90, 1.0), &ask), forecast(&growing(90, 1.0), &ask));
}

#[test]
fn a_gap_at_the_end_is_looked_across() {
    let mut input = growing(120, 1.0);
    input.values.extend(vec![None; 5 * DAY]);
    let forecast = spoken(forecast(&input, &Ask { limit: Some(280.0), ..Ask::default() }));
    assert_eq!(forecast.start, input.start.plus_millis(125 * 86_400_000));
    assert!((days_until(&forecast.crossing) - 55.0).abs() < 2.0, "{:?}", forecast.crossing);
}

/// Pieces of a history: kinds of hours that break things.
fn piece() -> impl Strategy<Value = Vec<Option<f64>>> {
    let value = prop_oneof![
        6 => -1e3..1e3_f64,
        1 => Just(0.0),
        1 => prop::num::f64::ANY,
    ];
    prop_oneof![
        prop::collection::vec(prop::option::of(value.clone()), 0..200),
        (value.clone(), 0..400_usize).prop_map(|(value, count)| vec![Some(value); count]),
        (0..300_usize).prop_map(|count| vec![None; count]),
        (value, -5.0..5.0_f64, 0..400_usize)
            .prop_map(|(from, by, count)| (0..count).map(|i| Some(from + by * i as f64)).collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn whatever_comes_in_what_comes_out_is_sound(
        pieces in prop::collection::vec(piece(), 0..5),
        horizon_days in 0..800_u32,
        limit in prop::option::of(prop::num::f64::ANY),
        peak: bool,
        bounded: bool,
        growth in prop_oneof![Just(1.0), -3.0..3.0_f64, prop::num::f64::ANY],
        event in prop::option::of((prop::num::i64::ANY, prop::num::f64::ANY, prop::bool::ANY)),
    ) {
        let input = Hourly { start: Timestamp(0), values: pieces.concat() };
        let planned = event.map(|(at, by, multiply)| Planned {
            at: Timestamp(at),
            change: if multiply { Change::Multiply(by) } else { Change::Add(by) },
        });
        let ask = Ask {
            horizon_days,
            limit,
            measure: if peak { Measure::DailyPeak } else { Measure::Level },
            floor: bounded.then_some(0.0),
            ceiling: bounded.then_some(500.0),
            seed: 7,
            what_if: WhatIf { growth, planned: planned.into_iter().collect(), limit: None },
        };
        let Verdict::Forecast(it) = forecast(&input, &ask) else { return Ok(()) };
        let days = it.median.len();
        prop_assert!(days >= 1 && days <= MAX_HORIZON_DAYS as usize);
        for column in [&it.median, &it.low80, &it.high80, &it.low95, &it.high95] {
            prop_assert_eq!(column.len(), days);
            prop_assert!(column.iter().all(|value| value.is_finite()), "{column:?}");
            if bounded {
                prop_assert!(column.iter().all(|value| (0.0..=500.0).contains(value)), "{column:?}");
            }
        }
        for h in 0..days {
            prop_assert!(it.low95[h] <= it.low80[h] && it.low80[h] <= it.high80[h] && it.high80[h] <= it.high95[h], "day {h}");
            prop_assert!(it.low80[h] <= it.median[h] && it.median[h] <= it.high80[h], "day {h}");
        }
        prop_assert!(it.growth_per_day.is_finite());
        if let Some(backtest) = &it.backtest {
            for error in [backtest.ours, backtest.straight_line, backtest.seasonal_naive] {
                prop_assert!(error.mase.is_finite() && error.error.is_finite());
            }
        }
        if let Crossing::Within { p10, p50, p90 } = it.crossing {
            let days = [p10, p50, p90].map(|it| it.unwrap_or(f64::INFINITY));
            prop_assert!(days[0] <= days[1] && days[1] <= days[2], "{days:?}");
        }
    }
}
