//! Changing a JSON text in places, the rest byte for byte.

use crate::json::{self, Token, write_text};
use std::ops::Range;

/// Replacements in a text, applied together.
#[derive(Debug)]
pub(super) struct Edits<'a> {
    text: &'a str,
    /// Disjoint ranges and what stands there afterwards.
    cuts: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Edits { text, cuts: Vec::new() }
    }

    pub(super) fn replace(&mut self, range: Range<usize>, with: impl Into<String>) {
        self.cuts.push((range, with.into()));
    }

    /// Leaves out the members of the object that opens at `open` whose value is to `go`, each with
    /// one comma.
    pub(super) fn remove(&mut self, open: usize, go: impl Fn(Token) -> bool) {
        let mut members: Vec<(Token, Token, bool)> =
            json::members(self.text, open).map(|(key, value)| (key, value, go(value))).collect();
        // Up to the first that stays, a member goes with the comma behind it.
        let stays = members.iter().position(|(.., gone)| !gone);
        let leading = members.drain(..stays.unwrap_or(members.len())).collect::<Vec<_>>();
        if let (Some((first, ..)), Some((_, last, _))) = (leading.first(), leading.last()) {
            let end = members.first().map_or(last.end(), |(key, ..)| key.start());
            self.replace(first.start()..end, "");
        }
        for pair in members.windows(2) {
            if let [(_, before, _), (_, value, true)] = pair {
                self.replace(before.end()..value.end(), "");
            }
        }
    }

    /// The text with all replacements.
    pub(super) fn finish(mut self) -> String {
        self.cuts.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        for (range, with) in self.cuts {
            out.push_str(&self.text[at..range.start]);
            out.push_str(&with);
            at = range.end;
        }
        out.push_str(&self.text[at..]);
        out
    }
}

/// A JSON object that is being written, each key once.
#[derive(Debug, Default)]
pub(super) struct Object {
    members: Vec<(String, String)>,
}

impl Object {
    /// Adds a member, whose value is JSON text. Gives `false` and adds nothing if the key is there.
    pub(super) fn push(&mut self, key: &str, value: impl Into<String>) -> bool {
        if self.members.iter().any(|(known, _)| known == key) {
            return false;
        }
        self.members.push((key.to_owned(), value.into()));
        true
    }

    /// Adds an object as a member, unless it is empty. Gives `false` if it found no place.
    pub(super) fn nest(&mut self, key: &str, object: &Object) -> bool {
        object.members.is_empty() || self.push(key, object.finish())
    }

    pub(super) fn finish(&self) -> String {
        let mut out = Vec::from(b"{");
        for (index, (key, value)) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }
}

/// A JSON string that means `text`.
pub(super) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_text(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}
