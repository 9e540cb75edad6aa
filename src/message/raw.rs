//! Serde by way of JSON text: what the crate's own reader and writer make of one object.

use super::value::{Object, Value};
use crate::codec::{Entry, LENIENT, Node, Untyped, examine_object};
use crate::json::{StringMeans, read_json, write_json};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserializer, Serializer};

pub(super) fn write<T: Value, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut out = Vec::with_capacity(256);
    value.write(&mut out);
    raw(&out, serializer)
}

pub(super) fn raw<S: Serializer>(json: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    write_json(std::str::from_utf8(json).map_err(S::Error::custom)?, serializer)
}

pub(super) fn read<'de, T: Object, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = &*read_json(deserializer, StringMeans::Json)?;
    let examined = LENIENT
        .read(
            |sink| examine_object(&LENIENT, text, 0, T::SPEC, sink, Vec::<Entry>::new()),
            |sink| examine_object(&LENIENT, text, 0, T::SPEC, sink, Vec::<Entry>::new()).is_some(),
        )
        .map_err(D::Error::custom)?;
    T::read_object(Node { text, tape: &examined.tape, at: 0 })
        .map_err(|Untyped(key)| D::Error::custom(format!("`{key}` is not readable")))
}
