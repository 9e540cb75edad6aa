//! Whatever the input holds, no sentence about it can act on a terminal or start a line of its own.

use crate::support::scaled;
use coordination_protocol::event::{Category, EventBuilder, Registry, UntypedData};
use coordination_protocol::finding::Mode;
use coordination_protocol::merge::{MergePolicy, diff};
use coordination_protocol::route::{Filter, Pattern, RouteKey};
use coordination_protocol::scalar::{
    ByteSize, ComponentId, ComponentVersion, Digest, Priority, Quantity, Severity, Span, Timestamp,
    Window, WorkflowId, printable,
};
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::security::signature::KeyRing;
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::version::{Calendar, SupportedVersions};
use coordination_protocol::{Codec, Limits, MessageRef, ProtocolVersion};
use proptest::prelude::*;

/// Says it a second time, from the other end: what Unicode calls control, format or separator.
fn harmful(text: &str) -> Option<char> {
    text.chars().find(|c| {
        c.is_control()
            || matches!(*c as u32,
                0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f
                | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
    })
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n::error::forged".to_owned()),
        Just("\r\u{1b}[2J".to_owned()),
        Just("\u{9b}31m".to_owned()),
        Just("\u{202e}\u{2066}".to_owned()),
        Just("\u{200b}\u{feff}".to_owned()),
        Just("\u{2028}\u{2029}\u{85}".to_owned()),
        Just("\u{7}\u{8}\u{7f}\0".to_owned()),
        Just("\u{e0041}\u{ad}".to_owned()),
        "[a-z|$.]{1,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

/// Records in which `%` stands for the hostile text as a JSON string's inside, `#` for it raw.
const RECORDS: &[&str] = &[
    "TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t\",\"agent_id\":\"a\",\"timeout_duration\":\"%\"}",
    "TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t\",\"agent_id\":\"a\",\"timeout_duration\":\"15m\",\"%\":1}",
    "TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t\",\"agent_id\":\"%\",\"timeout_%\":\"15m\"}",
    "TASK_TIMEOUT:wf_001:build:{\"%\":1,\"%\":2}",
    "SYSTEM_ERROR:global:global:{\"error_type\":\"%\",\"affected_components\":[\"%\"],\"severity\":\"%\"}",
    "AGENT_ALLOCATED:wf_001:build:{\"agent_id\":\"a\",\"workflow_id\":\"%\",\"phase\":\"%\",\"resources\":{}}",
    "#:wf_001:build:{}",
    "TASK_TIMEOUT:#:#:{}",
    "TASK_TIMEOUT:wf_001:build:#",
    "TASK_TIMEOUT:wf_001:build:{}#",
    "TASK_TIMEOUT:wf_001:build:{\"a\":#}",
    "#",
    "{\"%\":1,\"workflow_id\":\"%\"}",
    "{\"heartbeat\":{\"component_id\":\"%\",\"sequence\":\"%\",\"timestamp\":\"%\",\"%\":{}}}",
    "{\"protocol_version\":\"%\",\"source\":\"%\",\"routing_key\":\"%\",\"priority\":\"%\",\"health_status\":{\"component_id\":\"x\",\"status\":\"%\"}}",
    "{\"event\":{\"event_type\":\"%\",\"workflow_id\":\"%\",\"phase\":\"%\",\"data\":{\"%\":\"%\"}}}",
    "{\"event_type\":\"TASK_FAILED\",\"workflow_id\":\"w\",\"phase\":\"p\",\"message\":\"%\",\"data\":{}}",
    "{\"subscription\":{\"subscriber\":\"x\",\"patterns\":[\"%\",\"%.*.failed\",\"task.*.%\"]}}",
    "{\"checkpoint_sync\":{\"workflow_id\":\"%/\",\"checkpoint_id\":\"..%\",\"checkpoint_type\":\"%\"}}",
    "{\"component_registration\":{\"component_id\":\"x\",\"dependencies\":[\"%\"],\"%\":\"%\"}}",
];

fn json_inside(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn quoted_in(text: &str, frame: &str) -> String {
    frame.replace('%', &json_inside(text))
}

fn check(text: &str, what: &str) {
    assert_eq!(harmful(text), None, "{what}: {text:?}");
    assert!(text.len() <= 4 * 4096 + 64, "{what}: {} bytes", text.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(48) as u32))]

    #[test]
    fn findings_show_nothing_raw(text in hostile()) {
        for record in RECORDS {
            let record = record.replace('%', &json_inside(&text)).replace('#', &text);
            for mode in [Mode::Strict, Mode::Interop] {
                let outcome = Validator::new(mode).check(&record, &Context::new());
                for finding in outcome.report.findings() {
                    check(&finding.to_string(), "finding");
                    check(&finding.hint().unwrap_or_default(), "hint");
                }
                check(&outcome.report.to_string(), "report");
                for error in [
                    Codec::new(mode).parse(&record).map(drop).unwrap_err_or_skip(),
                    MessageRef::parse(&record).map(drop).unwrap_err_or_skip(),
                ].into_iter().flatten() {
                    check(&error, "error");
                }
            }
        }
    }

    #[test]
    fn errors_show_nothing_raw(text in hostile()) {
        let mut errors: Vec<Option<String>> = vec![
            Span::new(&text).unwrap_err_or_skip(),
            Timestamp::new(&text).unwrap_err_or_skip(),
            Window::new(&text).unwrap_err_or_skip(),
            Digest::new(&text).unwrap_err_or_skip(),
            ByteSize::new(&text).unwrap_err_or_skip(),
            ComponentVersion::new(&text).unwrap_err_or_skip(),
            Quantity::parse(&text).unwrap_err_or_skip(),
            WorkflowId::new(&text).unwrap_err_or_skip(),
            text.parse::<Priority>().unwrap_err_or_skip(),
            text.parse::<Severity>().unwrap_err_or_skip(),
            text.parse::<ProtocolVersion>().unwrap_err_or_skip(),
            text.parse::<SupportedVersions>().unwrap_err_or_skip(),
            Pattern::parse(&text).unwrap_err_or_skip(),
            RouteKey::parse(&text).unwrap_err_or_skip(),
            Calendar::from_json(&text).unwrap_err_or_skip(),
            Calendar::from_json(&quoted_in(&text, r#"{"%":[]}"#)).unwrap_err_or_skip(),
            Calendar::from_json(&quoted_in(&text, r#"[{"event_type":"%","since":"%","sunset":"%","%":"%"}]"#)).unwrap_err_or_skip(),
            MergePolicy::rows_from_json(&quoted_in(&text, r#"[{"pointer":"%","rule":"%"}]"#), &Limits::DEFAULT).unwrap_err_or_skip(),
            MergePolicy::rows_from_json(&text, &Limits::DEFAULT).unwrap_err_or_skip(),
            KeyRing::new().with_json(&quoted_in(&text, r#"{"keys":[{"key_id":"%","owner":"%","algorithm":"%","%":1}]}"#), &Limits::DEFAULT).unwrap_err_or_skip(),
            EventBuilder::new(&text, "w", "p").build(&Codec::default()).unwrap_err_or_skip(),
            Registry::default().with_type(&text, Category::Task, []).unwrap_err_or_skip(),
            UntypedData::new(&text).unwrap_err_or_skip(),
        ];
        for filter in [text.clone(), format!("/a = {text}"), format!("{text} = 1"), format!("{{{text:?}:1}}")] {
            errors.push(Filter::parse(&filter).unwrap_err_or_skip());
            errors.push(serde_json::from_str::<serde_json::Value>(&filter).ok().and_then(|value| {
                serde_json::from_value::<Filter>(value).unwrap_err_or_skip()
            }));
        }
        if let Ok(component) = ComponentId::new(&text) {
            let key = RouteKey::new("TASK_FAILED", "w", "p");
            errors.push(
                Permissions::new().may_publish(&component, &key).unwrap_err_or_skip(),
            );
        }
        if let Ok(pattern) = Pattern::parse(&format!("{text}.*.failed")) {
            for warning in pattern.warnings(&Registry::default()) {
                errors.push(Some(warning.to_string()));
            }
        }
        for error in errors.into_iter().flatten() {
            check(&error, "error");
        }
        let (before, after) = (serde_json::json!({ &text: &text }), serde_json::json!({ "a": &text }));
        for change in diff(&before.to_string(), &after.to_string(), &Limits::DEFAULT).unwrap() {
            check(&change.to_string(), "difference");
        }
    }

    #[test]
    fn what_is_printable_stays_and_twice_is_once(text in any::<String>()) {
        let shown = printable(&text).to_string();
        check(&shown, "text");
        prop_assert_eq!(printable(&shown).to_string(), shown.clone());
        if text.chars().all(|c| c.is_ascii() && !c.is_control()) {
            prop_assert_eq!(shown, text);
        }
    }
}

trait Refusal {
    /// The sentence of an error; none if there is no error.
    fn unwrap_err_or_skip(self) -> Option<String>;
}

impl<T, E: std::fmt::Display> Refusal for Result<T, E> {
    fn unwrap_err_or_skip(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

#[test]
fn a_forged_line_is_one_line() {
    let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t","agent_id":"a","timeout_duration":"x\n::error::forged"}"#;
    let outcome = Validator::new(Mode::Interop).check(line, &Context::new());
    assert_eq!(
        outcome.report.findings()[0].to_string(),
        r"`x\u{a}::error::forged` is not a duration such as `2h 30m`"
    );
    // What stands there is data: whoever asks for it gets it unchanged.
    assert_eq!(outcome.report.findings()[0].actual(), "x\n::error::forged");
    let error = Span::new("5h\u{1b}[2J").unwrap_err();
    assert!(error.to_string().starts_with(r"`5h\u{1b}[2J` is not"), "{error}");
}

#[test]
fn long_texts_end_in_an_ellipsis() {
    assert_eq!(printable(&"x".repeat(1024)).to_string().len(), 1024);
    let cut = printable(&"x".repeat(1025)).to_string();
    assert_eq!((cut.chars().count(), cut.ends_with('…')), (1025, true));
    assert_eq!(printable("a\u{1b}b").within(2).to_string(), r"a\u{1b}…");
    assert_eq!(printable("").to_string(), "");
    assert_eq!(printable("é\t\u{2066}😀").to_string(), r"é\u{9}\u{2066}😀");
}
