//! One table of the file with the environment over it. Remembers which keys were asked for, so that what is left over
//! can be named as unknown.

use super::{ConfigError, Environment, value::Kind};
use headroom_engine::nearest::nearest;
use std::{cell::RefCell, collections::BTreeSet};
use toml::{Table, Value};

/// A table of the file.
pub struct Section<'a> {
    /// Dotted path with a dot at the end; empty for the root.
    path: String,
    /// Prefix of its environment variables; none where the environment has no say.
    prefix: Option<String>,
    file: &'a str,
    table: Option<&'a Table>,
    env: Environment<'a>,
    known: RefCell<BTreeSet<String>>,
}

/// A value and where it was written.
struct Written {
    text: String,
    place: String,
}

impl<'a> Section<'a> {
    /// The whole file.
    #[must_use]
    pub fn root(file: &'a str, table: &'a Table, env: Environment<'a>) -> Self {
        let prefix = Some("HEADROOM_".to_owned());
        Section { path: String::new(), prefix, file, table: Some(table), env, known: RefCell::default() }
    }

    /// The table under `key`; reads as empty when the file has none.
    ///
    /// # Errors
    /// The key holds something else.
    pub fn section(&self, key: &str) -> Result<Section<'a>, ConfigError> {
        let table = match self.raw(key) {
            None => None,
            Some(Value::Table(table)) => Some(table),
            Some(other) => return Err(self.refuse(key, &shown(other), &format!("a table: [{}{key}]", self.path))),
        };
        let prefix = self.prefix.as_ref().map(|prefix| format!("{prefix}{}_", key.to_uppercase()));
        Ok(self.below(format!("{key}."), prefix, table))
    }

    /// The tables of the array under `key`. The environment has no say in them.
    ///
    /// # Errors
    /// The key holds something else.
    pub fn sections(&self, key: &str) -> Result<Vec<Section<'a>>, ConfigError> {
        let refuse = |other: &Value| self.refuse(key, &shown(other), &format!("tables: [[{}{key}]]", self.path));
        let rows = match self.raw(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(rows)) => rows,
            Some(other) => return Err(refuse(other)),
        };
        let section = |(i, row): (usize, &'a Value)| match row {
            Value::Table(table) => Ok(self.below(format!("{key}[{i}]."), None, Some(table))),
            other => Err(refuse(other)),
        };
        rows.iter().enumerate().map(section).collect()
    }

    fn below(&self, path: String, prefix: Option<String>, table: Option<&'a Table>) -> Section<'a> {
        let path = format!("{}{path}", self.path);
        Section { path, prefix, file: self.file, table, env: self.env, known: RefCell::default() }
    }

    /// A value; none when it is written nowhere.
    ///
    /// # Errors
    /// It is not of the kind.
    pub fn value<T>(&self, key: &str, kind: &Kind<T>) -> Result<Option<T>, ConfigError> {
        let Some(written) = self.written(key)? else { return Ok(None) };
        let Written { text, place } = written;
        match (kind.read)(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError(format!("{place} = \"{text}\" cannot be used; allowed: {}", kind.allowed))),
        }
    }

    /// A list of texts; empty when it is written nowhere. The environment has no say in it.
    ///
    /// # Errors
    /// It is no list, or holds something else than texts of the kind.
    pub fn list(&self, key: &str, kind: &Kind<String>) -> Result<Vec<String>, ConfigError> {
        let allowed = format!("a list of texts, each {}", kind.allowed);
        let rows = match self.raw(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(rows)) => rows,
            Some(other) => return Err(self.refuse(key, &shown(other), &allowed)),
        };
        let text = |row: &Value| match row {
            Value::String(text) => {
                (kind.read)(text).ok_or_else(|| self.refuse(key, &format!("[… \"{text}\" …]"), &allowed))
            }
            other => Err(self.refuse(key, &shown(other), &allowed)),
        };
        rows.iter().map(text).collect()
    }

    /// A secret: the value itself, or the first line of the file that `<key>_file` names. Errors never show it.
    ///
    /// # Errors
    /// Both are given, the file cannot be read, or the value is not of the kind.
    pub fn secret(&self, key: &str, kind: &Kind<String>) -> Result<Option<String>, ConfigError> {
        one_secret(self.written(key)?, self.written(&format!("{key}_file"))?, kind)
    }

    /// A list of secrets: the values themselves, or the lines of the file that `<key>_file` names. Empty when it is
    /// written nowhere. Errors never show a value; the environment has no say in it.
    ///
    /// # Errors
    /// Both are given, the file cannot be read, it is no list, or a value is not of the kind.
    pub fn secrets(&self, key: &str, kind: &Kind<String>) -> Result<Vec<String>, ConfigError> {
        let (list, file) = (self.raw(key), self.written(&format!("{key}_file"))?);
        let (texts, place) = match (list, file) {
            (None, None) => return Ok(Vec::new()),
            (Some(_), Some(file)) => return Err(both(&self.place(key), &file.place)),
            (None, Some(file)) => (read_file(&file)?.lines().map(str::trim).map(str::to_owned).collect(), file.place),
            (Some(Value::Array(rows)), None) => {
                let texts: Option<Vec<_>> = rows.iter().map(|row| row.as_str().map(str::to_owned)).collect();
                (texts.ok_or_else(|| self.refuse(key, "a list", "a list of texts"))?, self.place(key))
            }
            (Some(other), None) => return Err(self.refuse(key, &shown(other), "a list of texts")),
        };
        let texts = texts.iter().filter(|text| !text.is_empty());
        texts.map(|text| (kind.read)(text).ok_or_else(|| unusable(&place, kind))).collect()
    }

    /// A secret of the environment alone (`DATABASE_URL`), or in the file it names (`DATABASE_URL_FILE`).
    ///
    /// # Errors
    /// As [`Section::secret`].
    pub fn env_secret(&self, name: &str, kind: &Kind<String>) -> Result<Option<String>, ConfigError> {
        one_secret(self.in_env(name), self.in_env(&format!("{name}_FILE")), kind)
    }

    /// An environment variable as it is.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    /// What the file has under a key, for shapes of its own.
    pub fn raw(&self, key: &str) -> Option<&'a Value> {
        self.known.borrow_mut().insert(key.to_owned());
        self.table.and_then(|table| table.get(key))
    }

    /// The keys the file has in this table.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.table.into_iter().flat_map(|table| table.keys().map(String::as_str))
    }

    /// The refusal of a value.
    #[must_use]
    pub fn refuse(&self, key: &str, value: &str, allowed: &str) -> ConfigError {
        ConfigError(format!("{} = {value} cannot be used; allowed: {allowed}", self.place(key)))
    }

    /// Something about this section as a whole.
    #[must_use]
    pub fn wrong(&self, sentence: &str) -> ConfigError {
        ConfigError(format!("{}: {}: {sentence}", self.file, self.path.trim_end_matches('.')))
    }

    /// Refuses what was never asked for.
    ///
    /// # Errors
    /// The file has a key that nothing reads.
    pub fn finish(&self) -> Result<(), ConfigError> {
        let known = self.known.borrow();
        let Some(key) = self.keys().find(|key| !known.contains(*key)) else { return Ok(()) };
        let hint = match nearest(key, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean {}{meant}?", self.path),
            None => format!("allowed: {}", known.iter().cloned().collect::<Vec<_>>().join(", ")),
        };
        Err(ConfigError(format!("{} is not a setting; {hint}", self.place(key))))
    }

    fn place(&self, key: &str) -> String {
        format!("{}: {}{key}", self.file, self.path)
    }

    fn in_env(&self, name: &str) -> Option<Written> {
        let text = (self.env)(name).filter(|text| !text.trim().is_empty())?;
        Some(Written { text, place: name.to_owned() })
    }

    fn written(&self, key: &str) -> Result<Option<Written>, ConfigError> {
        let in_file = self.raw(key);
        let name = self.prefix.as_ref().map(|prefix| format!("{prefix}{}", key.to_uppercase()));
        if let Some(written) = name.and_then(|name| self.in_env(&name)) {
            return Ok(Some(written));
        }
        let text = match in_file {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Float(number)) => number.to_string(),
            Some(Value::Boolean(flag)) => flag.to_string(),
            Some(other) => return Err(self.refuse(key, &shown(other), "one value")),
        };
        Ok(Some(Written { text, place: self.place(key) }))
    }
}

/// A value that stands where another kind belongs. What may hold a secret is named by its kind alone.
fn shown(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(_) => "a text".to_owned(),
        plain => plain.to_string(),
    }
}

/// The secret itself, or the first line of the file.
fn one_secret(
    value: Option<Written>,
    file: Option<Written>,
    kind: &Kind<String>,
) -> Result<Option<String>, ConfigError> {
    let Written { text, place } = match (value, file) {
        (Some(value), Some(file)) => {
            return Err(both(&value.place, &file.place));
        }
        (Some(value), None) => value,
        (None, Some(file)) => {
            let text = read_file(&file)?;
            Written { text: text.lines().next().unwrap_or_default().trim().to_owned(), place: file.place }
        }
        (None, None) => return Ok(None),
    };
    (kind.read)(&text).map(Some).ok_or_else(|| unusable(&place, kind))
}

fn read_file(file: &Written) -> Result<String, ConfigError> {
    std::fs::read_to_string(&file.text)
        .map_err(|error| ConfigError(format!("{} = \"{}\" cannot be read: {error}", file.place, file.text)))
}

fn both(value: &str, file: &str) -> ConfigError {
    ConfigError(format!("{value} and {file} are both set; keep one"))
}

fn unusable<T>(place: &str, kind: &Kind<T>) -> ConfigError {
    ConfigError(format!("{place} cannot be used (its value is not shown); allowed: {}", kind.allowed))
}
