//! `coord checkpoint`, and what is left when it is killed.

use crate::coord::{err, out, run};
use crate::support::{Folder, scaled};
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::scalar::WorkflowId;
use coordination_protocol::storage::view::{self, States};
use coordination_protocol::storage::{Expect, Key, Store, block_on};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A state of a version; `pad` makes it large.
fn state(version: u64, pad: usize) -> String {
    format!(
        r#"{{"workflow_state":{{"workflow_id":"wf_001","state_version":{version},"timestamp":"2025-01-15T12:00:00Z","agent_states":{{"a1":{{"status":"active","progress":{version}.0}}}},"pad":"{}"}}}}"#,
        format!("{version:03}").repeat(pad)
    )
}

fn open(folder: &Folder) -> Sqlite {
    Sqlite::open_in(&folder.0, &SqliteOptions::new("test")).unwrap()
}

fn key() -> Key {
    Key::of(["state", "wf_001"]).unwrap()
}

/// Makes it the current state, as the view of states keeps it.
fn set(folder: &Folder, text: &str) {
    let value = view::replace(&key(), None, text).unwrap();
    block_on(open(folder).put(&key(), &value, Expect::Any)).unwrap();
}

fn current(folder: &Folder) -> String {
    let workflow = WorkflowId::new("wf_001").unwrap();
    block_on(States::new(open(folder)).get(&workflow)).unwrap().unwrap().text
}

/// A state without what tells that it was put back.
fn said(text: &str) -> String {
    let mut message: Value = serde_json::from_str(text).unwrap();
    let body = message["workflow_state"].as_object_mut().unwrap();
    for name in ["state_version", "epoch", "restored_version", "checkpoint_id", "timestamp"] {
        body.remove(name);
    }
    message.to_string()
}

/// Runs a verb in a folder: exit code, output, complaints.
fn verb(folder: &Folder, args: &[&str], input: &str) -> (i32, String, String) {
    let root = folder.0.to_str().unwrap();
    let args = [&["checkpoint"], args, &["--root", root]].concat();
    let output = run(&args, input.as_bytes());
    (output.status.code().unwrap(), out(&output), err(&output))
}

fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_state_goes_and_comes_back() {
    let folder = Folder::new();
    let source = Folder::new();
    let listed = source.write("a.rs", "1");
    let all = source.0.to_str().unwrap();
    let create =
        ["create", "--state", "-", "--id", "ckpt_1", "--kind", "phase_complete", "--files", all];
    let (code, text, complaints) = verb(&folder, &create, &state(7, 0));
    assert_eq!((code, complaints.as_str()), (0, ""));
    assert!(text.starts_with("ckpt_1 of wf_001: phase_complete at 20"), "{text}");
    assert!(text.contains(", version 7, full, "), "{text}");

    set(&folder, &state(8, 0));
    let (code, text, _) = verb(
        &folder,
        &[
            "create",
            "--workflow",
            "wf_001",
            "--kind",
            "incremental",
            "--id",
            "ckpt_2",
            "--format",
            "json",
        ],
        "",
    );
    assert_eq!(code, 0);
    let sync = &json(&text)[0]["checkpoint_sync"];
    assert_eq!(sync["state_version"], 8);
    assert_eq!(sync["validation_results"]["integrity_check"], "passed");
    let location = sync["storage_metadata"]["storage_location"].as_str().unwrap();
    assert_eq!(location, format!("{}/checkpoints/wf_001/ckpt_2", folder.0.display()));

    let (code, text, _) = verb(&folder, &["list", "--format", "json"], "");
    let rows = json(&text);
    assert_eq!((code, rows.len()), (0, 2));
    assert_eq!(rows[1]["base_checkpoint_id"], "ckpt_1");
    assert_eq!(verb(&folder, &["verify"], ""), (0, "2 sound\n".to_owned(), String::new()));
    assert_eq!(verb(&folder, &["verify", "ckpt_2"], "").1, "1 sound\n");

    source.write("a.rs", "2");
    source.write("b.rs", "2");
    let (code, text, _) =
        verb(&folder, &["restore", "ckpt_1", "--format", "json", "--files", all], "");
    assert_eq!(code, 0);
    let row = &json(&text)[0];
    assert_eq!(row["state_version"], 9);
    assert_eq!(row["backup"]["checkpoint_type"], "emergency");
    // The current state had no list of files; the ones that were given are compared.
    assert_eq!(row["files"][0]["path"], listed.as_str());
    assert_eq!(row["files"][0]["change"], "changed");
    assert_eq!(row["files"][1]["change"], "added");
    assert_eq!(said(&current(&folder)), said(&state(7, 0)));
    let backup = row["backup"]["checkpoint_id"].as_str().unwrap().to_owned();
    let (code, text, _) = verb(&folder, &["restore", &backup], "");
    assert_eq!(code, 0);
    assert!(
        text.starts_with(&format!(
            "wf_001 was taken back to {backup}, version 10; the state before is in ckpt_"
        )),
        "{text}"
    );
    assert_eq!(said(&current(&folder)), said(&state(8, 0)));

    let args = ["rollback", "ckpt_1", "--mode", "selective", "--agents", "a1", "--format", "json"];
    let (code, text, _) = verb(&folder, &args, "");
    assert_eq!((code, &json(&text)[0]["state_version"]), (0, &Value::from(11)));
    assert!(current(&folder).contains(r#""progress":7.0"#));

    let (code, text, _) =
        verb(&folder, &["prune", "--keep", "2", "--older-than", "7d", "--format", "json"], "");
    let row = &json(&text)[0];
    // Backups are counted apart.
    assert_eq!((code, row["removed"].as_array().unwrap().len()), (0, 1));
    assert_eq!(verb(&folder, &["verify"], "").1, "4 sound\n");
    let (_, text, _) = verb(&folder, &["prune", "--keep", "0"], "");
    assert!(
        text.starts_with(
            "wf_001: 1 removed, 1 kept for others, 0 incomplete swept\n  removed ckpt_"
        ),
        "{text}"
    );
}

#[test]
fn a_file_can_hold_the_state() {
    let folder = Folder::new();
    let path = folder.path("state.json");
    verb(&folder, &["create", "--state", "-", "--id", "ckpt_1"], &state(7, 0));
    let (code, text, _) = verb(&folder, &["restore", "ckpt_1", "--output", &path], "");
    assert_eq!(
        (code, text.as_str()),
        (0, "wf_001 was taken back to ckpt_1, version 8; there was no state before\n")
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(said(&text), said(&state(7, 0)));
    assert!(text.contains(r#""epoch":1,"restored_version":7,"checkpoint_id":"ckpt_1""#), "{text}");
    std::fs::write(&path, state(9, 0)).unwrap();
    let args = [
        "rollback",
        "ckpt_1",
        "--mode",
        "partial",
        "--parts",
        "agent_states,pad",
        "--output",
        &path,
    ];
    assert_eq!(verb(&folder, &args, "").0, 0);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(r#""progress":7.0"#) && text.contains(r#""state_version":10"#), "{text}");
    assert_eq!(
        std::fs::read_dir(&folder.0)
            .unwrap()
            .filter(|entry| {
                entry.as_ref().unwrap().file_name().to_str().unwrap().contains("state.json")
            })
            .count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn every_failure_says_why() {
    let folder = Folder::new();
    let complaint = |args: &[&str], input: &str| -> (i32, String) {
        let (code, text, complaints) = verb(&folder, args, input);
        assert_eq!(text, "");
        (code, complaints)
    };
    let (code, text) = complaint(&["list"], "");
    assert_eq!(code, 4);
    assert!(text.contains("there is no store at "), "{text}");
    assert_eq!(complaint(&["create", "--state", "-"], "{}").0, 2);
    assert!(!folder.0.join("coord.sqlite").exists(), "a bad state makes no store");
    let unsound = r#"{"workflow_id":"wf_001","state_version":1}"#;
    assert_eq!(
        complaint(&["create", "--state", "-"], unsound),
        (1, "coord: the state is not sound: required field `timestamp` is missing (missing-field at /workflow_state/timestamp); --kind emergency takes it as it is\n".to_owned())
    );
    verb(&folder, &["create", "--state", "-", "--id", "ckpt_1"], &state(1, 0));
    for (args, message) in [
        (
            &["create", "--workflow", "wf_001"][..],
            "coord: wf_001 has no state in the store; give one with --state\n",
        ),
        (
            &["create", "--workflow", "wf_002", "--state", "-"],
            "coord: the state is one of wf_001, not of wf_002\n",
        ),
        (&["create", "--state", "-", "--id", "ckpt_1"], "coord: ckpt_1 exists already\n"),
        (
            &["create", "--state", "-", "--id", "../../x"],
            "coord: `../../x` cannot name a place: it would leave the root\n",
        ),
        (
            &["restore", "../../x"],
            "coord: `../../x` cannot name a place: it would leave the root\n",
        ),
        (
            &["restore", "ckpt_1", "--workflow", "../x"],
            "coord: `../x` cannot name a place: it would leave the root\n",
        ),
        (&["restore", "ckpt_7"], "coord: there is no checkpoint ckpt_7\n"),
        (&["verify", "ckpt_7", "--workflow", "wf_001"], "coord: wf_001 has no checkpoint ckpt_7\n"),
        (
            &["rollback", "ckpt_1", "--mode", "partial"],
            "coord: a partial rollback must name parts\n",
        ),
        (
            &["rollback", "ckpt_1", "--mode", "selective", "--agents", "a1"],
            "coord: there is no current state; only a full rollback can make one\n",
        ),
        (
            &["create", "--state", "-", "--files", "/nowhere"],
            "coord: cannot read /nowhere: No such file or directory (os error 2)\n",
        ),
    ] {
        let status = match message {
            _ if message.ends_with("exists already\n") => 5,
            _ if message.starts_with("coord: cannot read") => 4,
            _ => 2,
        };
        assert_eq!(complaint(args, &state(1, 0)), (status, message.to_owned()));
    }
    assert_eq!(complaint(&["create", "--state", "-", "--kind", "daily"], "").0, 2);
    assert_eq!(complaint(&["prune", "--older-than", "soon"], "").0, 2);
    let (_, text) = complaint(&["create", "--state", "-", "--max-bytes", "50"], &state(1, 0));
    assert_eq!(
        text,
        "coord: <stdin>: `workflow_state` is not usable: longer than the limit at byte 50\n"
    );
    verb(
        &folder,
        &["create", "--state", "-", "--id", "ckpt_1"],
        &state(1, 0).replace("wf_001", "wf_002"),
    );
    assert_eq!(
        complaint(&["restore", "ckpt_1"], "").1,
        "coord: several workflows have a checkpoint ckpt_1; name one with --workflow\n"
    );
}

#[test]
fn damage_is_found_and_named() {
    let folder = Folder::new();
    verb(
        &folder,
        &["create", "--state", "-", "--id", "ckpt_1", "--files", "Cargo.toml"],
        &state(1, 0),
    );
    let part = Key::of(["checkpoint-parts", "wf_001", "ckpt_1", "file_system"]).unwrap();
    block_on(open(&folder).put(&part, b"{}", Expect::Any)).unwrap();
    let told = "`file_system` of ckpt_1 is damaged: its bytes are not those that were written";
    assert_eq!(verb(&folder, &["verify"], "").0, 1);
    assert_eq!(
        verb(&folder, &["verify", "ckpt_1"], ""),
        (1, format!("damaged: {told}\n"), String::new())
    );
    let (code, text, _) = verb(&folder, &["verify", "--format", "json"], "");
    assert_eq!((code, &json(&text)[0]["part"]), (1, &Value::from("file_system")));
    assert_eq!(
        verb(&folder, &["restore", "ckpt_1"], ""),
        (1, String::new(), format!("coord: {told}\n"))
    );
    // Damage that the store finds itself is no other, and hides no other.
    verb(&folder, &["create", "--state", "-", "--id", "ckpt_2"], &state(2, 0));
    let raw = rusqlite::Connection::open(folder.0.join("coord.sqlite")).unwrap();
    let changed = raw.execute(
        "UPDATE entry SET value = x'00' WHERE key = 'checkpoint-parts/wf_001/ckpt_2/workflow_state'",
        [],
    );
    assert_eq!(changed, Ok(1));
    drop(raw);
    let second = "`workflow_state` of ckpt_2 is damaged: the value does not match its checksum";
    assert_eq!(
        verb(&folder, &["verify"], ""),
        (1, format!("damaged: {told}\ndamaged: {second}\n"), String::new())
    );
    assert_eq!(
        verb(&folder, &["restore", "ckpt_2"], ""),
        (1, String::new(), format!("coord: {second}\n"))
    );
    let entry = Key::of(["checkpoints", "wf_001", "ckpt_1"]).unwrap();
    block_on(open(&folder).put(&entry, b"{}", Expect::Any)).unwrap();
    let (code, text, _) = verb(&folder, &["list"], "");
    assert_eq!(code, 1);
    assert!(
        text.ends_with("\ndamaged: the entry of ckpt_1 is damaged: it is not sealed\n"),
        "{text}"
    );
}

/// Kills a run after a while; tells whether it was still running.
fn killed(folder: &Folder, args: &[&str], after: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coord"))
        .arg("checkpoint")
        .args(args)
        .arg("--root")
        .arg(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    running
}

#[test]
fn whatever_is_killed_leaves_the_old_or_the_new() {
    let folder = Folder::new();
    // Large enough that there is time to kill it: compressed, several pages of the file.
    let (old, new) = (state(1, 60_000), state(2, 60_000));
    let path = folder.write("new.json", &new);
    verb(
        &folder,
        &["create", "--state", "-", "--id", "ckpt_old", "--compress-above", "1000"],
        &old,
    );
    set(&folder, &new);
    let started = Instant::now();
    assert_eq!(verb(&folder, &["create", "--state", &path, "--id", "ckpt_new"], "").0, 0);
    let whole = started.elapsed();
    let rounds = scaled(12) as u32;
    let (mut kills, mut restored) = (0, 0);
    for round in 0..rounds {
        let share = whole * (round + 1) / rounds;
        let id = format!("ckpt_{round}");
        kills += u32::from(killed(&folder, &["create", "--state", &path, "--id", &id], share));
        kills += u32::from(killed(&folder, &["restore", "ckpt_old"], share));
        let (code, text, complaints) = verb(&folder, &["verify"], "");
        assert_eq!(code, 0, "round {round}: {text}{complaints}");
        // Complete or not there; pruning sweeps the rest in time.
        let (_, list, _) = verb(&folder, &["list", "--format", "json"], "");
        let rows = json(&list);
        let there = rows.iter().any(|row| row["checkpoint_sync"]["checkpoint_id"] == id.as_str());
        let code = verb(&folder, &["verify", &id, "--workflow", "wf_001"], "").0;
        assert_eq!(code, if there { 0 } else { 2 }, "round {round}");
        let now = current(&folder);
        let back = said(&now) == said(&old);
        assert!(back || now == new, "round {round}: a mixture");
        if back {
            restored += 1;
            let backup = rows
                .iter()
                .rev()
                .find(|row| row["checkpoint_sync"]["checkpoint_type"] == "emergency");
            let backup = backup.expect("the backup is there");
            assert_eq!(backup["checkpoint_sync"]["state_version"], 2);
            set(&folder, &new);
        }
    }
    println!("{kills} kills, {restored} restored, {whole:?} undisturbed");
    assert!(kills > rounds / 4, "{kills} of {rounds}");
}

#[test]
fn the_store_is_no_file_of_the_workflow() {
    let folder = Folder::new();
    folder.write("a.rs", "1");
    std::fs::create_dir(folder.0.join("sub")).unwrap();
    folder.write("sub/b.rs", "2");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", folder.0.join("link")).unwrap();
    let (root, files) = (folder.path("data"), folder.0.to_str().unwrap());
    for id in ["ckpt_1", "ckpt_2"] {
        let args =
            ["checkpoint", "create", "--state", "-", "--id", id, "--files", files, "--root", &root];
        assert_eq!(run(&args, state(1, 0).as_bytes()).status.code(), Some(0));
    }
    let sqlite = Sqlite::open_in(&root, &SqliteOptions::new("test")).unwrap();
    let part = Key::of(["checkpoint-parts", "wf_001", "ckpt_2", "file_system"]).unwrap();
    let found = block_on(sqlite.get(&part)).unwrap().unwrap();
    let list: Value = serde_json::from_slice(&found.value).unwrap();
    let paths: Vec<&String> = list.as_object().unwrap().keys().collect();
    assert_eq!(paths, [&folder.path("a.rs"), &folder.path("sub/b.rs")]);
    // The digests of the shell's `sha256sum`.
    assert_eq!(
        list[folder.path("a.rs")],
        "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    );
}
