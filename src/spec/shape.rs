//! What the types that the tables name look like on the wire.
//!
//! The tables write a field's type as Rust does, `Map<Amount>` or `Vec<Conflict>`. Here each such
//! name stands for a [`Shape`], with no value behind it: scalars are the real ones, everything that is
//! typed further up is a name of the same spelling. So the reader knows all fields without knowing a
//! single type of a message, and a row still says a type once.

use super::field::{FieldType, vocabulary_table};
use super::object::Shape;
use crate::json::Json;
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;
use std::marker::PhantomData;

/// A type of a field.
pub(crate) trait HasShape {
    const SHAPE: Shape;
}

/// A JSON object of any content.
pub(crate) struct JsonObject;
/// The number of a phase, or its name.
pub(crate) struct PhaseId;
/// The version of a state; its values are [`Count`]s.
pub(crate) struct StateVersion;
/// Values by a key of the writer's choice.
pub(crate) struct Map<T>(PhantomData<T>);
/// A list of strings.
pub(crate) type TextList = Vec<String>;

/// What a list may hold. Lists of strings are values of their own.
pub(crate) trait Element: HasShape {}
impl Element for Json {}
impl Element for Digest {}
impl Element for Window {}

impl<T: Element> HasShape for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: HasShape> HasShape for Map<T> {
    const SHAPE: Shape = Shape::Map(&T::SHAPE);
}

macro_rules! leaves {
    ($($leaf:ident: $($type:ty)+;)+) => { $($(
        impl HasShape for $type {
            const SHAPE: Shape = Shape::Leaf(FieldType::$leaf);
        }
    )+)+ };
}
leaves! {
    Json: Json;
    Object: JsonObject;
    Bool: bool;
    Text: String;
    TextList: TextList;
    Id: WorkflowId Phase RequestId ResponseId ErrorId MessageId CorrelationId AllocationId
        CheckpointId TaskId AgentId ComponentId ConflictId RecoveryId ProposalId;
    Phase: PhaseId;
    Span: Span;
    Timestamp: Timestamp;
    Window: Window;
    ByteSize: ByteSize;
    Digest: Digest;
    Version: ComponentVersion;
    ProtocolVersion: ProtocolVersion;
    Number: Quantity;
    Amount: Amount;
    Count: Count;
    StateVersion: StateVersion;
    Percent: Percent;
    Ratio: Ratio;
}

macro_rules! words {
    (; vocabularies $($name:ident $word:literal $noun:literal)+) => {
        leaves! { $($name: $name;)+ }
    };
}
vocabulary_table! { words {} }
