//! The list: its columns, its order, its filters.

use super::PATH;
use crate::{
    components::list::{Column, ListKeys, ListSpec, Order, Shown},
    layout::use_frame,
};
use headroom_model::{
    Timestamp,
    format::{self, MISSING},
    metric::Unit,
    tables::TableSummary,
};
use leptos::prelude::*;
use leptos_router::params::ParamsMap;

/// The filter's name in the URL.
pub const FILTER: &str = "show";
/// From here on, in per cent, a table counts as bloated.
const BLOATED: f64 = 20.0;
/// Less than this is not worth a look, in bytes.
const BLOATED_BYTES: u64 = 1 << 20;
/// From here on, in per cent of 2³¹ transactions, an age is worth a look.
pub const OLD: f64 = 50.0;

/// Which tables are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    All,
    DueForVacuum,
    Bloated,
    KeysWithoutIndex,
}

impl Filter {
    const EACH: [Filter; 4] = [Filter::All, Filter::DueForVacuum, Filter::Bloated, Filter::KeysWithoutIndex];

    fn key(self) -> Option<&'static str> {
        match self {
            Filter::All => None,
            Filter::DueForVacuum => Some("due"),
            Filter::Bloated => Some("bloated"),
            Filter::KeysWithoutIndex => Some("keys"),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Filter::All => "All",
            Filter::DueForVacuum => "Due for vacuum",
            Filter::Bloated => "Bloated",
            Filter::KeysWithoutIndex => "Keys without index",
        }
    }

    /// What it means that none is left.
    pub fn without(self) -> &'static str {
        match self {
            Filter::All => "There is no table.",
            Filter::DueForVacuum => "No table has more dead rows than autovacuum waits for.",
            Filter::Bloated => "No table wastes a fifth of its pages and a MiB, by the statistics.",
            Filter::KeysWithoutIndex => "Every foreign key has an index.",
        }
    }

    pub fn read(query: &ParamsMap) -> Self {
        let named = query.get_str(FILTER);
        Filter::EACH.into_iter().find(|filter| filter.key() == named).unwrap_or(Filter::All)
    }

    pub fn keeps(self, table: &TableSummary) -> bool {
        match self {
            Filter::All => true,
            Filter::DueForVacuum => table.dead_rows as f64 > table.vacuum_at,
            Filter::Bloated => {
                table.bloat.as_ref().is_some_and(|bloat| bloat.percent >= BLOATED && bloat.bytes >= BLOATED_BYTES)
            }
            Filter::KeysWithoutIndex => table.keys_without_index > 0,
        }
    }
}

/// The filters: links.
#[component]
pub fn Filters() -> impl IntoView {
    let frame = use_frame();
    let current = Memo::new(move |_| frame.query.with(Filter::read));
    let choice = move |filter: Filter| {
        let href = move || {
            frame.link(PATH, &[(FILTER, filter.key()), (ListKeys::PLAIN.page, None), (ListKeys::PLAIN.open, None)])
        };
        view! {
            <a href=href aria-current=move || (current.get() == filter).then_some("true") data-noscroll="">
                {filter.label()}
            </a>
        }
    };
    view! {
        <nav class="seg" aria-label="Which tables">
            {Filter::EACH.into_iter().map(choice).collect_view()}
        </nav>
    }
    .into_any()
}

/// Bytes; a dash where they are not known.
pub fn bytes(value: Option<u64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| format::bytes(value as f64).to_string())
}

/// "+12 MiB a day", over how long.
pub fn growth(bytes_a_day: Option<f64>) -> String {
    let Some(grown) = bytes_a_day else { return MISSING.to_owned() };
    let sign = if grown < 0.0 { "−" } else { "+" };
    if grown.abs() < 1.0 { "0 B".to_owned() } else { format!("{sign}{}", format::bytes(grown.abs())) }
}

fn text(text: String) -> AnyView {
    text.into_any()
}

fn count(value: u64) -> AnyView {
    text(format::count(value))
}

fn percent(value: Option<f64>) -> AnyView {
    text(format::value_or_missing(value, Unit::Percent))
}

/// A figure that misses its target takes its colour and says so.
fn judged(written: String, note: Option<&'static str>) -> AnyView {
    match note {
        Some(note) => view! {
            <span class="warn" title=note>
                {written}
                <span class="vh">{format!(", {note}")}</span>
            </span>
        }
        .into_any(),
        None => text(written),
    }
}

fn dead(table: &TableSummary) -> AnyView {
    let late = (table.dead_rows as f64 > table.vacuum_at).then_some("more than autovacuum waits for");
    judged(format::count(table.dead_rows), late)
}

fn bloat(table: &TableSummary) -> AnyView {
    match &table.bloat {
        Some(bloat) => {
            let much = Filter::Bloated.keeps(table).then_some("a fifth of the pages or more");
            judged(format!("≈ {}", format::bytes(bloat.bytes as f64)), much)
        }
        None => {
            let why = table.bloat_unknown.clone().unwrap_or_default();
            view! {
                <span class="dim" title=why.clone()>
                    {MISSING}
                    <span class="vh">{format!(", not estimated: {why}")}</span>
                </span>
            }
            .into_any()
        }
    }
}

/// `schema.table` as people write it: without `public`.
pub fn shown_name(table: &TableSummary) -> String {
    if table.schema == "public" { table.name.clone() } else { format!("{}.{}", table.schema, table.name) }
}

fn moment(at: Option<Timestamp>) -> AnyView {
    let now = use_frame().now.get_untracked();
    text(at.map_or_else(|| "none counted".to_owned(), |at| format::moment(at, now)))
}

/// The list of the page.
pub const SPEC: ListSpec<TableSummary> = ListSpec {
    name: "Tables",
    one: "table",
    many: "tables",
    keys: ListKeys::PLAIN,
    find_label: "Filter by schema or table",
    columns: &[
        Column {
            key: "name",
            label: "Table",
            class: "mono",
            cell: |table| text(shown_name(table)),
            order: Some(Order::Text(shown_name)),
            largest_first: false,
            shown: Shown::Always,
        },
        Column::number(
            "size",
            "Size",
            |t| text(bytes(t.size_bytes)),
            |t| t.size_bytes.map(|v| v as f64),
            Shown::Always,
        ),
        Column::number(
            "indexes",
            "Indexes",
            |t| text(bytes(t.index_bytes)),
            |t| t.index_bytes.map(|v| v as f64),
            Shown::Usually,
        ),
        Column::number(
            "toast",
            "TOAST",
            |t| text(bytes(t.toast_bytes)),
            |t| t.toast_bytes.map(|v| v as f64),
            Shown::OnDemand,
        ),
        Column::number(
            "growth",
            "Growth a day",
            |t| text(growth(t.growth_bytes_a_day)),
            |t| t.growth_bytes_a_day,
            Shown::Usually,
        ),
        Column::number("rows", "Rows", |t| count(t.live_rows), |t| Some(t.live_rows as f64), Shown::Usually),
        Column::number("dead", "Dead rows", dead, |t| Some(t.dead_rows as f64), Shown::Usually),
        Column::number("dead-share", "Dead share", |t| percent(t.dead_percent), |t| t.dead_percent, Shown::OnDemand),
        Column::number("bloat", "Bloat, estimate", bloat, |t| t.bloat.as_ref().map(|b| b.bytes as f64), Shown::Usually),
        Column::number("seq", "Full scans", |t| count(t.seq_scans), |t| Some(t.seq_scans as f64), Shown::Usually),
        Column::number("idx", "Index scans", |t| count(t.index_scans), |t| Some(t.index_scans as f64), Shown::Usually),
        Column::number("hot", "HOT updates", |t| percent(t.hot_percent), |t| t.hot_percent, Shown::Usually),
        Column::number(
            "freeze",
            "Freeze age",
            |t| percent(Some(t.freeze_percent)),
            |t| Some(t.freeze_percent),
            Shown::OnDemand,
        ),
        Column::number(
            "keys",
            "Keys without index",
            |t| count(t.keys_without_index.into()),
            |t| Some(t.keys_without_index.into()),
            Shown::OnDemand,
        ),
        Column::number(
            "vacuumed",
            "Vacuumed",
            |t| moment(t.vacuumed_at),
            |t| t.vacuumed_at.map(|at| at.0 as f64),
            Shown::Usually,
        ),
        Column::number(
            "analyzed",
            "Analysed",
            |t| moment(t.analyzed_at),
            |t| t.analyzed_at.map(|at| at.0 as f64),
            Shown::OnDemand,
        ),
    ],
    id: |table| format!("{}.{}", table.schema, table.name),
    text: Some(|table| format!("{}.{}", table.schema, table.name)),
    sort: ("size", true),
    per_page: 50,
    least_width: "64rem",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_has_a_sign() {
        assert_eq!(growth(Some(1024.0 * 1024.0)), "+1 MiB");
        assert_eq!(growth(Some(-2048.0)), "−2 KiB");
        assert_eq!((growth(Some(0.2)), growth(None)), ("0 B".to_owned(), MISSING.to_owned()));
    }

    #[test]
    fn the_filter_is_in_the_address() {
        let read = |text: &str| Filter::read(&[(FILTER, text.to_owned())].into_iter().collect());
        assert_eq!((read("due"), read("nothing")), (Filter::DueForVacuum, Filter::All));
        assert!(
            Filter::EACH
                .into_iter()
                .all(|filter| Filter::read(&filter.key().map(|key| (FILTER, key.to_owned())).into_iter().collect())
                    == filter)
        );
    }
}
