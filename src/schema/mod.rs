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
//! and content: what has an error there does not fit, and what has none fits. Formats must be
//! asserted for that. Unknown fields fit. Four things are beyond a schema:
//!
//! * keys that an object has twice, which other readers of JSON do not see;
//! * numbers with more digits than a double holds, which the reader compares exactly;
//! * amounts in durations, sizes and versions with so many digits that they may exceed 2^64, because
//!   a pattern counts digits and cannot compare; the schema refuses them;
//! * the reader's limits on bytes, depth and keys.
//!
//! The documents and [`Envelope`](crate::Envelope) implement [`JsonSchema`](schemars::JsonSchema),
//! so that a schema of yours can hold them.

mod breaking;
mod embed;
mod leaf;
mod writer;

pub use breaking::{Break, BreakKind, breaking};

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
