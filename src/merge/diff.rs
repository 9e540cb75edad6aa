//! What differs between two JSON documents.

use super::conflict::show;
use super::document::read;
use super::error::MergeError;
use crate::json::{Finder, Json, Kind, Limits, Node, Tree, pointer};
use crate::scalar::Escaping;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::{self, Write as _};

/// One value that differs. It prints as one line, and through serde as one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What it was; `None` if it was not there.
    pub before: Option<Json>,
    /// What it is; `None` if it is gone.
    pub after: Option<Json>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping::sentence(f);
        let pointer = if self.pointer.is_empty() { "the document" } else { &self.pointer };
        match (&self.before, &self.after) {
            (None, after) => write!(f, "+ {pointer}: {}", show(after.as_ref())),
            (before, None) => write!(f, "- {pointer}: {}", show(before.as_ref())),
            (before, after) => {
                let (before, after) = (show(before.as_ref()), show(after.as_ref()));
                write!(f, "~ {pointer}: {before} -> {after}")
            }
        }
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pointer", &self.pointer)?;
        for (side, value) in [("before", &self.before), ("after", &self.after)] {
            if let Some(value) = value {
                map.serialize_entry(side, value)?;
            }
        }
        map.end()
    }
}

/// What changed from one JSON document to another, by pointer, in the order of the first one.
///
/// Values are compared by what they mean, as [`merge_json`](super::merge_json) does; arrays are one
/// value.
///
/// ```
/// use coordination_protocol::json::Limits;
/// use coordination_protocol::merge::diff;
///
/// let changes = diff(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"c":2.0,"b":3,"d":[]}}"#, &Limits::DEFAULT)?;
/// let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
/// assert_eq!(lines, ["~ /a/b: 1 -> 3", "+ /a/d: []"]);
/// # Ok::<(), coordination_protocol::merge::MergeError>(())
/// ```
///
/// # Errors
/// [`MergeError`] for the first text, called `before` or `after`, that is no JSON within the limits.
#[doc(alias = "compare")]
pub fn diff(before: &str, after: &str, limits: &Limits) -> Result<Vec<Difference>, MergeError> {
    let (before, after) = (read("before", before, limits)?, read("after", after, limits)?);
    let (before, after) = (Tree::of(&before), Tree::of(&after));
    let mut changes = Vec::new();
    if let (Some(before), Some(after)) = (before.root(), after.root()) {
        compare(&mut String::new(), before, after, &mut changes);
    }
    Ok(changes)
}

/// It calls itself as deep as the limits let texts nest.
fn compare(at: &mut String, before: Node<'_>, after: Node<'_>, changes: &mut Vec<Difference>) {
    if before.same(after) {
        return;
    }
    let change = |pointer: &String, before: Option<Node<'_>>, after: Option<Node<'_>>| Difference {
        pointer: pointer.clone(),
        before: before.map(Node::json),
        after: after.map(Node::json),
    };
    if before.kind() != Kind::Object || after.kind() != Kind::Object {
        changes.push(change(at, Some(before), Some(after)));
        return;
    }
    let (before, after) = (before.children(), after.children());
    let mut in_after = Finder::new(&*after);
    let mut met = vec![false; after.len()];
    let length = at.len();
    for old in &before {
        pointer::push_key(at, &old.key());
        if let Some(found) = in_after.find(&old.key()) {
            met[found] = true;
            compare(at, *old, after[found], changes);
        } else {
            changes.push(change(at, Some(*old), None));
        }
        at.truncate(length);
    }
    for (new, _) in after.iter().zip(met).filter(|(_, met)| !met) {
        pointer::push_key(at, &new.key());
        changes.push(change(at, None, Some(*new)));
        at.truncate(length);
    }
}
