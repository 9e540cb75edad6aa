//! Public keys.

use super::{ED25519, SignatureError};
use crate::scalar::{ComponentId, Timestamp, id};
use smol_str::SmolStr;

/// A public key, the component that signs with it, and when it may be used.
///
/// To change a component's key, give readers the new one beside the old one, let the component
/// change over, and give the old one an end.
///
/// ```
/// use coordination_protocol::scalar::{ComponentId, Timestamp};
/// use coordination_protocol::security::signature::PublicKey;
///
/// # let bytes = *b"\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a\
/// # \x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
/// let key = PublicKey::ed25519("hub-2026", bytes, ComponentId::new("coordination-hub")?)?
///     .with_not_before(Timestamp::new("2026-01-01T00:00:00Z")?)
///     .with_not_after(Timestamp::new("2027-01-31T23:59:59Z")?);
/// assert_eq!(key.owner().as_str(), "coordination-hub");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key_id: SmolStr,
    algorithm: SmolStr,
    bytes: Vec<u8>,
    owner: ComponentId,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl PublicKey {
    /// An Ed25519 key (RFC 8032): 32 bytes.
    ///
    /// # Errors
    /// [`SignatureError`] if the identifier is none, or, with feature `signature`, if the bytes are no
    /// usable key.
    pub fn ed25519(
        key_id: impl AsRef<str>,
        bytes: [u8; 32],
        owner: ComponentId,
    ) -> Result<Self, SignatureError> {
        PublicKey::new(key_id, ED25519, bytes, owner)
    }

    /// A key of any algorithm. Signatures are checked for those that are known only; a key of
    /// another one is kept.
    ///
    /// # Errors
    /// [`SignatureError`]; see [`ed25519`](Self::ed25519).
    pub fn new(
        key_id: impl AsRef<str>,
        algorithm: impl AsRef<str>,
        bytes: impl Into<Vec<u8>>,
        owner: ComponentId,
    ) -> Result<Self, SignatureError> {
        let (key_id, algorithm) = check_names(key_id.as_ref(), algorithm.as_ref())?;
        let bytes = bytes.into();
        if algorithm == ED25519 {
            let bytes = <&[u8; 32]>::try_from(bytes.as_slice())
                .map_err(|_| SignatureError::KeyLength { found: bytes.len() })?;
            #[cfg(feature = "signature")]
            super::ed25519::check(bytes)?;
            let _ = bytes;
        }
        Ok(PublicKey {
            key_id,
            algorithm,
            bytes,
            owner,
            not_before: None,
            not_after: None,
            revoked_at: None,
        })
    }

    /// Sets the first moment at which the key is good.
    pub fn with_not_before(mut self, not_before: Timestamp) -> Self {
        self.not_before = Some(not_before);
        self
    }

    /// Sets the last moment at which the key is good.
    pub fn with_not_after(mut self, not_after: Timestamp) -> Self {
        self.not_after = Some(not_after);
        self
    }

    /// Sets the moment from which on the key is refused, because somebody else may have it.
    pub fn with_revoked_at(mut self, revoked_at: Timestamp) -> Self {
        self.revoked_at = Some(revoked_at);
        self
    }

    pub(super) fn set_times(
        &mut self,
        not_before: Option<Timestamp>,
        not_after: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
    ) {
        (self.not_before, self.not_after, self.revoked_at) = (not_before, not_after, revoked_at);
    }

    /// The identifier that signatures name the key by.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The algorithm that the key is for, such as `ed25519`.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The key itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The component that signs with the key.
    pub const fn owner(&self) -> &ComponentId {
        &self.owner
    }

    /// The first moment at which the key is good; without it, from ever.
    pub const fn not_before(&self) -> Option<&Timestamp> {
        self.not_before.as_ref()
    }

    /// The last moment at which the key is good; without it, for ever.
    pub const fn not_after(&self) -> Option<&Timestamp> {
        self.not_after.as_ref()
    }

    /// The moment from which on the key is refused.
    pub const fn revoked_at(&self) -> Option<&Timestamp> {
        self.revoked_at.as_ref()
    }
}

/// Both names as identifiers.
pub(super) fn check_names(
    key_id: &str,
    algorithm: &str,
) -> Result<(SmolStr, SmolStr), SignatureError> {
    id::check(key_id).map_err(SignatureError::KeyId)?;
    id::check(algorithm).map_err(SignatureError::Algorithm)?;
    Ok((SmolStr::new(key_id), SmolStr::new(algorithm)))
}
