//! The oracle of the JSON Schemas: what the reader finds invalid in strict mode, on the levels
//! schema and content, an independent validator finds invalid by the schema, and nothing else.
//!
//! Messages and event data are grown from the tables, spoiled in a few places, as trees and as
//! bytes, and judged by both. What a schema cannot say, or cannot say to all validators alike, is left
//! out; [`coordination_protocol::schema`] has the table, and [`judge`] tells such cases by their texts.
//!
//! [`judges`] asks validators of two authors, and writes its cases for those of other languages:
//! `validators/run.py` hands them to one in Python and one in JavaScript.
//!
//! The same judge tells whether a minor version of the protocol admits what the one before it
//! describes, and whether edits that [`coordination_protocol::schema::breaking`] passes refuse anything.
//!
//! `COORD_TEST_SCALE` multiplies the number of cases.
#![cfg(test)]
#![allow(clippy::cast_possible_truncation, reason = "below a bound that fits")]

mod breaks;
mod grow;
mod judge;
mod judges;
mod lines;
mod messages;
mod others;
mod spoil;
#[allow(dead_code, reason = "shared with the crate's own tests")]
#[path = "../../it/support.rs"]
mod support;
mod texts;
mod versions;
