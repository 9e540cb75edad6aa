//! Versions: agreeing, announcing, migrating.

#[cfg(feature = "schema")]
mod breaking;
mod deprecation;
mod matrix;
mod migrate;
mod negotiate;
