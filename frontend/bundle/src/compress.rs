//! Brotli and gzip beside each file, at the strongest level: once at build time instead of on every request.

use crate::{manifest, tree};
use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

/// Below this a response fits one packet anyway.
const BYTES_MIN: usize = 1024;

/// The encodings, best first.
pub const SUFFIXES: [&str; 2] = [".br", ".gz"];

/// Compresses what gains from it below `stage`, on all cores. What the build before left in `published` under the same
/// name has the same content, and its compressed form is taken over.
///
/// # Errors
/// A file cannot be read or written.
pub fn compress(stage: &Path, published: &Path) -> Result<()> {
    let files: Vec<PathBuf> = tree::files(stage)?.into_iter().filter(|file| gains(file)).collect();
    let queue = Mutex::new(files.into_iter());
    let next = || queue.lock().expect("a worker does not panic while it takes a file").next();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let work = || {
            while let Some(file) = next() {
                compress_file(stage, published, &file).with_context(|| format!("compressing {}", file.display()))?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker returns its error"))
    })
}

/// Fonts are compressed already, and the server alone reads the manifest.
fn gains(file: &Path) -> bool {
    file != Path::new(manifest::FILE)
        && file.extension().and_then(|e| e.to_str()).is_some_and(|e| ["css", "js", "svg", "wasm"].contains(&e))
}

fn compress_file(stage: &Path, published: &Path, file: &Path) -> Result<()> {
    let content = fs::read(stage.join(file))?;
    if content.len() < BYTES_MIN {
        return Ok(());
    }
    for suffix in SUFFIXES {
        let name = tree::with_suffix(file, suffix);
        if published.join(&name).is_file() {
            fs::copy(published.join(&name), stage.join(&name))?;
        } else {
            fs::write(stage.join(&name), encode(suffix, &content)?)?;
        }
    }
    Ok(())
}

fn encode(suffix: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    if suffix == ".br" {
        let parameters = brotli::enc::BrotliEncoderParams { size_hint: content.len(), ..Default::default() };
        brotli::BrotliCompress(&mut &*content, &mut encoded, &parameters)?;
    } else {
        let mut gzip = GzEncoder::new(&mut encoded, Compression::best());
        gzip.write_all(content)?;
        gzip.finish()?;
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn both_forms_unpack_to_the_file_and_are_taken_over() {
        let (stage, published) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let style = "main { display: grid }\n".repeat(200);
        fs::write(stage.path().join("main-1.css"), &style).expect("a file");
        fs::write(stage.path().join("tiny.js"), "export {}").expect("a file");
        fs::write(stage.path().join("text.woff2"), vec![7; 4096]).expect("a file");
        fs::write(stage.path().join(manifest::FILE), " ".repeat(4096)).expect("a file");
        compress(stage.path(), published.path()).expect("compressed");

        let names = |folder: &Path| -> Vec<String> {
            tree::files(folder).expect("files").iter().map(|file| file.display().to_string()).collect()
        };
        let expected = ["assets.json", "main-1.css", "main-1.css.br", "main-1.css.gz", "text.woff2", "tiny.js"];
        assert_eq!(names(stage.path()), expected);
        let mut unpacked = String::new();
        let packed = fs::read(stage.path().join("main-1.css.gz")).expect("a file");
        flate2::read::GzDecoder::new(&*packed).read_to_string(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, style);
        let mut unpacked = Vec::new();
        let packed = fs::read(stage.path().join("main-1.css.br")).expect("a file");
        brotli::BrotliDecompress(&mut &*packed, &mut unpacked).expect("brotli");
        assert_eq!(unpacked, style.as_bytes());

        fs::write(published.path().join("main-1.css.br"), "kept").expect("a file");
        compress(stage.path(), published.path()).expect("compressed");
        assert_eq!(fs::read(stage.path().join("main-1.css.br")).expect("a file"), b"kept");
    }
}
