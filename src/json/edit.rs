//! Changing JSON text in places; everything else stays byte for byte.
//!
//! Numbers keep their spelling and unknown members their place, because nothing is decoded that is
//! not changed.

use super::members::{members, value};
use super::pointer;
use super::raw::{Json, write_text};
use super::token::{Kind, Token};
use std::ops::Range;

/// Replacements in a text, applied together.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    text: &'a str,
    /// Disjoint ranges and what stands there afterwards.
    cuts: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Edits { text, cuts: Vec::new() }
    }

    pub(crate) fn replace(&mut self, range: Range<usize>, with: impl Into<String>) {
        self.cuts.push((range, with.into()));
    }

    /// Leaves out the members of the object that opens at `open` whose value is to `go`, each with
    /// one comma.
    pub(crate) fn remove(&mut self, open: usize, go: impl Fn(Token) -> bool) {
        let mut members: Vec<(Token, Token, bool)> =
            members(self.text, open).map(|(key, value)| (key, value, go(value))).collect();
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

    /// Adds a member behind all others of an object, which must not have its key.
    fn append(&mut self, object: Token, key: &str, value: &str) {
        let close = object.end() - 1;
        let first = members(self.text, object.start()).next().is_none();
        let comma = if first { "" } else { "," };
        self.replace(close..close, format!("{comma}{}:{value}", quoted(key)));
    }

    /// The text with all replacements.
    pub(crate) fn finish(mut self) -> String {
        // They were noted in the order of their finding; cutting goes from left to right.
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

/// The document with another value at a pointer, or without one there; `None` if the objects on
/// the way are not there, the document itself is to be removed, or it is no pointer.
pub(crate) fn with_value_at(json: &Json, pointer: &str, new: Option<&Json>) -> Option<Json> {
    let text = json.as_str();
    let mut parts = pointer::parts(pointer)?;
    let Some(last) = parts.pop() else {
        return new.cloned();
    };
    let mut object = value(text.as_bytes(), 0)?;
    for part in parts {
        object = member(text, object, part.key())?;
    }
    if object.kind() != Kind::Object {
        return None;
    }
    let mut edits = Edits::new(text);
    match (member(text, object, last.key()), new) {
        (Some(old), Some(new)) => edits.replace(old.range(), new.as_str()),
        (Some(old), None) => edits.remove(object.start(), |value| value.start() == old.start()),
        (None, Some(new)) => edits.append(object, last.key(), new.as_str()),
        (None, None) => return Some(json.clone()),
    }
    Some(Json::from_valid(&edits.finish()))
}

fn member(text: &str, object: Token, key: &str) -> Option<Token> {
    if object.kind() != Kind::Object {
        return None;
    }
    members(text, object.start()).find(|(name, _)| name.means(text, key)).map(|(_, value)| value)
}

/// A JSON object that is put together or changed member by member, each key once. Values are JSON
/// text and stay as spelled.
#[derive(Debug, Default)]
pub(crate) struct ObjectEdit {
    members: Vec<(String, String)>,
}

// A library without any feature only puts objects together.
#[cfg_attr(not(feature = "checkpoint"), allow(dead_code))]
impl ObjectEdit {
    /// The members of a value, in order; none for other kinds than objects.
    pub(crate) fn of(value: &Json) -> Self {
        let text = value.as_str();
        let open = if value.kind() == Kind::Object { 0 } else { text.len() };
        let members = members(text, open)
            .map(|(key, value)| (key.decode(text).into_owned(), value.raw(text).to_owned()))
            .collect();
        ObjectEdit { members }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Json)> {
        self.members.iter().map(|(key, value)| (key.as_str(), Json::from_valid(value)))
    }

    pub(crate) fn get(&self, key: &str) -> Option<Json> {
        let (_, value) = self.members.iter().find(|(name, _)| name == key)?;
        Some(Json::from_valid(value))
    }

    /// Sets a member where it stands, or as the last one; `None` removes it.
    pub(crate) fn set(&mut self, key: &str, value: Option<&Json>) {
        let place = self.members.iter().position(|(name, _)| name == key);
        match (place, value) {
            (Some(at), Some(value)) => value.as_str().clone_into(&mut self.members[at].1),
            (Some(at), None) => drop(self.members.remove(at)),
            (None, Some(value)) => {
                self.members.push((key.to_owned(), value.as_str().to_owned()));
            }
            (None, None) => {}
        }
    }

    /// Adds a member. Gives `false` and adds nothing if the key is there.
    pub(crate) fn push(&mut self, key: &str, value: impl Into<String>) -> bool {
        if self.members.iter().any(|(known, _)| known == key) {
            return false;
        }
        self.members.push((key.to_owned(), value.into()));
        true
    }

    /// Adds an object as a member, unless it is empty. Gives `false` if it found no place.
    pub(crate) fn nest(&mut self, key: &str, object: &ObjectEdit) -> bool {
        object.members.is_empty() || self.push(key, object.finish())
    }

    /// The text of the object.
    pub(crate) fn finish(&self) -> String {
        let length = |(key, value): &(String, String)| key.len() + value.len() + 4;
        let mut out = Vec::with_capacity(2 + self.members.iter().map(length).sum::<usize>());
        out.push(b'{');
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

    pub(crate) fn into_json(self) -> Json {
        Json::from_valid(&self.finish())
    }
}

/// A JSON string that means `text`.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_text(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, pointer: &str, new: Option<&str>) -> Option<String> {
        let new = new.map(Json::from_valid);
        let json = with_value_at(&Json::from_valid(json), pointer, new.as_ref())?;
        Some(json.as_str().to_owned())
    }

    #[test]
    fn a_value_is_set_and_removed_where_it_stands() {
        let json = r#"{"a":1.50,"b":{"c/d":2,"~":3},"e":[]}"#;
        for (pointer, new, expected) in [
            ("/a", Some("2.0"), r#"{"a":2.0,"b":{"c/d":2,"~":3},"e":[]}"#),
            ("/a", None, r#"{"b":{"c/d":2,"~":3},"e":[]}"#),
            ("/b/c~1d", None, r#"{"a":1.50,"b":{"~":3},"e":[]}"#),
            ("/b/~0", None, r#"{"a":1.50,"b":{"c/d":2},"e":[]}"#),
            ("/e", None, r#"{"a":1.50,"b":{"c/d":2,"~":3}}"#),
            ("/b/n", Some("null"), r#"{"a":1.50,"b":{"c/d":2,"~":3,"n":null},"e":[]}"#),
            ("/none", None, json),
            ("", Some("7"), "7"),
        ] {
            assert_eq!(at(json, pointer, new).as_deref(), Some(expected), "{pointer}");
        }
        assert_eq!(at("{}", "/a", Some("1")).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(at(r#"{"a":1}"#, "/a", None).as_deref(), Some("{}"));
    }

    #[test]
    fn there_is_no_place_below_what_is_no_object() {
        for pointer in ["/e/0", "/a/x", "/none/x", "a", "/~", "/a~2", "/~/a"] {
            assert_eq!(at(r#"{"a":1,"e":[5]}"#, pointer, Some("1")), None, "{pointer}");
        }
        assert_eq!(at("[1]", "/0", Some("1")), None);
        assert_eq!(at("{}", "", None), None);
    }

    #[test]
    fn members_go_with_one_comma_each_wherever_they_stand() {
        let text = r#"{"a":1, "b":2 ,"c":3,"d":4}"#;
        for (gone, expected) in [
            ("", text),
            ("1", r#"{"b":2 ,"c":3,"d":4}"#),
            ("12", r#"{"c":3,"d":4}"#),
            ("3", r#"{"a":1, "b":2,"d":4}"#),
            ("24", r#"{"a":1 ,"c":3}"#),
            ("134", r#"{"b":2}"#),
            ("1234", "{}"),
        ] {
            let mut edits = Edits::new(text);
            edits.remove(0, |value| gone.contains(value.raw(text)));
            let left = edits.finish();
            let compact = |text: &str| text.replace(' ', "");
            assert_eq!(compact(&left), compact(expected), "{gone}");
            assert!(left.parse::<Json>().is_ok(), "{left}");
        }
    }

    #[test]
    fn an_object_keeps_order_and_spelling() {
        let json = Json::from_valid(r#"{"a":1.50,"\u0062":[1e2],"c":"x"}"#);
        let mut object = ObjectEdit::of(&json);
        object.set("c", None);
        object.set("b", Some(&Json::from(true)));
        object.set("d", Some(&Json::from_valid("12.0")));
        assert!(!object.push("a", "2"));
        assert!(object.nest("empty", &ObjectEdit::default()));
        assert_eq!(object.into_json().as_str(), r#"{"a":1.50,"b":true,"d":12.0}"#);
        assert_eq!(ObjectEdit::of(&Json::from_valid("[1]")).finish(), "{}");
    }
}
