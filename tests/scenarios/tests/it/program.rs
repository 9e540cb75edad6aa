//! `simulate` as it is run.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Plans are shorter than a pipe, and a program that refuses its arguments reads none.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Breaks an invariant: the run ends before a component is heard again.
const BROKEN: &str = "\
scenario presence
end 160.000s
shift agent-2 at 61.000s by -3600.000s # does no harm
cut agent-1 at 40.000s for 120.000s
";

#[test]
fn without_a_scenario_all_are_listed() {
    let output = run(&[], b"");
    assert_eq!(output.status.code(), Some(0));
    let text = out(&output);
    for name in ["request", "presence", "hostile", "upgrade", "delivery", "ballot", "sync"] {
        assert!(text.lines().any(|line| line.starts_with(name) && line.len() > 30), "{text}");
    }
    let output = run(&["--format", "json"], b"");
    let rows: Vec<Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().any(|row| row["scenario"] == "upgrade" && row["summary"].is_string()));
}

#[test]
fn a_misspelled_scenario_has_a_hint() {
    let output = run(&["--scenario", "reqest"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(err(&output), "simulate: there is no scenario `reqest`; did you mean `request`?\n");
    let output = run(&["--scenario", "banana"], b"");
    let hint = "simulate: there is no scenario `banana`; `simulate` lists all\n";
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(2), hint));
}

#[test]
fn seeds_that_hold_are_counted() {
    let args = ["--scenario", "request", "--seeds", "6", "--format", "json"];
    let output = run(&args, b"");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let line: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((&line["scenario"], &line["stats"]["runs"]), (&"request".into(), &6.into()));
    assert!(line["stats"]["marks"]["answers"].as_u64().unwrap() > 50, "{line}");
    assert!(line.get("failed").is_none());
    // The same again, whatever the threads do.
    assert_eq!(run(&args, b"").stdout, output.stdout);
    let calm = ["--loss", "0", "--repeated", "0", "--late", "0", "--crashes", "0", "--cuts", "0"];
    let text =
        out(&run(&[&args[..4], &["--latency", "5ms", "--stimuli", "9"], &calm].concat(), b""));
    assert!(text.starts_with("runs 6, stimuli 54, sent "), "{text}");
    assert!(text.contains(" lost 0, repeated 0, late 0, missed 0, crashes 0 "), "{text}");
    assert!(text.ends_with("\nrequest: all invariants hold\n"), "{text}");
}

#[test]
fn a_transcript_can_be_read() {
    let args = ["--scenario", "upgrade", "--seed", "4", "--transcript"];
    let output = run(&args, b"");
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("0.000s hub-1: starts\n"), "{text}");
    for part in [": installs 1.1.0\n", " hello req_", ": agrees ", ": held req_"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let json = out(&run(&[&args[..], &["--format", "json"]].concat(), b""));
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["line"], "0.000s hub-1: starts");
    let output = run(&[&args[..], &["--seeds", "2"]].concat(), b"");
    assert_eq!(err(&output), "simulate: --transcript is for one seed\n");
}

#[test]
fn a_plan_that_breaks_a_law_replays() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("violation.plan");
    std::fs::write(&path, BROKEN).unwrap();
    let output = run(&["--plan", path.to_str().unwrap()], b"");
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let invariant = "presence fails: in the end each component is seen as it is, but 160.000s: ";
    assert!(
        text.ends_with(&format!("\n{invariant}agent-1 is called unhealthy and is healthy\n")),
        "{text}"
    );
    let output = run(&["--plan", "-", "--format", "json", "--transcript"], BROKEN.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_str(out(&output).lines().last().unwrap()).unwrap();
    let plan = line["failed"]["plan"].as_str().unwrap();
    assert!(plan.contains("cut agent-1 at 40.000s for 120.000s\n"), "{plan}");
}

/// What is found is printed small, and the printed plan breaks the same invariant.
#[test]
fn a_seed_that_breaks_a_law_is_shrunk() {
    // Messages take so long that silence and the way cannot be told apart.
    let args = ["--scenario", "presence", "--seeds", "400", "--latency", "100s"];
    let output = run(&args, b"");
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("\nthe end of its transcript:\n"), "{text}");
    let (_, plan) = text.split_once("the plan, shrunk:\n").unwrap();
    let (plan, _) = plan.split_once("\n\n").unwrap();
    assert!(plan.lines().count() <= 14, "{plan}");
    let output = run(&["--plan", "-"], plan.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
}

#[test]
fn what_cannot_be_read_is_said() {
    for (args, input, message) in [
        (&["--plan", "-"][..], "seed x", "simulate: <stdin>: line 1: `x` is no seed\n"),
        (
            &["--plan", "-"],
            "scenario requests",
            "simulate: there is no scenario `requests`; did you mean `request`?\n",
        ),
        (&["--plan", "/no/such"], "", "simulate: cannot read /no/such: "),
    ] {
        let output = run(args, input.as_bytes());
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).starts_with(message), "{}", err(&output));
    }
    let output = run(&["--plan", "x", "--seed", "3"], b"");
    assert_eq!(output.status.code(), Some(2));
    let output = run(&["--scenario", "request", "--latency", "90d"], b"");
    assert!(err(&output).contains("the time is too long"), "{}", err(&output));
    for (args, message) in [
        (&["--seeds", "3"][..], "--scenario <NAME>"),
        (&["--lost", "3"], "--scenario <NAME>"),
        (&["--transcript"], "simulate: --transcript needs a --scenario or a --plan\n"),
        (&["--plan", "x", "--lost", "3"], "cannot be used with"),
        (&["--scenario", "request", "--seeds", "0"], "0 is not in 1.."),
        (&["--scenario", "request", "--lost", "1001"], "1001 is not in 0..=1000"),
    ] {
        let output = run(args, b"");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(err(&output).contains(message), "{args:?}: {}", err(&output));
    }
}
