//! What the spelling of a number means, exactly. No double is computed, so no digit is rounded away.

use std::borrow::Cow;

/// The value of a number: its significant digits, and the power of ten behind them. Two spellings
/// have equal values exactly if these are equal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal<'a> {
    negative: bool,
    /// Without zeros in front or at the end; empty for zero.
    digits: Cow<'a, str>,
    power: i128,
}

impl<'a> Decimal<'a> {
    /// Reads a scanned number; `None` if its exponent has more digits than are counted here. Such a
    /// number is beyond every double, or below all of them.
    pub(crate) fn of(raw: &'a str) -> Option<Self> {
        let (mantissa, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
        let unsigned = mantissa.trim_start_matches('-');
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = match fraction {
            "" => Cow::Borrowed(whole),
            _ => Cow::Owned(format!("{whole}{fraction}")),
        };
        let kept = digits.trim_end_matches('0').len();
        let dropped = digits.len() - kept;
        let first = digits.len() - digits.trim_start_matches('0').len();
        if first == digits.len() {
            return Some(Decimal { negative: false, digits: Cow::Borrowed(""), power: 0 });
        }
        // Lengths are below 2^32 and the exponent below 2^63, so that nothing overflows.
        let power = i128::from(exponent.parse::<i64>().ok()?) + dropped as i128;
        let power = power - fraction.len() as i128;
        let digits = match digits {
            Cow::Borrowed(digits) => Cow::Borrowed(&digits[first..kept]),
            Cow::Owned(digits) => Cow::Owned(digits[first..kept].to_owned()),
        };
        Some(Decimal { negative: mantissa.starts_with('-'), digits, power })
    }

    /// The value of a whole number; `None` for one with a fraction, or beyond 128 bits.
    pub(super) fn to_whole(&self) -> Option<i128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let scale = 10_i128.checked_pow(u32::try_from(self.power).ok()?)?;
        let value = self.digits.parse::<i128>().ok()?.checked_mul(scale)?;
        Some(if self.negative { -value } else { value })
    }

    /// Whether it is a whole number, however it is spelled: `10e-1` and `4.0` are.
    pub(crate) fn is_whole(&self) -> bool {
        self.power >= 0
    }
}

/// One spelling for all spellings of a number: of two numbers, the same only if they are equal.
pub(crate) fn number_form(raw: &str) -> Cow<'_, str> {
    let plain = raw.bytes().all(|byte| byte.is_ascii_digit());
    if plain && !raw.ends_with('0') {
        return Cow::Borrowed(raw);
    }
    match Decimal::of(raw) {
        Some(Decimal { digits, .. }) if digits.is_empty() => Cow::Borrowed("0"),
        Some(Decimal { negative, digits, power }) => {
            let sign = if negative { "-" } else { "" };
            Cow::Owned(match power {
                0 => format!("{sign}{digits}"),
                power => format!("{sign}{digits}e{power}"),
            })
        }
        None => Cow::Borrowed(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::{Decimal, number_form};

    #[test]
    fn a_number_has_one_form_for_all_spellings() {
        for spellings in [
            &["0", "-0", "0.0", "0e7", "-0.00e-3", "0e99999999999999999999"][..],
            &["1", "1.0", "1e0", "10e-1", "0.1E+1"],
            &["120", "12e1", "1.2e2", "120.000"],
            &["-0.05", "-5e-2", "-0.5e-1"],
            &["1e400", "10e399"],
            &["18446744073709551616", "1.8446744073709551616e19"],
        ] {
            for spelling in spellings {
                assert_eq!(number_form(spelling), number_form(spellings[0]), "{spelling}");
            }
        }
        for (a, b) in [
            ("1", "-1"),
            ("1", "10"),
            ("0.1", "0.10000000000000000001"),
            ("1e400", "1e401"),
            ("1e9223372036854775807", "10e9223372036854775807"),
        ] {
            assert_ne!(number_form(a), number_form(b));
        }
    }

    #[test]
    fn a_whole_number_is_known_whatever_its_spelling() {
        let whole = |raw| Decimal::of(raw).unwrap().is_whole();
        for raw in ["0", "-0.0", "0e-5", "4.0", "10e-1", "1.5e1", "-12", "1e400"] {
            assert!(whole(raw), "{raw}");
        }
        for raw in ["0.5", "1e-1", "10e-2", "-4.01", "1e-400"] {
            assert!(!whole(raw), "{raw}");
        }
    }
}
