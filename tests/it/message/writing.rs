//! Messages made by hand: what is written, and that strict readers accept it.

use coordination_protocol::event::{Event, PhaseId, SystemShutdown};
use coordination_protocol::json::Json;
#[allow(clippy::wildcard_imports, reason = "nearly all documents are built")]
use coordination_protocol::message::*;
#[allow(clippy::wildcard_imports, reason = "nearly all scalars are used")]
use coordination_protocol::scalar::*;
use coordination_protocol::{Codec, Mode};
use std::collections::BTreeSet;

const NOON: &str = "2025-01-15T12:00:00Z";

fn at(time: &str) -> Timestamp {
    Timestamp::new(time).unwrap()
}

macro_rules! id {
    ($type:ident $text:literal) => {
        $type::new($text).unwrap()
    };
}

fn span(text: &str) -> Span {
    Span::new(text).unwrap()
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn percent(text: &str) -> Percent {
    Percent::parse(text).unwrap()
}

fn resources() -> Resources {
    let tools = [("bash", Amount::from(3)), ("web", Amount::parse("0.5").unwrap())];
    Resources::new()
        .with_agents(5)
        .with_memory_gb(Amount::new(12.5).unwrap())
        .with_exclusive_files(texts(&["a.nix"]))
        .with_tool_instances(Map::from_iter(tools))
}

/// One message of each kind, and what it must be written as.
#[allow(clippy::too_many_lines, reason = "a table")]
fn all() -> Vec<(Message, &'static str)> {
    let digest = || Digest::new(format!("sha256:{}", "0a".repeat(32))).unwrap();
    vec![
        (
            AllocationRequest::new(id!(RequestId "req_1"), id!(WorkflowId "wf"), "hub", at(NOON))
                .with_resources(resources())
                .with_priority(Priority::High)
                .with_constraints(
                    Constraints::new()
                        .with_max_wait_time(span("10m"))
                        .with_conflict_tolerance(ConflictTolerance::Low)
                        .with_isolation_level(IsolationLevel::Strict),
                )
                .with_fallback_options(FallbackOptions::new().with_reduce_agents(true))
                .into(),
            r#""allocation_request":{"request_id":"req_1","workflow_id":"wf","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":5,"memory_gb":12.5,"exclusive_files":["a.nix"],"tool_instances":{"bash":3,"web":0.5}},"priority":"high","constraints":{"max_wait_time":"10m","conflict_tolerance":"low","isolation_level":"strict"},"fallback_options":{"reduce_agents":true}}"#,
        ),
        (
            AllocationResponse::new(
                id!(ResponseId "resp_1"),
                id!(RequestId "req_1"),
                AllocationStatus::Partial,
                at(NOON),
            )
            .with_allocated_resources(
                AllocatedResources::new()
                    .with_allocation_id(id!(AllocationId "alloc_1"))
                    .with_agents(4),
            )
            .with_restrictions(
                Restrictions::new()
                    .with_performance_limits(
                        PerformanceLimits::new()
                            .with_memory_per_agent(ByteSize::new("2.5GB").unwrap()),
                    )
                    .with_exclusive_access_windows(vec![Window::new("12:30-13:00").unwrap()]),
            )
            .with_alternatives(vec![
                Alternative::new("delayed_allocation").with_available_at(at(NOON)),
            ])
            .into(),
            r#""allocation_response":{"response_id":"resp_1","request_id":"req_1","status":"partial","timestamp":"2025-01-15T12:00:00Z","allocated_resources":{"allocation_id":"alloc_1","agents":4},"restrictions":{"performance_limits":{"memory_per_agent":"2.5GB"},"exclusive_access_windows":["12:30-13:00"]},"alternatives":[{"option":"delayed_allocation","available_at":"2025-01-15T12:00:00Z"}]}"#,
        ),
        (
            WorkflowState::new(id!(WorkflowId "wf"), 15, at(NOON))
                .with_message_type(StateMessage::StateSync)
                .with_current_phase(
                    CurrentPhase::new(PhaseId::from(3)).with_progress(percent("67.50")),
                )
                .with_agent_states(Map::from_iter([("agent_001", AgentState::new("active"))]))
                .with_metadata(
                    StateMetadata::new()
                        .with_synchronization_confidence(Ratio::parse("0.970").unwrap()),
                )
                .into(),
            r#""workflow_state":{"workflow_id":"wf","state_version":15,"timestamp":"2025-01-15T12:00:00Z","message_type":"state_sync","current_phase":{"phase_id":3,"progress":67.50},"agent_states":{"agent_001":{"status":"active"}},"metadata":{"synchronization_confidence":0.970}}"#,
        ),
        (
            CheckpointSync::new(
                id!(WorkflowId "wf"),
                id!(CheckpointId "ckpt_1"),
                CheckpointType::Manual,
                at(NOON),
                15,
            )
            .with_state_snapshot(StateSnapshot::new().with_file_system_hash(digest()))
            .with_validation_results(
                ValidationResults::new().with_integrity_check(CheckResult::Passed),
            )
            .into(),
            r#""checkpoint_sync":{"workflow_id":"wf","checkpoint_id":"ckpt_1","checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z","state_version":15,"state_snapshot":{"file_system_hash":"sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"},"validation_results":{"integrity_check":"passed"}}"#,
        ),
        (
            ErrorReport::new(
                id!(ErrorId "err_1"),
                Classification::new(
                    ErrorCategory::Execution,
                    Severity::High,
                    ErrorType::Timeout,
                    ErrorScope::Task,
                    true,
                ),
                WorkflowId::global(),
                at(NOON),
            )
            .with_context(ErrorContext::new().with_phase(Phase::global()))
            .with_recovery_suggestions(vec![
                RecoverySuggestion::new("retry").with_success_probability(Ratio::new(0.9).unwrap()),
            ])
            .into(),
            r#""error_report":{"error_id":"err_1","classification":{"category":"execution","severity":"high","type":"timeout","scope":"task","recoverable":true},"workflow_id":"global","timestamp":"2025-01-15T12:00:00Z","context":{"phase":"global"},"recovery_suggestions":[{"strategy":"retry","success_probability":0.9}]}"#,
        ),
        (
            ComponentRegistration::new(id!(ComponentId "hub"), "orchestration")
                .with_version(ComponentVersion::new("1.0.0").unwrap())
                .with_event_publications(texts(&[]))
                .into(),
            r#""component_registration":{"component_id":"hub","component_type":"orchestration","version":"1.0.0","event_publications":[]}"#,
        ),
        (
            HealthStatus::new(id!(ComponentId "hub"), HealthState::Healthy, at(NOON))
                .with_performance_metrics(
                    ComponentPerformance::new()
                        .with_success_rate(percent("98.5"))
                        .with_resource_usage(
                            ComponentUsage::new().with_cpu_percent(percent("12.30")),
                        ),
                )
                .with_dependencies(Map::from_iter([("disk", HealthState::Degraded)]))
                .into(),
            r#""health_status":{"component_id":"hub","status":"healthy","timestamp":"2025-01-15T12:00:00Z","performance_metrics":{"success_rate":98.5,"resource_usage":{"cpu_percent":12.30}},"dependencies":{"disk":"degraded"}}"#,
        ),
        (
            ComponentConfig::new(id!(ComponentId "hub"))
                .with_coordination(CoordinationConfig::new().with_heartbeat_interval(span("30s")))
                .with_performance(PerformanceConfig::new().with_cache_size_mb(Amount::from(128)))
                .with_monitoring(
                    MonitoringConfig::new().with_alert_thresholds(
                        AlertThresholds::new().with_error_rate(percent("5.0")),
                    ),
                )
                .into(),
            r#""component_config":{"component_id":"hub","coordination":{"heartbeat_interval":"30s"},"performance":{"cache_size_mb":128},"monitoring":{"alert_thresholds":{"error_rate":5.0}}}"#,
        ),
        (
            Hello::new(
                id!(ComponentId "hub"),
                vec![VersionRange::new(ProtocolVersion::V1_0_0, ProtocolVersion::V1_1_0)],
            )
            .with_floor(ProtocolVersion::V1_0_0)
            .into(),
            r#""hello":{"component_id":"hub","versions":[{"min":"1.0.0","max":"1.1.0"}],"floor":"1.0.0"}"#,
        ),
        (
            Welcome::new(id!(ComponentId "hub"), ProtocolVersion::V1_1_0).into(),
            r#""welcome":{"component_id":"hub","version":"1.1.0"}"#,
        ),
        (
            Release::new(id!(AllocationId "alloc_1"), "done").with_force(false).into(),
            r#""release":{"allocation_id":"alloc_1","release_reason":"done","force":false}"#,
        ),
        (
            ConflictCheck::new(id!(RequestId "req_1"))
                .with_resources(resources())
                .with_conflicts(vec![
                    Conflict::new(id!(ConflictId "c1"), Severity::Low).with_resource("a.nix"),
                ])
                .into(),
            r#""conflict_check":{"request_id":"req_1","resources":{"agents":5,"memory_gb":12.5,"exclusive_files":["a.nix"],"tool_instances":{"bash":3,"web":0.5}},"conflicts":[{"conflict_id":"c1","severity":"low","resource":"a.nix"}]}"#,
        ),
        (
            Rollback::new(
                id!(WorkflowId "wf"),
                id!(CheckpointId "ckpt_1"),
                RollbackMode::Selective,
            )
            .with_agents(texts(&["agent_003"]))
            .into(),
            r#""rollback":{"workflow_id":"wf","checkpoint_id":"ckpt_1","mode":"selective","agents":["agent_003"]}"#,
        ),
        (
            Heartbeat::new(id!(ComponentId "hub"), u64::MAX, at(NOON)).into(),
            r#""heartbeat":{"component_id":"hub","sequence":18446744073709551615,"timestamp":"2025-01-15T12:00:00Z"}"#,
        ),
        (
            Subscription::new(id!(ComponentId "hub"), texts(&["task.*.failed"]))
                .with_filter("{\"min_severity\":\"high\"}".parse::<Json>().unwrap())
                .into(),
            r#""subscription":{"subscriber":"hub","patterns":["task.*.failed"],"filter":{"min_severity":"high"}}"#,
        ),
        (
            DeadLetter::new("invalid", "{\"a\":\n", 3, at(NOON))
                .with_encoding(TextEncoding::Utf8)
                .with_findings(vec![Json::from("broken-json")])
                .into(),
            r#""dead_letter":{"reason":"invalid","original":"{\"a\":\n","attempts":3,"died_at":"2025-01-15T12:00:00Z","encoding":"utf-8","findings":["broken-json"]}"#,
        ),
        (
            Proposal::new(
                id!(ProposalId "p1"),
                id!(WorkflowId "wf"),
                16,
                id!(ComponentId "hub"),
                digest(),
            )
            .with_deadline(at(NOON))
            .into(),
            r#""proposal":{"proposal_id":"p1","workflow_id":"wf","state_version":16,"proposer":"hub","digest":"sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","deadline":"2025-01-15T12:00:00Z"}"#,
        ),
        (
            Vote::new(id!(ProposalId "p1"), id!(ComponentId "w1"), Ballot::Abstain)
                .with_weight(2)
                .into(),
            r#""vote":{"proposal_id":"p1","voter":"w1","vote":"abstain","weight":2}"#,
        ),
        (
            Decision::new(id!(ProposalId "p1"), BallotOutcome::Committed).with_accepted(3).into(),
            r#""decision":{"proposal_id":"p1","outcome":"committed","accepted":3}"#,
        ),
        (
            Deregistration::new(id!(ComponentId "hub"), "update").with_timestamp(at(NOON)).into(),
            r#""deregistration":{"component_id":"hub","reason":"update","timestamp":"2025-01-15T12:00:00Z"}"#,
        ),
        (
            Event::global(SystemShutdown::new(id!(ComponentId "hub"), "update")).into(),
            r#""event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}"#,
        ),
    ]
}

#[test]
fn every_kind_can_be_written() {
    let mut kinds = BTreeSet::new();
    for (message, written) in all() {
        kinds.insert(message.kind());
        let bare = Envelope::from(message.clone());
        assert_eq!(bare.to_string(), format!("{{{written}}}"));
        let report = Codec::new(Mode::Strict).check_message(&bare.to_string()).report;
        assert!(report.is_empty(), "{written}: {report:?}");
        assert_eq!(bare.to_string().parse::<Envelope>().unwrap(), bare);
        assert_eq!(serde_json::to_string(&message).unwrap(), bare.to_string());
        let read: Message = serde_json::from_str(&bare.to_string()).unwrap();
        assert_eq!(read, message);

        let header = EnvelopeHeader::new()
            .with_source(id!(ComponentId "hub"))
            .with_extra("trace", "x")
            .unwrap();
        let envelope = Envelope::new(header, message.clone());
        let text = envelope.to_string();
        assert!(text.starts_with("{\"source\":\"hub\",") && text.contains(written), "{text}");
        assert_eq!(text.parse::<Envelope>().unwrap(), envelope);
        let mut buffer = b"x".to_vec();
        envelope.write(&mut buffer);
        assert_eq!(buffer[1..], *text.as_bytes());
        // A message alone has no place for what stands beside its body.
        let error = serde_json::from_str::<Message>(&text).unwrap_err();
        assert!(error.to_string().contains("read an envelope instead"), "{error}");
    }
    assert_eq!(kinds, MessageKind::KNOWN.iter().copied().collect());
}

#[test]
fn a_whole_header_is_written_in_order() {
    let header = EnvelopeHeader::new()
        .with_protocol_version(ProtocolVersion::V1_1_0)
        .with_message_id(id!(MessageId "msg_1"))
        .with_timestamp(at(NOON))
        .with_source(id!(ComponentId "hub"))
        .with_correlation_id(id!(CorrelationId "corr_1"))
        .with_causation_id(id!(MessageId "msg_0"))
        .with_request_id(id!(RequestId "req_1"))
        .with_response_to(id!(RequestId "req_1"))
        .with_response_required(true)
        .with_priority(Priority::Critical)
        .with_ttl_seconds(Amount::parse("3.50").unwrap())
        .with_routing_key("resource.wf_001.released")
        .with_signature(Signature::new("k1", "ed25519", "AA=="));
    let release = Release::new(id!(AllocationId "a"), "r");
    let envelope = Envelope::new(header, release);
    let text = envelope.to_string();
    assert_eq!(
        text,
        r#"{"protocol_version":"1.1.0","message_id":"msg_1","timestamp":"2025-01-15T12:00:00Z","source":"hub","correlation_id":"corr_1","causation_id":"msg_0","request_id":"req_1","response_to":"req_1","response_required":true,"priority":"critical","ttl_seconds":3.50,"routing_key":"resource.wf_001.released","signature":{"key_id":"k1","algorithm":"ed25519","value":"AA=="},"release":{"allocation_id":"a","release_reason":"r"}}"#
    );
    assert_eq!(text.parse::<Envelope>().unwrap(), envelope);
    assert_eq!(EnvelopeHeader::default(), EnvelopeHeader::new());
}

#[test]
fn fields_of_the_writer_are_kept_and_never_shadow_the_protocols() {
    let vote = Vote::new(id!(ProposalId "p"), id!(ComponentId "v"), Ballot::Accept);
    let vote = vote.with_extra("note", 1.5_f64.to_string()).unwrap();
    let vote =
        vote.with_extra("a/b \"c\"", "[1.50, {\"x\": null}]".parse::<Json>().unwrap()).unwrap();
    for (key, count) in [("vote", 2), ("weight", 2)] {
        let error = vote.clone().with_extra(key, 1).unwrap_err();
        assert_eq!(error.to_string(), format!("`{key}` is a field of its own; set it there"));
        assert_eq!(vote.extra().len(), count);
    }
    let text = Envelope::from(vote.clone()).to_string();
    assert_eq!(
        text,
        r#"{"vote":{"proposal_id":"p","voter":"v","vote":"accept","note":"1.5","a/b \"c\"":[1.50,{"x":null}]}}"#
    );
    let Message::Vote(read) = text.parse::<Envelope>().unwrap().message else { unreachable!() };
    assert_eq!(*read, vote);
    // A wire name differs from the Rust field in one place.
    let classification = Classification::new(
        ErrorCategory::State,
        Severity::Info,
        ErrorType::Conflict,
        ErrorScope::Agent,
        false,
    );
    assert!(classification.clone().with_extra("type", 1).is_err());
    assert!(classification.with_extra("error_type", 1).is_ok());
}

#[test]
fn documents_read_and_write_alone() {
    let state: HealthStatus = serde_json::from_str(
        r#" {"component_id":"hub", "status":"fine", "x":[1.50], "uptime":"5h_47m"} "#,
    )
    .unwrap();
    assert_eq!((state.status.as_str(), state.timestamp.is_none()), ("fine", true));
    assert_eq!(
        serde_json::to_string(&state).unwrap(),
        r#"{"component_id":"hub","status":"fine","uptime":"5h_47m","x":[1.50]}"#
    );
    for (text, error) in [
        ("[]", "expected an object, found an array"),
        ("7", "expected an object, found number 7"),
        (r#"{"status":"healthy"}"#, "`component_id` is missing"),
        (r#"{"component_id":"hub","status":"healthy","queue_size":-1}"#, "out-of-range"),
        (r#"{"component_id":"a:b","status":"healthy"}"#, "bad-identifier"),
        (r#"{"component_id":"hub","status":"healthy","status":"healthy"}"#, "duplicate-key"),
    ] {
        let found = serde_json::from_str::<HealthStatus>(text).unwrap_err().to_string();
        assert!(found.contains(error), "{text}: {found}");
    }
    assert!(serde_json::from_str::<Envelope>("[]").is_err());
}

#[test]
fn maps_keep_their_order() {
    let mut map: Map<Count> = Map::new();
    assert!(map.is_empty() && map.get("a").is_none());
    for (key, value) in [("z", 1_u64), ("a", 2), ("", 3), ("a", 4)] {
        map.insert(key, value.into());
    }
    let entries = |map: &Map<Count>| -> Vec<(String, u64)> {
        map.iter().map(|(key, value)| (key.to_owned(), value.get())).collect()
    };
    assert_eq!(entries(&map), [("z".into(), 1), ("a".into(), 4), (String::new(), 3)]);
    assert_eq!((map.len(), map.is_empty()), (3, false));
    let again: Map<Count> =
        [("a", Count::new(1)), ("b", Count::new(2)), ("a", Count::new(3))].into_iter().collect();
    assert_eq!(entries(&again), [("a".into(), 3), ("b".into(), 2)]);
    let often = ["b", "a", "b", "c", "a", "b"].into_iter().zip(1_u64..);
    let often: Map<Count> = often.map(|(key, value)| (key, Count::new(value))).collect();
    assert_eq!(entries(&often), [("b".into(), 6), ("a".into(), 5), ("c".into(), 4)]);
    assert_eq!(Map::<Count>::default(), Map::new());
    // Order is part of a map, as it is of what is written.
    let turned: Map<Count> = [("b", Count::new(2)), ("a", Count::new(3))].into_iter().collect();
    assert_ne!(again, turned);
}

/// What the examples show is what strict readers accept, one message after the other.
#[test]
fn the_example_stream_is_valid() {
    let stream = include_str!("../../../examples/documents.json");
    let mut kinds = BTreeSet::new();
    let mut rest = stream;
    while !rest.trim_start().is_empty() {
        let mut values =
            serde_json::Deserializer::from_str(rest).into_iter::<&serde_json::value::RawValue>();
        let text = values.next().unwrap().unwrap().get();
        rest = &rest[values.byte_offset()..];
        let record = Codec::new(Mode::Strict).check_message(text);
        assert!(record.report.is_empty(), "{text}: {:?}", record.report);
        kinds.insert(record.kind());
    }
    let expected: BTreeSet<_> = MessageKind::KNOWN.iter().copied().collect();
    assert_eq!(kinds, expected);
}
