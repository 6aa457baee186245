//! All rows of a dataset, one by one: for answers too large to be a page.

use super::{Ask, Dataset, DatasetError};
use crate::pool::{Lane, Lease};
use futures::{Stream, TryStreamExt};
use sqlx::AssertSqlSafe;
use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, timeout_at},
};

/// Rows a streamed answer may have; more than that is an export, not a page.
pub const STREAM_MAX: u64 = 1_000_000;
/// Rows that wait for a reader.
const WAITING_MAX: usize = 256;
/// How long a reader may leave them waiting. Meanwhile it holds a connection of the data lane.
const READER_MAX: Duration = Duration::from_secs(30);
/// How long all rows may take, whoever is slow. The statement's own time limit ends before: it goes on while rows wait.
const STREAM_TIME_MAX: Duration = Duration::from_secs(60);

/// Rows as they come, each as JSON. It ends after the last row, or with the error that broke it off: an end without an
/// error is the whole answer. Dropped, it gives its connection back.
#[derive(Debug)]
pub struct Rows {
    /// `None` is the end behind the last row.
    receiver: mpsc::Receiver<Result<Option<String>, DatasetError>>,
    is_over: bool,
}

impl Stream for Rows {
    type Item = Result<String, DatasetError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let row = match ready!(self.receiver.poll_recv(context)) {
            Some(row) => row.transpose(),
            None => Some(Err(DatasetError::Timeout(format!(
                "the rows were not read in time: none for {} s, or not all within {} s",
                READER_MAX.as_secs(),
                STREAM_TIME_MAX.as_secs()
            )))),
        };
        self.is_over = !matches!(row, Some(Ok(_)));
        Poll::Ready(row)
    }
}

impl Dataset {
    /// Rows one by one. Nothing is cached. The connection is given back when the last row was read, the rows are dropped,
    /// or their reader leaves them waiting for 30 s. So many at once as half of the data lane has connections.
    ///
    /// # Errors
    /// Arguments that do not fit, too many run already, or PostgreSQL refuses. What fails later ends the rows with an error.
    pub async fn stream(self: &Arc<Self>, ask: &Ask) -> Result<Rows, DatasetError> {
        let arguments = self.definition.arguments(&ask.arguments, &ask.user)?;
        self.check().await?;
        let statement = self.definition.rows();
        let place = self.streams.clone().try_acquire_owned().map_err(|_| {
            DatasetError::Busy("as many streams as may run at once run already; try again, or ask for pages".into())
        })?;
        let lease = self.lease(Lane::Data).await?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let values = statement.names.iter().map(|name| arguments.get(name).unwrap_or_default().to_owned()).collect();
        // Owned by the receiver: once it is gone the task ends.
        tokio::spawn(self.clone().send_rows(statement.sql, values, (lease, place), sender));
        Ok(Rows { receiver, is_over: false })
    }

    async fn send_rows(
        self: Arc<Self>,
        sql: String,
        values: Vec<String>,
        (mut lease, place): (Lease, OwnedSemaphorePermit),
        sender: mpsc::Sender<Result<Option<String>, DatasetError>>,
    ) {
        let until = Instant::now() + STREAM_TIME_MAX;
        let query = || {
            let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql.clone()));
            values.iter().fold(query, |query, value| query.bind(value))
        };
        let mut rows = query().fetch(&mut *lease);
        let mut sent = 0;
        loop {
            let row = tokio::select! {
                () = sender.closed() => break,
                row = rows.try_next() => row,
            };
            let item = match row {
                Ok(None) => {
                    drop(rows);
                    // Before the reader learns of the end, which may be slow to read on.
                    drop((lease, place));
                    let _ = sender.send(Ok(None)).await;
                    return;
                }
                Ok(Some(_)) if sent == STREAM_MAX => {
                    Err(DatasetError::Failed(format!("the answer has more than {STREAM_MAX} rows; ask for pages")))
                }
                Ok(row) => Ok(row),
                // A row that was sent cannot be taken back.
                Err(error) if sent == 0 => {
                    drop(rows);
                    let again = match self.target.pools.repeats_on_primary(&lease, &error) {
                        true => self.lease_of_primary(Lane::Data).await,
                        false => Err(self.failed(&error)),
                    };
                    match again {
                        Ok(primary) => {
                            mem::replace(&mut lease, primary).discard();
                            rows = query().fetch(&mut *lease);
                            continue;
                        }
                        Err(error) => {
                            lease.discard();
                            let _ = sender.send(Err(error)).await;
                            return;
                        }
                    }
                }
                Err(error) => Err(self.failed(&error)),
            };
            sent += 1;
            let failed = item.is_err();
            let in_time = timeout_at(until.min(Instant::now() + READER_MAX), sender.send(item)).await;
            if failed || !matches!(in_time, Ok(Ok(()))) {
                break;
            }
        }
        drop(rows);
        // A statement was left half way: its rows would meet the next caller.
        lease.discard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test]
    async fn only_the_whole_answer_ends_without_an_error() {
        for is_whole in [true, false] {
            let (sender, receiver) = mpsc::channel(2);
            sender.send(Ok(Some("{}".to_owned()))).await.unwrap();
            if is_whole {
                sender.send(Ok(None)).await.unwrap();
            }
            drop(sender);
            let rows: Vec<_> = Rows { receiver, is_over: false }.map(|row| row.is_ok()).collect().await;
            assert_eq!(rows, if is_whole { vec![true] } else { vec![true, false] });
        }
    }
}
