//! The one reader: its options, and what it makes of a text.
//!
//! A record is an event line or a JSON object. Either way the reader takes off what surrounds it
//! , scans the JSON once, and asks of each key and value what the specification says
//! of it. What becomes of a finding is the business of a sink: it ends the reading,
//! or is collected. What becomes of the values is the business of a tape: a verdict needs none, a
//! line notes its required fields in place, a message notes everything that the protocol knows.
//!
//! What a record is tells [`RecordShape`], for everybody.

mod cause;
mod document;
mod error;
mod faults;
mod form;
mod frame;
mod line;
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
pub(crate) use form::{Form, form_of};
pub use line::EventHeader;
pub(crate) use line::{LineShape, examine_line};
pub use options::Codec;
pub(crate) use options::{LENIENT, STRICT};
pub use read::ReadRecord;
pub use records::{RawRecord, Records};
pub(crate) use sink::Collect;
pub use sniff::RecordShape;
pub(crate) use surroundings::peel;
pub(crate) use tape::{Entry, NO_PLACE, NoTape, Node, Slots, Tape, Untyped};
