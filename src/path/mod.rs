//! Paths that leases are taken on: what they cover, and which of them overlap.
//!
//! A lease on files names paths below a root, and the root is the same for all who share it. A path may
//! be a pattern. Whatever it is, it covers what lies below, so that who holds `src` holds `src/lib.rs`:
//!
//! | in a segment | stands for |
//! |---|---|
//! | `*` | any text, also none |
//! | `?` | one character |
//! | `**`, alone | any number of segments, also none |
//! | anything else | itself: there are no classes of characters and no braces |
//!
//! Two patterns [overlap](PathPattern::overlaps) if some path is covered by both. That is decided on the
//! patterns alone, so files that are not there yet are guarded, too.
//!
//! ```
//! use coordination_protocol::path::PathPattern;
//!
//! let sources = PathPattern::new("src/**/*.rs")?;
//! assert!(sources.overlaps(&PathPattern::new("src/net/tcp.rs")?));
//! assert!(sources.overlaps(&PathPattern::new("src/net")?));
//! assert!(!sources.overlaps(&PathPattern::new("docs/*.md")?));
//!
//! // Spelled otherwise it is the same path; what leads out of the root is none.
//! assert_eq!(PathPattern::new("./src//net/")?.as_str(), "src/net");
//! assert_eq!(
//!     PathPattern::new("../etc").unwrap_err().to_string(),
//!     "`../etc` is no path below the root: `..` leads out of it",
//! );
//! # Ok::<(), coordination_protocol::path::PathError>(())
//! ```

mod glob;
mod index;

pub use index::PathIndex;

use crate::error::leaf_errors;
use crate::scalar::printable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A path below a root, or a pattern of such paths, in its one spelling: no `.`, no empty segment, no
/// slash at the ends. The root itself is `.`.
///
/// Case counts. [The module](self) has an example.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPattern(Arc<str>);

impl PathPattern {
    /// How many bytes a path may have. It bounds what a comparison of two patterns costs.
    pub const MAX_BYTES: usize = 1024;

    /// Reads a path.
    ///
    /// # Errors
    /// [`PathError`] says what about it is wrong.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let error = |fault| PathError { text: text.to_owned(), fault };
        if text.is_empty() {
            return Err(error(PathFault::Empty));
        }
        if text.len() > PathPattern::MAX_BYTES {
            return Err(error(PathFault::TooLong { bytes: text.len() }));
        }
        if text.starts_with('/') {
            return Err(error(PathFault::Absolute));
        }
        if text.chars().any(char::is_control) {
            return Err(error(PathFault::Control));
        }
        let mut path = String::with_capacity(text.len());
        for segment in text.split('/') {
            match segment {
                "" | "." => {}
                // What it leads to depends on links, which are not looked at here.
                ".." => return Err(error(PathFault::Parent)),
                segment => {
                    if !path.is_empty() {
                        path.push('/');
                    }
                    path.push_str(segment);
                }
            }
        }
        // `**` at the end says what holds of every path. Without it equal patterns are spelled alike.
        while path == "**" || path.ends_with("/**") {
            path.truncate(path.len().saturating_sub(3));
        }
        Ok(PathPattern(if path.is_empty() { Arc::from(".") } else { path.into() }))
    }

    /// Its spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments; none of the root.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| *segment != ".")
    }

    /// Whether it has no wildcard, and so names one path.
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether some path is covered by both.
    ///
    /// ```
    /// use coordination_protocol::path::PathPattern;
    ///
    /// let (tests, any) = (PathPattern::new("tests/a*")?, PathPattern::new("**/*b")?);
    /// assert!(tests.overlaps(&any), "both cover tests/ab");
    /// # Ok::<(), coordination_protocol::path::PathError>(())
    /// ```
    pub fn overlaps(&self, other: &PathPattern) -> bool {
        if self.is_literal() && other.is_literal() {
            return self.is_at_or_below(other) || other.is_at_or_below(self);
        }
        glob::meet(&self.segments().collect::<Vec<_>>(), &other.segments().collect::<Vec<_>>())
    }

    /// Whether it covers a path: the path itself, or one that lies above it, fits. Wildcards in the other
    /// are taken as text.
    ///
    /// ```
    /// use coordination_protocol::path::PathPattern;
    ///
    /// let source = PathPattern::new("src/*")?;
    /// assert!(source.covers(&PathPattern::new("src/net/tcp.rs")?));
    /// assert!(!source.covers(&PathPattern::new("src")?));
    /// # Ok::<(), coordination_protocol::path::PathError>(())
    /// ```
    pub fn covers(&self, path: &PathPattern) -> bool {
        glob::cover(&self.segments().collect::<Vec<_>>(), &path.segments().collect::<Vec<_>>())
    }

    /// The segments before the first one with a wildcard, joined: whatever it covers lies at it or below.
    fn stem(&self) -> &str {
        if self.0.as_ref() == "." {
            return "";
        }
        match self.0.find(['*', '?']) {
            Some(wild) => self.0[..wild].rfind('/').map_or("", |end| &self.0[..end]),
            None => &self.0,
        }
    }

    /// For two literal paths.
    fn is_at_or_below(&self, other: &PathPattern) -> bool {
        is_at_or_below(self.stem(), other.stem())
    }
}

/// Whether a path without wildcards is another one, or lies below it. The root is empty here.
fn is_at_or_below(path: &str, above: &str) -> bool {
    above.is_empty()
        || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PathPattern {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        PathPattern::new(text)
    }
}

impl TryFrom<&str> for PathPattern {
    type Error = PathError;

    fn try_from(text: &str) -> Result<Self, PathError> {
        PathPattern::new(text)
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        PathPattern::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A text is no path that a lease could be taken on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no path below the root: {fault}", printable(.text))]
#[non_exhaustive]
pub struct PathError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub fault: PathFault,
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// Nothing is there.
    #[error("it is empty; the root is `.`")]
    Empty,
    /// It begins at the root of the file system.
    #[error("it is absolute")]
    Absolute,
    /// It goes up.
    #[error("`..` leads out of it")]
    Parent,
    /// No file that people work on is named so.
    #[error("it has a control character")]
    Control,
    /// It is longer than [`PathPattern::MAX_BYTES`].
    #[error("it has {bytes} bytes, and {} are allowed", PathPattern::MAX_BYTES)]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
}

leaf_errors! {
    PathError, Path {
        Self { .. } => ["path", Execution, Corruption, lasting, "correct_and_retry",
            "Name a path below the root of the project, such as `src/net` or `docs/**/*.md`."],
    }
}
