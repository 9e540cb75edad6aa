//! Good messages, grown from the tables.

use crate::support::{Rng, Tree};
use coordination_protocol::event::{EventSpec, FieldType, REGISTRY};
use coordination_protocol::message::{
    EnvelopeHeader, ErrorReport, MemberSpec, MessageKind, ObjectSpec, Requirement, Shape,
};

pub(crate) type Entries = Vec<(String, Tree)>;

/// A message of a kind.
pub(crate) fn message(rng: &mut Rng, kind: MessageKind) -> Entries {
    let mut entries = if rng.one_in(2) { object(rng, EnvelopeHeader::SPEC) } else { Vec::new() };
    entries.push((kind.as_str().to_owned(), body(rng, kind)));
    if rng.one_in(4) {
        entries.push(("x_trace".to_owned(), Tree::plain("7")));
    }
    if rng.one_in(4) {
        rng.shuffle(&mut entries);
    }
    entries
}

pub(crate) fn body(rng: &mut Rng, kind: MessageKind) -> Tree {
    Tree::Object(match kind {
        MessageKind::Event => event(rng),
        _ => object(rng, kind.spec().unwrap()),
    })
}

fn event(rng: &mut Rng) -> Entries {
    let spec = &REGISTRY[rng.below(REGISTRY.len())];
    vec![
        ("event_type".to_owned(), Tree::text(spec.event_type.as_str())),
        ("workflow_id".to_owned(), Tree::text(rng.pick(&["wf_001", "global"]))),
        ("phase".to_owned(), Tree::text(rng.pick(&["build", "global"]))),
        ("data".to_owned(), Tree::Object(data(rng, spec))),
    ]
}

/// The data of an event type.
pub(crate) fn data(rng: &mut Rng, spec: &EventSpec) -> Entries {
    let required = spec.required().iter();
    let value = |field: &MemberSpec, rng: &mut Rng| match field.name {
        // The validator reads it by its own specification.
        "error_report" => Tree::Object(object(rng, ErrorReport::SPEC)),
        _ => leaf(rng, field.field_type().unwrap()),
    };
    required.map(|field| (field.name.to_string(), value(field, rng))).collect()
}

fn object(rng: &mut Rng, spec: &ObjectSpec) -> Entries {
    let given = |member: &&MemberSpec, rng: &mut Rng| {
        matches!(member.requirement, Requirement::Essential | Requirement::Required)
            || rng.one_in(2)
    };
    let mut entries = Vec::new();
    for member in spec.members {
        if given(&member, rng) {
            entries.push((member.name.to_owned(), shape(rng, &member.shape)));
        }
    }
    entries
}

fn shape(rng: &mut Rng, shape: &Shape) -> Tree {
    match shape {
        Shape::Object(spec) => Tree::Object(object(rng, spec)),
        Shape::List(of) => Tree::Array((0..rng.below(3)).map(|_| self::shape(rng, of)).collect()),
        Shape::Map(of) => {
            let keys = ["bash", "two words", "$x"].into_iter().take(rng.below(4));
            Tree::Object(keys.map(|key| (key.to_owned(), self::shape(rng, of))).collect())
        }
        Shape::Leaf(leaf) => self::leaf(rng, *leaf),
        other => panic!("no value for {other:?}; add one"),
    }
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) fn leaf(rng: &mut Rng, leaf: FieldType) -> Tree {
    if let Some(words) = leaf.words() {
        return Tree::text(rng.pick(words));
    }
    let text = |rng: &mut Rng, texts: &[&str]| Tree::text(rng.pick(texts));
    match leaf {
        FieldType::Json => rng_any(rng),
        FieldType::Object => Tree::Object(vec![("a".to_owned(), rng_any(rng))]),
        FieldType::Bool => Tree::plain(rng.pick(&["true", "false"])),
        FieldType::Text => text(rng, &["", "done", "the cost is $5", "a|b", "x: {}", "é😀"]),
        FieldType::TextList => Tree::Array(vec![Tree::text("a"), Tree::text("b c")]),
        FieldType::Id => text(rng, &["wf_001", "a.b-1", "two words", "é😀", "$1"]),
        FieldType::Phase if rng.one_in(2) => Tree::plain("3"),
        FieldType::Phase => text(rng, &["build", "", "phase 1: start"]),
        FieldType::Span => text(rng, &["45m", "2h 30m", "1d2h 3m4s 5ms", "0.5s", "007d"]),
        FieldType::Timestamp => text(
            rng,
            &["2025-01-15T12:00:00Z", "2024-02-29T23:59:60.5Z", "0000-12-31T00:00:00-23:59"],
        ),
        FieldType::Window => text(rng, &["12:30-13:00", "22:00-00:00"]),
        FieldType::ByteSize => text(rng, &["2.5GB", "0B", "128 KiB"]),
        FieldType::Digest => Tree::text(DIGEST),
        FieldType::Version => text(rng, &["1.0.0", "2.0.0-rc.1+build.5"]),
        FieldType::ProtocolVersion => text(rng, &["1.0.0", "1.1.0", "20.0.3"]),
        FieldType::Number => Tree::plain(rng.pick(&["-1.5", "0", "1e300"])),
        FieldType::Amount => Tree::plain(rng.pick(&["0", "-0.0", "2.50", "1e3"])),
        FieldType::Count => Tree::plain(rng.pick(&["0", "4.0", "1e3", "18446744073709551615"])),
        FieldType::Percent => Tree::plain(rng.pick(&["0", "67.5", "1e2", "100.00"])),
        FieldType::StateVersion => Tree::plain(rng.pick(&["0", "15", "16.0", "9007199254740991"])),
        FieldType::Ratio => Tree::plain(rng.pick(&["0", "0.97", "1", "1.0"])),
        other => panic!("no value for {other}; add one"),
    }
}

fn rng_any(rng: &mut Rng) -> Tree {
    match rng.below(6) {
        0 => Tree::plain("null"),
        1 => Tree::plain("12.5"),
        2 => Tree::Array(vec![Tree::text("$x")]),
        3 => Tree::Object(vec![("deep".to_owned(), Tree::Array(Vec::new()))]),
        _ => Tree::text("why not"),
    }
}
