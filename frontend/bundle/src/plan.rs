//! What to build, from where, to where: decided once from the command line and Trunk's variables.

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Builds Headroom's browser bundle.
///
/// As Trunk's hook it takes profile and folder from TRUNK_PROFILE and TRUNK_STAGING_DIR instead.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Options {
    /// Optimise, minify, and compress beside each file
    #[arg(long)]
    pub release: bool,
    /// Folder to publish into [default: dist in the workspace]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Where the files go.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// Publish into this folder.
    Folder(PathBuf),
    /// Fill Trunk's staging folder; Trunk publishes it into the second folder.
    Trunk {
        /// Where Trunk wants the files.
        staging: PathBuf,
        /// Where they end up, and where the previous build lies.
        dist: PathBuf,
    },
}

/// One run of the tool.
#[derive(Debug)]
pub struct Plan {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Whether to optimise and compress.
    pub release: bool,
    /// Where the files go.
    pub place: Place,
}

impl Plan {
    /// Combines the command line with the environment, which `var` reads.
    ///
    /// # Errors
    /// The workspace is not where this tool was compiled, or Trunk gave only part of its variables.
    pub fn new(options: Options, var: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .context("the workspace this tool was compiled in is gone: compile it again")?;
        // A relative path means what it means to cargo, which runs in the workspace.
        let target = root.join(var("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
        let plan = match var("TRUNK_STAGING_DIR") {
            Some(staging) => Self {
                release: var("TRUNK_PROFILE").is_some_and(|profile| profile == "release"),
                place: Place::Trunk {
                    staging: staging.into(),
                    dist: var("TRUNK_DIST_DIR").ok_or_else(|| anyhow!("TRUNK_DIST_DIR is not set"))?.into(),
                },
                root,
                target,
            },
            None => {
                let out = options.out.unwrap_or_else(|| root.join("dist"));
                Self { release: options.release, place: Place::Folder(out), root, target }
            }
        };
        Ok(plan)
    }

    /// Waits until no other build of this workspace runs; holds the place until the file is dropped.
    ///
    /// # Errors
    /// The target folder cannot be written.
    pub fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.target).with_context(|| self.target.display().to_string())?;
        let path = self.target.join(".bundle-lock");
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        file.lock().with_context(|| path.display().to_string())?;
        Ok(file)
    }

    /// The folder to build into, without remains of an earlier build.
    ///
    /// Our own stage lies inside the published folder, so that publishing is renaming.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn prepare_stage(&self) -> Result<PathBuf> {
        let stage = match &self.place {
            Place::Folder(out) => out.join(".stage"),
            Place::Trunk { staging, .. } => staging.clone(),
        };
        if stage.exists() {
            // Of what Trunk puts here we keep nothing: its page loads nothing, the server writes ours.
            fs::remove_dir_all(&stage).with_context(|| stage.display().to_string())?;
        }
        fs::create_dir_all(&stage).with_context(|| stage.display().to_string())?;
        Ok(stage)
    }

    /// Where the finished bundle lies, and until then the one before.
    pub fn published(&self) -> &Path {
        match &self.place {
            Place::Folder(out) => out,
            Place::Trunk { dist, .. } => dist,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(options: Options, vars: &[(&str, &str)]) -> Result<Plan> {
        Plan::new(options, |name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn by_hand_the_command_line_decides() {
        let plan = plan(Options { release: true, out: Some("/tmp/site".into()) }, &[]).expect("a plan");
        assert!(plan.release);
        assert_eq!(plan.place, Place::Folder("/tmp/site".into()));
        assert_eq!(plan.target, plan.root.join("target"));
    }

    #[test]
    fn without_a_folder_it_is_dist_in_the_workspace() {
        let plan = plan(Options { release: false, out: None }, &[("CARGO_TARGET_DIR", "/elsewhere")]).expect("a plan");
        assert_eq!(plan.place, Place::Folder(plan.root.join("dist")));
        assert_eq!(plan.target, Path::new("/elsewhere"));
    }

    #[test]
    fn as_a_hook_trunk_decides() {
        let vars = [("TRUNK_STAGING_DIR", "/d/.stage"), ("TRUNK_DIST_DIR", "/d"), ("TRUNK_PROFILE", "release")];
        let plan = plan(Options { release: false, out: Some("/ignored".into()) }, &vars).expect("a plan");
        assert!(plan.release);
        assert_eq!(plan.place, Place::Trunk { staging: "/d/.stage".into(), dist: "/d".into() });
        assert_eq!(plan.published(), Path::new("/d"));
    }

    #[test]
    fn half_of_trunks_variables_is_an_error() {
        let error = plan(Options { release: false, out: None }, &[("TRUNK_STAGING_DIR", "/d/.stage")]);
        assert!(error.is_err_and(|e| e.to_string().contains("TRUNK_DIST_DIR")));
    }
}
