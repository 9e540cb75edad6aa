//! Versions of the protocol and of components.

use core::fmt;
use core::str::FromStr;

use semver::Version;

use super::ScalarError;
use super::text::{self, Fault, excerpt, scalar_schema, text_scalar};

/// A version of the protocol, `MAJOR.MINOR.PATCH` (section *Protocol Versioning*).
///
/// There are no pre-releases and no build metadata. Versions are ordered by their numbers.
///
/// ```
/// use coordination_protocol::scalar::ProtocolVersion;
///
/// let version: ProtocolVersion = "1.2.1".parse()?;
/// assert!(version > ProtocolVersion::V1_1_0);
/// assert_eq!(version.to_string(), "1.2.1");
/// assert!("1.2".parse::<ProtocolVersion>().is_err());
/// # Ok::<(), coordination_protocol::scalar::ScalarError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion(Version);

impl ProtocolVersion {
    /// The protocol exactly as the specification states it.
    pub const V1_0_0: Self = Self::new(1, 0, 0);

    /// The specification with this crate's extensions.
    pub const V1_1_0: Self = Self::new(1, 1, 0);

    /// What is spoken if nothing else is said: 1.1.0.
    pub const DEFAULT: Self = Self::V1_1_0;

    /// Makes a version from its numbers.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(Version::new(major, minor, patch))
    }

    /// The first number; another one means incompatible.
    pub const fn major(&self) -> u64 {
        self.0.major
    }

    /// The second number; a greater one is backward compatible.
    pub const fn minor(&self) -> u64 {
        self.0.minor
    }

    /// The third number.
    pub const fn patch(&self) -> u64 {
        self.0.patch
    }

    /// The version as the `semver` crate has it, to match it against ranges.
    pub const fn as_semver(&self) -> &Version {
        &self.0
    }

    /// Whether the text is a protocol version. Allocates nothing.
    pub fn is_valid(text: &str) -> bool {
        numbers(text).is_ok_and(|(_, end)| end == text.len())
    }
}

impl Default for ProtocolVersion {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProtocolVersion {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        match numbers(text) {
            Ok(([major, minor, patch], end)) if end == text.len() => {
                Ok(Self::new(major, minor, patch))
            }
            _ => Err(ScalarError::ProtocolVersion { text: excerpt(text) }),
        }
    }
}

impl TryFrom<&str> for ProtocolVersion {
    type Error = ScalarError;

    fn try_from(text: &str) -> Result<Self, ScalarError> {
        text.parse()
    }
}

impl serde::Serialize for ProtocolVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ProtocolVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, "a protocol version", str::parse::<Self>)
    }
}

/// A number in the pattern of the schema. A pattern cannot compare numbers: the digits are as many
/// as never exceed 2^64 - 1.
#[cfg(feature = "schema")]
macro_rules! number {
    () => {
        "(0|[1-9][0-9]{0,18})"
    };
}

scalar_schema!(ProtocolVersion, "A version of the protocol, MAJOR.MINOR.PATCH.", {
    "type": "string",
    "pattern": concat!("^", number!(), r"\.", number!(), r"\.", number!(), "$"),
    "not": { "pattern": text::LINE_BREAK_AT_END },
    "examples": ["1.1.0"],
});

text_scalar! {
    /// The version of a component in Semantic Versioning 2.0.0, such as `1.0.0`.
    ComponentVersion {
        what: "a version",
        example: "1.0.0",
        refused: "v1",
        parse: check,
        schema: {
            "pattern": concat!(
                "^", number!(), r"\.", number!(), r"\.", number!(),
                r"(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)",
                r"(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?",
                r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$",
            ),
        },
    }
}

impl ComponentVersion {
    /// The version, to compare it; `None` for a kept text that is not a version.
    ///
    /// ```
    /// use coordination_protocol::scalar::ComponentVersion;
    ///
    /// assert!(ComponentVersion::from_lenient("1.10.0").value() > ComponentVersion::from_lenient("1.9.0").value());
    /// ```
    pub fn value(&self) -> Option<Version> {
        Version::parse(self.as_str()).ok()
    }
}

/// Checks the whole grammar of Semantic Versioning, which `semver` does only by allocating.
fn check(text: &str) -> Result<(), Fault> {
    let (_, mut at) = numbers(text)?;
    if text[at..].starts_with('-') {
        at = identifiers(text, at + 1, false)?;
    }
    if text[at..].starts_with('+') {
        at = identifiers(text, at + 1, true)?;
    }
    if at == text.len() { Ok(()) } else { Err(Fault::new(at, "unexpected character")) }
}

/// The three numbers at the start and the offset behind them.
fn numbers(text: &str) -> Result<([u64; 3], usize), Fault> {
    let mut numbers = [0; 3];
    let mut at = 0;
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            if !text[at..].starts_with('.') {
                return Err(Fault::new(at, "expected `.` and a number"));
            }
            at += 1;
        }
        let rest = &text[at..];
        let digits = &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()];
        if digits.is_empty() {
            return Err(Fault::new(at, "a digit is missing"));
        }
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(Fault::new(at, "a number cannot start with 0"));
        }
        *number = digits.parse().map_err(|_| Fault::new(at, "the number exceeds 2^64 - 1"))?;
        at += digits.len();
    }
    Ok((numbers, at))
}

/// Dot-separated identifiers from `at`; the offset behind them.
fn identifiers(text: &str, mut at: usize, leading_zeros: bool) -> Result<usize, Fault> {
    loop {
        let rest = &text[at..];
        let length =
            rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
        let identifier = &rest[..length];
        if identifier.is_empty() {
            return Err(Fault::new(at, "a letter or digit is missing"));
        }
        let number = identifier.bytes().all(|byte| byte.is_ascii_digit());
        if number && !leading_zeros && length > 1 && identifier.starts_with('0') {
            return Err(Fault::new(at, "a number cannot start with 0"));
        }
        at += length;
        if !text[at..].starts_with('.') {
            return Ok(at);
        }
        at += 1;
    }
}
