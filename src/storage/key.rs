//! Keys.

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
/// # Ok::<(), coordination_protocol::storage::StoreKeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(SmolStr);

impl Key {
    /// The maximum number of bytes a key may have.
    pub const MAX_BYTES: usize = 512;

    /// The key of these segments, encoded where needed.
    ///
    /// # Errors
    /// [`StoreKeyError`] if there is no segment, an empty one, or if the key gets too long.
    pub fn of<I>(segments: I) -> Result<Self, StoreKeyError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut text = String::new();
        for (index, segment) in segments.into_iter().enumerate() {
            if index > 0 {
                text.push('/');
            }
            if segment.as_ref().is_empty() {
                return Err(StoreKeyError::EmptySegment { at: text.len() });
            }
            encode(segment.as_ref(), &mut text);
        }
        checked_length(&text)?;
        Ok(Key(SmolStr::new(text)))
    }

    /// Reads a key as it prints.
    ///
    /// # Errors
    /// [`StoreKeyError`] with the position of the first fault. A text that is encoded without need is
    /// refused, so that every key has one spelling.
    pub fn parse(text: &str) -> Result<Self, StoreKeyError> {
        checked_length(text)?;
        let mut at = 0;
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(StoreKeyError::EmptySegment { at });
            }
            if let Some((offset, found)) = segment.char_indices().find(|(_, c)| !is_plain(*c)) {
                return Err(StoreKeyError::Character { found, at: at + offset });
            }
            let mut again = String::with_capacity(segment.len());
            if let Some(raw) = decode(segment) {
                encode(&raw, &mut again);
            }
            if again != segment {
                return Err(StoreKeyError::Spelling { at });
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

fn checked_length(text: &str) -> Result<(), StoreKeyError> {
    match text.len() {
        0 => Err(StoreKeyError::Empty),
        bytes if bytes > Key::MAX_BYTES => Err(StoreKeyError::TooLong { bytes }),
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
            b'.' => other(at.checked_sub(1)) && other(at.checked_add(1)),
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
    type Err = StoreKeyError;

    fn from_str(text: &str) -> Result<Self, StoreKeyError> {
        Key::parse(text)
    }
}

/// Why a text is no key.
///
/// ```
/// use coordination_protocol::storage::{Key, StoreKeyError};
///
/// assert_eq!(Key::parse("a//b"), Err(StoreKeyError::EmptySegment { at: 2 }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreKeyError {
    /// There is no character at all.
    #[error("a key cannot be empty")]
    Empty,
    /// More than 512 bytes.
    #[error("a key has at most 512 bytes, this one has {bytes}")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// Two slashes in a row, or one at an end.
    #[error("the segment at byte {at} is empty")]
    EmptySegment {
        /// Where the segment would start.
        at: usize,
    },
    /// A character that has to be encoded.
    #[error("a key cannot contain {found:?} (at byte {at}); `Key::of` encodes it")]
    Character {
        /// The character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
    /// A segment that `Key::of` would have spelled otherwise.
    #[error("the segment at byte {at} is not spelled as `Key::of` spells it")]
    Spelling {
        /// Where the segment starts.
        at: usize,
    },
}
