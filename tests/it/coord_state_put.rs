//! `coord state put`, alone and on the way through all that looks after states.

use crate::coord::{err, out, run};
use crate::support::Folder;
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::storage::{Expect, Key, Store, block_on};
use serde_json::Value;

fn state(version: u64, members: &str) -> String {
    format!(
        r#"{{"workflow_state":{{"workflow_id":"wf_1","state_version":{version},"timestamp":"2025-01-15T12:00:0{version}Z"{members}}}}}"#
    )
}

/// Exit code, output and complaints of a put into the folder.
fn put(folder: &Folder, args: &[&str], text: &str) -> (i32, String, String) {
    let root = folder.path("data");
    let output = run(&[&["state", "put", "--root", &root], args].concat(), text.as_bytes());
    (output.status.code().unwrap(), out(&output), err(&output))
}

fn complaint(code: i32, text: &str) -> (i32, String, String) {
    (code, String::new(), text.to_owned())
}

#[test]
fn the_version_that_is_replaced_has_to_be_named() {
    let folder = Folder::new();
    let one = folder.write("one.json", state(1, "") + "\n\n");
    let told = |text: &str| (0, text.to_owned(), String::new());
    assert_eq!(put(&folder, &[&one], ""), told("wf_1  version 1\n"));
    assert_eq!(
        put(&folder, &["--replaces", "1"], &state(3, "")),
        told("wf_1  version 3 in the place of 1\n")
    );
    let lost = "coord: `state/wf_1` is at version 3, expected version 1; merge with what is there, \
                and put that with --replaces 3\n";
    assert_eq!(put(&folder, &["-", "--replaces", "1"], &state(2, "")), complaint(5, lost));
    let lost = "coord: `state/wf_1` is at version 3, expected no state; merge with what is there, \
                and put that with --replaces 3\n";
    assert_eq!(put(&folder, &[], &state(4, "")), complaint(5, lost));
    let old = "coord: `state/wf_1` is at version 3; version 3 is not higher; raise state_version\n";
    assert_eq!(put(&folder, &["--replaces", "3"], &state(3, "")), complaint(5, old));
    let none = "coord: `state/wf_2` is not there, expected version 3; leave --replaces out\n";
    let other = state(4, "").replace("wf_1", "wf_2");
    assert_eq!(put(&folder, &["--replaces", "3"], &other), complaint(5, none));

    let (code, row, _) =
        put(&folder, &["--replaces", "3", "--format", "json"], &state(4, r#","x":1.0"#));
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(
        (code, &row["workflow_id"], &row["state_version"], &row["replaced"]),
        (0, &Value::from("wf_1"), &Value::from(4), &Value::from(3))
    );
    // What comes out is what went in.
    let root = folder.path("data");
    for (version, text) in [("1", state(1, "")), ("4", state(4, r#","x":1.0"#))] {
        let args = ["state", "show", "wf_1", "--state-version", version, "--format", "records"];
        let shown = run(&[&args[..], &["--root", &root]].concat(), b"");
        assert_eq!(out(&shown), format!("{text}\n"));
    }
}

#[test]
fn what_is_refused_is_drawn_and_makes_no_store() {
    let folder = Folder::new();
    let (code, text, drawn) =
        put(&folder, &[], &state(1, r#","current_phase":{"phase_id":1,"progress":140}"#));
    assert_eq!((code, text.as_str()), (1, ""));
    assert!(drawn.starts_with("<stdin>:1:"), "{drawn}");
    assert!(drawn.contains(": error[out-of-range]: 140 is not a percentage"), "{drawn}");
    let bytes = folder.write("bytes", b"{\"\xff\":1}");
    let (code, _, told) = put(&folder, &[&bytes], "");
    assert_eq!(code, 4);
    assert!(told.starts_with(&format!("coord: cannot read {bytes}: invalid utf-8")), "{told}");
    let (code, _, drawn) = put(&folder, &[], "");
    assert_eq!(code, 1);
    assert!(drawn.contains("error[not-an-event]"), "{drawn}");
    let told = format!(
        "coord: there is no store at {}; name its folder with --root\n",
        folder.0.join("data/coord.sqlite").display()
    );
    assert_eq!(put(&folder, &["--replaces", "1"], &state(2, "")), complaint(4, &told));
    assert_eq!(put(&folder, &["--replaces", "1", "--over-damage"], "").0, 2);
    assert!(!folder.0.join("data").exists());

    // Deviations are shown, and kept.
    let odd = state(1, "").replace('"', "'");
    assert_eq!(put(&folder, &["--mode", "strict"], &odd).0, 1);
    let (code, _, drawn) = put(
        &folder,
        &[],
        r#"TASK_TIMEOUT:wf_1:b:{"task_id":"t","agent_id":"a","timeout_duration":"1m"}"#,
    );
    assert_eq!(code, 1);
    assert_eq!(
        drawn,
        "coord: not a readable workflow_state: this is not a message: it is an event line \
         (`not-a-message` at byte 0); see `coord schema workflow_state`\n"
    );
    let (code, _, drawn) = put(&folder, &[], r#"{"workflow_id":"wf_1","state_version":1}"#);
    assert_eq!(code, 1);
    assert!(
        drawn.ends_with(
            "coord: not a readable workflow_state: it is a message of kind unknown; \
             see `coord schema workflow_state`\n"
        ),
        "{drawn}"
    );
}

#[test]
fn of_many_at_once_one_wins() {
    let folder = Folder::new();
    put(&folder, &[], &state(1, ""));
    let ends: Vec<(i32, String, String)> = std::thread::scope(|scope| {
        let folder = &folder;
        let runs: Vec<_> = (0..6)
            .map(|number| {
                let text = state(2, &format!(r#","by":{number}"#));
                scope.spawn(move || put(folder, &["--replaces", "1"], &text))
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(code, ..)| *code == 0);
    assert_eq!((won.len(), lost.len()), (1, 5));
    for (code, _, told) in lost {
        assert!(code == 5 && told.contains("is at version 2, expected version 1"), "{told}");
    }
}

#[test]
fn a_damaged_state_is_replaced_only_if_that_is_asked_for() {
    let folder = Folder::new();
    put(&folder, &[], &state(1, ""));
    let show = || run(&["state", "show", "wf_1", "--root", &folder.path("data")], b"");
    // A sound one is not.
    let (code, _, told) = put(&folder, &["--over-damage"], &state(2, ""));
    assert!(code == 5 && told.contains("is at version 1, expected no state"), "{told}");
    let checksum = "UPDATE entry SET value = x'00' WHERE key = 'state/wf_1'";
    let damages: [&dyn Fn(); 2] = [
        &|| {
            let file = Sqlite::open_in(folder.path("data"), &SqliteOptions::new("test")).unwrap();
            let key = Key::of(["state", "wf_1"]).unwrap();
            block_on(file.put(&key, b"\n{}", Expect::Any)).unwrap();
        },
        &|| {
            let raw = rusqlite::Connection::open(folder.0.join("data/coord.sqlite")).unwrap();
            assert_eq!(raw.execute(checksum, []), Ok(1));
        },
    ];
    for damage in damages {
        damage();
        assert_eq!(show().status.code(), Some(1));
        let (code, _, told) = put(&folder, &["--replaces", "1"], &state(2, ""));
        assert_eq!(code, 1);
        let advice = "; put one that is sound with --over-damage, or go back to a backup\n";
        assert!(told.ends_with(advice), "{told}");
        let told = (0, "wf_1  version 2\n".to_owned(), String::new());
        assert_eq!(put(&folder, &["--over-damage"], &state(2, "")), told);
        assert_eq!(show().status.code(), Some(0));
    }
}

/// Pasted into a shell, line by line.
#[cfg(unix)]
#[test]
fn a_walk_through_works_as_it_stands() {
    const SCRIPT: &str = r"
set -eu
coord state put 1.json
coord state put 2.json --replaces 1
coord state diff 1.json 2.json || test $? = 1

# Somebody else started from version 1, too, and is late.
coord state put fork.json --replaces 1 2>lost && exit 9
grep -q 'is at version 2, expected version 1' lost
coord state show wf_1 --state-version 1 --format records > base.json
coord state show wf_1 --format records > theirs.json
coord state merge base.json fork.json theirs.json --output merged.json
coord state put merged.json --replaces 2

coord checkpoint create --workflow wf_1 --id ckpt_1
coord checkpoint verify
coord state put worse.json --replaces 3
coord checkpoint create --workflow wf_1 --id ckpt_2 --kind incremental
coord checkpoint list | grep -c ckpt_
damage
coord checkpoint verify && exit 9
coord checkpoint restore ckpt_2 && exit 9
coord checkpoint restore ckpt_1
# It says what it said then, in a later version of a new epoch.
coord state show wf_1 --format records > back.json
coord state diff merged.json back.json > differs && exit 9
grep -q epoch differs
grep -q -e current_phase -e agent_states differs && exit 9
# Whoever goes on from what was there before is refused.
coord state put late.json --replaces 4 && exit 9
coord state show wf_1 | grep 'given up  4'
coord store check && exit 9
echo done
";
    let folder = Folder::new();
    let phase =
        |progress: u32| format!(r#","current_phase":{{"phase_id":1,"progress":{progress}}}"#);
    let agent = r#","agent_states":{"a1":{"status":"active"}}"#;
    folder.write("1.json", state(1, &phase(10)));
    folder.write("2.json", state(2, &phase(20)));
    folder.write("fork.json", state(2, &(phase(10) + agent)));
    folder.write("worse.json", state(4, &phase(90)));
    folder.write("late.json", state(5, &phase(95)));
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_coord")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let (before, behind) = SCRIPT.split_once("damage\n").unwrap();
    let shell = |script: &str| {
        std::process::Command::new("sh")
            .args(["-c", script])
            .env("PATH", &path)
            .env_remove("COORD_ROOT")
            .current_dir(&folder.0)
            .output()
            .unwrap()
    };
    let output = shell(before);
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    assert!(out(&output).contains("\nwf_1  version 4 in the place of 3\n"), "{}", out(&output));
    let merged = std::fs::read_to_string(folder.0.join("merged.json")).unwrap();
    assert!(merged.contains(r#""progress":20"#) && merged.contains(r#""status":"active""#));
    let raw = rusqlite::Connection::open(folder.0.join(".claude/data/coord.sqlite")).unwrap();
    let change = "UPDATE entry SET value = x'00' WHERE key LIKE 'checkpoint-parts/wf_1/ckpt_2/%'";
    assert_eq!(raw.execute(change, []), Ok(1));
    drop(raw);
    let output = shell(&format!("set -eu\n{behind}"));
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    assert!(out(&output).ends_with("\ndone\n"), "{}", out(&output));
    assert!(err(&output).contains("`workflow_state` of ckpt_2 is damaged"), "{}", err(&output));
}
