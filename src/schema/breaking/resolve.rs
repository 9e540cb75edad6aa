//! Where references lead, and all that is asked of a value in place.

use crate::json::pointer;
use serde_json::{Map, Value};
use std::collections::{HashSet, VecDeque};

pub(super) type Members = Map<String, Value>;

/// Says something about a schema and asks nothing.
const REMARKS: &[&str] = &[
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

pub(super) fn is_remark(key: &str) -> bool {
    REMARKS.contains(&key)
}

/// The longest pointer that is made longer for the parts of an `allOf`, in bytes.
const LONGEST: usize = 1_000;

/// Keywords that may say what a field holds without naming it among `properties`.
const NAMELESS: &[&str] = &[
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "$dynamicRef",
    "$recursiveRef",
    "const",
    "enum",
];

/// A whole schema, in which references are looked up.
#[derive(Clone, Copy)]
pub(super) struct Document<'s> {
    root: &'s Value,
    /// Its own name, which references may start with.
    id: &'s str,
    /// Whether each reference that starts with `#` is a pointer from the root.
    plain: bool,
}

impl<'s> Document<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        let id = root.get("$id").and_then(Value::as_str).unwrap_or_default();
        Document { root, id, plain: !has_parts_of_its_own(root) }
    }

    pub(super) const fn root(self) -> &'s Value {
        self.root
    }

    /// What a reference names here; `None` if it leads out of the schema, nowhere, or to an anchor.
    pub(super) fn target(self, reference: &str) -> Option<&'s Value> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if !base.is_empty() && base != self.id {
            return None;
        }
        let path = percent_decoded(fragment)?;
        let parts = pointer::parts(&path).filter(|_| self.plain)?;
        parts.iter().try_fold(self.root, |value, part| match value {
            Value::Object(members) => members.get(part.key()),
            Value::Array(items) => items.get(part.index()?),
            _ => None,
        })
    }

    /// Whether a reference names another document, which stays what it is.
    pub(super) fn leads_elsewhere(self, reference: &str) -> bool {
        let base = reference.split('#').next().unwrap_or_default();
        self.plain && base.contains(':') && base != self.id
    }

    /// The schema behind a schema that is nothing but a reference.
    pub(super) fn behind(self, mut schema: &'s Value) -> &'s Value {
        // Chains may be long; circles have no end and no meaning.
        let mut met = HashSet::new();
        while let Some(target) = only_reference(schema).and_then(|found| self.target(found)) {
            if !met.insert(address(target)) {
                break;
            }
            schema = target;
        }
        schema
    }
}

/// Where a value is. Equal addresses are one value, since the schemas stay where they are.
pub(super) fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}

/// The reference of a schema that asks nothing else.
pub(super) fn only_reference(schema: &Value) -> Option<&str> {
    let members = schema.as_object()?;
    let alone = members.keys().all(|key| key == "$ref" || is_remark(key));
    members.get("$ref").and_then(Value::as_str).filter(|_| alone)
}

/// Whether a schema inside has a name of its own, so that references may mean something else.
fn has_parts_of_its_own(root: &Value) -> bool {
    let mut open = vec![(root, true)];
    while let Some((value, outermost)) = open.pop() {
        match value {
            Value::Object(members) => {
                let named = |key: &str| members.get(key).is_some_and(Value::is_string);
                if named("$anchor") || named("$dynamicAnchor") || !outermost && named("$id") {
                    return true;
                }
                open.extend(members.values().map(|value| (value, false)));
            }
            Value::Array(items) => open.extend(items.iter().map(|value| (value, false))),
            _ => {}
        }
    }
    false
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            (digit()? * 16 + digit()?) as u8
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

/// Whether nothing fits.
pub(super) fn refuses(schema: &Value) -> bool {
    match schema {
        Value::Bool(fits) => !fits,
        _ => schema.get("not").is_some_and(asks_nothing),
    }
}

/// Whether everything fits.
pub(super) fn asks_nothing(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.keys().all(|key| is_remark(key)),
        other => *other == Value::Bool(true),
    }
}

/// One name, or a list of them.
pub(super) fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Keywords that stand together in one schema.
#[derive(Clone, Copy)]
pub(super) struct Conjunct<'s> {
    pub(super) node: &'s Value,
    pub(super) members: &'s Members,
}

impl<'s> Conjunct<'s> {
    pub(super) fn get(&self, key: &str) -> Option<&'s Value> {
        self.members.get(key)
    }

    pub(super) fn field(&self, name: &str) -> Option<&'s Value> {
        self.get("properties")?.get(name)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&'s String, &'s Value)> + use<'s> {
        self.get("properties").and_then(Value::as_object).into_iter().flatten()
    }
}

/// All that is asked of one value in place: all of the conjuncts.
#[derive(Clone, Default)]
pub(super) struct Asked<'s> {
    pub(super) conjuncts: Vec<(Conjunct<'s>, String)>,
    /// Whether nothing fits.
    pub(super) refuses: bool,
    /// References that cannot be followed, and what is no schema.
    pub(super) unknown: Vec<String>,
}

impl<'s> Asked<'s> {
    /// What schemas ask together, with all that they refer to.
    pub(super) fn of(
        document: Document<'s>,
        schemas: impl IntoIterator<Item = &'s Value>,
        at: &str,
    ) -> Self {
        let mut asked = Asked::default();
        let mut met = HashSet::new();
        let mut open: VecDeque<(&Value, String)> =
            schemas.into_iter().map(|schema| (schema, at.to_owned())).collect();
        while let Some((node, at)) = open.pop_front() {
            if !met.insert(address(node)) {
                continue;
            }
            asked.refuses |= refuses(node);
            let members = match node {
                Value::Object(members) => members,
                Value::Bool(_) => continue,
                other => {
                    asked.unknown.push(other.to_string());
                    continue;
                }
            };
            for (index, part) in
                members.get("allOf").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                // Deeper parts are told by where they begin.
                let deep = at.len() > LONGEST;
                let place = if deep { at.clone() } else { format!("{at}/allOf/{index}") };
                open.push_back((part, place));
            }
            if let Some(reference) = members.get("$ref") {
                let text = reference.as_str().unwrap_or_default();
                match document.target(text) {
                    Some(target) => open.push_back((target, at.clone())),
                    None => asked.unknown.push(text.to_owned()),
                }
            }
            asked.conjuncts.push((Conjunct { node, members }, at));
        }
        asked
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Conjunct<'s>> {
        self.conjuncts.iter().map(|(conjunct, _)| *conjunct)
    }
}

/// The names of fields that the schemas of a place say something of. Others are free.
pub(super) enum Declared<'s> {
    Names(HashSet<&'s str>),
    /// Any name might be.
    All,
}

impl<'s> Declared<'s> {
    /// The names, and how many schemas were looked at.
    pub(super) fn of(document: Document<'s>, schemas: &[&'s Value]) -> (Self, usize) {
        let mut met = HashSet::new();
        let declared = Self::collect(document, schemas, &mut met);
        (declared, met.len())
    }

    fn collect(document: Document<'s>, schemas: &[&'s Value], met: &mut HashSet<usize>) -> Self {
        let mut declared = HashSet::new();
        let mut open = schemas.to_vec();
        while let Some(node) = open.pop() {
            let Some(members) = node.as_object().filter(|_| met.insert(address(node))) else {
                continue;
            };
            for (key, value) in members {
                match key.as_str() {
                    "properties" => {
                        declared.extend(
                            value.as_object().into_iter().flatten().map(|(name, _)| &**name),
                        );
                    }
                    "required" => declared.extend(names(value)),
                    "additionalProperties" if !value.is_boolean() => return Declared::All,
                    "$ref" => match value.as_str().and_then(|text| document.target(text)) {
                        Some(target) => open.push(target),
                        None => return Declared::All,
                    },
                    "anyOf" | "oneOf" | "allOf" => {
                        open.extend(value.as_array().into_iter().flatten());
                    }
                    "if" | "then" | "else" | "not" => open.push(value),
                    // A list of words may have objects among them.
                    "const" | "enum" if !has_objects(value) => {}
                    key if NAMELESS.contains(&key) => return Declared::All,
                    _ => {}
                }
            }
        }
        Declared::Names(declared)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Declared::Names(names) => names.contains(name),
            Declared::All => true,
        }
    }
}

fn has_objects(words: &Value) -> bool {
    words.is_object() || words.as_array().is_some_and(|words| words.iter().any(Value::is_object))
}
