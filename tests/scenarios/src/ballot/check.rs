//! What was proposed, voted, stored and said.

use super::seats::LAST;
use super::{NEEDED, STORE, VOTERS};
use coordination_protocol::machine::BallotRecord;
use coordination_protocol::scalar::Instant;
use coordination_protocol::sim::{Check, SimEvent, SimEventKind, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ONE: &str = "one state for each version";
const QUORUM: &str = "what is stored had a quorum";
const SAYS: &str = "who ends says what the store says";
const BOUND: &str = "a voter approves of one state at a time";
const CALM: &str = "a proposal without rivals is committed and learned";
const LEARNS: &str = "who voted for a decision learns it or gives up asking";

/// How long a ballot is open.
const OPEN: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Minutes {
    /// When each was proposed, for which version.
    proposed: BTreeMap<String, (Instant, String)>,
    /// Each proposed state.
    states: BTreeMap<String, String>,
    /// What each voter said of each proposal first.
    votes: BTreeMap<(String, String), (Instant, bool)>,
    /// The proposal that the store holds of each version.
    stored: BTreeMap<String, String>,
    /// What its proposer said commits nothing.
    failed: BTreeSet<String>,
    /// Who learned or gave up which version.
    settled: BTreeSet<(String, String)>,
    learned: BTreeSet<(String, String)>,
    wiped: BTreeSet<String>,
    /// A wall clock jumped: what deadlines mean differs between nodes.
    shifted: bool,
    /// The store lost its disk.
    void: bool,
}

fn wrong(invariant: &'static str, why: impl Into<String>) -> Result<(), Violation> {
    Err(Violation::new(invariant, why))
}

impl Minutes {
    fn mark(&mut self, at: Instant, node: &str, word: &str, text: &str) -> Result<(), Violation> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "proposes" => {
                let (version, state) = rest.split_once(' ').unwrap_or((rest, ""));
                self.proposed.insert(first.to_owned(), (at, version.to_owned()));
                self.states.insert(first.to_owned(), state.to_owned());
            }
            "votes" => return self.vote(at, node, first, rest == "accept"),
            "stores" => return self.store(first, rest),
            "ended" => return self.end_of(first, rest),
            "gives-up" => {
                self.settled.insert((node.to_owned(), first.to_owned()));
            }
            "learns" => {
                if self.stored.get(first).is_none_or(|id| id != rest) {
                    return wrong(SAYS, format!("{node} learns {rest} of version {first}"));
                }
                self.settled.insert((node.to_owned(), first.to_owned()));
                self.learned.insert((node.to_owned(), first.to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    fn vote(&mut self, at: Instant, node: &str, id: &str, accepts: bool) -> Result<(), Violation> {
        let key = (node.to_owned(), id.to_owned());
        if self.votes.contains_key(&key) {
            return Ok(());
        }
        let version = |id: &str| self.proposed.get(id).map(|(_, version)| version.clone());
        let decided = version(id).is_some_and(|version| self.stored.contains_key(&version));
        let exempt = self.shifted || decided || self.wiped.contains(node) || !accepts;
        for ((who, other), (_, accepted)) in &self.votes {
            let open = self.proposed.get(other).is_some_and(|(since, _)| at.since(*since) < OPEN);
            let differs = self.states.get(id) != self.states.get(other);
            let rival = who == node && *accepted && version(other) == version(id) && differs;
            if rival && open && !exempt && !self.failed.contains(other) {
                return wrong(BOUND, format!("{node} accepts {id} and is bound to {other}"));
            }
        }
        self.votes.insert(key, (at, accepts));
        Ok(())
    }

    fn store(&mut self, version: &str, value: &str) -> Result<(), Violation> {
        let record: Option<BallotRecord> = serde_json::from_str(value).ok();
        let Some(record) = record else { return wrong(QUORUM, "what is stored is no decision") };
        let id = record.proposal.proposal_id.to_string();
        if let Some(before) = self.stored.insert(version.to_owned(), id.clone()) {
            return wrong(ONE, format!("version {version} was {before} and is {id}"));
        }
        if self.failed.contains(&id) {
            return wrong(SAYS, format!("{id} failed and is stored"));
        }
        let accepted = |name: &str| {
            self.votes.get(&(name.to_owned(), id.clone())).is_some_and(|(_, accepts)| *accepts)
        };
        let weights = VOTERS.iter().filter(|(name, _)| accepted(name));
        let weight: u64 = weights.map(|(_, weight)| u64::from(*weight)).sum();
        if weight < NEEDED {
            return wrong(QUORUM, format!("{id} is stored with a weight of {weight}"));
        }
        Ok(())
    }

    fn end_of(&mut self, id: &str, how: &str) -> Result<(), Violation> {
        let parts: Vec<&str> = how.split(' ').collect();
        match parts[..] {
            ["committed" | "conflict", version, said] => {
                let stored = self.stored.get(version);
                let state = |id| self.states.get(id);
                let same = stored.is_some_and(|stored| state(stored.as_str()) == state(id));
                if stored.is_none_or(|stored| stored != said) || same != (parts[0] == "committed") {
                    return wrong(SAYS, format!("{id} is {how}, the store holds {stored:?}"));
                }
            }
            _ if self.stored.values().any(|stored| stored == id) => {
                return wrong(SAYS, format!("{id} is {how}, and stored"));
            }
            _ => drop(self.failed.insert(id.to_owned())),
        }
        Ok(())
    }
}

impl Check for Minutes {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        match event.kind {
            _ if self.void => {}
            SimEventKind::Marked { word, text } => {
                return self.mark(event.at, event.node, word, text);
            }
            SimEventKind::Shifted(_) => self.shifted = true,
            SimEventKind::Crashed { wiped: true } if event.node == STORE => self.void = true,
            SimEventKind::Crashed { wiped: true } => {
                // What it voted against it may approve of now, if that vote was not counted.
                self.votes.retain(|(who, _), (_, accepts)| who != event.node || *accepts);
                self.wiped.insert(event.node.to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _: Instant) -> Result<(), Violation> {
        if self.void {
            return Ok(());
        }
        let alone = self.proposed.values().any(|(_, version)| *version == LAST.to_string());
        for (name, _) in VOTERS {
            if alone
                && !self.learned.contains(&(name.to_owned(), LAST.to_string()))
                && !self.shifted
            {
                return wrong(CALM, format!("{name} never learns it"));
            }
        }
        for ((node, id), (_, accepts)) in &self.votes {
            let version = self.stored.iter().find(|(_, stored)| *stored == id);
            if let Some((version, _)) = version
                && *accepts
                && !self.wiped.contains(node)
                && !self.settled.contains(&(node.clone(), version.clone()))
            {
                return wrong(LEARNS, format!("{node} voted for {id}"));
            }
        }
        Ok(())
    }
}
