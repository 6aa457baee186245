//! Statement text without its literals. What leaves the collector carries no data of the application.
//!
//! Follows PostgreSQL's lexer (documentation, "Lexical Structure"): strings, escape strings, dollar quotes, bit strings and
//! numbers become `?`; comments go (they can hold data too); identifiers and parameters stay. Where text is cut off or
//! its meaning depends on a setting of the session, more is hidden rather than less.

/// Longest input that is read, in characters; the rest is left out.
const MAX_INPUT: usize = 32_768;

/// Replaces every literal of `sql` by `?` and runs of white space by one space; at most `limit` characters, the last of
/// them an ellipsis where something was cut.
pub fn redact(sql: &str, limit: usize) -> String {
    let text: Vec<char> = sql.chars().take(MAX_INPUT).collect();
    let mut out = String::with_capacity(text.len().min(limit));
    let mut lexer = Lexer { text: &text, at: 0 };
    let mut written = 0;
    while let Some(token) = lexer.next() {
        let (piece, is_space) = match token {
            Token::Gap | Token::Comment(_) => (&[' '][..], true),
            Token::Literal => (&['?'][..], false),
            Token::Text(piece) => (piece, false),
        };
        if is_space && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        for c in piece {
            if written == limit {
                out.pop();
                out.push('…');
                return out;
            }
            out.push(*c);
            written += 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The comments of `sql`, without their marks, in the order they stand.
pub(super) fn comments(sql: &str) -> Vec<String> {
    let text: Vec<char> = sql.chars().take(MAX_INPUT).collect();
    let mut lexer = Lexer { text: &text, at: 0 };
    let mut found = Vec::new();
    while let Some(token) = lexer.next() {
        if let Token::Comment(comment) = token {
            found.push(comment.iter().collect());
        }
    }
    found
}

enum Token<'a> {
    /// White space.
    Gap,
    /// What stands between the marks of a comment.
    Comment(&'a [char]),
    /// A constant of any kind.
    Literal,
    /// Anything else, as it stands.
    Text(&'a [char]),
}

struct Lexer<'a> {
    text: &'a [char],
    at: usize,
}

fn starts_identifier(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn continues_identifier(c: char) -> bool {
    starts_identifier(c) || c.is_ascii_digit() || c == '$'
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let c = self.peek(0)?;
        let start = self.at;
        let next = self.peek(1);
        Some(match c {
            _ if c.is_whitespace() => {
                self.at += 1;
                Token::Gap
            }
            '-' if next == Some('-') => {
                self.skip_while(|c| c != '\n' && c != '\r');
                Token::Comment(&self.text[start + 2..self.at])
            }
            '/' if next == Some('*') => {
                self.skip_block_comment();
                // One that is cut off has no closing mark.
                let end = if self.text[..self.at].ends_with(&['*', '/']) { self.at - 2 } else { self.at };
                Token::Comment(self.text.get(start + 2..end).unwrap_or_default())
            }
            '\'' => self.string(0, false),
            'e' | 'E' if next == Some('\'') => self.string(1, true),
            'b' | 'B' | 'x' | 'X' | 'n' | 'N' if next == Some('\'') => self.string(1, false),
            'u' | 'U' if next == Some('&') && self.peek(2) == Some('\'') => self.string(2, false),
            '"' => {
                self.at += 1;
                self.skip_while(|c| c != '"');
                self.at = (self.at + 1).min(self.text.len());
                Token::Text(&self.text[start..self.at])
            }
            '$' if next.is_some_and(|c| c.is_ascii_digit()) => {
                self.at += 1;
                self.skip_while(|c| c.is_ascii_digit());
                Token::Text(&self.text[start..self.at])
            }
            '$' => self.dollar_quote(),
            _ if c.is_ascii_digit() || (c == '.' && next.is_some_and(|c| c.is_ascii_digit())) => {
                self.number();
                Token::Literal
            }
            _ if starts_identifier(c) => {
                self.skip_while(continues_identifier);
                Token::Text(&self.text[start..self.at])
            }
            _ => {
                self.at += 1;
                Token::Text(&self.text[start..self.at])
            }
        })
    }

    fn skip_while(&mut self, keep: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&keep) {
            self.at += 1;
        }
    }

    /// Block comments nest.
    fn skip_block_comment(&mut self) {
        let mut depth = 0_u32;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// A string whose opening quote is `prefix` characters ahead.
    ///
    /// In a plain string a backslash escapes the quote only under `standard_conforming_strings = off`, which the text
    /// does not show; so where it matters, the rest of the statement is hidden.
    fn string(&mut self, prefix: usize, escapes: bool) -> Token<'a> {
        self.at += prefix + 1;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('\\', _) if escapes => self.at += 2,
                ('\\', Some('\'')) => self.at = self.text.len(),
                ('\'', Some('\'')) => self.at += 2,
                ('\'', _) => {
                    self.at += 1;
                    return Token::Literal;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.text.len();
        Token::Literal
    }

    /// `$$…$$` or `$tag$…$tag$`; a `$` that opens neither stands for itself.
    fn dollar_quote(&mut self) -> Token<'a> {
        let text = self.text;
        let start = self.at;
        let mut end = start + 1;
        while text.get(end).is_some_and(|c| starts_identifier(*c) || (end > start + 1 && c.is_ascii_digit())) {
            end += 1;
        }
        if text.get(end) != Some(&'$') {
            self.at += 1;
            return Token::Text(&text[start..self.at]);
        }
        let tag = &text[start..=end];
        let body = end + 1;
        let close = text[body..].windows(tag.len()).position(|window| window == tag);
        self.at = close.map_or(text.len(), |close| body + close + tag.len());
        Token::Literal
    }

    /// Decimal, exponent, hexadecimal; also what PostgreSQL would call trailing junk.
    fn number(&mut self) {
        let hexadecimal = self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X'));
        while let Some(c) = self.peek(0) {
            let sign = matches!(c, '+' | '-')
                && !hexadecimal
                && matches!(self.text[self.at - 1], 'e' | 'E')
                && self.peek(1).is_some_and(|c| c.is_ascii_digit());
            if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || sign) {
                break;
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_go_and_the_rest_stays() {
        for (sql, expected) in [
            ("SELECT * FROM orders WHERE id = 42", "SELECT * FROM orders WHERE id = ?"),
            ("select 'it''s', E'a\\'b', B'01', x'ff', U&'\\0041'", "select ?, ?, ?, ?, ?"),
            ("SELECT $1, $tag$secret $x$ $tag$, $$a$$", "SELECT $1, ?, ?"),
            ("SELECT col1, t2.c3, \"Col 4\" FROM a$b$c", "SELECT col1, t2.c3, \"Col 4\" FROM a$b$c"),
            ("SELECT 1.5e-3, .5, 0xFF, 1_000, -7, a[1:2]", "SELECT ?, ?, ?, ?, -?, a[?:?]"),
            ("SELECT 1 -- secret\n + /* a /* nested */ secret */ 2", "SELECT ? + ?"),
            ("ALTER ROLE app PASSWORD 'hunter2'", "ALTER ROLE app PASSWORD ?"),
            ("  SELECT\n\t a  ", "SELECT a"),
            ("SELECT 'cut off", "SELECT ?"),
            (r"SELECT 'C:\', 'secret'", "SELECT ?"),
            (r"SELECT 'C:\dir', b", "SELECT ?, b"),
            ("SELECT $1::int4 || '$$'", "SELECT $1::int4 || ?"),
            ("SELECT größe FROM \"a\"\"b\" WHERE e = 'x'", "SELECT größe FROM \"a\"\"b\" WHERE e = ?"),
            ("", ""),
        ] {
            assert_eq!(redact(sql, 500), expected);
        }
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(redact("SELECT abcdef", 10), "SELECT ab…");
        assert_eq!(redact("SELECT abc", 10), "SELECT abc");
        assert_eq!(redact(&"x".repeat(100_000), 500).chars().count(), 500);
    }

    const SECRET: &str = "sEcReT";

    /// A literal or comment that holds the secret between arbitrary characters, written as an application would.
    fn hiding() -> impl Strategy<Value = String> {
        ("[ -~é]{0,6}", "[ -~é]{0,6}", 0..7_u8).prop_map(|(before, after, form)| {
            let body = format!("{before}{SECRET}{after}");
            match form {
                0 => format!("'{}'", body.replace('\'', "''")),
                1 => format!("E'{}'", body.replace('\\', "\\\\").replace('\'', "\\'")),
                2 => format!("$q${}$q$", body.replace('$', "")),
                3 => format!("$${}$$", body.replace('$', "")),
                4 => format!("/* {} */", body.replace(['*', '/'], "")),
                5 => format!("-- {body}\n"),
                _ => format!("1{SECRET}"),
            }
        })
    }

    fn plain() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("SELECT".to_owned()),
            Just("col_1".to_owned()),
            Just("\"odd ' name\"".to_owned()),
            Just("$1".to_owned()),
            Just("a$b".to_owned()),
            Just("(x.y)::text[]".to_owned()),
            Just("->> || <= ?".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn nothing_panics_and_bounds_hold(sql in "\\PC{0,200}", limit in 1..100_usize) {
            prop_assert!(redact(&sql, limit).chars().count() <= limit);
        }

        #[test]
        fn secrets_never_leave(parts in proptest::collection::vec(prop_oneof![hiding(), plain()], 0..12)) {
            let sql = parts.join(" ");
            let shown = redact(&sql, 10_000);
            prop_assert!(!shown.contains(SECRET), "{sql:?} → {shown:?}");
        }

        #[test]
        fn nor_do_they_where_the_server_cut_the_text(
            parts in proptest::collection::vec(prop_oneof![hiding(), plain()], 0..12),
            cut in any::<prop::sample::Index>(),
        ) {
            let sql: Vec<char> = parts.join(" ").chars().collect();
            let sql: String = sql[..cut.index(sql.len() + 1)].iter().collect();
            prop_assert!(!redact(&sql, 10_000).contains(SECRET), "{sql:?}");
        }

        #[test]
        fn redacting_twice_changes_nothing(parts in proptest::collection::vec(prop_oneof![hiding(), plain()], 0..12)) {
            let once = redact(&parts.join(" "), 10_000);
            prop_assert_eq!(redact(&once, 10_000), once);
        }
    }
}
