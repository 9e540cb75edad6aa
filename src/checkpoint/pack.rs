//! Compression, with a bound on what is unpacked.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// zlib's default: more effort gains little on JSON.
const EFFORT: u8 = 6;

/// How the bytes of a part are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Packing {
    Plain,
    /// RFC 1951. The entry has a digest of it, so it needs no checksum of its own.
    Deflate,
}

/// The smaller form of a text; a short one stays as it is.
pub(super) fn pack(text: &str, compress_above: usize) -> (Packing, Cow<'_, [u8]>) {
    if text.len() > compress_above {
        let packed = miniz_oxide::deflate::compress_to_vec(text.as_bytes(), EFFORT);
        if packed.len() < text.len() {
            return (Packing::Deflate, Cow::Owned(packed));
        }
    }
    (Packing::Plain, Cow::Borrowed(text.as_bytes()))
}

/// The text again, which must have exactly `bytes` bytes: never more is unpacked.
pub(super) fn unpack(
    packing: Packing,
    stored: &[u8],
    bytes: usize,
) -> Result<String, &'static str> {
    let text = match packing {
        Packing::Plain => stored.to_vec(),
        Packing::Deflate => miniz_oxide::inflate::decompress_to_vec_with_limit(stored, bytes)
            .map_err(|_| "it does not unpack to the recorded size")?,
    };
    if text.len() != bytes {
        return Err("it does not have the recorded size");
    }
    String::from_utf8(text).map_err(|_| "it is not UTF-8")
}
