//! The log of decisions beside the history, in a file: what came before it, what is copied, what is trimmed.

use crate::support::Folder;
use coordination_protocol::adapter::sqlite::{
    LoadMode, Sqlite, SqliteOptions, StoreItem, Synchronous,
};
use coordination_protocol::bus::{Bus, Retention};
use coordination_protocol::storage::{
    Appended, Bounds, Commit, Engine, Expect, Journal, Key, LaneEnd, Log, NewRecord, StorageError,
    Store, block_on,
};
use std::time::Duration;

fn open(folder: &Folder) -> Sqlite {
    let options = SqliteOptions::new("test").with_synchronous(Synchronous::Normal);
    Sqlite::open_in(&folder.0, &options).unwrap()
}

fn key(name: &str) -> Key {
    Key::parse(name).unwrap()
}

fn record(lane: &str, id: &str) -> NewRecord {
    NewRecord::new(id.as_bytes()).in_lane(key(lane)).with_id(id)
}

fn dump(file: &Sqlite) -> Vec<StoreItem> {
    let mut items = Vec::new();
    file.dump(|item| {
        items.push(item);
        Ok::<(), StorageError>(())
    })
    .unwrap();
    items
}

fn problems(file: &Sqlite) -> Vec<String> {
    block_on(file.check()).unwrap().problems
}

/// What the release before this one made of a file.
const BEFORE: &str = "
    DROP TABLE decision; DROP TABLE decision_lane; DROP TABLE decision_cursor;
    ALTER TABLE state DROP COLUMN first_decision; ALTER TABLE record DROP COLUMN ends;
    ALTER TABLE lane DROP COLUMN ended;
    PRAGMA user_version = 3;";

#[test]
fn a_file_from_before_decisions_keeps_its_journal_as_the_history() {
    let folder = Folder::new();
    let items = {
        let file = open(&folder);
        block_on(async {
            file.put(&key("k"), b"v", Expect::Any).await?;
            file.append_records(&[record("a", "1"), record("b", "1"), record("b", "2")], &[])
                .await?;
            file.append(&["of no lane"]).await?;
            file.move_cursor(&key("reader"), None, 3).await?;
            file.trim(2).await
        })
        .unwrap();
        dump(&file)
    };
    let raw = rusqlite::Connection::open(folder.0.join("coord.sqlite")).unwrap();
    raw.execute_batch(BEFORE).unwrap();
    drop(raw);
    // Several programs open it at once; one of them migrates it.
    let files: Vec<Sqlite> = std::thread::scope(|scope| {
        let opened: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&folder))).collect();
        opened.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for file in &files {
        assert_eq!(dump(file), items);
        assert_eq!(problems(file), [""; 0]);
    }
    let file = &files[0];
    block_on(async {
        // Its lanes, ids and cursors are where they were.
        let late = file.append_records(&[record("a", "2")], &[LaneEnd::new(key("a"), None)]).await;
        assert_eq!(
            late.unwrap_err().to_string(),
            "lane `a` ends at position 1, expected no record"
        );
        let again = file.append_records(&[record("b", "2")], &[]).await?;
        assert_eq!(again, Appended::repeated(3, 1));
        assert_eq!(file.cursor(&key("reader")).await?, Some(3));
        let decisions = files[1].log(Log::Decisions);
        assert_eq!(
            decisions.append_records(&[record("a", "1").ending_its_lane()], &[]).await?,
            Appended::new(1..2)
        );
        Ok::<(), StorageError>(())
    })
    .unwrap();
    assert_eq!(problems(file), [""; 0]);
}

#[test]
fn copies_have_both_logs_and_two_lines_of_decisions_are_not_made_one() {
    let (source, target, other) = (Folder::new(), Folder::new(), Folder::new());
    let file = open(&source);
    let put_in = |file: &Sqlite| {
        let commit = Commit::new()
            .append(record("a", "1"))
            .append_to(Log::Decisions, record("a", "1"))
            .append_to(Log::Decisions, record("b", "1").ending_its_lane());
        block_on(file.commit(&commit)).unwrap();
    };
    put_in(&file);
    block_on(async {
        let decisions = file.log(Log::Decisions);
        decisions.move_cursor(&key("reader"), None, 2).await?;
        let snapshot = record("a", "snapshot");
        decisions.append_records(&[snapshot], &[LaneEnd::new(key("a"), Some(1))]).await?;
        decisions.trim(3).await
    })
    .unwrap();
    let items = dump(&file);
    let load = |file: &Sqlite, how| {
        file.load(how, items.iter().cloned().map(Ok::<StoreItem, StorageError>))
    };
    for how in [LoadMode::Restore, LoadMode::Merge] {
        let folder = Folder::new();
        let copy = open(&folder);
        load(&copy, how).unwrap();
        assert_eq!(dump(&copy), items, "{how:?}");
        assert_eq!(problems(&copy), [""; 0]);
        let reborn = copy.log(Log::Decisions);
        let refused = block_on(reborn.append_records(&[record("b", "2")], &[])).unwrap_err();
        assert_eq!(refused.to_string(), "lane `b` ended at position 2 and is not opened again");
    }
    // Into a file with chatter of its own, which has no decisions.
    let chatter = open(&target);
    block_on(chatter.append(&["x"])).unwrap();
    load(&chatter, LoadMode::Merge).unwrap();
    assert_eq!(block_on(chatter.bounds()).unwrap(), Bounds::new(1, 3));
    assert_eq!(block_on(chatter.log(Log::Decisions).bounds()).unwrap(), Bounds::new(3, 4));
    assert_eq!(problems(&chatter), [""; 0]);
    // Into one with decisions of its own: nothing is taken in.
    let decided = open(&other);
    put_in(&decided);
    let before = dump(&decided);
    let refused = load(&decided, LoadMode::Merge).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "both hold decisions, and two lines of decisions cannot be made one; import into a new store"
    );
    assert_eq!(dump(&decided), before);
    let refused = load(&decided, LoadMode::Restore).unwrap_err();
    assert_eq!(refused.to_string(), "the store is not empty: 0 values, 3 records, 0 cursors");
    // A backup is the whole file.
    let (folder, to) = (Folder::new(), Folder::new());
    std::fs::create_dir_all(&to.0).unwrap();
    let file = open(&folder);
    load(&file, LoadMode::Restore).unwrap();
    block_on(file.backup(to.0.join("coord.sqlite"))).unwrap();
    assert_eq!(dump(&open(&to)), items);
}

/// Whatever is damaged of it, a lane that ended is not opened again.
#[test]
fn a_damaged_mark_of_an_ended_lane_is_told_and_stays_an_end() {
    for (damage, sentence) in [
        (
            "UPDATE decision_lane SET ended = 0 WHERE name = 'a'",
            "lane `a` of the decisions: it does not match its checksum",
        ),
        (
            "UPDATE decision_lane SET last = 9 WHERE name = 'a'",
            "lane `a` of the decisions: it does not match its checksum",
        ),
        (
            "UPDATE decision SET ends = 0 WHERE position = 2",
            "record 2 of the decisions: it does not match its checksum",
        ),
        (
            "UPDATE decision_cursor SET position = 9",
            "cursor `reader` of the decisions: `reader` does not match its checksum",
        ),
    ] {
        for trimmed in [false, true] {
            let folder = Folder::new();
            let file = open(&folder);
            let decisions = file.log(Log::Decisions);
            block_on(async {
                let batch =
                    [record("a", "1"), record("a", "2").ending_its_lane(), record("b", "1")];
                decisions.append_records(&batch, &[]).await?;
                decisions.move_cursor(&key("reader"), None, 1).await?;
                if trimmed {
                    decisions.trim(3).await?;
                }
                Ok::<(), StorageError>(())
            })
            .unwrap();
            let raw = rusqlite::Connection::open(folder.0.join("coord.sqlite")).unwrap();
            if raw.execute(damage, []).unwrap() == 0 {
                // The record that would be damaged is trimmed.
                assert!(trimmed);
                continue;
            }
            drop(raw);
            let mut told = Vec::new();
            file.repair(false, |item| {
                told.push(item.to_string());
                Ok::<(), StorageError>(())
            })
            .unwrap();
            let damaged = if sentence.starts_with("cursor") {
                &told[0][..6] == "cursor"
            } else {
                told[0] == sentence
            };
            assert!(damaged, "{told:?}");
            assert_eq!(problems(&file), [""; 0], "{damage}");
            let reborn = block_on(decisions.append_records(&[record("a", "3")], &[])).unwrap_err();
            assert_eq!(reborn.code(), "lane-ended", "{damage}");
        }
    }
}

/// Retention of chatter never touches what is replayed.
#[tokio::test(flavor = "current_thread")]
async fn tidying_leaves_decisions_alone() {
    let bus = Bus::memory();
    for number in 0..200 {
        let commit = Commit::new()
            .append(record("chatter", &number.to_string()))
            .append_to(Log::Decisions, record("wf", &number.to_string()));
        bus.engine().commit(&commit).await.unwrap();
    }
    let kept = bus.decisions().read(1, 1_000).await.unwrap();
    let retention = Retention::default().with_max_bytes(1_000).with_max_age(Duration::ZERO);
    let tidied = bus.tidy(&retention).await.unwrap();
    assert!(tidied.trimmed > 100, "{tidied:?}");
    assert_eq!(bus.decisions().read(1, 1_000).await.unwrap(), kept);
    assert_eq!(bus.decisions().lane_end(&key("wf")).await.unwrap(), Some(200));
    let code = bus.decisions().trim(201).await.unwrap_err().to_string();
    assert_eq!(
        code,
        "1 open lane would lose its last record by a trim before 201: `wf` (200); append a snapshot to each \
         first"
    );
}
