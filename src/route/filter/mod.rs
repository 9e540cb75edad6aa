//! Filters: what else must hold of an event than what its pattern says.

mod error;
mod field;
mod form;
mod input;
mod test;
mod text;

pub use error::{FilterError, FilterFault};
pub use field::Field;
pub use input::FilterInput;
pub use test::{Comparison, Literal};

use crate::json::Json;
use crate::scalar::{Priority, Quantity, Severity, Span, WallTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use test::Test;

/// What must hold of an event or a message, beyond what its pattern says.
///
/// Filters are bounded, so that one from a stranger costs no more than a known amount to keep and
/// to try: see the constants.
///
/// ```
/// use coordination_protocol::route::{Comparison, Field, Filter, FilterInput};
/// use coordination_protocol::scalar::Quantity;
///
/// let many = Filter::compare(Field::parse("/retry_count")?, Comparison::AtLeast, Quantity::from(3))?;
/// let mine = Filter::prefix(Field::parse("workflow")?, "wf_")?;
/// let filter = Filter::all([mine, many])?;
/// assert_eq!(filter.to_string(), "workflow prefix wf_ and /retry_count >= 3");
///
/// let accepts = |line| filter.accepts(&FilterInput::read(line).unwrap(), 0);
/// assert!(accepts(r#"TASK_FAILED:wf_001:build:{"retry_count":3.0}"#));
/// assert!(!accepts(r#"TASK_FAILED:wf_001:build:{"retry_count":2.999999999999999999999}"#));
/// assert!(!accepts(r#"TASK_FAILED:wf_001:build:{}"#));
/// # Ok::<(), coordination_protocol::route::FilterError>(())
/// ```
///
/// # Forms
///
#[doc(alias = "selector")]
#[doc(alias = "predicate")]
#[doc = include_str!("forms.md")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    node: Node,
    depth: usize,
    parts: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

impl Filter {
    /// The maximum number of bytes of the text form.
    // Filters come from subscribers, who may be strangers. Each of these bounds keeps one of their
    // costs: reading, recursion, trying and memory.
    pub const MAX_BYTES: usize = 16 << 10;
    /// The maximum number of levels; a test alone is one.
    pub const MAX_DEPTH: usize = 32;
    /// The maximum number of parts: tests and what joins them.
    pub const MAX_PARTS: usize = 256;
    /// The maximum number of bytes of a text or a pointer in it.
    pub const MAX_TEXT: usize = 1024;

    /// Compiles the text form.
    ///
    /// # Errors
    /// [`FilterError`] with the byte offset of the first fault.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        text::parse(text)
    }

    /// Compiles the JSON form.
    ///
    /// # Errors
    /// [`FilterError`] with the pointer of the first fault.
    pub fn from_json(json: &Json) -> Result<Self, FilterError> {
        form::read(json)
    }

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        form::write(&self.node)
    }

    /// What all of the filters accept; everything, if there are none.
    ///
    /// # Errors
    /// [`FilterFault::TooDeep`] and [`FilterFault::TooManyParts`].
    pub fn all(filters: impl IntoIterator<Item = Filter>) -> Result<Self, FilterError> {
        Filter::join(filters, Node::All)
    }

    /// What one of the filters accepts; nothing, if there are none.
    ///
    /// # Errors
    /// [`FilterFault::TooDeep`] and [`FilterFault::TooManyParts`].
    pub fn any(filters: impl IntoIterator<Item = Filter>) -> Result<Self, FilterError> {
        Filter::join(filters, Node::Any)
    }

    /// What the filter does not accept.
    ///
    /// # Errors
    /// [`FilterFault::TooDeep`] and [`FilterFault::TooManyParts`].
    #[allow(clippy::should_implement_trait, reason = "it can fail")]
    pub fn not(filter: Filter) -> Result<Self, FilterError> {
        let Filter { node, depth, parts } = filter;
        Filter::bounded(Node::Not(Box::new(node)), depth + 1, parts + 1)
    }

    fn join(
        filters: impl IntoIterator<Item = Filter>,
        node: impl FnOnce(Vec<Node>) -> Node,
    ) -> Result<Self, FilterError> {
        // Depth and parts are kept in the filter, so that joining checks them without walking what
        // is joined.
        let (mut nodes, mut depth, mut parts) = (Vec::new(), 1, 1);
        for filter in filters {
            depth = depth.max(filter.depth + 1);
            // Checked inside the loop: the iterator may never end.
            parts += filter.parts;
            if parts > Filter::MAX_PARTS {
                return Err(FilterFault::TooManyParts.into());
            }
            nodes.push(filter.node);
        }
        Filter::bounded(node(nodes), depth, parts)
    }

    fn bounded(node: Node, depth: usize, parts: usize) -> Result<Self, FilterError> {
        if depth > Filter::MAX_DEPTH {
            return Err(FilterFault::TooDeep.into());
        }
        if parts > Filter::MAX_PARTS {
            return Err(FilterFault::TooManyParts.into());
        }
        Ok(Filter { node, depth, parts })
    }

    fn test(test: Test) -> Self {
        Filter { node: Node::Test(test), depth: 1, parts: 1 }
    }

    /// A field that is exactly a value.
    ///
    /// # Errors
    /// [`FilterFault::TextTooLong`].
    pub fn exact(field: Field, value: impl Into<Literal>) -> Result<Self, FilterError> {
        Ok(Filter::test(Test::Exact(field, value.into().bounded()?)))
    }

    /// A text that starts so.
    ///
    /// # Errors
    /// [`FilterFault::TextTooLong`].
    pub fn prefix(field: Field, start: &str) -> Result<Self, FilterError> {
        Ok(Filter::test(Test::Prefix(field, test::bounded(start)?)))
    }

    /// A text that ends so.
    ///
    /// # Errors
    /// [`FilterFault::TextTooLong`].
    pub fn suffix(field: Field, end: &str) -> Result<Self, FilterError> {
        Ok(Filter::test(Test::Suffix(field, test::bounded(end)?)))
    }

    /// A number that compares so with another. Numbers compare as they are spelled, to the last
    /// digit.
    ///
    /// # Errors
    /// [`FilterFault::TextTooLong`].
    pub fn compare(
        field: Field,
        comparison: Comparison,
        number: Quantity,
    ) -> Result<Self, FilterError> {
        test::bounded(number.as_str())?;
        Ok(Filter::test(Test::Compare(field, comparison, number)))
    }

    /// A severity that is this or a higher one; of no field, `/severity` in the data.
    ///
    /// # Errors
    /// [`FilterFault::Scalar`] for a severity that the scale does not have.
    pub fn min_severity(field: Option<Field>, least: &Severity) -> Result<Self, FilterError> {
        // Read again, because the scale has to know the word: one that is only kept has no order,
        // and the test would never hold.
        let least = least.as_str().parse().map_err(FilterFault::Scalar)?;
        Ok(Filter::test(Test::Severity(field.unwrap_or_else(test::severity), least)))
    }

    /// A priority that is this or a higher one; of no field, the header's `priority`.
    ///
    /// # Errors
    /// [`FilterFault::Scalar`] for a priority that the scale does not have.
    pub fn min_priority(field: Option<Field>, least: &Priority) -> Result<Self, FilterError> {
        let least = least.as_str().parse().map_err(FilterFault::Scalar)?;
        Ok(Filter::test(Test::Priority(field.unwrap_or_else(test::priority), least)))
    }

    /// A timestamp no longer ago than this; of no field, the header's `timestamp`. One in the
    /// future is not too old.
    ///
    /// # Errors
    /// [`FilterFault::Scalar`] for a duration that was kept but cannot be read.
    pub fn max_age(field: Option<Field>, max_age: &Span) -> Result<Self, FilterError> {
        // A duration keeps its spelling, and that is text of the sender.
        test::bounded(max_age.as_str())?;
        let max_age: Span = max_age.as_str().parse().map_err(FilterFault::Scalar)?;
        Ok(Filter::test(Test::age(field.unwrap_or_else(test::timestamp), max_age)))
    }

    /// Whether the filter accepts an event or a message. Only ages look at the
    /// time.
    ///
    /// Tests are tried in order, and no more of them than it takes to know.
    pub fn accepts(&self, subject: &FilterInput<'_>, now: impl Into<WallTime>) -> bool {
        self.node.accepts(subject, now.into().unix_millis())
    }

    /// The fields that the tests look at, in order, repeated ones included.
    pub fn fields(&self) -> Vec<&Field> {
        let mut fields = Vec::with_capacity(self.parts);
        self.node.fields(&mut fields);
        fields
    }
}

impl Node {
    /// Recurses no deeper than [`Filter::MAX_DEPTH`].
    fn accepts(&self, subject: &FilterInput<'_>, now: i64) -> bool {
        match self {
            // `all` and `any` stop at the first answer. No test has an effect, so leaving the rest
            // out changes nothing else.
            Node::All(nodes) => nodes.iter().all(|node| node.accepts(subject, now)),
            Node::Any(nodes) => nodes.iter().any(|node| node.accepts(subject, now)),
            Node::Not(node) => !node.accepts(subject, now),
            Node::Test(test) => test.accepts(subject, now),
        }
    }

    fn fields<'f>(&'f self, out: &mut Vec<&'f Field>) {
        match self {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|node| node.fields(out)),
            Node::Not(node) => node.fields(out),
            Node::Test(test) => out.push(test.field()),
        }
    }
}

/// Whether a text can stand in a pointer of the text form as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.~/".contains(&b))
}

impl fmt::Display for Filter {
    /// The text form, which reads back as the same filter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(f, &self.node)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Filter::parse(text)
    }
}

impl Serialize for Filter {
    /// The JSON form.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    /// The JSON form.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Filter::from_json(&json).map_err(serde::de::Error::custom)
    }
}

impl From<&Filter> for Json {
    /// The JSON form, for the `filter` of a subscription message.
    fn from(filter: &Filter) -> Self {
        filter.to_json()
    }
}
