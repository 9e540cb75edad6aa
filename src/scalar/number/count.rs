//! Whole numbers.

use core::cmp::Ordering;

use smol_str::SmolStr;

use super::{Quantity, from_numbers};
use crate::scalar::ScalarError;
use crate::scalar::decimal::Number;
use crate::scalar::text::excerpt;

/// A whole number from 0 to 2^64 - 1, such as `agents` and `retry_count`.
///
/// It is whole by its value, as JSON Schema's `integer` is: `8.0` and `8e0` are read too. The
/// spelling is kept. Equality and hashing go by the spelling, so there is no `Ord`; compare
/// [`get`](Self::get).
///
/// ```
/// use coordination_protocol::scalar::Count;
///
/// let agents: Count = "5".parse()?;
/// assert_eq!(agents.get(), 5);
/// assert_eq!("5.0".parse::<Count>()?.get(), 5);
/// assert!("5.5".parse::<Count>().is_err());
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Count(pub(super) SmolStr);

impl Count {
    /// Takes a whole number.
    pub fn new(value: u64) -> Self {
        Self::from(value)
    }

    /// The whole number.
    pub fn get(&self) -> u64 {
        // The spelling was checked when it was taken.
        value_of(&self.0).unwrap_or_default()
    }

    /// The spelling.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Reads a whole number and keeps its spelling.
    ///
    /// # Errors
    ///
    /// [`ScalarError::NotANumber`] if the text is not a JSON number, [`ScalarError::NotWhole`] if
    /// its value has a fraction, [`ScalarError::OutOfRange`] if it is negative or more than
    /// 2^64 - 1.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        Self::try_from(Quantity::parse(text)?)
    }

    /// Whether the text is a whole number in range. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        value_of(text).is_some()
    }

    /// Compares by value.
    pub fn cmp_value(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

/// The value of a whole number in range.
#[inline]
fn value_of(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    // Nearly all counts are short runs of digits.
    if (1..=18).contains(&bytes.len()) && (bytes[0] != b'0' || bytes.len() == 1) {
        let mut value = 0;
        for byte in bytes {
            if !byte.is_ascii_digit() {
                return Number::scan(text)?.whole();
            }
            value = value * 10 + u64::from(byte - b'0');
        }
        return Some(value);
    }
    Number::scan(text)?.whole()
}

impl TryFrom<Quantity> for Count {
    type Error = ScalarError;

    fn try_from(quantity: Quantity) -> Result<Self, ScalarError> {
        if Self::is_valid(quantity.as_str()) {
            return Ok(Self(quantity.0));
        }
        match Number::scan(quantity.as_str()) {
            Some(number) if number.has_fraction() => {
                Err(ScalarError::NotWhole { text: excerpt(quantity.as_str()) })
            }
            _ => Err(ScalarError::out_of_range(quantity.as_str(), "0", "18446744073709551615")),
        }
    }
}

impl Default for Count {
    fn default() -> Self {
        Self(SmolStr::new_static("0"))
    }
}

from_numbers! { Count: u8 u16 u32 u64 usize; try i32 i64 f64 }

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.get()
    }
}

impl From<Count> for Quantity {
    fn from(count: Count) -> Self {
        Self(count.0)
    }
}
