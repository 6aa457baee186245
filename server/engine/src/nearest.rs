//! "Did you mean": the known name that is closest to what was written.

/// The closest of `known`, if it is close enough to be meant.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).clamp(1, 4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_nothing_far_off() {
        let known = ["listen", "data_dir", "retention"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("retension", known), Some("retention"));
        assert_eq!(nearest("colour", known), None);
    }
}
