//! What the URL says of the page: which keys, how they are sorted, which row is open.

use crate::components::list::read_order;
use headroom_model::cache::{KeyOrder, KeySort, KeysAsk};
use leptos_router::params::ParamsMap;

/// Query key of the tab.
pub const TAB: &str = "keys";
/// Query key of the search.
pub const FIND: &str = "find";
/// Query key of the order of keys.
pub const SORT: &str = "sort";
/// Query key of the page of keys.
pub const PAGE: &str = "page";
/// Query key of the open row.
pub const OPEN: &str = "open";
/// Query key of the order of datasets.
pub const DATASETS: &str = "datasets";
/// Query key of the list of tags.
pub const TAGS: &str = "tags";
/// Asks for all of a list.
pub const ALL: &str = "all";
/// Names the coldest keys.
pub const COLDEST: &str = "coldest";

/// The name of a column in the URL.
#[must_use]
pub fn column(sort: KeySort) -> &'static str {
    match sort {
        KeySort::Accesses => "lookups",
        KeySort::HitRate => "hit-rate",
        KeySort::Fresh => "ttl",
        KeySort::Size => "size",
    }
}

/// The keys that the URL asks for.
#[must_use]
pub fn keys(query: &ParamsMap) -> KeysAsk {
    let order = if query.get_str(TAB) == Some(COLDEST) { KeyOrder::Coldest } else { KeyOrder::Hottest };
    let asked = query.get(SORT).and_then(|text| {
        let (name, descending) = read_order(&text);
        let all = [KeySort::Accesses, KeySort::HitRate, KeySort::Fresh, KeySort::Size];
        all.into_iter().find(|sort| column(*sort) == name).map(|sort| (sort, descending))
    });
    let (sort, descending) = asked.unwrap_or((KeySort::Accesses, order == KeyOrder::Hottest));
    KeysAsk {
        order,
        find: query.get(FIND).map(|text| text.trim().to_owned()).unwrap_or_default(),
        sort,
        descending,
        page: query.get_str(PAGE).and_then(|text| text.parse().ok()).unwrap_or(1),
    }
}

/// The open row: dataset and key. Names of datasets hold no slash.
#[must_use]
pub fn open_key(query: &ParamsMap) -> Option<(String, String)> {
    let text = query.get(OPEN)?;
    let (dataset, key) = text.split_once('/')?;
    Some((dataset.to_owned(), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&'static str, &str)]) -> ParamsMap {
        pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
    }

    #[test]
    fn the_url_says_which_keys() {
        let plain = keys(&query(&[]));
        assert_eq!(
            (plain.order, plain.sort, plain.descending, plain.page),
            (KeyOrder::Hottest, KeySort::Accesses, true, 1)
        );
        let coldest = keys(&query(&[(TAB, COLDEST)]));
        assert!(!coldest.descending, "the coldest come with the least used first");
        let asked = keys(&query(&[(SORT, "-size"), (FIND, " eu "), (PAGE, "3")]));
        assert_eq!((asked.sort, asked.descending, asked.find.as_str(), asked.page), (KeySort::Size, true, "eu", 3));
        assert_eq!(keys(&query(&[(SORT, "colour"), (PAGE, "-1")])), plain);
    }

    #[test]
    fn a_row_is_named_by_dataset_and_key() {
        assert_eq!(open_key(&query(&[(OPEN, "orders/a/b=1")])), Some(("orders".into(), "a/b=1".into())));
        assert_eq!(open_key(&query(&[(OPEN, "orders")])), None);
    }
}
