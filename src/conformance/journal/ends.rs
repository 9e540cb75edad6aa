//! What becomes of lanes when their records are trimmed.

use super::super::{Failure, same};
use super::lanes::{end, lane, moved, record};
use super::{ends_lanes, refused};
use crate::storage::{Appended, Bounds, Journal, Key, NewRecord, StorageError};

fn ended(lane: &Key, last: u64) -> StorageError {
    StorageError::LaneEnded { lane: lane.clone(), last }
}

/// Two records of a lane and one of another, and what it takes to trim them. Returns where the first lane
/// ends now.
async fn trimmed<J: Journal>(journal: &J, a: &Key) -> Result<u64, Failure> {
    let b = lane("b")?;
    let batch = [record(a, "1"), record(&b, "1"), record(a, "2")];
    journal.append_records(&batch, &[]).await?;
    if !ends_lanes(journal) {
        journal.trim(4).await?;
        return Ok(3);
    }
    let snapshots = [record(a, "snapshot"), record(&b, "snapshot").ending_its_lane()];
    journal.append_records(&snapshots, &[end(a, Some(3)), end(&b, Some(2))]).await?;
    journal.trim(4).await?;
    Ok(4)
}

pub(super) async fn trimmed_lanes<J: Journal>(journal: &J) -> Result<(), Failure> {
    let a = lane("a")?;
    let last = trimmed(journal, &a).await?;
    let bounds = journal.bounds().await?;
    same("first", bounds.first, 4)?;
    same("its end", journal.lane_end(&a).await?, Some(last))?;
    let none = journal.append_records(&[record(&a, "3")], &[end(&a, None)]).await;
    refused("none", none, moved(&a, None, Some(last)))?;
    let done = journal.append_records(&[record(&a, "3")], &[end(&a, Some(last))]).await?;
    same("its true end", done, Appended::new(bounds.next..bounds.next + 1))?;
    same("moved", journal.lane_end(&a).await?, Some(bounds.next))
}

pub(super) async fn stale_writers<J: Journal>(journal: &J) -> Result<(), Failure> {
    let a = lane("a")?;
    let last = trimmed(journal, &a).await?;
    // Another writer decides meanwhile; the stale one knows what was trimmed.
    journal.append_records(&[record(&a, "other")], &[end(&a, Some(last))]).await?;
    let bounds = journal.bounds().await?;
    for known in [1, 3, last] {
        let stale = journal.append_records(&[record(&a, "stale")], &[end(&a, Some(known))]).await;
        refused("stale", stale, moved(&a, Some(known), Some(bounds.next - 1)))?;
    }
    same("nothing was appended", journal.bounds().await?, bounds)
}

pub(super) async fn lanes_cannot_end<J: Journal>(journal: &J) -> Result<(), Failure> {
    let a = lane("a")?;
    let batch = [record(&a, "1"), record(&a, "2").ending_its_lane()];
    let result = journal.append_records(&batch, &[]).await;
    refused("an end", result, StorageError::LaneCannotEnd { lane: a.clone() })?;
    same("bounds", journal.bounds().await?, Bounds::new(1, 1))?;
    // Of no lane, it ends none.
    let free = NewRecord::new(*b"x").ending_its_lane();
    same("free", journal.append_records(&[free], &[]).await?, Appended::new(1..2))?;
    same("lane", journal.append_records(&[record(&a, "1")], &[]).await?, Appended::new(2..3))
}

pub(super) async fn snapshots_before_trims<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b, c) = (lane("a")?, lane("b")?, lane("c")?);
    let batch = [record(&b, "1"), record(&a, "1"), NewRecord::new(*b"of no lane"), record(&c, "1")];
    journal.append_records(&batch, &[]).await?;
    journal.append_records(&[record(&c, "2")], &[end(&c, Some(4))]).await?;
    let open = |lanes, more| StorageError::LanesOpen { before: 5, lanes, more };
    let both = vec![end(&a, Some(2)), end(&b, Some(1))];
    refused("two lanes", journal.trim(5).await, open(both, 0))?;
    same("nothing went", journal.bounds().await?, Bounds::new(1, 6))?;
    same("nothing went", journal.read(1, 9).await?.len(), 5)?;
    // What would lose no last record goes.
    same("a part", journal.trim(1).await?, 0)?;
    journal.append_records(&[record(&b, "snapshot")], &[end(&b, Some(1))]).await?;
    refused("one lane", journal.trim(5).await, open(vec![end(&a, Some(2))], 0))?;
    same("before it", journal.trim(2).await?, 1)?;
    journal.append_records(&[record(&a, "snapshot")], &[end(&a, Some(2))]).await?;
    same("none", journal.trim(5).await?, 3)?;
    same("bounds", journal.bounds().await?, Bounds::new(5, 8))?;
    for (lane, last) in [(&a, 7), (&b, 6), (&c, 5)] {
        same("end", journal.lane_end(lane).await?, Some(last))?;
    }
    same("nothing is forgotten", journal.forget_lanes().await?, 0)
}

pub(super) async fn lanes_end<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    let last = record(&a, "2").ending_its_lane();
    let inside = [record(&a, "1"), last.clone(), record(&a, "3")];
    refused("inside a batch", journal.append_records(&inside, &[]).await, ended(&a, 2))?;
    same("refusals append nothing", journal.bounds().await?, Bounds::new(1, 1))?;
    let batch = [record(&a, "1"), last.clone(), record(&b, "1")];
    let expected = [end(&a, None)];
    same("ended", journal.append_records(&batch, &expected).await?, Appended::new(1..4))?;
    same("read", journal.read(2, 1).await?, [last.at(2)])?;
    same("end", journal.lane_end(&a).await?, Some(2))?;
    // The writer of the end did not hear of it.
    let again = journal.append_records(&batch, &expected).await?;
    same("repeated", again, Appended::repeated(1, 3))?;
    for (expected, what) in
        [(vec![], "none"), (vec![end(&a, Some(2))], "true"), (vec![end(&a, None)], "no")]
    {
        let late = journal.append_records(&[record(&b, "2"), record(&a, "3")], &expected).await;
        refused(what, late, ended(&a, 2))?;
    }
    same("refusals append nothing", journal.bounds().await?, Bounds::new(1, 4))?;
    // What expects its end and appends elsewhere is welcome.
    let done = journal.append_records(&[record(&b, "2")], &[end(&a, Some(2))]).await?;
    same("elsewhere", done, Appended::new(4..5))?;
    same("trimmed whole", journal.trim(4).await?, 3)
}

pub(super) async fn reborn_lanes<J: Journal>(journal: &J) -> Result<(), Failure> {
    let (a, b) = (lane("a")?, lane("b")?);
    let batch = [record(&a, "1"), record(&a, "2").ending_its_lane(), record(&b, "1")];
    journal.append_records(&batch, &[]).await?;
    same("trimmed", journal.trim(3).await?, 2)?;
    same("forgotten", journal.forget_lanes().await?, 0)?;
    same("its end is known", journal.lane_end(&a).await?, Some(2))?;
    for (expected, what) in
        [(vec![], "none"), (vec![end(&a, None)], "no"), (vec![end(&a, Some(2))], "true")]
    {
        // The id of before, and another one.
        for id in ["1", "new"] {
            let reborn = journal.append_records(&[record(&a, id)], &expected).await;
            refused(what, reborn, ended(&a, 2))?;
        }
    }
    same("nothing was appended", journal.bounds().await?, Bounds::new(3, 4))?;
    let done = journal.append_records(&[record(&b, "2")], &[end(&b, Some(3))]).await?;
    same("the other lane", done, Appended::new(4..5))
}
