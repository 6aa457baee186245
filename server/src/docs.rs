//! `/api/docs`: the OpenAPI document as a page. Plain HTML over the product's stylesheet; no script, no third party.

use crate::{access::escape, http::error::Kind};
use headroom_app::Theme;
use serde_json::Value;
use std::fmt::Write;
use utoipa::openapi::{
    OpenApi, PathItem, RefOr, Schema,
    path::{Operation, Parameter, ParameterIn},
};

/// The page.
#[must_use]
pub fn page(api: &OpenApi, stylesheet: Option<&str>, theme: Option<Theme>) -> String {
    let theme = theme.map(|theme| format!(" data-theme=\"{}\"", theme.as_str())).unwrap_or_default();
    let stylesheet =
        stylesheet.map(|href| format!("<link rel=\"stylesheet\" href=\"{}\">", escape(href))).unwrap_or_default();
    let groups = grouped(api);
    let mut body = String::new();
    for (tag, endpoints) in &groups {
        let _ = write!(
            body,
            "<section class=\"sheet\" aria-labelledby=\"{id}\"><div class=\"pad-head\"><h2 id=\"{id}\">{tag}</h2></div>",
            id = escape(&anchor(tag)),
            tag = escape(tag),
        );
        for endpoint in endpoints {
            body.push_str(&entry(endpoint));
        }
        body.push_str("</section>");
    }
    let contents: String = groups
        .iter()
        .map(|(tag, _)| format!("<a class=\"btn s\" href=\"#{}\">{}</a> ", escape(&anchor(tag)), escape(tag)))
        .collect();
    let description = api.info.description.as_deref().unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"{theme}><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>API · Headroom</title>{stylesheet}</head>\
         <body><a class=\"skip\" href=\"#main\">Skip to content</a><main id=\"main\">\
         <header class=\"page-head\"><div><h1>Headroom API</h1>{intro}</div></header>\
         <nav class=\"flow\" aria-label=\"Sections\"><a class=\"btn s\" href=\"/\">Console</a> {contents}\
         <a class=\"btn s\" href=\"#problems\">Problems</a> <a class=\"btn s\" href=\"/api/v1/openapi.json\">OpenAPI {version}</a></nav>\
         {body}{problems}</main></body></html>",
        intro = paragraphs(description),
        version = escape(&api.info.version),
        problems = problems(),
    )
}

struct Entry<'a> {
    method: &'static str,
    path: &'a str,
    operation: &'a Operation,
}

/// Endpoints by tag, both in the order of the document.
fn grouped(api: &OpenApi) -> Vec<(String, Vec<Entry<'_>>)> {
    let mut groups: Vec<(String, Vec<Entry<'_>>)> = Vec::new();
    for (path, item) in &api.paths.paths {
        for (method, operation) in methods(item) {
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            let entry = Entry { method, path, operation };
            match groups.iter_mut().find(|(known, _)| *known == tag) {
                Some((_, entries)) => entries.push(entry),
                None => groups.push((tag, vec![entry])),
            }
        }
    }
    groups
}

fn methods(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("PATCH", &item.patch), ("DELETE", &item.delete)]
        .into_iter()
        .filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, operation)))
}

fn entry(entry: &Entry<'_>) -> String {
    let Entry { method, path, operation } = entry;
    let extension = |name: &str| operation.extensions.as_ref().and_then(|extensions| extensions.get(name));
    let access = extension("x-access").and_then(Value::as_str).unwrap_or_default();
    let also: Vec<&str> =
        extension("x-also").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut html = format!(
        "<div class=\"cell ruled\" id=\"{id}\"><div class=\"cell-head\"><h3><code>{method} {path}</code></h3>\
         <small>{summary}</small><span class=\"badge push\">{access}</span></div>{text}",
        id = escape(&anchor(&format!("{method} {path}"))),
        path = escape(path),
        summary = escape(operation.summary.as_deref().unwrap_or_default()),
        access = escape(access),
        text = paragraphs(operation.description.as_deref().unwrap_or_default()),
    );
    if !also.is_empty() {
        let list: Vec<String> = also.iter().map(|path| format!("<code>{}</code>", escape(path))).collect();
        let _ = write!(html, "<p class=\"note\">Also {}</p>", list.join(", "));
    }
    if let Some(parameters) = operation.parameters.as_deref().filter(|parameters| !parameters.is_empty()) {
        let caption = format!("Parameters of {method} {}", escape(path));
        html.push_str(&table(&caption, ["Name", "In", "Meaning"], parameters.iter().map(parameter)));
    }
    if let Some(body) = &operation.request_body {
        let schemas = body.content.values().filter_map(|content| content.schema.as_ref()).map(schema_name);
        let _ = write!(html, "<p class=\"note\">Body: {}</p>", schemas.collect::<Vec<_>>().join(", "));
    }
    let caption = format!("Answers of {method} {}", escape(path));
    html.push_str(&table(&caption, ["Status", "Body", "Meaning"], operation.responses.responses.iter().map(answer)));
    html.push_str("</div>");
    html
}

fn parameter(parameter: &Parameter) -> [String; 3] {
    let place = match parameter.parameter_in {
        ParameterIn::Query => "query",
        ParameterIn::Path => "path",
        ParameterIn::Header => "header",
        ParameterIn::Cookie => "cookie",
    };
    let required = if matches!(parameter.required, utoipa::openapi::Required::True) { "Required. " } else { "" };
    [
        format!("<code>{}</code>", escape(&parameter.name)),
        place.to_owned(),
        format!("{required}{}", escape(parameter.description.as_deref().unwrap_or_default())),
    ]
}

fn answer((status, response): (&String, &RefOr<utoipa::openapi::Response>)) -> [String; 3] {
    let RefOr::T(response) = response else { return [escape(status), String::new(), String::new()] };
    let bodies = response.content.iter().map(|(media, content)| match &content.schema {
        Some(schema) => schema_name(schema),
        None => escape(media),
    });
    [escape(status), bodies.collect::<Vec<_>>().join(", "), escape(&response.description)]
}

fn schema_name(schema: &RefOr<Schema>) -> String {
    match schema {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            format!("<code>{}</code>", escape(name))
        }
        RefOr::T(_) => "text".to_owned(),
    }
}

fn table<const N: usize>(caption: &str, heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let rows: String = rows
        .map(|cells| {
            let [first, rest @ ..] = cells.as_slice() else { return String::new() };
            let rest: String = rest.iter().map(|cell| format!("<td>{cell}</td>")).collect();
            format!("<tr><th scope=\"row\">{first}</th>{rest}</tr>")
        })
        .collect();
    format!(
        "<div class=\"scroll-x\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table class=\"tbl plain\">\
         <caption class=\"vh\">{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// The kinds of problems, where their `type` leads to.
fn problems() -> String {
    let rows = Kind::ALL.iter().map(|kind| {
        [
            format!("<span id=\"problem-{0}\"><code>{0}</code></span>", kind.slug()),
            kind.status().as_u16().to_string(),
            format!("{}. {}", escape(kind.title()), escape(kind.meaning())),
        ]
    });
    format!(
        "<section class=\"sheet\" aria-labelledby=\"problems\"><div class=\"pad-head\"><h2 id=\"problems\">Problems</h2></div>\
         <div class=\"cell\">{}</div></section>",
        table("Kinds of problems", ["Kind", "Status", "Meaning"], rows)
    )
}

/// Paragraphs of a description; text between backticks is code.
fn paragraphs(text: &str) -> String {
    text.split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
        .map(|paragraph| {
            let parts = paragraph
                .split('`')
                .enumerate()
                .map(|(i, part)| if i % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) });
            format!("<p>{}</p>", parts.collect::<String>())
        })
        .collect()
}

fn anchor(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    plain.collect::<String>().trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{openapi, router::endpoints};

    #[test]
    fn every_endpoint_is_on_the_page() {
        let html = page(&openapi::document(&endpoints()), Some("/assets/main.css"), Some(Theme::Dark));
        for endpoint in endpoints() {
            for path in endpoint.paths() {
                assert!(html.contains(&escape(path)), "{path}");
            }
        }
        for kind in Kind::ALL {
            assert!(html.contains(&format!("id=\"problem-{}\"", kind.slug())));
        }
        assert!(html.contains("data-theme=\"dark\"") && !html.contains("<script"));
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(paragraphs("a <b> `c<d>`"), "<p>a &lt;b&gt; <code>c&lt;d&gt;</code></p>");
    }
}
