//! Datasets: named, read-only statements that applications read through the cache.
//!
//! Rows become JSON inside PostgreSQL and stay bytes all the way to the socket. A page is one cache entry; its key is the
//! dataset's arguments in one order and the page, its tags those of the definition and the tables that it reads.

mod changes;
mod check;
mod cursor;
mod definition;
mod page;
mod rows;
mod statement;

pub use changes::{Trigger, TriggerState, Triggers};
pub use definition::{DEFAULT_LIMIT, DatasetConfig, DefinitionError, MAX_LIMIT, Parameter, ParameterKind, WarmupClass};
pub use page::{Encoding, Facts, Page};
pub use rows::{Rows, STREAM_MAX};
pub use statement::Column;

use crate::{
    cache::{Cache, CacheError, CacheSettings, Class, Hit, LoadFailure, Loaded, ServersError, Warmed},
    clock::Clock,
    pool::{Lane, Lease, PoolError},
    target::{Target, TargetConfig},
};
use bytes::{BufMut, BytesMut};
use changes::Heard;
use check::{Checked, Ready};
use definition::{Arguments, Definition};
use futures::future::BoxFuture;
use headroom_model::{TargetId, api::FieldError};
use sqlx::{AssertSqlSafe, Row};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Most datasets of one console.
const DATASETS_MAX: usize = 1_000;
/// How long anyone waits to learn whether changes are heard.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// By number, from 1.
    Page {
        /// Which.
        page: u64,
        /// Rows.
        limit: u32,
    },
    /// By key: behind these values, or from the beginning.
    After {
        /// Key values of the last row seen.
        key: Option<Vec<String>>,
        /// Rows.
        limit: u32,
    },
}

/// What a caller asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Arguments as given.
    pub arguments: Vec<(String, String)>,
    /// Page by number.
    pub page: Option<u64>,
    /// Rows a page.
    pub limit: Option<u32>,
    /// Page by key; empty for the first.
    pub cursor: Option<String>,
    /// Who asks, for datasets that are per user.
    pub user: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// No dataset has this name.
    #[error("there is no dataset \"{0}\"")]
    Unknown(String),
    /// Arguments that the dataset does not take.
    #[error("the arguments do not fit the dataset")]
    Invalid(Vec<FieldError>),
    /// PostgreSQL does not accept the definition.
    #[error("the definition of this dataset cannot be used: {0}")]
    Definition(String),
    /// PostgreSQL refused or failed. The words hold no values.
    #[error("{0}")]
    Failed(String),
    /// It took too long.
    #[error("{0}")]
    Timeout(String),
    /// Too much is asked at once, or the console stops.
    #[error("{0}")]
    Busy(String),
}

impl From<CacheError> for DatasetError {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Load(failure) => failure
                .downcast_ref::<DatasetError>()
                .cloned()
                .unwrap_or_else(|| DatasetError::Failed("loading failed".into())),
            CacheError::Timeout(_) | CacheError::LoadTimeout(_) => DatasetError::Timeout(error.to_string()),
            CacheError::Busy | CacheError::Stopped => DatasetError::Busy(error.to_string()),
            CacheError::Key(reason) => {
                DatasetError::Invalid(vec![FieldError { field: "arguments".into(), reason: reason.into() }])
            }
            CacheError::Panicked => DatasetError::Failed("the console failed while it loaded".into()),
        }
    }
}

/// What is asked of a dataset, checked once and for as often as it is asked.
#[derive(Debug)]
pub struct Question {
    arguments: Arguments,
    paging: Paging,
    key: String,
    tags: Vec<String>,
    is_lasting: bool,
}

impl Question {
    /// Its page's key in the cache.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it may be asked again later: it may not where the tables that it reads were not known yet.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    fn tags(&self) -> Vec<&str> {
        self.tags.iter().map(String::as_str).collect()
    }
}

/// One dataset.
pub struct Dataset {
    definition: Definition,
    target: Arc<Target>,
    class: Class<Page>,
    checked: RwLock<Checked>,
    heard: Arc<Heard>,
    /// Streams of the target's datasets that may run beside these.
    streams: Arc<Semaphore>,
    /// Who asks PostgreSQL about the definition.
    checking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset").field("name", &self.definition.config.name).finish_non_exhaustive()
    }
}

/// Why datasets could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A definition cannot be used.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The Redis of a target cannot be used.
    #[error("target \"{target}\": {source}")]
    Redis {
        /// Which target.
        target: TargetId,
        /// Why.
        source: ServersError,
    },
}

/// All datasets, with one cache per target. Its tasks stop with [`Datasets::shutdown`].
pub struct Datasets {
    datasets: BTreeMap<String, Arc<Dataset>>,
    caches: BTreeMap<TargetId, Cache<Page>>,
    heard: BTreeMap<TargetId, Arc<Heard>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl fmt::Debug for Datasets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datasets").field("datasets", &self.datasets.keys()).finish_non_exhaustive()
    }
}

impl Datasets {
    /// Prepares datasets and their caches, checks the definitions as soon as their target answers, and listens for
    /// changes of their tables. Call it inside a runtime.
    ///
    /// # Errors
    /// A definition does not fit together, two have one name, one names no target, or a Redis address cannot be read.
    pub fn start(
        configs: Vec<DatasetConfig>,
        targets: &[(TargetConfig, Arc<Target>)],
        settings: &CacheSettings,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let mut caches = BTreeMap::new();
        for (config, target) in targets {
            let settings = CacheSettings { space: format!("{}/{}", settings.space, target.id), ..settings.clone() };
            let cache = Cache::start(settings, config.redis.as_ref(), clock.clone())
                .map_err(|source| SetupError::Redis { target: target.id.clone(), source })?;
            caches.insert(target.id.clone(), cache);
        }
        let heard: BTreeMap<TargetId, Arc<Heard>> = targets
            .iter()
            .filter_map(|(_, target)| {
                Some((target.id.clone(), Heard::new(caches.get(&target.id)?.clone(), target.clone())))
            })
            .map(|(id, heard)| (id, Arc::new(heard)))
            .collect();
        // Each holds a connection for as long as its reader likes; half of them stay for pages.
        let streams: BTreeMap<&TargetId, Arc<Semaphore>> = targets
            .iter()
            .map(|(config, target)| (&target.id, (config.pool.max(Lane::Data) / 2).max(1)))
            .map(|(id, at_once)| (id, Arc::new(Semaphore::new(at_once as usize))))
            .collect();
        let mut datasets = BTreeMap::new();
        for config in configs {
            let wrong = |reason: &str| DefinitionError { name: config.name.clone(), reason: reason.to_owned() };
            if datasets.contains_key(&config.name) {
                return Err(wrong("there are two of this name").into());
            }
            if datasets.len() == DATASETS_MAX {
                return Err(wrong("there are more than 1,000 datasets").into());
            }
            let target = targets.iter().map(|(_, target)| target).find(|target| target.id == config.target);
            let (Some(target), Some(cache), Some(heard), Some(streams)) =
                (target, caches.get(&config.target), heard.get(&config.target), streams.get(&config.target))
            else {
                return Err(wrong(&format!("no target is named \"{}\"", config.target)).into());
            };
            let definition = Definition::new(config)?;
            let class = cache.class(&definition.config.name, definition.config.cache.clone());
            let dataset = Dataset {
                target: target.clone(),
                class,
                heard: heard.clone(),
                streams: streams.clone(),
                checked: RwLock::default(),
                checking: tokio::sync::Mutex::default(),
                definition,
            };
            datasets.insert(dataset.name().to_owned(), Arc::new(dataset));
        }
        let all = Datasets { datasets, caches, heard, tasks: TaskTracker::new(), stop: CancellationToken::new() };
        all.watch(targets);
        Ok(all)
    }

    /// Every dataset, by name.
    pub fn list(&self) -> impl Iterator<Item = &Arc<Dataset>> {
        self.datasets.values()
    }

    /// A dataset.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn get(&self, name: &str) -> Result<&Arc<Dataset>, DatasetError> {
        self.datasets.get(name).ok_or_else(|| DatasetError::Unknown(name.chars().take(80).collect()))
    }

    /// The cache of a target.
    #[must_use]
    pub fn cache(&self, target: &TargetId) -> Option<&Cache<Page>> {
        self.caches.get(target)
    }

    /// Whether changes of a target's tables are heard at present, and those from before were made good.
    #[must_use]
    pub fn hears(&self, target: &TargetId) -> bool {
        self.heard.get(target).is_some_and(|heard| heard.listens())
    }

    /// Waits until it is known whether changes of a target's tables are heard: beginning to listen makes outdated what was
    /// loaded before. Bounded by 10 s; ends at once where no dataset has the target.
    pub async fn settled(&self, target: &TargetId) {
        let has_datasets = self.list().any(|dataset| dataset.config().target == *target);
        if let (true, Some(heard)) = (has_datasets, self.heard.get(target)) {
            let _ = tokio::time::timeout(SETTLE_MAX, heard.settled()).await;
        }
    }

    /// Stops tasks and caches, and waits for them; bounded by 3 s.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        let caches = futures::future::join_all(self.caches.values().map(Cache::shutdown));
        let tasks = tokio::time::timeout(Duration::from_secs(3), self.tasks.wait());
        let (_, stopped) = tokio::join!(caches, tasks);
        if stopped.is_err() {
            tracing::warn!("the datasets' tasks did not stop in time");
        }
    }
}

impl Dataset {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.config.name
    }

    /// Its definition.
    #[must_use]
    pub fn config(&self) -> &DatasetConfig {
        &self.definition.config
    }

    /// Its class of the cache.
    #[must_use]
    pub fn class(&self) -> &Class<Page> {
        &self.class
    }

    /// Its columns, once PostgreSQL has told them.
    #[must_use]
    pub fn columns(&self) -> Option<Vec<Column>> {
        self.ready().map(|ready| ready.columns.clone())
    }

    /// Why its definition cannot be used, if PostgreSQL has said so.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match &*self.checked.read().unwrap_or_else(PoisonError::into_inner) {
            Checked::Wrong(reason, _) => Some(reason.clone()),
            Checked::NotYet | Checked::Ready(_) => None,
        }
    }

    /// Tables that it reads, `schema.table`: those of the definition, else those of its plan.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        if self.config().tables.is_empty() {
            self.ready().map_or_else(Vec::new, |ready| ready.tables.clone())
        } else {
            self.config().tables.clone()
        }
    }

    /// Asks PostgreSQL about the definition, unless it was asked before.
    ///
    /// # Errors
    /// PostgreSQL refuses the definition, or does not answer.
    pub async fn prepare(&self) -> Result<(), DatasetError> {
        self.check().await.map(drop)
    }

    fn ready(&self) -> Option<Arc<Ready>> {
        match &*self.checked.read().unwrap_or_else(PoisonError::into_inner) {
            Checked::Ready(ready) => Some(ready.clone()),
            Checked::NotYet | Checked::Wrong(..) => None,
        }
    }

    /// One page, through the cache. A page is never absent.
    ///
    /// # Errors
    /// Arguments that do not fit; or PostgreSQL refuses, fails or takes too long and no older page may stand in.
    pub async fn page(self: &Arc<Self>, ask: &Ask) -> Result<Hit<Page>, DatasetError> {
        self.read(&self.question(ask).await?).await
    }

    /// What is asked for, checked.
    ///
    /// # Errors
    /// Arguments that do not fit.
    pub async fn question(&self, ask: &Ask) -> Result<Arc<Question>, DatasetError> {
        let (arguments, paging, key) = self.definition.resolve(ask)?;
        if !self.knows_tables() {
            // Which tables it reads, its plan tells. Where PostgreSQL is away a page of Redis may still answer; where it
            // refuses, the load says so.
            let _ = self.check().await;
        }
        // Before the tags: what becomes known in between counts for the next question.
        let is_lasting = self.knows_tables();
        let tags = self.definition.tags(&arguments, &self.tables());
        Ok(Arc::new(Question { is_lasting, arguments, paging, key, tags }))
    }

    /// [`Dataset::page`] of a question of this dataset.
    ///
    /// # Errors
    /// As [`Dataset::page`].
    pub async fn read(self: &Arc<Self>, question: &Arc<Question>) -> Result<Hit<Page>, DatasetError> {
        Ok(self.class.get_or_load(&question.key, &question.tags(), self.loader(question, Lane::Data)).await?)
    }

    /// The page of a question of this dataset, where memory answers at once: counted and refreshed as [`Dataset::read`]
    /// would. None is no miss yet.
    #[must_use]
    pub fn hit(self: &Arc<Self>, question: &Arc<Question>) -> Option<Hit<Page>> {
        self.class.hit(&question.key, &question.tags(), self.loader(question, Lane::Data))
    }

    /// Loads one page into the cache unless it is fresh there, in the warmup lane. Counts neither as a hit nor as a miss.
    ///
    /// # Errors
    /// As [`Dataset::page`].
    pub async fn warm(self: &Arc<Self>, ask: &Ask) -> Result<Warmed, DatasetError> {
        let question = self.question(ask).await?;
        Ok(self.class.warm(&question.key, &question.tags(), self.loader(&question, Lane::Warmup)).await?)
    }

    /// The key of what is asked for.
    ///
    /// # Errors
    /// Arguments that do not fit.
    pub fn key_of(&self, ask: &Ask) -> Result<String, DatasetError> {
        self.definition.resolve(ask).map(|(.., key)| key)
    }

    /// What was asked, from its key; none where it is no key of this dataset as it is defined now.
    #[must_use]
    pub fn parse_key(&self, key: &str) -> Option<Ask> {
        self.definition.parse_key(key)
    }

    /// First pages that are worth loading before anyone asks: the one of all defaults, and those that `warm` names.
    #[must_use]
    pub fn first_pages(&self) -> Vec<Ask> {
        self.definition.first_pages()
    }

    /// Whether the tables that it reads are known; then they stay.
    fn knows_tables(&self) -> bool {
        !self.config().tables.is_empty() || self.ready().is_some()
    }

    fn loader(
        self: &Arc<Self>,
        question: &Arc<Question>,
        lane: Lane,
    ) -> impl FnOnce() -> BoxFuture<'static, Result<Loaded<Page>, LoadFailure>> + Send + 'static {
        let (dataset, question) = (self.clone(), question.clone());
        move || {
            Box::pin(async move {
                let page = dataset.load(&question.arguments, &question.paging, lane).await;
                let page = page.map_err(|error| Arc::new(error) as LoadFailure)?;
                // Nothing would tell of changes of tables that are not among its tags.
                let ttl = (!question.is_lasting).then_some(Duration::ZERO);
                Ok(Loaded { value: Some(page), ttl })
            })
        }
    }

    async fn load(&self, arguments: &Arguments, paging: &Paging, lane: Lane) -> Result<Page, DatasetError> {
        let ready = self.check().await?;
        let label = self.label();
        self.target.pools.statements().time(&label, self.read_page(arguments, paging, lane, &ready)).await
    }

    /// Under which its statements are counted, and what its connections are held for.
    fn label(&self) -> String {
        format!("dataset {}", self.name())
    }

    async fn read_page(
        &self,
        arguments: &Arguments,
        paging: &Paging,
        lane: Lane,
        ready: &Ready,
    ) -> Result<Page, DatasetError> {
        let statement = self.definition.page(paging, &ready.columns);
        let mut values: Vec<String> =
            statement.names.iter().map(|name| arguments.get(name).unwrap_or_default().to_owned()).collect();
        let limit = match paging {
            Paging::Page { page, limit } => {
                values.extend([limit.to_string(), ((page - 1) * u64::from(*limit)).to_string()]);
                *limit
            }
            Paging::After { key, limit } => {
                values.extend(key.iter().flatten().cloned().chain([limit.to_string()]));
                *limit
            }
        };
        let query =
            || values.iter().fold(sqlx::query(AssertSqlSafe(statement.sql.clone())), |query, value| query.bind(value));
        let mut lease = self.lease(lane).await?;
        let mut row = query().fetch_one(&mut *lease).await;
        if let Err(error) = &row
            && self.target.pools.repeats_on_primary(&lease, error)
        {
            lease = self.lease_of_primary(lane).await?;
            row = query().fetch_one(&mut *lease).await;
        }
        drop(lease);
        let row = row.map_err(|error| self.failed(&error))?;
        let read = || -> Result<_, sqlx::Error> {
            let rows: String = row.try_get(0)?;
            let fetched: i64 = row.try_get(1)?;
            let total: Option<i64> = row.try_get(2)?;
            let key: Option<String> = row.try_get(3)?;
            Ok((rows, fetched, total, key))
        };
        let (rows, fetched, total, key) = read().map_err(|error| self.failed(&error))?;
        let has_next = fetched > i64::from(limit);
        let key: Option<Vec<String>> = key.filter(|_| has_next).and_then(|key| serde_json::from_str(&key).ok());
        let next_cursor = key.map(|key| cursor::write(self.name(), &key));
        if next_cursor.as_ref().is_some_and(|cursor| cursor.len() > cursor::LENGTH_MAX) {
            return Err(DatasetError::Failed("a key of this dataset is too long to page by".into()));
        }
        let facts = Facts {
            total: total.map(i64::unsigned_abs),
            has_next,
            next_cursor,
            rows: u32::try_from(fetched.min(i64::from(limit))).unwrap_or(0),
        };
        let mut body = BytesMut::with_capacity(rows.len() + 200);
        body.put_slice(b"{\"success\":true,\"data\":");
        body.put_slice(rows.as_bytes());
        body.put_slice(pagination(paging, &facts).as_bytes());
        body.put_u8(b'}');
        Ok(Page::new(body.freeze(), facts))
    }

    /// A connection to read on: the replica's, where there is one that is close enough behind.
    async fn lease(&self, lane: Lane) -> Result<Lease, DatasetError> {
        self.lent(self.target.pools.acquire_read(lane).await)
    }

    /// A connection to the primary, after the replica has failed a read.
    async fn lease_of_primary(&self, lane: Lane) -> Result<Lease, DatasetError> {
        tracing::debug!(dataset = self.name(), "the replica failed a read; it is repeated on the primary");
        self.lent(self.target.pools.acquire(lane).await)
    }

    fn lent(&self, lease: Result<Lease, PoolError>) -> Result<Lease, DatasetError> {
        let lease = lease.map_err(|error| match &error {
            PoolError::Timeout { .. } => DatasetError::Timeout(self.target.explain(&error)),
            _ => DatasetError::Failed(self.target.explain(&error)),
        })?;
        Ok(lease.purpose(&self.label()))
    }

    /// PostgreSQL's failure without its words, which may hold values.
    fn failed(&self, error: &sqlx::Error) -> DatasetError {
        let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        tracing::warn!(dataset = self.name(), code, "a dataset's statement failed");
        match code.as_deref() {
            Some("57014") => DatasetError::Timeout("the dataset's statement ran into its time limit".into()),
            Some("55P03") => DatasetError::Timeout("the dataset's statement waited too long for a lock".into()),
            Some(code) => DatasetError::Failed(format!("PostgreSQL refused the dataset's statement (SQLSTATE {code})")),
            None if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                DatasetError::Failed("PostgreSQL's answer could not be read".into())
            }
            None => DatasetError::Failed("the connection to PostgreSQL broke".into()),
        }
    }
}

/// The rest of an answer, behind its rows.
fn pagination(paging: &Paging, facts: &Facts) -> String {
    match paging {
        Paging::Page { page, limit } => {
            let mut text = format!(",\"pagination\":{{\"page\":{page},\"limit\":{limit}");
            if let Some(total) = facts.total {
                text += &format!(",\"total\":{total},\"pages\":{}", total.div_ceil(u64::from(*limit)));
            }
            text + &format!(",\"hasNext\":{},\"hasPrev\":{}}}", facts.has_next, *page > 1)
        }
        Paging::After { .. } => {
            let cursor = facts.next_cursor.as_ref().map_or("null".into(), |cursor| format!("\"{cursor}\""));
            format!(",\"nextCursor\":{cursor}")
        }
    }
}
