//! Events between the two forms: a line, and the body of an envelope.

use super::body::Message;
use super::document::EnvelopeHeader;
use super::envelope::Envelope;
use super::value::Object;
use crate::codec::BuildError;
use crate::event::{Event, EventRef};
use crate::json::pointer;

/// An event line made of an envelope, and what the line has no room for.
///
/// A line has no identifier, time, source or version: it is a view of an event, the envelope is
/// the unit of delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventLine {
    /// The canonical line.
    pub line: String,
    /// JSON pointers of what is in the envelope and not in the line.
    pub lost: Vec<String>,
}

impl Envelope {
    /// The line of an event.
    ///
    /// ```
    /// use coordination_protocol::message::Envelope;
    ///
    /// let text = r#"{"message_id":"msg_1","event":{"event_type":"SYSTEM_SHUTDOWN","workflow_id":"global","phase":"global","data":{"component_name":"hub","shutdown_reason":"update"}}}"#;
    /// let converted = text.parse::<Envelope>()?.to_line()?;
    /// assert_eq!(
    ///     converted.line,
    ///     r#"SYSTEM_SHUTDOWN:global:global:{"component_name":"hub","shutdown_reason":"update"}"#,
    /// );
    /// assert_eq!(converted.lost, ["/message_id"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::NotAnEvent`] for a message of another kind.
    pub fn to_line(&self) -> Result<EventLine, BuildError> {
        let Message::Event(body) = &self.message else {
            return Err(BuildError::NotAnEvent(self.kind()));
        };
        let mut lost = Vec::new();
        let mut drop_key = |base: &str, key: &str| {
            let mut path = base.to_owned();
            pointer::push_key(&mut path, key);
            lost.push(path);
        };
        for key in self.header.keys() {
            drop_key("", &key);
        }
        for (key, _) in body.extra() {
            drop_key("/event", key);
        }
        Ok(EventLine { line: body.event.to_string(), lost })
    }

    /// The envelope of an event line, its header empty.
    pub fn from_line(event: &EventRef<'_>) -> Self {
        Envelope::from(event.to_event())
    }
}

impl EnvelopeHeader {
    /// The keys that are set, the header's own first.
    pub fn keys(&self) -> Vec<String> {
        let mut json = vec![b'{'];
        self.write_members(&mut json, true);
        json.push(b'}');
        let text = String::from_utf8(json).unwrap_or_default();
        crate::json::members(&text, 0).map(|(key, _)| key.decode(&text).into_owned()).collect()
    }

    /// Whether no key is set.
    pub fn is_empty(&self) -> bool {
        *self == EnvelopeHeader::new()
    }
}

impl TryFrom<&Envelope> for Event {
    type Error = BuildError;

    fn try_from(envelope: &Envelope) -> Result<Self, BuildError> {
        match &envelope.message {
            Message::Event(body) => Ok(body.event.clone()),
            _ => Err(BuildError::NotAnEvent(envelope.kind())),
        }
    }
}
