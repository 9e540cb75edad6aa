//! JSON pointers (RFC 6901) into a scanned text.

use super::bytes::skip_space;
use super::members::{elements, members, value};
use super::token::{Kind, Token};
use std::fmt::Write as _;

/// The pointer of the innermost value or key that holds byte `offset`, seen from the value that
/// starts at byte `root`. The empty pointer is the root itself.
///
/// ```
/// use coordination_protocol::json::pointer;
///
/// let text = r#"{"a":[10,{"b/c":true}]}"#;
/// assert_eq!(pointer::locate(text, 0, 17), "/a/1/b~1c");
/// assert_eq!(pointer::find(text, 0, "/a/1/b~1c").unwrap().raw(text), "true");
/// ```
pub fn locate(text: &str, root: usize, offset: usize) -> String {
    let bytes = text.as_bytes();
    let mut levels: Vec<Level> = Vec::new();
    let mut at = root;
    // One pass over what stands before the offset, so that depth costs nothing extra.
    while let Some(&byte) = bytes.get(at) {
        if at > offset {
            // White space; behind a key it counts as the member's.
            return path(text, &levels, levels.last().is_some_and(|level| level.key.is_some()));
        }
        let level = levels.last_mut();
        let mut ended = false;
        let inside = match byte {
            b'{' | b'[' => {
                levels.push(Level { object: byte == b'{', key: None, index: 0 });
                at += 1;
                false
            }
            b'}' | b']' => {
                at += 1;
                if at <= offset {
                    levels.pop();
                    ended = true;
                }
                false
            }
            b',' => {
                at += 1;
                false
            }
            b':' => {
                at += 1;
                true
            }
            _ => {
                let Some(token) = value(bytes, at) else { break };
                at = token.end();
                match level {
                    Some(level) if level.object && level.key.is_none() => level.key = Some(token),
                    _ => ended = at <= offset,
                }
                true
            }
        };
        if at > offset {
            return path(text, &levels, inside);
        }
        if ended {
            let Some(level) = levels.last_mut() else { break };
            level.key = None;
            level.index += 1;
        }
        at = skip_space(bytes, at);
    }
    path(text, &levels, false)
}

/// One container on the way: the member or element that it is at.
struct Level {
    object: bool,
    key: Option<Token>,
    index: usize,
}

/// The pointer of the last container, or of what it is at.
fn path(text: &str, levels: &[Level], inside: bool) -> String {
    let mut pointer = String::new();
    for (place, level) in levels.iter().enumerate() {
        if place + 1 == levels.len() && !inside {
            break;
        }
        match level.key {
            Some(key) => push_key(&mut pointer, &key.decode(text)),
            None => {
                let _ = write!(pointer, "/{}", level.index);
            }
        }
    }
    pointer
}

/// Appends one reference token, `~` and `/` escaped.
pub fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    if !key.contains(['~', '/']) {
        pointer.push_str(key);
        return;
    }
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// The keys of a pointer, `~` and `/` back in them.
pub(crate) fn keys(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(unescape)
}

/// One reference token as the key that it means. `~1` goes first: `~01` is `~1`, not `/`.
pub(crate) fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// The value that `pointer` names inside the value that starts at byte `root`; `None` if there is
/// none or the pointer is not one.
pub fn find(text: &str, root: usize, pointer: &str) -> Option<Token> {
    let mut token = value(text.as_bytes(), root)?;
    if pointer.is_empty() {
        return Some(token);
    }
    for part in pointer.strip_prefix('/')?.split('/') {
        token = match token.kind() {
            Kind::Object => {
                let name = unescape(part);
                members(text, token.start()).find(|(key, _)| key.means(text, &name))?.1
            }
            Kind::Array => {
                if part.starts_with('+') || part.len() > 1 && part.starts_with('0') {
                    return None;
                }
                elements(text, token.start()).nth(part.parse().ok()?)?
            }
            _ => return None,
        };
    }
    Some(token)
}
