//! Differences as RFC 6902 patches that keep spelling and order.
//!
//! The library that computes and applies patches works on `serde_json::Value`, which turns `12.0`
//! and `18446744073709551616` into other spellings and sorts keys. So it is given a tree in which
//! every scalar is a string that holds its spelling, and knows nothing of numbers. The order of
//! keys is told by the texts beside it: surviving keys stand where the base has them, new ones
//! behind, in the order of the patch. Where that is not the order of the target, there is no
//! delta, and the checkpoint is a full one.

use super::error::CheckpointError;
use crate::json::{Dialect, Json, Kind, Limits, Token, check, elements, members, pointer};
use crate::json::{value_at, write_text};
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// An RFC 6902 patch of `add`, `replace` and `remove`, as JSON text.
///
/// ```
/// use coordination_protocol::checkpoint::Delta;
/// use coordination_protocol::json::{Json, Limits};
///
/// let base: Json = r#"{"progress":12.0,"status":"active"}"#.parse()?;
/// let target: Json = r#"{"progress":12.50,"status":"active","files":18446744073709551616}"#.parse()?;
/// let delta = Delta::between(&base, &target, &Limits::DEFAULT).unwrap();
/// assert_eq!(
///     delta.as_str(),
///     r#"[{"op":"replace","path":"/progress","value":12.50},{"op":"add","path":"/files","value":18446744073709551616}]"#,
/// );
/// assert_eq!(delta.apply(&base, &Limits::DEFAULT)?, target);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "patch")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta(Json);

impl Delta {
    /// The difference from `base` to `target`; `None` if a patch cannot tell it, because the order
    /// of keys differs in another way than by new ones at the end, or beyond the limits.
    pub fn between(base: &Json, target: &Json, limits: &Limits) -> Option<Self> {
        let text = target.as_str();
        let operations = json_patch::diff(&tree(base), &tree(target)).0;
        let mut sets: Vec<(Token, String, &str)> = Vec::new();
        let mut removes = Vec::new();
        let paths = operations.iter().map(|operation| operation.path().as_str()).collect();
        let mut places = HashMap::new();
        locate(text, value_at(text.as_bytes(), 0)?, &mut String::new(), &paths, &mut places);
        for operation in operations {
            let path = operation.path().as_str().to_owned();
            let word = match operation {
                PatchOperation::Add(_) => "add",
                PatchOperation::Replace(_) => "replace",
                _ => {
                    removes.push(path);
                    continue;
                }
            };
            sets.push((*places.get(&path)?, path, word));
        }
        // New keys in the order of the target. What is set is independent of one another, but for
        // elements behind the end of a list, which are in order already.
        sets.sort_by_key(|(token, ..)| token.start());
        let mut out = vec![b'['];
        let mut operation = |word: &str, path: &str, value: Option<&str>| {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(format!("{{\"op\":\"{word}\",\"path\":").as_bytes());
            write_text(&mut out, path);
            if let Some(value) = value {
                out.extend_from_slice(b",\"value\":");
                out.extend_from_slice(value.as_bytes());
            }
            out.push(b'}');
        };
        for (token, path, word) in &sets {
            operation(word, path, Some(token.raw(text)));
        }
        for path in &removes {
            operation("remove", path, None);
        }
        out.push(b']');
        let delta = Delta(Json::from_valid(&String::from_utf8(out).ok()?));
        // Applied at once: a delta that does not make the target byte for byte is none. It costs
        // one more pass, and is what a checkpoint may rely on.
        (delta.apply(base, limits).as_ref() == Ok(target)).then_some(delta)
    }

    /// Takes a patch that was stored.
    ///
    /// # Errors
    /// [`CheckpointError::DeltaJson`].
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, CheckpointError> {
        // A value lies two levels deeper in the patch than in its document.
        check(text, Dialect::Strict, &limits.with_depth(limits.depth.saturating_add(2)))
            .map_err(CheckpointError::DeltaJson)?;
        Ok(Delta(Json::from_valid(text)))
    }

    /// The patch.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The document that the patch makes of another.
    ///
    /// # Errors
    /// [`CheckpointError`]; a patch that this crate did not write may be refused although it is sound.
    pub fn apply(&self, base: &Json, limits: &Limits) -> Result<Json, CheckpointError> {
        let text = self.0.as_str();
        let mut operations = Vec::new();
        let mut order = Order::default();
        // What is added to a text is what the patch holds, each value once; so the result is no
        // longer than both together, and this bounds the memory before any of it is used.
        if base.as_str().len() + text.len() > limits.bytes.saturating_mul(2) {
            return Err(CheckpointError::LongDelta { limit: limits.bytes });
        }
        if self.0.kind() != Kind::Array {
            return Err(CheckpointError::DeltaOperation { index: 0 });
        }
        for (index, item) in elements(text, 0).enumerate() {
            let (operation, path, value) =
                read_operation(text, item).ok_or(CheckpointError::DeltaOperation { index })?;
            if let Some(value) = value {
                order.note(&path, value.raw(text));
            }
            operations.push(operation);
        }
        let mut document = tree(base);
        // On failure the document is thrown away, so nothing need be taken back.
        json_patch::patch_unsafe(&mut document, &operations)
            .map_err(|error| CheckpointError::DeltaMisfit { detail: error.to_string() })?;
        let mut out = Vec::with_capacity(base.as_str().len() + text.len());
        order.write(&document, &mut String::new(), Some(base.as_str()), &mut out);
        if out.len() > limits.bytes {
            return Err(CheckpointError::LongDelta { limit: limits.bytes });
        }
        let made = String::from_utf8(out).unwrap_or_default();
        check(&made, Dialect::Strict, limits).map_err(CheckpointError::DeltaJson)?;
        Ok(Json::from_valid(&made))
    }
}

/// Where the values at some paths stand, in one walk.
fn locate(
    text: &str,
    token: Token,
    path: &mut String,
    wanted: &HashSet<&str>,
    places: &mut HashMap<String, Token>,
) {
    if wanted.contains(path.as_str()) {
        places.insert(path.clone(), token);
    }
    let end = path.len();
    match token.kind() {
        Kind::Object => {
            for (key, value) in members(text, token.start()) {
                pointer::push_key(path, &key.decode(text));
                locate(text, value, path, wanted, places);
                path.truncate(end);
            }
        }
        Kind::Array => {
            for (index, value) in elements(text, token.start()).enumerate() {
                let _ = write!(path, "/{index}");
                locate(text, value, path, wanted, places);
                path.truncate(end);
            }
        }
        _ => {}
    }
}

/// An operation for the library, its path, and the value that it sets.
fn read_operation(text: &str, item: Token) -> Option<(PatchOperation, String, Option<Token>)> {
    (item.kind() == Kind::Object).then_some(())?;
    let member = |name: &str| {
        members(text, item.start()).find(|(key, _)| key.means(text, name)).map(|(_, value)| value)
    };
    let word = |token: Token| (token.kind() == Kind::Text).then(|| token.decode(text).into_owned());
    let path = word(member("path")?)?;
    let pointer = PointerBuf::parse(path.clone()).ok()?;
    let value = member("value");
    let operation = match word(member("op")?)?.as_str() {
        "add" => PatchOperation::Add(AddOperation { path: pointer, value: plant(text, value?) }),
        "replace" => {
            PatchOperation::Replace(ReplaceOperation { path: pointer, value: plant(text, value?) })
        }
        "remove" => {
            return Some((PatchOperation::Remove(RemoveOperation { path: pointer }), path, None));
        }
        _ => return None,
    };
    Some((operation, path, value))
}

/// The tree that the library sees: scalars as strings that hold their spelling.
fn tree(value: &Json) -> Value {
    let text = value.as_str();
    value_at(text.as_bytes(), 0).map_or(Value::Null, |token| plant(text, token))
}

fn plant(text: &str, token: Token) -> Value {
    match token.kind() {
        Kind::Object => members(text, token.start())
            .map(|(key, value)| (key.decode(text).into_owned(), plant(text, value)))
            .collect(),
        Kind::Array => elements(text, token.start()).map(|value| plant(text, value)).collect(),
        _ => Value::String(token.raw(text).to_owned()),
    }
}

/// The order of keys: from the base, and from the values of a patch.
#[derive(Default)]
struct Order<'a> {
    /// What the patch sets, by path.
    set: HashMap<String, &'a str>,
    /// Keys that the patch adds, by the path of their object, in its order.
    added: HashMap<String, Vec<String>>,
}

impl<'a> Order<'a> {
    fn note(&mut self, path: &str, value: &'a str) {
        if self.set.insert(path.to_owned(), value).is_none()
            && let Some((parent, last)) = pointer::split_last(path)
        {
            self.added.entry(parent.to_owned()).or_default().push(last.key().to_owned());
        }
    }

    /// Appends a value at a path, its keys in the order of `guide`.
    fn write(&self, value: &Value, path: &mut String, guide: Option<&str>, out: &mut Vec<u8>) {
        let guide = self.set.get(path.as_str()).copied().or(guide);
        match value {
            Value::Object(entries) => {
                let guided = guide.filter(|text| text.starts_with('{'));
                let mut rest: HashMap<&str, &Value> =
                    entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
                let added = self.added.get(path.as_str());
                let mut first = true;
                let mut member =
                    |spelled: Option<&str>, key: &str, value: &Value, guide: Option<&str>| {
                        out.push(if std::mem::take(&mut first) { b'{' } else { b',' });
                        match spelled {
                            Some(spelled) => out.extend_from_slice(spelled.as_bytes()),
                            None => write_text(out, key),
                        }
                        out.push(b':');
                        let end = path.len();
                        pointer::push_key(path, key);
                        self.write(value, path, guide, out);
                        path.truncate(end);
                    };
                for (key, token) in guided.into_iter().flat_map(|text| members(text, 0)) {
                    let text = guided.unwrap_or_default();
                    let name = key.decode(text);
                    if let Some(value) = rest.remove(name.as_ref()) {
                        member(Some(key.raw(text)), &name, value, Some(token.raw(text)));
                    }
                }
                for key in added.into_iter().flatten() {
                    if let Some(value) = rest.remove(key.as_str()) {
                        member(None, key, value, None);
                    }
                }
                // Only a patch of somebody else leaves any; their order is the alphabet's.
                for (key, value) in entries {
                    if rest.remove(key.as_str()).is_some() {
                        member(None, key, value, None);
                    }
                }
                if first {
                    out.push(b'{');
                }
                out.push(b'}');
            }
            Value::Array(items) => {
                let guided = guide.filter(|text| text.starts_with('['));
                let mut inner = guided
                    .into_iter()
                    .flat_map(|text| elements(text, 0).map(move |token| token.raw(text)));
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    let end = path.len();
                    let _ = write!(path, "/{index}");
                    self.write(item, path, inner.next(), out);
                    path.truncate(end);
                }
                out.push(b']');
            }
            Value::String(spelled) => out.extend_from_slice(spelled.as_bytes()),
            // The tree has no other kinds.
            _ => out.extend_from_slice(b"null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Delta, Json, Limits};

    fn delta(base: &str, target: &str) -> Option<String> {
        let (base, target): (Json, Json) = (base.parse().unwrap(), target.parse().unwrap());
        let delta = Delta::between(&base, &target, &Limits::DEFAULT)?;
        assert_eq!(delta.apply(&base, &Limits::DEFAULT).unwrap(), target);
        Some(delta.as_str().to_owned())
    }

    #[test]
    fn spelling_is_a_difference() {
        let same = r#"{"a":12.0,"b":[1e2]}"#;
        assert_eq!(delta(same, same).as_deref(), Some("[]"));
        let replaced = r#"[{"op":"replace","path":"/a","value":12.0}]"#;
        assert_eq!(delta(r#"{"a":12}"#, r#"{"a":12.0}"#).as_deref(), Some(replaced));
        // The library never sees the number, so none is too large for it.
        assert!(delta(r#"{"a":1}"#, r#"{"a":18446744073709551616}"#).is_some());
    }

    #[test]
    fn new_keys_stand_behind_the_old_ones() {
        assert!(delta(r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2,"c":{"z":1,"y":2}}"#).is_some());
        assert!(delta(r#"{"a":1,"b":2}"#, r#"{"b":2,"c":3}"#).is_some());
        // A patch cannot tell another order, so there is no delta.
        assert_eq!(delta(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#), None);
        assert_eq!(delta(r#"{"a":1}"#, r#"{"c":3,"a":1}"#), None);
    }

    #[test]
    fn keys_with_a_slash_or_tilde_are_found_again() {
        assert!(delta(r#"{"a/b":1,"~":{"~1":2}}"#, r#"{"a/b":2,"~":{"~1":3,"/":4}}"#).is_some());
        assert!(delta(r#"{"l":[1,2,3]}"#, r#"{"l":[1,9,3,4]}"#).is_some());
    }

    #[test]
    fn what_a_delta_makes_is_bounded() {
        let base: Json = r#"{"a":1}"#.parse().unwrap();
        let limits = Limits::DEFAULT.with_bytes(40);
        let text = format!(r#"[{{"op":"add","path":"/b","value":"{}"}}]"#, "x".repeat(30));
        let delta = Delta::parse(&text, &Limits::DEFAULT).unwrap();
        assert!(delta.apply(&base, &limits).is_err());
        assert!(
            Delta::parse(r#"[{"op":"move","path":"/b","from":"/a"}]"#, &Limits::DEFAULT)
                .unwrap()
                .apply(&base, &Limits::DEFAULT)
                .is_err()
        );
    }
}
