//! The size table of a release.

use crate::{esbuild::Assets, package::Package, tree};
use anyhow::Result;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Prints the size of each part, raw and as a browser receives it.
///
/// # Errors
/// A file cannot be read.
pub fn print(stage: &Path, package: &Package, assets: &Assets) -> Result<()> {
    let local = |address: &str| PathBuf::from(address.trim_start_matches('/'));
    let (wasm, css, echarts) = (local(&package.wasm()), local(&assets.css), local(&assets.echarts));
    let mut rows: Vec<(&str, Vec<PathBuf>)> = vec![
        ("main module", vec![wasm.clone()]),
        ("its JavaScript", vec![]),
        ("lazy chunks", vec![]),
        ("style sheet", vec![css.clone()]),
        ("fonts", vec![]),
        ("charts, on demand", vec![echarts.clone()]),
    ];
    for file in tree::files(stage)? {
        let row = match file.extension().and_then(|e| e.to_str()) {
            Some("js") if file != echarts => 1,
            Some("wasm") if file != wasm => 2,
            Some("woff2") => 4,
            _ => continue,
        };
        rows[row].1.push(file);
    }
    eprintln!("{:<18} {:>5} {:>9} {:>9}", "", "files", "raw", "brotli");
    for (name, files) in rows {
        let (mut raw, mut sent) = (0, 0);
        for file in &files {
            let size = fs::metadata(stage.join(file))?.len();
            raw += size;
            sent += fs::metadata(stage.join(tree::with_suffix(file, ".br"))).map_or(size, |packed| packed.len());
        }
        eprintln!("{name:<18} {:>5} {:>9} {:>9}", files.len(), kib(raw), kib(sent));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files that browsers load are far below 2^52")]
fn kib(bytes: u64) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}
