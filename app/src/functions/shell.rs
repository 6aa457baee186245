use crate::error::AppError;
use headroom_model::overview::Shell;
use leptos::{prelude::*, server_fn::codec::GetUrl};

/// What the shell shows: targets with their scores, who looks, the server's clock.
#[server(name = ReadShell, prefix = "/api/fn", endpoint = "shell", input = GetUrl)]
pub async fn shell() -> Result<Shell, AppError> {
    use crate::context::PageContext;
    Ok(shell_of(&PageContext::require(headroom_model::Role::Viewer)?))
}

/// The same, for a page that is being rendered.
#[cfg(feature = "ssr")]
#[must_use]
pub fn shell_of(context: &crate::context::PageContext) -> Shell {
    use headroom_model::overview::{Kept, TargetScore};
    let console = &context.console;
    let targets = console
        .targets()
        .into_iter()
        .map(|info| {
            let score = console.latest(&info.id).and_then(|live| live.health.score);
            TargetScore { info, score }
        })
        .collect();
    Shell {
        targets,
        actor: context.actor.clone(),
        interval_ms: u64::try_from(console.config.collect.live_every.as_millis()).unwrap_or(u64::MAX),
        now: console.clock.now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kept: Kept {
            minutes_days: console.config.retention.minutes_days,
            hours_days: console.config.retention.hours_days,
        },
    }
}
