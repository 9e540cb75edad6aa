//! Ballots over a bad network, and a store that is asked over the same network.

mod check;
mod seats;

use super::{component, names};
use check::Minutes;
use coordination_protocol::machine::{SplitMix64, VoterSet};
use coordination_protocol::sim::{Actor, Check, Conditions, Host, Scenario, Stimulus};
use seats::{Proposing, Storing, Voting};

const PROPOSERS: [&str; 2] = ["prop-1", "prop-2"];
/// The voters, and what their votes count for.
const VOTERS: [(&str, u32); 4] = [("voter-1", 2), ("voter-2", 1), ("voter-3", 1), ("voter-4", 1)];
const STORE: &str = "store";

/// The weight that has to accept: more than half.
const NEEDED: u64 = 3;
/// How many proposals there are of each version.
const RIVALS: u64 = 3;
/// The stimulus that proposes alone, when it is calm.
const ALONE: u64 = 0;

/// Two proposers put states of the same versions to four voters, and commit through a store that does
/// compare-and-set. What the store says is lost or late like everything else.
///
/// * There is one state for each version, ever, and what was stored had a quorum.
/// * Who ends says what the store says: what failed is never stored, what is committed or in conflict
///   is what stands there. So is what a voter learns.
/// * A voter approves of one state of a version at a time.
/// * When it is calm, a proposal that has no rival is committed, and all voters learn it. Who voted for
///   a decision learns it, or asks until it gives up.
///
/// Hosts store a snapshot when a machine asks for it, which takes a while; a crash loses what came since the last
/// one. The loss of a voter's disk frees it from its votes. Nothing is promised once the store has lost
/// its disk.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Ballots {}

impl Ballots {
    /// The world.
    pub fn new() -> Self {
        Ballots::default()
    }
}

impl Scenario for Ballots {
    fn name(&self) -> &'static str {
        "ballot"
    }

    fn summary(&self) -> &'static str {
        "proposers, voters and a store: one state for each version, and a quorum for what is stored"
    }

    fn nodes(&self) -> Vec<String> {
        [names(&PROPOSERS), names(&VOTERS.map(|(name, _)| name)), names(&[STORE])].concat()
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        match VOTERS.iter().find(|(name, _)| *name == host.name) {
            Some((_, weight)) => Box::new(Voting::new(host, *weight)),
            None if host.name == STORE => Box::new(Storing::new(host)),
            None => Box::new(Proposing::new(host)),
        }
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(Minutes::default())
    }

    fn conditions(&self) -> Conditions {
        Conditions::new().with_stimuli(36)
    }

    /// The rivals of a version propose at about the same time. The last proposal has none.
    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        let rounds = u64::from(conditions.stimuli).div_ceil(RIVALS).max(1);
        let length = conditions.calm / rounds;
        let one = |number: u64| {
            let node = PROPOSERS[draws.below(2) as usize];
            let start = (number - 1) / RIVALS * length;
            Stimulus::new(node, start + draws.below(length / 2 + 1), number)
        };
        let mut stimuli: Vec<Stimulus> = (1..=u64::from(conditions.stimuli)).map(one).collect();
        stimuli.push(Stimulus::new(PROPOSERS[0], conditions.calm + 240_000, ALONE));
        stimuli
    }
}

fn voters() -> VoterSet {
    VOTERS
        .iter()
        .fold(VoterSet::default(), |all, (name, weight)| all.with(component(name), *weight))
}
