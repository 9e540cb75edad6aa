//! Objects and arrays: which fields there are, and what they and the elements hold.

use super::BreakKind;
use super::compare::{Comparison, Known};
use super::resolve::{Asked, Conjunct, asks_nothing, names, refuses};
use crate::json::pointer::push_key;
use serde_json::Value;
use std::collections::HashSet;

const PATTERNS: &str = "patternProperties";
const FIRST: &str = "prefixItems";

impl<'s> Comparison<'s> {
    /// Fields that are not named any more. They still fit, but are not understood.
    pub(super) fn removed(&mut self, was: &Asked<'s>, is: &Asked<'s>) {
        for (old, at) in &was.conjuncts {
            if !self.spend(is.conjuncts.len()) {
                return;
            }
            for (name, field) in old.fields() {
                if refuses(field) || is.all().any(|new| new.field(name).is_some()) {
                    continue;
                }
                let what = format!("the field `{name}` is gone");
                self.push(&place(at, name), BreakKind::Removed, what);
            }
        }
    }

    pub(super) fn required(&mut self, is: &'s Value, at: &str, known: Known<'_, 's>) {
        let before = known.all.iter().filter_map(|old| old.get("required"));
        let before: HashSet<&str> = before.flat_map(names).collect();
        for name in names(is) {
            if !before.contains(name) {
                let what = format!("the field `{name}` could be left out");
                self.push(&format!("{at}/required"), BreakKind::Required, what);
            }
        }
    }

    pub(super) fn properties(&mut self, new: Conjunct<'s>, at: &str, known: Known<'_, 's>) {
        for (name, is) in new.fields() {
            let at = place(at, name);
            let (mut old, mut named) = (Vec::new(), false);
            for conjunct in known.all {
                if let Some(was) = conjunct.field(name) {
                    named = true;
                    old.push(was);
                } else if conjunct.get(PATTERNS).is_none() {
                    let others = conjunct.get("additionalProperties");
                    old.extend(others.filter(|others| **others != Value::Bool(true)));
                }
            }
            if asks_nothing(is) || old.iter().any(|was| refuses(was)) {
                continue;
            }
            if refuses(is) {
                let before = if named { "" } else { "was free and " };
                let what = format!("the field `{name}` {before}is refused");
                self.push(&at, BreakKind::Removed, what);
            } else if !old.is_empty() {
                self.later(old, is, at);
            } else if known.declared.has(name) {
                let what = format!("the field `{name}` held what else was asked of it");
                self.push(&at, BreakKind::Form, what);
            }
            // A name that was free before: an optional field is added.
        }
    }

    /// What fields without a name hold.
    pub(super) fn additional(
        &mut self,
        new: Conjunct<'s>,
        is: &'s Value,
        at: &str,
        known: Known<'_, 's>,
    ) {
        if asks_nothing(is) {
            return;
        }
        let inside = format!("{at}/additionalProperties");
        let mut left = None;
        for old in known.all {
            let Some(was) = old.get("additionalProperties") else { continue };
            // Which fields are without a name depends on the names and on the patterns.
            if !self.agree_on(PATTERNS, *old, new) {
                continue;
            }
            let named = old.fields().filter(|(name, _)| new.field(name).is_none());
            let fields: Vec<&'s Value> = named.map(|(_, field)| field).chain([was]).collect();
            let (new, place) = (is, inside.clone());
            let follow = move |comparison: &mut Self| {
                for was in fields {
                    comparison.later(vec![was], new, place.clone());
                }
            };
            if self.attempt(follow.clone()) {
                return;
            }
            left.get_or_insert(follow);
        }
        match left {
            // Again, to tell what it is that fails.
            Some(follow) if !self.is_attempt() => follow(self),
            Some(_) => self.push(&inside, BreakKind::Form, "other fields are narrower".to_owned()),
            None => self.push(at, BreakKind::Form, "`additionalProperties` is new".to_owned()),
        }
    }

    pub(super) fn items(
        &mut self,
        new: Conjunct<'s>,
        is: &'s Value,
        at: &str,
        known: Known<'_, 's>,
    ) {
        if asks_nothing(is) {
            return;
        }
        let mut old = Vec::new();
        for conjunct in known.all {
            let Some(was) = conjunct.get("items").filter(|was| !was.is_array()) else { continue };
            // Which elements are meant depends on how many are described before them.
            old.extend(self.agree_on(FIRST, *conjunct, new).then_some(was));
        }
        if old.is_empty() {
            return self.push(at, BreakKind::Form, "`items` is new".to_owned());
        }
        self.later(old, is, format!("{at}/items"));
    }
}

/// The pointer of a field.
fn place(at: &str, name: &str) -> String {
    let mut place = format!("{at}/properties");
    push_key(&mut place, name);
    place
}
