//! The engine over typed states: nothing is serialized but what goes into a conflict.

use super::apply_rule::{RuleValue, Side, view};
use super::context::{Decision, Item, MergeContext, Siblings};
use crate::event::PhaseId;
use crate::json::{Finder, Json, Keyed};
use crate::message::{
    AgentState, CurrentPhase, Map, ResourceUsage, StateMetadata, Value, WorkflowState, object_table,
};
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use smol_str::SmolStr;
use std::borrow::Cow;

/// A typed value that can be merged.
pub(super) trait Part: Clone + PartialEq {
    fn json(&self) -> Json;

    fn with_rule_value<R>(&self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R;

    /// Whether both mean the same, though they are spelled differently.
    fn same(&self, _: &Self) -> bool {
        false
    }

    fn is_object(&self) -> bool {
        false
    }

    /// Takes what a rule made.
    fn from_json(_: &Json) -> Option<Self> {
        None
    }

    /// Merges the members of an object into ours.
    fn merge(&mut self, _base: Option<&Self>, _theirs: &Self, _cx: &mut MergeContext<'_>) {}
}

impl<T: Part> Item for &T {
    #[inline]
    fn identical(self, other: Self) -> bool {
        self == other
    }

    #[inline]
    fn same(self, other: Self) -> bool {
        self == other || Part::same(self, other)
    }

    fn is_object(self) -> bool {
        Part::is_object(self)
    }

    fn with_rule_value<R>(self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R {
        Part::with_rule_value(self, see)
    }

    fn json(self) -> Json {
        Part::json(self)
    }
}

fn written<T: Value>(value: &T) -> Json {
    let mut out = Vec::new();
    value.write(&mut out);
    Json::from_valid(&String::from_utf8(out).unwrap_or_default())
}

/// Values without members: how rules see them.
macro_rules! leaves {
    ($($type:ty, $value:ident => $view:expr;)+) => { $(
        impl Part for $type {
            fn json(&self) -> Json {
                written(self)
            }

            fn with_rule_value<R>(&self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R {
                let $value = self;
                see(&$view)
            }

            fn same(&self, other: &Self) -> bool {
                Part::with_rule_value(self, |own| Part::with_rule_value(other, |other| own.means(other)))
            }

            fn from_json(json: &Json) -> Option<Self> {
                json.decode().ok()
            }
        }
    )+ };
}

fn text(text: &str) -> RuleValue<'_> {
    RuleValue::Text(Cow::Borrowed(text))
}

leaves! {
    bool, value => RuleValue::Bool(*value);
    String, value => text(value);
    WorkflowId, value => text(value.as_str());
    CheckpointId, value => text(value.as_str());
    TaskId, value => text(value.as_str());
    Timestamp, value => text(value.as_str());
    StateMessage, value => text(value.as_str());
    Count, value => RuleValue::Number(value.as_str());
    Percent, value => RuleValue::Number(value.as_str());
    Ratio, value => RuleValue::Number(value.as_str());
    Amount, value => RuleValue::Number(value.as_str());
    Vec<String>, value => RuleValue::List(value.iter().map(|text| Json::text(text)).collect());
    Vec<Digest>, value => RuleValue::List(value.iter().map(|own| Json::text(own.as_str())).collect());
}

impl Part for PhaseId {
    fn json(&self) -> Json {
        written(self)
    }

    fn with_rule_value<R>(&self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R {
        match self {
            PhaseId::Number(number) => see(&RuleValue::Number(number.as_str())),
            PhaseId::Name(name) => see(&text(name.as_str())),
        }
    }

    fn same(&self, other: &Self) -> bool {
        Part::with_rule_value(self, |own| Part::with_rule_value(other, |other| own.means(other)))
    }

    fn from_json(json: &Json) -> Option<Self> {
        Some(match json.to_text() {
            Some(name) => PhaseId::Name(name.into()),
            None => PhaseId::Number(json.decode().ok()?),
        })
    }
}

impl Part for Json {
    fn json(&self) -> Json {
        self.clone()
    }

    fn with_rule_value<R>(&self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R {
        see(&view(self))
    }

    fn same(&self, other: &Self) -> bool {
        crate::json::same(self, other)
    }

    fn is_object(&self) -> bool {
        self.kind() == crate::json::Kind::Object
    }

    fn from_json(json: &Json) -> Option<Self> {
        Some(json.clone())
    }

    fn merge(&mut self, base: Option<&Self>, theirs: &Self, cx: &mut MergeContext<'_>) {
        if let Some(merged) = super::document::members(base, self, theirs, cx) {
            *self = merged;
        }
    }
}

impl<T: Part + Value> Part for Map<T> {
    fn json(&self) -> Json {
        written(self)
    }

    fn with_rule_value<R>(&self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R {
        see(&RuleValue::Object)
    }

    fn is_object(&self) -> bool {
        true
    }

    fn merge(&mut self, base: Option<&Self>, theirs: &Self, cx: &mut MergeContext<'_>) {
        let siblings = cx.siblings(|name| {
            [base.and_then(|base| base.get(name)), self.get(name), theirs.get(name)]
        });
        let base = base.map_or(&[][..], Map::entries);
        entries(base, self.entries_mut(), theirs.entries(), &siblings, cx);
    }
}

/// Objects of the table that a state consists of.
macro_rules! parts {
    ($(
        $summary:literal
        $name:ident { $($group:ident { $($fields:tt)* })* }
    )+) => { $( part! { $name { $($group { $($fields)* })* } } )+ };
}

macro_rules! part {
    (WorkflowState $body:tt) => {
        members! { WorkflowState $body }
    };
    (CurrentPhase $body:tt) => {
        members! { CurrentPhase $body }
    };
    (AgentState $body:tt) => {
        members! { AgentState $body }
    };
    (ResourceUsage $body:tt) => {
        members! { ResourceUsage $body }
    };
    (StateMetadata $body:tt) => {
        members! { StateMetadata $body }
    };
    ($other:ident $body:tt) => {};
}

macro_rules! members {
    ($name:ident {
        $(essential { $($essential:ident : $essential_type:ty, $essential_doc:literal;)+ })?
        $(required { $($required:ident : $required_type:ty, $required_doc:literal;)+ })?
        $(optional { $($optional:ident $setter:ident $(since $since:ident)? : $optional_type:ty, $optional_doc:literal;)+ })?
    }) => {
        impl $name {
            /// A member as JSON, for those that others belong to.
            fn named(&self, key: &str) -> Option<Json> {
                match key {
                    $($(stringify!($essential) => Some(Part::json(&self.$essential)),)+)?
                    $($(stringify!($required) => self.$required.as_ref().map(Part::json),)+)?
                    $($(stringify!($optional) => self.$optional.as_ref().map(Part::json),)+)?
                    _ => self.extra().get(key).cloned(),
                }
            }
        }

        impl Part for $name {
            fn json(&self) -> Json {
                written(self)
            }

            fn with_rule_value<R>(&self, see: impl FnOnce(&RuleValue<'_>) -> R) -> R {
                see(&RuleValue::Object)
            }

            fn is_object(&self) -> bool {
                true
            }

            fn from_json(json: &Json) -> Option<Self> {
                json.decode().ok()
            }

            fn merge(&mut self, base: Option<&Self>, theirs: &Self, cx: &mut MergeContext<'_>) {
                let siblings = siblings(cx, base, self, theirs, Self::named);
                $($(
                    let mut own = Some(self.$essential.clone());
                    let was = base.map(|base| &base.$essential);
                    member(stringify!($essential), was, &mut own, Some(&theirs.$essential), &siblings, cx);
                    if let Some(own) = own {
                        self.$essential = own;
                    }
                )+)?
                $($(member(
                    stringify!($required),
                    base.and_then(|base| base.$required.as_ref()),
                    &mut self.$required,
                    theirs.$required.as_ref(),
                    &siblings,
                    cx,
                );)+)?
                $($(member(
                    stringify!($optional),
                    base.and_then(|base| base.$optional.as_ref()),
                    &mut self.$optional,
                    theirs.$optional.as_ref(),
                    &siblings,
                    cx,
                );)+)?
                let base = base.map_or(&[][..], |base| base.extra().entries());
                entries(base, self.all_extra_mut().entries_mut(), theirs.extra().entries(), &siblings, cx);
            }
        }
    };
}
object_table!(parts);

/// Looks up the siblings that others belong to; only they are written as JSON.
fn siblings<T>(
    cx: &mut MergeContext<'_>,
    base: Option<&T>,
    ours: &T,
    theirs: &T,
    named: impl Fn(&T, &str) -> Option<Json>,
) -> Siblings {
    let mut kept: Vec<[Option<Json>; 3]> = Vec::new();
    for name in cx.sibling_names() {
        kept.push([
            base.and_then(|base| named(base, &name)),
            named(ours, &name),
            named(theirs, &name),
        ]);
    }
    let mut values = kept.iter();
    cx.siblings(|_| values.next().map_or([None; 3], |values| values.each_ref().map(Option::as_ref)))
}

/// Merges one field.
fn member<T: Part>(
    key: &str,
    base: Option<&T>,
    ours: &mut Option<T>,
    theirs: Option<&T>,
    siblings: &Siblings,
    cx: &mut MergeContext<'_>,
) {
    if ours.is_none() && theirs.is_none() {
        return;
    }
    cx.enter(key);
    let (decision, counts) = cx.member(siblings, base, ours.as_ref(), theirs);
    apply(decision, base.filter(|_| counts), ours, theirs, cx);
    cx.leave();
}

fn apply<T: Part>(
    mut decision: Decision,
    base: Option<&T>,
    ours: &mut Option<T>,
    theirs: Option<&T>,
    cx: &mut MergeContext<'_>,
) {
    if let Decision::New(json) = &decision {
        match T::from_json(json) {
            Some(value) => {
                *ours = Some(value);
                return;
            }
            None => decision = cx.undecided(super::Cause::Unfit),
        }
    }
    match (decision, ours.as_mut(), theirs) {
        (Decision::Take(Side::Theirs), _, theirs) => *ours = theirs.cloned(),
        (Decision::Remove, ..) => *ours = None,
        (Decision::Conflict(cause), own, theirs) => {
            cx.conflict(cause, base, own.as_deref(), theirs);
        }
        (Decision::Members, Some(own), Some(theirs)) => own.merge(base, theirs, cx),
        (Decision::Version, Some(own), Some(theirs)) => cx.version(&*own, theirs),
        // Ours is there already, and the last two are decided only where both sides are there.
        (
            Decision::Take(Side::Ours) | Decision::New(_) | Decision::Members | Decision::Version,
            ..,
        ) => {}
    }
}

struct Entries<'k, T>(&'k [(SmolStr, T)]);

impl<'k, T> Keyed<'k> for Entries<'k, T> {
    #[inline]
    fn count(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn key(&self, index: usize) -> Cow<'k, str> {
        Cow::Borrowed(&self.0[index].0)
    }
}

/// Merges members by key into ours: ours in their order, then those that only they have, in theirs.
fn entries<T: Part>(
    base: &[(SmolStr, T)],
    ours: &mut Vec<(SmolStr, T)>,
    theirs: &[(SmolStr, T)],
    siblings: &Siblings,
    cx: &mut MergeContext<'_>,
) {
    let asks = cx.asks();
    let (mut in_base, mut in_theirs) = (Finder::new(Entries(base)), Finder::new(Entries(theirs)));
    let mut met = vec![false; theirs.len()];
    let mut removed = false;
    let mut gone: Vec<bool> = Vec::new();
    for at in 0..ours.len() {
        let (key, own) = &mut ours[at];
        let other = in_theirs.find(key).map(|at| {
            met[at] = true;
            &theirs[at].1
        });
        let was = in_base.find(key).map(|at| &base[at].1);
        if !asks {
            // Most members are as they were, on one side at least.
            if other == was {
                if cx.watches(Side::Theirs) && was.is_none_or(|was| was != own) {
                    cx.differ(Side::Theirs);
                }
                continue;
            }
            if let (Some(other), Some(was)) = (other, was)
                && own == was
            {
                own.clone_from(other);
                cx.differ(Side::Ours);
                continue;
            }
        }
        let key = key.clone();
        let mut slot = Some(own.clone());
        member(&key, was, &mut slot, other, siblings, cx);
        if let Some(merged) = slot {
            ours[at].1 = merged;
        } else {
            gone.resize(ours.len(), false);
            gone[at] = true;
            removed = true;
        }
    }
    if removed {
        let mut gone = gone.into_iter();
        ours.retain(|_| !gone.next().unwrap_or_default());
    }
    for ((key, other), _) in theirs.iter().zip(met).filter(|(_, met)| !met) {
        let was = in_base.find(key).map(|at| &base[at].1);
        let mut slot = None;
        member(key, was, &mut slot, Some(other), siblings, cx);
        if let Some(merged) = slot {
            ours.push((key.clone(), merged));
        }
    }
}

/// Merges two states into ours.
pub(super) fn state(
    base: &WorkflowState,
    ours: &mut WorkflowState,
    theirs: &WorkflowState,
    cx: &mut MergeContext<'_>,
) {
    match cx.decide(Some(base), Some(&*ours), Some(theirs)) {
        Decision::Take(Side::Theirs) => ours.clone_from(theirs),
        Decision::Members => ours.merge(Some(base), theirs, cx),
        Decision::Conflict(cause) => cx.conflict(cause, Some(base), Some(&*ours), Some(theirs)),
        Decision::Take(Side::Ours) | Decision::New(_) | Decision::Remove | Decision::Version => {}
    }
}
