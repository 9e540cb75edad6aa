//! The registry against the specification's tables, written out once more by hand.

use coordination_protocol::event::{
    BuildError, Category, Codec, EventRef, EventType, FieldType, REGISTRY, Registry,
};
use coordination_protocol::finding::{Code, Mode};
use coordination_protocol::scalar::ProtocolVersion;

/// Type, category, required data: the specification's six tables in order, then the extensions.
const TABLE: &str = "
WORKFLOW_CREATED workflow workflow_definition estimated_duration
WORKFLOW_STARTED workflow start_time resource_allocation
WORKFLOW_PAUSED workflow pause_reason current_state
WORKFLOW_RESUMED workflow resume_time state_validation
WORKFLOW_COMPLETED workflow completion_time final_metrics
WORKFLOW_FAILED workflow failure_reason recovery_options
WORKFLOW_CANCELLED workflow cancellation_reason cleanup_status
PHASE_STARTED phase phase_id estimated_duration resource_allocation
PHASE_COMPLETED phase phase_id actual_duration success_metrics
PHASE_FAILED phase phase_id failure_reason partial_results
PHASE_SKIPPED phase phase_id skip_reason impact_assessment
PHASE_PROGRESS phase phase_id progress_percentage eta_update
TASK_ASSIGNED task task_id agent_id estimated_duration
TASK_STARTED task task_id agent_id start_time
TASK_COMPLETED task task_id agent_id duration results
TASK_FAILED task task_id agent_id failure_reason retry_count
TASK_TIMEOUT task task_id agent_id timeout_duration
TASK_REASSIGNED task task_id old_agent new_agent reason
AGENT_ALLOCATED agent agent_id workflow_id role capabilities
AGENT_DEALLOCATED agent agent_id workflow_id reason
AGENT_PERFORMANCE_ALERT agent agent_id performance_metric threshold
AGENT_ERROR agent agent_id error_type error_details
AGENT_TIMEOUT agent agent_id timeout_duration last_response
RESOURCE_ALLOCATED resource allocation_id resource_details requester
RESOURCE_DEALLOCATED resource allocation_id release_reason
RESOURCE_CONFLICT resource conflict_id conflicting_requests severity
RESOURCE_THRESHOLD resource resource_type current_usage threshold
RESOURCE_OPTIMIZED resource optimization_type improvement_metrics
SYSTEM_STARTUP system component_name version capabilities
SYSTEM_SHUTDOWN system component_name shutdown_reason
SYSTEM_THRESHOLD system metric_name current_value threshold
SYSTEM_ERROR system error_type affected_components severity
SYSTEM_MAINTENANCE system operation_type estimated_duration impact
ERROR_ENCOUNTERED error error_report
RECOVERY_INITIATED recovery recovery_id failure_type strategy
RECOVERY_COMPLETED recovery recovery_id duration results
RECOVERY_FAILED recovery recovery_id failure_reason retry_count
CHECKPOINT_CREATED recovery checkpoint_id checkpoint_type state_version
";

#[test]
fn registry_is_the_specifications_tables_then_the_extensions() {
    let ours: Vec<String> = REGISTRY
        .iter()
        .map(|spec| {
            let keys: Vec<&str> = spec.required().iter().map(|field| field.name).collect();
            format!("{} {} {}", spec.event_type, spec.category, keys.join(" "))
        })
        .collect();
    let theirs: Vec<&str> = TABLE.trim().lines().collect();
    assert_eq!(ours, theirs);
    assert_eq!(EventType::ALL.len(), 38);
    let first = |version: &ProtocolVersion| REGISTRY.iter().filter(|s| s.since == *version).count();
    assert_eq!(first(&ProtocolVersion::V1_0_0), 33);
    assert_eq!(first(&ProtocolVersion::V1_1_0), 5);
    assert!(REGISTRY[..33].iter().all(|spec| spec.since == ProtocolVersion::V1_0_0));
}

#[test]
fn rows_are_consistent() {
    for spec in REGISTRY {
        assert_eq!(spec.event_type.spec().event_type, spec.event_type);
        assert_eq!(EventType::lookup(spec.event_type.as_str()), Some(spec.event_type));
        let lower = spec.event_type.as_str().to_ascii_lowercase();
        let word = lower.strip_prefix(&format!("{}_", spec.category)).unwrap_or(&lower);
        assert_eq!(spec.word, word, "the word is the type without its category");
        assert!(!spec.summary.is_empty() && spec.summary.ends_with('.'));
        assert!(spec.required().len() <= 4);
    }
}

#[test]
fn extension_types_are_unknown_to_protocol_1_0_0() {
    let line = r#"RECOVERY_FAILED:wf_001:build:{"recovery_id":"r1","failure_reason":"no","retry_count":1}"#;
    assert!(EventRef::parse(line).is_ok());
    let codec = Codec::new(Mode::Strict).with_registry(Registry::new(ProtocolVersion::V1_0_0));
    let report = codec.check(line).report;
    assert_eq!(report.findings().len(), 1);
    assert_eq!(report.findings()[0].code, Code::UnknownEventType);
    assert_eq!(
        report.findings()[0].to_string(),
        "the event type `RECOVERY_FAILED` is not registered in protocol 1.0.0; it came with 1.1.0"
    );
}

#[test]
fn callers_register_types() {
    let registry = Registry::default()
        .with_type(
            "DEPLOY_FINISHED",
            Category::new("deploy").unwrap(),
            [("target", FieldType::Text), ("took", FieldType::Span)],
        )
        .unwrap();
    let codec = Codec::new(Mode::Strict).with_registry(registry.clone());
    let good = r#"DEPLOY_FINISHED:wf_001:release:{"target":"prod","took":"4m"}"#;
    assert_eq!(codec.parse(good).unwrap().type_name(), "DEPLOY_FINISHED");
    let bad = codec.check(r#"DEPLOY_FINISHED:wf_001:release:{"target":7}"#).report;
    let found: Vec<Code> = bad.findings().iter().map(|finding| finding.code).collect();
    assert_eq!(found, [Code::WrongKind, Code::MissingData]);
    let near = codec.check("DEPLOY_FINISHD:wf_001:release:{}").report;
    assert_eq!(near.findings()[0].hint().unwrap(), "did you mean `DEPLOY_FINISHED`?");

    let text = FieldType::Text;
    let error = |result: Result<Registry, BuildError>| result.unwrap_err().to_string();
    assert_eq!(
        error(registry.clone().with_type("DEPLOY_FINISHED", Category::Task, [])),
        "event type `DEPLOY_FINISHED` is already registered"
    );
    assert_eq!(
        error(registry.clone().with_type("TASK_FAILED", Category::Task, [])),
        "event type `TASK_FAILED` is already registered"
    );
    assert!(
        error(registry.clone().with_type("A:B", Category::Task, []))
            .starts_with("event type `A:B`: ")
    );
    assert_eq!(
        error(registry.clone().with_type("X", Category::Task, [("a", text), ("a", text)])),
        "event type `X` requires `a` twice"
    );
    let keys: Vec<String> = (0..33).map(|i| format!("k{i}")).collect();
    assert_eq!(
        error(registry.with_type("X", Category::Task, keys.iter().map(|k| (k.as_str(), text)))),
        "event type `X` requires 33 keys; at most 32 are supported"
    );
}

#[test]
fn required_masks_hold_at_the_most_keys() {
    let keys: Vec<String> = (0..Registry::MAX_REQUIRED).map(|i| format!("k{i}")).collect();
    let registry = Registry::default()
        .with_type("WIDE", Category::Task, keys.iter().map(|k| (k.as_str(), FieldType::Json)))
        .unwrap();
    let codec = Codec::new(Mode::Strict).with_registry(registry);
    let data: Vec<String> = keys.iter().map(|k| format!("\"{k}\":1")).collect();
    assert!(codec.parse(&format!("WIDE:w:p:{{{}}}", data.join(","))).is_ok());
    let report = codec.check("WIDE:w:p:{}").report;
    assert_eq!(report.findings().len(), 32);
}
