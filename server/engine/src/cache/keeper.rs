//! A cache's own tasks: upkeep once a second, and the ear on the backplane.
//!
//! Both hold the cache weakly and end with it.

use super::{
    Cacheable,
    entry::Standing,
    inner::Inner,
    key::KeyRef,
    recovery::Heard,
    remote::{
        Names,
        backplane::{Gaps, Message},
    },
    versions::{Counter, class_counter},
};
use futures::{StreamExt, future::join_all};
use std::{
    collections::VecDeque,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

const UPKEEP: Duration = Duration::from_secs(1);
/// Every so many rounds of upkeep, memory is searched for what was invalidated by version.
const SWEEP_EVERY: u32 = 10;
const BEAT: Duration = Duration::from_secs(2);
/// A connection on which our own beats do not come back for this long is dead.
const DEAF: Duration = Duration::from_secs(6);
const CONNECT: Duration = Duration::from_secs(2);
const RECONNECT_FROM: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// Keys removed at a time once Redis is back.
const AT_A_TIME: usize = 8;
/// Versions asked for at once.
const ASK: usize = 500;

pub(super) fn start<V: Cacheable>(inner: &Arc<Inner<V>>) {
    inner.tasks.spawn(upkeep(Arc::downgrade(inner), inner.stop.clone()));
    if inner.remote.is_some() {
        inner.tasks.spawn(listen(Arc::downgrade(inner), inner.stop.clone()));
    }
}

async fn upkeep<V: Cacheable>(inner: Weak<Inner<V>>, stop: CancellationToken) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Instant::now();
    let mut round = 0;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(inner) = inner.upgrade() else { return };
        let now = Instant::now();
        let seconds = now.duration_since(before).as_secs_f64();
        before = now;
        for class in inner.classes.read().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            class.stats.keys.adapt(seconds);
        }
        inner.memory.run_pending_tasks();
        round += 1;
        if round % SWEEP_EVERY == 0 {
            inner.sweep();
        }
        if inner.recovery.len() > 0 {
            stop.run_until_cancelled(inner.recover()).await;
        }
    }
}

/// Listens until the cache stops: connects, asks for everything that may have been missed, follows.
async fn listen<V: Cacheable>(inner: Weak<Inner<V>>, stop: CancellationToken) {
    let mut pause = RECONNECT_FROM;
    loop {
        let heard = stop.run_until_cancelled(follow(&inner)).await;
        if let Some(remote) = inner.upgrade().as_ref().and_then(|inner| inner.remote.as_ref()) {
            remote.set_listens(false);
        }
        match heard {
            None | Some(Ear::CacheGone) => return,
            Some(Ear::Connected) => pause = RECONNECT_FROM,
            Some(Ear::Nothing) => pause = (pause * 2).min(RECONNECT_MAX),
        }
        // Full jitter: instances do not come back all at once.
        if stop.run_until_cancelled(sleep(pause.mul_f64(rand::random()))).await.is_none() {
            return;
        }
    }
}

enum Ear {
    /// There was a connection; it broke.
    Connected,
    /// There was none.
    Nothing,
    CacheGone,
}

async fn follow<V: Cacheable>(weak: &Weak<Inner<V>>) -> Ear {
    let (mut messages, own) = {
        let Some(inner) = weak.upgrade() else { return Ear::CacheGone };
        let Some(remote) = &inner.remote else { return Ear::CacheGone };
        let connect = async {
            let mut subscriber = remote.subscriber().await?;
            subscriber.subscribe(&remote.channel).await.map_err(|error| error.category().to_owned())?;
            Ok::<_, String>(subscriber)
        };
        let Ok(Ok(subscriber)) = timeout(CONNECT, connect).await else { return Ear::Nothing };
        if remote.beat().await.is_err() {
            return Ear::Nothing;
        }
        let own = remote.sender;
        inner.resynchronise().await;
        remote.set_listens(true);
        (subscriber.into_on_message(), own)
    };
    let mut gaps = Gaps::default();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_own = Instant::now();
    let mut batch = VecDeque::new();
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return Ear::Connected };
                batch.push_back(message);
            }
            _ = beat.tick() => {
                let Some(inner) = weak.upgrade() else { return Ear::CacheGone };
                if let Some(remote) = &inner.remote {
                    // A failure shows in the breaker; whether this connection still hears shows in our own beats.
                    let _ = remote.beat().await;
                }
                if gaps.lost(Instant::now()) {
                    inner.resynchronise().await;
                }
                if heard_own.elapsed() > DEAF {
                    return Ear::Connected;
                }
            }
        }
        let Some(inner) = weak.upgrade() else { return Ear::CacheGone };
        while let Some(message) = batch.pop_front() {
            let Ok(text) = message.get_payload::<String>() else { continue };
            let Some((sender, sequence, message)) = Message::unpack(&text) else { continue };
            if sender == own {
                heard_own = Instant::now();
                continue;
            }
            inner.told(message);
            if gaps.heard(sender, sequence, Instant::now()) {
                inner.resynchronise().await;
            }
        }
    }
}

impl<V: Cacheable> Inner<V> {
    /// Acts on what another instance says.
    fn told(&self, message: Message<'_>) {
        match message {
            Message::Key { class, key } => {
                if let Some(class) = self.class(class) {
                    self.forget(&class, key);
                }
            }
            Message::Version { name, version: Some(version) } => {
                if let Some(counter) = self.versions.known(name) {
                    counter.learn(version);
                }
            }
            Message::Filled { class, key } => {
                if let Some(class) = self.class(class) {
                    // Nobody waits: fine.
                    let _ = self.filled.send(KeyRef { class: class.id, text: key }.to_key());
                }
            }
            Message::Version { .. } | Message::Beat => {}
        }
    }

    /// Messages may have been missed: asks for all versions in use, and has every entry verified before its next answer.
    pub(super) async fn resynchronise(&self) {
        let generation = self.generation.fetch_add(1, Relaxed) + 1;
        if generation > 1 {
            tracing::info!(space = self.settings.space, generation, "cache messages were missed; verifying with Redis");
        }
        let Some(remote) = &self.remote else { return };
        for counters in self.versions.all().chunks(ASK) {
            if remote.refresh(counters).await.is_err() {
                // The breaker is open; a reconnection follows and asks again.
                return;
            }
        }
    }

    /// Tells Redis what it missed; a few things at a time, until it is lost again.
    pub(super) async fn recover(&self) {
        let Some(remote) = self.remote.as_ref().filter(|remote| !remote.breaker.is_open()) else { return };
        let waiting = self.recovery.waiting();
        let bump = async |counter: &Arc<Counter>| remote.bump(counter).await.is_ok();
        for (name, counter) in waiting.counters {
            if !bump(&counter).await {
                return;
            }
            self.recovery.done(Heard::Counter(&name));
        }
        for (name, number) in waiting.classes {
            if !bump(&self.versions.counter(&class_counter(&name))).await {
                return;
            }
            self.recovery.done(Heard::Class(&name, number));
        }
        let keys: Vec<_> = waiting.keys.into_iter().collect();
        for some in keys.chunks(AT_A_TIME) {
            let removed = some.iter().map(async |((class, key), _)| {
                let names = Names::new(&self.settings.space, class);
                remote.remove(&names, class, key).await.is_ok()
            });
            let removed = join_all(removed).await;
            for (((class, key), number), removed) in some.iter().zip(&removed) {
                if *removed {
                    // Whoever asked Redis in between may have found the old value there.
                    if let Some(class) = self.class(class) {
                        self.forget(&class, key);
                    }
                    self.recovery.done(Heard::Key(class, key, *number));
                }
            }
            if !removed.iter().all(|removed| *removed) {
                return;
            }
        }
    }

    /// Removes from memory what was invalidated by version: nobody asks for it, but it takes room.
    pub(super) fn sweep(&self) {
        let now = self.time.now();
        let gone = self.memory.iter().filter(|(_, entry)| entry.standing(now, 0) == Standing::Gone);
        for (key, entry) in gone {
            let key = key.as_ref().as_ref();
            // Its key may be filled anew at this moment.
            let _stripe = self.flights.stripe(key);
            if self.memory.get(&key).is_some_and(|there| Arc::ptr_eq(&there, &entry)) {
                self.memory.invalidate(&key);
            }
        }
    }
}
