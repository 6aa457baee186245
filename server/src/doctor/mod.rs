//! The doctor: looks at everything the console needs and says what is missing, with the exact remedy. Changes nothing
//! but the state store's schema, which every start brings up to date anyway.

mod postgres;
mod redis;
mod report;

pub use report::{Finding, Report, Section, Verdict};

use crate::{
    config::Settings,
    serve::{bind, open_store},
};
use headroom_engine::target::TargetConfig;
use headroom_model::format;
use std::time::Duration;

/// How long a server may take for everything that is asked of it.
const PATIENCE: Duration = Duration::from_secs(8);

/// Examines configuration, state store, port and targets. Targets are asked at the same time.
pub async fn examine(settings: Result<Settings, String>) -> Report {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return Report::new(vec![Section::new("Configuration", vec![Finding::wrong("readable", error)])]),
    };
    let mut sections = vec![Section::new("Console", console(&settings).await)];
    let targets = settings
        .targets
        .iter()
        .map(|target| async { Section::new(&format!("Target {}", target.id), self::target(target).await) });
    sections.extend(futures::future::join_all(targets).await);
    Report::new(sections)
}

async fn console(settings: &Settings) -> Vec<Finding> {
    let configuration = match settings.console() {
        Ok(config) => {
            let names: Vec<&str> = config.targets.iter().map(|target| target.id.as_str()).collect();
            Finding::good("configuration", format!("watches {}", names.join(", ")))
        }
        Err(error) => Finding::wrong("configuration", error.to_string()),
    };
    let store = match open_store(settings).await {
        Ok(store) => match store.size_bytes().await {
            Ok(bytes) => Finding::good("state store", format!("{}, {}", store.backend(), format::bytes(bytes as f64))),
            Err(error) => Finding::wrong("state store", error.to_string()),
        },
        Err(failure) => Finding::wrong("state store", failure.to_string()),
    };
    let port = match bind(settings.listen).await {
        Ok(_) => Finding::good("port", format!("{} is free", settings.listen)),
        Err(failure) => Finding::advice("port", failure.to_string()),
    };
    vec![configuration, store, port]
}

async fn target(target: &TargetConfig) -> Vec<Finding> {
    let mut findings = match tokio::time::timeout(PATIENCE, postgres::examine(&target.database_url)).await {
        Ok(findings) => findings,
        Err(_) => vec![Finding::wrong("PostgreSQL", format!("no answer within {} s", PATIENCE.as_secs()))],
    };
    findings.extend(match &target.redis {
        None => vec![Finding::advice("Redis", "not configured; cache figures stay unknown (redis_url, REDIS_URL)")],
        Some(servers) => match tokio::time::timeout(PATIENCE, redis::examine(servers)).await {
            Ok(findings) => findings,
            Err(_) => vec![Finding::wrong("Redis", format!("no answer within {} s", PATIENCE.as_secs()))],
        },
    });
    findings
}
