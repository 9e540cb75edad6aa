//! Hashes of texts and of small integers.
//!
//! Both multiply to 128 bits and fold the halves together, so that every bit of the input reaches
//! every bit of the result. Consecutive integers under a weaker hash pile up in a table of open
//! addresses, which makes lookups ten times slower.

// Odd constants with about as many ones as zeros in no pattern, so that a product mixes well.
const K0: u64 = 0x9E37_79B9_7F4A_7C15;
const K1: u64 = 0xE703_7ED1_A0B4_28DB;
const K2: u64 = 0x8EBC_6AF0_9C88_C6E3;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    // One multiplication of 64 by 64 bits, which processors do in a few cycles. The upper half
    // depends on every bit below it, the lower one on every bit above.
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// The hash of a text.
#[inline]
pub(super) fn text(seed: u64, text: &str) -> u64 {
    bytes(seed, text.as_bytes(), |word| word)
}

/// The hash of a text whose ASCII case does not count.
#[inline]
pub(super) fn folded(seed: u64, text: &str) -> u64 {
    // Case is folded word by word inside the hash, so comparing without case copies no text.
    bytes(seed, text.as_bytes(), lower)
}

/// The hash of three integers.
#[inline]
pub(super) fn triple(seed: u64, a: u32, b: u32, c: u32) -> u64 {
    fold(seed ^ (u64::from(a) << 32 | u64::from(b)) ^ K0, u64::from(c) ^ K1)
}

/// The hash of two hashes.
#[inline]
pub(super) fn join(a: u64, b: u64) -> u64 {
    fold(a ^ K1, b ^ K2)
}

/// The score of a number under a hash. Numbers in a row, under any hash, share no order.
pub(super) fn score(hash: u64, number: u64) -> u64 {
    fold(fold(hash ^ number.wrapping_mul(K0), K1) ^ hash, K2)
}

#[inline]
fn bytes(seed: u64, bytes: &[u8], map: impl Fn(u64) -> u64) -> u64 {
    let mut state = seed ^ K0;
    let mut rest = bytes;
    while let Some((chunk, more)) = rest.split_first_chunk::<16>() {
        // The last 16 bytes are taken from the end instead, so a text of 16 is not hashed twice.
        if more.is_empty() {
            break;
        }
        let (a, b) = halves(chunk);
        state = fold(map(a) ^ state, map(b) ^ K1);
        rest = more;
    }
    // At most 16 bytes are left, or the last 16, part of them seen before.
    let (a, b) = match bytes.last_chunk::<16>() {
        Some(last) => halves(last),
        None => short(bytes),
    };
    state = fold(map(a) ^ state, map(b) ^ K1);
    // The length goes in last: without it a text and the same one with zero bytes would be equal.
    fold(state ^ K2, bytes.len() as u64 ^ K0)
}

#[inline]
fn halves(chunk: &[u8; 16]) -> (u64, u64) {
    let wide = u128::from_le_bytes(*chunk);
    (wide as u64, (wide >> 64) as u64)
}

/// Fewer than 16 bytes as two overlapping words.
#[inline]
fn short(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
    } else {
        (bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0)
    }
}

/// ASCII capitals of eight bytes in lower case.
#[inline]
fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    // Eight bytes at once: an addition to the lower seven bits carries into the eighth exactly when
    // a byte reaches the bound.
    let low = word & !HIGH;
    let from_a = low + (0x80 - u64::from(b'A')) * ONES;
    let above_z = low + (0x7F - u64::from(b'Z')) * ONES;
    word | ((from_a & !above_z & !word & HIGH) >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn lower_case_is_that_of_the_standard_library() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = *b"aZ@[{`z\xC1";
                bytes[place] = byte;
                let expected = u64::from_le_bytes(bytes.map(|byte| byte.to_ascii_lowercase()));
                assert_eq!(lower(u64::from_le_bytes(bytes)), expected);
            }
        }
    }

    #[test]
    fn every_byte_and_the_length_count() {
        let source = "workflow_with_a_name_of_some_length_0123456789";
        let mut seen = HashSet::new();
        for length in 0..=source.len() {
            assert!(seen.insert(text(1, &source[..length])));
            for at in 0..length {
                let mut changed = source[..length].to_owned();
                changed.replace_range(at..=at, "%");
                assert!(seen.insert(text(1, &changed)), "{changed}");
                let upper = source[..length].to_ascii_uppercase();
                assert_eq!(folded(1, &upper), folded(1, &source[..length]));
            }
        }
        assert_ne!(text(1, source), text(2, source));
    }

    /// The low bits choose the place in a table: consecutive integers must not pile up there.
    #[test]
    fn consecutive_integers_spread() {
        let mut places = vec![0_u32; 1 << 12];
        for a in 0..8 {
            for b in 0..64 {
                for c in 0..8 {
                    places[(triple(0, a, b, c) & 0xFFF) as usize] += 1;
                }
            }
        }
        let fullest = places.iter().max();
        let empty = places.iter().filter(|count| **count == 0).count();
        // 4,096 balls in 4,096 boxes leave 37 % empty.
        assert!(fullest <= Some(&8) && (1_300..1_720).contains(&empty), "{fullest:?} {empty}");
    }
}
