//! The documents as parts of a user's own schema.

use super::writer::Writer;
use crate::event::{Event, Registry};
use crate::message::{self, ENVELOPE, Envelope, MessageKind, ObjectSpec, object_table};
use crate::scalar::ProtocolVersion;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A type says the same wherever it is embedded, so it is described for the current version.
static CURRENT: Registry = Registry::new(ProtocolVersion::DEFAULT);

macro_rules! describes {
    ($type:ty, $name:expr, $spec:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($type)).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                match $spec {
                    Some(spec) => Writer::embedded(&CURRENT, generator, refer).object(spec),
                    None => json_schema!({ "not": {} }),
                }
            }
        }
    };
}

macro_rules! objects {
    ($($summary:literal $name:ident { $($rows:tt)* })+) => {
        $(describes!(message::$name, stringify!($name), Some(message::$name::SPEC));)+

        /// A reference to the schema of an object's type.
        fn refer(spec: &ObjectSpec, generator: &mut SchemaGenerator) -> Schema {
            match spec.name {
                $(stringify!($name) => generator.subschema_for::<message::$name>(),)+
                _ => generator.subschema_for::<Event>(),
            }
        }
    };
}
object_table!(objects);

describes!(Envelope, "Envelope", Some(&ENVELOPE));
describes!(Event, "Event", MessageKind::Event.spec());
