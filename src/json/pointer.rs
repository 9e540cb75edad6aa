//! JSON pointers (RFC 6901) into a scanned text.

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
    let mut pointer = String::new();
    let mut at = root;
    'descend: loop {
        match text.as_bytes().get(at) {
            Some(b'{') => {
                for (key, value) in members(text, at) {
                    if (key.start()..value.end()).contains(&offset) {
                        push_key(&mut pointer, &key.decode(text));
                        at = value.start();
                        if offset < at {
                            return pointer;
                        }
                        continue 'descend;
                    }
                }
            }
            Some(b'[') => {
                for (index, value) in elements(text, at).enumerate() {
                    if value.range().contains(&offset) {
                        let _ = write!(pointer, "/{index}");
                        at = value.start();
                        continue 'descend;
                    }
                }
            }
            _ => {}
        }
        return pointer;
    }
}

/// Appends one reference token, `~` and `/` escaped.
pub fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
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
                let name = part.replace("~1", "/").replace("~0", "~");
                members(text, token.start()).find(|(key, _)| key.means(text, &name))?.1
            }
            Kind::Array => {
                if part.len() > 1 && part.starts_with('0') {
                    return None;
                }
                elements(text, token.start()).nth(part.parse().ok()?)?
            }
            _ => return None,
        };
    }
    Some(token)
}
