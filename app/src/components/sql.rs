//! A statement as it is read best: clauses on lines of their own, keywords and parameters apart.

use leptos::prelude::*;

/// What a piece of a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Plain,
    Keyword,
    Parameter,
}

impl Piece {
    fn class(self) -> Option<&'static str> {
        match self {
            Piece::Plain => None,
            Piece::Keyword => Some("k"),
            Piece::Parameter => Some("n"),
        }
    }
}

/// Words that are set apart.
const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CONFLICT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EXISTS",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INSERT",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MERGE",
    "NOT",
    "NOTHING",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "RETURNING",
    "RIGHT",
    "SELECT",
    "SET",
    "THEN",
    "UNION",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];
/// Words that begin a line where they stand outside parentheses.
const CLAUSES: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "SET",
    "VALUES",
    "RETURNING",
    "UNION",
    "LEFT",
    "RIGHT",
    "INNER",
    "FULL",
    "JOIN",
    "ON",
];
/// Words after which the next one does not begin a line: LEFT JOIN, INSERT … ON CONFLICT stays whole.
const LEADS: &[&str] = &["LEFT", "RIGHT", "INNER", "FULL", "OUTER", "CROSS", "DO", "UPDATE", "JOIN"];

/// The pieces of a statement; with `lines`, clauses begin lines.
fn pieces(sql: &str, lines: bool) -> Vec<(Piece, String)> {
    let mut found: Vec<(Piece, String)> = Vec::new();
    let mut push = |piece: Piece, text: &str| match found.last_mut() {
        Some((last, written)) if *last == piece => written.push_str(text),
        _ => found.push((piece, text.to_owned())),
    };
    let (mut depth, mut before) = (0_u32, String::new());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let word_end =
            |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
        let (piece, end) = match first {
            '"' => (Piece::Plain, rest[1..].find('"').map_or(rest.len(), |end| end + 2)),
            '$' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Piece::Parameter, 1 + word_end(&rest[1..])),
            '?' => (Piece::Parameter, 1),
            c if c.is_alphabetic() || c == '_' => {
                let end = word_end(rest);
                let word = rest[..end].to_ascii_uppercase();
                let is_keyword = KEYWORDS.contains(&word.as_str());
                let begins = depth == 0 && CLAUSES.contains(&word.as_str()) && !LEADS.contains(&before.as_str());
                if lines && begins && !before.is_empty() {
                    push(Piece::Plain, "\n");
                }
                before = word;
                (if is_keyword { Piece::Keyword } else { Piece::Plain }, end)
            }
            '(' => {
                depth += 1;
                (Piece::Plain, 1)
            }
            ')' => {
                depth = depth.saturating_sub(1);
                (Piece::Plain, 1)
            }
            c => (Piece::Plain, c.len_utf8()),
        };
        push(piece, &rest[..end]);
        rest = &rest[end..];
    }
    // A line that ends with the space before its break would be selected with it.
    for (_, text) in &mut found {
        *text = text.replace(" \n", "\n");
    }
    found
}

fn spans(pieces: Vec<(Piece, String)>) -> impl IntoView {
    let span = |(piece, text): (Piece, String)| match piece.class() {
        Some(class) => view! { <span class=class>{text}</span> }.into_any(),
        None => text.into_any(),
    };
    pieces.into_iter().map(span).collect_view()
}

/// A statement in full.
#[component]
pub fn SqlBlock(
    text: String,
    /// What it is, for those who listen.
    label: &'static str,
) -> impl IntoView {
    view! {
        <div class="code">
            <pre tabindex="0" role="group" aria-label=label>
                {spans(pieces(&text, true))}
            </pre>
        </div>
    }
    .into_any()
}

/// A statement in one line that is cut where its room ends.
#[component]
pub fn SqlLine(text: String) -> impl IntoView {
    view! { <code class="sql-line" title=text.clone()>{spans(pieces(&text, false))}</code> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sql: &str) -> String {
        pieces(sql, true).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn clauses_begin_lines() {
        assert_eq!(
            written(
                "SELECT o.id, (SELECT a FROM b WHERE c = $1) FROM orders o LEFT JOIN x ON x.id = o.id WHERE o.a = $2 ORDER BY o.id LIMIT $3"
            ),
            "SELECT o.id, (SELECT a FROM b WHERE c = $1)\nFROM orders o\nLEFT JOIN x\nON x.id = o.id\nWHERE o.a = $2\nORDER BY o.id\nLIMIT $3"
        );
        assert_eq!(written("UPDATE a SET b = $1 WHERE c = $2"), "UPDATE a\nSET b = $1\nWHERE c = $2");
        assert_eq!(written("FROM"), "FROM");
    }

    #[test]
    fn nothing_of_a_statement_is_lost() {
        for sql in ["", "SELECT \"from x\" -- ö", "SELECT 'unclosed \"", "a$b $1 $ ? )(", "größe FROM \"ä"] {
            let shown: String = pieces(sql, false).into_iter().map(|(_, text)| text).collect();
            assert_eq!(shown, sql);
        }
        let found = pieces("SELECT $1", false);
        assert_eq!(found[0], (Piece::Keyword, "SELECT".to_owned()));
        assert_eq!(found[2], (Piece::Parameter, "$1".to_owned()));
    }
}
