//! Makes statements of pg_stat_statements readable for the server again.
//!
//! Its normalisation puts `$n` where a constant stood, also where the grammar wants a constant: `interval $1` and
//! `extract($1 FROM …)` are syntax errors. Both have a form that takes any expression.

use super::screen::{Refusal, parameter, tokens};
use sqlparser::{
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan},
};

/// Types that may stand in front of a constant.
const TYPES: &[Keyword] = &[Keyword::INTERVAL, Keyword::DATE, Keyword::TIME, Keyword::TIMESTAMP, Keyword::TIMESTAMPTZ];
/// What may follow `interval '1'`.
const FIELDS: &[Keyword] =
    &[Keyword::YEAR, Keyword::MONTH, Keyword::DAY, Keyword::HOUR, Keyword::MINUTE, Keyword::SECOND];

/// A text that the server can parse, and what was changed in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The text.
    pub text: String,
    /// Remarks for whoever reads the plan.
    pub notes: Vec<String>,
}

/// Replaces `interval $1` by `$1::interval`, likewise for the other types, and `extract($1 FROM x)` by `date_part($1, x)`.
///
/// # Errors
/// The text is too long or cannot be cut into words.
pub fn rewrite(text: &str) -> Result<Rewritten, Refusal> {
    let tokens = tokens(text)?;
    let starts = line_starts(text);
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    let mut casts = 0_u32;
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = &token.token else { continue };
        if word.quote_style.is_some() {
            continue;
        }
        let begin = offset(text, &starts, token.span.start);
        if TYPES.contains(&word.keyword)
            && let Some((name, after)) = type_name(&tokens, at)
            && let Some(value) = tokens.get(after).filter(|value| parameter(&value.token).is_some())
        {
            let field = tokens.get(after + 1).filter(|next| {
                word.keyword == Keyword::INTERVAL
                    && matches!(&next.token, Token::Word(next) if FIELDS.contains(&next.keyword))
            });
            let end = offset(text, &starts, field.unwrap_or(value).span.end);
            let field = field.map(|field| format!(" {}", field.token)).unwrap_or_default();
            edits.push((begin, end, format!("({}::{name}{field})", value.token)));
            casts += 1;
        }
        if word.keyword == Keyword::EXTRACT
            && let [open, value, from, ..] = &tokens[(at + 1).min(tokens.len())..]
            && open.token == Token::LParen
            && parameter(&value.token).is_some()
            && matches!(&from.token, Token::Word(from) if from.keyword == Keyword::FROM)
        {
            let end = offset(text, &starts, from.span.end);
            edits.push((begin, end, format!("pg_catalog.date_part({}::text,", value.token)));
            casts += 1;
        }
    }
    let mut rewritten = text.to_owned();
    for (begin, end, with) in edits.into_iter().rev() {
        rewritten.replace_range(begin..end, &with);
    }
    let notes = (casts > 0).then(|| {
        "Constants in front of which a type stood were rewritten as casts, because $n cannot stand there.".to_owned()
    });
    Ok(Rewritten { text: rewritten, notes: notes.into_iter().collect() })
}

/// A type's name, and the place behind it: `timestamp with time zone` is four words.
fn type_name(tokens: &[TokenWithSpan], at: usize) -> Option<(String, usize)> {
    let word = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    };
    let first = word(at)?;
    match (word(at + 1).as_deref(), word(at + 2).as_deref(), word(at + 3).as_deref()) {
        (Some(zone @ ("with" | "without")), Some("time"), Some("zone")) => {
            Some((format!("{first} {zone} time zone"), at + 4))
        }
        _ => Some((first, at + 1)),
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// Byte of a place that is told in lines and characters, both from 1.
fn offset(text: &str, starts: &[usize], place: Location) -> usize {
    let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
    let start = starts.get(line).copied().unwrap_or(text.len());
    text[start..].char_indices().nth(column).map_or(text.len(), |(at, _)| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_become_casts_where_the_grammar_wants_constants() {
        for (text, expected) in [
            ("SELECT now() - interval $1", "SELECT now() - ($1::interval)"),
            ("SELECT 'größe',\n  a - INTERVAL $1 day, b", "SELECT 'größe',\n  a - ($1::interval day), b"),
            ("SELECT date $1 + time $2", "SELECT ($1::date) + ($2::time)"),
            ("SELECT timestamp with time zone $3", "SELECT ($3::timestamp with time zone)"),
            ("SELECT extract($1 FROM at), x", "SELECT pg_catalog.date_part($1::text, at), x"),
            ("SELECT a.date, \"interval\", interval '1 day', $1", "SELECT a.date, \"interval\", interval '1 day', $1"),
        ] {
            let rewritten = rewrite(text).unwrap();
            assert_eq!(rewritten.text, expected);
            assert_eq!(rewritten.notes.is_empty(), text == expected, "{text}");
        }
    }
}
