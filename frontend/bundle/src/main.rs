//! Builds everything a browser loads: the hydrating WebAssembly with its lazy chunks, the style sheet, the fonts and
//! the chart library.
//!
//! ```text
//! cargo build ─ split ─ bind ─ slim ─┬─ dist/pkg/<hash of the folder>/…
//! style/ ───────── esbuild ──────────┼─ dist/assets/<name>-<hash>.css|js|woff2
//!                                    └─ dist/assets.json   (read by the server)
//! ```
//!
//! A release adds `.br` and `.gz` beside each file that gains from it. Every name but `assets.json` carries its content,
//! so a browser may keep the file forever. Run by hand (`make run`) the tool publishes into `dist` itself; run as Trunk's
//! hook it fills Trunk's staging folder with the same files.

mod cargo;
mod compress;
mod esbuild;
mod manifest;
mod package;
mod plan;
mod publish;
mod report;
mod slim;
mod tree;

use anyhow::Result;
use clap::Parser;
use plan::{Options, Place, Plan};
use std::{env, time::Instant};

fn main() -> Result<()> {
    let started = Instant::now();
    let plan = Plan::new(Options::parse(), |name| env::var_os(name))?;
    // Two builds at once (a watcher and a release, say) would take each other's files away.
    let _turn = plan.lock()?;

    let stage = plan.prepare_stage()?;
    let module = cargo::build_frontend(&plan)?;
    let package = package::build(&plan, &module, &stage)?;
    let assets = esbuild::bundle_assets(&plan, &stage)?;
    manifest::write(&stage, &package, &assets)?;
    if plan.release {
        compress::compress(&stage, plan.published())?;
        report::print(&stage, &package, &assets)?;
    }
    if let Place::Folder(out) = &plan.place {
        publish::publish(&stage, out)?;
    }
    eprintln!("bundle: {} in {:.1} s", plan.published().display(), started.elapsed().as_secs_f32());
    Ok(())
}
