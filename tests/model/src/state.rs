//! All that there is at one time, and what can happen next.

use crate::laws::{epochs, of_epoch};
use crate::node::{Around, Host, Letter, Node, Outbox, Record, mark, without_epoch};
use crate::{Flaw, Reduction, Who, World, proposal, proposer_of, slot};
use coordination_protocol::machine::{BallotEnd, Commit, ProposeInput, Proposer, VoteInput, Voter};
use coordination_protocol::message::Message;
use coordination_protocol::scalar::{Ballot, BallotOutcome};
use coordination_protocol::storage::StorageError;
use stateright::{Model, Property};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A set of small numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Set(u8);

impl Set {
    pub(crate) fn insert(&mut self, which: usize) {
        assert!(which < 8);
        self.0 |= 1 << which;
    }

    pub(crate) fn remove(&mut self, which: usize) {
        self.0 &= !(1 << which);
    }

    pub(crate) fn contains(self, which: usize) -> bool {
        self.0 >> which & 1 == 1
    }
}

/// All that there is at one time.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) proposers: Vec<Arc<Node<Proposer>>>,
    pub(crate) voters: Vec<Arc<Node<Voter>>>,
    /// What was sent. Nothing leaves it by arriving, so anything can arrive at any time and often.
    sent: BTreeMap<(Who, u64), Arc<Letter>>,
    /// The writes that were begun, by proposer, and whether they are approved.
    puts: BTreeMap<usize, (Arc<Record>, bool)>,
    /// What the keys hold, by epoch.
    pub(crate) stored: BTreeMap<u64, Arc<Record>>,
    /// The proposals that the keys ever held.
    pub(crate) ever: Set,
    /// The proposals that each voter ever sent an accepting vote on.
    given: Vec<Set>,
    /// Those of them with which another could break its promise.
    promised: Vec<Set>,
    /// The epochs in which a voter cannot break it any more.
    kept: Vec<Set>,
    /// The proposals whose failure was ever announced.
    pub(crate) failed: Set,
    /// Whether a write brought what was not approved.
    pub(crate) unapproved: bool,
    /// Whether a voter was bound by what it had accepted in another epoch.
    pub(crate) astray: bool,
    crashes: u8,
    lost_answers: u8,
    /// How often a timer fired while its component waited for the host.
    hurries: u8,
    without: Option<Reduction>,
}

impl State {
    fn hash_voters<H: Hasher>(&self, hasher: &mut H) {
        // Sums of digests, so that the order of messages does not matter.
        let mut letters = vec![(0_u64, 0_u64); self.voters.len()];
        for ((to, _), letter) in &self.sent {
            if let Who::Voter(voter) = to {
                letters[*voter].0 = letters[*voter].0.wrapping_add(letter.nameless);
            }
            if let Who::Voter(voter) = letter.from {
                let digest = mark((to, letter.nameless));
                letters[voter].1 = letters[voter].1.wrapping_add(digest);
            }
        }
        let mut voters: Vec<_> = (0..self.voters.len())
            .map(|voter| {
                let node = &self.voters[voter];
                let mut hasher = std::hash::DefaultHasher::new();
                (node.mark, node.crasher, letters[voter]).hash(&mut hasher);
                (self.given[voter], self.promised[voter], self.kept[voter]).hash(&mut hasher);
                for node in &self.proposers {
                    node.counted[voter].hash(&mut hasher);
                }
                if self.without == Some(Reduction::Ends) {
                    for (put, _) in self.puts.values() {
                        put.votes[voter].hash(&mut hasher);
                    }
                }
                hasher.finish()
            })
            .collect();
        if self.without != Some(Reduction::Voters) {
            voters.sort_unstable();
        }
        voters.hash(hasher);
    }

    fn hash_texts<H: Hasher>(&self, hasher: &mut H) {
        self.voters.iter().for_each(|node| node.text.hash(hasher));
        self.proposers.iter().for_each(|node| (&node.text, &node.counted).hash(hasher));
        for ((to, _), letter) in &self.sent {
            (to, &letter.text).hash(hasher);
        }
        self.puts.values().for_each(|(put, _)| put.text.hash(hasher));
        self.stored.values().for_each(|stored| stored.text.hash(hasher));
        (&self.given, &self.promised, &self.kept).hash(hasher);
    }
}

impl Hash for State {
    /// Each voter with all that concerns it, in an order that does not depend on who is who.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        if self.without == Some(Reduction::Digests) {
            self.hash_texts(hasher);
        } else {
            self.hash_voters(hasher);
            self.proposers.iter().for_each(|node| node.mark.hash(hasher));
            self.stored.iter().for_each(|(epoch, stored)| (epoch, stored.mark).hash(hasher));
        }
        self.puts.iter().for_each(|(which, (_, approved))| (which, approved).hash(hasher));
        (self.ever, self.failed, self.unapproved, self.astray).hash(hasher);
        (self.crashes, self.lost_answers, self.hurries).hash(hasher);
    }
}

/// States are the same if nothing that matters differs.
impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        mark(self) == mark(other)
    }
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A message arrives. The host votes so on it, should it be asked.
    Deliver(Who, Arc<Letter>, Ballot),
    /// A timer fires.
    Timeout(Who),
    /// The host does the next part of something that a component waits for.
    Work(Who, usize),
    /// A write happens, and its proposer is told.
    Write(usize),
    /// A write happens, and no one is told.
    WriteUnseen(usize),
    /// The proposer is told that the store is not available, whatever happened to its write.
    WriteUnanswered(usize),
    /// A component loses what it did not store, and starts again.
    Crash(Who),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Deliver(to, letter, Ballot::Accept) => {
                write!(f, "{to} receives {}", letter.title)
            }
            Action::Deliver(to, letter, opinion) => {
                write!(f, "{to} receives {}, and would {opinion}", letter.title)
            }
            Action::Timeout(who) => write!(f, "a timer of {who} fires"),
            Action::Work(who, _) => write!(f, "the host of {who} works"),
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
    fn change<M: Host>(
        &mut self,
        world: &World,
        which: usize,
        opinion: &Ballot,
        what: impl Hash,
        change: impl FnOnce(&mut Node<M>, &Around, &mut Outbox),
    ) -> Option<()> {
        let around = Around {
            flaw: world.flaw,
            stored: self.stored.clone(),
            opinion: opinion.clone(),
            stepwise: world.lacks(Reduction::Steps),
            forgetful: self.is_safe(world, M::who(which)) && !world.lacks(Reduction::Dropping),
        };
        let slot = &mut M::nodes(self)[which];
        let before = slot.identity;
        let counted_out = slot.counted_out;
        let key = mark((which, before, what, around.identity()));
        let known = (!world.lacks(Reduction::Effects))
            .then(|| M::effects(world).lock().unwrap().get(&key).cloned())
            .flatten();
        let effect = known.unwrap_or_else(|| {
            let mut node = Node::clone(slot);
            let mut out = Outbox::default();
            change(&mut node, &around, &mut out);
            node.remark(around.forgetful);
            let effect = Arc::new((Arc::new(node), out));
            M::effects(world).lock().unwrap().insert(key, Arc::clone(&effect));
            effect
        });
        let (node, out) = &*effect;
        let mut changed = node.identity != before;
        *slot = Arc::clone(node);
        for (to, letter) in &out.letters {
            match &letter.envelope.message {
                Message::Vote(vote) if vote.vote == Ballot::Accept => {
                    let proposal = proposer_of(&vote.proposal_id);
                    self.given[which].insert(proposal);
                    if !self.kept[which].contains(usize::try_from(world.epoch(proposal)).unwrap()) {
                        self.promised[which].insert(proposal);
                    }
                }
                // Hosts to whom all proposals please reject none: the voter was bound to another.
                Message::Vote(vote)
                    if vote.vote == Ballot::Reject && !world.opinions.contains(&Ballot::Reject) =>
                {
                    let epoch = world.epoch(proposer_of(&vote.proposal_id));
                    self.astray |= of_epoch(world, epoch, |_| true).len() < 2;
                }
                Message::Decision(said) if said.outcome != BallotOutcome::Committed => {
                    self.failed.insert(proposer_of(&said.proposal_id));
                }
                _ => {}
            }
            if !self.inert(world, *to, letter) {
                changed |= self.sent.insert((*to, letter.mark), Arc::clone(letter)).is_none();
            }
        }
        // Again the write that was begun before: its votes are not told apart any more.
        let begun = counted_out && self.puts.contains_key(&which);
        if let Some(record) = out.put.as_ref().filter(|_| !begun) {
            let before = self.puts.get(&which).is_none_or(|(_, approved)| *approved);
            let approved = before && self.approved(world, record);
            changed |= self.puts.insert(which, (Arc::clone(record), approved)).is_none();
        }
        changed.then_some(())
    }

    fn deliver<M: Host>(
        &mut self,
        world: &World,
        which: usize,
        letter: &Letter,
        opinion: &Ballot,
    ) -> Option<()> {
        let what = ("letter", letter.mark);
        self.change::<M>(world, which, opinion, what, |node, around, out| {
            node.receive(around, letter.envelope.clone(), out);
        })
    }

    fn wait<M: Host>(&mut self, world: &World, which: usize) -> Option<()> {
        self.hurries += u8::from(!M::nodes(self)[which].tasks.is_empty());
        self.change::<M>(world, which, &Ballot::Accept, "wait", Node::wait)
    }

    fn work<M: Host>(&mut self, world: &World, which: usize, task: usize) -> Option<()> {
        self.change::<M>(world, which, &Ballot::Accept, ("work", task), |node, around, out| {
            node.advance(task, around, out);
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
        let crashes = world.lacks(Reduction::Dropping) || M::nodes(self)[which].loses;
        crashes.then_some(())?;
        self.crashes += 1;
        let _ = self.change::<M>(world, which, &Ballot::Accept, "crash", |node, around, out| {
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
                !world.lacks(Reduction::Dropping)
                    && self.is_safe(world, who)
                    && self.proposers[which].tasks.is_empty()
                    && self.proposers[which].machine.open().next().is_none()
            }
            Who::Voter(_) => false,
        }
    }

    /// Whether a message has no effect any more.
    fn inert(&self, world: &World, to: Who, letter: &Letter) -> bool {
        let vote = matches!(letter.envelope.message, Message::Vote(_));
        self.deaf(world, to) || (vote && self.settled(world, to))
    }

    /// Whether it is a proposer that takes no votes any more.
    fn settled(&self, world: &World, who: Who) -> bool {
        let Who::Proposer(which) = who else { return false };
        !world.lacks(Reduction::Ends)
            && !world.lacks(Reduction::Dropping)
            && self.proposers[which].settled
            && self.is_safe(world, who)
    }

    /// Whether a write can only fail, and no one awaits its answer.
    fn futile(&self, world: &World, which: usize) -> bool {
        let over = self.stored.contains_key(&world.epoch(which));
        over && world.flaw != Some(Flaw::BlindPut) && self.deaf(world, Who::Proposer(which))
    }

    /// Whether a voter is free of a state that it accepted: its ballot had failed, or its deadline had passed.
    pub(crate) fn is_free(&self, voter: usize, which: usize) -> bool {
        self.failed.contains(which) || self.voters[voter].until_free(which) == 0
    }

    /// The proposals of an epoch whose acceptance by a voter can break its promise.
    pub(crate) fn promised(&self, world: &World, voter: usize, epoch: u64) -> Vec<usize> {
        of_epoch(world, epoch, |which| self.promised[voter].contains(which))
    }

    /// Takes off what has no effect any more.
    fn reduce(&mut self, world: &World) {
        let who = (0..world.open.len()).map(Who::Proposer);
        if who.clone().any(|who| self.deaf(world, who) || self.settled(world, who)) {
            let mut sent = std::mem::take(&mut self.sent);
            sent.retain(|(to, _), letter| !self.inert(world, *to, letter));
            self.sent = sent;
        }
        if !world.lacks(Reduction::Promises) {
            self.reduce_promises(world);
        }
        if world.lacks(Reduction::Ends) {
            return;
        }
        for which in 0..world.open.len() {
            if self.futile(world, which) {
                self.puts.remove(&which);
            }
            // Retired once, for then it is as one that has just begun.
            if self.deaf(world, Who::Proposer(which)) && self.proposers[which].is_used() {
                let node = &mut self.proposers[which];
                let mut known = world.retired.lock().unwrap();
                let retired = known
                    .entry(node.identity)
                    .or_insert_with(|| Arc::new(node.retired(World::proposer(which))));
                *node = Arc::clone(retired);
            }
        }
    }

    fn reduce_promises(&mut self, world: &World) {
        for voter in 0..world.voters {
            for which in 0..world.open.len() {
                if self.deaf(world, Who::Proposer(which)) {
                    self.given[voter].remove(which);
                }
            }
            for epoch in epochs(world) {
                if self.kept[voter].contains(usize::try_from(epoch).unwrap()) {
                    continue;
                }
                let accepted = self.promised(world, voter, epoch);
                let freed = accepted.iter().any(|which| self.is_free(voter, *which));
                let decided = self.voters[voter].machine.decision(&slot(epoch)).is_some();
                if freed || (decided && accepted.len() < 2) {
                    for which in accepted {
                        self.promised[voter].remove(which);
                    }
                    self.kept[voter].insert(usize::try_from(epoch).unwrap());
                }
            }
        }
    }

    /// Does a write, as the store does it. Tells whether it succeeded.
    fn write(&mut self, world: &World, which: usize) -> bool {
        let (record, approved) = self.puts[&which].clone();
        let epoch = world.epoch(which);
        if self.stored.contains_key(&epoch) && world.flaw != Some(Flaw::BlindPut) {
            return false;
        }
        self.ever.insert(which);
        self.unapproved |= !approved;
        self.stored.insert(epoch, record);
        true
    }

    /// Whether a majority accepted it, each of whom sent that vote.
    fn approved(&self, world: &World, record: &Record) -> bool {
        let which = proposer_of(&record.decision.proposal.proposal_id);
        let accepting = record.votes.iter().map(|vote| *vote == Some(Ballot::Accept));
        let (counted, given) = accepting.zip(&self.given).fold((0, true), |(n, all), (yes, by)| {
            (n + usize::from(yes), all && (!yes || by.contains(which)))
        });
        counted * 2 > world.voters && given
    }

    fn answer(&mut self, world: &World, which: usize, answer: Result<u64, StorageError>) {
        let what = ("answer", answer.is_ok(), matches!(answer, Err(StorageError::Conflict { .. })));
        let opinion = Ballot::Accept;
        let _ = self.change::<Proposer>(world, which, &opinion, what, |node, around, out| {
            node.putting = false;
            node.take(around, ProposeInput::Put(proposal(which), answer), out);
        });
    }

    fn act(&mut self, world: &World, action: &Action) -> Option<()> {
        match *action {
            Action::Deliver(Who::Proposer(which), ref letter, ref opinion) => {
                self.deliver::<Proposer>(world, which, letter, opinion)?;
            }
            Action::Deliver(Who::Voter(0), ref letter, ref opinion)
                if world.flaw == Some(Flaw::NoEpochs) =>
            {
                let letter = without_epoch(letter, !world.lacks(Reduction::Ends));
                self.deliver::<Voter>(world, 0, &letter, opinion)?;
            }
            Action::Deliver(Who::Voter(which), ref letter, ref opinion) => {
                self.deliver::<Voter>(world, which, letter, opinion)?;
            }
            Action::Timeout(Who::Proposer(which)) => self.wait::<Proposer>(world, which)?,
            Action::Timeout(Who::Voter(which)) => self.wait::<Voter>(world, which)?,
            Action::Work(Who::Proposer(which), task) => {
                self.work::<Proposer>(world, which, task)?;
            }
            Action::Work(Who::Voter(which), task) => self.work::<Voter>(world, which, task)?,
            Action::Write(which) => {
                let answer = if self.write(world, which) {
                    Ok(1)
                } else {
                    let key = slot(world.epoch(which)).key().unwrap();
                    Err(StorageError::Conflict { key, expected: Commit::EXPECT, found: Some(1) })
                };
                self.answer(world, which, answer);
            }
            Action::WriteUnseen(which) => self.write(world, which).then_some(())?,
            Action::WriteUnanswered(which) => {
                self.lost_answers += 1;
                let detail = "lost".to_owned();
                self.answer(world, which, Err(StorageError::unavailable(detail)));
            }
            Action::Crash(Who::Proposer(which)) => {
                self.crash(world, which, World::proposer(which), ProposeInput::Restarted)?;
            }
            Action::Crash(Who::Voter(which)) => {
                self.crash(world, which, world.voter(which), VoteInput::Restarted)?;
            }
        }
        self.reduce(world);
        Some(())
    }

    fn actions_of<M: Host>(&self, world: &World, node: &Node<M>, actions: &mut Vec<Action>) {
        let who = node.who;
        let hurries = node.tasks.is_empty() || self.hurries < world.hurries;
        if node.due().is_some() && !node.putting && hurries {
            actions.push(Action::Timeout(who));
        }
        actions.extend(node.doable().map(|task| Action::Work(who, task)));
        if !self.is_safe(world, who) {
            actions.push(Action::Crash(who));
        }
    }

    /// Whether a timer is set.
    pub(crate) fn is_armed(&self) -> bool {
        self.proposers.iter().any(|node| node.due().is_some())
            || self.voters.iter().any(|node| node.due().is_some())
    }

    pub(crate) fn ends(&self) -> impl Iterator<Item = (usize, &BallotEnd)> {
        self.proposers
            .iter()
            .enumerate()
            .flat_map(|(which, node)| node.ends.iter().map(move |end| (which, end)))
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let proposer =
            |which| Arc::new(Node::new(self, Who::Proposer(which), World::proposer(which)));
        let voter = |which| Arc::new(Node::new(self, Who::Voter(which), self.voter(which)));
        let mut state = State {
            proposers: (0..self.open.len()).map(proposer).collect(),
            voters: (0..self.voters).map(voter).collect(),
            sent: BTreeMap::new(),
            puts: BTreeMap::new(),
            stored: BTreeMap::new(),
            ever: Set::default(),
            given: vec![Set::default(); self.voters],
            promised: vec![Set::default(); self.voters],
            kept: vec![Set::default(); self.voters],
            failed: Set::default(),
            unapproved: false,
            astray: false,
            crashes: 0,
            lost_answers: 0,
            hurries: 0,
            without: self.without,
        };
        for which in 0..self.open.len() {
            let input = ProposeInput::Propose(Box::new(self.motion(which)));
            let opinion = Ballot::Accept;
            let _ =
                state.change::<Proposer>(self, which, &opinion, "propose", |node, around, out| {
                    node.take(around, input, out);
                    if self.early {
                        node.store_early();
                    }
                });
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for ((to, _), letter) in &state.sent {
            let proposal = matches!(letter.envelope.message, Message::Proposal(_));
            let opinions = if proposal { &self.opinions[..] } else { &[Ballot::Accept] };
            for opinion in opinions {
                actions.push(Action::Deliver(*to, Arc::clone(letter), opinion.clone()));
            }
        }
        state.proposers.iter().for_each(|node| state.actions_of(self, node, actions));
        state.voters.iter().for_each(|node| state.actions_of(self, node, actions));
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
        crate::laws::properties()
    }
}
