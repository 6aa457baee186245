use crate::error::AppError;
use headroom_model::share::{Audience, Lifetime, Share, SharePreview};
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// Where the form of the confirm page posts to.
pub const CREATE: &str = "/api/fn/create_share";
/// Where the forms that revoke post to.
pub const REVOKE: &str = "/api/fn/revoke_share";

/// What a snapshot of a view would hold. `view` is the query of the Trends page, `path` where it was asked for.
#[server(prefix = "/api/fn", endpoint = "preview_share", input = GetUrl)]
pub async fn preview_share(view: String) -> Result<SharePreview, AppError> {
    let context = crate::context::PageContext::require(headroom_model::Role::Viewer)?;
    make::preview(&context.console, &view).await
}

/// Makes a snapshot. A plain form is sent back to the confirm page, which shows the link.
#[server(prefix = "/api/fn", endpoint = "create_share")]
pub async fn create_share(
    view: String,
    audience: Audience,
    lifetime: Lifetime,
    title: Option<String>,
) -> Result<Share, AppError> {
    use crate::context::{PageContext, is_plain_form};
    use headroom_model::share::NewShare;
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    headroom_engine::shares::may_make(audience, context.actor.role)?;
    let new = NewShare { view, title, audience, lifetime };
    let snapshot = make::snapshot(&context.console, new).await?;
    let share = headroom_engine::shares::create(&context.console, snapshot, &context.asks(None)?).await?;
    if is_plain_form() {
        leptos_axum::redirect(&format!("/confirm/share?{}&done={}", share.view, share.id.as_str()));
    }
    Ok(share)
}

/// Ends a snapshot. A plain form is sent back to the list.
#[server(prefix = "/api/fn", endpoint = "revoke_share")]
pub async fn revoke_share(id: String) -> Result<Share, AppError> {
    use crate::{
        context::{PageContext, is_plain_form},
        error::ErrorCode,
    };
    let context = PageContext::require(headroom_model::Role::Viewer)?;
    let missing = || AppError::new(ErrorCode::NotFound, "No snapshot has this address.").answered();
    let id = headroom_model::share::ShareId::parse(&id).ok_or_else(missing)?;
    let share = headroom_engine::shares::revoke(&context.console, &id, &context.asks(None)?).await?;
    if is_plain_form() {
        leptos_axum::redirect("/settings#shared");
    }
    Ok(share)
}

/// The snapshots that one may see: one's own, or all for an admin; a page of them, newest first, and how many there are.
#[server(prefix = "/api/fn", endpoint = "shares", input = GetUrl)]
pub async fn shares(page: u32) -> Result<(Vec<Share>, u64), AppError> {
    /// Rows a page.
    const ROWS: u32 = 50;
    let context = crate::context::PageContext::require(headroom_model::Role::Viewer)?;
    let offset = u64::from(page) * u64::from(ROWS);
    let actor = &context.actor;
    Ok(headroom_engine::shares::list(&context.console, &actor.name, actor.role, offset, ROWS).await?)
}

/// A snapshot by its id, for the confirm page that made it; none when it is not one's own.
#[server(prefix = "/api/fn", endpoint = "own_share", input = GetUrl)]
pub async fn own_share(id: Option<String>) -> Result<Option<Share>, AppError> {
    let context = crate::context::PageContext::require(headroom_model::Role::Viewer)?;
    let Some(id) = id.as_deref().and_then(headroom_model::share::ShareId::parse) else { return Ok(None) };
    let share = headroom_engine::shares::find(&context.console, &id, Some(context.actor.role)).await;
    Ok(share.ok().filter(|share| share.may_revoke(&context.actor.name, context.actor.role)))
}

#[cfg(feature = "ssr")]
pub use make::snapshot as snapshot_of;

#[cfg(feature = "ssr")]
mod make {
    use crate::{
        error::{AppError, ErrorCode},
        functions::read_trends,
        url,
    };
    use headroom_engine::{
        console::Console,
        shares::{Snapshot, stored_bytes},
    };
    use headroom_model::{
        TargetId,
        share::{Audience, NewShare, SharePreview, title},
        trends::{TrendsData, TrendsView},
    };

    /// Longest query that is read.
    const MAX_VIEW: usize = 8192;

    fn invalid(message: String) -> AppError {
        AppError::new(ErrorCode::Invalid, message).answered()
    }

    /// The points of a view as its URL asks for them, and the view with its range fixed.
    async fn read(console: &Console, view: &str) -> Result<(TrendsData, String), AppError> {
        if view.len() > MAX_VIEW {
            return Err(invalid(format!("The view is written in more than {MAX_VIEW} characters.")));
        }
        let query = url::parse(view);
        let target = match url::target(&query) {
            None => console.default_target().clone(),
            Some(name) => TargetId(name),
        };
        if console.target(&target).is_none() {
            let targets = console.targets();
            let known: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
            return Err(AppError::unknown_target(target.as_str(), &known).answered());
        }
        let (from, to) = url::written_range(&query);
        let shown = TrendsView::read(|key| query.get(key));
        let charts = TrendsView::asked(|key| query.get(key));
        let mut data = read_trends(console, target, &from, &to, &charts, shown.compare, shown.usual).await?;
        data.range.live = false;
        data.unknown.clear();
        // The window over a longer stretch is not drawn, and nobody chose to share that stretch.
        data.around = None;
        data.left_out = 0;
        let ends = [data.range.from, data.range.to].map(|at| at.0.to_string());
        let printed = shown.print();
        let mut changes = vec![
            ("target", Some(data.target.as_str())),
            ("from", Some(ends[0].as_str())),
            ("to", Some(ends[1].as_str())),
            // What is looked into is asked for anew each time, so it is no part of a snapshot.
            ("at", None),
        ];
        changes.extend(printed.iter().filter(|(key, _)| *key != "at").map(|(key, value)| (*key, value.as_deref())));
        let view = url::href("", &leptos_router::params::ParamsMap::new(), &changes);
        Ok((data, view.trim_start_matches('?').to_owned()))
    }

    /// The points as they are stored: what names people stays out of what strangers may open.
    fn points(mut data: TrendsData, audience: Audience) -> Result<(TrendsData, Vec<u8>), AppError> {
        if audience == Audience::Link {
            for event in &mut data.events {
                event.event.actor = None;
                event.event.detail = None;
            }
            for origin in &mut data.origins {
                origin.actor.clear();
                origin.source = "elsewhere".to_owned();
            }
        }
        let points = serde_json::to_vec(&data).map_err(|cause| {
            tracing::error!(%cause, "the points of a view cannot be written");
            AppError::internal().answered()
        })?;
        Ok((data, points))
    }

    /// What a snapshot would hold.
    pub async fn preview(console: &Console, view: &str) -> Result<SharePreview, AppError> {
        let (data, view) = read(console, view).await?;
        let (data, points) = points(data, Audience::Viewer)?;
        Ok(SharePreview {
            title: title(&data),
            size_bytes: stored_bytes(console, points).await? as u64,
            range: data.range,
            metrics: data.metrics().count(),
            view,
        })
    }

    /// Reads a view and makes a snapshot of it that is not stored yet.
    ///
    /// # Errors
    /// The view cannot be read: an unknown target, a range that is none, or the state store does not answer.
    pub async fn snapshot(console: &Console, new: NewShare) -> Result<Snapshot, AppError> {
        let (data, view) = read(console, &new.view).await?;
        let (data, points) = points(data, new.audience)?;
        let given = new.title.filter(|title| !title.trim().is_empty());
        Ok(Snapshot {
            title: given.unwrap_or_else(|| title(&data)),
            target: data.target,
            view,
            range: data.range,
            audience: new.audience,
            lifetime: new.lifetime,
            points,
        })
    }
}
