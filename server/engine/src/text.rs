//! Text cut to a length.

/// At most `limit` characters, the last of them an ellipsis where something was cut.
pub(crate) fn short(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!((short("größe", 5), short("größe", 4)), ("größe".to_owned(), "grö…".to_owned()));
    }
}
