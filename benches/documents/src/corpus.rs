//! The messages that are measured: the specification's documents as it writes them, some larger
//! ones, and refused ones.

use crate::reference;
use coordination_protocol::event::EventType;
use coordination_protocol::json::{Json, members};
use coordination_protocol::message::MessageKind;
use jsonschema::Validator;
use std::fmt::Write as _;

/// The eight documents by their kinds, pretty-printed, members in the specification's order.
const EXAMPLES: &str = include_str!("../../../tests/it/wire_examples.json");

/// Every key of the header.
const HEADER: &str = r#""protocol_version":"1.1.0","message_id":"msg_019469d5-b200-7707-8707-070707070707","timestamp":"2025-01-15T12:00:00.125Z","source":"resource-manager","correlation_id":"req_019469d5-b200-7707-8707-070707070707","causation_id":"msg_019469d5-b200-7707-8707-070707070706","request_id":"req_019469d5-b200-7707-8707-070707070707","response_to":"req_019469d5-b200-7707-8707-070707070707","response_required":false,"priority":"high","ttl_seconds":30,"routing_key":"system.resource-manager.health","signature":{"key_id":"resource-manager-2025-01","algorithm":"ed25519","value":"kT1bJ9fO2rW8m0oR3dQxq5s7u9v1x3z5B7D9F1H3J5L7N9P1R3T5V7X9Z1b3d5f7h9j1l3n5p7r9t1v3x5z7A9Cg=="}"#;

const EVENT: &str = r#""event":{"event_type":"TASK_COMPLETED","workflow_id":"wf_001","phase":"implementation","data":{"task_id":"task_789","agent_id":"agent_003","results":{"files":["src/lib.rs","home.nix"],"tests_passed":212,"status":"passed"},"duration":"12m","timestamp":"2025-01-15T12:00:00.125Z","correlation_id":"req_019469d5-b200-7707-8707-070707070707","note":"two retries after a missed heartbeat"}}"#;

/// A message and the validator of its kind.
pub struct Document {
    pub name: String,
    pub kind: MessageKind,
    pub text: String,
    pub validator: Validator,
}

impl Document {
    fn new(name: &str, kind: MessageKind, event_type: Option<EventType>, text: String) -> Self {
        let validator = reference::validator(kind, event_type);
        Document { name: name.to_owned(), kind, text, validator }
    }
}

/// The eight documents, on one line each.
pub fn compact() -> Vec<Document> {
    examples(|body| body.parse::<Json>().expect("JSON").to_string())
}

/// The eight documents, as people write them.
pub fn pretty() -> Vec<Document> {
    examples(str::to_owned)
}

fn examples(body: impl Fn(&str) -> String) -> Vec<Document> {
    members(EXAMPLES, 0)
        .map(|(key, value)| {
            let name = key.inner(EXAMPLES);
            let text = body(value.raw(EXAMPLES));
            let text = if text.contains('\n') {
                format!("{{\n  \"{name}\": {text}\n}}\n")
            } else {
                format!("{{\"{name}\":{text}}}")
            };
            Document::new(name, name.parse().expect("a kind"), None, text)
        })
        .collect()
}

/// A state of 50 agents, an event in an envelope, a document behind a full header.
pub fn larger() -> Vec<Document> {
    let [state, health] = [2, 6].map(|index| compact().swap_remove(index));
    let mut agents = String::new();
    for agent in 2..=50 {
        let _ = write!(
            agents,
            r#","agent_{agent:03}":{{"status":"active","current_task":"task_{}","progress":{}.5,"performance_score":9{}.{}}}"#,
            700 + agent,
            agent * 7 % 100,
            agent % 10,
            agent % 7,
        );
    }
    let state = state.text.replacen("92.1}", &format!("92.1}}{agents}"), 1);
    let wrapped = |body: &str| format!("{{{HEADER},{body}}}");
    let event = MessageKind::Event;
    let bare_health = &health.text[1..health.text.len() - 1];
    vec![
        Document::new("workflow_state of 50 agents", MessageKind::WorkflowState, None, state),
        Document::new(
            "event with a full header",
            event,
            Some(EventType::TaskCompleted),
            wrapped(EVENT),
        ),
        Document::new(
            "health_status with a full header",
            MessageKind::HealthStatus,
            None,
            wrapped(bare_health),
        ),
    ]
}

/// Makes a message wrong.
type Plant = fn(&str) -> String;

/// What can be wrong with a message, near its end.
pub const FAULTS: &[(&str, Plant)] = &[
    ("cut short", |text| text[..text.len() - 2].to_owned()),
    ("a colon lost", |text| {
        let at = text.rfind("\":").expect("a member") + 1;
        format!("{}{}", &text[..at], &text[at + 1..])
    }),
    ("a key twice", |text| behind(text, r#""source":"a","source":"a""#)),
    ("a field missing", |text| {
        let whole = behind(text, r#""signature":{"key_id":"k1","algorithm":"ed25519"}"#);
        assert!(!whole.contains("\"value\""));
        whole
    }),
    ("of the wrong kind", |text| behind(text, r#""source":17"#)),
    ("a word unknown", |text| behind(text, r#""priority":"urgent""#)),
    ("a time unreadable", |text| behind(text, r#""timestamp":"yesterday""#)),
    ("out of range", |text| behind(text, r#""ttl_seconds":-1"#)),
    ("a second body", |text| behind(text, r#""release":{"allocation_id":"alloc_1"}"#)),
];

/// The message with more members behind its body.
fn behind(text: &str, members: &str) -> String {
    format!("{},{members}}}", &text[..text.len() - 1])
}
