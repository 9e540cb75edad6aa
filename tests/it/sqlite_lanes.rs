//! Lanes and commits in an `SQLite` file: kills, other versions of the program, copies, damage.

use crate::support::{Folder, Rng, scaled};
use coordination_protocol::adapter::sqlite::{
    DamagedPlace, LoadMode, Sqlite, SqliteOptions, StoreItem, Synchronous,
};
use coordination_protocol::storage::{
    Appended, Bounds, Commit, Engine, Expect, Journal, Key, LaneEnd, NewRecord, StorageError,
    Store, StoreScan, block_on,
};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

fn options() -> SqliteOptions {
    SqliteOptions::new("test").with_synchronous(Synchronous::Normal)
}

fn open(folder: &Folder) -> Sqlite {
    Sqlite::open_in(&folder.0, &options()).unwrap()
}

fn raw(folder: &Folder) -> Connection {
    Connection::open(folder.0.join("coord.sqlite")).unwrap()
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn record(lane: &str, id: &str) -> NewRecord {
    NewRecord::new(id.as_bytes()).in_lane(key(lane)).with_id(id).with_subject("subject")
}

fn append(file: &Sqlite, records: &[NewRecord]) {
    block_on(file.append_records(records, &[])).unwrap();
}

fn problems(file: &Sqlite) -> Vec<String> {
    block_on(file.check()).unwrap().problems
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

/// The part of the kill test that is killed: commits a record and its value, in a lane of its own and in
/// one that all append to, and says what was acknowledged.
#[test]
#[ignore = "started by commits_survive_kills_as_a_whole"]
fn a_process_that_commits() {
    let Ok(path) = std::env::var("COORD_TEST_FILE") else { return };
    let me = std::process::id();
    let file = Sqlite::open(path, &options().with_lock_timeout(Duration::from_secs(60))).unwrap();
    let (own, shared) = (key(&format!("own/{me}")), key("shared"));
    block_on(async {
        let mut last = None;
        for round in 0_u64.. {
            let name = format!("{me}/{round}");
            let text = name.clone().into_bytes();
            let commit = Commit::new()
                .append(NewRecord::new(text.as_slice()).in_lane(own.clone()).with_id(name.as_str()))
                .append(NewRecord::new(*b"").in_lane(shared.clone()).with_id(name.as_str()))
                .put(key(&format!("v/{name}")), text, Expect::Absent);
            loop {
                let end = file.lane_end(&shared).await.unwrap();
                let commit = commit.clone().expecting(LaneEnd::new(own.clone(), last));
                match file.commit(&commit.expecting(LaneEnd::new(shared.clone(), end))).await {
                    Ok(done) => {
                        assert!(!done.appended.repeated);
                        last = Some(done.appended.positions.start);
                        break;
                    }
                    Err(StorageError::LaneMoved { lane, .. }) if lane == shared => {}
                    Err(error) => panic!("{error}"),
                }
            }
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {name} {} end", last.unwrap_or_default()).unwrap();
            out.flush().unwrap();
        }
    });
}

struct Process {
    child: Child,
    acknowledged: JoinHandle<Vec<(String, u64)>>,
}

impl Process {
    fn start(path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite_lanes::a_process_that_commits", "--ignored", "--nocapture"])
            .env("COORD_TEST_FILE", path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let acknowledged = std::thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            let told = lines.filter_map(|line| {
                let at = line.find("ack ")?;
                let words: Vec<&str> = line[at..].split(' ').collect();
                let [_, name, position, "end"] = words[..] else { return None };
                Some((name.to_owned(), position.parse().unwrap()))
            });
            told.collect()
        });
        Process { child, acknowledged }
    }

    /// SIGKILL; returns what had been acknowledged.
    fn kill(mut self) -> Vec<(String, u64)> {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), None, "it ended before it was killed");
        self.acknowledged.join().unwrap()
    }
}

#[test]
fn commits_survive_kills_as_a_whole() {
    let folder = Folder::new();
    let path = folder.0.join("coord.sqlite");
    let mut rng = Rng::new(14);
    let mut running: Vec<Process> = (0..4).map(|_| Process::start(&path)).collect();
    let mut acknowledged = Vec::new();
    for _ in 0..scaled(20) {
        std::thread::sleep(Duration::from_millis(30 + rng.below(80) as u64));
        let victim = running.swap_remove(rng.below(running.len()));
        acknowledged.extend(victim.kill());
        running.push(Process::start(&path));
    }
    std::thread::sleep(Duration::from_millis(300));
    for process in running {
        acknowledged.extend(process.kill());
    }
    assert!(acknowledged.len() > scaled(20), "{} commits", acknowledged.len());

    let file = open(&folder);
    assert_eq!(problems(&file), [""; 0]);
    let mut records = Vec::new();
    let mut ends: BTreeMap<Key, u64> = BTreeMap::new();
    while let more @ [_, ..] = &*block_on(file.read(records.len() as u64 + 1, 10_000)).unwrap() {
        records.extend_from_slice(more);
    }
    let mut values = BTreeMap::new();
    let mut scan = StoreScan::new("v/");
    loop {
        let page = block_on(file.scan(&scan)).unwrap();
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        values.extend(page.entries.iter().map(|entry| (entry.key.to_string(), text(&entry.value))));
        match page.entries.last() {
            Some(last) if page.more => scan = scan.after(last.key.clone()),
            _ => break,
        }
    }
    // The records of a commit stand side by side, each pair has its value, and nothing else is there.
    for pair in records.chunks(2) {
        let [own, shared] = pair else { panic!("half a commit: {pair:?}") };
        assert_eq!(own.id, shared.id);
        let name = String::from_utf8(own.data.to_vec()).unwrap();
        let value = values.remove(&format!("v/{name}"));
        assert_eq!(value.as_deref(), Some(name.as_str()), "a record without its value");
        for record in pair {
            ends.insert(record.lane.clone().unwrap(), record.position);
        }
    }
    assert_eq!(values, BTreeMap::new(), "values without their records");
    for (lane, last) in &ends {
        assert_eq!(block_on(file.lane_end(lane)).unwrap(), Some(*last), "{lane}");
    }
    for (name, position) in acknowledged {
        let record = &records[position as usize - 1];
        assert_eq!(record.id.as_deref(), Some(name.as_str()));
    }
}

#[test]
fn a_program_that_is_older_than_the_file_writes_nothing() {
    let folder = Folder::new();
    let file = open(&folder);
    append(&file, &[record("a", "1")]);
    let items = dump(&file);
    // What a newer program does to the file while this one holds it open.
    raw(&folder).execute_batch("PRAGMA user_version = 5").unwrap();
    let sentence = "this is not a store that can be used: another program migrated the file to schema \
                    version 5 since it was opened, this one knows 4; restart with the program that \
                    migrated it";
    let commit = Commit::new().append(record("a", "2"));
    let refused = [
        block_on(file.append_records(&[record("a", "2")], &[])).map(drop),
        block_on(file.commit(&commit)).map(drop),
        block_on(file.put(&key("x"), b"", Expect::Any)).map(drop),
        block_on(file.delete(&key("x"), Expect::Any)).map(drop),
        block_on(file.trim(2)).map(drop),
        block_on(file.forget_lanes()).map(drop),
        block_on(file.move_cursor(&key("x"), None, 1)),
        block_on(file.remove_cursor(&key("x"))).map(drop),
    ];
    for result in refused {
        let error = result.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("unsupported", sentence));
    }
    // These open the file anew.
    let refused = [
        file.repair(false, |_| Ok::<(), StorageError>(())).map(drop),
        file.load(LoadMode::Merge, items.into_iter().map(Ok::<_, StorageError>)).map(drop),
    ];
    for result in refused {
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with("its schema version is 5, this program knows 4"), "{error}");
    }
    let Err(again) = Sqlite::open_in(&folder.0, &options()) else { panic!("it was opened") };
    assert!(
        again.to_string().ends_with("its schema version is 5, this program knows 4"),
        "{again}"
    );
    // Readers go on, and the lock was let go.
    assert_eq!(block_on(file.bounds()).unwrap(), Bounds::new(1, 2));
    raw(&folder).execute_batch("PRAGMA user_version = 4").unwrap();
    append(&file, &[record("a", "2")]);
    assert_eq!(block_on(file.bounds()).unwrap(), Bounds::new(1, 3));
}

#[test]
fn a_file_from_before_lanes_gets_them() {
    let folder = Folder::new();
    block_on(open(&folder).append(&["one", "two"])).unwrap();
    raw(&folder)
        .execute_batch(
            "DROP TABLE decision; DROP TABLE decision_lane; DROP TABLE decision_cursor;
             ALTER TABLE state DROP COLUMN first_decision; ALTER TABLE record DROP COLUMN ends;
             DROP INDEX record_id; DROP TABLE lane;
             ALTER TABLE record DROP COLUMN subject; ALTER TABLE record DROP COLUMN id;
             ALTER TABLE record DROP COLUMN lane;
             PRAGMA user_version = 2;",
        )
        .unwrap();
    let file = open(&folder);
    assert_eq!(problems(&file), [""; 0]);
    append(&file, &[record("a", "1")]);
    let found = block_on(file.read(1, 9)).unwrap();
    let expected =
        [NewRecord::new(*b"one").at(1), NewRecord::new(*b"two").at(2), record("a", "1").at(3)];
    assert_eq!(found, expected);
    let again = block_on(file.append_records(&[record("a", "1")], &[])).unwrap();
    assert_eq!(again, Appended::repeated(3, 1));
}

#[test]
fn a_merge_takes_each_id_once_and_knows_lanes_that_were_trimmed() {
    let source = Folder::new();
    let old = open(&source);
    append(&old, &[record("gone", "1"), record("a", "1"), record("a", "2"), record("b", "1")]);
    block_on(async {
        old.trim(2).await.unwrap();
        old.move_cursor(&key("reader"), None, 4).await.unwrap();
    });
    let items = dump(&old);
    let ends =
        |file: &Sqlite| ["gone", "a", "b"].map(|lane| block_on(file.lane_end(&key(lane))).unwrap());
    let merge = |file: &Sqlite| {
        let copy = items.iter().cloned().map(Ok::<StoreItem, StorageError>);
        let done = file.load(LoadMode::Merge, copy).unwrap();
        assert_eq!(problems(file), [""; 0]);
        done
    };
    // Into an empty one: all is where it was.
    let folder = Folder::new();
    let empty = open(&folder);
    let done = merge(&empty);
    assert_eq!((done.records, done.repeated, done.lanes), (3, 0, 1));
    assert_eq!(ends(&empty), [Some(1), Some(3), Some(4)]);
    // Again, as who is not sure whether it was done: places, and nothing in them.
    let done = merge(&empty);
    assert_eq!((done.records, done.repeated, done.lanes), (3, 3, 0));
    assert_eq!(block_on(empty.bounds()).unwrap(), Bounds::new(2, 8));
    let records = block_on(empty.read(5, 9)).unwrap();
    assert!(records.iter().all(|record| record.lane.is_none() && record.data.is_empty()));
    assert_eq!(ends(&empty), [Some(1), Some(3), Some(4)]);
    // Beside records of its own: ends move with the records.
    let folder = Folder::new();
    let other = open(&folder);
    append(&other, &[record("a", "2"), record("c", "1")]);
    let done = merge(&other);
    assert_eq!((done.records, done.repeated, done.lanes), (3, 1, 1));
    assert_eq!(ends(&other), [Some(0), Some(3), Some(5)]);
    assert_eq!(block_on(other.cursor(&key("reader"))).unwrap(), Some(5));
    let reborn = [LaneEnd::new(key("gone"), None)];
    let refused = block_on(other.append_records(&[record("gone", "2")], &reborn)).unwrap_err();
    assert_eq!(refused.to_string(), "lane `gone` ends at position 0, expected no record");
    let known = [LaneEnd::new(key("gone"), Some(0))];
    block_on(other.append_records(&[record("gone", "2")], &known)).unwrap();
}

#[test]
fn a_backup_has_lanes_and_ids() {
    let (folder, file) = (Folder::new(), Folder::new());
    fs::create_dir_all(&folder.0).unwrap();
    let file = open(&file);
    append(&file, &[record("a", "1"), record("b", "1"), record("a", "2")]);
    block_on(file.trim(3)).unwrap();
    block_on(file.backup(folder.0.join("coord.sqlite"))).unwrap();
    assert_eq!(dump(&open(&folder)), dump(&file));
}

/// What a repair does to a lane, by what was damaged.
#[test]
fn damaged_ends_of_lanes_are_told_and_found_anew() {
    type Damage = fn(&Connection);
    let cases: [(&str, Damage, &str, [Option<u64>; 3]); 6] = [
        (
            "changed",
            |raw| raw.execute_batch("UPDATE lane SET last = 4 WHERE name = 'a'").unwrap(),
            "lane `a`: it does not match its checksum",
            [Some(5), Some(4), Some(1)],
        ),
        (
            "lost",
            |raw| raw.execute_batch("DELETE FROM lane WHERE name = 'a'").unwrap(),
            "lane `a`: its end is missing, its last record is 5",
            [Some(5), Some(4), Some(1)],
        ),
        (
            "of a lane that was trimmed",
            |raw| raw.execute_batch("UPDATE lane SET checksum = 0 WHERE name = 'c'").unwrap(),
            "lane `c`: it does not match its checksum",
            // Nothing tells where it ended: it begins anew.
            [Some(5), Some(4), None],
        ),
        (
            "as it was",
            |raw| {
                raw.execute_batch(
                    "UPDATE lane SET (last, checksum) = (SELECT last, checksum FROM saved)
                     WHERE name = 'a'",
                )
                .unwrap();
            },
            "lane `a`: it ends at 3, but record 5 is its own",
            [Some(5), Some(4), Some(1)],
        ),
        (
            "records lost at the end",
            |raw| raw.execute_batch("DELETE FROM record WHERE position = 5").unwrap(),
            "lane `a`: it ends at 5, behind the journal",
            [Some(3), Some(4), Some(1)],
        ),
        (
            "no name",
            |raw| raw.execute_batch("UPDATE lane SET name = 'a b' WHERE name = 'a'").unwrap(),
            "lane `a b`: a key cannot contain ' ' (at byte 1); `Key::of` encodes it",
            [Some(5), Some(4), Some(1)],
        ),
    ];
    for (case, damage, sentence, expected) in cases {
        let folder = Folder::new();
        let file = open(&folder);
        append(&file, &[record("c", "1"), record("b", "1"), record("a", "1")]);
        let raw = raw(&folder);
        raw.execute_batch("CREATE TEMP TABLE saved AS SELECT * FROM lane WHERE name = 'a'")
            .unwrap();
        append(&file, &[record("b", "2"), record("a", "2")]);
        block_on(file.trim(2)).unwrap();
        assert_eq!(problems(&file), [""; 0]);
        damage(&raw);
        assert!(
            problems(&file).iter().any(|problem| problem == sentence),
            "{case}: {:?}",
            problems(&file)
        );
        // An export tells it, and what is taken in elsewhere is sound.
        let items = dump(&file);
        let told = |item: &StoreItem| matches!(item, StoreItem::Damaged(item) if item.to_string() == sentence);
        assert!(items.iter().any(told), "{case}: {items:?}");
        let (copy, elsewhere) = (Folder::new(), items.into_iter().map(Ok::<_, StorageError>));
        let copy = open(&copy);
        copy.load(LoadMode::Restore, elsewhere).unwrap();
        assert_eq!(problems(&copy), [""; 0], "{case}");

        let mut places = Vec::new();
        file.repair(false, |item| {
            places.push(item.place.clone());
            Ok::<(), StorageError>(())
        })
        .unwrap();
        assert!(matches!(places[0], DamagedPlace::Lane(..)), "{case}: {places:?}");
        assert_eq!(problems(&file), [""; 0], "{case}");
        let ends = ["a", "b", "c"].map(|lane| block_on(file.lane_end(&key(lane))).unwrap());
        assert_eq!(ends, expected, "{case}");
    }
}

/// A bit of a name, in the row or in the index of ids, costs that record and nothing else.
#[test]
fn a_flipped_bit_of_a_name_is_told_and_repaired() {
    for name in ["lane-that-is-hit", "id-that-is-hit", "subject-that-is-hit"] {
        let folder = Folder::new();
        let path = folder.0.join("coord.sqlite");
        let hit = NewRecord::new(*b"x").in_lane(key("lane-that-is-hit")).with_id("id-that-is-hit");
        {
            let file = open(&folder);
            append(&file, &[record("a", "1"), hit.with_subject("subject-that-is-hit")]);
            append(&file, &[record("a", "2")]);
        }
        let bytes = fs::read(&path).unwrap();
        let places: Vec<usize> =
            (0..bytes.len()).filter(|at| bytes[*at..].starts_with(name.as_bytes())).collect();
        assert!(!places.is_empty());
        for at in places {
            for place in [at, at + 2] {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1;
                fs::write(&path, flipped).unwrap();
                let file = open(&folder);
                assert!(!problems(&file).is_empty(), "{name} at {place}");
                file.repair(false, |_| Ok::<(), StorageError>(())).unwrap();
                let left = problems(&file);
                // A repair removes what is damaged; the index alone is not its business.
                let index = left.iter().all(|problem| problem.contains("record_id"));
                assert!(index, "{name} at {place}: {left:?}");
                let records = block_on(file.read(1, 9)).unwrap();
                assert_eq!(
                    (&records[0], &records[2]),
                    (&record("a", "1").at(1), &record("a", "2").at(3))
                );
                drop(file);
                for neighbour in ["-wal", "-shm"] {
                    let _ = fs::remove_file(folder.0.join(format!("coord.sqlite{neighbour}")));
                }
            }
        }
    }
}
