//! Numbers that keep their spelling.
//!
//! JSON distinguishes `12` from `12.0` and `94.2` from `94.20`; a double does not. A message that
//! passes through must come out as it went in, so these types hold the digits and compute the
//! value on demand. Ranges are checked on the digits, exactly: `100.00000000000000000001` is not
//! a percentage although the nearest double is 100.
//!
//! `serde_json` reads and writes the spelling. Serde's buffers (`flatten`, `untagged`, tags inside),
//! `serde_json::Value` and other formats for humans may lose it, never the value: a number that they
//! cannot hold exactly is an error when it is written, a whole number beyond 2^53 that arrives as a
//! double is one when it is read. In formats that are not for humans, and as the key of a map, a number
//! is a string, its spelling.

mod count;

use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::{SmolStr, ToSmolStr as _};

use super::ScalarError;
use super::decimal::{Number, plain_places};
use super::text::scalar_schema;

pub use count::Count;

/// Any JSON number, as spelled.
///
/// Equality and hashing go by the spelling: `12` and `12.0` differ. There is no `Ord`, because an
/// order by value would call those two equal; use [`Quantity::cmp_value`].
///
/// ```
/// use coordination_protocol::scalar::Quantity;
///
/// let memory = Quantity::parse("94.20")?;
/// assert_eq!(memory.to_string(), "94.20");
/// assert_eq!(memory.value(), Some(94.2));
/// assert!(Quantity::parse("1,5").is_err());
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantity(SmolStr);

impl Quantity {
    /// Spells a double the shortest way that reads back as the same double; `12.0` gives `12`.
    ///
    /// # Errors
    ///
    /// [`ScalarError::NotANumber`] for NaN and the infinities, which JSON cannot spell.
    pub fn new(value: f64) -> Result<Self, ScalarError> {
        if value.is_finite() {
            Ok(Self(SmolStr::new(ryu_js::Buffer::new().format_finite(value))))
        } else {
            Err(ScalarError::NotANumber { text: value.to_string().into() })
        }
    }

    /// Reads a number in the grammar of JSON and keeps its spelling.
    ///
    /// # Errors
    ///
    /// [`ScalarError::NotANumber`] for any other text, such as `+1`, `.5`, `01` or ` 1`.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        if Self::is_valid(text) {
            Ok(Self(SmolStr::new(text)))
        } else {
            Err(ScalarError::not_a_number(text))
        }
    }

    /// Whether the text is a JSON number. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        Number::scan(text).is_some()
    }

    /// The spelling.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The nearest double; `None` beyond the range of a double, such as `1e999`.
    pub fn value(&self) -> Option<f64> {
        self.0.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The value, if it is spelled as a plain whole number from 0 to 2^64 - 1.
    ///
    /// `8.0` and `8e0` give `None`, as does `-0`.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// Compares by value, exactly: no digit is rounded away, and `12` equals `12.0`.
    ///
    /// Exponents beyond 10^18 count as 10^18.
    pub fn cmp_value(&self, other: &Self) -> Ordering {
        cmp_value(self.as_str(), other.as_str())
    }
}

/// Compares two valid spellings.
fn cmp_value(left: &str, right: &str) -> Ordering {
    match (Number::scan(left), Number::scan(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        // Not reachable: both were scanned when they were made.
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

macro_rules! quantity_from {
    ($($integer:ty)+) => {$(
        impl From<$integer> for Quantity {
            fn from(value: $integer) -> Self {
                Self(value.to_smolstr())
            }
        }
    )+};
}
quantity_from!(u8 u16 u32 u64 usize i8 i16 i32 i64);

/// Writes how a number with a range is made of plain ones.
macro_rules! from_numbers {
    ($name:ident: $($integer:ty)*; try $($number:ty)+) => {
        $(
            impl From<$integer> for $name {
                fn from(value: $integer) -> Self {
                    Self(Quantity::from(value).0)
                }
            }
        )*
        $(
            impl TryFrom<$number> for $name {
                type Error = ScalarError;

                fn try_from(value: $number) -> Result<Self, ScalarError> {
                    Self::try_from(Quantity::try_from(value)?)
                }
            }
        )+
    };
}
pub(super) use from_numbers;

impl TryFrom<f64> for Quantity {
    type Error = ScalarError;

    fn try_from(value: f64) -> Result<Self, ScalarError> {
        Self::new(value)
    }
}

from_numbers! { Percent: ; try u8 u32 u64 i32 i64 f64 }
from_numbers! { Ratio: ; try u8 i32 f64 }
from_numbers! { Amount: u32; try u64 usize i32 i64 f64 }

/// Writes what all spelled numbers share.
macro_rules! spelled_number {
    ($name:ident) => {
        impl $name {
            /// Reads a number without a word about why it is refused.
            pub(crate) fn read(text: &str) -> Option<Self> {
                Self::is_valid(text).then(|| Self(SmolStr::new(text)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ScalarError;

            fn from_str(text: &str) -> Result<Self, ScalarError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::spelling::write(self.as_str(), serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::spelling::read(deserializer, Self::parse)
            }
        }
    };
}

spelled_number!(Count);
scalar_schema!(Count, "A whole number from 0.", {
    "type": "integer", "minimum": 0, "maximum": u64::MAX,
});

spelled_number!(Quantity);
scalar_schema!(Quantity, "Any number, kept as spelled.", { "type": "number" });

/// Defines a number within fixed bounds, both included. Plain numbers of at most `$places` digits
/// before the decimal point lie within them.
macro_rules! bounded_number {
    (
        $(#[doc = $doc:expr])+
        $name:ident, $min:literal, $max:literal, $inside:literal, $places:literal
    ) => {
        $(#[doc = $doc])+
        ///
        /// The spelling is kept. Equality and hashing go by the spelling, so there is no `Ord`;
        #[doc = concat!("use [`", stringify!($name), "::cmp_value`].")]
        ///
        /// ```
        #[doc = concat!("use coordination_protocol::scalar::", stringify!($name), ";")]
        ///
        #[doc = concat!("let share = ", stringify!($name), "::parse(\"", $inside, "\")?;")]
        #[doc = concat!("assert_eq!(share.to_string(), \"", $inside, "\");")]
        #[doc = concat!("assert!(", stringify!($name), "::new(-0.1).is_err());")]
        #[doc = concat!("assert!(", stringify!($name), "::new(", $max, ".1).is_err());")]
        /// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            #[doc = concat!("The least value, ", $min, ".")]
            pub const MIN: Self = Self(SmolStr::new_static(stringify!($min)));

            #[doc = concat!("The greatest value, ", $max, ".")]
            pub const MAX: Self = Self(SmolStr::new_static(stringify!($max)));

            /// Spells a double the shortest way that reads back as the same double.
            ///
            /// # Errors
            ///
            #[doc = concat!("[`ScalarError::OutOfRange`] outside ", $min, " to ", $max, ".")]
            /// [`ScalarError::NotANumber`] for NaN and the infinities.
            pub fn new(value: f64) -> Result<Self, ScalarError> {
                Self::try_from(Quantity::new(value)?)
            }

            /// Reads a number in the grammar of JSON and keeps its spelling.
            ///
            /// # Errors
            ///
            #[doc = concat!("[`ScalarError::OutOfRange`] outside ", $min, " to ", $max, ".")]
            /// [`ScalarError::NotANumber`] if the text is not a JSON number.
            pub fn parse(text: &str) -> Result<Self, ScalarError> {
                Self::try_from(Quantity::parse(text)?)
            }

            #[doc = concat!(
                "Whether the text is a JSON number from ", $min, " to ", $max,
                ". Allocates nothing."
            )]
            pub fn is_valid(text: &str) -> bool {
                plain_places(text).is_some_and(|places| places <= $places)
                    || Number::scan(text).is_some()
                        && cmp_value(text, stringify!($min)).is_ge()
                        && cmp_value(text, stringify!($max)).is_le()
            }

            /// The spelling.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The nearest double.
            pub fn value(&self) -> f64 {
                // A spelling within the bounds always parses, and to a double within them.
                self.0.parse().unwrap_or_default()
            }

            /// Compares by value, exactly.
            pub fn cmp_value(&self, other: &Self) -> Ordering {
                cmp_value(self.as_str(), other.as_str())
            }
        }

        impl TryFrom<Quantity> for $name {
            type Error = ScalarError;

            fn try_from(quantity: Quantity) -> Result<Self, ScalarError> {
                if Self::is_valid(quantity.as_str()) {
                    Ok(Self(quantity.0))
                } else {
                    Err(ScalarError::out_of_range(quantity.as_str(), stringify!($min), stringify!($max)))
                }
            }
        }

        impl From<$name> for Quantity {
            fn from(number: $name) -> Self {
                Self(number.0)
            }
        }

        spelled_number!($name);
        scalar_schema!($name, concat!($($doc, "\n"),+), {
            "type": "number", "minimum": $min, "maximum": $max,
        });
    };
}

bounded_number! {
    /// A share in percent, from 0 to 100, such as `progress` and `success_rate`.
    Percent, 0, 100, "94.20", 2
}

bounded_number! {
    /// A share of one, from 0 to 1, such as `success_probability` and `compression_ratio`.
    Ratio, 0, 1, "0.90", 0
}

/// A number that is not negative, such as `memory_gb` and `duration_hours`.
///
/// The spelling is kept. Equality and hashing go by the spelling, so there is no `Ord`; use
/// [`Amount::cmp_value`].
///
/// ```
/// use coordination_protocol::scalar::Amount;
///
/// assert_eq!(Amount::parse("2.50")?.to_string(), "2.50");
/// assert!(Amount::parse("-1").is_err());
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Amount(SmolStr);

impl Amount {
    /// Spells a double the shortest way that reads back as the same double.
    ///
    /// # Errors
    ///
    /// [`ScalarError::OutOfRange`] below 0, [`ScalarError::NotANumber`] for NaN and the infinities.
    pub fn new(value: f64) -> Result<Self, ScalarError> {
        Self::try_from(Quantity::new(value)?)
    }

    /// Reads a number in the grammar of JSON and keeps its spelling.
    ///
    /// # Errors
    ///
    /// [`ScalarError::OutOfRange`] below 0, [`ScalarError::NotANumber`] if the text is not a JSON
    /// number.
    pub fn parse(text: &str) -> Result<Self, ScalarError> {
        Self::try_from(Quantity::parse(text)?)
    }

    /// Whether the text is a JSON number that is not negative. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        plain_places(text).is_some()
            || Number::scan(text).is_some_and(|number| !number.is_negative())
    }

    /// The spelling.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The nearest double; `None` beyond the range of a double.
    pub fn value(&self) -> Option<f64> {
        self.0.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// An amount of seconds in whole milliseconds, rounded up, so that nothing lives shorter than was
    /// said. Worked out from the digits; an amount beyond 2^64 - 1 ms is that.
    ///
    /// ```
    /// use coordination_protocol::scalar::Amount;
    ///
    /// assert_eq!(Amount::parse("2.003")?.to_millis(), 2_003);
    /// assert_eq!(Amount::parse("0.0001")?.to_millis(), 1);
    /// assert_eq!(Amount::parse("1e300")?.to_millis(), u64::MAX);
    /// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
    /// ```
    pub fn to_millis(&self) -> u64 {
        Number::scan(self.as_str()).map_or(u64::MAX, |number| number.thousandths())
    }

    /// Compares by value, exactly.
    pub fn cmp_value(&self, other: &Self) -> Ordering {
        cmp_value(self.as_str(), other.as_str())
    }
}

impl TryFrom<Quantity> for Amount {
    type Error = ScalarError;

    fn try_from(quantity: Quantity) -> Result<Self, ScalarError> {
        if Self::is_valid(quantity.as_str()) {
            return Ok(Self(quantity.0));
        }
        Err(ScalarError::out_of_range(quantity.as_str(), "0", "the largest double"))
    }
}

impl From<Amount> for Quantity {
    fn from(amount: Amount) -> Self {
        Self(amount.0)
    }
}

impl From<Count> for Amount {
    fn from(count: Count) -> Self {
        Self(Quantity::from(count).0)
    }
}

spelled_number!(Amount);
scalar_schema!(Amount, "A number that is not negative, kept as spelled.", {
    "type": "number", "minimum": 0,
});
