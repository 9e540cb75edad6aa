//! Changing one member of a JSON text.

use super::policy::keys;
use crate::json::{Json, Kind, Token, members, value_at, write_text};

/// The document with another value at a pointer; `None` if the objects on the way are not there, or
/// the document itself is to be removed.
pub(super) fn edit(json: &Json, pointer: &str, value: Option<&Json>) -> Option<Json> {
    let text = json.as_str();
    let mut keys: Vec<String> = keys(pointer).collect();
    let Some(last) = keys.pop() else {
        return value.cloned();
    };
    let mut object = value_at(text.as_bytes(), 0)?;
    for key in keys {
        object = member(text, object, &key)?.1;
    }
    if object.kind() != Kind::Object {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() + last.len());
    let from = object.start();
    match (member(text, object, &last), value) {
        (Some((_, old)), Some(value)) => {
            out.extend_from_slice(&text.as_bytes()[..old.start()]);
            out.extend_from_slice(value.as_str().as_bytes());
            out.extend_from_slice(&text.as_bytes()[old.end()..]);
        }
        (Some((key, old)), None) => {
            // With the comma before it, or the one behind the first.
            let bytes = text.as_bytes();
            let first = key.start() == from + 1;
            let start = if first { key.start() } else { key.start() - 1 };
            let end = if first && bytes[old.end()] == b',' { old.end() + 1 } else { old.end() };
            out.extend_from_slice(&bytes[..start]);
            out.extend_from_slice(&bytes[end..]);
        }
        (None, Some(value)) => {
            let close = object.end() - 1;
            out.extend_from_slice(&text.as_bytes()[..close]);
            if close > from + 1 {
                out.push(b',');
            }
            write_text(&mut out, &last);
            out.push(b':');
            out.extend_from_slice(value.as_str().as_bytes());
            out.extend_from_slice(&text.as_bytes()[close..]);
        }
        (None, None) => return Some(json.clone()),
    }
    String::from_utf8(out).ok().map(|text| Json::from_valid(&text))
}

fn member(text: &str, object: Token, key: &str) -> Option<(Token, Token)> {
    if object.kind() != Kind::Object {
        return None;
    }
    members(text, object.start()).find(|(name, _)| name.means(text, key))
}
