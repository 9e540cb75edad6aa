//! One answer of a thread, as a future of any runtime.

use crate::storage::StorageError;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// The thread that would answer is not there any more.
pub(super) fn gone() -> StorageError {
    StorageError::unavailable("its thread has ended")
}

/// A place for one answer.
struct Slot<T>(Mutex<Waited<T>>);

struct Waited<T> {
    answer: Option<Result<T, StorageError>>,
    waker: Option<Waker>,
}

pub(super) fn slot<T>() -> (Reply<T>, Answer<T>) {
    // A mutex and a waker instead of a channel of a runtime: the futures have to work on any
    // runtime and on none.
    let slot = Arc::new(Slot(Mutex::new(Waited { answer: None, waker: None })));
    (Reply(Some(Arc::clone(&slot))), Answer(slot))
}

impl<T> Slot<T> {
    fn fill(&self, result: Result<T, StorageError>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.answer = Some(result);
        // Woken after the lock is let go, as above.
        let waker = slot.waker.take();
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }
}

pub(super) struct Reply<T>(Option<Arc<Slot<T>>>);

impl<T> Reply<T> {
    pub(super) fn send(mut self, result: Result<T, StorageError>) {
        if let Some(slot) = self.0.take() {
            slot.fill(result);
        }
    }
}

impl<T> Drop for Reply<T> {
    /// No answer will come any more.
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.fill(Err(gone()));
        }
    }
}

pub(super) struct Answer<T>(Arc<Slot<T>>);

impl<T> Future for Answer<T> {
    type Output = Result<T, StorageError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = slot.answer.take() {
            return Poll::Ready(answer);
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::block_on;

    #[test]
    fn an_answer_that_never_comes_is_an_error() {
        let (reply, answer) = slot::<u64>();
        drop(reply);
        assert_eq!(block_on(answer), Err(gone()));
    }
}
