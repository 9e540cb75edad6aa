//! What the rules say of two values.

use super::rule::MergeRule;
use crate::json::{Json, Kind, form, same};
use crate::scalar::{Quantity, Timestamp, words};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Theirs,
}

/// A value as rules see it.
#[derive(Clone, Debug)]
pub(super) enum RuleValue<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Json>),
    Object,
}

impl RuleValue<'_> {
    /// Whether both mean the same. Objects are not looked into.
    pub(super) fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (RuleValue::Null, RuleValue::Null) => true,
            (RuleValue::Bool(a), RuleValue::Bool(b)) => a == b,
            (RuleValue::Number(a), RuleValue::Number(b)) => {
                a == b || by_value(a, b) == Ordering::Equal
            }
            (RuleValue::Text(a), RuleValue::Text(b)) => a == b,
            (RuleValue::List(a), RuleValue::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            _ => false,
        }
    }
}

words! {
    /// Why no rule settled what both sides changed.
    Cause {
        /// The rule settles nothing, or the strategy is `manual`.
        Undecided "undecided",
        /// One side removed what the other changed.
        Removed "removed",
        /// The values have no order: a moment or number that cannot be read, or another kind of value.
        Unordered "unordered",
        /// Both documents have the same timestamp, or one that cannot be read.
        SameTime "same-time",
        /// The rule's result is no value of the field.
        Unfit "unfit",
        /// The member that the value belongs to is in conflict.
        Sibling "sibling",
    }
}

impl Cause {
    /// What it means, as part of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Cause::Undecided => "both sides changed it",
            Cause::Removed => "one side removed what the other changed",
            Cause::Unordered => "the values have no order",
            Cause::SameTime => "neither side has the later timestamp",
            Cause::Unfit => "the result is no value of the field",
            Cause::Sibling => "what it belongs to is in conflict",
        }
    }
}

/// What a rule makes of two values.
pub(super) enum Settled {
    Take(Side),
    New(Json),
    Not(Cause),
}

/// Settles two values that both differ from the base and from each other, or that count.
pub(super) fn apply_rule(
    rule: MergeRule,
    newer: Option<Side>,
    base: Option<&RuleValue<'_>>,
    ours: &RuleValue<'_>,
    theirs: &RuleValue<'_>,
) -> Settled {
    let side = |side: Option<Side>, cause| side.map_or(Settled::Not(cause), Settled::Take);
    let greater = |order: Ordering| Some(if order.is_lt() { Side::Theirs } else { Side::Ours });
    // Where two values have the same rank, the spelling decides, and not who is who: both sides must
    // come to the same result (a join is commutative).
    match (rule, ours, theirs) {
        (MergeRule::Ours, ..) => Settled::Take(Side::Ours),
        (MergeRule::Theirs, ..) => Settled::Take(Side::Theirs),
        (MergeRule::Newer, ..) => side(newer, Cause::SameTime),
        (MergeRule::Latest, RuleValue::Text(ours), RuleValue::Text(theirs)) => {
            side(later(ours, theirs).and_then(greater), Cause::Unordered)
        }
        (MergeRule::Highest, RuleValue::Number(ours), RuleValue::Number(theirs)) => {
            side(greater(by_value(ours, theirs).then_with(|| ours.cmp(theirs))), Cause::Unordered)
        }
        (MergeRule::Lowest, RuleValue::Number(ours), RuleValue::Number(theirs)) => {
            side(greater(by_value(theirs, ours).then_with(|| ours.cmp(theirs))), Cause::Unordered)
        }
        (MergeRule::Either, RuleValue::Bool(ours), RuleValue::Bool(theirs)) => {
            side(greater(ours.cmp(theirs)), Cause::Unordered)
        }
        (MergeRule::Union, RuleValue::List(ours), RuleValue::List(theirs)) => {
            // Without a base nothing was removed: the result has all that either side has.
            let base: &[Json] = if let Some(RuleValue::List(base)) = base { base } else { &[] };
            Settled::New(union(base, ours, theirs))
        }
        (MergeRule::Sum, RuleValue::Number(ours), RuleValue::Number(theirs)) => {
            let base = if let Some(RuleValue::Number(base)) = base { base } else { "0" };
            sum(base, ours, theirs).map_or(Settled::Not(Cause::Unordered), Settled::New)
        }
        (
            MergeRule::Members | MergeRule::RemoveWins | MergeRule::ChangeWins | MergeRule::Manual,
            ..,
        ) => Settled::Not(Cause::Undecided),
        _ => Settled::Not(Cause::Unordered),
    }
}

/// Compares two numbers, exactly.
fn by_value(a: &str, b: &str) -> Ordering {
    match (Quantity::parse(a), Quantity::parse(b)) {
        (Ok(a), Ok(b)) => a.cmp_value(&b),
        // Numbers were checked when they were read.
        _ => a.cmp(b),
    }
}

/// Compares two moments, exactly; equal ones by their spelling. `None` if one cannot be read.
pub(super) fn later(a: &str, b: &str) -> Option<Ordering> {
    moments(a, b).map(|order| order.then_with(|| a.cmp(b)))
}

/// Compares two moments, exactly.
pub(super) fn moments(a: &str, b: &str) -> Option<Ordering> {
    let millis = |text| Timestamp::new(text).ok()?.unix_millis();
    let order = millis(a)?.cmp(&millis(b)?);
    Some(order.then_with(|| below_millis(a).cmp(below_millis(b))))
}

/// The digits of a second's fraction behind the third; of equal milliseconds they tell the later.
fn below_millis(text: &str) -> &str {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    fraction[..digits].get(3..).unwrap_or_default().trim_end_matches('0')
}

/// What of the base neither side removed, in the base's order, then what either side added, in the
/// order of the additions' spelling, so that it does not matter who is who.
fn union(base: &[Json], ours: &[Json], theirs: &[Json]) -> Json {
    let set = |list: &[Json]| -> BTreeSet<String> { list.iter().map(form).collect() };
    let (old, left, right) = (set(base), set(ours), set(theirs));
    let mut told = BTreeSet::new();
    let mut out = Vec::with_capacity(ours.len() + theirs.len());
    for item in base {
        let form = form(item);
        if left.contains(&form) && right.contains(&form) && told.insert(form) {
            out.push(item.clone());
        }
    }
    let mut added: Vec<(String, &Json)> = ours
        .iter()
        .chain(theirs)
        .map(|item| (form(item), item))
        .filter(|(form, _)| !old.contains(form))
        .collect();
    added.sort_by(|a, b| (&a.0, a.1.as_str()).cmp(&(&b.0, b.1.as_str())));
    added.dedup_by(|a, b| a.0 == b.0);
    out.extend(added.into_iter().map(|(_, item)| item.clone()));
    Json::from(out)
}

/// `ours + theirs - base`, exactly; `None` beyond 38 digits, and for numbers with an exponent.
fn sum(base: &str, ours: &str, theirs: &str) -> Option<Json> {
    // In whole numbers of the smallest unit: doubles would lose `0.1 + 0.2`, and a counter that is
    // merged often would drift.
    let places = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = places(base).max(places(ours)).max(places(theirs));
    let scaled = |text: &str| -> Option<i128> {
        let mut digits = text.replace('.', "");
        digits.extend(std::iter::repeat_n('0', scale - places(text)));
        digits.parse().ok()
    };
    let total = scaled(ours)?.checked_add(scaled(theirs)?)?.checked_sub(scaled(base)?)?;
    let digits = format!("{:0>width$}", total.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if total < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}").parse().ok()
}

/// The kind of view that a JSON value gives.
pub(super) fn view(json: &Json) -> RuleValue<'_> {
    match json.kind() {
        Kind::Null => RuleValue::Null,
        Kind::Bool => RuleValue::Bool(json.as_str() == "true"),
        Kind::Number => RuleValue::Number(json.as_str()),
        Kind::Text => RuleValue::Text(Cow::Owned(json.to_text().unwrap_or_default())),
        Kind::Array => RuleValue::List(json.items().collect()),
        Kind::Object => RuleValue::Object,
    }
}
