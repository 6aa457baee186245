//! The live feed as server-sent events.

use crate::{
    access::identity::{Identity, identify},
    http::{
        error::{Kind, WebError},
        extract::{Params, TargetQuery, known},
    },
    web::{MAX_STREAMS, Web},
};
use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use headroom_model::{TargetId, live::LiveMessage};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

/// How long browsers wait before they connect again.
const RETRY: Duration = Duration::from_secs(2);
/// A feed ends after this; the browser connects again.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// How often a feed asks whether its reader may still see it, beside every change of access: sessions and tokens end by
/// themselves, and another process may change access.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// The live feed
///
/// Server-sent events: `update` (a sample was published), `event` (something happened), `operation` (an operation moved).
/// It starts with the newest update of each target, so nothing has to be replayed: `Last-Event-ID` is not used, and
/// messages carry no id. A reader that falls behind misses messages and is sent the newest update instead. With `?target=`
/// only messages of that target and of the console itself. At most 256 feeds at once; each ends after an hour, when its
/// reader loses access, or when the console stops.
#[utoipa::path(get, path = "/api/v1/stream", tag = "Figures", params(TargetQuery), responses(
    (status = 200, content_type = "text/event-stream", body = String, description = "One LiveMessage as JSON a message."),
    (status = 503, body = headroom_model::api::Problem, content_type = "application/problem+json", description = "Too many feeds are open."),
))]
pub async fn stream(
    State(web): State<Web>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Params(query): Params<TargetQuery>,
) -> Result<Response, WebError> {
    let target = query.target.as_deref().filter(|name| !name.is_empty());
    let target = target.map(|name| known(&web, name)).transpose()?;
    let permit = web.streams.clone().try_acquire_owned().map_err(|_| {
        WebError::new(Kind::Unavailable, format!("{MAX_STREAMS} live feeds are open already.")).retry_after(10)
    })?;
    // Subscribed before the newest update is read: nothing falls between the two.
    let live = BroadcastStream::new(web.console.subscribe());
    let first = stream::iter(newest(&web, target.as_ref()));
    let feed = web.clone();
    let rest = live.flat_map(move |received| {
        stream::iter(match received {
            Ok(message) if concerns(&message, target.as_ref()) => vec![message],
            Ok(_) => vec![],
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                tracing::debug!(missed, "a live feed fell behind");
                newest(&feed, target.as_ref())
            }
        })
    });
    let stop = web.stop.clone().cancelled_owned();
    let refused = refused(web.clone(), headers, peer.map(|Extension(ConnectInfo(peer))| peer));
    let ended = async move {
        tokio::select! {
            () = stop => {}
            () = refused => {}
            () = tokio::time::sleep(MAX_AGE) => {}
        }
    };
    let messages = first.chain(rest).map(move |message| {
        // Held until the feed is dropped.
        let _ = &permit;
        written(&message)
    });
    let keep_alive = KeepAlive::new().interval(web.settings.keep_alive);
    let headers = [("cache-control", "no-store"), ("x-accel-buffering", "no")];
    Ok((headers, Sse::new(hello().chain(messages).take_until(ended)).keep_alive(keep_alive)).into_response())
}

/// Ends once the reader is nobody any longer. While the state store does not answer, nobody can have lost access.
async fn refused(web: Web, headers: HeaderMap, peer: Option<SocketAddr>) {
    let mut changes = web.console.access.changes();
    loop {
        if let Ok(Identity::Anonymous(_)) = identify(&web, &headers, peer).await {
            return;
        }
        let _change_or_time = tokio::time::timeout(ASK_EVERY, changes.changed()).await;
    }
}

/// Tells the browser when to come back, before anything else.
fn hello() -> impl Stream<Item = Result<sse::Event, Infallible>> {
    stream::iter([Ok(sse::Event::default().retry(RETRY))])
}

fn newest(web: &Web, target: Option<&TargetId>) -> Vec<Arc<LiveMessage>> {
    let targets = web.console.targets();
    let wanted = targets.iter().filter(|known| target.is_none_or(|target| *target == known.id));
    wanted
        .filter_map(|target| web.console.latest(&target.id))
        .map(|update| Arc::new(LiveMessage::Update(Box::new((*update).clone()))))
        .collect()
}

fn concerns(message: &LiveMessage, target: Option<&TargetId>) -> bool {
    match (target, message.target()) {
        (Some(wanted), Some(target)) => wanted == target,
        _ => true,
    }
}

fn written(message: &LiveMessage) -> Result<sse::Event, Infallible> {
    let event = sse::Event::default().event(message.name());
    Ok(event.json_data(message).unwrap_or_else(|error| {
        tracing::error!(%error, "a live message could not be written");
        sse::Event::default().comment("a message could not be written")
    }))
}
