//! A component: a machine, its clock, and its host that carries out its outputs.

use crate::state::State;
use crate::{Effects, Flaw, Reduction, Who, World};
use coordination_protocol::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    BallotEnd, BallotRecord, Machine, ProposeInput, ProposeOutput, Proposer, VoteInput, VoteOutput,
    Voter,
};
use coordination_protocol::message::{Envelope, Message};
use coordination_protocol::scalar::{Ballot, ComponentId, Instant, Now};
use coordination_protocol::storage::Entry;
use coordination_protocol::validate::{Checked, Context, Validator};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
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
/// they would tell states apart that are the same. So are tallies and reasons, with [`Reduction::Ends`].
#[derive(Debug)]
pub struct Letter {
    /// What it says, in short.
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) mark: u64,
    /// The same, whoever of the voters it comes from.
    pub(crate) nameless: u64,
    pub(crate) from: Who,
    pub(crate) envelope: Checked<Envelope>,
}

impl PartialEq for Letter {
    fn eq(&self, other: &Letter) -> bool {
        self.text == other.text
    }
}

/// Each different message is validated once.
static LETTERS: LazyLock<Mutex<HashMap<u64, Arc<Letter>>>> = LazyLock::new(Mutex::default);

fn letter(mut envelope: Envelope, brief: bool) -> Arc<Letter> {
    (envelope.header.message_id, envelope.header.timestamp) = (None, None);
    match &mut envelope.message {
        Message::Vote(vote) if brief => vote.reason = None,
        Message::Decision(said) if brief => (said.accepted, said.rejected) = (None, None),
        _ => {}
    }
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
        Arc::new(Letter { title, text: text.clone(), mark, nameless, from, envelope })
    });
    assert_eq!(letter.text, text, "two messages have one digest");
    Arc::clone(letter)
}

/// The same message as someone takes it who reads no epochs.
pub(crate) fn without_epoch(letter: &Letter, brief: bool) -> Arc<Letter> {
    let mut envelope = Envelope::clone(&letter.envelope);
    match &mut envelope.message {
        Message::Proposal(proposal) => proposal.epoch = None,
        Message::Decision(decision) => decision.epoch = None,
        _ => {}
    }
    self::letter(envelope, brief)
}

/// A text without the name of the voter it belongs to.
fn nameless(text: &str, who: Who) -> String {
    match who {
        Who::Voter(which) => text.replace(&format!("\"v{which}\""), "\"v\""),
        Who::Proposer(_) => text.to_owned(),
    }
}

/// A decision that is written or in the store.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) decision: BallotRecord,
    pub(crate) entry: Entry,
    pub(crate) text: String,
    /// What was voted, by voter.
    pub(crate) votes: Vec<Option<Ballot>>,
    /// A digest of all of it that an effect depends on.
    pub(crate) mark: u64,
}

impl Record {
    fn new(decision: BallotRecord, electors: usize, brief: bool) -> Self {
        let mut votes = vec![None; electors];
        for vote in &decision.votes {
            if let Who::Voter(voter) = Who::of(&vote.voter) {
                votes[voter] = Some(vote.vote.clone());
            }
        }
        let bytes = decision.to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let tally = if brief { String::new() } else { decision.tally().to_string() };
        let mark = mark((decision.proposal.proposal_id.as_str(), tally));
        let entry = Entry::new(decision.slot().key().unwrap(), bytes, 1);
        Record { decision, entry, text, votes, mark }
    }
}

/// What surrounds a component.
pub(crate) struct Around {
    pub(crate) flaw: Option<Flaw>,
    pub(crate) stored: BTreeMap<u64, Arc<Record>>,
    /// What the host thinks of a proposal.
    pub(crate) opinion: Ballot,
    /// Whether the host takes its time.
    pub(crate) stepwise: bool,
    /// Whether snapshots are needed no more.
    pub(crate) forgetful: bool,
}

impl Around {
    /// All of it that an effect depends on.
    pub(crate) fn identity(&self) -> (u8, Vec<(u64, u64)>, bool) {
        let opinion = match self.opinion {
            Ballot::Accept => 0,
            Ballot::Reject => 1,
            _ => 2,
        };
        let stored = self.stored.iter().map(|(epoch, stored)| (*epoch, stored.mark)).collect();
        (opinion, stored, self.forgetful)
    }

    fn read(&self, epoch: u64) -> Option<Entry> {
        self.stored.get(&epoch).map(|stored| stored.entry.clone())
    }
}

/// What a component sends, and what it writes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) letters: Vec<(Who, Arc<Letter>)>,
    pub(crate) put: Option<Arc<Record>>,
}

/// What a component waits for.
#[derive(Clone, Debug)]
pub(crate) enum Task<I> {
    /// To store a snapshot, and to answer with its number.
    Store(u64, Json),
    /// To read what the store holds of an epoch.
    Read(u64),
    /// To hand in what was done, and what it says.
    Answer(I, String),
}

impl<I> Task<I> {
    fn rank(&self) -> (u8, u64, &str) {
        match self {
            Task::Store(number, _) => (0, *number, ""),
            Task::Read(epoch) => (1, *epoch, ""),
            Task::Answer(_, says) => (2, 0, says),
        }
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Node<M: Machine> {
    pub(crate) who: Who,
    voters: usize,
    view: View,
    /// How long the ballots are open, in milliseconds.
    open: Arc<[i64]>,
    /// In how many epochs there are ballots.
    epochs: usize,
    /// Whether it is the one that crashes.
    pub(crate) crasher: bool,
    pub(crate) machine: M,
    pub(crate) millis: u64,
    /// By how many milliseconds its wall clock is ahead.
    pub(crate) ahead: i64,
    /// The snapshot that it was made to store.
    stored: Option<Json>,
    /// The snapshot of one that has just begun.
    fresh: Arc<Json>,
    /// Whether a crash would lose anything.
    pub(crate) loses: bool,
    /// Whether the answer to a write is awaited.
    pub(crate) putting: bool,
    pub(crate) tasks: Vec<Task<M::Input>>,
    pub(crate) ends: Vec<BallotEnd>,
    /// All that matters, the names of the voters included.
    pub(crate) text: String,
    /// Tells it from all that it could be.
    pub(crate) identity: u64,
    /// A digest of all that matters, but for who the voters are.
    pub(crate) mark: u64,
    /// A digest of what a proposer counted from each voter.
    pub(crate) counted: Vec<u64>,
    /// Whether a proposer takes no votes any more, unless it crashes.
    pub(crate) settled: bool,
    /// Whether who voted what has no effect any more: what it writes, if anything, is on its way.
    pub(crate) counted_out: bool,
    retired: bool,
}

/// What of a component matters.
#[derive(Clone, Copy, Debug)]
struct View {
    /// The numbers of the outputs to persist.
    numbered: bool,
    /// Nothing but the end of what has ended.
    brief: bool,
    /// The time until moments, and not the moments.
    relative: bool,
}

/// A machine whose outputs can be carried out.
pub(crate) trait Host: Machine<Input: Clone> + Clone {
    fn nodes(state: &mut State) -> &mut Vec<Arc<Node<Self>>>;
    fn who(which: usize) -> Who;
    /// The machine of a snapshot that was stored.
    fn again(snapshot: &Json) -> Self;
    fn persisted(number: u64) -> Self::Input;
    fn got(who: Who, epoch: u64, found: Option<Entry>) -> Self::Input;
    fn effects(world: &World) -> &Effects<Self>;
    /// The decisions that a voter knows, by epoch.
    fn decided(&self) -> Option<Vec<String>>;
    fn grant(node: &mut Node<Self>, around: &Around, output: Self::Output, out: &mut Outbox);
}

impl<M: Host> Node<M> {
    pub(crate) fn new(world: &World, who: Who, machine: M) -> Self {
        let mut node = Node {
            who,
            voters: world.voters,
            view: View {
                numbered: world.lacks(Reduction::Steps) || world.lacks(Reduction::Digests),
                brief: !world.lacks(Reduction::Ends),
                relative: !world.lacks(Reduction::Clocks),
            },
            open: world.open.iter().map(|open| i64::try_from(*open).unwrap() * 1_000).collect(),
            epochs: crate::laws::epochs(world).count(),
            crasher: world.crasher == Some(who),
            fresh: Arc::new(machine.snapshot().unwrap()),
            loses: false,
            machine,
            millis: 0,
            ahead: match who {
                Who::Voter(which) => world.ahead.get(which).map_or(0, |ahead| ahead * 1_000),
                Who::Proposer(_) => 0,
            },
            stored: None,
            putting: false,
            tasks: Vec::new(),
            ends: Vec::new(),
            text: String::new(),
            identity: 0,
            mark: 0,
            counted: Vec::new(),
            settled: false,
            counted_out: false,
            retired: false,
        };
        node.remark(false);
        node
    }

    /// Digests all that matters: not the source of identifiers, which no decision depends on, nor
    /// the numbers of the outputs that are done at once.
    pub(crate) fn remark(&mut self, forgetful: bool) {
        if forgetful {
            self.stored = None;
        }
        let view = self.view;
        let machine = self.write_down(&self.machine.snapshot().unwrap());
        self.settled = machine.settled;
        // It cannot go back to when it counted.
        self.counted_out = view.brief && forgetful && machine.counted_out;
        let mut counted =
            if self.counted_out { vec![String::new(); self.voters] } else { machine.votes };
        let mut machine = machine.text;
        let mut stored = String::new();
        if let Some(snapshot) = &self.stored {
            let written = self.write_down(snapshot);
            stored = written.text;
            for (all, more) in counted.iter_mut().zip(written.votes) {
                write!(all, " {more}").unwrap();
            }
        }
        let mut more = format!("{} {}", self.ahead, self.putting);
        match (view.relative, self.who) {
            (false, _) => write!(more, " {}", self.millis).unwrap(),
            (true, Who::Voter(_)) => {
                for which in 0..self.open.len() {
                    write!(more, " {}:{}", self.left(which), self.until_free(which)).unwrap();
                }
            }
            // The time at which it proposed is in what it sent.
            (true, Who::Proposer(_)) => {}
        }
        for end in &self.ends {
            let brief = || self::brief(end);
            let end = if view.brief { brief() } else { end.to_string() };
            write!(more, " {end}").unwrap();
        }
        for task in &self.tasks {
            match task {
                Task::Store(number, snapshot) => {
                    let written = self.write_down(snapshot);
                    write!(more, " store {number} {} {:?}", written.text, written.votes).unwrap();
                }
                Task::Read(epoch) => write!(more, " read {epoch}").unwrap(),
                Task::Answer(_, says) => write!(more, " {says}").unwrap(),
            }
        }
        if view.brief && forgetful && self.tasks.is_empty() {
            // All that it does is to say the decision.
            if let Some(decided) = M::decided(&self.machine)
                && decided.len() == self.epochs
            {
                (machine, more) = (decided.join(" "), String::new());
            }
        }
        self.loses = self.crasher && self.would_lose();
        self.counted = counted.iter().map(mark).collect();
        self.text = format!("{machine}\n{stored}\n{more}");
        self.identity = mark((self.who, &self.text, &self.counted));
        self.mark = mark(nameless(&self.text, self.who));
    }

    /// How long it is until the deadline of a ballot by the wall clock, in milliseconds; 0 if it has passed.
    fn left(&self, which: usize) -> i64 {
        (self.open[which] - self.ahead - i64::try_from(self.millis).unwrap()).max(0)
    }

    /// How long a vote on a ballot binds at most that was given in time, in milliseconds. A clock by which the
    /// deadline had passed from the start does not make it bind less.
    pub(crate) fn until_free(&self, which: usize) -> i64 {
        if self.ahead < self.open[which] {
            return self.left(which);
        }
        (self.open[which] - i64::try_from(self.millis).unwrap()).max(0)
    }

    /// One that has ended for good: its end is all that counts.
    pub(crate) fn retired(&self, fresh: M) -> Node<M> {
        let mut node = self.clone();
        (node.machine, node.stored, node.putting, node.millis) = (fresh, None, false, 0);
        node.retired = true;
        node.remark(true);
        node
    }

    /// Whether it has not been retired.
    pub(crate) fn is_used(&self) -> bool {
        !self.retired
    }

    /// What a snapshot says.
    fn write_down(&self, snapshot: &Json) -> Written {
        Written::new(snapshot, self.view, self.millis * 1_000_000, self.voters)
    }

    fn now(&self) -> Now {
        let wall = START + i64::try_from(self.millis).unwrap() + self.ahead;
        Now::new(Instant::from_millis(self.millis), wall)
    }

    pub(crate) fn due(&self) -> Option<u64> {
        self.machine.deadline().map(|at| at.as_nanos().div_ceil(1_000_000))
    }

    /// Whether a crash would lose anything. The numbers of outputs to persist are nothing.
    fn would_lose(&self) -> bool {
        let told = View { numbered: false, ..self.view };
        let written = |of: &Json| Written::new(of, told, 0, self.voters);
        let stored = self.stored.as_ref().unwrap_or(&self.fresh);
        self.putting
            || !self.tasks.is_empty()
            || written(stored) != written(&self.machine.snapshot().unwrap())
    }

    pub(crate) fn take(&mut self, around: &Around, input: M::Input, out: &mut Outbox) {
        // What is refused changes nothing.
        let _ = self.machine.handle(self.now(), input);
        self.work(around, out);
    }

    pub(crate) fn receive(
        &mut self,
        around: &Around,
        message: Checked<Envelope>,
        out: &mut Outbox,
    ) {
        self.machine.receive(self.now(), message);
        self.work(around, out);
    }

    /// The clock moves to the next deadline.
    pub(crate) fn wait(&mut self, around: &Around, out: &mut Outbox) {
        self.millis = self.millis.max(self.due().unwrap_or(0));
        self.machine.handle_timeout(self.now());
        self.work(around, out);
    }

    pub(crate) fn crash(&mut self, around: &Around, fresh: M, again: M::Input, out: &mut Outbox) {
        self.machine = match &self.stored {
            Some(snapshot) => M::again(snapshot),
            None => fresh,
        };
        self.putting = false;
        self.tasks.clear();
        self.take(around, again, out);
    }

    pub(crate) fn store_early(&mut self) {
        self.stored = Some(self.machine.snapshot().unwrap());
    }

    fn work(&mut self, around: &Around, out: &mut Outbox) {
        while let Some(output) = self.machine.poll() {
            M::grant(self, around, output, out);
        }
    }

    fn persist(&mut self, around: &Around, number: u64) {
        let snapshot = self.machine.snapshot().unwrap();
        if around.stepwise {
            let same = |task: &Task<_>| matches!(task, Task::Store(other, _) if *other == number);
            if !self.tasks.iter().any(same) {
                self.wait_for(Task::Store(number, snapshot));
            }
            return;
        }
        self.keep(around, snapshot);
        self.machine.handle(self.now(), M::persisted(number)).unwrap();
    }

    fn keep(&mut self, around: &Around, snapshot: Json) {
        if !matches!(around.flaw, Some(Flaw::NothingStored | Flaw::CommitFirst)) {
            self.stored = Some(snapshot);
        }
    }

    fn get(&mut self, around: &Around, epoch: u64) {
        if around.stepwise {
            let same = |task: &Task<_>| matches!(task, Task::Read(other) if *other == epoch);
            if !self.tasks.iter().any(same) {
                self.wait_for(Task::Read(epoch));
            }
            return;
        }
        let input = M::got(self.who, epoch, around.read(epoch));
        self.machine.handle(self.now(), input).unwrap();
    }

    /// Adds a task. What does not depend on an order is kept in one.
    fn wait_for(&mut self, task: Task<M::Input>) {
        self.tasks.push(task);
        self.tasks.sort_by(|a, b| a.rank().cmp(&b.rank()));
    }

    /// The tasks that can be gone on with: snapshots are stored in their order.
    pub(crate) fn doable(&self) -> impl Iterator<Item = usize> {
        let store = self.tasks.iter().position(|task| matches!(task, Task::Store(..)));
        let later = move |at: usize| store.is_some_and(|store| store < at);
        let tasks = self.tasks.iter().enumerate();
        tasks
            .filter(move |(at, task)| !(matches!(task, Task::Store(..)) && later(*at)))
            .map(|(at, _)| at)
    }

    /// Goes on with a task. An answer that waits to be handed in does so once.
    pub(crate) fn advance(&mut self, at: usize, around: &Around, out: &mut Outbox) {
        let (input, says) = match self.tasks.remove(at) {
            Task::Store(number, snapshot) => {
                self.keep(around, snapshot);
                (M::persisted(number), format!("persisted {number}"))
            }
            Task::Read(epoch) => {
                let says = around.stored.get(&epoch).map(|stored| stored.mark);
                (M::got(self.who, epoch, around.read(epoch)), format!("got {epoch} {says:?}"))
            }
            Task::Answer(input, _) => return self.take(around, input, out),
        };
        let same = |task: &Task<_>| matches!(task, Task::Answer(_, other) if *other == says);
        if !self.tasks.iter().any(same) {
            self.wait_for(Task::Answer(input, says));
        }
    }
}

/// How a ballot ended, without who voted what.
pub(crate) fn brief(end: &BallotEnd) -> String {
    match end {
        BallotEnd::Committed(record) => format!("committed as {}", record.proposal.proposal_id),
        BallotEnd::Conflict(record) => format!("conflict with {}", record.proposal.proposal_id),
        BallotEnd::Rejected(_) => "rejected".to_owned(),
        BallotEnd::Expired(_) => "expired".to_owned(),
        other => other.to_string(),
    }
}

/// What a snapshot says that matters.
#[derive(Default, PartialEq)]
struct Written {
    text: String,
    /// What was counted of each voter.
    votes: Vec<String>,
    /// Whether there are ballots, and none of them takes votes.
    settled: bool,
    /// The same, and what is to be written is being written.
    counted_out: bool,
}

impl Written {
    fn new(snapshot: &Json, view: View, now: u64, voters: usize) -> Self {
        let mut value: Value = serde_json::from_str(snapshot.as_str()).unwrap();
        let mut written = Written { votes: vec![String::new(); voters], ..Written::default() };
        let top = value.as_object_mut().expect("a machine is an object");
        // Under another name it would stay, and tell states apart that are one: the worlds would not end.
        assert!(
            top.remove("rng").is_some(),
            "a snapshot has its source of identifiers under `rng`"
        );
        let settling = |ballot: &Value| ballot[1]["state"].get("Settling").is_some();
        let open = top.get("open").and_then(Value::as_array);
        written.settled = open.is_some_and(|open| !open.is_empty() && open.iter().all(settling));
        let writing = |ballot: &Value| {
            let settling = &ballot[1]["state"]["Settling"];
            !settling["failure"].is_null() || settling["step"] != "Persist"
        };
        written.counted_out = written.settled && open.is_some_and(|open| open.iter().all(writing));
        if view.relative {
            for timer in top["timers"].as_array_mut().expect("timers are a list") {
                timer[0] = until(&timer[0], now);
            }
        }
        written.walk(&mut value, view, now);
        written.text = value.to_string();
        written
    }

    fn walk(&mut self, value: &mut Value, view: View, now: u64) {
        match value {
            Value::Object(fields) => {
                if !view.numbered {
                    fields.remove("seal");
                    fields.remove("seals");
                }
                if view.brief {
                    // What is forgotten first does not matter where nothing is.
                    for field in ["accepted", "rejected", "reason", "order"] {
                        fields.remove(field);
                    }
                }
                if let Some(moment) = fields.get_mut("until").filter(|_| view.relative) {
                    *moment = until(moment, now);
                }
                if let Some(Value::Array(votes)) = fields.remove("votes") {
                    for vote in votes {
                        let voter = vote["voter"].as_str().expect("a vote names its voter");
                        let Who::Voter(voter) = Who::of(&ComponentId::new(voter).unwrap()) else {
                            panic!("{voter} is no voter")
                        };
                        write!(self.votes[voter], "{} {};", vote["vote"], vote["weight"]).unwrap();
                    }
                }
                fields.values_mut().for_each(|value| self.walk(value, view, now));
            }
            Value::Array(values) => {
                for value in values {
                    self.walk(value, view, now);
                }
            }
            _ => {}
        }
    }
}

/// How long it is until a moment, in nanoseconds.
fn until(moment: &Value, now: u64) -> Value {
    moment.as_i64().map(|at| at - i64::try_from(now).unwrap()).into()
}

impl Host for Proposer {
    fn nodes(state: &mut State) -> &mut Vec<Arc<Node<Self>>> {
        &mut state.proposers
    }

    fn who(which: usize) -> Who {
        Who::Proposer(which)
    }

    fn again(snapshot: &Json) -> Self {
        Proposer::restore(snapshot).unwrap()
    }

    fn persisted(number: u64) -> ProposeInput {
        ProposeInput::Persisted(number)
    }

    fn got(who: Who, _: u64, found: Option<Entry>) -> ProposeInput {
        let (Who::Proposer(which) | Who::Voter(which)) = who;
        ProposeInput::Got(crate::proposal(which), Ok(found))
    }

    fn effects(world: &World) -> &Effects<Self> {
        &world.proposing
    }

    fn decided(&self) -> Option<Vec<String>> {
        None
    }

    fn grant(node: &mut Node<Self>, around: &Around, output: ProposeOutput, out: &mut Outbox) {
        match output {
            ProposeOutput::Send(message) => {
                let letter = letter(*message.envelope, node.view.brief);
                let to = message.to.iter().map(|to| (Who::of(to), Arc::clone(&letter)));
                out.letters.extend(to);
            }
            ProposeOutput::Persist(number) => node.persist(around, number),
            ProposeOutput::Put(commit) => {
                node.putting = true;
                out.put = Some(Arc::new(Record::new(commit.record, node.voters, node.view.brief)));
            }
            ProposeOutput::Get(_, slot) => node.get(around, slot.epoch),
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

    fn again(snapshot: &Json) -> Self {
        Voter::restore(snapshot).unwrap()
    }

    fn persisted(number: u64) -> VoteInput {
        VoteInput::Persisted(number)
    }

    fn got(_: Who, epoch: u64, found: Option<Entry>) -> VoteInput {
        VoteInput::Got(crate::slot(epoch), Ok(found))
    }

    fn effects(world: &World) -> &Effects<Self> {
        &world.voting
    }

    fn decided(&self) -> Option<Vec<String>> {
        let known = (0..).map_while(|epoch| self.decision(&crate::slot(epoch)));
        Some(known.map(|decision| decision.proposal_id.to_string()).collect())
    }

    fn grant(node: &mut Node<Self>, around: &Around, output: VoteOutput, out: &mut Outbox) {
        match output {
            VoteOutput::Consider(proposal) => {
                let input = VoteInput::Cast {
                    proposal_id: proposal.proposal_id,
                    vote: around.opinion.clone(),
                    reason: None,
                };
                node.machine.handle(node.now(), input).unwrap();
            }
            VoteOutput::Persist(number) => node.persist(around, number),
            VoteOutput::Send(message) => {
                let to = message.to.first().expect("proposers name themselves");
                out.letters.push((Who::of(to), letter(*message.envelope, node.view.brief)));
            }
            VoteOutput::Get(slot) => node.get(around, slot.epoch),
            _ => {}
        }
    }
}
