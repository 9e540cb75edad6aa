//! The data of each event type, typed.
//!
//! Every type of the registry has a struct here with its required data as fields, in the
//! registry's order, and [`ExtraFields`] for whatever else a message carries. `new` takes the required
//! data, so a payload without it cannot be built.

use super::field::{Field, JsonObject, PhaseId, TextList};
use super::kind::EventType;
use super::line::EventRef;
use super::table::event_table;
use crate::json::{Json, write_text};
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use smol_str::SmolStr;

/// Data beyond what the registry requires: kept in order, numbers as spelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraFields(Vec<(SmolStr, Json)>);

/// Why a field is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtraError {
    /// The key is there already, as extra or as required data.
    #[error("the data already has the key `{0}`")]
    Repeated(String),
}

impl ExtraFields {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values, to be changed; no key may be there twice.
    pub(crate) fn entries_mut(&mut self) -> &mut Vec<(SmolStr, Json)> {
        &mut self.0
    }

    pub(crate) fn entries(&self) -> &[(SmolStr, Json)] {
        &self.0
    }

    pub(crate) fn push(&mut self, key: SmolStr, value: Json) {
        self.0.push((key, value));
    }

    pub(crate) fn insert(&mut self, key: &str, value: Json) -> Result<(), ExtraError> {
        if self.get(key).is_some() {
            return Err(ExtraError::Repeated(key.to_owned()));
        }
        self.0.push((SmolStr::new(key), value));
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>, mut first: bool) {
        for (key, value) in &self.0 {
            if !first {
                out.push(b',');
            }
            first = false;
            write_text(out, key);
            out.push(b':');
            out.extend_from_slice(value.as_str().as_bytes());
        }
    }
}

/// Data of a type that the protocol does not register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntypedData {
    name: SmolStr,
    fields: ExtraFields,
}

/// Why a name cannot be used for [`UntypedData`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OtherError {
    /// The name is no identifier.
    #[error("event type: {0}")]
    Name(#[from] ScalarError),
    /// The protocol registers the name, so its data has a type of its own.
    #[error("`{0}` is registered; use its own payload")]
    Registered(EventType),
    /// The name starts with a blank or a byte order mark, which readers take off a line, or with a
    /// bracket, which they take for a JSON text.
    #[error(
        "`{0}` starts with a blank, a byte order mark or a bracket, and would not be read back"
    )]
    Start(String),
}

impl UntypedData {
    /// Empty data of an unregistered type.
    ///
    /// # Errors
    /// [`OtherError`] if the name is registered or no identifier.
    pub fn new(name: &str) -> Result<Self, OtherError> {
        if let Some(kind) = EventType::lookup(name) {
            return Err(OtherError::Registered(kind));
        }
        id::check(name)?;
        if name.starts_with([' ', '\u{feff}', '{', '[']) {
            return Err(OtherError::Start(name.to_owned()));
        }
        Ok(UntypedData { name: SmolStr::new(name), fields: ExtraFields::default() })
    }

    /// The name of the type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All data.
    pub fn fields(&self) -> &ExtraFields {
        &self.fields
    }

    /// Adds a field.
    ///
    /// # Errors
    /// [`ExtraError`] if the key is there already.
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Result<Self, ExtraError> {
        self.fields.insert(key, value.into())?;
        Ok(self)
    }

    pub(super) fn read(event: &EventRef<'_>) -> Self {
        UntypedData { name: SmolStr::new(event.type_name()), fields: event.extra() }
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

    pub(super) fn read(event: &EventRef<'_>, event_type: EventType) -> Self {
        let text = event.as_str();
        let required = event_type.spec().required;
        let mut members: Vec<_> = event
            .members()
            .map(|(key, value)| {
                (SmolStr::from(key.decode(text)), Json::from_valid(value.raw(text)))
            })
            .collect();
        let place = |name: &str| required.iter().position(|field| field.name == name);
        members.sort_by_key(|(name, _)| place(name).unwrap_or(required.len()));
        PartialData { event_type, fields: ExtraFields(members) }
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
                pub fn new($first: impl Into<$first_type> $(, $field: impl Into<$type>)*) -> Self {
                    $variant { $first: $first.into(), $($field: $field.into(),)* extra: ExtraFields::default() }
                }

                /// The data beyond what is required.
                pub fn extra(&self) -> &ExtraFields {
                    &self.extra
                }

                /// Adds a field beyond what is required.
                ///
                /// # Errors
                /// [`ExtraError`] if the key is there already.
                pub fn with_extra(mut self, key: &str, value: impl Into<Json>) -> Result<Self, ExtraError> {
                    if key == stringify!($first) $(|| key == stringify!($field))* {
                        return Err(ExtraError::Repeated(key.to_owned()));
                    }
                    self.extra.insert(key, value.into())?;
                    Ok(self)
                }

                /// Reads a checked event; the name of the field that is absent or unreadable if not.
                fn read(event: &EventRef<'_>) -> Result<Self, &'static str> {
                    let mut slot = 0..;
                    Ok($variant {
                        $first: event.required(&mut slot).ok_or(stringify!($first))?,
                        $($field: event.required(&mut slot).ok_or(stringify!($field))?,)*
                        extra: event.extra(),
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
            /// A registered type whose required data is not all there.
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

            pub(super) fn read(event: &EventRef<'_>) -> Result<Self, &'static str> {
                Ok(match event.event_type() {
                    $(Some(EventType::$variant) => Data::$variant($variant::read(event)?),)+
                    None => Data::Untyped(UntypedData::read(event)),
                })
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
