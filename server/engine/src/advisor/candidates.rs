//! Indexes that a statement's use of a table suggests, and the guards that turn most of them down at once.
//!
//! Columns compared for equality come first, most selective first, then one range, then the order of the rows; a key stops
//! where few rows are left. The guards are those of PgHero, pganalyze and dexter.

use super::{
    catalog::{Catalog, Column, Index, Table},
    shape::{Fixed, Key, Ordered, Use},
};
use crate::sql::quote_identifier;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Smaller tables are read faster without an index.
const MIN_ROWS: f64 = 500.0;
/// Most columns that a key begins with for equality.
const MAX_EQUAL: usize = 3;
/// Few enough rows to filter.
const FEW_ROWS: f64 = 10.0;
/// A B-tree entry holds a third of a page at most.
const WIDEST: f64 = 2_000.0;
/// A partial index over more of the table is not much smaller.
const PARTIAL: f64 = 0.5;
/// PostgreSQL cuts names at 63 bytes.
const NAME_BYTES: usize = 63;

/// An index that may help.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub table: Arc<Table>,
    pub method: &'static str,
    /// Keys as a statement writes them.
    pub keys: Vec<String>,
    /// Columns of the keys, for names, widths and estimates.
    pub columns: Vec<String>,
    /// Condition of a partial index.
    pub predicate: Option<String>,
    /// Share of the rows in the index.
    pub fraction: f64,
    /// Share of the rows that a lookup reads, estimated.
    pub selectivity: f64,
    pub reason: String,
}

impl Candidate {
    /// What it is, without a name: the same for the same index.
    pub fn definition(&self) -> String {
        let using = if self.method == "btree" { String::new() } else { format!("USING {} ", self.method) };
        let predicate = self.predicate.as_ref().map(|it| format!(" WHERE {it}")).unwrap_or_default();
        format!("ON {} {using}({}){predicate}", self.table.quoted(), self.keys.join(", "))
    }

    /// `(customer_id, status) WHERE shipped_at IS NULL`, to be read.
    pub fn shown(&self) -> String {
        let plain = |text: &str| text.replace('"', "");
        let using = if self.method == "btree" { String::new() } else { format!("{} ", self.method) };
        let predicate = self.predicate.as_ref().map(|it| format!(" WHERE {}", plain(it))).unwrap_or_default();
        format!("{using}({}){predicate}", plain(&self.keys.join(", ")))
    }

    /// Stable while the index is the same.
    pub fn id(&self) -> String {
        Sha256::digest(self.definition()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A name that no index of the table has, but for what a build that did not end left behind.
    pub fn name(&self) -> String {
        let mut base = std::iter::once(&self.table.name).chain(&self.columns).cloned().collect::<Vec<_>>().join("_");
        if self.predicate.is_some() {
            base.push_str("_partial");
        }
        for number in 1..100 {
            let ending = if number == 1 { "_idx".to_owned() } else { format!("_idx{number}") };
            let mut name = base.clone();
            while name.len() + ending.len() > NAME_BYTES {
                name.pop();
            }
            name.push_str(&ending);
            if self.table.indexes.iter().all(|index| index.name != name || is_leftover(index)) {
                return name;
            }
        }
        format!("headroom_{}_idx", self.id())
    }

    /// Whether something that a build left behind has its name.
    pub fn leftover(&self) -> bool {
        let name = self.name();
        self.table.indexes.iter().any(|index| index.name == name && is_leftover(index))
    }

    pub fn create_sql(&self) -> String {
        format!("CREATE INDEX CONCURRENTLY {} {};", quote_identifier(&self.name()), self.definition())
    }

    pub fn drop_sql(&self) -> String {
        format!("DROP INDEX CONCURRENTLY {}.{};", quote_identifier(&self.table.schema), quote_identifier(&self.name()))
    }

    /// Bytes of the keys of a row.
    pub fn key_width(&self) -> f64 {
        self.columns.iter().filter_map(|name| self.table.column(name)).map(|column| column.width.unwrap_or(8.0)).sum()
    }

    /// By how much writing a row gets dearer: bytes written to the index for the bytes written to the table.
    pub fn write_overhead(&self) -> f64 {
        (8.0 + self.key_width()) / (27.0 + self.table.row_width()) * self.fraction
    }

    /// Bytes that it takes, estimated: entries with header and line pointer, pages nine tenths full.
    pub fn size_bytes(&self) -> f64 {
        let entry =
            if self.method == "gin" { 6.0 + self.key_width() } else { (8.0 + self.key_width() + 7.0).floor() + 4.0 };
        (self.table.rows.max(0.0) * self.fraction * entry / 0.9).max(8192.0)
    }

    /// How long building takes, estimated: the table is read twice (CONCURRENTLY), its entries are sorted.
    pub fn build_ms(&self) -> f64 {
        let rows = self.table.rows.max(1.0) * self.fraction;
        let read = 2.0 * self.table.pages * 8192.0 / 300e6 * 1000.0;
        let per_row = if self.method == "gin" { 0.01 } else { 0.0006 };
        read + rows * per_row * rows.log2().max(1.0) / 17.0
    }
}

/// Why something that a statement asks for leads to no candidate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoCandidate {
    pub table: String,
    pub keys: String,
    pub why_not: String,
}

/// What a statement's use of a table suggests.
pub fn of(asked: &Use, catalog: &Catalog) -> (Vec<Candidate>, Vec<NoCandidate>) {
    let Some(table) = catalog.by_oid(asked.table) else { return Default::default() };
    let mut maker = Maker { table, catalog, made: BTreeMap::new(), refused: Vec::new() };
    if maker.table_may(asked) {
        maker.trees(asked);
        maker.inverted(asked);
        for unknown in &asked.unknown {
            maker.refuse("an expression".to_owned(), format!("It would be over {unknown}."));
        }
    }
    (maker.made.into_values().collect(), maker.refused)
}

struct Maker<'a> {
    table: &'a Arc<Table>,
    catalog: &'a Catalog,
    made: BTreeMap<String, Candidate>,
    refused: Vec<NoCandidate>,
}

fn column_of(key: &Key) -> &str {
    match key {
        Key::Column(name) | Key::Call(_, name) => name,
    }
}

fn shown(key: &Key) -> String {
    match key {
        Key::Column(name) => name.clone(),
        Key::Call(function, name) => format!("{}({name})", function.join(".")),
    }
}

fn written(key: &Key) -> String {
    match key {
        Key::Column(name) => quote_identifier(name),
        Key::Call(function, name) => {
            let function: Vec<String> = function.iter().map(|part| quote_identifier(part)).collect();
            format!("{}({})", function.join("."), quote_identifier(name))
        }
    }
}

fn list(keys: &[&Key]) -> String {
    format!("({})", keys.iter().map(|key| shown(key)).collect::<Vec<_>>().join(", "))
}

impl Maker<'_> {
    fn refuse(&mut self, keys: String, why_not: impl Into<String>) {
        self.refused.push(NoCandidate { table: self.table.shown(), keys, why_not: why_not.into() });
    }

    /// Guards of the whole table.
    fn table_may(&mut self, asked: &Use) -> bool {
        let table = self.table;
        let keys: Vec<&Key> = asked.equal.iter().chain(&asked.joined).chain(&asked.ranges).collect();
        if !matches!(table.kind.as_str(), "r" | "p" | "m") {
            return false;
        }
        if matches!(table.schema.as_str(), "pg_catalog" | "information_schema" | "pg_toast") {
            self.refuse(list(&keys), "It is a table of the system.");
        } else if table.kind == "p" {
            self.refuse(
                list(&keys),
                "It is a partitioned table: CREATE INDEX CONCURRENTLY works on its partitions one by one, not on the whole.",
            );
        } else if table.rows < 0.0 {
            self.refuse(list(&keys), format!("Its statistics are missing. ANALYZE {};", table.quoted()));
        } else if table.rows < MIN_ROWS {
            let rows = headroom_model::format::count(table.rows as u64);
            self.refuse(list(&keys), format!("It has {rows} rows; below 500 reading all of them is faster."));
        } else if table.columns.iter().all(|column| column.distinct.is_none()) {
            self.refuse(
                list(&keys),
                format!(
                    "Its statistics are hidden or missing. GRANT SELECT ON {} TO {}; or ANALYZE {};",
                    table.quoted(),
                    self.catalog.role,
                    table.quoted()
                ),
            );
        } else {
            return true;
        }
        false
    }

    fn column(&self, key: &Key) -> Option<&Column> {
        self.table.column(column_of(key))
    }

    /// Guards of one key of a B-tree.
    fn key_may(&mut self, key: &Key) -> bool {
        let Some(column) = self.column(key).cloned() else { return false };
        if let Key::Call(function, _) = key
            && let Some(why_not) = self.catalog.refusal(function)
        {
            self.refuse(format!("({})", shown(key)), why_not);
            return false;
        }
        let why_not = match key {
            Key::Column(_)
                if matches!(column.type_name.as_str(), "json" | "jsonb" | "xml" | "point" | "box" | "polygon") =>
            {
                format!("Values of type {} are not compared by a B-tree in a useful way.", column.type_name)
            }
            _ if column.width.is_some_and(|width| width > WIDEST) => {
                "Its values are too wide for a B-tree (2.7 kB at most); an index over md5() of it would serve equality."
                    .to_owned()
            }
            _ if column.distinct.is_none() => {
                format!("There are no statistics of it. ANALYZE {};", self.table.quoted())
            }
            _ => return true,
        };
        self.refuse(format!("({})", shown(key)), why_not);
        false
    }

    fn distinct(&self, key: &Key) -> f64 {
        self.column(key).and_then(|column| column.distinct).unwrap_or(1.0).max(1.0)
    }

    /// Keys compared for equality, most selective first, until few rows are left.
    fn firsts(&mut self, keys: &BTreeSet<Key>) -> Vec<Key> {
        let mut equal: Vec<&Key> = keys.iter().collect();
        equal.retain(|key| self.key_may(key));
        equal.sort_by(|a, b| self.distinct(b).total_cmp(&self.distinct(a)).then(a.cmp(b)));
        let mut left = self.table.rows;
        let mut first: Vec<Key> = Vec::new();
        for key in equal {
            if first.len() == MAX_EQUAL || left <= FEW_ROWS {
                break;
            }
            left /= self.distinct(key);
            first.push(key.clone());
        }
        first
    }

    fn trees(&mut self, asked: &Use) {
        let first = self.firsts(&asked.equal);
        let joined = self.firsts(&asked.joined);
        let both = self.firsts(&asked.equal.union(&asked.joined).cloned().collect());
        let is_equal = |key: &Key| asked.equal.contains(key) || asked.joined.contains(key);
        let mut ranges: Vec<&Key> = asked.ranges.iter().filter(|key| !is_equal(key)).collect();
        ranges.retain(|key| self.key_may(key));
        ranges.sort_by(|a, b| self.distinct(b).total_cmp(&self.distinct(a)).then(a.cmp(b)));
        let mut order: Vec<&Ordered> = asked.order.iter().filter(|by| !first.contains(&by.key)).collect();
        if !order.iter().map(|by| by.key.clone()).collect::<Vec<_>>().iter().all(|key| self.key_may(key)) {
            order.clear();
        }
        let first: Vec<&Key> = first.iter().collect();
        let mut bases: Vec<(Vec<&Key>, Vec<&Ordered>, f64)> = Vec::new();
        for keys in [first.as_slice(), &joined.iter().collect::<Vec<_>>(), &both.iter().collect::<Vec<_>>()] {
            if !keys.is_empty() {
                bases.push((keys.to_vec(), vec![], 1.0));
                bases.push((keys[..1].to_vec(), vec![], 1.0));
            }
        }
        if let Some(range) = ranges.first() {
            bases.push((first.iter().copied().chain([*range]).collect(), vec![], 1.0 / 3.0));
        }
        let order_fits = ranges.first().is_none_or(|range| order.first().is_some_and(|by| by.key == **range));
        if !order.is_empty() && order.len() <= 3 && order_fits && (!first.is_empty() || asked.has_limit) {
            bases.push((first.clone(), order.clone(), 1.0));
        }
        for (keys, order, range) in &bases {
            self.tree(keys, order, *range, None, asked);
            for fixed in &asked.fixed {
                self.tree(keys, order, *range, Some(fixed), asked);
            }
        }
        if bases.is_empty() {
            for fixed in &asked.fixed {
                let column = match fixed {
                    Fixed::Null { column, .. } | Fixed::Flag { column, .. } => Key::Column(column.clone()),
                };
                self.tree(&[&column], &[], 1.0, Some(fixed), asked);
            }
        }
    }

    fn tree(&mut self, keys: &[&Key], order: &[&Ordered], range: f64, fixed: Option<&Fixed>, asked: &Use) {
        let (predicate, fraction) = match fixed.map(|fixed| self.predicate(fixed)) {
            None => (None, 1.0),
            Some(Some((predicate, fraction))) if fraction <= PARTIAL => (Some(predicate), fraction),
            Some(_) => return,
        };
        let mut columns: Vec<String> = keys.iter().map(|key| column_of(key).to_owned()).collect();
        columns.extend(order.iter().map(|by| column_of(&by.key).to_owned()));
        let ordered = |by: &&Ordered| {
            let direction = if by.descending { " DESC" } else { "" };
            let nulls = match by.nulls_first {
                Some(first) if first != by.descending => {
                    if first {
                        " NULLS FIRST"
                    } else {
                        " NULLS LAST"
                    }
                }
                _ => "",
            };
            format!("{}{direction}{nulls}", written(&by.key))
        };
        let mut sql: Vec<String> = keys.iter().map(|key| written(key)).collect();
        sql.extend(order.iter().map(ordered));
        let equal = keys.iter().filter(|key| asked.equal.contains(**key) || asked.joined.contains(**key));
        let selectivity = equal.map(|key| 1.0 / self.distinct(key)).product::<f64>() * range;
        let reason = reason(keys, order, asked, fixed.is_some());
        let candidate = Candidate {
            table: self.table.clone(),
            method: "btree",
            keys: sql,
            columns,
            predicate,
            fraction,
            selectivity,
            reason,
        };
        if let Some(existing) = covered(&candidate) {
            let why_not = format!("The index {existing} begins with the same columns.");
            self.refuse(candidate.shown(), why_not);
            return;
        }
        self.made.entry(candidate.definition()).or_insert(candidate);
    }

    /// A fixed condition as a statement writes it, and the share of rows that meet it.
    fn predicate(&self, fixed: &Fixed) -> Option<(String, f64)> {
        match fixed {
            Fixed::Null { column, is_null } => {
                let known = self.table.column(column).filter(|column| column.distinct.is_some())?;
                let words = if *is_null { "IS NULL" } else { "IS NOT NULL" };
                let share = if *is_null { known.null_fraction } else { 1.0 - known.null_fraction };
                Some((format!("{} {words}", quote_identifier(column)), share))
            }
            Fixed::Flag { column, is_true } => {
                let share = self.table.column(column)?.true_fraction?;
                let not = if *is_true { "" } else { "NOT " };
                let share = if *is_true { share } else { 1.0 - share };
                Some((format!("{not}{}", quote_identifier(column)), share))
            }
        }
    }

    /// GIN: what a value contains, and parts of texts.
    fn inverted(&mut self, asked: &Use) {
        for (name, operator) in &asked.contains {
            let Some(column) = self.table.column(name) else { continue };
            let class = match (column.type_name.as_str(), operator.as_str()) {
                ("jsonb", "@>") => " jsonb_path_ops",
                ("jsonb", "?" | "?|" | "?&") | ("tsvector", "@@") => "",
                (array, "@>" | "<@" | "&&") if array.starts_with('_') => "",
                _ => continue,
            };
            let key = format!("{}{class}", quote_identifier(name));
            self.gin(name, key, 0.001, format!("Rows are searched by what {name} contains ({operator})."));
        }
        for key in &asked.patterns {
            let name = column_of(key);
            let is_text = self.column(key).is_some_and(|column| {
                matches!(column.type_name.as_str(), "text" | "varchar" | "bpchar" | "citext" | "name")
            });
            if !is_text {
                continue;
            }
            match &self.catalog.trigrams {
                Some(schema) => {
                    let written = format!("{} {schema}.gin_trgm_ops", written(key));
                    self.gin(name, written, 0.005, format!("Rows are searched by parts of {}.", shown(key)));
                }
                None => {
                    let help = if self.catalog.offers_trigrams {
                        "CREATE EXTENSION pg_trgm; makes it possible."
                    } else {
                        "The server does not offer it (contrib package)."
                    };
                    let why_not =
                        format!("A trigram index needs the extension pg_trgm, which is not installed. {help}");
                    self.refuse(format!("gin ({} gin_trgm_ops)", shown(key)), why_not);
                }
            }
        }
    }

    fn gin(&mut self, column: &str, key: String, selectivity: f64, reason: String) {
        let candidate = Candidate {
            table: self.table.clone(),
            method: "gin",
            keys: vec![key],
            columns: vec![column.to_owned()],
            predicate: None,
            fraction: 1.0,
            selectivity,
            reason,
        };
        let has = self.table.indexes.iter().find(|index| {
            index.method == "gin" && index.is_valid && index.keys.iter().any(|key| key.replace('"', "") == column)
        });
        if let Some(existing) = has {
            let why_not = format!("The index {} is over the same.", existing.name);
            self.refuse(candidate.shown(), why_not);
            return;
        }
        self.made.entry(candidate.definition()).or_insert(candidate);
    }
}

fn reason(keys: &[&Key], order: &[&Ordered], asked: &Use, is_partial: bool) -> String {
    let names = |keys: Vec<String>| keys.join(" and ");
    let is_equal = |key: &Key| asked.equal.contains(key) || asked.joined.contains(key);
    let (equal, ranges): (Vec<&Key>, Vec<&Key>) = keys.iter().copied().partition(|key| is_equal(key));
    let [equal, ranges] = [equal, ranges].map(|keys| keys.into_iter().map(shown).collect::<Vec<_>>());
    let mut parts = Vec::new();
    if !equal.is_empty() {
        parts.push(format!("finds rows by {}", names(equal)));
    }
    if !ranges.is_empty() {
        parts.push(format!("reads a range of {}", names(ranges)));
    }
    if !order.is_empty() {
        parts.push(format!("gives them in the order of {}", names(order.iter().map(|by| shown(&by.key)).collect())));
    }
    if is_partial {
        parts.push("holds only the rows that the condition asks for".to_owned());
    }
    let text = parts.join(", ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// Whether an index is only what a build that did not end left behind.
fn is_leftover(index: &Index) -> bool {
    !index.is_valid && !index.is_unique
}

/// An index that exists and begins with the keys of a candidate.
fn covered(candidate: &Candidate) -> Option<String> {
    // What the server writes is quoted only where it must be, and bears no schema of its own functions.
    let plain = |key: &String| key.replace('"', "").replace("pg_catalog.", "");
    let keys: Vec<String> = candidate.keys.iter().map(plain).collect();
    let begins = candidate.table.indexes.iter().find(|index| {
        index.method == candidate.method
            && index.is_valid
            && !index.is_partial
            && index.keys.len() >= keys.len()
            && index.keys.iter().map(plain).zip(&keys).all(|(has, wants)| has == *wants)
    });
    begins.map(|index| index.name.clone())
}
