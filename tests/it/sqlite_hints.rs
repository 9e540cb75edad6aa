//! Waking readers of other processes by a hint. A reader that would look for itself only after an hour
//! has to be woken by it.

use crate::support::{Folder, scaled};
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions, Synchronous};
use coordination_protocol::storage::{Commit, Engine, Journal, NewRecord, StorageError, block_on};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

fn options() -> SqliteOptions {
    SqliteOptions::new("test").with_synchronous(Synchronous::Normal)
}

fn open(folder: &Folder, options: &SqliteOptions) -> Sqlite {
    Sqlite::open_in(&folder.0, options).unwrap()
}

fn hint(folder: &Folder) -> PathBuf {
    folder.0.join("coord.sqlite-hint")
}

fn until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits on a thread, and is known to wait when this returns.
fn waiting(file: &Sqlite, folder: &Folder, from: u64) -> JoinHandle<u64> {
    let file = file.clone();
    let thread = std::thread::spawn(move || block_on(file.wait(from)).unwrap());
    until(|| hint(folder).exists());
    thread
}

#[cfg(target_os = "linux")]
#[test]
fn a_hint_wakes_who_waits() {
    let folder = Folder::new();
    let reader = open(&folder, &options().with_poll(HOUR, HOUR, HOUR));
    let writer = open(&folder, &options());
    block_on(writer.append(&["none waits"])).unwrap();
    assert!(!hint(&folder).exists(), "it is not needed");
    let mut next = 2;
    // Appends, commits, and what is loaded.
    for round in 0..scaled(20) {
        let thread = waiting(&reader, &folder, next);
        match round % 3 {
            0 => drop(block_on(writer.append(&["x"])).unwrap()),
            1 => {
                let commit = Commit::new().append(NewRecord::new(*b"x"));
                drop(block_on(writer.commit(&commit)).unwrap());
            }
            _ => {
                let mut items = Vec::new();
                let copy = Folder::new();
                let other = Sqlite::open_in(&copy.0, &options()).unwrap();
                block_on(other.append(&["x"])).unwrap();
                other
                    .dump(|item| {
                        items.push(Ok::<_, StorageError>(item));
                        Ok::<(), StorageError>(())
                    })
                    .unwrap();
                writer
                    .load(coordination_protocol::adapter::sqlite::LoadMode::Merge, items)
                    .unwrap();
            }
        }
        next += 1;
        assert_eq!(thread.join().unwrap(), next);
    }
    assert_eq!(std::fs::metadata(hint(&folder)).unwrap().len(), 0);
}

/// Hints are given at most once a millisecond, and the last append of a burst has one nevertheless.
#[cfg(target_os = "linux")]
#[test]
fn the_last_of_many_quick_appends_has_a_hint() {
    let folder = Folder::new();
    let reader = open(&folder, &options().with_poll(HOUR, HOUR, HOUR));
    let writer = open(&folder, &options());
    let mut last = 0;
    for _ in 0..scaled(20) {
        let thread = waiting(&reader, &folder, last + 30);
        for _ in 0..30 {
            last = block_on(writer.append(&["x"])).unwrap().start;
        }
        assert!(thread.join().unwrap() > last);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_hint_that_was_removed_is_made_again() {
    let folder = Folder::new();
    let reader = open(&folder, &options().with_poll(HOUR, HOUR, HOUR));
    let writer = open(&folder, &options());
    for round in 1..=scaled(5) as u64 {
        let thread = waiting(&reader, &folder, round);
        std::fs::remove_file(hint(&folder)).unwrap();
        until(|| hint(&folder).exists());
        block_on(writer.append(&["x"])).unwrap();
        assert_eq!(thread.join().unwrap(), round + 1);
    }
}

#[test]
fn where_there_are_no_hints_readers_look_for_themselves() {
    let quick = Duration::from_millis(2);
    // Not wanted; and not possible, as when the machine has no more watches.
    for hints in [false, true] {
        let folder = Folder::new();
        std::fs::create_dir_all(&folder.0).unwrap();
        if hints {
            std::fs::create_dir(hint(&folder)).unwrap();
        }
        let reader = open(&folder, &options().with_hints(hints).with_poll(quick, quick, HOUR));
        let writer = open(&folder, &options());
        for position in 1..=5 {
            let file = reader.clone();
            let thread = std::thread::spawn(move || block_on(file.wait(position)).unwrap());
            std::thread::sleep(Duration::from_millis(3));
            block_on(writer.append(&["x"])).unwrap();
            assert_eq!(thread.join().unwrap(), position + 1);
        }
        assert_eq!(hint(&folder).exists(), hints);
    }
}

/// What is left of a wait that was dropped does not keep the file open.
#[test]
fn closing_ends_all_threads() {
    for _ in 0..scaled(20) {
        let folder = Folder::new();
        let file = open(&folder, &options().with_poll(HOUR, HOUR, HOUR));
        let mut wait = Box::pin(file.wait(1));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        drop(wait);
        drop(file);
        // The last one to close the file removes its log.
        assert!(!folder.0.join("coord.sqlite-wal").exists());
    }
}
