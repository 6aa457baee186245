//! The dependency invariants of docs/ARCHITECTURE.md, read from `cargo metadata`.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Our crates and the crates of ours that each may depend on outside tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("headroom-model", &[]),
    ("headroom-sandbox", &[]),
    ("headroom-bundle", &[]),
    ("headroom-engine", &["headroom-model"]),
    ("headroom-app", &["headroom-model", "headroom-engine"]),
    ("headroom-frontend", &["headroom-app"]),
    ("headroom", &["headroom-app", "headroom-engine", "headroom-model", "headroom-sandbox"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo metadata answers in its own workspace")
}

/// Every dependency outside tests, by crate.
fn dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let names = |package: &cargo_metadata::Package| {
        package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development).map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), names(package))).collect()
}

#[test]
fn crates_depend_only_on_what_lies_below_them() {
    let all = dependencies(&metadata());
    let ours: BTreeSet<&String> = all.keys().collect();
    assert_eq!(ours.len(), ALLOWED.len(), "a crate came or went: {ours:?}; say here what it may depend on");
    for (name, allowed) in ALLOWED {
        let found: BTreeSet<&str> = all[*name].iter().filter(|d| ours.contains(d)).map(String::as_str).collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(found.is_subset(&allowed), "{name} depends on {:?}", found.difference(&allowed).collect::<Vec<_>>());
    }
}

#[test]
fn engine_knows_neither_http_nor_pages() {
    let all = dependencies(&metadata());
    for forbidden in ["axum", "hyper", "leptos", "leptos_axum", "tower-http"] {
        assert!(!all["headroom-engine"].contains(forbidden), "engine depends on {forbidden}");
        assert!(!all["headroom-model"].contains(forbidden), "model depends on {forbidden}");
    }
}

#[test]
fn app_reaches_the_engine_only_on_the_server() {
    let metadata = metadata();
    let app = metadata.packages.iter().find(|p| p.name.as_str() == "headroom-app").expect("app is in the workspace");
    let engine = app.dependencies.iter().find(|d| d.name == "headroom-engine").expect("app knows the engine");
    assert!(engine.optional, "the engine must be optional in app");
    let enablers: Vec<&String> = app
        .features
        .iter()
        .filter(|(_, enables)| enables.iter().any(|e| e == "dep:headroom-engine"))
        .map(|(feature, _)| feature)
        .collect();
    assert_eq!(enablers, ["ssr"]);
    assert!(!app.features["hydrate"].iter().any(|enabled| enabled == "ssr"));
}

#[test]
fn versions_stand_in_one_table() {
    for package in metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("the manifest is there");
        let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
        let mut entries = Vec::new();
        collect(&manifest, &mut entries);
        assert_eq!(entries.len(), package.dependencies.len(), "{}: a table was not found", package.name);
        let from_table =
            |entry: &toml::Value| entry.get("workspace").and_then(toml::Value::as_bool).unwrap_or_default();
        let own: Vec<&String> = entries.iter().filter(|(_, entry)| !from_table(entry)).map(|(name, _)| name).collect();
        assert!(own.is_empty(), "{} pins versions outside the workspace table: {own:?}", package.name);
    }
}

/// The entries of every table of dependencies, also below `target`.
fn collect(table: &toml::Table, entries: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table.iter().filter_map(|(key, value)| Some((key, value.as_table()?))) {
        match key.as_str() {
            "dependencies" | "dev-dependencies" | "build-dependencies" => {
                entries.extend(value.iter().map(|(name, entry)| (name.clone(), entry.clone())));
            }
            "target" => value.values().filter_map(toml::Value::as_table).for_each(|table| collect(table, entries)),
            _ => {}
        }
    }
}
