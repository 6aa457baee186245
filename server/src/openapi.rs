//! The OpenAPI document, assembled from the endpoints themselves.

use crate::{access::Access, endpoint::Endpoint, http::error::Kind};
use headroom_model::api::Problem;
use serde_json::json;
use utoipa::{
    OpenApi as _, ToSchema,
    openapi::{
        Content, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Response, ResponseBuilder,
        extensions::ExtensionsBuilder,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::http::{cookie, problem};

const DESCRIPTION: &str = "Figures, history, events and actions of the watched PostgreSQL and Redis servers.\n\n\
    Answers are `{\"success\":true,\"data\":…}`; errors are RFC 9457 problem documents. Times are milliseconds since the \
    Unix epoch, UTC. A figure that was not measured is absent or null, never zero. `?target=` chooses a target; the first \
    configured one is the default. Every answer carries `X-Request-Id` and `X-Response-Time`; JSON answers carry a weak \
    `ETag`.";

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Problem)))]
struct Shared;

/// The document of these endpoints.
#[must_use]
pub fn document(endpoints: &[Endpoint]) -> OpenApi {
    let mut api = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Headroom")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .build(),
        )
        .build();
    let mut components = Shared::openapi().components.unwrap_or_default();
    components.add_security_scheme(
        "bearer",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("`headroom token add NAME --role ROLE` prints a token."))
                .build(),
        ),
    );
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            cookie::SESSION,
            "Set by the login page. Changes also need the console's own origin.",
        ))),
    );
    for endpoint in endpoints {
        for (name, schema) in &endpoint.schemas {
            components.schemas.entry(name.clone()).or_insert_with(|| schema.clone());
        }
        let mut item = endpoint.item.clone();
        for operation in operations(&mut item) {
            complete(operation, endpoint);
        }
        match api.paths.paths.get_mut(&endpoint.path) {
            Some(known) => known.merge_operations(item),
            None => {
                api.paths.paths.insert(endpoint.path.clone(), item);
            }
        }
    }
    api.components = Some(components);
    api
}

/// The operations of a path that are set.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Adds what follows from the declaration: access, other paths, and the problems that any endpoint may answer.
fn complete(operation: &mut Operation, endpoint: &Endpoint) {
    let access = endpoint.access;
    operation.extensions = Some(
        ExtensionsBuilder::new().add("x-access", json!(access.word())).add("x-also", json!(endpoint.also)).build(),
    );
    let mut problems = vec![Kind::Internal];
    if access != Access::Public {
        operation.security = Some(vec![
            SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []),
            SecurityRequirement::new::<_, [&str; 0], &str>("session", []),
        ]);
        problems.extend([Kind::Unauthenticated, Kind::Forbidden]);
    }
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    if parameters.iter().any(|parameter| parameter.name == "target") {
        problems.push(Kind::UnknownTarget);
    }
    if !parameters.is_empty() || operation.request_body.is_some() {
        problems.push(Kind::Invalid);
    }
    for kind in problems {
        let status = kind.status().as_u16().to_string();
        operation.responses.responses.entry(status).or_insert_with(|| RefOr::T(refusal(kind)));
    }
}

fn refusal(kind: Kind) -> Response {
    ResponseBuilder::new().description(kind.meaning()).content(problem::MEDIA_TYPE, problem_content()).build()
}

fn problem_content() -> Content {
    ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(Problem::name())))).build()
}
