//! Lanes of journals and commits of engines: the kit and faults that it finds, and two engines against
//! each other.

use crate::support::{Rng, scaled};
#[cfg_attr(not(feature = "conformance"), allow(unused_imports, reason = "the kit needs more"))]
use coordination_protocol::storage::{
    Appended, Commit, Engine, Expect, Journal, Key, LaneEnd, Log, MemoryEngine, MemoryJournal,
    MemoryStore, NewRecord, Partition, StorageError, StorageLimits, Store, StoreScan, block_on,
};

fn lane(name: &str) -> Key {
    Key::of([name]).unwrap()
}

fn record(lane: &str, id: &str) -> NewRecord {
    NewRecord::new(id.as_bytes()).in_lane(self::lane(lane)).with_id(id)
}

#[cfg(feature = "conformance")]
fn small() -> MemoryEngine {
    // Smaller ones for the store: who checks with the limits of the other part is found out.
    let limits = StorageLimits::default().with_value_bytes(1 << 12).with_batch(50, 1 << 16);
    let store =
        MemoryStore::new().with_limits(limits.with_value_bytes(1 << 10).with_batch(20, 1 << 12));
    let journal = || MemoryJournal::new().with_limits(limits);
    MemoryEngine::of(store, journal(), journal())
}

#[cfg(feature = "conformance")]
#[test]
fn memory_passes_the_kit() {
    use coordination_protocol::conformance::{self, Failures};
    block_on(async {
        conformance::run(&conformance::engine::cases(), MemoryEngine::new).await.into_result()?;
        conformance::run(&conformance::engine::cases(), small).await.into_result()?;
        for log in Log::ALL {
            let journal = || small().log(log);
            conformance::run(&conformance::journal::cases(), journal).await.into_result()?;
        }
        conformance::run(&conformance::store::cases(), small).await.into_result()
    })
    .unwrap_or_else(|failures: Failures| panic!("{failures}"));
}

#[cfg(feature = "conformance")]
mod faults {
    use super::{
        Appended, Commit, Engine, Expect, Journal, Key, LaneEnd, Log, MemoryEngine, NewRecord,
        StorageError, StorageLimits, Store, StoreScan, block_on, small,
    };
    use coordination_protocol::conformance;
    use coordination_protocol::storage::{
        Batch, Bounds, Committed, Cursor, Entry, JournalRecord, KeyPage, LaneForm, MemoryJournal,
        Page, Partition,
    };
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        LosesSubjects,
        CountsDataOnly,
        IgnoresLanes,
        ChecksFirstLane,
        ChecksInsideTheBatch,
        ChecksTheJournal,
        AppendsRepeats,
        RefusesRepeats,
        RepeatsFromTheEnd,
        RemembersIds,
        TakesDuplicates,
        ForgetsTrimmedLanes,
        ForgetsAllLanes,
        ForgetsNoLane,
        AppendsBeforePuts,
        PutsBeforeAppend,
        ExpectsNothing,
        KeepsRemoved,
        TakesAnySize,
        TakesKeysTwice,
        WakesNone,
        SkipsPutsOfRepeats,
        TakesNoneAfterTrims,
        TakesTrimmedEnds,
        RefusesTrimmedEnds,
        LosesEnds,
        RevivesTrimmedLanes,
        TrimsSilently,
        NamesOneLane,
        TrimsBothLogs,
        HasOneLog,
        HistoryBeforeDecisions,
        WaitsForHistory,
        LosesPartitions,
    }

    #[derive(Clone)]
    struct Faulty {
        engine: MemoryEngine,
        /// The log that it is the journal of.
        log: Log,
        fault: Fault,
        /// What a fault remembers: the positions of ids.
        ids: Arc<Mutex<HashMap<(Key, String), u64>>>,
    }

    impl Faulty {
        fn new(fault: Fault) -> Self {
            Faulty { engine: small(), log: Log::History, fault, ids: Arc::default() }
        }

        fn journal(&self) -> MemoryJournal {
            self.engine.log(self.log)
        }

        /// The same records under other ids.
        async fn renamed(&self, records: &[NewRecord]) -> Result<Vec<NewRecord>, StorageError> {
            let next = self.journal().bounds().await?.next;
            let renamed = (next..).zip(records).map(|(at, record)| match &record.id {
                Some(id) => record.clone().with_id(format!("{id} {at}")),
                None => record.clone(),
            });
            Ok(renamed.collect())
        }
    }

    impl Store for Faulty {
        fn limits(&self) -> StorageLimits {
            let limits = Store::limits(&self.engine);
            match self.fault {
                Fault::TakesAnySize => limits.with_batch(limits.batch_records - 1, usize::MAX),
                _ => limits,
            }
        }

        async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
            self.engine.get(key).await
        }

        async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
            self.engine.put(key, value, expect).await
        }

        async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
            self.engine.delete(key, expect).await
        }

        async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
            self.engine.scan(scan).await
        }

        async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
            self.engine.keys(scan).await
        }
    }

    impl Journal for Faulty {
        fn limits(&self) -> StorageLimits {
            self.journal().limits()
        }

        fn lanes(&self) -> LaneForm {
            self.log.lanes()
        }

        #[allow(clippy::too_many_lines, reason = "a table of faults")]
        async fn append_records(
            &self,
            records: &[NewRecord],
            expected: &[LaneEnd],
        ) -> Result<Appended, StorageError> {
            let engine = &self.journal();
            let next = engine.bounds().await?.next;
            match self.fault {
                Fault::LosesSubjects => {
                    let mut records = records.to_vec();
                    for record in &mut records {
                        record.subject = None;
                    }
                    engine.append_records(&records, expected).await
                }
                Fault::CountsDataOnly => {
                    // Names that the limit would refuse are cut.
                    let mut records = records.to_vec();
                    let limit = Journal::limits(self).value_bytes;
                    for record in records.iter_mut().filter(|record| record.size() > limit) {
                        record.subject = None;
                    }
                    engine.append_records(&records, expected).await
                }
                Fault::IgnoresLanes => engine.append_records(records, &[]).await,
                Fault::ChecksFirstLane => {
                    engine.append_records(records, &expected[..expected.len().min(1)]).await
                }
                Fault::ChecksInsideTheBatch => {
                    let mut expected = expected.to_vec();
                    for end in &mut expected {
                        let own = (next..).zip(records).find(|(at, record)| {
                            record.lane.as_ref() == Some(&end.lane) && Some(*at) == end.last
                        });
                        if own.is_some() {
                            end.last = engine.lane_end(&end.lane).await?;
                        }
                    }
                    engine.append_records(records, &expected).await
                }
                Fault::ChecksTheJournal => {
                    let mut expected = expected.to_vec();
                    for end in &mut expected {
                        if end.last == Some(next - 1) {
                            end.last = engine.lane_end(&end.lane).await?;
                        }
                    }
                    engine.append_records(records, &expected).await
                }
                Fault::AppendsRepeats | Fault::TakesDuplicates => {
                    match engine.append_records(records, expected).await {
                        Err(StorageError::DuplicateId { .. })
                            if self.fault == Fault::TakesDuplicates =>
                        {
                            engine.append_records(&self.renamed(records).await?, expected).await
                        }
                        Ok(Appended { repeated: true, .. })
                            if self.fault == Fault::AppendsRepeats =>
                        {
                            engine.append_records(&self.renamed(records).await?, &[]).await
                        }
                        done => done,
                    }
                }
                Fault::RefusesRepeats => {
                    for end in expected {
                        end.check(engine.lane_end(&end.lane).await?)?;
                    }
                    engine.append_records(records, expected).await
                }
                Fault::RepeatsFromTheEnd => {
                    let mut done = engine.append_records(records, expected).await?;
                    if done.repeated {
                        done.positions = next - records.len() as u64..next;
                    }
                    Ok(done)
                }
                Fault::RemembersIds => {
                    let id = records.first().and_then(NewRecord::identity);
                    let id = id.map(|(lane, id)| (lane.clone(), id.to_owned()));
                    let known =
                        id.as_ref().and_then(|id| self.ids.lock().unwrap().get(id).copied());
                    if let Some(position) = known {
                        return Ok(Appended::repeated(position, records.len()));
                    }
                    let done = engine.append_records(records, expected).await?;
                    if let Some(id) = id {
                        self.ids.lock().unwrap().insert(id, done.positions.start);
                    }
                    Ok(done)
                }
                Fault::TakesNoneAfterTrims
                | Fault::TakesTrimmedEnds
                | Fault::RefusesTrimmedEnds => {
                    let first = engine.bounds().await?.first;
                    let mut expected = expected.to_vec();
                    for end in &mut expected {
                        let found = engine.lane_end(&end.lane).await?;
                        let trimmed = end.last.is_some_and(|last| last < first);
                        match self.fault {
                            Fault::TakesNoneAfterTrims if first > 1 && end.last.is_none() => {
                                end.last = found;
                            }
                            Fault::TakesTrimmedEnds if trimmed => end.last = found,
                            // As if the lane were empty.
                            Fault::RefusesTrimmedEnds if trimmed => end.last = Some(u64::MAX),
                            _ => {}
                        }
                    }
                    engine.append_records(records, &expected).await
                }
                Fault::LosesEnds => {
                    let mut records = records.to_vec();
                    for record in &mut records {
                        record.ends_lane = false;
                    }
                    engine.append_records(&records, expected).await
                }
                Fault::RevivesTrimmedLanes => {
                    match engine.append_records(records, expected).await {
                        Err(StorageError::LaneEnded { last, .. })
                            if last < engine.bounds().await?.first =>
                        {
                            Ok(Appended::new(next..next + records.len() as u64))
                        }
                        done => done,
                    }
                }
                _ => engine.append_records(records, expected).await,
            }
        }

        async fn lane_end(&self, lane: &Key) -> Result<Option<u64>, StorageError> {
            self.journal().lane_end(lane).await
        }

        async fn forget_lanes(&self) -> Result<u64, StorageError> {
            match self.fault {
                Fault::ForgetsNoLane => Ok(0),
                Fault::ForgetsAllLanes => {
                    let Bounds { first, next, .. } = self.journal().bounds().await?;
                    let records = self.journal().read(first, usize::MAX).await?;
                    self.journal().trim(next).await?;
                    let gone = self.journal().forget_lanes().await?;
                    let records: Vec<NewRecord> = records.into_iter().map(Into::into).collect();
                    self.journal().append_records(&records, &[]).await?;
                    Ok(gone)
                }
                _ => self.journal().forget_lanes().await,
            }
        }

        async fn read(&self, from: u64, limit: usize) -> Result<Vec<JournalRecord>, StorageError> {
            self.journal().read(from, limit).await
        }

        async fn bounds(&self) -> Result<Bounds, StorageError> {
            self.journal().bounds().await
        }

        async fn wait(&self, from: u64) -> Result<u64, StorageError> {
            match self.fault {
                Fault::WaitsForHistory => self.engine.log(Log::History).wait(from).await,
                _ => self.journal().wait(from).await,
            }
        }

        async fn trim(&self, before: u64) -> Result<u64, StorageError> {
            let gone = match (self.journal().trim(before).await, self.fault) {
                (Err(StorageError::LanesOpen { .. }), Fault::TrimsSilently) => 0,
                (Err(StorageError::LanesOpen { before, mut lanes, more }), Fault::NamesOneLane) => {
                    lanes.truncate(1);
                    return Err(StorageError::LanesOpen { before, lanes, more });
                }
                (gone, _) => gone?,
            };
            match self.fault {
                Fault::ForgetsTrimmedLanes => drop(self.journal().forget_lanes().await?),
                Fault::TrimsBothLogs => {
                    let other = Log::ALL.into_iter().find(|log| *log != self.log).unwrap();
                    let _ = self.engine.log(other).trim(before).await;
                }
                _ => {}
            }
            Ok(gone)
        }

        async fn cursor(&self, name: &Key) -> Result<Option<u64>, StorageError> {
            self.journal().cursor(name).await
        }

        async fn move_cursor(
            &self,
            name: &Key,
            expected: Option<u64>,
            to: u64,
        ) -> Result<(), StorageError> {
            self.journal().move_cursor(name, expected, to).await
        }

        async fn remove_cursor(&self, name: &Key) -> Result<bool, StorageError> {
            self.journal().remove_cursor(name).await
        }

        async fn cursors(&self) -> Result<Vec<Cursor>, StorageError> {
            self.journal().cursors().await
        }
    }

    impl Engine for Faulty {
        type Journal = Faulty;

        fn log(&self, log: Log) -> Faulty {
            let log = if self.fault == Fault::HasOneLog { Log::History } else { log };
            Faulty { log, ..self.clone() }
        }

        fn partition_of(&self, log: Log, _: &Key) -> Partition {
            Partition::new(log, u32::from(self.fault == Fault::LosesPartitions))
        }

        async fn commit(&self, commit: &Commit) -> Result<Committed, StorageError> {
            let engine = &self.engine;
            let mut commit = commit.clone();
            let history = engine.log(Log::History);
            let append = async || {
                let batch = &commit.history;
                history.append_records(&batch.records, &batch.expected).await
            };
            let rest = async || {
                let mut only = commit.clone();
                only.history = Batch::default();
                engine.commit(&only).await
            };
            match self.fault {
                Fault::AppendsBeforePuts | Fault::HistoryBeforeDecisions => {
                    let appended = append().await?;
                    let mut done = rest().await?;
                    done.appended = appended;
                    return Ok(done);
                }
                Fault::PutsBeforeAppend => {
                    let mut done = rest().await?;
                    done.appended = append().await?;
                    return Ok(done);
                }
                Fault::ExpectsNothing => {
                    commit.puts.iter_mut().for_each(|put| put.expect = Expect::Any);
                }
                Fault::KeepsRemoved => commit.puts.retain(|put| put.value.is_some()),
                Fault::TakesAnySize
                    if commit.puts.len() == Store::limits(self).batch_records + 1 =>
                {
                    commit.puts.pop();
                }
                Fault::TakesKeysTwice => {
                    let all = std::mem::take(&mut commit.puts);
                    for put in all {
                        commit.puts.retain(|other| other.key != put.key);
                        commit.puts.push(put);
                    }
                }
                Fault::WakesNone => {
                    commit.history.records.clear();
                }
                Fault::SkipsPutsOfRepeats => {
                    if let Ok(appended @ Appended { repeated: true, .. }) = append().await {
                        let decided = Appended::new(1..1);
                        return Ok(Committed::new(appended, decided, vec![0; commit.puts.len()]));
                    }
                }
                _ => {}
            }
            engine.commit(&commit).await
        }
    }

    /// The kit must be able to fail: each promise has a fault that only its own case need find.
    #[test]
    fn the_kit_finds_faults_of_lanes() {
        for (fault, case) in [
            (Fault::LosesSubjects, "names"),
            (Fault::CountsDataOnly, "batches_with_names"),
            (Fault::IgnoresLanes, "lanes_expected"),
            (Fault::IgnoresLanes, "one_appender"),
            (Fault::ChecksFirstLane, "lanes_of_a_batch"),
            (Fault::ChecksInsideTheBatch, "lanes_of_a_batch"),
            (Fault::ChecksTheJournal, "lanes_expected"),
            (Fault::AppendsRepeats, "repeats"),
            (Fault::AppendsRepeats, "cut_short"),
            (Fault::RefusesRepeats, "repeats"),
            (Fault::RefusesRepeats, "cut_short"),
            (Fault::RepeatsFromTheEnd, "repeats"),
            (Fault::RemembersIds, "ids_forgotten"),
            (Fault::TakesDuplicates, "ids_stand_once"),
            (Fault::ForgetsTrimmedLanes, "lanes_outlive_trims"),
            (Fault::ForgetsAllLanes, "lanes_forgotten"),
            (Fault::ForgetsNoLane, "lanes_forgotten"),
            (Fault::ForgetsTrimmedLanes, "trimmed_lanes"),
            (Fault::ForgetsTrimmedLanes, "stale_writers"),
            (Fault::TakesNoneAfterTrims, "trimmed_lanes"),
            (Fault::RefusesTrimmedEnds, "trimmed_lanes"),
            (Fault::TakesTrimmedEnds, "stale_writers"),
            (Fault::LosesEnds, "lanes_cannot_end"),
        ] {
            find(Log::History, fault, case);
        }
    }

    #[test]
    fn the_kit_finds_faults_of_lanes_that_end() {
        for (fault, case) in [
            (Fault::IgnoresLanes, "trimmed_lanes"),
            (Fault::TakesNoneAfterTrims, "trimmed_lanes"),
            (Fault::TakesTrimmedEnds, "stale_writers"),
            (Fault::LosesEnds, "lanes_end"),
            (Fault::LosesEnds, "reborn_lanes"),
            (Fault::RevivesTrimmedLanes, "reborn_lanes"),
            (Fault::TrimsSilently, "snapshots_before_trims"),
            (Fault::NamesOneLane, "snapshots_before_trims"),
        ] {
            find(Log::Decisions, fault, case);
        }
    }

    /// A case finds a fault of a log, and the cases without lanes are not the ones that find it.
    fn find(log: Log, fault: Fault, case: &str) {
        let cases = conformance::journal::cases();
        let summary = block_on(conformance::run(&cases, || Faulty::new(fault).log(log)));
        let failed: Vec<&str> = summary.failed.iter().map(|(name, ..)| *name).collect();
        assert!(failed.contains(&case), "{fault:?}: {failed:?}");
        assert!(summary.passed.contains(&"appending_together"), "{fault:?}: {failed:?}");
    }

    #[test]
    fn the_kit_finds_faults_of_commits() {
        for (fault, case) in [
            (Fault::AppendsBeforePuts, "conflict_appends_nothing"),
            (Fault::PutsBeforeAppend, "moved_lane_puts_nothing"),
            (Fault::PutsBeforeAppend, "duplicate_puts_nothing"),
            (Fault::ExpectsNothing, "conflict_appends_nothing"),
            (Fault::ExpectsNothing, "one_committer"),
            (Fault::KeepsRemoved, "removals"),
            (Fault::TakesAnySize, "commit_limits"),
            (Fault::TakesKeysTwice, "commit_limits"),
            (Fault::WakesNone, "commits"),
            (Fault::SkipsPutsOfRepeats, "repeated_commit"),
            (Fault::TrimsBothLogs, "logs_apart"),
            (Fault::HasOneLog, "logs_apart"),
            (Fault::HistoryBeforeDecisions, "both_logs"),
            (Fault::WaitsForHistory, "waits_of_logs"),
            (Fault::LosesPartitions, "partitions"),
        ] {
            // A wait that nothing ends, and counting against a store that takes anything, do not end.
            let mut cases = conformance::engine::cases();
            cases.retain(|case| {
                !["commits_wake", "counting_together"].contains(&case.name)
                    && (case.name != "waits_of_logs" || fault == Fault::WaitsForHistory)
            });
            let summary = block_on(conformance::run(&cases, || Faulty::new(fault)));
            let failed: Vec<&str> = summary.failed.iter().map(|(name, ..)| *name).collect();
            assert!(failed.contains(&case), "{fault:?}: {failed:?}");
        }
        let mut cases = conformance::engine::cases();
        cases.retain(|case| case.name == "commits_wake");
        let fresh = async || Ok::<_, StorageError>(Faulty::new(Fault::WakesNone));
        let summary =
            block_on(conformance::run_within(&cases, fresh, std::time::Duration::ZERO, |_| {
                std::future::ready(())
            }));
        assert_eq!(summary.failed.len(), 1);
        let mut cases = conformance::engine::cases();
        cases.retain(|case| case.name == "counting_together");
        let summary = block_on(conformance::run(&cases, || Faulty::new(Fault::AppendsBeforePuts)));
        assert_eq!(summary.passed, ["counting_together"]);
    }
}

/// Random operations on two engines, which have to answer alike.
async fn step(rng: &mut Rng, engines: [&dyn Dyn; 2], last: u64) {
    let lanes = ["a", "b", "c", "d", "e"];
    let mut commit = Commit::new();
    for _ in 0..rng.below(4) {
        let name = lanes[rng.below(lanes.len())];
        // Few ids, so that they repeat.
        let id = rng.below(12).to_string();
        let log = Log::ALL[rng.below(2)];
        let mut record = match rng.below(6) {
            0 => NewRecord::new(id.as_bytes()),
            1 => NewRecord::new(id.as_bytes()).in_lane(lane(name)),
            _ => record(name, &id).with_subject(name),
        };
        if rng.one_in(if log == Log::Decisions { 20 } else { 200 }) {
            record = record.ending_its_lane();
        }
        commit = commit.append_to(log, record);
    }
    if rng.one_in(2) {
        let (name, log) = (lanes[rng.below(lanes.len())], Log::ALL[rng.below(2)]);
        let found = engines[0].boxed_log(log).lane_end(&lane(name)).await.unwrap();
        let last = match rng.below(4) {
            0 => None,
            1 => Some(1 + rng.below(last as usize) as u64),
            _ => found,
        };
        commit = commit.expecting_in(log, LaneEnd::new(lane(name), last));
    }
    for name in ["x", "y"] {
        if rng.one_in(3) {
            let found = engines[0].boxed_get(&lane(name)).await.unwrap();
            let expect = match (rng.below(5), found) {
                (0, _) => Expect::Absent,
                (1, _) => Expect::Revision(rng.below(9) as u64),
                (2, Some(entry)) => Expect::Revision(entry.revision),
                _ => Expect::Any,
            };
            commit = match rng.below(3) {
                0 => commit.delete(lane(name), expect),
                _ => commit.put(lane(name), *b"v", expect),
            };
        }
    }
    let trim = rng.one_in(8).then(|| rng.below(last as usize + 1) as u64);
    let forget = rng.one_in(12);
    let mut told = Vec::new();
    for engine in engines {
        let done = engine.boxed_commit(&commit).await;
        let mut logs = Vec::new();
        for journal in Log::ALL.map(|log| engine.boxed_log(log)) {
            let trimmed = match trim {
                Some(before) => Some(journal.trim(before).await),
                None => None,
            };
            let forgotten = if forget { Some(journal.forget_lanes().await) } else { None };
            let bounds = journal.bounds().await.unwrap();
            let records = journal.read(bounds.first, 1_000).await.unwrap();
            let mut ends = Vec::new();
            for name in lanes {
                ends.push(journal.lane_end(&lane(name)).await.unwrap());
            }
            logs.push((trimmed, forgotten, bounds, records, ends));
        }
        let values = engine.boxed_scan(&StoreScan::new("")).await.unwrap();
        told.push((done, logs, values));
    }
    assert_eq!(told[0], told[1], "{commit:?}");
}

use coordination_protocol::storage::DynEngine as Dyn;

#[test]
fn engines_answer_alike() {
    let mut rng = Rng::new(14);
    for _ in 0..scaled(20) {
        let memory = MemoryEngine::new();
        // Two forms of the same: pointers and boxes change nothing.
        #[cfg(not(feature = "sqlite"))]
        let other = MemoryEngine::new();
        #[cfg(feature = "sqlite")]
        let folder = crate::support::Folder::new();
        #[cfg(feature = "sqlite")]
        let other = {
            use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions, Synchronous};
            let options = SqliteOptions::new("test").with_synchronous(Synchronous::Normal);
            Sqlite::open_in(&folder.0, &options).unwrap()
        };
        block_on(async {
            for _ in 0..100 {
                let last = memory.log(Log::History).bounds().await.unwrap().next;
                step(&mut rng, [&memory, &other], last).await;
            }
            #[cfg(feature = "sqlite")]
            assert_eq!(other.check().await.unwrap().problems, [""; 0]);
        });
    }
}

#[test]
fn errors_say_what_stands_where() {
    let (a, id) = (Key::of(["workflow", "wf 1"]).unwrap(), "m7".into());
    for (error, code, sentence) in [
        (
            StorageError::LaneMoved { lane: a.clone(), expected: Some(3), found: None },
            "lane-moved",
            "lane `workflow/wf=201` has no record, expected position 3",
        ),
        (
            StorageError::DuplicateId { lane: a.clone(), id, found: Some(4) },
            "duplicate-id",
            "record `m7` of lane `workflow/wf=201` stands at position 4 already",
        ),
        (
            StorageError::DuplicateId { lane: a.clone(), id: "m7\n".into(), found: None },
            "duplicate-id",
            "record `m7\\u{a}` of lane `workflow/wf=201` is twice in the batch",
        ),
        (
            StorageError::DuplicateKey { key: a },
            "duplicate-key",
            "a commit changes `workflow/wf=201` twice",
        ),
        (
            StorageError::LaneEnded { lane: lane("a"), last: 3 },
            "lane-ended",
            "lane `a` ended at position 3 and is not opened again",
        ),
        (
            StorageError::LaneCannotEnd { lane: lane("a") },
            "lane-cannot-end",
            "lane `a` cannot end: the lanes of this journal are forgotten when they are trimmed",
        ),
        (
            StorageError::LanesOpen {
                before: 9,
                lanes: vec![LaneEnd::new(lane("a"), Some(3))],
                more: 0,
            },
            "lanes-open",
            "1 open lane would lose its last record by a trim before 9: `a` (3); append a snapshot to \
             each first",
        ),
        (
            StorageError::LanesOpen {
                before: 9,
                lanes: (1..=4).map(|last| LaneEnd::new(lane("b"), Some(last))).collect(),
                more: 2,
            },
            "lanes-open",
            "6 open lanes would lose their last records by a trim before 9: `b` (1), `b` (2), `b` (3), \
             3 more; append a snapshot to each first",
        ),
        (
            StorageError::NoPartition { partition: Partition::new(Log::Decisions, 3) },
            "no-partition",
            "there is no partition decisions/3",
        ),
    ] {
        assert_eq!((error.to_string().as_str(), error.code()), (sentence, code));
        assert!(!error.is_transient());
    }
    let commit = Commit::new().delete(lane("x"), Expect::Any).delete(lane("y"), Expect::Any);
    let limits = StorageLimits::default().with_batch(1, 100);
    assert_eq!(
        commit.check(&limits, &limits).unwrap_err().to_string(),
        "a commit has 2 changes of values, at most 1 are allowed"
    );
}

/// What memory is spent on lanes counts, too, and forgetting gives it back.
#[test]
fn lanes_in_memory_are_bounded() {
    block_on(async {
        let journal = MemoryJournal::with_capacity(2_000);
        let mut lanes = 0;
        let full = loop {
            let name = format!("lane{lanes}");
            match journal.append_records(&[NewRecord::new(*b"").in_lane(lane(&name))], &[]).await {
                Ok(done) => {
                    journal.trim(done.positions.end).await.unwrap();
                    lanes += 1;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(full.to_string(), "the store is full: at most 2000 bytes may be kept");
        assert_eq!(journal.forget_lanes().await.unwrap(), lanes);
        assert!(lanes > 10);
        journal.append_records(&[NewRecord::new(*b"").in_lane(lane("x"))], &[]).await.unwrap();
    });
}
