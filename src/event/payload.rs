//! The data of each event type, typed.
//!
//! Every type of the registry has a struct here with its required fields, in the
//! registry's order, and [`ExtraFields`] for whatever else a message carries. `new` takes the required
//! data, so a payload without it cannot be built.

use super::extra::{ExtraFields, ExtraFieldsMut};
use super::field::{Field, JsonObject, PhaseId, TextList};
use super::into_field::IntoField;
use crate::codec::{BuildError, NO_PLACE, Node, Slots};
use crate::json::{Json, Token};
use crate::scalar::Count as StateVersion;
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use crate::spec::{Category, EventType, event_table};
use smol_str::SmolStr;
use std::ops::RangeFrom;

/// Data of a type that the protocol does not register.
///
/// Two are equal if name and fields are: what a reader knew of the type is no part of its meaning.
#[derive(Clone, Debug)]
pub struct UntypedData {
    name: SmolStr,
    category: Option<Category>,
    fields: ExtraFields,
}

impl PartialEq for UntypedData {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.fields == other.fields
    }
}

impl Eq for UntypedData {}

impl UntypedData {
    /// Empty data of an unregistered type.
    ///
    /// # Errors
    /// [`BuildError`] if the name is registered or no identifier.
    pub fn new(name: &str) -> Result<Self, BuildError> {
        if let Some(kind) = EventType::lookup(name) {
            return Err(BuildError::Registered(kind));
        }
        id::check(name).map_err(|error| BuildError::Name { name: name.to_owned(), error })?;
        if !is_read_back(name) {
            return Err(BuildError::Start(name.to_owned()));
        }
        let fields = ExtraFields::default();
        Ok(UntypedData { name: SmolStr::new(name), category: None, fields })
    }

    /// The name of the type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The category, which its routing key goes by: what [`in_category`](Self::in_category) was given, or
    /// what the registry of its reader says of a type of the caller's own.
    pub fn category(&self) -> Option<&Category> {
        self.category.as_ref()
    }

    /// Sets the category. It is not written: each reader has it of its registry.
    pub fn in_category(mut self, category: Category) -> Self {
        self.category = Some(category);
        self
    }

    /// All data.
    pub fn fields(&self) -> &ExtraFields {
        &self.fields
    }

    /// All data, to be changed like a map.
    pub fn fields_mut(&mut self) -> ExtraFieldsMut<'_> {
        self.fields.guarded(|_| false)
    }

    /// Sets a field. A key that is set again takes the new value.
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.fields.set(key, value.into());
        self
    }

    /// Puts fields in another order; those of equal places keep theirs.
    pub(super) fn sort_by_key(&mut self, place: impl Fn(&str) -> usize) {
        self.fields.entries_mut().sort_by_key(|(key, _)| place(key));
    }

    pub(super) fn from_valid(
        name: &str,
        category: Option<Category>,
        fields: Vec<(SmolStr, Json)>,
    ) -> Self {
        let fields = ExtraFields::from_valid(fields);
        UntypedData { name: SmolStr::new(name), category, fields }
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.fields.write(out, true);
    }
}

/// Data of a registered type that lacks what the type requires, or holds a placeholder in its place.
/// Only reading in interop mode makes it; it is kept as it was, so that it can be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialData {
    event_type: EventType,
    fields: ExtraFields,
}

impl PartialData {
    /// The registered type.
    pub fn event_type(&self) -> EventType {
        self.event_type
    }

    /// All data.
    pub fn fields(&self) -> &ExtraFields {
        &self.fields
    }

    pub(super) fn from_valid(event_type: EventType, mut fields: Vec<(SmolStr, Json)>) -> Self {
        let required = event_type.spec().required();
        let place = |name: &str| required.iter().position(|field| field.name == name);
        fields.sort_by_key(|(name, _)| place(name).unwrap_or(required.len()));
        PartialData { event_type, fields: ExtraFields::from_valid(fields) }
    }
}

/// Whether a line that starts with a name is read as an event of that name: not where it starts with
/// what readers take off a line, or take for a JSON text.
pub(super) fn is_read_back(name: &str) -> bool {
    !name.starts_with([' ', '\u{feff}', '{', '['])
}

/// Where the values of an event's data are, be it behind the colons of a line or on the tape of a
/// document: typed data is made of either in the same way.
pub(super) struct DataFields<'t> {
    pub(super) text: &'t str,
    /// The required fields, in the registry's order.
    pub(super) required: [Option<Token>; Slots::MAX],
    pub(super) extra: ExtraFields,
}

impl<'t> DataFields<'t> {
    /// The fields of data on a tape.
    pub(super) fn on_tape(data: Node<'t>) -> Self {
        let (mut required, mut extra) = ([None; Slots::MAX], ExtraFields::default());
        for field in data.children() {
            if field.place() == NO_PLACE {
                extra.push(field.key(), field.json());
            } else if let Some(slot) = required.get_mut(usize::from(field.place())) {
                *slot = Some(field.value());
            }
        }
        DataFields { text: data.text(), required, extra }
    }

    /// The typed value of the next required field.
    fn next<T: Field>(&self, slot: &mut RangeFrom<usize>) -> Option<T> {
        T::read(self.text, (*self.required.get(slot.next()?)?)?)
    }
}

macro_rules! payloads {
    ($($summary:literal $variant:ident $name:literal $category:ident $word:literal $(/ $alias:literal)? $since:ident { $first:ident: $first_type:ty $(, $field:ident: $type:ty)* })+) => {
        $(
            #[doc = $summary]
            ///
            #[doc = concat!("The data of `", $name, "`.")]
            #[derive(Clone, Debug, PartialEq, Eq)]
            #[non_exhaustive]
            pub struct $variant {
                #[doc = concat!("Required field `", stringify!($first), "`.")]
                pub $first: $first_type,
                $(
                    #[doc = concat!("Required field `", stringify!($field), "`.")]
                    pub $field: $type,
                )*
                extra: ExtraFields,
            }

            impl $variant {
                /// The data with everything that the registry requires.
                pub fn new($first: impl IntoField<$first_type> $(, $field: impl IntoField<$type>)*) -> Self {
                    $variant { $first: $first.into_field(), $($field: $field.into_field(),)* extra: ExtraFields::default() }
                }

                /// The data beyond what is required.
                pub fn extra(&self) -> &ExtraFields {
                    &self.extra
                }

                /// The data beyond what is required, to be changed like a map.
                pub fn extra_mut(&mut self) -> ExtraFieldsMut<'_> {
                    self.extra.guarded(|key| key == stringify!($first) $(|| key == stringify!($field))*)
                }

                /// Sets a field beyond what is required. A key that is set again takes the new value.
                ///
                /// # Errors
                /// [`BuildError::Repeated`] if it is the key of what is required.
                pub fn with_extra(mut self, key: &str, value: impl Into<Json>) -> Result<Self, BuildError> {
                    self.extra_mut().insert(key, value)?;
                    Ok(self)
                }

                /// Reads checked data; the name of the field that is absent or unreadable if not.
                fn read(data: DataFields<'_>) -> Result<Self, &'static str> {
                    let mut slot = 0..;
                    Ok($variant {
                        $first: data.next(&mut slot).ok_or(stringify!($first))?,
                        $($field: data.next(&mut slot).ok_or(stringify!($field))?,)*
                        extra: data.extra,
                    })
                }

                fn write(&self, out: &mut Vec<u8>) {
                    out.extend_from_slice(concat!("\"", stringify!($first), "\":").as_bytes());
                    Field::write(&self.$first, out);
                    $(
                        out.extend_from_slice(concat!(",\"", stringify!($field), "\":").as_bytes());
                        Field::write(&self.$field, out);
                    )*
                    self.extra.write(out, false);
                }
            }

            impl From<$variant> for Data {
                fn from(data: $variant) -> Self {
                    Data::$variant(data)
                }
            }
        )+

        /// The data of an event; it knows its type, so type and data cannot disagree.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Data {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant($variant),
            )+
            /// A registered type whose required fields are not all there.
            Partial(PartialData),
            /// A type that the protocol does not register.
            Untyped(UntypedData),
        }

        impl Data {
            /// The registered type, or none.
            pub fn event_type(&self) -> Option<EventType> {
                match self { $(Data::$variant(_) => Some(EventType::$variant),)+ Data::Partial(partial) => Some(partial.event_type), Data::Untyped(_) => None }
            }

            /// The data beyond what is required; all of it for an unregistered type and for partial data.
            pub fn extra(&self) -> &ExtraFields {
                match self { $(Data::$variant(data) => &data.extra,)+ Data::Partial(partial) => &partial.fields, Data::Untyped(data) => &data.fields }
            }

            /// The data beyond what is required, to be changed like a map; all of it for an unregistered
            /// type and for partial data.
            pub fn extra_mut(&mut self) -> ExtraFieldsMut<'_> {
                match self { $(Data::$variant(data) => data.extra_mut(),)+ Data::Partial(partial) => partial.fields.guarded(|_| false), Data::Untyped(data) => data.fields_mut() }
            }

            /// Reads checked data of a registered type.
            pub(super) fn read(kind: EventType, data: DataFields<'_>) -> Result<Self, &'static str> {
                Ok(match kind { $(EventType::$variant => Data::$variant($variant::read(data)?),)+ })
            }

            pub(super) fn write(&self, out: &mut Vec<u8>) {
                out.push(b'{');
                match self { $(Data::$variant(data) => data.write(out),)+ Data::Partial(partial) => partial.fields.write(out, true), Data::Untyped(data) => data.write(out) }
                out.push(b'}');
            }
        }
    };
}
event_table!(payloads);

impl Data {
    /// The category of the type, if it is known: the protocol's or [one of your own](UntypedData::category).
    pub fn category(&self) -> Option<&Category> {
        match (self, self.event_type()) {
            (_, Some(kind)) => Some(&kind.spec().category),
            (Data::Untyped(data), None) => data.category(),
            // Every other variant has a type.
            (_, None) => None,
        }
    }

    /// The name of the type on the wire.
    pub fn type_name(&self) -> &str {
        match (self, self.event_type()) {
            (_, Some(kind)) => kind.as_str(),
            (Data::Untyped(data), None) => data.name(),
            // Every other variant has a type.
            (_, None) => "",
        }
    }
}

impl From<UntypedData> for Data {
    fn from(data: UntypedData) -> Self {
        Data::Untyped(data)
    }
}
