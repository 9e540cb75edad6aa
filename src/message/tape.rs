//! Where the known values of a checked document are.
//!
//! The reader walks a document once. What it recognizes it notes here, in the order of the text, so
//! that typed values are made without looking at the text again.

use crate::event::field::Misfit;
use crate::json::{Json, Kind, Stored, Token, value_at};
use smol_str::SmolStr;

/// No place in the object's specification: an extra field, or an element of a list.
pub(super) const NO_PLACE: u16 = u16::MAX;

/// The value has the wrong kind or range, so no type can hold it. What the rest says is still read,
/// so that everything wrong is found at once.
pub(super) const SPOILT: u16 = u16::MAX - 1;

/// One value. Small, since a message has dozens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    value: Stored,
    /// Where the key starts; for an element of a list, where the value does.
    key: u32,
    /// The entry behind everything inside the value.
    next: u32,
    /// The place of the member in its object's specification.
    place: u16,
}

/// Takes down what the reader recognizes; or nothing, if only the verdict is wanted.
pub(super) trait Tape {
    const KEEPS: bool;

    fn push(&mut self, key: Token, value: Token, place: u16) -> u32;

    /// The value of an entry has ended.
    fn close(&mut self, entry: u32, value: Token);

    /// The value of an entry does not fit; texts that only cannot be read are kept.
    fn spoil(&mut self, entry: u32, misfit: Misfit);

    /// The member of the root that stands at a place becomes an extra field.
    fn displace(&mut self, place: u16);
}

/// Keeps nothing.
pub(super) struct NoTape;

impl Tape for NoTape {
    const KEEPS: bool = false;

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

/// One value on the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'t> {
    pub(super) text: &'t str,
    pub(super) tape: &'t [Entry],
    pub(super) at: usize,
}

impl<'t> Node<'t> {
    #[inline]
    fn entry(&self) -> &'t Entry {
        &self.tape[self.at]
    }

    #[inline]
    pub(super) fn value(&self) -> Token {
        self.entry().value.into()
    }

    /// The key, or nothing for an element.
    fn key_token(&self) -> Option<Token> {
        let at = self.entry().key as usize;
        let member = at != self.value().start();
        if member { value_at(self.text.as_bytes(), at) } else { None }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    #[inline]
    pub(super) fn place(&self) -> u16 {
        self.entry().place
    }

    pub(super) fn key(&self) -> SmolStr {
        self.key_token().map_or(SmolStr::default(), |key| SmolStr::from(key.decode(self.text)))
    }

    pub(super) fn has_key(&self, key: &str) -> bool {
        self.key_token().is_some_and(|token| token.means(self.text, key))
    }

    /// The key; empty for an element.
    pub(super) fn name(&self) -> String {
        self.key_token().map_or(String::new(), |key| key.decode(self.text).into_owned())
    }

    pub(super) fn raw(&self) -> &'t str {
        self.value().raw(self.text)
    }

    pub(super) fn json(&self) -> Json {
        Json::from_valid(self.raw())
    }

    pub(super) fn kind(&self) -> Kind {
        self.value().kind()
    }

    /// The values directly inside, as far as a type can hold them.
    #[inline]
    pub(super) fn sound(&self) -> impl Iterator<Item = Node<'t>> + use<'t> {
        self.children().filter(|child| child.place() != SPOILT)
    }

    /// The values directly inside.
    #[inline]
    pub(super) fn children(&self) -> Children<'t> {
        Children { node: Node { at: self.at + 1, ..*self }, end: self.entry().next as usize }
    }

    /// The member at a place of the object's specification.
    pub(super) fn member(&self, place: u16) -> Option<Node<'t>> {
        self.children().find(|child| child.place() == place)
    }
}

/// Iterator of [`Node::children`].
pub(super) struct Children<'t> {
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
