//! What real records hold: one finding for one fault, at the token that it speaks of.

use coordination_protocol::event::Registry;
use coordination_protocol::finding::{Code, Finding, FindingSeverity, Mode};
use coordination_protocol::route::{Filter, FilterInput, Pattern};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::freshness::Freshness;
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::security::replay::ReplayCache;
use coordination_protocol::security::signature::KeyRing;
use coordination_protocol::validate::{Context, EventLines, Gate, SecurityPolicy, Validator};
use coordination_protocol::version::{Adapter, Migrator};
use coordination_protocol::{Codec, ProtocolVersion};

fn findings(text: &str) -> Vec<Finding> {
    let outcome = Validator::new(Mode::Interop).check(text, &Context::new());
    outcome.report.into_findings()
}

/// Each finding as its code and the text that it points at.
fn pointed(text: &str) -> Vec<(Code, &str)> {
    findings(text).iter().map(|finding| (finding.code, &text[finding.range.clone()])).collect()
}

#[test]
fn a_word_that_is_no_value_is_one_fault() {
    for (word, at, hint) in [
        ("5x", "5x", "this is no number"),
        ("15m", "15m", "this is no number"),
        ("1.5GB", "1.5GB", "this is no number"),
        ("1_000", "1_000", "this is no number"),
        ("2025-01-15T12", "2025-01-15T12", "a sum was not evaluated"),
        ("1.2.3", "1.2.3", "one decimal point"),
        ("01", "01", "leading zeros"),
        ("-01", "-01", "leading zeros"),
        ("1.", "1.", "behind the decimal point"),
        ("-", "-", ""),
        ("-x", "-x", ""),
        ("0x1F", "0x1F", "decimal"),
        ("0b11", "0b11", "decimal"),
        ("+1", "+1", "starts with a digit"),
        (".5", ".5", "starts with a digit"),
        ("-.5", "-.5", "starts with a digit"),
        ("1e", "1e", "an exponent"),
        ("1e+", "1e+", "an exponent"),
        ("1+2", "1+2", "a sum"),
        ("1 + 2", "+", "a sum"),
        ("tru", "tru", "double quotes"),
        ("truex", "truex", "double quotes"),
        ("nulll", "nulll", "double quotes"),
        ("True", "True", "JSON writes `true`"),
        ("None", "None", "JSON writes `true`"),
        ("NaN", "NaN", "has no NaN"),
        ("-Infinity", "-Infinity", ""),
        ("undefined", "undefined", "leave the key out"),
        ("t7", "t7", "double quotes"),
        ("größe", "größe", "double quotes"),
        ("$var", "$var", "shell variable"),
        ("5 apples", "a", ""),
        ("\"t\"x", "x", ""),
        ("{}x", "x", ""),
        ("[1]2", "2", ""),
    ] {
        // In place of a text, of a number, of anything, in an array, and where nothing is known.
        for (head, tail) in [
            ("TASK_FAILED:wf:b:{\"task_id\":", ",\"agent_id\":7}"),
            ("TASK_FAILED:wf:b:{\"retry_count\":", "}"),
            ("TASK_COMPLETED:wf:b:{\"results\":", "}"),
            ("TASK_COMPLETED:wf:b:{\"results\":[1,", "]}"),
            ("TASK_FAILED:wf:b:{\"unknown\":{\"deep\":", "}}"),
            ("{\"heartbeat\":{\"component_id\":", "}}"),
            ("{\"heartbeat\":{\"component_id\":\"hub\",\"sequence\":", "}}"),
            ("{\"event\":{\"event_type\":\"TASK_FAILED\",\"data\":{\"retry_count\":", "}}}"),
        ] {
            let record = format!("{head}{word}{tail}");
            let told = findings(&record);
            let broken: Vec<_> = told.iter().filter(|f| f.code == Code::BrokenJson).collect();
            let [fault] = broken[..] else { panic!("{record}: {told:?}") };
            let container = word.starts_with(['{', '[']);
            if !container {
                let others: Vec<_> = told
                    .iter()
                    .filter(|finding| finding.code != Code::BrokenJson)
                    .filter(|finding| finding.code != Code::UnknownField)
                    .collect();
                assert!(others.is_empty(), "{record}: {others:?}");
            }
            assert_eq!(&record[fault.range.clone()], at, "{record}");
            assert!(fault.range.start >= head.len(), "{record}");
            let advice = fault.hint().unwrap_or_default();
            assert!(advice.contains(hint), "{record}: {advice}");
        }
    }
}

#[test]
fn a_word_alone_is_one_fault() {
    assert_eq!(pointed("X:wf:b:{\"a\":5x}")[1..], [(Code::BrokenJson, "5x")]);
    for word in ["5x", "01", "truex", "1.", "NaN"] {
        let fault = coordination_protocol::json::check(
            word,
            coordination_protocol::json::Dialect::Strict,
            &coordination_protocol::Limits::DEFAULT,
        );
        // At the end of the text more might have come.
        let start = if word == "1." { word.len() } else { 0 };
        assert_eq!(fault.unwrap_err().range, start..word.len(), "{word}");
    }
}

fn coded(text: &str, mode: Mode) -> Vec<(Code, FindingSeverity, String)> {
    let outcome = Validator::new(mode).check(text, &Context::new());
    let findings = outcome.report.into_findings().into_iter();
    findings.map(|finding| (finding.code, finding.severity, finding.pointer)).collect()
}

#[test]
fn the_version_of_the_header_is_judged() {
    use FindingSeverity::{Error, Note, Warning};
    let release = r#""release":{"allocation_id":"a","release_reason":"done"}"#;
    let health = r#""health_status":{"component_id":"hub","status":"healthy","timestamp":"2025-01-15T12:00:00Z"}"#;
    let event = |name: &str, data: &str| {
        format!(r#""event":{{"event_type":"{name}","workflow_id":"w","phase":"p","data":{data}}}"#)
    };
    let young =
        event("RECOVERY_FAILED", r#"{"recovery_id":"r","failure_reason":"x","retry_count":1}"#);
    let old = event("TASK_TIMEOUT", r#"{"task_id":"t","agent_id":"a","timeout_duration":"15m"}"#);
    let other = |version: &str| format!(r#""protocol_version":"{version}""#);
    for (version, body, expected) in [
        ("2.0.0", release, Some((Code::OtherMajor, Error, Warning))),
        ("0.9.0", release, Some((Code::OtherMajor, Error, Warning))),
        ("2.0.0", health, Some((Code::OtherMajor, Error, Warning))),
        ("1.2.0", release, Some((Code::UnknownVersion, Note, Note))),
        ("1.1.7", health, Some((Code::UnknownVersion, Note, Note))),
        ("1.0.1", health, Some((Code::UnknownVersion, Note, Note))),
        ("1.1.0", release, None),
        ("1.0.0", release, Some((Code::YoungerThanVersion, Error, Warning))),
        ("1.0.0", health, None),
        ("1.0.0", &young, Some((Code::YoungerThanVersion, Error, Warning))),
        ("1.1.0", &young, None),
        ("1.0.0", &old, None),
    ] {
        // `priority` came with 1.1.0: header keys and fields do not count.
        let text = format!(r#"{{{},"priority":"high",{body}}}"#, other(version));
        for mode in [Mode::Strict, Mode::Interop] {
            let expected: Vec<_> = expected
                .map(|(code, strict, interop)| {
                    let severity = if mode == Mode::Strict { strict } else { interop };
                    (code, severity, "/protocol_version".to_owned())
                })
                .into_iter()
                .collect();
            assert_eq!(coded(&text, mode), expected, "{text}");
        }
    }
    // A patch below what is known is unknown, and younger bodies still contradict it.
    let text = format!("{{{},{release}}}", other("1.0.5"));
    let codes: Vec<_> = coded(&text, Mode::Strict).into_iter().map(|found| found.0).collect();
    assert_eq!(codes, [Code::UnknownVersion, Code::YoungerThanVersion]);
    let text = format!("{{{},{release}}}", other("1.0.0"));
    let outcome = Validator::new(Mode::Strict).check(&text, &Context::new());
    assert_eq!(
        outcome.report.findings()[0].to_string(),
        "`release` came with protocol 1.1.0, the header says 1.0.0"
    );
}

#[test]
fn documents_in_data_say_what_the_header_says() {
    let report = |facts: &str, context: &str| {
        format!(
            r#"{{"error_id":"e","timestamp":"2025-01-15T12:00:00Z",{facts}"classification":{{"severity":"high","category":"system","type":"timeout"}},"context":{{"phase":{context}}}}}"#
        )
    };
    let line =
        |key: &str, report: &str| format!(r#"ERROR_ENCOUNTERED:wf_1:p:{{"{key}":{report}}}"#);
    let envelope = |key: &str, report: &str| {
        format!(
            r#"{{"event":{{"event_type":"ERROR_ENCOUNTERED","workflow_id":"wf_1","phase":"p","data":{{"{key}":{report}}}}}}}"#
        )
    };
    #[allow(clippy::type_complexity, reason = "two closures of one kind")]
    let forms: [(&dyn Fn(&str, &str) -> String, &str); 2] =
        [(&line, ""), (&envelope, "/event/data")];
    for (form, base) in forms {
        for (facts, context, expected) in [
            (r#""workflow_id":"wf_1","#, r#""p""#, None),
            (
                r#""workflow_id":"wf_2","#,
                r#""p""#,
                Some((Code::HeaderMismatch, "workflow_id", "\"wf_2\"")),
            ),
            (r#""workflow_id":7,"#, r#""p""#, Some((Code::WrongKind, "workflow_id", "7"))),
            (
                r#""workflow_id":"wf_1","#,
                r#""q""#,
                Some((Code::HeaderMismatch, "context/phase", "\"q\"")),
            ),
            (r#""workflow_id":"wf_1","#, "[1]", Some((Code::WrongKind, "context/phase", "[1]"))),
        ] {
            for key in ["error_report", "workflow_state"] {
                let text = form(key, &report(facts, context));
                let told: Vec<_> = findings(&text)
                    .into_iter()
                    .filter(|f| matches!(f.code, Code::HeaderMismatch | Code::WrongKind))
                    .map(|f| (f.code, f.pointer, text[f.range].to_owned()))
                    .collect();
                // A state has no `context`, so nothing in one is compared.
                let compared = expected
                    .filter(|(_, at, _)| key == "error_report" || !at.starts_with("context"));
                let expected: Vec<_> = compared
                    .map(|(code, at, token)| (code, format!("{base}/{key}/{at}"), token.to_owned()))
                    .into_iter()
                    .collect();
                assert_eq!(told, expected, "{text}");
            }
        }
    }
    // In an event of any type, known or not.
    for name in ["TASK_COMPLETED", "MY_EVENT"] {
        let text = format!(r#"{name}:wf_1:p:{{"checkpoint_sync":{{"workflow_id":"wf_2"}}}}"#);
        assert!(findings(&text).iter().any(|f| f.code == Code::HeaderMismatch), "{text}");
    }
    // What is in no document's place is free data.
    let text = r#"MY_EVENT:wf_1:p:{"other":{"workflow_id":"wf_2"},"heartbeat":"wf_3"}"#;
    assert!(findings(text).iter().all(|f| f.code != Code::HeaderMismatch), "{text}");
}

#[test]
fn a_fact_of_a_wrong_kind_disagrees_with_nothing() {
    let message = r#"{"event":{"event_type":"MY_EVENT","workflow_id":"7","phase":"p","data":{"workflow_id":7}}}"#;
    for (text, expected) in [
        (r#"MY_EVENT:7:p:{"workflow_id":7}"#, vec![(Code::WrongKind, "7")]),
        (message, vec![(Code::WrongKind, "7")]),
        (r#"TASK_PROGRESS:7:p:{"workflow_id":null}"#, vec![(Code::WrongKind, "null")]),
        (
            r#"AGENT_DEALLOCATED:7:p:{"agent_id":"a","workflow_id":7,"reason":"r"}"#,
            vec![(Code::WrongKind, "7")],
        ),
        (r#"MY_EVENT:7:p:{"phase":{}}"#, vec![(Code::WrongKind, "{}")]),
        (r#"MY_EVENT:7:p:{"phase":3}"#, vec![]),
        (r#"MY_EVENT:7:p:{"phase":"q"}"#, vec![(Code::HeaderMismatch, "\"q\"")]),
        (r#"MY_EVENT:7:p:{"workflow_id":"8"}"#, vec![(Code::HeaderMismatch, "\"8\"")]),
    ] {
        let mut told = pointed(text);
        told.retain(|(code, _)| matches!(code, Code::WrongKind | Code::HeaderMismatch));
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn patterns_that_can_match_nothing_say_why() {
    let long = "w".repeat(129);
    let warned = |pattern: &str| {
        let pattern = Pattern::parse(pattern).unwrap();
        let warnings = pattern.warnings(&Registry::default());
        warnings.first().map(|warning| (warning.code(), warning.to_string()))
    };
    for (pattern, part) in [
        ("task.wf:1.failed".to_owned(), "workflow `wf:1`"),
        ("task.wf%3A1.failed".to_owned(), "workflow `wf:1`"),
        ("task.%00.failed".to_owned(), r"workflow `\u{0}`"),
        ("task.%0A.failed".to_owned(), r"workflow `\u{a}`"),
        ("*.%C2%85.>".to_owned(), r"workflow `\u{85}`"),
        (format!("task.{long}.failed"), "workflow `www"),
        (format!("TASK_FAILED.{long}.build"), "workflow `www"),
        ("TASK_FAILED.wf.bu%3Aild".to_owned(), "phase `bu:ild`"),
        ("TASK_FAILED.*.%7F".to_owned(), r"phase `\u{7f}`"),
        (format!("{}.>", long.to_uppercase()), "type `WWW"),
        ("TASK%3AX.>".to_owned(), "scope `TASK:X`"),
        ("*.*.fail%3Aed".to_owned(), "word `fail:ed`"),
        ("ta%3Ask.*.failed".to_owned(), "scope `ta:sk`"),
    ] {
        let (code, text) = warned(&pattern).expect(&pattern);
        assert_eq!(code, "no-identifier", "{pattern}");
        let start = format!("the pattern can match nothing: the {part}");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains("is not an identifier"), "{text}");
    }
    let most = "w".repeat(128);
    for pattern in ["task.wf 1.failed", &format!("task.{most}.failed"), "task.%2E.failed", ">"] {
        assert_eq!(warned(pattern), None, "{pattern}");
    }
    // A subscription is told.
    let text = r#"{"subscription":{"subscriber":"hub","patterns":["task.wf:1.failed"]}}"#;
    let told = findings(text);
    assert!(told.iter().any(|f| f.code == Code::DeadPattern), "{told:?}");
}

#[test]
fn a_signature_that_no_longer_fits_is_left_out_and_said() {
    let signature = r#""signature":{"key_id":"k","algorithm":"ed25519","value":"AAAA"}"#;
    let data = r#"{"component_name":"hub","shutdown_reason":"update"}"#;
    let flat = format!(
        r#"{{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{data},{signature}}}"#
    );
    let aliased = format!(
        r#"{{"source_component":"hub","heartbeat":{{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}},{signature}}}"#
    );
    let sound = format!(
        r#"{{ {signature}, "x":1, "event":{{"workflow_id":"global","event_type":"SYSTEM_SHUTDOWN","phase":"global","data":{data}}} }}"#
    );
    let codec = Codec::new(Mode::Interop);
    for (text, lost) in [(&flat, true), (&aliased, true), (&sound, false)] {
        let message = codec.parse_message(text).unwrap();
        let envelope = message.decode().unwrap();
        assert_eq!(envelope.header.signature.is_none(), lost, "{text}");
        let made = message.to_envelope_text().unwrap();
        assert_eq!(made.lost, if lost { vec!["/signature"] } else { vec![] }, "{text}");
        assert_eq!(made.text.contains("signature"), !lost);
        assert_eq!(made.text, envelope.to_string());
    }
    // A line has no room for it, in any case.
    let lost = codec.parse_message(&sound).unwrap().decode().unwrap().to_line().unwrap().lost;
    assert!(lost.contains(&"/signature".to_owned()));
    // Migration, too.
    let migrator = Migrator::new().with_adapter(Adapter::FlatEnvelope);
    let (old, new) = (&ProtocolVersion::V1_0_0, &ProtocolVersion::V1_1_0);
    let migrated = migrator.migrate(&flat, old, new).unwrap();
    assert!(!migrated.value.as_ref().unwrap().contains("signature"), "{migrated:?}");
    assert_eq!(
        migrated.losses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["/signature: the signature is lost: it was made over another text; sign the message anew"]
    );
    let same = migrator.migrate(&sound, new, new).unwrap();
    assert_eq!((same.value.as_deref(), same.losses.len()), (Some(sound.as_str()), 0));
}

#[test]
fn a_time_to_live_has_milliseconds() {
    let now = 1_736_942_400_000;
    for (ttl, past, expired) in [
        ("0.5", 500, false),
        ("0.5", 501, true),
        ("0.0001", 1, false),
        ("0.0001", 2, true),
        ("2.003", 2_003, false),
        ("2.003", 2_004, true),
        ("1e-1", 100, false),
        ("1e-1", 101, true),
        ("60", 60_000, false),
        ("60", 60_001, true),
        ("0", 1, true),
        ("1e300", 299_000, false),
    ] {
        let text = format!(
            r#"{{"timestamp":"2025-01-15T12:00:00Z","ttl_seconds":{ttl},"deregistration":{{"component_id":"hub","reason":"x"}}}}"#
        );
        let policy = SecurityPolicy::new().with_freshness(Freshness::default());
        let validator = Validator::new(Mode::Strict).with_policy(policy);
        let outcome = validator.check(&text, &Context::new().with_now(now + past));
        assert_eq!(outcome.report.has(Code::Expired), expired, "{ttl} {past} {:?}", outcome.report);
        // Filters count the same milliseconds.
        let input = FilterInput::read(&text).unwrap();
        let filter = |test: &str| Filter::parse(test).unwrap().accepts(&input, now);
        assert!(filter(&format!("ttl_seconds = {ttl}")));
        if ttl == "0.0001" {
            assert!(filter("ttl_seconds = 0.001") && !filter("ttl_seconds < 0.0005"));
        }
    }
}

#[test]
fn event_lines_are_exempt_only_where_the_policy_accepts_them() {
    let line =
        r#"SYSTEM_SHUTDOWN:global:global:{"component_name":"hub","shutdown_reason":"update"}"#;
    let freshness = Freshness::default();
    let now = 1_736_942_400_000;
    let policies = [
        SecurityPolicy::new().with_freshness(freshness),
        SecurityPolicy::new().with_verifier(KeyRing::new()),
        SecurityPolicy::new().required().with_verifier(KeyRing::new()),
        SecurityPolicy::new(),
    ];
    for (index, policy) in policies.into_iter().enumerate() {
        for lines in EventLines::ALL {
            let policy = policy.clone().with_lines(*lines);
            assert_eq!(policy.lines(), *lines);
            let validator = Validator::new(Mode::Interop).with_policy(policy.clone());
            let mut gate = Gate::new(validator).with_replay(ReplayCache::new(&freshness));
            let outcome = gate.inspect(line.as_bytes(), now, None);
            let required = policy.is_required();
            let expected = *lines == EventLines::Accept && !required;
            assert_eq!(outcome.is_accepted(), expected, "{index} {lines} {:?}", outcome.report);
            if *lines == EventLines::Accept {
                // Permissions can be told of a line, so they are still required.
                assert_eq!(outcome.security.to_string(), "not checked");
            }
        }
    }
    let hub = ComponentId::new("hub").unwrap();
    let permissions = Permissions::new().with_component(&hub, ["system.*.shutdown"], []).unwrap();
    let policy = SecurityPolicy::new().required().with_permissions(permissions);
    let judge = |policy: SecurityPolicy| {
        let validator = Validator::new(Mode::Strict).with_policy(policy);
        validator.check(line, &Context::new().with_now(now).with_source(&hub)).is_accepted()
    };
    assert!(!judge(policy.clone()));
    assert!(judge(policy.with_lines(EventLines::Accept)));
}

#[test]
fn a_key_in_the_wrong_object_is_told_its_place() {
    let event = |extra: &str, beside: &str| {
        format!(
            r#"{{"event":{{"event_type":"TASK_TIMEOUT","workflow_id":"w","phase":"p",{extra}"data":{{"task_id":"t","agent_id":"a","timeout_duration":"15m"}}}}{beside}}}"#
        )
    };
    let beat = |extra: &str, beside: &str| {
        format!(
            r#"{{"heartbeat":{{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"{extra}}}{beside}}}"#
        )
    };
    for (text, key, place) in [
        (event(r#""timestamp":"2025-01-15T12:00:00Z","#, ""), "timestamp", Some("the header, beside `event`")),
        (event(r#""source":"hub","#, ""), "source", Some("the header, beside `event`")),
        (event(r#""source_component":"hub","#, ""), "source_component", Some("the header, beside `event`")),
        (event(r#""task_id":"t","#, ""), "task_id", Some("`data`")),
        (event("", r#","task_id":"t""#), "task_id", Some("the `data` of the event")),
        (event("", r#","phase":"p""#), "phase", Some("`event`")),
        (event(r#""mine":"t","#, ""), "mine", None),
        (beat(r#","message_id":"m""#, ""), "message_id", Some("the header, beside `heartbeat`")),
        (beat("", r#","sequence":2"#), "sequence", Some("`heartbeat`")),
        (beat(r#","sequnce":2"#, ""), "sequnce", None),
        (
            r#"{"event_type":"TASK_TIMEOUT","workflow_id":"w","phase":"p","task_id":"t","data":{}}"#.to_owned(),
            "task_id",
            Some("`data`"),
        ),
    ] {
        let told = findings(&text);
        let unknown: Vec<_> = told.iter().filter(|f| f.code == Code::UnknownField).collect();
        let [finding] = unknown[..] else { panic!("{text} {told:?}") };
        assert_eq!(&text[finding.range.clone()], format!("\"{key}\""));
        let hint = finding.hint();
        match place {
            Some(place) => assert_eq!(hint, Some(format!("`{key}` belongs into {place}")), "{text}"),
            None => assert!(hint.is_none_or(|hint| !hint.contains("belongs")), "{text}"),
        }
    }
}

#[test]
fn a_document_without_its_key_is_told_which() {
    for (text, expected) in [
        (
            r#"{"workflow_id":"w","agents":3}"#,
            Some(
                "these are fields of `allocation_request`; put them under that key, the amounts under its `resources`",
            ),
        ),
        (
            r#"{"request_id":"r","workflow_id":"w","requester":"hub","resources":{"agents":3}}"#,
            Some("these are fields of `allocation_request`; put them under that key"),
        ),
        (
            r#"{"component_id":"hub","status":"healthy"}"#,
            Some("these are fields of `health_status`; put them under that key"),
        ),
        (r#"{"operation":"status","workflow_id":"wf_001"}"#, None),
        (r#"{"name":"x","timestamp":1}"#, None),
        (
            r#"{"allocation_requests":{"workflow_id":"w"}}"#,
            Some("did you mean `allocation_request`?"),
        ),
        (r#"{"resource_request":{"workflow_id":"w"}}"#, Some("did you mean `allocation_request`?")),
    ] {
        let told = findings(text);
        let none = told.iter().find(|f| f.code == Code::NoBody).expect(text);
        assert_eq!(none.hint().as_deref(), expected, "{text}");
    }
}

#[test]
fn hints_never_name_another_meaning() {
    let hint =
        |text: &str, code: Code| findings(text).iter().find(|f| f.code == code).expect(text).hint();
    for (name, expected) in [
        ("recovery.started", Some("RECOVERY_INITIATED")),
        ("resource.released", Some("RESOURCE_DEALLOCATED")),
        ("RESOURCE_RELEASED", Some("RESOURCE_DEALLOCATED")),
        ("task.complete", Some("TASK_COMPLETED")),
        ("TASK_FAILD", Some("TASK_FAILED")),
        ("TASK_TIMED_OUT", Some("TASK_TIMEOUT")),
        ("TASK_PAUSED", None),
        ("PHASE_RESUMED", None),
    ] {
        let told = hint(&format!("{name}:w:p:{{}}"), Code::UnknownEventType);
        assert_eq!(told, expected.map(|name| format!("did you mean `{name}`?")), "{name}");
    }
    for (pattern, expected) in [
        (
            "recovery.started",
            "no registered type of the scope `recovery` has the word `started`; did you mean `initiated`?",
        ),
        (
            "recovery.*.started",
            "no registered type of the scope `recovery` has the word `started`; did you mean `initiated`?",
        ),
        (
            "resource.released",
            "no registered type has the word `released`; did you mean `deallocated`?",
        ),
        (
            "task.paused",
            "`paused` names WORKFLOW_PAUSED, which `task.paused` cannot select; `workflow.*.paused` does",
        ),
        ("resource.relocated", "no registered type has the word `relocated`"),
        (
            "RESOURCE_RELEASED.>",
            "`RESOURCE_RELEASED` is not a registered event type; did you mean `RESOURCE_DEALLOCATED`?",
        ),
    ] {
        let warnings = Pattern::parse(pattern).unwrap().warnings(&Registry::default());
        assert_eq!(warnings[0].to_string(), expected, "{pattern}");
    }
    let word = |status: &str| {
        let text = format!(
            r#"{{"health_status":{{"component_id":"hub","status":"{status}","timestamp":"2025-01-15T12:00:00Z"}}}}"#
        );
        hint(&text, Code::UnknownWord)
    };
    assert_eq!(word("down"), Some("did you mean `unhealthy`?".to_owned()));
    assert_eq!(word("helthy"), Some("did you mean `healthy`?".to_owned()));
    assert_eq!(word("paused"), None);
}
