//! What a message can say: one kind a body key.

#[allow(clippy::wildcard_imports, reason = "the rows name most documents")]
use super::document::*;
use super::spec::{MemberSpec, ObjectSpec, Requirement, Role, Shape, V1_0_0, V1_1_0, joined};
use super::table::body_table;
use super::tape::{NO_PLACE, Node};
use super::value::{Object, Untyped, Value};
use crate::event::{Event, ExtraFields, FieldType};
use crate::json::write_text;
use crate::scalar::ProtocolVersion;
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
        /// # Ok::<(), coordination_protocol::message::UnknownKind>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum MessageKind {
            $(#[doc = concat!("`", $key, "`, see [`", stringify!($name), "`].")] $name,)+
            /// `event`, see [`EventBody`].
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
                    $(MessageKind::$name => Some($name::SPEC),)+
                    MessageKind::Event => Some(EVENT),
                    MessageKind::Unknown => None,
                }
            }
        }

        /// What a message says, tagged by its body key: in JSON, `{"error_report": {...}}`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message {
            $(#[doc = concat!("`", $key, "`")] $name(Box<$name>),)+
            /// `event`
            Event(Box<EventBody>),
            /// No body that the protocol knows: everything that is no header.
            Unknown(ExtraFields),
        }

        impl Message {
            /// The kind.
            pub const fn kind(&self) -> MessageKind {
                match self {
                    $(Message::$name(_) => MessageKind::$name,)+
                    Message::Event(_) => MessageKind::Event,
                    Message::Unknown(_) => MessageKind::Unknown,
                }
            }

            pub(super) fn read(kind: MessageKind, body: Node<'_>) -> Result<Self, Untyped> {
                Ok(match kind {
                    $(MessageKind::$name => Message::$name(Box::new($name::read_object(body)?)),)+
                    MessageKind::Event => Message::Event(Box::new(EventBody::read(body)?)),
                    MessageKind::Unknown => Message::Unknown(ExtraFields::default()),
                })
            }

            /// Appends the body as a member, or all members of an unknown message.
            pub(super) fn write(&self, out: &mut Vec<u8>, first: bool) {
                if let Message::Unknown(fields) = self {
                    return fields.write(out, first);
                }
                if !first {
                    out.push(b',');
                }
                write_text(out, self.kind().as_str());
                out.push(b':');
                match self {
                    $(Message::$name(body) => Value::write(&**body, out),)+
                    Message::Event(body) => body.write(out),
                    Message::Unknown(_) => {}
                }
            }
        }

        $(
            impl From<$name> for Message {
                fn from(body: $name) -> Self {
                    Message::$name(Box::new(body))
                }
            }
        )+

        const BODIES: &[MemberSpec] = &[$(MemberSpec {
            name: $key,
            summary: "",
            shape: Shape::Object($name::SPEC),
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

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        Message::Event(Box::new(EventBody::new(event)))
    }
}

/// An event as the body of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventBody {
    /// The event.
    pub event: Event,
    extra: ExtraFields,
}

impl EventBody {
    /// An event and nothing else.
    pub fn new(event: Event) -> Self {
        EventBody { event, extra: ExtraFields::default() }
    }

    /// The fields beside the event's own four, which an event line has no room for.
    pub fn extra(&self) -> &ExtraFields {
        &self.extra
    }

    fn read(node: Node<'_>) -> Result<Self, Untyped> {
        let mut extra = ExtraFields::default();
        for child in node.children().filter(|child| child.place() == NO_PLACE) {
            extra.push(child.key(), child.json());
        }
        Ok(EventBody { event: event_at(node, 0)?, extra })
    }

    /// The event whose parts stand beside the header.
    pub(super) fn read_flat(root: Node<'_>) -> Result<Self, Untyped> {
        let mut extra = ExtraFields::default();
        if let Some(message) = root.member((HEADERS + MESSAGE) as u16) {
            extra.push(message.key(), message.json());
        }
        Ok(EventBody { event: event_at(root, HEADERS)?, extra })
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (lead, text) in [
            (&b"{\"event_type\":"[..], self.event.type_name()),
            (b",\"workflow_id\":", self.event.workflow_id.as_str()),
            (b",\"phase\":", self.event.phase.as_str()),
        ] {
            out.extend_from_slice(lead);
            write_text(out, text);
        }
        out.extend_from_slice(b",\"data\":");
        self.event.write_data(out);
        self.extra.write(out, false);
        out.push(b'}');
    }
}

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

/// A name that is no body key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of message")]
pub struct UnknownKind(String);

impl FromStr for MessageKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        MessageKind::lookup(name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

const fn part(name: &'static str, requirement: Requirement, leaf: FieldType) -> MemberSpec {
    MemberSpec { name, summary: "", shape: Shape::Leaf(leaf), requirement, since: &V1_0_0 }
}

/// Places in [`EVENT`].
pub(super) const EVENT_TYPE: usize = 0;
pub(super) const WORKFLOW: usize = 1;
pub(super) const PHASE: usize = 2;
pub(super) const DATA: usize = 3;

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
pub(super) const EVENT: &ObjectSpec =
    &ObjectSpec::new("Event", "An event, as an object.", EVENT_MEMBERS).with_role(Role::Event);

/// How many members of a root are the header's.
pub(super) const HEADERS: usize = EnvelopeHeader::SPEC.members.len();

const HEADER_ALIASES: &[(&str, usize)] = &[
    ("event_id", place("message_id")),
    ("source_component", place("source")),
    ("source_command", place("source")),
];

/// The place of a header key.
pub(super) const fn place(name: &str) -> usize {
    let mut at = 0;
    while at < HEADERS {
        if same(EnvelopeHeader::SPEC.members[at].name, name) {
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

const fn aliased(mut spec: ObjectSpec, aliases: &'static [(&'static str, usize)]) -> ObjectSpec {
    spec.aliases = aliases;
    spec
}

/// An envelope: the header, and the bodies, of which one is there.
pub(crate) static ENVELOPE: ObjectSpec = aliased(
    ObjectSpec::new("Envelope", "A message: header keys beside exactly one body.", {
        const ALL: [MemberSpec; HEADERS + BODIES.len()] =
            joined(EnvelopeHeader::SPEC.members, BODIES);
        &ALL
    })
    .with_role(Role::Envelope),
    HEADER_ALIASES,
);

/// The field's flat event: the header, and the parts of the event in the root.
pub(crate) static FLAT: ObjectSpec = aliased(
    ObjectSpec::new("FlatEvent", "An event whose parts stand beside the header.", {
        const PARTS: &[MemberSpec] = &[
            part("event_type", Requirement::Essential, FieldType::Id),
            part("workflow_id", Requirement::Essential, FieldType::Id),
            part("phase", Requirement::Required, FieldType::Id),
            part("data", Requirement::Essential, FieldType::Object),
            part("message", Requirement::Optional, FieldType::Text),
        ];
        const ALL: [MemberSpec; HEADERS + PARTS.len()] =
            joined(EnvelopeHeader::SPEC.members, PARTS);
        &ALL
    })
    .with_role(Role::Flat),
    FLAT_ALIASES,
);

const FLAT_ALIASES: &[(&str, usize)] = &[
    HEADER_ALIASES[0],
    HEADER_ALIASES[1],
    HEADER_ALIASES[2],
    ("workflow_context", HEADERS + WORKFLOW),
    ("payload", HEADERS + DATA),
];

/// The `message` text of a flat event stands behind its data.
pub(super) const MESSAGE: usize = DATA + 1;

/// The event of a body, or of a flat root whose parts start at place `from`.
fn event_at(node: Node<'_>, from: usize) -> Result<Event, Untyped> {
    let part = |place: usize| node.member((from + place) as u16);
    let text = |place: usize, name| match part(place) {
        Some(node) => Ok(node.value().decode(node.text())),
        None => Err(Untyped(name)),
    };
    let phase = part(PHASE).map(|node| node.value().decode(node.text()));
    let data = part(DATA).ok_or(Untyped("data"))?.json();
    Event::from_parts(
        &text(EVENT_TYPE, "event_type")?,
        &text(WORKFLOW, "workflow_id")?,
        phase.as_deref().unwrap_or(crate::scalar::id::GLOBAL),
        data.as_str(),
    )
    .ok_or(Untyped("data"))
}

/// Whether a key means something in an object although it is no member of it: a body key beside a
/// header, a name that the field writes for another.
pub(super) fn is_taken(spec: &ObjectSpec, key: &str) -> bool {
    match spec.role {
        Role::AllocationResponse => key == "allocation_id",
        Role::Plain if spec.name == EnvelopeHeader::SPEC.name => {
            MessageKind::lookup(key).is_some()
                || HEADER_ALIASES.iter().any(|(alias, _)| *alias == key)
        }
        _ => false,
    }
}
