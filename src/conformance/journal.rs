//! What a [`Journal`] promises.

mod ends;
pub(super) mod lanes;

use super::{Failure, cases, once, same, together};
use crate::storage::{Bounds, Cursor, Journal, Key, LaneForm, StorageError};
use ends::{
    lanes_cannot_end, lanes_end, reborn_lanes, snapshots_before_trims, stale_writers, trimmed_lanes,
};
use lanes::{
    batches_with_names, cut_short, ids_forgotten, ids_stand_once, lanes_expected, lanes_forgotten,
    lanes_of_a_batch, lanes_outlive_trims, names, one_appender, repeats,
};

cases! { Journal:
    empty "an empty journal spans nothing, and its first record gets position 1";
    positions "positions follow each other without a gap, and an empty batch takes none";
    reading "records come in order, from any position, as many as asked for";
    bytes "bytes are read as they were written, any bytes, none and many";
    whole_batches "a batch over a limit is refused as a whole";
    trimming "what is trimmed is an error when read, and its positions are never given again";
    trimming_within_bounds "only what is there can be trimmed";
    cursors_move "a cursor moves only from where it is expected";
    cursors_stay_inside "a cursor cannot be moved out of the journal, and trimming leaves it alone";
    cursors_listed "cursors are listed by name and can be removed";
    waiting_for_the_past "waiting for a record that is there ends at once";
    waiting_for_the_future "waiting ends when the record is appended";
    waiting_given_up "a wait that is dropped disturbs no other";
    names "lane, id and subject of a record are read as they were written";
    batches_with_names "names count among the bytes that a limit bounds";
    lanes_expected "a batch is appended only if its lanes end where the writer expects";
    lanes_of_a_batch "every lane of a batch has to be as expected, before the batch";
    repeats "a batch that stands there already is not appended again, and gets its positions";
    cut_short "an append whose outcome was not heard may be repeated, and is there once";
    ids_stand_once "a batch with an id that another record of its lane has is refused as a whole";
    one_appender "of writers that race for a lane exactly one succeeds";
    trimmed_lanes "after a trim a lane takes what expects its true last position, and refuses what expects none";
    stale_writers "a writer that knows a lane from before a trim is refused";
    lanes_outlive_trims if forgets_lanes "the end of a lane is known when its records are trimmed";
    lanes_forgotten if forgets_lanes "a lane that is forgotten begins anew, and only one without records is";
    lanes_cannot_end if forgets_lanes "a record that ends its lane is refused where lanes are forgotten";
    snapshots_before_trims if ends_lanes "a trim is refused while an open lane would lose its last record";
    lanes_end if ends_lanes "behind the record that ends a lane none is appended, and it may be trimmed whole";
    reborn_lanes if ends_lanes "a lane that ended is never opened again";
    ids_forgotten "an id is forgotten with its record";
    appending_together "batches of many appenders do not mix, and no position is lost";
}

fn forgets_lanes<J: Journal>(journal: &J) -> bool {
    journal.lanes() == LaneForm::Forgotten
}

fn ends_lanes<J: Journal>(journal: &J) -> bool {
    journal.lanes() == LaneForm::Ended
}

#[allow(clippy::needless_pass_by_value, reason = "the callers' lines stay short")]
#[track_caller]
fn refused<T: std::fmt::Debug>(
    what: &str,
    result: Result<T, StorageError>,
    expected: StorageError,
) -> Result<(), Failure> {
    match result {
        Err(error) if error == expected => Ok(()),
        other => Err(Failure::new(format!("{what}: {other:?}, expected {expected:?}"))),
    }
}

async fn texts<J: Journal>(
    journal: &J,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, String)>, Failure> {
    let records = journal.read(from, limit).await?;
    Ok(records
        .into_iter()
        .map(|record| (record.position, String::from_utf8_lossy(&record.data).into_owned()))
        .collect())
}

async fn append_numbers<J: Journal>(journal: &J, count: u32) -> Result<(), Failure> {
    let numbers: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
    journal.append(&numbers).await.map(drop).map_err(Failure::from)
}

async fn empty<J: Journal>(journal: &J) -> Result<(), Failure> {
    same("bounds", journal.bounds().await?, Bounds::new(1, 1))?;
    for from in [0, 1, 2, 9] {
        same("read", journal.read(from, 10).await?.len(), 0)?;
    }
    same("append", journal.append(&["a"]).await?, 1..2)
}

async fn positions<J: Journal>(journal: &J) -> Result<(), Failure> {
    same("one", journal.append(&["a"]).await?, 1..2)?;
    same("three", journal.append(&["b", "c", "d"]).await?, 2..5)?;
    same("none", journal.append::<&str>(&[]).await?, 5..5)?;
    same("one", journal.append(&["e"]).await?, 5..6)?;
    same("bounds", journal.bounds().await?, Bounds::new(1, 6))
}

async fn reading<J: Journal>(journal: &J) -> Result<(), Failure> {
    append_numbers(journal, 10).await?;
    for from in 0..=12_u64 {
        for limit in [0, 1, 3, 10, 99] {
            let expected: Vec<(u64, String)> = (from.max(1)..=10)
                .take(limit)
                .map(|position| (position, position.to_string()))
                .collect();
            same("records", texts(journal, from, limit).await?, expected)?;
        }
    }
    Ok(())
}

async fn bytes<J: Journal>(journal: &J) -> Result<(), Failure> {
    let all: Vec<u8> = (0..=255).collect();
    let many = all.repeat(1 + journal.limits().value_bytes.min(1 << 20) / 512);
    let batch = [&[][..], b"\0\n", &all, &many];
    journal.append(&batch).await?;
    for (at, expected) in (1..).zip(batch) {
        let records = journal.read(at, 1).await?;
        if records.len() != 1 || &*records[0].data != expected {
            return Err(Failure::new(format!("{} bytes came back otherwise", expected.len())));
        }
    }
    Ok(())
}

async fn whole_batches<J: Journal>(journal: &J) -> Result<(), Failure> {
    let limits = journal.limits();
    let long = vec![0_u8; limits.value_bytes + 1];
    let refused = journal.append(&[b"fits", long.as_slice()]).await;
    same("record", refused.map_err(|error| error.code()), Err("too-large"))?;
    drop(long);
    // Empty records: the count has to refuse it, not the bytes.
    let many = vec![""; limits.batch_records + 1];
    let refused = journal.append(&many).await;
    same("batch", refused.map_err(|error| error.code()), Err("too-large"))?;
    same("bounds", journal.bounds().await?, Bounds::new(1, 1))?;
    let next = limits.batch_records as u64 + 1;
    same("batch at the limit", journal.append(&many[1..]).await?, 1..next)
}

async fn trimming<J: Journal>(journal: &J) -> Result<(), Failure> {
    append_numbers(journal, 5).await?;
    same("trimmed", journal.trim(3).await?, 2)?;
    same("trimmed again", journal.trim(3).await?, 0)?;
    same("bounds", journal.bounds().await?, Bounds::new(3, 6))?;
    for from in [0, 1, 2] {
        let expected = StorageError::Trimmed { from: from.max(1), first: 3 };
        refused("read", journal.read(from, 9).await, expected)?;
    }
    same("records", texts(journal, 3, 1).await?, [(3, "3".to_owned())])?;
    same("all", journal.trim(6).await?, 3)?;
    same("bounds", journal.bounds().await?, Bounds::new(6, 6))?;
    // Nothing is left and the position still goes on: a journal that counts its records would give
    // 1 again.
    same("append", journal.append(&["x"]).await?, 6..7)
}

async fn trimming_within_bounds<J: Journal>(journal: &J) -> Result<(), Failure> {
    append_numbers(journal, 2).await?;
    same("nothing", journal.trim(0).await?, 0)?;
    let expected = StorageError::OutOfRange { position: 4, first: 1, next: 3 };
    refused("trim", journal.trim(4).await, expected)?;
    same("bounds", journal.bounds().await?, Bounds::new(1, 3))
}

async fn cursors_move<J: Journal>(journal: &J) -> Result<(), Failure> {
    append_numbers(journal, 4).await?;
    let name = Key::of(["reader"])?;
    same("new", journal.cursor(&name).await?, None)?;
    let moved = |expected, found| StorageError::CursorMoved { name: name.clone(), expected, found };
    refused("early", journal.move_cursor(&name, Some(1), 2).await, moved(Some(1), None))?;
    journal.move_cursor(&name, None, 2).await?;
    refused("made twice", journal.move_cursor(&name, None, 3).await, moved(None, Some(2)))?;
    refused("stale", journal.move_cursor(&name, Some(1), 3).await, moved(Some(1), Some(2)))?;
    journal.move_cursor(&name, Some(2), 5).await?;
    journal.move_cursor(&name, Some(5), 1).await?;
    same("position", journal.cursor(&name).await?, Some(1))
}

async fn cursors_stay_inside<J: Journal>(journal: &J) -> Result<(), Failure> {
    append_numbers(journal, 4).await?;
    let name = Key::of(["reader"])?;
    let outside = |position, first| StorageError::OutOfRange { position, first, next: 5 };
    refused("ahead", journal.move_cursor(&name, None, 6).await, outside(6, 1))?;
    refused("zero", journal.move_cursor(&name, None, 0).await, outside(0, 1))?;
    journal.move_cursor(&name, None, 1).await?;
    journal.trim(3).await?;
    same("left behind", journal.cursor(&name).await?, Some(1))?;
    refused("behind", journal.move_cursor(&name, Some(1), 2).await, outside(2, 3))?;
    journal.move_cursor(&name, Some(1), 3).await.map_err(Failure::from)
}

async fn cursors_listed<J: Journal>(journal: &J) -> Result<(), Failure> {
    append_numbers(journal, 4).await?;
    let (a, b) = (Key::of(["group", "a"])?, Key::of(["group", "b"])?);
    journal.move_cursor(&b, None, 2).await?;
    journal.move_cursor(&a, None, 3).await?;
    let both = [Cursor::new(a.clone(), 3), Cursor::new(b.clone(), 2)];
    same("cursors", journal.cursors().await?, both)?;
    same("removed", journal.remove_cursor(&a).await?, true)?;
    same("removed again", journal.remove_cursor(&a).await?, false)?;
    same("cursors", journal.cursors().await?, [Cursor::new(b, 2)])
}

async fn waiting_for_the_past<J: Journal>(journal: &J) -> Result<(), Failure> {
    append_numbers(journal, 3).await?;
    for from in 0..=3 {
        same("next", journal.wait(from).await?, 4)?;
    }
    Ok(())
}

async fn waiting_for_the_future<J: Journal>(journal: &J) -> Result<(), Failure> {
    let wait = async |from: u64| journal.wait(from).await.map(|next| next > from);
    let append = async || {
        for text in ["a", "b", "c"] {
            journal.append(&[text]).await?;
        }
        Ok(true)
    };
    let step = async |number: u64| match number {
        0..3 => wait(number + 1).await,
        _ => append().await,
    };
    for result in together((0..4).map(step)).await {
        same("woken behind the position", result?, true)?;
    }
    Ok(())
}

async fn waiting_given_up<J: Journal>(journal: &J) -> Result<(), Failure> {
    for _ in 0..3 {
        // Three times, so that what a dropped wait leaves behind would add up.
        if let Some(result) = once(journal.wait(1)).await {
            return Err(Failure::new(format!("a wait for nothing ended: {result:?}")));
        }
    }
    journal.append(&["a"]).await?;
    same("next", journal.wait(1).await?, 2)
}

async fn appending_together<J: Journal>(journal: &J) -> Result<(), Failure> {
    let append = async |who: u64| -> Result<(), Failure> {
        for round in 0..10_u64 {
            let batch: Vec<String> =
                (0..=round % 4).map(|part| format!("{who} {round} {part}")).collect();
            let range = journal.append(&batch).await?;
            let found = texts(journal, range.start, batch.len()).await?;
            let expected: Vec<(u64, String)> = range.zip(batch).collect();
            same("batch", found, expected)?;
        }
        Ok(())
    };
    together((0..8).map(append)).await.into_iter().collect::<Result<(), Failure>>()?;
    let total: u64 = 8 * (0..10).map(|round| round % 4 + 1).sum::<u64>();
    same("bounds", journal.bounds().await?, Bounds::new(1, total + 1))?;
    let mut found: Vec<String> =
        texts(journal, 1, usize::MAX).await?.into_iter().map(|(_, text)| text).collect();
    same("records", found.len() as u64, total)?;
    found.sort_unstable();
    // The same record twice would make up for one that is missing.
    found.dedup();
    same("different records", found.len() as u64, total)
}
