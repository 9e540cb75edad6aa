//! The documents and their parts as types, from the table.
//!
//! Each has `new` with everything that a writer must give, a `with_` method for each optional
//! field, and [`ExtraFields`] for what else a message carries. What a writer must give and a reader may
//! miss is an `Option`.

use super::value::{Element, Object, Value, read_member, write_member};
use crate::codec::{BuildError, NO_PLACE, Node, Untyped};
use crate::event::into_field::by_into;
use crate::event::{ExtraFields, ExtraFieldsMut, IntoField, PhaseId, SetField};
use crate::json::{Json, Map};
use crate::scalar::Count as StateVersion;
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use crate::spec::objects::{self, wire};
use crate::spec::{ObjectSpec, is_taken, object_table};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

macro_rules! documents {
    ($(
        $summary:literal
        $name:ident {
            $(essential { $($essential:ident $(as $essential_wire:literal)? : $essential_type:ty, $essential_doc:literal;)+ })?
            $(required { $($required:ident $(as $required_wire:literal)? : $required_type:ty, $required_doc:literal;)+ })?
            $(recommended { $($recommended:ident since $recommended_since:ident : $recommended_type:ty, $recommended_doc:literal;)+ })?
            $(optional { $($optional:ident $setter:ident $(since $optional_since:ident)? : $optional_type:ty, $optional_doc:literal;)+ })?
        }
    )+) => { $(
        #[doc = $summary]
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(
                #[doc = $essential_doc]
                pub $essential: $essential_type,
            )+)?
            $($(
                #[doc = $required_doc]
                #[doc = "\n\nWriters give it; it is `None` only where interop mode let it be missing."]
                pub $required: Option<$required_type>,
            )+)?
            $($(
                #[doc = $recommended_doc]
                #[doc = "\n\nWriters give it; older ones do not know it."]
                pub $recommended: Option<$recommended_type>,
            )+)?
            $($(
                #[doc = $optional_doc]
                pub $optional: Option<$optional_type>,
            )+)?
            extra: ExtraFields,
        }

        impl $name {
            /// What it consists of.
            pub const SPEC: &'static ObjectSpec = objects::$name::SPEC;

            /// Everything that a writer must give.
            #[allow(clippy::new_without_default, clippy::too_many_arguments)]
            pub fn new(
                $($($essential: impl IntoField<$essential_type>,)+)?
                $($($required: impl IntoField<$required_type>,)+)?
                $($($recommended: impl IntoField<$recommended_type>,)+)?
            ) -> Self {
                $name {
                    $($($essential: $essential.into_field(),)+)?
                    $($($required: Some($required.into_field()),)+)?
                    $($($recommended: Some($recommended.into_field()),)+)?
                    $($($optional: None,)+)?
                    extra: ExtraFields::default(),
                }
            }

            $($(
                #[doc = concat!("Sets [`", stringify!($optional), "`](Self::", stringify!($optional), "). ", $optional_doc)]
                pub fn $setter<V: SetField<$optional_type>>(mut self, $optional: V) -> V::Set<Self> {
                    $optional.set(|value| {
                        self.$optional = Some(value);
                        self
                    })
                }
            )+)?

            /// The fields that the protocol does not know, in their order and spelling.
            pub fn extra(&self) -> &ExtraFields {
                &self.extra
            }

            /// The fields that the protocol does not know, to be changed like a map.
            pub fn extra_mut(&mut self) -> ExtraFieldsMut<'_> {
                self.extra.guarded(|key| Self::SPEC.member(key).is_some() || is_taken(Self::SPEC, key))
            }

            /// Sets a field that the protocol does not know. A key that is set again takes the new value.
            ///
            /// # Errors
            /// [`BuildError::Repeated`] if the protocol knows it.
            pub fn with_extra(mut self, key: &str, value: impl Into<Json>) -> Result<Self, BuildError> {
                self.extra_mut().insert(key, value)?;
                Ok(self)
            }

            #[allow(dead_code, reason = "only some move their extra fields")]
            pub(crate) fn all_extra_mut(&mut self) -> &mut ExtraFields {
                &mut self.extra
            }
        }

        impl Object for $name {
            const SPEC: &'static ObjectSpec = $name::SPEC;

            #[allow(unused_mut, clippy::unused_enumerate_index)]
            fn read_object(node: Node<'_>) -> Result<Self, Untyped> {
                #[allow(non_camel_case_types, clippy::enum_variant_names)]
                enum Place { $($($essential,)+)? $($($required,)+)? $($($recommended,)+)? $($($optional,)+)? }

                // The entries of the members; entry 0 is the root and no member of any. What is read
                // goes into its field at once.
                let mut entries = [0; $name::SPEC.members.len()];
                let mut extra = ExtraFields::default();
                for child in node.children() {
                    match entries.get_mut(usize::from(child.place())) {
                        Some(entry) => *entry = child.at,
                        None if child.place() == NO_PLACE => extra.push(child.key(), child.json()),
                        // A body beside the header, or a value that no type can hold.
                        None => {}
                    }
                }
                let part = |place: Place| match entries[place as usize] {
                    0 => None,
                    at => Some(Node { at, ..node }),
                };
                let mut untyped = None;
                let document = $name {
                    $($($essential: part(Place::$essential)
                        .and_then(Value::read)
                        .ok_or(Untyped(wire!($essential $($essential_wire)?)))?,)+)?
                    $($($required: read_member(
                        part(Place::$required),
                        wire!($required $($required_wire)?),
                        &mut untyped,
                    ),)+)?
                    $($($recommended: read_member(part(Place::$recommended), stringify!($recommended), &mut untyped),)+)?
                    $($($optional: read_member(part(Place::$optional), stringify!($optional), &mut untyped),)+)?
                    extra,
                };
                untyped.map_or(Ok(document), Err)
            }

            fn write_members(&self, out: &mut Vec<u8>, mut first: bool) -> bool {
                $($(write_member(out, &mut first, wire!($essential $($essential_wire)?), &self.$essential);)+)?
                $($(if let Some(value) = &self.$required {
                    write_member(out, &mut first, wire!($required $($required_wire)?), value);
                })+)?
                $($(if let Some(value) = &self.$recommended {
                    write_member(out, &mut first, stringify!($recommended), value);
                })+)?
                $($(if let Some(value) = &self.$optional {
                    write_member(out, &mut first, stringify!($optional), value);
                })+)?
                self.extra.write(out, first);
                first && self.extra.is_empty()
            }
        }

        impl Value for $name {
            fn read(node: Node<'_>) -> Option<Self> {
                Self::read_object(node).ok()
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.push(b'{');
                self.write_members(out, true);
                out.push(b'}');
            }
        }

        impl Element for $name {}
        by_into! { $name }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                super::raw::write(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::raw::read(deserializer)
            }
        }
    )+
    };
}
object_table!(documents);

impl Default for EnvelopeHeader {
    /// A header that says nothing.
    fn default() -> Self {
        EnvelopeHeader::new()
    }
}

impl EnvelopeHeader {
    /// The last moment of the life that the message gave itself: `ttl_seconds` after its `timestamp`, in whole
    /// milliseconds, rounded up. It lives up to and including this. None if it does not say both, or if the
    /// life has no end that can be counted.
    ///
    /// ```
    /// use coordination_protocol::message::EnvelopeHeader;
    /// use coordination_protocol::scalar::{Amount, Timestamp};
    ///
    /// let header = EnvelopeHeader::new()
    ///     .with_timestamp(Timestamp::new("2025-01-15T12:00:00Z")?)
    ///     .with_ttl_seconds(90_u32);
    /// let end = header.expires_at().unwrap();
    /// assert_eq!(Timestamp::from(end).as_str(), "2025-01-15T12:01:30Z");
    /// assert!(EnvelopeHeader::new().with_ttl_seconds(Amount::from(90_u32)).expires_at().is_none());
    /// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
    /// ```
    pub fn expires_at(&self) -> Option<WallTime> {
        let sent = WallTime::from_unix_millis(self.timestamp.as_ref()?.unix_millis()?);
        let end = sent.after(Duration::from_millis(self.ttl_seconds.as_ref()?.to_millis()));
        // The last moment stands for all that lie behind it.
        Some(end).filter(|end| *end < WallTime::from_unix_millis(i64::MAX))
    }
}

impl AllocationResponse {
    /// The identifier of the grant. The field also writes it one level up.
    pub fn allocation_id(&self) -> Option<AllocationId> {
        let granted = self.allocated_resources.as_ref();
        match granted.and_then(|resources| resources.allocation_id.clone()) {
            Some(id) => Some(id),
            None => AllocationId::new(self.extra.get("allocation_id")?.to_text()?).ok(),
        }
    }
}
