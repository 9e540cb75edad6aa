//! One test of one field.

use super::Filter;
use super::error::{FilterError, FilterFault};
use super::field::{Field, Target};
use super::input::FilterInput;
use crate::json::Kind;
use crate::scalar::{Amount, Priority, Quantity, Severity, Span, Timestamp, words};
use smol_str::SmolStr;
use std::cmp::Ordering;

/// A value that a field can exactly be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Literal {
    /// A text, by its meaning.
    Text(Box<str>),
    /// A number, by its value: `3` is `3.0`.
    Number(Quantity),
    /// `true` or `false`.
    Bool(bool),
    /// `null`. What is absent is not `null`.
    Null,
}

impl Literal {
    pub(super) fn bounded(self) -> Result<Self, FilterError> {
        match &self {
            Literal::Text(text) => bounded(text).map(drop)?,
            Literal::Number(number) => bounded(number.as_str()).map(drop)?,
            Literal::Bool(_) | Literal::Null => {}
        }
        Ok(self)
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Literal::Text(text.into())
    }
}

impl From<Quantity> for Literal {
    fn from(number: Quantity) -> Self {
        Literal::Number(number)
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Literal::Bool(value)
    }
}

/// A text that a filter may hold.
pub(super) fn bounded(text: &str) -> Result<SmolStr, FilterError> {
    if text.len() > Filter::MAX_TEXT {
        return Err(FilterFault::TextTooLong { bytes: text.len() }.into());
    }
    Ok(SmolStr::new(text))
}

words! {
    /// How two numbers compare.
    Comparison {
        /// `<`
        Less "<",
        /// `<=`
        AtMost "<=",
        /// `>`
        More ">",
        /// `>=`
        AtLeast ">=",
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::AtMost => order.is_le(),
            Comparison::More => order.is_gt(),
            Comparison::AtLeast => order.is_ge(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Exact(Field, Literal),
    Prefix(Field, SmolStr),
    Suffix(Field, SmolStr),
    Compare(Field, Comparison, Quantity),
    Severity(Field, Severity),
    Priority(Field, Priority),
    Age(Field, Span, i128),
}

/// Where a severity is looked for unless it is said.
pub(super) fn severity() -> Field {
    Field::data_field("severity")
}

/// Where a priority is looked for unless it is said.
pub(super) fn priority() -> Field {
    Field(Target::Header("priority"))
}

/// Where a moment is looked for unless it is said.
pub(super) fn timestamp() -> Field {
    Field(Target::Header("timestamp"))
}

/// How a number compares with a wanted one: exactly, but times to live in whole milliseconds, rounded
/// up, as they are obeyed.
fn order(field: &Field, found: &Quantity, wanted: &Quantity) -> Ordering {
    let millis = |number: &Quantity| Amount::try_from(number.clone()).ok().map(|n| n.to_millis());
    if field.0 == Target::Header("ttl_seconds")
        && let (Some(found), Some(wanted)) = (millis(found), millis(wanted))
    {
        return found.cmp(&wanted);
    }
    found.cmp_value(wanted)
}

impl Test {
    /// An age in milliseconds, rounded up: a moment is known no better than that.
    pub(super) fn age(field: Field, max_age: Span) -> Self {
        // Rounded up once here, so that trying needs no arithmetic but a difference. 128 bits hold
        // any span in nanoseconds.
        let nanos = max_age.value().unwrap_or_default().as_nanos();
        let millis = i128::try_from(nanos.div_ceil(1_000_000)).unwrap_or(i128::MAX);
        Test::Age(field, max_age, millis)
    }

    pub(super) fn field(&self) -> &Field {
        match self {
            Test::Exact(field, _)
            | Test::Prefix(field, _)
            | Test::Suffix(field, _)
            | Test::Compare(field, ..)
            | Test::Severity(field, _)
            | Test::Priority(field, _)
            | Test::Age(field, ..) => field,
        }
    }

    pub(super) fn accepts(&self, subject: &FilterInput<'_>, now: i64) -> bool {
        self.holds(subject, now).unwrap_or(false)
    }

    /// `None` where there is nothing to compare.
    fn holds(&self, subject: &FilterInput<'_>, now: i64) -> Option<bool> {
        // Absent is no value: no test holds of it, not even one for `null`. `not` then holds, as
        // for a value that differs.
        let found = subject.find(self.field())?;
        // Compared as decimals of any length: doubles would call 0.1 + 0.2 and large counters equal
        // to their neighbours.
        let number = || Quantity::parse(found.raw(Kind::Number)?).ok();
        Some(match self {
            Test::Exact(_, Literal::Text(text)) => found.means(text),
            Test::Exact(field, Literal::Number(wanted)) => order(field, &number()?, wanted).is_eq(),
            Test::Exact(_, Literal::Bool(wanted)) => {
                found.raw(Kind::Bool)? == if *wanted { "true" } else { "false" }
            }
            Test::Exact(_, Literal::Null) => found.kind() == Kind::Null,
            Test::Prefix(_, start) => found.text()?.starts_with(start.as_str()),
            Test::Suffix(_, end) => found.text()?.ends_with(end.as_str()),
            Test::Compare(field, comparison, wanted) => {
                comparison.holds(order(field, &number()?, wanted))
            }
            Test::Severity(_, least) => Severity::from_lenient(&found.text()?).at_least(least)?,
            Test::Priority(_, least) => Priority::from_lenient(&found.text()?).at_least(least)?,
            Test::Age(_, _, max_age) => {
                let moment = Timestamp::from_lenient(&found.text()?).unix_millis()?;
                // In 128 bits, because a message may claim any year. A moment in the future has a
                // negative age and passes.
                i128::from(now) - i128::from(moment) <= *max_age
            }
        })
    }
}
