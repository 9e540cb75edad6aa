//! Degradation: what becomes of each kind of message while its receiver is away.

use super::{answer, checked, name, now};
use coordination_protocol::machine::{Action, Degradation, Fallback, Machine, Presence, Role};
use coordination_protocol::scalar::HealthState;
use coordination_protocol::{Envelope, MessageKind};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What stands in the table, in a table of its own.
#[test]
fn every_kind_has_its_duty() {
    let policy = Degradation::new();
    let mut lines = Vec::new();
    for kind in MessageKind::KNOWN {
        let role = Role::of(*kind).map_or("anyone", Role::as_str);
        let decide =
            |seconds, held| policy.decide(*kind, &HealthState::Unhealthy, SECOND * seconds, held);
        let actions = [decide(0, 0), decide(599, 999), decide(600, 0), decide(0, 1_000)];
        lines.push(format!("{kind} {role} {actions:?}"));
    }
    let held = "[Hold, Hold, Refuse, Refuse]";
    let refused = "[Refuse, Refuse, Refuse, Refuse]";
    let dropped = "[Drop, Drop, Drop, Drop]";
    let sent = "[Send, Send, Send, Send]";
    let expected = [
        ("allocation_request resource-manager", refused),
        ("allocation_response anyone", sent),
        ("workflow_state coordination-hub", held),
        ("checkpoint_sync coordination-hub", held),
        ("error_report coordination-hub", held),
        ("component_registration coordination-hub", held),
        ("health_status workflow-status", dropped),
        ("component_config anyone", sent),
        ("hello anyone", sent),
        ("welcome anyone", sent),
        ("release resource-manager", held),
        ("conflict_check resource-manager", refused),
        ("rollback coordination-hub", refused),
        ("heartbeat workflow-status", dropped),
        ("subscription coordination-hub", held),
        ("dead_letter anyone", sent),
        ("proposal coordination-hub", refused),
        ("vote anyone", sent),
        ("decision anyone", sent),
        ("deregistration coordination-hub", held),
        ("event coordination-hub", held),
    ];
    assert_eq!(lines, expected.map(|(kind, actions)| format!("{kind} {actions}")));
    let of = |role: Role| lines.iter().any(|line| line.contains(role.as_str()));
    assert!(Role::ALL.iter().copied().all(of));
}

#[test]
fn who_still_works_gets_everything() {
    let policy = Degradation::new();
    for kind in MessageKind::KNOWN {
        for state in [HealthState::Healthy, HealthState::Degraded] {
            assert_eq!(policy.decide(*kind, &state, SECOND * 9_999, 9_999), Action::Send);
        }
        for state in [HealthState::Unknown, HealthState::from_lenient("asleep")] {
            let away = policy.decide(*kind, &HealthState::Unhealthy, SECOND, 0);
            assert_eq!(policy.decide(*kind, &state, SECOND, 0), away);
        }
    }
}

#[test]
fn a_policy_is_a_value() {
    let hold = Fallback::Hold { capacity: 2, within: SECOND };
    let policy = Degradation::new()
        .with(MessageKind::Event, Fallback::Drop)
        .with(MessageKind::Release, hold);
    let text = serde_json::to_string(&policy).unwrap();
    assert_eq!(
        text,
        r#"{"release":{"hold":{"capacity":2,"within":{"secs":1,"nanos":0}}},"event":"drop"}"#
    );
    let again: Degradation = serde_json::from_str(&text).unwrap();
    assert_eq!(again, policy);
    assert_eq!(again.fallback(MessageKind::Release), Some(hold));
    assert_eq!(again.fallback(MessageKind::Vote), None);
    let error = serde_json::from_str::<Degradation>(r#"{"evnt":"drop"}"#).unwrap_err().to_string();
    assert!(error.starts_with("`evnt` is no kind of message"), "{error}");
}

/// An error report is held, unless it answers a request.
#[test]
fn answers_are_always_sent() {
    let policy = Degradation::new();
    let decide =
        |envelope: &Envelope| policy.decide_message(envelope, &HealthState::Unhealthy, SECOND, 0);
    let report = super::error("req_1", "").into_inner();
    assert_eq!(decide(&report), Action::Send);
    let mut news = report;
    news.header.response_to = None;
    assert_eq!(decide(&news), Action::Hold);
    let mut bare = answer("req_1", "", "approved").into_inner();
    bare.header.response_to = None;
    assert_eq!(decide(&bare), Action::Send);
}

/// Presence says who is away, and the policy what that means.
#[test]
fn presence_and_policy_together() {
    let mut presence = Presence::new(1);
    let hub = name(Role::CoordinationHub.as_str());
    let registration = format!(
        r#"{{"component_registration":{{"component_id":"{hub}","component_type":"hub","version":"1.0.0"}}}}"#,
    );
    presence.receive(now(0), *checked(&registration));
    let policy = Degradation::new();
    let decide = |presence: &Presence, millis| {
        let status = presence.status(&hub).unwrap();
        let silent = now(millis).at.since(status.last_seen.unwrap());
        policy.decide(MessageKind::Event, &status.state, silent, 0)
    };
    assert_eq!(decide(&presence, 0), Action::Send);
    presence.handle_timeout(now(33_000));
    assert_eq!(decide(&presence, 33_000), Action::Send);
    presence.handle_timeout(now(93_000));
    assert_eq!(decide(&presence, 93_000), Action::Hold);
    assert_eq!(decide(&presence, 600_000), Action::Refuse);
    let beat = format!(
        r#"{{"heartbeat":{{"component_id":"{hub}","sequence":1,"timestamp":"2025-01-15T12:10:00Z"}}}}"#,
    );
    presence.receive(now(600_000), *checked(&beat));
    assert_eq!(decide(&presence, 600_000), Action::Send);
}
