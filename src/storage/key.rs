//! Keys.

use super::error::{KeyFault, StorageError};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The name of a value or of a cursor: segments joined with `/`.
///
/// A segment holds ASCII letters, digits, `_`, `-` and single dots between other characters.
/// Whatever else an identifier has becomes `=` and two upper-case hexadecimal digits a byte, so
/// [`Key::of`] takes any text, different texts give different keys, and no key can climb out of a
/// folder (`..`) when it is used as a path. All of these characters are legal in NATS keys.
///
/// ```
/// use coordination_protocol::storage::Key;
///
/// let key = Key::of(["checkpoint", "wf 1/..", "ckpt_7"])?;
/// assert_eq!(key.as_str(), "checkpoint/wf=201=2F=2E=2E/ckpt_7");
/// assert_eq!(key.segments().collect::<Vec<_>>(), ["checkpoint", "wf 1/..", "ckpt_7"]);
/// assert!("checkpoint/../etc".parse::<Key>().is_err());
/// # Ok::<(), coordination_protocol::storage::StorageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(SmolStr);

impl Key {
    /// The maximum number of bytes a key may have.
    // Room for a prefix and two long identifiers.
    pub const MAX_BYTES: usize = 512;

    /// The key of these segments, encoded where needed.
    ///
    /// # Errors
    /// [`StorageError::Key`] if there is no segment, an empty one, or if the key gets too long.
    pub fn of<I>(segments: I) -> Result<Self, StorageError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut text = String::new();
        for (index, segment) in segments.into_iter().enumerate() {
            // Joined by `/`, which `encode` never leaves in a segment, so the parts can be told
            // again.
            if index > 0 {
                text.push('/');
            }
            // An empty segment would make `a//b`, which file systems read as `a/b`: two keys, one
            // place.
            if segment.as_ref().is_empty() {
                return Err(KeyFault::EmptySegment { at: text.len() }.into());
            }
            encode(segment.as_ref(), &mut text);
        }
        checked_length(&text)?;
        Ok(Key(SmolStr::new(text)))
    }

    /// Reads a key as it prints.
    ///
    /// # Errors
    /// [`StorageError::Key`] with the position of the first fault. A text that is encoded without need is
    /// refused, so that every key has one spelling.
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        checked_length(text)?;
        let mut at = 0;
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(KeyFault::EmptySegment { at }.into());
            }
            if let Some((offset, found)) = segment.char_indices().find(|(_, c)| !is_plain(*c)) {
                return Err(KeyFault::Character { found, at: at + offset }.into());
            }
            // One spelling for one key: without this, `=61` and `a` would be two keys for the same
            // segments.
            let mut again = String::with_capacity(segment.len());
            if let Some(raw) = decode(segment) {
                encode(&raw, &mut again);
            }
            if again != segment {
                return Err(KeyFault::Spelling { at }.into());
            }
            at += segment.len() + 1;
        }
        Ok(Key(SmolStr::new(text)))
    }

    /// The key as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, decoded.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').map(|segment| decode(segment).unwrap_or(Cow::Borrowed(segment)))
    }
}

fn checked_length(text: &str) -> Result<(), StorageError> {
    match text.len() {
        0 => Err(KeyFault::Empty.into()),
        bytes if bytes > Key::MAX_BYTES => Err(KeyFault::TooLong { bytes }.into()),
        _ => Ok(()),
    }
}

/// What may stand in an encoded segment.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '=')
}

fn encode(segment: &str, out: &mut String) {
    let bytes = segment.as_bytes();
    let other = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|b| *b != b'.');
    for (at, byte) in bytes.iter().copied().enumerate() {
        let keep = match byte {
            // A single dot between other characters is harmless; at an end or doubled it could mean
            // a folder (`..`) or hide a file.
            b'.' => other(at.checked_sub(1)) && other(at.checked_add(1)),
            // `=` is left out, because it starts an escape, so encoding needs no second rule for
            // itself.
            _ => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
        };
        if keep {
            out.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push('=');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The text of an encoded segment, if its escapes make UTF-8.
fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('=') {
        return Some(Cow::Borrowed(segment));
    }
    let mut parts = segment.split('=');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2)?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Key {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        Key::parse(text)
    }
}
