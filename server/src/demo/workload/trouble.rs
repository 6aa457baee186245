//! Trouble that ends by itself, or from the page: a transaction that blocks orders, a session left idle in its transaction.

use super::{CUSTOMERS, Shop};
use headroom_engine::pool::Lane;
use rand::{Rng, rngs::StdRng};
use sqlx::Connection;
use std::time::Duration;

/// Soon after the start, so that a newcomer sees trouble before leaving.
const FIRST: Duration = Duration::from_secs(25);

pub async fn blockers(shop: Shop) {
    let mut pause = FIRST;
    let mut count = 0_u32;
    while shop.wait(pause).await {
        pause = shop.rates.blocker_every;
        count = count.wrapping_add(1);
        let holds = if count.is_multiple_of(3) { shop.rates.forgotten_holds } else { shop.rates.blocker_holds };
        if let Err(error) = block(&shop, holds).await {
            shop.recover("blocker", &error).await;
        }
    }
}

/// Reprices the hottest products and dawdles before it commits: orders for them wait. Ended meanwhile, it fails at its
/// commit.
async fn block(shop: &Shop, holds: Duration) -> anyhow::Result<()> {
    let mut connection = shop.pools.acquire(Lane::Batch).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut *transaction).await?;
    sqlx::query("UPDATE shop.products SET updated_at = now() WHERE id <= $1")
        .bind(60_i64)
        .execute(&mut *transaction)
        .await?;
    shop.wait(holds).await;
    transaction.commit().await?;
    Ok(())
}

pub async fn leaks(shop: Shop, mut random: StdRng) {
    let mut pause = FIRST * 2;
    while shop.wait(pause).await {
        pause = shop.rates.leak_every;
        let customer = random.random_range(1..=CUSTOMERS);
        if let Err(error) = leak(&shop, customer).await {
            shop.recover("leak", &error).await;
        }
    }
}

/// Reads one customer and forgets to end the transaction.
async fn leak(shop: &Shop, customer: i64) -> anyhow::Result<()> {
    let mut connection = shop.pools.acquire(Lane::Batch).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut *transaction).await?;
    sqlx::query("SELECT name FROM shop.customers WHERE id = $1").bind(customer).fetch_one(&mut *transaction).await?;
    shop.wait(shop.rates.leak_lasts).await;
    transaction.rollback().await?;
    Ok(())
}
