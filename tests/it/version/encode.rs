//! Writing for a peer of another version: who reads strictly there accepts it.

use crate::message::generate::{self, Manner};
use crate::support::{Drawn, scaled};
use coordination_protocol::event::{Codec, EventType, Registry};
use coordination_protocol::finding::{FindingSeverity, Mode};
use coordination_protocol::message::{Envelope, EnvelopeHeader, MessageKind};
use coordination_protocol::version::{AdditionKind, VersionError, additions};
use coordination_protocol::{Event, ProtocolVersion};
use std::collections::BTreeSet;

const OLD: ProtocolVersion = ProtocolVersion::V1_0_0;
const NEW: ProtocolVersion = ProtocolVersion::V1_1_0;

fn reader(version: ProtocolVersion) -> Codec {
    Codec::new(Mode::Strict).with_registry(Registry::new(version))
}

/// The names of what the new version added of a kind.
fn added(kind: AdditionKind) -> BTreeSet<String> {
    let all = additions().into_iter().filter(|addition| addition.since > OLD);
    all.filter(|addition| addition.kind == kind).map(|found| found.name.into_owned()).collect()
}

/// A typed message of each kind, in turn; none if it is larger than readers take.
fn drawn(number: usize) -> Option<Envelope> {
    let tree = generate::Drawn::new(number, Manner::Strict).tree();
    tree.to_json().parse().ok()
}

#[test]
fn a_reader_of_the_first_version_accepts_every_message_that_is_encoded_for_it() {
    let (old, new) = (reader(OLD), reader(NEW));
    let (bodies, types) = (added(AdditionKind::Body), added(AdditionKind::EventType));
    let (mut sent, mut refused, mut lost) = (0, 0, BTreeSet::new());
    let mut kinds = BTreeSet::new();
    for number in 0..scaled(3_000) {
        let Some(envelope) = drawn(number) else { continue };
        // For a peer of our version, it is what it is.
        let ours = envelope.encode_for(&NEW).unwrap();
        assert_eq!((ours.text, ours.losses.len()), (envelope.to_string(), 0));

        let event = match &envelope.message {
            coordination_protocol::Message::Event(body) => body.event.event_type(),
            _ => None,
        };
        let later = bodies.contains(envelope.kind().as_str())
            || event.is_some_and(|kind| types.contains(kind.as_str()));
        match envelope.encode_for(&OLD) {
            Ok(encoded) => {
                assert!(!later, "{envelope}");
                sent += 1;
                kinds.insert(envelope.kind());
                lost.extend(encoded.losses.iter().map(|loss| loss.pointer.clone()));
                let record = old.check_message(&encoded.text);
                let worst = record.report.worst();
                assert!(
                    worst < Some(FindingSeverity::Error),
                    "{}: {:?}",
                    encoded.text,
                    record.report
                );
                assert_eq!(record.kind(), envelope.kind());
                // What was sent says what was meant, as far as it goes: nothing else is lost.
                let header = |envelope: &Envelope| envelope.header.keys().len();
                let read = record.value.unwrap().decode().unwrap();
                let fields = encoded
                    .losses
                    .iter()
                    .filter(|loss| EnvelopeHeader::SPEC.member(&loss.pointer[1..]).is_some());
                assert_eq!(header(&read) + fields.count(), header(&envelope));
                new.verify_message(&encoded.text).unwrap();
            }
            Err(error @ VersionError::RequiredLoss { .. }) => {
                assert!(later, "{error}: {envelope}");
                refused += 1;
            }
            Err(error) => panic!("{error}: {envelope}"),
        }
    }
    assert!(sent > scaled(700) && refused > scaled(700), "{sent} sent, {refused} refused");
    let old_kinds = MessageKind::KNOWN.iter().filter(|kind| !kind.is_extension());
    assert_eq!(kinds, old_kinds.copied().collect());
    // Each header key and field that came later was met, and nothing else was lost.
    let names = added(AdditionKind::Header).into_iter().chain(added(AdditionKind::Field));
    assert_eq!(lost, names.map(|name| format!("/{name}")).collect());
}

#[test]
fn a_reader_of_the_first_version_accepts_every_line_that_is_encoded_for_it() {
    let old = reader(OLD);
    let (mut sent, mut refused) = (0, 0);
    for case in 0..scaled(2_000) {
        let drawn = Drawn::new(case);
        let event: Event = drawn.line().parse().unwrap();
        assert_eq!(event.encode_for(&NEW).unwrap().text, drawn.line());
        match event.encode_for(&OLD) {
            Ok(encoded) => {
                assert_eq!((drawn.spec.since == OLD, encoded.losses.len()), (true, 0));
                assert_eq!(encoded.text, drawn.line());
                old.parse(&encoded.text).unwrap();
                sent += 1;
            }
            Err(error) => {
                assert!(drawn.spec.since > OLD, "{error}");
                refused += 1;
            }
        }
    }
    // Five of the 38 types, which take turns.
    assert!(refused * 10 > sent && sent > refused, "{sent} sent, {refused} refused");
}

/// What was read with deviations is not sent on as if it had none.
#[test]
fn what_writers_must_not_send_is_refused_in_every_version() {
    let interop = Codec::new(Mode::Interop);
    let text = r#"{"health_status":{"component_id":"hub","status":"fine"}}"#;
    let envelope = interop.parse_message(text).unwrap().decode().unwrap();
    for version in [OLD, NEW] {
        let error = envelope.encode_for(&version).unwrap_err();
        assert!(matches!(error, VersionError::Message(_)));
        assert_eq!(
            error.to_string(),
            "not fit to be sent: `fine` is none of healthy, degraded, unhealthy, unknown (`unknown-word` at \
             /health_status/status, byte 48); did you mean `healthy`?"
        );
    }
    let line = "TASK_TIMEOUT:wf_001:build:{'task_id':'t1'}";
    let event = interop.parse(line).unwrap().to_event();
    let error = event.encode_for(&OLD).unwrap_err();
    assert!(matches!(error, VersionError::Event(_)), "{error}");
    assert!(error.to_string().starts_with("not fit to be sent: "), "{error}");

    let away = ProtocolVersion::new(2, 0, 0);
    let late: Event = format!("{}:w:p:{{\"error_report\":{{}}}}", EventType::ErrorEncountered)
        .parse()
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        late.encode_for(&away).unwrap_err().to_string(),
        "no steps lead from 1.1.0 to 2.0.0"
    );
}
