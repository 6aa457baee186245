//! Pages of datasets that are asked for again, answered before the router.
//!
//! Where memory has a page, finding the route and passing the layers takes several times as long as finding the page. So
//! an address whose question was answered once is remembered with it, and as long as memory answers, the rest of the way
//! is left out. What the layers would add to the answer is added here by the same functions; whatever is not a plain hit
//! goes the long way.

use crate::{
    access::{self, Access},
    api::data,
    http::{
        headers,
        observe::{self, Observation},
        problem,
        response_cache::X_CACHE,
    },
    web::Web,
};
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use headroom_engine::dataset::{Dataset, Page, Question};
use hyper::{body::Body, service::Service};
use hyper_util::service::TowerToHyperService;
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::time::timeout;

/// The route that this is a shorter way to.
pub const ROUTE: &str = "/api/v1/data/{dataset}";
/// As the figures of requests name it.
const OBSERVED: &str = "GET /api/v1/data/{dataset}";
const PREFIX: &str = "/api/v1/data/";
/// Addresses that are remembered.
const ADDRESSES_MAX: u64 = 4_096;
/// Longer ones are not, in bytes.
const ADDRESS_MAX: usize = 512;

/// Addresses and what they ask, by path and query as they were written.
#[derive(Clone)]
pub struct Addresses(moka::sync::Cache<String, Arc<Known>, foldhash::fast::RandomState>);

impl Default for Addresses {
    fn default() -> Self {
        let cache = moka::sync::Cache::builder().max_capacity(ADDRESSES_MAX);
        Addresses(cache.build_with_hasher(foldhash::fast::RandomState::default()))
    }
}

impl Addresses {
    /// Remembers what was answered. `head` makes the headers that are the same as long as the page is.
    pub fn learn(
        &self,
        address: &str,
        dataset: &Arc<Dataset>,
        question: &Arc<Question>,
        head: impl Fn(&Page) -> HeaderMap + Send + Sync + 'static,
    ) {
        // A private page needs who asks, and that is no part of the address.
        let is_private = dataset.config().per_user;
        let is_hit_ever = dataset.class().settings().mode.memory() && question.is_lasting();
        if is_private || !is_hit_ever || address.len() > ADDRESS_MAX {
            return;
        }
        self.0.entry_by_ref(address).or_insert_with(|| {
            let (dataset, question) = (dataset.clone(), question.clone());
            Arc::new(Known { dataset, question, head: Box::new(head), newest: RwLock::default() })
        });
    }
}

/// What an address asks.
struct Known {
    dataset: Arc<Dataset>,
    question: Arc<Question>,
    head: Box<dyn Fn(&Page) -> HeaderMap + Send + Sync>,
    /// The entity tag of the page that was last answered, and its headers.
    newest: RwLock<Option<(String, HeaderMap)>>,
}

impl Known {
    /// Headers of a page.
    fn head(&self, page: &Page) -> HeaderMap {
        {
            let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, head)) = newest.as_ref().filter(|(etag, _)| etag == page.etag()) {
                return head.clone();
            }
        }
        let mut head = (self.head)(page);
        headers::close(&mut head);
        // Their places are kept, so that the copies need not grow.
        for name in [X_CACHE, header::AGE, observe::REQUEST_ID, observe::RESPONSE_TIME] {
            head.insert(name, HeaderValue::from_static("-"));
        }
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some((page.etag().to_owned(), head.clone()));
        head
    }
}

/// Everything the console answers: hits at once, the rest through the router.
pub struct Gateway {
    web: Web,
    access: Access,
    router: TowerToHyperService<Router>,
}

impl Gateway {
    /// In front of `router`, for those whom the route's own `access` lets through.
    pub(crate) fn new(web: Web, access: Access, router: Router) -> Self {
        Gateway { web, access, router: TowerToHyperService::new(router) }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        let is_plain = request.method() == Method::GET && request.body().is_end_stream();
        let (parts, body) = request.into_parts();
        if is_plain && parts.uri.path().starts_with(PREFIX) {
            // What takes long or panics here, the long way answers for.
            let hit = timeout(self.web.settings.request_timeout, AssertUnwindSafe(self.hit(&parts)).catch_unwind());
            if let Ok(Ok(Some(response))) = hit.await {
                return response;
            }
        }
        match self.router.call(Request::from_parts(parts, body)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn hit(&self, request: &Parts) -> Option<Response> {
        if headers::is_https(&request.headers) || data::wants_rows(&request.headers) {
            return None;
        }
        let known = self.web.addresses.0.get(request.uri.path_and_query()?.as_str())?;
        let seen = Observation::begin(&self.web, &request.headers, OBSERVED);
        let mut response = match access::admit(&self.web, self.access, request).await {
            Ok(_) => {
                let hit = known.dataset.hit(&known.question)?;
                data::answer(known.head(hit.value()?), &request.headers, &hit)?
            }
            Err(error) => {
                let mut response = problem::write(error.into_response(), Some(seen.id().to_owned()));
                headers::close(response.headers_mut());
                response
            }
        };
        seen.end(&self.web, &mut response);
        Some(response)
    }
}
