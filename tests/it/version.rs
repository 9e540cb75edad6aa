//! Versions: agreeing, announcing, migrating.

#[cfg(feature = "schema")]
mod breaking;
mod deprecation;
mod encode;
mod matrix;
mod migrate;
mod negotiate;
