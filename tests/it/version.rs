//! Versions: agreeing, announcing, migrating.

mod negotiate;
