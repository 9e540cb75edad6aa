//! Versions: agreeing, announcing, migrating.

mod deprecation;
mod matrix;
mod migrate;
mod negotiate;
