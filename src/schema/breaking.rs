//! Which edits of a schema break those who wrote for the older one.

use schemars::Schema;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
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
    /// JSON pointer into the schema; into the new one for what is new there, else into the old one.
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

/// The edits between two schemas of one name that a minor version of the protocol must not make
/// (specification, Version Management): whoever writes what the old one describes must not be
/// refused by the new one, and must be understood.
///
/// Two additions are no breaks although they take a name that was free before: an optional field,
/// and a body or event type. Writers are told of such names when they [migrate](crate::version::migrate).
///
/// The comparison is for schemas in the manner of [`of`](super::of()). It errs on the side of
/// caution: what it cannot follow is a break.
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
    let mut comparison = Comparison {
        old: old.as_value(),
        new: new.as_value(),
        compared: BTreeSet::new(),
        breaks: Vec::new(),
    };
    comparison.schema(old.as_value(), new.as_value(), "");
    comparison.breaks
}

/// Says something about a schema and asks nothing.
const REMARKS: &[&str] =
    &["$schema", "$id", "$defs", "$comment", "title", "description", "examples"];

/// Bounds from below, and from above.
const LOWER_BOUNDS: &[&str] =
    &["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const UPPER_BOUNDS: &[&str] =
    &["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

struct Comparison<'s> {
    old: &'s Value,
    new: &'s Value,
    /// Pairs of references that were followed already.
    compared: BTreeSet<(&'s str, &'s str)>,
    breaks: Vec<Break>,
}

type Members = Map<String, Value>;

impl<'s> Comparison<'s> {
    fn push(&mut self, pointer: &str, kind: BreakKind, what: String) {
        self.breaks.push(Break { pointer: pointer.to_owned(), kind, what });
    }

    fn schema(&mut self, old: &'s Value, new: &'s Value, at: &str) {
        let (Value::Object(old), Value::Object(new)) = (old, new) else {
            if old != new && *new != Value::Bool(true) {
                self.push(at, BreakKind::Form, format!("`{old}` became `{new}`"));
            }
            return;
        };
        let (was, is) = (reference(old), reference(new));
        if let (Some(was), Some(is)) = (was, is) {
            if self.compared.insert((was, is)) {
                let (root, now) = (self.old, self.new);
                match (target(root, was), target(now, is)) {
                    (Some(old), Some(new)) => self.schema(old, new, was.trim_start_matches('#')),
                    _ => self.push(at, BreakKind::Form, format!("`{was}` or `{is}` is nowhere")),
                }
            }
            // What stands beside the references is compared below.
        } else if let Some(was) = was {
            let old = target(self.old, was).and_then(Value::as_object);
            return self.inline(old, Some(new), at);
        } else if let Some(is) = is {
            if let Some(key) = new.keys().find(|key| *key != "$ref" && !REMARKS.contains(&&***key))
            {
                self.push(at, BreakKind::Form, format!("`{key}` stands beside a new reference"));
            }
            let new = target(self.new, is).and_then(Value::as_object);
            return self.inline(Some(old), new, at);
        }
        self.members(old, new, at);
    }

    /// One side stands behind a reference, the other in place.
    fn inline(&mut self, old: Option<&'s Members>, new: Option<&'s Members>, at: &str) {
        match (old, new) {
            (Some(old), Some(new)) => self.members(old, new, at),
            _ => self.push(at, BreakKind::Form, "a reference leads nowhere".to_owned()),
        }
    }

    fn members(&mut self, old: &'s Members, new: &'s Members, at: &str) {
        self.types(old, new, at);
        self.words(old, new, at);
        self.required(old, new, at);
        self.properties(old, new, at);
        for (key, is) in new {
            let was = old.get(key);
            let place = || format!("{at}/{key}");
            match key.as_str() {
                "$ref" | "type" | "enum" | "const" | "required" | "properties" => {}
                key if REMARKS.contains(&key) => {}
                _ if was == Some(is) && !refers(is) => {}
                key if LOWER_BOUNDS.contains(&key) => {
                    self.bound(was, is, key, at, |was, is| is <= was);
                }
                key if UPPER_BOUNDS.contains(&key) => {
                    self.bound(was, is, key, at, |was, is| is >= was);
                }
                "items" | "additionalProperties" => match was {
                    Some(was) => self.schema(was, is, &place()),
                    None if *is == Value::Bool(true) => {}
                    None => self.push(at, BreakKind::Form, format!("`{key}` is new")),
                },
                "not" => match was {
                    Some(was) if expanded(self.old, was, 0) == expanded(self.new, is, 0) => {}
                    _ => self.push(at, BreakKind::Form, "other values are excluded".to_owned()),
                },
                "anyOf" | "oneOf" => self.alternatives(old, was, is, key, at),
                "allOf" => self.conditions(old, was, is, at),
                key => {
                    let what = match was {
                        Some(_) => format!("`{key}` is another one"),
                        None => format!("`{key}` is new"),
                    };
                    self.push(at, BreakKind::Form, what);
                }
            }
        }
    }

    fn types(&mut self, old: &Members, new: &Members, at: &str) {
        let Some(new) = new.get("type") else { return };
        let accepted = names(new);
        let accepts = |name: &str| {
            accepted.contains(&name) || name == "integer" && accepted.contains(&"number")
        };
        match old.get("type") {
            Some(old) => {
                for name in names(old).into_iter().filter(|name| !accepts(name)) {
                    let what = format!("a value may be no {name} any more");
                    self.push(at, BreakKind::Type, what);
                }
            }
            None => self.push(at, BreakKind::Type, "the kind of value was free".to_owned()),
        }
    }

    fn words(&mut self, old: &Members, new: &Members, at: &str) {
        let list = |members: &'_ Members| -> Option<Vec<Value>> {
            let word = members.get("const").map(|word| vec![word.clone()]);
            word.or_else(|| members.get("enum")?.as_array().cloned())
        };
        let Some(new) = list(new) else { return };
        match list(old) {
            Some(old) => {
                for word in old.iter().filter(|word| !new.contains(word)) {
                    self.push(at, BreakKind::Word, format!("the word {word} is gone"));
                }
            }
            None => self.push(at, BreakKind::Word, "the list of words was open".to_owned()),
        }
    }

    fn required(&mut self, old: &Members, new: &Members, at: &str) {
        let before = old.get("required").map(names).unwrap_or_default();
        let now = new.get("required").map(names).unwrap_or_default();
        for name in now.into_iter().filter(|name| !before.contains(name)) {
            let what = format!("the field `{name}` could be left out");
            self.push(&format!("{at}/required"), BreakKind::Required, what);
        }
    }

    fn properties(&mut self, old: &'s Members, new: &'s Members, at: &str) {
        let list = |members: &'s Members| members.get("properties").and_then(Value::as_object);
        for (name, was) in list(old).into_iter().flatten() {
            let mut place = format!("{at}/properties");
            crate::json::pointer::push_key(&mut place, name);
            match list(new).and_then(|new| new.get(name)) {
                _ if refuses(was) => {}
                Some(is) if refuses(is) => {
                    self.push(&place, BreakKind::Removed, format!("the field `{name}` is refused"));
                }
                Some(is) => self.schema(was, is, &place),
                None => {
                    self.push(&place, BreakKind::Removed, format!("the field `{name}` is gone"));
                }
            }
        }
        for (name, is) in list(new).into_iter().flatten() {
            if refuses(is) && list(old).is_none_or(|old| !old.contains_key(name)) {
                let mut place = format!("{at}/properties");
                crate::json::pointer::push_key(&mut place, name);
                let what = format!("the field `{name}` was free and is refused");
                self.push(&place, BreakKind::Removed, what);
            }
        }
    }

    fn bound(
        &mut self,
        was: Option<&Value>,
        is: &Value,
        key: &str,
        at: &str,
        wider: impl Fn(f64, f64) -> bool,
    ) {
        let Some(was) = was else {
            return self.push(at, BreakKind::Range, format!("`{key}` {is} is new"));
        };
        // Equal doubles of different numbers were rounded, and tell nothing.
        let told = match (was.as_f64(), is.as_f64()) {
            (Some(old), Some(new)) => old.total_cmp(&new).is_ne() && wider(old, new),
            _ => false,
        };
        if !told {
            self.push(at, BreakKind::Range, format!("`{key}` {was} became {is}"));
        }
    }

    /// Each old alternative must have one that is as wide.
    fn alternatives(
        &mut self,
        around: &'s Members,
        was: Option<&'s Value>,
        is: &'s Value,
        key: &str,
        at: &str,
    ) {
        let (Some(was), Some(is)) = (was.and_then(Value::as_array), is.as_array()) else {
            return self.push(at, BreakKind::Form, format!("`{key}` is new"));
        };
        let mut kept = vec![false; is.len()];
        for (index, was) in was.iter().enumerate() {
            // A wider one of several could fit what another one fits.
            let keeps = |is: &'s Value| match key {
                "oneOf" => expanded(self.old, was, 0) == expanded(self.new, is, 0),
                _ => self.admits(was, is),
            };
            if let Some(place) = is.iter().position(keeps) {
                kept[place] = true;
            } else {
                let what = format!("the alternative {was} is gone");
                self.push(&format!("{at}/{key}/{index}"), BreakKind::Form, what);
            }
        }
        // Of more alternatives, several could fit what fitted one; not if it needs a new field.
        let properties = around.get("properties").and_then(Value::as_object);
        let needs_new = |is: &Value| {
            let needed = is.get("required").map(names).unwrap_or_default();
            needed.iter().any(|name| properties.is_none_or(|known| !known.contains_key(*name)))
        };
        for (index, is) in is.iter().enumerate() {
            if key == "oneOf" && !kept[index] && !needs_new(is) {
                let what = format!("the alternative {is} may fit as well");
                self.push(&format!("{at}/{key}/{index}"), BreakKind::Form, what);
            }
        }
    }

    /// Each new condition must be an old one, or be about a word that the old schema refused.
    fn conditions(&mut self, around: &'s Members, was: Option<&'s Value>, is: &'s Value, at: &str) {
        let was = was.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (index, is) in is.as_array().into_iter().flatten().enumerate() {
            let place = format!("{at}/allOf/{index}");
            let same = |was: &&Value| is.get("if").is_some() && was.get("if") == is.get("if");
            let pure = is_condition(is);
            if let Some(was) = was.iter().find(same).filter(|_| pure) {
                for branch in ["then", "else"] {
                    let place = format!("{place}/{branch}");
                    match (was.get(branch), is.get(branch)) {
                        (_, None) => {}
                        (Some(was), Some(is)) => self.schema(was, is, &place),
                        (None, Some(_)) => {
                            self.push(&place, BreakKind::Form, "a condition is new".to_owned());
                        }
                    }
                }
            } else if !(pure && is_about_new_word(around, is)
                || was.iter().any(|was| self.admits(was, is)))
            {
                self.push(&place, BreakKind::Form, "a condition is new".to_owned());
            }
        }
    }

    /// Whether there is no break between two schemas inside these.
    fn admits(&self, old: &'s Value, new: &'s Value) -> bool {
        let mut inner = Comparison {
            old: self.old,
            new: self.new,
            compared: BTreeSet::new(),
            breaks: Vec::new(),
        };
        inner.schema(old, new, "");
        inner.breaks.is_empty()
    }
}

/// Whether it asks nothing but a condition.
fn is_condition(schema: &Value) -> bool {
    let parts = |key: &String| matches!(key.as_str(), "if" | "then" | "else");
    schema.as_object().is_some_and(|members| members.keys().all(parts))
}

/// Whether a condition holds only where a field has a word that it could not have.
fn is_about_new_word(around: &Members, condition: &Value) -> bool {
    let fields = condition.pointer("/if/properties").and_then(Value::as_object);
    let only_then = condition.get("else").is_none();
    only_then
        && fields.into_iter().flatten().any(|(name, asked)| {
            let known = around.get("properties").and_then(|all| all.get(name));
            let words = known.and_then(|field| field.get("enum")).and_then(Value::as_array);
            match (asked.get("const"), words) {
                (Some(word), Some(words)) => !words.contains(word),
                _ => false,
            }
        })
}

fn reference(schema: &Members) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

fn target<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Whether a reference stands anywhere in a schema; equal texts may mean different things then.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.contains_key("$ref") || members.values().any(refers),
        Value::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// A schema without references and remarks; `None` where it holds itself.
fn expanded(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    const DEEPEST: usize = 32;
    if depth > DEEPEST {
        return None;
    }
    match schema {
        Value::Object(members) => {
            let mut all = Map::new();
            for (key, value) in members {
                if key == "$ref" {
                    let target = target(root, value.as_str()?)?;
                    let Value::Object(inner) = expanded(root, target, depth + 1)? else {
                        return None;
                    };
                    all.extend(inner);
                } else if !REMARKS.contains(&key.as_str()) {
                    all.insert(key.clone(), expanded(root, value, depth + 1)?);
                }
            }
            Some(Value::Object(all))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| expanded(root, item, depth + 1));
            items.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        plain => Some(plain.clone()),
    }
}

/// Whether nothing fits.
fn refuses(schema: &Value) -> bool {
    *schema == Value::Bool(false)
        || schema.get("not").and_then(Value::as_object).is_some_and(Map::is_empty)
}

/// One name, or a list of them.
fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
