//! Counting what a migration did, in bounded memory.

use coordination_protocol::version::Loss;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

    /// For people: the counts, and a line for each kind of loss.
    pub(super) fn lines(&self) -> Vec<String> {
        let Tally { records, changed, dropped, refused, losses } = self;
        let plural = if *records == 1 { "" } else { "s" };
        let counts = format!(
            "{records} record{plural}: {changed} changed, {dropped} dropped, {refused} not migrated"
        );
        let lost = losses.iter().map(|(kind, (times, line))| match times {
            1 => format!("  once, in line {line}: {kind}"),
            _ => format!("  {times} times, first in line {line}: {kind}"),
        });
        std::iter::once(counts).chain(lost).collect()
    }
}
