//! Statements on their way to either database, and rows on their way back.

use headroom_model::Timestamp;

/// A value bound to a statement. Typed also when it is null: PostgreSQL wants to know.
#[derive(Clone, Debug)]
pub enum Arg {
    /// An integer.
    Int(Option<i64>),
    /// A number.
    Real(f64),
    /// Text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Yes or no.
    Flag(bool),
}

/// A statement with its values. Its text comes from this program alone (`&'static str`), whatever is said at run time is
/// bound: there is no way to inject.
#[derive(Clone, Debug)]
pub struct Query {
    pub(super) sql: String,
    pub(super) args: Vec<Arg>,
    pub(super) reused: bool,
}

impl Query {
    /// A statement with placeholders `$1`, `$2`, …
    pub fn new(sql: &'static str) -> Self {
        Query { sql: sql.to_owned(), args: Vec::new(), reused: true }
    }

    /// Binds the next placeholder.
    pub fn bind(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds text.
    pub fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a placeholder and binds it.
    pub fn push_bind(&mut self, arg: impl Into<Arg>) -> &mut Self {
        self.args.push(arg.into());
        self.sql.push('$');
        self.sql.push_str(&self.args.len().to_string());
        self
    }

    /// Keeps the statement out of the connection's cache: its text will hardly come again.
    pub fn once(mut self) -> Self {
        self.reused = false;
        self
    }
}

/// A value of a row.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Nothing.
    Null,
    /// An integer, or yes (1) and no (0).
    Int(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A row, read from left to right.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Cell>);

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        Row(cells.into_iter())
    }

    fn next<T>(&mut self, what: &str, read: impl FnOnce(Cell) -> Option<T>) -> Result<T, sqlx::Error> {
        let cell = self.0.next().unwrap_or(Cell::Null);
        read(cell).ok_or_else(|| sqlx::Error::Decode(format!("a column does not hold {what}").into()))
    }

    /// The next column: an integer.
    pub fn int(&mut self) -> Result<i64, sqlx::Error> {
        self.next("an integer", |cell| if let Cell::Int(value) = cell { Some(value) } else { None })
    }

    /// The next column: an integer or nothing.
    pub fn maybe_int(&mut self) -> Result<Option<i64>, sqlx::Error> {
        self.next("an integer", |cell| match cell {
            Cell::Int(value) => Some(Some(value)),
            Cell::Null => Some(None),
            _ => None,
        })
    }

    /// The next column: how many.
    pub fn count(&mut self) -> Result<u64, sqlx::Error> {
        self.next("a count", |cell| if let Cell::Int(value) = cell { u64::try_from(value).ok() } else { None })
    }

    /// The next column: a number.
    pub fn real(&mut self) -> Result<f64, sqlx::Error> {
        self.next("a number", |cell| if let Cell::Real(value) = cell { Some(value) } else { None })
    }

    /// The next column: text.
    pub fn text(&mut self) -> Result<String, sqlx::Error> {
        self.next("text", |cell| if let Cell::Text(value) = cell { Some(value) } else { None })
    }

    /// The next column: text or nothing.
    pub fn maybe_text(&mut self) -> Result<Option<String>, sqlx::Error> {
        self.next("text", |cell| match cell {
            Cell::Text(value) => Some(Some(value)),
            Cell::Null => Some(None),
            _ => None,
        })
    }

    /// The next column: bytes.
    pub fn bytes(&mut self) -> Result<Vec<u8>, sqlx::Error> {
        self.next("bytes", |cell| if let Cell::Bytes(value) = cell { Some(value) } else { None })
    }

    /// The next column: yes or no.
    pub fn flag(&mut self) -> Result<bool, sqlx::Error> {
        Ok(self.int()? != 0)
    }

    /// The next column: a moment.
    pub fn timestamp(&mut self) -> Result<Timestamp, sqlx::Error> {
        self.int().map(Timestamp)
    }
}

/// PostgreSQL text cannot hold a NUL; leaving it out of SQLite as well keeps both alike.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

macro_rules! arg_from {
    ($($from:ty => |$value:ident| $arg:expr;)+) => {
        $(impl From<$from> for Arg {
            fn from($value: $from) -> Self {
                $arg
            }
        })+
    };
}

arg_from! {
    i64 => |value| Arg::Int(Some(value));
    u32 => |value| Arg::Int(Some(value.into()));
    f64 => |value| Arg::Real(value);
    bool => |value| Arg::Flag(value);
    String => |value| Arg::Text(Some(without_nul(value)));
    &str => |value| value.to_owned().into();
    Option<&str> => |value| Arg::Text(value.map(|text| without_nul(text.to_owned())));
    &[u8] => |value| Arg::Bytes(value.to_vec());
    Timestamp => |value| Arg::Int(Some(value.0));
    Option<Timestamp> => |value| Arg::Int(value.map(|at| at.0));
}
