//! Which edits of a schema break those who wrote for the older one.

mod alternatives;
mod compare;
mod fields;
mod resolve;
mod same;

use compare::Comparison;
use schemars::Schema;
use std::fmt;

/// How an edit breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BreakKind {
    /// A field is no longer known, or refused.
    Removed,
    /// A field must be given that could be left out.
    Required,
    /// A kind of value is no longer accepted.
    Type,
    /// A word of a list is no longer accepted, or there is a list where there was none.
    Word,
    /// A range, length or number of elements became narrower.
    Range,
    /// Something else was asked of a value, or is asked in another way. What cannot be told to be
    /// wider counts as a break.
    Form,
}

/// One edit that breaks.
///
/// `Display` is a sentence with the pointer in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Break {
    /// JSON pointer into the new schema; into the old one for what is gone.
    pub pointer: String,
    /// How it breaks.
    pub kind: BreakKind,
    /// What was changed.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.pointer.is_empty() { "/" } else { &self.pointer }, self.what)
    }
}

/// How much two schemas are compared before [`breaking`] gives up, in steps: some two hundred times what
/// two versions of the largest schema of the protocol take.
pub const MAX_STEPS: usize = 2_000_000;

/// The edits between two schemas of one name that a minor version of the protocol must not make
/// (specification, Version Management): whoever writes what the old one describes must not be
/// refused by the new one, and must be understood.
///
/// Two additions are no breaks although they take a name that was free before: an optional field,
/// and a body or event type. Writers are told of such names when they [migrate](crate::version::migrate).
///
/// The comparison is for schemas of JSON Schema 2020-12 in the manner of [`of`](super::of()), and it
/// errs on the side of caution. Equal schemas break nothing; a value that fits the old schema and not
/// the new one, in other fields than such new ones, is always told. What cannot be followed is a break
/// unless it is equal: other keywords than those of [`of`](super::of()), references that leave the schema, other
/// dialects, and more than [`MAX_STEPS`].
///
/// ```
/// use coordination_protocol::event::Registry;
/// use coordination_protocol::scalar::ProtocolVersion;
/// use coordination_protocol::schema;
///
/// let old = schema::of("envelope", &Registry::new(ProtocolVersion::V1_0_0)).unwrap();
/// let new = schema::of("envelope", &Registry::default()).unwrap();
/// assert!(schema::breaking(&old, &new).is_empty());
///
/// let breaks = schema::breaking(&new, &old);
/// assert!(breaks.iter().any(|found| found.to_string() == "/properties/hello: the field `hello` is gone"));
/// ```
pub fn breaking(old: &Schema, new: &Schema) -> Vec<Break> {
    breaking_within(old, new, MAX_STEPS)
}

/// Like [`breaking`], with a limit of your own on the steps of the comparison. Each looks at one
/// schema inside one of the two; a comparison that needs more ends with a break that says so.
///
/// ```
/// use coordination_protocol::event::Registry;
/// use coordination_protocol::schema;
///
/// let old = schema::of("envelope", &Registry::default()).unwrap();
/// let mut new = old.clone();
/// new.insert("title".to_owned(), "Message".into());
/// assert_eq!(schema::breaking_within(&old, &new, 100_000), []);
/// let told = schema::breaking_within(&old, &new, 10).pop().unwrap();
/// assert_eq!(told.to_string(), "/: the schemas are too large to be compared in 10 steps");
/// ```
pub fn breaking_within(old: &Schema, new: &Schema, steps: usize) -> Vec<Break> {
    if old == new {
        return Vec::new();
    }
    Comparison::new(old.as_value(), new.as_value(), steps).breaks()
}
