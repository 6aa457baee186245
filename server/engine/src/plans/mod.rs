//! Plans of statements, explained safely and kept by their shape.
//!
//! `screen` proves that a text may be explained, `rewrite` brings texts of pg_stat_statements into a form that the server
//! reads, `explain` asks in a session of its own, `tree` and `findings` read the answer. A statement's plans are kept
//! under their fingerprint, so that a change of plan is an event and two plans can be laid side by side.

mod explain;
mod findings;
mod rewrite;
mod screen;
mod tree;

pub use explain::ExplainError;
pub(crate) use explain::{Explainer, Way, text_of, texts_of};
pub(crate) use screen::Screened;
pub use screen::{MAX_TEXT, Purpose, Refusal, screen};

use crate::{
    collect::redact,
    console::Console,
    spine::feed::Feed,
    store::{PlanRow, StateStore, StoreError},
    target::Target,
};
use headroom_model::{
    TargetId, Timestamp,
    event::{EventKind, NewEvent},
    plan::{KnownPlan, Plan, PlanAsk, PlanReport},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Longest statement shown with a plan, in characters.
const SHOWN_CHARS: usize = 10_000;
/// Explanations for people at the same time; each has a connection of its own.
const AT_ONCE: usize = 3;

/// How statements are explained and indexes are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanSettings {
    /// Whether administrators may have a SELECT run and measured. Default no.
    pub analyze: bool,
    /// How long planning, or a measured run, may take. Default 5 s.
    pub statement_timeout: Duration,
    /// Between two rounds of index advice. Default 1 h.
    pub advice_every: Duration,
    /// How long building an index may take before the console stops it and removes what is left: longer than a table of a
    /// terabyte takes, so that only a build that waits for ever, or for a server that does not answer, ends by it. Default 6 h.
    pub build_timeout: Duration,
}

impl Default for PlanSettings {
    fn default() -> Self {
        PlanSettings {
            analyze: false,
            statement_timeout: Duration::from_secs(5),
            advice_every: Duration::from_secs(3600),
            build_timeout: Duration::from_secs(6 * 3600),
        }
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No target has this name.
    #[error("no target is named \"{0}\"")]
    UnknownTarget(TargetId),
    /// Neither a text nor an id, or both.
    #[error("Name a statement: either its text (query) or its id (queryId).")]
    Ask,
    /// The id is no number.
    #[error("\"{0}\" is no id of a statement; ids are whole numbers.")]
    Id(String),
    /// No statement has this id.
    #[error("No statement of this database has the id {0}; pg_stat_statements may have forgotten it.")]
    UnknownStatement(i64),
    /// It may not be explained.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// It calls a function that changes things.
    #[error(
        "The statement calls {0}, which is volatile or was made by a role that is no superuser: it may run while it is planned, \
         with the console's rights, so it is not explained."
    )]
    Volatile(String),
    /// Measuring is switched off.
    #[error(
        "Running statements to measure them is switched off; `[plans] analyze = true` allows it to administrators."
    )]
    AnalyzeOff,
    /// Others are explained.
    #[error("Other statements are being explained; ask again in a moment.")]
    Busy,
    /// The server refused or does not answer.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// The state store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Explains statements and remembers their plans.
pub struct Plans {
    store: Arc<dyn StateStore>,
    feed: Arc<Feed>,
    places: Semaphore,
}

/// A text that may be explained, in the form that the server reads.
pub(crate) struct Ready {
    pub text: String,
    pub screened: Screened,
    pub notes: Vec<String>,
}

/// Proves that a text may be explained and brings it into the form that the server reads.
pub(crate) async fn ready(explainer: &mut Explainer, text: &str, purpose: Purpose) -> Result<Ready, PlanError> {
    let rewritten = rewrite::rewrite(text)?;
    let screened = screen(&rewritten.text, purpose)?;
    if let Some(function) = explainer.volatile(&screened.functions).await? {
        return Err(PlanError::Volatile(function));
    }
    let mut notes = rewritten.notes;
    if screened.unknown_limit {
        notes.push("LIMIT is a parameter: the planner assumes a tenth of the rows.".to_owned());
    }
    // One statement was proven; what ends it would end up inside the statement that explains it.
    let text = rewritten.text.trim_end().trim_end_matches(';').to_owned();
    Ok(Ready { text, screened, notes })
}

impl Plans {
    pub(crate) fn new(store: Arc<dyn StateStore>, feed: Arc<Feed>) -> Self {
        Plans { store, feed, places: Semaphore::new(AT_ONCE) }
    }

    /// The plan of a statement. Planning changes nothing; with `analyze` a SELECT is run in a read-only transaction.
    /// Whether the actor may is the caller's to know.
    ///
    /// # Errors
    /// The statement may not be explained, is not known, or the server refuses or does not answer.
    pub async fn explain(&self, console: &Console, target: &TargetId, ask: &PlanAsk) -> Result<PlanReport, PlanError> {
        let slot = console.slot(target).ok_or_else(|| PlanError::UnknownTarget(target.clone()))?;
        let settings = console.config.plans;
        if ask.analyze && !settings.analyze {
            return Err(PlanError::AnalyzeOff);
        }
        let subject = Subject::of(ask)?;
        let purpose = if ask.analyze { Purpose::Measure } else { Purpose::Plan };
        if let Subject::Text(text) = &subject {
            // Before anything is connected.
            screen(&rewrite::rewrite(text)?.text, purpose)?;
        }
        let _place = self.places.try_acquire().map_err(|_| PlanError::Busy)?;
        let mut explainer = Explainer::open(&slot.target, settings.statement_timeout).await?;
        let answer = self.ask(&mut explainer, &subject, purpose, console.clock.now()).await;
        explainer.close().await;
        let (plan, text, notes) = answer?;
        let query_id = subject.id();
        let mut earlier = Vec::new();
        if let Some(id) = query_id {
            if !plan.is_measured {
                self.remember(&slot.target, id, &text, &plan).await?;
            }
            earlier = self.known(target, id).await?;
            earlier.retain(|known| known.plan.fingerprint != plan.fingerprint);
        }
        let query_id = query_id.map(|id| id.to_string());
        Ok(PlanReport { query_id, statement: redact(&text, SHOWN_CHARS), plan, notes, earlier })
    }

    async fn ask(
        &self,
        explainer: &mut Explainer,
        subject: &Subject,
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<(Plan, String, Vec<String>), PlanError> {
        let text = match subject {
            Subject::Text(text) => text.clone(),
            Subject::Id(id) => text_of(explainer, *id).await?.ok_or(PlanError::UnknownStatement(*id))?,
        };
        let ready = ready(explainer, &text, purpose).await?;
        let way = if purpose == Purpose::Measure { Way::Measured } else { Way::Generic };
        let plan = explainer.plan(&ready.text, &ready.screened, way, at).await?;
        Ok((plan, text, ready.notes))
    }

    /// Keeps a plan under its shape; a shape that the statement did not have last is an event.
    pub(crate) async fn remember(
        &self,
        target: &Target,
        query_id: i64,
        text: &str,
        plan: &Plan,
    ) -> Result<(), StoreError> {
        let body = serde_json::to_string(plan)
            .map_err(|error| StoreError::Unreadable { what: "plan", cause: error.to_string() })?;
        let row = PlanRow { fingerprint: plan.fingerprint.clone(), first_at: plan.at, last_at: plan.at, body };
        let before = self.store.save_plan(&target.id, query_id, &row).await?;
        if before.is_some_and(|before| before != plan.fingerprint) {
            let top = plan.nodes.iter().max_by(|a, b| a.own_share.total_cmp(&b.own_share));
            self.feed.mark_soon(NewEvent {
                at: plan.at,
                target: Some(target.id.clone()),
                kind: EventKind::PlanChange,
                band: None,
                title: format!("The plan of statement {query_id} changed"),
                detail: Some(format!(
                    "{} Now mostly {}, cost {}.",
                    redact(text, 120),
                    top.map_or("nothing", |node| node.label.as_str()),
                    headroom_model::format::number(plan.total_cost),
                )),
                actor: None,
            });
        }
        Ok(())
    }

    /// The plans that are kept of a statement, newest first.
    ///
    /// # Errors
    /// The state store did not answer.
    pub async fn known(&self, target: &TargetId, query_id: i64) -> Result<Vec<KnownPlan>, StoreError> {
        let read = |row: PlanRow| {
            let plan = serde_json::from_str(&row.body)
                .map_err(|error| StoreError::Unreadable { what: "plan", cause: error.to_string() })?;
            Ok(KnownPlan { first_at: row.first_at, last_at: row.last_at, plan })
        };
        self.store.plans(target, query_id).await?.into_iter().map(read).collect()
    }
}

/// What is to be explained.
enum Subject {
    Text(String),
    Id(i64),
}

impl Subject {
    fn of(ask: &PlanAsk) -> Result<Self, PlanError> {
        match (&ask.query, &ask.query_id) {
            (Some(text), None) => Ok(Subject::Text(text.clone())),
            (None, Some(id)) => id
                .trim()
                .parse()
                .map(Subject::Id)
                .map_err(|_| PlanError::Id(id.chars().filter(|c| !c.is_control()).take(40).collect())),
            _ => Err(PlanError::Ask),
        }
    }

    fn id(&self) -> Option<i64> {
        match self {
            Subject::Id(id) => Some(*id),
            Subject::Text(_) => None,
        }
    }
}
