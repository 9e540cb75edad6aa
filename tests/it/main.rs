//! Integration tests.

#![allow(clippy::disallowed_methods, reason = "tests may start threads and read the clock")]

#[cfg(feature = "cli")]
mod coord;
mod events;
mod fuzz_corpus;
mod hostile;
mod json;
mod layers;
mod registry;
mod route;
mod scalar;
mod support;
