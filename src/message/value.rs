//! The values that fields hold: read from the tape, written as JSON.

use crate::codec::{Node, Untyped};
use crate::event::field::Field;
use crate::event::{JsonObject, PhaseId};
use crate::json::{Json, Map, write_text};
#[allow(clippy::wildcard_imports, reason = "every scalar is a value")]
use crate::scalar::*;
use crate::spec::{ObjectSpec, vocabulary_table};

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

impl<T: Value> Value for Map<T> {
    fn read(node: Node<'_>) -> Option<Self> {
        let items = node.sound().map(|child| Some((child.key(), T::read(child)?)));
        items.collect::<Option<_>>().map(Map::from_valid)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (key, value)) in self.iter().enumerate() {
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
