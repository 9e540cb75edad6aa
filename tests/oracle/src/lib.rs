//! The oracle of the JSON Schemas: what the reader finds invalid in strict mode, on the levels
//! schema and content, an independent validator finds invalid by the schema, and nothing else.
//!
//! Messages and event data are grown from the tables, spoiled in a few places, as trees and as
//! bytes, and judged by both. Four classes are left out, as [`coordination_protocol::schema`] says:
//!
//! * keys that an object has twice: `serde_json::Value` keeps the last;
//! * numbers finer than a double: generated ones have at most 15 digits, or are exact doubles;
//! * amounts in texts near 2^64, which a pattern cannot compare;
//! * the reader's limits, which are set out of reach.
//!
//! The same judge tells whether a minor version of the protocol admits what the one before it
//! describes, and whether edits that [`coordination_protocol::schema::breaking`] passes refuse anything.
//!
//! `COORD_TEST_SCALE` multiplies the number of cases.
#![cfg(test)]
#![allow(clippy::cast_possible_truncation, reason = "below a bound that fits")]

mod grow;
mod judge;
mod lines;
mod messages;
mod others;
mod spoil;
#[allow(dead_code, reason = "shared with the crate's own tests")]
#[path = "../../it/support.rs"]
mod support;
mod texts;
mod versions;
