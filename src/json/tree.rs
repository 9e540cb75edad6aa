//! What JSON values mean, whatever their spelling: a tree of positions, made in one pass.
//!
//! Comparing and merging ask for the same values many times; from the text they would be walked each
//! time. The tree holds positions only, so that what is not changed is copied as it was spelled.

use super::fault::JsonFault;
use super::finder::{Finder, Keyed};
use super::limits::Limits;
use super::members::{elements, members, value};
use super::raw::{Json, write_text};
use super::scanner::{Visit, scan};
use super::token::{Kind, Token};
use crate::spelling::number_form;
use std::borrow::Cow;
use std::hash::Hasher;
use std::ops::ControlFlow;

/// All values of a text, in its order, so that each is walked once however often it is asked for.
pub(crate) struct Tree<'t> {
    text: &'t str,
    entries: Vec<Entry>,
}

struct Entry {
    key: Option<Token>,
    value: Token,
    /// The entry behind everything inside.
    next: u32,
    /// Equal values have equal fingerprints, whatever their spelling and the order of their members.
    fingerprint: u64,
}

impl<'t> Tree<'t> {
    /// Reads a text that has nothing around its value.
    pub(crate) fn new(text: &'t str, limits: &Limits) -> Result<Self, JsonFault> {
        let mut builder = Builder { text, entries: Vec::new(), open: Vec::new(), key: None };
        scan(text, 0, limits, &mut builder)?;
        Ok(Tree { text, entries: builder.entries })
    }

    /// Reads a value that was read before.
    pub(crate) fn of(json: &'t Json) -> Self {
        let limits = Limits::DEFAULT.with_bytes(usize::MAX).with_depth(Limits::MAX_DEPTH);
        let entries = Tree::new(json.as_str(), &limits.with_keys(usize::MAX));
        entries.unwrap_or(Tree { text: "null", entries: Vec::new() })
    }

    pub(crate) fn root(&self) -> Option<Node<'_>> {
        (!self.entries.is_empty()).then_some(Node { tree: self, at: 0 })
    }
}

struct Builder<'t> {
    text: &'t str,
    entries: Vec<Entry>,
    open: Vec<u32>,
    key: Option<Token>,
}

impl Builder<'_> {
    fn push(&mut self, value: Token, fingerprint: u64) {
        let next = self.entries.len() as u32 + 1;
        self.entries.push(Entry { key: self.key.take(), value, next, fingerprint });
    }
}

impl Visit for Builder<'_> {
    fn key(&mut self, _: usize, key: Token) -> ControlFlow<()> {
        self.key = Some(key);
        ControlFlow::Continue(())
    }

    fn open(&mut self, _: usize, at: usize, kind: Kind) {
        self.open.push(self.entries.len() as u32);
        self.push(Token::new(kind, at, at), 0);
    }

    fn value(&mut self, _: usize, value: Token) -> ControlFlow<()> {
        let kind = value.kind();
        if !matches!(kind, Kind::Object | Kind::Array) {
            let fingerprint = leaf_fingerprint(self.text, value);
            self.push(value, fingerprint);
            return ControlFlow::Continue(());
        }
        let Some(at) = self.open.pop() else { return ControlFlow::Break(()) };
        let end = self.entries.len() as u32;
        let mut fingerprint = fingerprint(kind as u64, "");
        let mut child = at + 1;
        while child < end {
            let entry = &self.entries[child as usize];
            fingerprint = match entry.key {
                // Members are added up, so that their order does not matter.
                Some(key) => {
                    let key = text_fingerprint(&key.decode(self.text));
                    fingerprint
                        .wrapping_add((key ^ entry.fingerprint.rotate_left(32)).wrapping_mul(MIX))
                }
                None => (fingerprint ^ entry.fingerprint).rotate_left(5).wrapping_mul(MIX),
            };
            child = entry.next;
        }
        let entry = &mut self.entries[at as usize];
        (entry.value, entry.next, entry.fingerprint) = (value, end, fingerprint);
        ControlFlow::Continue(())
    }
}

const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// Only a hint: what has equal fingerprints is compared all the same.
fn fingerprint(seed: u64, text: &str) -> u64 {
    let mut hasher = Fnv(seed.wrapping_mul(MIX) ^ 0xCBF2_9CE4_8422_2325);
    hasher.write(text.as_bytes());
    hasher.finish().wrapping_mul(MIX)
}

fn text_fingerprint(text: &str) -> u64 {
    fingerprint(Kind::Text as u64, text)
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}

fn leaf_fingerprint(text: &str, value: Token) -> u64 {
    match value.kind() {
        Kind::Text => text_fingerprint(&value.decode(text)),
        Kind::Number => fingerprint(Kind::Number as u64, &number_form(value.raw(text))),
        kind => fingerprint(kind as u64, value.raw(text)),
    }
}

/// One value in a tree.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    tree: &'t Tree<'t>,
    at: u32,
}

impl<'t> Node<'t> {
    fn entry(self) -> &'t Entry {
        &self.tree.entries[self.at as usize]
    }

    pub(crate) fn kind(self) -> Kind {
        self.entry().value.kind()
    }

    /// The value as spelled.
    pub(crate) fn raw(self) -> &'t str {
        self.entry().value.raw(self.tree.text)
    }

    /// The key as spelled, quotes included.
    pub(crate) fn raw_key(self) -> &'t str {
        self.entry().key.map_or("\"\"", |key| key.raw(self.tree.text))
    }

    pub(crate) fn key(self) -> Cow<'t, str> {
        self.entry().key.map_or(Cow::Borrowed(""), |key| key.decode(self.tree.text))
    }

    pub(crate) fn text(self) -> Cow<'t, str> {
        self.entry().value.decode(self.tree.text)
    }

    pub(crate) fn json(self) -> Json {
        Json::from_valid(self.raw())
    }

    pub(crate) fn children(self) -> Vec<Node<'t>> {
        let end = self.entry().next;
        let mut at = self.at + 1;
        let mut children = Vec::new();
        while at < end {
            children.push(Node { tree: self.tree, at });
            at = self.tree.entries[at as usize].next;
        }
        children
    }

    /// Whether both are spelled the same. What differs in meaning is told apart without reading it,
    /// so that this may be asked at every level.
    pub(crate) fn identical(self, other: Self) -> bool {
        self.entry().fingerprint == other.entry().fingerprint && self.raw() == other.raw()
    }

    /// Whether both mean the same.
    pub(crate) fn same(self, other: Self) -> bool {
        if self.entry().fingerprint != other.entry().fingerprint || self.kind() != other.kind() {
            return false;
        }
        match self.kind() {
            Kind::Null => true,
            Kind::Bool => self.raw() == other.raw(),
            Kind::Text => self.text() == other.text(),
            Kind::Number => {
                self.raw() == other.raw() || number_form(self.raw()) == number_form(other.raw())
            }
            Kind::Array | Kind::Object if self.raw() == other.raw() => true,
            Kind::Array => {
                let (own, others) = (self.children(), other.children());
                own.len() == others.len() && own.iter().zip(&others).all(|(a, b)| a.same(*b))
            }
            Kind::Object => {
                let (own, others) = (self.children(), other.children());
                let mut finder = Finder::new(&*others);
                own.len() == others.len()
                    && own.iter().all(|child| {
                        let found = finder.find(&child.key());
                        found.is_some_and(|at| child.same(others[at]))
                    })
            }
        }
    }
}

impl<'t> Keyed<'t> for &[Node<'t>] {
    fn count(&self) -> usize {
        self.len()
    }

    fn key(&self, index: usize) -> Cow<'t, str> {
        self[index].key()
    }
}

/// Whether two values mean the same.
pub(crate) fn same(a: &Json, b: &Json) -> bool {
    if a == b {
        return true;
    }
    let (a, b) = (Tree::of(a), Tree::of(b));
    matches!((a.root(), b.root()), (Some(a), Some(b)) if a.same(b))
}

/// One text for all spellings of a value; of two values, the same text only if they mean the same.
pub(crate) fn form(json: &Json) -> String {
    let mut out = Vec::with_capacity(json.as_str().len());
    if let Some(root) = value(json.as_str().as_bytes(), 0) {
        write_form(json.as_str(), root, &mut out);
    }
    String::from_utf8(out).unwrap_or_default()
}

fn write_form(text: &str, token: Token, out: &mut Vec<u8>) {
    match token.kind() {
        Kind::Text => write_text(out, &token.decode(text)),
        Kind::Number => out.extend_from_slice(number_form(token.raw(text)).as_bytes()),
        Kind::Null | Kind::Bool => out.extend_from_slice(token.raw(text).as_bytes()),
        Kind::Array => {
            out.push(b'[');
            for element in elements(text, token.start()) {
                write_form(text, element, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Kind::Object => {
            let mut all: Vec<_> = members(text, token.start())
                .map(|(key, value)| (key.decode(text), value))
                .collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(b'{');
            for (key, value) in all {
                write_text(out, &key);
                out.push(b':');
                write_form(text, value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        text.parse().unwrap()
    }

    #[test]
    fn values_are_compared_by_meaning() {
        for (a, b) in [
            (r#"{"a":1,"b":[2.0]}"#, r#"{ "b" : [2], "\u0061" : 1.0 }"#),
            (r#""\u00e9\n""#, "\"\u{e9}\\n\""),
            ("[[],{}]", "[ [ ] , { } ]"),
        ] {
            assert!(same(&json(a), &json(b)), "{a} {b}");
            assert_eq!(form(&json(a)), form(&json(b)));
        }
        for (a, b) in [
            ("[1,2]", "[2,1]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            (r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#),
            ("1", r#""1""#),
            ("null", "false"),
            ("[]", "{}"),
        ] {
            assert!(!same(&json(a), &json(b)), "{a} {b}");
            assert_ne!(form(&json(a)), form(&json(b)));
        }
    }

    #[test]
    fn a_fingerprint_does_not_depend_on_spelling_or_order() {
        let root = |text: &str| {
            let json = json(text);
            let tree = Tree::of(&json);
            tree.entries[0].fingerprint
        };
        assert_eq!(root(r#"{"a":1,"b":{"c":[]}}"#), root(r#"{"b":{"c":[]},"a":1e0}"#));
        assert_ne!(root(r#"{"a":1,"b":2}"#), root(r#"{"a":2,"b":1}"#));
        assert_ne!(root("[1,2]"), root("[2,1]"));
        assert_ne!(root("[[1],2]"), root("[[1,2]]"));
    }

    #[test]
    fn children_are_the_next_level_only() {
        let json = json(r#"{"a":{"x":[1,2]},"b":[{"y":3}],"c":4}"#);
        let tree = Tree::of(&json);
        let children = tree.root().unwrap().children();
        let raw: Vec<_> = children.iter().map(|child| (child.key(), child.raw())).collect();
        let expected = [("a", r#"{"x":[1,2]}"#), ("b", r#"[{"y":3}]"#), ("c", "4")];
        assert_eq!(raw, expected.map(|(key, value)| (key.into(), value)));
    }
}
