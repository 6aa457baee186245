//! `headroom check`: the doctor's report on the terminal or as JSON.

use super::{Failure, print};
use crate::{config::Settings, doctor};
use std::process::ExitCode;

/// Runs `headroom check`. A wrong configuration is part of the report.
///
/// # Errors
/// The report cannot be written.
pub async fn run(settings: Result<Settings, Failure>, json: bool) -> Result<ExitCode, Failure> {
    let report = doctor::examine(settings.map_err(|failure| failure.to_string())).await;
    let text =
        if json { serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)? } else { report.to_string() };
    print(&text)?;
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
