//! A small world around the crate's own ballot machines, for a model checker to explore.
//!
//! The world is as bad as it can be. A message that was sent can be delivered at any time, to its
//! addressee, again and again, or never: so all loss, duplication and reordering is covered without
//! a bound. A write to the store that was begun can happen at any time, also after its proposer was
//! told that the store is not available, also twice. Timers fire at any time, each component's
//! clock on its own. A component that crashes forgets all but the snapshot that it was made to
//! store. Bounded are the crashes, and how many writes are answered with "not available".
//!
//! What makes the space small is a [`Reduction`]. Each can be left out, and `tests/reductions.rs`
//! holds that nothing is lost by it.
//!
//! A run that never ends would not be noticed: only states in which nothing can happen any more are
//! held to be ends.

mod laws;
mod node;
mod state;

use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Backoff, BallotOptions, BallotSlot, NewProposal, Proposer, Quorum, Voter, VoterSet,
};
use coordination_protocol::scalar::{Ballot, ComponentId, ProposalId, WorkflowId};
use node::{Node, Outbox, now};
pub use state::{Action, State};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is wrong with the world's hosts, so that the properties can be seen to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The store writes whatever is there: no compare-and-set.
    BlindPut,
    /// Nothing is stored before the machine is told that it is.
    NothingStored,
    /// The vote of each voter counts twice.
    CountedTwice,
    /// Proposers store that they propose, but not that they commit.
    CommitFirst,
    /// The first voter reads no epochs: to it, what is put back is the line that was given up.
    NoEpochs,
}

/// Why fewer states are told apart, or fewer steps taken, than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Voters are interchangeable: states that differ only in who is who count as one.
    Voters,
    /// What a component does depends only on itself, on what happens to it and on what the store
    /// holds, so it is worked out once.
    Effects,
    /// States are told apart by digests of 64 bits, of what matters of each component.
    Digests,
    /// A component stores its snapshot and reads the store in the same step in which the machine asks for it.
    /// While it waits for either, nothing leaves it and votes change nothing, so waiting is the
    /// same as having begun later.
    Steps,
    /// What has no effect any more is dropped: messages to a proposer whose ballot has ended, and
    /// stored snapshots, once no crash is left. No one crashes who would lose nothing.
    Dropping,
    /// Of what has ended, only the end counts. A proposer that takes no votes any more is told apart by what it
    /// waits for, and by how it ended, not by who had voted what: neither tallies nor reasons have an effect. A
    /// voter that knows the decision says it, whatever it had voted. Whether a write is approved is seen when it is
    /// begun, since votes are only added. A write that can only fail and is awaited by no one is dropped.
    Ends,
    /// Moments are told apart by how far ahead they are, and the wall clock by how long it is until each deadline,
    /// or that it has passed: machines compare, and read nothing else off a clock.
    Clocks,
    /// Which states a voter had accepted counts as long as another accepted state could break its promise. Once it
    /// was free of one of them, or knows the decision, none can, for neither is taken back.
    Promises,
}

/// How big a world is, and how bad.
#[derive(Clone, Debug)]
pub struct World {
    /// How many vote, with a weight of 1 each.
    pub voters: usize,
    /// How long the ballot of each proposer is open, in seconds. Each proposes a state of its own.
    pub open: Vec<u64>,
    /// By how many seconds the wall clock of each voter is ahead, negative if it is behind; 0 where none
    /// is given. Deadlines are told on wall clocks, so it decides how long a vote binds.
    pub ahead: Vec<i64>,
    /// The epoch that each proposer proposes for; 0 where none is given. Between two epochs the workflow
    /// was taken back, so that both decide on the same version anew.
    pub epochs: Vec<u64>,
    /// What a host may think of a proposal: any of these, each time.
    pub opinions: Vec<Ballot>,
    /// Who crashes, if anybody: all runs with one crash are those of each component in turn.
    pub crasher: Option<Who>,
    /// How often it crashes at most.
    pub crashes: u8,
    /// Whether a proposer's host also stores that it proposes, which it need not.
    pub early: bool,
    /// How many writes are answered with "not available" at most.
    pub lost_answers: u8,
    /// Without [`Reduction::Steps`]: how often a timer fires at most while its component waits for
    /// the host.
    pub hurries: u8,
    /// What is wrong with the hosts, if anything.
    pub flaw: Option<Flaw>,
    /// The reduction that is left out, if any.
    pub without: Option<Reduction>,
    outcomes: Option<Arc<Mutex<BTreeSet<String>>>>,
    proposing: Effects<Proposer>,
    voting: Effects<Voter>,
    /// The proposers that have ended for good, by what they were before.
    retired: Arc<Mutex<HashMap<u64, Arc<Node<Proposer>>>>>,
}

/// What components did, by what they were and what happened to them.
type Effects<M> = Arc<Mutex<HashMap<u64, Arc<(Arc<Node<M>>, Outbox)>>>>;

impl World {
    /// A world without crashes or losses of answers, in which all proposals please.
    #[must_use]
    pub fn new(voters: usize, open: &[u64]) -> Self {
        World {
            voters,
            open: open.to_vec(),
            ahead: Vec::new(),
            epochs: Vec::new(),
            opinions: vec![Ballot::Accept],
            crasher: None,
            crashes: 1,
            early: false,
            lost_answers: 0,
            hurries: 0,
            flaw: None,
            without: None,
            outcomes: None,
            proposing: Effects::default(),
            voting: Effects::default(),
            retired: Arc::default(),
        }
    }

    /// Notes what comes of it.
    #[must_use]
    pub fn noting(mut self) -> Self {
        self.outcomes = Some(Arc::default());
        self
    }

    /// What was noted of all states: how ballots had ended, what was stored, which laws were broken.
    ///
    /// # Panics
    /// If an exploration has panicked.
    #[must_use]
    pub fn outcomes(&self) -> BTreeSet<String> {
        self.outcomes.as_ref().map(|outcomes| outcomes.lock().unwrap().clone()).unwrap_or_default()
    }

    fn lacks(&self, reduction: Reduction) -> bool {
        self.without == Some(reduction)
    }

    fn options() -> BallotOptions {
        let retry = Backoff::new()
            .with_attempts(1)
            .with_base(Duration::from_millis(1))
            .with_cap(Duration::from_millis(1));
        BallotOptions::new().with_retry(retry)
    }

    /// The epoch that a proposer proposes for.
    pub(crate) fn epoch(&self, which: usize) -> u64 {
        self.epochs.get(which).copied().unwrap_or(0)
    }

    fn weight(&self) -> u32 {
        if self.flaw == Some(Flaw::CountedTwice) { 2 } else { 1 }
    }

    fn voter(&self, which: usize) -> Voter {
        let voter = Voter::new(name("v", which), 1).with_options(World::options());
        voter.with_weight(self.weight())
    }

    fn proposer(which: usize) -> Proposer {
        Proposer::new(name("p", which), 1).with_options(World::options())
    }

    fn motion(&self, which: usize) -> NewProposal {
        let voters = (0..self.voters).map(|voter| name("v", voter));
        let electorate = voters
            .fold(VoterSet::default(), |electorate, voter| electorate.with(voter, self.weight()));
        let needed = Quorum::MAJORITY.needed(u64::try_from(self.voters).unwrap());
        NewProposal::new(slot(self.epoch(which)), proposed(which), electorate, now(0), [0; 10])
            .with_id(proposal(which))
            .with_quorum(Quorum::weight(needed))
            .with_open(Duration::from_secs(self.open[which]))
    }
}

fn name(kind: &str, which: usize) -> ComponentId {
    ComponentId::new(format!("{kind}{which}")).unwrap()
}

fn slot(epoch: u64) -> BallotSlot {
    BallotSlot::new(WorkflowId::new("wf").unwrap(), 1).with_epoch(epoch)
}

fn proposal(which: usize) -> ProposalId {
    ProposalId::new(format!("prop_{which}")).unwrap()
}

/// Which proposer's proposal it is.
fn proposer_of(id: &ProposalId) -> usize {
    id.as_str()["prop_".len()..].parse().unwrap()
}

/// The state that a proposer proposes.
fn proposed(which: usize) -> Json {
    format!("{{\"by\":{which}}}").parse().unwrap()
}

/// A component: its kind and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// One that proposes.
    Proposer(usize),
    /// One that votes.
    Voter(usize),
}

impl Who {
    fn of(id: &ComponentId) -> Who {
        let which = id.as_str()[1..].parse().unwrap();
        if id.as_str().starts_with('p') { Who::Proposer(which) } else { Who::Voter(which) }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Proposer(which) => write!(f, "p{which}"),
            Who::Voter(which) => write!(f, "v{which}"),
        }
    }
}
