//! Fencing tokens.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A fencing token: of two grants the later one has the greater. It prints as `1-42`.
///
/// Whoever guards a resource remembers the greatest token that it has seen, and refuses what comes with a
/// smaller one. A token of a source whose log never begins anew is a number alone. Positions of a log would not do: they are lost with it. The incarnation counts on when a log
/// begins anew.
///
/// ```
/// use coordination_protocol::scalar::Fence;
///
/// let fence: Fence = "1-42".parse()?;
/// assert!(fence > Fence::new(1, 41) && fence < Fence::new(2, 1));
/// assert_eq!(fence.to_string(), "1-42");
/// # Ok::<(), coordination_protocol::scalar::NoFence>(())
/// ```
#[doc(alias = "fencing token")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Fence {
    /// How often the log began anew; 0 if that is not counted.
    pub incarnation: u64,
    /// Which grant of it this is.
    pub counter: u64,
}

impl Fence {
    /// The token of a grant.
    pub const fn new(incarnation: u64, counter: u64) -> Self {
        Fence { incarnation, counter }
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.incarnation {
            0 => write!(f, "{}", self.counter),
            incarnation => write!(f, "{incarnation}-{}", self.counter),
        }
    }
}

/// A text is no fencing token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no fencing token; it looks like `1-42`", super::printable(.0))]
#[non_exhaustive]
pub struct NoFence(pub String);

impl FromStr for Fence {
    type Err = NoFence;

    fn from_str(text: &str) -> Result<Self, NoFence> {
        let read = || {
            let (incarnation, counter) = text.split_once('-').unwrap_or(("0", text));
            let fence = Fence::new(incarnation.parse().ok()?, counter.parse().ok()?);
            // Spelled otherwise it would compare unequal as a text.
            (fence.to_string() == text).then_some(fence)
        };
        read().ok_or_else(|| NoFence(text.to_owned()))
    }
}

impl Serialize for Fence {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fence {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
