//! Every endpoint, by audience. Read this to know what the console answers.

use crate::{
    access::{Access, authorize, forms},
    api::{
        audit, baseline, cache, capacity, data, database, document, events, exposition, health, history, invalidation,
        metrics, moment, operations, pool, probes, requests, session, shares, stats, stream, summary, targets, tokens,
        transfer, trends, users, warmup,
    },
    assets::IMMUTABLE,
    endpoint::{self, Endpoint, admin, operator, public, scrape, viewer},
    gateway::{self, Gateway},
    http::{etag, headers, observe, problem, response_cache},
    pages,
    web::Web,
};
use axum::{
    Router,
    extract::{Request, State},
    http::{Extensions, HeaderMap, StatusCode, Version, header::CACHE_CONTROL},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use futures::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
    limit::RequestBodyLimitLayer,
};
use utoipa_axum::routes;

use crate::http::error::{Kind, WebError};

/// Request bodies are forms and small JSON documents.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// Below this compression costs more than it saves.
const COMPRESS_ABOVE_BYTES: u16 = 1024;

/// How long an answer is kept that is assembled from memory: less than the time between two samples.
const LIVE: Duration = Duration::from_secs(1);
/// How long an answer is kept that takes a walk through the whole cache, or the state store.
const COSTLY: Duration = Duration::from_secs(2);
/// How long an answer is kept that stays the same while the console runs.
const FIXED: Duration = Duration::from_secs(5);

/// The API under `/api/v1`, and the other paths that runbooks know.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        // For orchestrators
        public(routes!(probes::ping)).also(&["/metrics/ping"]),
        public(routes!(probes::live)),
        public(routes!(probes::ready)),
        // For scrapers
        scrape(routes!(exposition::prometheus)).also(&["/api/v1/performance/metrics"]),
        scrape(routes!(exposition::negotiated)),
        // For dashboards
        viewer(routes!(targets::list)),
        viewer(routes!(health::health)).also(&["/metrics/health", "/api/v1/performance/health"]),
        viewer(routes!(summary::summary)).also(&["/metrics/summary"]).cached(LIVE),
        viewer(routes!(metrics::current)),
        viewer(routes!(metrics::catalogue)),
        viewer(routes!(history::history)).also(&["/metrics/history"]).cached(COSTLY),
        viewer(routes!(trends::points)),
        viewer(routes!(transfer::export)),
        admin(routes!(transfer::import)),
        viewer(routes!(transfer::storage)).cached(COSTLY),
        viewer(routes!(moment::moment)).cached(COSTLY),
        viewer(routes!(baseline::baseline)).cached(COSTLY),
        viewer(routes!(stream::stream)),
        // For those who look what slows the database
        viewer(routes!(database::statements::list)).also(&["/metrics/query-stats"]),
        viewer(routes!(database::statements::table)),
        viewer(routes!(database::statements::one)),
        viewer(routes!(database::statements::slow))
            .also(&["/metrics/slow-queries", "/api/v1/performance/database/slow-queries"]),
        // For pipelines and people on call
        viewer(routes!(events::list)),
        operator(routes!(events::mark)),
        operator(routes!(stats::reset)).also(&["/metrics/stats/reset"]),
        viewer(routes!(operations::list)),
        viewer(routes!(operations::get)),
        operator(routes!(operations::cancel)),
        // For applications
        viewer(routes!(data::list)),
        viewer(routes!(data::read)),
        viewer(routes!(cache::report))
            .also(&["/metrics/cache", "/api/v1/performance/cache/metrics", "/api/v1/performance/cache/stats"])
            .cached(LIVE),
        viewer(routes!(cache::hit_rate)).also(&["/api/v1/performance/cache/hit-rate"]).cached(LIVE),
        viewer(routes!(cache::hottest)).also(&["/metrics/cache/hottest-keys"]).cached(COSTLY),
        viewer(routes!(cache::coldest)).cached(COSTLY),
        viewer(routes!(cache::key)),
        viewer(routes!(cache::tags)).cached(COSTLY),
        operator(routes!(cache::clear)).also(&["/metrics/cache/clear"]),
        operator(routes!(invalidation::invalidate)).also(&["/api/v1/performance/cache/invalidate"]),
        operator(routes!(warmup::start)).also(&["/metrics/cache/warmup", "/api/v1/performance/cache/warm"]),
        operator(routes!(warmup::stop)).also(&["/metrics/cache/warmup"]),
        viewer(routes!(warmup::status)).also(&["/metrics/cache/warmup/status"]),
        // For those who look into the database
        viewer(routes!(database::tables::list)).cached(COSTLY),
        viewer(routes!(database::tables::detail)).also(&["/api/v1/performance/database/table-stats/{table}"]),
        operator(routes!(database::tables::measure)),
        operator(routes!(database::tables::optimize)).also(&["/api/v1/performance/database/optimize-table/{table}"]),
        viewer(routes!(database::server::size)).also(&["/api/v1/performance/database/size"]).cached(COSTLY),
        viewer(routes!(database::server::stats)).also(&["/api/v1/performance/database/stats"]).cached(COSTLY),
        viewer(routes!(database::server::replication)).cached(COSTLY),
        viewer(routes!(database::server::vacuum)).cached(COSTLY),
        viewer(routes!(database::server::settings)).cached(COSTLY),
        // For people on call: plans and indexes
        operator(routes!(database::plans::explain))
            .also(&["/metrics/query-plan", "/api/v1/performance/database/analyze-query"]),
        viewer(routes!(database::indexes::suggestions))
            .also(&["/metrics/index-suggestions", "/api/v1/performance/database/indexing-strategy"])
            .cached(LIVE),
        operator(routes!(database::indexes::look)),
        viewer(routes!(database::indexes::unused)).cached(COSTLY),
        viewer(routes!(database::indexes::duplicates)).cached(COSTLY),
        admin(routes!(database::indexes::apply)),
        viewer(routes!(database::activity::list)).also(&["/metrics/pool/long-running"]).cached(LIVE),
        operator(routes!(database::activity::cancel)),
        operator(routes!(database::activity::terminate)),
        viewer(routes!(database::contention::contention)).also(&["/metrics/locks/contention"]).cached(COSTLY),
        // For colleagues
        viewer(routes!(shares::list)),
        viewer(routes!(shares::create)),
        // Who may open a snapshot, its audience says.
        public(routes!(shares::open)),
        viewer(routes!(shares::revoke)),
        // For those who plan
        viewer(routes!(capacity::dashboard)).also(&["/api/v1/performance/capacity/dashboard"]).cached(COSTLY),
        viewer(routes!(capacity::forecast)).also(&["/api/v1/performance/capacity/forecast/{resource}"]),
        viewer(routes!(capacity::bottlenecks)).also(&["/api/v1/performance/capacity/bottlenecks"]).cached(COSTLY),
        viewer(routes!(capacity::plan)).also(&["/api/v1/performance/capacity/plan"]),
        viewer(routes!(capacity::what_if)).also(&["/api/v1/performance/capacity/what-if"]),
        // The console itself
        viewer(routes!(requests::performance)).also(&["/api/performance/stats"]).cached(LIVE),
        viewer(routes!(pool::lanes)).also(&[
            "/metrics/pool",
            "/api/v1/performance/database/connection-pool",
            "/api/v1/stats/performance/pool",
        ]),
        viewer(routes!(pool::holders)),
        viewer(routes!(pool::leaks)).also(&["/metrics/pool/leaks"]),
        admin(routes!(pool::resize)),
        viewer(routes!(pool::performance)).also(&["/api/v1/stats/performance/queries"]),
        viewer(routes!(pool::slow)).also(&["/api/v1/stats/performance/queries/slow"]),
        // Access
        viewer(routes!(session::session)),
        viewer(routes!(audit::list)),
        admin(routes!(users::list)),
        admin(routes!(users::add)),
        admin(routes!(users::remove)),
        admin(routes!(tokens::list)),
        admin(routes!(tokens::add)),
        admin(routes!(tokens::remove)),
        // The documents
        public(routes!(document::openapi)).cached(FIXED),
        public(routes!(document::page)),
    ]
}

/// Routes for browsers: forms that work without JavaScript. Everyone may post them; the Origin check applies.
fn browser_forms() -> Router<Web> {
    Router::new()
        .route("/login", post(forms::login))
        .route("/logout", post(forms::logout))
        .route("/theme", post(forms::theme))
}

/// Pictures of links, for chats and mail programs, which never sign in.
fn pictures() -> Router<Web> {
    Router::new()
        .route(pages::preview::ROUTE, get(pages::preview::of_share))
        .route(pages::preview::NEUTRAL, get(pages::preview::neutral))
}

/// Everything the console answers.
pub fn app(web: &Web) -> impl Fn(Request) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static {
    let endpoints = endpoints();
    let of_datasets = endpoints.iter().find(|endpoint| endpoint.path == gateway::ROUTE).map(|endpoint| endpoint.access);
    // No input leads here: the list is fixed, and without this endpoint no console starts, not even in a test. Going on
    // without it would leave the short way out in silence.
    let access = of_datasets.expect("datasets have an endpoint");
    let gateway = Arc::new(Gateway::new(web.clone(), access, router(&endpoints, web.clone())));
    move |request| {
        let gateway = gateway.clone();
        Box::pin(async move { gateway.answer(request).await })
    }
}

fn router(endpoints: &[Endpoint], web: Web) -> Router {
    let guard = |access: Access| from_fn_with_state((web.clone(), access), authorize);
    let compression = SizeAbove::new(COMPRESS_ABOVE_BYTES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::const_new("font/"))
        // The bundle was compressed when it was built; while developing its megabytes would take longer than they save.
        .and(|_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
            headers.get(CACHE_CONTROL).is_none_or(|value| value != IMMUTABLE)
        });
    // What bounds its body itself stands outside the layer that does so for the others.
    let (own_bound, others): (Vec<_>, Vec<_>) =
        endpoints.iter().partition(|endpoint| endpoint.path == transfer::IMPORT);
    Router::new()
        .merge(endpoint::routes(others, &web))
        .merge(browser_forms().route_layer(guard(Access::Public)))
        .merge(pictures().route_layer(guard(Access::Public)))
        .merge(pages::routes(&web))
        .route(&format!("{}/{{*name}}", pages::FUNCTIONS), any(pages::function))
        .fallback(pages::fallback)
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .merge(endpoint::routes(own_bound, &web))
        .method_not_allowed_fallback(method_not_allowed)
        // From the inside out: a layer sees what the ones above it made of the answer.
        .layer(from_fn_with_state(web.clone(), response_cache::forget))
        .layer(from_fn_with_state(web.clone(), give_up))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(from_fn(problem::render))
        .layer(from_fn(etag::validate))
        .layer(CompressionLayer::new().compress_when(compression))
        .layer(from_fn(headers::secure))
        .layer(from_fn_with_state(web.clone(), observe::observe))
        .with_state(web)
}

async fn method_not_allowed() -> WebError {
    WebError::new(Kind::MethodNotAllowed, "This address does not answer to the method of the request.")
}

/// Answers 504 when a handler takes too long; its future is dropped.
async fn give_up(State(web): State<Web>, request: Request, next: Next) -> Response {
    let patience = match request.uri().path() {
        transfer::IMPORT => transfer::IMPORT_TIMEOUT,
        _ => web.settings.request_timeout,
    };
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => WebError::new(Kind::Timeout, "The answer took too long and was given up.").into_response(),
    }
}
