//! Signatures: who wrote a message, and that it is unchanged.
//!
//! An envelope carries its signature beside its other members:
//!
//! ```json
//! {
//!   "source": "coordination-hub",
//!   "event": {},
//!   "signature": { "key_id": "hub-2026", "algorithm": "ed25519", "value": "c2lnbmF0dXJl..." }
//! }
//! ```
//!
//! # What is signed
//!
//! The root object in canonical form (RFC 8785), without its member `signature`; see
//! [`signing_input`]. So a signature survives other white space, another order of members and
//! another spelling of text and numbers, and nothing else. In particular:
//!
//! * Only the root's own `signature` is left out. A member of that name further inside is data
//!   and is signed. An escaped spelling, `"sign\u0061ture"`, is the same name.
//! * A name that occurs twice in one object is refused, whatever the spelling: readers differ in
//!   which of the two they take.
//! * Numbers are signed as doubles. A whole number that a double would change is refused, and so
//!   is one beyond the range of a double; write them as strings. Of a fraction the digits beyond
//!   a double's precision are not protected.
//! * `signature` itself is not signed. So it holds the three members shown, all text, and any
//!   other is refused. A changed `key_id` or `algorithm` cannot help a forger: the key says
//!   which algorithm it is for and whose it is.
//!
//! `value` is base64 in the standard alphabet with padding, and in the one spelling that encoders
//! write.
//!
//! # Who checks
//!
//! [`sign`] and [`verify`] know the wire form, a [`Signer`] or [`Verifier`] the keys. [`KeyRing`] is
//! a verifier over public keys; signers for Ed25519 come with the feature `signature`. Both are
//! traits so that keys can stay in an agent or in hardware.
//!
//! ```
//! # #[cfg(feature = "signature")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use coordination_protocol::Limits;
//! use coordination_protocol::scalar::ComponentId;
//! use coordination_protocol::security::signature::{self, Ed25519Signer, KeyRing, PublicKey};
//!
//! let signer = Ed25519Signer::from_seed("hub-2026", &[7; 32])?;
//! let hub = ComponentId::new("coordination-hub")?;
//! let ring = KeyRing::new().with_key(PublicKey::ed25519("hub-2026", signer.public_key(), hub)?)?;
//!
//! let limits = Limits::default();
//! let now = 1_736_942_400_000;
//! let signed = signature::sign(r#"{"source":"coordination-hub","event":{}}"#, &signer, &limits)?;
//! assert_eq!(signature::verify(&signed, &ring, now, &limits)?.owner().as_str(), "coordination-hub");
//!
//! let forged = signed.replace("{}", r#"{"a":1}"#);
//! let error = signature::verify(&forged, &ring, now, &limits).unwrap_err();
//! assert_eq!(error.code(), "bad-signature");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "signature"))]
//! # fn main() {}
//! ```
//!
//! A good signature says nothing about when it was made: see [`replay`](super::replay) for replays,
//! and [`permissions`](super::permissions) for what the signer may do.

mod claim;
#[cfg(feature = "signature")]
mod ed25519;
mod error;
mod key;
mod ring;
mod ring_file;
mod root;

pub use claim::SignatureClaim;
#[cfg(feature = "signature")]
#[cfg_attr(docsrs, doc(cfg(feature = "signature")))]
pub use ed25519::Ed25519Signer;
pub use error::{KeyFileProblem, SignatureError};
pub use key::PublicKey;
pub use ring::KeyRing;

use crate::json::{self, Dialect, JsonError, Limits};
use crate::scalar::{ComponentId, WallTime};
use root::Root;
use smol_str::SmolStr;

/// The name of the one algorithm that [`KeyRing`] and [`PublicKey`] know.
pub const ED25519: &str = "ed25519";

/// Makes signatures with one key.
pub trait Signer: Send + Sync {
    /// The identifier under which readers know the key.
    fn key_id(&self) -> &str;

    /// The name of the algorithm, such as `ed25519`.
    fn algorithm(&self) -> &str;

    /// Signs bytes.
    ///
    /// # Errors
    /// [`SignatureError::SignerFailed`] if the key cannot be used, for example because it is kept elsewhere.
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignatureError>;
}

/// Checks signatures.
pub trait Verifier: Send + Sync {
    /// Checks a claimed signature over bytes at a moment.
    ///
    /// The moment is that of the check or of the message's arrival. It is not the timestamp in
    /// the message: whoever stole a key writes a timestamp at which the key was good.
    ///
    /// # Errors
    /// [`SignatureError`].
    fn verify(
        &self,
        claim: &SignatureClaim,
        input: &[u8],
        at: WallTime,
    ) -> Result<Verified, SignatureError>;
}

/// What a good signature tells: which key made it, and whose the key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    key_id: SmolStr,
    owner: ComponentId,
}

impl Verified {
    /// For implementations of [`Verifier`]: the key and its owner.
    pub fn new(key_id: impl AsRef<str>, owner: ComponentId) -> Self {
        Verified { key_id: SmolStr::new(key_id), owner }
    }

    /// The key that made the signature.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The component that the key belongs to: the proven source of the message.
    pub const fn owner(&self) -> &ComponentId {
        &self.owner
    }

    /// Checks that the key belongs to the component that a message names as its source.
    ///
    /// # Errors
    /// [`SignatureError::WrongOwner`].
    pub fn check_source(&self, source: &str) -> Result<(), SignatureError> {
        if source == self.owner.as_str() {
            return Ok(());
        }
        Err(SignatureError::WrongOwner {
            key_id: self.key_id.to_string(),
            owner: self.owner.clone(),
            claimed: source.to_owned(),
        })
    }
}

/// The text whose bytes are signed: the envelope in canonical form (RFC 8785) without its
/// `signature`.
///
/// ```
/// use coordination_protocol::Limits;
/// use coordination_protocol::security::signature::signing_input;
///
/// let text = r#"{ "ttl_seconds": 60.0, "signature": {}, "event": { "signature": 1 } }"#;
/// let input = signing_input(text, &Limits::default())?;
/// assert_eq!(input, r#"{"event":{"signature":1},"ttl_seconds":60}"#);
/// # Ok::<(), coordination_protocol::security::signature::SignatureError>(())
/// ```
///
/// # Errors
/// [`SignatureError`]; its positions are those of `text`.
pub fn signing_input(text: &str, limits: &Limits) -> Result<String, SignatureError> {
    Root::read(text, limits)?.signing_input(limits)
}

/// Signs an envelope: the text with its signature as the last member, in place of an earlier one.
/// All other bytes stay as they are.
///
/// # Errors
/// [`SignatureError`]. The signed text must stay within `limits`, too, or its readers would refuse it.
pub fn sign(text: &str, signer: &dyn Signer, limits: &Limits) -> Result<String, SignatureError> {
    let root = Root::read(text, limits).map_err(SignatureError::unsignable)?;
    let input = root.signing_input(limits).map_err(SignatureError::unsignable)?;
    let value = signer.sign(input.as_bytes())?;
    let claim = SignatureClaim::new(signer.key_id(), signer.algorithm(), value)
        .map_err(|error| SignatureError::SignerFailed(error.to_string()))?;
    let out = root.with_signature(&claim);
    json::check(&out, Dialect::Strict, limits)
        .map_err(|fault| SignatureError::Canonical(JsonError::NotCanonical(fault)).unsignable())?;
    Ok(out)
}

/// Checks the signature of an envelope, and that its key belongs to the envelope's source.
///
/// `at` is the moment at which the key must be good; see [`Verifier::verify`]. The source is the
/// root's member `source`, and `source_component`, as it is named in the field. An envelope
/// without either claims none; then [`Verified::owner`] is the only source it has.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(
    text: &str,
    verifier: &dyn Verifier,
    at: impl Into<WallTime>,
    limits: &Limits,
) -> Result<Verified, SignatureError> {
    let root = Root::read(text, limits).map_err(SignatureError::uncheckable)?;
    // Told before the canonical form is worked out: without a sound claim there is nothing to check
    // it against.
    let claim = root.claim()?;
    let input = root.signing_input(limits).map_err(SignatureError::uncheckable)?;
    let proof = verifier.verify(&claim, input.as_bytes(), at.into())?;
    // All that are named, or a forger could put the true one beside the false one.
    for source in root.sources() {
        proof.check_source(&source)?;
    }
    Ok(proof)
}
