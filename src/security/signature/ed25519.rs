//! Ed25519 (RFC 8032).

use super::key::check_names;
use super::{ED25519, SignatureError, Signer};
use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use smol_str::SmolStr;
use std::fmt;
use zeroize::Zeroizing;

/// Refuses keys that are no point of the curve, and the few for which anyone can sign.
pub(super) fn check(bytes: &[u8; 32]) -> Result<(), SignatureError> {
    match VerifyingKey::from_bytes(bytes) {
        Ok(key) if !key.is_weak() => Ok(()),
        _ => Err(SignatureError::UnusableKey),
    }
}

/// Whether a signature fits. Strict: what several correct verifiers would judge differently is
/// refused.
pub(super) fn fits(key: &[u8], input: &[u8], signature: &[u8]) -> bool {
    let key = key.try_into().ok().and_then(|bytes| VerifyingKey::from_bytes(bytes).ok());
    let signature = Signature::from_slice(signature).ok();
    key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(input, &signature).is_ok())
}

/// Signs with an Ed25519 key that is kept in memory and wiped when the signer is dropped.
///
/// The seed is the secret: 32 random bytes, for example from `openssl rand -hex 32`. Equal texts
/// get equal signatures; no random numbers are drawn.
///
/// ```
/// use coordination_protocol::security::signature::Ed25519Signer;
///
/// let hex = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
/// let signer = Ed25519Signer::from_seed_text("hub-2026", hex)?;
/// assert_eq!(signer.public_key()[..4], [0xd7, 0x5a, 0x98, 0x01]);
/// assert_eq!(format!("{signer:?}"), r#"Ed25519Signer { key_id: "hub-2026", .. }"#);
/// # Ok::<(), coordination_protocol::security::signature::SignatureError>(())
/// ```
pub struct Ed25519Signer {
    key_id: SmolStr,
    key: SigningKey,
}

impl Ed25519Signer {
    /// A signer from its seed.
    ///
    /// # Errors
    /// [`SignatureError`] if the key's identifier is none.
    pub fn from_seed(key_id: impl AsRef<str>, seed: &[u8; 32]) -> Result<Self, SignatureError> {
        let (key_id, _) = check_names(key_id.as_ref(), ED25519)?;
        Ok(Ed25519Signer { key_id, key: SigningKey::from_bytes(seed) })
    }

    /// A signer from its seed as text: 64 hexadecimal digits, or 44 characters of base64. White
    /// space around it is passed over.
    ///
    /// # Errors
    /// [`SignatureError`], which never repeats the text.
    pub fn from_seed_text(key_id: impl AsRef<str>, text: &str) -> Result<Self, SignatureError> {
        let text = text.trim_ascii();
        let mut seed = Zeroizing::new([0; 32]);
        let read = match text.len() {
            64 => hex(text, &mut seed),
            44 => Base64::decode(text, &mut *seed).is_ok_and(|bytes| bytes.len() == 32),
            _ => false,
        };
        if !read {
            return Err(SignatureError::Seed { length: text.len() });
        }
        Ed25519Signer::from_seed(key_id, &seed)
    }

    /// The public key, for the readers' key rings.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

/// Reads two digits a byte.
fn hex(text: &str, out: &mut [u8; 32]) -> bool {
    text.as_bytes().chunks_exact(2).zip(out).all(|(digits, byte)| {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        match (digit(0), digit(1)) {
            (Some(high), Some(low)) => {
                *byte = (high * 16 + low) as u8;
                true
            }
            _ => false,
        }
    })
}

impl Signer for Ed25519Signer {
    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn algorithm(&self) -> &'static str {
        ED25519
    }

    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let signature = self.key.try_sign(input);
        signature
            .map(|signature| signature.to_bytes().to_vec())
            .map_err(|error| SignatureError::SignerFailed(error.to_string()))
    }
}

impl fmt::Debug for Ed25519Signer {
    /// The key's identifier alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
