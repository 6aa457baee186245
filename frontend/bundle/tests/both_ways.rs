//! The bundle is the same whether the tool runs by hand or as Trunk's hook. Needs the wasm target and `npm ci`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn run(configure: impl FnOnce(&mut Command)) {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_headroom-bundle"));
    for name in ["TRUNK_STAGING_DIR", "TRUNK_DIST_DIR", "TRUNK_PROFILE"] {
        tool.env_remove(name);
    }
    configure(&mut tool);
    let status = tool.status().expect("the tool starts");
    assert!(status.success(), "the tool failed: {status}");
}

fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut tree = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let content = fs::read(&path).expect("a file");
                tree.insert(path.strip_prefix(folder).expect("inside the folder").to_path_buf(), content);
            }
        }
    }
    tree
}

#[test]
fn by_hand_and_as_trunks_hook() {
    let folder = tempfile::tempdir().expect("a folder");
    let (by_hand, staging) = (folder.path().join("dist"), folder.path().join("trunk/.stage"));
    run(|tool| {
        tool.arg("--out").arg(&by_hand);
    });
    // Trunk has put its own page there by the time it calls the hook.
    fs::create_dir_all(&staging).expect("a folder");
    fs::write(staging.join("index.html"), "<!doctype html>").expect("a file");
    run(|tool| {
        tool.env("TRUNK_PROFILE", "debug")
            .env("TRUNK_STAGING_DIR", &staging)
            .env("TRUNK_DIST_DIR", folder.path().join("trunk"));
    });

    let (by_hand, as_hook) = (tree(&by_hand), tree(&staging));
    assert_eq!(by_hand.keys().collect::<Vec<_>>(), as_hook.keys().collect::<Vec<_>>());
    for (file, content) in &by_hand {
        assert!(as_hook[file] == *content, "{} differs", file.display());
    }

    // The manifest names files that are there, each under a name that carries its content.
    let manifest: serde_json::Value =
        serde_json::from_slice(&by_hand[Path::new("assets.json")]).expect("the manifest is JSON");
    let fonts = manifest["fonts"].as_array().expect("a list").iter();
    for address in ["js", "wasm", "css", "echarts"].iter().map(|field| &manifest[field]).chain(fonts) {
        let file = address.as_str().and_then(|address| address.strip_prefix('/')).expect("an absolute path");
        assert!(by_hand.contains_key(Path::new(file)), "{file} is missing");
    }
    let loader =
        format!("{}/{}", manifest["pkg"].as_str().expect("pkg"), manifest["split_js"].as_str().expect("split_js"));
    assert!(by_hand.contains_key(Path::new(loader.trim_start_matches('/'))), "{loader} is missing");
}
