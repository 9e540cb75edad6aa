//! Decimal numbers as digits: exact comparison and exact scaling, without a double.

use core::cmp::Ordering;

/// Larger exponents are compared as if they were this one.
const EXPONENT_LIMIT: i64 = 1_000_000_000_000_000_000;

/// The parts of a number in the grammar of RFC 8259, section 6.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    /// Splits a number; `None` if the text is anything else.
    pub(super) fn scan(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, rest) = match bytes.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, bytes),
        };
        let (whole, rest) = digits(rest)?;
        if whole.len() > 1 && whole[0] == b'0' {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix(b".") {
            Some(rest) => digits(rest)?,
            None => (&rest[..0], rest),
        };
        let (exponent, rest) = match rest {
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => (0, rest),
        };
        rest.is_empty().then_some(Self { negative, whole, fraction, exponent })
    }

    /// Whether it is less than zero.
    pub(super) fn is_negative(&self) -> bool {
        self.sign() < 0
    }

    /// Whether its value has a part behind the decimal point.
    pub(super) fn has_fraction(&self) -> bool {
        let places = self.whole_places();
        self.digits().enumerate().any(|(at, digit)| at as i128 >= places && digit != b'0')
    }

    /// The value of a whole number from 0 to 2^64 - 1, however it is spelled.
    pub(super) fn whole(&self) -> Option<u64> {
        match self.sign() {
            0 => return Some(0),
            1 if !self.has_fraction() => {}
            _ => return None,
        }
        let places = self.whole_places();
        let mut value = 0_u64;
        let mut at = 0;
        for digit in self.digits().take(usize::try_from(places.max(0)).unwrap_or(usize::MAX)) {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            at += 1;
        }
        // Not zero, so the value overflows long before the places run out.
        while at < places {
            value = value.checked_mul(10)?;
            at += 1;
        }
        Some(value)
    }

    /// A thousand times its value, rounded up; zero below that, and the largest number beyond it.
    pub(super) fn thousandths(&self) -> u64 {
        if self.sign() <= 0 {
            return 0;
        }
        let places = self.whole_places() + 3;
        let (mut value, mut at, mut rest) = (0_u64, 0_i128, false);
        let mut more = |digit: u8| {
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
            Some(())
        };
        for digit in self.digits() {
            if at >= places {
                rest |= digit != b'0';
            } else if more(digit - b'0').is_none() {
                return u64::MAX;
            }
            at += 1;
        }
        // Not zero, so the value overflows long before the places run out.
        while at < places {
            if more(0).is_none() {
                return u64::MAX;
            }
            at += 1;
        }
        value.saturating_add(u64::from(rest))
    }

    /// How many of the digits stand before the decimal point, once the exponent has moved it.
    fn whole_places(&self) -> i128 {
        self.whole.len() as i128 + i128::from(self.exponent)
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// Compares two numbers exactly.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        match (self.sign(), other.sign()) {
            (0, 0) => Ordering::Equal,
            (1, 1) => self.cmp_magnitude(other),
            (-1, -1) => other.cmp_magnitude(self),
            (ours, theirs) => ours.cmp(&theirs),
        }
    }

    fn significant(&self) -> impl Iterator<Item = u8> {
        self.digits().skip_while(|digit| *digit == b'0')
    }

    fn sign(&self) -> i8 {
        match (self.significant().next(), self.negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }

    /// The power of ten in front of the first significant digit.
    fn power(&self) -> i128 {
        let zeros = self.whole.len() + self.fraction.len() - self.significant().count();
        i128::from(self.exponent) + self.whole.len() as i128 - zeros as i128
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        self.power().cmp(&other.power()).then_with(|| {
            let (mut ours, mut theirs) = (self.significant(), other.significant());
            loop {
                match (ours.next(), theirs.next()) {
                    (None, None) => return Ordering::Equal,
                    (a, b) => match a.unwrap_or(b'0').cmp(&b.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        different => return different,
                    },
                }
            }
        })
    }
}

/// The form that nearly all numbers have, digits and perhaps a fraction: how many digits its value
/// has before the decimal point. `None` leaves the text to the full reader.
#[inline]
pub(super) fn plain_places(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let whole = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match bytes.get(whole) {
        None => &bytes[whole..],
        Some(b'.') if whole + 1 < bytes.len() => &bytes[whole + 1..],
        Some(_) => return None,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match (bytes.first()?, whole) {
        (b'0', 1) => Some(0),
        (b'1'..=b'9', _) => Some(whole),
        _ => None,
    }
}

/// The digits at the start of `bytes`, at least one, and what follows them.
fn digits(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    (end > 0).then(|| bytes.split_at(end))
}

fn exponent(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, rest) = match bytes {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, bytes),
    };
    let (digits, rest) = digits(rest)?;
    let power = digits.iter().fold(0_i64, |power, digit| {
        power.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(EXPONENT_LIMIT)
    });
    Some((sign * power, rest))
}

/// An unsigned decimal such as `2.5`, as it stands in durations and sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    whole: u128,
    fraction: u128,
    fraction_scale: u128,
}

impl Amount {
    /// Fraction digits that are read; later ones are too small to count in any unit.
    const FRACTION_DIGITS: usize = 18;

    /// Reads an amount at the start of `bytes`: the amount and its length.
    ///
    /// # Errors
    ///
    /// The offset where a digit was expected.
    pub(super) fn scan(bytes: &[u8]) -> Result<(Self, usize), usize> {
        let (whole, rest) = digits(bytes).ok_or(0_usize)?;
        let (fraction, length) = match rest.strip_prefix(b".") {
            Some(rest) => {
                let (fraction, _) = digits(rest).ok_or(whole.len() + 1)?;
                (fraction, whole.len() + 1 + fraction.len())
            }
            None => (&rest[..0], whole.len()),
        };
        let fraction = &fraction[..fraction.len().min(Self::FRACTION_DIGITS)];
        let amount = Self {
            whole: number(whole),
            fraction: number(fraction),
            fraction_scale: 10_u128.pow(fraction.len() as u32),
        };
        Ok((amount, length))
    }

    /// The amount times `unit`, rounded down; `None` if it does not fit.
    ///
    /// `unit` is at most 10^14, so that the fraction cannot overflow.
    pub(super) fn times(self, unit: u64) -> Option<u128> {
        let unit = u128::from(unit);
        let whole = self.whole.checked_mul(unit)?;
        // A division of this width is slow, and most amounts are whole.
        match self.fraction {
            0 => Some(whole),
            fraction => whole.checked_add(fraction * unit / self.fraction_scale),
        }
    }
}

/// Saturates, which every caller then finds out of range.
fn number(digits: &[u8]) -> u128 {
    digits.iter().fold(0_u128, |number, digit| {
        number.saturating_mul(10).saturating_add(u128::from(digit - b'0'))
    })
}
