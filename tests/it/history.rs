//! Business rules over what came before: what contradicts is found, and true traffic, also late, repeated
//! or from the middle, is not refused.

use coordination_protocol::finding::{Code, FindingSeverity, Level};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::validate::{Gate, SecurityPolicy, Validator};
use coordination_protocol::{Mode, Report};

const NOW: i64 = 1_736_942_400_000;

fn strict() -> Gate {
    Gate::new(Validator::new(Mode::Strict))
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings().iter().map(|finding| finding.code.as_str()).collect()
}

/// What is found in the last of some records.
fn last(records: &[&str]) -> Vec<&'static str> {
    let mut gate = strict();
    let mut found = Vec::new();
    for record in records {
        found = codes(&gate.inspect(record.as_bytes(), NOW, None).report);
    }
    found
}

fn request(id: &str, agents: u32) -> String {
    format!(
        r#"{{"allocation_request":{{"request_id":"{id}","workflow_id":"wf","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{{"agents":{agents}}}}}}}"#
    )
}

fn answer(id: &str, status: &str, more: &str) -> String {
    format!(
        r#"{{"allocation_response":{{"response_id":"resp","request_id":"{id}","status":"{status}","timestamp":"2025-01-15T12:00:05Z"{more}}}}}"#
    )
}

fn granted(id: &str, allocation: &str, agents: u32) -> String {
    let more =
        format!(r#","allocated_resources":{{"allocation_id":"{allocation}","agents":{agents}}}"#);
    answer(id, "approved", &more)
}

#[test]
fn an_answer_belongs_to_a_request_and_is_the_last_word() {
    let asked = request("r", 5);
    let (approved, other) = (granted("r", "a", 5), granted("r", "b", 5));
    let (denied, queued) = (answer("r", "denied", ""), answer("r", "queued", ""));
    for (records, found) in [
        (vec![&denied], vec!["answer-without-request"]),
        (vec![&asked, &denied], vec![]),
        (vec![&asked, &queued, &approved], vec![]),
        (vec![&asked, &approved, &approved], vec![]),
        (vec![&asked, &approved, &queued], vec![]),
        (vec![&asked, &approved, &denied], vec!["contradicting-answer"]),
        (vec![&asked, &denied, &approved], vec!["contradicting-answer"]),
        (vec![&asked, &approved, &other], vec!["contradicting-answer"]),
    ] {
        let records: Vec<&str> = records.into_iter().map(String::as_str).collect();
        assert_eq!(last(&records), found, "{records:?}");
    }
    let mut gate = strict();
    gate.accept(asked.as_bytes(), NOW, None).unwrap();
    gate.accept(approved.as_bytes(), NOW, None).unwrap();
    let report = gate.accept(denied.as_bytes(), NOW, None).unwrap_err();
    assert_eq!(
        report.findings()[0].to_string(),
        "the answer says denied, the one before said approved with `a`",
    );
    // What was refused changed nothing.
    assert!(gate.accept(approved.as_bytes(), NOW, None).is_ok());
}

#[test]
fn an_identifier_stands_for_one_request_of_its_source() {
    let from =
        |source: &str, record: &str| record.replacen('{', &format!(r#"{{"source":"{source}","#), 1);
    let (five, two) = (request("r", 5), request("r", 2));
    let later = five.replace("12:00:00", "12:00:30");
    for (records, found) in [
        (vec![five.clone(), five.clone()], vec![]),
        (vec![five.clone(), later], vec![]),
        (vec![five.clone(), two.clone()], vec!["request-id-reused"]),
        (vec![from("hub", &five), from("hub", &two)], vec!["request-id-reused"]),
        // Identifiers are the sources' own.
        (vec![from("hub", &five), from("other", &two)], vec![]),
    ] {
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        assert_eq!(last(&records), found, "{records:?}");
    }
    // Other requests, too.
    let check = |resource: &str| {
        format!(
            r#"{{"request_id":"q","conflict_check":{{"request_id":"r","workflow_id":"{resource}"}}}}"#
        )
    };
    assert_eq!(last(&[&check("a"), &check("a")]), [""; 0]);
    assert_eq!(last(&[&check("a"), &check("b")]), ["request-id-reused"]);
}

#[test]
fn a_forged_request_does_not_have_the_real_answer_refused() {
    let hub = ComponentId::new("hub").unwrap();
    let mallory = ComponentId::new("mallory").unwrap();
    let rm = ComponentId::new("rm").unwrap();
    let forged = request("r", 1).replace(r#""requester":"hub""#, r#""requester":"x""#);
    let real = request("r", 5);
    let grant = granted("r", "a", 5);
    // In either order, and as the hub's own, which it sent itself.
    for order in [[(&forged, &mallory), (&real, &hub)], [(&real, &hub), (&forged, &mallory)]] {
        let mut gate = strict();
        for (record, from) in order {
            gate.accept(record.as_bytes(), NOW, Some(from)).unwrap();
        }
        let accepted = gate.accept(grant.as_bytes(), NOW, Some(&rm)).unwrap();
        assert!(accepted.report().is_empty());
        let wrong = granted("r", "a", 6);
        assert!(gate.accept(wrong.as_bytes(), NOW, Some(&rm)).is_err(), "it fits neither");
    }
    let mut gate = strict();
    gate.note_sent(real.parse().unwrap());
    gate.accept(forged.as_bytes(), NOW, Some(&mallory)).unwrap();
    assert!(gate.accept(grant.as_bytes(), NOW, Some(&rm)).is_ok());

    // A forged answer is no earlier word of the true one, and under a policy it is not even taken.
    let mut open = strict();
    open.accept(real.as_bytes(), NOW, Some(&hub)).unwrap();
    open.accept(answer("r", "denied", "").as_bytes(), NOW, Some(&mallory)).unwrap();
    assert!(open.accept(grant.as_bytes(), NOW, Some(&rm)).unwrap().report().is_empty());
    let permissions = Permissions::new()
        .with_component(&hub, [], [])
        .and_then(|all| all.with_component(&mallory, [], []))
        .unwrap()
        .with_capabilities(&rm, ["resource_allocation"]);
    let policy = SecurityPolicy::new().with_permissions(permissions);
    let mut gate = Gate::new(Validator::new(Mode::Strict).with_policy(policy));
    gate.accept(real.as_bytes(), NOW, Some(&hub)).unwrap();
    let stolen = answer("r", "denied", "");
    let refused = gate.accept(stolen.as_bytes(), NOW, Some(&mallory)).unwrap_err();
    assert!(refused.has(Code::SenderDenied));
    // In another's name, it is refused as well, and leaves no trace.
    let renamed =
        real.replacen('{', r#"{"source":"hub","#, 1).replace(r#""agents":5"#, r#""agents":9"#);
    assert!(
        gate.accept(renamed.as_bytes(), NOW, Some(&mallory)).unwrap_err().has(Code::ForeignSource)
    );
    assert!(gate.accept(grant.as_bytes(), NOW, Some(&rm)).unwrap().report().is_empty());
}

fn files(allocation: &str, files: &str, at: &str, hours: &str) -> String {
    format!(
        r#"{{"allocation_response":{{"response_id":"resp","request_id":"{allocation}","status":"approved","timestamp":"2025-01-15T{at}:00Z","allocated_resources":{{"allocation_id":"{allocation}","exclusive_files":[{files}]{hours}}}}}}}"#
    )
}

fn doubled(first: &str, second: &str) -> bool {
    let found = last(&[&files("a", first, "12:00", ""), &files("b", second, "12:30", "")]);
    found.contains(&"file-granted-twice")
}

#[test]
fn a_file_is_granted_once_at_a_time() {
    for (first, second, twice) in [
        (r#""src/a.rs""#, r#""src/a.rs""#, true),
        (r#""src/a.rs""#, r#""./src//a.rs""#, true),
        (r#""src/a.rs""#, r#""src/x/../a.rs""#, true),
        (r#""src""#, r#""src/a.rs""#, true),
        (r#""src/a.rs""#, r#""src/""#, true),
        (r#""src/*""#, r#""src/deep/a.rs""#, true),
        (r#""src/deep/a.rs""#, r#""**""#, true),
        (r#""other","src/a""#, r#""x","y","src/a/b""#, true),
        (r#""src/a""#, r#""src/ab""#, false),
        (r#""src/a.rs""#, r#""src/b.rs""#, false),
        (r#""src/a""#, r#""a""#, false),
    ] {
        assert_eq!(doubled(first, second), twice, "{first} {second}");
        assert_eq!(doubled(second, first), twice, "{second} {first}");
    }
    // What has ended holds nothing: given back, told to be over, or by the clock.
    let (first, second) = (files("a", r#""f""#, "12:00", ""), files("b", r#""f""#, "14:00", ""));
    let release = r#"{"release":{"allocation_id":"a","release_reason":"done"}}"#;
    let told = r#"RESOURCE_DEALLOCATED:wf:global:{"allocation_id":"a","release_reason":"done"}"#;
    let lone = ["answer-without-request"];
    for end in [release, told] {
        assert_eq!(last(&[&first, end, &second]), lone);
    }
    let hour = files("a", r#""f""#, "12:00", r#","duration_hours":1.5"#);
    assert_eq!(last(&[&hour, &second]), lone);
    let early = files("b", r#""f""#, "13:00", "");
    assert_eq!(last(&[&hour, &early]), ["answer-without-request", "file-granted-twice"]);
    // The same grant again is no other.
    assert_eq!(last(&[&first, &first]), lone);
    let mut gate = strict();
    gate.accept(first.as_bytes(), NOW, None).unwrap();
    let taken = gate.accept(second.as_bytes(), NOW, None).unwrap();
    let finding =
        taken.report().findings().iter().find(|f| f.code == Code::FileGrantedTwice).unwrap();
    assert_eq!(finding.to_string(), "`f` is granted although `a` holds it");
    assert_eq!(finding.severity, FindingSeverity::Warning);
}

/// A request for files that may be shared, and a partial answer that gives `given` of them alone.
fn shared(allocation: &str, asked: &str, given: &str, shares: bool, at: &str) -> [String; 2] {
    let request = format!(
        r#"{{"allocation_request":{{"request_id":"{allocation}","workflow_id":"wf","requester":"hub","timestamp":"2025-01-15T12:00:00Z","resources":{{"agents":1,"exclusive_files":[{asked}]}},"fallback_options":{{"accept_shared_resources":{shares}}}}}}}"#
    );
    let answer = files(allocation, given, at, r#","agents":1"#).replace("approved", "partial");
    [request, answer]
}

fn grant(allocation: &str, at: &str, hours: &str, restrictions: &str) -> String {
    let plain = files(allocation, r#""f""#, at, hours);
    let body = plain.strip_suffix("}}").unwrap();
    format!(r#"{body},"restrictions":{{{restrictions}}}}}}}"#)
}

#[test]
fn a_shared_file_is_held_beside_shared_ones_only() {
    let twice = "file-granted-twice";
    let found = |records: &[&[String]]| {
        let records = records.concat();
        last(&records.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let first = shared("a", r#""f","g""#, r#""g""#, true, "12:00");
    let second = shared("b", r#""f","h""#, r#""h""#, true, "12:30");
    let alone = [files("c", r#""./f""#, "12:45", "")];
    assert_eq!(found(&[&first, &second]), [""; 0]);
    assert_eq!(found(&[&first, &alone]), ["answer-without-request", twice]);
    assert_eq!(found(&[&alone, &first]), [twice]);
    // A folder that is shared holds what lies below, and what is not asked for is not held.
    let folder = shared("a", r#""src","g""#, r#""g""#, true, "12:00");
    let below = [files("c", r#""src/f""#, "12:45", "")];
    assert_eq!(found(&[&folder, &below]), ["answer-without-request", twice]);
    let other = [files("c", r#""h""#, "12:45", "")];
    assert_eq!(found(&[&folder, &other]), ["answer-without-request"]);
    // Without the word of the request nothing is shared: it is not granted at all.
    let cut = shared("a", r#""f","g""#, r#""g""#, false, "12:00");
    assert_eq!(found(&[&cut, &alone]), ["answer-without-request"]);
    // Where it is said, and what.
    let mut gate = strict();
    for record in alone.iter().chain(&first[..1]) {
        gate.accept(record.as_bytes(), NOW, None).unwrap();
    }
    let taken = gate.accept(first[1].as_bytes(), NOW, None).unwrap();
    let finding = taken.report().findings().iter().find(|f| f.code.as_str() == twice).unwrap();
    assert_eq!(finding.to_string(), "`f` is granted to be shared although `c` holds it");
    assert_eq!(finding.pointer.as_str(), "/allocation_response/allocated_resources");
    let mut gate = strict();
    for record in &first {
        gate.accept(record.as_bytes(), NOW, None).unwrap();
    }
    let taken = gate.accept(alone[0].as_bytes(), NOW, None).unwrap();
    let finding = taken.report().findings().iter().find(|f| f.code.as_str() == twice).unwrap();
    assert_eq!(finding.to_string(), "`./f` is granted although `a` holds it");
    assert_eq!(
        finding.pointer.as_str(),
        "/allocation_response/allocated_resources/exclusive_files/0"
    );
}

#[test]
fn grants_whose_times_do_not_meet_are_no_double_ones() {
    let windows = |windows: &str| format!(r#""exclusive_access_windows":[{windows}]"#);
    let meet = |first: &str, second: &str| last(&[first, second]).contains(&"file-granted-twice");
    let hours = r#","duration_hours":1"#;
    for (first, second, twice) in [
        (r#""12:00-13:00""#, r#""13:00-14:00""#, false),
        (r#""12:00-13:00""#, r#""12:59-14:00""#, true),
        (r#""22:00-06:00""#, r#""05:59-07:00""#, true),
        (r#""22:00-06:00""#, r#""06:00-22:00""#, false),
        (r#""22:00-00:00""#, r#""00:00-01:00""#, false),
        (r#""01:00-02:00","10:00-11:00""#, r#""05:00-06:00","10:30-10:31""#, true),
        (r#""01:00-02:00","10:00-11:00""#, r#""05:00-06:00","11:00-11:30""#, false),
        ("", r#""12:00-13:00""#, true),
    ] {
        let (a, b) = (windows(first), windows(second));
        for (a, b) in [(&a, &b), (&b, &a)] {
            let (held, new) = (grant("a", "12:00", "", a), grant("b", "12:30", "", b));
            assert_eq!(meet(&held, &new), twice, "{a} {b}");
        }
        // Who names no window holds the file all day.
        assert!(meet(&grant("a", "12:00", "", &a), &grant("b", "12:30", "", "")));
    }
    // Windows that recur after the grant has ended are none.
    let morning = windows(r#""09:00-10:00""#);
    let (held, new) = (grant("a", "12:00", hours, &morning), grant("b", "12:30", "", &morning));
    assert!(!meet(&held, &new));
    let (held, new) =
        (grant("a", "12:00", hours, ""), grant("b", "12:30", hours, &windows(r#""12:45-12:50""#)));
    assert!(meet(&held, &new));
    let day = r#","duration_hours":24"#;
    assert!(meet(&grant("a", "12:00", day, &morning), &grant("b", "12:30", "", &morning)));
    // A grant that was given later and seen first does not hold before.
    let (late, early) = (grant("a", "14:00", "", ""), grant("b", "12:00", hours, ""));
    assert!(!meet(&late, &early));
    assert!(meet(&late, &grant("b", "12:00", r#","duration_hours":2.01"#, "")));
    // Without hours the release by the clock ends it.
    let release = r#""auto_release_timeout":"90m""#;
    let held = grant("a", "12:00", "", release);
    assert!(meet(&held, &grant("b", "13:29", "", "")));
    assert!(!meet(&held, &grant("b", "13:30", "", "")));
}

#[test]
fn an_event_that_tells_of_a_grant_does_not_hide_its_answer() {
    let told =
        r#"RESOURCE_ALLOCATED:wf:global:{"allocation_id":"a","resource_type":"files","amount":1}"#;
    let (first, second) = (files("a", r#""f""#, "12:00", ""), files("b", r#""f""#, "12:30", ""));
    let found = last(&[told, &first, &second]);
    assert_eq!(found, ["answer-without-request", "file-granted-twice"]);
}

#[test]
fn a_grant_ends_once() {
    let release = |id: &str| {
        format!(
            r#"{{"request_id":"{id}","release":{{"allocation_id":"a","release_reason":"done"}}}}"#
        )
    };
    let told = |reason: &str| {
        format!(
            r#"RESOURCE_DEALLOCATED:wf:global:{{"allocation_id":"a","release_reason":"{reason}"}}"#
        )
    };
    let grant = granted("r", "a", 1);
    let allocated = r#"RESOURCE_ALLOCATED:wf:global:{"allocation_id":"a","resource_details":{},"requester":"hub"}"#;
    for (records, found) in [
        (vec![release("1")], vec!["release-of-unknown"]),
        (vec![told("x")], vec!["release-of-unknown"]),
        (vec![grant.clone(), release("1")], vec![]),
        (vec![allocated.to_owned(), told("x")], vec![]),
        // Sent again, and told of.
        (vec![grant.clone(), release("1"), release("1")], vec![]),
        (vec![grant.clone(), release("1"), told("x"), told("x")], vec![]),
        (vec![grant.clone(), release("1"), release("2")], vec!["release-of-ended"]),
        (vec![grant.clone(), told("x"), told("y")], vec!["release-of-ended"]),
        (vec![grant.clone(), told("x"), release("1")], vec!["release-of-ended"]),
    ] {
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        assert_eq!(last(&records), found, "{records:?}");
    }
}

/// A line of a task, a phase or a workflow, by a short name.
fn line(short: &str) -> String {
    let (name, rest) = short.split_once(' ').unwrap_or((short, ""));
    let agent = if rest.is_empty() { "a1" } else { rest };
    let (agent, attempt) = match agent.split_once('#') {
        Some((agent, attempt)) => (agent, format!(r#","attempt":{attempt}"#)),
        None => (agent, String::new()),
    };
    let data = match name {
        "WORKFLOW_STARTED" => {
            r#""start_time":"2025-01-15T12:00:00Z","resource_allocation":{}"#.to_owned()
        }
        "WORKFLOW_COMPLETED" => {
            r#""completion_time":"2025-01-15T12:00:00Z","final_metrics":{}"#.to_owned()
        }
        "WORKFLOW_FAILED" => r#""failure_reason":"x","recovery_options":{}"#.to_owned(),
        "RECOVERY_INITIATED" => {
            r#""recovery_id":"r","failure_type":"x","strategy":"rollback""#.to_owned()
        }
        "PHASE_STARTED" => {
            r#""phase_id":1,"estimated_duration":"1h","resource_allocation":{}"#.to_owned()
        }
        "PHASE_PROGRESS" => r#""phase_id":1,"progress_percentage":50,"eta_update":"1h""#.to_owned(),
        "PHASE_COMPLETED" => {
            r#""phase_id":1,"actual_duration":"1h","success_metrics":{}"#.to_owned()
        }
        "TASK_ASSIGNED" => {
            format!(r#""task_id":"t","agent_id":"{agent}","estimated_duration":"1h""#)
        }
        "TASK_STARTED" => {
            format!(r#""task_id":"t","agent_id":"{agent}","start_time":"2025-01-15T12:00:00Z""#)
        }
        "TASK_COMPLETED" => {
            format!(r#""task_id":"t","agent_id":"{agent}","duration":"1h","results":{{}}"#)
        }
        "TASK_FAILED" => {
            format!(r#""task_id":"t","agent_id":"{agent}","failure_reason":"x","retry_count":1"#)
        }
        "TASK_REASSIGNED" => {
            let (old, new) = agent.split_once('>').unwrap();
            format!(r#""task_id":"t","old_agent":"{old}","new_agent":"{new}","reason":"x""#)
        }
        name => panic!("{name}"),
    };
    format!("{name}:wf:build:{{{data}{attempt}}}")
}

/// The same event in an envelope.
fn enveloped(line: &str) -> String {
    let parts: Vec<&str> = line.splitn(4, ':').collect();
    format!(
        r#"{{"event":{{"event_type":"{}","workflow_id":"{}","phase":"{}","data":{}}}}}"#,
        parts[0], parts[1], parts[2], parts[3]
    )
}

#[test]
fn lives_have_an_order() {
    for (steps, found) in [
        // From the middle, and in order.
        ("PHASE_COMPLETED", ""),
        ("TASK_ASSIGNED, PHASE_COMPLETED", "start-not-seen"),
        ("PHASE_STARTED, PHASE_PROGRESS, PHASE_COMPLETED", ""),
        ("TASK_COMPLETED", ""),
        ("PHASE_STARTED, TASK_COMPLETED", "start-not-seen"),
        ("TASK_ASSIGNED, TASK_STARTED, TASK_COMPLETED", ""),
        ("WORKFLOW_COMPLETED", ""),
        ("PHASE_STARTED, WORKFLOW_COMPLETED", "start-not-seen"),
        ("WORKFLOW_STARTED, WORKFLOW_COMPLETED", ""),
        // From the beginning, and something is missing.
        ("WORKFLOW_STARTED, PHASE_COMPLETED", "not-begun"),
        ("WORKFLOW_STARTED, TASK_ASSIGNED, TASK_COMPLETED", "not-begun"),
        ("WORKFLOW_STARTED, TASK_STARTED", "start-not-seen"),
        ("WORKFLOW_STARTED, PHASE_PROGRESS", "start-not-seen"),
        // After the end.
        ("PHASE_STARTED, PHASE_COMPLETED, PHASE_PROGRESS", "after-end"),
        ("TASK_ASSIGNED, TASK_STARTED, TASK_COMPLETED, TASK_STARTED", "after-end"),
        ("TASK_ASSIGNED, TASK_STARTED, TASK_COMPLETED, TASK_FAILED", "after-end"),
        ("WORKFLOW_STARTED, WORKFLOW_COMPLETED, TASK_ASSIGNED", "after-end"),
        ("WORKFLOW_STARTED, WORKFLOW_COMPLETED, WORKFLOW_FAILED", "after-end"),
        // What is tried or delivered again, or begins anew, is no fault.
        ("TASK_ASSIGNED, TASK_STARTED, TASK_COMPLETED, TASK_COMPLETED", ""),
        ("TASK_ASSIGNED, TASK_STARTED, TASK_FAILED, TASK_STARTED, TASK_COMPLETED", ""),
        ("TASK_ASSIGNED, TASK_STARTED, TASK_COMPLETED, TASK_ASSIGNED", ""),
        ("PHASE_STARTED, PHASE_COMPLETED, PHASE_STARTED, PHASE_COMPLETED", ""),
        ("WORKFLOW_STARTED, WORKFLOW_FAILED, TASK_FAILED", "start-not-seen"),
        ("WORKFLOW_STARTED, WORKFLOW_FAILED, RECOVERY_INITIATED, PHASE_STARTED", ""),
        ("WORKFLOW_STARTED, PHASE_STARTED, RECOVERY_INITIATED, PHASE_COMPLETED", "start-not-seen"),
        // Whose task it is.
        ("TASK_ASSIGNED a1, TASK_STARTED a2", "other-agent"),
        (
            "TASK_ASSIGNED a1, TASK_STARTED a1, TASK_REASSIGNED a1>a2, TASK_COMPLETED a1",
            "other-agent",
        ),
        ("TASK_ASSIGNED a1, TASK_REASSIGNED a1>a2, TASK_STARTED a2, TASK_COMPLETED a2", ""),
        ("TASK_ASSIGNED a1, TASK_REASSIGNED a3>a2", "other-agent"),
        // A stale one is told, and changes nothing.
        (
            "TASK_ASSIGNED a1, TASK_REASSIGNED a1>a2, TASK_STARTED a2, TASK_COMPLETED a1, TASK_COMPLETED a2",
            "",
        ),
        ("TASK_ASSIGNED a1#2, TASK_STARTED a1#1", "stale-attempt"),
        (
            "TASK_ASSIGNED a1#1, TASK_STARTED a1#1, TASK_ASSIGNED a1#2, TASK_STARTED a1#2, TASK_COMPLETED a1#2",
            "",
        ),
    ] {
        let lines: Vec<String> = steps.split(", ").map(line).collect();
        let expected: Vec<&str> = Some(found).filter(|code| !code.is_empty()).into_iter().collect();
        let records: Vec<&str> = lines.iter().map(String::as_str).collect();
        let business = |found: Vec<&'static str>| {
            found
                .into_iter()
                .filter(|code| code.parse::<Code>().unwrap().level() == Level::Business)
                .collect::<Vec<_>>()
        };
        assert_eq!(business(last(&records)), expected, "{steps}");
        // In envelopes alike.
        let envelopes: Vec<String> = lines.iter().map(|line| enveloped(line)).collect();
        let records: Vec<&str> = envelopes.iter().map(String::as_str).collect();
        assert_eq!(business(last(&records)), expected, "{steps} in envelopes");
    }
}

/// Whatever order, loss or repetition true traffic comes in, none of it is refused.
#[test]
fn true_traffic_is_never_refused() {
    let story: Vec<String> = [
        "WORKFLOW_STARTED",
        "PHASE_STARTED",
        "TASK_ASSIGNED a1#1",
        "TASK_STARTED a1#1",
        "TASK_FAILED a1#1",
        "TASK_ASSIGNED a2#2",
        "TASK_STARTED a2#2",
        "PHASE_PROGRESS",
        "TASK_COMPLETED a2#2",
        "PHASE_COMPLETED",
        "WORKFLOW_COMPLETED",
    ]
    .map(line)
    .into_iter()
    .chain([
        request("r", 5),
        answer("r", "queued", ""),
        granted("r", "a", 5),
        r#"{"release":{"allocation_id":"a","release_reason":"done"}}"#.to_owned(),
        r#"RESOURCE_DEALLOCATED:wf:global:{"allocation_id":"a","release_reason":"done"}"#
            .to_owned(),
        files("f1", r#""src""#, "12:00", ""),
        files("f2", r#""src/a""#, "12:10", ""),
    ])
    .collect();
    for case in 0..crate::support::scaled(300) {
        let rng = &mut crate::support::Rng::new(case as u64 + 7);
        let mut gate = strict();
        for _ in 0..30 {
            let record = &story[rng.below(story.len())];
            let outcome = gate.inspect(record.as_bytes(), NOW, None);
            assert!(outcome.is_accepted(), "{record}: {:?}", outcome.report);
        }
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    use coordination_protocol::validate::History;
    let mut gate = strict().with_history(History::with_capacity(2));
    for id in ["r1", "r2", "r3"] {
        gate.accept(request(id, 5).as_bytes(), NOW, None).unwrap();
    }
    assert_eq!(gate.history().request("r1"), None);
    assert!(gate.history().request("r3").is_some());
    for id in ["g1", "g2", "g3"] {
        gate.accept(files(id, r#""src""#, "12:00", "").as_bytes(), NOW, None).unwrap();
    }
    let report = gate.inspect(answer("r1", "denied", "").as_bytes(), NOW, None).report;
    assert_eq!(codes(&report), ["answer-without-request"]);
}
