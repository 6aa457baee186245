//! Cuts the module into a main part and lazy chunks, binds them to JavaScript and names the folder by its content.

use crate::{esbuild, plan::Plan, slim, tree};
use anyhow::{Context, Result, anyhow};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Stem of the main module and its JavaScript.
const NAME: &str = "headroom";
/// The module that loads chunks; the server needs its name to preload them.
const LOADER: &str = "__wasm_split.js";

/// A finished folder of modules.
#[derive(Debug)]
pub struct Package {
    /// Its address: `/pkg/<hash>`.
    pub address: String,
    /// Chunks that each lazy function needs, in a stable order.
    pub prefetch: BTreeMap<String, Vec<String>>,
}

impl Package {
    /// Address of the main JavaScript module.
    pub fn js(&self) -> String {
        format!("{}/{NAME}.js", self.address)
    }

    /// Address of the main WebAssembly module.
    pub fn wasm(&self) -> String {
        format!("{}/{NAME}_bg.wasm", self.address)
    }

    /// Name of the chunk loader, relative to the address.
    pub fn loader(&self) -> &'static str {
        LOADER
    }
}

/// Makes the package of `module` and puts it into `stage`.
///
/// The folder as a whole carries the hash: its files import each other by relative path, and a chunk fits only the main
/// module that it was cut from.
///
/// # Errors
/// The module was linked without relocations, or a folder cannot be written.
pub fn build(plan: &Plan, module: &Path, stage: &Path) -> Result<Package> {
    let work = stage.join("pkg/work");
    fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
    let prefetch = split_and_bind(plan, module, &work)?;
    let files = tree::files(&work)?;
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "wasm")) {
        // Function names make a readable stack trace while developing; nothing else is read at run time.
        slim::slim_file(&work.join(file), |section| !plan.release && section == "name")?;
    }
    if plan.release {
        esbuild::minify_modules(plan, &work)?;
    }
    let hash = tree::digest(&work)?;
    fs::rename(&work, stage.join("pkg").join(&hash)).context("naming the package")?;
    Ok(Package { address: format!("/pkg/{hash}"), prefetch })
}

fn split_and_bind(plan: &Plan, module: &Path, work: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let bytes = fs::read(module).with_context(|| module.display().to_string())?;
    // The half-way result must not end up in the package, so it lies beside the module.
    let main: PathBuf = module.with_file_name("headroom_main.wasm");
    let main_module = format!("./{NAME}.js");
    let link_name = format!("./{LOADER}");
    let mut split = wasm_split_cli_support::Options::new(&bytes);
    split.output_dir = work;
    split.main_out_path = &main;
    split.main_module = &main_module;
    split.link_name = &link_name;
    let split =
        wasm_split_cli_support::transform(split).map_err(|e| anyhow!("splitting {}: {e:#}", module.display()))?;

    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&main)
        .out_name(NAME)
        .web(true)?
        .typescript(false)
        // The chunks import from the main module what the linker exported for them.
        .keep_lld_exports(true)
        .demangle(!plan.release)
        .generate(work)
        .with_context(|| format!("binding {}", main.display()))?;
    Ok(split.prefetch_map.into_iter().collect())
}
