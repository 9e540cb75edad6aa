//! The sentences of refusals that no transcript shows, and how refusals are reported.

use super::{answer, asked, checked, id, ignored, name, now, outputs, request};
use coordination_protocol::error::{IntoReport, Occurrence};
use coordination_protocol::machine::{
    BreakerError, Handshake, HandshakeError, Machine, OutboundRequest, Presence, PresenceError,
    PresenceInput, PresenceOptions, RequestInput, Requester, RequesterError, Responder,
    ResponderError,
};
use coordination_protocol::scalar::{ErrorId, Instant, WorkflowId};

const HEARTBEAT: &str =
    r#"{"heartbeat":{"component_id":"a","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;

#[test]
fn requester() {
    let mut machine = Requester::new(name("hub"), 1);
    let mut refused = |input| machine.handle(now(0), input).unwrap_err().to_string();
    let mut other = request("req_1", 3, "");
    other.header.request_id = Some(id("req_2"));
    assert_eq!(
        refused(RequestInput::Start(Box::new(OutboundRequest::new(other, now(0), [0; 10])))),
        "the header says `req_2` and the body `req_1`"
    );
    assert_eq!(refused(RequestInput::Cancel(id("req_9"))), "`req_9` is not open");
    assert_eq!(ignored(&mut machine, checked(HEARTBEAT)), "unwanted");
    let asks = checked(&request("req_1", 3, "").to_string());
    assert_eq!(ignored(&mut machine, asks), "unwanted");
    assert_eq!(
        ignored(&mut machine, answer("req_1", "", "approved")),
        "unknown, `req_1` was not asked"
    );
    assert_eq!(machine.open().count(), 0);
    machine.handle(now(0), asked("req_1")).unwrap();
    assert_eq!(machine.open().collect::<Vec<_>>(), [&id("req_1")]);
}

#[test]
fn responder() {
    let mut machine = Responder::new(name("rm"), 1);
    assert_eq!(ignored(&mut machine, checked(HEARTBEAT)), "unwanted");
    assert_eq!(ignored(&mut machine, answer("req_1", "", "approved")), "unwanted");
    let mut bare = answer("req_1", "", "approved").into_inner();
    (bare.header.response_to, bare.header.request_id) = (None, None);
    assert_eq!(ignored(&mut machine, checked(&bare.to_string())), "unwanted");
}

#[test]
fn handshake() {
    let mut machine = Handshake::new(name("hub"), "1.0.0".parse().unwrap(), 1);
    assert_eq!(ignored(&mut machine, checked(HEARTBEAT)), "unwanted");
    let own = r#"{"hello":{"component_id":"hub","versions":[{"min":"1.0.0","max":"1.0.0"}]}}"#;
    assert_eq!(ignored(&mut machine, checked(own)), "own");
    let stray = r#"{"response_to":"req_1","welcome":{"component_id":"a","version":"1.0.0"}}"#;
    assert_eq!(ignored(&mut machine, checked(stray)), "unknown, `req_1` was not asked");
    // A greeting that cannot be used is answered, and settles nothing.
    let empty = r#"{"request_id":"req_h","hello":{"component_id":"a","capabilities":["a+b"],
        "versions":[{"min":"1.0.0","max":"1.0.0"}]}}"#;
    machine.receive(now(0), *checked(empty));
    assert_eq!(
        super::outputs(&mut machine),
        [
            "send error_report for req_h to a: a capability name has 1 to 128 letters, digits, `_`, `-` and `.` at /capabilities/0"
        ]
    );
    assert_eq!(machine.agreement(), None);
}

#[test]
fn presence() {
    let mut machine = Presence::new(1).with_options(PresenceOptions::new().with_max_peers(1));
    let status = checked(
        r#"{"health_status":{"component_id":"a","status":"healthy","timestamp":"2025-01-15T12:00:00Z"}}"#,
    );
    let status = match status.into_inner().message {
        coordination_protocol::Message::HealthStatus(body) => body,
        other => panic!("{other:?}"),
    };
    let registration = checked(
        r#"{"component_registration":{"component_id":"hub","component_type":"hub","version":"1.0.0"}}"#,
    );
    let registration = match registration.into_inner().message {
        coordination_protocol::Message::ComponentRegistration(body) => body,
        other => panic!("{other:?}"),
    };
    let mut refused = |input| machine.handle(now(0), input).unwrap_err().to_string();
    assert_eq!(refused(PresenceInput::Health(status.clone())), "the component has not joined");
    assert_eq!(refused(PresenceInput::Leave("x".into())), "the component has not joined");
    machine.handle(now(0), PresenceInput::Join(registration.clone())).unwrap();
    let mut refused = |input| machine.handle(now(0), input).unwrap_err().to_string();
    assert_eq!(refused(PresenceInput::Join(registration)), "the component has joined already");
    assert_eq!(refused(PresenceInput::Health(status)), "`a` is not the component that takes part");
    let other = checked(&request("req_1", 3, "").to_string());
    assert_eq!(ignored(&mut machine, other), "unwanted");
    // Who is not known is asked to register, and not again at once.
    machine.receive(now(0), *checked(HEARTBEAT));
    assert_eq!(outputs(&mut machine)[0], "send error_report to a: `a` is not registered here");
    assert_eq!(
        ignored(&mut machine, checked(HEARTBEAT)),
        "unknown, `a` is neither registered nor expected"
    );
    machine.handle(now(0), PresenceInput::Expect(name("a"))).unwrap();
    machine.handle(now(0), PresenceInput::Expect(name("a"))).unwrap();
    let refused = machine.handle(now(0), PresenceInput::Expect(name("b"))).unwrap_err();
    assert_eq!(refused.to_string(), "1 components are watched, which is the limit");
    assert_eq!(machine.components().count(), 1);
}

/// Every refusal can be told to another component, with something that helps.
#[test]
fn refusals_become_reports() {
    let occurrence =
        Occurrence::new(ErrorId::new("err_1").unwrap(), WorkflowId::global(), now(0).timestamp());
    let errors: [(&dyn IntoReport, bool); 8] = [
        (&RequesterError::Busy(3), true),
        (&ResponderError::Busy(9), true),
        (&BreakerError::Open { until: Instant::START }, true),
        (&HandshakeError::Begun, true),
        (&PresenceError::NotJoined, true),
        (&ResponderError::IdReused(id("req_1")), false),
        (&ResponderError::Busy(3), true),
        (&ResponderError::TimedOut, true),
    ];
    for (error, recoverable) in errors {
        let report = error.to_report(&occurrence);
        assert_eq!(report.classification.recoverable, Some(recoverable));
        let suggestions = report.recovery_suggestions.unwrap();
        assert!(!suggestions.is_empty());
        assert!(suggestions[0].description.as_ref().is_some_and(|text| text.ends_with('.')));
    }
}
