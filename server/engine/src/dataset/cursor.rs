//! Cursors: the key of the last row of a page, bound to its dataset.
//!
//! Base64 of a JSON array: a mark of dataset and form, then the key values as text. No secret is in it and none is needed:
//! values reach the statement as parameters, so a forged cursor reads nothing that a parameter could not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use xxhash_rust::xxh3::xxh3_64;

/// Longest cursor, in characters: it is part of the key of its page.
pub(super) const LENGTH_MAX: usize = 700;

fn mark(dataset: &str) -> String {
    format!("{:08x}", xxh3_64(format!("1:{dataset}").as_bytes()) as u32)
}

/// Writes the cursor behind a row, from its key values.
pub(super) fn write(dataset: &str, key: &[String]) -> String {
    let mark = mark(dataset);
    let values: Vec<&str> = std::iter::once(mark.as_str()).chain(key.iter().map(String::as_str)).collect();
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&values).expect("texts have a JSON form"))
}

/// Reads a cursor; none where it is of another dataset, of another form, or no cursor at all.
pub(super) fn read(dataset: &str, columns: usize, cursor: &str) -> Option<Vec<String>> {
    if cursor.len() > LENGTH_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let mut values: Vec<String> = serde_json::from_slice(&bytes).ok()?;
    if values.len() != columns + 1 || values.remove(0) != mark(dataset) || values.iter().any(|it| it.contains('\0')) {
        return None;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_belong_to_their_dataset() {
        let key = ["2026-11-19 08:32:00+00".to_owned(), "7".to_owned()];
        let cursor = write("orders", &key);
        assert_eq!(read("orders", 2, &cursor).as_deref(), Some(&key[..]));
        assert_eq!(read("prices", 2, &cursor), None);
        assert_eq!(read("orders", 1, &cursor), None);
        assert_eq!(read("orders", 2, "garbage"), None);
        assert_eq!(read("orders", 2, &"a".repeat(LENGTH_MAX + 1)), None);
    }
}
