//! How spelled numbers pass through serde.
//!
//! | writer | a number is | its spelling |
//! |---|---|---|
//! | `serde_json` to text | a number | kept |
//! | another format for humans, or one of serde's buffers (`flatten`, a tag inside) | a number | may be lost |
//! | a format that is not for humans, or the key of a map | a string | kept |
//!
//! A buffer knows doubles and whole numbers of 64 bits only. What does not fit exactly is an error when
//! it is written; a whole number that arrives as a double from which it cannot be told is one when it
//! is read.
//!
//! Serde has no way to ask a serializer whether it takes raw JSON: what does not, writes a map with a
//! key of `serde_json`'s own, which nothing can read. So the types' names tell them apart. Should a name
//! ever change, spellings are lost, never values; the tests of the formats hold it.

use super::decimal::{Decimal, number_form};
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::ser::Error as _;
use serde::{Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

/// The name that `serde_json` gives raw values in serde.
pub(crate) const RAW: &str = "$serde_json::private::RawValue";
/// The name that `serde_json` gives numbers in serde, where a build has its `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";
/// The largest whole number up to which a double tells all whole numbers apart: 2^53.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Whether it writes JSON text, and so takes raw JSON.
pub(crate) fn is_json_text<S: Serializer>() -> bool {
    type_name::<S>().starts_with("&mut serde_json::ser::Serializer<")
}

/// Whether it is a key of a map of `serde_json`, written or read.
fn is_key<T>() -> bool {
    let name = type_name::<T>();
    name.starts_with("serde_json::") && name.contains("::MapKey")
}

/// Whether a value is to be written as one string.
pub(crate) fn is_one_string<S: Serializer>(serializer: &S) -> bool {
    !serializer.is_human_readable() || is_key::<S>()
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Where a value is one string: a format that is not for humans, or the key of a map.
    OneString,
    /// The text of a format for humans.
    Text,
    /// A tree of `serde_json`.
    Tree,
    /// One of serde's buffers, which all claim to be for humans, filled from JSON.
    JsonBuffer,
    /// A buffer filled from a format that is known not to be for humans.
    BinaryBuffer,
    /// A buffer filled from a format that is not known.
    Buffer,
}

impl Origin {
    pub(crate) fn of<'de, D: Deserializer<'de>>(deserializer: &D) -> Self {
        let name = type_name::<D>();
        // The errors of a buffer are those of the format that it was filled from.
        let format = type_name::<D::Error>();
        if !deserializer.is_human_readable() || is_key::<D>() {
            Origin::OneString
        } else if name.contains("serde_json::value::") {
            Origin::Tree
        } else if !name.contains("Content") {
            Origin::Text
        } else if format.starts_with("serde_json::") {
            Origin::JsonBuffer
        } else if ["ciborium::", "rmp_serde::"].iter().any(|binary| format.starts_with(binary)) {
            Origin::BinaryBuffer
        } else {
            Origin::Buffer
        }
    }

    /// Whether it is one of serde's buffers.
    pub(crate) const fn is_buffer(self) -> bool {
        matches!(self, Origin::JsonBuffer | Origin::BinaryBuffer | Origin::Buffer)
    }
}

/// Writes a number.
pub(crate) fn write<S: Serializer>(spelling: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if is_one_string(&serializer) {
        serializer.serialize_str(spelling)
    } else {
        write_number(spelling, serializer)
    }
}

/// Writes JSON as it is spelled.
pub(crate) fn write_raw<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let raw: &RawValue = serde_json::from_str(json).map_err(S::Error::custom)?;
    raw.serialize(serializer)
}

/// Writes a number as a number.
pub(crate) fn write_number<S: Serializer>(
    spelling: &str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if is_json_text::<S>() {
        return write_raw(spelling, serializer);
    }
    let whole = Decimal::of(spelling).and_then(|decimal| decimal.to_whole());
    let double = spelling.parse::<f64>().ok().filter(|double| {
        let exact = double.is_finite() && number_form(&spelled(*double)) == number_form(spelling);
        exact && (whole.is_none() || double.abs() <= LARGEST_EXACT)
    });
    let fractional = spelling.contains(['.', 'e', 'E']);
    match (whole.map(|whole| (u64::try_from(whole), i64::try_from(whole))), double) {
        // `12.0` stays a number with a fraction.
        (_, Some(double)) if fractional => serializer.serialize_f64(double),
        (Some((Ok(whole), _)), _) => serializer.serialize_u64(whole),
        (Some((_, Ok(whole))), _) => serializer.serialize_i64(whole),
        _ => Err(S::Error::custom(format_args!(
            "the number {spelling} fits into no double and no 64 bits exactly; only JSON text holds it"
        ))),
    }
}

/// The spelling of a finite double: the shortest that reads back the same.
fn spelled(double: f64) -> String {
    let mut text = ryu_js::Buffer::new().format_finite(double).to_owned();
    if !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

/// The spelling of a double that a buffer held.
pub(crate) fn double<E: serde::de::Error>(double: f64) -> Result<String, E> {
    if !double.is_finite() {
        return Err(E::custom(format_args!("{double} is no number of JSON")));
    }
    // From 2^53 on a double has no fraction, and stands for several whole numbers.
    if double.abs() > LARGEST_EXACT {
        return Err(E::custom(format_args!(
            "the whole number {double} arrived as a double, beyond 2^53, so it may not be what was written"
        )));
    }
    Ok(spelled(double))
}

/// Whether a map of one entry with this key is a number: where the build has `serde_json` keep
/// spellings.
pub(crate) fn is_spelled(key: &str) -> bool {
    key == NUMBER && "1.00".parse::<serde_json::Number>().is_ok_and(|n| n.to_string() == "1.00")
}

/// Reads a number; `build` makes it of its spelling.
pub(crate) fn read<'de, D, T, E>(
    deserializer: D,
    build: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    let origin = Origin::of(&deserializer);
    let reader = NumberReader { origin, build, made: PhantomData };
    match origin {
        Origin::OneString => deserializer.deserialize_str(reader),
        Origin::Tree => deserializer.deserialize_any(reader),
        _ => deserializer.deserialize_newtype_struct(RAW, reader),
    }
}

struct NumberReader<T, E> {
    origin: Origin,
    build: fn(&str) -> Result<T, E>,
    made: PhantomData<T>,
}

impl<T, E: fmt::Display> NumberReader<T, E> {
    fn build<F: serde::de::Error>(&self, spelling: &str) -> Result<T, F> {
        (self.build)(spelling).map_err(F::custom)
    }
}

impl<'de, T, E: fmt::Display> Visitor<'de> for NumberReader<T, E> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<F: serde::de::Error>(self, value: u64) -> Result<T, F> {
        self.build(&value.to_string())
    }

    fn visit_i64<F: serde::de::Error>(self, value: i64) -> Result<T, F> {
        self.build(&value.to_string())
    }

    fn visit_u128<F: serde::de::Error>(self, value: u128) -> Result<T, F> {
        self.build(&value.to_string())
    }

    fn visit_i128<F: serde::de::Error>(self, value: i128) -> Result<T, F> {
        self.build(&value.to_string())
    }

    fn visit_f64<F: serde::de::Error>(self, value: f64) -> Result<T, F> {
        self.build(&double(value)?)
    }

    fn visit_str<F: serde::de::Error>(self, text: &str) -> Result<T, F> {
        // A buffer hides that it was filled from a format where a number is a string.
        if self.origin == Origin::OneString || self.origin.is_buffer() {
            self.build(text)
        } else {
            Err(F::invalid_type(Unexpected::Str(text), &self))
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<T, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        match map.next_key::<String>()? {
            Some(key) if key == RAW && self.origin == Origin::Text || is_spelled(&key) => {
                self.build(&map.next_value::<String>()?)
            }
            _ => Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
    }
}
