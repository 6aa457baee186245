//! Signs of life. Apart from the collector, so that one can be asked for while a collection is under way: on a connection
//! of its own, which is why the monitor lane has two.

use super::{postgres, redis};
use crate::target::Target;
use std::sync::Arc;

/// Whether the servers answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// PostgreSQL: the cause when it does not.
    pub postgres: Result<(), String>,
    /// Redis, where one is configured.
    pub redis: Option<Result<(), String>>,
}

/// Asks the servers of one target whether they answer. Cheap to clone; keeps nothing between two questions.
#[derive(Clone, Debug)]
pub struct Pulse {
    target: Arc<Target>,
    redis: Option<redis::Line>,
}

impl Pulse {
    /// The pulse of a target; nothing connects before it is asked for.
    #[must_use]
    pub fn new(target: Arc<Target>) -> Self {
        Pulse { redis: redis::Line::new(&target), target }
    }

    /// Asks both servers for a sign of life, a second at most. Dropping the future is safe.
    pub async fn ask(&self) -> Heartbeat {
        let (postgres, redis) = tokio::join!(postgres::heartbeat(&self.target), async {
            match &self.redis {
                Some(line) => Some(line.heartbeat().await),
                None => None,
            }
        });
        Heartbeat { postgres, redis }
    }
}
