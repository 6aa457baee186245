//! A read from Redis with memory left out, one at a time: what the second tier adds to a bare GET.

use crate::{
    KEYS, TAGS, TTL, class, keys,
    measure::{self, Figures, Plan, Subject},
    memory::unasked,
    ours, value,
};
use amalgam::provider::{PostcardSerializer, RedisDistributedCache};
use anyhow::Context;
use bytes::Bytes;
use deadpool_redis::redis::{AsyncCommands, Client, cmd};
use headroom_engine::cache::{Cache, CacheSettings, Loaded, Mode, Origin, RedisPool, Servers};
use headroom_sandbox::Redis;
use std::{hint::black_box, sync::Arc};

pub async fn compare(redis: &Redis, plan: &Plan) -> anyhow::Result<Vec<Figures>> {
    let (keys, value) = (keys(), value());
    let (bytes, text) = (Bytes::from(value.clone()), Arc::<str>::from(value));

    let ours: Cache<Bytes> = ours(redis).await?;
    let shared = ours.class("redis", class(Mode::Redis));
    let pool = RedisPool::new(&Servers::Single(redis.url(0)), CacheSettings::default().redis_timeout)?;
    let mut single = Client::open(redis.url(0))?.get_multiplexed_async_connection().await?;
    let options = amalgam::EntryOptions::new(TTL).with_skip_memory(true, true);
    let amalgam = amalgam::Cache::builder()
        .default_options(options)
        .distributed(Arc::new(RedisDistributedCache::connect(redis.url(0)).await?))
        .serializer(Arc::new(PostcardSerializer))
        .try_build()?;
    for key in &keys {
        shared.set(key, &TAGS, Loaded::value(bytes.clone())).await?;
        let () = single.set(key, &bytes[..]).await?;
        amalgam.set(key, text.clone()).tags(TAGS).await?;
    }

    let (keys, shared, pool, single, amalgam) = (&keys, &shared, &pool, &single, &amalgam);
    let key = move |number: usize| keys[number % KEYS].as_str();
    let length = bytes.len();
    let subjects = [
        Subject::new("Headroom get_or_load, two tags", move |number| async move {
            let hit = shared
                .get_or_load(key(number), &TAGS, || std::future::ready(Err(unasked())))
                .await
                .expect("every key was set");
            assert!(hit.origin == Origin::Redis && hit.value().is_some_and(|found| found.len() == length));
            black_box(&hit);
        }),
        Subject::new("GET through the same pool", move |number| async move {
            let mut connection = pool.connect().await.expect("Redis runs");
            let found: Bytes =
                cmd("GET").arg(key(number)).query_async(&mut connection).await.expect("every key was set");
            assert!(found.len() == length);
            black_box(&found);
        }),
        Subject::new("GET on one connection, no pool", move |number| {
            let mut connection = single.clone();
            async move {
                let found: Bytes =
                    cmd("GET").arg(key(number)).query_async(&mut connection).await.expect("every key was set");
                assert!(found.len() == length);
                black_box(&found);
            }
        }),
        Subject::new("amalgam-cache get_or_set, two tags", move |number| async move {
            let source = amalgam::source::factory(|context| async move { Err(context.fail("loaded again")) });
            let found: Arc<str> = amalgam.get_or_set(key(number), source).tags(TAGS).await.expect("every key was set");
            assert!(found.len() == length);
            black_box(&found);
        }),
    ];
    let figures = measure::compare(&subjects, plan).await;
    drop(subjects);
    amalgam.shutdown().await.context("amalgam-cache did not stop")?;
    ours.shutdown().await;
    Ok(figures)
}
