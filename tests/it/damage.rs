//! Damage stays local: whatever one value, record, cursor or checkpoint has become, the others are
//! listed, shown, exported and read, what is damaged is named, and one verb removes it.

use crate::coord::{err, out, run};
use crate::support::Folder;
use coordination_protocol::adapter::sqlite::{
    DamagedPlace, LoadMode, Sqlite, SqliteOptions, StoreItem, Synchronous,
};
use coordination_protocol::checkpoint::{Checkpoints, NewCheckpoint, Parts};
use coordination_protocol::scalar::{CheckpointId, Instant, Now, WorkflowId};
use coordination_protocol::storage::view::{
    Allocations, DeadLetters, Events, Registrations, States,
};
use coordination_protocol::storage::{
    Bounds, Expect, Journal, Key, StorageError, Store, StoreScan, block_on,
};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant as Clock};

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn workflow(id: &str) -> WorkflowId {
    WorkflowId::new(id).unwrap()
}

fn options() -> SqliteOptions {
    SqliteOptions::new("test")
        .with_synchronous(Synchronous::Normal)
        .with_lock_timeout(Duration::from_millis(300))
}

fn open(folder: &Folder) -> Sqlite {
    Sqlite::open_in(folder.0.join("data"), &options()).unwrap()
}

fn raw(folder: &Folder) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.0.join("data/coord.sqlite")).unwrap()
}

fn state(id: &str, version: u64) -> String {
    format!(
        r#"{{"workflow_state":{{"workflow_id":"{id}","state_version":{version},"timestamp":"2025-01-15T12:00:00Z"}}}}"#
    )
}

fn event(id: &str) -> String {
    format!(r#"WORKFLOW_PAUSED:{id}:global:{{"pause_reason":"lunch","current_state":{{}}}}"#)
}

fn now() -> Now {
    Now::new(Instant::START, 1_736_942_400_000)
}

fn checkpoint(file: &Sqlite, id: &str, text: &str) {
    let new = NewCheckpoint::new(now(), [1; 10]).with_id(CheckpointId::new(id).unwrap());
    block_on(Checkpoints::new(file.clone()).create(&Parts::parse(text).unwrap(), &new)).unwrap();
}

/// Two of everything.
fn fill(file: &Sqlite) {
    block_on(async {
        for id in ["wf_1", "wf_2"] {
            let states = States::new(file.clone());
            states.put(&state(id, 1), None).await.unwrap();
            states.put(&state(id, 2), Some(1)).await.unwrap();
            let component = format!(
                r#"{{"component_registration":{{"component_id":"hub-{id}","component_type":"core"}}}}"#
            );
            Registrations::new(file.clone()).register(&component).await.unwrap();
            let letter = format!(
                r#"{{"dead_letter":{{"reason":"x","original":"{id}","attempts":1,"died_at":"2025-01-15T12:00:00Z"}}}}"#
            );
            DeadLetters::new(file.clone()).add(&letter, 1).await.unwrap();
            let answer = format!(
                r#"{{"allocation_response":{{"response_id":"r","request_id":"q","status":"approved","allocated_resources":{{"allocation_id":"a-{id}","agents":3}}}}}}"#
            );
            Allocations::new(file.clone()).grant(&workflow("wf"), &answer).await.unwrap();
        }
        file.append(&[event("wf_1"), event("wf_2"), event("wf_3")]).await.unwrap();
        file.move_cursor(&key("a"), None, 2).await.unwrap();
        file.move_cursor(&key("b"), None, 3).await.unwrap();
    });
    checkpoint(file, "ckpt_1", &state("wf_1", 1));
    checkpoint(file, "ckpt_2", &state("wf_2", 1));
}

/// What is readable of each kind.
fn survey(file: &Sqlite) -> (Vec<usize>, usize) {
    block_on(async {
        let states = States::new(file.clone()).list(None, 999).await.unwrap();
        let letters = DeadLetters::new(file.clone()).list(None, 999).await.unwrap();
        let components = Registrations::new(file.clone()).list(None, 999).await.unwrap();
        let grants = Allocations::new(file.clone()).list(None, 999).await.unwrap();
        let of = Allocations::new(file.clone()).of(&workflow("wf")).await.unwrap();
        let events = Events::new(file.clone()).read(1, 9).await.unwrap();
        let checkpoints = Checkpoints::new(file.clone());
        let mut loads = 0;
        for id in ["wf_1", "wf_2"] {
            for one in checkpoints.list(&workflow(id)).await.unwrap().checkpoints {
                let id = one.sync.checkpoint_id;
                loads += usize::from(checkpoints.load(&one.sync.workflow_id, &id).await.is_ok());
            }
        }
        let sound = vec![
            states.items.len(),
            letters.items.len(),
            components.items.len(),
            grants.items.len(),
            of.items.len(),
            events.events.len(),
            loads,
        ];
        let damaged = states.damaged.len()
            + letters.damaged.len()
            + components.damaged.len()
            + grants.damaged.len()
            + events.unreadable.len();
        (sound, damaged)
    })
}

/// One damaged row of each kind, found by the store or only by who knows what it means.
#[test]
#[allow(clippy::too_many_lines, reason = "one table of damage, and what each verb makes of a row")]
fn damage_stays_local_and_one_verb_removes_it() {
    let whole = vec![2, 2, 2, 2, 2, 3, 2];
    for (place, sql, sound, named) in [
        ("`state/wf_1`", "UPDATE entry SET value = x'00' WHERE key = 'state/wf_1'", 0, 1),
        (
            "`state-version/wf_1/00000000000000000001`",
            "UPDATE entry SET value = x'00' WHERE key LIKE 'state-version/wf_1/%'",
            9,
            0,
        ),
        (
            "`dead-letter/",
            "UPDATE entry SET value = x'00' WHERE key = (SELECT min(key) FROM entry WHERE key LIKE 'dead-letter/%')",
            1,
            1,
        ),
        (
            "`registration/hub-wf_1`",
            "UPDATE entry SET checksum = 7 WHERE key = 'registration/hub-wf_1'",
            2,
            1,
        ),
        (
            "`allocation/a-wf_1`",
            "UPDATE entry SET value = x'ff' WHERE key = 'allocation/a-wf_1'",
            3,
            1,
        ),
        ("record 2", "UPDATE record SET data = x'00' WHERE position = 2", 5, 1),
        ("record 2", "DELETE FROM record WHERE position = 2", 5, 1),
        ("cursor `a`", "UPDATE cursor SET position = 3 WHERE name = 'a'", 9, 0),
        (
            "`checkpoints/wf_1/ckpt_1`",
            "UPDATE entry SET value = x'00' WHERE key = 'checkpoints/wf_1/ckpt_1'",
            6,
            0,
        ),
        (
            "`checkpoint-parts/wf_1/ckpt_1/workflow_state`",
            "UPDATE entry SET value = x'00' WHERE key LIKE 'checkpoint-parts/wf_1/%'",
            6,
            0,
        ),
    ] {
        let folder = Folder::new();
        let file = open(&folder);
        fill(&file);
        assert_eq!(survey(&file), (whole.clone(), 0));
        drop(file);
        assert_eq!(raw(&folder).execute(sql, []), Ok(1), "{sql}");
        let file = open(&folder);
        let mut expected = whole.clone();
        if let Some(count) = expected.get_mut(sound) {
            *count -= 1;
        }
        // The grants of a workflow are found by another way.
        if sound == 3 {
            expected[4] -= 1;
        }
        assert_eq!(survey(&file), (expected, named), "{sql}");

        let root = folder.path("data");
        let verb = |args: &[&str]| run(&[args, &["--root", &root]].concat(), b"");
        // The state of the other workflow, and of this one if only an older version is damaged.
        assert_eq!(verb(&["state", "show", "wf_2"]).status.code(), Some(0));
        if place.starts_with("`state-version") {
            assert_eq!(verb(&["state", "show", "wf_1"]).status.code(), Some(0), "{sql}");
        }
        let all = verb(&["state", "show"]);
        assert!(out(&all).contains("wf_2  version 2"), "{}", out(&all));
        let checked = verb(&["store", "check"]);
        assert_eq!(checked.status.code(), Some(1), "{sql}");
        assert!(out(&checked).contains(&format!("damaged: {place}")), "{place}: {}", out(&checked));

        // An export has all the rest, and names what it lacks; so has what is made of it.
        let export = verb(&["store", "export"]);
        assert_eq!(export.status.code(), Some(1), "{sql}: {}", err(&export));
        assert!(err(&export).contains(place), "{place}: {}", err(&export));
        for merge in [false, true] {
            let name = folder.path(if merge { "merged" } else { "new" });
            let mut args = vec!["store", "import", "-", "--root", &name];
            args.extend(merge.then_some("--merge"));
            let import = run(&args, &export.stdout);
            assert_eq!(import.status.code(), Some(0), "{sql}: {}", err(&import));
            assert!(out(&import).contains("1 were damaged"), "{}", out(&import));
            let copy = Sqlite::open_in(&name, &options()).unwrap();
            assert_eq!(block_on(copy.bounds()).unwrap(), Bounds::new(1, 4));
            assert!(block_on(copy.check()).unwrap().problems.is_empty());
        }

        let dry = verb(&["store", "repair", "--dry-run"]);
        assert_eq!(dry.status.code(), Some(1), "{}", err(&dry));
        assert!(
            out(&dry).contains(&format!("would be removed: {place}")),
            "{place}: {}",
            out(&dry)
        );
        assert_eq!(out(&verb(&["store", "check"])), out(&checked), "a dry run changes nothing");
        let saved = folder.path("saved.jsonl");
        let done = verb(&["store", "repair", "--save", &saved]);
        assert_eq!(done.status.code(), Some(0), "{}{}", out(&done), err(&done));
        assert!(out(&done).contains(&format!("removed: {place}")), "{}", out(&done));
        let lines = fs::read_to_string(&saved).unwrap();
        assert!(lines.contains("\"reason\":"), "{lines}");
        let sound = verb(&["store", "check"]);
        assert_eq!(sound.status.code(), Some(0), "{sql}: {}", out(&sound));
        let nothing = verb(&["store", "repair", "--dry-run"]);
        assert!(out(&nothing).ends_with("nothing is damaged\n"), "{}", out(&nothing));
        assert_eq!(survey(&file).1, 0);
    }
}

/// What has a sound checksum and is not what its key demands; what others keep stays.
#[test]
fn what_means_nothing_is_damage_too() {
    let folder = Folder::new();
    let file = open(&folder);
    fill(&file);
    block_on(async {
        for (name, value) in [
            ("state/wf_1", "no line"),
            ("registration/hub-wf_1", "{}"),
            ("checkpoints/wf_1/ckpt_1", "{}"),
            ("checkpoint-restores/wf_1", "half a mark"),
            ("checkpoint-parts/wf_9/ckpt_9/workflow_state", "an orphan"),
            ("mine", "anything"),
        ] {
            file.put(&key(name), value.as_bytes(), Expect::Any).await.unwrap();
        }
        file.append(&[&b"\xff\xfe"[..], b"my own record"]).await.unwrap();
        let named = r#"{"workflow_state":{"workflow_id":"wf_2","state_version":3,"timestamp":"2025-01-15T12:00:00Z","checkpoint_id":"ckpt_7"}}"#;
        States::new(file.clone()).put(named, Some(2)).await.unwrap();
    });
    let root = folder.path("data");
    let verb = |args: &[&str]| run(&[args, &["--root", &root]].concat(), b"");
    let checked = out(&verb(&["store", "check"]));
    let dangling = "dangling: the state of wf_2 names the checkpoint ckpt_7, which is not there\n";
    assert!(checked.contains(dangling), "{checked}");
    let done = verb(&["store", "repair"]);
    assert_eq!(done.status.code(), Some(0), "{}{}", out(&done), err(&done));
    let text = out(&done);
    for place in [
        "record 4: it is no UTF-8",
        "`checkpoint-parts/wf_9/ckpt_9/workflow_state`: it is a part of a checkpoint",
        "`checkpoint-restores/wf_1`: it is not sealed",
        "`checkpoints/wf_1/ckpt_1`: it is not sealed",
        "`registration/hub-wf_1`: it is a message of kind unknown",
        "`state/wf_1`: the line before the message is missing",
    ] {
        assert!(text.contains(&format!("removed: {place}")), "{place}: {text}");
    }
    // What only a state names, and what is somebody's own, is told or left.
    assert_eq!(out(&verb(&["store", "check"])).lines().next(), Some(dangling.trim_end()));
    block_on(async {
        assert!(file.get(&key("mine")).await.unwrap().is_some());
        assert_eq!(&*file.read(5, 1).await.unwrap()[0].data, b"my own record");
        let parts = StoreScan::new("checkpoint-parts/wf_1/");
        assert!(file.keys(&parts).await.unwrap().keys.is_empty());
    });
}

fn start(args: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_coord"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Killed at any moment, and two at once: what is sound stays, and the next run finishes.
#[test]
fn a_repair_or_prune_that_is_killed_loses_nothing_sound() {
    let folder = Folder::new();
    let file = open(&folder);
    fill(&file);
    for number in 0..40 {
        checkpoint(&file, &format!("ckpt_x{number:02}"), &state("wf_1", 1));
    }
    let root = folder.path("data");
    let sound: Vec<Key> = ["state/wf_1", "state/wf_2", "registration/hub-wf_1"].map(key).to_vec();
    for round in 0..6_u64 {
        block_on(async {
            for number in 0..40 {
                let name = format!("state/damaged_{number}");
                file.put(&key(&name), b"no line", Expect::Any).await.unwrap();
                let part = format!("checkpoint-parts/wf_1/ckpt_x{number:02}/workflow_state");
                if number % 3 == 0 && file.get(&key(&part)).await.unwrap().is_some() {
                    file.put(&key(&part), b"x", Expect::Any).await.unwrap();
                }
            }
            file.append(&[&b"\xff"[..]]).await.unwrap();
        });
        let repair = ["store", "repair", "--root", &root];
        let prune = ["checkpoint", "prune", "--keep", "3", "--root", &root];
        let mut children = if round % 2 == 0 {
            vec![start(&repair), start(&repair)]
        } else {
            vec![start(&prune), start(&repair)]
        };
        std::thread::sleep(Duration::from_millis(15 * round + 5));
        if round != 4 {
            for child in &mut children {
                // One that has ended cannot be killed.
                let _ = child.kill();
            }
        }
        for child in &mut children {
            child.wait().unwrap();
        }
        for key in &sound {
            assert!(block_on(file.get(key)).unwrap().is_some(), "round {round}: {key}");
        }
        assert_eq!(survey(&file).0[0], 2);
    }
    let done = run(&["store", "repair", "--root", &root], b"");
    assert_eq!(done.status.code(), Some(0), "{}{}", out(&done), err(&done));
    let done = run(&["checkpoint", "prune", "--keep", "3", "--root", &root], b"");
    assert_eq!(done.status.code(), Some(0), "{}{}", out(&done), err(&done));
    let checked = run(&["store", "check", "--root", &root], b"");
    assert_eq!(checked.status.code(), Some(0), "{}", out(&checked));
}

/// No copy, no removal.
#[test]
fn a_repair_that_cannot_save_removes_nothing() {
    let folder = Folder::new();
    let file = open(&folder);
    block_on(file.append(&[&b"\xff"[..]])).unwrap();
    block_on(file.put(&key("state/wf"), b"x", Expect::Any)).unwrap();
    let there = folder.write("there.jsonl", "mine");
    let root = folder.path("data");
    for to in [there.as_str(), "/dev/full/x", &folder.path("no/folder")] {
        let refused = run(&["store", "repair", "--save", to, "--root", &root], b"");
        assert_eq!(refused.status.code(), Some(4), "{to}: {}", out(&refused));
        assert!(
            err(&refused).starts_with(&format!("coord: cannot write {to}: ")),
            "{}",
            err(&refused)
        );
        assert_eq!(&*block_on(file.read(1, 1)).unwrap()[0].data, b"\xff");
        assert!(block_on(file.get(&key("state/wf"))).unwrap().is_some());
    }
    assert_eq!(fs::read_to_string(there).unwrap(), "mine");
    // An error of the visitor changes nothing either.
    let stopped = file.repair(false, |item| {
        assert_eq!(
            item.place,
            DamagedPlace::Record(coordination_protocol::storage::Log::History, 1)
        );
        Err::<(), _>(StorageError::full("no room for the copy"))
    });
    assert_eq!(stopped.unwrap_err().code(), "full");
    assert_eq!(&*block_on(file.read(1, 1)).unwrap()[0].data, b"\xff");
}

fn log_bytes(folder: &Folder) -> u64 {
    fs::metadata(folder.0.join("data/coord.sqlite-wal")).map_or(0, |meta| meta.len())
}

/// A reader that stays keeps the log from being emptied: writes are refused then, with a reason, and go
/// on when it is gone; the log gets small again by itself.
#[test]
fn the_log_is_bounded_whatever_readers_do() {
    const LIMIT: u64 = 1 << 20;
    const VALUE: u64 = 64 << 10;
    let folder = Folder::new();
    let options = options().with_max_log_bytes(LIMIT);
    let file = Sqlite::open_in(folder.0.join("data"), &options).unwrap();
    let put = |number: u64| {
        let name = format!("v/{}", number % 7);
        block_on(file.put(&key(&name), &vec![number as u8; VALUE as usize], Expect::Any))
    };
    put(0).unwrap();
    let reader = raw(&folder);
    reader.execute_batch("BEGIN; SELECT count(*) FROM entry;").unwrap();
    let refused = (1..200).find_map(|number| put(number).err()).expect("it grows without end");
    let StorageError::LogFull { bytes, limit, waited } = &refused else { panic!("{refused}") };
    assert!(refused.is_transient());
    assert!(
        *limit == LIMIT && *bytes >= LIMIT && *waited >= Duration::from_millis(300),
        "{refused}"
    );
    // One write may go beyond, and its pages.
    assert!(log_bytes(&folder) <= LIMIT + 2 * VALUE, "{}", log_bytes(&folder));
    assert!(block_on(file.get(&key("v/0"))).unwrap().is_some(), "reads go on");
    reader.execute_batch("ROLLBACK").unwrap();
    put(200).unwrap();
    assert!(log_bytes(&folder) <= LIMIT, "{}", log_bytes(&folder));

    // Readers that come and go: it is never longer, and small in the end although nothing is written.
    for number in 0..60 {
        reader.execute_batch("BEGIN; SELECT count(*) FROM entry;").unwrap();
        let done = put(number);
        reader.execute_batch("ROLLBACK").unwrap();
        if let Err(error) = done {
            assert_eq!(error.code(), "log-full");
            put(number).unwrap();
        }
        assert!(log_bytes(&folder) <= LIMIT + 2 * VALUE, "{}", log_bytes(&folder));
    }
    reader.execute_batch("BEGIN; SELECT count(*) FROM entry;").unwrap();
    while log_bytes(&folder) <= LIMIT / 2 {
        put(1).unwrap();
    }
    reader.execute_batch("ROLLBACK").unwrap();
    let start = Clock::now();
    while log_bytes(&folder) > LIMIT / 2 {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", log_bytes(&folder));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_quota_counts_the_log() {
    const QUOTA: u64 = 1 << 20;
    const VALUE: u64 = 16 << 10;
    let folder = Folder::new();
    let file = Sqlite::open_in(folder.0.join("data"), &options().with_max_bytes(QUOTA)).unwrap();
    let reader = raw(&folder);
    reader.execute_batch("BEGIN; SELECT count(*) FROM entry;").unwrap();
    let mut refused = 0;
    for number in 0..120_u64 {
        let name = format!("v/{number}");
        match block_on(file.put(&key(&name), &[7; VALUE as usize], Expect::Any)) {
            Ok(_) => {}
            Err(error) => {
                refused += 1;
                assert!(["full", "log-full"].contains(&error.code()), "{error}");
                if refused == 2 {
                    reader.execute_batch("ROLLBACK").unwrap();
                } else if refused > 4 {
                    break;
                }
            }
        }
        let size = fs::metadata(folder.0.join("data/coord.sqlite")).unwrap().len();
        let all = size + log_bytes(&folder);
        assert!(all <= QUOTA + 2 * VALUE, "{size} and {}", log_bytes(&folder));
    }
    assert!(refused > 4, "{refused}");
    drop(reader);
    assert!(block_on(file.check()).unwrap().problems.is_empty());
}

/// A reader that missed records where it was has missed them where it is merged into.
#[test]
fn a_merge_does_not_hide_what_a_reader_missed() {
    let source = Folder::new();
    let file = open(&source);
    let events: Vec<String> = (0..10).map(|number| event(&format!("wf_{number}"))).collect();
    block_on(async {
        file.append(&events).await.unwrap();
        file.move_cursor(&key("behind"), None, 2).await.unwrap();
        file.move_cursor(&key("fine"), None, 7).await.unwrap();
        file.trim(5).await.unwrap();
    });
    let mut items = Vec::new();
    file.dump(|item| {
        items.push(item);
        Ok::<(), StorageError>(())
    })
    .unwrap();
    for (records, trimmed) in [(0, 1), (3, 1), (3, 3)] {
        let folder = Folder::new();
        let merged = open(&folder);
        block_on(merged.append(&events[..records])).unwrap();
        block_on(merged.trim(trimmed)).unwrap();
        let copy = items.iter().cloned().map(Ok::<StoreItem, StorageError>);
        assert_eq!(merged.load(LoadMode::Merge, copy).unwrap().cursors, 2);
        let journal = Events::new(merged.clone());
        let behind = journal.consumer(key("behind"));
        let told = block_on(behind.next()).unwrap_err();
        assert!(matches!(told, StorageError::Trimmed { .. }), "{records}, {trimmed}: {told}");
        assert!(block_on(behind.skip()).unwrap() > 0);
        assert!(!block_on(behind.next()).unwrap().events.is_empty());
        // The other one goes on at the same event.
        let batch = block_on(journal.consumer(key("fine")).next()).unwrap();
        assert_eq!(*batch.events[0].text, event("wf_6"), "{records}, {trimmed}");
    }
}
