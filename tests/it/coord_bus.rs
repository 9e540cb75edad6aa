//! `coord bus` and `coord publish`: one file, many processes.

use crate::coord::{coord, err, out};
use crate::support::Folder;
use serde_json::Value;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

/// A folder with a bus in it, and the program beside it.
pub(crate) struct Place(pub(crate) Folder);

impl Place {
    pub(crate) fn new() -> Self {
        Place(Folder::new())
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.0.path("coord.sqlite"))
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = coord(args);
        command.current_dir(&self.0.0).env("COORD_BUS", self.url());
        for name in ["COORD_COMPONENT", "COORD_KEY", "COORD_KEY_ID", "COORD_KEYS"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    pub(crate) fn run(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.spawn(args);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // Whoever refuses its arguments reads nothing.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    /// Status, standard output, standard error.
    pub(crate) fn all(&self, args: &[&str]) -> (i32, String, String) {
        told(&self.run(args, b""))
    }

    /// Publishes a failure of a task, whose reason is a text to know it by.
    pub(crate) fn publish(&self, workflow: &str, reason: &str) -> String {
        let reason = format!("failure_reason={reason}");
        let args = ["publish", "TASK_FAILED", workflow, "build", "task_id=t1", "agent_id=a1"];
        let (code, position, told) = self.all(&[&args[..], &["retry_count=3", &reason]].concat());
        assert_eq!((code, told.as_str()), (0, ""), "{reason}");
        position.trim_end().to_owned()
    }

    /// Everything on the bus, as lines of JSON with positions.
    pub(crate) fn info(&self) -> Value {
        let (code, text, told) = self.all(&["bus", "info", "--format", "json"]);
        assert_eq!((code, told.as_str()), (0, ""));
        serde_json::from_str(&text).unwrap()
    }
}

pub(crate) fn told(output: &Output) -> (i32, String, String) {
    (output.status.code().unwrap_or(-1), out(output), err(output))
}

const FAILED: &str = r#"TASK_FAILED:wf_1:build:{"task_id":"t1","agent_id":"a1","failure_reason":"x","retry_count":3}"#;

#[test]
fn a_bus_is_made_once_and_tells_what_is_in_it() {
    let place = Place::new();
    let file = place.0.path("coord.sqlite");
    assert_eq!(
        place.all(&["bus", "info"]),
        (
            4,
            String::new(),
            format!("coord: there is no bus at {file}; `coord bus init` makes one\n")
        )
    );
    for told in ["the bus is ready", "the bus is there already"] {
        assert_eq!(place.all(&["bus", "init"]), (0, format!("{file}: {told}\n"), String::new()));
    }
    assert_eq!(place.publish("wf_1", "one"), "0:1");
    let info = place.info();
    assert_eq!(
        (&info["first"], &info["next"], &info["records"]),
        (&"0:1".into(), &"0:2".into(), &1.into())
    );
    assert!(info["bytes"].as_u64().unwrap() > 0, "{info}");
    assert_eq!(info["file"], Value::from(file.as_str()));
    let (_, _, verbose) = place.all(&["bus", "info", "--verbose"]);
    assert_eq!(verbose, format!("coord: the bus is {file}\n"));
    for (url, status, message) in [
        (
            "memory:",
            2,
            "a bus in memory ends with the program; name a file as in --bus sqlite:PATH",
        ),
        ("kafka:x", 2, "it must start with `memory:` or `sqlite:`"),
        ("sqlite:/dev/null/x", 4, "cannot"),
    ] {
        let (code, _, told) = place.all(&[
            "publish",
            "SYSTEM_SHUTDOWN",
            "global",
            "global",
            "component_name=hub",
            "shutdown_reason=x",
            "--bus",
            url,
        ]);
        assert!(told.contains(message) || status == 4, "{told}");
        assert_eq!(code, status, "{url}: {told}");
    }
}

#[test]
fn a_closed_output_ends_every_verb_quietly() {
    let place = Place::new();
    place.publish("wf_1", "one");
    let event =
        ["publish", "WORKFLOW_PAUSED", "wf_1", "global", "pause_reason=x", "current_state={}"];
    for args in [
        &event[..],
        &["report-error", "x"],
        &["bus", "info"],
        &["subscribe", ">"],
        &["wait", "--event", ">", "--since", "0:1"],
        &["dead-letters", "list"],
    ] {
        let mut child = place.spawn(args);
        drop((child.stdout.take(), child.stdin.take()));
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""), "{args:?}");
    }
    // What was published is there, although its place was not read.
    assert_eq!(place.info()["records"], 3);
}

#[test]
fn without_a_url_it_is_the_file_of_the_project() {
    let place = Place::new();
    let run = |folder: &str, args: &[&str]| {
        let mut command = place.command(args);
        let output = command.current_dir(folder).env_remove("COORD_BUS").output().unwrap();
        told(&output)
    };
    let top = place.0.path("project");
    let below = format!("{top}/a/b");
    std::fs::create_dir_all(&below).unwrap();
    let (code, _, errors) = run(&below, &["bus", "info"]);
    assert_eq!(code, 4, "{errors}");
    assert!(errors.ends_with("make one with `coord bus init`, or name the file\n"), "{errors}");
    let (code, made, errors) = run(&top, &["bus", "init"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(made.ends_with("project/.claude/data/coord.sqlite: the bus is ready\n"), "{made}");
    let report = ["report-error", "x"];
    assert_eq!(run(&below, &report), (0, "0:1\n".to_owned(), String::new()));
    assert!(run(&top, &["subscribe", ">"]).1.contains("error_report"));
}

#[test]
fn a_published_event_says_who_when_and_what_whatever_it_holds() {
    let place = Place::new();
    let hostile = "it's \"late\"; $(rm -rf /) \\ \u{1b}[2J\n::error::\u{202e} größer";
    let reason = format!("failure_reason={hostile}");
    let args = [
        "publish",
        "TASK_FAILED",
        "wf_1",
        "build",
        r#"{"retry_count": 1.0, "note": 1.50}"#,
        "task_id=7",
        "agent_id=a1",
        &reason,
        "retry_count=3",
        "tags:=[\"a\"]",
        "--as",
        "deploy",
        "--format",
        "json",
    ];
    let (code, row, told) = place.all(&args);
    assert_eq!((code, told.as_str()), (0, ""));
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(row["position"], "0:1");
    let export = place.run(&["subscribe", ">"], b"");
    let text = out(&export);
    let message: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(message["message_id"], row["message_id"]);
    assert_eq!(message["source"], "deploy");
    assert!(message["timestamp"].as_str().unwrap().ends_with('Z'));
    let event = &message["event"];
    assert_eq!(
        (&event["event_type"], &event["workflow_id"]),
        (&"TASK_FAILED".into(), &"wf_1".into())
    );
    assert_eq!(event["data"]["failure_reason"], hostile);
    assert_eq!(
        (&event["data"]["task_id"], &event["data"]["retry_count"]),
        (&"7".into(), &3.into())
    );
    assert!(text.contains(r#""note":1.50"#), "numbers keep their spelling: {text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn what_is_wrong_is_drawn_and_nothing_is_published() {
    let place = Place::new();
    let good = ["task_id=t1", "agent_id=a1", "failure_reason=x"];
    let head = ["publish", "TASK_FAILED", "wf_1", "build"];
    let (code, printed, told) = place.all(&[&head[..], &good, &["retry_count=three"]].concat());
    assert_eq!((code, printed.as_str()), (1, ""));
    assert!(told.starts_with("<arguments>:1:"), "{told}");
    assert!(told.contains("error[wrong-kind]: expected a whole number"), "{told}");
    assert!(told.contains("^^^^^^^ wrong-kind"), "{told}");
    let lacking = place.all(&[&head[..], &good].concat());
    assert!(lacking.0 == 1 && lacking.2.contains("missing-data"), "{}", lacking.2);
    let cases: [(&[&str], i32, &str); 9] = [
        (&["publish"], 2, "<TYPE|->"),
        (&["publish", "TASK_FAILED"], 2, "coord: TYPE, WORKFLOW and PHASE belong together"),
        (&["publish", "-", "wf_1"], 2, "coord: a `-` in the place of TYPE stands alone"),
        (&["publish", "A:B", "wf_1", "build"], 2, "coord: TYPE: `A:B` is no event type"),
        (&["publish", "TASK_FAILED", "wf:1", "build"], 2, "coord: WORKFLOW: `wf:1`: "),
        (&["publish", "TASK_FAILED", "wf_1", "build", "oops"], 2, "coord: `oops` is no pair"),
        (&["publish", "TASK_FAILED", "wf_1", "build", "@nowhere"], 4, "coord: cannot read nowhere"),
        (&["publish", "TASK_FAILED", "wf_1", "build", "{\"a\":"], 1, "error[broken-json]"),
        (&["publish", "NOT_KNOWN", "wf_1", "build"], 1, "error[unknown-event-type]"),
    ];
    for (args, status, message) in cases {
        let (code, printed, told) = place.all(args);
        assert_eq!((code, printed.as_str()), (status, ""), "{args:?}: {told}");
        assert!(told.contains(message), "{args:?}: {told}");
    }
    let huge = format!("failure_reason={}", "x".repeat(70_000));
    let (code, _, told) = place.all(&[&head[..], &good[..2], &["retry_count=1", &huge]].concat());
    assert!(code == 1 && told.contains("error["), "{code}: {}", &told[..200.min(told.len())]);
    let broken = place.run(&[&head[..], &["-"]].concat(), b"\xff\xfe");
    assert_eq!(broken.status.code(), Some(4), "{}", err(&broken));
    assert!(
        !std::path::Path::new(&place.0.path("coord.sqlite")).exists(),
        "no bus was made for it"
    );
}

#[test]
fn a_stream_is_published_but_for_what_is_wrong_in_it() {
    let place = Place::new();
    let report = r#"{"message_id":"m1","source":"hub","error_report":{"error_id":"err_1","classification":{"category":"execution","severity":"high","type":"timeout","scope":"task","recoverable":true},"workflow_id":"wf_1","timestamp":"2025-01-15T12:00:00Z"}}"#;
    let stream = format!("{FAILED}\nbroken\n\n{report}\n{FAILED}\n");
    let (code, printed, wrong) = told(&place.run(&["publish", "-"], stream.as_bytes()));
    assert_eq!((code, printed.as_str()), (1, "0:1\n0:2\n0:3\n"));
    assert!(wrong.starts_with("<stdin>:2:1: error[not-an-event]"), "{wrong}");
    // The identifier tells that it stands there already.
    let again = place.run(&["publish", "-"], format!("{report}\n").as_bytes());
    assert_eq!(told(&again), (0, "0:2\n".to_owned(), String::new()));
    assert_eq!(place.info()["records"], 3);
    assert_eq!(told(&place.run(&["publish", "-"], b"")), (0, String::new(), String::new()));
}

#[test]
fn a_line_of_a_stream_is_published_before_the_next_one_comes() {
    use std::io::{BufRead as _, BufReader};
    let place = Place::new();
    let mut child = place.spawn(&["publish", "-"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for number in 1..=3 {
        writeln!(stdin, "{FAILED}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, format!("0:{number}\n"));
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_signed_is_signed_by_its_source() {
    let place = Place::new();
    let seed = place.0.path("hub.seed");
    let made = place.all(&["keygen", "--id", "hub", "--owner", "hub", "--seed", &seed]);
    let keys = place.0.write("keys.json", &made.1);
    let mut command = place.command(&["publish", "-", "--as", "hub"]);
    let mut child = command.env("COORD_KEY", &seed).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{FAILED}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(told(&output), (0, "0:1\n".to_owned(), String::new()));
    let (_, message, _) = place.all(&["subscribe", ">"]);
    let verified = place.run(&["verify", "--keys", &keys], message.as_bytes());
    assert_eq!(verified.status.code(), Some(0), "{}", err(&verified));
    // A message that is signed already stays as it is, byte for byte.
    let again = place.run(&["publish", "-", "--bus", "sqlite:other"], message.as_bytes());
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert_eq!(place.all(&["subscribe", ">", "--bus", "sqlite:other"]).1, message);
    let (code, _, told) = place.all(&["publish", "-", "--key", "nowhere"]);
    assert!(code == 4 && told.starts_with("coord: cannot read nowhere"), "{told}");
}

#[test]
fn event_types_of_ones_own_are_those_of_the_settings() {
    let place = Place::new();
    place.0.write(
        "coord.toml",
        "[types.SHIP_DONE]\ncategory = \"deploy\"\nrequired = { parts = \"count\" }\n",
    );
    let (code, position, told) = place.all(&["publish", "SHIP_DONE", "wf_1", "global", "parts=3"]);
    assert_eq!((code, position.as_str(), told.as_str()), (0, "0:1\n", ""));
    assert!(place.all(&["publish", "SHIP_DONE", "wf_1", "global"]).2.contains("missing-data"));
    let (_, text, _) = place.all(&["subscribe", "deploy.*.ship_done"]);
    assert!(text.contains(r#""data":{"parts":3}"#), "{text}");
}
