//! The table of fields against a second one, written by hand from the specification's documents
//! and from the list of extensions.

use crate::support::Tree;
use coordination_protocol::event::FieldType;
use coordination_protocol::finding::Verdict;
use coordination_protocol::message::{
    EnvelopeHeader, MessageKind, OBJECTS, ObjectSpec, Requirement, Shape,
};
use coordination_protocol::{Codec, Mode, ProtocolVersion};
use std::collections::{BTreeMap, BTreeSet};

/// An object a paragraph: its name, then a field a line: requirement, name, type.
const FIELDS: &str = "
EnvelopeHeader
    optional protocol_version protocol_version
    optional message_id id
    optional timestamp timestamp
    optional source id
    optional correlation_id id
    optional causation_id id
    optional request_id id
    optional response_to id
    optional response_required bool
    optional priority priority
    optional ttl_seconds amount
    optional routing_key text
    optional signature Signature

Signature
    essential key_id text
    essential algorithm text
    essential value text

AllocationRequest
    essential request_id id
    essential workflow_id id
    required requester text
    required timestamp timestamp
    optional priority priority
    optional resources Resources
    optional constraints Constraints
    optional fallback_options FallbackOptions

Resources
    optional agents count
    optional memory_gb amount
    optional cpu_cores amount
    optional duration_hours amount
    optional exclusive_files text_list
    optional tool_instances map of amount
    optional shared_files text_list

Constraints
    optional max_wait_time span
    optional min_performance text
    optional conflict_tolerance conflict_tolerance
    optional isolation_level isolation_level

FallbackOptions
    optional reduce_agents bool
    optional extend_duration bool
    optional accept_shared_resources bool
    optional queue_if_unavailable bool

AllocationResponse
    essential response_id id
    essential request_id id
    essential status allocation_status
    required timestamp timestamp
    optional allocated_resources AllocatedResources
    optional restrictions Restrictions
    optional alternatives list of Alternative
    optional reason text
    optional position count
    optional earliest_start timestamp
    optional latest_start timestamp
    optional blocked_by list of Blocker
    optional smallest_changes text_list

Blocker
    required resource text
    required detail text
    optional needed amount
    optional free amount
    optional capacity amount
    optional held_by list of HeldGrant
    optional ahead text_list
    optional available_at timestamp

HeldGrant
    essential allocation_id id
    optional workflow_id id
    optional until timestamp

AllocatedResources
    optional allocation_id id
    optional agents count
    optional memory_gb amount
    optional cpu_cores amount
    optional duration_hours amount
    optional exclusive_files text_list
    optional tool_instances map of amount
    optional shared_files text_list
    optional fence json

Restrictions
    optional monitoring_required bool
    optional performance_limits PerformanceLimits
    optional auto_release_timeout span
    optional exclusive_access_windows list of window

PerformanceLimits
    optional memory_per_agent byte_size

Alternative
    required option text
    optional available_at timestamp
    optional full_resources bool

WorkflowState
    optional message_type state_message
    essential workflow_id id
    required timestamp timestamp
    essential state_version state_version
    optional checkpoint_id id
    optional epoch state_version
    optional restored_version state_version
    optional current_phase CurrentPhase
    optional agent_states map of AgentState
    optional resource_usage ResourceUsage
    optional validation_required text_list
    optional metadata StateMetadata

CurrentPhase
    required phase_id phase
    optional name text
    optional progress percent
    optional started_at timestamp
    optional estimated_completion timestamp

AgentState
    required status text
    optional current_task id
    optional progress percent
    optional performance_score percent

ResourceUsage
    optional memory_current amount
    optional cpu_utilization percent
    optional storage_used amount

StateMetadata
    optional last_update_source text
    optional synchronization_confidence ratio
    optional conflict_detected bool
    optional ancestors list of digest

CheckpointSync
    optional message_type checkpoint_message
    essential workflow_id id
    essential checkpoint_id id
    required timestamp timestamp
    essential checkpoint_type checkpoint_type
    recommended state_version state_version
    optional trigger checkpoint_trigger
    optional state_snapshot StateSnapshot
    optional validation_results ValidationResults
    optional storage_metadata StorageMetadata

StateSnapshot
    optional workflow_state_hash digest
    optional file_system_hash digest
    optional agent_state_hash digest
    optional resource_state_hash digest

ValidationResults
    optional integrity_check check_result
    optional dependency_validation check_result
    optional resource_consistency check_result

StorageMetadata
    optional size_bytes count
    optional compression_ratio ratio
    optional storage_location text
    optional backup_locations text_list

ErrorReport
    essential error_id id
    required workflow_id id
    required timestamp timestamp
    essential classification Classification
    optional context ErrorContext
    optional details ErrorDetails
    optional impact_assessment ImpactAssessment
    optional recovery_suggestions list of RecoverySuggestion

Classification
    essential category error_category
    essential severity severity
    required type error_type
    required scope error_scope
    required recoverable bool

ErrorContext
    optional component text
    optional operation text
    optional phase id
    optional task id
    optional agent id

ErrorDetails
    optional error_message text
    optional technical_details text
    optional stack_trace text
    optional related_events text_list

ImpactAssessment
    optional affected_tasks text_list
    optional affected_agents text_list
    optional blocking_dependencies text_list
    optional estimated_delay span
    optional workflow_risk severity

RecoverySuggestion
    required strategy text
    optional description text
    optional estimated_time span
    optional success_probability ratio

ComponentRegistration
    essential component_id id
    required component_type text
    optional version version
    optional capabilities text_list
    optional dependencies text_list
    optional event_subscriptions text_list
    optional event_publications text_list
    optional health_check_endpoint text
    optional performance_metrics text_list
    optional instance text

HealthStatus
    essential component_id id
    required timestamp timestamp
    essential status health_state
    optional uptime span
    optional last_activity timestamp
    optional performance_metrics ComponentPerformance
    optional active_operations count
    optional queue_size count
    optional dependencies map of health_state
    optional instance text

ComponentPerformance
    optional response_time_avg span
    optional success_rate percent
    optional error_rate percent
    optional resource_usage ComponentUsage

ComponentUsage
    optional memory_mb amount
    optional cpu_percent percent

ComponentConfig
    essential component_id id
    optional coordination CoordinationConfig
    optional performance PerformanceConfig
    optional monitoring MonitoringConfig

CoordinationConfig
    optional hub_endpoint text
    optional heartbeat_interval span
    optional event_queue_size count
    optional max_retry_attempts count
    optional timeout_default span

PerformanceConfig
    optional max_concurrent_operations count
    optional resource_pool_size count
    optional cache_size_mb amount
    optional optimization_interval span

MonitoringConfig
    optional metrics_collection bool
    optional performance_tracking bool
    optional health_check_interval span
    optional alert_thresholds AlertThresholds

AlertThresholds
    optional response_time span
    optional error_rate percent
    optional memory_usage percent

Hello
    essential component_id id
    essential versions list of VersionRange
    optional floor protocol_version
    optional capabilities text_list

VersionRange
    essential min protocol_version
    essential max protocol_version

Welcome
    essential component_id id
    essential version protocol_version
    optional capabilities text_list
    optional heartbeat_interval span

Release
    essential allocation_id id
    required release_reason text
    optional workflow_id id
    optional requester text
    optional force bool
    optional cleanup bool
    optional fence json
    optional used map of amount

ConflictCheck
    essential request_id id
    optional resources Resources
    optional workflow_id id
    optional conflict_tolerance conflict_tolerance
    optional conflicts list of Conflict

Conflict
    essential conflict_id id
    required severity severity
    optional resource text
    optional allocation_id id
    optional request_id id

Rollback
    essential workflow_id id
    essential checkpoint_id id
    required mode rollback_mode
    optional recovery_id id
    optional parts text_list
    optional agents text_list
    optional tasks text_list
    optional reason text

Heartbeat
    essential component_id id
    required sequence count
    required timestamp timestamp
    optional status health_state
    optional instance text

Subscription
    essential subscriber id
    essential patterns text_list
    optional filter json
    optional group text
    optional cancel bool

DeadLetter
    essential reason text
    essential original text
    required attempts count
    required died_at timestamp
    optional encoding text_encoding
    optional findings list of json
    optional subscriber id
    optional first_attempt_at timestamp
    optional last_attempt_at timestamp

Proposal
    essential proposal_id id
    essential workflow_id id
    essential state_version state_version
    required proposer id
    required digest digest
    optional value json
    optional epoch state_version
    optional deadline timestamp

Vote
    essential proposal_id id
    essential voter id
    essential vote ballot
    optional weight count
    optional reason text

Decision
    essential proposal_id id
    essential outcome ballot_outcome
    optional workflow_id id
    optional state_version state_version
    optional epoch state_version
    optional digest digest
    optional accepted count
    optional rejected count

Deregistration
    essential component_id id
    required reason text
    optional timestamp timestamp
    optional instance text
";

/// The lists of words that the specification writes as `a|b|c`, and those of the extensions.
const WORDS: &[(FieldType, &str)] = &[
    (FieldType::Priority, "critical|high|medium|low"),
    (FieldType::ConflictTolerance, "none|low|medium|high"),
    (FieldType::IsolationLevel, "strict|moderate|relaxed"),
    (FieldType::AllocationStatus, "approved|denied|queued|partial"),
    (FieldType::CheckpointType, "phase_complete|incremental|emergency|manual"),
    (FieldType::CheckpointTrigger, "automatic|manual|failure_prevention"),
    (FieldType::CheckResult, "passed|failed|unknown"),
    (FieldType::ErrorCategory, "execution|resource|dependency|state|system"),
    (FieldType::Severity, "critical|high|medium|low|info"),
    (FieldType::ErrorType, "timeout|conflict|corruption|unavailable|limit_exceeded"),
    (FieldType::ErrorScope, "workflow|phase|task|agent|system"),
    (FieldType::HealthState, "healthy|degraded|unhealthy|unknown"),
    (FieldType::StateMessage, "state_sync"),
    (FieldType::CheckpointMessage, "checkpoint_update"),
    (FieldType::RollbackMode, "full|partial|selective"),
    (FieldType::TextEncoding, "utf-8|base64"),
    (FieldType::Ballot, "accept|reject|abstain"),
    (FieldType::BallotOutcome, "committed|rejected|expired"),
];

fn words(shape: Shape) -> String {
    match shape {
        Shape::Leaf(leaf) => leaf.to_string(),
        Shape::Object(spec) => spec.name.to_owned(),
        Shape::List(of) => format!("list of {}", words(*of)),
        Shape::Map(of) => format!("map of {}", words(*of)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_table_is_that_of_the_specification() {
    let mut by_hand = BTreeMap::new();
    for paragraph in FIELDS.trim().split("\n\n") {
        let (name, fields) = paragraph.split_once('\n').unwrap();
        let fields: BTreeSet<String> = fields.lines().map(|line| line.trim().to_owned()).collect();
        assert!(by_hand.insert(name.to_owned(), fields).is_none(), "{name} twice");
    }
    for object in OBJECTS {
        let fields: BTreeSet<String> = object
            .members
            .iter()
            .map(|m| format!("{} {} {}", m.requirement.as_str(), m.name, words(m.shape)))
            .collect();
        assert_eq!(fields.len(), object.members.len(), "{}", object.name);
        let expected = by_hand.remove(object.name);
        assert_eq!(Some(fields), expected, "{}", object.name);
    }
    assert!(by_hand.is_empty(), "not in the crate: {by_hand:?}");
}

#[test]
fn the_words_are_those_of_the_specification() {
    for leaf in FieldType::ALL {
        let known = leaf.words().map(|words| words.join("|"));
        let expected =
            WORDS.iter().find(|(of, _)| of == leaf).map(|(_, words)| (*words).to_owned());
        assert_eq!(known, expected, "{leaf}");
    }
}

#[test]
fn a_row_knows_its_members_and_its_summaries() {
    for object in OBJECTS {
        assert!(object.summary.ends_with('.'), "{}", object.name);
        for member in object.members {
            assert_eq!(object.member(member.name), Some(member));
            assert!(member.summary.ends_with('.'), "{}.{}", object.name, member.name);
        }
        assert_eq!(object.member("no such field"), None);
        // Writers' order: what is required first.
        assert!(object.members.is_sorted_by_key(|m| m.requirement), "{}", object.name);
        let later = object.members.iter().filter(|m| *m.since > ProtocolVersion::V1_0_0);
        let later: Vec<_> = later.map(|m| m.name).collect();
        // What correlates and routes is in the specification.
        let expected: &[&str] = match object.name {
            "CheckpointSync" => &["state_version"],
            "EnvelopeHeader" => &[
                "protocol_version",
                "message_id",
                "timestamp",
                "source",
                "causation_id",
                "priority",
                "ttl_seconds",
                "signature",
            ],
            "WorkflowState" => &["epoch", "restored_version"],
            "Resources" => &["shared_files"],
            "AllocatedResources" => &["shared_files", "fence"],
            "AllocationResponse" => {
                &["position", "earliest_start", "latest_start", "blocked_by", "smallest_changes"]
            }
            "ComponentRegistration" | "HealthStatus" => &["instance"],
            "StateMetadata" => &["ancestors"],
            _ => &[],
        };
        assert_eq!(later, expected);
    }
    assert_eq!(OBJECTS[0], EnvelopeHeader::SPEC);
    for requirement in [
        Requirement::Essential,
        Requirement::Required,
        Requirement::Recommended,
        Requirement::Optional,
    ] {
        assert!(FIELDS.contains(&format!("    {} ", requirement.as_str())));
    }
}

#[test]
fn eight_documents_an_event_and_twelve_control_messages() {
    let names = |wanted: fn(&MessageKind) -> bool| -> Vec<&str> {
        MessageKind::KNOWN.iter().filter(|kind| wanted(kind)).map(|kind| kind.as_str()).collect()
    };
    assert_eq!(
        names(|kind| kind.is_document()),
        [
            "allocation_request",
            "allocation_response",
            "workflow_state",
            "checkpoint_sync",
            "error_report",
            "component_registration",
            "health_status",
            "component_config",
        ]
    );
    assert_eq!(
        names(|kind| kind.is_extension()),
        [
            "hello",
            "welcome",
            "release",
            "conflict_check",
            "rollback",
            "heartbeat",
            "subscription",
            "dead_letter",
            "proposal",
            "vote",
            "decision",
            "deregistration",
        ]
    );
    assert_eq!(MessageKind::KNOWN.len(), 21);
    for &kind in MessageKind::KNOWN {
        assert_eq!(kind.as_str().parse::<MessageKind>().unwrap(), kind);
        assert_eq!(MessageKind::lookup(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert!(kind.spec().is_some());
    }
    for name in ["unknown", "Event", "", "error_reports"] {
        let error = name.parse::<MessageKind>().unwrap_err();
        assert_eq!(error.to_string(), format!("`{name}` is no kind of message"));
    }
    assert!(MessageKind::Unknown.spec().is_none() && !MessageKind::Unknown.is_document());
}

/// The specification's own examples name each field of its documents, and no other.
#[test]
fn the_examples_name_every_field_but_the_extensions() {
    fn walk(spec: &'static ObjectSpec, tree: &Tree, seen: &mut BTreeSet<(&str, String)>) {
        let Tree::Object(entries) = tree else { panic!("{}", tree.to_json()) };
        for (key, value) in entries {
            let member = spec.member(key).unwrap_or_else(|| panic!("{}.{key}", spec.name));
            seen.insert((spec.name, key.clone()));
            match (member.shape, value) {
                (Shape::Object(inner), _) => walk(inner, value, seen),
                (Shape::List(Shape::Object(inner)), Tree::Array(items)) => {
                    for item in items {
                        walk(inner, item, seen);
                    }
                }
                (Shape::Map(Shape::Object(inner)), Tree::Object(entries)) => {
                    for (_, value) in entries {
                        walk(inner, value, seen);
                    }
                }
                _ => {}
            }
        }
    }
    fn reach(spec: &'static ObjectSpec, all: &mut BTreeSet<(&str, String)>) {
        for member in spec.members {
            all.insert((spec.name, member.name.to_owned()));
            let inner = match member.shape {
                Shape::List(of) | Shape::Map(of) => *of,
                shape => shape,
            };
            if let Shape::Object(inner) = inner {
                reach(inner, all);
            }
        }
    }
    let (mut seen, mut all) = (BTreeSet::new(), BTreeSet::new());
    let examples = super::examples();
    assert_eq!(examples.len(), 8);
    for (name, text) in examples {
        let spec = name.parse::<MessageKind>().unwrap().spec().unwrap();
        let Tree::Object(root) = super::generate::tree(&text) else { unreachable!() };
        walk(spec, &root[0].1, &mut seen);
        reach(spec, &mut all);
    }
    let silent: Vec<_> = all.difference(&seen).map(|(spec, key)| format!("{spec}.{key}")).collect();
    assert_eq!(
        silent,
        [
            "AllocatedResources.fence",
            "AllocatedResources.shared_files",
            "AllocationResponse.blocked_by",
            "AllocationResponse.earliest_start",
            "AllocationResponse.latest_start",
            "AllocationResponse.position",
            "AllocationResponse.reason",
            "AllocationResponse.smallest_changes",
            "Blocker.ahead",
            "Blocker.available_at",
            "Blocker.capacity",
            "Blocker.detail",
            "Blocker.free",
            "Blocker.held_by",
            "Blocker.needed",
            "Blocker.resource",
            "CheckpointSync.state_version",
            "ComponentRegistration.instance",
            "HealthStatus.instance",
            "HeldGrant.allocation_id",
            "HeldGrant.until",
            "HeldGrant.workflow_id",
            "Resources.shared_files",
            "StateMetadata.ancestors",
            "WorkflowState.epoch",
            "WorkflowState.restored_version"
        ]
    );
}

/// A value of the field's type, a value just inside the range and one just outside.
#[test]
fn ranges_are_those_of_the_specification() {
    let rows: &[(&str, &str, &[&str], &[&str])] = &[
        (
            "workflow_state",
            "current_phase/progress",
            &["0", "100", "67.5", "1e2"],
            &["100.01", "-1"],
        ),
        ("workflow_state", "agent_states/a/progress", &["45.2"], &["-0.1", "101"]),
        ("workflow_state", "agent_states/a/performance_score", &["92.1"], &["100.1"]),
        ("workflow_state", "resource_usage/cpu_utilization", &["73.2"], &["173.2"]),
        ("workflow_state", "resource_usage/memory_current", &["8.7", "1000"], &["-1"]),
        ("workflow_state", "resource_usage/storage_used", &["2.1", "500"], &["-0.001"]),
        ("workflow_state", "metadata/synchronization_confidence", &["0.97", "1"], &["97", "1.01"]),
        (
            "workflow_state",
            "state_version",
            &["0", "15", "15.0", "9007199254740991", "9007199254740991.0"],
            &["1.5", "-1", "9007199254740992", "1e16", "18446744073709551615"],
        ),
        ("checkpoint_sync", "storage_metadata/compression_ratio", &["0.67", "0", "1"], &["67"]),
        ("checkpoint_sync", "storage_metadata/size_bytes", &["15432"], &["0.5"]),
        ("error_report", "recovery_suggestions/0/success_probability", &["0.9"], &["90"]),
        ("health_status", "performance_metrics/success_rate", &["98.5"], &["100.5"]),
        ("health_status", "performance_metrics/error_rate", &["1.5"], &["-1.5"]),
        ("health_status", "performance_metrics/resource_usage/cpu_percent", &["12.3"], &["101"]),
        ("health_status", "performance_metrics/resource_usage/memory_mb", &["256", "0.5"], &["-1"]),
        ("health_status", "queue_size", &["0"], &["-1", "2.5"]),
        ("component_config", "monitoring/alert_thresholds/error_rate", &["5.0"], &["101"]),
        ("component_config", "monitoring/alert_thresholds/memory_usage", &["80.0"], &["8000"]),
        ("component_config", "performance/cache_size_mb", &["128", "0.5"], &["-128"]),
        ("allocation_request", "resources/agents", &["5", "5.0"], &["4.5", "-1"]),
        ("allocation_request", "resources/memory_gb", &["12", "0.25"], &["-1"]),
        ("allocation_request", "resources/cpu_cores", &["4", "0.5"], &["-4"]),
        ("allocation_request", "resources/duration_hours", &["2.5"], &["-2.5"]),
        ("allocation_request", "resources/tool_instances/bash", &["3", "1.5"], &["-3"]),
        ("allocation_request", "resources/tool_instances/a~1new~0tool", &["1"], &["-1"]),
    ];
    for (kind, path, inside, outside) in rows {
        let codec = Codec::new(Mode::Interop);
        for (values, fits) in [(inside, true), (outside, false)] {
            for value in *values {
                let text = format!("{{\"{kind}\":{}}}", nest(path, value));
                let report = codec.check_message(&text).report;
                let pointer = format!("/{kind}/{path}");
                let at: Vec<_> =
                    report.findings().iter().filter(|f| f.pointer == pointer).collect();
                assert_eq!(at.is_empty(), fits, "{text}: {report:?}");
                if !fits {
                    assert_eq!(at[0].code.as_str(), "out-of-range", "{text}");
                    assert_eq!(&text[at[0].range.clone()], *value);
                    assert_eq!(report.verdict(), Verdict::Invalid);
                }
            }
        }
    }
}

/// The value inside objects, and an array where the path says `0`.
fn nest(path: &str, value: &str) -> String {
    path.rsplit('/').fold(value.to_owned(), |inner, key| match key {
        "0" => format!("[{inner}]"),
        key => format!("{{\"{}\":{inner}}}", key.replace("~1", "/").replace("~0", "~")),
    })
}
