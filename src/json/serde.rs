//! JSON through serde: as it is spelled where the format is JSON text, as maps, lists and leaves where it
//! is another one for humans or one of serde's buffers, as one string elsewhere.

use super::limits::Limits;
use super::raw::write_text;
use super::scanner::check;
use super::token::Kind;
use super::tree::{Node, Tree};
use super::{Dialect, Json};
use crate::spelling::{
    Origin, RAW, double, is_json_text, is_one_string, is_spelled, write_number, write_raw,
};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Deserializer, Serialize, Serializer};
use std::fmt;

/// Writes a valid JSON text.
pub(crate) fn write<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if is_one_string(&serializer) {
        return serializer.serialize_str(json);
    }
    if is_json_text::<S>() {
        return write_raw(json, serializer);
    }
    let limits = Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
    let tree = Tree::new(json, &limits.with_keys(usize::MAX)).map_err(S::Error::custom)?;
    tree.root().ok_or_else(|| S::Error::custom("there is no value"))?.serialize(serializer)
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind() {
            Kind::Null => serializer.serialize_unit(),
            Kind::Bool => serializer.serialize_bool(self.raw() == "true"),
            Kind::Number => write_number(self.raw(), serializer),
            Kind::Text => serializer.serialize_str(&self.text()),
            Kind::Array => {
                let items = self.children();
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Kind::Object => {
                // Without a length: a format that needs one does not describe itself, so it could not
                // read the map back.
                let mut map = serializer.serialize_map(None)?;
                for member in self.children() {
                    map.serialize_entry(&*member.key(), &member)?;
                }
                map.end()
            }
        }
    }
}

/// What a string means where a value is not known to be written as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StringMeans {
    /// Itself: an open value may be a string.
    Itself,
    /// The JSON text of an object, which is no string.
    Json,
}

/// Reads a value as JSON text. What comes from a format that is no JSON has not been scanned.
pub(crate) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    means: StringMeans,
) -> Result<String, D::Error> {
    let origin = Origin::of(&deserializer);
    let mut out = Vec::new();
    let depth = Limits::MAX_DEPTH;
    let reader = Reader { origin, means: Some(means), out: &mut out, depth };
    match origin {
        Origin::OneString => deserializer.deserialize_str(reader),
        Origin::Tree => deserializer.deserialize_any(reader),
        _ => deserializer.deserialize_newtype_struct(RAW, reader),
    }?;
    String::from_utf8(out).map_err(D::Error::custom)
}

/// Appends one value as JSON.
struct Reader<'o> {
    origin: Origin,
    /// What a string means; `None` inside a value, where it is a string.
    means: Option<StringMeans>,
    out: &'o mut Vec<u8>,
    /// How many more levels may be inside.
    depth: usize,
}

impl Reader<'_> {
    fn inside<E: serde::de::Error>(&mut self) -> Result<Reader<'_>, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| {
            E::custom(format_args!("nested deeper than {} levels", Limits::MAX_DEPTH))
        })?;
        Ok(Reader { origin: self.origin, means: None, out: &mut *self.out, depth })
    }

    fn push(self, text: impl fmt::Display) {
        self.out.extend_from_slice(text.to_string().as_bytes());
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.means {
            Some(StringMeans::Json) => "an object",
            _ => "a value that JSON can hold",
        })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.push("null");
        Ok(())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<(), D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<(), D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        self.push(value);
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.push(double::<E>(value)?);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let is_json = match (self.means, self.origin) {
            (Some(_), Origin::OneString | Origin::BinaryBuffer) => true,
            (Some(StringMeans::Json), origin) => origin.is_buffer(),
            (Some(StringMeans::Itself), Origin::Buffer) => {
                // A format for humans was buffered, or one where the value is its text. Only what is
                // no JSON is sure to be itself.
                if check(text, Dialect::Strict, &Limits::DEFAULT).is_ok() {
                    return Err(E::custom(format_args!(
                        "cannot tell whether {} is a string or a value: serde's buffers hide what the format is",
                        Json::text(text)
                    )));
                }
                false
            }
            (Some(StringMeans::Itself) | None, _) => false,
        };
        if is_json {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            write_text(self.out, text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.out.push(b'[');
        let start = self.out.len();
        loop {
            let before = self.out.len();
            if before > start {
                self.out.push(b',');
            }
            if items.next_element_seed(self.inside()?)?.is_none() {
                self.out.truncate(before);
                break;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut key = members.next_key::<String>()?;
        if let Some(key) = &key {
            let raw = key == RAW && self.means.is_some() && self.origin == Origin::Text;
            if raw || is_spelled(key) {
                self.out.extend_from_slice(members.next_value::<String>()?.as_bytes());
                return Ok(());
            }
        }
        self.out.push(b'{');
        let mut first = true;
        while let Some(name) = key {
            if !std::mem::replace(&mut first, false) {
                self.out.push(b',');
            }
            write_text(self.out, &name);
            self.out.push(b':');
            members.next_value_seed(self.inside()?)?;
            key = members.next_key()?;
        }
        self.out.push(b'}');
        Ok(())
    }
}
