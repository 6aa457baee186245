//! Style sheet, fonts and chart library, bundled and named by content; and the minifier of a release.

use crate::{plan::Plan, tree};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Fonts that every page shows above the fold. Others load when a page uses them.
const PRELOADED_FONTS: &[&str] = &["plex-sans"];

const STYLE: &str = "style/main.css";
const CHARTS: &str = "style/echarts/entry.mjs";

/// Addresses of the assets.
#[derive(Debug, PartialEq, Eq)]
pub struct Assets {
    /// The style sheet.
    pub css: String,
    /// The chart library.
    pub echarts: String,
    /// Fonts to preload.
    pub fonts: Vec<String>,
}

/// Bundles `style/` into `stage/assets`.
///
/// # Errors
/// The npm packages are missing, or a source has an error, which esbuild has shown by then.
pub fn bundle_assets(plan: &Plan, stage: &Path) -> Result<Assets> {
    let out = stage.join("assets");
    let metafile = stage.join("esbuild.json");
    run(
        plan,
        &[
            &format!("main={STYLE}"),
            &format!("echarts={CHARTS}"),
            "--bundle",
            "--format=esm",
            "--loader:.woff2=file",
            "--entry-names=[name]-[hash]",
            "--asset-names=[name]-[hash]",
            "--banner:js=/*! Apache ECharts (Apache-2.0) with zrender (BSD-3-Clause) */",
            &format!("--outdir={}", out.display()),
            &format!("--metafile={}", metafile.display()),
        ],
    )?;
    let described = fs::read(&metafile).with_context(|| metafile.display().to_string())?;
    fs::remove_file(&metafile).with_context(|| metafile.display().to_string())?;
    Assets::from_metafile(&serde_json::from_slice(&described)?)
}

/// Minifies every JavaScript file below `folder` in place; names and imports between files stay.
///
/// # Errors
/// As [`bundle_assets`].
pub fn minify_modules(plan: &Plan, folder: &Path) -> Result<()> {
    let modules: Vec<String> = tree::files(folder)?
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "js"))
        .map(|file| folder.join(file).display().to_string())
        .collect();
    let base = format!("--outbase={}", folder.display());
    let out = format!("--outdir={}", folder.display());
    let mut arguments: Vec<&str> = modules.iter().map(String::as_str).collect();
    arguments.extend(["--allow-overwrite", base.as_str(), out.as_str()]);
    run(plan, &arguments)
}

fn run(plan: &Plan, arguments: &[&str]) -> Result<()> {
    let esbuild: PathBuf = plan.root.join("node_modules/.bin/esbuild");
    ensure!(esbuild.exists(), "node_modules has no esbuild: run `npm ci` in {}", plan.root.display());
    let mut command = Command::new(&esbuild);
    command.current_dir(&plan.root).args(arguments).args(["--target=es2022", "--log-level=warning"]);
    if plan.release {
        command.arg("--minify");
    }
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {}", esbuild.display()))?;
    ensure!(status.success(), "esbuild failed ({status})");
    Ok(())
}

impl Assets {
    /// Reads the names that esbuild gave from its metafile.
    fn from_metafile(metafile: &Value) -> Result<Self> {
        let outputs = metafile["outputs"].as_object().context("esbuild's metafile lists no outputs")?;
        let address = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            format!("/assets/{name}")
        };
        let entry = |source: &str| {
            let found = outputs.iter().find(|(_, output)| output["entryPoint"] == source);
            found.map(|(path, _)| address(path)).with_context(|| format!("esbuild made nothing of {source}"))
        };
        let font = |stem: &&str| {
            let prefix = format!("/assets/{stem}-");
            outputs
                .keys()
                .map(|path| address(path))
                .find(|path| path.starts_with(&prefix))
                .with_context(|| format!("the style sheet does not use the font {stem}"))
        };
        Ok(Self {
            css: entry(STYLE)?,
            echarts: entry(CHARTS)?,
            fonts: PRELOADED_FONTS.iter().map(font).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_come_from_the_metafile() {
        let mut metafile = json!({ "outputs": {
            "dist/.stage/assets/plex-mono-A2.woff2": {},
            "dist/.stage/assets/plex-sans-U5.woff2": {},
            "dist/.stage/assets/main-BZ.css": { "entryPoint": STYLE },
            "dist/.stage/assets/echarts-B5.js": { "entryPoint": CHARTS },
        }});
        let assets = Assets {
            css: "/assets/main-BZ.css".to_owned(),
            echarts: "/assets/echarts-B5.js".to_owned(),
            fonts: vec!["/assets/plex-sans-U5.woff2".to_owned()],
        };
        assert_eq!(Assets::from_metafile(&metafile).expect("all there"), assets);
        metafile["outputs"].as_object_mut().expect("an object").remove("dist/.stage/assets/plex-sans-U5.woff2");
        assert!(Assets::from_metafile(&metafile).is_err_and(|e| e.to_string().contains("plex-sans")));
    }
}
