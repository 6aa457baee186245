//! `assets.json`: what the server needs to know to write the head of a page.

use crate::{esbuild::Assets, package::Package};
use anyhow::{Context, Result};
use serde_json::json;
use std::{fs, path::Path};

/// Name of the file in the published folder.
pub const FILE: &str = "assets.json";

/// Writes the manifest into `stage`.
///
/// # Errors
/// The file cannot be written.
pub fn write(stage: &Path, package: &Package, assets: &Assets) -> Result<()> {
    let manifest = json!({
        "pkg": package.address,
        "js": package.js(),
        "wasm": package.wasm(),
        "split_js": package.loader(),
        "prefetch": package.prefetch,
        "css": assets.css,
        "echarts": assets.echarts,
        "fonts": assets.fonts,
    });
    let path = stage.join(FILE);
    fs::write(&path, format!("{manifest:#}\n")).with_context(|| path.display().to_string())
}
