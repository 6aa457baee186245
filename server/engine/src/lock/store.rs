//! Locks as rows of the state store: as durable as the store, for all who share it.

use super::{Backing, Holder, Unanswered};
use crate::store::StateStore;
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

pub(super) struct StoreLocks(pub Arc<dyn StateStore>);

#[async_trait]
impl Backing for StoreLocks {
    async fn take(&self, name: &str, id: Uuid, owner: &str, ttl: Duration) -> Result<Option<u64>, Unanswered> {
        Ok(self.0.take_lock(name, id, owner, ttl).await?)
    }

    async fn renew(&self, name: &str, id: Uuid, ttl: Duration) -> Result<bool, Unanswered> {
        Ok(self.0.renew_lock(name, id, ttl).await?)
    }

    async fn free(&self, name: &str, id: Uuid) -> Result<bool, Unanswered> {
        Ok(self.0.free_lock(name, id).await?)
    }

    async fn holder(&self, name: &str) -> Result<Option<Holder>, Unanswered> {
        let stored = self.0.lock(name).await?;
        Ok(stored.map(|lock| Holder { owner: lock.owner, fence: lock.fence, left: lock.left }))
    }
}
