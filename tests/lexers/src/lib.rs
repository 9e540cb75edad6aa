//! The oracles of the readers in [`coordination_protocol::scan`]: what stands in the fences of a
//! document is what a CommonMark parser says, and what a command gets is what a shell passes to it.
//!
//! `COORD_TEST_SCALE` multiplies the number of cases.
#![cfg(test)]
#![allow(clippy::cast_possible_truncation, reason = "below a bound that fits")]

mod fences;
mod words;

#[allow(dead_code, reason = "shared with the crate's own tests")]
#[path = "../../it/support.rs"]
mod support;
