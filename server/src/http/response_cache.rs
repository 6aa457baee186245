//! Answers of heavy reads, kept for a moment: many viewers of one page cost as much as one.
//!
//! An endpoint declares it ([`crate::endpoint::Endpoint::cached()`]). Kept is what may be: a successful JSON answer to a GET,
//! of bounded size, whose headers say nothing but that. The key is the address with its query in one order, the target it
//! means and the caller's role; who calls must not matter to such an endpoint beyond that. Nothing is older than its time,
//! and whatever is changed over HTTP empties the cache, so that an action shows at once.

use super::{
    error::{Kind, WebError},
    extract::read_form,
};
use crate::{access::Caller, web::Web};
use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use headroom_engine::{
    cache::{Cache, CacheError, CacheSettings, Class, ClassSettings, Hit, KEY_MAX, LoadFailure, Loaded, Mode, Origin},
    clock::Clock,
};
use headroom_model::TargetId;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tracing::Instrument;

/// Answers of all endpoints together take at most this much.
pub const MEMORY_MAX: u64 = 16 << 20;
/// A larger answer is not kept.
const BODY_MAX: u64 = 1 << 20;

/// Tells which tier answered.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// Tells the key of the answer in its cache.
pub const X_CACHE_KEY: HeaderName = HeaderName::from_static("x-cache-key");

/// Answers of all endpoints that are kept. Its upkeep ends with the last handle.
#[derive(Clone, Debug)]
pub struct ResponseCache {
    answers: Cache<Bytes>,
    /// How long a request may take.
    patience: Duration,
    /// What a request means that names no target.
    target: TargetId,
}

/// One endpoint's answers: the state of its layer.
#[derive(Clone, Debug)]
pub struct Kept {
    class: Class<Bytes>,
    target: TargetId,
}

impl ResponseCache {
    /// An empty cache; call it inside a runtime.
    #[must_use]
    pub fn start(memory_max: u64, patience: Duration, target: TargetId, clock: Clock) -> Self {
        let settings =
            CacheSettings { space: "responses".to_owned(), memory_max, tracked_keys: 1, ..CacheSettings::default() };
        let answers = Cache::start(settings, None, clock).expect("without Redis there is no address to be wrong");
        ResponseCache { answers, patience, target }
    }

    /// The answers of an endpoint, each kept for `ttl`.
    #[must_use]
    pub fn endpoint(&self, path: &str, ttl: Duration) -> Kept {
        let settings = ClassSettings {
            mode: Mode::Memory,
            ttl,
            stale_for: Duration::ZERO,
            soft_timeout: self.patience,
            hard_timeout: self.patience,
            load_timeout: self.patience,
            beta: 0.0,
            ..ClassSettings::default()
        };
        Kept { class: self.answers.class(path, settings), target: self.target.clone() }
    }

    /// Forgets every answer, those included that are being made.
    pub async fn clear(&self) {
        self.answers.clear().await;
    }

    /// Bytes that answers take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.answers.memory().0
    }
}

/// Why an answer is not kept. It goes to who caused it; the others get their own.
#[derive(Debug, thiserror::Error)]
#[error("this answer is not kept")]
struct NotKept;

/// Something that one of two takes: a caller, or the load that it began.
struct Handover<T>(Arc<Mutex<Option<T>>>);

impl<T> Handover<T> {
    fn new(thing: Option<T>) -> (Self, Self) {
        let shared = Arc::new(Mutex::new(thing));
        (Handover(shared.clone()), Handover(shared))
    }

    fn give(&self, thing: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(thing);
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Answers from what is kept, or has the endpoint answer, once however many ask.
pub async fn answer(State(kept): State<Kept>, request: Request, next: Next) -> Response {
    let Some(key) = kept.key(&request) else { return next.run(request).await };
    let (own, handler) = Handover::new(Some((request, next)));
    let (refused, refusal) = Handover::new(None);
    let load = move || {
        async move {
            let (request, next) = handler.take().ok_or_else(|| Arc::new(NotKept) as LoadFailure)?;
            match keepable(next.run(request).await).await {
                Ok(body) => Ok(Loaded::value(body)),
                Err(response) => {
                    refusal.give(response);
                    Err(Arc::new(NotKept) as LoadFailure)
                }
            }
        }
        .in_current_span()
    };
    match kept.class.get_or_load(&key, &[], load).await {
        Ok(hit) => from_kept(&key, &hit),
        Err(error) => {
            if let Some(response) = refused.take() {
                response
            } else if let Some((request, next)) = own.take() {
                // Another's answer is not to be kept, or too much goes on at once.
                next.run(request).await
            } else {
                failed(&error)
            }
        }
    }
}

/// Empties the cache behind every request that may have changed something.
pub async fn forget(State(web): State<Web>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let response = next.run(request).await;
    // What was refused has changed nothing.
    if !is_read && !response.status().is_client_error() {
        web.responses.clear().await;
    }
    response
}

impl Kept {
    /// None for a request whose answer is not kept: other methods than GET (the answer to HEAD has no body), and queries
    /// too long to be a key.
    fn key(&self, request: &Request) -> Option<String> {
        if request.method() != Method::GET {
            return None;
        }
        let query = request.uri().query().unwrap_or_default();
        let mut pairs: Vec<(String, String)> = read_form(query.as_bytes()).ok()?;
        let names_target = pairs.iter().any(|(name, value)| name == "target" && !value.is_empty());
        if !names_target {
            pairs.retain(|(name, _)| name != "target");
            pairs.push(("target".to_owned(), self.target.to_string()));
        }
        pairs.sort();
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let role = request.extensions().get::<Caller>().map_or("public", |caller| caller.actor.role.as_str());
        Some(format!("{}?{query}#{role}", self.class.name())).filter(|key| key.len() <= KEY_MAX)
    }
}

/// The body of an answer that may be kept, or the answer.
async fn keepable(response: Response) -> Result<Bytes, Response> {
    let is_bounded = response.body().size_hint().exact().is_some_and(|bytes| bytes <= BODY_MAX);
    if response.status() != StatusCode::OK || !is_bounded || !is_plain_json(response.headers()) {
        return Err(response);
    }
    let body = to_bytes(response.into_body(), usize::try_from(BODY_MAX).unwrap_or(usize::MAX)).await;
    body.map_err(|error| WebError::internal(error).into_response())
}

/// Whether headers say no more than that the body is JSON: nothing about who asked, no link, no cookie.
fn is_plain_json(headers: &HeaderMap) -> bool {
    headers.iter().all(|(name, value)| match *name {
        header::CONTENT_TYPE => value == "application/json",
        header::CONTENT_LENGTH => true,
        _ => false,
    }) && headers.contains_key(header::CONTENT_TYPE)
}

fn from_kept(key: &str, hit: &Hit<Bytes>) -> Response {
    let Some(body) = hit.value() else {
        return WebError::internal("an answer was kept without its body").into_response();
    };
    let mut response = Body::from(body.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let origin = if hit.origin == Origin::Load { "MISS" } else { "L1" };
    headers.insert(X_CACHE, HeaderValue::from_static(origin));
    headers.insert(header::AGE, HeaderValue::from(hit.age().as_secs()));
    // It is printable: paths are ours, queries were encoded.
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert(X_CACHE_KEY, key);
    }
    response
}

fn failed(error: &CacheError) -> Response {
    match error {
        CacheError::Timeout(_) | CacheError::LoadTimeout(_) => {
            WebError::new(Kind::Timeout, "The answer took too long and was given up.").into_response()
        }
        _ => WebError::internal(error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, middleware::from_fn_with_state, routing::get};
    use futures::future::join_all;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use tokio::sync::Semaphore;

    fn start(memory_max: u64) -> ResponseCache {
        ResponseCache::start(memory_max, Duration::from_secs(20), TargetId("orders".to_owned()), Clock::system())
    }

    /// An endpoint behind its layer.
    struct Endpoint(TowerToHyperService<Router>);

    impl Endpoint {
        fn new(cache: &ResponseCache, handler: axum::routing::MethodRouter) -> Self {
            let kept = cache.endpoint("/things", Duration::from_secs(60));
            let handler = handler.route_layer(from_fn_with_state(kept, answer));
            Endpoint(TowerToHyperService::new(Router::new().route("/things", handler)))
        }

        async fn ask(&self, method: Method, query: &str) -> Response {
            let address = format!("/things{query}");
            let request = Request::builder().method(method).uri(address).body(Body::empty()).unwrap();
            self.0.call(request).await.unwrap()
        }

        async fn get(&self, query: &str) -> Response {
            self.ask(Method::GET, query).await
        }
    }

    fn origin(response: &Response) -> Option<&str> {
        response.headers().get(X_CACHE).map(|value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn one_answer_serves_all_who_mean_the_same() {
        let (asked, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (asked, gate) = (asked.clone(), gate.clone());
            get(async move || {
                asked.fetch_add(1, SeqCst);
                gate.acquire().await.unwrap().forget();
                axum::Json("all")
            })
        };
        let cache = start(MEMORY_MAX);
        let endpoint = Endpoint::new(&cache, handler);
        // All ask before the first is answered.
        let (answers, ()) =
            tokio::join!(join_all((0..50).map(|_| endpoint.get("?b=2&a=1"))), async { gate.add_permits(1) });
        assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
        assert_eq!(asked.load(SeqCst), 1);
        for same in ["?a=1&b=2", "?target=&a=1&b=2", "?b=2&target=orders&a=1", "?a=%31&b=2"] {
            let answer = endpoint.get(same).await;
            assert_eq!(origin(&answer), Some("L1"), "{same}");
            assert_eq!(answer.headers()[X_CACHE_KEY], "/things?a=1&b=2&target=orders#public");
            assert_eq!(to_bytes(answer.into_body(), 100).await.unwrap(), "\"all\"");
        }
        gate.add_permits(2);
        assert_eq!(origin(&endpoint.get("?a=1&b=2&target=billing").await), Some("MISS"));
        assert_eq!(origin(&endpoint.ask(Method::HEAD, "?a=1&b=2").await), None);
        // Forgotten is also what was being made when the cache was cleared.
        let (old, ()) = tokio::join!(endpoint.get("?a=3"), async {
            cache.clear().await;
            gate.add_permits(2);
        });
        assert_eq!(origin(&old), Some("MISS"));
        assert_eq!(origin(&endpoint.get("?a=3").await), Some("MISS"));
        assert_eq!(asked.load(SeqCst), 5);
    }

    #[tokio::test]
    async fn only_plain_answers_are_kept() {
        let asked = Arc::new(AtomicU32::new(0));
        let handler = {
            let asked = asked.clone();
            get(async move |request: Request| {
                asked.fetch_add(1, SeqCst);
                match request.uri().query() {
                    Some("refused") => WebError::field("a", "wrong").into_response(),
                    Some("cookie") => ([(header::SET_COOKIE, "a=b")], axum::Json(1)).into_response(),
                    Some("text") => "plain".into_response(),
                    Some("large") => axum::Json("x".repeat(2 << 20)).into_response(),
                    Some("stream") => {
                        let pieces = futures::stream::iter([Ok::<_, std::io::Error>("[]")]);
                        ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(pieces)).into_response()
                    }
                    _ => panic!("on purpose"),
                }
            })
        };
        let endpoint = Endpoint::new(&start(MEMORY_MAX), handler);
        for (query, status) in [("?refused", 422), ("?cookie", 200), ("?text", 200), ("?large", 200), ("?stream", 200)]
        {
            asked.store(0, SeqCst);
            let answers = join_all((0..3).map(|_| endpoint.get(query))).await;
            assert!(answers.iter().all(|answer| answer.status() == status && origin(answer).is_none()), "{query}");
            assert_eq!(asked.load(SeqCst), 3, "{query}: everybody gets an answer of their own");
        }
        assert_eq!(endpoint.get("?panic").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let long = format!("?a={}", "x".repeat(2 * KEY_MAX));
        assert!(
            Endpoint::new(&start(MEMORY_MAX), get(axum::Json(1))).get(&long).await.headers().get(X_CACHE).is_none()
        );
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let cache = start(256 << 10);
        let endpoint = Endpoint::new(&cache, get(async || axum::Json("x".repeat(32 << 10))));
        for n in 0..100 {
            assert_eq!(origin(&endpoint.get(&format!("?n={n}")).await), Some("MISS"));
        }
        // Room is made by the cache's upkeep.
        let settled = async {
            while cache.bytes() == 0 || cache.bytes() > 256 << 10 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), settled).await.expect("the bound holds");
    }
}
