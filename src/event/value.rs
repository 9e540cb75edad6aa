//! The owned, typed event.

use super::line::{EventBuf, EventRef};
use super::payload::{Data, DataFields, PartialData, UntypedData, is_read_back};
use crate::codec::{Entry, LENIENT, Node, ReadError, Untyped, examine_object};
use crate::json::{Json, StringMeans, read_json, write_json, write_text};
use crate::scalar::{Phase, WorkflowId, id};
use crate::spec::{DATA, EVENT, EVENT_TYPE, EventType, PHASE, TypeOrigin, WORKFLOW};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;
use std::str::FromStr;

/// An event by its meaning. Its type follows from its data.
///
/// `Display` writes the canonical line; [`FromStr`] reads a line strictly. Serde's form is an
/// object, `{"event_type","workflow_id","phase","data"}`, the body of an envelope; in formats that are
/// not for humans, its JSON text.
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
    pub fn to_buf(&self) -> Result<EventBuf, ReadError> {
        EventBuf::parse(&self.to_string())
    }

    pub(super) fn read(event: &EventRef<'_>) -> Result<Self, ReadError> {
        let data = match event.event_type() {
            Some(kind) => Data::read(kind, event.data_fields())
                .map_err(|key| ReadError::no_value(key, event.data_start()))?,
            None => untyped(event),
        };
        Ok(Event::of(event.workflow(), event.phase(), data))
    }

    pub(super) fn keep(event: &EventRef<'_>) -> Self {
        let data = match event.event_type() {
            Some(kind) => Data::read(kind, event.data_fields()).unwrap_or_else(|_| {
                Data::Partial(PartialData::from_valid(kind, event.all_fields()))
            }),
            None => untyped(event),
        };
        Event::of(event.workflow(), event.phase(), data)
    }

    /// The event whose parts stand in an object on the tape, from place `from` on. Its type is the one
    /// that the reader found in its registry: the caller's, not a default one.
    pub(crate) fn on_tape(
        object: Node<'_>,
        from: usize,
        origin: &TypeOrigin,
    ) -> Result<Self, Untyped> {
        let part = |place: usize| object.member((from + place) as u16);
        // A placeholder such as `${A:-b}` may hold what no identifier does; it has no value.
        let sound = |place: usize, key: &'static str| {
            let text = part(place).map(|node| node.value().decode(node.text()));
            match text {
                Some(text) if id::check(&text).is_err() => Err(Untyped(key)),
                text => Ok(text),
            }
        };
        let name = sound(EVENT_TYPE, "event_type")?.ok_or(Untyped("event_type"))?;
        let workflow = sound(WORKFLOW, "workflow_id")?.ok_or(Untyped("workflow_id"))?;
        let phase = sound(PHASE, "phase")?;
        let data = part(DATA).ok_or(Untyped("data"))?;
        let all = || -> Vec<(SmolStr, Json)> {
            data.children().map(|field| (field.key(), field.json())).collect()
        };
        let data = match origin.event_type() {
            Some(kind) => Data::read(kind, DataFields::on_tape(data))
                .unwrap_or_else(|_| Data::Partial(PartialData::from_valid(kind, all()))),
            // Its line would not be read back.
            None if !is_read_back(&name) => return Err(Untyped("event_type")),
            None => UntypedData::from_valid(&name, origin.category().cloned(), all()).into(),
        };
        Ok(Event::of(&workflow, phase.as_deref().unwrap_or(id::GLOBAL), data))
    }

    fn of(workflow: &str, phase: &str, data: Data) -> Self {
        let (workflow_id, phase) = (WorkflowId::from_valid(workflow), Phase::from_valid(phase));
        Event { workflow_id, phase, data }
    }
}

impl EventRef<'_> {
    /// The event with typed, owned data.
    ///
    /// # Errors
    /// A required field is missing or a placeholder, which only interop mode lets pass.
    pub fn decode(&self) -> Result<Event, ReadError> {
        Event::read(self)
    }

    /// The event with typed, owned data, or [`Data::Partial`](super::Data::Partial) where typed data
    /// cannot be made of what interop mode let pass.
    ///
    /// ```
    /// use coordination_protocol::event::{Codec, Data};
    /// use coordination_protocol::Mode;
    ///
    /// let line = r#"TASK_TIMEOUT:wf_001:build:{"task_id":"t1"}"#;
    /// let event = Codec::new(Mode::Interop).parse(line)?;
    /// assert!(event.decode().is_err());
    /// assert!(matches!(event.to_event().data, Data::Partial(_)));
    /// assert_eq!(event.to_event().to_string(), line);
    /// # Ok::<(), coordination_protocol::ReadError>(())
    /// ```
    pub fn to_event(&self) -> Event {
        Event::keep(self)
    }
}

/// The data of a line whose type is not registered.
fn untyped(event: &EventRef<'_>) -> Data {
    let category = event.category().cloned();
    UntypedData::from_valid(event.type_name(), category, event.all_fields()).into()
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

impl FromStr for Event {
    type Err = ReadError;

    fn from_str(line: &str) -> Result<Self, ReadError> {
        EventRef::parse(line)?.decode()
    }
}

/// The serde form, as JSON: `{"event_type","workflow_id","phase","data"}`.
pub(crate) fn write_object(header: [&str; 3], data: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(256);
    let keys = [&b"{\"event_type\":"[..], b",\"workflow_id\":", b",\"phase\":"];
    for (lead, text) in keys.into_iter().zip(header) {
        out.extend_from_slice(lead);
        write_text(&mut out, text);
    }
    out.extend_from_slice(b",\"data\":");
    data(&mut out);
    out.push(b'}');
    text(out)
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let header = [self.type_name(), self.workflow_id.as_str(), self.phase.as_str()];
        write_json(&write_object(header, |out| self.data.write(out)), serializer)
    }
}

impl Serialize for EventRef<'_> {
    /// The same form as an [`Event`]'s, whatever interop mode let pass.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let header = [self.type_name(), self.workflow(), self.phase()];
        write_json(&write_object(header, |out| self.write_canonical_data(out)), serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    /// Reads as lenient as serde is: unregistered types and unreadable texts are kept.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = &*read_json(deserializer, StringMeans::Json)?;
        let examined = LENIENT
            .read(
                |sink| examine_object(&LENIENT, text, 0, EVENT, sink, Vec::<Entry>::new()),
                |sink| {
                    examine_object(&LENIENT, text, 0, EVENT, sink, Vec::<Entry>::new()).is_some()
                },
            )
            .map_err(serde::de::Error::custom)?;
        let root = Node { text, tape: &examined.tape, at: 0 };
        Event::on_tape(root, 0, &examined.origin).map_err(|Untyped(key)| {
            serde::de::Error::custom(ReadError::no_value(key, root.value().start()))
        })
    }
}
