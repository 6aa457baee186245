//! What the sample shop reads through the console's cache.

use headroom_engine::{
    cache::ClassSettings,
    dataset::{DatasetConfig, Parameter, ParameterKind, Triggers, WarmupClass},
    sql::quote_identifier,
    warmup::{Schedule, WarmupSettings},
};
use headroom_model::{TargetId, warmup::WarmupStrategy};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{collections::BTreeSet, time::Duration};

/// One product, by id. Its stock changes with every order and may be minutes old; a new price is told by its tag.
pub const PRODUCT: &str = "product";
/// The orders of a customer: the statement without its index, so each hit saves much.
pub const ORDERS: &str = "customer_orders";
/// Customers of a country, page by page. Its table tells of its changes.
pub const CUSTOMERS: &str = "customers";
/// Revenue of the last days.
pub const REVENUE: &str = "revenue";

/// The table that gets a trigger.
const WATCHED: &str = "shop.customers";

fn parameter(name: &str, kind: ParameterKind, default: Option<&str>) -> Parameter {
    let default = default.map(str::to_owned);
    Parameter { name: name.into(), kind, default, min: None, max: None, values: Vec::new() }
}

/// All of them.
pub fn all(target: &TargetId) -> Vec<DatasetConfig> {
    let dataset = |name: &str, sql: &str, ttl: u64| DatasetConfig {
        name: name.into(),
        target: target.clone(),
        sql: sql.into(),
        parameters: Vec::new(),
        cache: ClassSettings { ttl: Duration::from_secs(ttl), ..ClassSettings::default() },
        tags: Vec::new(),
        warmup: Some(WarmupClass::Recent),
        warm: Vec::new(),
        key: Vec::new(),
        tables: Vec::new(),
        per_user: false,
        count: false,
    };
    vec![
        DatasetConfig {
            parameters: vec![parameter("id", ParameterKind::Integer, None)],
            tags: vec!["catalogue".into(), "product:{id}".into()],
            ..dataset(PRODUCT, "SELECT id, sku, title, price_cents, stock FROM shop.products WHERE id = :id", 300)
        },
        DatasetConfig {
            parameters: vec![parameter("customer", ParameterKind::Integer, None)],
            tags: vec!["orders".into()],
            warmup: Some(WarmupClass::HighFrequency),
            ..dataset(
                ORDERS,
                "SELECT id, status, total_cents, created_at FROM shop.orders WHERE customer_id = :customer \
                 ORDER BY created_at DESC",
                30,
            )
        },
        DatasetConfig {
            parameters: vec![parameter("country", ParameterKind::Text, Some("DE"))],
            tags: vec!["customers:{country}".into()],
            warm: ["FR", "US"].map(|country| vec![("country".into(), country.into())]).into(),
            key: vec!["id".into()],
            count: true,
            ..dataset(
                CUSTOMERS,
                "SELECT id, name, country, created_at FROM shop.customers WHERE country = :country",
                300,
            )
        },
        DatasetConfig {
            parameters: vec![parameter("days", ParameterKind::Integer, Some("30"))],
            tags: vec!["reports".into()],
            warmup: Some(WarmupClass::Critical),
            ..dataset(
                REVENUE,
                "SELECT created_at::date AS day, count(*) AS orders, sum(total_cents) AS cents FROM shop.orders \
                 WHERE created_at > now() - :days * interval '1 day' GROUP BY 1 ORDER BY 1",
                20,
            )
        },
    ]
}

/// What a shop would configure: its report is ready when someone comes, and what saves most every quarter of an hour.
pub fn warmup() -> WarmupSettings {
    let schedule = Schedule::new("*/15 * * * *", WarmupStrategy::BySavings).expect("a test reads it");
    WarmupSettings {
        at_start: Some(WarmupStrategy::CriticalOnly),
        schedule: Some(schedule),
        ..WarmupSettings::default()
    }
}

/// Lets the console read the shop, and has the one table tell of its changes: both as the shop's owner would.
pub async fn prepare(owner_url: &str, reader: &str) -> anyhow::Result<()> {
    let mut owner = PgConnection::connect(owner_url).await?;
    let reader = quote_identifier(reader);
    let grants =
        format!("GRANT USAGE ON SCHEMA shop TO {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA shop TO {reader};");
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(&mut owner).await?;
    Triggers::apply(&mut owner, &Triggers::install(&BTreeSet::from([WATCHED.to_owned()]))).await?;
    owner.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warmup_can_be_read() {
        assert!(warmup().schedule.is_some());
    }
}
