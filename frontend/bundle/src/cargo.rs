//! Compiles the frontend to WebAssembly.

use crate::plan::Plan;
use anyhow::{Context, Result, ensure};
use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

const TARGET: &str = "wasm32-unknown-unknown";

/// The splitter works on relocations, so the linker has to leave them in.
const EMIT_RELOCS: &str = "-Clink-args=--emit-relocs";

/// Compiles the crate `headroom-frontend` and returns the path of its module.
///
/// # Errors
/// Cargo is missing or fails; it has said why by then.
pub fn build_frontend(plan: &Plan) -> Result<PathBuf> {
    let (profile, folder) = if plan.release { ("wasm-release", "wasm-release") } else { ("dev", "debug") };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .current_dir(&plan.root)
        .args(["build", "--package", "headroom-frontend", "--target", TARGET, "--profile", profile])
        .stdin(Stdio::null());
    if let Some((name, flags)) = rustflags(|name| env::var(name).ok()) {
        command.env(name, flags);
    }
    let status = command.status().with_context(|| format!("cannot start {}", cargo.display()))?;
    ensure!(status.success(), "cargo could not build the frontend for {TARGET} ({status})");
    Ok(plan.target.join(TARGET).join(folder).join("headroom_frontend.wasm"))
}

/// Flags in the environment replace those of `.cargo/config.toml`: add to them what the splitter needs.
fn rustflags(var: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    // In cargo's order: the first that is set is the only one that counts.
    [("CARGO_ENCODED_RUSTFLAGS", "\u{1f}"), ("RUSTFLAGS", " ")].into_iter().find_map(|(name, separator)| {
        let flags = var(name)?;
        let flags = match flags.trim() {
            "" => EMIT_RELOCS.to_owned(),
            set if set.contains(EMIT_RELOCS) => set.to_owned(),
            set => format!("{set}{separator}{EMIT_RELOCS}"),
        };
        Some((name, flags))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> Option<(&'static str, String)> {
        rustflags(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_clean_environment_leaves_the_configuration_alone() {
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn flags_in_the_environment_gain_relocations_once() {
        let expected = "-Dwarnings -Clink-args=--emit-relocs";
        assert_eq!(with(&[("RUSTFLAGS", "-Dwarnings")]), Some(("RUSTFLAGS", expected.to_owned())));
        assert_eq!(with(&[("RUSTFLAGS", expected)]), Some(("RUSTFLAGS", expected.to_owned())));
        assert_eq!(with(&[("RUSTFLAGS", "")]), Some(("RUSTFLAGS", EMIT_RELOCS.to_owned())));
    }

    #[test]
    fn encoded_flags_win_as_they_do_in_cargo() {
        let vars = [("RUSTFLAGS", "-g"), ("CARGO_ENCODED_RUSTFLAGS", "-Dwarnings\u{1f}-g")];
        let expected = "-Dwarnings\u{1f}-g\u{1f}-Clink-args=--emit-relocs";
        assert_eq!(with(&vars), Some(("CARGO_ENCODED_RUSTFLAGS", expected.to_owned())));
    }
}
