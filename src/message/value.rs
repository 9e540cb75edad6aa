//! The values that fields hold: read from the tape, written as JSON.

use crate::codec::{Node, Untyped};
use crate::event::field::Field;
use crate::event::{JsonObject, PhaseId};
use crate::json::{Json, write_text};
#[allow(clippy::wildcard_imports, reason = "every scalar is a value")]
use crate::scalar::*;
use crate::spec::{ObjectSpec, vocabulary_table};
use smol_str::SmolStr;

/// A value of a field.
pub(crate) trait Value: Sized {
    /// Reads a value that was found to fit; `None` where interop mode let a placeholder pass that
    /// no type holds.
    fn read(node: Node<'_>) -> Option<Self>;

    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! leaves {
    ($($type:ty)+) => { $(
        impl Value for $type {
            #[inline]
            fn read(node: Node<'_>) -> Option<Self> {
                Field::read(node.text(), node.value())
            }

            #[inline]
            fn write(&self, out: &mut Vec<u8>) {
                Field::write(self, out);
            }
        }
    )+ };
}
leaves! {
    bool String Vec<String> Json JsonObject PhaseId
    WorkflowId Phase RequestId ResponseId ErrorId MessageId CorrelationId AllocationId CheckpointId
    TaskId AgentId ComponentId ConflictId RecoveryId ProposalId
    Span Timestamp Window ByteSize Digest ComponentVersion ProtocolVersion
    Quantity Amount Count Percent Ratio
}

macro_rules! words {
    (; vocabularies $($name:ident $word:literal $noun:literal)+) => {
        leaves! { $($name)+ }
    };
}
vocabulary_table! { words {} }

/// An object of the table.
pub(crate) trait Object: Sized {
    const SPEC: &'static ObjectSpec;

    fn read_object(node: Node<'_>) -> Result<Self, Untyped>;

    /// Appends the members, without the braces; `first` tells whether none stands before them.
    fn write_members(&self, out: &mut Vec<u8>, first: bool) -> bool;
}

/// What a list may hold. Lists of strings are values of their own.
pub(crate) trait Element: Value {}
impl Element for Json {}
impl Element for Digest {}
impl Element for Window {}

impl<T: Element> Value for Vec<T> {
    fn read(node: Node<'_>) -> Option<Self> {
        node.sound().map(T::read).collect()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            item.write(out);
        }
        out.push(b']');
    }
}

/// Values by a key of the writer's choice, in their order.
///
/// ```
/// use coordination_protocol::message::Map;
/// use coordination_protocol::scalar::Amount;
///
/// let mut tools = Map::new();
/// tools.insert("bash", Amount::from(3));
/// assert_eq!(tools.get("bash"), Some(&Amount::from(3)));
/// assert_eq!(tools.insert("bash", Amount::from(4)), Some(Amount::from(3)));
/// assert_eq!(tools.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<T>(Vec<(SmolStr, T)>);

impl<T> Map<T> {
    /// An empty map.
    pub const fn new() -> Self {
        Map(Vec::new())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets the value of a key, and returns the one it had.
    pub fn insert(&mut self, key: &str, value: T) -> Option<T> {
        if let Some((_, old)) = self.0.iter_mut().find(|(name, _)| name == key) {
            return Some(std::mem::replace(old, value));
        }
        self.0.push((SmolStr::new(key), value));
        None
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Keys and values, to be changed; no key may be there twice.
    pub(crate) fn entries_mut(&mut self) -> &mut Vec<(SmolStr, T)> {
        &mut self.0
    }

    pub(crate) fn entries(&self) -> &[(SmolStr, T)] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map::new()
    }
}

impl<K: AsRef<str>, T> FromIterator<(K, T)> for Map<T> {
    /// Of equal keys, the last counts, at the place of the first.
    fn from_iter<I: IntoIterator<Item = (K, T)>>(items: I) -> Self {
        let mut entries: Vec<(SmolStr, T)> =
            items.into_iter().map(|(key, value)| (SmolStr::new(key), value)).collect();
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            return Map(entries);
        }
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0));
        let mut repeated = vec![false; entries.len()];
        let mut rest = &order[..];
        while let Some(&first) = rest.first() {
            let equal = rest.iter().take_while(|at| entries[**at].0 == entries[first].0).count();
            entries.swap(first, rest[equal - 1]);
            rest[1..equal].iter().for_each(|at| repeated[*at] = true);
            rest = &rest[equal..];
        }
        let mut repeated = repeated.into_iter();
        entries.retain(|_| !repeated.next().unwrap_or_default());
        Map(entries)
    }
}

impl<T: Value> Value for Map<T> {
    fn read(node: Node<'_>) -> Option<Self> {
        let items = node.sound().map(|child| Some((child.key(), T::read(child)?)));
        items.collect::<Option<_>>().map(Map)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(out, key);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }
}

/// A value that may be missing; notes the first that is there and cannot be read.
#[inline]
pub(super) fn read_member<T: Value>(
    node: Option<Node<'_>>,
    name: &'static str,
    untyped: &mut Option<Untyped>,
) -> Option<T> {
    let value = T::read(node?);
    if value.is_none() {
        untyped.get_or_insert(Untyped(name));
    }
    value
}

/// Appends a member.
pub(super) fn write_member<T: Value>(out: &mut Vec<u8>, first: &mut bool, key: &str, value: &T) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    value.write(out);
}
