//! Who waits for records.

use super::slot::gone;
use crate::storage::{Log, StorageError};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Who waits for records.
#[derive(Default)]
pub(super) struct Waiters {
    list: Mutex<List>,
    /// A waiter came or something was appended since the reader looked.
    pub(super) stale: AtomicBool,
    /// Other processes give hints of what they append.
    pub(super) hinted: Arc<AtomicBool>,
}

/// For what a task waits.
pub(super) struct Waiting {
    log: Log,
    from: u64,
    waker: Option<Waker>,
}

#[derive(Default)]
pub(super) struct List {
    last: u64,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    done: BTreeMap<u64, Result<u64, StorageError>>,
}

impl Waiters {
    pub(super) fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, log: Log, from: u64) -> u64 {
        let mut list = self.lock();
        list.last += 1;
        let number = list.last;
        list.waiting.insert(number, Waiting { log, from, waker: None });
        number
    }

    /// Ends the waits that are over: those for less than where the logs end, or all with an error.
    pub(super) fn tell(&self, ends: &Result<[u64; Log::ALL.len()], StorageError>) {
        let mut list = self.lock();
        let end = |waiting: &Waiting| ends.clone().map(|ends| ends[waiting.log as usize]);
        let over = |waiting: &Waiting| end(waiting).map_or(true, |end| end > waiting.from);
        // Moved out under the lock and woken after it: a waker may run any code, which may wait or
        // drop a wait itself.
        let (ended, waiting) =
            std::mem::take(&mut list.waiting).into_iter().partition(|(_, waiting)| over(waiting));
        list.waiting = waiting;
        let ended: BTreeMap<u64, Waiting> = ended;
        // The result is kept beside the list until its future asks, because a waker carries no
        // value.
        list.done.extend(ended.iter().map(|(number, waiting)| (*number, end(waiting))));
        drop(list);
        ended.into_values().filter_map(|waiting| waiting.waker).for_each(Waker::wake);
    }
}

/// A wait; forgotten when it is dropped.
pub(super) struct Ticket<'a> {
    waiters: &'a Waiters,
    number: u64,
}

impl<'a> Ticket<'a> {
    /// Enters a wait for a record of a log at a position or behind it.
    pub(super) fn new(waiters: &'a Waiters, log: Log, from: u64) -> Self {
        Ticket { waiters, number: waiters.add(log, from) }
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<u64, StorageError>> {
        let mut list = self.waiters.lock();
        // Asked first: a wait that is done is no longer in the list below.
        if let Some(result) = list.done.remove(&self.number) {
            return Poll::Ready(result);
        }
        match list.waiting.get_mut(&self.number) {
            // Replaced on every poll, because a future may be moved to another task between two
            // polls.
            Some(waiting) => waiting.waker = Some(context.waker().clone()),
            None => return Poll::Ready(Err(gone())),
        }
        Poll::Pending
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut list = self.waiters.lock();
        list.waiting.remove(&self.number);
        list.done.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_when_their_position_is_there_or_all_with_an_error() {
        let waiters = Waiters::default();
        let tickets = [(Log::History, 1), (Log::History, 5), (Log::Decisions, 1)]
            .map(|(log, from)| Ticket::new(&waiters, log, from));
        let mut context = Context::from_waker(Waker::noop());
        waiters.tell(&Ok([3, 1]));
        assert_eq!(tickets[0].poll(&mut context), Poll::Ready(Ok(3)));
        assert_eq!(tickets[1].poll(&mut context), Poll::Pending);
        assert_eq!(tickets[2].poll(&mut context), Poll::Pending);
        waiters.tell(&Ok([3, 2]));
        assert_eq!(tickets[2].poll(&mut context), Poll::Ready(Ok(2)));
        waiters.tell(&Err(gone()));
        assert_eq!(tickets[1].poll(&mut context), Poll::Ready(Err(gone())));
        drop(Ticket::new(&waiters, Log::History, 9));
        assert!(waiters.lock().waiting.is_empty() && waiters.lock().done.is_empty());
    }
}
