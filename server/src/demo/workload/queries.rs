//! Ordinary statements: orders, tracking events, account pages, a report.

use super::{CUSTOMERS, PRODUCTS, Shop, hot};
use headroom_engine::pool::Lane;
use rand::{Rng, rngs::StdRng};
use sqlx::Connection;

pub async fn orders(shop: Shop, mut random: StdRng) {
    while shop.pace(&mut random, shop.rates.orders).await {
        let customer = random.random_range(1..=CUSTOMERS);
        let products: Vec<i64> = (0..random.random_range(1..5)).map(|_| hot(&mut random, PRODUCTS)).collect();
        if let Err(error) = order(&shop, customer, products).await {
            shop.recover("orders", &error).await;
        }
    }
}

/// One order with its lines. Products are updated in key order, so orders wait for each other but never deadlock.
async fn order(shop: &Shop, customer: i64, mut products: Vec<i64>) -> anyhow::Result<()> {
    products.sort_unstable();
    products.dedup();
    let mut connection = shop.pools.acquire(Lane::Interactive).await?;
    let mut transaction = connection.begin().await?;
    let order: i64 = sqlx::query_scalar(
        "INSERT INTO shop.orders (customer_id, status, total_cents) VALUES ($1, 'open', 0) RETURNING id",
    )
    .bind(customer)
    .fetch_one(&mut *transaction)
    .await?;
    for (line, product) in products.iter().enumerate() {
        sqlx::query("UPDATE shop.products SET stock = stock - 1, updated_at = now() WHERE id = $1")
            .bind(product)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO shop.order_items (order_id, line, product_id, quantity, price_cents)
             SELECT $1, $2, id, 1, price_cents FROM shop.products WHERE id = $3",
        )
        .bind(order)
        .bind(i32::try_from(line)?)
        .bind(product)
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query(
        "UPDATE shop.orders SET status = 'paid',
                total_cents = (SELECT coalesce(sum(quantity * price_cents), 0) FROM shop.order_items WHERE order_id = $1)
         WHERE id = $1",
    )
    .bind(order)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

pub async fn events(shop: Shop, mut random: StdRng) {
    while shop.pace(&mut random, shop.rates.events).await {
        let page = format!("/p/{}", hot(&mut random, PRODUCTS));
        let customer = random.random_range(1..=CUSTOMERS);
        let stored: anyhow::Result<()> = async {
            let mut connection = shop.pools.acquire(Lane::Interactive).await?;
            sqlx::query(
                "INSERT INTO shop.events (customer_id, kind, payload) VALUES ($1, 'view', jsonb_build_object('page', $2))",
            )
            .bind(customer)
            .bind(page)
            .execute(&mut *connection)
            .await?;
            Ok(())
        }
        .await;
        if let Err(error) = stored {
            shop.recover("events", &error).await;
        }
    }
}

/// The statement that lacks its index on (customer_id, status): a scan of all orders each time.
pub async fn account_pages(shop: Shop, mut random: StdRng) {
    while shop.pace(&mut random, shop.rates.account_pages).await {
        let customer = random.random_range(1..=CUSTOMERS);
        let read: anyhow::Result<()> = async {
            let mut connection = shop.pools.acquire(Lane::Interactive).await?;
            sqlx::query(
                "SELECT id, total_cents, created_at FROM shop.orders
                 WHERE customer_id = $1 AND status = $2 ORDER BY total_cents DESC LIMIT 20
                 /*controller:account,action:orders*/",
            )
            .bind(customer)
            .bind("shipped")
            .fetch_all(&mut *connection)
            .await?;
            Ok(())
        }
        .await;
        if let Err(error) = read {
            shop.recover("account pages", &error).await;
        }
    }
}

/// The list for the packers: it fetches the customer of each order on its own, as a mapper does that was not told to join.
pub async fn packing_lists(shop: Shop) {
    while shop.wait(shop.rates.packing_every).await {
        let read: anyhow::Result<()> = async {
            let mut connection = shop.pools.acquire(Lane::Interactive).await?;
            let orders: Vec<(i64, i64)> = sqlx::query_as(
                "SELECT id, customer_id FROM shop.orders ORDER BY id DESC LIMIT 20 /*controller:packing,action:list*/",
            )
            .fetch_all(&mut *connection)
            .await?;
            for (_, customer) in orders {
                sqlx::query(
                    "SELECT name, country FROM shop.customers WHERE id = $1 /*controller:packing,action:list*/",
                )
                .bind(customer)
                .fetch_optional(&mut *connection)
                .await?;
            }
            Ok(())
        }
        .await;
        if let Err(error) = read {
            shop.recover("packing lists", &error).await;
        }
    }
}

pub async fn reports(shop: Shop) {
    while shop.wait(shop.rates.report_every).await {
        let read: anyhow::Result<()> = async {
            let mut connection = shop.pools.acquire(Lane::Interactive).await?;
            sqlx::query(
                "SELECT c.country, count(*), sum(i.quantity::bigint * i.price_cents)::bigint
                 FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id
                 JOIN shop.order_items i ON i.order_id = o.id
                 WHERE o.created_at > now() - interval '90 days' GROUP BY c.country
                 /*job='revenue%20report'*/",
            )
            .fetch_all(&mut *connection)
            .await?;
            Ok(())
        }
        .await;
        if let Err(error) = read {
            shop.recover("reports", &error).await;
        }
    }
}
