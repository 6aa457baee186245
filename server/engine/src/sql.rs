//! What every statement of ours has in common: its mark and how identifiers are quoted.

/// The mark of the console's own statements in `pg_stat_statements`, so that its load on a target can be told apart from
/// the application's.
///
/// It stands *behind the first keyword* (`SELECT /* headroom */ …`): PostgreSQL 18 stores statement text from the first
/// token on, so a leading comment would be lost there.
pub const MARK: &str = "/* headroom */";

/// Quotes an identifier: the one way a name gets into a statement of ours.
///
/// A NUL cannot stand in a PostgreSQL name and is left out.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars().filter(|c| *c != '\0') {
        if c == '"' {
            quoted.push('"');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Quotes a text constant, also where it holds a backslash.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let escaped = text.replace('\0', "").replace('\'', "''");
    if escaped.contains('\\') { format!("E'{}'", escaped.replace('\\', "\\\\")) } else { format!("'{escaped}'") }
}

/// What loads pg_stat_statements beside the `libraries` that are loaded already; words where those are not known.
#[must_use]
pub fn load_statements(libraries: Option<&str>) -> String {
    let Some(libraries) = libraries else {
        return "Add pg_stat_statements to shared_preload_libraries and restart PostgreSQL.".to_owned();
    };
    // Each library is a constant of its own: one constant with commas would be one name.
    let names = libraries.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty());
    let list: Vec<String> = names.chain(["pg_stat_statements"]).map(quote_literal).collect();
    format!("ALTER SYSTEM SET shared_preload_libraries = {}; -- then restart PostgreSQL", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(quote_identifier("order items"), r#""order items""#);
        assert_eq!(quote_identifier(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
        assert_eq!(quote_identifier("a\0b"), r#""ab""#);
    }

    #[test]
    fn constants_cannot_break_out() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\' b"), r"E'a\\'' b'");
    }
}
