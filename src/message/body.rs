//! What a message can say, typed: one variant a body key.

#[allow(clippy::wildcard_imports, reason = "the rows name most documents")]
use super::document::*;
use super::value::{Object, Value};
use crate::codec::{NO_PLACE, Node, Untyped};
use crate::event::{Event, ExtraFields, ExtraFieldsMut};
use crate::json::write_text;
use crate::scalar::WorkflowId;
use crate::spec::{HEADERS, MESSAGE, MessageKind, TypeOrigin, body_table};

macro_rules! bodies {
    ($($name:ident $key:literal $since:ident)+) => {
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

            pub(super) fn read(
                kind: MessageKind,
                body: Node<'_>,
                origin: &TypeOrigin,
            ) -> Result<Self, Untyped> {
                Ok(match kind {
                    $(MessageKind::$name => Message::$name(Box::new($name::read_object(body)?)),)+
                    MessageKind::Event => Message::Event(Box::new(EventBody::read(body, origin)?)),
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

            impl TryFrom<Message> for $name {
                /// The message, which says something else.
                type Error = Message;

                fn try_from(message: Message) -> Result<Self, Message> {
                    match message {
                        Message::$name(body) => Ok(*body),
                        other => Err(other),
                    }
                }
            }
        )+
    };
}
body_table!(bodies);

impl Message {
    /// The workflow that it is about, if it is about one.
    pub fn workflow(&self) -> Option<&WorkflowId> {
        match self {
            Message::Event(body) => Some(&body.event.workflow_id),
            Message::AllocationRequest(body) => Some(&body.workflow_id),
            Message::WorkflowState(body) => Some(&body.workflow_id),
            Message::CheckpointSync(body) => Some(&body.workflow_id),
            Message::ErrorReport(body) => body.workflow_id.as_ref(),
            Message::Release(body) => body.workflow_id.as_ref(),
            Message::ConflictCheck(body) => body.workflow_id.as_ref(),
            Message::Rollback(body) => Some(&body.workflow_id),
            Message::Proposal(body) => Some(&body.workflow_id),
            Message::Decision(body) => body.workflow_id.as_ref(),
            _ => None,
        }
    }
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        Message::Event(Box::new(EventBody::new(event)))
    }
}

impl TryFrom<Message> for Event {
    /// The message, which is no event.
    type Error = Message;

    fn try_from(message: Message) -> Result<Self, Message> {
        match message {
            Message::Event(body) => Ok(body.event),
            other => Err(other),
        }
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

    /// The fields beside the event's own four, to be changed like a map.
    pub fn extra_mut(&mut self) -> ExtraFieldsMut<'_> {
        self.extra.guarded(|key| ["event_type", "workflow_id", "phase", "data"].contains(&key))
    }

    fn read(node: Node<'_>, origin: &TypeOrigin) -> Result<Self, Untyped> {
        let mut extra = ExtraFields::default();
        for child in node.children().filter(|child| child.place() == NO_PLACE) {
            extra.push(child.key(), child.json());
        }
        Ok(EventBody { event: Event::on_tape(node, 0, origin)?, extra })
    }

    /// The event whose parts stand beside the header.
    pub(super) fn read_flat(root: Node<'_>, origin: &TypeOrigin) -> Result<Self, Untyped> {
        let mut extra = ExtraFields::default();
        if let Some(message) = root.member((HEADERS + MESSAGE) as u16) {
            extra.push(message.key(), message.json());
        }
        Ok(EventBody { event: Event::on_tape(root, HEADERS, origin)?, extra })
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
