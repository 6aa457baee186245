//! Tags that applications put into comments of their statements: sqlcommenter (`/*key='value',…*/`, percent-encoded) and
//! marginalia (`/*key:value,…*/`).
//!
//! A comment can hold anything, also data. So only keys of [`KEYS`] are read, and of their values only what a name, a route
//! or a version is made of; everything else is dropped. PostgreSQL keeps the text of the first call alone: the tags are
//! those of that call. From version 18 on it keeps no comment before the first keyword.

use super::literals::comments;
use headroom_model::statements::{MAX_TAGS, Tag};

/// The keys that are read, and the names they get.
const KEYS: [(&str, &str); 11] = [
    ("application", "application"),
    ("app", "application"),
    ("app_name", "application"),
    ("controller", "controller"),
    ("action", "action"),
    ("route", "route"),
    ("framework", "framework"),
    ("job", "job"),
    ("job_name", "job"),
    ("db_driver", "db_driver"),
    ("driver", "db_driver"),
];
/// Longest value, in characters.
const VALUE_CHARS: usize = 100;
/// A part of a route with a digit and so many characters is an id, not a name.
const ID_CHARS: usize = 16;

/// The tags of a statement's text, each key once, in the order of keys.
pub(super) fn read(sql: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for comment in comments(sql) {
        for (key, value) in pairs(&comment) {
            let Some((_, name)) = KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(&key)) else { continue };
            let is_known = tags.iter().any(|tag| tag.key == *name);
            if let Some(value) = value_of(name, &value)
                && !is_known
                && tags.len() < MAX_TAGS
            {
                tags.push(Tag { key: (*name).to_owned(), value });
            }
        }
    }
    tags.sort();
    tags
}

/// Keys and raw values of a comment in either form.
fn pairs(comment: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = comment.trim_matches(|c: char| c.is_whitespace() || c == '*' || c == '+');
    while !rest.is_empty() {
        let Some(end) = rest.find(['=', ':']) else { break };
        let key = rest[..end].trim().to_owned();
        let after = rest[end + 1..].trim_start();
        let (value, left) = match after.strip_prefix('\'') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        found.push((key, value));
        rest = left.trim_start().trim_start_matches(',').trim_start();
    }
    found
}

/// The value up to its closing quote, with `\\'` undone, and what follows.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' => return (percent_decoded(&value), &text[at + 1..]),
            c => value.push(c),
        }
    }
    // Cut off: what is left may be half of anything.
    (String::new(), "")
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match (*first == b'%').then(|| tail.get(..2).and_then(hex)).flatten() {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A value that may be shown; none for anything that looks like data.
fn value_of(key: &str, raw: &str) -> Option<String> {
    // What follows is a query or a fragment of an address.
    let value = raw.split(['?', '#']).next().unwrap_or_default().trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./:<>{}*()[]+$^ ".contains(c);
    if value.is_empty() || value.chars().count() > VALUE_CHARS || !value.chars().all(fits) {
        return None;
    }
    if key == "route" {
        let part = |part: &str| if is_id(part) { "*".to_owned() } else { part.to_owned() };
        return Some(value.split('/').map(part).collect::<Vec<_>>().join("/"));
    }
    let is_version = |c: char| c.is_ascii_digit() || c == '.';
    let words = value.split(['.', ':', '/', ' ', '-']);
    let has_id = words.clone().any(|word| is_id(word) && !word.chars().all(is_version));
    (!has_id && !words.clone().any(|word| word.len() >= 6 && word.chars().all(|c| c.is_ascii_digit())))
        .then(|| value.to_owned())
}

/// Whether a part of a name is a number, a UUID, a token.
fn is_id(part: &str) -> bool {
    let digits = part.chars().filter(char::is_ascii_digit).count();
    part.starts_with(|c: char| c.is_ascii_digit()) || (digits > 0 && part.len() >= ID_CHARS) || part.len() >= 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tags(sql: &str) -> Vec<String> {
        read(sql).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn both_forms_are_read() {
        for (sql, expected) in [
            (
                "SELECT 1 /*action='index',controller='polls',framework='django%3A4.2',route='%5Epolls/%24',\
                 traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/",
                &["action:index", "controller:polls", "framework:django:4.2", "route:^polls/$"][..],
            ),
            (
                "SELECT $1 /*application:Shop,controller:orders,action:show*/",
                &["action:show", "application:Shop", "controller:orders"],
            ),
            ("/* app:shop,job:Sync::Orders */ SELECT 1", &["application:shop", "job:Sync::Orders"]),
            ("SELECT 1 -- app:shop,db_driver:psycopg2\n", &["application:shop", "db_driver:psycopg2"]),
            ("SELECT 1 /* not a tag */ + 2 /* a=b, c */", &[]),
            ("SELECT '/*action:not this*/'", &[]),
            ("SELECT 1 /*action='cut of", &[]),
            ("SELECT 1 /*action='it\\'s'*/", &[]),
            (
                "SELECT 1 /*route='/customers/4711/orders/8f14e45f-ceea-467f-9575-6a1d9b1cbb2f'*/",
                &["route:/customers/*/orders/*"],
            ),
            ("SELECT 1 /*route='/login?token%3Dabc'*/", &["route:/login"]),
            ("SELECT 1 /*action:first*/ /*action:second*/", &["action:first"]),
        ] {
            assert_eq!(tags(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_looks_like_data_is_dropped() {
        for value in
            ["jane@example.com", "4556737586899855", "eyJhbGciOiJIUzI1NiJ9a8", "ünicode", "a=b", &"x".repeat(101)]
        {
            assert_eq!(tags(&format!("SELECT 1 /*action='{value}'*/")), Vec::<String>::new(), "{value}");
        }
        assert_eq!(tags("SELECT 1 /*password='x',user='y',session:1*/"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn nothing_panics_and_bounds_hold(comment in "\\PC{0,200}") {
            for tag in read(&format!("SELECT 1 /*{comment}*/")) {
                prop_assert!(tag.value.chars().count() <= VALUE_CHARS);
                prop_assert!(KEYS.iter().any(|(_, name)| *name == tag.key));
            }
        }
    }
}
