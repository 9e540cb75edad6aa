//! What an [`Engine`] promises beside what its [`Store`] and its
//! [`Journal`]s do.

mod logs;

use super::journal::lanes::{lane, moved, record};
use super::{Failure, cases, once, same, together};
use crate::storage::{
    Appended, Bounds, Commit, Engine, Expect, Journal, Key, LaneEnd, Log, NewRecord, StorageError,
    StorageLimits, Store,
};
use logs::{both_logs, logs_apart, partitions, waits_of_logs};

cases! { Engine:
    commits "records and values of a commit are there, and told with their positions and revisions";
    conflict_appends_nothing "a value that is not as expected refuses the whole commit";
    moved_lane_puts_nothing "a lane that does not end where it is expected refuses the whole commit";
    duplicate_puts_nothing "an id that stands there already, not in the first place, refuses the whole commit";
    removals "a commit removes values, and heeds what is expected of them";
    repeated_commit "records that stand there already are left alone, and the values are tried";
    cut_commit "a commit whose outcome was not heard is there as a whole, or not at all";
    commit_limits "a commit over a limit, or with a key twice, is refused as a whole";
    commits_wake "a wait ends when a commit appends";
    one_committer "of committers that race from one state exactly one succeeds, as a whole";
    counting_together "records and values that are committed together stay in step, however committers race";
    logs_apart "each log counts its own positions, lanes, ids and cursors, and trimming one leaves the other alone";
    both_logs "records of a commit are in both logs, or in none";
    waits_of_logs "a wait ends by what is appended to its own log";
    partitions "a lane lies in one partition of a log, which is one of those that the log has";
}

#[track_caller]
fn refused<T: std::fmt::Debug>(
    what: &str,
    result: Result<T, StorageError>,
    expected: &StorageError,
) -> Result<(), Failure> {
    match result {
        Err(error) if error == *expected => Ok(()),
        other => Err(Failure::new(format!("{what}: {other:?}, expected {expected:?}"))),
    }
}

async fn value<E: Engine>(engine: &E, key: &Key) -> Result<Option<(String, u64)>, Failure> {
    Ok(engine
        .get(key)
        .await?
        .map(|entry| (String::from_utf8_lossy(&entry.value).into_owned(), entry.revision)))
}

/// Positions and values: what a refusal must leave alone.
async fn state<E: Engine>(engine: &E) -> Result<(Bounds, Vec<(String, u64)>), Failure> {
    let page = engine.scan(&crate::storage::StoreScan::new("")).await?;
    let values = page.entries.into_iter().map(|entry| (entry.key.to_string(), entry.revision));
    Ok((engine.log(Log::History).bounds().await?, values.collect()))
}

async fn commits<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x, y) = (lane("a")?, Key::of(["x"])?, Key::of(["y"])?);
    let nothing = engine.commit(&Commit::new()).await?;
    same("nothing", (nothing.appended, nothing.revisions.len()), (Appended::new(1..1), 0))?;
    let commit = Commit::new()
        .put(x.clone(), *b"1", Expect::Absent)
        .append(record(&a, "1"))
        .append(NewRecord::new(*b"of no lane"))
        .put(y.clone(), *b"2", Expect::Any)
        .expecting(LaneEnd::new(a.clone(), None));
    let done = engine.commit(&commit).await?;
    same("positions", done.appended, Appended::new(1..3))?;
    let &[first, second] = done.revisions.as_slice() else {
        return Err(Failure::new(format!("revisions of two puts: {:?}", done.revisions)));
    };
    if first >= second {
        return Err(Failure::new(format!("revision {second} after {first}")));
    }
    same("first value", value(engine, &x).await?, Some(("1".to_owned(), first)))?;
    same("second value", value(engine, &y).await?, Some(("2".to_owned(), second)))?;
    let records = engine.log(Log::History).read(1, 9).await?;
    let expected = [record(&a, "1").at(1), NewRecord::new(*b"of no lane").at(2)];
    same("records", records, expected)?;
    same("lane", engine.log(Log::History).lane_end(&a).await?, Some(1))?;
    // Either part alone is a commit, too.
    let done = engine.commit(&Commit::new().append(record(&a, "2"))).await?;
    same("records alone", done.appended, Appended::new(3..4))?;
    let put = Commit::new().put(x, *b"3", Expect::Revision(first));
    let done = engine.commit(&put).await?;
    same("values alone", done.appended, Appended::new(4..4))?;
    if done.revisions.as_slice() <= &[second] {
        return Err(Failure::new(format!("revisions {:?} after {second}", done.revisions)));
    }
    // The parts go on from what a commit left.
    same("append", engine.log(Log::History).append(&["x"]).await?, 4..5)?;
    let next = engine.put(&y, b"4", Expect::Revision(second)).await?;
    if [next].as_slice() <= done.revisions.as_slice() {
        return Err(Failure::new(format!("revision {next} after {:?}", done.revisions)));
    }
    Ok(())
}

async fn conflict_appends_nothing<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x, y) = (lane("a")?, Key::of(["x"])?, Key::of(["y"])?);
    let revision = engine.put(&x, b"1", Expect::Any).await?;
    let before = state(engine).await?;
    for expected in [Expect::Absent, Expect::Revision(revision + 1)] {
        // The last of all is what is refused.
        let commit = Commit::new()
            .append(record(&a, "1"))
            .expecting(LaneEnd::new(a.clone(), None))
            .put(y.clone(), *b"2", Expect::Absent)
            .put(x.clone(), *b"2", expected);
        let found = Some(revision);
        let conflict = StorageError::Conflict { key: x.clone(), expected, found };
        refused("commit", engine.commit(&commit).await, &conflict)?;
        same("state", state(engine).await?, before.clone())?;
        same("lane", engine.log(Log::History).lane_end(&a).await?, None)?;
    }
    // Nothing is left of the id either.
    let done = engine.log(Log::History).append_records(&[record(&a, "1")], &[]).await?;
    same("append", done, Appended::new(1..2))
}

async fn moved_lane_puts_nothing<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, b, x) = (lane("a")?, lane("b")?, Key::of(["x"])?);
    engine.log(Log::History).append_records(&[record(&a, "1"), record(&b, "1")], &[]).await?;
    let before = state(engine).await?;
    for (expected, found) in [(None, Some(2)), (Some(1), Some(2))] {
        let commit = Commit::new()
            .put(x.clone(), *b"1", Expect::Absent)
            .append(record(&a, "2"))
            .append(record(&b, "2"))
            .expecting(LaneEnd::new(a.clone(), Some(1)))
            .expecting(LaneEnd::new(b.clone(), expected));
        refused("commit", engine.commit(&commit).await, &moved(&b, expected, found))?;
        same("state", state(engine).await?, before.clone())?;
    }
    // Without records a lane guards the values.
    let guarded = Commit::new().put(x, *b"1", Expect::Any).expecting(LaneEnd::new(a.clone(), None));
    refused("guard", engine.commit(&guarded).await, &moved(&a, None, Some(1)))?;
    same("state", state(engine).await?, before)
}

async fn duplicate_puts_nothing<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x) = (lane("a")?, Key::of(["x"])?);
    engine.log(Log::History).append_records(&[record(&a, "1")], &[]).await?;
    let before = state(engine).await?;
    let commit =
        Commit::new().append(record(&a, "2")).append(record(&a, "1")).put(x, *b"1", Expect::Absent);
    let taken = StorageError::DuplicateId { lane: a.clone(), id: "1".into(), found: Some(1) };
    refused("commit", engine.commit(&commit).await, &taken)?;
    same("state", state(engine).await?, before)?;
    same("lane", engine.log(Log::History).lane_end(&a).await?, Some(1))
}

async fn removals<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x, y) = (lane("a")?, Key::of(["x"])?, Key::of(["y"])?);
    let revision = engine.put(&x, b"1", Expect::Any).await?;
    let commit = |expect| {
        Commit::new().delete(x.clone(), expect).append(record(&a, "1")).put(
            y.clone(),
            *b"2",
            Expect::Absent,
        )
    };
    let (expected, found) = (Expect::Revision(revision + 7), Some(revision));
    let conflict = StorageError::Conflict { key: x.clone(), expected, found };
    refused("stale", engine.commit(&commit(expected)).await, &conflict)?;
    same("kept", value(engine, &x).await?, Some(("1".to_owned(), revision)))?;
    let done = engine.commit(&commit(Expect::Revision(revision))).await?;
    same("revisions", done.revisions.len(), 2)?;
    same("gone", value(engine, &x).await?, None)?;
    same("put", value(engine, &y).await?, Some(("2".to_owned(), done.revisions[1])))?;
    // Removing what is not there is no error, as in a store.
    let absent = Commit::new().delete(x.clone(), Expect::Absent);
    engine.commit(&absent).await?;
    let conflict = StorageError::Conflict { key: x.clone(), expected, found: None };
    let none = Commit::new().delete(x, expected);
    refused("nothing there", engine.commit(&none).await, &conflict)
}

async fn repeated_commit<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x, y) = (lane("a")?, Key::of(["x"])?, Key::of(["y"])?);
    let expected = LaneEnd::new(a.clone(), None);
    let records = Commit::new().append(record(&a, "1")).append(record(&a, "2")).expecting(expected);
    let first = records.clone().put(x.clone(), *b"1", Expect::Absent);
    let revision = engine.commit(&first).await?.revisions;
    let before = state(engine).await?;
    // The same commit: its put tells that it is there.
    let found = revision.first().copied();
    let conflict = StorageError::Conflict { key: x.clone(), expected: Expect::Absent, found };
    refused("again", engine.commit(&first).await, &conflict)?;
    same("state", state(engine).await?, before)?;
    // Other values with the records that stand there.
    let other = records.put(y.clone(), *b"2", Expect::Absent);
    let done = engine.commit(&other).await?;
    same("repeated", done.appended, Appended::repeated(1, 2))?;
    same("value", value(engine, &y).await?, Some(("2".to_owned(), done.revisions[0])))?;
    same("bounds", engine.log(Log::History).bounds().await?, Bounds::new(1, 3))
}

async fn cut_commit<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x) = (lane("a")?, Key::of(["x"])?);
    let mut before = None;
    for round in 0..20_u64 {
        let last = (round > 0).then_some(round);
        let expect = before.map_or(Expect::Absent, Expect::Revision);
        let commit = Commit::new()
            .append(record(&a, &round.to_string()))
            .expecting(LaneEnd::new(a.clone(), last))
            .put(x.clone(), round.to_string().into_bytes(), expect);
        let _ = once(engine.commit(&commit)).await;
        match engine.commit(&commit).await {
            // It was not done, or the records stand there and the value does not, which would be half.
            Ok(done) => same("not repeated", done.appended.repeated, false)?,
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let (text, revision) = value(engine, &x).await?.unwrap_or_default();
        same("value", text, round.to_string())?;
        same("lane", engine.log(Log::History).lane_end(&a).await?, Some(round + 1))?;
        before = Some(revision);
    }
    same("bounds", engine.log(Log::History).bounds().await?, Bounds::new(1, 21))
}

async fn commit_limits<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x, y) = (lane("a")?, Key::of(["x"])?, Key::of(["y"])?);
    let (values, records): (StorageLimits, StorageLimits) =
        (Store::limits(engine), engine.log(Log::History).limits());
    let large = Commit::new().append(record(&a, "1")).put(
        x.clone(),
        vec![0; values.value_bytes + 1],
        Expect::Any,
    );
    let long = Commit::new().put(x.clone(), *b"1", Expect::Any).append(NewRecord::new(vec![
        0;
        records.value_bytes
            + 1
    ]));
    let mut many = Commit::new().put(x.clone(), *b"1", Expect::Any);
    many.history.records = vec![NewRecord::new(*b""); records.batch_records + 1];
    let mut all = Commit::new().append(record(&a, "1"));
    for number in 0..=values.batch_records {
        all = all.delete(Key::of(["key", &number.to_string()])?, Expect::Any);
    }
    for (what, commit) in [("value", large), ("record", long), ("batch", many), ("keys", all)] {
        let result = engine.commit(&commit).await;
        same(what, result.map_err(|error| error.code()), Err("too-large"))?;
    }
    let twice = Commit::new()
        .append(record(&a, "1"))
        .put(x.clone(), *b"1", Expect::Absent)
        .put(y, *b"1", Expect::Absent)
        .delete(x.clone(), Expect::Any);
    refused("twice", engine.commit(&twice).await, &StorageError::DuplicateKey { key: x })?;
    same("state", state(engine).await?, (Bounds::new(1, 1), Vec::new()))
}

async fn commits_wake<E: Engine>(engine: &E) -> Result<(), Failure> {
    let a = lane("a")?;
    let step = async |number: u64| -> Result<bool, StorageError> {
        match number {
            0 => Ok(engine.log(Log::History).wait(1).await? > 1),
            _ => {
                Ok(!engine.commit(&Commit::new().append(record(&a, "1"))).await?.appended.repeated)
            }
        }
    };
    for result in together((0..2).map(step)).await {
        same("woken behind the position", result?, true)?;
    }
    Ok(())
}

async fn one_committer<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x) = (lane("a")?, Key::of(["x"])?);
    let start = engine.put(&x, b"start", Expect::Any).await?;
    let commits: Vec<Commit> = (0..12)
        .map(|who: u32| {
            let text = who.to_string();
            let commit = Commit::new().append(record(&a, &text));
            // Half of them are decided by the value alone, half by the lane as well.
            let commit = match who % 2 {
                0 => commit,
                _ => commit.expecting(LaneEnd::new(a.clone(), None)),
            };
            commit.put(x.clone(), text.into_bytes(), Expect::Revision(start))
        })
        .collect();
    let results = together(commits.iter().map(|commit| engine.commit(commit))).await;
    let won: Vec<usize> =
        results.iter().enumerate().filter_map(|(who, done)| done.is_ok().then_some(who)).collect();
    let &[who] = won.as_slice() else {
        return Err(Failure::new(format!("{} committers succeeded", won.len())));
    };
    same("bounds", engine.log(Log::History).bounds().await?, Bounds::new(1, 2))?;
    let records = engine.log(Log::History).read(1, 9).await?;
    same("record", records, [record(&a, &who.to_string()).at(1)])?;
    same("value", value(engine, &x).await?.map(|(text, _)| text), Some(who.to_string()))
}

async fn counting_together<E: Engine>(engine: &E) -> Result<(), Failure> {
    let (a, x) = (lane("a")?, Key::of(["count"])?);
    let count = async |who: u32| -> Result<(), Failure> {
        let mut done = 0;
        while done < 8 {
            let found = value(engine, &x).await?;
            let (number, expect) = found.map_or((0, Expect::Absent), |(text, revision)| {
                (text.parse::<u64>().unwrap_or(0), Expect::Revision(revision))
            });
            let record = record(&a, &format!("{who} {done}"));
            let next = (number + 1).to_string().into_bytes();
            let commit = Commit::new().append(record).put(x.clone(), next, expect);
            match engine.commit(&commit).await {
                Ok(told) => {
                    // The value counts the records: the one that it was committed with is its own.
                    same("position", told.appended, Appended::new(number + 1..number + 2))?;
                    done += 1;
                }
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    };
    together((0..6).map(count)).await.into_iter().collect::<Result<(), Failure>>()?;
    same("count", value(engine, &x).await?.map(|(text, _)| text), Some("48".to_owned()))?;
    same("bounds", engine.log(Log::History).bounds().await?, Bounds::new(1, 49))
}
