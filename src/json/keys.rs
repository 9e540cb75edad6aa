//! Whether an object has a key twice, found while it is scanned.
//!
//! Most objects have few keys, all different: fingerprints say so without looking back. What they
//! leave open is compared when the object closes, or is seen from keys that only rise.

use super::members::members;
use super::token::{Kind, Token};

/// Fingerprints of the keys of one object. Equal keys have equal fingerprints; a repeated
/// fingerprint, or more keys than fit, makes the object's keys be compared when it closes.
pub(super) struct Keys {
    prints: [u16; Keys::INLINE],
    count: usize,
}

impl Keys {
    const INLINE: usize = 64;

    pub(super) const fn new() -> Self {
        Keys { prints: [0; Keys::INLINE], count: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= Self::INLINE
    }

    /// Whether the key is new for certain.
    #[inline]
    #[allow(
        clippy::needless_bitwise_bool,
        reason = "without short circuits it is one vector compare"
    )]
    pub(super) fn insert(&mut self, key: &[u8]) -> bool {
        if self.count >= Self::INLINE {
            return false;
        }
        let print = fingerprint(key).max(1);
        let mut seen = false;
        for prints in self.prints.chunks_exact(8).take(self.count / 8 + 1) {
            seen |= prints.iter().fold(false, |hit, &p| hit | (p == print));
        }
        self.prints[self.count] = print;
        self.count += 1;
        !seen
    }
}

/// Mixes the length and the first and last bytes. Keys that differ only in the middle collide,
/// which costs a comparison and nothing else.
#[inline]
fn fingerprint(key: &[u8]) -> u16 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let word = if let (Some(first), Some(last)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
    } else if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
    } else {
        key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
    };
    ((word ^ key.len() as u64).wrapping_mul(MIX) >> 48) as u16
}

/// Whether all keys of an object so far, of which `key` is the last of `count`, are in order. `last` is
/// the one before it; `None` before the first call.
#[inline(never)]
pub(super) fn rise(
    text: &str,
    open: usize,
    count: usize,
    key: Token,
    last: &mut Option<Token>,
) -> bool {
    let mut rising = true;
    if last.is_none() {
        for (next, _) in members(text, open).take(count - 1) {
            rising &=
                !next.is_escaped() && last.is_none_or(|last| last.inner(text) < next.inner(text));
            *last = Some(next);
        }
    }
    let before = last.replace(key);
    rising && before.is_some_and(|before| before.inner(text) < key.inner(text))
}

/// Compares all keys of the object that opens at `open` and has been scanned to its end, and tells
/// each one that repeats another.
///
/// # Errors
/// The first that `tell` returns.
#[cold]
#[inline(never)]
pub(super) fn repeated<E>(
    text: &str,
    open: usize,
    count: usize,
    escaped: bool,
    mut tell: impl FnMut(Token) -> Result<(), E>,
) -> Result<(), E> {
    const FEW: usize = 32;
    // A small object whose keys are spelled as they are meant needs no list and no decoding.
    if count <= FEW && !escaped {
        let mut seen = [Token::new(Kind::Null, 0, 0); FEW];
        for (index, (key, _)) in members(text, open).take(FEW).enumerate() {
            let name = key.inner(text);
            if seen[..index].iter().any(|earlier| earlier.inner(text) == name) {
                tell(key)?;
            }
            seen[index] = key;
        }
        return Ok(());
    }
    let mut keys: Vec<Token> = members(text, open).map(|(key, _)| key).collect();
    keys.sort_by(|a, b| a.decode(text).cmp(&b.decode(text)).then(a.start().cmp(&b.start())));
    let mut repeated: Vec<Token> = keys
        .windows(2)
        .filter(|pair| pair[0].decode(text) == pair[1].decode(text))
        .map(|pair| pair[1])
        .collect();
    repeated.sort_by_key(|key| key.start());
    repeated.into_iter().try_for_each(tell)
}
