//! The pictures that chats show of a link, 1200 × 630 pixels: of a snapshot for anyone, its charts; of everything else,
//! a card without data.
//!
//! Drawn from the stored points with fonts of our own, one at a time, and kept for a while: a link that is passed around
//! is asked for by many at once.

use super::shared;
use crate::{
    http::{error::WebError, headers::RESOURCE_POLICY},
    web::Web,
};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use headroom_app::{card, neutral_card};
use headroom_engine::shares::{self, ShareError};
use headroom_model::share::{Audience, ShareId};
use moka::future::Cache;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where the picture of a snapshot lies.
pub const ROUTE: &str = "/s/{id}/preview.png";
/// Where the picture without data lies.
pub const NEUTRAL: &str = "/preview.png";

/// The family that the fonts name themselves.
const FAMILY: &str = "Headroom Sans";
const REGULAR: &[u8] = include_bytes!("../../assets/fonts/sans-regular.ttf");
const SEMIBOLD: &[u8] = include_bytes!("../../assets/fonts/sans-semibold.ttf");

/// Bytes of pictures that are kept.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
/// How long a picture is kept: a revoked snapshot is not shown any longer than that.
const KEPT: Duration = Duration::from_secs(300);
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Draws pictures and keeps them.
#[derive(Clone)]
pub struct Previews {
    fonts: Arc<Database>,
    /// By snapshot; none is the picture without data.
    kept: Cache<Option<ShareId>, Bytes>,
    /// Drawing takes a core for a moment: never more than one.
    turn: Arc<Semaphore>,
}

impl Previews {
    /// No picture yet.
    #[must_use]
    pub fn new() -> Self {
        let mut fonts = Database::new();
        for font in [REGULAR, SEMIBOLD] {
            fonts.load_font_data(font.to_vec());
        }
        fonts.set_sans_serif_family(FAMILY);
        let weigh = |_: &Option<ShareId>, picture: &Bytes| u32::try_from(picture.len()).unwrap_or(u32::MAX);
        let kept = Cache::builder().max_capacity(KEPT_BYTES).weigher(weigh).time_to_live(KEPT).build();
        Previews { fonts: Arc::new(fonts), kept, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for the turn. Whoever had it before may have drawn the same, so look again at what is kept.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, WebError> {
        self.turn.clone().acquire_owned().await.map_err(WebError::internal)
    }

    /// A drawing as PNG, kept under a name.
    async fn png(&self, turn: OwnedSemaphorePermit, name: Option<ShareId>, svg: String) -> Result<Bytes, WebError> {
        let fonts = self.fonts.clone();
        let drawn = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            draw(&svg, fonts)
        });
        let png = drawn.await.map_err(WebError::internal)?.map_err(WebError::internal)?;
        self.kept.insert(name, png.clone()).await;
        Ok(png)
    }
}

impl Default for Previews {
    fn default() -> Self {
        Previews::new()
    }
}

fn draw(svg: &str, fonts: Arc<Database>) -> Result<Bytes, String> {
    let options = Options { fontdb: fonts, font_family: FAMILY.to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|cause| cause.to_string())?;
    let size = tree.size().to_int_size();
    let mut pixmap = Pixmap::new(size.width(), size.height()).ok_or("a picture without a size")?;
    resvg::render(&tree, Transform::default(), &mut pixmap.as_mut());
    pixmap.encode_png().map(Bytes::from).map_err(|cause| cause.to_string())
}

fn picture(png: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::CACHE_CONTROL, CACHE_CONTROL),
        // Chats show it in pages of their own.
        (RESOURCE_POLICY, HeaderValue::from_static("cross-origin")),
    ];
    (headers, png).into_response()
}

/// The picture without data.
pub async fn neutral(State(web): State<Web>) -> Result<Response, WebError> {
    let previews = &web.previews;
    if let Some(png) = previews.kept.get(&None).await {
        return Ok(picture(png));
    }
    let turn = previews.turn().await?;
    if let Some(png) = previews.kept.get(&None).await {
        return Ok(picture(png));
    }
    previews.png(turn, None, neutral_card()).await.map(picture)
}

/// The picture of a snapshot. Anyone may ask, so only what anyone may open is drawn; the rest, and what does not exist or
/// ended, shows the card without data: a picture never tells which it is.
pub async fn of_share(State(web): State<Web>, uri: Uri) -> Result<Response, WebError> {
    let Some(id) = shared::id_of(&uri) else { return neutral(State(web)).await };
    let share = match shares::find(&web.console, &id, None).await {
        Ok(share) if share.audience == Audience::Link => share,
        Ok(_)
        | Err(
            ShareError::Unknown
            | ShareError::SignIn
            | ShareError::Forbidden(_)
            | ShareError::Expired(_)
            | ShareError::Revoked(_),
        ) => return neutral(State(web)).await,
        Err(error) => return Err(error.into()),
    };
    let name = Some(id);
    if let Some(png) = web.previews.kept.get(&name).await {
        return Ok(picture(png));
    }
    // Points are read in turn as well: many that ask at once hold them once.
    let turn = web.previews.turn().await?;
    if let Some(png) = web.previews.kept.get(&name).await {
        return Ok(picture(png));
    }
    let points = match shares::points(&web.console, &share).await {
        Ok(points) => points,
        // It ended since it was found.
        Err(ShareError::Unknown) => {
            drop(turn);
            return neutral(State(web)).await;
        }
        Err(error) => return Err(error.into()),
    };
    let data = serde_json::from_slice(&points).map_err(WebError::internal)?;
    web.previews.png(turn, name, card(&share, &data)).await.map(picture)
}
