//! Datasets: what each holds, how often it helps, and what is wrong with it. Without any: how to define one.

use super::{PATH, store::use_store, view::DATASETS};
use crate::{
    components::{
        list::{read_order, written_order},
        sort::SortHead,
        status::{Mark, class},
    },
    layout::use_frame,
};
use headroom_model::{
    Band, MetricId,
    cache::{ClassReport, EXAMPLE_DATASET},
    format::{self, MISSING},
    metric::Unit,
};
use leptos::prelude::*;

/// Below this many lookups a share says little.
const FEW: u64 = 20;
/// More of what left than this share, in percent, was evicted for lack of room.
const EVICTED: f64 = 10.0;
/// Failed loads above this share, in percent.
const FAILING: f64 = 1.0;

/// What stands in the last column: a status and a word.
fn note(report: &ClassReport, target: Option<f64>) -> (Option<Band>, &'static str) {
    let counters = &report.counters;
    let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 };
    let lookups = counters.hits() + counters.misses;
    let loads = counters.loads + counters.load_errors;
    let left = counters.evicted + counters.expired + counters.invalidated;
    if counters.load_errors > 0 && share(counters.load_errors, loads) > FAILING {
        let band = if counters.loads == 0 { Band::Critical } else { Band::Degraded };
        return (Some(band), "loads fail");
    }
    if lookups == 0 {
        return (None, if report.memory_keys > 0 { "warmed, not read yet" } else { "not read yet" });
    }
    if report.mode == "none" {
        return (None, "not cached");
    }
    if left >= FEW && share(counters.evicted, left) > EVICTED {
        return (Some(Band::Degraded), "evicted early");
    }
    let Some(rate) = counters.hit_rate().filter(|_| lookups >= FEW) else { return (None, "few lookups") };
    match target {
        Some(target) if rate < target => (Some(Band::Degraded), "below the target"),
        _ if rate >= 95.0 => (Some(Band::Excellent), "Excellent"),
        _ => (Some(Band::Good), "Good"),
    }
}

/// What datasets are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Keys,
    Memory,
    HitRate,
    Misses,
}

impl Column {
    const ALL: [Column; 5] = [Column::Name, Column::Keys, Column::Memory, Column::HitRate, Column::Misses];

    fn name(self) -> &'static str {
        match self {
            Column::Name => "name",
            Column::Keys => "keys",
            Column::Memory => "memory",
            Column::HitRate => "hit-rate",
            Column::Misses => "misses",
        }
    }
}

/// Sorts datasets; those without a hit rate come last, whichever way.
fn sort(reports: &mut [ClassReport], by: Column, descending: bool) {
    reports.sort_by(|a, b| {
        let turned = |order: std::cmp::Ordering| if descending { order.reverse() } else { order };
        let order = match by {
            Column::Name => turned(a.class.cmp(&b.class)),
            Column::Keys => turned(a.memory_keys.cmp(&b.memory_keys)),
            Column::Memory => turned(a.memory_bytes.cmp(&b.memory_bytes)),
            Column::Misses => turned(a.counters.misses.cmp(&b.counters.misses)),
            Column::HitRate => match (a.counters.hit_rate(), b.counters.hit_rate()) {
                (Some(a), Some(b)) => turned(a.total_cmp(&b)),
                (a, b) => a.is_none().cmp(&b.is_none()),
            },
        };
        order.then_with(|| a.class.cmp(&b.class))
    });
}

/// The sheet.
#[component]
pub fn Datasets() -> impl IntoView {
    let (frame, store) = (use_frame(), use_store());
    let order = Memo::new(move |_| {
        let asked = frame.query.with(|query| query.get(DATASETS)).and_then(|text| {
            let (name, descending) = read_order(&text);
            Column::ALL.into_iter().find(|column| column.name() == name).map(|column| (column, descending))
        });
        asked.unwrap_or((Column::HitRate, false))
    });
    let reports = Memo::new(move |_| {
        let mut reports = store.report.with(|report| report.classes.clone());
        let (by, descending) = order.get();
        sort(&mut reports, by, descending);
        reports
    });
    let target = Memo::new(move |_| {
        store.past.timeline.with(|past| {
            let limits = past.as_ref()?.limits.iter().find(|limits| limits.metric == MetricId::CacheHitRate)?;
            Some(limits.degraded)
        })
    });
    let misses = Memo::new(move |_| store.report.with(|report| report.counters.misses));
    let head = move |column: Column, label: &'static str, class: &'static str| {
        let sorted = Signal::derive(move || {
            let (by, descending) = order.get();
            (by == column).then_some(descending)
        });
        let href = Signal::derive(move || {
            let first = !matches!(column, Column::Name | Column::HitRate);
            let descending = sorted.get().map_or(first, |descending| !descending);
            frame.link(PATH, &[(DATASETS, Some(&written_order(column.name(), descending)))])
        });
        view! { <SortHead label sorted href class/> }
    };
    let row = move |report: ClassReport| {
        let target = target.get();
        let (status, word) = note(&report, target);
        let counters = &report.counters;
        let rate = counters.hit_rate();
        let of_all = (misses.get() > 0).then(|| counters.misses as f64 * 100.0 / misses.get() as f64);
        let ttl = if report.mode == "none" { MISSING.to_owned() } else { format::duration_ms(report.ttl_ms) };
        view! {
            <tr>
                <th scope="row" class="mono">
                    {report.class}
                </th>
                <td class="num">{format::count(report.memory_keys)}</td>
                <td class="num">{format::bytes(report.memory_bytes as f64).to_string()}</td>
                <td class="num">{ttl}</td>
                <td>
                    <div class="barcell">
                        <span class=format!("meter {}", class(status)) aria-hidden="true">
                            <i style=format!("inline-size:{:.1}%", rate.unwrap_or(0.0))></i>
                            {target.map(|target| view! { <b style=format!("inset-inline-start:{target}%")></b> })}
                        </span>
                        <span class="num">{format::value_or_missing(rate, Unit::Percent)}</span>
                    </div>
                </td>
                <td class="num">{format::value_or_missing(of_all, Unit::Percent)}</td>
                <td>
                    <Mark status text=word/>
                </td>
            </tr>
        }
    };
    view! {
        <section class="sheet" aria-labelledby="h-ds">
            <div class="cell-head pad-head">
                <h2 id="h-ds">"Datasets"</h2>
                <small>
                    {move || match target.get() {
                        Some(target) => format!("keys in memory; vertical mark: target {}", format::value(target, Unit::Percent)),
                        None => "keys in memory".to_owned(),
                    }}
                </small>
            </div>
            <div class="scroll-x">
                <table class="tbl" style="min-inline-size:46rem">
                    <caption class="vh">"Datasets"</caption>
                    <thead>
                        <tr>
                            {head(Column::Name, "Dataset", "")} {head(Column::Keys, "Keys", "num")}
                            {head(Column::Memory, "Memory", "num")} <th scope="col" class="num">
                                "TTL"
                            </th> {head(Column::HitRate, "Hit rate", "rate-h")} {head(Column::Misses, "Of all misses", "num")}
                            <th scope="col">"Note"</th>
                        </tr>
                    </thead>
                    <tbody>{move || reports.get().into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
            <div class="pager">
                <span>
                    {move || {
                        let count = reports.with(Vec::len);
                        if count == 1 { "1 dataset".to_owned() } else { format!("{count} datasets") }
                    }}
                </span>
            </div>
        </section>
    }
    .into_any()
}

/// What the page says where the target has no datasets.
#[component]
pub fn HowTo() -> impl IntoView {
    view! {
        <section class="sheet" aria-labelledby="h-ds">
            <div class="empty">
                <h2 id="h-ds">"No datasets on this target"</h2>
                <p>
                    "A dataset is a named, read-only statement that applications read over the API, through this cache. Define one in the configuration and restart the console; "
                    <code>"headroom check"</code> " reads it first."
                </p>
                <div class="code">
                    <pre tabindex="0" role="group" aria-label="Example">
                        {EXAMPLE_DATASET}
                    </pre>
                </div>
                <p>"Then read it:"</p>
                <div class="code">
                    <pre tabindex="0" role="group" aria-label="Request">
                        "curl localhost:3000/api/v1/data/orders?customer=1"
                    </pre>
                </div>
            </div>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_model::cache::ClassCounters;

    fn report(counters: ClassCounters) -> ClassReport {
        ClassReport {
            class: "orders".into(),
            mode: "tiered".into(),
            ttl_ms: 30_000.0,
            memory_keys: 0,
            memory_bytes: 0,
            counters,
            sampled_every: 1,
        }
    }

    #[test]
    fn the_note_names_the_worst_thing() {
        let counted = |change: fn(&mut ClassCounters)| {
            let mut counters = ClassCounters { hits_memory: 96, misses: 4, loads: 4, ..ClassCounters::default() };
            change(&mut counters);
            note(&report(counters), Some(50.0))
        };
        assert_eq!(counted(|_| ()), (Some(Band::Excellent), "Excellent"));
        assert_eq!(counted(|c| c.misses = 60), (Some(Band::Good), "Good"));
        assert_eq!(counted(|c| c.misses = 200), (Some(Band::Degraded), "below the target"));
        assert_eq!(counted(|c| (c.evicted, c.expired) = (30, 70)), (Some(Band::Degraded), "evicted early"));
        assert_eq!(counted(|c| (c.load_errors, c.loads) = (3, 0)), (Some(Band::Critical), "loads fail"));
        assert_eq!(counted(|c| (c.hits_memory, c.misses) = (3, 1)), (None, "few lookups"));
        assert_eq!(counted(|c| (c.hits_memory, c.misses, c.loads) = (0, 0, 0)), (None, "not read yet"));
    }

    #[test]
    fn datasets_without_a_rate_come_last() {
        let named = |name: &str, hits| ClassReport {
            class: name.into(),
            ..report(ClassCounters { hits_memory: hits, misses: u64::from(hits > 0), ..ClassCounters::default() })
        };
        let mut reports = vec![named("unread", 0), named("good", 99), named("poor", 1)];
        for descending in [false, true] {
            sort(&mut reports, Column::HitRate, descending);
            assert_eq!(reports[2].class, "unread");
            assert_eq!(reports[0].class, if descending { "good" } else { "poor" });
        }
    }
}
