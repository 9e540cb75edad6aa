//! The engine over JSON texts: what both sides changed is walked, all else is copied as spelled.

use super::apply_rule::{RuleValue, Side, moments};
use super::conflict::Merged;
use super::context::{Decision, Item, MergeContext, Siblings};
use super::error::MergeError;
use super::policy::MergePolicy;
use crate::json::{Dialect, Finder, Json, Kind, Limits, Node, Tree, check, pointer, with_value_at};

impl Item for Node<'_> {
    fn identical(self, other: Self) -> bool {
        Node::identical(self, other)
    }

    fn same(self, other: Self) -> bool {
        Node::same(self, other)
    }

    fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    fn with_rule_value<R>(self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R {
        see(&match self.kind() {
            Kind::Null => RuleValue::Null,
            Kind::Bool => RuleValue::Bool(self.raw() == "true"),
            Kind::Number => RuleValue::Number(self.raw()),
            Kind::Text => RuleValue::Text(self.text()),
            Kind::Array => RuleValue::List(self.children().into_iter().map(Node::json).collect()),
            Kind::Object => RuleValue::Object,
        })
    }

    fn json(self) -> Json {
        Node::json(self)
    }
}

/// Merges any three JSON documents by a policy, objects at any depth.
///
/// Values are compared by what they mean: `8` and `8.0` are no change, nor is another order of
/// members. Arrays are one value unless a rule says that they are sets. What only one side changed
/// comes out as that side spelled it; members come in our order, then those that only they have, in
/// theirs. The result is compact.
///
/// ```
/// use coordination_protocol::json::Limits;
/// use coordination_protocol::merge::{MergePolicy, Row, MergeRule, merge_json};
///
/// let policy = MergePolicy::empty().with_row(Row::new("/tags", MergeRule::Union)?);
/// let merged = merge_json(
///     r#"{"tags":["a","b"],"size":1}"#,
///     r#"{"tags":["a","b","c"],"size":1}"#,
///     r#"{"tags":["b"],"size":2.50}"#,
///     &policy,
///     &Limits::DEFAULT,
/// )?;
/// assert!(merged.is_clean());
/// assert_eq!(merged.value.as_str(), r#"{"tags":["b","c"],"size":2.50}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`MergeError`] for the first text that is no JSON, repeats a key, or exceeds a limit. The limits
/// bound time and memory: both grow with the texts' lengths, members out of order cost what sorting
/// them does.
#[doc(alias = "three-way merge")]
pub fn merge_json(
    base: &str,
    ours: &str,
    theirs: &str,
    policy: &MergePolicy,
    limits: &Limits,
) -> Result<Merged<Json>, MergeError> {
    let [base, ours, theirs] = [("base", base), ("ours", ours), ("theirs", theirs)]
        .map(|(side, text)| read(side, text, limits));
    let (base, ours, theirs) = (base?, ours?, theirs?);
    let moment = |json: &Json| {
        let text = json.as_str();
        let token = pointer::find(text, 0, policy.clock())?;
        (token.kind() == Kind::Text).then(|| token.decode(text).into_owned())
    };
    let order = moment(&ours).zip(moment(&theirs)).and_then(|(a, b)| moments(&a, &b));
    let mut cx = MergeContext::new(policy, order);
    let trees = [&base, &ours, &theirs].map(Tree::of);
    let mut value = ours.clone();
    if let [Some(base), Some(own), Some(other)] = trees.each_ref().map(Tree::root) {
        let mut out = Vec::new();
        let decision = cx.decide(Some(base), Some(own), Some(other));
        one(decision, [Some(base), Some(own), Some(other)], &mut out, &mut cx);
        value = Json::from_valid(&String::from_utf8(out).unwrap_or_default());
    }
    for (pointer, version) in cx.versions() {
        if let Some(edited) = with_value_at(&value, &pointer, Some(&version)) {
            value = edited;
        }
    }
    Ok(Merged::new(value, cx.conflicts))
}

/// Checks a text and drops its white space.
pub(super) fn read(side: &'static str, text: &str, limits: &Limits) -> Result<Json, MergeError> {
    check(text, Dialect::Strict, limits).map_err(|fault| MergeError::Json { side, fault })?;
    Ok(Json::from_valid(text.trim_matches([' ', '\t', '\n', '\r'])))
}

/// Merges the members of three objects; a base that is none has no members. `None` if there is no
/// object to merge.
pub(super) fn members(
    base: Option<&Json>,
    ours: &Json,
    theirs: &Json,
    cx: &mut MergeContext<'_>,
) -> Option<Json> {
    let (base, ours, theirs) = (base.map(Tree::of), Tree::of(ours), Tree::of(theirs));
    let mut out = Vec::new();
    object(base.as_ref().and_then(Tree::root), ours.root()?, theirs.root()?, &mut out, cx);
    Some(Json::from_valid(&String::from_utf8(out).unwrap_or_default()))
}

/// Appends the merged members of two objects. It calls itself as deep as the limits let texts nest.
fn object(
    base: Option<Node<'_>>,
    ours: Node<'_>,
    theirs: Node<'_>,
    out: &mut Vec<u8>,
    cx: &mut MergeContext<'_>,
) {
    let base = base.filter(|base| base.is_object()).map(Node::children).unwrap_or_default();
    let (ours, theirs) = (ours.children(), theirs.children());
    let asks = cx.asks();
    let mut finders = [&*base, &*ours, &*theirs].map(Finder::new);
    let siblings = cx.siblings(|name| {
        let [a, b, c] = &mut finders;
        [
            a.find(name).map(|at| base[at]),
            b.find(name).map(|at| ours[at]),
            c.find(name).map(|at| theirs[at]),
        ]
    });
    let [mut in_base, _, mut in_theirs] = finders.map(Finder::rewound);
    let mut met = vec![false; theirs.len()];
    out.push(b'{');
    let first = out.len();
    for own in &ours {
        let key = own.key();
        let was = in_base.find(&key).map(|at| base[at]);
        let other = in_theirs.find(&key).map(|at| {
            met[at] = true;
            theirs[at]
        });
        member([was, Some(*own), other], asks, &siblings, first, out, cx);
    }
    for (other, _) in theirs.iter().zip(met).filter(|(_, met)| !met) {
        let was = in_base.find(&other.key()).map(|at| base[at]);
        member([was, None, Some(*other)], asks, &siblings, first, out, cx);
    }
    out.push(b'}');
}

/// Appends one merged member, if there is one.
fn member(
    sides: [Option<Node<'_>>; 3],
    asks: bool,
    siblings: &Siblings,
    first: usize,
    out: &mut Vec<u8>,
    cx: &mut MergeContext<'_>,
) {
    let [base, ours, theirs] = sides;
    let Some(named) = ours.or(theirs) else { return };
    let before = out.len();
    if before > first {
        out.push(b',');
    }
    out.extend_from_slice(named.raw_key().as_bytes());
    out.push(b':');
    let start = out.len();
    if !asks && matches!((base, theirs), (Some(base), Some(theirs)) if base.identical(theirs)) {
        // Most members are as they were.
        let decision = Decision::Take(Side::Ours);
        cx.settled(&decision, ours, theirs);
        one(decision, [base, ours, theirs], out, cx);
    } else {
        cx.enter(&named.key());
        let (decision, counts) = cx.member(siblings, base, ours, theirs);
        one(decision, [base.filter(|_| counts), ours, theirs], out, cx);
        cx.leave();
    }
    if out.len() == start {
        out.truncate(before);
    }
}

/// Appends what was decided for a value.
fn one(
    decision: Decision,
    [base, ours, theirs]: [Option<Node<'_>>; 3],
    out: &mut Vec<u8>,
    cx: &mut MergeContext<'_>,
) {
    let mut copy = |node: Option<Node<'_>>| {
        out.extend_from_slice(node.map_or("", Node::raw).as_bytes());
    };
    match decision {
        Decision::Take(Side::Ours) => copy(ours),
        Decision::Take(Side::Theirs) => copy(theirs),
        Decision::Remove => {}
        Decision::New(json) => out.extend_from_slice(json.as_str().as_bytes()),
        Decision::Conflict(cause) => {
            copy(ours);
            cx.conflict(cause, base, ours, theirs);
        }
        Decision::Version => {
            copy(ours);
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                cx.version(ours, theirs);
            }
        }
        Decision::Members => {
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                object(base, ours, theirs, out, cx);
            }
        }
    }
}
