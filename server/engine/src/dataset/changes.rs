//! Invalidation by the tables themselves: statement triggers that NOTIFY, and the ear for them.

use super::{Datasets, definition::table_tag};
use crate::{
    cache::Cache,
    pool::{self, APPLICATION},
    sql::{quote_identifier, quote_literal},
    target::{Target, TargetConfig},
};
use headroom_model::TargetId;
use sqlx::{
    AssertSqlSafe, PgConnection,
    postgres::{PgListener, PgPoolOptions},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// The channel of the triggers.
const CHANNEL: &str = "headroom_changes";
/// A table that changes all the time is invalidated once in this time.
const DEBOUNCE: Duration = Duration::from_millis(100);
const RECONNECT_FROM: Duration = Duration::from_millis(200);
const RECONNECT_MAX: Duration = Duration::from_secs(10);
/// Until a definition was checked: how long to wait between attempts.
const CHECK_AGAIN: Duration = Duration::from_secs(5);
/// The look at which a definition that is refused for one reason is complained about.
const COMPLAIN_AT: u32 = 4;
/// After so much silence the connection is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(60);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The trigger of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// `schema.table`.
    pub table: String,
    /// Whether it is there.
    pub state: TriggerState,
}

/// Whether a table tells of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    /// It does.
    Installed,
    /// It has the trigger, but it is switched off.
    Disabled,
    /// It does not: pages live until their TTL is over.
    Missing,
    /// There is no such table.
    NoTable,
}

/// What must be run to install or remove triggers, and whether they are there.
#[derive(Clone, Copy, Debug)]
pub struct Triggers;

impl Triggers {
    /// The SQL that installs the triggers of these tables. Safe to run again.
    #[must_use]
    pub fn install(tables: &BTreeSet<String>) -> String {
        let mut sql = format!(
            "CREATE SCHEMA IF NOT EXISTS headroom;\n\
             CREATE OR REPLACE FUNCTION headroom.notify_change() RETURNS trigger LANGUAGE plpgsql AS $$\n\
             BEGIN\n  PERFORM pg_catalog.pg_notify({}, TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME);\n  RETURN NULL;\nEND $$;\n",
            quote_literal(CHANNEL)
        );
        for table in tables {
            let name = quoted(table);
            // Not CREATE OR REPLACE TRIGGER: PostgreSQL 13 does not know it.
            sql += &format!(
                "DROP TRIGGER IF EXISTS headroom_change ON {name};\n\
                 CREATE TRIGGER headroom_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {name}\n  \
                 FOR EACH STATEMENT EXECUTE FUNCTION headroom.notify_change();\n"
            );
        }
        sql
    }

    /// The SQL that removes them, and their function where no other table uses it.
    #[must_use]
    pub fn remove(tables: &BTreeSet<String>) -> String {
        let mut sql: String = tables
            .iter()
            .map(|table| format!("DROP TRIGGER IF EXISTS headroom_change ON {};\n", quoted(table)))
            .collect();
        sql += "DO $$ BEGIN\n  DROP FUNCTION IF EXISTS headroom.notify_change();\n\
                EXCEPTION WHEN dependent_objects_still_exist OR invalid_schema_name THEN NULL;\nEND $$;\n";
        sql
    }

    /// Runs what [`Triggers::install`] or [`Triggers::remove`] answered, in one transaction.
    ///
    /// # Errors
    /// PostgreSQL refuses; nothing was changed.
    pub async fn apply(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
        // The triggers' tables are locked for a moment; a writer that holds one for long must not queue everyone behind.
        let sql = format!("BEGIN; SET LOCAL lock_timeout = '3s';\n{sql}\nCOMMIT;");
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await;
        if done.is_err() {
            sqlx::raw_sql("ROLLBACK").execute(connection).await?;
        }
        done.map(drop)
    }

    /// Whether these tables tell of their changes.
    ///
    /// # Errors
    /// PostgreSQL does not answer.
    pub async fn status(connection: &mut PgConnection, tables: &BTreeSet<String>) -> Result<Vec<Trigger>, sqlx::Error> {
        let names: Vec<String> = tables.iter().map(|table| quoted(table)).collect();
        let sql = "SELECT /* headroom */ c.oid IS NOT NULL, t.oid IS NOT NULL, t.tgenabled IN ('O', 'A') \
                   FROM unnest($1::text[]) WITH ORDINALITY AS n(name, place) \
                   LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(n.name) \
                   LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgname = 'headroom_change' ORDER BY place";
        let rows: Vec<(bool, bool, Option<bool>)> = sqlx::query_as(sql).bind(names).fetch_all(connection).await?;
        let state = |(table, trigger, enabled): (bool, bool, Option<bool>)| match (table, trigger, enabled) {
            (false, _, _) => TriggerState::NoTable,
            (_, false, _) => TriggerState::Missing,
            (_, _, Some(true)) => TriggerState::Installed,
            _ => TriggerState::Disabled,
        };
        Ok(tables.iter().zip(rows).map(|(table, row)| Trigger { table: table.clone(), state: state(row) }).collect())
    }
}

/// `schema.table`, quoted. The first dot separates; a name with a dot in it belongs to the table.
fn quoted(table: &str) -> String {
    match table.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quote_identifier(schema), quote_identifier(table)),
        None => quote_identifier(table),
    }
}

impl Datasets {
    /// Checks definitions until each is known, and listens for changes.
    pub(super) fn watch(&self, targets: &[(TargetConfig, Arc<Target>)]) {
        for dataset in self.list() {
            let (dataset, stop) = (dataset.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                let check = async {
                    let (mut problem, mut looks) = (None, 0);
                    while dataset.check().await.is_err() {
                        // A migration may bring what is missing, so a refused definition is asked about again, and
                        // complained about once it has been refused for a while.
                        let found = dataset.problem();
                        looks = if found == problem { looks + 1 } else { 1 };
                        problem = found;
                        if let Some(reason) = problem.as_ref().filter(|_| looks == COMPLAIN_AT) {
                            tracing::warn!(dataset = dataset.name(), reason, "this dataset cannot be used");
                        }
                        sleep(CHECK_AGAIN).await;
                    }
                };
                stop.run_until_cancelled(check).await;
            });
        }
        for (config, target) in targets {
            let has_datasets = self.list().any(|dataset| dataset.config().target == target.id);
            if let (true, Some(heard)) = (has_datasets, self.heard.get(&target.id)) {
                self.tasks.spawn(listen(config.clone(), heard.clone(), self.tables_of(target), self.stop.clone()));
            }
        }
    }

    /// Asks for the tables of a target's datasets, which become known with their definitions.
    fn tables_of(&self, target: &Arc<Target>) -> impl Fn() -> BTreeSet<String> + Send + use<> {
        let datasets: Vec<_> = self.list().filter(|it| it.config().target == target.id).cloned().collect();
        move || datasets.iter().flat_map(|dataset| dataset.tables()).collect()
    }
}

/// What a target tells of its tables.
pub(super) struct Heard {
    cache: Cache<super::Page>,
    target: Arc<Target>,
    /// Tables that plans have named.
    planned: Mutex<BTreeSet<String>>,
    /// Whether changes are heard, and what changed before was made good. Nothing before the first attempt has ended.
    listens: watch::Sender<Option<bool>>,
}

impl Heard {
    pub fn new(cache: Cache<super::Page>, target: Arc<Target>) -> Self {
        Heard { cache, target, planned: Mutex::default(), listens: watch::Sender::new(None) }
    }

    /// Whether changes are heard at present.
    pub fn listens(&self) -> bool {
        *self.listens.borrow() == Some(true)
    }

    /// Waits until the first attempt to listen has ended, however it did.
    pub async fn settled(&self) {
        // It fails only without a sender, and that is `self`.
        let _ = self.listens.subscribe().wait_for(Option::is_some).await;
    }

    /// Makes good what happened to tables before anyone knew of them: who listens may have begun earlier, and pages in
    /// Redis may be older than that. To be called before they are known to anyone else; the first time counts.
    pub async fn learn(&self, target: &TargetId, tables: &[String]) {
        let new: Vec<&String> = {
            let mut known = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
            tables.iter().filter(|table| known.insert((*table).clone())).collect()
        };
        for table in new {
            self.changed(target, table).await;
        }
    }

    /// A table changed: pages that read it are outdated, and a replica may not have the new rows yet.
    async fn changed(&self, target: &TargetId, table: &str) {
        self.target.pools.note_change();
        self.cache.invalidate_tag(&table_tag(target, table)).await;
    }
}

/// Follows the triggers of a target until stopped.
async fn listen(
    config: TargetConfig,
    heard: Arc<Heard>,
    tables: impl Fn() -> BTreeSet<String>,
    stop: CancellationToken,
) {
    let mut pause = RECONNECT_FROM;
    loop {
        let follow = async {
            let options = pool::read_url(&config.database_url).ok()?;
            let options = options.application_name(&format!("{APPLICATION}/changes"));
            let connection = PgPoolOptions::new()
                .max_connections(1)
                .min_connections(0)
                .acquire_timeout(Duration::from_secs(5))
                .connect_lazy_with(options);
            let mut listener = PgListener::connect_with(&connection).await.ok()?;
            listener.listen(CHANNEL).await.ok()?;
            // Whatever changed while nobody listened.
            for table in tables() {
                heard.changed(&config.id, &table).await;
            }
            heard.listens.send_replace(Some(true));
            hear(&mut listener, &config, &heard, &tables).await;
            Some(())
        };
        let followed = stop.run_until_cancelled(follow).await;
        heard.listens.send_replace(Some(false));
        match followed {
            None => return,
            Some(Some(())) => pause = RECONNECT_FROM,
            Some(None) => pause = (pause * 2).min(RECONNECT_MAX),
        }
        if stop.run_until_cancelled(sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0))).await.is_none() {
            return;
        }
    }
}

/// Until the connection breaks: each table at once, and again at most every [`DEBOUNCE`]. Bounded by the datasets: any role
/// may notify, so only tables that one of them reads are heard.
async fn hear(listener: &mut PgListener, config: &TargetConfig, heard: &Heard, tables: &impl Fn() -> BTreeSet<String>) {
    let mut last: BTreeMap<String, Instant> = BTreeMap::new();
    let mut waiting: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let next = waiting.values().min().copied();
        let wake = next.unwrap_or_else(|| Instant::now() + SILENCE);
        match timeout_at(wake, listener.try_recv()).await {
            // `None` is a connection that was lost and may have missed something: begin anew.
            Ok(Ok(None) | Err(_)) => return,
            Ok(Ok(Some(notice))) => {
                let table = notice.payload().to_owned();
                let now = Instant::now();
                match last.get(&table) {
                    _ if waiting.contains_key(&table) || !tables().contains(&table) => {}
                    Some(at) if now < *at + DEBOUNCE => {
                        waiting.insert(table, *at + DEBOUNCE);
                    }
                    _ => {
                        heard.changed(&config.id, &table).await;
                        last.insert(table, now);
                    }
                }
            }
            // A connection whose other end is gone without a word is silent for ever.
            Err(_) if next.is_none() => {
                let question = sqlx::raw_sql("SELECT /* headroom */ 1").execute(&mut *listener);
                if !matches!(timeout(ANSWER, question).await, Ok(Ok(_))) {
                    return;
                }
            }
            Err(_) => {}
        }
        let now = Instant::now();
        let due: Vec<String> = waiting.iter().filter(|(_, at)| **at <= now).map(|(table, _)| table.clone()).collect();
        for table in due {
            waiting.remove(&table);
            heard.changed(&config.id, &table).await;
            last.insert(table, now);
        }
        last.retain(|_, at| now < *at + DEBOUNCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let sql = Triggers::install(&BTreeSet::from(["shop.order items".to_owned()]));
        assert!(sql.contains("ON \"shop\".\"order items\"\n"), "{sql}");
        assert!(Triggers::remove(&BTreeSet::from(["a.b\"; DROP".to_owned()])).contains("\"a\".\"b\"\"; DROP\""));
    }
}
