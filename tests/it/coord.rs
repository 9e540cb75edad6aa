//! `coord` as its users run it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

pub(crate) fn coord(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("NO_COLOR");
    command
}

pub(crate) fn spawn(args: &[&str]) -> Child {
    coord(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = spawn(args);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const GOOD: &str = "TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t1\",\"agent_id\":\"a1\",\"timeout_duration\":\"15m\"}\n";

#[test]
fn check_tells_good_deviating_and_broken_lines_apart() {
    let output = run(&["check", "--format", "json", "examples/events.log"], b"");
    assert_eq!(output.status.code(), Some(1));
    let rows: Vec<Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<(u64, &str, &str)> = rows
        .iter()
        .map(|row| {
            assert_eq!(row["kind"], "event");
            assert_eq!(row["source"], "examples/events.log");
            assert_eq!(row["column"], 1);
            let text = |key: &str| row[key].as_str().unwrap();
            (row["line"].as_u64().unwrap(), text("type"), text("verdict"))
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, "WORKFLOW_STARTED", "valid"),
            (2, "PHASE_PROGRESS", "valid"),
            (3, "PHASE_COMPLETED", "deviating"),
            (4, "SYSTEM_THRESHOLD", "deviating"),
            (5, "TASK_TIMED_OUT", "deviating"),
            (6, "TASK_COMPLETED", "deviating"),
            (8, "TASK_FAILED", "invalid"),
            (9, "PHASE_PROGRESS", "invalid"),
            (10, "AGENT_DEALLOCATED", "valid"),
        ]
    );
    let finding = &rows[7]["findings"][0];
    assert_eq!(finding["code"], "out-of-range");
    assert_eq!(finding["level"], "content");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["pointer"], "/progress_percentage");
    assert_eq!(finding["range"], serde_json::json!({"start": 66, "end": 69}));
    assert_eq!(finding["message"], "140 is not a percentage from 0 to 100");
    assert_eq!(finding["actual"], "140");
    assert_eq!(finding["hint"], Value::Null);
}

#[test]
fn check_draws_what_it_found() {
    let output = run(&["check", "examples/events.log"], b"");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!("check_human", out(&output));
    assert_eq!(err(&output), "");
}

#[test]
fn strict_refuses_what_interop_lets_pass() {
    let line =
        b"TASK_TIMEOUT:wf_001:build:{'task_id':'t1','agent_id':'a1','timeout_duration':'15m'}\n";
    assert_eq!(run(&["check"], line).status.code(), Some(0));
    assert_eq!(run(&["check", "--mode", "strict", "-"], line).status.code(), Some(1));
    assert_eq!(run(&["check", "--mode", "strict"], GOOD.as_bytes()).status.code(), Some(0));
}

#[test]
fn protocol_1_0_0_does_not_know_the_extensions() {
    let line = b"CHECKPOINT_CREATED:wf_001:build:{\"checkpoint_id\":\"c1\",\"checkpoint_type\":\"manual\",\"state_version\":3}\n";
    assert_eq!(run(&["check", "--mode", "strict"], line).status.code(), Some(0));
    let old = run(&["check", "--mode", "strict", "--protocol", "1.0.0"], line);
    assert_eq!(old.status.code(), Some(1));
    let bad = run(&["check", "--protocol", "2.0.0"], b"");
    assert_eq!(bad.status.code(), Some(2));
    assert!(err(&bad).contains("2.0.0 is not supported; 1.0.0 and 1.1.0 are"), "{}", err(&bad));
}

#[test]
fn usage_and_input_errors_exit_with_2() {
    assert_eq!(run(&["check", "--no-such-flag"], b"").status.code(), Some(2));
    assert_eq!(run(&["frobnicate"], b"").status.code(), Some(2));
    let missing = run(&["check", "no/such/file"], b"");
    assert_eq!(missing.status.code(), Some(4));
    assert_eq!(
        err(&missing),
        "coord: cannot read no/such/file: No such file or directory (os error 2)\n"
    );
    let folder = run(&["convert", "--to", "json", "src"], b"");
    assert_eq!(folder.status.code(), Some(4));
    assert_eq!(err(&folder), "coord: cannot read src: it is a directory\n");
    let others = run(&["check", "no/such/file", "-"], GOOD.as_bytes());
    assert_eq!(others.status.code(), Some(4));
    assert!(out(&others).starts_with("1 record: 1 valid"), "the other inputs are still checked");
    let unknown = run(&["registry", "TASK_FAILD"], b"");
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(
        err(&unknown),
        "coord: `TASK_FAILD` is not registered; did you mean `TASK_FAILED`?\n"
    );
    let unknown = run(&["explain", "missing-date"], b"");
    assert_eq!(
        err(&unknown),
        "coord: `missing-date` is not known; did you mean `missing-data`, a finding?\n"
    );
}

#[test]
fn empty_input_is_fine() {
    let output = run(&["check"], b"");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        out(&output),
        "0 records: 0 valid, 0 deviating, 0 invalid (interop mode, protocol 1.1.0, security not checked)\n\
         \x20 no record was found in 1 input (messages: 1)\n"
    );
    assert_eq!(out(&run(&["check", "--format", "json"], b"\n\n")), "");
}

#[test]
fn colour_only_where_it_is_wanted() {
    let plain = run(&["check", "examples/events.log"], b"");
    assert!(!out(&plain).contains('\u{1b}'));
    let coloured = run(&["--color", "always", "check", "examples/events.log"], b"");
    assert!(out(&coloured).contains('\u{1b}'));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    for args in [
        &["check", "--format", "json"][..],
        &["check", "--verbose"][..],
        &["convert", "--to", "json"][..],
    ] {
        let mut child = spawn(args);
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            for _ in 0..50_000 {
                if stdin.write_all(GOOD.as_bytes()).is_err() {
                    break;
                }
            }
        });
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        let status = child.wait().unwrap();
        writer.join().unwrap();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{args:?}");
    }
}

/// 64 MiB of lines, and 64 MiB without a line break, in a few MiB of memory.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_constant() {
    for line in [GOOD.as_bytes(), b"xxxxxxxxxxxxxxxx"] {
        let mut child = spawn(&["check", "--format", "json"]);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
        });
        let block = line.repeat((1 << 20) / line.len());
        for _ in 0..64 {
            stdin.write_all(&block).unwrap();
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak: u64 = status
            .lines()
            .find_map(|row| row.strip_prefix("VmHWM:"))
            .and_then(|row| row.trim().trim_end_matches(" kB").trim().parse().ok())
            .unwrap();
        drop(stdin);
        child.wait().unwrap();
        reader.join().unwrap();
        assert!(peak < 32 * 1024, "peak memory {peak} kB");
    }
}

#[test]
fn two_processes_read_one_file() {
    let children: Vec<Child> = (0..2).map(|_| spawn(&["check", "examples/events.log"])).collect();
    let outputs: Vec<String> =
        children.into_iter().map(|child| out(&child.wait_with_output().unwrap())).collect();
    assert_eq!(outputs[0], outputs[1]);
}

#[test]
fn registry_prints_the_same_rows_in_every_format() {
    let json: Value =
        serde_json::from_slice(&run(&["registry", "--format", "json"], b"").stdout).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), 38);
    assert_eq!(
        rows[25],
        serde_json::json!({
            "type": "RESOURCE_CONFLICT",
            "category": "resource",
            "since": "1.0.0",
            "required": [
                {"name": "conflict_id", "type": "id"},
                {"name": "conflicting_requests", "type": "json"},
                {"name": "severity", "type": "severity"},
            ],
            "routing": "resource.*.conflict",
        })
    );
    let human = out(&run(&["registry"], b""));
    let markdown = out(&run(&["registry", "--format", "markdown"], b""));
    for row in rows {
        let name = row["type"].as_str().unwrap();
        assert!(human.contains(name) && markdown.contains(name), "{name}");
    }
    let old = run(&["registry", "--format", "json", "--protocol", "1.0.0"], b"");
    let old: Value = serde_json::from_slice(&old.stdout).unwrap();
    assert_eq!(old.as_array().unwrap().len(), 33);
    let one = out(&run(&["registry", "TASK_FAILED"], b""));
    assert!(one.contains("retry_count: count"), "{one}");
}

#[test]
fn every_code_and_type_has_a_page() {
    use coordination_protocol::event::EventType;
    use coordination_protocol::finding::Code;
    let list = out(&run(&["explain"], b""));
    for code in Code::ALL {
        assert!(list.contains(code.as_str()));
        let page = run(&["explain", code.as_str()], b"");
        assert_eq!(page.status.code(), Some(0));
        assert!(out(&page).starts_with(code.as_str()));
    }
    for kind in [EventType::TaskFailed, EventType::ResourceConflict] {
        assert!(out(&run(&["explain", kind.as_str()], b"")).contains(kind.spec().summary));
    }
}

#[test]
fn convert_goes_both_ways() {
    let json = run(&["convert", "--to", "json"], GOOD.as_bytes());
    assert_eq!(
        out(&json),
        "{\"event\":{\"event_type\":\"TASK_TIMEOUT\",\"workflow_id\":\"wf_001\",\"phase\":\"build\",\"data\":{\"task_id\":\"t1\",\"agent_id\":\"a1\",\"timeout_duration\":\"15m\"}}}\n"
    );
    let back = run(&["convert", "--to", "line"], &json.stdout);
    assert_eq!(out(&back), GOOD);

    let deviating =
        b"TASK_TIMEOUT:wf_001:build:{'timeout_duration':'15m','task_id':'t1','agent_id':'a1'}\n";
    let line = run(&["convert", "--to", "line"], deviating);
    assert_eq!(out(&line), GOOD, "canonical: double quotes, the registry's order");
    assert!(err(&line).contains("single-quotes"), "no deviation is repaired silently");

    let lacking = run(
        &["convert", "--to", "line"],
        b"TASK_TIMEOUT:wf_001:build:{'agent_id':'a1', 'x':1.50}\n",
    );
    assert_eq!(out(&lacking), "TASK_TIMEOUT:wf_001:build:{\"agent_id\":\"a1\",\"x\":1.50}\n");
    assert!(err(&lacking).contains("missing-data"));
    let json = run(&["convert", "--to", "json"], &lacking.stdout);
    assert_eq!(out(&run(&["convert", "--to", "line"], &json.stdout)), out(&lacking));
    let wrong = run(&["convert", "--to", "line"], b"{\"event\":{\"event_type\":1}}\n");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(err(&wrong).contains("error[wrong-kind]: expected an identifier, found number 1"));
    assert_eq!(out(&wrong), "");

    let envelope = b"{\"message_id\":\"msg_1\",\"event\":{\"event_type\":\"SYSTEM_SHUTDOWN\",\"workflow_id\":\"global\",\"phase\":\"global\",\"data\":{\"component_name\":\"hub\",\"shutdown_reason\":\"update\"},\"note\":1}}\n";
    let line = run(&["convert", "--to", "line"], envelope);
    assert_eq!(line.status.code(), Some(0));
    assert_eq!(
        out(&line),
        "SYSTEM_SHUTDOWN:global:global:{\"component_name\":\"hub\",\"shutdown_reason\":\"update\"}\n"
    );
    assert_eq!(err(&line), "coord: <stdin>:1: the line has no room for /message_id, /event/note\n");
    assert_eq!(out(&run(&["convert", "--to", "json"], envelope)).as_bytes(), envelope);

    let flat = b"{\"event_type\":\"SYSTEM_SHUTDOWN\",\"workflow_id\":\"global\",\"phase\":\"global\",\"source_component\":\"hub\",\"data\":{\"component_name\":\"hub\",\"shutdown_reason\":\"update\"}}\n";
    let json = run(&["convert", "--to", "json"], flat);
    assert_eq!(
        out(&json),
        "{\"source\":\"hub\",\"event\":{\"event_type\":\"SYSTEM_SHUTDOWN\",\"workflow_id\":\"global\",\"phase\":\"global\",\"data\":{\"component_name\":\"hub\",\"shutdown_reason\":\"update\"}}}\n"
    );
    assert!(err(&json).contains("flat-event") && err(&json).contains("field-alias"));

    let document = b"{\n  \"heartbeat\": {\"component_id\": \"hub\", \"sequence\": 1, \"timestamp\": \"2025-01-15T12:00:00Z\"}\n}\n";
    let none = run(&["convert", "--to", "line"], document);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(err(&none), "coord: <stdin>:1: a message of kind `heartbeat` has no event line\n");

    let broken = run(&["convert", "--to", "json"], b"TASK_TIMEOUT:wf_001:build:{\n");
    assert_eq!(broken.status.code(), Some(1));
    assert_eq!(out(&broken), "");
}

#[test]
fn completions_name_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&run(&["completions", shell], b""));
        assert!(script.contains("registry") && script.contains("explain"), "{shell}");
    }
}

#[test]
fn route_tells_what_a_pattern_selects() {
    let failed = run(&["route", "explain", "*.failed"], b"");
    assert_eq!(failed.status.code(), Some(0));
    assert_eq!(out(&failed), "WORKFLOW_FAILED\nPHASE_FAILED\nTASK_FAILED\nRECOVERY_FAILED\n");
    let old = run(&["route", "explain", "*.failed", "--protocol", "1.0.0"], b"");
    assert_eq!(out(&old), "WORKFLOW_FAILED\nPHASE_FAILED\nTASK_FAILED\n");
    let request = run(&["route", "explain", "workflow.*.resource_request"], b"");
    assert_eq!(out(&request), "the allocation_request message\n");
    let stream =
        run(&["route", "explain", "--format", "json", "coordination_hub.workflow_events"], b"");
    assert_eq!(stream.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&stream.stdout).unwrap();
    assert_eq!(json["warnings"][0]["code"], "component-stream");
    let bad = run(&["route", "explain", "a..b"], b"");
    assert_eq!(bad.status.code(), Some(2));
    assert_eq!(err(&bad), "coord: the token at byte 2 is empty\n  a..b\n    ^\n");
}

#[test]
fn route_matches_keys_and_lines() {
    let args = ["route", "match", "task.*.timeout"];
    let lines = run(&args, GOOD.as_bytes());
    assert_eq!(lines.status.code(), Some(0));
    assert!(out(&lines).starts_with("match    TASK_TIMEOUT:"));
    let keys = ["task.wf_001.timeout", "agent.wf_001.timeout"];
    let both = run(&[&args[..], &keys[..]].concat(), b"");
    assert_eq!(out(&both), "match    task.wf_001.timeout\nno match agent.wf_001.timeout\n");
    let none = run(&["route", "match", "task.*.timeout", "task.wf_001.failed"], b"");
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn limits_are_settable() {
    let line = GOOD.replace("t1", &"x".repeat(100_000));
    assert_eq!(run(&["check"], line.as_bytes()).status.code(), Some(1));
    let wide = run(&["check", "--max-bytes", "200000", "--mode", "strict"], line.as_bytes());
    // The identifier itself is too long, and now that is what is said.
    assert!(out(&wide).contains("bad-identifier"), "{}", out(&wide));
    let few = run(&["check", "--format", "json", "--max-findings", "1"], b"TASK_FAILED:w:p:{}\n");
    let row: Value = serde_json::from_slice(&few.stdout).unwrap();
    assert_eq!((row["findings"].as_array().unwrap().len(), &row["omitted"]), (1, &Value::from(3)));
}

#[test]
fn filter_test_tells_what_a_filter_accepts() {
    let input = concat!(
        r#"TASK_FAILED:wf_001:build:{"task_id":"t1","agent_id":"a1","failure_reason":"x","retry_count":3}"#,
        "\n",
        r#"TASK_FAILED:wf_002:build:{"task_id":"t2","agent_id":"a1","failure_reason":"x","retry_count":1}"#,
        "\n",
        r#"{"source":"hub","timestamp":"2025-01-15T11:59:00Z","priority":"high","release":{"allocation_id":"alloc_1"}}"#,
        "\n",
    );
    let lines: Vec<&str> = input.lines().collect();
    let test = |args: &[&str]| run(&[&["filter", "test"], args].concat(), input.as_bytes());

    let output = test(&["/retry_count >= 3 or priority >= high"]);
    assert_eq!(output.status.code(), Some(0));
    let expected = format!("match    {}\nno match {}\nmatch    {}\n", lines[0], lines[1], lines[2]);
    assert_eq!(out(&output), expected);

    let now = ["--at", "2025-01-15T12:00:00Z", "--format", "records"];
    let young = test(&[&["age <= 1m"], &now[..]].concat());
    assert_eq!((young.status.code(), out(&young)), (Some(0), format!("{}\n", lines[2])));
    let old = test(&[&["age <= 59s"], &now[..]].concat());
    assert_eq!((old.status.code(), out(&old)), (Some(1), String::new()));
    // Measured from the clock, it is older than that.
    assert_eq!(test(&["age <= 60s"]).status.code(), Some(1));

    let json = r#"{"exact":{"field":"/task_id","value":"t2"}}"#;
    let rows = out(&test(&[json, "--format", "json"]));
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(
        rows[1],
        serde_json::json!({"source": "<stdin>", "line": 2, "accepted": true, "record": lines[1]})
    );
    assert_eq!(rows[2]["accepted"], false);
}

#[test]
fn filter_test_says_what_is_wrong() {
    let bad = run(&["filter", "test", "/é = 1"], b"");
    assert_eq!(bad.status.code(), Some(2));
    assert_eq!(
        err(&bad),
        "coord: expected a comparison such as `=`, `>=` or `prefix`, found 'é' (at byte 1)\n  \
         /é = 1\n   ^\n"
    );
    let bad = run(&["filter", "test", r#"{"all":[{}]}"#], b"");
    assert_eq!(
        err(&bad),
        "coord: expected an object with one key, found an empty one (at /all/0)\n  \
         {\"all\":[{}]}\n"
    );
    let bad = run(&["filter", "test", "{"], b"");
    assert_eq!(
        err(&bad),
        "coord: the filter is no JSON: the text ends inside a value at byte 1\n  {\n"
    );
    let bad = run(&["filter", "test", "all()", "--at", "today"], b"");
    assert_eq!(bad.status.code(), Some(2));
    let input = format!("no event\n{GOOD}");
    let odd = run(&["filter", "test", "kind = event"], input.as_bytes());
    assert_eq!(odd.status.code(), Some(2));
    assert!(err(&odd).contains("<stdin>:1:1"), "{}", err(&odd));
    assert!(out(&odd).starts_with("match "));
}
