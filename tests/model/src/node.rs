//! A component: a machine, its clock, and its host that does what it wishes.

use crate::{Effects, Flaw, State, Stored, Who, World};
use coordination_protocol::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    BallotEnd, BallotRecord, Machine, ProposeInput, ProposeOutput, Proposer, VoteInput, VoteOutput,
    Voter,
};
use coordination_protocol::message::{Envelope, Message};
use coordination_protocol::scalar::{Ballot, Instant, Now};
use coordination_protocol::storage::Entry;
use coordination_protocol::validate::{Checked, Context, Validator};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex};

/// 2025-01-15T12:00:00Z.
const START: i64 = 1_736_942_400_000;

pub(crate) fn now(millis: u64) -> Now {
    Now::new(Instant::from_millis(millis), START + i64::try_from(millis).unwrap())
}

pub(crate) fn mark(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A message as it travels. Its identifier and time are taken off: no machine looks at them, and
/// they would tell states apart that are the same.
#[derive(Debug)]
pub(crate) struct Letter {
    /// What it says, in short.
    pub(crate) title: String,
    pub(crate) mark: u64,
    /// The same, whoever of the voters it comes from.
    pub(crate) nameless: u64,
    pub(crate) from: Who,
    pub(crate) envelope: Checked<Envelope>,
}

/// Each different message is validated once.
static LETTERS: LazyLock<Mutex<HashMap<u64, Arc<Letter>>>> = LazyLock::new(Mutex::default);

fn letter(mut envelope: Envelope) -> Arc<Letter> {
    (envelope.header.message_id, envelope.header.timestamp) = (None, None);
    let text = envelope.to_string();
    let mark = mark(&text);
    let mut letters = LETTERS.lock().unwrap();
    let letter = letters.entry(mark).or_insert_with(|| {
        // Without identifier and time it is a deviation, nothing worse.
        let outcome = Validator::new(Mode::Interop).check(&text, &Context::new());
        let envelope = outcome.accept().expect("machines write valid messages");
        let from = Who::of(envelope.header.source.as_ref().expect("machines name themselves"));
        let nameless = self::mark(nameless(&text, from));
        let title = match &envelope.message {
            Message::Proposal(body) => format!("{} proposed by {from}", body.proposal_id),
            Message::Vote(body) => format!("{} of {from} on {}", body.vote, body.proposal_id),
            Message::Decision(body) => {
                format!("{} {} from {from}", body.proposal_id, body.outcome)
            }
            other => other.kind().to_string(),
        };
        Arc::new(Letter { title, mark, nameless, from, envelope })
    });
    Arc::clone(letter)
}

/// A text without the name of the voter it belongs to.
fn nameless(text: &str, who: Who) -> String {
    match who {
        Who::Voter(which) => text.replace(&format!("\"v{which}\""), "\"v\""),
        Who::Proposer(_) => text.to_owned(),
    }
}

/// What surrounds a component.
pub(crate) struct Around {
    pub(crate) flaw: Flaw,
    pub(crate) stored: Option<Arc<Stored>>,
    /// Whether no crash is left.
    pub(crate) last: bool,
}

impl Around {
    /// All of it that an effect depends on.
    pub(crate) fn identity(&self) -> u64 {
        let record = self.stored.as_ref().map(|stored| &*stored.record);
        mark((
            self.last,
            record.map(|record| record.proposal.proposal_id.as_str()),
            record.map(|record| record.tally().to_string()),
        ))
    }

    fn read(&self) -> Option<Entry> {
        self.stored.as_ref().map(|stored| stored.entry.clone())
    }
}

/// What a component sends, and what it writes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) letters: Vec<(Who, Arc<Letter>)>,
    pub(crate) put: Option<Arc<BallotRecord>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node<M> {
    who: Who,
    /// Whether it is the one that crashes.
    pub(crate) crasher: bool,
    pub(crate) machine: M,
    pub(crate) millis: u64,
    /// The snapshot that it was made to store.
    stored: Option<Json>,
    /// Whether the answer to a write is awaited.
    pub(crate) putting: bool,
    pub(crate) ends: Vec<BallotEnd>,
    /// A digest of all that matters, but for who the voters are.
    pub(crate) mark: u64,
    /// A digest of what a proposer counted from each voter.
    pub(crate) counted: Vec<u64>,
}

/// A machine whose wishes can be done.
pub(crate) trait Host: Machine + Clone {
    fn nodes(state: &mut State) -> &mut Vec<Arc<Node<Self>>>;
    fn who(which: usize) -> Who;
    fn received(envelope: Checked<Envelope>) -> Self::Input;
    fn effects(world: &World) -> &Effects<Self>;
    fn grant(node: &mut Node<Self>, around: &Around, wish: Self::Output, out: &mut Outbox);
}

impl<M: Host> Node<M> {
    pub(crate) fn new(world: &World, who: Who, machine: M) -> Self {
        let mut node = Node {
            who,
            crasher: world.crasher == Some(who),
            machine,
            millis: 0,
            stored: None,
            putting: false,
            ends: Vec::new(),
            mark: 0,
            counted: Vec::new(),
        };
        node.remark(world.voters, !node.crasher);
        node
    }

    /// Digests all that matters: not the source of identifiers, which no decision depends on, and
    /// not what is stored, if no crash is left.
    pub(crate) fn remark(&mut self, voters: usize, last: bool) {
        if last {
            self.stored = None;
        }
        let machine = matters(&self.machine.snapshot().unwrap());
        let stored = self.stored.as_ref().map(matters).unwrap_or_default();
        let ends: Vec<_> = self.ends.iter().map(ToString::to_string).collect();
        let (machine, stored) = match self.who {
            who @ Who::Voter(_) => (nameless(&machine, who), nameless(&stored, who)),
            Who::Proposer(_) => {
                let (machine, counted) = split(&machine, voters);
                let (stored, kept) = split(&stored, voters);
                self.counted = counted.into_iter().zip(kept).map(mark).collect();
                (machine, stored)
            }
        };
        self.mark = mark((machine, stored, self.millis, self.putting, ends));
    }

    pub(crate) fn due(&self) -> Option<u64> {
        self.machine.deadline().map(|at| at.as_nanos().div_ceil(1_000_000))
    }

    /// All that tells it from others that it could be.
    pub(crate) fn identity(&self) -> u64 {
        mark((self.mark, &self.counted))
    }

    /// Whether a crash would lose anything.
    pub(crate) fn loses(&self, fresh: &M) -> bool {
        let stored = self.stored.clone().unwrap_or_else(|| fresh.snapshot().unwrap());
        self.putting || matters(&stored) != matters(&self.machine.snapshot().unwrap())
    }

    pub(crate) fn take(&mut self, around: &Around, input: M::Input, out: &mut Outbox) {
        // What is refused changes nothing.
        let _ = self.machine.handle(now(self.millis), input);
        self.work(around, out);
    }

    /// The clock moves to the next deadline.
    pub(crate) fn wait(&mut self, around: &Around, out: &mut Outbox) {
        self.millis = self.millis.max(self.due().unwrap_or(0));
        self.machine.handle_timeout(now(self.millis));
        self.work(around, out);
    }

    pub(crate) fn crash(&mut self, around: &Around, fresh: M, again: M::Input, out: &mut Outbox) {
        self.machine = match &self.stored {
            Some(snapshot) => M::restore(snapshot).unwrap(),
            None => fresh,
        };
        self.putting = false;
        self.take(around, again, out);
    }

    fn work(&mut self, around: &Around, out: &mut Outbox) {
        while let Some(wish) = self.machine.poll() {
            M::grant(self, around, wish, out);
        }
    }

    fn persist(&mut self, around: &Around, input: M::Input) {
        if around.flaw != Flaw::NothingStored {
            self.stored = Some(self.machine.snapshot().unwrap());
        }
        self.machine.handle(now(self.millis), input).unwrap();
    }
}

/// A snapshot without the source of identifiers and the numbers of wishes that are done at once.
fn matters(snapshot: &Json) -> String {
    let mut text = String::new();
    let mut rest = snapshot.as_str();
    for key in ["\"draws\":", "\"seals\":"] {
        let (before, after) = rest.split_once(key).expect("machines draw and persist");
        text.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    while let Some((before, after)) = rest.split_once("\"seal\":") {
        text.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    text + rest
}

/// A proposer's text without its votes, and what it says of the vote of each voter.
fn split(text: &str, voters: usize) -> (String, Vec<String>) {
    let mut by_voter = vec![String::new(); voters];
    let (mut rest, mut out) = (text, String::new());
    while let Some((before, after)) = rest.split_once("{\"voter\":\"v") {
        let (which, after) = after.split_once('"').unwrap();
        let (vote, after) = after.split_once('}').unwrap();
        by_voter[which.parse::<usize>().unwrap()].push_str(vote);
        out.push_str(before.trim_end_matches(','));
        rest = after;
    }
    (out + rest, by_voter)
}

impl Host for Proposer {
    fn nodes(state: &mut State) -> &mut Vec<Arc<Node<Self>>> {
        &mut state.proposers
    }

    fn who(which: usize) -> Who {
        Who::Proposer(which)
    }

    fn received(envelope: Checked<Envelope>) -> ProposeInput {
        ProposeInput::Received(Box::new(envelope))
    }

    fn effects(world: &World) -> &Effects<Self> {
        &world.proposing
    }

    fn grant(node: &mut Node<Self>, around: &Around, wish: ProposeOutput, out: &mut Outbox) {
        match wish {
            ProposeOutput::Send { to, envelope } => {
                let letter = letter(*envelope);
                let to = to.iter().map(|to| (Who::of(to), Arc::clone(&letter)));
                out.letters.extend(to);
            }
            ProposeOutput::Persist(number) => node.persist(around, ProposeInput::Persisted(number)),
            ProposeOutput::Put(commit) => {
                node.putting = true;
                out.put = Some(Arc::new(commit.record));
            }
            ProposeOutput::Get(id, _) => {
                let input = ProposeInput::Got(id, Ok(around.read()));
                node.machine.handle(now(node.millis), input).unwrap();
            }
            // A restart may tell an end again.
            ProposeOutput::Ended { end, .. } if !node.ends.contains(&end) => node.ends.push(end),
            _ => {}
        }
    }
}

impl Host for Voter {
    fn nodes(state: &mut State) -> &mut Vec<Arc<Node<Self>>> {
        &mut state.voters
    }

    fn who(which: usize) -> Who {
        Who::Voter(which)
    }

    fn received(envelope: Checked<Envelope>) -> VoteInput {
        VoteInput::Received(Box::new(envelope))
    }

    fn effects(world: &World) -> &Effects<Self> {
        &world.voting
    }

    fn grant(node: &mut Node<Self>, around: &Around, wish: VoteOutput, out: &mut Outbox) {
        match wish {
            VoteOutput::Consider(proposal) => {
                let input = VoteInput::Cast {
                    proposal_id: proposal.proposal_id,
                    vote: Ballot::Accept,
                    reason: None,
                };
                node.machine.handle(now(node.millis), input).unwrap();
            }
            VoteOutput::Persist(number) => node.persist(around, VoteInput::Persisted(number)),
            VoteOutput::Send { to, envelope } => {
                let to = to.expect("proposers name themselves");
                out.letters.push((Who::of(&to), letter(*envelope)));
            }
            VoteOutput::Get(slot) => {
                let input = VoteInput::Got(slot, Ok(around.read()));
                node.machine.handle(now(node.millis), input).unwrap();
            }
            _ => {}
        }
    }
}
