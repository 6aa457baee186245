//! The live feed and the timeline: what happened is stored and shown, in that order.

use crate::store::{StateStore, StoreError};
use headroom_model::{
    event::{Event, NewEvent},
    live::LiveMessage,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages a slow reader may lag behind before it misses some.
const FEED_CAPACITY: usize = 256;
/// Events that wait for a state store that does not answer.
const BACKLOG: usize = 256;
/// Patience with a state store that does not answer: first and longest pause between two attempts.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// One attempt to store an event.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Sends live messages and stores events. Cheap to share behind an `Arc`.
pub(crate) struct Feed {
    store: Arc<dyn StateStore>,
    sender: broadcast::Sender<Arc<LiveMessage>>,
    backlog: mpsc::Sender<Waiting>,
}

/// An event and the name under which it is stored, however often it is sent.
type Waiting = (Uuid, NewEvent);

/// Stores events that nobody waits for. Run it as long as the console lives.
pub(crate) struct Recorder {
    feed: Arc<Feed>,
    waiting: mpsc::Receiver<Waiting>,
}

impl Feed {
    /// A feed over a store, and its recorder.
    pub fn new(store: Arc<dyn StateStore>) -> (Arc<Self>, Recorder) {
        let (sender, _) = broadcast::channel(FEED_CAPACITY);
        let (backlog, waiting) = mpsc::channel(BACKLOG);
        let feed = Arc::new(Feed { store, sender, backlog });
        (feed.clone(), Recorder { feed, waiting })
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LiveMessage>> {
        self.sender.subscribe()
    }

    /// Shows a message to whoever reads. Nobody reading is fine.
    pub fn send(&self, message: LiveMessage) {
        let _ = self.sender.send(Arc::new(message));
    }

    /// Stores an event and shows it.
    pub async fn mark(&self, uid: Uuid, event: &NewEvent) -> Result<Event, StoreError> {
        let event = self.store.add_event(uid, event).await?;
        self.send(LiveMessage::Event(event.clone()));
        Ok(event)
    }

    /// Stores and shows an event soon, without waiting. When the backlog is full, the event is only logged.
    pub fn mark_soon(&self, event: NewEvent) {
        if let Err(error) = self.backlog.try_send((Uuid::now_v7(), event)) {
            let (mpsc::error::TrySendError::Full((_, event)) | mpsc::error::TrySendError::Closed((_, event))) = error;
            tracing::error!(at = %event.at.to_rfc3339(), title = event.title, "event not stored");
        }
    }
}

impl Recorder {
    /// Stores what waits, in order, until told to stop; then makes one last attempt each.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                event = self.waiting.recv() => match event {
                    Some((uid, event)) => self.store(uid, event, &stop).await,
                    None => return,
                },
                () = stop.cancelled() => return,
            }
        }
    }

    async fn store(&self, uid: Uuid, event: NewEvent, stop: &CancellationToken) {
        let mut pause = RETRY.0;
        loop {
            let problem = match tokio::time::timeout(ATTEMPT, self.feed.mark(uid, &event)).await {
                Ok(Ok(_)) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("the state store did not answer within {ATTEMPT:?}"),
            };
            if stop.is_cancelled() {
                tracing::error!(at = %event.at.to_rfc3339(), title = event.title, problem, "event not stored");
                return;
            }
            tracing::warn!(title = event.title, problem, "event waits for the state store");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY.1),
                () = stop.cancelled() => {}
            }
        }
    }
}
