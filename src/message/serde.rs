//! The serde form of messages: JSON that the crate's own reader and writer make.

use super::body::Message;
use super::document::EnvelopeHeader;
use super::envelope::Envelope;
use super::raw::raw;
use crate::codec::LENIENT;
use crate::json::{StringMeans, read_json};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = Vec::with_capacity(512);
        Envelope::write(self, &mut out);
        raw(&out, serializer)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = read_json(deserializer, StringMeans::Json)?;
        let message = LENIENT.parse_message(&text).map_err(D::Error::custom)?;
        message.decode().map_err(D::Error::custom)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = vec![b'{'];
        Message::write(self, &mut out, true);
        out.push(b'}');
        raw(&out, serializer)
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
