//! The whole message, typed and owned.

use super::body::{EventBody, Message};
use super::document::EnvelopeHeader;
use super::value::Object;
use crate::codec::{Node, ReadError, STRICT, Untyped};
use crate::spec::{MessageKind, TypeOrigin};
use std::fmt;
use std::str::FromStr;

/// A message with its header.
///
/// In JSON, the header's keys stand beside one body key, so a bare document of the specification
/// is an envelope whose header says nothing. `Display` writes compact JSON: the header, the body,
/// then the fields that the protocol does not know. [`FromStr`] reads strictly.
///
/// ```
/// use coordination_protocol::message::{Envelope, Message, Release};
/// use coordination_protocol::scalar::{AllocationId, ComponentId};
///
/// let release = Release::new(AllocationId::new("alloc_789")?, "done").with_cleanup(true);
/// let mut envelope = Envelope::from(release);
/// envelope.header = envelope.header.with_source(ComponentId::new("worker-1")?);
/// let text = envelope.to_string();
/// assert_eq!(
///     text,
///     r#"{"source":"worker-1","release":{"allocation_id":"alloc_789","release_reason":"done","cleanup":true}}"#,
/// );
/// assert_eq!(text.parse::<Envelope>()?, envelope);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// What stands beside the body, fields included that the protocol does not know.
    pub header: EnvelopeHeader,
    /// What it says.
    pub message: Message,
}

impl Envelope {
    /// A message with a header.
    pub fn new(header: EnvelopeHeader, message: impl Into<Message>) -> Self {
        Envelope { header, message: message.into() }
    }

    /// The kind of the message.
    pub const fn kind(&self) -> MessageKind {
        self.message.kind()
    }

    pub(super) fn read(
        kind: MessageKind,
        mut header: EnvelopeHeader,
        body: Option<Node<'_>>,
        flat: bool,
        origin: &TypeOrigin,
    ) -> Result<Self, Untyped> {
        let message = match body {
            Some(root) if flat => Message::Event(Box::new(EventBody::read_flat(root, origin)?)),
            Some(body) => Message::read(kind, body, origin)?,
            None => Message::Unknown(std::mem::take(header.all_extra_mut())),
        };
        Ok(Envelope { header, message })
    }

    /// Appends compact JSON to a buffer that the caller may reuse.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Unknown fields are the header's last; the body goes before them for the eye.
        let mut header = Vec::with_capacity(128);
        let empty = self.header.write_members(&mut header, true);
        out.push(b'{');
        out.extend_from_slice(&header);
        self.message.write(out, empty);
        out.push(b'}');
    }
}

impl<T: Into<Message>> From<T> for Envelope {
    /// A bare document: the header says nothing.
    fn from(message: T) -> Self {
        Envelope::new(EnvelopeHeader::new(), message)
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(512);
        self.write(&mut out);
        f.write_str(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Envelope {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        STRICT.parse_message(text)?.decode()
    }
}
