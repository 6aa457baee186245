//! Folders as sorted lists of files.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::{
    ffi::OsString,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// Every file below `folder`, relative to it, in one order on every machine.
///
/// # Errors
/// A folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else {
                files.push(entry.path().strip_prefix(folder)?.to_path_buf());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A short name of a folder's content: 64 bits of SHA-256 over names and bytes.
///
/// # Errors
/// A file cannot be read.
pub fn digest(folder: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files(folder)? {
        let content = fs::read(folder.join(&file)).with_context(|| file.display().to_string())?;
        // Lengths keep a name apart from its content.
        hash.update(file.as_os_str().len().to_le_bytes());
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    Ok(hash.finalize().iter().take(8).fold(String::new(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("writing to a string does not fail");
        name
    }))
}

/// `path` with `suffix` behind its name: `a.js` and `.br` give `a.js.br`.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_sees_names_content_and_their_border() {
        let of = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().expect("a folder");
            for (name, content) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
                fs::write(path, content).expect("a file");
            }
            digest(folder.path()).expect("a digest")
        };
        let base = of(&[("a", "1"), ("b/c", "2")]);
        assert_eq!(base.len(), 16);
        assert_eq!(base, of(&[("b/c", "2"), ("a", "1")]));
        assert_ne!(base, of(&[("a", "1"), ("b/c", "3")]));
        assert_ne!(base, of(&[("a", "1"), ("b/d", "2")]));
        assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
    }
}
