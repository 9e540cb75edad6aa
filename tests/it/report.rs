//! Every error becomes an error report with a recovery suggestion.

use coordination_protocol::error::{IntoReport, Occurrence, Problem};
use coordination_protocol::event::{
    BuildError, EventBuilder, EventHeader, EventRef, EventType, Registry, TaskFailed, UntypedData,
};
use coordination_protocol::json::{Dialect, JsonError, canonical, check};
use coordination_protocol::message::{Envelope, ErrorContext, MessageKind, MessageRef};
use coordination_protocol::route::{Filter, Pattern, RouteKey};
use coordination_protocol::scalar::{
    AgentId, ByteSize, ComponentId, ComponentVersion, Digest, ErrorCategory, ErrorId, ErrorType,
    Percent, Priority, Severity, Span, TaskId, Timestamp, Window, WorkflowId,
};
use coordination_protocol::security::freshness::Freshness;
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::security::replay::ReplayCache;
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Codec, Json, Limits, Mode, ProtocolVersion, Verdict};

fn occurrence() -> Occurrence {
    Occurrence::new(
        ErrorId::new("err_1").unwrap(),
        WorkflowId::new("wf_001").unwrap(),
        Timestamp::new("2025-01-15T12:00:00Z").unwrap(),
    )
    .with_context(ErrorContext::new().with_component("hub").with_operation("check"))
}

/// The report of an error is itself a strict message, with a suggestion.
fn reported(error: &dyn IntoReport) -> String {
    let envelope = Envelope::from(error.to_report(&occurrence()));
    let text = envelope.to_string();
    let outcome = Validator::new(Mode::Strict).check(&text, &Context::new());
    assert_eq!(outcome.report.verdict(), Verdict::Valid, "{:?} {text}", outcome.report);
    let coordination_protocol::Message::ErrorReport(report) = envelope.message else {
        panic!("{text}")
    };
    assert!(!report.recovery_suggestions.as_ref().unwrap().is_empty());
    let details = report.details.as_ref().unwrap();
    assert!(!details.error_message.as_ref().unwrap().is_empty());
    let words = &report.classification;
    let error_type = words.error_type.as_ref().unwrap();
    format!("{} {} {error_type}", words.category, words.severity)
}

#[test]
fn every_error_becomes_a_report() {
    let limits = Limits::default();
    let line = "TASK_TIMEOUT:wf_001:build:{}";
    let registry = Registry::default();
    let missing = Codec::new(Mode::Interop);
    let permissions = Permissions::new();
    let hub = ComponentId::new("hub").unwrap();
    let freshness = Freshness::default();
    let errors: Vec<Box<dyn IntoReport>> = vec![
        Box::new(EventRef::parse(line).unwrap_err()),
        Box::new(missing.parse(line).unwrap().decode().unwrap_err()),
        Box::new(line.parse::<coordination_protocol::Event>().unwrap_err()),
        Box::new(EventHeader::parse("x").unwrap_err()),
        Box::new("X".parse::<EventType>().unwrap_err()),
        Box::new(EventBuilder::new("A", "b:c", "d").build(&Codec::default()).unwrap_err()),
        Box::new(EventBuilder::new("A", "b", "d").build(&Codec::default()).unwrap_err()),
        Box::new(
            registry.with_type("TASK_FAILED", EventType::TaskFailed.category(), []).unwrap_err(),
        ),
        Box::new(UntypedData::new("TASK_FAILED").unwrap_err()),
        Box::new(
            TaskFailed::new(TaskId::new("t").unwrap(), AgentId::new("a").unwrap(), "x", 1)
                .with_extra("task_id", 2)
                .unwrap_err(),
        ),
        Box::new(MessageRef::parse("{}").unwrap_err()),
        Box::new("{}".parse::<Envelope>().unwrap_err()),
        Box::new("x".parse::<MessageKind>().unwrap_err()),
        Box::new(
            Envelope::from(coordination_protocol::message::ComponentConfig::new(hub.clone()))
                .to_line()
                .unwrap_err(),
        ),
        Box::new(JsonError::from(check("{", Dialect::Strict, &limits).unwrap_err())),
        Box::new(canonical("9007199254740993", &limits).unwrap_err()),
        Box::new(WorkflowId::new("").unwrap_err()),
        Box::new(Percent::parse("101").unwrap_err()),
        Box::new(Span::new("soon").unwrap_err()),
        Box::new(Timestamp::new("soon").unwrap_err()),
        Box::new(Window::new("soon").unwrap_err()),
        Box::new(ByteSize::new("big").unwrap_err()),
        Box::new(Digest::new("x").unwrap_err()),
        Box::new(ComponentVersion::new("x").unwrap_err()),
        Box::new("x".parse::<ProtocolVersion>().unwrap_err()),
        Box::new("x".parse::<Priority>().unwrap_err()),
        Box::new("x".parse::<Mode>().unwrap_err()),
        Box::new(RouteKey::parse("x").unwrap_err()),
        Box::new(Pattern::parse("a..b").unwrap_err()),
        Box::new(Filter::parse("type").unwrap_err()),
        Box::new(permissions.may_publish(&hub, &RouteKey::new("A", "b", "c")).unwrap_err()),
        Box::new(Permissions::new().with_component(&hub, ["a..b"], []).unwrap_err()),
        Box::new(freshness.check(None, None, 0).unwrap_err()),
        Box::new(ReplayCache::new(&freshness).with_floor(0).admit(&hub, "m", 0, 0).unwrap_err()),
        Box::new(Validator::new(Mode::Strict).check("{", &Context::new()).report),
        Box::new(
            Validator::new(Mode::Strict).check("{\"a\":1}", &Context::new()).report.findings()[0]
                .clone(),
        ),
    ];
    for error in &errors {
        reported(&**error);
    }
    assert!(matches!(
        EventBuilder::new("A", "b:c", "d").build(&Codec::default()),
        Err(BuildError::Splits { .. })
    ));
    let _ = Json::text("");
}

#[test]
fn the_classification_follows_from_what_was_found() {
    let report = |record: &str| Validator::new(Mode::Strict).check(record, &Context::new()).report;
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(reported(&report(&long)), "resource high limit_exceeded");
    assert_eq!(reported(&report("{")), "system high corruption");
    assert_eq!(
        reported(&report(r#"{"decision":{"proposal_id":"p","outcome":"committed"}}"#)),
        "state high conflict"
    );
    let several = report(r#"{"heartbeat":{"component_id":"hub","sequence":-1,"status":"fine"}}"#);
    let told = several.to_report(&occurrence());
    let details = told.details.unwrap();
    let message = details.error_message.unwrap();
    assert!(message.ends_with("and 2 more findings"), "{message}");
    assert_eq!(details.technical_details.unwrap().lines().count(), 3);
    assert_eq!(told.context.unwrap().component.unwrap(), "hub");
    // Nothing to say is no problem, and even that is a sound report.
    let nothing = report(r#"{"component_config":{"component_id":"hub"}}"#);
    assert_eq!(reported(&nothing), "system info corruption");
}

#[test]
fn a_problem_of_ones_own_needs_no_suggestion() {
    struct Burnt;
    impl IntoReport for Burnt {
        fn problem(&self) -> Problem {
            Problem::new(ErrorCategory::Execution, ErrorType::Unavailable, "burnt")
                .with_severity(Severity::Critical)
                .with_scope(coordination_protocol::scalar::ErrorScope::Task)
                .with_details("smoke")
                .unrecoverable()
        }
    }
    let report = Burnt.to_report(&occurrence());
    assert_eq!(report.classification.recoverable, Some(false));
    assert_eq!(
        report.recovery_suggestions.unwrap()[0].strategy.as_deref(),
        Some("manual_intervention")
    );
    assert_eq!(reported(&Burnt), "execution critical unavailable");
}
