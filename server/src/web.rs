//! What every handler shares.

use crate::{
    assets::Dist,
    gateway::Addresses,
    http::response_cache::{self, ResponseCache},
    openapi,
    pages::preview::Previews,
    router::endpoints,
};
use headroom_engine::console::Console;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

/// Live feeds open at once; one more is answered with 503.
pub const MAX_STREAMS: usize = 256;

/// How the HTTP side behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// Where the listener is bound. Decides whether open access is possible at all.
    pub listen: SocketAddr,
    /// A request that takes longer is answered with 504.
    pub request_timeout: Duration,
    /// Between two comments that keep an idle live feed alive.
    pub keep_alive: Duration,
    /// Sites whose pages may embed shared views.
    pub embed_origins: Vec<String>,
}

/// The context of the HTTP side: cheap to clone, one a process.
#[derive(Clone)]
pub struct Web {
    /// The engines.
    pub console: Arc<Console>,
    /// The browser bundle.
    pub dist: Dist,
    /// How to behave.
    pub settings: WebSettings,
    /// The API's own description.
    pub document: Arc<OpenApi>,
    /// Answers of heavy reads, kept for a moment.
    pub responses: ResponseCache,
    /// Pictures of links.
    pub previews: Previews,
    /// What was asked of datasets, by address.
    pub addresses: Addresses,
    /// One permit an open live feed.
    pub streams: Arc<Semaphore>,
    /// Cancelled when the process stops: live feeds end, readiness turns off.
    pub stop: CancellationToken,
}

impl Web {
    /// A context over running engines; call it inside a runtime.
    #[must_use]
    pub fn new(console: Arc<Console>, dist: Dist, settings: WebSettings, stop: CancellationToken) -> Self {
        let document = Arc::new(openapi::document(&endpoints()));
        let responses = ResponseCache::start(
            response_cache::MEMORY_MAX,
            settings.request_timeout,
            console.default_target().clone(),
            console.clock.clone(),
        );
        Web {
            console,
            dist,
            settings,
            document,
            responses,
            previews: Previews::new(),
            addresses: Addresses::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stop,
        }
    }

    /// Whether the listener can be reached from this machine only.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.settings.listen.ip().to_canonical().is_loopback()
    }
}
