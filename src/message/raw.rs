//! Serde by way of raw JSON: what the crate's own reader and writer make of one object.

use super::value::{Object, Value};
use crate::codec::{Entry, LENIENT, Node, Untyped, examine_object};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub(super) fn write<T: Value, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut out = Vec::with_capacity(256);
    value.write(&mut out);
    raw(out, serializer)
}

pub(super) fn raw<S: Serializer>(json: Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = String::from_utf8(json).map_err(S::Error::custom)?;
    RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
}

pub(super) fn read<'de, T: Object, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    let examined = LENIENT
        .read(
            |sink| examine_object(&LENIENT, text, 0, T::SPEC, sink, Vec::<Entry>::new()),
            |sink| examine_object(&LENIENT, text, 0, T::SPEC, sink, Vec::<Entry>::new()).is_some(),
        )
        .map_err(D::Error::custom)?;
    T::read_object(Node { text, tape: &examined.tape, at: 0 })
        .map_err(|Untyped(key)| D::Error::custom(format!("`{key}` is not readable")))
}
