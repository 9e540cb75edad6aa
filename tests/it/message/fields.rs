//! The table of fields against a second one, written by hand from the specification's documents
//! and from the list of extensions.

use crate::support::Tree;
use coordination_protocol::event::FieldType;
use coordination_protocol::finding::Verdict;
use coordination_protocol::message::{Header, MessageKind, OBJECTS, ObjectSpec, Presence, Shape};
use coordination_protocol::{Codec, Mode, ProtocolVersion};
use std::collections::{BTreeMap, BTreeSet};

/// An object a paragraph: its name, then a field a line: presence, name, type.
const FIELDS: &str = "
Header
    may protocol_version protocol_version
    may message_id id
    may timestamp timestamp
    may source id
    may correlation_id id
    may causation_id id
    may request_id id
    may response_to id
    may response_required bool
    may priority priority
    may ttl_seconds amount
    may routing_key text
    may signature Signature

Signature
    need key_id text
    need algorithm text
    need value text

AllocationRequest
    need request_id id
    need workflow_id id
    want requester text
    want timestamp timestamp
    may priority priority
    may resources Resources
    may constraints Constraints
    may fallback_options FallbackOptions

Resources
    may agents count
    may memory_gb amount
    may cpu_cores amount
    may duration_hours amount
    may exclusive_files text_list
    may tool_instances map of amount

Constraints
    may max_wait_time span
    may min_performance text
    may conflict_tolerance conflict_tolerance
    may isolation_level isolation_level

FallbackOptions
    may reduce_agents bool
    may extend_duration bool
    may accept_shared_resources bool
    may queue_if_unavailable bool

AllocationResponse
    need response_id id
    need request_id id
    need status allocation_status
    want timestamp timestamp
    may allocated_resources AllocatedResources
    may restrictions Restrictions
    may alternatives list of Alternative
    may reason text

AllocatedResources
    may allocation_id id
    may agents count
    may memory_gb amount
    may cpu_cores amount
    may duration_hours amount
    may exclusive_files text_list
    may tool_instances map of amount

Restrictions
    may monitoring_required bool
    may performance_limits PerformanceLimits
    may auto_release_timeout span
    may exclusive_access_windows list of window

PerformanceLimits
    may memory_per_agent byte_size

Alternative
    want option text
    may available_at timestamp
    may full_resources bool

WorkflowState
    may message_type state_message
    need workflow_id id
    want timestamp timestamp
    need state_version count
    may checkpoint_id id
    may current_phase CurrentPhase
    may agent_states map of AgentState
    may resource_usage ResourceUsage
    may validation_required text_list
    may metadata StateMetadata

CurrentPhase
    want phase_id phase
    may name text
    may progress percent
    may started_at timestamp
    may estimated_completion timestamp

AgentState
    want status text
    may current_task id
    may progress percent
    may performance_score percent

ResourceUsage
    may memory_current amount
    may cpu_utilization percent
    may storage_used amount

StateMetadata
    may last_update_source text
    may synchronization_confidence ratio
    may conflict_detected bool
    may ancestors list of digest

CheckpointSync
    may message_type checkpoint_message
    need workflow_id id
    need checkpoint_id id
    want timestamp timestamp
    need checkpoint_type checkpoint_type
    advise state_version count
    may trigger checkpoint_trigger
    may state_snapshot StateSnapshot
    may validation_results ValidationResults
    may storage_metadata StorageMetadata

StateSnapshot
    may workflow_state_hash digest
    may file_system_hash digest
    may agent_state_hash digest
    may resource_state_hash digest

ValidationResults
    may integrity_check check_result
    may dependency_validation check_result
    may resource_consistency check_result

StorageMetadata
    may size_bytes count
    may compression_ratio ratio
    may storage_location text
    may backup_locations text_list

ErrorReport
    need error_id id
    want workflow_id id
    want timestamp timestamp
    need classification Classification
    may context ErrorContext
    may details ErrorDetails
    may impact_assessment ImpactAssessment
    may recovery_suggestions list of RecoverySuggestion

Classification
    need category error_category
    need severity severity
    want type error_type
    want scope error_scope
    want recoverable bool

ErrorContext
    may component text
    may operation text
    may phase id
    may task id
    may agent id

ErrorDetails
    may error_message text
    may technical_details text
    may stack_trace text
    may related_events text_list

ImpactAssessment
    may affected_tasks text_list
    may affected_agents text_list
    may blocking_dependencies text_list
    may estimated_delay span
    may workflow_risk severity

RecoverySuggestion
    want strategy text
    may description text
    may estimated_time span
    may success_probability ratio

ComponentRegistration
    need component_id id
    want component_type text
    may version version
    may capabilities text_list
    may dependencies text_list
    may event_subscriptions text_list
    may event_publications text_list
    may health_check_endpoint text
    may performance_metrics text_list

HealthStatus
    need component_id id
    want timestamp timestamp
    need status health_state
    may uptime span
    may last_activity timestamp
    may performance_metrics ComponentPerformance
    may active_operations count
    may queue_size count
    may dependencies map of health_state

ComponentPerformance
    may response_time_avg span
    may success_rate percent
    may error_rate percent
    may resource_usage ComponentUsage

ComponentUsage
    may memory_mb amount
    may cpu_percent percent

ComponentConfig
    need component_id id
    may coordination CoordinationConfig
    may performance PerformanceConfig
    may monitoring MonitoringConfig

CoordinationConfig
    may hub_endpoint text
    may heartbeat_interval span
    may event_queue_size count
    may max_retry_attempts count
    may timeout_default span

PerformanceConfig
    may max_concurrent_operations count
    may resource_pool_size count
    may cache_size_mb amount
    may optimization_interval span

MonitoringConfig
    may metrics_collection bool
    may performance_tracking bool
    may health_check_interval span
    may alert_thresholds AlertThresholds

AlertThresholds
    may response_time span
    may error_rate percent
    may memory_usage percent

Hello
    need component_id id
    need versions list of VersionRange
    may floor protocol_version
    may capabilities text_list

VersionRange
    need min protocol_version
    need max protocol_version

Welcome
    need component_id id
    need version protocol_version
    may capabilities text_list
    may heartbeat_interval span

Release
    need allocation_id id
    want release_reason text
    may workflow_id id
    may requester text
    may force bool
    may cleanup bool

ConflictCheck
    need request_id id
    may resources Resources
    may workflow_id id
    may conflict_tolerance conflict_tolerance
    may conflicts list of Conflict

Conflict
    need conflict_id id
    want severity severity
    may resource text
    may allocation_id id
    may request_id id

Rollback
    need workflow_id id
    need checkpoint_id id
    want mode rollback_mode
    may recovery_id id
    may parts text_list
    may agents text_list
    may tasks text_list
    may reason text

Heartbeat
    need component_id id
    want sequence count
    want timestamp timestamp
    may status health_state

Subscription
    need subscriber id
    need patterns text_list
    may filter json
    may group text
    may cancel bool

DeadLetter
    need reason text
    need original text
    want attempts count
    want died_at timestamp
    may encoding text_encoding
    may findings list of json
    may subscriber id
    may first_attempt_at timestamp
    may last_attempt_at timestamp

Proposal
    need proposal_id id
    need workflow_id id
    need state_version count
    want proposer id
    want digest digest
    may value json
    may deadline timestamp

Vote
    need proposal_id id
    need voter id
    need vote ballot
    may weight count
    may reason text

Decision
    need proposal_id id
    need outcome ballot_outcome
    may workflow_id id
    may state_version count
    may digest digest
    may accepted count
    may rejected count

Deregistration
    need component_id id
    want reason text
    may timestamp timestamp
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
            .map(|m| format!("{} {} {}", m.presence.as_str(), m.name, words(m.shape)))
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
fn a_row_knows_its_members_and_its_sentences() {
    for object in OBJECTS {
        assert!(object.sentence.ends_with('.'), "{}", object.name);
        for member in object.members {
            assert_eq!(object.member(member.name), Some(member));
            assert!(member.sentence.ends_with('.'), "{}.{}", object.name, member.name);
        }
        assert_eq!(object.member("no such field"), None);
        // Writers' order: what is required first.
        assert!(object.members.is_sorted_by_key(|m| m.presence), "{}", object.name);
        let later = object.members.iter().filter(|m| *m.since > ProtocolVersion::V1_0_0);
        let later: Vec<_> = later.map(|m| m.name).collect();
        // What correlates and routes is in the specification.
        let expected: &[&str] = match object.name {
            "CheckpointSync" => &["state_version"],
            "Header" => &[
                "protocol_version",
                "message_id",
                "timestamp",
                "source",
                "causation_id",
                "priority",
                "ttl_seconds",
                "signature",
            ],
            "StateMetadata" => &["ancestors"],
            _ => &[],
        };
        assert_eq!(later, expected);
    }
    assert_eq!(OBJECTS[0], Header::SPEC);
    for presence in [Presence::Need, Presence::Want, Presence::Advise, Presence::May] {
        assert!(FIELDS.contains(&format!("    {} ", presence.as_str())));
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
        ["AllocationResponse.reason", "CheckpointSync.state_version", "StateMetadata.ancestors"]
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
        ("workflow_state", "state_version", &["0", "15", "15.0"], &["1.5", "-1"]),
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
