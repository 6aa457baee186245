//! What a list is of, what the URL says of it, and which rows that leaves in which order.

use headroom_model::format;
use leptos::prelude::AnyView;
use leptos_router::params::ParamsMap;
use std::cmp::Ordering;

/// How the parts of a list's state are called in the URL. Two lists on one page have different names.
#[derive(Clone, Copy, Debug)]
pub struct ListKeys {
    /// The order: `size` for smallest first, `-size` for largest first.
    pub sort: &'static str,
    /// The search.
    pub find: &'static str,
    /// The page, from 1.
    pub page: &'static str,
    /// The open row.
    pub open: &'static str,
    /// Columns that are shown or hidden against their default.
    pub columns: &'static str,
}

impl ListKeys {
    /// The names of the list that a page is about.
    pub const PLAIN: ListKeys = ListKeys { sort: "sort", find: "find", page: "page", open: "open", columns: "columns" };

    /// What a new search makes void.
    pub(super) fn after_find(&self) -> [&'static str; 2] {
        [self.page, self.open]
    }
}

/// What a column is sorted by. What is not known comes last in either direction.
#[derive(Debug)]
pub enum Order<R: 'static> {
    /// A figure.
    Number(fn(&R) -> Option<f64>),
    /// A text; empty ones count as not known.
    Text(fn(&R) -> String),
}

impl<R> Order<R> {
    fn compare(&self, a: &R, b: &R, descending: bool) -> Ordering {
        let turn = |order: Ordering| if descending { order.reverse() } else { order };
        fn known_first<T>(a: Option<T>, b: Option<T>, compare: impl FnOnce(&T, &T) -> Ordering) -> Ordering {
            match (a, b) {
                (Some(a), Some(b)) => compare(&a, &b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            }
        }
        match self {
            Order::Number(read) => known_first(read(a), read(b), |a, b| turn(a.total_cmp(b))),
            Order::Text(read) => {
                let read = |row| Some(read(row).to_lowercase()).filter(|text| !text.is_empty());
                known_first(read(a), read(b), |a, b| turn(a.cmp(b)))
            }
        }
    }
}

/// Whether a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It names the row, or the list makes no sense without it.
    Always,
    /// Until it is hidden.
    Usually,
    /// When it is asked for.
    OnDemand,
}

/// A column.
#[derive(Debug)]
pub struct Column<R: 'static> {
    /// Its name in the URL.
    pub key: &'static str,
    /// Its head.
    pub label: &'static str,
    /// Class of its head and cells: `num` for figures.
    pub class: &'static str,
    /// What it shows of a row.
    pub cell: fn(&R) -> AnyView,
    /// What it is sorted by; none where that makes no sense.
    pub order: Option<Order<R>>,
    /// Whether the first press sorts largest first.
    pub largest_first: bool,
    /// Whether it is there.
    pub shown: Shown,
}

impl<R: 'static> Column<R> {
    /// A column of words; the first press sorts from A on.
    pub const fn text(
        key: &'static str,
        label: &'static str,
        class: &'static str,
        cell: fn(&R) -> AnyView,
        order: fn(&R) -> String,
        shown: Shown,
    ) -> Self {
        Column { key, label, class, cell, order: Some(Order::Text(order)), largest_first: false, shown }
    }

    /// A column of figures; the first press sorts largest first.
    pub const fn number(
        key: &'static str,
        label: &'static str,
        cell: fn(&R) -> AnyView,
        order: fn(&R) -> Option<f64>,
        shown: Shown,
    ) -> Self {
        Column { key, label, class: "num", cell, order: Some(Order::Number(order)), largest_first: true, shown }
    }
}

/// A list, described once.
#[derive(Debug)]
pub struct ListSpec<R: 'static> {
    /// What it is of, as its caption: "Sessions".
    pub name: &'static str,
    /// One of them: "session".
    pub one: &'static str,
    /// Some of them: "sessions".
    pub many: &'static str,
    /// Names in the URL.
    pub keys: ListKeys,
    /// Label and placeholder of the search: "Filter by user, application or statement".
    pub find_label: &'static str,
    /// The columns; the first names the row.
    pub columns: &'static [Column<R>],
    /// What tells rows apart, also in the URL.
    pub id: fn(&R) -> String,
    /// What the search looks into; none where whoever reads the rows searches.
    pub text: Option<fn(&R) -> String>,
    /// The order at first: a column's key, and whether largest come first.
    pub sort: (&'static str, bool),
    /// Rows of a page.
    pub per_page: usize,
    /// Below this width the table scrolls inside its sheet: "46rem".
    pub least_width: &'static str,
}

/// What the URL asks of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Key of the column it is sorted by.
    pub sort: &'static str,
    /// Largest first.
    pub descending: bool,
    /// Words that rows must hold, all of them, in lower case.
    pub find: String,
    /// The page, where one is named.
    pub page: Option<u32>,
    /// The open row.
    pub open: Option<String>,
    /// Keys of columns that are shown or hidden against their default.
    pub toggled: Vec<&'static str>,
}

/// The rows of one page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arranged<R> {
    /// Each with what tells it apart.
    pub rows: Vec<(String, R)>,
    /// The page, from 1.
    pub page: usize,
    /// Pages; at least one.
    pub pages: usize,
    /// The page that holds the open row, if it matches.
    pub of_open: Option<usize>,
    /// Rows that match the search.
    pub matching: usize,
    /// Rows in all.
    pub all: usize,
}

/// `size` for smallest first, `-size` for largest first.
#[must_use]
pub fn written_order(key: &str, descending: bool) -> String {
    if descending { format!("-{key}") } else { key.to_owned() }
}

/// A written order taken apart.
#[must_use]
pub fn read_order(text: &str) -> (&str, bool) {
    text.strip_prefix('-').map_or((text, false), |key| (key, true))
}

impl<R> ListSpec<R> {
    /// What a query asks for; what it names and the list does not have is left out.
    #[must_use]
    pub fn read(&self, query: &ParamsMap) -> Asked {
        let sort = query.get_str(self.keys.sort).and_then(|text| {
            let (key, descending) = read_order(text);
            let column = self.columns.iter().find(|column| column.key == key && column.order.is_some())?;
            Some((column.key, descending))
        });
        let (sort, descending) = sort.unwrap_or(self.sort);
        let named = query.get_str(self.keys.columns).unwrap_or_default();
        let named: Vec<&str> = named.split(',').take(self.columns.len()).collect();
        let may_toggle = |column: &&Column<R>| column.shown != Shown::Always && named.contains(&column.key);
        Asked {
            sort,
            descending,
            find: query.get_str(self.keys.find).unwrap_or_default().trim().to_lowercase(),
            page: query.get_str(self.keys.page).and_then(|text| text.parse().ok()).filter(|page| *page > 0),
            open: query.get(self.keys.open).filter(|id| !id.is_empty()),
            toggled: self.columns.iter().filter(may_toggle).map(|column| column.key).collect(),
        }
    }

    /// Whether a column is there.
    pub(super) fn is_shown(column: &Column<R>, asked: &Asked) -> bool {
        match column.shown {
            Shown::Always => true,
            Shown::Usually => !asked.toggled.contains(&column.key),
            Shown::OnDemand => asked.toggled.contains(&column.key),
        }
    }

    /// The places of the columns that are there.
    pub(super) fn shown(&self, asked: &Asked) -> Vec<usize> {
        let all = self.columns.iter().enumerate();
        all.filter(|(_, column)| Self::is_shown(column, asked)).map(|(index, _)| index).collect()
    }

    /// What the URL says of the columns once one more is turned on or off.
    pub(super) fn with_toggled(&self, key: &'static str, asked: &Asked) -> Option<String> {
        let is_toggled = |column: &str| asked.toggled.contains(&column) != (column == key);
        let toggled: Vec<&str> =
            self.columns.iter().map(|column| column.key).filter(|column| is_toggled(column)).collect();
        (!toggled.is_empty()).then(|| toggled.join(","))
    }
}

impl<R: Clone> ListSpec<R> {
    /// The rows of the page asked for, or, where none is, of the page that holds the open row.
    pub(super) fn arrange(&self, rows: &[R], asked: &Asked) -> Arranged<R> {
        let words: Vec<&str> = asked.find.split_whitespace().collect();
        let text = self.text.filter(|_| !words.is_empty());
        let matches = |row: &&R| {
            text.is_none_or(|text| {
                let text = text(row).to_lowercase();
                words.iter().all(|word| text.contains(word))
            })
        };
        let mut kept: Vec<(String, &R)> = rows.iter().filter(matches).map(|row| ((self.id)(row), row)).collect();
        let order =
            self.columns.iter().find(|column| column.key == asked.sort).and_then(|column| column.order.as_ref());
        // Equal rows keep their places from reading to reading.
        kept.sort_by(|(a_id, a), (b_id, b)| {
            let order = order.map_or(Ordering::Equal, |order| order.compare(a, b, asked.descending));
            order.then_with(|| a_id.cmp(b_id))
        });
        let pages = kept.len().div_ceil(self.per_page).max(1);
        let open = asked.open.as_ref().and_then(|open| kept.iter().position(|(id, _)| id == open));
        let of_open = open.map(|place| place / self.per_page + 1);
        // Numbers are as wide on either side.
        let named = asked.page.map(|page| usize::try_from(page).unwrap_or(usize::MAX));
        let page = named.or(of_open).unwrap_or(1).min(pages);
        let of_page = kept.iter().skip((page - 1) * self.per_page).take(self.per_page);
        Arranged {
            rows: of_page.map(|(id, row)| (id.clone(), (*row).clone())).collect(),
            page,
            pages,
            of_open,
            matching: kept.len(),
            all: rows.len(),
        }
    }

    /// "1–50 of 128 sessions", "1–3 of 3 that match, of 128 sessions".
    pub(super) fn range_of(&self, arranged: &Arranged<R>) -> String {
        let count = |count: usize| format::count(count as u64);
        let of = format!("{} {}", count(arranged.all), if arranged.all == 1 { self.one } else { self.many });
        let first = (arranged.page - 1) * self.per_page + 1;
        let last = first + arranged.rows.len();
        match (arranged.matching, arranged.matching == arranged.all) {
            (0, _) => format!("0 of {of}"),
            (_, true) => format!("{first}–{} of {of}", last - 1),
            (matching, false) => format!("{first}–{} of {} that match, of {of}", last - 1, count(matching)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leptos::prelude::IntoAny;

    type Pair = (&'static str, Option<f64>);

    const SPEC: ListSpec<Pair> = ListSpec {
        name: "Pairs",
        one: "pair",
        many: "pairs",
        keys: ListKeys::PLAIN,
        find_label: "Filter pairs",
        columns: &[
            Column {
                key: "name",
                label: "Name",
                class: "",
                cell: |_| ().into_any(),
                order: Some(Order::Text(|pair| pair.0.to_owned())),
                largest_first: false,
                shown: Shown::Always,
            },
            Column {
                key: "size",
                label: "Size",
                class: "num",
                cell: |_| ().into_any(),
                order: Some(Order::Number(|pair| pair.1)),
                largest_first: true,
                shown: Shown::Usually,
            },
            Column {
                key: "note",
                label: "Note",
                class: "",
                cell: |_| ().into_any(),
                order: None,
                largest_first: false,
                shown: Shown::OnDemand,
            },
        ],
        id: |pair| pair.0.to_owned(),
        text: Some(|pair| pair.0.to_owned()),
        sort: ("size", true),
        per_page: 2,
        least_width: "20rem",
    };
    const ROWS: [Pair; 5] =
        [("b", Some(1.0)), ("a", Some(1.0)), ("Big", Some(9.0)), ("none", None), ("small", Some(0.5))];

    fn asked(pairs: &[(&'static str, &str)]) -> Asked {
        SPEC.read(&pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect())
    }

    fn ids(pairs: &[(&'static str, &str)]) -> Vec<String> {
        SPEC.arrange(&ROWS, &asked(pairs)).rows.into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn the_url_says_which_rows_in_which_order() {
        assert_eq!(ids(&[]), ["Big", "a"]);
        assert_eq!(ids(&[("page", "2")]), ["b", "small"]);
        assert_eq!(ids(&[("page", "3")]), ["none"], "what is not known comes last");
        assert_eq!(ids(&[("sort", "size"), ("page", "3")]), ["none"], "in either direction");
        assert_eq!(ids(&[("sort", "name")]), ["a", "b"]);
        assert_eq!(ids(&[("sort", "note"), ("page", "99")]), ["none"], "neither an order nor so many pages");
        assert_eq!(ids(&[("find", " B ")]), ["Big", "b"]);
    }

    #[test]
    fn an_open_row_is_shown() {
        assert_eq!(ids(&[("open", "small")]), ["b", "small"]);
        assert_eq!(ids(&[("open", "small"), ("page", "1")]), ["Big", "a"], "unless another page is asked for");
        assert_eq!(ids(&[("open", "gone")]), ["Big", "a"]);
    }

    #[test]
    fn columns_are_turned_on_and_off() {
        assert_eq!(SPEC.shown(&asked(&[])), [0, 1]);
        let toggled = asked(&[("columns", "note,size,name,nothing")]);
        assert_eq!(SPEC.shown(&toggled), [0, 2], "what names the row stays");
        assert_eq!(SPEC.with_toggled("note", &toggled).as_deref(), Some("size"));
        assert_eq!(SPEC.with_toggled("size", &asked(&[("columns", "size")])), None);
    }

    #[test]
    fn a_page_says_where_it_stands() {
        let words = |pairs: &[(&'static str, &str)]| SPEC.range_of(&SPEC.arrange(&ROWS, &asked(pairs)));
        assert_eq!(words(&[("page", "3")]), "5–5 of 5 pairs");
        assert_eq!(words(&[("find", "b")]), "1–2 of 2 that match, of 5 pairs");
        assert_eq!(words(&[("find", "x")]), "0 of 5 pairs");
        assert_eq!(SPEC.range_of(&SPEC.arrange(&ROWS[..1], &asked(&[]))), "1–1 of 1 pair");
    }
}
