//! The serde form of messages: raw JSON that the crate's own reader and writer make.

use super::body::Message;
use super::document::EnvelopeHeader;
use super::envelope::Envelope;
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

fn raw<S: Serializer>(json: Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
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

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = Vec::with_capacity(512);
        Envelope::write(self, &mut out);
        raw(out, serializer)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let message = LENIENT.parse_message(raw.get()).map_err(D::Error::custom)?;
        message.decode().map_err(D::Error::custom)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = vec![b'{'];
        Message::write(self, &mut out, true);
        out.push(b'}');
        raw(out, serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    /// Refuses header keys, which a message alone has no place for.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let envelope = Envelope::deserialize(deserializer)?;
        if envelope.header == EnvelopeHeader::new() {
            Ok(envelope.message)
        } else {
            Err(D::Error::custom("fields beside the body; read an envelope instead"))
        }
    }
}
