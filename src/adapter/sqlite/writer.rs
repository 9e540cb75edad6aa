//! The thread that writes.

use super::changes::{Changes, Done, Write};
use super::connect::begin;
use super::error::from_sqlite;
use super::hint::Hint;
use super::identity::Identity;
use super::log::WriteAheadLog;
use super::slot::Reply;
use crate::storage::StorageError;
use rusqlite::Connection;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

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
pub(super) type Outcome = Result<Done, StorageError>;

/// A change, and who waits for it.
// It is data, where a question is a closure: a write may have to run twice, when the group that held
// it failed and it is tried alone.
pub(super) struct WriteJob {
    pub(super) write: Write,
    pub(super) reply: Reply<Done>,
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) label: String,
    pub(super) lock_timeout: Duration,
    pub(super) log: WriteAheadLog,
    pub(super) hint: Hint,
    pub(super) identity: Identity,
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
    pub(super) fn run(&self, jobs: &Receiver<WriteJob>, appended: impl Fn()) {
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
        // Into a file that has no name any more nothing may be promised.
        self.identity.check()?;
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::operations;
    use super::super::scratch::Folder;
    use super::super::slot::{Answer, slot};
    use super::super::{SqliteOptions, connect::connect};
    use super::*;
    use crate::storage::{
        Appended, Batch, Commit, Committed, Expect, Key, LaneEnd, Log, NewRecord, block_on,
    };
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    pub(in super::super) fn options() -> SqliteOptions {
        SqliteOptions::new("test").with_synchronous(super::super::Synchronous::Normal)
    }

    pub(in super::super) fn append(text: &str) -> Write {
        let batch = Batch::new(vec![NewRecord::new(text.as_bytes())], Vec::new());
        Write::Append { log: Log::History, batch }
    }

    /// One record was appended at a position.
    pub(in super::super) fn at(position: u64) -> Done {
        Done::Appended(Appended::new(position..position + 1))
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
        let log = WriteAheadLog::new(&folder.file(), &options);
        let hint = Hint::new(&folder.file());
        let identity = Identity::of(&folder.file());
        let lock_timeout = options.lock_timeout;
        let thread = Writer { connection, label, lock_timeout, log, hint, identity };
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
        let records =
            operations::read(&connection, Log::History, GROUP_WRITES as u64, 9, limits).unwrap();
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
            log: Log::History,
            batch: Batch::new(
                ids.iter().map(|id| record(id)).collect(),
                vec![LaneEnd::new(lane.clone(), last)],
            ),
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
        let done = |appended, revisions| {
            Ok(Done::Committed(Committed::new(appended, Appended::new(1..1), revisions)))
        };
        let key = Key::parse("k").unwrap();
        let conflict =
            |expected, found| Err(StorageError::Conflict { key: key.clone(), expected, found });
        let moved = StorageError::LaneMoved { lane: lane.clone(), expected: None, found: Some(2) };
        let expected = [
            Ok(Done::Appended(Appended::new(1..3))),
            Err(moved),
            Ok(Done::Appended(Appended::repeated(1, 2))),
            conflict(Expect::Revision(9), None),
            Err(StorageError::duplicate_id(&lane, "1", Some(1))),
            Ok(at(3)),
            done(Appended::new(4..5), vec![1]),
            conflict(Expect::Absent, Some(1)),
        ];
        assert_eq!(results, expected);
        let connection = connect(&folder.file(), &options()).unwrap();
        let kept = operations::lane(&connection, Log::History, &lane).unwrap();
        assert_eq!(kept.map(|kept| kept.last), Some(4));
    }
}
