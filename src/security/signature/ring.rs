//! The key ring.

use super::key::PublicKey;
use super::{SignatureClaim, SignatureError, Verified, Verifier};
use crate::scalar::{Timestamp, WallTime};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Public keys by their identifiers: the [`Verifier`] that most readers use.
///
/// A key is good from its `not_before` up to its `not_after`, both included, and until its
/// `revoked_at`. Several keys of one component may be good at the same time, so that keys can
/// change without a gap. One key never belongs to two components: each could sign as the other.
///
/// # The file
///
/// [`with_json`](Self::with_json) reads and [`to_json`](Self::to_json) writes:
///
/// ```json
/// {
///   "keys": [
///     {
///       "key_id": "hub-2026",
///       "algorithm": "ed25519",
///       "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
///       "owner": "coordination-hub",
///       "not_before": "2026-01-01T00:00:00Z",
///       "not_after": "2027-01-31T23:59:59Z",
///       "revoked_at": "2026-08-01T12:00:00Z"
///     }
///   ]
/// }
/// ```
///
/// The last three members are optional, and `public_key` is base64 in the standard alphabet with
/// padding. Any other member is refused: a reader that overlooked a misspelled `revoked_at` would
/// go on trusting the key.
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: BTreeMap<SmolStr, PublicKey>,
    max_keys: usize,
}

impl Default for KeyRing {
    fn default() -> Self {
        KeyRing { keys: BTreeMap::new(), max_keys: Self::DEFAULT_MAX_KEYS }
    }
}

impl KeyRing {
    /// How many keys a ring holds unless set otherwise.
    pub const DEFAULT_MAX_KEYS: usize = 1024;

    /// A ring without keys: it accepts no signature.
    pub fn new() -> Self {
        KeyRing::default()
    }

    /// Sets how many keys the ring may hold. Those that it has already stay.
    pub const fn with_max_keys(mut self, most: usize) -> Self {
        self.max_keys = most;
        self
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`SignatureError`] if it does not go with the keys that are there, or can never be used.
    pub fn with_key(mut self, key: PublicKey) -> Result<Self, SignatureError> {
        self.insert(key)?;
        Ok(self)
    }

    pub(super) fn insert(&mut self, key: PublicKey) -> Result<(), SignatureError> {
        let key_id = || key.key_id().to_owned();
        if self.keys.len() >= self.max_keys {
            return Err(SignatureError::FullRing { max_keys: self.max_keys });
        }
        if self.keys.contains_key(key.key_id()) {
            return Err(SignatureError::DuplicateKey { key_id: key_id() });
        }
        // Each of two owners of one key could sign as the other.
        let same = |other: &&PublicKey| {
            (other.algorithm(), other.bytes()) == (key.algorithm(), key.bytes())
                && other.owner() != key.owner()
        };
        if let Some(other) = self.keys.values().find(same) {
            let other = other.key_id().to_owned();
            return Err(SignatureError::SharedKey { key_id: key_id(), other });
        }
        let times = [key.not_before(), key.not_after(), key.revoked_at()];
        if let Some(time) = times.into_iter().flatten().find(|time| !time.is_readable()) {
            let text = time.as_str().to_owned();
            return Err(SignatureError::KeyTime { key_id: key_id(), text });
        }
        let [from, until, _] = times.map(|time| time.and_then(Timestamp::unix_millis));
        if from.zip(until).is_some_and(|(from, until)| until < from) {
            return Err(SignatureError::NeverValid { key_id: key_id() });
        }
        self.keys.insert(SmolStr::new(key.key_id()), key);
        Ok(())
    }

    /// The key of an identifier.
    pub fn get(&self, key_id: &str) -> Option<&PublicKey> {
        self.keys.get(key_id)
    }

    /// All keys, in the order of their identifiers.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.keys.values()
    }
}

impl Verifier for KeyRing {
    /// Looks at the key first, then at the signature: who holds a revoked key can make good
    /// signatures, and the arithmetic is the costliest part.
    fn verify(
        &self,
        claim: &SignatureClaim,
        input: &[u8],
        at: WallTime,
    ) -> Result<Verified, SignatureError> {
        let (key_id, at) = (claim.key_id().to_owned(), at.unix_millis());
        let Some(key) = self.keys.get(&*key_id) else {
            return Err(SignatureError::UnknownKey { key_id });
        };
        if key.algorithm() != claim.algorithm() {
            let claimed = claim.algorithm().to_owned();
            let registered = key.algorithm().to_owned();
            return Err(SignatureError::WrongAlgorithm { key_id, claimed, registered });
        }
        // Every time was readable when the key was added. Revoked goes before the other two: it is
        // the reason that somebody should act on.
        let since = |time: &Timestamp| time.unix_millis().is_none_or(|t| t <= at);
        if let Some(time) = key.revoked_at().filter(|time| since(time)) {
            return Err(SignatureError::Revoked { key_id, revoked_at: time.clone() });
        }
        if let Some(time) = key.not_before().filter(|time| !since(time)) {
            return Err(SignatureError::NotYetValid { key_id, not_before: time.clone() });
        }
        let past = |time: &Timestamp| time.unix_millis().is_none_or(|t| t < at);
        if let Some(time) = key.not_after().filter(|time| past(time)) {
            return Err(SignatureError::Expired { key_id, not_after: time.clone() });
        }
        match fits(key, input, claim.value()) {
            Some(true) => Ok(Verified::new(key_id, key.owner().clone())),
            Some(false) => Err(SignatureError::BadSignature { key_id }),
            None => {
                let algorithm = key.algorithm().to_owned();
                Err(SignatureError::UnknownAlgorithm { key_id, algorithm })
            }
        }
    }
}

/// Whether a signature over the input was made with a key; `None` for an unknown algorithm.
#[cfg(feature = "signature")]
fn fits(key: &PublicKey, input: &[u8], signature: &[u8]) -> Option<bool> {
    let known = key.algorithm() == super::ED25519;
    known.then(|| super::ed25519::fits(key.bytes(), input, signature))
}

/// Without the feature `signature` no algorithm is known.
#[cfg(not(feature = "signature"))]
fn fits(_: &PublicKey, _: &[u8], _: &[u8]) -> Option<bool> {
    None
}
