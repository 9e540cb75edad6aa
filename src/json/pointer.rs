//! JSON pointers (RFC 6901) into a scanned text.

use super::bytes::skip_space;
use super::members::{elements, members, value};
use super::token::Token;
use smol_str::SmolStr;
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

/// One reference token of a pointer: the key of a member, and the index of an element if it is one.
///
/// Whatever reads a pointer reads it by this, so that all agree on what is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    key: SmolStr,
    index: Option<usize>,
}

impl Part {
    /// Reads what stands between two slashes; `None` if a `~` escapes nothing.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        let mut pieces = raw.split('~');
        let mut key = SmolStr::new(pieces.next()?);
        if key.len() < raw.len() {
            let mut whole = String::from(key);
            for piece in pieces {
                whole.push(match piece.as_bytes().first()? {
                    b'0' => '~',
                    b'1' => '/',
                    _ => return None,
                });
                whole.push_str(&piece[1..]);
            }
            key = whole.into();
        }
        Some(Part { index: index(raw), key })
    }

    /// A key as it is meant, without escapes.
    pub(crate) const fn of_member(key: &'static str) -> Self {
        Part { key: SmolStr::new_static(key), index: None }
    }

    /// The key, `~` and `/` in it as they are meant.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The index, if it is one.
    #[cfg(feature = "schema")]
    pub(crate) const fn index(&self) -> Option<usize> {
        self.index
    }

    /// The member or element that it names of the value that starts at a byte. The value itself
    /// is not walked, so that what stands behind the child costs nothing.
    pub(crate) fn child(&self, text: &str, start: usize) -> Option<Token> {
        match text.as_bytes().get(start)? {
            b'{' => {
                let named = |(key, _): &(Token, Token)| key.means(text, &self.key);
                members(text, start).find(named).map(|(_, value)| value)
            }
            b'[' => elements(text, start).nth(self.index?),
            _ => None,
        }
    }
}

/// RFC 6901 has one spelling for an index: digits without a leading zero. `-`, the place behind the
/// last element, names no value.
fn index(raw: &str) -> Option<usize> {
    let digits = raw.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (raw.len() == 1 || !raw.starts_with('0'));
    // An empty text is no number; one that overflows is beyond every array.
    raw.parse().ok().filter(|_| plain)
}

/// The parts of a pointer; `None` if it is not one.
pub(crate) fn parts(pointer: &str) -> Option<Vec<Part>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    pointer.strip_prefix('/')?.split('/').map(Part::parse).collect()
}

/// The pointer around the last part, and that part; `None` for the root and for what is no pointer.
pub(crate) fn split_last(pointer: &str) -> Option<(&str, Part)> {
    let (around, last) = pointer.rsplit_once('/')?;
    parts(around)?;
    Some((around, Part::parse(last)?))
}

/// The key or index that a pointer ends with, as it is meant; empty for the root.
pub(crate) fn last(pointer: &str) -> SmolStr {
    split_last(pointer).map_or_else(SmolStr::default, |(_, part)| part.key)
}

/// The value that `pointer` names inside the value that starts at byte `root`; `None` if there is
/// none or the pointer is not one: it is empty or starts with `/`, and each `~` in it is followed by
/// `0` or `1`.
///
/// ```
/// use coordination_protocol::json::pointer::find;
///
/// let text = r#"{"a~2b":1,"":{"x/y":[5]}}"#;
/// assert_eq!(find(text, 0, "//x~1y/0").unwrap().raw(text), "5");
/// assert!(find(text, 0, "/a~2b").is_none());
/// assert_eq!(find(text, 0, "/a~02b").unwrap().raw(text), "1");
/// ```
pub fn find(text: &str, root: usize, pointer: &str) -> Option<Token> {
    let token = value(text.as_bytes(), root)?;
    if pointer.is_empty() {
        return Some(token);
    }
    // Part by part, so that a short pointer allocates nothing.
    let mut raw = pointer.strip_prefix('/')?.split('/');
    raw.try_fold(token, |token, raw| Part::parse(raw)?.child(text, token.start()))
}
