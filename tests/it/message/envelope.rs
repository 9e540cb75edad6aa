//! The envelope: its header and one body, and what the field writes instead.

use super::{found, rewritten, told};
use coordination_protocol::event::{Category, FieldType, Registry};
use coordination_protocol::finding::{Code, Verdict};
use coordination_protocol::message::{
    Envelope, EnvelopeHeader, Message, MessageKind, MessageRef, peek,
};
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Codec, Mode, ProtocolVersion};

const ALIVE: &str =
    r#""heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}"#;
const STOPS: &str = r#"{"component_name":"hub","shutdown_reason":"update"}"#;

fn none() -> Vec<String> {
    Vec::new()
}

fn with_header(header: &str) -> String {
    format!("{{{header},{ALIVE}}}")
}

#[test]
fn a_body_is_told_by_its_key_wherever_it_stands() {
    for (text, kind) in [
        (format!("{{{ALIVE}}}"), MessageKind::Heartbeat),
        (with_header(r#""source":"hub","x":{"error_report":{}}"#), MessageKind::Heartbeat),
        (
            format!("{{{},\"source\":\"hub\"}}", ALIVE.replacen("heart", "\\u0068eart", 1)),
            MessageKind::Heartbeat,
        ),
        (
            r#"{"release":{"allocation\u005fid":"a","release_reason":"done"}}"#.to_owned(),
            MessageKind::Release,
        ),
    ] {
        let message = MessageRef::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((message.kind(), peek(&text).kind), (kind, kind));
        assert!(message.body().is_some() && !message.is_flat());
        assert_eq!(message.decode().unwrap().kind(), kind);
    }
}

#[test]
fn a_message_has_one_body() {
    let release = r#""release":{"allocation_id":"a","release_reason":"done"}"#;
    for (text, kind, second) in [
        (format!("{{{ALIVE},{release}}}"), "heartbeat", "release"),
        (format!("{{{release},\"x\":1,{ALIVE}}}"), "release", "heartbeat"),
    ] {
        let told: Vec<_> = told(&text).into_iter().filter(|f| !f.starts_with("unknown")).collect();
        assert_eq!(told, [format!("second-body /{second}")]);
        assert_eq!(peek(&text).kind.as_str(), kind);
        let error = MessageRef::parse(&text).unwrap_err();
        assert_eq!(
            error.finding().to_string(),
            format!("a second body `{second}` beside `{kind}`")
        );
    }
    // Both are looked into.
    assert_eq!(
        told(
            r#"{"release":{"release_reason":"x"},"vote":{"proposal_id":"p","voter":"v","vote":"yes"}}"#
        ),
        ["missing-identity /release/allocation_id", "second-body /vote", "unknown-word /vote/vote"]
    );
    let three = format!("{{{ALIVE},{release},\"vote\":{{}}}}");
    let seconds = told(&three).into_iter().filter(|f| f.starts_with("second-body"));
    assert_eq!(seconds.collect::<Vec<_>>(), ["second-body /release", "second-body /vote"]);
    // The same body twice is a key twice.
    assert_eq!(told(&format!("{{{ALIVE},{ALIVE}}}")), ["duplicate-key /heartbeat"]);
    let escaped = ALIVE.replacen("heart", "\\u0068eart", 1);
    assert_eq!(told(&format!("{{{ALIVE},{escaped}}}")), ["duplicate-key /heartbeat"]);
}

#[test]
fn a_known_body_key_with_a_bad_body_is_never_something_else() {
    for body in ["null", "[]", "\"x\"", "7", "true", "[{}]"] {
        let text = format!("{{\"error_report\":{body}}}");
        assert_eq!(told(&text), ["wrong-kind /error_report"], "{text}");
        let record = Codec::new(Mode::Interop).check_message(&text);
        assert_eq!((record.kind(), record.value.is_none()), (MessageKind::ErrorReport, true));
    }
    assert_eq!(
        told(r#"{"error_report":{}}"#),
        [
            "missing-identity /error_report/error_id",
            "missing-identity /error_report/classification",
            "missing-field /error_report/workflow_id",
            "missing-field /error_report/timestamp",
        ]
        .map(String::from)
    );
}

/// What is known of one value says nothing about another that happens to stand as deep.
#[test]
fn unknown_values_may_hold_anything() {
    let request = r#""allocation_request":{"request_id":"r","workflow_id":"w","requester":"x","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1,"tool_instances":{"bash":1},"exclusive_files":["a"]},"constraints":{"max_wait_time":"10m"}}"#;
    for unknown in [
        r#"[["x"]]"#,
        r#"[[[{"agents":"x"}]]]"#,
        r#"{"resources":{"agents":"x","tool_instances":{"bash":"y"}}}"#,
        r#"[{"a":[[true,{"b":null}]]},["x",["y"]]]"#,
    ] {
        for text in
            [format!("{{{request},\"yy\":{unknown}}}"), format!("{{\"yy\":{unknown},{request}}}")]
        {
            assert_eq!(told(&text), ["unknown-field /yy"], "{text}");
        }
        let inside =
            request.replacen("\"constraints\"", &format!("\"yy\":{unknown},\"constraints\""), 1);
        assert_eq!(told(&format!("{{{inside}}}")), ["unknown-field /allocation_request/yy"]);
    }
    let alternatives = r#"{"allocation_response":{"response_id":"r","request_id":"q","status":"denied","timestamp":"2025-01-15T12:00:00Z","alternatives":[{"option":"a","x":[["y"]]},{"option":"b"}],"z":[[[{"option":7}]]]}}"#;
    assert_eq!(
        told(alternatives),
        [
            "unknown-field /allocation_response/alternatives/0/x",
            "unknown-field /allocation_response/z"
        ]
    );
}

#[test]
fn names_of_the_field_stand_for_header_keys() {
    for (alias, real, value) in [
        ("event_id", "message_id", "\"evt_1\""),
        ("source_component", "source", "\"hub\""),
        ("source_command", "source", "\"hub\""),
    ] {
        let text = with_header(&format!("\"{alias}\":{value}"));
        assert_eq!(told(&text), [format!("field-alias /{alias}")]);
        let record = Codec::new(Mode::Interop).check_message(&text);
        assert_eq!(record.report.verdict(), Verdict::Deviating);
        let finding = &record.report.findings()[0];
        assert_eq!(finding.to_string(), format!("`{alias}` stands for `{real}`"));
        assert_eq!(&text[finding.range.clone()], format!("\"{alias}\""));
        assert_eq!(rewritten(&text), with_header(&format!("\"{real}\":{value}")));
        let seen = peek(&text).header.unwrap();
        assert_eq!(seen, record.value.unwrap().decode().unwrap().header);
        // What it stands for is asked of its value.
        let text = with_header(&format!("\"{alias}\":7"));
        assert_eq!(told(&text), [format!("field-alias /{alias}"), format!("wrong-kind /{alias}")]);
        // Elsewhere they are names like any other.
        let text = format!("{{{}}}", ALIVE.replacen('{', &format!("{{\"{alias}\":{value},"), 1));
        assert_eq!(told(&text), [format!("unknown-field /heartbeat/{alias}")]);
    }
}

/// A field beside its alias counts, in whatever order they stand; the alias is kept as it is.
#[test]
fn an_alias_never_overrules_the_field() {
    for text in [
        with_header(r#""source":"b","source_component":"a""#),
        with_header(r#""source_component":"a","source":"b""#),
        format!("{{\"source_component\":\"a\",{ALIVE},\"source\":\"b\"}}"),
    ] {
        assert_eq!(told(&text), ["field-alias /source_component"]);
        assert_eq!(rewritten(&text), with_header(r#""source":"b","source_component":"a""#));
        let header = peek(&text).header.unwrap();
        assert_eq!(header.source.unwrap().as_str(), "b");
    }
    let two = with_header(r#""source_component":"a","source_command":"c""#);
    assert_eq!(told(&two), ["field-alias /source_component", "field-alias /source_command"]);
    assert_eq!(rewritten(&two), with_header(r#""source":"a","source_command":"c""#));
    assert_eq!(peek(&two).header.unwrap().source.unwrap().as_str(), "a");
    let three = with_header(r#""source_component":"a","source_command":"c","source":"b""#);
    assert_eq!(
        rewritten(&three),
        with_header(r#""source":"b","source_component":"a","source_command":"c""#)
    );
    assert_eq!(
        told(&with_header(r#""source_component":"a","source":"b","source":"c""#)),
        ["field-alias /source_component", "duplicate-key /source"]
    );
}

#[test]
fn every_repetition_of_a_key_is_told_once() {
    let repeated = |text: &str| -> Vec<String> {
        let record = Codec::new(Mode::Interop).check_message(text);
        let found = record.report.findings().iter();
        let found: Vec<String> = found
            .filter(|finding| finding.code == Code::DuplicateKey)
            .map(|finding| format!("{} {}", finding.pointer, &text[finding.range.clone()]))
            .collect();
        let first = Codec::new(Mode::Interop).verify_message(text).unwrap_err();
        let told = format!("{} {}", first.finding().pointer, &text[first.finding().range.clone()]);
        assert!(found.contains(&told), "{told}: {found:?}");
        found
    };
    let heartbeat = |members: &str| {
        let timestamp = r#""timestamp":"2025-01-15T12:00:00Z""#;
        format!("{{\"heartbeat\":{{\"component_id\":\"hub\",{members},{timestamp}}}}}")
    };
    // Known, unknown and escaped keys in one object.
    assert_eq!(
        repeated(&heartbeat(
            r#""sequence":1,"x":1,"sequence":2,"x":2,"\u0073equence":3,"sequence":4"#
        )),
        [
            r#"/heartbeat/sequence "sequence""#,
            r#"/heartbeat/x "x""#,
            r#"/heartbeat/sequence "\u0073equence""#,
            r#"/heartbeat/sequence "sequence""#
        ]
    );
    assert_eq!(
        repeated(&heartbeat(r#""\u0073equence":1,"sequence":2"#)),
        [r#"/heartbeat/sequence "sequence""#]
    );
    // `event_id` stands for a member of the root at the place that `sequence` has in its object.
    let inside = heartbeat(r#""sequence":1,"sequence":2"#).replacen('{', r#"{"event_id":"m","#, 1);
    assert_eq!(repeated(&inside), [r#"/heartbeat/sequence "sequence""#]);
    // More keys than the scanner tells apart at a glance.
    let many = (0..200).map(|key| format!("\"k{key}\":0")).collect::<Vec<_>>().join(",");
    let many = heartbeat(&format!("\"sequence\":1,{many},\"k7\":1"));
    assert_eq!(repeated(&many), [r#"/heartbeat/k7 "k7""#]);
}

#[test]
fn peek_reads_as_much_of_a_header_as_can_be_read() {
    let text = with_header(
        r#""priority":"urgent","timestamp":"today","source":7,"ttl_seconds":-1,"message_id":"a:b","request_id":"req_<uuid>","protocol_version":"1.x","signature":{},"more":1"#,
    );
    let seen = peek(&text);
    assert_eq!(seen.kind, MessageKind::Heartbeat);
    assert_eq!(
        serde_json::to_string(&seen.header.unwrap()).unwrap(),
        r#"{"timestamp":"today","request_id":"req_<uuid>","priority":"urgent"}"#
    );
    for text in ["", "[]", "null", "\"{}\"", r#"TASK_FAILED:w:p:{"error_report":{}}"#, "x {}"] {
        let seen = peek(text);
        assert_eq!((seen.kind, seen.header), (MessageKind::Unknown, None), "{text}");
        assert_eq!(Codec::new(Mode::Interop).check_message(text).kind(), MessageKind::Unknown);
    }
    for text in ["\u{feff} {", "' {", "{"] {
        let text = format!("{text}{}", &with_header("\"source\":\"hub\"")[1..]);
        assert_eq!(peek(&text).kind, MessageKind::Heartbeat);
        assert_eq!(peek(&text).header.unwrap().source.unwrap().as_str(), "hub");
    }
    // As far as it goes.
    assert_eq!(
        peek(r#"{"source":"hub","heartbeat":{"#).header.unwrap().source.unwrap().as_str(),
        "hub"
    );
}

fn in_envelope(event: &str) -> String {
    format!("{{\"event\":{event}}}")
}

fn event(name: &str, workflow: &str, phase: &str, data: &str) -> String {
    format!(
        r#"{{"event_type":"{name}","workflow_id":"{workflow}","phase":"{phase}","data":{data}}}"#
    )
}

#[test]
fn an_event_in_an_envelope_is_asked_what_its_line_would_be() {
    let text = in_envelope(&event("SYSTEM_SHUTDOWN", "global", "global", STOPS));
    assert_eq!(told(&text), none());
    let envelope: Envelope = text.parse().unwrap();
    let Message::Event(body) = &envelope.message else { unreachable!() };
    assert_eq!(body.event.to_string(), format!("SYSTEM_SHUTDOWN:global:global:{STOPS}"));
    assert_eq!((envelope.to_string(), body.extra().is_empty()), (text, true));

    for (event, told) in [
        (
            event("SYSTEM_SHUTDOWN", "w", "p", "{}"),
            vec![
                "missing-data /event/data/component_name",
                "missing-data /event/data/shutdown_reason",
            ],
        ),
        (event("SYSTEM_STOPPED", "w", "p", STOPS), vec!["unknown-event-type /event/event_type"]),
        (
            event("SYSTEM_SHUTDOWN", "a:b", "", STOPS),
            vec!["bad-identifier /event/workflow_id", "bad-identifier /event/phase"],
        ),
        (event("SYSTEM_SHUTDOWN", "w", "p", "[]"), vec!["wrong-kind /event/data"]),
        (
            event(
                "AGENT_DEALLOCATED",
                "w",
                "p",
                r#"{"agent_id":"a","workflow_id":"v","reason":"r"}"#,
            ),
            vec!["header-mismatch /event/data/workflow_id"],
        ),
        (
            event(
                "SYSTEM_SHUTDOWN",
                "w",
                "p",
                &STOPS.replacen('{', r#"{"phase":"q","workflow_id":"w","#, 1),
            ),
            vec![
                "unknown-field /event/data/phase",
                "header-mismatch /event/data/phase",
                "unknown-field /event/data/workflow_id",
            ],
        ),
        (
            event(
                "PHASE_PROGRESS",
                "w",
                "p",
                r#"{"phase_id":[],"progress_percentage":101,"eta_update":"$eta"}"#,
            ),
            vec![
                "wrong-kind /event/data/phase_id",
                "out-of-range /event/data/progress_percentage",
                "placeholder /event/data/eta_update",
            ],
        ),
        (
            event(
                "SYSTEM_SHUTDOWN",
                "w",
                "p",
                &STOPS.replacen('{', "{\"x\":[1,1e999],\"x\":2,", 1),
            ),
            vec![
                "unknown-field /event/data/x",
                "number-beyond-double /event/data/x/1",
                "duplicate-key /event/data/x",
                "unknown-field /event/data/x",
            ],
        ),
        (
            r#"{"event_type":"SYSTEM_SHUTDOWN"}"#.to_owned(),
            vec![
                "missing-field /event/phase",
                "missing-identity /event/workflow_id",
                "missing-identity /event/data",
            ],
        ),
        (
            "{}".to_owned(),
            vec![
                "missing-field /event/phase",
                "missing-identity /event/event_type",
                "missing-identity /event/workflow_id",
                "missing-identity /event/data",
            ],
        ),
    ] {
        let mut found = self::told(&in_envelope(&event));
        let mut told = told;
        found.sort();
        told.sort_unstable();
        assert_eq!(found, told, "{event}");
    }
}

/// One fault is one finding: a name that is no text is not looked up, and disagrees with nothing.
#[test]
fn parts_of_an_event_of_a_wrong_kind_are_told_once() {
    let data = r#"{"agent_id":"a","workflow_id":"w","reason":"r"}"#;
    for (part, wrong) in [("event_type", "7"), ("workflow_id", "7"), ("phase", "[]")] {
        let right = event("AGENT_DEALLOCATED", "w", "p", data);
        let from = right.find(&format!("\"{part}\":")).unwrap() + part.len() + 3;
        let to = from + right[from..].find(',').unwrap();
        let text = in_envelope(&[&right[..from], wrong, &right[to..]].concat());
        assert_eq!(told(&text), [format!("wrong-kind /event/{part}")], "{text}");
    }
}

#[test]
fn an_event_without_a_phase_is_global() {
    let text = in_envelope(&format!(
        r#"{{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"w","data":{STOPS},"why":"x"}}"#
    ));
    assert_eq!(told(&text), ["unknown-field /event/why", "missing-field /event/phase"]);
    assert_eq!(
        rewritten(&text),
        r#"{"event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"w","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"},"why":"x"}}"#
    );
}

fn flat(more: &str) -> String {
    format!(
        r#"{{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"w","phase":"p","data":{STOPS}{more}}}"#
    )
}

#[test]
fn flat_events_are_read_with_all_their_names() {
    assert_eq!(told(&flat("")), ["flat-event "]);
    let text = format!(
        r#"{{"event_id":"evt_1","event_type":"SYSTEM_SHUTDOWN","workflow_context":"w","phase":"p","timestamp":"2025-01-15T12:00:00Z","source_component":"hub","payload":{STOPS},"routing_key":"system.w.shutdown","priority":"high","ttl_seconds":60,"metadata":{{}}}}"#
    );
    assert_eq!(
        told(&text),
        [
            "flat-event ",
            "field-alias /event_id",
            "field-alias /workflow_context",
            "field-alias /source_component",
            "field-alias /payload",
            "unknown-field /metadata",
        ]
    );
    let message = Codec::new(Mode::Interop).parse_message(&text).unwrap();
    assert!(message.is_flat() && message.body().is_none());
    assert_eq!(peek(&text).header.unwrap().message_id.unwrap().as_str(), "evt_1");
    assert_eq!(
        message.decode().unwrap().to_string(),
        format!(
            r#"{{"message_id":"evt_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","priority":"high","ttl_seconds":60,"routing_key":"system.w.shutdown","metadata":{{}},"event":{}}}"#,
            event("SYSTEM_SHUTDOWN", "w", "p", STOPS)
        )
    );
    // Faults in what an alias stands for are told under the name that is there.
    let text =
        text.replace(STOPS, "{\"component_name\":7}").replace("\"w\",\"phase\"", "\"\",\"phase\"");
    assert_eq!(
        told(&text)[1..],
        [
            "field-alias /event_id",
            "field-alias /workflow_context",
            "bad-identifier /workflow_context",
            "field-alias /source_component",
            "field-alias /payload",
            "wrong-kind /payload/component_name",
            "missing-data /payload/shutdown_reason",
            "unknown-field /metadata",
        ]
    );
    for text in [
        flat(r#","payload":{"component_name":"x"},"workflow_context":"v""#),
        format!("{{\"payload\":{{}},\"workflow_context\":\"v\",{}", &flat("")[1..]),
    ] {
        let mut told = told(&text);
        told.sort();
        assert_eq!(told, ["field-alias /payload", "field-alias /workflow_context", "flat-event "]);
        assert!(rewritten(&text).contains(&event("SYSTEM_SHUTDOWN", "w", "p", STOPS)), "{text}");
    }
}

#[test]
fn a_flat_event_needs_its_type_and_its_workflow() {
    for (text, kind) in [
        (r#"{"event_type":"X"}"#, MessageKind::Unknown),
        (r#"{"event_type":"X","operation":"y"}"#, MessageKind::Unknown),
        (r#"{"workflow_id":"w","phase":"p","data":{}}"#, MessageKind::Unknown),
        (r#"{"event_type":"X","phase":"p","data":{}}"#, MessageKind::Unknown),
        (r#"{"event_type":"X","workflow_id":"w"}"#, MessageKind::Event),
    ] {
        assert_eq!(Codec::new(Mode::Interop).check_message(text).kind(), kind, "{text}");
        assert_eq!(peek(text).kind, kind, "{text}");
    }
    assert_eq!(
        told(r#"{"event_type":"X","workflow_context":"w"}"#),
        [
            "flat-event ",
            "field-alias /workflow_context",
            "missing-identity /data",
            "missing-field /phase"
        ]
    );
}

#[test]
fn the_text_of_a_flat_event_agrees_or_is_prose() {
    let agreeing = [
        format!("SYSTEM_SHUTDOWN:w:p:{STOPS}"),
        r#"SYSTEM_SHUTDOWN:w:p:{ "shutdown_reason":"upd\u0061te", "component_name":"hub" }"#
            .to_owned(),
        "SYSTEM_SHUTDOWN:w:p:{'component_name':'hub','shutdown_reason':'update'}".to_owned(),
        "The hub goes down.".to_owned(),
        "note: the hub goes down".to_owned(),
        String::new(),
    ];
    for message in &agreeing {
        let text = flat(&format!(",\"message\":{}", serde_json::json!(message)));
        assert_eq!(told(&text), ["flat-event "], "{text}");
        // It is kept: a line has no room for it, an envelope has.
        let Message::Event(body) =
            Codec::new(Mode::Interop).parse_message(&text).unwrap().decode().unwrap().message
        else {
            unreachable!()
        };
        assert_eq!(body.extra().get("message").unwrap().to_text().unwrap(), *message);
        assert!(rewritten(&text).contains("\"message\":"));
    }
    for (message, part) in [
        (format!("SYSTEM_STARTUP:w:p:{STOPS}"), "event type"),
        (format!("SYSTEM_SHUTDOWN:v:p:{STOPS}"), "workflow"),
        (format!("SYSTEM_SHUTDOWN:w:q:{STOPS}"), "phase"),
        ("SYSTEM_SHUTDOWN:w:p:{}".to_owned(), "data"),
        ("SYSTEM_SHUTDOWN:w:p:{broken".to_owned(), "data"),
        (format!("SYSTEM_SHUTDOWN:w:p:{STOPS} and more"), "data"),
    ] {
        let text = flat(&format!(",\"message\":{}", serde_json::json!(message)));
        assert_eq!(told(&text), ["flat-event ", "message-mismatch /message"], "{text}");
        let report = Codec::new(Mode::Interop).check_message(&text).report;
        let finding = &report.findings()[1];
        assert_eq!(
            finding.to_string(),
            format!("the text of the message has another {part} than its fields")
        );
        assert_eq!(report.verdict(), Verdict::Deviating);
    }
    // Numbers that no canonical form holds are compared by their spelling.
    for (said, told) in [("9007199254740993", 1), ("9007199254740995", 2)] {
        let text = format!(
            r#"{{"event_type":"X_Y","workflow_id":"w","phase":"p","data":{{"n":9007199254740993}},"message":"X_Y:w:p:{{\"n\":{said}}}"}}"#
        );
        let found = found(Mode::Strict, &text);
        assert_eq!(found.len(), told + 1, "{found:?}");
    }
    assert_eq!(told(&flat(",\"message\":7")), ["flat-event ", "wrong-kind /message"]);
}

#[test]
fn documents_nested_in_requests_and_answers_are_checked() {
    let told_of = |text: &str| {
        let found = told(text);
        assert_eq!(found[0], "no-body ", "{text}");
        found[1..].to_vec()
    };
    let state = r#"{"workflow_state":{"workflow_id":"w","state_version":-1}}"#;
    let wrong = |at: &str| {
        vec![
            format!("out-of-range {at}/workflow_state/state_version"),
            format!("missing-field {at}/workflow_state/timestamp"),
        ]
    };
    for (before, at, behind) in [
        ("{\"operation\":\"x\",\"parameters\":", "/parameters", "}"),
        ("{\"results\":[{\"a\":1},", "/results/1", "]}"),
        ("{\"results\":[[[", "/results/0/0/0", "]]]}"),
        ("{\"a\":{\"b\":[{\"c\":", "/a/b/0/c", "}]}}"),
        ("{\"a\":{\"b\":[[1],[\"x\"],", "/a/b/2", "]}}"),
    ] {
        let text = format!("{before}{state}{behind}");
        assert_eq!(told_of(&text), wrong(at), "{text}");
        assert_eq!(rewritten(&text.replace("-1", "1")), text.replace("-1", "1"));
    }
    let two = format!("{{\"a\":{state},\"b\":{state}}}");
    assert_eq!(told_of(&two), [wrong("/a"), wrong("/b")].concat());
    // A document's own unknown fields are told; what stands around documents is not.
    let noted = r#"{"a":{"x":1,"health_status":{"component_id":"c","status":"healthy","timestamp":"2025-01-15T12:00:00Z","error_report":{}}}}"#;
    assert_eq!(told_of(noted), ["unknown-field /a/health_status/error_report"]);
    // The header is the header's.
    assert_eq!(told_of(r#"{"operation":"x","request_id":7}"#), ["wrong-kind /request_id"]);
    // Words that are everyday words, and keys that hold no document.
    for text in [
        r#"{"parameters":{"rollback":true,"release":{"tag":"v2"},"vote":{},"subscription":"none"}}"#,
        r#"{"parameters":{"workflow_state":"paused","error_report":null,"checkpoint_sync":false}}"#,
        r#"{"result":{"components":["workflow_state","health_status"]}}"#,
    ] {
        assert_eq!(told_of(text), none(), "{text}");
    }
    let listed = r#"{"a":{"error_report":["x",{"health_status":{"component_id":7}}]}}"#;
    assert_eq!(told_of(listed)[0], "wrong-kind /a/error_report/1/health_status/component_id");
}

/// Beyond the depth that is looked at, nothing is said rather than something wrong.
#[test]
fn documents_nested_too_deep_to_look_at_are_let_alone() {
    let body = r#"{"component_id":7,"status":"healthy","timestamp":"2025-01-15T12:00:00Z"}"#;
    let mut looked = 0;
    for depth in 0..40 {
        let text = format!(
            "{}{{\"health_status\":{body}}}{}",
            "{\"a\":".repeat(depth + 1),
            "}".repeat(depth + 1)
        );
        let found = told(&text);
        if found.len() == 2 {
            looked = depth;
            assert_eq!(
                found[1],
                format!("wrong-kind {}/health_status/component_id", "/a".repeat(depth + 1))
            );
        } else {
            assert_eq!(found, ["no-body "], "{depth}");
        }
    }
    assert!((8..39).contains(&looked), "{looked}");
}

#[test]
fn the_first_version_lacks_the_extensions() {
    let old = Codec::new(Mode::Strict).with_registry(Registry::new(ProtocolVersion::V1_0_0));
    for &kind in MessageKind::KNOWN {
        let text = format!("{{\"{kind}\":null}}");
        let record = old.check_message(&text);
        let code = record.report.findings()[0].code;
        if kind.is_extension() {
            assert_eq!((code, record.kind()), (Code::NoBody, MessageKind::Unknown), "{kind}");
            assert_eq!(
                record.report.findings()[0].to_string(),
                format!("no known body key; `{kind}` came with protocol 1.1.0, this is 1.0.0")
            );
            assert_eq!(record.report.findings()[0].hint(), None, "{kind}: the name is right");
        } else {
            assert_eq!((code, record.kind()), (Code::WrongKind, kind));
        }
    }
    // Beside a body of 1.0.0 it is a field like any other.
    let text = r#"{"health_status":{"component_id":"c","status":"healthy","timestamp":"2025-01-15T12:00:00Z"},"hello":{}}"#;
    let record = old.check_message(text);
    assert_eq!(record.report.findings()[0].code, Code::UnknownField);
    let message = record.value.unwrap();
    assert_eq!(message.decode().unwrap().header.extra().get("hello").unwrap().as_str(), "{}");
    assert_eq!(message.kind(), MessageKind::HealthStatus);
    // Header keys that came later are, too, whatever they hold; those of the text are checked.
    let body = r#""health_status":{"component_id":"c","status":"healthy","timestamp":"2025-01-15T12:00:00Z"}"#;
    for member in EnvelopeHeader::SPEC.members {
        let name = member.name;
        let text = format!("{{\"{name}\":[0],{body}}}");
        let record = old.check_message(&text);
        let found = &record.report.findings()[0];
        if *member.since > ProtocolVersion::V1_0_0 {
            assert_eq!((found.code, record.report.findings().len()), (Code::UnknownField, 1));
            assert_eq!((found.hint(), record.report.verdict()), (None, Verdict::Valid), "{name}");
            let decoded = record.value.unwrap().decode().unwrap();
            assert_eq!(decoded.header.extra().get(name).unwrap().as_str(), "[0]");
            assert!(decoded.to_string().parse::<Envelope>().is_err(), "1.1.0 checks it");
        } else {
            assert_eq!(found.code, Code::WrongKind, "{name}");
        }
    }
    // The version of the state came with 1.1.0: not missed, and unknown.
    let sync = |more: &str| {
        format!(
            r#"{{"checkpoint_sync":{{"workflow_id":"w","checkpoint_id":"c","checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z"{more}}}}}"#
        )
    };
    assert!(old.check_message(&sync("")).report.is_empty());
    assert_eq!(told(&sync("")), ["advised-field /checkpoint_sync/state_version"]);
    let report = old.check_message(&sync(",\"state_version\":\"x\"")).report;
    assert_eq!(report.findings()[0].code, Code::UnknownField);
    assert_eq!(report.verdict(), Verdict::Valid);
    // Events follow the registry of the version.
    let text = in_envelope(&event(
        "RECOVERY_FAILED",
        "w",
        "p",
        r#"{"recovery_id":"r","failure_reason":"x","retry_count":1}"#,
    ));
    assert_eq!(told(&text), none());
    assert_eq!(old.check_message(&text).report.findings()[0].code, Code::UnknownEventType);
}

#[test]
fn types_of_the_caller_are_read_in_envelopes() {
    let registry = Registry::default().with_type(
        "SHIP_DONE",
        Category::new("ship").unwrap(),
        [("port", FieldType::Text)],
    );
    let codec = Codec::new(Mode::Strict).with_registry(registry.unwrap());
    let good = in_envelope(&event("SHIP_DONE", "w", "p", r#"{"port":"x"}"#));
    let bad = in_envelope(&event("SHIP_DONE", "w", "p", "{}"));
    assert!(codec.check_message(&good).report.is_empty());
    assert_eq!(codec.check_message(&bad).report.findings()[0].pointer, "/event/data/port");
    assert_eq!(codec.parse_message(&good).unwrap().decode().unwrap().to_string(), good);
}

#[test]
fn lists_of_texts_are_told_by_element() {
    let text = r#"{"component_registration":{"component_id":"a","component_type":"b","version":"1.0.0","capabilities":["x",1,"$y",null,"z"]}}"#;
    assert_eq!(
        told(text),
        [
            "wrong-kind /component_registration/capabilities/1",
            "placeholder /component_registration/capabilities/2",
            "wrong-kind /component_registration/capabilities/3",
        ]
    );
    let report = Codec::new(Mode::Interop).check_message(text).report;
    assert_eq!(&text[report.findings()[1].range.clone()], "\"$y\"");
    assert_eq!(report.findings()[0].to_string(), "expected a string, found number 1");
    assert_eq!(
        told(&text.replace("[\"x\",1,\"$y\",null,\"z\"]", "\"x\"")),
        ["wrong-kind /component_registration/capabilities"]
    );
}

#[test]
fn an_allocation_one_level_too_high_is_kept() {
    let text = r#"{"allocation_response":{"response_id":"r","request_id":"q","status":"approved","timestamp":"2025-01-15T12:00:05Z","allocation_id":"alloc_1"}}"#;
    assert_eq!(told(text), ["misplaced-field /allocation_response/allocation_id"]);
    assert_eq!(rewritten(text), text);
    assert_eq!(
        told(&text.replace("allocation_response", "allocation_request"))[0],
        "unknown-field /allocation_request/response_id"
    );
}

#[test]
fn a_placeholder_that_no_identifier_can_be_spelled_like_has_no_value() {
    for (key, event) in [
        (
            "workflow_id",
            r#"{"event_type":"TASK_FAILED","workflow_id":"${A:-b}","phase":"p","data":{}}"#,
        ),
        ("phase", r#"{"event_type":"TASK_FAILED","workflow_id":"w","phase":"a|\u0007","data":{}}"#),
    ] {
        let text = format!(r#"{{"event":{event}}}"#);
        let outcome = Validator::new(Mode::Interop).check(&text, &Context::new());
        assert!(outcome.report.has(Code::NoValue), "{:?}", outcome.report);
        assert!(outcome.report.findings().iter().any(|finding| finding.expected() == key));
        assert!(outcome.accept().is_err());
    }
}
