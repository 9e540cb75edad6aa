//! Faults, planted into good messages.

use crate::grow::{self, Entries};
use crate::support::{Rng, Tree};
use crate::texts::{DIGITS, KEYS, MARKS, TEXTS, number};
use coordination_protocol::message::{MessageKind, OBJECTS};
use std::fmt::Write as _;

/// One to three faults, some of which are none.
pub(crate) fn spoil(rng: &mut Rng, message: &mut Entries) {
    let mut tree = Tree::Object(std::mem::take(message));
    for _ in 0..=rng.below(3) {
        let moved = rng.one_in(8).then(|| wrapped(rng, &mut tree));
        let mut at = rng.below(count(&tree));
        match (nth(&mut tree, &mut at), moved) {
            (Some(node), Some(moved)) => *node = moved,
            (Some(node), None) => change(rng, node),
            (None, _) => {}
        }
    }
    match tree {
        Tree::Object(entries) => *message = entries,
        // The root has become something else; the byte level tries that.
        _ => message.clear(),
    }
}

/// A second body, another one, or none.
pub(crate) fn rebody(rng: &mut Rng, message: &mut Entries) {
    match rng.below(3) {
        0 => message.retain(|(key, _)| MessageKind::lookup(key).is_none()),
        1 => {
            let kind = MessageKind::KNOWN[rng.below(MessageKind::KNOWN.len())];
            if message.iter().all(|(key, _)| key != kind.as_str()) {
                message.insert(
                    rng.below(message.len() + 1),
                    (kind.as_str().to_owned(), grow::body(rng, kind)),
                );
            }
        }
        _ => {
            let to = MessageKind::KNOWN[rng.below(MessageKind::KNOWN.len())].as_str();
            if message.iter().all(|(key, _)| key != to)
                && let Some((key, _)) =
                    message.iter_mut().find(|(key, _)| MessageKind::lookup(key).is_some())
            {
                to.clone_into(key);
            }
        }
    }
}

/// A part of the message, somewhat deeper than it was.
fn wrapped(rng: &mut Rng, tree: &mut Tree) -> Tree {
    let mut at = rng.below(count(tree));
    let mut part = nth(tree, &mut at).map_or(Tree::plain("null"), |node| node.clone());
    for _ in 0..rng.below(4) {
        part = match rng.below(3) {
            0 => Tree::Object(vec![(key(rng), part)]),
            _ => Tree::Array(vec![part]),
        };
    }
    part
}

fn count(tree: &Tree) -> usize {
    1 + match tree {
        Tree::Array(items) => items.iter().map(count).sum(),
        Tree::Object(entries) => entries.iter().map(|(_, value)| count(value)).sum(),
        _ => 0,
    }
}

fn nth<'t>(tree: &'t mut Tree, at: &mut usize) -> Option<&'t mut Tree> {
    if *at == 0 {
        return Some(tree);
    }
    *at -= 1;
    match tree {
        Tree::Array(items) => items.iter_mut().find_map(|item| nth(item, at)),
        Tree::Object(entries) => entries.iter_mut().find_map(|(_, value)| nth(value, at)),
        _ => None,
    }
}

fn change(rng: &mut Rng, node: &mut Tree) {
    if rng.one_in(6) {
        *node = any(rng);
        return;
    }
    match node {
        Tree::Plain(text) if text.starts_with(['t', 'f', 'n']) => *node = any(rng),
        Tree::Plain(known) => number(rng).clone_into(known),
        Tree::Text(_) if rng.one_in(2) => *node = Tree::Text(text(rng)),
        Tree::Text(known) => tweak(rng, known),
        Tree::Array(items) => match rng.below(3) {
            0 => items.clear(),
            1 => items.push(any(rng)),
            _ => {
                items.pop();
            }
        },
        Tree::Object(entries) => reshape(rng, entries),
    }
}

fn reshape(rng: &mut Rng, entries: &mut Entries) {
    let at = rng.below(entries.len());
    match rng.below(6) {
        0 => entries.clear(),
        1 | 2 if !entries.is_empty() => {
            entries.remove(at);
        }
        3 if !entries.is_empty() => {
            let mut key = entries[at].0.clone();
            if rng.one_in(2) {
                tweak(rng, &mut key);
            } else {
                key.make_ascii_uppercase();
            }
            rename(entries, at, key);
        }
        _ => {
            let key = key(rng);
            if entries.iter().all(|(known, _)| *known != key) {
                let value = any(rng);
                entries.insert(rng.below(entries.len() + 1), (key, value));
            }
        }
    }
}

fn rename(entries: &mut Entries, at: usize, key: String) {
    if entries.iter().all(|(known, _)| *known != key) {
        entries[at].0 = key;
    }
}

fn key(rng: &mut Rng) -> String {
    if rng.one_in(2) {
        return rng.pick(KEYS).to_owned();
    }
    let spec = OBJECTS[rng.below(OBJECTS.len())];
    spec.members[rng.below(spec.members.len())].name.to_owned()
}

/// A value of any kind.
fn any(rng: &mut Rng) -> Tree {
    match rng.below(10) {
        0 => Tree::plain("null"),
        1 => Tree::plain(rng.pick(&["true", "false"])),
        2 => Tree::Array(Vec::new()),
        3 => Tree::Object(Vec::new()),
        4 => Tree::Array(vec![Tree::Text(text(rng))]),
        5 => Tree::Object(vec![("a".to_owned(), Tree::Text(text(rng)))]),
        6 | 7 => Tree::plain(number(rng)),
        _ => Tree::Text(text(rng)),
    }
}

fn text(rng: &mut Rng) -> String {
    match rng.below(8) {
        // Characters count, not bytes and not UTF-16 units.
        0 => rng.pick(&["x", "é", "😀", " "]).repeat(126 + rng.below(5)),
        1..=3 => (0..rng.below(8)).map(|_| MARKS[rng.below(MARKS.len())]).collect(),
        _ => rng.pick(TEXTS).to_owned(),
    }
}

/// One small edit.
fn tweak(rng: &mut Rng, text: &mut String) {
    let mut chars: Vec<char> = text.chars().collect();
    let alphabet = if rng.one_in(3) { MARKS } else { DIGITS };
    let mark = alphabet[rng.below(alphabet.len())];
    let at = rng.below(chars.len());
    match rng.below(3) {
        0 => chars.insert(rng.below(chars.len() + 1), mark),
        1 if !chars.is_empty() => chars[at] = mark,
        _ if !chars.is_empty() => {
            chars.remove(at);
        }
        _ => {}
    }
    *text = chars.into_iter().collect();
}

/// The JSON of an object, with some white space and some escapes that change nothing.
pub(crate) fn render(rng: &mut Rng, message: &Entries) -> String {
    let mut out = String::new();
    let plain = rng.one_in(2);
    write(rng, &Tree::Object(message.clone()), plain, &mut out);
    out
}

fn write(rng: &mut Rng, tree: &Tree, plain: bool, out: &mut String) {
    let space = |rng: &mut Rng, out: &mut String| {
        if !plain && rng.one_in(8) {
            out.push_str(rng.pick(&[" ", "\t"]));
        }
    };
    match tree {
        Tree::Plain(text) => out.push_str(text),
        Tree::Text(text) => write_text(rng, text, plain, out),
        Tree::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                space(rng, out);
                write(rng, item, plain, out);
            }
            out.push(']');
        }
        Tree::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                space(rng, out);
                write_text(rng, key, plain, out);
                space(rng, out);
                out.push(':');
                write(rng, value, plain, out);
            }
            space(rng, out);
            out.push('}');
        }
    }
}

fn write_text(rng: &mut Rng, text: &str, plain: bool, out: &mut String) {
    out.push('"');
    let mut units = [0; 2];
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            _ if c < ' ' || (!plain && rng.one_in(12)) => {
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
