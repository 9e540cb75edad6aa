//! Integration tests.

#[cfg(feature = "cli")]
mod coord;
mod layers;
mod registry;
mod scalar;
