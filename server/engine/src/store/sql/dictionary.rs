//! Names as small integers: what keeps ten million rows of history compact.

use super::{Database, Query, StoreError};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// A table of names, never shortened, and what is known of it. Bounded by the catalogue and the configured targets.
#[derive(Debug)]
pub struct Dictionary {
    select: &'static str,
    insert: &'static str,
    known: Mutex<HashMap<String, i64>>,
}

impl Dictionary {
    pub fn new(select: &'static str, insert: &'static str) -> Self {
        Dictionary { select, insert, known: Mutex::default() }
    }

    /// The ids of names, in order; none for a name that was never stored.
    pub async fn find(&self, database: &Database, names: &[&str]) -> Result<Vec<Option<i64>>, StoreError> {
        let ids = self.lookup(names);
        if !ids.contains(&None) {
            return Ok(ids);
        }
        for mut row in database.read(Query::new(self.select)).await? {
            let (id, name) = (row.int()?, row.text()?);
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name, id);
        }
        Ok(self.lookup(names))
    }

    /// The ids of names, in order; new names are stored.
    pub async fn ensure(&self, database: &Database, names: &[&str]) -> Result<Vec<i64>, StoreError> {
        let ids = self.find(database, names).await?;
        // In order of name: two instances that add the same ones never wait for each other in a circle.
        let mut missing: Vec<&str> =
            names.iter().zip(&ids).filter(|(_, id)| id.is_none()).map(|(name, _)| *name).collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            let inserts = missing.into_iter().map(|name| Query::new(self.insert).bind(name)).collect();
            database.transaction(inserts).await?;
        }
        let ids = self.find(database, names).await?.into_iter().collect::<Option<Vec<_>>>();
        Ok(ids.ok_or(sqlx::Error::RowNotFound)?)
    }

    fn lookup(&self, names: &[&str]) -> Vec<Option<i64>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().map(|name| known.get(*name).copied()).collect()
    }
}
