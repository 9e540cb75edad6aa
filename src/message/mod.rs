//! Messages: everything that is not an event line (specification, Message Format Standards).
//!
//! A message is a JSON object: header keys beside exactly one body key. The body is one of the
//! specification's eight documents, an event, or a control message of protocol 1.1.0. Because every
//! header key is optional on read, a bare document is a message too.
//!
//! ```
//! use coordination_protocol::message::{Envelope, Message};
//!
//! let text = r#"{
//!   "message_id": "msg_1", "source": "resource-manager",
//!   "health_status": {"component_id": "resource-manager", "status": "healthy", "timestamp": "2025-01-15T12:00:00Z", "queue_size": 2}
//! }"#;
//! let envelope: Envelope = text.parse()?;
//! let Message::HealthStatus(health) = &envelope.message else { unreachable!() };
//! assert_eq!(health.queue_size.as_ref().unwrap().get(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | form | owns | use it to |
//! |---|---|---|
//! | [`Codec::verify_message`](crate::Codec::verify_message) | nothing | accept or refuse; allocates nothing |
//! | [`MessageRef`] | where its values are | check, route, pick single values; prints back byte for byte |
//! | [`Envelope`] | typed values | read and build meaning |
//!
//! One table lists every field of every document, with its type and how much it is required
//! ([`OBJECTS`]). Fields and words that it does not have are legal, kept at every depth, and
//! reported. Numbers and texts keep their spelling.

mod body;
mod codec;
mod document;
mod envelope;
mod line;
mod raw;
mod serde;
mod value;

pub use crate::event::{ExtraFields, ExtraFieldsMut, IntoField, SetField};
pub use crate::json::Map;
pub(crate) use crate::spec::{ENVELOPE, FLAT, object_table};
pub use crate::spec::{MemberSpec, MessageKind, OBJECTS, ObjectSpec, Requirement, Shape};
pub use body::{EventBody, Message};
pub use codec::{EnvelopeText, MessageRef, Part, Peek, peek};
pub use document::*;
pub use envelope::Envelope;
pub use line::EventLine;
pub(crate) use value::Value;
