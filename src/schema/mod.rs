//! JSON Schema 2020-12 of everything that is written, for other languages (feature `schema`).
//!
//! The schemas are derived from the tables that the reader reads: the objects of
//! [`message::OBJECTS`](crate::message::OBJECTS), the registry of event types, the vocabularies.
//! Each stands alone: what it refers to is among its `$defs`.
//!
//! ```
//! use coordination_protocol::event::Registry;
//! use coordination_protocol::schema;
//!
//! let schema = schema::of("heartbeat", &Registry::default()).unwrap();
//! assert_eq!(schema.get("$id").unwrap(), "urn:coordination-protocol:1.1.0:heartbeat");
//! assert_eq!(schema.get("required").unwrap().to_string(), r#"["component_id","sequence","timestamp"]"#);
//! ```
//!
//! | name | describes |
//! |---|---|
//! | `envelope` | a message: header keys beside exactly one body |
//! | a body key, such as `error_report` | the value of that key |
//! | `registry` | what `coord registry --format json` prints |
//! | an event type, such as `TASK_FAILED` | the data of its events |
//!
//! A schema says what [`Mode::Strict`](crate::finding::Mode::Strict) finds on the levels schema
//! and content: what has an error there does not fit, and what has none fits. Unknown fields fit.
//! Some things are beyond a schema, or beyond one that all validators read alike:
//!
//! | what | the reader | the schema |
//! |---|---|---|
//! | a key that an object has twice | refuses it | other readers of JSON see one of the two |
//! | numbers with more digits than a double holds | compares them exactly | compares what the validator's language reads |
//! | a number beyond all doubles | refuses it | does not compile, fits or does not fit, by language |
//! | amounts in durations, sizes and versions near 2^64 | compares them | refuses as many digits as may exceed it |
//! | a window that ends when it starts | refuses it | fits: a pattern cannot refer back |
//! | a leap second with an offset other than `Z` or 0 | refuses it unless it is 23:59:60 in UTC | refuses it |
//! | rules across fields, messages and time (level business) | has them | has none |
//! | limits on bytes, depth and keys | has them | has none |
//!
//! Validators of JSON Schema differ, so the schemas keep to what all of them read alike, in strict
//! modes, too: no `format`, no list of types, no reference out of the schema, `required` beside the
//! `properties` that it names, and patterns without look-around, back-references, classes that depend
//! on the language (`\d`, `\w`, `\p`) or escapes that do (`\u`).
//!
//! The documents and [`Envelope`](crate::Envelope) implement [`JsonSchema`](schemars::JsonSchema),
//! so that a schema of yours can hold them.

mod breaking;
mod embed;
mod leaf;
mod print;
mod writer;

pub use breaking::{Break, BreakKind, MAX_STEPS, breaking, breaking_within};
pub use print::to_text;

use crate::event::{EventType, Registry};
use crate::message::{ENVELOPE, MessageKind};
use crate::scalar::ProtocolVersion;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use std::fmt::Write as _;
use writer::Writer;

const NAME_OF_ENVELOPE: &str = "envelope";
const NAME_OF_REGISTRY: &str = "registry";

/// The names of all schemas: the envelope, the bodies of the registry's protocol version, the
/// registry, its event types, the caller's own types last.
///
/// ```
/// use coordination_protocol::event::Registry;
/// use coordination_protocol::scalar::ProtocolVersion;
/// use coordination_protocol::schema;
///
/// let first = Registry::new(ProtocolVersion::V1_0_0);
/// assert!(schema::names(&first).any(|name| name == "error_report"));
/// assert!(!schema::names(&first).any(|name| name == "heartbeat"));
/// ```
pub fn names(registry: &Registry) -> impl Iterator<Item = &str> {
    let bodies = MessageKind::KNOWN.iter().filter(|kind| kind.since() <= registry.version());
    let types = EventType::ALL.iter().map(|kind| kind.as_str());
    std::iter::once(NAME_OF_ENVELOPE)
        .chain(bodies.map(|kind| kind.as_str()))
        .chain([NAME_OF_REGISTRY])
        .chain(types.filter(|name| registry.knows(name)))
        .chain(registry.custom().map(|custom| &*custom.name))
}

/// The schema of a name, under the protocol version and with the event types of a registry. `None`
/// for a name that it does not know; extensions are unknown to protocol 1.0.0.
///
/// A type of your own that is called like a body is described inside `event` only.
pub fn of(name: &str, registry: &Registry) -> Option<Schema> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut writer = Writer::new(registry, &mut generator);
    let body = MessageKind::lookup(name).filter(|kind| kind.since() <= registry.version());
    let mut schema = match (name, body) {
        (NAME_OF_ENVELOPE, _) => writer.object(&ENVELOPE),
        (NAME_OF_REGISTRY, _) => writer.registry(),
        (_, Some(kind)) => writer.object(kind.spec()?),
        (_, None) => writer.payload(name)?,
    };
    let mut definitions = writer.into_definitions();
    definitions.extend(generator.take_definitions(true));
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), definitions.into());
    }
    let dialect = generator.settings().meta_schema.clone().unwrap_or_default();
    schema.insert("$schema".to_owned(), dialect.into());
    schema.insert("$id".to_owned(), id(name, registry.version()).into());
    Some(schema)
}

/// The `$id` of a schema: `urn:coordination-protocol:`, the protocol version and the name, in which
/// characters that no URN has are percent-encoded.
///
/// ```
/// use coordination_protocol::scalar::ProtocolVersion;
/// use coordination_protocol::schema;
///
/// assert_eq!(
///     schema::id("allocation_request", &ProtocolVersion::V1_0_0),
///     "urn:coordination-protocol:1.0.0:allocation_request",
/// );
/// ```
pub fn id(name: &str, version: &ProtocolVersion) -> String {
    let mut id = format!("urn:coordination-protocol:{version}:");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            id.push(byte.into());
        } else {
            // Writing to a text cannot fail.
            let _ = write!(id, "%{byte:02X}");
        }
    }
    id
}

impl EventType {
    /// The JSON Schema (2020-12) of the type's data: required keys and their types, extra data
    /// allowed.
    #[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
    pub fn data_schema(self) -> Schema {
        // The current version has all types.
        of(self.as_str(), &Registry::default()).unwrap_or_default()
    }
}
