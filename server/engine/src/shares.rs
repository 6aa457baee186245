//! Shared snapshots: the points of a view under an address of their own, for whom their maker chose, until their time is
//! over or someone ends them.
//!
//! A snapshot reads nothing but the state store: it opens with its target stopped, its history pruned, or its target gone
//! from the configuration. Points are bytes here; what they draw is the pages' affair.

use crate::{
    actions::Request,
    console::Console,
    store::{NewAudit, ShareOpenings, StateStore, StoreError},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use headroom_model::{
    Role, TargetId, Timestamp,
    event::{EventKind, NewEvent},
    format,
    range::Resolved,
    share::{
        Audience, Lifetime, SHARE_BYTES_MAX, SHARE_TITLE_MAX, SHARES_MAX, SHARES_OF_ONE_MAX, Share, ShareId, ShareState,
    },
};
use serde_json::json;
use std::{
    collections::HashMap,
    io,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// Random bytes of an id.
const ID_BYTES: usize = ShareId::LENGTH / 4 * 3;
/// Small over fast: points are written once and kept for long.
const ZSTD_LEVEL: i32 = 9;
/// Points after decompression: more than the largest view, and little enough to hold in memory.
const POINTS_MAX: usize = 16 * 1024 * 1024;
/// Snapshots whose openings wait to be written, at most.
const WAITING_MAX: usize = 1000;
/// How often openings are written.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// Snapshots worked on at the same time: each may take [`POINTS_MAX`], and as much again once it is drawn.
const OPEN_MAX: usize = 4;
/// How long a reader waits for a place among them.
const OPEN_WAIT: Duration = Duration::from_secs(2);
/// How long writing them may take: one that is under way when the console stops, and the last, fit into its stop.
const COUNT_MAX: Duration = Duration::from_secs(1);

/// Why a snapshot was not made, opened or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// No snapshot has this id.
    #[error("nothing is shared at this address, or it ended more than 30 days ago")]
    Unknown,
    /// Its time is over.
    #[error("this snapshot expired")]
    Expired(Box<Share>),
    /// Someone ended it.
    #[error("this snapshot was revoked")]
    Revoked(Box<Share>),
    /// Its audience must sign in.
    #[error("this snapshot opens after signing in")]
    SignIn,
    /// The role does not suffice.
    #[error("this needs the role {0}")]
    Forbidden(Role),
    /// It was made by somebody else.
    #[error("this snapshot was made by {0}; only they and admins can revoke it")]
    NotYours(String),
    /// The title cannot be used.
    #[error("a title has 1 to {SHARE_TITLE_MAX} characters, none of them control characters")]
    Title,
    /// Too many points.
    #[error(
        "the points of this view take {} compressed, the most is {}; choose fewer metrics or a shorter range",
        format::bytes(*.0 as f64),
        format::bytes(SHARE_BYTES_MAX as f64)
    )]
    TooLarge(usize),
    /// As many work as may.
    #[error(
        "at most {SHARES_MAX} snapshots work at a time, {SHARES_OF_ONE_MAX} of one person; revoke some that are no longer \
         needed"
    )]
    Full,
    /// As many are worked on as may be at a time.
    #[error("too many snapshots are opened or made at the moment; try again in a few seconds")]
    Busy,
    /// What is stored cannot be read back.
    #[error("the stored points cannot be read: {0}")]
    Damaged(String),
    /// The state store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A snapshot to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// One line: what it shows.
    pub title: String,
    /// The target whose points it holds.
    pub target: TargetId,
    /// The query of its view.
    pub view: String,
    /// Its range.
    pub range: Resolved,
    /// Who may open it.
    pub audience: Audience,
    /// How long it opens.
    pub lifetime: Lifetime,
    /// Its points.
    pub points: Vec<u8>,
}

/// The size that points take when they are stored.
///
/// # Errors
/// They take more than is allowed, or too many snapshots are worked on at the moment.
pub async fn stored_bytes(console: &Console, points: Vec<u8>) -> Result<usize, ShareError> {
    pack(console, points).await.map(|packed| packed.len())
}

async fn pack(console: &Console, points: Vec<u8>) -> Result<Points, ShareError> {
    if points.len() > POINTS_MAX {
        return Err(ShareError::TooLarge(points.len()));
    }
    let packed = aside(console, move || zstd::bulk::compress(&points, ZSTD_LEVEL)).await?;
    if packed.len() > SHARE_BYTES_MAX { Err(ShareError::TooLarge(packed.len())) } else { Ok(packed) }
}

/// Works beside the runtime, since megabytes take a while, in one of few places. The place goes along with the work: giving
/// up waiting for it makes no room for another.
async fn aside(
    console: &Console,
    work: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
) -> Result<Points, ShareError> {
    let place = timeout(OPEN_WAIT, Arc::clone(&console.openings.places).acquire_owned()).await;
    let place = place.ok().and_then(Result::ok).ok_or(ShareError::Busy)?;
    let done = spawn_blocking(move || work().map(|bytes| Points { bytes, _place: place }));
    let done = done.await.map_err(|cause| ShareError::Damaged(cause.to_string()))?;
    done.map_err(|cause| ShareError::Damaged(cause.to_string()))
}

/// The points of a snapshot. They keep its place among those that are worked on; who drops them gives it free.
#[derive(Debug)]
pub struct Points {
    bytes: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl Deref for Points {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether a role may share with an audience: asked before points are read for nothing, and again when they are stored.
///
/// # Errors
/// The role does not suffice.
pub fn may_make(audience: Audience, role: Role) -> Result<(), ShareError> {
    let needed = audience.maker();
    if role < needed { Err(ShareError::Forbidden(needed)) } else { Ok(()) }
}

/// Makes a snapshot: stored, on record, and on the timeline where it opens for strangers. Once begun it runs to its end,
/// also when the caller goes away.
///
/// # Errors
/// The role does not suffice for the audience, title or points are refused, too many work already, or the store did not
/// answer.
pub async fn create(console: &Arc<Console>, snapshot: Snapshot, request: &Request) -> Result<Share, ShareError> {
    may_make(snapshot.audience, request.actor.role)?;
    let title = snapshot.title.trim();
    if title.is_empty() || title.chars().count() > SHARE_TITLE_MAX || title.chars().any(char::is_control) {
        return Err(ShareError::Title);
    }
    let now = console.clock.now();
    let mut share = Share {
        id: ShareId(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; ID_BYTES]>())),
        title: title.to_owned(),
        target: snapshot.target,
        view: snapshot.view,
        from: snapshot.range.from,
        to: snapshot.range.to,
        audience: snapshot.audience,
        size_bytes: 0,
        created_by: request.actor.name.clone(),
        created_at: now,
        expires_at: snapshot.lifetime.end(now),
        revoked_at: None,
        revoked_by: None,
        opens: 0,
        last_opened_at: None,
    };
    let (context, request) = (console.clone(), request.clone());
    ended(console.spawn_action(async move {
        let points = pack(&context, snapshot.points).await?;
        share.size_bytes = points.len() as u64;
        if !context.store.add_share(&share, &points).await? {
            return Err(ShareError::Full);
        }
        let until = share.expires_at.to_rfc3339();
        record(&context, &request, "share.create", &share, format!("opens until {until}")).await?;
        if share.audience == Audience::Link {
            let event = NewEvent {
                at: now,
                target: context.target(&share.target).is_some().then(|| share.target.clone()),
                kind: EventKind::Action,
                band: None,
                title: "Public link created".to_owned(),
                detail: Some(format!(
                    "{}. Opens without signing in until {}.",
                    share.title,
                    format::date(share.expires_at)
                )),
                actor: Some(request.actor.name.clone()),
            };
            context.mark(event).await?;
        }
        Ok(share)
    }))
    .await
}

/// A snapshot that may be opened by whoever asks. Does not count as opened.
///
/// # Errors
/// There is none, it ended, it is not for this reader (none: a stranger), or the store did not answer. Whom it is not for
/// does not learn whether it ended.
pub async fn find(console: &Console, id: &ShareId, reader: Option<Role>) -> Result<Share, ShareError> {
    let share = console.store.share(id).await?.ok_or(ShareError::Unknown)?;
    if !share.audience.admits(reader) {
        return Err(reader.and(share.audience.role()).map_or(ShareError::SignIn, ShareError::Forbidden));
    }
    match share.state(console.clock.now()) {
        ShareState::Open => Ok(share),
        ShareState::Expired => Err(ShareError::Expired(Box::new(share))),
        ShareState::Revoked => Err(ShareError::Revoked(Box::new(share))),
    }
}

/// The points of a snapshot that was found. Strangers may open it as often as they like, so few are open at a time: keep
/// them until what is made of them is done.
///
/// # Errors
/// It was revoked in the meantime, too many are opened at the moment, or the store did not answer.
pub async fn points(console: &Console, share: &Share) -> Result<Points, ShareError> {
    let packed = console.store.share_points(&share.id).await?.filter(|packed| !packed.is_empty());
    let packed = packed.ok_or(ShareError::Unknown)?;
    aside(console, move || zstd::bulk::decompress(&packed, POINTS_MAX)).await
}

/// Counts that a snapshot was opened. A count is no reason to keep a reader waiting or to refuse them: it is written on the
/// side within seconds, and one that cannot be written is lost.
pub fn count_opening(console: &Console, id: &ShareId) {
    console.openings.add(id, console.clock.now());
}

/// Openings that wait to be written. Strangers open snapshots as often as they like, so they cause no write each: an entry
/// a snapshot, all of them in one write on the console's own cadence.
pub(crate) struct Openings {
    waiting: Mutex<HashMap<ShareId, ShareOpenings>>,
    /// Places for snapshots that are worked on.
    places: Arc<Semaphore>,
}

impl Default for Openings {
    fn default() -> Self {
        Openings { waiting: Mutex::default(), places: Arc::new(Semaphore::new(OPEN_MAX)) }
    }
}

impl Openings {
    fn waiting(&self) -> MutexGuard<'_, HashMap<ShareId, ShareOpenings>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: &ShareId, at: Timestamp) {
        let mut waiting = self.waiting();
        if let Some(entry) = waiting.get_mut(id) {
            entry.opens = entry.opens.saturating_add(1);
            entry.last_at = at;
        } else if waiting.len() < WAITING_MAX {
            waiting.insert(id.clone(), ShareOpenings { id: id.clone(), opens: 1, last_at: at });
        }
    }

    /// Writes what waits every few seconds, and once more when it is stopped.
    pub(crate) async fn run(&self, store: Arc<dyn StateStore>, stop: CancellationToken) {
        let mut ticks = interval(COUNT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.flush(store.as_ref()).await;
        }
        self.flush(store.as_ref()).await;
    }

    async fn flush(&self, store: &dyn StateStore) {
        let waiting = std::mem::take(&mut *self.waiting());
        if waiting.is_empty() {
            return;
        }
        let openings: Vec<ShareOpenings> = waiting.into_values().collect();
        match timeout(COUNT_MAX, store.shares_opened(&openings)).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => tracing::warn!(%cause, "opened snapshots were not counted"),
            Err(_) => tracing::warn!("opened snapshots were not counted in time"),
        }
    }
}

/// A page of the snapshots that someone may see: their own, or all for an admin. Newest first, with how many there are.
///
/// # Errors
/// The store did not answer.
pub async fn list(
    console: &Console,
    name: &str,
    role: Role,
    offset: u64,
    limit: u32,
) -> Result<(Vec<Share>, u64), ShareError> {
    let maker = (role < Role::Admin).then_some(name);
    Ok(console.store.shares(maker, offset, limit).await?)
}

/// Ends a snapshot: it no longer opens, and its points are gone.
///
/// # Errors
/// There is none, it was revoked before, it was made by somebody else, or the store did not answer.
pub async fn revoke(console: &Arc<Console>, id: &ShareId, request: &Request) -> Result<Share, ShareError> {
    let mut share = console.store.share(id).await?.ok_or(ShareError::Unknown)?;
    if !share.may_revoke(&request.actor.name, request.actor.role) {
        return Err(ShareError::NotYours(share.created_by));
    }
    let (context, request, now) = (console.clone(), request.clone(), console.clock.now());
    ended(console.spawn_action(async move {
        if !context.store.revoke_share(&share.id, &request.actor.name, now).await? {
            return Err(ShareError::Revoked(Box::new(share)));
        }
        record(&context, &request, "share.revoke", &share, "opens no longer".to_owned()).await?;
        share.revoked_at = Some(now);
        share.revoked_by = Some(request.actor.name);
        Ok(share)
    }))
    .await
}

async fn ended(task: tokio::task::JoinHandle<Result<Share, ShareError>>) -> Result<Share, ShareError> {
    task.await.unwrap_or_else(|_| Err(ShareError::Damaged("the console failed while it acted".to_owned())))
}

async fn record(
    console: &Console,
    request: &Request,
    action: &str,
    share: &Share,
    outcome: String,
) -> Result<(), StoreError> {
    let audit = NewAudit {
        at: console.clock.now(),
        actor: request.actor.name.clone(),
        role: request.actor.role,
        origin: request.origin.clone(),
        action: action.to_owned(),
        target: Some(share.target.clone()),
        parameters: json!({
            "id": share.id, "title": share.title, "audience": share.audience, "expiresAt": share.expires_at,
            "sizeBytes": share.size_bytes,
        }),
        reason: request.reason.clone(),
        outcome,
        succeeded: true,
    };
    console.store.add_audit(&audit).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_that_wait_are_bounded_and_counted() {
        let openings = Openings::default();
        let id = |n: usize| ShareId(format!("snapshot-{n}"));
        for n in 0..WAITING_MAX + 5 {
            openings.add(&id(n), Timestamp(1));
        }
        openings.add(&id(0), Timestamp(7));
        let waiting = openings.waiting();
        assert_eq!(waiting.len(), WAITING_MAX);
        assert_eq!((waiting[&id(0)].opens, waiting[&id(0)].last_at), (2, Timestamp(7)));
    }
}
