//! What an object consists of, as data: read by the reader, the schema and `coord`.

use super::field::FieldType;
use crate::scalar::ProtocolVersion;

pub(crate) static V1_0_0: ProtocolVersion = ProtocolVersion::V1_0_0;
pub(crate) static V1_1_0: ProtocolVersion = ProtocolVersion::V1_1_0;

/// How much a field is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Requirement {
    /// Identity, or a word that tells what the message says: always an error if missing.
    Essential,
    /// Writers give it; readers in interop mode do without.
    Required,
    /// Writers give it; its absence is a warning in both modes.
    Recommended,
    /// Optional.
    Optional,
}

impl Requirement {
    /// All of them, the strictest first.
    pub const ALL: &'static [Requirement] = &[
        Requirement::Essential,
        Requirement::Required,
        Requirement::Recommended,
        Requirement::Optional,
    ];

    /// What it means, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Requirement::Essential => "Its absence is always an error.",
            Requirement::Required => "Writers give it; readers in interop mode do without.",
            Requirement::Recommended => "Writers give it; its absence is a warning in both modes.",
            Requirement::Optional => "It may be left out.",
        }
    }

    /// The word for lists: `essential`, `required`, `recommended` or `optional`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Requirement::Essential => "essential",
            Requirement::Required => "required",
            Requirement::Recommended => "recommended",
            Requirement::Optional => "optional",
        }
    }
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// A value without fields of its own.
    Leaf(FieldType),
    /// An object with named fields.
    Object(&'static ObjectSpec),
    /// A list of values of one shape.
    List(&'static Shape),
    /// An object with keys of the writer's choice and values of one shape.
    Map(&'static Shape),
}

impl Shape {
    /// What error messages call it.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Shape::Leaf(leaf) => leaf.noun(),
            Shape::Object(_) | Shape::Map(_) => "an object",
            Shape::List(_) => "a list",
        }
    }
}

/// One field of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberSpec {
    /// The key on the wire.
    pub name: &'static str,
    /// What it means, in one line.
    pub summary: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// How much it is required.
    pub requirement: Requirement,
    /// The protocol version that introduced it; in an object that is younger, the object's counts.
    pub since: &'static ProtocolVersion,
}

/// What the reader does beyond what the members say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    /// Exactly one member beyond the header.
    Envelope,
    /// The members of an event beside the header.
    Flat,
    /// The members of an event.
    Event,
    /// The data of an event: what is missing or too much in it has findings of its own, and it may
    /// repeat parts of the event's header.
    Data,
    /// `allocation_id` is also met one level up.
    AllocationResponse,
}

/// One object of the protocol: a document, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectSpec {
    /// The name of its Rust type.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Its fields: the essential first, then the required, the recommended, the optional.
    pub members: &'static [MemberSpec],
    pub(crate) role: Role,
    /// Names that the field writes instead, and the place of the member they stand for.
    pub(crate) aliases: &'static [(&'static str, usize)],
    /// The members, one bit each, by how much they are required.
    pub(crate) essential: u64,
    pub(crate) required: u64,
    pub(crate) recommended: u64,
}

impl MemberSpec {
    /// The type of its value; `None` for one that has fields or elements of its own.
    pub const fn field_type(&self) -> Option<FieldType> {
        match self.shape {
            Shape::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }
}

impl ObjectSpec {
    pub(crate) const fn new(
        name: &'static str,
        summary: &'static str,
        members: &'static [MemberSpec],
    ) -> Self {
        // The reader keeps one bit a member.
        assert!(members.len() <= 64);
        ObjectSpec {
            name,
            summary,
            members,
            role: if matches!(name.as_bytes(), b"AllocationResponse") {
                Role::AllocationResponse
            } else {
                Role::Plain
            },
            aliases: &[],
            essential: bits(members, Requirement::Essential),
            required: bits(members, Requirement::Required),
            recommended: bits(members, Requirement::Recommended),
        }
    }

    pub(crate) const fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    pub(crate) const fn with_aliases(mut self, aliases: &'static [(&'static str, usize)]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The member of a name.
    pub fn member(&self, name: &str) -> Option<&'static MemberSpec> {
        self.members.iter().find(|member| member.name == name)
    }
}

const fn bits(members: &[MemberSpec], requirement: Requirement) -> u64 {
    let mut bits = 0;
    let mut at = 0;
    while at < members.len() {
        if members[at].requirement as u8 == requirement as u8 {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
}

/// Two lists of members one behind the other.
pub(crate) const fn joined<const N: usize>(
    first: &[MemberSpec],
    second: &[MemberSpec],
) -> [MemberSpec; N] {
    assert!(first.len() + second.len() == N);
    let mut all = [if first.is_empty() { second[0] } else { first[0] }; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}
