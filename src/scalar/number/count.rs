//! Whole numbers.

use core::fmt;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{NumberError, Quantity};
use crate::scalar::decimal::Number;
use crate::scalar::text::{excerpt, scalar_schema};

/// A whole number from 0 to 2^64 - 1, such as `agents` and `retry_count`.
///
/// On the wire it is spelled with digits only: `8.0`, `8e0` and `-0` are refused.
///
/// ```
/// use coordination_protocol::scalar::Count;
///
/// let agents: Count = "5".parse()?;
/// assert_eq!(agents.get(), 5);
/// assert!("5.0".parse::<Count>().is_err());
/// # Ok::<(), coordination_protocol::scalar::NumberError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(u64);

impl Count {
    /// Takes a whole number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The whole number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads digits.
    ///
    /// # Errors
    ///
    /// [`NumberError::NotANumber`] if the text is not a JSON number, [`NumberError::NotWhole`] if
    /// it has a fraction or an exponent or is `-0`, [`NumberError::OutOfRange`] if it is negative
    /// or more than 2^64 - 1.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let number =
            Number::scan(text).ok_or_else(|| NumberError::NotANumber { text: excerpt(text) })?;
        if !number.is_plain() || text == "-0" {
            return Err(NumberError::NotWhole { text: excerpt(text) });
        }
        text.parse().map(Self).map_err(|_| NumberError::OutOfRange {
            text: excerpt(text),
            min: "0",
            max: "18446744073709551615",
        })
    }

    /// Whether the text is a whole number in range, spelled with digits only. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        Number::scan(text).is_some_and(|number| number.is_plain()) && text.parse::<u64>().is_ok()
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Count {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::parse(text)
    }
}

impl From<u64> for Count {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<u32> for Count {
    fn from(value: u32) -> Self {
        Self(u64::from(value))
    }
}

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.0
    }
}

impl From<Count> for Quantity {
    fn from(count: Count) -> Self {
        Self::from(count.0)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 18446744073709551615, with digits only")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count(value))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Count, E> {
                u64::try_from(value)
                    .map(Count)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
            }
        }

        deserializer.deserialize_u64(Whole)
    }
}

scalar_schema!(Count, "A whole number from 0, spelled with digits only.", {
    "type": "integer", "minimum": 0, "maximum": u64::MAX,
});
