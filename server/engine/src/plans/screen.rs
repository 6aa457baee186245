//! What may be explained: exactly one statement of an allowed kind that calls nothing dangerous.
//!
//! A real parser proves count and kind; the words of the text are searched for calls, because a call can hide in more
//! places of a syntax tree than a walk knows. Planning runs functions (constants are folded), and a read-only transaction
//! does not stop the ones on the list: they signal other sessions, take locks, read files, reset statistics or speak over
//! the network. Functions outside `pg_catalog` are looked up afterwards, see [`super::explain`].

use sqlparser::{
    ast::{Query, SetExpr, Statement, Visit, Visitor},
    dialect::PostgreSqlDialect,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Longest text that is read, in bytes.
pub const MAX_TEXT: usize = 20_000;
/// Most words, signs and values of a text: what bounds the depth of its syntax tree.
const MAX_TOKENS: usize = 5_000;
/// Most parameters: PREPARE makes room for as many as the highest number says.
const MAX_PARAMETERS: usize = 1_000;

/// Functions that are never explained, by the beginning of their name.
const DENIED_PREFIXES: &[&str] = &[
    "connectby",
    "crosstab",
    "dblink",
    "lo_",
    "pg_advisory_",
    "pg_try_advisory_",
    "pg_backup_",
    "pg_create_",
    "pg_drop_",
    "pg_export_snapshot",
    "pg_file_",
    "pg_get_wal_",
    "pg_log_",
    "pg_logical_",
    "pg_logfile_",
    "pg_ls_",
    "pg_promote",
    "pg_read_",
    "pg_reload_",
    "pg_replication_",
    "pg_rotate_",
    "pg_sleep",
    "pg_start_",
    "pg_stat_clear",
    "pg_stat_file",
    "pg_stat_force",
    "pg_stat_get_wal_",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "pg_stop_",
    "pg_switch_",
    "pg_sync_",
    "pg_wal_replay_",
    "xpath_table",
];

/// And by their whole name.
const DENIED: &[&str] = &[
    "brin_desummarize_range",
    "brin_summarize_new_values",
    "brin_summarize_range",
    "copy_replication_slot",
    "database_to_xml",
    "gin_clean_pending_list",
    "loread",
    "lowrite",
    "nextval",
    "pg_cancel_backend",
    "pg_clear_relation_stats",
    "pg_current_xact_id",
    "pg_extension_config_dump",
    "pg_import_system_collations",
    "pg_nextoid",
    "pg_notify",
    "pg_prewarm",
    "pg_restore_relation_stats",
    "pg_terminate_backend",
    "query_to_xml",
    "schema_to_xml",
    "set_config",
    "setseed",
    "setval",
    "table_to_xml",
    "ts_stat",
    "txid_current",
];

/// Whether a function may never be called while planning, whoever owns it.
fn is_denied(name: &str) -> bool {
    DENIED.contains(&name) || DENIED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Why a text is not explained. Nothing was run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no statement in it.
    #[error("There is no statement in the text.")]
    Empty,
    /// It is too long.
    #[error("The text is too long: at most {MAX_TEXT} bytes and {MAX_TOKENS} words and signs are read.")]
    TooLong,
    /// It cannot be read. Parsers repeat the text, so their words stay here.
    #[error("The text is not one statement that the parser understands.")]
    Unreadable,
    /// There is more than one statement.
    #[error("The text holds {0} statements; exactly one is explained.")]
    Several(usize),
    /// It is of another kind.
    #[error("Only SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES and TABLE are explained, not {0}.")]
    Kind(String),
    /// It makes a table.
    #[error("SELECT INTO makes a table; it is not explained.")]
    Into,
    /// It calls a function that acts outside the transaction.
    #[error("The statement calls {0}(), which may act while it is planned; it is not explained.")]
    Function(String),
    /// A name hides behind escapes.
    #[error("Names written with Unicode escapes (U&\"…\") are not explained.")]
    HiddenName,
    /// A constant or a parameter that the parser and the server may read in different ways.
    #[error("The statement holds a constant or a parameter in a form that is not explained.")]
    OddValue,
    /// It would run, but is more than reading.
    #[error("Only a plain SELECT is run and measured: {0}")]
    NotMeasured(&'static str),
}

/// A statement that passed.
#[derive(Clone, Debug)]
pub struct Screened {
    /// Its syntax tree.
    pub statement: Statement,
    /// Its highest `$n`.
    pub parameters: usize,
    /// Names that are called as functions, folded as PostgreSQL folds them.
    pub functions: BTreeSet<String>,
    /// Whether a `LIMIT $n` stands in it.
    pub unknown_limit: bool,
}

/// Whether a statement is to be planned, or run as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Planned.
    Plan,
    /// Planned and run.
    Measure,
}

/// Proves that a text is one statement that may be explained.
///
/// # Errors
/// It is not; the refusal says why and repeats nothing but names of functions.
pub fn screen(text: &str, purpose: Purpose) -> Result<Screened, Refusal> {
    let tokens = tokens(text)?;
    check_values(&tokens)?;
    let functions = called(&tokens)?;
    let mut statements = Parser::new(&PostgreSqlDialect {})
        .with_tokens_with_locations(tokens.clone())
        .parse_statements()
        .map_err(|_| Refusal::Unreadable)?;
    let statement = match statements.len() {
        0 => return Err(Refusal::Empty),
        1 => statements.remove(0),
        several => return Err(Refusal::Several(several)),
    };
    check_kind(&statement)?;
    if let Some(denied) = functions.iter().find(|name| is_denied(name)) {
        return Err(Refusal::Function(denied.clone()));
    }
    let mut look = Look::default();
    if let ControlFlow::Break(refusal) = statement.visit(&mut look) {
        return Err(*refusal);
    }
    let parameters = tokens.iter().filter_map(|token| parameter(&token.token)).max().unwrap_or(0);
    if purpose == Purpose::Measure {
        let what = if !matches!(statement, Statement::Query(_)) || look.writes {
            Some("this one writes.")
        } else if look.locks {
            Some("this one locks rows.")
        } else if parameters > 0 {
            Some("put values in the places of $1, $2, ….")
        } else {
            None
        };
        if let Some(what) = what {
            return Err(Refusal::NotMeasured(what));
        }
    }
    Ok(Screened { statement, parameters, functions, unknown_limit: look.unknown_limit })
}

/// The words of a text, within bounds.
pub(crate) fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, Refusal> {
    if text.len() > MAX_TEXT {
        return Err(Refusal::TooLong);
    }
    // Unescaped: what a constant means is of no interest, and escapes of other dialects cannot confuse the end of one.
    let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|_| Refusal::Unreadable)?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    if tokens.len() > MAX_TOKENS {
        return Err(Refusal::TooLong);
    }
    Ok(tokens)
}

/// Refuses what the server could read as other words than the parser: a constant that goes on in the next one (the server
/// joins them across lines, escapes included), and a `$` that is neither a parameter nor a whole dollar-quoted constant.
fn check_values(tokens: &[TokenWithSpan]) -> Result<(), Refusal> {
    let is_text = |token: &Token| {
        matches!(
            token,
            Token::SingleQuotedString(_)
                | Token::EscapedStringLiteral(_)
                | Token::UnicodeStringLiteral(_)
                | Token::NationalStringLiteral(_)
                | Token::SingleQuotedByteStringLiteral(_)
                | Token::HexStringLiteral(_)
        )
    };
    let goes_on = tokens.windows(2).any(|pair| is_text(&pair[0].token) && is_text(&pair[1].token));
    let is_odd = |token: &Token| match token {
        Token::Placeholder(_) => parameter(token).is_none_or(|number| number > MAX_PARAMETERS),
        Token::Word(word) => word.quote_style.is_none() && word.value.contains('$'),
        _ => false,
    };
    if goes_on || tokens.iter().any(|token| is_odd(&token.token)) { Err(Refusal::OddValue) } else { Ok(()) }
}

/// The number of a parameter.
pub(crate) fn parameter(token: &Token) -> Option<usize> {
    let Token::Placeholder(text) = token else { return None };
    text.strip_prefix('$')?.parse().ok()
}

/// Every word in front of a parenthesis. Keywords are among them; no function of the list has a keyword's name.
fn called(tokens: &[TokenWithSpan]) -> Result<BTreeSet<String>, Refusal> {
    let mut names = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map(|next| &next.token);
        let Token::Word(word) = &token.token else { continue };
        // U&"…": the tokenizer takes it for three words.
        let third = tokens.get(at + 2).map(|third| &third.token);
        if word.value.eq_ignore_ascii_case("u")
            && word.quote_style.is_none()
            && next == Some(&Token::Ampersand)
            && matches!(third, Some(Token::Word(third)) if third.quote_style.is_some())
        {
            return Err(Refusal::HiddenName);
        }
        if next == Some(&Token::LParen) {
            let name =
                if word.quote_style.is_some() { word.value.replace("\"\"", "\"") } else { word.value.to_lowercase() };
            names.insert(name);
        }
    }
    Ok(names)
}

fn check_kind(statement: &Statement) -> Result<(), Refusal> {
    match statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge { .. } => Ok(()),
        other => {
            // The first word of what it prints is a keyword, never data.
            let printed = other.to_string();
            let word: String = printed.chars().take_while(char::is_ascii_alphabetic).take(20).collect();
            Err(Refusal::Kind(if word.is_empty() { "this statement".to_owned() } else { word.to_uppercase() }))
        }
    }
}

#[derive(Default)]
struct Look {
    locks: bool,
    writes: bool,
    unknown_limit: bool,
}

impl Visitor for Look {
    type Break = Box<Refusal>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        use sqlparser::ast::{Expr, LimitClause, Value};
        let is_parameter =
            |expr: &Expr| matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)));
        self.locks |= !query.locks.is_empty();
        self.unknown_limit |= match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, .. }) => limit.as_ref().is_some_and(is_parameter),
            Some(LimitClause::OffsetCommaLimit { limit, .. }) => is_parameter(limit),
            None => query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()).is_some_and(is_parameter),
        };
        self.body(&query.body)
    }
}

impl Look {
    fn body(&mut self, body: &SetExpr) -> ControlFlow<Box<Refusal>> {
        match body {
            SetExpr::Select(select) if select.into.is_some() => ControlFlow::Break(Box::new(Refusal::Into)),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.writes = true;
                ControlFlow::Continue(())
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Refusal {
        screen(text, Purpose::Plan).expect_err(text)
    }

    #[test]
    fn what_applications_run_passes() {
        for text in [
            "SELECT id FROM shop.orders WHERE customer_id = $1 AND status = $2 ORDER BY total_cents DESC LIMIT $3",
            "SELECT 1;",
            "WITH a AS (SELECT 1 AS n) SELECT * FROM a UNION ALL VALUES (2)",
            "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = excluded.a RETURNING a",
            "UPDATE t SET a = $1 WHERE b = ANY($2)",
            "DELETE FROM t USING u WHERE t.id = u.id",
            "SELECT lower(a), count(*) FILTER (WHERE b IS NULL), payload ->> $1, payload @> $2 FROM t GROUP BY 1",
            "SELECT * FROM t WHERE name LIKE $1 AND tags && $2 AND at > now() - $3::interval FOR UPDATE",
            "SELECT extract(epoch FROM at), x::date, coalesce(a, b) FROM t, LATERAL generate_series(1, 3) s(n)",
            "SELECT c.id FROM customers c LEFT JOIN orders o USING (id) WHERE EXISTS (SELECT 1 FROM x WHERE x.id = c.id)",
        ] {
            screen(text, Purpose::Plan).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        }
    }

    #[test]
    fn the_refusal_list() {
        for text in ["", "   ", ";", "-- nothing"] {
            assert_eq!(refused(text), Refusal::Empty, "{text:?}");
        }
        for text in [
            "SELECT E'a'\n'\\', ', pg_sleep(10) --'",
            "SELECT $€$ , ' $€$ , pg_sleep(10), $€$ ' , $€$",
            "SELECT $268000000",
        ] {
            assert_eq!(refused(text), Refusal::OddValue, "{text:?}");
        }
        assert_eq!(refused("SELECT * FROM crosstab2('SELECT 1')"), Refusal::Function("crosstab2".into()));
        assert_eq!(refused("SELECT 1; SELECT 2"), Refusal::Several(2));
        assert_eq!(refused("SELECT 1; DROP TABLE t"), Refusal::Several(2));
        for (text, kind) in [
            ("EXPLAIN SELECT 1", "EXPLAIN"),
            ("EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN"),
            ("DROP TABLE t", "DROP"),
            ("TRUNCATE t", "TRUNCATE"),
            ("COPY t TO STDOUT", "COPY"),
            ("SET work_mem = '1GB'", "SET"),
            ("CREATE TABLE t (a int)", "CREATE"),
            ("ALTER ROLE app SUPERUSER", "ALTER"),
            ("CALL pay()", "CALL"),
            ("BEGIN", "BEGIN"),
            ("COMMIT", "COMMIT"),
            ("GRANT ALL ON t TO public", "GRANT"),
            ("PREPARE p AS SELECT 1", "PREPARE"),
            ("EXECUTE p", "EXECUTE"),
            ("LISTEN x", "LISTEN"),
            ("NOTIFY x", "NOTIFY"),
            ("VACUUM", "VACUUM"),
        ] {
            match refused(text) {
                Refusal::Kind(found) => assert_eq!(found, kind, "{text}"),
                // What the parser does not know at all is refused as well.
                other => assert_eq!(other, Refusal::Unreadable, "{text}"),
            }
        }
        assert_eq!(refused("DO $$ BEGIN PERFORM 1; END $$"), Refusal::Unreadable);
        assert_eq!(refused("SELECT * INTO copy FROM t"), Refusal::Into);
        assert_eq!(refused("WITH a AS (SELECT 1) SELECT * INTO copy FROM a"), Refusal::Into);
        for function in [
            "pg_notify('a', 'b')",
            "pg_advisory_lock(1)",
            "pg_try_advisory_xact_lock(1)",
            "pg_stat_statements_reset()",
            "pg_stat_reset()",
            "dblink('host=evil', 'select 1')",
            "dblink_connect('x')",
            "lo_import('/etc/passwd')",
            "lo_unlink(1)",
            "loread(1, 2)",
            "pg_read_file('/etc/passwd')",
            "pg_read_binary_file('/etc/passwd')",
            "pg_ls_dir('/')",
            "pg_stat_file('/')",
            "pg_terminate_backend(1)",
            "pg_cancel_backend(1)",
            "set_config('a', 'b', false)",
            "nextval('s')",
            "setval('s', 1)",
            "pg_sleep(10)",
            "pg_sleep_for('1 day')",
            "pg_reload_conf()",
            "pg_rotate_logfile()",
            "pg_switch_wal()",
            "pg_create_restore_point('x')",
            "pg_logical_emit_message(true, 'a', 'b')",
            "pg_promote()",
            "query_to_xml('select 1', true, true, '')",
            "txid_current()",
            "pg_log_backend_memory_contexts(1)",
        ] {
            let name = function.split('(').next().unwrap().to_owned();
            for text in [
                format!("SELECT {function}"),
                format!("SELECT * FROM {function}"),
                format!("SELECT 1 WHERE EXISTS (SELECT {function})"),
                format!("SELECT pg_catalog . {} /* hidden */ {}", name.to_uppercase(), &function[name.len()..]),
                format!("SELECT \"{name}\"{}", &function[name.len()..]),
                format!("INSERT INTO t SELECT {function}"),
                format!("SELECT a FROM t ORDER BY {function}"),
                format!("WITH x AS MATERIALIZED (SELECT {function}) SELECT * FROM x"),
            ] {
                assert_eq!(refused(&text), Refusal::Function(name.clone()), "{text}");
            }
        }
        for text in [r#"SELECT U&"pg_sl\0065ep"(10)"#, r#"select u&"pg_sl!0065ep" uescape '!' (1)"#] {
            let refusal = refused(text);
            assert!(matches!(refusal, Refusal::HiddenName | Refusal::Unreadable), "{text}: {refusal:?}");
        }
        assert_eq!(refused(&format!("SELECT '{}'", "x".repeat(MAX_TEXT))), Refusal::TooLong);
        assert_eq!(refused(&format!("SELECT 1{}", "+1".repeat(MAX_TOKENS))), Refusal::TooLong);
    }

    #[test]
    fn only_a_plain_select_is_measured() {
        for text in [
            "DELETE FROM t",
            "INSERT INTO t VALUES (1)",
            "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t WHERE a = $1",
        ] {
            assert!(matches!(screen(text, Purpose::Measure), Err(Refusal::NotMeasured(_))), "{text}");
        }
        screen("SELECT * FROM t WHERE a = 'b'", Purpose::Measure).unwrap();
    }

    #[test]
    fn deep_and_broken_texts_do_no_harm() {
        let deep = format!("SELECT 1{}", "+1".repeat(MAX_TOKENS / 2 - 10));
        screen(&deep, Purpose::Plan).unwrap();
        for text in ["SELECT 'open", "SELECT (((((", "SELECT /* open", "\0", "SELECT $$ open", "((((((((((((((((("] {
            let _either_way_nothing_panics = screen(text, Purpose::Plan);
        }
        let nested = format!("SELECT {}1{}", "(".repeat(2_000), ")".repeat(2_000));
        assert_eq!(refused(&nested), Refusal::Unreadable);
    }

    #[test]
    fn parameters_and_limits_are_noticed() {
        let screened = screen("SELECT a FROM t WHERE b = $2 AND c = $10 LIMIT $11", Purpose::Plan).unwrap();
        assert_eq!((screened.parameters, screened.unknown_limit), (11, true));
        assert!(!screen("SELECT a FROM t LIMIT 5", Purpose::Plan).unwrap().unknown_limit);
    }
}
