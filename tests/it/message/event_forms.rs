//! One event, two forms: its line, and the body of an envelope. Whatever the registry says of its type,
//! both are read as the same event, and what is wrong with its data is told alike.

use crate::support::{Drawn, Quotes, Rng, Tree, any_value, scaled, write_object};
use coordination_protocol::event::{Category, Event, FieldType, Registry};
use coordination_protocol::message::{Envelope, Message};
use coordination_protocol::{Codec, Limits, Mode, ProtocolVersion, Report};

/// Registries that differ in what they know: an older protocol, this one, and types of a caller.
fn registries() -> [Registry; 3] {
    let mine = Registry::default()
        .with_type(
            "SHIP_DONE",
            Category::new("ship").unwrap(),
            [("workflow_id", FieldType::Id), ("ports", FieldType::TextList)],
        )
        .and_then(|registry| registry.with_type("SHIP_LATE", Category::Task, []));
    [Registry::new(ProtocolVersion::V1_0_0), Registry::default(), mine.unwrap()]
}

/// An event with or without faults: type, workflow, phase, data.
struct Case {
    name: String,
    workflow: String,
    phase: String,
    data: Vec<(String, Tree)>,
}

impl Case {
    fn new(number: usize) -> Self {
        let rng = &mut Rng::new(number as u64 + 11);
        let drawn = Drawn::new(number);
        let mut data = drawn.entries();
        if rng.one_in(3) && !data.is_empty() {
            data.remove(rng.below(drawn.required.len()));
        }
        if rng.one_in(3) && !data.is_empty() {
            let place = rng.below(data.len());
            data[place].1 = any_value(rng, 20);
        }
        if rng.one_in(4) && data.iter().all(|(key, _)| key != "workflow_id") {
            let said = rng.pick(&["wf_001", "wf_002", "${wf}"]);
            data.push(("workflow_id".to_owned(), Tree::text(said)));
        }
        if rng.one_in(2) {
            rng.shuffle(&mut data);
        }
        let types = ["SHIP_DONE", "SHIP_LATE", "NOBODY_KNOWS", "a_b"];
        let name = if rng.one_in(3) {
            rng.pick(&types).to_owned()
        } else {
            drawn.spec.event_type.to_string()
        };
        Case { name, workflow: drawn.workflow, phase: drawn.phase, data }
    }

    fn data(&self) -> String {
        let mut text = String::new();
        write_object(&self.data, Quotes::Double, &mut text);
        text
    }

    fn line(&self) -> String {
        format!("{}:{}:{}:{}", self.name, self.workflow, self.phase, self.data())
    }

    /// The envelope, the parts of the event in any order.
    fn envelope(&self, rng: &mut Rng) -> String {
        let part = |key: &str, text: &str| format!("\"{key}\":{}", Tree::text(text).to_json());
        let mut parts = [
            part("event_type", &self.name),
            part("workflow_id", &self.workflow),
            part("phase", &self.phase),
            format!("\"data\":{}", self.data()),
        ];
        if rng.one_in(2) {
            rng.shuffle(&mut parts);
        }
        format!("{{\"event\":{{{}}}}}", parts.join(","))
    }
}

/// Codes and pointers of what is wrong in the data, in any order.
fn in_data(report: &Report, base: &str) -> Vec<String> {
    let mut found: Vec<String> = report
        .findings()
        .iter()
        .filter_map(|finding| {
            let rest = finding.pointer.strip_prefix(base)?;
            rest.starts_with('/').then(|| format!("{} {rest} {finding}", finding.code))
        })
        .collect();
    found.sort();
    found
}

fn body(envelope: Envelope) -> Event {
    let Message::Event(body) = envelope.message else { panic!("{envelope:?}") };
    body.event
}

#[test]
fn line_and_envelope_are_one_event_under_every_registry() {
    let (mut kept, mut refused) = (0, 0);
    for registry in registries() {
        for mode in [Mode::Strict, Mode::Interop] {
            // In an envelope the data stands deeper than in a line.
            let limits = Limits::DEFAULT.with_depth(200);
            let codec = Codec::new(mode).with_registry(registry.clone()).with_limits(limits);
            for number in 0..scaled(2_000) {
                let case = Case::new(number);
                let (line, envelope) = (case.line(), case.envelope(&mut Rng::new(number as u64)));
                let told = (codec.check(&line), codec.check_message(&envelope));
                assert_eq!(
                    in_data(&told.0.report, ""),
                    in_data(&told.1.report, "/event/data"),
                    "{line}\n{envelope}"
                );
                assert_eq!(told.0.value.is_some(), told.1.value.is_some(), "{line}\n{envelope}");
                let (Some(line), Some(message)) = (told.0.value, told.1.value) else {
                    refused += 1;
                    continue;
                };
                kept += 1;
                assert_eq!(line.to_event(), body(message.decode().unwrap()), "{line}\n{envelope}");
            }
        }
    }
    assert!(kept > refused / 4 && refused > kept / 4, "{kept} kept, {refused} refused");
}

/// The version decides: what an older one does not know has no type, in either form.
#[test]
fn a_type_of_a_later_version_is_untyped_in_both_forms() {
    let data = r#"{"checkpoint_id":"c","checkpoint_type":"manual","state_version":3}"#;
    let line = format!("CHECKPOINT_CREATED:w:p:{data}");
    let envelope = format!(
        r#"{{"event":{{"event_type":"CHECKPOINT_CREATED","workflow_id":"w","phase":"p","data":{data}}}}}"#
    );
    for (version, typed) in [(ProtocolVersion::V1_0_0, false), (ProtocolVersion::V1_1_0, true)] {
        let codec = Codec::new(Mode::Interop).with_registry(Registry::new(version));
        let read = codec.parse(&line).unwrap().decode().unwrap();
        assert_eq!(read.event_type().is_some(), typed);
        assert_eq!(read, body(codec.parse_message(&envelope).unwrap().decode().unwrap()));
    }
}
