//! What each version added, from the tables of events and messages.

use crate::event::REGISTRY;
use crate::message::{EnvelopeHeader, MessageKind, ObjectSpec, Shape};
use crate::scalar::ProtocolVersion;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// A kind of thing that a version of the protocol may add.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdditionKind {
    /// An event type.
    EventType,
    /// A body key of the envelope: a message.
    Body,
    /// A header key of the envelope.
    Header,
    /// A field of a message, as `message/field`; `*` stands for any element or key of a map.
    Field,
}

impl AdditionKind {
    /// Whether a reader that does not know the addition can pass over it and still read the rest.
    pub const fn is_optional(self) -> bool {
        matches!(self, AdditionKind::Header | AdditionKind::Field)
    }
}

/// One thing that the protocol has since some version.
///
/// `Display` names it: ``the header key `priority` ``.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Addition {
    /// The version that brought it.
    pub since: ProtocolVersion,
    /// What kind of thing.
    pub kind: AdditionKind,
    /// Its name on the wire.
    pub name: Cow<'static, str>,
}

impl Addition {
    /// An addition.
    pub fn new(
        since: ProtocolVersion,
        kind: AdditionKind,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        Addition { since, kind, name: name.into() }
    }
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            AdditionKind::EventType => "event type",
            AdditionKind::Body => "message",
            AdditionKind::Header => "header key",
            AdditionKind::Field => "field",
        };
        write!(f, "the {kind} `{}`", self.name)
    }
}

/// Everything that has a version in the tables: event types, messages, header keys, and the fields
/// that came later than their message.
///
/// ```
/// use coordination_protocol::ProtocolVersion;
/// use coordination_protocol::version::additions;
///
/// let later = additions().into_iter().filter(|addition| addition.since > ProtocolVersion::V1_0_0);
/// let names: Vec<_> = later.map(|addition| addition.name).collect();
/// assert!(names.contains(&"CHECKPOINT_CREATED".into()));
/// assert!(names.contains(&"checkpoint_sync/state_version".into()));
/// ```
pub fn additions() -> Vec<Addition> {
    let mut all: Vec<Addition> = REGISTRY
        .iter()
        .map(|spec| {
            Addition::new(spec.since.clone(), AdditionKind::EventType, spec.event_type.as_str())
        })
        .collect();
    all.extend(
        MessageKind::KNOWN
            .iter()
            .map(|kind| Addition::new(kind.since().clone(), AdditionKind::Body, kind.as_str())),
    );
    all.extend(
        EnvelopeHeader::SPEC
            .members
            .iter()
            .map(|member| Addition::new(member.since.clone(), AdditionKind::Header, member.name)),
    );
    for kind in MessageKind::KNOWN {
        if let Some(spec) = kind.spec() {
            fields(spec, kind.since(), kind.as_str(), &mut all);
        }
    }
    all
}

/// The fields of an object that are younger than what they stand in.
fn fields(spec: &ObjectSpec, since: &ProtocolVersion, path: &str, all: &mut Vec<Addition>) {
    for member in spec.members {
        let path = format!("{path}/{}", member.name);
        if member.since > since {
            all.push(Addition::new(member.since.clone(), AdditionKind::Field, path.clone()));
        }
        within(member.shape, member.since.max(since), path, all);
    }
}

fn within(shape: Shape, since: &ProtocolVersion, path: String, all: &mut Vec<Addition>) {
    match shape {
        Shape::Object(spec) => fields(spec, since, &path, all),
        Shape::List(inner) | Shape::Map(inner) => within(*inner, since, path + "/*", all),
        _ => {}
    }
}
