//! Alternatives and conditions.

use super::BreakKind;
use super::compare::{Comparison, Known, shown};
use super::resolve::{Asked, Conjunct, asks_nothing, names, refuses};
use serde_json::Value;

impl<'s> Comparison<'s> {
    /// What else holds where one of several alternatives does.
    fn follows(&mut self, was: Option<&'s Value>, is: &'s Value, at: &str, known: Known<'_, 's>) {
        let was = Asked::of(self.old, was, at);
        let is = Asked::of(self.new, [is], at);
        let size = known.all.len() + was.conjuncts.len() + is.conjuncts.len();
        if was.refuses || !self.spend(size) {
            return;
        }
        if is.refuses {
            return self.push(at, BreakKind::Form, "nothing fits any more".to_owned());
        }
        let all: Vec<Conjunct<'s>> = known.all.iter().copied().chain(was.all()).collect();
        self.in_place(&was, &is, at, Known { all: &all, ..known });
    }

    /// The same, without telling what fails.
    fn would_follow(
        &mut self,
        was: Option<&'s Value>,
        is: &'s Value,
        known: Known<'_, 's>,
    ) -> bool {
        was.is_some_and(|was| self.same(was, is))
            || self.attempt(|comparison| comparison.follows(was, is, "", known))
    }

    /// Each old alternative must have one that is as wide; where there were none, a new one must be as
    /// wide as all.
    pub(super) fn any_of(&mut self, is: &'s Value, at: &str, known: Known<'_, 's>) {
        let new = is.as_array().map_or(&[][..], Vec::as_slice);
        let mut first = None;
        for conjunct in known.all {
            for key in ["anyOf", "oneOf"] {
                let Some(old) = conjunct.get(key).and_then(Value::as_array) else { continue };
                let mut gone = Vec::new();
                for (index, was) in old.iter().enumerate() {
                    if !self.spend(new.len()) {
                        return;
                    }
                    // Most stay at their place.
                    let own = new.get(index).map(|is| (index, is)).into_iter();
                    let others = new.iter().enumerate().filter(|(place, _)| *place != index);
                    let keeps =
                        |(_, is): (usize, &'s Value)| self.would_follow(Some(was), is, known);
                    if !own.chain(others).any(keeps) {
                        gone.push(was);
                        if self.is_attempt() {
                            break;
                        }
                    }
                }
                if gone.is_empty() {
                    return;
                }
                first.get_or_insert(gone);
            }
        }
        // Where there were alternatives, each was held against the new ones with whatever else holds.
        if first.is_none() && new.iter().any(|is| self.would_follow(None, is, known)) {
            return;
        }
        match first {
            None => self.push(at, BreakKind::Form, "`anyOf` is new".to_owned()),
            Some(gone) => {
                for was in gone {
                    let what = format!("the alternative {} is gone", shown(was));
                    self.push(&format!("{at}/anyOf"), BreakKind::Form, what);
                }
            }
        }
    }

    /// Each old alternative must still be there, for a wider one could fit what another one fits. Of
    /// more alternatives, several could fit what fitted one; not if they need a new field.
    pub(super) fn one_of(&mut self, is: &'s Value, at: &str, known: Known<'_, 's>) {
        let new = is.as_array().map_or(&[][..], Vec::as_slice);
        let inside = format!("{at}/oneOf");
        let mut first = None;
        for conjunct in known.all {
            let Some(old) = conjunct.get("oneOf").and_then(Value::as_array) else { continue };
            let mut kept = vec![false; new.len()];
            let mut told = Vec::new();
            for was in old {
                if !self.spend(new.len()) {
                    return;
                }
                let place = (0..new.len()).find(|at| !kept[*at] && self.same(was, &new[*at]));
                match place {
                    Some(place) => kept[place] = true,
                    None => {
                        told.push((
                            inside.clone(),
                            format!("the alternative {} is gone", shown(was)),
                        ));
                    }
                }
            }
            for (index, is) in new.iter().enumerate() {
                // What is no object needs no field.
                let object =
                    is.get("type").is_some_and(|kind| kind == "object") || is_object(known);
                let needed = is.get("required").map(names).unwrap_or_default();
                let new_field = object && needed.iter().any(|name| !known.declared.has(name));
                if !kept[index] && !refuses(is) && !new_field {
                    let what = format!("the alternative {} may fit as well", shown(is));
                    told.push((format!("{inside}/{index}"), what));
                }
            }
            if told.is_empty() {
                return;
            }
            first.get_or_insert(told);
        }
        match first {
            None => self.push(at, BreakKind::Form, "`oneOf` is new".to_owned()),
            Some(told) => {
                for (at, what) in told {
                    self.push(&at, BreakKind::Form, what);
                }
            }
        }
    }

    /// A condition must be an old one with wider consequences, or be about a word that the old schema
    /// refused, or have consequences that hold anyway.
    pub(super) fn condition(&mut self, new: Conjunct<'s>, at: &str, known: Known<'_, 's>) {
        let branches = ["then", "else"].map(|key| (key, new.get(key)));
        let branches = branches.map(|(key, is)| (key, is.filter(|is| !asks_nothing(is))));
        if branches.iter().all(|(_, is)| is.is_none()) || is_about_new_word(self, new, known) {
            return;
        }
        let condition = &new.members["if"];
        let mut like = None;
        for old in known.all {
            let Some(was) = old.get("if") else { continue };
            if !self.same(was, condition) {
                continue;
            }
            let fine = branches.iter().all(|(key, is)| {
                is.is_none_or(|is| {
                    let was = old.get(key);
                    was.is_some_and(|was| self.same(was, is)) || self.would_follow(was, is, known)
                })
            });
            if fine {
                return;
            }
            like.get_or_insert(*old);
        }
        let anyway = |comparison: &mut Self| {
            branches
                .iter()
                .all(|(_, is)| is.is_none_or(|is| comparison.would_follow(None, is, known)))
        };
        match like {
            None if anyway(self) => {}
            Some(old) if !self.is_attempt() => {
                for (key, is) in branches {
                    let place = format!("{at}/{key}");
                    match (old.get(key), is) {
                        (_, None) => {}
                        (Some(was), Some(is)) => self.follows(Some(was), is, &place, known),
                        (None, Some(_)) => {
                            self.push(&place, BreakKind::Form, "a condition is new".to_owned());
                        }
                    }
                }
            }
            _ => self.push(at, BreakKind::Form, "a condition is new".to_owned()),
        }
    }
}

fn is_object(known: Known<'_, '_>) -> bool {
    known.all.iter().any(|old| old.get("type").is_some_and(|kind| kind == "object"))
}

/// Whether a condition holds only where a field has a word that it could not have.
fn is_about_new_word<'s>(
    comparison: &Comparison<'s>,
    new: Conjunct<'s>,
    known: Known<'_, 's>,
) -> bool {
    // Without the field, or of what is no object, the condition holds.
    let condition = &new.members["if"];
    let needed = condition.get("required").map(names).unwrap_or_default();
    let fields = condition.get("properties").and_then(Value::as_object);
    new.get("else").is_none_or(asks_nothing)
        && is_object(known)
        && fields.into_iter().flatten().any(|(name, asked)| {
            let Some(word) = asked.get("const") else { return false };
            let old = known.all.iter().filter_map(|old| old.field(name));
            let old = Asked::of(comparison.old, old, "");
            let refused = old.all().any(|field| {
                let words = field.get("enum").and_then(Value::as_array);
                words.is_some_and(|words| !words.contains(word))
            });
            let required = known.all.iter().filter_map(|old| old.get("required"));
            let required: Vec<&str> = required.flat_map(names).chain(needed.clone()).collect();
            refused && required.contains(&name.as_str())
        })
}
