//! SHA-256 digests.

use sha2::Digest as _;
use smol_str::SmolStr;

use super::text::{Fault, text_scalar};

const PREFIX: &str = "sha256:";
const HEX_DIGITS: usize = 64;

text_scalar! {
    /// A SHA-256 digest: `sha256:` and 64 hexadecimal digits in lower case.
    ///
    /// The specification's own samples, such as `sha256:abc123...`, are placeholders and not
    /// digests.
    Digest {
        what: "a digest",
        example: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        refused: "sha256:abc123...",
        parse: parse,
        schema: { "pattern": "^sha256:[0-9a-f]{64}$" },
    }
}

impl Digest {
    /// Digests some bytes.
    ///
    /// ```
    /// use coordination_protocol::scalar::Digest;
    ///
    /// let digest = Digest::of(b"abc");
    /// assert!(digest.as_str().starts_with("sha256:ba7816bf"));
    /// ```
    pub fn of(bytes: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digest: [u8; 32] = sha2::Sha256::digest(bytes).into();
        let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex = nibbles.map(|nibble| char::from(HEX[usize::from(nibble)]));
        Self(PREFIX.chars().chain(hex).collect::<SmolStr>())
    }

    /// The 32 bytes of the digest; `None` for a kept text that is not a digest.
    pub fn bytes(&self) -> Option<[u8; 32]> {
        parse(self.as_str()).ok()
    }
}

fn parse(text: &str) -> Result<[u8; 32], Fault> {
    let hex =
        text.strip_prefix(PREFIX).ok_or(Fault::new(0, "it must start with `sha256:`"))?.as_bytes();
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    // Without an early end it is a few vector instructions.
    if hex.len() != HEX_DIGITS || !hex.iter().fold(true, |all, byte| all & digit(byte)) {
        let (at, reason) = match hex.iter().take(HEX_DIGITS).position(|byte| !digit(byte)) {
            Some(at) => (at, "expected a digit 0-9 or a letter a-f"),
            None => (hex.len().min(HEX_DIGITS), "there must be exactly 64 hexadecimal digits"),
        };
        return Err(Fault::new(PREFIX.len() + at, reason));
    }
    let nibble = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
    }
    Ok(bytes)
}
