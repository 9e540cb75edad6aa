//! The one reader: its options, and what it makes of a text.
//!
//! A record is an event line or a JSON object. Either way the reader takes off what surrounds it, scans
//! the JSON once, and asks of each key and value what the specification says of it. The data of an event
//! is an object like any other, be it behind the colons of a line or inside an envelope.
//!
//! | file | holds |
//! |---|---|
//! | `options` | [`Codec`]: mode, limits, registry, severities |
//! | `sniff`, `surroundings` | what a record is ([`RecordShape`]), and what stands around it |
//! | `line`, `document` | what is asked of a line before its data, and of a message as a whole |
//! | `visitor`, `frame` | what is asked of every key and value, and what is known of each depth |
//! | `sink` | what becomes of a finding: it ends the reading, or is collected |
//! | `tape` | what becomes of the values: a verdict keeps none, a line notes its required fields in place, a message notes everything that the protocol knows |
//! | `faults`, `cause` | findings, and what their author probably did |
//! | `records`, `line_walk` | [`RecordDecoder`]: streams cut into records |
//!
//! The borrowed and the typed forms are made further up: [`event`](crate::event) and
//! [`message`](crate::message) give [`Codec`] the methods that return them.

mod cause;
mod document;
mod error;
mod faults;
mod form;
mod frame;
mod line;
mod line_walk;
mod options;
mod read;
mod records;
mod register;
mod sink;
mod sniff;
mod surroundings;
mod tape;
mod visitor;

pub(crate) use document::{Examined, examine_message, examine_object};
pub use error::{BuildError, ReadError};
pub(crate) use faults::describe;
pub(crate) use form::{Form, form_of};
pub use line::EventHeader;
pub(crate) use line::{LineShape, examine_line};
pub use options::Codec;
pub(crate) use options::{LENIENT, STRICT};
pub use read::ReadRecord;
pub use records::{AsyncRecords, RawRecord, RecordDecoder, Records};
pub(crate) use sink::Collect;
pub use sniff::RecordShape;
pub(crate) use surroundings::peel;
pub(crate) use tape::{Entry, NO_PLACE, NoTape, Node, Slots, Tape, Untyped};
