//! The protocol as statics: what there is to say, and what it consists of.
//!
//! Two tables hold all of it, one row an event type, one row a document or a part of one. Here the
//! rows become data: [`REGISTRY`] and [`OBJECTS`] list every field with its type
//! ([`FieldType`], [`Shape`]) and how much it is required ([`Requirement`]). An event type is an
//! [`ObjectSpec`] with required fields only, so one reader serves both. What the values mean in Rust
//! is the business of [`event`](crate::event) and [`message`](crate::message), which expand the same
//! rows into structs; both also hand out what is public here.
//!
//! A [`Registry`] is the event types of one protocol version, and those that a caller adds.

mod body;
mod event_table;
mod event_type;
mod field;
mod object;
mod object_table;
pub(crate) mod objects;
pub(crate) mod placeholder;
mod registry;
mod shape;

pub use body::MessageKind;
pub(crate) use body::{
    DATA, ENVELOPE, EVENT, EVENT_TYPE, FLAT, HEADERS, MESSAGE, PHASE, REPEATED, WORKFLOW, is_taken,
};
pub(crate) use event_table::event_table;
pub use event_type::{Category, CustomCategory, EventType};
pub use field::FieldType;
pub(crate) use field::{Misfit, vocabulary_table};
pub(crate) use object::Role;
pub use object::{MemberSpec, ObjectSpec, Requirement, Shape};
pub(crate) use object_table::{body_table, object_table};
pub use objects::OBJECTS;
pub use registry::{CustomField, CustomType, EventSpec, REGISTRY, Registry};
pub(crate) use registry::{Known, TypeOrigin, UNTYPED_DATA, custom_word_at};
