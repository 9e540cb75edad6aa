//! The documents and their parts as types, from the table.
//!
//! Each has `new` with everything that a writer must give, a `with_` method for each optional
//! field, and [`Extra`] for what else a message carries. What a writer must give and a reader may
//! miss is an `Option`.

use super::spec::{MemberSpec, ObjectSpec, Presence, Shape, V1_0_0, V1_1_0};
use super::table::object_table;
use super::tape::{NO_PLACE, Node};
use super::value::{Element, Map, Object, Untyped, Value, read_member, write_member};
use crate::event::{Extra, ExtraError, PhaseId};
use crate::json::Json;
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The wire name of a field.
macro_rules! wire {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire:literal) => {
        $wire
    };
}

/// The version that introduced a field.
macro_rules! since {
    () => {
        &V1_0_0
    };
    ($since:ident) => {
        &$since
    };
}

macro_rules! documents {
    ($(
        $sentence:literal
        $name:ident {
            $(need { $($need:ident $(as $need_wire:literal)? : $need_type:ty, $need_doc:literal;)+ })?
            $(want { $($want:ident $(as $want_wire:literal)? : $want_type:ty, $want_doc:literal;)+ })?
            $(advise { $($advise:ident since $advise_since:ident : $advise_type:ty, $advise_doc:literal;)+ })?
            $(may { $($may:ident $setter:ident $(since $may_since:ident)? : $may_type:ty, $may_doc:literal;)+ })?
        }
    )+) => { $(
        #[doc = $sentence]
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(
                #[doc = $need_doc]
                pub $need: $need_type,
            )+)?
            $($(
                #[doc = $want_doc]
                #[doc = "\n\nWriters give it; it is `None` only where interop mode let it be missing."]
                pub $want: Option<$want_type>,
            )+)?
            $($(
                #[doc = $advise_doc]
                #[doc = "\n\nWriters give it; older ones do not know it."]
                pub $advise: Option<$advise_type>,
            )+)?
            $($(
                #[doc = $may_doc]
                pub $may: Option<$may_type>,
            )+)?
            extra: Extra,
        }

        impl $name {
            /// What it consists of.
            pub const SPEC: &'static ObjectSpec = &ObjectSpec::new(stringify!($name), $sentence, { const MEMBERS: &[MemberSpec] = &[
                $($(MemberSpec {
                    name: wire!($need $($need_wire)?),
                    sentence: $need_doc,
                    shape: <$need_type as Value>::SHAPE,
                    presence: Presence::Need,
                    since: &V1_0_0,
                },)+)?
                $($(MemberSpec {
                    name: wire!($want $($want_wire)?),
                    sentence: $want_doc,
                    shape: <$want_type as Value>::SHAPE,
                    presence: Presence::Want,
                    since: &V1_0_0,
                },)+)?
                $($(MemberSpec {
                    name: stringify!($advise),
                    sentence: $advise_doc,
                    shape: <$advise_type as Value>::SHAPE,
                    presence: Presence::Advise,
                    since: since!($advise_since),
                },)+)?
                $($(MemberSpec {
                    name: stringify!($may),
                    sentence: $may_doc,
                    shape: <$may_type as Value>::SHAPE,
                    presence: Presence::May,
                    since: since!($($may_since)?),
                },)+)?
            ]; MEMBERS });

            /// Everything that a writer must give.
            #[allow(clippy::new_without_default, clippy::too_many_arguments)]
            pub fn new(
                $($($need: impl Into<$need_type>,)+)?
                $($($want: impl Into<$want_type>,)+)?
                $($($advise: impl Into<$advise_type>,)+)?
            ) -> Self {
                $name {
                    $($($need: $need.into(),)+)?
                    $($($want: Some($want.into()),)+)?
                    $($($advise: Some($advise.into()),)+)?
                    $($($may: None,)+)?
                    extra: Extra::default(),
                }
            }

            $($(
                #[doc = concat!("Sets [`", stringify!($may), "`](Self::", stringify!($may), "). ", $may_doc)]
                pub fn $setter(mut self, $may: impl Into<$may_type>) -> Self {
                    self.$may = Some($may.into());
                    self
                }
            )+)?

            /// The fields that the protocol does not know, in their order and spelling.
            pub fn extra(&self) -> &Extra {
                &self.extra
            }

            /// Adds a field that the protocol does not know.
            ///
            /// # Errors
            /// [`ExtraError`] if the protocol knows it, or it is there already.
            pub fn with_extra(mut self, key: &str, value: impl Into<Json>) -> Result<Self, ExtraError> {
                if Self::SPEC.member(key).is_some() || super::body::is_taken(Self::SPEC, key) {
                    return Err(ExtraError::Repeated(key.to_owned()));
                }
                self.extra.insert(key, value.into())?;
                Ok(self)
            }

            #[allow(dead_code, reason = "only some move their extra fields")]
            pub(crate) fn extra_mut(&mut self) -> &mut Extra {
                &mut self.extra
            }
        }

        impl Object for $name {
            const SPEC: &'static ObjectSpec = $name::SPEC;

            #[allow(unused_mut, clippy::unused_enumerate_index)]
            fn read_object(node: Node<'_>) -> Result<Self, Untyped> {
                #[allow(non_camel_case_types, clippy::enum_variant_names)]
                enum Place { $($($need,)+)? $($($want,)+)? $($($advise,)+)? $($($may,)+)? }

                // The entries of the members; entry 0 is the root and nobody's member. What is read
                // goes into its field at once.
                let mut entries = [0; $name::SPEC.members.len()];
                let mut extra = Extra::default();
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
                    $($($need: part(Place::$need)
                        .and_then(Value::read)
                        .ok_or(Untyped(wire!($need $($need_wire)?)))?,)+)?
                    $($($want: read_member(
                        part(Place::$want),
                        wire!($want $($want_wire)?),
                        &mut untyped,
                    ),)+)?
                    $($($advise: read_member(part(Place::$advise), stringify!($advise), &mut untyped),)+)?
                    $($($may: read_member(part(Place::$may), stringify!($may), &mut untyped),)+)?
                    extra,
                };
                untyped.map_or(Ok(document), Err)
            }

            fn write_members(&self, out: &mut Vec<u8>, mut first: bool) -> bool {
                $($(write_member(out, &mut first, wire!($need $($need_wire)?), &self.$need);)+)?
                $($(if let Some(value) = &self.$want {
                    write_member(out, &mut first, wire!($want $($want_wire)?), value);
                })+)?
                $($(if let Some(value) = &self.$advise {
                    write_member(out, &mut first, stringify!($advise), value);
                })+)?
                $($(if let Some(value) = &self.$may {
                    write_member(out, &mut first, stringify!($may), value);
                })+)?
                self.extra.write(out, first);
                first && self.extra.is_empty()
            }
        }

        impl Value for $name {
            const SHAPE: Shape = Shape::Object($name::SPEC);

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

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                super::serde::write(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::serde::read(deserializer)
            }
        }
    )+

    /// Every object of the protocol, in the order of the table.
    pub static OBJECTS: &[&ObjectSpec] = &[$($name::SPEC),+];
    };
}
object_table!(documents);

impl Default for Header {
    /// A header that says nothing.
    fn default() -> Self {
        Header::new()
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
