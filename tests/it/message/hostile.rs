//! What surrounds a message, what is no message, and input made to hurt.

use super::told;
use coordination_protocol::finding::{Code, FindingSeverity, Verdict};
use coordination_protocol::json::Limits;
use coordination_protocol::message::{Envelope, MessageKind, MessageRef};
use coordination_protocol::{Codec, Mode};

const GOOD: &str =
    r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;

/// The codes in both modes, and whether interop mode reads it.
fn surrounded(text: &str, codes: &[Code], read: bool) {
    for mode in [Mode::Strict, Mode::Interop] {
        let record = Codec::new(mode).check_message(text);
        let found: Vec<_> = record.report.findings().iter().map(|f| f.code).collect();
        assert_eq!(found, codes, "{text:?}");
        assert_eq!(record.value.is_some(), read && (mode == Mode::Interop || codes.is_empty()));
        if let Some(message) = record.value {
            assert_eq!(message.to_string(), text);
            assert_eq!(message.decode().unwrap().to_string(), GOOD);
            assert_eq!(message.root().raw(), GOOD);
        }
    }
}

#[test]
fn what_may_surround_a_message() {
    surrounded(GOOD, &[], true);
    for text in [format!(" \t\r\n{GOOD}\r\n"), format!("{GOOD}\n\n"), format!("\n{GOOD}")] {
        surrounded(&text, &[], true);
    }
    surrounded(&format!("\u{feff}{GOOD}"), &[Code::ByteOrderMark], true);
    surrounded(&format!("\u{feff}\r\n{GOOD}\n"), &[Code::ByteOrderMark], true);
    for text in [format!("'{GOOD}'"), format!("  '{GOOD}'\n"), format!("' {GOOD}\n'")] {
        surrounded(&text, &[Code::ShellQuotes], true);
    }
    let both = format!("\u{feff}'{GOOD}'");
    surrounded(&both, &[Code::ByteOrderMark, Code::ShellQuotes], true);
    let single = GOOD.replace('"', "'");
    surrounded_single(&single);
}

fn surrounded_single(text: &str) {
    assert_eq!(told(text), ["single-quotes "]);
    let message = Codec::new(Mode::Interop).parse_message(text).unwrap();
    assert_eq!(message.decode().unwrap().to_string(), GOOD);
    assert_eq!(MessageRef::parse(text).unwrap_err().finding().code, Code::SingleQuotes);
}

/// White space is that of JSON and no other.
#[test]
fn other_blanks_are_not_white_space() {
    for blank in ["\u{c}", "\u{b}", "\u{a0}", "\u{2028}", "\0", "\u{feff}"] {
        let text = format!("{GOOD}{blank}");
        surrounded(&text, &[Code::TrailingText], false);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_err());
        if blank != "\u{feff}" {
            surrounded(&format!("{blank}{GOOD}"), &[Code::NotAMessage], false);
        }
    }
    surrounded(
        &format!("\u{feff}\u{feff}{GOOD}"),
        &[Code::ByteOrderMark, Code::NotAMessage],
        false,
    );
}

#[test]
fn text_behind_a_message_is_refused() {
    for (behind, hint) in [
        ("}", Some("a closing bracket too many")),
        (" }]\n", Some("a closing bracket too many")),
        (",", Some("a record ends with its closing brace; remove what follows")),
        (r#","source":"hub"}"#, Some("the object was closed too early")),
        (GOOD, None),
        (" # done", None),
        ("'", None),
    ] {
        let text = format!("{GOOD}{behind}");
        let error = MessageRef::parse(&text).unwrap_err();
        let finding = error.finding();
        assert_eq!((finding.code, finding.hint().as_deref()), (Code::TrailingText, hint), "{text}");
        let at = GOOD.len() + (behind.len() - behind.trim_start().len());
        assert_eq!(finding.range.start, at, "{text}");
        surrounded(&text, &[Code::TrailingText], false);
    }
}

#[test]
fn what_is_no_message() {
    for (text, detail, hint) in [
        ("", "it is empty", None),
        (" \n", "it is empty", None),
        ("\u{feff}", "it is empty", None),
        ("[]", "it is an array", Some("check the messages in it one by one")),
        ("null", "it does not start with `{`", None),
        ("\"{}\"", "it does not start with `{`", None),
        ("'{'", "it does not start with `{`", None),
        ("'", "it does not start with `{`", None),
        ("TASK_FAILED:w:p:{}", "it is an event line", None),
    ] {
        for mode in [Mode::Strict, Mode::Interop] {
            let record = Codec::new(mode).check_message(text);
            let finding = record.report.findings().last().unwrap();
            assert_eq!(finding.to_string(), format!("this is not a message: {detail}"), "{text:?}");
            assert_eq!(finding.hint().as_deref(), hint, "{text:?}");
            assert_eq!((record.kind(), record.value.is_none()), (MessageKind::Unknown, true));
            assert!(finding.range.end <= text.len());
        }
    }
    assert_eq!(told("{}"), ["no-body "]);
    let empty = Codec::new(Mode::Interop).parse_message("{}").unwrap();
    assert_eq!(empty.decode().unwrap().to_string(), "{}");
    assert!(empty.body().is_none() && empty.root().members().next().is_none());
}

#[test]
fn bytes_that_are_no_text() {
    for (bytes, range) in [(&b"{\"a\":\"\xff\"}"[..], 6..7), (b"\xf0\x9f\x98", 0..3)] {
        let record = Codec::new(Mode::Interop).check_message_bytes(bytes);
        let finding = &record.report.findings()[0];
        assert_eq!((finding.code, finding.range.clone()), (Code::NotUtf8, range));
        assert_eq!(record.report.verdict(), Verdict::Invalid);
    }
    let record = Codec::new(Mode::Strict).check_message_bytes(GOOD.as_bytes());
    assert_eq!(record.value.unwrap().as_str(), GOOD);
}

#[test]
fn control_characters_are_refused_where_json_refuses_them() {
    for character in (0..32_u8).map(char::from) {
        let text = GOOD.replace("hub", &format!("h{character}b"));
        let error = MessageRef::parse(&text).unwrap_err();
        assert_eq!(error.finding().code, Code::BrokenJson, "{character:?}");
        let at = text.find(character).unwrap();
        assert_eq!(error.finding().range, at..at + 1);
        // Escaped it is a character, which an identifier cannot have.
        let escaped = GOOD.replace("hub", &format!("h\\u{:04x}b", u32::from(character)));
        assert_eq!(told(&escaped), ["bad-identifier /heartbeat/component_id"]);
        // A text may have it, and keeps it.
        let reason = format!(
            r#"{{"deregistration":{{"component_id":"a","reason":"x\u{:04x}y"}}}}"#,
            u32::from(character)
        );
        let envelope: Envelope = reason.parse().unwrap();
        let back: Envelope = envelope.to_string().parse().unwrap();
        assert_eq!(back, envelope);
        assert!(format!("{envelope:?}").contains(&format!("{:?}", format!("x{character}y"))));
    }
}

#[test]
fn nesting_beyond_the_limit() {
    let roomy = Limits::default().with_bytes(usize::MAX);
    for bracket in ["[", "{\"a\":", "[{\"\":", "{\"error_report\":"] {
        for head in ["{\"x\":", "{\"heartbeat\":", "{\"a\":{\"workflow_state\":"] {
            let text = format!("{head}{}", bracket.repeat(200_000));
            for mode in [Mode::Strict, Mode::Interop] {
                let codec = Codec::new(mode).with_limits(roomy);
                let error = codec.verify_message(&text).unwrap_err();
                assert!(error.finding().severity == FindingSeverity::Error);
                let report = codec.check_message(&text).report;
                assert!(report.has(Code::TooDeep), "{report:?}");
                assert!(report.findings().len() <= 64);
                let codec = Codec::new(mode);
                assert_eq!(codec.verify_message(&text).unwrap_err().finding().code, Code::TooLong);
            }
        }
    }
}

#[test]
fn a_hundred_megabytes_are_refused_by_their_length() {
    let text = format!("{{\"x\":\"{}\"}}", "y".repeat(100 << 20));
    for mode in [Mode::Strict, Mode::Interop] {
        let codec = Codec::new(mode);
        let error = codec.verify_message(&text).unwrap_err();
        assert_eq!((error.finding().code, error.finding().range.start), (Code::TooLong, 65_536));
        let record = codec.check_message_bytes(text.as_bytes());
        assert_eq!(record.report.findings().len(), 1);
        assert!(record.report.findings()[0].actual().len() <= 64);
    }
}

#[test]
fn every_limit_can_be_set() {
    let code = |limits: Limits, text: &str| {
        let codec = Codec::new(Mode::Strict).with_limits(limits);
        let verdict = codec.verify_message(text).map_err(|error| error.finding().code);
        let report = codec.check_message(text).report;
        assert_eq!(verdict.is_err(), report.verdict() == Verdict::Invalid, "{report:?}");
        verdict.err()
    };
    let limits = Limits::default();
    assert_eq!(code(limits.with_bytes(GOOD.len()), GOOD), None);
    assert_eq!(code(limits.with_bytes(GOOD.len() - 1), GOOD), Some(Code::TooLong));
    assert_eq!(code(limits.with_depth(2), GOOD), None);
    assert_eq!(code(limits.with_depth(1), GOOD), Some(Code::TooDeep));
    assert_eq!(code(limits.with_keys(3), GOOD), None);
    assert_eq!(code(limits.with_keys(2), GOOD), Some(Code::TooManyKeys));

    let many =
        format!("{{{}\"x\":1}}", (0..100).map(|n| format!("\"k{n}\":1,")).collect::<String>());
    let many = GOOD.replacen(
        "}}",
        &format!(",\"z\":[{}]}},{}", "1,".repeat(500).trim_end_matches(','), &many[1..]),
        1,
    );
    for most in [0, 1, 5, 64, 1000] {
        let codec = Codec::new(Mode::Strict).with_limits(limits.with_findings(most));
        let report = codec.check_message(&many).report;
        assert_eq!(report.findings().len(), most.min(102));
        assert_eq!(report.findings().len() + report.omitted(), 102);
        assert_eq!(report.verdict(), Verdict::Valid);
    }
    // Notes never crowd out an error.
    let wrong = many.replace("\"sequence\":1", "\"sequence\":-1");
    let codec = Codec::new(Mode::Strict).with_limits(limits.with_findings(1));
    let report = codec.check_message(&wrong).report;
    assert_eq!((report.findings()[0].code, report.omitted()), (Code::OutOfRange, 102));
}

#[test]
fn severities_can_be_set() {
    let text = r#"{"source_component":"a","heartbeat":{"component_id":"hub","extra":1}}"#;
    let codec = Codec::new(Mode::Interop);
    assert_eq!(codec.check_message(text).report.verdict(), Verdict::Deviating);
    for code in [Code::FieldAlias, Code::MissingField, Code::UnknownField] {
        let codec = Codec::new(Mode::Interop).with_severity(code, FindingSeverity::Error);
        assert_eq!(codec.verify_message(text).unwrap_err().finding().code, code);
        assert_eq!(codec.parse_message(text).unwrap_err().finding().code, code);
        assert!(codec.check_message(text).value.is_none());
    }
    // What has lost its meaning has no typed form, but may be passed on if the caller says so.
    let text = r#"{"heartbeat":{"sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    let codec = codec.with_severity(Code::MissingIdentity, FindingSeverity::Warning);
    let message = codec.parse_message(text).unwrap();
    assert_eq!(
        message.decode().unwrap_err().to_string(),
        "the message cannot be used: `component_id` has no value (`no-value` at byte 0)"
    );
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    for (text, sentence) in [
        (
            r#"{"heartbeat":{"component_id":"a","sequence":1,"timestamp":"2025-01-15T12:00:00Z","sequence":2}}"#,
            "the key `sequence` is already in its object (`duplicate-key` at /heartbeat/sequence, byte 81)",
        ),
        (
            r#"{"vote":{"proposal_id":"p","voter":"v","vote":"acept"}}"#,
            "`acept` is none of accept, reject, abstain (`unknown-word` at /vote/vote, byte 46); did you mean `accept`?",
        ),
        (
            r#"{"release":{"allocation":"a","release_reason":"r"}}"#,
            "`allocation_id` is missing, without which the message has no meaning (`missing-identity` at /release/allocation_id, byte 49); `allocation` is present; did you mean `allocation_id`?",
        ),
        (
            r#"{"heartbeats":{}}"#,
            "no known body key (`no-body` at byte 0); did you mean `heartbeat`?",
        ),
        (
            r#"{"health_status":{"component_id":"a","status":"healthy","timestamp":"2025-01-15T12:00:00Z","queue_size":1.5}}"#,
            "1.5 is not a whole number from 0 to 18446744073709551615 (`out-of-range` at /health_status/queue_size, byte 104)",
        ),
    ] {
        let error = MessageRef::parse(text).unwrap_err();
        assert_eq!(error.to_string(), sentence);
        let error: Box<dyn std::error::Error> = text.parse::<Envelope>().unwrap_err().into();
        assert_eq!(error.to_string(), sentence);
    }
}
