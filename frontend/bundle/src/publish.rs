//! Puts a finished build where the server reads it, without a moment in which it is incomplete.

use crate::{manifest, tree};
use anyhow::{Context, Result};
use std::{collections::BTreeSet, fs, path::Path};

/// Moves the files of `stage` into `out`, then the manifest, then removes what no longer belongs there.
///
/// A reader of the manifest finds every file it names: new files arrive before it, and old ones leave after it.
///
/// # Errors
/// A file cannot be moved or removed.
pub fn publish(stage: &Path, out: &Path) -> Result<()> {
    let files: BTreeSet<_> = tree::files(stage)?.into_iter().collect();
    let manifest = Path::new(manifest::FILE);
    for file in files.iter().filter(|file| file.as_path() != manifest).map(AsRef::as_ref).chain([manifest]) {
        let to = out.join(file);
        fs::create_dir_all(to.parent().unwrap_or(out)).with_context(|| to.display().to_string())?;
        fs::rename(stage.join(file), &to).with_context(|| to.display().to_string())?;
    }
    fs::remove_dir_all(stage).with_context(|| stage.display().to_string())?;
    for file in tree::files(out)?.iter().filter(|file| !files.contains(*file)) {
        fs::remove_file(out.join(file)).with_context(|| file.display().to_string())?;
    }
    remove_empty_folders(out)
}

fn remove_empty_folders(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            remove_empty_folders(&path)?;
            if fs::read_dir(&path)?.next().is_none() {
                fs::remove_dir(&path).with_context(|| path.display().to_string())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_holds_the_new_build_and_nothing_else() {
        let out = tempfile::tempdir().expect("a folder");
        let write = |path: &str, content: &str| {
            let path = out.path().join(path);
            fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
            fs::write(path, content).expect("a file");
        };
        write("assets.json", "old");
        write("pkg/old/a.js", "old");
        write("assets/same-1.css", "same");
        let stage = out.path().join(".stage");
        write(".stage/assets.json", "new");
        write(".stage/pkg/new/a.js", "new");
        write(".stage/assets/same-1.css", "same");
        publish(&stage, out.path()).expect("published");

        let names: Vec<_> = tree::files(out.path()).expect("files");
        assert_eq!(names, ["assets/same-1.css", "assets.json", "pkg/new/a.js"].map(Path::new));
        assert_eq!(fs::read(out.path().join("assets.json")).expect("a file"), b"new");
        assert!(!out.path().join("pkg/old").exists());
    }
}
