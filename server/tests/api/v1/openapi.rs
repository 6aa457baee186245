//! `/openapi.json`: the document and the routes are the same.

use crate::harness::Harness;
use headroom_server::router::endpoints;
use serde_json::Value;
use std::collections::BTreeSet;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[tokio::test]
async fn every_route_is_in_the_document_and_nothing_else() {
    let harness = Harness::open().await;
    let document: Value = harness.get("/api/v1/openapi.json").await.json().await.unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            documented.insert((method.to_uppercase(), path.clone()));
            for also in operation["x-also"].as_array().unwrap() {
                documented.insert((method.to_uppercase(), also.as_str().unwrap().to_owned()));
            }
            let name = format!("{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
            assert!(operation["tags"][0].is_string(), "{name} has no tag");
            assert!(operation["x-access"].is_string(), "{name} has no access");
            assert!(operation["responses"]["500"].is_object(), "{name} has no problem");
            let ids: Vec<&str> = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
            for id in ids {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|p| p["name"] == id && p["in"] == "path"), "{name} lacks {id}");
            }
        }
    }
    let mut routed = BTreeSet::new();
    for endpoint in endpoints() {
        for path in endpoint.paths() {
            assert!(routed.insert((endpoint.method.to_string(), path.to_owned())), "{path} is routed twice");
        }
    }
    assert_eq!(documented, routed);
    harness.stop().await;
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let harness = Harness::open().await;
    let document: Value = harness.get("/api/v1/openapi.json").await.json().await.unwrap();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    harness.stop().await;
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                references.insert(reference.to_owned());
            }
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
