//! What the reader knows of one depth of a document: what should stand there, what does, and how
//! a finding says where.

use crate::json::{pointer, value_at};
use crate::spec::{CustomType, Misfit, ObjectSpec, Role, Shape};

/// What the specification expects of a value.
#[derive(Clone, Copy)]
pub(super) enum Expect<'c> {
    /// Nothing is known here.
    Ignore,
    /// Inside a message without a body: documents in it are looked for.
    Search,
    /// There, the value of a document's key. Anything but an object is a word that happens to be
    /// the same.
    Found(&'static ObjectSpec),
    /// A string of a list of strings.
    Item,
    Object(&'static ObjectSpec),
    /// The data of an event of the caller's own type.
    Custom(&'c CustomType),
    /// The data of an event in a document; its type tells what it holds.
    Data,
    /// In the data of an event, a part of its header said again: by its place in the event.
    Claim(usize),
    // By reference: a copy of a shape that was just written would wait for the writes.
    Shape(&'static Shape),
}

/// What an open container is, if it is what the specification expects.
#[derive(Clone, Copy)]
pub(super) enum Container<'c> {
    Other,
    Search,
    Object(&'static ObjectSpec),
    /// The data of an event of the caller's own type. No [`ObjectSpec`]: its names are not static.
    Custom(&'c CustomType),
    Map(&'static Shape),
    List,
}

impl Container<'_> {
    /// Whether it is the data of an event.
    #[inline]
    pub(super) fn is_data(&self) -> bool {
        match self {
            Container::Object(spec) => spec.role == Role::Data,
            Container::Custom(_) => true,
            _ => false,
        }
    }
}

/// The value at a depth has no entry on the tape.
pub(super) const NO_ENTRY: u32 = u32::MAX;

/// The container is no object, or has no key yet.
pub(super) const NO_KEY: u32 = u32::MAX;

/// Deeper than any document of the table reaches, even inside a request of the field.
pub(super) const LEVELS: usize = 20;

/// The data of an event line: the object, its fields, the items of a list. Deeper values may be
/// anything, and a line should not pay for frames that it never fills.
pub(super) const LINE_LEVELS: usize = 3;

/// The inside of an open container, and the value in it that is under way.
#[derive(Clone, Copy)]
pub(super) struct Frame<'c> {
    pub(super) container: Container<'c>,
    /// What the value should be.
    pub(super) expect: Expect<'c>,
    /// The members seen of the object.
    pub(super) seen: u64,
    /// Where the next member is looked for first.
    pub(super) next: u32,
    /// Where the container opens.
    pub(super) open: u32,
    /// Where the key of the value starts, if the container is an object.
    pub(super) key: u32,
    /// The place of the value, if the container is an array.
    pub(super) index: u32,
    /// The entry of the value.
    pub(super) entry: u32,
    /// What is wrong with the items of a list of strings.
    pub(super) misfit: Option<Misfit>,
}

pub(super) const IDLE: Frame<'_> = Frame {
    container: Container::Other,
    expect: Expect::Ignore,
    seen: 0,
    next: 0,
    open: 0,
    key: NO_KEY,
    index: 0,
    entry: NO_ENTRY,
    misfit: None,
};

/// The pointer of the value at a depth that is under way.
#[cold]
pub(super) fn pointer_of(text: &str, frames: &[Frame<'_>], depth: usize) -> String {
    let mut pointer = String::with_capacity(64);
    for frame in frames.iter().take(depth + 1).skip(1) {
        match value_at(text.as_bytes(), frame.key as usize) {
            Some(key) => pointer::push_key(&mut pointer, &key.decode(text)),
            None => pointer::push_key(&mut pointer, &frame.index.to_string()),
        }
    }
    pointer
}

/// Whether two names are equal. Names are short: a few words compared here cost less than a call.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(end_a), Some(end_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return a.iter().zip(b).all(|(a, b)| a == b);
    };
    let starts = a.chunks_exact(8).zip(b.chunks_exact(8)).all(|(a, b)| a == b);
    starts && end_a == end_b
}
