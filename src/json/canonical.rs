//! RFC 8785, the JSON Canonicalization Scheme.

use super::error::JsonError;
use super::members::{elements, members, value};
use super::raw::write_text;
use super::scanner::{Dialect, Limits, check};
use super::token::{Kind, Token};

/// The RFC 8785 form of a JSON text: no white space, keys sorted by UTF-16 code units, numbers and
/// strings spelled in the one prescribed way. Digests and signatures are made over it; event lines
/// are not written in it.
///
/// Fractions round to the nearest double, as the RFC prescribes. A whole number that would change
/// (beyond 2^53, unless it is spelled as the RFC spells its double) and a number beyond the range of
/// a double are refused: two different values would get one digest.
///
/// ```
/// use coordination_protocol::json::{Limits, canonical};
///
/// let text = canonical(r#"{ "b": 4.50, "a": [1E30] }"#, &Limits::default())?;
/// assert_eq!(text, r#"{"a":[1e+30],"b":4.5}"#);
/// # Ok::<(), coordination_protocol::json::JsonError>(())
/// ```
///
/// # Errors
/// [`JsonError`].
#[doc(alias = "JCS")]
#[doc(alias = "RFC 8785")]
pub fn canonical(text: &str, limits: &Limits) -> Result<String, JsonError> {
    check(text, Dialect::Strict, limits).map_err(JsonError::NotCanonical)?;
    let mut out = Vec::with_capacity(text.len());
    let start = super::bytes::skip_space(text.as_bytes(), 0);
    if let Some(root) = value(text.as_bytes(), start) {
        write(text, root, &mut out)?;
    }
    Ok(String::from_utf8(out).unwrap_or_default())
}

fn write(text: &str, token: Token, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match token.kind() {
        Kind::Null | Kind::Bool => out.extend_from_slice(token.raw(text).as_bytes()),
        Kind::Text => write_text(out, &token.decode(text)),
        Kind::Number => write_number(text, token, out)?,
        Kind::Array => {
            out.push(b'[');
            for (index, element) in elements(text, token.start()).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(text, element, out)?;
            }
            out.push(b']');
        }
        Kind::Object => {
            let mut entries: Vec<_> = members(text, token.start())
                .map(|(key, value)| (key.decode(text), value))
                .collect();
            // By UTF-16 code units, as the RFC says; UTF-8 would sort U+10000 behind U+FFFF.
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_text(out, &key);
                out.push(b':');
                write(text, value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_number(text: &str, token: Token, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let spelled = token.raw(text);
    let inexact = || JsonError::Inexact { text: spelled.to_owned(), at: token.start() };
    let double: f64 = spelled.parse().map_err(|_| inexact())?;
    if !double.is_finite() {
        return Err(inexact());
    }
    // Only a plainly written whole number claims every digit; a double's shortest form has at
    // most 17, so one with no more than 15 is exact without looking.
    let whole = spelled.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let mut buffer = ryu_js::Buffer::new();
    let shortest = buffer.format_finite(double);
    // The RFC's own spelling stays legal: a canonical text is its own canonical form.
    if whole && spelled.len() > 15 && spelled != shortest {
        let exact = spelled.parse::<i128>().is_ok_and(|n| n == double as i128);
        if !exact {
            return Err(inexact());
        }
    }
    out.extend_from_slice(shortest.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Limits, canonical};

    fn number(text: &str) -> Option<String> {
        canonical(text, &Limits::DEFAULT).ok()
    }

    #[test]
    fn a_number_is_spelled_as_its_double() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("4.50", "4.5"),
            ("1E2", "100"),
            ("1e21", "1e+21"),
            ("100000000000000000000", "100000000000000000000"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            // Fractions round, as the RFC says: they are measured, not counted.
            ("0.10000000000000000001", "0.1"),
            ("9007199254740993.0", "9007199254740992"),
            ("5e-324", "5e-324"),
            ("1e-400", "0"),
        ] {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_whole_number_that_would_change_is_refused() {
        // 2^53 and its neighbours.
        assert_eq!(number("9007199254740992").as_deref(), Some("9007199254740992"));
        for text in ["9007199254740993", "-9007199254740993", "18446744073709551615", "1e309"] {
            assert_eq!(number(text), None, "{text}");
        }
        // 2^63 is a double; the RFC spells it with a digit that is not its own, which stays legal.
        assert_eq!(number("9223372036854775808").as_deref(), Some("9223372036854776000"));
        assert_eq!(number("9223372036854776000").as_deref(), Some("9223372036854776000"));
    }

    #[test]
    fn keys_are_sorted_by_utf16() {
        let text = canonical("{\"\u{ffff}\":1,\"\u{10000}\":2,\"a\":3}", &Limits::DEFAULT).unwrap();
        assert_eq!(text, "{\"a\":3,\"\u{10000}\":2,\"\u{ffff}\":1}");
    }
}
