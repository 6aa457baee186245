//! Loads the sample shop, once a data directory, with progress.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};
use std::{io::IsTerminal, time::Instant};

const SCHEMA: &str = include_str!("schema.sql");

/// A named step of the load: one or more statements.
struct Step {
    name: &'static str,
    sql: &'static str,
}

/// `schema.sql`, cut at its `-- step:` lines.
fn steps() -> Vec<Step> {
    SCHEMA
        .split("-- step: ")
        .skip(1)
        .filter_map(|part| part.split_once('\n').map(|(name, sql)| Step { name: name.trim(), sql }))
        .collect()
}

/// Loads the shop in one transaction, so that an interrupted load leaves nothing. Does nothing when it is there.
///
/// # Errors
/// The server cannot be reached or refuses a statement.
pub async fn load(url: &str) -> Result<(), sqlx::Error> {
    // These statements are long and slow by nature; sqlx would log every one with its text.
    let options = url.parse::<PgConnectOptions>()?.disable_statement_logging();
    let mut connection = options.application_name("shop/load").connect().await?;
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('shop.events') IS NOT NULL").fetch_one(&mut connection).await?;
    if !there {
        let started = Instant::now();
        let steps = steps();
        let bar = bar(steps.len());
        let mut transaction = connection.begin().await?;
        for step in steps {
            bar.set_message(step.name);
            if bar.is_hidden() {
                eprintln!("sample shop: {}", step.name);
            }
            transaction.execute(sqlx::AssertSqlSafe(step.sql)).await?;
            bar.inc(1);
        }
        transaction.commit().await?;
        bar.finish_and_clear();
        eprintln!("sample shop: 1,055,000 rows loaded in {:.1} s", started.elapsed().as_secs_f64());
    }
    connection.close().await
}

/// A bar on a terminal, hidden elsewhere: logs get plain lines.
fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("sample shop {bar:24} {pos}/{len} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_and_statements() {
        let steps = steps();
        assert_eq!(steps.len(), 8);
        for step in steps {
            assert!(!step.name.is_empty() && step.sql.contains(';'), "{}", step.name);
        }
    }
}
