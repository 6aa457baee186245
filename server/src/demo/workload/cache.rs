//! Traffic through Redis: product views that read through, sessions that fill the memory until Redis evicts.

use super::{PRODUCTS, Shop, hot};
use anyhow::Context;
use deadpool_redis::{Pool, redis::AsyncCommands};
use headroom_engine::pool::Lane;
use rand::{Rng, rngs::StdRng};

/// Seconds a product stays in Redis.
const PRODUCT_TTL: u64 = 240;
/// Seconds a session stays in Redis.
const SESSION_TTL: u64 = 1_800;

pub async fn views(shop: Shop, redis: Pool, mut random: StdRng) {
    while shop.pace(&mut random, shop.rates.views).await {
        let product = hot(&mut random, PRODUCTS);
        if let Err(error) = view(&shop, &redis, product).await {
            shop.recover("product views", &error).await;
        }
    }
}

async fn view(shop: &Shop, redis: &Pool, product: i64) -> anyhow::Result<()> {
    let key = format!("product:{product}");
    let mut redis = redis.get().await.context("redis")?;
    let cached: Option<String> = redis.get(&key).await?;
    if cached.is_none() {
        let mut connection = shop.pools.acquire(Lane::Interactive).await?;
        let body: String = sqlx::query_scalar(
            "SELECT json_build_object('sku', sku, 'title', title, 'price', price_cents, 'stock', stock)::text
             FROM shop.products WHERE id = $1",
        )
        .bind(product)
        .fetch_one(&mut *connection)
        .await?;
        drop(connection);
        let () = redis.set_ex(&key, body, PRODUCT_TTL).await?;
    }
    Ok(())
}

pub async fn sessions(shop: Shop, redis: Pool, mut random: StdRng) {
    while shop.pace(&mut random, shop.rates.views / 6.0).await {
        let key = format!("session:{:016x}", random.random::<u64>());
        let body = "x".repeat(random.random_range(500..4_000));
        let stored: anyhow::Result<()> = async {
            let mut redis = redis.get().await.context("redis")?;
            Ok(redis.set_ex(&key, body, SESSION_TTL).await?)
        }
        .await;
        if let Err(error) = stored {
            shop.recover("sessions", &error).await;
        }
    }
}
