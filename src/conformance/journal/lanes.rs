//! Lanes and ids of records.

use super::super::{Failure, once, same, together};
use super::refused;
use crate::storage::{Appended, Bounds, Journal, Key, LaneEnd, NewRecord, StorageError};

pub(in super::super) fn lane(name: &str) -> Result<Key, Failure> {
    Ok(Key::of(["lane", name])?)
}

/// A record whose bytes are its id.
pub(in super::super) fn record(lane: &Key, id: &str) -> NewRecord {
    NewRecord::new(id.as_bytes()).in_lane(lane.clone()).with_id(id)
}

pub(super) fn end(lane: &Key, last: Option<u64>) -> LaneEnd {
    LaneEnd::new(lane.clone(), last)
}

pub(in super::super) fn moved(
    lane: &Key,
    expected: Option<u64>,
    found: Option<u64>,
) -> StorageError {
    StorageError::LaneMoved { lane: lane.clone(), expected, found }
}

fn taken(lane: &Key, id: &str, found: Option<u64>) -> StorageError {
    StorageError::DuplicateId { lane: lane.clone(), id: id.into(), found }
}

/// The ids in the order of their positions, none for records without.
async fn ids<J: Journal>(journal: &J) -> Result<Vec<Option<String>>, Failure> {
    let first = journal.bounds().await?.first;
    let records = journal.read(first, usize::MAX).await?;
    Ok(records.into_iter().map(|record| record.id.map(|id| id.to_string())).collect())
}

fn some(ids: &[&str]) -> Vec<Option<String>> {
    ids.iter().map(|id| Some((*id).to_owned())).collect()
}

pub(super) async fn names<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    let odd = "\u{0} é\n'\"%\u{10ffff}";
    let batch = [
        record(&a, odd).with_subject(odd),
        NewRecord::new(*b"no id").in_lane(b.clone()),
        NewRecord::new(*b"no lane").with_id("m1").with_subject(""),
        NewRecord::new(*b""),
        record(&b, "").with_subject("s".repeat(500)),
    ];
    let done = journal.append_records(&batch, &[]).await?;
    same("appended", done, Appended::new(1..6))?;
    for (position, expected) in (1..).zip(batch) {
        let found = journal.read(position, 1).await?;
        same("record", found, [expected.at(position)])?;
    }
    Ok(())
}

pub(super) async fn lanes_expected<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    same("unknown lane", journal.lane_end(&a).await?, None)?;
    let early = journal.append_records(&[record(&a, "1")], &[end(&a, Some(1))]).await;
    refused("a lane without records", early, moved(&a, Some(1), None))?;
    let first = journal.append_records(&[record(&a, "1")], &[end(&a, None)]).await?;
    same("first", first, Appended::new(1..2))?;
    journal.append(&["of no lane"]).await?;
    journal.append_records(&[record(&b, "1")], &[end(&b, None)]).await?;
    // The lane's own last record counts, not the journal's.
    for (expected, what) in [(None, "none"), (Some(2), "of no lane"), (Some(3), "of another")] {
        let late = journal.append_records(&[record(&a, "2")], &[end(&a, expected)]).await;
        refused(what, late, moved(&a, expected, Some(1)))?;
    }
    same("refusals append nothing", journal.bounds().await?, Bounds::new(1, 4))?;
    let batch = [record(&a, "2"), record(&a, "3")];
    let done = journal.append_records(&batch, &[end(&a, Some(1))]).await?;
    same("as expected", done, Appended::new(4..6))?;
    same("end", journal.lane_end(&a).await?, Some(5))?;
    same("end of the other", journal.lane_end(&b).await?, Some(3))?;
    // Who expects nothing is not asked.
    journal.append_records(&[record(&a, "4")], &[]).await?;
    same("end", journal.lane_end(&a).await?, Some(6))?;
    // A lane may be expected that the batch has no record of, and there may be no record at all.
    let guard = journal.append_records(&[record(&b, "2")], &[end(&a, Some(5))]).await;
    refused("a guard", guard, moved(&a, Some(5), Some(6)))?;
    let guard = journal.append_records(&[], &[end(&a, Some(5))]).await;
    refused("a guard of nothing", guard, moved(&a, Some(5), Some(6)))?;
    let done = journal.append_records(&[], &[end(&a, Some(6))]).await?;
    same("nothing", done, Appended::new(7..7))
}

pub(super) async fn lanes_of_a_batch<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    journal.append_records(&[record(&a, "1"), record(&b, "1")], &[]).await?;
    let batch = [record(&b, "2"), record(&a, "2"), record(&b, "3")];
    // The second expectation fails; then one that would hold only inside the batch.
    let first_only = [end(&a, Some(1)), end(&b, None)];
    let result = journal.append_records(&batch, &first_only).await;
    refused("one of two", result, moved(&b, None, Some(2)))?;
    let inside = [end(&a, Some(1)), end(&b, Some(3))];
    let result = journal.append_records(&batch, &inside).await;
    refused("inside the batch", result, moved(&b, Some(3), Some(2)))?;
    same("refusals append nothing", journal.bounds().await?, Bounds::new(1, 3))?;
    let both = [end(&a, Some(1)), end(&b, Some(2))];
    same("both", journal.append_records(&batch, &both).await?, Appended::new(3..6))?;
    let ends = (journal.lane_end(&a).await?, journal.lane_end(&b).await?);
    same("ends", ends, (Some(4), Some(5)))
}

pub(super) async fn repeats<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    let other = |text: &str| NewRecord::new(text.as_bytes());
    let batch = [record(&a, "1"), other("between"), record(&b, "1"), record(&a, "2")];
    let expected = [end(&a, None), end(&b, None)];
    journal.append(&["before"]).await?;
    same("first", journal.append_records(&batch, &expected).await?, Appended::new(2..6))?;
    let again = Appended::repeated(2, 4);
    same("at once", journal.append_records(&batch, &expected).await?, again.clone())?;
    // What others append since does not make it another batch.
    journal.append_records(&[record(&a, "3"), record(&b, "2")], &[end(&a, Some(5))]).await?;
    same("later", journal.append_records(&batch, &expected).await?, again.clone())?;
    same("without expectation", journal.append_records(&batch, &[]).await?, again)?;
    let expected = [end(&a, Some(6))];
    let last = journal.append_records(&[record(&a, "3")], &expected).await?;
    same("as if it were new", last, Appended::repeated(6, 1))?;
    same("nothing was appended", journal.bounds().await?, Bounds::new(1, 8))?;
    same("end", journal.lane_end(&a).await?, Some(6))
}

pub(super) async fn cut_short<J: Journal>(journal: &J) -> Result<(), Failure> {
    let a = lane("a")?;
    let mut last = None;
    let mut all = Vec::new();
    for round in 0..20 {
        let batch = [record(&a, &format!("{round} 0")), record(&a, &format!("{round} 1"))];
        let expected = [end(&a, last)];
        // The writer does not learn what came of it: the append may be done, or not, or be done later.
        let _ = once(journal.append_records(&batch, &expected)).await;
        let done = journal.append_records(&batch, &expected).await?;
        all.extend(batch.iter().map(|record| record.id.as_ref().map(ToString::to_string)));
        let next = all.len() as u64 + 1;
        same("positions", done.positions, next - 2..next)?;
        last = Some(next - 1);
    }
    same("each once", ids(journal).await?, all)
}

pub(super) async fn ids_stand_once<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    journal.append_records(&[record(&a, "1"), record(&a, "2")], &[]).await?;
    let twice = [record(&a, "3"), record(&b, "3"), record(&a, "3")];
    let result = journal.append_records(&twice, &[]).await;
    refused("twice in a batch", result, taken(&a, "3", None))?;
    let inner = [record(&a, "3"), record(&a, "2")];
    let result = journal.append_records(&inner, &[]).await;
    refused("not the first", result, taken(&a, "2", Some(2)))?;
    // It begins like the batch that is there, and is another one.
    for other in [[record(&a, "1"), record(&a, "3")], [record(&a, "2"), record(&a, "1")]] {
        let first = other[0].id.clone().unwrap_or_default();
        let position = first.parse().ok();
        let result = journal.append_records(&other, &[]).await;
        refused("another batch", result, taken(&a, &first, position))?;
    }
    let longer = [record(&a, "2"), NewRecord::new(*b"never there")];
    let result = journal.append_records(&longer, &[]).await;
    refused("a longer batch", result, taken(&a, "2", Some(2)))?;
    same("refusals append nothing", journal.bounds().await?, Bounds::new(1, 3))?;
    same("nor move a lane", journal.lane_end(&a).await?, Some(2))?;
    same(
        "other lane",
        journal.append_records(&[record(&b, "1")], &[]).await?,
        Appended::new(3..4),
    )?;
    // Without a lane an id tells nothing.
    let free = [NewRecord::new(*b"x").with_id("1"), NewRecord::new(*b"y").with_id("1")];
    same("no lane", journal.append_records(&free, &[]).await?, Appended::new(4..6))?;
    same("no lane", journal.append_records(&free, &[]).await?, Appended::new(6..8))
}

pub(super) async fn one_appender<J: Journal>(journal: &J) -> Result<(), Failure> {
    let a = lane("a")?;
    journal.append_records(&[record(&a, "start")], &[]).await?;
    let expected = [end(&a, Some(1))];
    let batches: Vec<[NewRecord; 1]> = (0..12).map(|id| [record(&a, &id.to_string())]).collect();
    let appends = batches.iter().map(|batch| journal.append_records(batch, &expected));
    let (won, lost): (Vec<_>, Vec<_>) =
        together(appends).await.into_iter().partition(Result::is_ok);
    same("winners", won.len(), 1)?;
    for result in lost {
        refused("loser", result, moved(&a, Some(1), Some(2)))?;
    }
    // Each of many reads where the lane ends, appends, and tries again when it was too late.
    let b = lane("b")?;
    let append = async |who: u32| -> Result<(), Failure> {
        for round in 0..5 {
            loop {
                let expected = [end(&b, journal.lane_end(&b).await?)];
                let batch = [record(&b, &format!("{who} {round}"))];
                match journal.append_records(&batch, &expected).await {
                    Ok(_) => break,
                    Err(StorageError::LaneMoved { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    };
    together((0..6).map(append)).await.into_iter().collect::<Result<(), Failure>>()?;
    same("records", journal.bounds().await?, Bounds::new(1, 33))
}

pub(super) async fn lanes_outlive_trims<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    let batch = [record(&a, "1"), record(&a, "2"), record(&b, "1"), record(&b, "2")];
    journal.append_records(&batch, &[]).await?;
    journal.trim(4).await?;
    let ends = (journal.lane_end(&a).await?, journal.lane_end(&b).await?);
    same("ends", ends, (Some(2), Some(4)))?;
    for expected in [None, Some(1)] {
        let reborn = journal.append_records(&[record(&a, "3")], &[end(&a, expected)]).await;
        refused("a trimmed lane", reborn, moved(&a, expected, Some(2)))?;
    }
    let done = journal.append_records(&[record(&a, "3")], &[end(&a, Some(2))]).await?;
    same("its true end", done, Appended::new(5..6))?;
    journal.trim(6).await?;
    let ends = (journal.lane_end(&a).await?, journal.lane_end(&b).await?);
    same("ends of an empty journal", ends, (Some(5), Some(4)))
}

pub(super) async fn lanes_forgotten<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b, c) = (lane("a")?, lane("b")?, lane("c")?);
    same("nothing to forget", journal.forget_lanes().await?, 0)?;
    journal.append_records(&[record(&a, "1"), record(&b, "1"), record(&c, "1")], &[]).await?;
    journal.append_records(&[record(&b, "2")], &[]).await?;
    same("all have records", journal.forget_lanes().await?, 0)?;
    journal.trim(4).await?;
    same("forgotten", journal.forget_lanes().await?, 2)?;
    same("again", journal.forget_lanes().await?, 0)?;
    let mut ends = Vec::new();
    for lane in [&a, &b, &c] {
        ends.push(journal.lane_end(lane).await?);
    }
    same("ends", ends, [None, Some(4), None])?;
    let stale = journal.append_records(&[record(&a, "2")], &[end(&a, Some(1))]).await;
    refused("its old end", stale, moved(&a, Some(1), None))?;
    let done = journal.append_records(&[record(&a, "2")], &[end(&a, None)]).await?;
    same("anew", done, Appended::new(5..6))
}

pub(super) async fn ids_forgotten<J: Journal>(journal: &J) -> Result<(), Failure> {
    let a = lane("a")?;
    journal.append_records(&[record(&a, "1"), record(&a, "2")], &[]).await?;
    journal.trim(2).await?;
    let kept = journal.append_records(&[record(&a, "2")], &[]).await?;
    same("kept", kept, Appended::repeated(2, 1))?;
    // What was trimmed is not known any more: what the writer expects of the lane tells it.
    let expected = [end(&a, None)];
    let stale = journal.append_records(&[record(&a, "1")], &expected).await;
    refused("trimmed, with expectation", stale, moved(&a, None, Some(2)))?;
    let again = journal.append_records(&[record(&a, "1")], &[]).await?;
    same("trimmed, without", again, Appended::new(3..4))?;
    same("ids", ids(journal).await?, some(&["2", "1"]))
}

pub(super) async fn batches_with_names<J: Journal>(journal: &J) -> Result<(), Failure> {
    let limits = journal.limits();
    let a = lane("a")?;
    let length = limits.value_bytes - a.as_str().len() - 2;
    // Names are bytes of the record as well: they have to be kept, too.
    let fits = NewRecord::new(vec![0; length]).in_lane(a.clone()).with_id("i").with_subject("s");
    let long = fits.clone().with_subject("ss");
    let result = journal.append_records(&[record(&a, "1"), long], &[]).await;
    same("record", result.map_err(|error| error.code()), Err("too-large"))?;
    same("bounds", journal.bounds().await?, Bounds::new(1, 1))?;
    same("lane", journal.lane_end(&a).await?, None)?;
    let done = journal.append_records(&[fits], &[end(&a, None)]).await?;
    same("at the limit", done, Appended::new(1..2))
}
