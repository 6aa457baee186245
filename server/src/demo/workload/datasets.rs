//! Traffic through the console's own cache: pages of datasets, and now and then a change of what is behind one.

use super::{CUSTOMERS, PRODUCTS, Shop, hot};
use crate::demo::datasets;
use headroom_engine::{console::Console, dataset::Ask, pool::Lane};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use std::{sync::Arc, time::Duration};

const COUNTRIES: [&str; 8] = ["DE", "FR", "GB", "IT", "NL", "PL", "SE", "US"];
/// Between two customers who sign up.
const SIGN_UP_EVERY: Duration = Duration::from_secs(45);
/// Between two products that get another price.
const NEW_PRICE_EVERY: Duration = Duration::from_secs(10);

pub async fn pages(shop: Shop, console: Arc<Console>, mut random: StdRng) {
    while shop.pace(&mut random, shop.rates.pages).await {
        let (dataset, argument) = choose(&mut random);
        let arguments = argument.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let ask = Ask { arguments, user: "shop".into(), ..Ask::default() };
        let read = async {
            console.datasets.get(dataset)?.page(&ask).await?;
            anyhow::Ok(())
        };
        if let Err(error) = read.await {
            shop.recover("dataset pages", &error).await;
        }
    }
}

fn choose(random: &mut StdRng) -> (&'static str, Option<(&'static str, String)>) {
    match random.random_range(0..100) {
        0..75 => (datasets::PRODUCT, Some(("id", hot(random, PRODUCTS).to_string()))),
        // Few customers look at their orders again and again.
        75..88 => (datasets::ORDERS, Some(("customer", hot(random, CUSTOMERS / 500).to_string()))),
        88..96 => {
            let country = COUNTRIES.choose(random).copied().unwrap_or("DE");
            (datasets::CUSTOMERS, Some(("country", country.to_owned())))
        }
        _ => (datasets::REVENUE, None),
    }
}

/// New prices, as an application tells the console of them: the row first, then the tag of its pages.
pub async fn new_prices(shop: Shop, console: Arc<Console>, mut random: StdRng) {
    while shop.wait(NEW_PRICE_EVERY.mul_f64(random.random_range(0.5..1.5))).await {
        let product = hot(&mut random, PRODUCTS);
        let done = async {
            let mut connection = shop.pools.acquire(Lane::Interactive).await?;
            sqlx::query("UPDATE shop.products SET price_cents = price_cents + 1, updated_at = now() WHERE id = $1")
                .bind(product)
                .execute(&mut *connection)
                .await?;
            if let Some(cache) = console.datasets.cache(console.default_target()) {
                cache.invalidate_tag(&format!("product:{product}")).await;
            }
            anyhow::Ok(())
        };
        if let Err(error) = done.await {
            shop.recover("new prices", &error).await;
        }
    }
}

pub async fn sign_ups(shop: Shop, mut random: StdRng) {
    while shop.wait(SIGN_UP_EVERY.mul_f64(random.random_range(0.5..1.5))).await {
        let country = COUNTRIES.choose(&mut random).copied().unwrap_or("DE");
        let done = async {
            let mut connection = shop.pools.acquire(Lane::Interactive).await?;
            sqlx::query(
                "INSERT INTO shop.customers (id, email, name, country, created_at)
                 SELECT n, 'customer' || n || '@example.test', 'Customer ' || n, $1, now()
                 FROM (SELECT max(id) + 1 AS n FROM shop.customers) AS next",
            )
            .bind(country)
            .execute(&mut *connection)
            .await?;
            anyhow::Ok(())
        };
        if let Err(error) = done.await {
            shop.recover("sign-ups", &error).await;
        }
    }
}
