//! A dataset's statement: `:name` becomes a numbered, typed parameter, and the statement a page of JSON.

use super::{Paging, definition::Definition};
use crate::sql::quote_identifier;

/// A statement cut at its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// Text and, behind all but the last, the parameter that follows it.
    parts: Vec<(String, Option<String>)>,
}

/// Cuts a statement at `:name`, past strings, quoted names, comments and `::` casts.
///
/// # Errors
/// It is not a query, holds a semicolon, or its parameters are not those named. One sentence.
pub(super) fn parse(sql: &str, names: &[String]) -> Result<Template, String> {
    let sql = sql.trim();
    let first: String = sql.chars().take_while(char::is_ascii_alphabetic).collect();
    if !["select", "with", "values", "table"].contains(&first.to_ascii_lowercase().as_str()) {
        return Err("its statement must begin with SELECT, WITH, VALUES or TABLE".into());
    }
    let chars: Vec<char> = sql.chars().collect();
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut used = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        if let Some(length) = opaque(rest)? {
            text.extend(&rest[..length]);
            at += length;
            continue;
        }
        match rest {
            [':', ':', ..] => {
                text.push_str("::");
                at += 2;
            }
            [':', next, ..] if next.is_ascii_lowercase() => {
                let is_name = |c: &&char| c.is_ascii_lowercase() || c.is_ascii_digit() || **c == '_';
                let name: String = rest[1..].iter().take_while(is_name).collect();
                if !names.contains(&name) {
                    return Err(format!("its statement uses :{name}, which is no parameter"));
                }
                at += 1 + name.len();
                parts.push((std::mem::take(&mut text), Some(name.clone())));
                used.push(name);
            }
            [';', ..] => return Err("its statement holds a semicolon; it must be one query without one".into()),
            ['$', digit, ..] if digit.is_ascii_digit() => {
                return Err("its statement uses $1; parameters are written :name".into());
            }
            [c, ..] => {
                text.push(*c);
                at += 1;
            }
            [] => break,
        }
    }
    parts.push((text, None));
    match names.iter().find(|name| !used.contains(name)) {
        Some(unused) => Err(format!("its statement does not use the parameter :{unused}")),
        None => Ok(Template { parts }),
    }
}

/// The length of a string, quoted name or comment that begins here; none where none does.
fn opaque(rest: &[char]) -> Result<Option<usize>, String> {
    let unclosed = |what: &str| Err(format!("its statement has {what} that does not end"));
    let until = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        rest[from..].windows(end.len()).position(|window| window == end).map(|at| from + at + end.len())
    };
    match rest {
        ['-', '-', ..] => Ok(Some(until(2, "\n").unwrap_or(rest.len()))),
        ['/', '*', ..] => {
            let (mut depth, mut at) = (0, 0);
            while at < rest.len() {
                match &rest[at..] {
                    ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
                    ['*', '/', ..] if depth == 1 => return Ok(Some(at + 2)),
                    ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
            }
            unclosed("a comment")
        }
        // A doubled quote ends one string and begins the next, which comes to the same.
        ['\'', ..] => until(1, "'").map_or_else(|| unclosed("a string"), |end| Ok(Some(end))),
        ['"', ..] => until(1, "\"").map_or_else(|| unclosed("a quoted name"), |end| Ok(Some(end))),
        ['E' | 'e', '\'', ..] => {
            let mut at = 2;
            loop {
                match rest.get(at) {
                    None => return unclosed("a string"),
                    Some('\\') => at += 2,
                    Some('\'') => return Ok(Some(at + 1)),
                    Some(_) => at += 1,
                }
            }
        }
        ['$', next, ..] if !next.is_ascii_digit() => {
            let tag: String = rest[1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            if rest.get(tag.chars().count() + 1) != Some(&'$') {
                return Ok(None);
            }
            let quote = format!("${tag}$");
            let from = quote.chars().count();
            until(from, &quote).map_or_else(|| unclosed("a dollar-quoted string"), |end| Ok(Some(end)))
        }
        _ => Ok(None),
    }
}

/// A column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as PostgreSQL writes it.
    pub kind: String,
}

/// A statement and the names of its parameters, `$1` first. Key values of a cursor follow them, then the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub sql: String,
    pub names: Vec<String>,
}

impl Definition {
    /// The statement itself with numbered parameters. They travel as text and are cast where they stand, so that the
    /// driver needs to know no types.
    pub fn plain(&self) -> Bound {
        let mut sql = String::new();
        let mut names: Vec<String> = Vec::new();
        for (text, name) in &self.template.parts {
            sql.push_str(text);
            let Some(name) = name else { continue };
            let number = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            });
            let kind = self.config.parameters.iter().find(|parameter| parameter.name == *name);
            let kind = kind.map_or("text", |parameter| parameter.kind.sql());
            sql.push_str(&format!("(${}::text::{kind})", number + 1));
        }
        Bound { sql, names }
    }

    /// The statement of one page. Its row: rows as a JSON array, the number of rows of the page, the total (null where
    /// it is not counted), the key of the last row as a JSON array of texts (null without a next page).
    pub fn page(&self, paging: &Paging, columns: &[Column]) -> Bound {
        let Bound { sql, names } = self.plain();
        let key: Vec<String> = self.config.key.iter().map(|name| quote_identifier(name)).collect();
        let order = if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) };
        let first = names.len() + 1;
        let page = match paging {
            Paging::Page { .. } => {
                let total = if self.config.count {
                    format!("(SELECT count(*) FROM (\n{sql}\n) AS c)")
                } else {
                    "NULL::bigint".into()
                };
                format!(
                    "WITH page AS MATERIALIZED (SELECT * FROM (\n{sql}\n) AS q{order} \
                     LIMIT ${first}::text::bigint + 1 OFFSET ${}::text::bigint), \
                     shown AS (SELECT * FROM page{order} LIMIT ${first}::text::bigint) \
                     SELECT /* headroom */ coalesce((SELECT json_agg(s)::text FROM shown AS s), '[]'), \
                     (SELECT count(*) FROM page), {total}, NULL::text",
                    first + 1,
                )
            }
            Paging::After { key: after, .. } => {
                let limit = first + after.as_ref().map_or(0, Vec::len);
                let beyond = after.as_ref().map_or_else(String::new, |after| {
                    let kind = |name: &String| {
                        columns.iter().find(|column| column.name == *name).map_or("text", |column| &column.kind)
                    };
                    let values: Vec<String> = self
                        .config
                        .key
                        .iter()
                        .enumerate()
                        .take(after.len())
                        .map(|(n, name)| format!("${}::text::{}", first + n, kind(name)))
                        .collect();
                    format!(" WHERE ({}) > ({})", key.join(", "), values.join(", "))
                });
                let texts: Vec<String> = key.iter().map(|name| format!("{name}::text")).collect();
                format!(
                    "WITH page AS MATERIALIZED (SELECT * FROM (\n{sql}\n) AS q{beyond}{order} LIMIT ${limit}::text::bigint + 1), \
                     shown AS (SELECT * FROM page{order} LIMIT ${limit}::text::bigint) \
                     SELECT /* headroom */ coalesce((SELECT json_agg(s)::text FROM shown AS s), '[]'), \
                     (SELECT count(*) FROM page), NULL::bigint, \
                     (SELECT json_build_array({})::text FROM page{order} OFFSET ${limit}::text::bigint - 1 LIMIT 1)",
                    texts.join(", "),
                )
            }
        };
        Bound { sql: page, names }
    }

    /// The statement row by row, each as JSON.
    pub fn rows(&self) -> Bound {
        let Bound { sql, names } = self.plain();
        Bound { sql: format!("SELECT /* headroom */ row_to_json(q)::text FROM (\n{sql}\n) AS q"), names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(sql: &str, names: &[&str]) -> Result<Vec<(String, Option<String>)>, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        parse(sql, &names).map(|template| template.parts)
    }

    #[test]
    fn parameters_are_found_where_they_are_and_nowhere_else() {
        let parts = cut("SELECT ':a', \":a\", x::text, $$:a$$, $q$ :a $q$, E'\\':a' -- :a\n /* :a /* :a */ */ FROM t WHERE y = :a AND z=:b::int", &["a", "b"]).unwrap();
        let names: Vec<_> = parts.iter().filter_map(|(_, name)| name.as_deref()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(parts[0].0.ends_with("WHERE y = ") && parts[2].0 == "::int");
    }

    #[test]
    fn other_statements_are_refused() {
        for (sql, word) in [
            ("DELETE FROM t", "begin with"),
            ("SELECT 1; DROP TABLE t", "semicolon"),
            ("SELECT :b", "no parameter"),
            ("SELECT 1", "does not use"),
            ("SELECT $1", ":name"),
            ("SELECT 'x", "string"),
            ("SELECT /* :a", "comment"),
            ("SELECT $a$ :a", "dollar"),
        ] {
            let error = cut(sql, &["a"]).unwrap_err();
            assert!(error.contains(word), "{sql}: {error}");
        }
    }
}
