//! What configuration says of a dataset, and the check of what a caller asks of it.

use super::{
    Ask, DatasetError, Paging,
    statement::{self, Template},
};
use crate::cache::{ClassSettings, TAGS_MAX};
use headroom_model::{TargetId, api::FieldError};
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};
use time::{Date, OffsetDateTime, PrimitiveDateTime, format_description::well_known::Iso8601};

/// Rows a page when none are asked for.
pub const DEFAULT_LIMIT: u32 = 50;
/// Rows a page at most.
pub const MAX_LIMIT: u32 = 100;
/// The last page that can be asked for by number; a keyset goes further.
const MAX_PAGE: u64 = 100_000;
/// Sets of arguments that a dataset may name for warmups.
const WARM_MAX: usize = 100;
/// Longest text argument, in bytes.
const TEXT_MAX: usize = 256;

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number of 64 bits.
    Integer,
    /// A decimal number.
    Number,
    /// Text of at most 256 bytes.
    Text,
    /// `true` or `false`.
    Boolean,
    /// `2026-11-19`.
    Date,
    /// `2026-11-19T08:32:00Z`.
    Timestamp,
    /// A UUID.
    Uuid,
}

impl ParameterKind {
    /// Every kind, with the word configuration uses.
    pub const ALL: [(&'static str, ParameterKind); 7] = [
        ("integer", ParameterKind::Integer),
        ("number", ParameterKind::Number),
        ("text", ParameterKind::Text),
        ("boolean", ParameterKind::Boolean),
        ("date", ParameterKind::Date),
        ("timestamp", ParameterKind::Timestamp),
        ("uuid", ParameterKind::Uuid),
    ];

    /// The word configuration uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("text", |(word, _)| word)
    }

    /// The type in PostgreSQL.
    pub(super) fn sql(self) -> &'static str {
        match self {
            ParameterKind::Integer => "bigint",
            ParameterKind::Number => "numeric",
            ParameterKind::Text => "text",
            ParameterKind::Boolean => "boolean",
            ParameterKind::Date => "date",
            ParameterKind::Timestamp => "timestamptz",
            ParameterKind::Uuid => "uuid",
        }
    }

    /// The one form of a value, so that two ways to write it share a cache key; an error says what is allowed.
    fn canonical(self, text: &str) -> Result<String, String> {
        let refused = |allowed: &str| format!("\"{}\" is not allowed; allowed: {allowed}", shortened(text));
        match self {
            ParameterKind::Integer => text.parse::<i64>().map(|n| n.to_string()).map_err(|_| refused("a whole number")),
            ParameterKind::Number => match text.parse::<f64>() {
                // PostgreSQL reads the text itself, with all its digits.
                Ok(number) if number.is_finite() && text.len() <= 64 => Ok(text.to_ascii_lowercase()),
                _ => Err(refused("a number")),
            },
            ParameterKind::Text if text.len() <= TEXT_MAX && !text.contains('\0') => Ok(text.to_owned()),
            ParameterKind::Text => Err(refused("text of at most 256 bytes")),
            ParameterKind::Boolean => match text {
                "true" | "1" => Ok("true".into()),
                "false" | "0" => Ok("false".into()),
                _ => Err(refused("true or false")),
            },
            ParameterKind::Date => Date::parse(text, &Iso8601::DATE)
                .map(|date| date.to_string())
                .map_err(|_| refused("a date such as 2026-11-19")),
            ParameterKind::Timestamp => OffsetDateTime::parse(text, &Iso8601::DEFAULT)
                .or_else(|_| PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc))
                .ok()
                .and_then(|at| at.checked_to_offset(time::UtcOffset::UTC)?.format(&Iso8601::DEFAULT).ok())
                .ok_or_else(|| refused("a moment such as 2026-11-19T08:32:00Z")),
            ParameterKind::Uuid => uuid::Uuid::parse_str(text).map(|id| id.to_string()).map_err(|_| refused("a UUID")),
        }
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(40).chain(['…']).collect() }
}

/// A parameter of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, in the statement `:name`.
    pub name: String,
    /// Its kind.
    pub kind: ParameterKind,
    /// What stands where a caller names none. Without it the parameter is required.
    pub default: Option<String>,
    /// Least number.
    pub min: Option<f64>,
    /// Largest number.
    pub max: Option<f64>,
    /// The only values allowed; empty for any.
    pub values: Vec<String>,
}

impl Parameter {
    fn check(&self, text: &str) -> Result<String, String> {
        let value = self.kind.canonical(text)?;
        if !self.values.is_empty() && !self.values.contains(&value) {
            return Err(format!("\"{}\" is not allowed; allowed: {}", shortened(text), self.values.join(", ")));
        }
        if let (Ok(number), true) = (value.parse::<f64>(), self.min.is_some() || self.max.is_some())
            && (self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max))
        {
            let bound = |bound: Option<f64>, none: &str| bound.map_or_else(|| none.to_owned(), |n| n.to_string());
            let (min, max) = (bound(self.min, "any"), bound(self.max, "any"));
            return Err(format!("{value} is out of range; allowed: {min} to {max}"));
        }
        Ok(value)
    }
}

/// When a dataset's pages are loaded before anyone asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmupClass {
    /// Must be there: loaded first, and by every strategy.
    Critical,
    /// Asked for often.
    HighFrequency,
    /// What was asked for lately.
    Recent,
}

impl WarmupClass {
    /// Every class, with the word configuration uses.
    pub const ALL: [(&'static str, WarmupClass); 3] = [
        ("critical", WarmupClass::Critical),
        ("high_frequency", WarmupClass::HighFrequency),
        ("recent", WarmupClass::Recent),
    ];

    /// The word configuration uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, class)| *class == self).map_or("recent", |(word, _)| word)
    }
}

/// A named, parameterised, read-only statement.
#[derive(Clone, Debug)]
pub struct DatasetConfig {
    /// Its name, unique.
    pub name: String,
    /// Where it is read.
    pub target: TargetId,
    /// One `SELECT` (or `WITH … SELECT`, `VALUES`, `TABLE`) with `:name` for parameters and no semicolon.
    pub sql: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// How its pages live in the cache.
    pub cache: ClassSettings,
    /// Tags of its pages; `{name}` stands for an argument.
    pub tags: Vec<String>,
    /// Which warmup loads its first pages, if any. Keys that were used are warmed whatever this says.
    pub warmup: Option<WarmupClass>,
    /// Arguments whose first pages are warmed too, besides those that are all defaults.
    pub warm: Vec<Vec<(String, String)>>,
    /// Columns that name a row and order the pages. With them, pages may be asked for by cursor.
    pub key: Vec<String>,
    /// Tables whose change invalidates it, as `schema.table`.
    pub tables: Vec<String>,
    /// Whether each user has pages of their own: the caller's name is part of the key and the parameter `:user`.
    pub per_user: bool,
    /// Whether numbered pages tell how many rows there are. Counting reads all rows.
    pub count: bool,
}

/// A definition that cannot be used, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dataset \"{name}\": {reason}")]
pub struct DefinitionError {
    /// Which dataset.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Reserved: they choose the page, or are filled by the console.
const RESERVED: [&str; 7] = ["page", "limit", "cursor", "target", "format", "refresh", "user"];

/// A definition whose parts fit together; whether PostgreSQL agrees is asked later.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub config: DatasetConfig,
    pub template: Template,
}

/// Arguments in their one form, by name: every parameter has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arguments(BTreeMap<String, String>);

impl Arguments {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Display for Arguments {
    /// `a=1&b=x%26y`: the same whatever the order a caller named them in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, value)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "&" };
            write!(f, "{separator}{name}={}", escaped(value))?;
        }
        Ok(())
    }
}

/// What separates parts of a key is escaped; the rest stays readable, and findable by pattern.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '%' | '&' | '=' | '#' | '\n' => write!(out, "%{:02X}", c as u32).unwrap_or_default(),
            _ => out.push(c),
        }
    }
    out
}

/// What [`escaped`] wrote.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        let (code, after) = behind.split_at_checked(2)?;
        out.push_str(before);
        out.push(char::from(u8::from_str_radix(code, 16).ok()?));
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

impl Definition {
    pub fn new(config: DatasetConfig) -> Result<Self, DefinitionError> {
        let wrong = |reason: String| DefinitionError { name: config.name.clone(), reason };
        let name_ok = |name: &str| {
            (1..=63).contains(&name.len())
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !name_ok(&config.name) {
            return Err(wrong("its name needs 1 to 63 of a-z, 0-9 and _, beginning with a letter".into()));
        }
        let mut names: Vec<String> = config.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        for (n, name) in names.iter().enumerate() {
            if !name_ok(name) || RESERVED.contains(&name.as_str()) {
                let reserved = RESERVED.join(", ");
                return Err(wrong(format!(
                    "the parameter \"{name}\" needs a name of a-z, 0-9 and _ other than {reserved}"
                )));
            }
            if names[..n].contains(name) {
                return Err(wrong(format!("two parameters are named \"{name}\"")));
            }
        }
        for parameter in &config.parameters {
            if let Some(default) = &parameter.default {
                parameter.check(default).map_err(|reason| wrong(format!("default of {}: {reason}", parameter.name)))?;
            }
        }
        if config.per_user {
            names.push("user".into());
        }
        let template = statement::parse(&config.sql, &names).map_err(wrong)?;
        if config.tags.len() + config.tables.len() > TAGS_MAX {
            return Err(wrong(format!("it has more than {TAGS_MAX} tags and tables")));
        }
        for tag in &config.tags {
            if tag.starts_with("table:") || tag.starts_with("dataset:") {
                return Err(wrong(format!("the tag \"{tag}\" begins with a reserved word")));
            }
            for name in placeholders(tag) {
                if !names.iter().any(|known| known == name) {
                    return Err(wrong(format!("the tag \"{tag}\" names no parameter \"{name}\"")));
                }
            }
        }
        if config.warm.len() > WARM_MAX {
            return Err(wrong(format!("warm names more than {WARM_MAX} sets of arguments")));
        }
        if config.per_user && !config.warm.is_empty() {
            return Err(wrong("its pages are each user's own, so warm cannot name any".into()));
        }
        let definition = Definition { template, config };
        for (n, set) in definition.config.warm.iter().enumerate() {
            if let Err(DatasetError::Invalid(errors)) = definition.arguments(set, "") {
                let errors: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.field, error.reason)).collect();
                let reason = format!("warm[{n}]: {}", errors.join("; "));
                return Err(DefinitionError { name: definition.config.name.clone(), reason });
            }
        }
        Ok(definition)
    }

    /// What loads first pages before anyone asks: the one of all defaults, and the configured ones. None per user.
    pub fn first_pages(&self) -> Vec<Ask> {
        let ask = |arguments: &Vec<(String, String)>| Ask { arguments: arguments.clone(), ..Ask::default() };
        let has_default = !self.config.per_user && self.config.parameters.iter().all(|it| it.default.is_some());
        let default = has_default.then(Ask::default);
        default.into_iter().chain(self.config.warm.iter().map(ask)).collect()
    }

    /// Turns a key back into what was asked; none where it is no key of this definition as it is now.
    pub fn parse_key(&self, key: &str) -> Option<Ask> {
        let (arguments, page) = key.split_once('#')?;
        let mut ask = Ask::default();
        for pair in arguments.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let value = unescaped(value)?;
            if self.config.per_user && name == "user" {
                ask.user = value;
            } else {
                ask.arguments.push((name.to_owned(), value));
            }
        }
        let (page, limit) = page.rsplit_once(',')?;
        ask.limit = Some(limit.parse().ok()?);
        match page.split_at_checked(1)? {
            ("p", page) => ask.page = Some(page.parse().ok()?),
            ("c", cursor) => ask.cursor = Some(cursor.to_owned()),
            _ => return None,
        }
        // The one form: what is written differently was never a key.
        let (.., again) = self.resolve(&ask).ok()?;
        (again == key).then_some(ask)
    }

    /// Checks what is asked for and names its key.
    pub fn resolve(&self, ask: &Ask) -> Result<(Arguments, Paging, String), DatasetError> {
        let arguments = self.arguments(&ask.arguments, &ask.user)?;
        let paging = self.paging(ask.page, ask.limit, ask.cursor.as_deref())?;
        let key = match &paging {
            Paging::Page { page, limit } => format!("{arguments}#p{page},{limit}"),
            Paging::After { limit, .. } => {
                format!("{arguments}#c{},{limit}", ask.cursor.as_deref().unwrap_or_default())
            }
        };
        Ok((arguments, paging, key))
    }

    /// Checks a caller's arguments and brings them into one form.
    pub fn arguments(&self, given: &[(String, String)], user: &str) -> Result<Arguments, DatasetError> {
        let mut errors = Vec::new();
        let mut arguments = BTreeMap::new();
        let refuse = |field: &str, reason: String| FieldError { field: field.to_owned(), reason };
        for (name, _) in given {
            let known = self.config.parameters.iter().any(|parameter| parameter.name == *name);
            if !known {
                let names: Vec<_> = self.config.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                let reason = format!("this dataset has no such parameter; it has: {allowed}, and page, limit, cursor");
                errors.push(refuse(&shortened(name), reason));
            }
        }
        for parameter in &self.config.parameters {
            let mut values = given.iter().filter(|(name, _)| *name == parameter.name).map(|(_, value)| value.as_str());
            let value = values.next();
            if values.next().is_some() {
                errors.push(refuse(&parameter.name, "given twice".into()));
                continue;
            }
            let Some(value) = value.or(parameter.default.as_deref()) else {
                errors.push(refuse(&parameter.name, format!("missing; needed: {}", parameter.kind.as_str())));
                continue;
            };
            match parameter.check(value) {
                Ok(value) => {
                    arguments.insert(parameter.name.clone(), value);
                }
                Err(reason) => errors.push(refuse(&parameter.name, reason)),
            }
        }
        if self.config.per_user {
            arguments.insert("user".into(), user.to_owned());
        }
        if errors.is_empty() { Ok(Arguments(arguments)) } else { Err(DatasetError::Invalid(errors)) }
    }

    /// Checks which page is asked for.
    pub fn paging(&self, page: Option<u64>, limit: Option<u32>, cursor: Option<&str>) -> Result<Paging, DatasetError> {
        let mut errors = Vec::new();
        let mut refuse = |field: &str, reason: String| errors.push(FieldError { field: field.into(), reason });
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            refuse("limit", format!("{limit} is out of range; allowed: 1 to {MAX_LIMIT}"));
        }
        let paging = match (page, cursor) {
            (Some(_), Some(_)) => {
                refuse("cursor", "page and cursor exclude each other".into());
                None
            }
            (page, None) => {
                let page = page.unwrap_or(1);
                if !(1..=MAX_PAGE).contains(&page) {
                    refuse("page", format!("{page} is out of range; allowed: 1 to {MAX_PAGE}"));
                }
                Some(Paging::Page { page, limit })
            }
            (None, Some(cursor)) if self.config.key.is_empty() => {
                refuse("cursor", format!("\"{}\": this dataset has no key, so no cursors", shortened(cursor)));
                None
            }
            // An empty cursor asks for the first page by key.
            (None, Some("")) => Some(Paging::After { key: None, limit }),
            (None, Some(cursor)) => match super::cursor::read(&self.config.name, self.config.key.len(), cursor) {
                Some(key) => Some(Paging::After { key: Some(key), limit }),
                None => {
                    refuse("cursor", format!("\"{}\" is no cursor of this dataset", shortened(cursor)));
                    None
                }
            },
        };
        match paging {
            Some(paging) if errors.is_empty() => Ok(paging),
            _ => Err(DatasetError::Invalid(errors)),
        }
    }

    /// The tags of a page: those of the definition with their arguments filled in, its tables, and the dataset itself.
    pub fn tags(&self, arguments: &Arguments, tables: &[String]) -> Vec<String> {
        let filled = self.config.tags.iter().map(|tag| {
            placeholders(tag).fold(tag.clone(), |text, name| {
                text.replace(&format!("{{{name}}}"), arguments.get(name).unwrap_or_default())
            })
        });
        let table = |name: &String| table_tag(&self.config.target, name);
        // One that is all argument may be empty, and names nothing then.
        filled.filter(|tag| !tag.is_empty()).chain(tables.iter().map(table)).take(TAGS_MAX).collect()
    }
}

/// The tag of everything that depends on a table.
pub(super) fn table_tag(target: &TargetId, table: &str) -> String {
    format!("table:{target}:{table}")
}

/// The names between braces.
fn placeholders(tag: &str) -> impl Iterator<Item = &str> {
    tag.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn parameter(name: &str, kind: ParameterKind) -> Parameter {
        Parameter { name: name.into(), kind, default: None, min: None, max: None, values: Vec::new() }
    }

    fn config() -> DatasetConfig {
        DatasetConfig {
            name: "prices".into(),
            target: TargetId("shop".into()),
            sql: "SELECT id, price FROM prices WHERE region = :region AND id >= :least".into(),
            parameters: vec![
                Parameter { values: vec!["eu".into(), "us".into()], ..parameter("region", ParameterKind::Text) },
                Parameter {
                    default: Some("0".into()),
                    max: Some(1000.0),
                    ..parameter("least", ParameterKind::Integer)
                },
            ],
            cache: ClassSettings::default(),
            tags: vec!["price:{region}".into()],
            warmup: None,
            warm: Vec::new(),
            key: vec!["id".into()],
            tables: vec!["public.prices".into()],
            per_user: false,
            count: true,
        }
    }

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn one_key_however_arguments_are_written() {
        let definition = Definition::new(config()).unwrap();
        let key = |pairs| definition.arguments(&given(pairs), "").unwrap().to_string();
        let expected = "least=7&region=eu";
        assert_eq!(key(&[("region", "eu"), ("least", "7")]), expected);
        assert_eq!(key(&[("least", "+07"), ("region", "eu")]), expected);
        assert_eq!(key(&[("region", "us")]), "least=0&region=us");
        let arguments = definition.arguments(&given(&[("region", "eu")]), "").unwrap();
        assert_eq!(definition.tags(&arguments, &["public.prices".into()]), ["price:eu", "table:shop:public.prices"]);
    }

    #[test]
    fn what_is_wrong_is_named_all_of_it() {
        let definition = Definition::new(config()).unwrap();
        let Err(DatasetError::Invalid(errors)) =
            definition.arguments(&given(&[("region", "asia"), ("least", "5000"), ("colour", "red")]), "")
        else {
            panic!("refused");
        };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["colour", "region", "least"]);
        assert!(errors[1].reason.contains("eu, us") && errors[2].reason.contains("any to 1000"), "{errors:?}");
        let Err(DatasetError::Invalid(errors)) = definition.arguments(&[], "") else { panic!("refused") };
        assert!(errors[0].reason.starts_with("missing"));
        for (page, limit, cursor) in
            [(Some(0), None, None), (None, Some(101), None), (Some(1), None, Some("")), (None, None, Some("foreign"))]
        {
            assert!(definition.paging(page, limit, cursor).is_err(), "{page:?} {limit:?} {cursor:?}");
        }
    }

    #[test]
    fn kinds_have_one_form() {
        for (kind, text, canonical) in [
            (ParameterKind::Integer, "-0", Some("0")),
            (ParameterKind::Integer, "1e3", None),
            (ParameterKind::Number, "1E3", Some("1e3")),
            (ParameterKind::Number, "inf", None),
            (ParameterKind::Boolean, "1", Some("true")),
            (ParameterKind::Date, "2026-02-30", None),
            (ParameterKind::Timestamp, "2026-11-19T09:32:00+01:00", Some("2026-11-19T08:32:00.000000000Z")),
            (ParameterKind::Timestamp, "9999-12-31T23:59:59-01:00", None),
            (
                ParameterKind::Uuid,
                "{67E55044-10B1-426F-9247-BB680E5FE0C8}",
                Some("67e55044-10b1-426f-9247-bb680e5fe0c8"),
            ),
        ] {
            assert_eq!(kind.canonical(text).ok().as_deref(), canonical, "{kind:?} {text}");
        }
    }

    #[test]
    fn definitions_that_do_not_fit_are_refused() {
        for (change, word) in [
            (Box::new(|c: &mut DatasetConfig| c.name = "Prices".into()) as Box<dyn Fn(&mut DatasetConfig)>, "name"),
            (Box::new(|c| c.parameters[0].name = "limit".into()), "limit"),
            (Box::new(|c| c.parameters[1].default = Some("x".into())), "default of least"),
            (Box::new(|c| c.tags.push("x:{colour}".into())), "colour"),
            (Box::new(|c| c.tags.push("table:x".into())), "reserved"),
            (Box::new(|c| c.sql = "SELECT 1".into()), "region"),
        ] {
            let mut config = config();
            change(&mut config);
            let error = Definition::new(config).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn first_pages_are_those_of_all_defaults_and_the_named_ones() {
        let eu = vec![("region".to_owned(), "eu".to_owned())];
        let definition = Definition::new(DatasetConfig { warm: vec![eu.clone()], ..config() }).unwrap();
        assert_eq!(
            definition.first_pages(),
            [Ask { arguments: eu.clone(), ..Ask::default() }],
            "region has no default"
        );
        let defaults = DatasetConfig { sql: "SELECT 1 AS id".into(), parameters: Vec::new(), ..config() };
        let defaults = DatasetConfig { tags: Vec::new(), ..defaults };
        assert_eq!(Definition::new(defaults.clone()).unwrap().first_pages(), [Ask::default()]);
        let own = DatasetConfig { per_user: true, sql: "SELECT :user AS id".into(), ..defaults };
        assert_eq!(Definition::new(own).unwrap().first_pages(), []);
        for (set, word) in [(vec![], "missing"), (vec![("region".to_owned(), "mars".to_owned())], "eu, us")] {
            let error = Definition::new(DatasetConfig { warm: vec![eu.clone(), set], ..config() }).unwrap_err();
            assert!(error.to_string().contains("warm[1]: region: ") && error.to_string().contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_key_tells_what_was_asked(
            text in "\\PC{0,20}|[%&=#\n?*]{0,8}",
            number in any::<i64>(),
            user in "[a-z%&=#]{0,8}",
            page in 1..=MAX_PAGE,
            limit in 1..=MAX_LIMIT,
            cursor in proptest::option::of("[a-z]{0,9}"),
        ) {
            let config = DatasetConfig {
                sql: "SELECT id FROM t WHERE a = :text AND b = :number AND c = :user".into(),
                parameters: vec![parameter("text", ParameterKind::Text), parameter("number", ParameterKind::Integer)],
                tags: Vec::new(),
                per_user: true,
                ..config()
            };
            let definition = Definition::new(config).unwrap();
            let cursor = cursor.map(|value| match value.as_str() {
                "" => String::new(),
                value => super::super::cursor::write("prices", &[value.to_owned()]),
            });
            let ask = Ask {
                arguments: given(&[("number", &number.to_string()), ("text", &text)]),
                page: cursor.is_none().then_some(page),
                limit: Some(limit),
                cursor,
                user,
            };
            let (arguments, paging, key) = definition.resolve(&ask).unwrap();
            let back = definition.parse_key(&key).expect("it is a key");
            prop_assert_eq!(&back, &ask);
            prop_assert_eq!(definition.resolve(&back).unwrap(), (arguments, paging, key));
        }

        #[test]
        fn what_is_no_key_is_none(text in "\\PC{0,40}|least=[0-9%+]{0,3}&region=(eu|us)#[pc][0-9+]{0,3},[0-9]{0,3}") {
            let definition = Definition::new(config()).unwrap();
            if let Some(ask) = definition.parse_key(&text) {
                prop_assert_eq!(definition.resolve(&ask).unwrap().2, text);
            }
        }
    }
}
