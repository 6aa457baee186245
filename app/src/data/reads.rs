//! Questions to the server of one kind.

use crate::error::AppError;
use leptos::prelude::*;

/// Counts questions of one kind: a newer one makes the answers to older ones void.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Newest question, and newest one that was answered.
    counts: StoredValue<(u32, u32)>,
    /// Why the newest question was not answered; what is known stays.
    pub error: RwSignal<Option<AppError>>,
}

impl Reads {
    /// Nothing asked yet; `error` is that of the first paint.
    #[must_use]
    pub fn new(error: Option<AppError>) -> Self {
        Reads { counts: StoredValue::new((0, 0)), error: RwSignal::new(error) }
    }

    /// The same with the first answer taken apart.
    pub fn begin<T>(first: Result<T, AppError>) -> (Option<T>, Self) {
        match first {
            Ok(value) => (Some(value), Reads::new(None)),
            Err(error) => (None, Reads::new(Some(error))),
        }
    }

    /// Asks, and has the answer kept unless a newer question was asked meanwhile or the page is gone.
    pub fn ask<T: 'static>(
        self,
        answer: impl Future<Output = Result<T, AppError>> + 'static,
        keep: impl FnOnce(T) + 'static,
    ) {
        let Some(question) = self.next() else { return };
        leptos::task::spawn_local(async move {
            let answer = answer.await;
            if !self.answered(question) {
                return;
            }
            match answer {
                Ok(value) => {
                    keep(value);
                    self.error.set(None);
                }
                Err(error) => {
                    #[cfg(feature = "hydrate")]
                    if error.code == crate::error::ErrorCode::Unauthenticated {
                        // The session ended: the server sends a reload to the sign-in page and back here.
                        let _ = window().location().reload();
                        return;
                    }
                    self.error.set(Some(error));
                }
            }
        });
    }

    /// Whether the newest question waits for its answer.
    #[must_use]
    pub fn waits(self) -> bool {
        self.counts.try_with_value(|(asked, answered)| asked != answered) == Some(true)
    }

    /// Begins a question; none when the page is gone.
    fn next(self) -> Option<u32> {
        self.counts.try_update_value(|(asked, _)| {
            *asked = asked.wrapping_add(1);
            *asked
        })
    }

    /// Ends a question; whether its answer still counts.
    fn answered(self, question: u32) -> bool {
        let counts = self.counts.try_update_value(|(asked, answered)| {
            *answered = question;
            *asked == question
        });
        counts == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_question_counts() {
        let owner = Owner::new();
        owner.with(|| {
            let reads = Reads::new(None);
            let (first, second) = (reads.next().unwrap(), reads.next().unwrap());
            assert!(reads.waits());
            assert!(reads.answered(second) && !reads.waits());
            let third = reads.next().unwrap();
            assert!(!reads.answered(first) && reads.waits());
            assert!(reads.answered(third) && !reads.waits());
        });
    }
}
