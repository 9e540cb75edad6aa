//! The logs of an engine, beside each other.

use super::super::journal::lanes::{lane, moved, record};
use super::super::{Failure, once, same, together};
use super::refused;
use crate::storage::{
    Appended, Bounds, Commit, Cursor, Engine, Expect, Journal, JournalRecord, Key, LaneEnd, Log,
    Partition, StorageError,
};

/// All that a log holds of one lane.
async fn contents<E: Engine>(
    engine: &E,
    log: Log,
    lane: &Key,
) -> Result<(Bounds, Vec<JournalRecord>, Option<u64>, Vec<Cursor>), Failure> {
    let journal = engine.log(log);
    let bounds = journal.bounds().await?;
    let records = journal.read(bounds.first, usize::MAX).await?;
    Ok((bounds, records, journal.lane_end(lane).await?, journal.cursors().await?))
}

pub(super) async fn logs_apart<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, reader) = (lane("a")?, Key::of(["reader"])?);
    let [history, decisions] = Log::ALL.map(|log| engine.log(log));
    for log in Log::ALL {
        same("form", engine.log(log).lanes(), log.lanes())?;
    }
    history.append_records(&[record(&a, "1"), record(&a, "2"), record(&a, "3")], &[]).await?;
    same("untouched", decisions.bounds().await?, Bounds::new(1, 1))?;
    same("no lane", decisions.lane_end(&a).await?, None)?;
    // The same lane, the same id, and a cursor of the same name.
    same("decisions", decisions.append(&["1", "2", "3", "4"]).await?, 1..5)?;
    let first = [LaneEnd::new(a.clone(), None)];
    let done = decisions.append_records(&[record(&a, "2")], &first).await?;
    same("the lane", done, Appended::new(5..6))?;
    history.move_cursor(&reader, None, 3).await?;
    same("no cursor", decisions.cursor(&reader).await?, None)?;
    decisions.move_cursor(&reader, None, 1).await?;
    let kept = contents(engine, Log::Decisions, &a).await?;
    same("trimmed", history.trim(4).await?, 3)?;
    history.forget_lanes().await?;
    history.remove_cursor(&reader).await?;
    same("decisions stay", contents(engine, Log::Decisions, &a).await?, kept)?;
    same("history", history.append(&["4", "5"]).await?, 4..6)?;
    let kept = contents(engine, Log::History, &a).await?;
    let snapshot = record(&a, "snapshot");
    decisions.append_records(&[snapshot], &[LaneEnd::new(a.clone(), Some(5))]).await?;
    same("trimmed", decisions.trim(6).await?, 5)?;
    decisions.remove_cursor(&reader).await?;
    same("history stays", contents(engine, Log::History, &a).await?, kept)?;
    same("decision", contents(engine, Log::Decisions, &a).await?.0, Bounds::new(6, 7))
}

pub(super) async fn both_logs<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x) = (lane("a")?, Key::of(["x"])?);
    let nothing = engine.commit(&Commit::new()).await?;
    same(
        "nothing",
        (nothing.appended, nothing.decided),
        (Appended::new(1..1), Appended::new(1..1)),
    )?;
    let commit = |number: u64, expected: Option<u64>| {
        let id = number.to_string();
        Commit::new()
            .append(record(&a, &id))
            .append_to(Log::Decisions, record(&a, &id))
            .append_to(Log::Decisions, record(&a, &format!("{id} too")))
            .expecting_in(Log::Decisions, LaneEnd::new(a.clone(), expected))
    };
    let put = commit(1, None).put(x.clone(), *b"1", Expect::Absent);
    let done = engine.commit(&put).await?;
    same("positions", (done.appended, done.decided), (Appended::new(1..2), Appended::new(1..3)))?;
    let mut before = Vec::new();
    for log in Log::ALL {
        before.push(contents(engine, log, &a).await?);
    }
    let unchanged = async |what: &str| -> Result<(), Failure> {
        for (log, before) in Log::ALL.into_iter().zip(&before) {
            same(what, &contents(engine, log, &a).await?, before)?;
        }
        Ok(())
    };
    // Either log refuses, and a value.
    let result = engine.commit(&commit(2, Some(1))).await;
    refused("decisions", result, &moved(&a, Some(1), Some(2)))?;
    unchanged("by the decisions").await?;
    let late = commit(2, Some(2)).expecting(LaneEnd::new(a.clone(), None));
    refused("history", engine.commit(&late).await, &moved(&a, None, Some(1)))?;
    unchanged("by the history").await?;
    let twice = commit(2, Some(2)).append_to(Log::Decisions, record(&a, "1"));
    let taken = StorageError::DuplicateId { lane: a.clone(), id: "1".into(), found: Some(1) };
    refused("an id", engine.commit(&twice).await, &taken)?;
    unchanged("by an id").await?;
    let conflict = commit(2, Some(2)).put(x.clone(), *b"2", Expect::Absent);
    let code = engine.commit(&conflict).await.map_err(|error| error.code());
    same("a value", code.map(drop), Err("conflict"))?;
    unchanged("by a value").await?;
    // A commit whose outcome was not heard, repeated.
    for number in 2..20 {
        let commit = commit(number, Some(2 * number - 2));
        let _ = once(engine.commit(&commit)).await;
        let done = engine.commit(&commit).await?;
        same("history", done.appended.positions, number..number + 1)?;
        same("decisions", done.decided.positions, 2 * number - 1..2 * number + 1)?;
    }
    same("value", engine.get(&x).await?.map(|entry| entry.value.to_vec()), Some(b"1".to_vec()))
}

pub(super) async fn waits_of_logs<E: Engine>(engine: &E) -> Result<(), Failure> {
    let a = lane("a")?;
    // So that both logs are never as long.
    engine.log(Log::History).append(&["one more"]).await?;
    for (log, other) in [(Log::History, Log::Decisions), (Log::Decisions, Log::History)] {
        let journal = engine.log(log);
        let next = journal.bounds().await?.next;
        let step = async |number: u64| -> Result<bool, StorageError> {
            if number == 0 {
                return Ok(journal.wait(next).await? == next + 1);
            }
            // What comes in the other log ends no wait, and what comes in its own does.
            for (log, count) in [(other, 2), (log, 1)] {
                let mut commit = Commit::new();
                for position in (engine.log(log).bounds().await?.next..).take(count) {
                    commit = commit.append_to(log, record(&a, &position.to_string()));
                }
                engine.commit(&commit).await?;
            }
            Ok(true)
        };
        for result in together((0..2).map(step)).await {
            same("woken behind the position", result?, true)?;
        }
    }
    Ok(())
}

pub(super) async fn partitions<E: Engine>(engine: &E) -> Result<(), Failure> {
    for log in Log::ALL {
        let partitions = engine.partitions(log);
        same("the first one", partitions.first(), Some(&log.into()))?;
        for name in ["a", "b", "c", "d"] {
            let lane = lane(name)?;
            let partition = engine.partition_of(log, &lane);
            same("the same again", engine.partition_of(log, &lane), partition)?;
            same("one of them", partitions.contains(&partition), true)?;
            engine.commit(&Commit::new().append_to(log, record(&lane, "1"))).await?;
            let end = engine.journal(partition)?.lane_end(&lane).await?;
            same("its lane is there", end.is_some(), true)?;
        }
        let missing = Partition::new(log, u32::MAX);
        let result = engine.journal(missing).map(drop);
        refused("no such partition", result, &StorageError::NoPartition { partition: missing })?;
    }
    Ok(())
}
