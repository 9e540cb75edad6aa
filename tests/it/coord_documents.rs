//! `coord` with messages: documents, envelopes, arrays, Markdown and shell, SARIF, signatures.

use crate::coord::{err, out, run};
use crate::support::Folder;
use serde_json::{Value, json};

fn rows(args: &[&str], input: &str) -> Vec<Value> {
    let output = run(&[&["check", "--format", "json"], args].concat(), input.as_bytes());
    out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `line kind type verdict`, and the codes of what is no note with their lines.
fn brief(row: &Value) -> (String, Vec<(u64, String)>) {
    let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
    let head = format!("{} {} {} {}", row["line"], text("kind"), text("type"), text("verdict"));
    let findings = row["findings"].as_array().unwrap().iter();
    let findings = findings.filter(|finding| finding["severity"] != "note");
    let told = |f: &Value| (f["line"].as_u64().unwrap(), f["code"].as_str().unwrap().to_owned());
    (head, findings.map(told).collect())
}

/// Written by hand: the gaps of the printed examples, line by line.
const PRINTED: &[(&str, &[(u64, &str)])] = &[
    ("9 template EVENT_TYPE valid", &[]),
    (
        "14 event PHASE_COMPLETED deviating",
        &[(14, "single-quotes"), (14, "missing-data"), (14, "missing-data"), (14, "missing-data")],
    ),
    (
        "17 event RESOURCE_ALLOCATED deviating",
        &[(17, "single-quotes"), (17, "missing-data"), (17, "missing-data")],
    ),
    ("20 event ERROR_ENCOUNTERED deviating", &[(20, "single-quotes"), (20, "missing-data")]),
    (
        "23 event SYSTEM_THRESHOLD deviating",
        &[(23, "single-quotes"), (23, "missing-data"), (23, "missing-data")],
    ),
    (
        // Request, requester, priority; tolerance, isolation.
        "29 template allocation_request deviating",
        &[
            (31, "placeholder"),
            (33, "placeholder"),
            (35, "placeholder"),
            (52, "placeholder"),
            (53, "placeholder"),
        ],
    ),
    (
        "68 template allocation_response deviating",
        &[(70, "placeholder"), (71, "placeholder"), (72, "placeholder")],
    ),
    ("108 document workflow_state valid", &[]),
    (
        // Type, trigger; four digests; three results; the version that came later.
        "148 template checkpoint_sync deviating",
        &[
            (154, "placeholder"),
            (155, "placeholder"),
            (157, "unreadable-text"),
            (158, "unreadable-text"),
            (159, "unreadable-text"),
            (160, "unreadable-text"),
            (163, "placeholder"),
            (164, "placeholder"),
            (165, "placeholder"),
            (173, "advised-field"),
        ],
    ),
    (
        // Identifier; four words of the classification; component, operation.
        "180 template error_report deviating",
        &[
            (182, "placeholder"),
            (186, "placeholder"),
            (187, "placeholder"),
            (188, "placeholder"),
            (189, "placeholder"),
            (193, "placeholder"),
            (194, "placeholder"),
        ],
    ),
    ("233 document component_registration valid", &[]),
    ("265 template health_status deviating", &[(269, "placeholder")]),
    ("295 document component_config valid", &[]),
];

#[test]
fn the_printed_examples_have_their_gaps_and_nothing_else() {
    let found: Vec<_> = rows(&["tests/it/wire_examples.md"], "").iter().map(brief).collect();
    let expected: Vec<_> = PRINTED
        .iter()
        .map(|(head, codes)| {
            let codes = codes.iter().map(|(line, code)| (*line, (*code).to_owned()));
            ((*head).to_owned(), codes.collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(run(&["check", "tests/it/wire_examples.md"], b"").status.code(), Some(0));
    let strict = run(&["check", "--mode", "strict", "tests/it/wire_examples.md"], b"");
    assert_eq!(strict.status.code(), Some(1));
}

const BEAT: &str =
    r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;

#[test]
fn a_stream_holds_lines_and_documents_of_any_layout() {
    let pretty = "{\n  \"source\": \"hub\",\n\n  \"heartbeat\": {\n    \"component_id\": \"hub\",\n    \"sequence\": 1,\n    \"timestamp\": \"2025-01-15T12:00:00Z\"\n  }\n}\n";
    let broken = "{\n  \"heartbeat\": {\n    \"component_id\": \"hub\",,\n  }\n}\n";
    let line =
        "SYSTEM_SHUTDOWN:global:global:{\"component_name\":\"hub\",\"shutdown_reason\":\"x\"}\n";
    let input = format!("{BEAT}\n{pretty}{broken}{line}\n{pretty}");
    let found: Vec<_> = rows(&[], &input).iter().map(brief).collect();
    assert_eq!(
        found,
        [
            ("1 control heartbeat valid".to_owned(), vec![]),
            ("2 envelope heartbeat valid".to_owned(), vec![]),
            ("11 control heartbeat invalid".to_owned(), vec![(13, "broken-json".to_owned())]),
            ("16 event SYSTEM_SHUTDOWN valid".to_owned(), vec![]),
            ("18 envelope heartbeat valid".to_owned(), vec![]),
        ]
    );
    // A document that is cut short does not hide the next one.
    let cut = format!("{{\n  \"heartbeat\": {{\n\n{BEAT}\n");
    let found: Vec<_> = rows(&[], &cut).iter().map(|row| brief(row).0).collect();
    assert_eq!(found, ["1 control heartbeat invalid", "4 control heartbeat valid"]);
}

#[test]
fn the_elements_of_an_array_are_records() {
    let input = format!("[\n  {BEAT},\n  {{\"heartbeat\": {{\n    \"sequence\": -1}}}},\n  7\n]\n");
    let found: Vec<_> = rows(&[], &input).iter().map(brief).collect();
    assert_eq!(
        found,
        [
            ("2 control heartbeat valid".to_owned(), vec![]),
            (
                "3 control heartbeat invalid".to_owned(),
                vec![
                    (4, "out-of-range".to_owned()),
                    (4, "missing-identity".to_owned()),
                    (4, "missing-field".to_owned()),
                ]
            ),
            ("5 unknown - invalid".to_owned(), vec![(5, "not-an-event".to_owned())]),
        ]
    );
    assert!(rows(&[], "[]").is_empty());
    // Arrays among other records, as `cat` joins them.
    let input = format!(
        "[]\n[{BEAT},\n {BEAT}]\n{BEAT}\n [7, {BEAT}]\n[\n  {BEAT},\n  {{\"heartbeat\":\n {{\"sequence\": -1}}}}]"
    );
    let found: Vec<_> =
        rows(&[], &input).iter().map(|row| (brief(row).0, row["column"].clone())).collect();
    let expected = [
        ("2 control heartbeat valid", 2),
        ("3 control heartbeat valid", 2),
        ("4 control heartbeat valid", 1),
        ("5 unknown - invalid", 3),
        ("5 control heartbeat valid", 6),
        ("7 control heartbeat valid", 3),
        ("8 control heartbeat invalid", 3),
    ];
    assert_eq!(found, expected.map(|(head, column)| (head.to_owned(), json!(column))));
    let drawn = out(&run(&["check"], input.as_bytes()));
    assert!(drawn.contains("<stdin>:9:15"), "{drawn}");
    let broken = rows(&[], &format!("[{BEAT},,{BEAT}]"));
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0]["verdict"], "invalid");
}

#[test]
fn bytes_that_are_not_utf8_are_found_in_every_shape() {
    let broken = b"{\"heartbeat\":{\"component_id\":\"h\xffub\",\"sequence\":1,\"timestamp\":\"2025-01-15T12:00:00Z\"}}";
    let with = |before: &str, after: &str| [before.as_bytes(), broken, after.as_bytes()].concat();
    // The byte is the 32nd character of its record.
    for (input, line, column) in [
        (with("", "\n"), 1, 32),
        (with("[\n", "]\n"), 2, 32),
        (with("[\n{\"x\":\"\u{e9}\"}, ", "]\n"), 2, 43),
        (with("# T\n\n```json\n", "\n```\n"), 4, 32),
        (with("#!/bin/sh\nsend '", "'\n"), 2, 38),
        (with("#!/bin/sh\n# caf\u{e9}\ncat <<EOF\n", "\nEOF\n"), 4, 32),
    ] {
        let output = run(&["check", "--format", "json"], &input);
        assert_eq!(output.status.code(), Some(1));
        let text = out(&output);
        let row: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let finding = &row["findings"][0];
        assert_eq!(finding["code"], "not-utf-8", "{text}");
        assert_eq!(
            (&finding["line"], &finding["column"]),
            (&json!(line), &json!(column)),
            "{text}"
        );
    }
    // What is not UTF-8 outside the messages is no one's business, and moves nothing.
    let prose = [b"# Caf\xe9 \xe9\n\n```json\n".as_slice(), BEAT.as_bytes(), b"\n```\n"].concat();
    let output = run(&["check", "--mode", "strict", "--format", "json"], &prose);
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(brief(&row), ("4 control heartbeat valid".to_owned(), vec![]));
    // A continuation byte alone is a character for whoever reads the column.
    let output = run(&["check", "--format", "json"], b"{\"x\":\"\x80\x80\"}");
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["findings"][0]["column"], 7);
}

#[test]
fn what_came_before_counts_within_a_stream() {
    let state = |version: u32| {
        format!(
            r#"{{"workflow_state":{{"workflow_id":"w","state_version":{version},"timestamp":"2025-01-15T12:00:00Z"}}}}"#
        )
    };
    let input = format!("{}\n{}\n", state(5), state(4));
    let found: Vec<_> = rows(&[], &input).iter().map(brief).collect();
    assert_eq!(found[1].1, [(2, "stale-version".to_owned())]);
}

#[test]
fn commands_are_read_as_their_argument() {
    let input = "/resource-manager allocate '{\n  \"allocation_request\": {\n    \"request_id\": \"req_1\",\n    \"workflow_id\": \"w\",\n    \"resources\": {\"agents\": -2}\n  }\n}'\n";
    let found: Vec<_> = rows(&[], input).iter().map(brief).collect();
    let codes = ["out-of-range", "missing-field", "missing-field"].map(str::to_owned);
    assert_eq!(found[0].0, "1 document allocation_request invalid");
    assert_eq!(found[0].1, [5, 6, 6].into_iter().zip(codes).collect::<Vec<_>>());
    let drawn = out(&run(&["check"], input.as_bytes()));
    assert!(
        drawn.contains("<stdin>:5:29") && drawn.contains("-2 is not a whole number"),
        "{drawn}"
    );
}

/// What is drawn of a file from Windows, with tabs: neither is shown as a stray character.
#[test]
fn line_ends_and_tabs_are_drawn_as_such() {
    let file = "# T\r\n\r\n```json\r\n{\r\n\t\"error_report\": 7\r\n}\r\n```\r\n";
    let drawn = out(&run(&["check"], file.as_bytes()));
    assert!(
        drawn.contains("<stdin>:5:18") && drawn.contains("    \"error_report\": 7\n"),
        "{drawn}"
    );
    assert!(!drawn.contains(['\u{fffd}', '\r']), "{drawn}");
    // Where it is the fault, it is seen.
    let line =
        "SYSTEM_SHUTDOWN:global:global:{\"component_name\":\"hub\",\"shutdown_reason\":\"x\"}\r\n";
    let drawn = out(&run(&["check"], line.as_bytes()));
    assert!(drawn.contains("carriage-return") && drawn.contains('\u{fffd}'), "{drawn}");
}

#[test]
fn sarif_points_into_the_source() {
    let output = run(&["check", "--format", "sarif", "tests/it/wire_examples.md", "-"], b"X");
    assert_eq!(output.status.code(), Some(1));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let expected: usize = PRINTED.iter().map(|(_, codes)| codes.len()).sum();
    assert_eq!(results.len(), expected + 1);
    let rules: Vec<&str> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    for result in results {
        assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    }
    let first = results.iter().find(|result| result["ruleId"] == "placeholder").unwrap();
    let place = &first["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "tests/it/wire_examples.md");
    assert_eq!(
        place["region"],
        json!({ "startLine": 31, "startColumn": 19, "endLine": 31, "endColumn": 31 })
    );
    let empty: Value =
        serde_json::from_slice(&crate::coord::run(&["check", "--format", "sarif"], b"").stdout)
            .unwrap();
    assert_eq!(empty["runs"][0]["results"], json!([]));
}

#[test]
fn schemas_are_printed() {
    let names = out(&run(&["schema"], b""));
    assert!(names.lines().any(|name| name == "envelope"));
    for name in names.lines() {
        let output = run(&["schema", name], b"");
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
    }
    let unknown = run(&["schema", "heart_beat"], b"");
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(
        err(&unknown),
        "coord: there is no schema `heart_beat`; did you mean `heartbeat`?\n"
    );
    assert_eq!(run(&["schema", "heartbeat", "--protocol", "1.0.0"], b"").status.code(), Some(2));
}

const SENT: &str = r#"{"source":"hub","message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","ttl_seconds":60,"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;

#[test]
fn messages_are_signed_and_verified() {
    let folder = Folder::new();
    let seed = folder.path("hub.seed");
    let keygen = ["keygen", "--id", "hub-1", "--owner", "hub", "--seed", &seed];
    let made = run(&keygen, b"");
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let keys = folder.write("keys.json", &made.stdout);
    assert_eq!(run(&keygen, b"").status.code(), Some(4), "a seed is never overwritten");

    let sign = |input: &str| run(&["sign", "--id", "hub-1", "--seed", &seed], input.as_bytes());
    let signed = out(&sign(SENT));
    assert!(signed.starts_with(&SENT[..SENT.len() - 1]), "what was there stays as it was");
    let verify = |input: &str| run(&["verify", "--keys", &keys], input.as_bytes());
    let good = verify(&signed);
    assert_eq!(
        (good.status.code(), out(&good).as_str()),
        (Some(0), "1 signed by their source, 0 not\n")
    );
    let tampered = verify(&signed.replace("\"sequence\":1", "\"sequence\":2"));
    assert_eq!(tampered.status.code(), Some(1));
    assert!(err(&tampered).contains("bad-signature"));
    let unsigned = verify(SENT);
    assert_eq!(unsigned.status.code(), Some(1));
    assert!(err(&unsigned).contains("unsigned"));
    let other = verify(&out(&sign(
        &SENT
            .replace("\"source\":\"hub\"", "\"source\":\"rm\"")
            .replace("\"component_id\":\"hub\"", "\"component_id\":\"rm\""),
    )));
    assert!(err(&other).contains("wrong-key-owner"), "{}", err(&other));

    let refused = sign(
        "{\"heartbeat\":{}}\nTASK_STARTED:w:p:{\"task_id\":\"t\",\"agent_id\":\"a\",\"start_time\":\"2025-01-15T12:00:00Z\"}\n",
    );
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(out(&refused), "");
    assert!(err(&refused).contains("not signed: the message is invalid"));
    assert!(err(&refused).contains("not signed: an event line has no room for a signature"));

    let check = |at: &str, input: &str| {
        let args = ["check", "--keys", &keys, "--fresh", "--at", at, "--format", "json"];
        let output = run(&args, input.as_bytes());
        let rows: Vec<Value> =
            out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        rows.iter().map(|row| brief(row).1).collect::<Vec<_>>()
    };
    assert_eq!(check("2025-01-15T12:00:05Z", &signed), [vec![]]);
    let told = |line: u64, code: &str| vec![(line, code.to_owned())];
    assert_eq!(check("2025-01-15T12:02:00Z", &signed), [told(1, "expired")]);
    assert_eq!(check("2025-01-15T11:00:00Z", &signed), [told(1, "from-future")]);
    let twice = format!("{signed}{signed}");
    assert_eq!(check("2025-01-15T12:00:05Z", &twice), [vec![], told(2, "replayed")]);
    // The second file of a run is judged by what the first held.
    let files = ["a.json", "b.json"].map(|name| folder.write(name, signed.as_bytes()));
    let args = ["check", "--fresh", "--at", "2025-01-15T12:00:05Z", &files[0], &files[1]];
    let output = out(&run(&args, b""));
    assert!(output.contains("b.json:1") && output.contains("error[replayed]"), "{output}");
}

#[test]
fn permissions_come_from_registrations() {
    let folder = Folder::new();
    let registration = r#"{"component_registration":{"component_id":"hub","component_type":"x","version":"1.0.0","event_publications":["system.*.shutdown"]}}"#;
    let permissions = folder.write("permissions.json", registration.as_bytes());
    let event = |source: &str, kind: &str, data: &str| {
        format!(
            r#"{{"source":"{source}","event":{{"event_type":"{kind}","workflow_id":"global","phase":"global","data":{data}}}}}"#
        )
    };
    let stop = r#"{"component_name":"hub","shutdown_reason":"x"}"#;
    let start = r#"{"component_name":"hub","version":"1.0.0","capabilities":[]}"#;
    let input = [
        event("hub", "SYSTEM_SHUTDOWN", stop),
        event("hub", "SYSTEM_STARTUP", start),
        event("rm", "SYSTEM_SHUTDOWN", stop),
    ]
    .join("\n");
    let rows = rows(&["--permissions", &permissions], &input);
    let codes: Vec<_> = rows.iter().map(|row| brief(row).1).collect();
    let told = |line: u64, code: &str| vec![(line, code.to_owned())];
    assert_eq!(codes, [vec![], told(2, "publication-denied"), told(3, "unknown-source")]);
    assert_eq!(
        rows[0]["security"],
        "permissions checked; signature, freshness, replay not checked"
    );

    let summary = out(&run(&["check"], input.as_bytes()));
    assert!(summary.ends_with("security not checked)\n"), "{summary}");
    let required = run(&["check", "--require"], input.as_bytes());
    assert_eq!(required.status.code(), Some(1));
    assert!(out(&required).contains("security-required"));

    for (text, message) in [
        (BEAT, "`heartbeat` grants no permissions; a registration does"),
        ("", "there are no registrations in it"),
        ("{\"component_registration\":{}}", "`component_id` is missing"),
    ] {
        let wrong = folder.write("wrong.json", text.as_bytes());
        let output = run(&["check", "--permissions", &wrong], b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(message), "{}", err(&output));
    }
    let output = run(&["check", "--keys", &folder.write("k.json", b"{\"keys\":[{}]}")], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(run(&["check", "--at", "soon"], b"").status.code(), Some(2));
}

/// Markdown of some megabytes, read whole and in time that grows with its length only.
#[test]
fn a_large_file_is_checked() {
    let block = format!("# A\n\n```json\n{BEAT}\n```\n\n```bash\nnotify '{BEAT}'\n```\n");
    let text = block.repeat(10_000);
    let output = run(&["check"], text.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).starts_with("20000 records: 20000 valid"), "{}", out(&output));
}
