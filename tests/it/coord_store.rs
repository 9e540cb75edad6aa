//! `coord store`, `coord state show`, and `coord migrate --store`.

use crate::coord::{err, out, run};
use crate::support::{Folder, Rng, scaled};
use coordination_protocol::adapter::sqlite::{
    Contents, ItemChange, KeptLane, LoadMode, LogContents, Sqlite, SqliteOptions, StoreItem,
    Synchronous,
};
use coordination_protocol::error::IntoReport;
use coordination_protocol::scalar::WorkflowId;
use coordination_protocol::storage::view::{DeadLetters, Events, Registrations, States};
use coordination_protocol::storage::{
    Bounds, Engine as _, Expect, ImportFault, Journal, JournalRecord, Key, Log, NewRecord,
    StorageError, Store, block_on,
};
use serde_json::Value;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn key(segments: &[&str]) -> Key {
    Key::of(segments).unwrap()
}

fn open(folder: &Folder, name: &str) -> Sqlite {
    let options = SqliteOptions::new("test").with_synchronous(Synchronous::Normal);
    Sqlite::open_in(folder.0.join(name), &options).unwrap()
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

/// Values and records of any bytes, a trimmed journal, cursors inside and before it.
fn fill(file: &Sqlite, rng: &mut Rng) {
    block_on(async {
        for _ in 0..rng.below(600) {
            let key = key(&["some", &rng.below(400).to_string()]);
            let value: Vec<u8> = (0..rng.below(300)).map(|_| rng.next() as u8).collect();
            match rng.below(5) {
                0 => drop(file.delete(&key, Expect::Any).await.unwrap()),
                1 => drop(file.put(&key, "text \"é\"\n".as_bytes(), Expect::Any).await.unwrap()),
                2 => drop(file.append(&[&b"line"[..], &value]).await.unwrap()),
                3 => {
                    let lane = self::key(&["lane", &rng.below(30).to_string()]);
                    let record = NewRecord::new(value).in_lane(lane);
                    let record = match rng.below(3) {
                        0 => record,
                        1 => record.with_subject("some subject"),
                        _ => record.with_id(rng.next().to_string()),
                    };
                    file.append_records(&[record], &[]).await.unwrap();
                }
                _ => drop(file.put(&key, &value, Expect::Any).await.unwrap()),
            }
        }
        fill_decisions(&file.log(Log::Decisions), rng).await;
        let next = file.bounds().await.unwrap().next;
        for name in ["a", "b/c"] {
            let to = 1 + rng.below(next as usize) as u64;
            file.move_cursor(&key(&[name]), None, to).await.unwrap();
        }
        file.trim(1 + rng.below(next as usize) as u64).await.unwrap();
        if rng.one_in(3) {
            file.forget_lanes().await.unwrap();
        }
    });
}

/// Lanes that are open and lanes that ended, with a cut behind which the open ones have snapshots.
async fn fill_decisions(decisions: &Sqlite, rng: &mut Rng) {
    for number in 0..rng.below(60) {
        let lane = key(&["lane", &rng.below(8).to_string()]);
        let record = NewRecord::new(number.to_string().into_bytes()).in_lane(lane);
        let record = record.with_id(number.to_string());
        let record = if rng.one_in(10) { record.ending_its_lane() } else { record };
        match decisions.append_records(&[record], &[]).await {
            Ok(_) | Err(StorageError::LaneEnded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let next = decisions.bounds().await.unwrap().next;
    let to = 1 + rng.below(next as usize) as u64;
    decisions.move_cursor(&key(&["a"]), None, to).await.unwrap();
    let before = 1 + rng.below(next as usize) as u64;
    if let Err(StorageError::LanesOpen { lanes, more: 0, .. }) = decisions.trim(before).await {
        for end in lanes {
            let snapshot = NewRecord::new(*b"snapshot").in_lane(end.lane.clone());
            decisions.append_records(&[snapshot], &[end]).await.unwrap();
        }
        assert!(decisions.trim(before).await.unwrap() > 0);
    }
}

#[test]
fn what_is_exported_comes_back_equal() {
    let mut rng = Rng::new(8);
    for _ in 0..scaled(6) {
        let folder = Folder::new();
        let old = open(&folder, "old");
        fill(&old, &mut rng);
        let exported = run(&["store", "export", "--root", &folder.path("old")], b"");
        assert_eq!(exported.status.code(), Some(0), "{}", err(&exported));
        let imported = run(&["store", "import", "--root", &folder.path("new")], &exported.stdout);
        assert_eq!(imported.status.code(), Some(0), "{}", err(&imported));
        let new = open(&folder, "new");
        // Values with their revisions, records with their positions, cursors, bounds.
        assert_eq!(dump(&new), dump(&old));
        assert_eq!(block_on(new.check()).unwrap().problems, [""; 0]);
        // The next revision and position are the same, too.
        for file in [&old, &new] {
            block_on(file.append(&["next"])).unwrap();
            block_on(file.log(Log::Decisions).append(&["next"])).unwrap();
            block_on(file.put(&key(&["next"]), b"", Expect::Any)).unwrap();
        }
        assert_eq!(dump(&new), dump(&old));
    }
}

#[test]
fn a_damaged_or_cut_export_is_told_with_its_line() {
    let folder = Folder::new();
    let mut rng = Rng::new(3);
    let file = open(&folder, "old");
    block_on(async {
        for number in 0..6 {
            file.put(&key(&[&number.to_string()]), b"value", Expect::Any).await.unwrap();
        }
        file.append(&["a", "b", "c"]).await.unwrap();
    });
    let exported = run(&["store", "export", "--root", &folder.path("old")], b"").stdout;
    let text = String::from_utf8(exported.clone()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 1 + 6 + 3 + 1);
    let import = |bytes: &[u8]| run(&["store", "import", "--root", &folder.path("new")], bytes);
    let refused = |bytes: &[u8], message: &str| {
        let output = import(bytes);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        assert_eq!(err(&output), format!("coord: <stdin>:{message}; nothing was taken in\n"));
    };
    refused(b"nonsense\n", "1: this is no line of an export, or it is damaged");
    refused(b"", "1: the export is cut: its last line is missing");
    assert!(!folder.0.join("new").exists(), "what is no export makes no store");
    refused(lines[..7].concat().as_bytes(), "8: the export is cut: its last line is missing");
    refused(&exported[..lines[..4].concat().len() + 9], "5: the line is cut");
    refused(text.trim_end().as_bytes(), "11: the line is cut");
    refused(
        [&lines[..3], &lines[4..]].concat().concat().as_bytes(),
        "4: the line is damaged, or one before it is missing",
    );
    refused(
        (text.clone() + lines[10]).as_bytes(),
        "12: there is more behind the end of the export",
    );
    refused(b"hello\n", "1: this is no line of an export, or it is damaged");
    // Any flipped bit is seen, and its line named.
    for _ in 0..scaled(12) {
        let at = rng.below(exported.len());
        let mut flipped = exported.clone();
        flipped[at] ^= 1 << rng.below(8);
        let line = 1 + exported[..at].iter().filter(|byte| **byte == b'\n').count();
        let output = import(&flipped);
        assert_eq!(output.status.code(), Some(1), "byte {at}");
        let told = err(&output);
        assert!(told.starts_with(&format!("coord: <stdin>:{line}: ")), "byte {at}: {told}");
    }
    let output =
        run(&["store", "import", "--max-bytes", "60", "--root", &folder.path("new")], &exported);
    assert!(
        err(&output).contains("<stdin>:1: the line is longer than 60 bytes"),
        "{}",
        err(&output)
    );
    // Nothing of all that was taken in.
    assert_eq!(dump(&open(&folder, "new")).len(), 1);
    assert_eq!(import(&exported).status.code(), Some(0));
}

#[test]
fn import_refuses_a_store_that_is_not_empty_unless_told_to_merge() {
    let folder = Folder::new();
    let (old, new) = (open(&folder, "old"), open(&folder, "new"));
    block_on(async {
        for (file, texts) in [(&old, ["same", "one"]), (&new, ["same", "other"])] {
            file.put(&key(&["same"]), texts[0].as_bytes(), Expect::Any).await.unwrap();
            file.put(&key(&["differs"]), texts[1].as_bytes(), Expect::Any).await.unwrap();
            file.append(&texts).await.unwrap();
        }
        old.put(&key(&["added"]), b"x", Expect::Any).await.unwrap();
        old.move_cursor(&key(&["reader"]), None, 2).await.unwrap();
    });
    let path = folder.path("store.jsonl");
    let exported = run(&["store", "export", &path, "--root", &folder.path("old")], b"");
    assert_eq!(out(&exported), format!("{path}: 8 lines\n"));
    let again = run(&["store", "export", &path, "--root", &folder.path("old")], b"");
    assert_eq!(again.status.code(), Some(4));
    assert!(err(&again).starts_with(&format!("coord: cannot write {path}: ")), "{}", err(&again));

    let refused = run(&["store", "import", &path, "--root", &folder.path("new")], b"");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        err(&refused),
        "coord: the store is not empty: 2 values, 2 records, 0 cursors; --merge adds to it; \
         nothing was taken in\n"
    );
    let merged = run(&["store", "import", "--merge", &path, "--root", &folder.path("new")], b"");
    assert_eq!(
        out(&merged),
        format!(
            "{}: 1 values, 2 records and 1 cursors taken in; 2 were there and stayed, 1 of them \
             with other content\n",
            folder.0.join("new/coord.sqlite").display()
        )
    );
    let records = block_on(new.read(1, 9)).unwrap();
    let records: Vec<&[u8]> = records.iter().map(|record| &*record.data).collect();
    assert_eq!(records, [b"same" as &[u8], b"other", b"same", b"one"]);
    // It still wants the record that it wanted.
    assert_eq!(block_on(new.cursor(&key(&["reader"]))).unwrap(), Some(4));
    let differs = block_on(new.get(&key(&["differs"]))).unwrap().unwrap();
    assert_eq!(*differs.value, *b"other");
}

#[test]
fn items_that_do_not_belong_together_are_refused() {
    let folder = Folder::new();
    let file = open(&folder, "new");
    let contents = |records: u64| {
        StoreItem::Contents(Contents::new(
            9,
            0,
            LogContents::new(Bounds::new(4, 4 + records), 0, 0),
        ))
    };
    let record = |position| StoreItem::Record(Log::History, JournalRecord::new(position, *b"x"));
    let laned = |position| {
        let record = NewRecord::new(*b"x").in_lane(key(&["a"])).with_id("1");
        StoreItem::Record(Log::History, record.at(position))
    };
    let lane_end = |last| StoreItem::Lane(Log::History, KeptLane::new(key(&["a"]), last));
    for how in [LoadMode::Restore, LoadMode::Merge] {
        for (items, error, sentence) in [
            (
                vec![],
                StorageError::Import(ImportFault::NoContents),
                "the items do not start with what they are",
            ),
            (
                vec![record(1)],
                StorageError::Import(ImportFault::NoContents),
                "the items do not start with what they are",
            ),
            (
                vec![contents(2), record(4), record(6)],
                StorageError::Import(ImportFault::Order { position: 6, expected: 5 }),
                "record 6 stands where record 5 should",
            ),
            (
                vec![contents(2), record(4)],
                StorageError::Import(ImportFault::Count { items: 1, announced: 2 }),
                "1 items came, 2 were announced",
            ),
            (
                vec![contents(1), laned(4), lane_end(5)],
                StorageError::Import(ImportFault::Lane {
                    lane: key(&["a"]),
                    last: 5,
                    record: None,
                }),
                "lane `a` ends at 5, behind the journal",
            ),
        ] {
            let refused =
                file.load(how, items.into_iter().map(Ok::<StoreItem, StorageError>)).unwrap_err();
            assert_eq!((refused.to_string().as_str(), &refused), (sentence, &error));
            assert_eq!(refused.problem().message, sentence);
        }
    }
    let newer = coordination_protocol::storage::Entry::new(key(&["k"]), *b"x", 10);
    let items =
        [StoreItem::Contents(Contents::new(9, 1, LogContents::NONE)), StoreItem::Entry(newer)];
    let refused =
        file.load(LoadMode::Restore, items.map(Ok::<StoreItem, StorageError>)).unwrap_err();
    assert_eq!(refused.to_string(), "`k` has revision 10, higher than the last one, 9");
    let items = [contents(1), laned(4), lane_end(3)];
    let refused =
        file.load(LoadMode::Restore, items.map(Ok::<StoreItem, StorageError>)).unwrap_err();
    assert_eq!(refused.to_string(), "lane `a` ends at 3, but record 4 is its own");
    let items = [contents(2), laned(4), laned(5)];
    let refused =
        file.load(LoadMode::Restore, items.map(Ok::<StoreItem, StorageError>)).unwrap_err();
    assert_eq!(refused.to_string(), "record `1` of lane `a` stands at position 4 already");
    let two_lanes = Contents::new(9, 0, LogContents::new(Bounds::new(4, 5), 0, 2));
    let items = [StoreItem::Contents(two_lanes), laned(4), lane_end(4)];
    let refused =
        file.load(LoadMode::Restore, items.map(Ok::<StoreItem, StorageError>)).unwrap_err();
    assert_eq!(refused.to_string(), "2 items came, 3 were announced");
    // After all of that the file is as empty as before.
    let items = [contents(2), record(4), record(5)];
    let loaded = file.load(LoadMode::Restore, items.map(Ok::<StoreItem, StorageError>)).unwrap();
    assert_eq!((loaded.records, loaded.kept), (2, 0));
    assert_eq!(block_on(file.bounds()).unwrap(), Bounds::new(4, 6));
    let again =
        file.load(LoadMode::Restore, [Ok::<StoreItem, StorageError>(contents(0))]).unwrap_err();
    assert!(matches!(again, StorageError::NotEmpty { .. }), "{again}");
}

#[test]
fn check_and_backup_tell_what_they_did() {
    let folder = Folder::new();
    let root = folder.path("data");
    let missing = run(&["store", "check", "--root", &root], b"");
    assert_eq!(missing.status.code(), Some(4));
    let file = open(&folder, "data");
    block_on(file.put(&key(&["k"]), b"v", Expect::Any)).unwrap();
    block_on(file.append(&["a", "b"])).unwrap();
    let checked = run(&["store", "check", "--root", &root], b"");
    let name = folder.0.join("data/coord.sqlite").display().to_string();
    assert_eq!(out(&checked), format!("{name}: 1 values and 2 records are sound\n"));

    let copy = folder.path("copy/coord.sqlite");
    fs::create_dir(folder.0.join("copy")).unwrap();
    let done = run(&["store", "backup", &copy, "--root", &root], b"");
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(out(&done).starts_with(&format!("{copy}: ")), "{}", out(&done));
    assert_eq!(dump(&open(&folder, "copy")), dump(&file));
    let again = run(&["store", "backup", &copy, "--root", &root], b"");
    assert_eq!(again.status.code(), Some(4));
    let told = format!("coord: cannot write {copy}: it is there already; name a new file\n");
    assert_eq!(err(&again), told);
    let nowhere = folder.path("nowhere/coord.sqlite");
    let refused = run(&["store", "backup", &nowhere, "--root", &root], b"");
    let told = format!("coord: cannot write {nowhere}: its folder is not there; make it first\n");
    assert_eq!((refused.status.code(), err(&refused)), (Some(4), told));

    // Damage is a finding.
    drop(file);
    let path = folder.0.join("data/coord.sqlite");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE entry SET value = x'00'", []).unwrap();
    drop(raw);
    let damaged = run(&["store", "check", "--root", &root], b"");
    assert_eq!(damaged.status.code(), Some(1));
    assert!(
        out(&damaged).starts_with("damaged: `k`: the value does not match its checksum\n"),
        "{}",
        out(&damaged)
    );
    assert!(err(&damaged).starts_with("coord: go back to a backup"), "{}", err(&damaged));
    let export = run(&["store", "export", "--root", &root], b"");
    assert_eq!(export.status.code(), Some(1));
    let told = "coord: damaged: `k`: the value does not match its checksum\n";
    assert_eq!(err(&export), told);
}

const STATE: &str = r#"{"priority":"high","workflow_state":{"workflow_id":"ID","state_version":VERSION,"timestamp":"2025-01-15T12:00:00Z","current_phase":{"phase_id":3,"name":"implementation","progress":67.50},"x":1.0}}"#;

fn state(id: &str, version: u64) -> String {
    STATE.replace("ID", id).replace("VERSION", &version.to_string())
}

#[test]
fn state_show_lists_and_shows() {
    let folder = Folder::new();
    let show = |args: &[&str]| -> Output {
        run(&[&["state", "show", "--root", &folder.path("data")], args].concat(), b"")
    };
    assert_eq!(show(&[]).status.code(), Some(4));
    let states = States::new(open(&folder, "data"));
    let empty = show(&[]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(err(&empty).starts_with("coord: there are no states in "), "{}", err(&empty));
    for version in 1..=3 {
        for id in ["wf_1", "wf_2"] {
            block_on(states.put(&state(id, version), (version > 1).then(|| version - 1))).unwrap();
        }
    }
    assert_eq!(
        out(&show(&[])),
        "wf_1  version 3  implementation 67.50 %  2025-01-15T12:00:00Z\n\
         wf_2  version 3  implementation 67.50 %  2025-01-15T12:00:00Z\n"
    );
    let one = out(&show(&["wf_2", "--state-version", "2"]));
    let digest = block_on(states.get(&WorkflowId::new("wf_2").unwrap())).unwrap().unwrap().digest;
    assert!(
        one.starts_with("wf_2  version 2  implementation 67.50 %\nkept    1 2 3\ndigest  sha256:")
    );
    assert!(one.ends_with(&format!("\n{}\n", state("wf_2", 2))), "{one}");

    let rows: Vec<Value> = out(&show(&["--format", "json"]))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["digest"], digest.as_str());
    let one = out(&show(&["wf_1", "--format", "json"]));
    assert!(one.contains("\"progress\":67.50") && one.contains("\"x\":1.0"), "{one}");
    assert!(one.contains("\"versions\":[1,2,3]"), "{one}");

    let missing = show(&["wf_9"]);
    assert_eq!(
        (missing.status.code(), err(&missing).as_str()),
        (Some(1), "coord: there is no state of `wf_9`\n")
    );
    let missing = show(&["wf_1", "--state-version", "9"]);
    assert_eq!(err(&missing), "coord: there is no version 9 of the state of `wf_1`\n");
    assert_eq!(show(&["a:b"]).status.code(), Some(2));

    block_on(open(&folder, "data").put(&key(&["state", "wf_1"]), b"\n{}", Expect::Any)).unwrap();
    let damaged = show(&[]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(err(&damaged).starts_with("coord: `state/wf_1` is damaged"), "{}", err(&damaged));
}

/// A store of protocol 1.1.0 with what 1.0.0 has no word for.
fn newer(folder: &Folder) -> Sqlite {
    let file = open(folder, "data");
    let letter = r#"{"dead_letter":{"reason":"x","original":"y","attempts":1,"died_at":"2025-01-15T12:00:00Z"}}"#;
    block_on(async {
        let states = States::new(file.clone());
        states.put(&state("wf_1", 1), None).await.unwrap();
        states.put(&state("wf_1", 2), Some(1)).await.unwrap();
        let component =
            r#"{"component_registration":{"component_id":"hub","component_type":"core"}}"#;
        Registrations::new(file.clone()).register(component).await.unwrap();
        DeadLetters::new(file.clone()).add(letter, 1).await.unwrap();
        file.put(&key(&["mine"]), b"\xff", Expect::Any).await.unwrap();
        let events = [
            r#"RECOVERY_COMPLETED:wf_1:global:{"recovery_id":"r","duration":"5m","results":{}}"#,
            r#"WORKFLOW_PAUSED:wf_1:global:{"pause_reason":"lunch","current_state":{}}"#,
        ];
        Events::new(file.clone()).append(&events).await.unwrap();
        file.move_cursor(&key(&["reader"]), None, 2).await.unwrap();
    });
    file
}

#[test]
fn migrate_takes_the_whole_store_or_nothing() {
    let folder = Folder::new();
    let file = newer(&folder);
    let root = folder.path("data");
    let name = folder.0.join("data/coord.sqlite").display().to_string();
    let before = dump(&file);
    let migrate = |args: &[&str]| {
        let fixed = ["migrate", "--store", "--root", &root, "--from", "1.1.0", "--to", "1.0.0"];
        run(&[&fixed, args].concat(), b"")
    };
    // The dead letter and the recovery mean nothing to 1.0.0.
    let refused = migrate(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("coord: `dead-letter/"), "{}", err(&refused));
    assert!(err(&refused).contains("coord: record 1: "), "{}", err(&refused));
    assert!(out(&refused).ends_with(&format!("{name} was left as it is\n")), "{}", out(&refused));
    assert_eq!(dump(&file), before);

    let dry = migrate(&["--allow-loss", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", err(&dry));
    let told = out(&dry);
    assert!(
        told.starts_with(&format!(
            "{name}: 4 messages: 2 changed, 1 dropped, 0 not migrated\n\
             {name}: 2 records: 0 changed, 1 dropped, 0 not migrated\n\
             {name}: 2 other values stay as they are\n"
        )),
        "{told}"
    );
    assert!(
        told.contains("  2 times, first in `state-version/wf_1/")
            || told.contains("  2 times, first in `state/wf_1`: "),
        "{told}"
    );
    assert!(told.ends_with("dry run: nothing was changed\n"));
    assert_eq!(dump(&file), before);

    let done = migrate(&["--allow-loss"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert_eq!(format!("{}dry run: nothing was changed\n", out(&done)), told);
    block_on(async {
        let states = States::new(file.clone());
        let id = WorkflowId::new("wf_1").unwrap();
        for version in 1..=2 {
            let stored = states.version(&id, version).await.unwrap().unwrap();
            assert_eq!(stored.text, state("wf_1", version).replace(r#""priority":"high","#, ""));
        }
        assert!(DeadLetters::new(file.clone()).list(None, 9).await.unwrap().items.is_empty());
        // The others keep their positions, and so the cursors their places.
        let page = Events::new(file.clone()).read(1, 9).await.unwrap();
        assert_eq!((page.events.len(), page.events[0].position, page.next), (1, 2, 3));
        assert_eq!(file.cursor(&key(&["reader"])).await.unwrap(), Some(2));
        assert_eq!(file.check().await.unwrap().problems, [""; 0]);
    });
    let after = dump(&file);
    let again = migrate(&["--allow-loss"]);
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert_eq!(dump(&file), after);
}

/// Starts the program and kills it after a while.
fn killed(args: &[&str], after: Duration) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coord"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
fn a_killed_migration_or_import_did_all_or_nothing() {
    let folder = Folder::new();
    let events: Vec<String> = (0..1_500)
        .map(|number| format!(r#"{{"priority":"high","event":{{"event_type":"WORKFLOW_PAUSED","workflow_id":"wf_{number}","phase":"global","data":{{"pause_reason":"","current_state":{{}}}}}}}}"#))
        .collect();
    let file = open(&folder, "data");
    block_on(file.append(&events)).unwrap();
    let before = dump(&file);
    let (root, path) = (folder.path("data"), folder.path("all.jsonl"));
    assert!(run(&["store", "export", &path, "--root", &root], b"").status.success());
    let migrate = ["migrate", "--store", "--root", &root, "--from", "1.1.0", "--to", "1.0.0"];
    let mut rng = Rng::new(6);
    let mut longest = Duration::from_millis(400);
    for case in 0..scaled(6) {
        let after = longest * rng.below(100) as u32 / 100;
        killed(&migrate, after);
        let now = dump(&file);
        let changed = now.iter().zip(&before).filter(|(now, before)| now != before).count();
        assert!(changed == 0 || changed == events.len(), "{changed} records");
        if changed > 0 {
            longest = longest.min(after + Duration::from_millis(20));
            file.rewrite(false, |item| {
                let StoreItem::Record(_, record) = item else { return Ok(ItemChange::Keep) };
                let text = &events[record.position as usize - 1];
                Ok::<_, StorageError>(ItemChange::Replace(text.clone().into_bytes()))
            })
            .unwrap();
            assert_eq!(dump(&file), before);
        }
        let new = format!("new-{case}");
        killed(&["store", "import", &path, "--root", &folder.path(&new)], after);
        let now = dump(&open(&folder, &new));
        assert!(now == before || now.len() == 1, "{} items", now.len());
    }
    let done = run(&migrate, b"");
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(
        out(&done).contains("1500 records: 1500 changed, 0 dropped, 0 not migrated"),
        "{}",
        out(&done)
    );
}

#[test]
fn a_damaged_value_stops_the_migration() {
    let folder = Folder::new();
    let file = newer(&folder);
    block_on(file.put(&key(&["state", "x"]), b"no line", Expect::Any)).unwrap();
    block_on(file.append(&[&b"\xff"[..]])).unwrap();
    let before = dump(&file);
    let args =
        ["migrate", "--store", "--root", &folder.path("data"), "--from", "1.1.0", "--to", "1.1.0"];
    let refused = run(&args, b"");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        err(&refused).contains(
            "coord: `state/x`: `state/x` is damaged or not of this protocol: the line before the \
             message is missing\n"
        ),
        "{}",
        err(&refused)
    );
    assert!(err(&refused).contains("coord: record 3: invalid utf-8"), "{}", err(&refused));
    assert_eq!(dump(&file), before);
}
