//! Versions: agreeing, announcing, migrating.

mod matrix;
mod migrate;
mod negotiate;
