//! Counting what a migration did, in bounded memory.

use coordination_protocol::version::Loss;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The maximum number of kinds of loss that are counted apart: input decides on the kinds, so without a
/// bound it could fill the memory.
pub(super) const KINDS: usize = 1000;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) records: u64,
    pub(super) changed: u64,
    pub(super) dropped: u64,
    pub(super) refused: u64,
    /// How often something was lost, and in which line first.
    losses: BTreeMap<String, (u64, u64)>,
}

impl Tally {
    pub(super) fn lose(&mut self, loss: &Loss, line: u64) {
        let kind = format!("{} is lost: {}", loss.what, loss.reason);
        let room = self.losses.len() < KINDS || self.losses.contains_key(&kind);
        let kind = if room { kind } else { "other losses".to_owned() };
        self.losses.entry(kind).or_insert((0, line)).0 += 1;
    }

    /// Whether the output differs from the input.
    pub(super) fn differs(&self) -> bool {
        self.changed + self.dropped > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { records, changed, dropped, refused, losses } = self;
        let plural = if *records == 1 { "" } else { "s" };
        writeln!(
            f,
            "{records} record{plural}: {changed} changed, {dropped} dropped, {refused} not migrated"
        )?;
        for (kind, (times, line)) in losses {
            match times {
                1 => writeln!(f, "  once, in line {line}: {kind}")?,
                _ => writeln!(f, "  {times} times, first in line {line}: {kind}")?,
            }
        }
        Ok(())
    }
}
