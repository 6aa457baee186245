//! Removing what a build that did not end left behind: an invalid index, and never one that became valid meanwhile.
//!
//! `DROP INDEX CONCURRENTLY` waits, and resolves its name again when it goes on: something else may bear it by then. So the
//! leftover is set aside first, under a lock that keeps builds of its table out, to a name that tells what it is and that no
//! other index has. What is set aside and was not dropped is found by that name.

use crate::sql::quote_identifier;
use headroom_model::advice::IndexAdvice;
use sqlx::{AssertSqlSafe, PgConnection, postgres::types::Oid};

/// Most indexes set aside that are removed at once.
const MAX_ASIDE: i64 = 10;

/// An invalid index that no build of now makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leftover(pub Oid);

impl Leftover {
    /// What it is called once it is set aside.
    fn name(self) -> String {
        let Leftover(Oid(oid)) = self;
        format!("headroom_leftover_{oid}")
    }

    /// Its name with its schema once it is set aside, to be read.
    pub fn shown(self, advice: &IndexAdvice) -> String {
        format!("{}.{}", advice.schema, self.name())
    }

    fn rename_sql(self, advice: &IndexAdvice) -> String {
        format!(
            "ALTER INDEX {}.{} RENAME TO {};",
            quote_identifier(&advice.schema),
            quote_identifier(&advice.index_name),
            quote_identifier(&self.name())
        )
    }

    /// All that sets it aside, to be read.
    pub fn aside_sql(self, advice: &IndexAdvice) -> String {
        format!("BEGIN;\n{}\n{}\nCOMMIT;", lock_sql(advice), self.rename_sql(advice))
    }

    /// Removes it once it is set aside.
    pub fn drop_sql(self, advice: &IndexAdvice) -> String {
        format!(
            "DROP INDEX CONCURRENTLY IF EXISTS {}.{};",
            quote_identifier(&advice.schema),
            quote_identifier(&self.name())
        )
    }

    /// Sets it aside in the transaction that [`begin_sql`] began, and ends that. False where it is no leftover any more;
    /// nothing was changed then. After an error the connection is of no more use.
    pub async fn set_aside(self, connection: &mut PgConnection, advice: &IndexAdvice) -> sqlx::Result<bool> {
        if self.stands(connection, advice, &advice.index_name).await? {
            let rename = self.rename_sql(advice).replacen("ALTER", "ALTER /* headroom */", 1);
            sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut *connection).await?;
            // An index is renamed without a lock on its table: it could have been another one.
            if self.stands(connection, advice, &self.name()).await? {
                sqlx::raw_sql("COMMIT /* headroom */").execute(&mut *connection).await?;
                return Ok(true);
            }
        }
        sqlx::raw_sql("ROLLBACK /* headroom */").execute(&mut *connection).await?;
        Ok(false)
    }

    /// Whether it has this name and is still invalid. A build gives its lock on the table up just before it commits that its
    /// index is valid; the row of the index shows its transaction.
    async fn stands(self, connection: &mut PgConnection, advice: &IndexAdvice, name: &str) -> sqlx::Result<bool> {
        sqlx::query_scalar(
            "SELECT /* headroom */ EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class t ON t.oid = i.indrelid \
             WHERE i.indexrelid = $1 AND c.relkind = 'i' AND NOT i.indisvalid AND NOT i.indisunique \
             AND n.nspname = $2 AND t.relname = $3 AND c.relname = $4 AND NOT EXISTS (\
                 SELECT FROM pg_locks l WHERE l.locktype = 'transactionid' AND l.transactionid = i.xmax))",
        )
        .bind(self.0)
        .bind(&advice.schema)
        .bind(&advice.table_name)
        .bind(name)
        .fetch_one(connection)
        .await
    }
}

fn lock_sql(advice: &IndexAdvice) -> String {
    let (schema, table) = (quote_identifier(&advice.schema), quote_identifier(&advice.table_name));
    format!("LOCK TABLE {schema}.{table} IN SHARE UPDATE EXCLUSIVE MODE;")
}

/// Begins a transaction that keeps builds of the table out, and waits for those that are under way. Each of its statements
/// sees what was committed before it.
pub fn begin_sql(advice: &IndexAdvice) -> String {
    let lock = lock_sql(advice).replacen("LOCK", "LOCK /* headroom */", 1);
    format!("BEGIN /* headroom */ ISOLATION LEVEL READ COMMITTED; {lock}")
}

/// What was set aside of a table and is still there.
pub async fn aside(connection: &mut PgConnection, advice: &IndexAdvice) -> sqlx::Result<Vec<Leftover>> {
    let found: Vec<Oid> = sqlx::query_scalar(
        "SELECT /* headroom */ c.oid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
         WHERE n.nspname = $1 AND t.relname = $2 AND c.relkind = 'i' AND NOT i.indisvalid AND NOT i.indisunique \
         AND c.relname = 'headroom_leftover_' || c.oid ORDER BY c.oid LIMIT $3",
    )
    .bind(&advice.schema)
    .bind(&advice.table_name)
    .bind(MAX_ASIDE)
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(Leftover).collect())
}
