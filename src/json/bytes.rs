//! Runs of bytes that the scanner and everything beside it step over.

/// The last position up to `at` that does not lie inside a character.
pub(crate) fn whole_characters(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    let inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    (at.saturating_sub(3)..=at).rev().find(|at| !inside(at)).unwrap_or(at)
}

/// Position after JSON white space.
pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Position of the first byte from `at` on that is no blank; indentation is runs of them.
#[inline]
pub(super) fn blanks_end(bytes: &[u8], mut at: usize) -> usize {
    const BLANKS: u64 = u64::from_ne_bytes([b' '; 8]);
    let mut rest = bytes.get(at..).unwrap_or_default();
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let others = u64::from_le_bytes(*chunk) ^ BLANKS;
        if others != 0 {
            return at + (others.trailing_zeros() / 8) as usize;
        }
        rest = behind;
        at += 8;
    }
    at + rest.iter().take_while(|byte| **byte == b' ').count()
}

/// Position of the first byte from `at` on that ends or interrupts a plain run of string
/// characters: the quote, a backslash, or a control character. The length of `bytes` if none.
#[inline]
pub(crate) fn plain_run(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    const SLASHES: u64 = ONES * b'\\' as u64;
    // Eight bytes at a time: subtracting borrows into the high bit of a byte that is too small, and
    // a byte with a high bit of its own is no match. A borrow can mark bytes above a true match,
    // never below it, so the lowest mark is always a true one.
    let quotes = ONES * u64::from(quote);
    let mut rest = bytes.get(at..).unwrap_or_default();
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let marks = (word ^ quotes).wrapping_sub(ONES)
            | (word ^ SLASHES).wrapping_sub(ONES)
            | word.wrapping_sub(ONES * 0x20);
        let marks = marks & !word & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        rest = behind;
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == quote || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}
