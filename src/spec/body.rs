//! What a message can say: one kind a body key.

use super::field::FieldType;
use super::object::{MemberSpec, ObjectSpec, Requirement, Role, Shape, V1_0_0, V1_1_0, joined};
use super::object_table::body_table;
use super::objects;
use crate::scalar::{ProtocolVersion, Refusal, ScalarError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

macro_rules! bodies {
    ($($name:ident $key:literal $since:ident)+) => {
        /// The kinds of message: which body stands beside the header.
        ///
        /// ```
        /// use coordination_protocol::message::MessageKind;
        ///
        /// let kind: MessageKind = "error_report".parse()?;
        /// assert_eq!(kind, MessageKind::ErrorReport);
        /// assert!(!kind.is_extension());
        /// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum MessageKind {
            $(#[doc = concat!("`", $key, "`, see `message::", stringify!($name), "`.")] $name,)+
            /// `event`, see [`EventBody`](crate::message::EventBody).
            Event,
            /// No body that the protocol knows.
            Unknown,
        }

        impl MessageKind {
            /// All kinds that have a body key, in the order of the table, the event last.
            pub const KNOWN: &'static [MessageKind] =
                &[$(MessageKind::$name,)+ MessageKind::Event];

            /// The kind of a body key.
            pub fn lookup(key: &str) -> Option<Self> {
                Some(match key {
                    $($key => MessageKind::$name,)+
                    "event" => MessageKind::Event,
                    _ => return None,
                })
            }

            /// The body key; `unknown` for [`Unknown`](Self::Unknown).
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(MessageKind::$name => $key,)+
                    MessageKind::Event => "event",
                    MessageKind::Unknown => "unknown",
                }
            }

            /// The protocol version that introduced it.
            pub fn since(self) -> &'static ProtocolVersion {
                match self {
                    $(MessageKind::$name => &$since,)+
                    MessageKind::Event | MessageKind::Unknown => &V1_0_0,
                }
            }

            /// What the body consists of; `None` for [`Unknown`](Self::Unknown).
            pub fn spec(self) -> Option<&'static ObjectSpec> {
                match self {
                    $(MessageKind::$name => Some(objects::$name::SPEC),)+
                    MessageKind::Event => Some(EVENT),
                    MessageKind::Unknown => None,
                }
            }
        }

        const KEYS: &[&str] = &[$($key,)+ "event"];

        const BODIES: &[MemberSpec] = &[$(MemberSpec {
            name: $key,
            summary: "",
            shape: Shape::Object(objects::$name::SPEC),
            requirement: Requirement::Optional,
            since: &$since,
        },)+ MemberSpec {
            name: "event",
            summary: "",
            shape: Shape::Object(EVENT),
            requirement: Requirement::Optional,
            since: &V1_0_0,
        }];
    };
}
body_table!(bodies);

impl MessageKind {
    /// Whether it is a control message or another extension of this crate's protocol 1.1.0.
    pub fn is_extension(self) -> bool {
        *self.since() > V1_0_0
    }

    /// Whether it is one of the eight documents of the specification.
    pub fn is_document(self) -> bool {
        !self.is_extension() && self.spec().is_some() && self != MessageKind::Event
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for MessageKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MessageKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for MessageKind {
    type Err = ScalarError;

    fn from_str(name: &str) -> Result<Self, ScalarError> {
        MessageKind::lookup(name)
            .ok_or_else(|| ScalarError::bad_word(name, KEYS, Refusal::Is("no kind of message")))
    }
}

const fn part(name: &'static str, requirement: Requirement, leaf: FieldType) -> MemberSpec {
    MemberSpec { name, summary: "", shape: Shape::Leaf(leaf), requirement, since: &V1_0_0 }
}

/// Places in [`EVENT`].
pub(crate) const EVENT_TYPE: usize = 0;
pub(crate) const WORKFLOW: usize = 1;
pub(crate) const PHASE: usize = 2;
pub(crate) const DATA: usize = 3;

/// What the data of every event may say again of its header, and whether a number is taken for it, too: it
/// names a phase by its place. Data has to have it in its kind, whatever its type.
pub(crate) const REPEATED: [(MemberSpec, bool); 2] =
    [(EVENT.members[WORKFLOW], false), (EVENT.members[PHASE], true)];

const fn told(mut member: MemberSpec, summary: &'static str) -> MemberSpec {
    member.summary = summary;
    member
}

const EVENT_MEMBERS: &[MemberSpec] = &[
    told(part("event_type", Requirement::Essential, FieldType::Id), "The type; it tells the data."),
    told(part("workflow_id", Requirement::Essential, FieldType::Id), "The workflow, or `global`."),
    told(part("phase", Requirement::Required, FieldType::Id), "The phase, or `global`."),
    told(
        part("data", Requirement::Essential, FieldType::Object),
        "What the type requires, and more.",
    ),
];

/// The body of an event.
pub(crate) const EVENT: &ObjectSpec =
    &ObjectSpec::new("Event", "An event, as an object.", EVENT_MEMBERS).with_role(Role::Event);

/// How many members of a root are the header's.
pub(crate) const HEADERS: usize = objects::EnvelopeHeader::SPEC.members.len();

const HEADER_ALIASES: &[(&str, usize)] = &[
    ("event_id", place("message_id")),
    ("source_component", place("source")),
    ("source_command", place("source")),
];

/// The place of a header key.
pub(crate) const fn place(name: &str) -> usize {
    let mut at = 0;
    while at < HEADERS {
        if same(objects::EnvelopeHeader::SPEC.members[at].name, name) {
            return at;
        }
        at += 1;
    }
    panic!("no such header key")
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// An envelope: the header, and the bodies, of which one is there.
pub(crate) static ENVELOPE: ObjectSpec =
    ObjectSpec::new("Envelope", "A message: header keys beside exactly one body.", {
        const ALL: [MemberSpec; HEADERS + BODIES.len()] =
            joined(objects::EnvelopeHeader::SPEC.members, BODIES);
        &ALL
    })
    .with_role(Role::Envelope)
    .with_aliases(HEADER_ALIASES);

/// The field's flat event: the header, and the parts of the event in the root.
pub(crate) static FLAT: ObjectSpec =
    ObjectSpec::new("FlatEvent", "An event whose parts stand beside the header.", {
        const PARTS: &[MemberSpec] = &[
            part("event_type", Requirement::Essential, FieldType::Id),
            part("workflow_id", Requirement::Essential, FieldType::Id),
            part("phase", Requirement::Required, FieldType::Id),
            part("data", Requirement::Essential, FieldType::Object),
            part("message", Requirement::Optional, FieldType::Text),
        ];
        const ALL: [MemberSpec; HEADERS + PARTS.len()] =
            joined(objects::EnvelopeHeader::SPEC.members, PARTS);
        &ALL
    })
    .with_role(Role::Flat)
    .with_aliases(FLAT_ALIASES);

const FLAT_ALIASES: &[(&str, usize)] = &[
    HEADER_ALIASES[0],
    HEADER_ALIASES[1],
    HEADER_ALIASES[2],
    ("workflow_context", HEADERS + WORKFLOW),
    ("payload", HEADERS + DATA),
];

/// The `message` text of a flat event stands behind its data.
pub(crate) const MESSAGE: usize = DATA + 1;

/// Whether a key means something in an object although it is no member of it: a body key beside a
/// header, a name that the field writes for another.
pub(crate) fn is_taken(spec: &ObjectSpec, key: &str) -> bool {
    match spec.role {
        Role::AllocationResponse => key == "allocation_id",
        Role::Plain if spec.name == objects::EnvelopeHeader::SPEC.name => {
            MessageKind::lookup(key).is_some()
                || HEADER_ALIASES.iter().any(|(alias, _)| *alias == key)
        }
        _ => false,
    }
}
