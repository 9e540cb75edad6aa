//! Why a text is not signed, or a signature not accepted.

use crate::json::{JsonError, Kind};
use crate::scalar::{ComponentId, Timestamp};
use smol_str::SmolStr;

/// Why a text has nothing that could be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It has no canonical form.
    #[error(transparent)]
    Canonical(#[from] JsonError),
    /// It is JSON, but no object.
    #[error("an envelope is a JSON object, found {0}")]
    NotAnObject(Kind),
}

/// Why a text was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The text cannot be signed.
    #[error("cannot sign: {0}")]
    Input(#[from] InputError),
    /// The signer failed, for the reason it gives.
    #[error("the signer failed: {0}")]
    Failed(String),
}

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The text has no canonical form that could have been signed.
    #[error("the signature cannot be checked: {0}")]
    NotCanonical(#[from] InputError),
    /// There is no `signature`.
    #[error("the message is not signed")]
    Unsigned,
    /// The `signature` is not of the wire form.
    #[error("{pointer} at byte {at}: {problem}")]
    Malformed {
        /// The JSON pointer of the faulty value.
        pointer: String,
        /// Its first byte in the text.
        at: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No key has this identifier.
    #[error("the key `{key_id}` is not known")]
    UnknownKey {
        /// The key that is claimed.
        key_id: SmolStr,
    },
    /// The algorithm of the key is not implemented here.
    #[error("the algorithm `{algorithm}` of key `{key_id}` is not known")]
    UnknownAlgorithm {
        /// The key.
        key_id: SmolStr,
        /// Its algorithm.
        algorithm: SmolStr,
    },
    /// The signature claims another algorithm than that of the key.
    #[error("key `{key_id}` is for {registered}, and the signature claims {claimed}")]
    WrongAlgorithm {
        /// The key.
        key_id: SmolStr,
        /// The algorithm that the signature claims.
        claimed: SmolStr,
        /// The algorithm of the key.
        registered: SmolStr,
    },
    /// The key is not yet in use.
    #[error("key `{key_id}` is not valid before {not_before}")]
    NotYetValid {
        /// The key.
        key_id: SmolStr,
        /// When its use begins.
        not_before: Timestamp,
    },
    /// The key is no longer in use.
    #[error("key `{key_id}` is not valid after {not_after}")]
    Expired {
        /// The key.
        key_id: SmolStr,
        /// When its use ended.
        not_after: Timestamp,
    },
    /// The key was revoked.
    #[error("key `{key_id}` is revoked since {revoked_at}")]
    Revoked {
        /// The key.
        key_id: SmolStr,
        /// Since when.
        revoked_at: Timestamp,
    },
    /// The key belongs to another component than the source of the message.
    #[error("key `{key_id}` belongs to `{owner}`, and the message claims to come from `{claimed}`")]
    WrongOwner {
        /// The key.
        key_id: SmolStr,
        /// The component it belongs to.
        owner: ComponentId,
        /// The source that the message claims.
        claimed: SmolStr,
    },
    /// The signature was not made over this message with this key.
    #[error("the signature does not fit the message and key `{key_id}`")]
    BadSignature {
        /// The key.
        key_id: SmolStr,
    },
    /// The verifier could not decide, for the reason it gives. [`KeyRing`](super::KeyRing) always
    /// can.
    #[error("the signature could not be checked: {0}")]
    Unavailable(String),
}

impl VerifyError {
    /// The stable name of the reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            VerifyError::NotCanonical(_) => "not-canonical",
            VerifyError::Unsigned => "unsigned",
            VerifyError::Malformed { .. } => "malformed-signature",
            VerifyError::UnknownKey { .. } => "unknown-key",
            VerifyError::UnknownAlgorithm { .. } => "unknown-algorithm",
            VerifyError::WrongAlgorithm { .. } => "wrong-algorithm",
            VerifyError::NotYetValid { .. } => "key-not-yet-valid",
            VerifyError::Expired { .. } => "key-expired",
            VerifyError::Revoked { .. } => "key-revoked",
            VerifyError::WrongOwner { .. } => "wrong-owner",
            VerifyError::BadSignature { .. } => "bad-signature",
            VerifyError::Unavailable(_) => "verifier-unavailable",
        }
    }
}
