//! Event lines: `EVENT_TYPE:workflow:phase:data` (specification, Event Message Schema).
//!
//! A line is split at its first three colons; the data behind them is one JSON object and may hold
//! anything. The registry says which data a type must carry. One event has three forms:
//!
//! | form | owns | use it to |
//! |---|---|---|
//! | [`EventRef`] | nothing | check and route a line; allocates nothing, prints back byte for byte |
//! | [`EventBuf`] | one shared text | keep or fan out a checked line; clones are cheap |
//! | [`Event`] | typed values | read and build meaning; its type follows from its [`Data`] |
//!
//! ```
//! use coordination_protocol::event::{Event, EventRef, Data, PhaseProgress};
//! use coordination_protocol::scalar::{Percent, Phase, WorkflowId};
//!
//! let line = r#"PHASE_PROGRESS:wf_001:testing:{"phase_id":4,"progress_percentage":67.5,"eta_update":"20m"}"#;
//! let event = EventRef::parse(line)?.decode()?;
//! let Data::PhaseProgress(progress) = &event.data else { unreachable!() };
//! assert_eq!(progress.progress_percentage.value(), 67.5);
//!
//! let mine = Event::new(
//!     WorkflowId::new("wf_001")?,
//!     Phase::new("testing")?,
//!     PhaseProgress::new(4, Percent::parse("67.5")?, "20m"),
//! );
//! assert_eq!(mine.to_string(), line);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Codec`] holds the choices a reader has: [`Mode`](crate::finding::Mode), limits, registry,
//! severities. `parse` stops at the first error; `check` finds everything at once. [`Records`]
//! cuts a stream into records and survives broken ones; [`RecordDecoder`] does so with what it is fed,
//! and [`AsyncRecords`] with what it awaits.
//!
//! Writing is always strict and canonical: the header, the required fields in the registry's order,
//! then the extra data as given, no white space, numbers and texts as spelled.

mod builder;
mod codec;
mod custom;
mod extra;
pub(crate) mod field;
pub(crate) mod into_field;
mod line;
mod payload;
mod value;

pub use crate::codec::{
    AsyncRecords, BuildError, Codec, EventHeader, RawRecord, ReadError, ReadRecord, RecordDecoder,
    RecordShape, Records,
};
pub use crate::spec::{
    Category, CustomCategory, CustomField, CustomType, EventSpec, EventType, FieldType, REGISTRY,
    Registry,
};
pub use builder::EventBuilder;
pub use custom::CustomEvent;
pub use extra::{ExtraFields, ExtraFieldsMut};
pub use field::{JsonObject, PhaseId, PhaseName, TextList};
pub use into_field::{IntoField, SetField};
pub use line::{EventBuf, EventRef};
pub use payload::*;
pub use value::Event;
