//! A small world around the crate's own ballot machines, for a model checker to explore.
//!
//! The world is as bad as it can be. A message that was sent can be delivered at any time, to its
//! addressee, again and again, or never: so all loss, duplication and reordering is covered without
//! a bound. A write to the store that was begun can happen at any time, also after its proposer was
//! told that the store is not available, also twice. Timers fire at any time, each component's
//! clock on its own. A component that crashes forgets all but the snapshot that it was made to
//! store. Bounded are the crashes, and how many writes are answered with "not available".
//!
//! What makes the space small, and loses nothing:
//!
//! * A component stores its snapshot and reads the store in the same step in which it wishes to.
//!   While it waits for either, nothing leaves it and votes change nothing, so waiting is the same as
//!   having begun later.
//! * Voters are interchangeable: states that differ only in who is who count as one.
//! * What can no longer have an effect is dropped: messages to a proposer whose ballot has ended, and
//!   stored snapshots, once no crash is left.

mod node;

use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Backoff, BallotEnd, BallotOptions, BallotRecord, BallotSlot, Commit, Electorate, Motion,
    ProposeInput, Proposer, Quorum, VoteInput, Voter,
};
use coordination_protocol::message::Message;
use coordination_protocol::scalar::{
    Ballot, BallotOutcome, ComponentId, Digest, ProposalId, WorkflowId,
};
use coordination_protocol::storage::{Entry, StorageError};
use node::{Around, Host, Letter, Node, Outbox, now};
use stateright::{Model, Property};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is wrong with the world's hosts, so that the properties can be seen to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// The store writes whatever is there: no compare-and-set.
    BlindPut,
    /// Nothing is stored before the machine is told that it is.
    NothingStored,
}

/// How big a world is, and how bad.
#[derive(Clone, Debug)]
pub struct World {
    /// How many vote, with a weight of 1 each.
    pub voters: usize,
    /// How long the ballot of each proposer is open, in seconds. Each proposes a state of its own.
    pub open: Vec<u64>,
    /// Who crashes, if anybody: all runs with one crash are those of each component in turn.
    pub crasher: Option<Who>,
    /// How often it crashes at most.
    pub crashes: u8,
    /// How many writes are answered with "not available" at most.
    pub lost_answers: u8,
    /// What is wrong with the hosts.
    pub flaw: Flaw,
    proposing: Effects<Proposer>,
    voting: Effects<Voter>,
}

/// What components did, by what they were and what happened to them.
type Effects<M> = Arc<Mutex<HashMap<u64, Arc<(Arc<Node<M>>, Outbox)>>>>;

impl World {
    /// A world without crashes or losses of answers.
    #[must_use]
    pub fn new(voters: usize, open: &[u64]) -> Self {
        World {
            voters,
            open: open.to_vec(),
            crasher: None,
            crashes: 1,
            lost_answers: 0,
            flaw: Flaw::None,
            proposing: Effects::default(),
            voting: Effects::default(),
        }
    }

    fn options() -> BallotOptions {
        let retry = Backoff::new()
            .with_attempts(1)
            .with_base(Duration::from_millis(1))
            .with_cap(Duration::from_millis(1));
        BallotOptions::new().with_retry(retry)
    }

    fn voter(which: usize) -> Voter {
        Voter::new(name("v", which), 1).with_options(World::options())
    }

    fn proposer(which: usize) -> Proposer {
        Proposer::new(name("p", which), 1).with_options(World::options())
    }

    fn motion(&self, which: usize) -> Motion {
        let electorate = Electorate::new((0..self.voters).map(|voter| name("v", voter)));
        Motion::new(slot(), state(which), electorate, now(0), [0; 10])
            .with_id(proposal(which))
            .with_quorum(Quorum::MAJORITY)
            .with_open(Duration::from_secs(self.open[which]))
    }
}

fn name(kind: &str, which: usize) -> ComponentId {
    ComponentId::new(format!("{kind}{which}")).unwrap()
}

fn slot() -> BallotSlot {
    BallotSlot::new(WorkflowId::new("wf").unwrap(), 1)
}

fn proposal(which: usize) -> ProposalId {
    ProposalId::new(format!("prop_{which}")).unwrap()
}

fn state(which: usize) -> Json {
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

/// All that there is at one time.
#[derive(Clone, Debug)]
pub struct State {
    proposers: Vec<Arc<Node<Proposer>>>,
    voters: Vec<Arc<Node<Voter>>>,
    /// What was sent. Nothing leaves it by arriving, so anything can arrive at any time and often.
    sent: BTreeMap<(Who, u64), Arc<Letter>>,
    /// The writes that were begun, by proposer.
    puts: BTreeMap<usize, Arc<BallotRecord>>,
    /// What the key holds.
    stored: Option<Arc<Stored>>,
    /// The digests of all states that the key ever held.
    ever: BTreeSet<u64>,
    /// The accepting votes that were ever sent: voter and proposal.
    given: BTreeSet<(usize, String)>,
    /// The proposals whose failure was ever announced.
    failed: BTreeSet<String>,
    /// Whether a write brought what was not approved.
    unapproved: bool,
    crashes: u8,
    lost_answers: u8,
}

/// A decision in the store.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) record: Arc<BallotRecord>,
    pub(crate) entry: Entry,
}

impl Hash for State {
    /// Each voter with all that concerns it, in an order that does not depend on who is who.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut voters: Vec<_> = (0..self.voters.len())
            .map(|voter| {
                let who = Who::Voter(voter);
                let to = |(to, _): &(&(Who, u64), &Arc<Letter>)| to.0 == who;
                let from = |(_, letter): &(&(Who, u64), &Arc<Letter>)| letter.from == who;
                let to: Vec<_> =
                    self.sent.iter().filter(to).map(|(_, letter)| letter.nameless).collect();
                let from: Vec<_> = self
                    .sent
                    .iter()
                    .filter(from)
                    .map(|(to, letter)| (to.0, letter.nameless))
                    .collect();
                let counted: Vec<_> =
                    self.proposers.iter().map(|node| node.counted[voter]).collect();
                let written: Vec<_> = self
                    .puts
                    .values()
                    .map(|record| record.votes.iter().find(|vote| Who::of(&vote.voter) == who))
                    .map(|vote| vote.map(|vote| vote.vote.as_str().to_owned()))
                    .collect();
                let given = self.given.iter().filter(|(by, _)| *by == voter).map(|(_, id)| id);
                let given: Vec<_> = given.collect();
                let (mut to, mut from) = (to, from);
                to.sort_unstable();
                from.sort_unstable();
                let crasher = self.voters[voter].crasher;
                node::mark((self.voters[voter].mark, crasher, to, from, counted, written, given))
            })
            .collect();
        voters.sort_unstable();
        voters.hash(hasher);
        for node in &self.proposers {
            node.mark.hash(hasher);
        }
        self.puts.keys().for_each(|which| which.hash(hasher));
        if let Some(stored) = &self.stored {
            let record = &stored.record;
            (record.proposal.proposal_id.as_str(), record.tally().to_string()).hash(hasher);
        }
        (&self.ever, &self.failed, self.unapproved, self.crashes, self.lost_answers).hash(hasher);
    }
}

/// States are the same if nothing that matters differs.
impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        node::mark(self) == node::mark(other)
    }
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A message arrives.
    Deliver(Who, String, u64),
    /// A timer fires.
    Timeout(Who),
    /// A write happens, and its proposer is told.
    Write(usize),
    /// A write happens, and nobody is told.
    WriteUnseen(usize),
    /// The proposer is told that the store is not available, whatever happened to its write.
    WriteUnanswered(usize),
    /// A component loses what it did not store, and starts again.
    Crash(Who),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Proposer(which) => write!(f, "p{which}"),
            Who::Voter(which) => write!(f, "v{which}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Deliver(to, what, _) => write!(f, "{to} receives {what}"),
            Action::Timeout(who) => write!(f, "a timer of {who} fires"),
            Action::Write(which) => write!(f, "the write of p{which} is done and answered"),
            Action::WriteUnseen(which) => write!(f, "the write of p{which} is done, unanswered"),
            Action::WriteUnanswered(which) => {
                write!(f, "p{which} is told that the store is not available")
            }
            Action::Crash(who) => write!(f, "{who} crashes and starts again"),
        }
    }
}

impl State {
    /// A component is changed by something that `what` names. `None` if nothing comes of it.
    ///
    /// What a component does depends only on itself and what it reads, so it is worked out once.
    fn change<M: Host>(
        &mut self,
        world: &World,
        which: usize,
        what: impl Hash,
        change: impl FnOnce(&mut Node<M>, &Around, &mut Outbox),
    ) -> Option<()> {
        let around = Around {
            flaw: world.flaw,
            stored: self.stored.clone(),
            last: self.is_safe(world, M::who(which)),
        };
        let slot = &mut M::nodes(self)[which];
        let before = slot.identity();
        let key = node::mark((which, before, what, around.identity()));
        let effect = M::effects(world).lock().unwrap().get(&key).cloned();
        let effect = effect.unwrap_or_else(|| {
            let mut node = Node::clone(slot);
            let mut out = Outbox::default();
            change(&mut node, &around, &mut out);
            node.remark(world.voters, around.last);
            let effect = Arc::new((Arc::new(node), out));
            M::effects(world).lock().unwrap().insert(key, Arc::clone(&effect));
            effect
        });
        let (node, out) = &*effect;
        let mut changed = node.identity() != before;
        *slot = Arc::clone(node);
        for (to, letter) in &out.letters {
            match &letter.envelope.message {
                Message::Vote(vote) if vote.vote == Ballot::Accept => {
                    self.given.insert((which, vote.proposal_id.to_string()));
                }
                Message::Decision(said) if said.outcome != BallotOutcome::Committed => {
                    self.failed.insert(said.proposal_id.to_string());
                }
                _ => {}
            }
            if !self.deaf(world, *to) {
                changed |= self.sent.insert((*to, letter.mark), Arc::clone(letter)).is_none();
            }
        }
        if let Some(record) = &out.put {
            changed |= self.puts.insert(which, Arc::clone(record)).is_none();
        }
        changed.then_some(())
    }

    fn deliver<M: Host>(&mut self, world: &World, which: usize, letter: &Letter) -> Option<()> {
        self.change::<M>(world, which, ("letter", letter.mark), |node, around, out| {
            node.take(around, M::received(letter.envelope.clone()), out);
        })
    }

    fn crash<M: Host>(
        &mut self,
        world: &World,
        which: usize,
        fresh: M,
        again: M::Input,
    ) -> Option<()> {
        // Who loses nothing may as well crash later.
        M::nodes(self)[which].loses(&fresh).then_some(())?;
        self.crashes += 1;
        let _ = self.change::<M>(world, which, "crash", |node, around, out| {
            node.crash(around, fresh, again, out);
        });
        Some(())
    }

    /// Whether a component does not crash any more.
    fn is_safe(&self, world: &World, who: Who) -> bool {
        world.crasher != Some(who) || self.crashes >= world.crashes
    }

    /// Whether nothing that arrives has an effect any more.
    fn deaf(&self, world: &World, who: Who) -> bool {
        match who {
            Who::Proposer(which) => {
                self.is_safe(world, who) && self.proposers[which].machine.open().next().is_none()
            }
            Who::Voter(_) => false,
        }
    }

    /// Does a write, as the store does it. Tells whether it succeeded.
    fn write(&mut self, world: &World, which: usize) -> bool {
        let record = Arc::clone(&self.puts[&which]);
        if self.stored.is_some() && world.flaw != Flaw::BlindPut {
            return false;
        }
        let entry = Entry::new(slot().key().unwrap(), record.to_bytes(), 1);
        self.ever.insert(node::mark(record.proposal.digest.as_ref().map(Digest::as_str)));
        self.unapproved |= !self.approved(world, &record);
        self.stored = Some(Arc::new(Stored { record, entry }));
        true
    }

    /// Whether a majority accepted it, each of whom sent that vote.
    fn approved(&self, world: &World, record: &BallotRecord) -> bool {
        let id = record.proposal.proposal_id.as_str();
        let counted = record.votes.iter().filter(|vote| vote.vote == Ballot::Accept);
        let counted: BTreeSet<_> = counted.map(|vote| Who::of(&vote.voter)).collect();
        let given = |who: &Who| match who {
            Who::Voter(voter) => self.given.contains(&(*voter, id.to_owned())),
            Who::Proposer(_) => false,
        };
        counted.len() * 2 > world.voters && counted.iter().all(given)
    }

    fn answer(&mut self, world: &World, which: usize, answer: Result<u64, StorageError>) {
        let what = ("answer", answer.is_ok(), matches!(answer, Err(StorageError::Conflict { .. })));
        let _ = self.change::<Proposer>(world, which, what, |node, around, out| {
            node.putting = false;
            node.take(around, ProposeInput::Put(proposal(which), answer), out);
        });
    }

    fn act(&mut self, world: &World, action: &Action) -> Option<()> {
        match *action {
            Action::Deliver(to, _, mark) => {
                let letter = Arc::clone(&self.sent[&(to, mark)]);
                match to {
                    Who::Proposer(which) => self.deliver::<Proposer>(world, which, &letter)?,
                    Who::Voter(which) => self.deliver::<Voter>(world, which, &letter)?,
                }
            }
            Action::Timeout(Who::Proposer(which)) => {
                self.change::<Proposer>(world, which, "wait", Node::wait)?;
            }
            Action::Timeout(Who::Voter(which)) => {
                self.change::<Voter>(world, which, "wait", Node::wait)?;
            }
            Action::Write(which) => {
                let answer = if self.write(world, which) {
                    Ok(1)
                } else {
                    let key = slot().key().unwrap();
                    Err(StorageError::Conflict { key, expected: Commit::EXPECT, found: Some(1) })
                };
                self.answer(world, which, answer);
            }
            Action::WriteUnseen(which) => self.write(world, which).then_some(())?,
            Action::WriteUnanswered(which) => {
                self.lost_answers += 1;
                let detail = "lost".to_owned();
                self.answer(world, which, Err(StorageError::Unavailable { detail }));
            }
            Action::Crash(who) => match who {
                Who::Proposer(which) => {
                    let fresh = World::proposer(which);
                    self.crash(world, which, fresh, ProposeInput::Restarted)?;
                }
                Who::Voter(which) => {
                    self.crash(world, which, World::voter(which), VoteInput::Restarted)?;
                }
            },
        }
        let deaf: Vec<_> =
            (0..world.open.len()).map(Who::Proposer).filter(|who| self.deaf(world, *who)).collect();
        self.sent.retain(|(to, _), _| !deaf.contains(to));
        Some(())
    }

    fn ends(&self) -> impl Iterator<Item = (usize, &BallotEnd)> {
        self.proposers
            .iter()
            .enumerate()
            .flat_map(|(which, node)| node.ends.iter().map(move |end| (which, end)))
    }
}

/// Two states are never committed for one version.
fn one_state(_: &World, state: &State) -> bool {
    state.ever.len() <= 1
}

/// What is committed was accepted by a majority, each of whom sent that vote.
fn approved(_: &World, state: &State) -> bool {
    !state.unapproved
}

/// Who has ended says what the store says; who has failed has not committed, then or later.
fn ends_are_true(_: &World, state: &State) -> bool {
    let stored = state.stored.as_ref().map(|stored| &stored.record.proposal);
    let told = state.ends().all(|(which, end)| {
        let own = Some(self::state(which));
        match end {
            BallotEnd::Committed(_) => stored.is_some_and(|stored| stored.value == own),
            BallotEnd::Conflict(_) => stored.is_some_and(|stored| stored.value != own),
            _ => stored.is_none_or(|stored| stored.proposal_id != proposal(which)),
        }
    });
    told && stored.is_none_or(|stored| !state.failed.contains(stored.proposal_id.as_str()))
}

/// A voter that accepted two states was free of one of them: its ballot had failed, or its deadline
/// had passed by the voter's clock.
fn one_promise(world: &World, state: &State) -> bool {
    let first = world.open.iter().min().copied().unwrap_or(0) * 1_000;
    (0..world.voters).all(|voter| {
        let given: Vec<_> = state.given.iter().filter(|(by, _)| *by == voter).collect();
        given.len() < 2
            || given.iter().any(|(_, id)| state.failed.contains(id))
            || state.voters[voter].millis >= first
    })
}

/// In the end nobody waits: each ballot has ended, unless its proposer forgot it in a crash.
fn all_end(_: &World, state: &State) -> bool {
    state.proposers.iter().all(|node| node.machine.open().next().is_none())
}

/// In the end no voter is bound, and no decision is awaited.
fn all_rest(_: &World, state: &State) -> bool {
    state.voters.iter().all(|node| node.machine.proposals().next().is_none())
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            proposers: (0..self.open.len())
                .map(|which| {
                    Arc::new(Node::new(self, Who::Proposer(which), World::proposer(which)))
                })
                .collect(),
            voters: (0..self.voters)
                .map(|which| Arc::new(Node::new(self, Who::Voter(which), World::voter(which))))
                .collect(),
            sent: BTreeMap::new(),
            puts: BTreeMap::new(),
            stored: None,
            ever: BTreeSet::new(),
            given: BTreeSet::new(),
            failed: BTreeSet::new(),
            unapproved: false,
            crashes: 0,
            lost_answers: 0,
        };
        for which in 0..self.open.len() {
            let input = ProposeInput::Propose(Box::new(self.motion(which)));
            let _ = state.change::<Proposer>(self, which, "propose", |node, around, out| {
                node.take(around, input, out);
            });
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for ((to, mark), letter) in &state.sent {
            actions.push(Action::Deliver(*to, letter.title.clone(), *mark));
        }
        let proposers = state.proposers.iter().enumerate();
        let proposers = proposers
            .map(|(which, node)| (Who::Proposer(which), node.due().is_some() && !node.putting));
        let voters = state.voters.iter().enumerate();
        let voters = voters.map(|(which, node)| (Who::Voter(which), node.due().is_some()));
        for (who, due) in proposers.chain(voters) {
            if due {
                actions.push(Action::Timeout(who));
            }
            if !state.is_safe(self, who) {
                actions.push(Action::Crash(who));
            }
        }
        for which in state.puts.keys() {
            actions.push(Action::WriteUnseen(*which));
            if state.proposers[*which].putting {
                actions.push(Action::Write(*which));
                if state.lost_answers < self.lost_answers {
                    actions.push(Action::WriteUnanswered(*which));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        state.act(self, &action)?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one state per version", one_state),
            Property::always("a quorum approved", approved),
            Property::always("ends are true", ends_are_true),
            Property::always("one promise at a time", one_promise),
            Property::eventually("every ballot ends", all_end),
            Property::eventually("every voter comes to rest", all_rest),
            Property::sometimes("committed", |_, state: &State| {
                state.ends().any(|(_, end)| matches!(end, BallotEnd::Committed(_)))
            }),
            Property::sometimes("conflict", |_, state: &State| {
                state.ends().any(|(_, end)| matches!(end, BallotEnd::Conflict(_)))
            }),
            Property::sometimes("rejected", |_, state: &State| {
                state.ends().any(|(_, end)| matches!(end, BallotEnd::Rejected(_)))
            }),
            Property::sometimes("expired", |_, state: &State| {
                state.ends().any(|(_, end)| matches!(end, BallotEnd::Expired(_)))
            }),
        ]
    }
}
