//! Event types of the caller's own, typed.

use super::payload::{Data, UntypedData};
use super::{Event, EventRef};
use crate::codec::BuildError;
use crate::json::{Json, Kind, members};
use crate::scalar::{Phase, WorkflowId};
use crate::spec::{Category, FieldType, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The data of an event type of your own.
///
/// The registry of a [`Codec`](super::Codec) that reads the type has it by
/// [`Registry::with_event`]; then lines and messages without its required fields are refused, and routing
/// keys and permissions go by its category.
///
/// ```
/// use coordination_protocol::event::{CustomEvent, Event, FieldType};
/// use coordination_protocol::route::RouteKey;
/// use coordination_protocol::{Codec, Mode, Phase, Registry, WorkflowId};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct ShipDone {
///     version: String,
///     hosts: u32,
/// }
///
/// impl CustomEvent for ShipDone {
///     const EVENT_TYPE: &'static str = "SHIP_DONE";
///     const CATEGORY: &'static str = "deploy";
///     const REQUIRED: &'static [(&'static str, FieldType)] =
///         &[("version", FieldType::Text), ("hosts", FieldType::Count)];
/// }
///
/// let registry = Registry::default().with_event::<ShipDone>()?;
/// let codec = Codec::new(Mode::Strict).with_registry(registry.clone());
///
/// let shipped = ShipDone { version: "2.1".to_owned(), hosts: 3 };
/// let event = Event::of_custom(WorkflowId::new("wf_001")?, Phase::new("ship")?, &shipped)?;
/// let line = event.to_string();
/// assert_eq!(line, r#"SHIP_DONE:wf_001:ship:{"version":"2.1","hosts":3}"#);
///
/// let read = codec.parse(&line)?;
/// assert_eq!(read.decode_custom::<ShipDone>()?, Some(shipped));
/// assert!(codec.parse(r#"SHIP_DONE:wf_001:ship:{"hosts":3}"#).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait CustomEvent: Serialize + DeserializeOwned {
    /// The name on the wire, in upper case: `SHIP_DONE`.
    const EVENT_TYPE: &'static str;
    /// The category, in lower case: `deploy`. One of the protocol's may be named, too.
    const CATEGORY: &'static str;
    /// The fields that a reader requires, in the order of a canonical line. None unless set.
    const REQUIRED: &'static [(&'static str, FieldType)] = &[];
}

impl Registry {
    /// Adds an event type of your own.
    ///
    /// # Errors
    /// [`BuildError`] if the name is taken or no identifier, the category is no identifier, or a field is
    /// required twice.
    pub fn with_event<E: CustomEvent>(self) -> Result<Self, BuildError> {
        self.with_type(E::EVENT_TYPE, category::<E>()?, E::REQUIRED.iter().copied())
    }
}

fn category<E: CustomEvent>() -> Result<Category, BuildError> {
    let name = |error| BuildError::Name { name: E::EVENT_TYPE.to_owned(), error };
    Category::new(E::CATEGORY).map_err(name)
}

impl Event {
    /// An event of a type of your own.
    ///
    /// # Errors
    /// [`BuildError`] if the protocol has the type, its name or its category is no identifier, or the data
    /// is no JSON object.
    pub fn of_custom<E: CustomEvent>(
        workflow_id: WorkflowId,
        phase: Phase,
        data: &E,
    ) -> Result<Self, BuildError> {
        let category = category::<E>()?;
        let mut untyped = UntypedData::new(E::EVENT_TYPE)?.in_category(category);
        let json = Json::of(data).map_err(|error| BuildError::Unwritable {
            name: E::EVENT_TYPE.to_owned(),
            reason: error.to_string(),
        })?;
        if json.kind() != Kind::Object {
            return Err(BuildError::NotAnObject { found: json.kind() });
        }
        let text = json.as_str();
        for (key, value) in members(text, 0) {
            untyped = untyped.with(&key.decode(text), Json::from_valid(value.raw(text)));
        }
        // The required fields stand first, as in a canonical line.
        let place = |key: &str| E::REQUIRED.iter().position(|(name, _)| *name == key);
        untyped.sort_by_key(|key| place(key).unwrap_or(E::REQUIRED.len()));
        Ok(Event::new(workflow_id, phase, untyped))
    }

    /// The typed data of an event type of your own; `None` if the event is of another type.
    ///
    /// # Errors
    /// What `serde_json` says of data that does not fit.
    pub fn decode_custom<E: CustomEvent>(&self) -> Result<Option<E>, serde_json::Error> {
        if self.type_name() != E::EVENT_TYPE {
            return Ok(None);
        }
        let mut data = Vec::new();
        Data::write(&self.data, &mut data);
        serde_json::from_slice(&data).map(Some)
    }
}

impl EventRef<'_> {
    /// The typed data of an event type of your own; `None` if the event is of another type.
    ///
    /// # Errors
    /// What `serde_json` says of data that does not fit.
    pub fn decode_custom<E: CustomEvent>(&self) -> Result<Option<E>, serde_json::Error> {
        if self.type_name() == E::EVENT_TYPE { self.to_event().decode_custom() } else { Ok(None) }
    }
}
