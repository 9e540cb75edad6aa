//! Writing for a peer that speaks another version.

use super::error::VersionError;
use super::loss::Loss;
use super::migrate::migrate;
use crate::event::{Codec, Event, Registry};
use crate::finding::Mode;
use crate::message::Envelope;
use crate::scalar::ProtocolVersion;

/// What a peer of some version is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoded {
    /// The message or the event line. A strict reader of the peer's version accepts it.
    pub text: String,
    /// What was left out, because the peer's version has no place for it.
    pub losses: Vec<Loss>,
}

/// What values of this crate are written in.
const OURS: ProtocolVersion = ProtocolVersion::DEFAULT;

fn reader(peer: &ProtocolVersion) -> Codec {
    Codec::new(Mode::Strict).with_registry(Registry::new(peer.clone()))
}

fn lowered(text: &str, peer: &ProtocolVersion) -> Result<Encoded, VersionError> {
    let migrated = migrate(text, &OURS, peer)?;
    match migrated.value {
        Some(text) => Ok(Encoded { text, losses: migrated.losses }),
        // Not reachable: dropping a record has to be allowed.
        None => Err(VersionError::RequiredLoss { losses: migrated.losses }),
    }
}

impl Envelope {
    /// The message for a peer that speaks a version, such as the one that was
    /// [agreed](super::Agreement) on.
    ///
    /// Header keys and fields that came later are left out and listed; a message that came later is
    /// refused. What is written was read back strictly under the peer's version.
    ///
    /// Protocol 1.0.0 has no `source`, by which a responder tells the requests of its peers apart. So
    /// write all attempts of one request for one version: an attempt in 1.0.0 and one in 1.1.0 are two
    /// requests, and both are performed.
    ///
    /// ```
    /// use coordination_protocol::ProtocolVersion;
    /// use coordination_protocol::message::Envelope;
    ///
    /// let text = r#"{"priority":"high","correlation_id":"corr_1",
    ///     "health_status":{"component_id":"hub","status":"healthy","timestamp":"2025-01-15T12:00:00Z"}}"#;
    /// let envelope: Envelope = text.parse()?;
    /// let encoded = envelope.encode_for(&ProtocolVersion::V1_0_0)?;
    /// assert!(encoded.text.starts_with(r#"{"correlation_id":"corr_1","health_status":"#));
    /// assert_eq!(
    ///     encoded.losses[0].to_string(),
    ///     "/priority: the header key `priority` is lost: protocol 1.0.0 does not have it"
    /// );
    ///
    /// let heartbeat = r#"{"heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    /// let refused = heartbeat.parse::<Envelope>()?.encode_for(&ProtocolVersion::V1_0_0);
    /// assert_eq!(
    ///     refused.unwrap_err().to_string(),
    ///     "required data would be lost: /heartbeat: the message `heartbeat` is lost: protocol 1.0.0 does not have it"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn encode_for(&self, peer: &ProtocolVersion) -> Result<Encoded, VersionError> {
        let encoded = lowered(&self.to_string(), peer)?;
        reader(peer).verify_message(&encoded.text).map_err(VersionError::Message)?;
        Ok(encoded)
    }
}

impl Event {
    /// The event line for a peer that speaks a version. An event type that came later is refused.
    ///
    /// ```
    /// use coordination_protocol::{Event, ProtocolVersion};
    ///
    /// let line = r#"CHECKPOINT_CREATED:wf_001:build:{"checkpoint_id":"ckpt_1","checkpoint_type":"manual","state_version":3}"#;
    /// let event: Event = line.parse()?;
    /// assert_eq!(event.encode_for(&ProtocolVersion::V1_1_0)?.text, line);
    /// assert!(event.encode_for(&ProtocolVersion::V1_0_0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn encode_for(&self, peer: &ProtocolVersion) -> Result<Encoded, VersionError> {
        let encoded = lowered(&self.to_string(), peer)?;
        reader(peer).parse(&encoded.text).map_err(VersionError::Event)?;
        Ok(encoded)
    }
}
