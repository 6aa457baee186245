//! A hit in memory: the whole call an application makes, with the key as it has it, a borrowed string.

use crate::{
    KEYS, TAGS, TTL, class, keys,
    measure::{self, Figures, Plan, Subject},
    ours, value,
};
use anyhow::Context;
use bytes::Bytes;
use headroom_engine::cache::{Cache, LoadFailure, Loaded, Mode, Origin};
use headroom_sandbox::Redis;
use std::{hint::black_box, io, sync::Arc};

/// What a loader says that must not run.
pub fn unasked() -> LoadFailure {
    Arc::new(io::Error::other("a value that was there was loaded again"))
}

pub async fn compare(redis: &Redis, plan: &Plan) -> anyhow::Result<Vec<Figures>> {
    let (keys, value) = (keys(), value());
    let (bytes, text) = (Bytes::from(value.clone()), Arc::<str>::from(value));

    let ours: Cache<Bytes> = ours(redis).await?;
    let tiered = ours.class("memory", class(Mode::Tiered));
    let bare = moka::sync::Cache::builder()
        .max_capacity(10 * KEYS as u64)
        .time_to_live(TTL)
        .build_with_hasher(foldhash::fast::RandomState::default());
    let amalgam = || amalgam::Cache::builder().default_options(amalgam::EntryOptions::new(TTL)).try_build();
    let (plain, tagged) = (amalgam()?, amalgam()?);
    for key in &keys {
        tiered.set(key, &TAGS, Loaded::value(bytes.clone())).await?;
        bare.insert(key.clone(), bytes.clone());
        plain.set(key, text.clone()).await?;
        tagged.set(key, text.clone()).tags(TAGS).await?;
    }
    bare.run_pending_tasks();

    let (keys, tiered, bare, plain, tagged) = (&keys, &tiered, &bare, &plain, &tagged);
    let key = move |number: usize| keys[number % KEYS].as_str();
    let length = bytes.len();
    let subjects = [
        Subject::new("Headroom get_or_load, two tags", move |number| async move {
            let hit = tiered
                .get_or_load(key(number), &TAGS, || std::future::ready(Err(unasked())))
                .await
                .expect("every key was set");
            assert!(hit.origin == Origin::Memory && hit.value().is_some_and(|found| found.len() == length));
            black_box(&hit);
        }),
        Subject::new("moka get", move |number| async move {
            let found = bare.get(key(number)).expect("every key was set");
            assert!(found.len() == length);
            black_box(&found);
        }),
        Subject::new("amalgam-cache try_get", move |number| async move {
            let found = plain.try_get(key(number)).await.expect("memory answers").expect("every key was set");
            assert!(found.len() == length);
            black_box(&found);
        }),
        Subject::new("amalgam-cache get_or_set", move |number| async move {
            let source = amalgam::source::factory(|context| async move { Err(context.fail("loaded again")) });
            let found: Arc<str> = plain.get_or_set(key(number), source).await.expect("every key was set");
            assert!(found.len() == length);
            black_box(&found);
        }),
        Subject::new("amalgam-cache get_or_set, two tags", move |number| async move {
            let source = amalgam::source::factory(|context| async move { Err(context.fail("loaded again")) });
            let found: Arc<str> = tagged.get_or_set(key(number), source).tags(TAGS).await.expect("every key was set");
            assert!(found.len() == length);
            black_box(&found);
        }),
    ];
    let subjects = subjects.map(Subject::ready);
    let figures = measure::compare(&subjects, plan).await;
    drop(subjects);
    plain.shutdown().await.context("amalgam-cache did not stop")?;
    tagged.shutdown().await.context("amalgam-cache did not stop")?;
    ours.shutdown().await;
    Ok(figures)
}
