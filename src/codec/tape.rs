//! Where the known values of a checked document are.
//!
//! The reader walks a document once. What it recognizes it notes here, in the order of the text, so
//! that typed values are made without looking at the text again.

use super::frame::NO_ENTRY;
use crate::json::{Json, Kind, Stored, Token, value_at};
use crate::spec::Misfit;
use smol_str::SmolStr;

/// No place in the object's specification: an extra field, or an element of a list.
pub(crate) const NO_PLACE: u16 = u16::MAX;

/// The value has the wrong kind or range, so no type can hold it. What the rest says is still read,
/// so that everything wrong is found at once.
pub(crate) const SPOILT: u16 = u16::MAX - 1;

/// One value. Small, since a message has dozens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    value: Stored,
    /// Where the key starts; for an element of a list, where the value does.
    key: u32,
    /// The entry behind everything inside the value.
    next: u32,
    /// The place of the member in its object's specification.
    place: u16,
}

/// Takes down what the reader recognizes; or nothing, if only the verdict is wanted.
pub(crate) trait Tape {
    const KEEPS: bool;

    /// The value that is read starts at `start`.
    fn root(&mut self, start: usize) -> u32;

    fn push(&mut self, key: Token, value: Token, place: u16) -> u32;

    /// The value of an entry has ended.
    fn close(&mut self, entry: u32, value: Token);

    /// The value of an entry does not fit; texts that only cannot be read are kept.
    fn spoil(&mut self, entry: u32, misfit: Misfit);

    /// The member of the root that stands at a place becomes an extra field.
    fn displace(&mut self, place: u16);
}

/// Keeps nothing.
pub(crate) struct NoTape;

impl Tape for NoTape {
    const KEEPS: bool = false;

    #[inline]
    fn root(&mut self, _: usize) -> u32 {
        NO_ENTRY
    }

    #[inline]
    fn push(&mut self, _: Token, _: Token, _: u16) -> u32 {
        0
    }

    #[inline]
    fn close(&mut self, _: u32, _: Token) {}

    #[inline]
    fn spoil(&mut self, _: u32, _: Misfit) {}

    fn displace(&mut self, _: u16) {}
}

impl Tape for Vec<Entry> {
    const KEEPS: bool = true;

    #[inline]
    fn root(&mut self, start: usize) -> u32 {
        let place = Token::new(Kind::Object, start, start);
        Tape::push(self, place, place, NO_PLACE)
    }

    #[inline]
    fn push(&mut self, key: Token, value: Token, place: u16) -> u32 {
        let at = self.len() as u32;
        let key = key.start() as u32;
        Vec::push(self, Entry { value: value.into(), key, next: at + 1, place });
        at
    }

    #[inline]
    fn close(&mut self, entry: u32, value: Token) {
        let next = self.len() as u32;
        if let Some(entry) = self.get_mut(entry as usize) {
            entry.value = value.into();
            entry.next = next;
        }
    }

    #[cold]
    fn spoil(&mut self, entry: u32, misfit: Misfit) {
        if matches!(misfit, Misfit::Kind | Misfit::Range | Misfit::Identifier)
            && let Some(entry) = self.get_mut(entry as usize)
        {
            entry.place = SPOILT;
        }
    }

    fn displace(&mut self, place: u16) {
        // Behind the root itself; every member so far is closed.
        let mut at = 1;
        while let Some(entry) = self.get_mut(at) {
            if entry.place == place {
                entry.place = NO_PLACE;
                return;
            }
            at = entry.next as usize;
        }
    }
}

/// Where the required fields of an event line are, and where the others start. A line has its own
/// tape, because it has one level and a place in the record for each of its few fields: it allocates
/// nothing, and is copied with its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    pub(crate) fields: [Option<Token>; Slots::MAX],
    /// Where the first key starts that is not required; beyond the data if there is none.
    pub(crate) extras_from: usize,
}

impl Slots {
    /// The registry requires at most this many fields of one type.
    pub(crate) const MAX: usize = 4;

    pub(super) const fn new() -> Self {
        Slots { fields: [None; Slots::MAX], extras_from: usize::MAX }
    }
}

impl Tape for Slots {
    const KEEPS: bool = true;

    #[inline]
    fn root(&mut self, _: usize) -> u32 {
        NO_ENTRY
    }

    #[inline]
    fn push(&mut self, key: Token, _: Token, place: u16) -> u32 {
        if place == NO_PLACE {
            self.extras_from = self.extras_from.min(key.start());
            return NO_ENTRY;
        }
        u32::from(place)
    }

    #[inline]
    fn close(&mut self, entry: u32, value: Token) {
        if let Some(field) = self.fields.get_mut(entry as usize) {
            *field = Some(value);
        }
    }

    /// A value that no type holds is not read; the line keeps its spelling.
    #[inline]
    fn spoil(&mut self, _: u32, _: Misfit) {}

    #[cold]
    fn displace(&mut self, _: u16) {}
}

/// A field that has no typed form, though interop mode let it pass: its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Untyped(pub(crate) &'static str);

/// One value on the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'t> {
    pub(crate) text: &'t str,
    pub(crate) tape: &'t [Entry],
    pub(crate) at: usize,
}

impl<'t> Node<'t> {
    #[inline]
    fn entry(&self) -> &'t Entry {
        &self.tape[self.at]
    }

    #[inline]
    pub(crate) fn value(&self) -> Token {
        self.entry().value.into()
    }

    /// The key, or nothing for an element.
    fn key_token(&self) -> Option<Token> {
        let at = self.entry().key as usize;
        let member = at != self.value().start();
        if member { value_at(self.text.as_bytes(), at) } else { None }
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    #[inline]
    pub(crate) fn place(&self) -> u16 {
        self.entry().place
    }

    pub(crate) fn key(&self) -> SmolStr {
        self.key_token().map_or(SmolStr::default(), |key| SmolStr::from(key.decode(self.text)))
    }

    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.key_token().is_some_and(|token| token.means(self.text, key))
    }

    /// The key; empty for an element.
    pub(crate) fn name(&self) -> String {
        self.key_token().map_or(String::new(), |key| key.decode(self.text).into_owned())
    }

    pub(crate) fn raw(&self) -> &'t str {
        self.value().raw(self.text)
    }

    pub(crate) fn json(&self) -> Json {
        Json::from_valid(self.raw())
    }

    pub(crate) fn kind(&self) -> Kind {
        self.value().kind()
    }

    /// The values directly inside, as far as a type can hold them.
    #[inline]
    pub(crate) fn sound(&self) -> impl Iterator<Item = Node<'t>> + use<'t> {
        self.children().filter(|child| child.place() != SPOILT)
    }

    /// The values directly inside.
    #[inline]
    pub(crate) fn children(&self) -> Children<'t> {
        Children { node: Node { at: self.at + 1, ..*self }, end: self.entry().next as usize }
    }

    /// The member at a place of the object's specification.
    pub(crate) fn member(&self, place: u16) -> Option<Node<'t>> {
        self.children().find(|child| child.place() == place)
    }
}

/// Iterator of [`Node::children`].
pub(crate) struct Children<'t> {
    node: Node<'t>,
    end: usize,
}

impl<'t> Iterator for Children<'t> {
    type Item = Node<'t>;

    #[inline]
    fn next(&mut self) -> Option<Node<'t>> {
        if self.node.at >= self.end {
            return None;
        }
        let child = self.node;
        self.node.at = child.entry().next as usize;
        Some(child)
    }
}
