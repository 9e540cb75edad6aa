//! The `signature` member of an envelope.

use super::error::SignatureError;
use super::key::check_names;
use crate::json::{Kind, Token, members, pointer, write_text};
use base64ct::{Base64, Encoding as _};
use smol_str::SmolStr;

/// A signature that is not checked yet: its bytes, and the key it claims to be made with.
///
/// ```
/// use coordination_protocol::security::signature::SignatureClaim;
///
/// let claim = SignatureClaim::new("hub-2026", "ed25519", vec![0; 64])?;
/// assert!(claim.to_json().starts_with(r#"{"key_id":"hub-2026","algorithm":"ed25519","value":"AAAA"#));
/// # Ok::<(), coordination_protocol::security::signature::SignatureError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureClaim {
    key_id: SmolStr,
    algorithm: SmolStr,
    value: Vec<u8>,
}

/// What the signature is called in an envelope.
pub(super) const SIGNATURE: &str = "signature";

/// The members, all required, in the order in which they are written.
const MEMBERS: [&str; 3] = ["key_id", "algorithm", "value"];

impl SignatureClaim {
    /// A claim of these bytes.
    ///
    /// # Errors
    /// [`SignatureError`] if a name is no identifier.
    pub fn new(
        key_id: impl AsRef<str>,
        algorithm: impl AsRef<str>,
        value: impl Into<Vec<u8>>,
    ) -> Result<Self, SignatureError> {
        let (key_id, algorithm) = check_names(key_id.as_ref(), algorithm.as_ref())?;
        Ok(SignatureClaim { key_id, algorithm, value: value.into() })
    }

    /// The key that is claimed.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The algorithm that is claimed.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The bytes of the signature.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The JSON object of the wire form.
    pub fn to_json(&self) -> String {
        let value = Base64::encode_string(&self.value);
        let mut out = Vec::new();
        for (name, text) in MEMBERS.iter().zip([&*self.key_id, &*self.algorithm, &value]) {
            out.push(if out.is_empty() { b'{' } else { b',' });
            write_text(&mut out, name);
            out.push(b':');
            write_text(&mut out, text);
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }

    /// Reads the value of `signature` in a scanned text.
    pub(super) fn read(text: &str, token: Token) -> Result<Self, SignatureError> {
        let malformed = |name: Option<&str>, token: Token, problem: String| {
            let mut pointer = String::new();
            [Some(SIGNATURE), name]
                .iter()
                .flatten()
                .for_each(|n| pointer::push_key(&mut pointer, n));
            SignatureError::Malformed { pointer, at: token.start(), problem }
        };
        if token.kind() != Kind::Object {
            let problem = format!("expected an object, found {}", token.kind());
            return Err(malformed(None, token, problem));
        }
        let mut values: [Option<Token>; 3] = [None; 3];
        for (key, value) in members(text, token.start()) {
            let name = key.decode(text);
            let Some(place) = MEMBERS.iter().position(|member| *member == name) else {
                let problem = "a signature has no such member, and nothing would protect it";
                return Err(malformed(Some(&name), key, problem.to_owned()));
            };
            if value.kind() != Kind::Text {
                let problem = format!("expected a string, found {}", value.kind());
                return Err(malformed(Some(&name), value, problem));
            }
            values[place] = Some(value);
        }
        if let Some(missing) = values.iter().position(Option::is_none) {
            return Err(malformed(None, token, format!("`{}` is missing", MEMBERS[missing])));
        }
        let [key_id, algorithm, value] = values.map(|value| value.unwrap_or(token));
        let bytes = Base64::decode_vec(&value.decode(text)).map_err(|_| {
            let problem = "not base64 in the standard alphabet with padding";
            malformed(Some(MEMBERS[2]), value, problem.to_owned())
        })?;
        SignatureClaim::new(key_id.decode(text), algorithm.decode(text), bytes).map_err(|error| {
            let (place, token) = match error {
                SignatureError::Algorithm(_) => (1, algorithm),
                _ => (0, key_id),
            };
            malformed(Some(MEMBERS[place]), token, error.to_string())
        })
    }
}
