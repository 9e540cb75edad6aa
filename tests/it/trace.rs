//! What a trace tells: each rule with a log that breaks it and one that does not, spans, diagrams.

use coordination_protocol::event::EventType;
use coordination_protocol::lifecycle::{
    AllocationLife, Clock, LIFECYCLES, Lifecycle, PhaseLife, TaskLife, WorkflowLife,
};
use coordination_protocol::trace::{
    ChromeTrace, MERMAID_CHARACTERS, SpanKind, Trace, TraceOptions, TraceRule, TraceSpan,
    TraceViolation, bars, mermaid_gantt,
};
use coordination_protocol::{Codec, EventRef, Mode, WallTime};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The start of a line of an event, and the data that it takes beside what is given.
fn line(short: &str) -> String {
    let (name, rest) = short.split_once(' ').unwrap_or((short, ""));
    let (workflow, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let kind: EventType = name.parse().unwrap();
    let codec = Codec::default();
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for pair in rest.split_whitespace() {
        let (key, value) = pair.split_once('=').unwrap();
        given.insert(key.to_owned(), value.to_owned());
    }
    let mut data = Vec::new();
    for field in codec.registry().required(kind.as_str()).unwrap() {
        let value = given.remove(field.0).unwrap_or_else(|| sample(field.0).to_owned());
        data.push(format!("\"{}\":{}", field.0, quoted(&value)));
    }
    data.extend(given.iter().map(|(key, value)| format!("\"{key}\":{}", quoted(value))));
    format!("{name}:{workflow}:build:{{{}}}", data.join(","))
}

fn quoted(value: &str) -> String {
    if value.starts_with(['{', '[', '"']) || value.parse::<f64>().is_ok() {
        return value.to_owned();
    }
    format!("\"{value}\"")
}

fn sample(key: &str) -> &'static str {
    match key {
        "start_time" | "resume_time" | "completion_time" => "2025-01-15T12:00:00Z",
        "estimated_duration" | "actual_duration" | "duration" | "timeout_duration" => "5m",
        "retry_count" => "1",
        "progress_percentage" => "50",
        "agent_id" | "old_agent" => "a1",
        "new_agent" => "a2",
        "task_id" => "t1",
        "phase_id" => "p1",
        "allocation_id" => "alloc_1",
        "recovery_id" => "r1",
        "requester" | "reason" | "release_reason" | "failure_reason" | "cancellation_reason" => "x",
        _ => "{}",
    }
}

/// All violations of a log, whose lines may be messages as well.
fn told(lines: &[&str]) -> Vec<TraceViolation> {
    let mut trace = Trace::new(TraceOptions::new().expecting_end());
    let mut violations = Vec::new();
    for (number, short) in (1..).zip(lines) {
        let step = if short.starts_with('{') {
            let codec = Codec::new(Mode::Interop);
            trace.take(number, &codec.parse_message(short).unwrap().decode().unwrap())
        } else {
            trace.take_event(number, None, "", &EventRef::parse(&line(short)).unwrap())
        };
        violations.extend(step.violations);
    }
    violations.extend(trace.finish().violations);
    violations
}

/// A log that breaks a rule, what is told of it, and one like it that breaks none.
const CASES: &[(TraceRule, &[&str], &str, &[&str])] = &[
    (
        TraceRule::NotBegun,
        &["PHASE_COMPLETED w"],
        "not-begun: PHASE_COMPLETED of phase p1, which has not begun",
        &["PHASE_STARTED w", "PHASE_COMPLETED w"],
    ),
    (
        TraceRule::AfterEnd,
        &["PHASE_STARTED w", "PHASE_COMPLETED w", "PHASE_PROGRESS w"],
        "after-end: PHASE_PROGRESS of phase p1, which is completed (see 2)",
        &["PHASE_STARTED w", "PHASE_FAILED w", "PHASE_STARTED w", "PHASE_PROGRESS w"],
    ),
    (
        TraceRule::OutOfOrder,
        &["TASK_ASSIGNED w", "TASK_COMPLETED w"],
        "out-of-order: TASK_COMPLETED of task t1, which is assigned (see 1)",
        &["TASK_ASSIGNED w", "TASK_STARTED w", "TASK_COMPLETED w"],
    ),
    (
        TraceRule::AfterWorkflow,
        &["WORKFLOW_STARTED w", "WORKFLOW_COMPLETED w", "TASK_ASSIGNED w"],
        "after-workflow: TASK_ASSIGNED of task t1, and w is completed (see 2)",
        &["WORKFLOW_STARTED w", "TASK_ASSIGNED w", "TASK_FAILED w", "WORKFLOW_COMPLETED w"],
    ),
    (
        TraceRule::OtherAgent,
        &["TASK_ASSIGNED w", "TASK_STARTED w", "TASK_COMPLETED w agent_id=a2"],
        "other-agent: TASK_COMPLETED of task t1 comes from a2, and a1 has it (see 1)",
        &["TASK_ASSIGNED w", "TASK_REASSIGNED w", "TASK_STARTED w agent_id=a2"],
    ),
    (
        TraceRule::StaleAttempt,
        &[
            "TASK_ASSIGNED w attempt=1",
            "TASK_STARTED w attempt=1",
            "TASK_REASSIGNED w attempt=2",
            "TASK_COMPLETED w attempt=1",
        ],
        "stale-attempt: TASK_COMPLETED of task t1 is of attempt 1, and 2 runs (see 3)",
        &[
            "TASK_ASSIGNED w attempt=1",
            "TASK_REASSIGNED w attempt=2",
            "TASK_STARTED w attempt=2 agent_id=a2",
        ],
    ),
    (
        TraceRule::StaleEpoch,
        &["PHASE_STARTED w epoch=2", "PHASE_PROGRESS w epoch=1"],
        "stale-epoch: PHASE_PROGRESS is of epoch 1, and 2 began (see 1)",
        &["PHASE_STARTED w epoch=1", "PHASE_PROGRESS w epoch=2"],
    ),
    (
        TraceRule::StaleFence,
        &["RESOURCE_ALLOCATED w fence=1-2", "RESOURCE_DEALLOCATED w fence=1-1"],
        "stale-fence: alloc_1 is given back with the fence 1-1, and has 1-2 (see 1)",
        &[
            "RESOURCE_ALLOCATED w fence=1-2",
            "RESOURCE_ALLOCATED w allocation_id=b fence=1-3",
            "RESOURCE_DEALLOCATED w fence=1-2",
        ],
    ),
    (
        TraceRule::DoubleGrant,
        &["RESOURCE_ALLOCATED w", "RESOURCE_ALLOCATED w"],
        "double-grant: alloc_1 is granted and was held (see 1)",
        &["RESOURCE_ALLOCATED w", "RESOURCE_ALLOCATED w allocation_id=b"],
    ),
    (
        TraceRule::Overlap,
        &[
            r#"RESOURCE_ALLOCATED w resource_details={"exclusive_files":["src/**"]}"#,
            r#"RESOURCE_ALLOCATED w allocation_id=b resource_details={"shared_files":["src/a"]}"#,
        ],
        "overlap: b holds src/a, and alloc_1 holds what it overlaps (see 1)",
        &[
            r#"RESOURCE_ALLOCATED w resource_details={"exclusive_files":["src/**"]}"#,
            "RESOURCE_DEALLOCATED w",
            r#"RESOURCE_ALLOCATED w allocation_id=b resource_details={"exclusive_files":["src/a"]}"#,
            r#"RESOURCE_ALLOCATED w allocation_id=c resource_details={"shared_files":["docs"]}"#,
            r#"RESOURCE_ALLOCATED w allocation_id=d resource_details={"shared_files":["docs/x"]}"#,
        ],
    ),
    (
        TraceRule::UnknownGrant,
        &["RESOURCE_DEALLOCATED w"],
        "unknown-grant: alloc_1 is given back, and is not held",
        &["RESOURCE_ALLOCATED w", "RESOURCE_DEALLOCATED w"],
    ),
    (
        TraceRule::LeakedGrant,
        &["WORKFLOW_STARTED w", "RESOURCE_ALLOCATED w", "WORKFLOW_FAILED w"],
        "leaked-grant: w has ended and holds alloc_1 (see 2)",
        &[
            "WORKFLOW_STARTED w",
            "RESOURCE_ALLOCATED w",
            "RESOURCE_DEALLOCATED w",
            "WORKFLOW_FAILED w",
        ],
    ),
    (
        TraceRule::OpenWork,
        &["WORKFLOW_STARTED w", "PHASE_STARTED w", "WORKFLOW_COMPLETED w"],
        "open-work: w is completed, and phase p1 is running (see 2)",
        &["WORKFLOW_STARTED w", "PHASE_STARTED w", "PHASE_COMPLETED w", "WORKFLOW_COMPLETED w"],
    ),
    (
        TraceRule::NoEnd,
        &["WORKFLOW_CREATED w", "WORKFLOW_STARTED w"],
        "no-end: workflow w is running (see 2)",
        &["WORKFLOW_CREATED w", "WORKFLOW_STARTED w", "WORKFLOW_CANCELLED w"],
    ),
    (
        TraceRule::ProgressBack,
        &["PHASE_STARTED w", "PHASE_PROGRESS w", "PHASE_PROGRESS w progress_percentage=49.5"],
        "progress-back: phase p1 was at 50 % and is at 49.5 % (see 2)",
        &["PHASE_STARTED w", "PHASE_PROGRESS w", "PHASE_PROGRESS w progress_percentage=50.0"],
    ),
    (
        TraceRule::ClockBack,
        &[
            r#"{"source":"hub","timestamp":"2025-01-15T12:00:01Z","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"x","shutdown_reason":"y"}}}"#,
            r#"{"source":"hub","timestamp":"2025-01-15T12:00:00Z","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"x","shutdown_reason":"y"}}}"#,
        ],
        "clock-back: SYSTEM_SHUTDOWN is of 2025-01-15T12:00:00Z, and 2025-01-15T12:00:01Z was told before (see 1)",
        &[
            r#"{"source":"hub","timestamp":"2025-01-15T12:00:01Z","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"x","shutdown_reason":"y"}}}"#,
            r#"{"source":"other","timestamp":"2025-01-15T12:00:00Z","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"x","shutdown_reason":"y"}}}"#,
        ],
    ),
    (
        TraceRule::UnaskedAnswer,
        &[
            r#"{"allocation_request":{"request_id":"r1","workflow_id":"w","requester":"x","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1}}}"#,
            r#"{"allocation_response":{"response_id":"s","request_id":"r2","status":"denied","timestamp":"2025-01-15T12:00:00Z"}}"#,
        ],
        "unasked-answer: r2 is answered, and was not asked",
        &[
            r#"{"allocation_request":{"request_id":"r1","workflow_id":"w","requester":"x","timestamp":"2025-01-15T12:00:00Z","resources":{"agents":1}}}"#,
            r#"{"allocation_response":{"response_id":"s","request_id":"r1","status":"denied","timestamp":"2025-01-15T12:00:00Z"}}"#,
        ],
    ),
];

#[test]
fn every_rule_is_broken_by_one_log_and_kept_by_another() {
    let rules: BTreeSet<TraceRule> = CASES.iter().map(|case| case.0).collect();
    assert_eq!(rules.into_iter().collect::<Vec<_>>(), TraceRule::ALL);
    let codes: BTreeSet<&str> = TraceRule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(codes.len(), TraceRule::ALL.len());
    for (rule, broken, sentence, kept) in CASES {
        let found = told(broken);
        assert_eq!(found.len(), 1, "{rule:?}: {found:?}");
        assert_eq!((found[0].rule, found[0].to_string().as_str()), (*rule, *sentence));
        assert_eq!(told(kept), [], "{rule:?}");
    }
}

#[test]
fn every_state_that_is_not_final_ends_by_a_clock() {
    assert_eq!(LIFECYCLES.len(), 8);
    for life in LIFECYCLES {
        let names: BTreeSet<&str> = life.states.iter().map(|state| state.name).collect();
        assert_eq!(names.len(), life.states.len(), "{}", life.name);
        let targets = life.states.iter().flat_map(|state| {
            state.on.iter().map(|(_, to)| *to).chain(state.expires.map(|(_, to)| to))
        });
        let begins = life.begins.iter().map(|(_, first)| *first);
        let reached: BTreeSet<&str> = targets.chain(begins).collect();
        assert_eq!(
            reached, names,
            "{}: every state is reached, and every target is one",
            life.name
        );
        // Clocks alone lead from every state to a final one.
        for state in life.states {
            let (mut at, mut steps) = (state, 0);
            while let Some((_, next)) = at.expires {
                at = life.states.iter().find(|state| state.name == next).unwrap();
                steps += 1;
                assert!(steps <= life.states.len(), "{} {} never ends", life.name, state.name);
            }
        }
        assert_eq!(Lifecycle::named(life.name), Some(life));
        assert!(life.to_mermaid().starts_with("stateDiagram-v2\n    [*] --> "));
    }
    assert_eq!(Lifecycle::named("thing"), None);
    assert_eq!(WorkflowLife::Running.expires(), Some((Clock::Total, WorkflowLife::Failed)));
    assert!(PhaseLife::Skipped.is_final() && !PhaseLife::Running.is_final());
    assert_eq!(AllocationLife::begin(EventType::TaskStarted), None);
    assert_eq!(TaskLife::Running.next(EventType::TaskTimeout), Some(TaskLife::TimedOut));
}

/// A workflow with a phase, a task that fails and one that waits, and a grant.
fn spans() -> Vec<TraceSpan> {
    let lines = [
        "WORKFLOW_STARTED w",
        "RESOURCE_ALLOCATED w",
        "PHASE_STARTED w",
        "TASK_ASSIGNED w attempt=1",
        "TASK_STARTED w attempt=1",
        "TASK_FAILED w attempt=1 failure_reason=oom",
        "TASK_ASSIGNED w attempt=2 agent_id=a2",
        "TASK_STARTED w attempt=2 agent_id=a2",
        "TASK_COMPLETED w attempt=2 agent_id=a2",
        "PHASE_COMPLETED w",
        "RESOURCE_DEALLOCATED w release_reason=released",
        "WORKFLOW_COMPLETED w",
    ];
    let mut trace = Trace::new(TraceOptions::new());
    let mut spans = Vec::new();
    for (number, short) in (1..).zip(lines) {
        let at = WallTime::from_unix_millis(1_736_942_400_000 + number * 1_000);
        let number = u64::try_from(number).unwrap();
        let step =
            trace.take_event(number, Some(at), "hub", &EventRef::parse(&line(short)).unwrap());
        assert_eq!(step.violations, []);
        spans.extend(step.spans);
    }
    spans.extend(trace.finish().spans);
    spans
}

#[test]
fn spans_tell_who_worked_on_what_and_who_waited() {
    let told: Vec<String> = spans()
        .iter()
        .map(|span| {
            let agent = span.agent.as_deref().unwrap_or("-");
            let took = span.end.since(span.start).as_secs();
            let reason = span.reason.as_deref().unwrap_or("-");
            format!(
                "{} {} {agent} {took}s {} {reason} {:?}",
                span.kind, span.name, span.outcome, span.places
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "waiting t1 a1 1s running - (4, 5)",
            "task t1 a1 1s failed oom (5, 6)",
            "waiting t1 a2 1s running - (7, 8)",
            "task t1 a2 1s completed - (8, 9)",
            "phase p1 - 7s completed - (3, 10)",
            "allocation alloc_1 - 9s released {} (2, 11)",
            "workflow w - 11s completed - (1, 12)",
        ]
    );
    let rows = bars(&spans(), 11);
    assert_eq!(rows[2], "-            phase      p1               |  -------  | completed");
    assert!(
        rows.iter()
            .any(|row| row == "a1           task       t1 (1)           |    #      | failed: oom"),
        "{rows:#?}"
    );
}

/// Reads a Chrome trace by its format alone: every event is well formed, begin and end match, flows have two ends.
fn read_chrome(text: &str) -> BTreeMap<String, usize> {
    let trace: Value = serde_json::from_str(text).unwrap();
    let mut counts = BTreeMap::new();
    let (mut open, mut flows) = (BTreeMap::new(), BTreeMap::new());
    let (mut threads, mut held) = (BTreeSet::new(), 0);
    for event in trace["traceEvents"].as_array().unwrap() {
        let phase = event["ph"].as_str().unwrap();
        *counts.entry(phase.to_owned()).or_default() += 1;
        assert!(event["pid"].is_u64() && event["name"].is_string(), "{event}");
        let thread = (event["pid"].as_u64(), event["tid"].as_u64());
        match phase {
            "M" => {
                threads.insert(thread);
                assert!(event["args"]["name"].is_string());
                continue;
            }
            "X" => assert!(event["dur"].as_i64().unwrap() >= 0),
            "b" => assert!(open.insert(event["id"].to_string(), event["ts"].as_i64()).is_none()),
            "e" => assert!(open.remove(&event["id"].to_string()).unwrap() <= event["ts"].as_i64()),
            "s" => assert!(flows.insert(event["id"].as_u64(), event["ts"].as_i64()).is_none()),
            "f" => assert!(flows.remove(&event["id"].as_u64()).unwrap() <= event["ts"].as_i64()),
            "C" => {
                held = event["args"]["held"].as_i64().unwrap();
                continue;
            }
            other => panic!("{other}"),
        }
        assert!(event["ts"].is_i64() && threads.contains(&thread), "{event}");
    }
    assert!(open.is_empty() && flows.is_empty());
    assert_eq!(held, 0, "what was granted is given back");
    counts
}

#[test]
fn a_chrome_trace_is_well_formed() {
    let mut chrome = ChromeTrace::new(Vec::new()).unwrap();
    for span in spans() {
        chrome.span(&span).unwrap();
    }
    let text = String::from_utf8(chrome.finish().unwrap()).unwrap();
    let counts: Vec<(String, usize)> = read_chrome(&text).into_iter().collect();
    let expected = [("C", 2), ("M", 6), ("X", 6), ("b", 1), ("e", 1), ("f", 2), ("s", 2)];
    assert_eq!(counts, expected.map(|(phase, count)| (phase.to_owned(), count)));
    let empty = ChromeTrace::new(Vec::new()).unwrap().finish().unwrap();
    assert!(read_chrome(std::str::from_utf8(&empty).unwrap()).is_empty());
}

#[test]
fn a_gantt_chart_stays_within_what_mermaid_draws() {
    let text = mermaid_gantt(&spans());
    assert!(text.starts_with("gantt\n    dateFormat x\n"));
    assert!(
        text.contains(
            "    section a1\n    t1 waits :done, 1736942404000, 1736942405000\n    t1 :crit, "
        ),
        "{text}"
    );
    let mut many = Vec::new();
    for number in 0..3_000 {
        let mut span = spans()[1].clone();
        span.name = format!("task:{number}\n    section evil");
        many.push(span);
    }
    let text = mermaid_gantt(&many);
    assert!(text.len() <= MERMAID_CHARACTERS + 80 && !text.contains("section evil\n"));
    assert!(text.lines().last().unwrap().contains("more are left out"));
}

#[test]
fn a_trace_forgets_what_has_ended() {
    let mut trace = Trace::new(TraceOptions::new().with_max_ended(2));
    let mut take = |number: u64, short: &str| {
        trace.take_event(number, None, "", &EventRef::parse(&line(short)).unwrap()).violations
    };
    for number in 0..5 {
        assert_eq!(take(number, &format!("WORKFLOW_STARTED w{number}")), []);
        assert_eq!(take(number, &format!("WORKFLOW_COMPLETED w{number}")), []);
    }
    let late = take(9, "TASK_ASSIGNED w4");
    assert_eq!(late[0].rule, TraceRule::AfterWorkflow);
    assert_eq!(take(10, "TASK_ASSIGNED w0"), [], "it is as if it had never been");
    assert_eq!(SpanKind::Queued.as_str(), "queued");
}
