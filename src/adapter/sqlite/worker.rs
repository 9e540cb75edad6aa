//! The two threads of an open file, and the futures that wait for them.

#![allow(clippy::disallowed_methods, reason = "an adapter may read the clock")]

use super::SqliteOptions;
use super::changes::{Changes, Done, Write};
use super::connect::{Failed, begin, connect, patiently};
use super::error::from_sqlite;
use super::hint::{Hint, Watch};
use super::log::Log;
use super::operations;
use crate::storage::StorageError;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many writes, and about how many bytes, share one commit at most.
// A commit costs one wait for the disk however much it holds, so what queued up during the last
// commit shares the next one. Both bounds keep the lock short for other processes: without them a
// fast producer could hold it for as long as it produces.
const GROUP_WRITES: usize = 512;
const GROUP_BYTES: usize = 16 << 20;
/// After how many written bytes the writer's page cache is emptied. `SQLite` may be built so that
/// all connections of a process share one pool of pages. Once that is full, each page is dropped as
/// soon as it is let go, and every insert reads the same pages again. So the pool is kept from
/// filling up with pages of a journal, which are not written again.
const CACHED_BYTES: usize = 64 << 10;
/// How often an idle writer looks whether the readers are gone that kept the log from being emptied.
const TIDY_PAUSE: Duration = Duration::from_millis(250);

/// What a write returns; the change says what it means.
type Outcome = Result<Done, StorageError>;
// A write is data and a read is a closure: a write may have to run twice, when the group that held
// it failed and it is tried alone.
type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

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

struct WriteJob {
    write: Write,
    reply: Reply<Done>,
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
            log: Log::new(path, options),
            hint: Hint::new(path),
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
        let polls = Polls::new(options);
        let timeout = options.lock_timeout;
        workers.spawn("coord-sqlite-read", move || {
            read_all(&connection, &read_jobs, &waiters, polls, timeout);
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

    /// Waits for a record at a position or behind it.
    pub(super) async fn wait(&self, from: u64) -> Result<u64, StorageError> {
        // The waiter is entered before the reader is woken. The other way round, an append in
        // between would be seen by no one.
        let ticket = Ticket { waiters: &self.waiters, number: self.waiters.add(from) };
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

fn gone() -> StorageError {
    StorageError::unavailable("its thread has ended")
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

struct Writer {
    connection: Connection,
    label: String,
    lock_timeout: Duration,
    log: Log,
    hint: Hint,
}

impl Writer {
    /// The next job; none if the last handle is gone and the queue is empty.
    fn next(&self, jobs: &Receiver<WriteJob>) -> Option<WriteJob> {
        // `recv` fails only when the last handle is gone and the queue is empty, so what was handed
        // over is always done.
        loop {
            let kept = self.log.is_kept().then_some(TIDY_PAUSE);
            let Some(pause) = self.hint.pause().into_iter().chain(kept).min() else { break };
            match jobs.recv_timeout(pause) {
                Ok(job) => return Some(job),
                // The last of many appends that came quickly has to give its hint, too.
                Err(_) if self.hint.pause().is_some() => self.hint.give(),
                // The reader that kept it may be gone, and no write comes that would see to it.
                Err(RecvTimeoutError::Timeout) => self.log.tidy(&self.connection, true),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        jobs.recv().ok()
    }

    /// Takes what waits, in groups, until the last handle is gone.
    fn run(&self, jobs: &Receiver<WriteJob>, appended: impl Fn()) {
        let mut cached = 0;
        while let Some(first) = self.next(jobs) {
            let mut bytes = first.write.bytes();
            // Only what is queued already joins: waiting for more would make a lone write slower
            // for the sake of others that may not come.
            let mut group = vec![first];
            while group.len() < GROUP_WRITES
                && bytes < GROUP_BYTES
                && let Ok(job) = jobs.try_recv()
            {
                bytes += job.write.bytes();
                group.push(job);
            }
            // Waiters are woken after the answers: who appended learns of it no later than who
            // waits for it.
            if self.group(group) {
                appended();
                self.hint.appended();
            }
            // After the answers: no write waits for it.
            self.log.tidy(&self.connection, false);
            // Counted by what was written, because `SQLite` does not tell how full its pool is.
            cached += bytes;
            if cached >= CACHED_BYTES {
                cached = 0;
                let _ = self.connection.execute_batch("PRAGMA shrink_memory");
            }
        }
    }

    /// Commits a group and answers; tells whether records were appended.
    fn group(&self, group: Vec<WriteJob>) -> bool {
        let writes: Vec<&Write> = group.iter().map(|job| &job.write).collect();
        match self.commit(&writes) {
            Ok((outcomes, appended)) => {
                // The transaction is committed here, and not earlier, so an answer is a promise
                // that a crash does not break.
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    job.reply.send(outcome);
                }
                appended
            }
            // One that does not fit must not take the others with it.
            Err(StorageError::Full { .. }) if group.len() > 1 => {
                group.into_iter().fold(false, |appended, job| self.group(vec![job]) | appended)
            }
            Err(error) => {
                for job in group {
                    // The transaction was rolled back, so the error holds for all of them, also for
                    // those that would have been refused.
                    job.reply.send(Err(error.clone()));
                }
                false
            }
        }
    }

    /// One transaction. No write is answered before its commit, not even with a refusal: it may rest
    /// on a change of the same transaction.
    fn commit(&self, writes: &[&Write]) -> Result<(Vec<Outcome>, bool), StorageError> {
        self.log.make_room(&self.connection)?;
        begin(&self.connection, self.lock_timeout)?;
        let result = self.carry_out(writes);
        if !self.connection.is_autocommit() {
            // After an error `SQLite` may have rolled back already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        result
    }

    fn carry_out(&self, writes: &[&Write]) -> Result<(Vec<Outcome>, bool), StorageError> {
        // Revision and bounds are read inside the write transaction, where no other process can
        // move them, and kept in memory until its end: one read for a group instead of one for each
        // write.
        let mut changes = Changes::start(&self.connection, &self.label)?;
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let outcome = changes.apply(write);
            if let Err(
                // These say that the transaction cannot be trusted any more. A refusal such as a
                // conflict changed nothing, so the others of the group go on.
                error @ (StorageError::Full { .. }
                | StorageError::Corrupt { .. }
                | StorageError::Unavailable { .. }
                | StorageError::Busy { .. }),
            ) = outcome
            {
                return Err(error);
            }
            outcomes.push(outcome);
        }
        // The shared row is written once for the group, after the last change.
        changes.finish(&self.label)?;
        let mut statement = self.connection.prepare_cached("COMMIT").map_err(from_sqlite)?;
        statement.execute([]).map_err(from_sqlite)?;
        Ok((outcomes, changes.appended))
    }
}

/// For how long after something happened the reader looks often.
const ACTIVE: Duration = Duration::from_secs(1);

/// How often the reader looks for appends of other processes.
struct Polls {
    active: Duration,
    idle: Duration,
    hinted: Duration,
    /// When something happened last.
    last: Instant,
}

impl Polls {
    fn new(options: &SqliteOptions) -> Self {
        let SqliteOptions { poll, idle_poll, hinted_poll, .. } = *options;
        Polls { active: poll, idle: idle_poll, hinted: hinted_poll, last: Instant::now() }
    }

    fn active(&mut self) {
        self.last = Instant::now();
    }

    fn next(&self, hinted: bool) -> Duration {
        if hinted {
            self.hinted
        } else if self.last.elapsed() < ACTIVE {
            self.active
        } else {
            self.idle
        }
    }
}

/// Answers questions, and looks for new records while a task waits for them.
fn read_all(
    connection: &Connection,
    jobs: &Receiver<ReadJob>,
    waiters: &Waiters,
    mut polls: Polls,
    lock_timeout: Duration,
) {
    // `data_version` tells for less than a query whether another connection committed since the
    // last look. `stale` covers what it cannot tell: a waiter that came after that look.
    let mut seen = None;
    loop {
        // Without a waiter the thread sleeps until there is work: asking for appends of other
        // processes costs processor time, so it is done only while a task waits for one.
        let job = if waiters.lock().waiting.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(polls.next(waiters.hinted.load(Ordering::Acquire)))
        };
        match job {
            Ok(job) => job(connection),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // All questions come before the look for records: they are answered at once, and one look
        // serves all waiters.
        while let Ok(job) = jobs.try_recv() {
            job(connection);
        }
        if waiters.lock().waiting.is_empty() {
            continue;
        }
        let version = patiently(lock_timeout, || {
            let mut statement = connection.prepare_cached("PRAGMA data_version")?;
            Ok(statement.query_row([], |row| row.get::<_, i64>(0))?)
        });
        // Taken after `data_version` was read and before the bounds are. An append that comes later
        // sets it again, and the next round finds it.
        let stale = waiters.stale.swap(false, Ordering::Acquire);
        match version {
            // Nothing changed, so the table is not asked.
            Ok(version) if !stale && seen == Some(version) => {}
            Ok(version) => {
                seen = Some(version);
                polls.active();
                waiters.tell(&operations::bounds(connection).map(|bounds| bounds.next));
            }
            Err(Failed::Busy(waited)) => {
                // A wait that cannot see the file must end with an error: it would never end
                // otherwise.
                waiters.tell(&Err(StorageError::Busy { waited, writer: None }));
            }
            Err(Failed::Sqlite(error)) => waiters.tell(&Err(from_sqlite(error))),
            Err(Failed::Storage(error)) => waiters.tell(&Err(error)),
        }
    }
}

/// Who waits for records.
#[derive(Default)]
struct Waiters {
    list: Mutex<List>,
    /// A waiter came or something was appended since the reader looked.
    stale: AtomicBool,
    /// Other processes give hints of what they append.
    hinted: Arc<AtomicBool>,
}

#[derive(Default)]
struct List {
    last: u64,
    waiting: BTreeMap<u64, (u64, Option<Waker>)>,
    done: BTreeMap<u64, Result<u64, StorageError>>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, from: u64) -> u64 {
        let mut list = self.lock();
        list.last += 1;
        let number = list.last;
        list.waiting.insert(number, (from, None));
        number
    }

    /// Ends the waits that are over: those for less than what is there, or all with an error.
    fn tell(&self, next: &Result<u64, StorageError>) {
        let mut list = self.lock();
        let over = |from: u64| next.as_ref().map_or(true, |next| *next > from);
        // Moved out under the lock and woken after it: a waker may run any code, which may wait or
        // drop a wait itself.
        let (ended, waiting) =
            std::mem::take(&mut list.waiting).into_iter().partition(|(_, (from, _))| over(*from));
        list.waiting = waiting;
        let ended: BTreeMap<u64, (u64, Option<Waker>)> = ended;
        // The result is kept beside the list until its future asks, because a waker carries no
        // value.
        list.done.extend(ended.keys().map(|number| (*number, next.clone())));
        drop(list);
        ended.into_values().filter_map(|(_, waker)| waker).for_each(Waker::wake);
    }
}

/// A wait; forgotten when it is dropped.
struct Ticket<'a> {
    waiters: &'a Waiters,
    number: u64,
}

impl Ticket<'_> {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<u64, StorageError>> {
        let mut list = self.waiters.lock();
        // Asked first: a wait that is done is no longer in the list below.
        if let Some(result) = list.done.remove(&self.number) {
            return Poll::Ready(result);
        }
        match list.waiting.get_mut(&self.number) {
            // Replaced on every poll, because a future may be moved to another task between two
            // polls.
            Some((_, waker)) => *waker = Some(context.waker().clone()),
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

/// A place for one answer.
struct Slot<T>(Mutex<Waited<T>>);

struct Waited<T> {
    answer: Option<Result<T, StorageError>>,
    waker: Option<Waker>,
}

fn slot<T>() -> (Reply<T>, Answer<T>) {
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

struct Reply<T>(Option<Arc<Slot<T>>>);

impl<T> Reply<T> {
    fn send(mut self, result: Result<T, StorageError>) {
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

struct Answer<T>(Arc<Slot<T>>);

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
    use super::super::scratch::Folder;
    use super::*;
    use crate::storage::{Appended, Commit, Committed, Expect, Key, LaneEnd, NewRecord, block_on};

    use std::cell::Cell;

    fn options() -> SqliteOptions {
        SqliteOptions::new("test").with_synchronous(super::super::Synchronous::Normal)
    }

    fn append(text: &str) -> Write {
        Write::Append { records: vec![NewRecord::new(text.as_bytes())], expected: Vec::new() }
    }

    /// One record was appended at a position.
    fn at(position: u64) -> Done {
        Done::Committed(Committed::new(Appended::new(position..position + 1), Vec::new()))
    }

    fn put(key: &str, expect: Expect) -> Write {
        Write::Put { key: Key::parse(key).unwrap(), value: Arc::from(*b"x"), expect }
    }

    /// Queues writes, then lets a writer run until the queue is empty. Gives their results and how
    /// many groups had appends.
    fn run(folder: &Folder, writes: Vec<Write>) -> (Vec<Outcome>, usize) {
        let options = options();
        let connection = connect(&folder.file(), &options).unwrap();
        let label = options.label();
        let log = Log::new(&folder.file(), &options);
        let hint = Hint::new(&folder.file());
        let lock_timeout = options.lock_timeout;
        let thread = Writer { connection, label, lock_timeout, log, hint };
        let (jobs, queue) = sync_channel(writes.len());
        let answers: Vec<Answer<Done>> = writes
            .into_iter()
            .map(|write| {
                let (reply, answer) = slot();
                jobs.try_send(WriteJob { write, reply }).map_err(|_| "full").unwrap();
                answer
            })
            .collect();
        drop(jobs);
        let groups = Cell::new(0);
        thread.run(&queue, || groups.set(groups.get() + 1));
        (answers.into_iter().map(block_on).collect(), groups.get())
    }

    #[test]
    fn what_waits_together_is_committed_together_in_order() {
        let folder = Folder::new("worker-groups");
        let writes = (0..=GROUP_WRITES).map(|number| append(&number.to_string())).collect();
        let (results, groups) = run(&folder, writes);
        assert_eq!(groups, 2);
        for (position, result) in (1..).zip(results) {
            assert_eq!(result, Ok(at(position)));
        }
        let connection = connect(&folder.file(), &options()).unwrap();
        let limits = crate::storage::StorageLimits::default();
        let records = operations::read(&connection, GROUP_WRITES as u64, 9, limits).unwrap();
        let texts: Vec<&[u8]> = records.iter().map(|record| &*record.data).collect();
        assert_eq!(texts, [b"511", b"512"]);
    }

    #[test]
    fn a_large_write_ends_its_group() {
        let folder = Folder::new("worker-bytes");
        let large = "x".repeat(GROUP_BYTES);
        let (results, groups) = run(&folder, vec![append(&large), append("a"), append("b")]);
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(groups, 2);
    }

    #[test]
    fn a_refusal_takes_no_other_with_it_and_sees_the_changes_before_it() {
        let folder = Folder::new("worker-refusal");
        let writes = vec![
            put("a", Expect::Absent),
            put("a", Expect::Absent),
            append("one"),
            put("a", Expect::Revision(1)),
        ];
        let (results, groups) = run(&folder, writes);
        assert_eq!(groups, 1);
        let conflict = StorageError::Conflict {
            key: Key::parse("a").unwrap(),
            expected: Expect::Absent,
            found: Some(1),
        };
        let revision = |revision| Ok(Done::Number(revision));
        assert_eq!(results, [revision(1), Err(conflict), Ok(at(1)), revision(2)]);
    }

    /// Each batch of a group meets what those before it left, and a refused one leaves nothing.
    #[test]
    fn lanes_of_one_group_follow_each_other() {
        let folder = Folder::new("worker-lanes");
        let lane = Key::parse("a").unwrap();
        let record = |id: &str| NewRecord::new(*b"x").in_lane(lane.clone()).with_id(id);
        let append = |ids: &[&str], last| Write::Append {
            records: ids.iter().map(|id| record(id)).collect(),
            expected: vec![LaneEnd::new(lane.clone(), last)],
        };
        let commit = |id, expect| {
            let put = Commit::new().append(record(id)).put(Key::parse("k").unwrap(), *b"v", expect);
            Write::Commit(put)
        };
        let writes = vec![
            append(&["1", "2"], None),
            append(&["3"], None),
            append(&["1", "2"], None),
            commit("3", Expect::Revision(9)),
            append(&["3", "1"], Some(2)),
            append(&["3"], Some(2)),
            commit("4", Expect::Absent),
            commit("5", Expect::Absent),
        ];
        let (results, groups) = run(&folder, writes);
        assert_eq!(groups, 1);
        let done = |appended, revisions| Ok(Done::Committed(Committed::new(appended, revisions)));
        let key = Key::parse("k").unwrap();
        let conflict =
            |expected, found| Err(StorageError::Conflict { key: key.clone(), expected, found });
        let moved = StorageError::LaneMoved { lane: lane.clone(), expected: None, found: Some(2) };
        let expected = [
            done(Appended::new(1..3), Vec::new()),
            Err(moved),
            done(Appended::repeated(1, 2), Vec::new()),
            conflict(Expect::Revision(9), None),
            Err(StorageError::duplicate_id(&lane, "1", Some(1))),
            Ok(at(3)),
            done(Appended::new(4..5), vec![1]),
            conflict(Expect::Absent, Some(1)),
        ];
        assert_eq!(results, expected);
        let connection = connect(&folder.file(), &options()).unwrap();
        assert_eq!(operations::lane_end(&connection, &lane), Ok(Some(4)));
    }

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

    #[test]
    fn an_answer_that_never_comes_is_an_error() {
        let (reply, answer) = slot::<u64>();
        drop(reply);
        assert_eq!(block_on(answer), Err(gone()));
    }

    #[test]
    fn waits_end_when_their_position_is_there_or_all_with_an_error() {
        let waiters = Waiters::default();
        let tickets = [1, 5].map(|from| Ticket { waiters: &waiters, number: waiters.add(from) });
        let mut context = Context::from_waker(Waker::noop());
        waiters.tell(&Ok(3));
        assert_eq!(tickets[0].poll(&mut context), Poll::Ready(Ok(3)));
        assert_eq!(tickets[1].poll(&mut context), Poll::Pending);
        waiters.tell(&Err(gone()));
        assert_eq!(tickets[1].poll(&mut context), Poll::Ready(Err(gone())));
        drop(Ticket { waiters: &waiters, number: waiters.add(9) });
        assert!(waiters.lock().waiting.is_empty() && waiters.lock().done.is_empty());
    }
}
