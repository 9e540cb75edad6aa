//! The two threads of an open file, and how work is handed to them.

#![allow(clippy::disallowed_methods, reason = "an adapter may read the clock")]

use super::SqliteOptions;
use super::changes::Write;
use super::connect::connect;
use super::error::from_sqlite;
use super::hint::{Hint, Watch};
use super::identity::Identity;
use super::log::WriteAheadLog;
use super::reader::{Polls, ReadJob, read_all};
use super::slot::{gone, slot};
use super::waiters::{Ticket, Waiters};
use super::writer::{Outcome, WriteJob, Writer};
use crate::storage::{Log, StorageError};
use rusqlite::Connection;
use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

pub(super) struct Workers {
    /// Taken away before the threads are joined, which ends them.
    senders: Option<(SyncSender<WriteJob>, SyncSender<ReadJob>)>,
    threads: Vec<JoinHandle<()>>,
    waiters: Arc<Waiters>,
    limit: usize,
    /// Where hints are looked for, if they are.
    hints: Option<PathBuf>,
    /// Begun by the first wait: who never waits needs none of it.
    watch: OnceLock<Option<Watch>>,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Workers {
    pub(super) fn start(path: &Path, options: &SqliteOptions) -> Result<Self, StorageError> {
        // The queues are bounded, so that a store that is slower than its callers refuses them
        // instead of filling memory with their values. A queue of 0 would hand over only while the
        // thread waits for it, so that nearly every call would be refused.
        let limit = options.max_waiting.max(1);
        let writer = Writer {
            // The writer's connection comes first: it makes or migrates the file, and the reader
            // finds it done.
            connection: connect(path, options)?,
            label: options.label(),
            lock_timeout: options.lock_timeout,
            log: WriteAheadLog::new(path, options),
            hint: Hint::new(path),
            identity: Identity::of(path),
        };
        // Two connections, because in WAL mode a reader never waits for the writer. One thread
        // each, because a connection must not be used by two threads at once, and because polling a
        // future must not block on the disk.
        let connection = connect(path, options)?;
        // A reader waits only while another process recovers the file after a crash.
        connection.busy_timeout(options.lock_timeout).map_err(from_sqlite)?;
        let (to_write, write_jobs) = sync_channel(limit);
        let (to_read, read_jobs) = sync_channel(limit);
        let waiters = Arc::new(Waiters::default());
        let mut workers = Workers {
            senders: Some((to_write, to_read.clone())),
            threads: Vec::new(),
            waiters: Arc::clone(&waiters),
            limit,
            hints: options.hints.then(|| path.to_owned()),
            watch: OnceLock::new(),
        };
        // The writer may wake the reader, so it holds a sender to it; it ends first (its own queue
        // is closed with the last handle), and only then can the reader's queue run dry.
        let appended = Arc::clone(&waiters);
        workers.spawn("coord-sqlite-write", move || {
            writer.run(&write_jobs, || nudge(&appended, &to_read));
        })?;
        let (polls, identity) = (Polls::new(options), Identity::of(path));
        let timeout = options.lock_timeout;
        workers.spawn("coord-sqlite-read", move || {
            read_all(&connection, &identity, &read_jobs, &waiters, polls, timeout);
        })?;
        Ok(workers)
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StorageError> {
        // A thread that cannot be started is an error of opening, not a panic: the limit of
        // processes is the host's.
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| {
            StorageError::unavailable(format!("cannot start a thread: {error}")).with_source(error)
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Hands a change to the writer.
    pub(super) async fn write(&self, write: Write) -> Outcome {
        let (reply, answer) = slot();
        let sent = match &self.senders {
            // `try_send` and not `send`: a full queue has to be told to the caller, not to block
            // its thread.
            Some((writes, _)) => self.admitted(writes.try_send(WriteJob { write, reply })),
            None => Err(gone()),
        };
        sent?;
        answer.await
    }

    /// Hands a question to the reader.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (reply, answer) = slot();
        let job: ReadJob = Box::new(move |connection| {
            // `SQLite` waits for the lock on its own here and does not say for how long, so it is
            // measured.
            let start = Instant::now();
            reply.send(question(connection).map_err(|error| match error {
                StorageError::Busy { writer, .. } => {
                    StorageError::Busy { waited: start.elapsed(), writer }
                }
                error => error,
            }));
        });
        let sent = match &self.senders {
            Some((_, reads)) => self.admitted(reads.try_send(job)),
            None => Err(gone()),
        };
        sent?;
        answer.await
    }

    /// Waits for a record of a log at a position or behind it.
    pub(super) async fn wait(&self, log: Log, from: u64) -> Result<u64, StorageError> {
        // The waiter is entered before the reader is woken. The other way round, an append in
        // between would be seen by no one.
        let ticket = Ticket::new(&self.waiters, log, from);
        if let Some((_, reads)) = &self.senders {
            nudge(&self.waiters, reads);
            if let Some(watch) = self.watch.get_or_init(|| self.watch(reads)) {
                watch.wake();
            }
        }
        poll_fn(|context| ticket.poll(context)).await
    }

    fn watch(&self, reads: &SyncSender<ReadJob>) -> Option<Watch> {
        let (waiters, reads) = (Arc::clone(&self.waiters), reads.clone());
        let wanted = move || !waiters.lock().waiting.is_empty();
        Watch::start(self.hints.as_ref()?, Arc::clone(&self.waiters.hinted), wanted, move || {
            // An empty job makes the reader ask `data_version`, and that alone tells whether another
            // process committed: a hint of this process's own writer costs no query.
            let _ = reads.try_send(Box::new(|_| {}));
        })
    }

    fn admitted<J>(&self, sent: Result<(), TrySendError<J>>) -> Result<(), StorageError> {
        sent.map_err(|error| match error {
            TrySendError::Full(_) => StorageError::Overloaded { limit: self.limit },
            TrySendError::Disconnected(_) => gone(),
        })
    }
}

impl Drop for Workers {
    /// Finishes what was handed over and closes the file.
    fn drop(&mut self) {
        // Closing the queues first is what ends the threads; joining before would wait for ever.
        self.senders = None;
        // It has a sender, too.
        drop(self.watch.take());
        for thread in self.threads.drain(..) {
            // The last handle may live in a waker that one of the threads wakes.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Makes the reader look for new records now, if a task waits for them.
fn nudge(waiters: &Waiters, reads: &SyncSender<ReadJob>) {
    if waiters.lock().waiting.is_empty() {
        return;
    }
    // Set before the job is sent: the reader that takes the job finds the flag. Release pairs with
    // the Acquire of the reader, so it sees the waiter that made the flag necessary.
    waiters.stale.store(true, Ordering::Release);
    // If the queue is full the reader is awake anyway, and looks when it is done.
    let _ = reads.try_send(Box::new(|_| {}));
}

#[cfg(test)]
mod tests {
    use super::super::changes::Done;
    use super::super::scratch::Folder;
    use super::super::slot::Answer;
    use super::super::writer::tests::{append, at, options};
    use super::*;
    use crate::storage::block_on;

    #[test]
    fn dropping_the_last_handle_does_what_was_handed_over() {
        let folder = Folder::new("worker-shutdown");
        let workers = Workers::start(&folder.file(), &options()).unwrap();
        let (writes, _) = workers.senders.clone().unwrap();
        let answers: Vec<Answer<Done>> = (0..50)
            .map(|number: u32| {
                let (reply, answer) = slot();
                let job = WriteJob { write: append(&number.to_string()), reply };
                writes.try_send(job).map_err(|_| "full").unwrap();
                answer
            })
            .collect();
        drop(writes);
        drop(workers);
        // The threads have ended, so all is answered.
        for (position, answer) in (1..).zip(answers) {
            assert_eq!(block_on(answer), Ok(at(position)));
        }
    }
}
