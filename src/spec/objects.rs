//! The documents and their parts as data, from the table.

use super::object::{MemberSpec, ObjectSpec, Requirement, Shape, V1_0_0, V1_1_0};
use super::object_table::object_table;
use super::shape::{Element, HasShape, Map, PhaseId, StateVersion};
use crate::json::Json;
#[allow(clippy::wildcard_imports, reason = "the rows name most scalars")]
use crate::scalar::*;

/// The wire name of a field.
macro_rules! wire {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire:literal) => {
        $wire
    };
}
pub(crate) use wire;

/// The version that introduced a field.
macro_rules! since {
    () => {
        &V1_0_0
    };
    ($since:ident) => {
        &$since
    };
}

macro_rules! objects {
    ($(
        $summary:literal
        $name:ident {
            $(essential { $($essential:ident $(as $essential_wire:literal)? : $essential_type:ty, $essential_doc:literal;)+ })?
            $(required { $($required:ident $(as $required_wire:literal)? : $required_type:ty, $required_doc:literal;)+ })?
            $(recommended { $($recommended:ident since $recommended_since:ident : $recommended_type:ty, $recommended_doc:literal;)+ })?
            $(optional { $($optional:ident $setter:ident $(since $optional_since:ident)? : $optional_type:ty, $optional_doc:literal;)+ })?
        }
    )+) => { $(
        pub(crate) struct $name;

        impl $name {
            pub(crate) const SPEC: &'static ObjectSpec = &ObjectSpec::new(stringify!($name), $summary, { const MEMBERS: &[MemberSpec] = &[
                $($(MemberSpec {
                    name: wire!($essential $($essential_wire)?),
                    summary: $essential_doc,
                    shape: <$essential_type as HasShape>::SHAPE,
                    requirement: Requirement::Essential,
                    since: &V1_0_0,
                },)+)?
                $($(MemberSpec {
                    name: wire!($required $($required_wire)?),
                    summary: $required_doc,
                    shape: <$required_type as HasShape>::SHAPE,
                    requirement: Requirement::Required,
                    since: &V1_0_0,
                },)+)?
                $($(MemberSpec {
                    name: stringify!($recommended),
                    summary: $recommended_doc,
                    shape: <$recommended_type as HasShape>::SHAPE,
                    requirement: Requirement::Recommended,
                    since: since!($recommended_since),
                },)+)?
                $($(MemberSpec {
                    name: stringify!($optional),
                    summary: $optional_doc,
                    shape: <$optional_type as HasShape>::SHAPE,
                    requirement: Requirement::Optional,
                    since: since!($($optional_since)?),
                },)+)?
            ]; MEMBERS });
        }

        impl HasShape for $name {
            const SHAPE: Shape = Shape::Object($name::SPEC);
        }

        impl Element for $name {}
    )+

    /// Every object of the protocol, in the order of the table.
    pub static OBJECTS: &[&ObjectSpec] = &[$($name::SPEC),+];
    };
}
object_table!(objects);
