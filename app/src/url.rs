//! The URL is the state: target, range, pause and filters live in the query, so a copied link shows the same view.

use headroom_model::{
    Timestamp,
    range::{self, DEFAULT_FROM, DEFAULT_TO, PRESETS, RangeError, Resolved},
    share::Share,
    trends::{HIDE, TABLE, USUAL, WITHOUT},
};
use leptos_router::{location::Url, params::ParamsMap};

/// The value of `refresh` that holds the page still.
pub const OFF: &str = "off";

/// The chosen target; none means the default one.
#[must_use]
pub fn target(query: &ParamsMap) -> Option<String> {
    query.get("target").filter(|name| !name.is_empty())
}

/// The range as written: `from` and `to`, with the defaults where the URL names none.
#[must_use]
pub fn written_range(query: &ParamsMap) -> (String, String) {
    let or = |key, default: &str| query.get(key).filter(|text| !text.trim().is_empty()).unwrap_or(default.to_owned());
    (or("from", DEFAULT_FROM), or("to", DEFAULT_TO))
}

/// A range that can be shown in any case: what the URL says, or the default one and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `from` as it was used.
    pub from: String,
    /// `to` as it was used.
    pub to: String,
    /// Both ends.
    pub range: Resolved,
    /// Why the URL's range was not used.
    pub refused: Option<RangeError>,
}

/// The range to show at `now`.
#[must_use]
pub fn shown_range(query: &ParamsMap, now: Timestamp) -> Shown {
    let (from, to) = written_range(query);
    match range::resolve(&from, &to, now) {
        Ok(range) => Shown { from, to, range, refused: None },
        Err(refused) => {
            let range = range::resolve(DEFAULT_FROM, DEFAULT_TO, now).expect("the default range is a range");
            Shown { from: DEFAULT_FROM.into(), to: DEFAULT_TO.into(), range, refused: Some(refused) }
        }
    }
}

/// The range to show during a minute that begins at `minute`: the same all through it, for words and links that should
/// not move each second. A range that begins within the minute is resolved against its end.
#[must_use]
pub fn shown_in_minute(query: &ParamsMap, minute: Timestamp) -> Shown {
    let shown = shown_range(query, minute);
    if shown.refused.is_some() { shown_range(query, minute.plus_millis(60_000)) } else { shown }
}

/// The name of a range on its button: a preset's, or the length.
#[must_use]
pub fn range_name(from: &str, to: &str, range: Resolved) -> String {
    if to == DEFAULT_TO
        && let Some((_, name)) = PRESETS.iter().find(|(preset, _)| *preset == from)
    {
        return (*name).to_owned();
    }
    let length = headroom_model::format::duration_ms(range.millis() as f64);
    if range.live { format!("Last {length}") } else { length }
}

/// Whether the URL holds the page still.
#[must_use]
pub fn paused(query: &ParamsMap) -> bool {
    query.get_str("refresh") == Some(OFF)
}

/// Whether the page stands inside another one, which wants its sheet alone.
#[must_use]
pub fn embedded(query: &ParamsMap) -> bool {
    query.get_str("embed") == Some("1")
}

/// Whether the page follows the clock: its range ends now, and nobody paused it.
#[must_use]
pub fn follows(query: &ParamsMap, now: Timestamp) -> bool {
    !paused(query) && shown_range(query, now).range.live
}

/// `path` with the query's state, changed as told: `None` removes a key. An empty query leaves the bare path.
#[must_use]
pub fn href(path: &str, query: &ParamsMap, changes: &[(&'static str, Option<&str>)]) -> String {
    let mut next = query.clone();
    for (key, value) in changes {
        next.remove(key);
        if let Some(value) = value {
            next.insert(*key, (*value).to_owned());
        }
    }
    let mut out = path.to_owned();
    for (i, (key, value)) in next.latest_values().enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        escape(&mut out, key);
        out.push('=');
        escape(&mut out, value);
    }
    out
}

/// The link to a snapshot: what the view it was taken of hides, or shows besides, is so there at first.
#[must_use]
pub fn snapshot(share: &Share) -> String {
    let view = parse(&share.view);
    let kept: ParamsMap =
        [HIDE, WITHOUT, USUAL, TABLE].into_iter().filter_map(|key| Some((key, view.get(key)?))).collect();
    href(&share.id.path(), &kept, &[])
}

/// The query of an address as text (`target=orders&from=now-6h`), read. At most so many keys count.
#[must_use]
pub fn parse(query: &str) -> ParamsMap {
    /// More than any page of ours has.
    const KEYS: usize = 40;
    let unescape = |text: &str| Url::unescape(&text.replace('+', " "));
    let pairs = query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()).take(KEYS);
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (unescape(k), unescape(v))).collect()
}

/// Percent-encodes a key or value, the same on both sides (the router's own differs between server and browser).
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' => out.push(byte.into()),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(HEX[usize::from(byte >> 4)].into());
                out.push(HEX[usize::from(byte & 15)].into());
            }
        }
    }
}

/// What a link to another page carries along: target and range, not the filters of this page.
#[must_use]
pub fn carried(query: &ParamsMap) -> ParamsMap {
    ["target", "from", "to", "refresh"].into_iter().filter_map(|key| Some((key, query.get(key)?))).collect()
}

/// A link of the engine (`/?target=x#h-tr`) with the page's target and range carried along where it names none.
#[must_use]
pub fn inside(link: &str, query: &ParamsMap) -> String {
    let (rest, anchor) = link.split_once('#').map_or((link, None), |(rest, anchor)| (rest, Some(anchor)));
    let (path, own) = rest.split_once('?').unwrap_or((rest, ""));
    let named: Vec<&str> = own.split('&').filter_map(|pair| pair.split('=').next()).collect();
    let mut kept = carried(query);
    for key in named {
        kept.remove(key);
    }
    let mut out = href(path, &kept, &[]);
    if !own.is_empty() {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(own);
    }
    if let Some(anchor) = anchor {
        out.push('#');
        out.push_str(anchor);
    }
    out
}

/// Twice the range: what "zoom out" asks for. A live one stays relative, so that it goes on moving with the clock; another
/// keeps its middle, but does not reach beyond `now`.
#[must_use]
pub fn zoomed_out(range: Resolved, now: Timestamp) -> (String, String) {
    let length = range.millis().saturating_mul(2).min(range::MAX_RANGE_MS);
    if range.live {
        return (format!("now-{}s", length / 1000), DEFAULT_TO.to_owned());
    }
    let to = Timestamp((range.to.0 + range.millis() / 2).min(now.0));
    (to.plus_millis(-length).0.to_string(), to.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_098_728_250);

    fn query(pairs: &[(&'static str, &str)]) -> ParamsMap {
        pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
    }

    #[test]
    fn links_keep_the_state_and_change_what_they_are_about() {
        let q = query(&[("target", "orders"), ("from", "now-1h")]);
        assert_eq!(href("/", &q, &[("target", Some("billing"))]), "/?from=now-1h&target=billing");
        assert_eq!(href("/", &q, &[("target", None), ("from", None)]), "/");
        assert_eq!(href("/", &carried(&query(&[("show", "active"), ("to", "now")])), &[]), "/?to=now");
    }

    #[test]
    fn links_of_the_engine_keep_the_page_where_it_is() {
        let q = query(&[("from", "now-1h"), ("show", "active")]);
        assert_eq!(inside("/#h-tr", &q), "/?from=now-1h#h-tr");
        assert_eq!(inside("/?target=orders&from=now-6h#h-iss", &q), "/?target=orders&from=now-6h#h-iss");
        assert_eq!(inside("/?target=orders", &q), "/?from=now-1h&target=orders");
        assert_eq!(inside("/api/docs", &ParamsMap::new()), "/api/docs");
    }

    #[test]
    fn values_are_escaped() {
        let link = href("/", &ParamsMap::new(), &[("from", Some("yesterday 09:00&x=\"<"))]);
        assert_eq!(link, "/?from=yesterday%2009:00%26x%3D%22%3C");
    }

    #[test]
    fn a_query_is_read_as_it_is_written() {
        let q = query(&[("from", "yesterday 09:00&x=\"<"), ("m", "a:b/c"), ("target", "orders")]);
        assert_eq!(parse(href("", &q, &[]).trim_start_matches('?')), q);
        assert_eq!(parse("from=now-6h&from=+now&&x").get("from").as_deref(), Some(" now"));
    }

    #[test]
    fn a_range_that_cannot_be_read_is_replaced_and_explained() {
        let shown = shown_range(&query(&[("from", "later")]), NOW);
        assert_eq!(shown.from, DEFAULT_FROM);
        assert_eq!(shown.refused.unwrap().field, "from");
        let shown = shown_range(&query(&[("from", "now-1h"), ("to", " ")]), NOW);
        assert_eq!((shown.range.millis(), shown.refused), (3_600_000, None));
    }

    #[test]
    fn a_range_that_begins_within_the_minute_is_shown() {
        let minute = NOW.floor_to(60_000);
        let within = query(&[("from", "today 14:32")]);
        assert!(shown_range(&within, minute).refused.is_some());
        assert_eq!(shown_in_minute(&within, minute).refused, None);
        assert!(shown_in_minute(&query(&[("from", "later")]), minute).refused.is_some());
    }

    #[test]
    fn a_page_follows_what_it_shows() {
        for (pairs, follows_clock) in [
            (&[][..], true),
            (&[("to", "later")], true), // the default range is shown instead
            (&[("to", " now ")], true),
            (&[("to", "now-1h"), ("from", "now-2h")], false),
            (&[("refresh", "off")], false),
        ] {
            assert_eq!(follows(&query(pairs), NOW), follows_clock, "{pairs:?}");
        }
    }

    #[test]
    fn ranges_have_names() {
        let live = Resolved { from: NOW.plus_millis(-21_600_000), to: NOW, live: true };
        assert_eq!(range_name("now-6h", "now", live), "Last 6 hours");
        assert_eq!(range_name("now-360m", "now", live), "Last 6 h");
        assert_eq!(range_name("1", "2", Resolved { live: false, ..live }), "6 h");
    }

    #[test]
    fn zooming_out_doubles_and_stays_in_the_past() {
        let fixed = Resolved { from: Timestamp(NOW.0 - 2000), to: Timestamp(NOW.0 - 1000), live: false };
        let (from, to) = zoomed_out(fixed, NOW);
        assert_eq!((from, to), ((NOW.0 - 2500).to_string(), (NOW.0 - 500).to_string()));
        let live = Resolved { from: Timestamp(NOW.0 - 1000), to: NOW, live: true };
        assert_eq!(zoomed_out(live, NOW), ("now-2s".to_owned(), "now".to_owned()));
        let longest = Resolved { from: NOW.plus_millis(-range::MAX_RANGE_MS), to: NOW, live: true };
        let (from, to) = zoomed_out(longest, NOW);
        assert_eq!(range::resolve(&from, &to, NOW), Ok(longest));
    }
}
