//! Integration tests.

#![allow(clippy::disallowed_methods, reason = "tests may start threads and read the clock")]

#[cfg(feature = "cli")]
mod coord;
mod layers;
mod registry;
mod route;
mod scalar;
