//! The engine: where a merge is, and what becomes of each value.

use super::apply_rule::{Cause, RuleValue, Settled, Side, apply_rule};
use super::conflict::{Conflict, ConflictChoice};
use super::policy::MergePolicy;
use super::row::Row;
use super::rule::{MergeRule, Strategy};
use crate::json::{Json, pointer, same};
use crate::scalar::Count;
use crate::spec::FieldType;
use smol_str::SmolStr;
use std::cmp::Ordering;

/// A value on one side, typed or text.
pub(super) trait Item: Copy {
    /// Whether both are spelled the same.
    fn identical(self, other: Self) -> bool;
    /// Whether both mean the same. Typed objects may say no; their members tell.
    fn same(self, other: Self) -> bool;
    fn is_object(self) -> bool;
    /// What rules see; it is asked only where both sides changed.
    fn with_rule_value<R>(self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R;
    fn json(self) -> Json;
}

/// What becomes of a value.
pub(super) enum Decision {
    Take(Side),
    New(Json),
    /// There is no value.
    Remove,
    /// Both are objects; their members are merged.
    Members,
    /// A version, which is known when all else is.
    Version,
    Conflict(Cause),
}

/// Which side the members follow that belong to a sibling.
#[derive(Clone, Copy)]
enum Follow {
    /// Both sides have the sibling that the base has.
    Same,
    /// Both have the same, and the base another.
    Fresh,
    Side(Side),
    Undecided,
}

/// The siblings in an object that others belong to, and whom those follow.
pub(super) struct Siblings(Vec<(SmolStr, Follow)>);

/// One merge under way.
pub(super) struct MergeContext<'p> {
    policy: &'p MergePolicy,
    newer: Option<Side>,
    /// The places of the policy that match, level after level, and where each level starts.
    places: Vec<usize>,
    levels: Vec<Level>,
    pointer: String,
    /// How many levels are about the document.
    about: usize,
    pub(super) conflicts: Vec<Conflict>,
    /// Whether the merged content differs from ours, and from theirs.
    differs: [bool; 2],
    versions: Vec<(String, [Json; 2])>,
}

struct Level {
    places: usize,
    pointer: usize,
    about: bool,
}

impl<'p> MergeContext<'p> {
    /// A merge of two documents; the order is that of their timestamps.
    pub(super) fn new(policy: &'p MergePolicy, order: Option<Ordering>) -> Self {
        let newer = match order {
            Some(Ordering::Greater) => Some(Side::Ours),
            Some(Ordering::Less) => Some(Side::Theirs),
            _ => None,
        };
        MergeContext {
            policy,
            newer,
            places: vec![0],
            levels: Vec::new(),
            pointer: String::new(),
            about: 0,
            conflicts: Vec::new(),
            differs: [false; 2],
            versions: Vec::new(),
        }
    }

    fn here(&self) -> &[usize] {
        &self.places[self.levels.last().map_or(0, |level| level.places)..]
    }

    fn row(&self) -> Option<&'p Row> {
        self.here().iter().find_map(|place| self.policy.row_at(*place))
    }

    fn rule(&self) -> MergeRule {
        self.row().map_or(MergeRule::Members, Row::rule)
    }

    /// Steps to a member.
    pub(super) fn enter(&mut self, key: &str) {
        let from = self.levels.last().map_or(0, |level| level.places);
        let start = self.places.len();
        for at in from..start {
            let policy = self.policy;
            self.places.extend(policy.node(self.places[at]).below(key));
        }
        let level = Level { places: start, pointer: self.pointer.len(), about: false };
        self.levels.push(level);
        pointer::push_key(&mut self.pointer, key);
        if self.row().is_some_and(Row::is_about) {
            self.about += 1;
            if let Some(level) = self.levels.last_mut() {
                level.about = true;
            }
        }
    }

    /// Steps back.
    pub(super) fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.places.truncate(level.places);
            self.pointer.truncate(level.pointer);
            self.about -= usize::from(level.about);
        }
    }

    /// Whether members cannot be passed over without asking for their rows.
    pub(super) fn asks(&self) -> bool {
        self.here().iter().any(|place| self.policy.node(*place).asks)
    }

    fn counts(&self) -> bool {
        self.policy.strategy() != Strategy::Manual
            && self.here().iter().any(|place| self.policy.node(*place).counts)
    }

    /// Whether the result is still to be compared with a side.
    #[inline]
    pub(super) fn watches(&self, side: Side) -> bool {
        self.about == 0 && !self.differs[side as usize]
    }

    /// The result differs from a side.
    #[inline]
    pub(super) fn differ(&mut self, side: Side) {
        if self.about == 0 {
            self.differs[side as usize] = true;
        }
    }

    /// Takes note of the side that a value was taken from.
    fn note<I: Item>(&mut self, taken: Side, ours: Option<I>, theirs: Option<I>) {
        let other = if taken == Side::Ours { Side::Theirs } else { Side::Ours };
        if self.watches(other) && !both(ours, theirs, I::same) {
            self.differ(other);
        }
    }

    /// The siblings that members of the object belong to.
    pub(super) fn sibling_names(&self) -> Vec<SmolStr> {
        let nodes = self.here().iter().map(|place| self.policy.node(*place));
        nodes.flat_map(|node| node.siblings().iter().cloned()).collect()
    }

    /// Finds out whom the members of an object follow that belong to a sibling.
    pub(super) fn siblings<I: Item>(
        &mut self,
        mut get: impl FnMut(&str) -> [Option<I>; 3],
    ) -> Siblings {
        let mut found = Vec::new();
        for name in self.sibling_names() {
            let [base, ours, theirs] = get(&name);
            let follow = if both(ours, theirs, I::same) {
                if both(base, ours, I::same) { Follow::Same } else { Follow::Fresh }
            } else {
                self.enter(&name);
                let decision = self.decide(base, ours, theirs);
                self.leave();
                match decision {
                    Decision::Take(side) => Follow::Side(side),
                    _ => Follow::Undecided,
                }
            };
            found.push((name, follow));
        }
        Siblings(found)
    }

    /// What becomes of the member that was entered, and whether the base counts for it.
    pub(super) fn member<I: Item>(
        &mut self,
        siblings: &Siblings,
        base: Option<I>,
        ours: Option<I>,
        theirs: Option<I>,
    ) -> (Decision, bool) {
        let of = self.row().and_then(Row::sibling);
        let follow = of.and_then(|of| siblings.0.iter().find(|(name, _)| name == of));
        let follow = follow.map(|(_, follow)| *follow);
        let counts = !matches!(follow, Some(Follow::Fresh));
        let decision = match follow {
            Some(Follow::Side(side)) => Decision::Take(side),
            Some(Follow::Undecided) if both(ours, theirs, I::same) => Decision::Take(Side::Ours),
            Some(Follow::Undecided) => self.undecided(Cause::Sibling),
            Some(Follow::Fresh) => self.decide(None, ours, theirs),
            Some(Follow::Same) | None => self.decide(base, ours, theirs),
        };
        self.settled(&decision, ours, theirs);
        (decision, counts)
    }

    /// Takes note of what a decision means for the content.
    pub(super) fn settled<I: Item>(
        &mut self,
        decision: &Decision,
        ours: Option<I>,
        theirs: Option<I>,
    ) {
        match decision {
            Decision::Take(side) => self.note(*side, ours, theirs),
            Decision::New(json) => {
                for (side, value) in [(Side::Ours, ours), (Side::Theirs, theirs)] {
                    if self.watches(side) && value.is_none_or(|value| !same(&value.json(), json)) {
                        self.differ(side);
                    }
                }
            }
            Decision::Remove => {
                for (side, value) in [(Side::Ours, ours), (Side::Theirs, theirs)] {
                    if self.watches(side) && value.is_some() {
                        self.differ(side);
                    }
                }
            }
            Decision::Conflict(_) => self.differ(Side::Theirs),
            Decision::Members | Decision::Version => {}
        }
    }

    /// The three-way merge of one value.
    pub(super) fn decide<I: Item>(
        &self,
        base: Option<I>,
        ours: Option<I>,
        theirs: Option<I>,
    ) -> Decision {
        let rule = self.rule();
        let manual = self.policy.strategy() == Strategy::Manual;
        // Before anything else: whether the version stays is decided by all other values.
        if rule == MergeRule::Version
            && let (Some(own), Some(other)) = (ours, theirs)
            && version(own).zip(version(other)).is_some()
        {
            return Decision::Version;
        }
        // First by spelling, so that what only one side touched comes out as that side spelled it.
        if both(theirs, base, I::identical) {
            return Decision::Take(Side::Ours);
        }
        if both(ours, base, I::identical) {
            return Decision::Take(Side::Theirs);
        }
        // Counters are not settled by this: two equal additions are two.
        if !self.counts() && both(ours, theirs, I::same) {
            return Decision::Take(match (ours, theirs) {
                // Whichever, if only it is the same one for both.
                (Some(ours), Some(theirs))
                    if !ours.identical(theirs) && ours.json().as_str() < theirs.json().as_str() =>
                {
                    Side::Theirs
                }
                _ => Side::Ours,
            });
        }
        if both(theirs, base, I::same) {
            return Decision::Take(Side::Ours);
        }
        if both(ours, base, I::same) {
            return Decision::Take(Side::Theirs);
        }
        if let Some(decision) = self.by_function(base, ours, theirs).filter(|_| !manual) {
            return decision;
        }
        let (Some(own), Some(other)) = (ours, theirs) else {
            let changed = ours.or(theirs).zip(base);
            // Typed objects tell here whether they really were changed.
            if changed.is_some_and(|(now, was)| now.is_object() && same(&now.json(), &was.json())) {
                return Decision::Take(if ours.is_some() { Side::Theirs } else { Side::Ours });
            }
            return self.removed(rule, manual, ours.is_some());
        };
        if rule.recurses() && own.is_object() && other.is_object() {
            return Decision::Members;
        }
        // Behind the objects, so that `manual` shows the members that conflict and not the document.
        if manual {
            return Decision::Conflict(Cause::Undecided);
        }
        let settled = own.with_rule_value(|own| {
            other.with_rule_value(|other| match base {
                Some(base) => base
                    .with_rule_value(|base| apply_rule(rule, self.newer, Some(base), own, other)),
                None => apply_rule(rule, self.newer, None, own, other),
            })
        });
        match settled {
            Settled::Take(side) => Decision::Take(side),
            Settled::New(json) => Decision::New(json),
            Settled::Not(cause) => self.undecided(cause),
        }
    }

    /// What the function of the row says, if there is one and it settles this.
    fn by_function<I: Item>(
        &self,
        base: Option<I>,
        ours: Option<I>,
        theirs: Option<I>,
    ) -> Option<Decision> {
        // A document as a whole cannot be taken away, so its row's function is not asked.
        let function = self.row().filter(|_| !self.levels.is_empty())?.function.as_ref()?;
        let [base, own, other] = [base, ours, theirs].map(|side| side.map(I::json));
        // Typed objects tell here whether they really were changed.
        let unchanged = |side: &Option<Json>| match (side, &base) {
            (Some(side), Some(base)) => same(side, base),
            (side, base) => side.is_none() && base.is_none(),
        };
        if unchanged(&own) || unchanged(&other) {
            let side = if unchanged(&own) { Side::Theirs } else { Side::Ours };
            return Some(Decision::Take(side));
        }
        Some(match function.call(base.as_ref(), own.as_ref(), other.as_ref())? {
            ConflictChoice::Ours => Decision::Take(Side::Ours),
            ConflictChoice::Theirs => Decision::Take(Side::Theirs),
            ConflictChoice::Base => base.map_or(Decision::Remove, Decision::New),
            ConflictChoice::Value(value) => Decision::New(value),
            ConflictChoice::Nothing => Decision::Remove,
        })
    }

    /// One side removed what the other changed.
    fn removed(&self, rule: MergeRule, manual: bool, ours_is_there: bool) -> Decision {
        let (there, gone) =
            if ours_is_there { (Side::Ours, Side::Theirs) } else { (Side::Theirs, Side::Ours) };
        match rule {
            _ if manual => Decision::Conflict(Cause::Removed),
            MergeRule::Ours => Decision::Take(Side::Ours),
            MergeRule::Theirs => Decision::Take(Side::Theirs),
            MergeRule::RemoveWins => Decision::Take(gone),
            MergeRule::ChangeWins => Decision::Take(there),
            MergeRule::Newer => match self.newer {
                Some(side) => Decision::Take(side),
                None => self.undecided(Cause::SameTime),
            },
            _ => self.undecided(Cause::Removed),
        }
    }

    /// What no rule settles goes by the strategy.
    pub(super) fn undecided(&self, cause: Cause) -> Decision {
        match self.policy.strategy() {
            Strategy::Ours => Decision::Take(Side::Ours),
            Strategy::Theirs => Decision::Take(Side::Theirs),
            Strategy::Merge | Strategy::Manual => Decision::Conflict(cause),
        }
    }

    pub(super) fn conflict<I: Item>(
        &mut self,
        cause: Cause,
        base: Option<I>,
        ours: Option<I>,
        theirs: Option<I>,
    ) {
        self.conflicts.push(Conflict {
            pointer: self.pointer.clone(),
            base: base.map(I::json),
            ours: ours.map(I::json),
            theirs: theirs.map(I::json),
            rule: self.rule(),
            cause,
        });
    }

    /// A version that is set when all else is known; the value has ours until then.
    pub(super) fn version<I: Item>(&mut self, ours: I, theirs: I) {
        self.versions.push((self.pointer.clone(), [ours.json(), theirs.json()]));
    }

    /// The versions that the merged document gets, where ours is not it.
    pub(super) fn versions(&mut self) -> Vec<(String, Json)> {
        let [not_ours, not_theirs] = self.differs;
        let open = !self.conflicts.is_empty();
        let mut changed = Vec::new();
        for (pointer, [ours, theirs]) in std::mem::take(&mut self.versions) {
            let number = |json: &Json| Count::parse(json.as_str()).map_or(0, |count| count.get());
            let order = number(&ours).cmp(&number(&theirs));
            // A side's version may only stand for exactly that side's content. With a conflict open
            // the content is not final, so the version counts on.
            let stays = !open
                && match order {
                    Ordering::Equal => !not_ours && !not_theirs,
                    Ordering::Greater => !not_ours,
                    Ordering::Less => !not_theirs,
                };
            // Above the last version doubles hold no whole number exactly, and no reader takes it.
            let next = number(&ours).max(number(&theirs)).checked_add(1);
            let next = next.filter(|version| *version <= FieldType::LAST_STATE_VERSION);
            match (stays, next) {
                (true, _) if order.is_lt() => changed.push((pointer, theirs)),
                (true, _) => {}
                (false, Some(version)) => changed.push((pointer, Json::from(version))),
                (false, None) => self.conflicts.push(Conflict {
                    pointer,
                    base: None,
                    ours: Some(ours),
                    theirs: Some(theirs),
                    rule: MergeRule::Version,
                    cause: Cause::Unfit,
                }),
            }
        }
        changed
    }
}

/// Whether a relation holds between two values, or neither is there.
#[inline]
fn both<I: Item>(a: Option<I>, b: Option<I>, relation: impl FnOnce(I, I) -> bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => relation(a, b),
        _ => false,
    }
}

fn version<I: Item>(item: I) -> Option<u64> {
    item.with_rule_value(|view| match view {
        RuleValue::Number(text) => Count::parse(text).ok().map(|count| count.get()),
        _ => None,
    })
}
