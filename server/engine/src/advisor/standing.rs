//! What stands under the names of advised indexes: the truth of the catalogue at the moment of asking.

use super::{ask, leftover::Leftover};
use crate::{tables::LookError, target::Target};
use headroom_model::advice::IndexAdvice;
use sqlx::{PgConnection, postgres::types::Oid};

/// What stands under the name of an advised index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Free,
    /// A valid index of this table, of so many bytes.
    Index(i64),
    /// An invalid index of this table that nobody builds: what a build that did not end left behind.
    Leftover(Leftover),
    /// An invalid index of this table, while this process builds one of it.
    UnderWay(i32),
    /// Something that is not ours to judge.
    Other,
}

impl Standing {
    /// Looks under the name of an advised index. A build by the process `own` does not count.
    pub async fn read(connection: &mut PgConnection, advice: &IndexAdvice, own: Option<i32>) -> sqlx::Result<Self> {
        // The progress of other roles is hidden from a role without pg_read_all_stats: it could be this table. A REINDEX
        // CONCURRENTLY of this index reports the one that is to replace it, so any build of the table counts.
        let found: Option<(bool, bool, i64, Option<i32>, Oid)> = sqlx::query_as(
            "SELECT /* headroom */ coalesce(c.relkind = 'i' AND t.relname = $3 AND NOT i.indisunique, false), \
             coalesce(i.indisvalid, false), coalesce(pg_relation_size(c.oid), 0), \
             (SELECT min(p.pid) FROM pg_stat_progress_create_index p \
              WHERE p.datname = current_database() AND p.pid IS DISTINCT FROM $4 \
              AND (p.relid IS NULL OR p.relid = i.indrelid)), c.oid \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid \
             WHERE n.nspname = $1 AND c.relname = $2",
        )
        .bind(&advice.schema)
        .bind(&advice.index_name)
        .bind(&advice.table_name)
        .bind(own)
        .fetch_optional(connection)
        .await?;
        Ok(match found {
            None => Standing::Free,
            Some((false, ..)) => Standing::Other,
            Some((true, true, size, ..)) => Standing::Index(size),
            Some((true, false, _, Some(pid), _)) => Standing::UnderWay(pid),
            Some((true, false, _, None, oid)) => Standing::Leftover(Leftover(oid)),
        })
    }

    /// Why an index cannot be created now; none where it can, after the removal of a leftover at most.
    pub fn hindrance(&self, advice: &IndexAdvice) -> Option<String> {
        let index = &advice.index;
        match self {
            Standing::Free | Standing::Leftover(_) => None,
            Standing::Index(_) => Some(format!("An index {index} exists already; nothing was done.")),
            Standing::UnderWay(pid) => {
                let table = &advice.table;
                Some(format!(
                    "An index {index} may be under way already: process {pid} builds one of {table}. Nothing was done."
                ))
            }
            Standing::Other => Some(format!(
                "Something else is named {index} already; nothing was done. Once it is renamed or removed, the index can be created."
            )),
        }
    }
}

/// Whether each of these indexes is there and valid, in their order.
pub async fn are_there(target: &Target, advices: &[IndexAdvice]) -> Result<Vec<bool>, LookError> {
    let list = |part: fn(&IndexAdvice) -> &String| advices.iter().map(part).cloned().collect::<Vec<String>>();
    let (schemas, tables, names) = (list(|it| &it.schema), list(|it| &it.table_name), list(|it| &it.index_name));
    ask(target, async |connection| {
        sqlx::query_scalar(
            "SELECT /* headroom */ EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = i.indrelid \
             WHERE n.nspname = given.s AND c.relname = given.i AND t.relname = given.t AND i.indisvalid) \
             FROM unnest($1, $2, $3) WITH ORDINALITY AS given(s, t, i, at) ORDER BY given.at",
        )
        .bind(schemas)
        .bind(tables)
        .bind(names)
        .fetch_all(connection)
        .await
    })
    .await
}
