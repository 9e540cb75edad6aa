//! The owned, typed event.

use super::kind::EventType;
use super::line::{EventBuf, EventRef};
use super::payload::{Data, PartialData, UntypedData};
use crate::scalar::{Phase, WorkflowId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::str::FromStr;

/// An event by its meaning. Its type follows from its data.
///
/// `Display` writes the canonical line; [`FromStr`] reads a line strictly. Serde's form is an
/// object, `{"event_type","workflow_id","phase","data"}`, the body of an envelope.
///
/// ```
/// use coordination_protocol::event::{Event, TaskTimeout};
/// use coordination_protocol::scalar::{AgentId, Phase, Span, TaskId, WorkflowId};
///
/// let data = TaskTimeout::new(TaskId::new("task_7")?, AgentId::new("agent_003")?, Span::new("15m")?)
///     .with_extra("attempt", 2_u32)?;
/// let event = Event::new(WorkflowId::new("wf_001")?, Phase::new("build")?, data);
/// let line = event.to_string();
/// assert_eq!(
///     line,
///     r#"TASK_TIMEOUT:wf_001:build:{"task_id":"task_7","agent_id":"agent_003","timeout_duration":"15m","attempt":2}"#,
/// );
/// assert_eq!(line.parse::<Event>()?, event);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The workflow, or `global`.
    pub workflow_id: WorkflowId,
    /// The phase, or `global`.
    pub phase: Phase,
    /// The data, which knows its type.
    pub data: Data,
}

impl Event {
    /// An event of a workflow's phase.
    pub fn new(workflow_id: WorkflowId, phase: Phase, data: impl Into<Data>) -> Self {
        Event { workflow_id, phase, data: data.into() }
    }

    /// An event of the whole system: workflow and phase are `global`.
    pub fn global(data: impl Into<Data>) -> Self {
        Event::new(WorkflowId::global(), Phase::global(), data)
    }

    /// The registered type, or none.
    pub fn event_type(&self) -> Option<EventType> {
        self.data.event_type()
    }

    /// The name of the type on the wire.
    pub fn type_name(&self) -> &str {
        self.data.type_name()
    }

    /// Appends the canonical line, without a line break, to a buffer that the caller may reuse.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.type_name().as_bytes());
        out.push(b':');
        out.extend_from_slice(self.workflow_id.as_str().as_bytes());
        out.push(b':');
        out.extend_from_slice(self.phase.as_str().as_bytes());
        out.push(b':');
        self.data.write(out);
    }

    /// Appends the canonical form of the data alone.
    pub fn write_data(&self, out: &mut Vec<u8>) {
        self.data.write(out);
    }

    /// The canonical line as a checked, shareable text.
    ///
    /// # Errors
    /// What a strict reader minds: an unregistered type, a text that was kept unreadable, or more
    /// than the default limits allow.
    pub fn to_buf(&self) -> Result<EventBuf, super::EventError> {
        EventBuf::parse(&self.to_string())
    }

    pub(super) fn read(event: &EventRef<'_>) -> Result<Self, DecodeError> {
        Ok(Event {
            workflow_id: WorkflowId::from_valid(event.workflow()),
            phase: Phase::from_valid(event.phase()),
            data: Data::read(event).map_err(|key| {
                DecodeError(format!("{} without a readable `{key}`", event.type_name()))
            })?,
        })
    }
}

impl Event {
    pub(super) fn keep(event: &EventRef<'_>) -> Self {
        let data = match (Data::read(event), event.event_type()) {
            (Ok(data), _) => data,
            (Err(_), Some(kind)) => Data::Partial(PartialData::read(event, kind)),
            // Data of an unregistered type is never refused.
            (Err(_), None) => Data::Untyped(UntypedData::read(event)),
        };
        Event {
            workflow_id: WorkflowId::from_valid(event.workflow()),
            phase: Phase::from_valid(event.phase()),
            data,
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    // Only texts were written.
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(256);
        self.write_line(&mut out);
        f.write_str(&text(out))
    }
}

/// An event whose data has no typed form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not decodable: {0}")]
pub struct DecodeError(String);

/// Why a text is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseEventError {
    /// The line is refused.
    #[error(transparent)]
    Line(#[from] super::EventError),
    /// The data has no typed form.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl FromStr for Event {
    type Err = ParseEventError;

    fn from_str(line: &str) -> Result<Self, ParseEventError> {
        Ok(EventRef::parse(line)?.decode()?)
    }
}

/// The serde form, once for both directions.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Event")]
struct Wire<T, D> {
    event_type: T,
    workflow_id: WorkflowId,
    phase: Phase,
    data: D,
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = Vec::with_capacity(256);
        self.data.write(&mut data);
        let data = RawValue::from_string(text(data)).map_err(serde::ser::Error::custom)?;
        let (workflow_id, phase) = (self.workflow_id.clone(), self.phase.clone());
        Wire { event_type: self.type_name(), workflow_id, phase, data }.serialize(serializer)
    }
}

impl Serialize for EventRef<'_> {
    /// The same form as an [`Event`]'s, whatever interop mode let pass.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut data = Vec::with_capacity(256);
        self.write_canonical_data(&mut data);
        Wire {
            event_type: self.type_name(),
            workflow_id: WorkflowId::from_valid(self.workflow()),
            phase: Phase::from_valid(self.phase()),
            data: RawValue::from_string(text(data)).map_err(serde::ser::Error::custom)?,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    /// Reads as lenient as serde is: unregistered types and unreadable texts are kept.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::<String, Box<RawValue>>::deserialize(deserializer)?;
        let line = format!("{}:{}:{}:{}", wire.event_type, wire.workflow_id, wire.phase, wire.data);
        let event = LENIENT.parse(&line).map_err(serde::de::Error::custom)?;
        if event.type_name() != wire.event_type || event.workflow() != wire.workflow_id.as_str() {
            let message = format!("event type: `{}` would split the line", wire.event_type);
            return Err(serde::de::Error::custom(message));
        }
        Ok(event.to_event())
    }
}

/// Reads parts that were checked before, within limits that a document cannot exceed.
static LENIENT: super::Codec = super::Codec::new(crate::finding::Mode::Interop);

impl Event {
    /// The event of parts that were checked; `None` if a field has no typed form.
    pub(crate) fn from_parts(name: &str, workflow: &str, phase: &str, data: &str) -> Option<Self> {
        let line = [name, workflow, phase, data].join(":");
        let limits = crate::json::Limits::DEFAULT
            .with_bytes(usize::MAX)
            .with_depth(crate::json::Limits::MAX_DEPTH)
            .with_keys(usize::MAX);
        let codec = super::Codec::new(crate::finding::Mode::Interop).with_limits(limits);
        let event = codec.parse(&line).ok()?;
        (event.type_name() == name && event.workflow() == workflow && event.phase() == phase)
            .then(|| event.to_event())
    }
}
