//! Why a text is not signed, a signature not accepted, or a key not taken.

use crate::json::{FaultKind, JsonError, Kind};
use crate::scalar::{ComponentId, Escaping, ScalarError, Timestamp, printable};
use std::fmt::{self, Write as _};

/// Why a text is not signed, a signature not accepted, or a key not taken.
///
/// What [`verify`](super::verify) finds says nothing of the message when it could not decide:
/// [`Uncheckable`](Self::Uncheckable), [`UnknownAlgorithm`](Self::UnknownAlgorithm),
/// [`WrongAlgorithm`](Self::WrongAlgorithm) and [`Unavailable`](Self::Unavailable).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The text has no canonical form.
    #[error(transparent)]
    Canonical(#[from] JsonError),
    /// It is JSON, but no object.
    #[error("an envelope is a JSON object, found {0}")]
    NotAnObject(Kind),
    /// The text cannot be signed.
    #[error("cannot sign: {0}")]
    Unsignable(#[source] Box<SignatureError>),
    /// The signer failed, for the reason it gives.
    #[error("the signer failed: {}", printable(.0))]
    SignerFailed(String),
    /// The text has no canonical form that could have been signed.
    #[error("the signature cannot be checked: {0}")]
    Uncheckable(#[source] Box<SignatureError>),
    /// There is no `signature`.
    #[error("the message is not signed")]
    Unsigned,
    /// The `signature` is not of the wire form.
    #[error("{pointer} at byte {at}: {problem}", pointer = printable(.pointer))]
    Malformed {
        /// The JSON pointer of the faulty value.
        pointer: String,
        /// Its first byte in the text.
        at: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No key has this identifier.
    #[error("the key `{key_id}` is not known", key_id = printable(.key_id))]
    UnknownKey {
        /// The key that is claimed.
        key_id: String,
    },
    /// The algorithm of the key is not implemented here.
    #[error("the algorithm `{algorithm}` of key `{key_id}` is not known", algorithm = printable(.algorithm), key_id = printable(.key_id))]
    UnknownAlgorithm {
        /// The key.
        key_id: String,
        /// Its algorithm.
        algorithm: String,
    },
    /// The signature claims another algorithm than that of the key.
    #[error("key `{key_id}` is for {registered}, and the signature claims {claimed}", key_id = printable(.key_id), registered = printable(.registered), claimed = printable(.claimed))]
    WrongAlgorithm {
        /// The key.
        key_id: String,
        /// The algorithm that the signature claims.
        claimed: String,
        /// The algorithm of the key.
        registered: String,
    },
    /// The key is not yet in use.
    #[error("key `{key_id}` is not valid before {not_before}", key_id = printable(.key_id), not_before = printable(.not_before))]
    NotYetValid {
        /// The key.
        key_id: String,
        /// When its use begins.
        not_before: Timestamp,
    },
    /// The key is no longer in use.
    #[error("key `{key_id}` is not valid after {not_after}", key_id = printable(.key_id), not_after = printable(.not_after))]
    Expired {
        /// The key.
        key_id: String,
        /// When its use ended.
        not_after: Timestamp,
    },
    /// The key was revoked.
    #[error("key `{key_id}` is revoked since {revoked_at}", key_id = printable(.key_id), revoked_at = printable(.revoked_at))]
    Revoked {
        /// The key.
        key_id: String,
        /// Since when.
        revoked_at: Timestamp,
    },
    /// The key belongs to another component than the source of the message.
    #[error("key `{key_id}` belongs to `{owner}`, and the message claims to come from `{claimed}`", key_id = printable(.key_id), owner = printable(.owner), claimed = printable(.claimed))]
    WrongOwner {
        /// The key.
        key_id: String,
        /// The component it belongs to.
        owner: ComponentId,
        /// The source that the message claims.
        claimed: String,
    },
    /// The signature was not made over this message with this key.
    #[error("the signature does not fit the message and key `{key_id}`", key_id = printable(.key_id))]
    BadSignature {
        /// The key.
        key_id: String,
    },
    /// The verifier could not decide, for the reason it gives. [`KeyRing`](super::KeyRing) always
    /// can.
    #[error("the signature could not be checked: {}", printable(.0))]
    Unavailable(String),
    /// The key's identifier is none.
    #[error("the key's identifier: {0}")]
    KeyId(#[source] ScalarError),
    /// The algorithm's name is no identifier.
    #[error("the algorithm's name: {0}")]
    Algorithm(#[source] ScalarError),
    /// An Ed25519 key of another length.
    #[error("an ed25519 public key has 32 bytes, this one has {found}")]
    KeyLength {
        /// How many bytes it has.
        found: usize,
    },
    /// No point of the curve, or one for which a signature proves nothing.
    #[error("these 32 bytes are no usable ed25519 public key")]
    UnusableKey,
    /// The text of a seed is neither of the two forms.
    #[error(
        "a seed is 64 hexadecimal digits or 44 characters of base64; this is neither, \
         in {length} characters"
    )]
    Seed {
        /// How many bytes the text has.
        length: usize,
    },
    /// The key ring is full.
    #[error("a key ring of at most {max_keys} keys is full")]
    FullRing {
        /// How many it may hold.
        max_keys: usize,
    },
    /// The ring has a key of that name.
    #[error("key `{key_id}` is there already", key_id = printable(.key_id))]
    DuplicateKey {
        /// The key.
        key_id: String,
    },
    /// Another component has the same key.
    #[error("key `{key_id}` is the same as `{other}`, which belongs to another component", key_id = printable(.key_id), other = printable(.other))]
    SharedKey {
        /// The key.
        key_id: String,
        /// The key that is there.
        other: String,
    },
    /// A time of a key is a kept text that is no timestamp.
    #[error("key `{key_id}`: `{text}` is not a timestamp", key_id = printable(.key_id), text = printable(.text))]
    KeyTime {
        /// The key.
        key_id: String,
        /// The text.
        text: String,
    },
    /// The key ends before it begins.
    #[error("key `{key_id}` ends before it begins", key_id = printable(.key_id))]
    NeverValid {
        /// The key.
        key_id: String,
    },
    /// A text is no key file: the first fault and where it is.
    #[error("{}at byte {at}: {problem}", pointed(pointer))]
    #[non_exhaustive]
    KeyFile {
        /// The JSON pointer of the faulty value or member; empty for the root, and for broken JSON.
        pointer: String,
        /// Its first byte.
        at: usize,
        /// What is wrong.
        problem: Box<KeyFileProblem>,
    },
}

fn pointed(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!("{} ", printable(pointer)) }
}

impl SignatureError {
    pub(super) fn unsignable(self) -> Self {
        SignatureError::Unsignable(Box::new(self))
    }

    pub(super) fn uncheckable(self) -> Self {
        SignatureError::Uncheckable(Box::new(self))
    }
}

/// What can be wrong in a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFileProblem {
    /// Broken JSON, a duplicate key, or a limit.
    Json(FaultKind),
    /// A value of another kind.
    #[non_exhaustive]
    Kind {
        /// What belongs here.
        expected: Kind,
        /// What is here.
        found: Kind,
    },
    /// A member that is not of the form.
    #[non_exhaustive]
    UnknownMember {
        /// What it is a member of.
        of: &'static str,
        /// The member that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A member is missing.
    Missing(&'static str),
    /// The public key is no base64.
    Base64,
    /// The owner is no identifier.
    Owner(ScalarError),
    /// A time is no timestamp.
    Time(ScalarError),
    /// The values make no key, or one that does not go with the others.
    Key(SignatureError),
}

impl fmt::Display for KeyFileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        match self {
            KeyFileProblem::Json(kind) => write!(f, "{kind}"),
            KeyFileProblem::Kind { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            KeyFileProblem::UnknownMember { of, nearest } => {
                write!(f, "{of} has no such member")?;
                nearest.map_or(Ok(()), |name| write!(f, "; did you mean `{name}`?"))
            }
            KeyFileProblem::Missing(name) => write!(f, "`{name}` is missing"),
            KeyFileProblem::Base64 => {
                f.write_str("not base64 in the standard alphabet with padding")
            }
            KeyFileProblem::Owner(error) => write!(f, "the owner: {error}"),
            KeyFileProblem::Time(error) => write!(f, "{error}"),
            KeyFileProblem::Key(error) => write!(f, "{error}"),
        }
    }
}

crate::error::leaf_errors! {
    SignatureError, Security {
        Self::Canonical(_) => ["no-canonical-form", System, Corruption, lasting, "correct_and_resend", "Send one sound JSON object whose numbers a double can hold."],
        Self::NotAnObject(_) => ["not-an-object", System, Corruption, lasting, "correct_and_resend", "Send one sound JSON object whose numbers a double can hold."],
        Self::Unsignable(_) => ["unsignable", System, Unavailable, lasting, "correct_and_retry", "Sign one sound JSON object whose numbers a double can hold."],
        Self::SignerFailed(_) => ["signer-failed", System, Unavailable, transient, "retry", "Sign with a key that is at hand."],
        Self::Uncheckable(_) => ["not-canonical", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::Unsigned => ["unsigned", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::Malformed { .. } => ["malformed-signature", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::UnknownKey { .. } => ["unknown-key", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::UnknownAlgorithm { .. } => ["unknown-algorithm", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::WrongAlgorithm { .. } => ["wrong-algorithm", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        // It is good later without anybody doing anything.
        Self::NotYetValid { .. } => ["key-not-yet-valid", System, Unavailable, transient, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::Expired { .. } => ["key-expired", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::Revoked { .. } => ["key-revoked", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::WrongOwner { .. } => ["wrong-owner", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::BadSignature { .. } => ["bad-signature", System, Unavailable, lasting, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::Unavailable(_) => ["verifier-unavailable", System, Unavailable, transient, "sign_and_resend", "Sign the message with a valid key of its source."],
        Self::KeyId(_) => ["key-id", System, Corruption, lasting, "correct_and_retry", "Give the key an identifier and 32 bytes."],
        Self::Algorithm(_) => ["algorithm", System, Corruption, lasting, "correct_and_retry", "Give the key an identifier and 32 bytes."],
        Self::KeyLength { .. } => ["key-length", System, Corruption, lasting, "correct_and_retry", "Give the key an identifier and 32 bytes."],
        Self::UnusableKey => ["unusable-key", System, Corruption, lasting, "correct_and_retry", "Give the key an identifier and 32 bytes."],
        Self::Seed { .. } => ["seed", System, Corruption, lasting, "correct_and_retry", "Give a seed of 64 hexadecimal digits or 44 characters of Base64."],
        Self::FullRing { .. } => ["full-key-ring", System, Conflict, lasting, "correct_and_retry", "Remove a key, or let the ring hold more."],
        Self::DuplicateKey { .. } => ["duplicate-key", System, Conflict, lasting, "correct_and_retry", "Give each key one identifier and one owner."],
        Self::SharedKey { .. } => ["shared-key", System, Conflict, lasting, "correct_and_retry", "Give each key one identifier and one owner."],
        Self::KeyTime { .. } => ["key-time", System, Conflict, lasting, "correct_and_retry", "Write a time such as `2025-01-15T12:00:00Z`."],
        Self::NeverValid { .. } => ["key-never-valid", System, Conflict, lasting, "correct_and_retry", "Let the key end after it begins."],
        Self::KeyFile { .. } => ["key-file", System, Corruption, lasting, "correct_and_retry", "Correct the key file at the place that is named."],
    }
}
