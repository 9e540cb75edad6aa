//! `coord hook`: what an agent or git asks, and what it is told.

use crate::coord_bus::{Place, told};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::process::Command;

fn done(place: &Place, args: &[&str]) -> String {
    let (code, text, errors) = place.all(args);
    assert_eq!((code, errors.as_str()), (0, ""), "{args:?}: {text}");
    text
}

/// A work tree with a file that somebody leases.
fn leased() -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.0.path(".git")).unwrap();
    std::fs::create_dir_all(place.0.path("src/net")).unwrap();
    std::fs::create_dir_all(place.0.path("sub")).unwrap();
    symlink("src", place.0.path("alias")).unwrap();
    done(&place, &["allocate", "--file", "src/net/**", "--as", "builder"]);
    place
}

/// What the hook answers. It ends with 0, whatever it answers.
fn hook(place: &Place, options: &[&str], event: &Value) -> Option<String> {
    let output = place.run(&[&["hook"], options].concat(), event.to_string().as_bytes());
    let (code, text, errors) = told(&output);
    assert_eq!((code, errors.as_str()), (0, ""), "{event}");
    denial(&text)
}

fn denial(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let answer: Value = serde_json::from_str(text).unwrap();
    let answer = &answer["hookSpecificOutput"];
    assert_eq!(answer["hookEventName"], "PreToolUse");
    assert_eq!(answer["permissionDecision"], "deny");
    Some(answer["permissionDecisionReason"].as_str().unwrap().to_owned())
}

fn event(place: &Place, tool: &str, input: &Value) -> Value {
    json!({
        "session_id": "s1", "transcript_path": "/nowhere", "cwd": place.0.path(""), "permission_mode": "default",
        "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input, "tool_use_id": "toolu_1",
    })
}

fn edit(place: &Place, path: &str) -> Value {
    event(place, "Edit", &json!({ "file_path": path, "old_string": "a", "new_string": "b" }))
}

#[test]
fn what_others_lease_is_denied_and_all_else_is_not() {
    let place = leased();
    let inside = place.0.path("src/net/a.rs");
    let absolute = edit(&place, &inside);
    let mut below = edit(&place, "../src/net/a.rs");
    below["cwd"] = place.0.path("sub").into();
    let cases: &[(Value, bool)] = &[
        (absolute, true),
        (edit(&place, "src/net/new/deep.rs"), true),
        (edit(&place, "alias/net/a.rs"), true),
        (edit(&place, "src/../src/net/./a.rs"), true),
        (edit(&place, "src/other/../net/a.rs"), true),
        (below, true),
        (event(&place, "Write", &json!({ "file_path": inside, "content": "" })), true),
        (event(&place, "MultiEdit", &json!({ "file_path": inside, "edits": [] })), true),
        (event(&place, "NotebookEdit", &json!({ "notebook_path": "src/net/a.ipynb" })), true),
        (edit(&place, "src/network.rs"), false),
        (edit(&place, "src/lib.rs"), false),
        // Outside of the work tree.
        (edit(&place, "/tmp/src/net/a.rs"), false),
        (edit(&place, "../src/net/a.rs"), false),
        (event(&place, "Read", &json!({ "file_path": inside })), false),
        (event(&place, "Bash", &json!({ "command": "cat src/net/a.rs" })), false),
        (json!({ "session_id": "s1", "hook_event_name": "Stop" }), false),
        (json!({ "session_id": "s1", "hook_event_name": "SessionEnd", "reason": "other" }), false),
    ];
    for (event, is_denied) in cases {
        let answer = hook(&place, &[], event);
        assert_eq!(answer.is_some(), *is_denied, "{event}: {answer:?}");
    }
    let reason = hook(&place, &[], &edit(&place, "src/net/a.rs")).unwrap();
    assert!(
        reason.starts_with("src/net/a.rs is leased: alloc_1-1 of builder holds it until "),
        "{reason}"
    );
    // The command that holds it may write it.
    let mut own = place.command(&["hook"]);
    own.env("COORD_ALLOCATION", "alloc_1-1").stdin(std::process::Stdio::piped());
    let mut own = own.spawn().unwrap();
    let input = edit(&place, "src/net/a.rs").to_string();
    std::io::Write::write_all(own.stdin.as_mut().unwrap(), input.as_bytes()).unwrap();
    assert_eq!(told(&own.wait_with_output().unwrap()), (0, String::new(), String::new()));
    // A look changes nothing.
    assert!(done(&place, &["inventory"]).contains("1 granted"));
}

#[test]
fn messages_in_a_command_are_checked() {
    let place = leased();
    let of = |command: &str| event(&place, "Bash", &json!({ "command": command }));
    assert_eq!(hook(&place, &[], &of("ls && echo done")), None);
    let bad = "coord publish <<'EOF'\nTASK_FAILED:wf_1:build:{\"task_id\":1,}\nEOF";
    let reason = hook(&place, &[], &of(bad)).unwrap();
    assert!(reason.starts_with("The command has messages that are invalid:\n"), "{reason}");
}

#[test]
fn a_claim_is_held_by_one_agent_until_it_ends() {
    let place = leased();
    let agent = |agent: Option<&str>, path: &str| {
        let mut event = edit(&place, path);
        if let Some(agent) = agent {
            event["agent_id"] = agent.into();
        }
        event
    };
    let claim = |event: &Value| hook(&place, &["--claim"], event);
    assert_eq!(claim(&agent(None, "a.rs")), None);
    assert_eq!(claim(&agent(None, "a.rs")), None, "it has it already");
    assert!(claim(&agent(None, "src/net/x.rs")).unwrap().contains("alloc_1-1 of builder"));
    // Two agents of one session are strangers to each other.
    assert!(claim(&agent(Some("sub"), "a.rs")).unwrap().starts_with("a.rs is leased: alloc_1-2"));
    assert_eq!(claim(&agent(Some("sub"), "b.rs")), None);
    assert!(claim(&agent(None, "b.rs")).is_some());
    let over = |name: &str, agent: Option<&str>| {
        let mut event = json!({ "session_id": "s1", "hook_event_name": name });
        if let Some(agent) = agent {
            event["agent_id"] = agent.into();
        }
        assert_eq!(hook(&place, &["--claim"], &event), None);
    };
    over("SubagentStop", Some("sub"));
    assert_eq!(claim(&agent(None, "b.rs")), None);
    let mut other = edit(&place, "a.rs");
    other["session_id"] = "s2".into();
    assert!(claim(&other).is_some());
    over("SessionEnd", None);
    assert_eq!(claim(&other), None);

    // An editor that is gone holds nothing.
    let script = format!("{} hook --claim; true", env!("CARGO_BIN_EXE_coord"));
    let mut editor = Command::new("python3");
    let run = "import subprocess, sys; subprocess.run(['sh', '-c', sys.argv[1]], stdin=sys.stdin)";
    editor.args(["-c", run, &script]).env("COORD_BUS", place.url());
    editor.stdin(std::process::Stdio::piped());
    let mut editor = editor.spawn().unwrap();
    let input = agent(None, "c.rs").to_string();
    std::io::Write::write_all(editor.stdin.as_mut().unwrap(), input.as_bytes()).unwrap();
    assert!(editor.wait_with_output().unwrap().status.success());
    let inventory = done(&place, &["inventory"]);
    assert!(inventory.contains("c.rs"), "{inventory}");
    let mut next = edit(&place, "c.rs");
    next["session_id"] = "s3".into();
    assert_eq!(hook(&place, &[], &next), None);
    assert_eq!(claim(&next), None);
}

#[test]
fn what_cannot_be_answered_is_open_or_closed_as_asked() {
    let place = leased();
    let no_file = event(&place, "Edit", &json!({})).to_string();
    for input in ["", "{", "[]", r#"{"hook_event_name":1}"#, no_file.as_str()] {
        for (fail, is_denied) in [("open", false), ("closed", true)] {
            let output = place.run(&["hook", "--fail", fail], input.as_bytes());
            let (code, text, errors) = told(&output);
            assert_eq!((code, denial(&text).is_some()), (0, is_denied), "{input}: {errors}");
            assert!(errors.starts_with("coord hook: "), "{input}: {errors}");
        }
    }
    // 2 would forbid the tool.
    assert_eq!(place.all(&["hook", "--fail", "perhaps"]).0, 0);
    assert_eq!(place.all(&["hook", "install", "--unknown"]).0, 2);
    // Where there is no bus nothing is leased, and none is made.
    let nothing = Place::new();
    assert_eq!(hook(&nothing, &[], &edit(&nothing, "a.rs")), None);
    assert!(!std::path::Path::new(&nothing.0.path("coord.sqlite")).exists());
}

#[test]
fn settings_are_merged_and_put_back() {
    let place = Place::new();
    let file = place.0.path(".claude/settings.json");
    let read = || serde_json::from_str::<Value>(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let install = ["hook", "install"];
    assert_eq!(done(&place, &install), ".claude/settings.json: installed\n");
    assert_eq!(done(&place, &install), ".claude/settings.json: nothing to change\n");
    assert_eq!(done(&place, &["hook", "uninstall"]), ".claude/settings.json: removed\n");
    assert_eq!(read(), json!({}));

    let foreign = json!({ "command": "lint", "type": "command" });
    let before = json!({ "model": "x", "hooks": {
        "PreToolUse": [{ "matcher": "Edit", "hooks": [foreign] }, { "matcher": "", "hooks": [] }],
        "Stop": [{ "hooks": [{ "type": "command", "command": "coord hooks" }] }],
    } });
    std::fs::write(&file, before.to_string()).unwrap();
    done(&place, &install);
    let after = read();
    assert_eq!(after["model"], "x");
    assert_eq!(after["hooks"]["PreToolUse"][0], before["hooks"]["PreToolUse"][0]);
    assert_eq!(after["hooks"]["PreToolUse"][2]["hooks"][0]["command"], "coord hook --claim");
    assert_eq!(after["hooks"]["Stop"], before["hooks"]["Stop"]);
    // An older entry of ours is replaced, beside a foreign one.
    let mut older = after.clone();
    older["hooks"]["PreToolUse"][2] = json!({ "matcher": "Edit", "hooks": [foreign, { "type": "command", "command": "coord hook" }] });
    std::fs::write(&file, older.to_string()).unwrap();
    done(&place, &install);
    assert_eq!(read()["hooks"]["PreToolUse"][2]["hooks"], json!([foreign]));
    std::fs::write(&file, after.to_string()).unwrap();
    done(&place, &["hook", "uninstall"]);
    assert_eq!(read(), before);
    std::fs::write(&file, "[]").unwrap();
    let (code, _, errors) = place.all(&install);
    assert_eq!(code, 2);
    assert_eq!(errors, "coord: .claude/settings.json: the settings are no object\n");
}

#[test]
fn git_refuses_a_commit_of_what_others_lease() {
    let place = Place::new();
    let coord = std::path::Path::new(env!("CARGO_BIN_EXE_coord"));
    let path = format!("{}:{}", coord.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]);
        git.args(args).current_dir(&place.0.0).env("PATH", &path).env("COORD_BUS", place.url());
        let output = git.output().unwrap();
        (output.status.success(), crate::coord::err(&output))
    };
    assert!(git(&["init"]).0);
    assert!(git(&["config", "core.hooksPath", "hooks"]).0);
    // A hook that is there runs first.
    std::fs::create_dir(place.0.path("hooks")).unwrap();
    std::fs::write(place.0.path("hooks/pre-commit"), "#!/bin/sh\necho first >> ran\n").unwrap();
    assert!(
        Command::new("chmod")
            .args(["+x", &place.0.path("hooks/pre-commit")])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(done(&place, &["hook", "install", "--git"]), "hooks/pre-commit: installed\n");
    assert_eq!(
        done(&place, &["hook", "install", "--git"]),
        "hooks/pre-commit: nothing to change\n"
    );
    done(&place, &["allocate", "--file", "src", "--as", "builder"]);
    std::fs::create_dir(place.0.path("src")).unwrap();
    std::fs::write(place.0.path("src/a"), "a").unwrap();
    std::fs::write(place.0.path("b"), "b").unwrap();
    assert!(git(&["add", "b"]).0);
    assert_eq!(git(&["commit", "-m", "b"]), (true, String::new()));
    assert!(git(&["add", "src/a"]).0);
    let (committed, errors) = git(&["commit", "-m", "a"]);
    assert!(!committed);
    assert!(
        errors.contains("coord: src/a is leased: alloc_1-1 of builder holds it until "),
        "{errors}"
    );
    assert_eq!(std::fs::read_to_string(place.0.path("ran")).unwrap(), "first\nfirst\n");
    done(&place, &["hook", "uninstall", "--git"]);
    assert!(git(&["commit", "-m", "a"]).0);
}
