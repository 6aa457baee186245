//! One declaration an endpoint: method and path (from its handler's `#[utoipa::path]`), who may call it, and the other
//! paths that answer the same. From it come the routes, the access layer, the OpenAPI entry, and the list that the
//! access test walks. There is no other way to register an API endpoint, so none can forget its role.

use crate::{
    access::{Access, authorize},
    http::response_cache,
    web::Web,
};
use axum::{Router, http::Method, middleware, routing::MethodRouter};
use headroom_model::Role;
use std::time::Duration;
use utoipa::openapi::{PathItem, Paths, RefOr, Schema};

/// What `utoipa_axum::routes!` makes of a handler.
pub type Documented = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<Web>);

/// A declared endpoint.
pub struct Endpoint {
    /// How it is called.
    pub method: Method,
    /// Its canonical path.
    pub path: String,
    /// Who may call it.
    pub access: Access,
    /// Paths that answer the same.
    pub also: &'static [&'static str],
    /// How long its answers are kept; none where each request is answered anew.
    pub cached: Option<Duration>,
    /// Its entry in the OpenAPI document.
    pub item: PathItem,
    /// The schemas that entry names.
    pub schemas: Vec<(String, RefOr<Schema>)>,
    routes: MethodRouter<Web>,
}

/// An endpoint for everyone.
pub fn public(handler: Documented) -> Endpoint {
    Endpoint::new(handler, Access::Public)
}

/// An endpoint for viewers.
pub fn viewer(handler: Documented) -> Endpoint {
    Endpoint::new(handler, Access::Role(Role::Viewer))
}

/// An endpoint for operators.
pub fn operator(handler: Documented) -> Endpoint {
    Endpoint::new(handler, Access::Role(Role::Operator))
}

/// An endpoint for admins.
pub fn admin(handler: Documented) -> Endpoint {
    Endpoint::new(handler, Access::Role(Role::Admin))
}

/// An endpoint for scrapers: viewers, and programs on this machine.
pub fn scrape(handler: Documented) -> Endpoint {
    Endpoint::new(handler, Access::Scrape)
}

impl Endpoint {
    fn new((schemas, paths, routes): Documented, access: Access) -> Self {
        let (path, item) = paths.paths.into_iter().next().unwrap_or_default();
        let method = [
            (&item.get, Method::GET),
            (&item.post, Method::POST),
            (&item.put, Method::PUT),
            (&item.patch, Method::PATCH),
            (&item.delete, Method::DELETE),
        ]
        .into_iter()
        .find_map(|(operation, method)| operation.is_some().then_some(method))
        .unwrap_or(Method::GET);
        Endpoint { method, path, access, also: &[], cached: None, item, schemas, routes }
    }

    /// Other paths that answer the same, for runbooks that name them already.
    #[must_use]
    pub fn also(mut self, paths: &'static [&'static str]) -> Self {
        self.also = paths;
        self
    }

    /// Keeps its answers for a moment: for a heavy GET without path parameters, whose answer depends on nothing but the
    /// query, the target and the caller's role.
    #[must_use]
    pub fn cached(mut self, ttl: Duration) -> Self {
        self.cached = Some(ttl);
        self
    }

    /// The canonical path and the others.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.path.as_str()).chain(self.also.iter().copied())
    }
}

/// The routes of all endpoints, each behind its access layer.
pub fn routes<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>, web: &Web) -> Router<Web> {
    endpoints.into_iter().fold(Router::new(), |router, endpoint| {
        let layer = middleware::from_fn_with_state((web.clone(), endpoint.access), authorize);
        // Inside the access layer: what is kept goes to those alone who may ask for it.
        let routes = match endpoint.cached {
            Some(ttl) => {
                let kept = web.responses.endpoint(&endpoint.path, ttl);
                endpoint.routes.clone().route_layer(middleware::from_fn_with_state(kept, response_cache::answer))
            }
            None => endpoint.routes.clone(),
        };
        let guarded = routes.route_layer(layer);
        endpoint.paths().fold(router, |router, path| router.route(path, guarded.clone()))
    })
}
