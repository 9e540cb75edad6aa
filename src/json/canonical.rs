//! RFC 8785, the JSON Canonicalization Scheme.

use super::error::JsonError;
use super::limits::{Dialect, Limits};
use super::members::{elements, members, value};
use super::raw::write_text;
use super::scanner::check;
use super::token::{Kind, Token};
use crate::spelling::Decimal;

/// The RFC 8785 form of a JSON text: no white space, keys sorted by UTF-16 code units, numbers and
/// strings spelled in the one prescribed way. Digests and signatures are made over it; event lines
/// are not written in it.
///
/// Fractions round to the nearest double, as the RFC prescribes: they are measured. Whole numbers
/// are counted, so none may change. One whose value, whatever its spelling, is not that of the
/// spelling which the RFC prints for its double is refused, and so is a number beyond all doubles.
/// All whole numbers up to 2^53 are taken; above, `1E30` and `9223372036854776000` are, and
/// `9223372036854775808` is not, though a double holds 2^63: the RFC prints it as
/// `9223372036854776000`, and two numbers would share one digest.
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
    let mut buffer = ryu_js::Buffer::new();
    let shortest = buffer.format_finite(double);
    // Doubles hold all whole numbers of 15 digits, and the RFC spells each with its own.
    let short = spelled.len() <= 15 && spelled.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if !short && spelled != shortest {
        let value = Decimal::of(spelled);
        // An exponent that is not counted made the double infinite, or zero of a fraction.
        let whole = value.as_ref().is_some_and(Decimal::is_whole);
        if whole && value != Decimal::of(shortest) {
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
            ("9007199254740993.5", "9007199254740994"),
            ("5e-324", "5e-324"),
            ("1e-400", "0"),
        ] {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_whole_number_that_would_change_is_refused() {
        for (text, expected) in [
            // 2^53
            ("9007199254740992", "9007199254740992"),
            ("9007199254740992.0", "9007199254740992"),
            ("900719925474099200e-2", "9007199254740992"),
            ("1E30", "1e+30"),
            ("1000000000000000000000000000000", "1e+30"),
            ("9223372036854776000", "9223372036854776000"),
            ("9223372036854776e3", "9223372036854776000"),
            ("-92233720368547760.00e2", "-9223372036854776000"),
        ] {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "9007199254740993",
            "-9007199254740993",
            "9007199254740993.0",
            "90071992547409930e-1",
            "9223372036854775300e0",
            // 2^63, 2^64 - 1, 2^127 - 1, 2^127, 2^128
            "9223372036854775808",
            "18446744073709551615",
            "170141183460469231731687303715884105727",
            "170141183460469231731687303715884105728",
            "340282366920938463463374607431768211456",
            "1e309",
            "1e99999999999999999999",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn keys_are_sorted_by_utf16() {
        let text = canonical("{\"\u{ffff}\":1,\"\u{10000}\":2,\"a\":3}", &Limits::DEFAULT).unwrap();
        assert_eq!(text, "{\"a\":3,\"\u{10000}\":2,\"\u{ffff}\":1}");
    }
}
