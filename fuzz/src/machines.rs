//! What the target of machines asserts of arbitrary scripts; shared with the tests like
//! [`bodies`](super::bodies).
#![allow(unreachable_pub, missing_docs, clippy::missing_panics_doc, reason = "shared with tests")]

use coordination_protocol::machine::{
    Backoff, BallotOptions, BallotSlot, Breaker, BreakerInput, BreakerOptions, CallResult, Caller,
    CallerOptions, Dispatcher, DispatcherInput, DispatcherOptions, Handshake, HandshakeInput,
    HandshakeOptions, Machine, MachineOutput, NewProposal, OutboundRequest, Presence,
    PresenceInput, PresenceOptions, ProposeInput, Proposer, QueueOptions, Rejected, RequestInput,
    RequestOptions, Requester, RespondInput, RespondOptions, Responder, StateSync, SyncInput,
    SyncOptions, VoteInput, Voter, VoterSet,
};
use coordination_protocol::route::Field;
use coordination_protocol::scalar::{
    Ballot, CheckResult, ComponentId, Instant, Now, ProposalId, RequestId, WorkflowId,
};
use coordination_protocol::storage::{Entry, Key, StorageError};
use coordination_protocol::transport::Overflow;
use coordination_protocol::validate::{Checked, Gate, Validator};
use coordination_protocol::version::SupportedVersions;
use coordination_protocol::{Envelope, Json, Message, Mode};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

/// The most lines of a script that are played: its cost grows with their square.
const LINES: usize = 64;

/// A script: its first byte picks the machine, from `A` on, the rest of the line its options. Each further line
/// is a step:
///
/// | begins with | does |
/// |---|---|
/// | `+` and digits | lets that number of milliseconds pass |
/// | `=` and digits | sets the wall clock; `=-` before 1970 |
/// | `!` | goes to the deadline |
/// | `p` | fetches all outputs |
/// | `a` to `f` | an input of the machine's own, with the rest of the line |
/// | anything else | a record, which passes a gate first |
pub fn machines(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let head = lines.next().unwrap_or_default();
    let options = Options(number(head));
    let script: Vec<&[u8]> = lines.take(LINES).collect();
    match head.first().map_or(0, |byte| byte.wrapping_sub(b'A') % 10) {
        0 => play::<Requester>(&options, &script),
        1 => play::<Responder>(&options, &script),
        2 => play::<Breaker>(&options, &script),
        3 => play::<Handshake>(&options, &script),
        4 => play::<Presence>(&options, &script),
        5 => play::<Dispatcher>(&options, &script),
        6 => play::<StateSync>(&options, &script),
        7 => play::<Proposer>(&options, &script),
        9 => play::<Caller>(&options, &script),
        _ => play::<Voter>(&options, &script),
    }
}

/// The digits of a line as a number.
fn number(line: &[u8]) -> u64 {
    let digits = line.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u64, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    })
}

/// Options of all machines, among them those that make no sense.
struct Options(u64);

impl Options {
    fn time(&self, which: u32) -> Duration {
        let times = [
            Duration::from_secs(30),
            Duration::ZERO,
            Duration::from_millis(1),
            Duration::from_secs(3_600),
            Duration::MAX,
        ];
        times[(self.0 >> (3 * which)) as usize % times.len()]
    }

    fn count(&self, which: u32) -> usize {
        [1_000, 0, 1, 2][(self.0 >> (2 * which)) as usize % 4]
    }

    fn request(&self) -> RequestOptions {
        let backoff = Backoff::new()
            .with_base(self.time(0))
            .with_cap(self.time(1))
            .with_factor(self.count(2) as u32)
            .with_attempts(self.count(3) as u32);
        RequestOptions::new()
            .with_backoff(backoff)
            .with_timeout(self.time(2))
            .with_queue_wait(self.time(3))
            .with_max_open(self.count(4))
    }
}

/// A machine that scripts can drive.
trait Driven:
    Machine<Input: Clone, Output: Debug + PartialEq + MachineOutput> + DeserializeOwned
{
    fn fresh(options: &Options) -> Self;

    /// The input for a record that the gate refused; `None` if the machine takes no such thing.
    fn rejected(_: Rejected) -> Option<Self::Input> {
        None
    }

    /// An input of its own. The record is that of the line, if it is a message.
    fn own(&self, step: u8, rest: &[u8], record: Option<Envelope>, now: Now)
    -> Option<Self::Input>;
}

fn name(text: &str) -> ComponentId {
    ComponentId::new(text).expect("a sound name")
}

/// An identifier from the first byte, so that scripts meet their own.
fn id(rest: &[u8]) -> RequestId {
    let which = rest.first().map_or(0, |byte| byte % 8);
    RequestId::new(format!("req_{which}")).expect("a sound name")
}

impl Driven for Requester {
    fn fresh(options: &Options) -> Self {
        Requester::new(name("hub"), options.0).with_options(options.request())
    }

    fn own(
        &self,
        step: u8,
        rest: &[u8],
        record: Option<Envelope>,
        now: Now,
    ) -> Option<RequestInput> {
        request(step, rest, record, now)
    }
}

fn request(step: u8, rest: &[u8], record: Option<Envelope>, now: Now) -> Option<RequestInput> {
    if step == b'a' {
        return Some(RequestInput::Cancel(id(rest)));
    }
    let mut ask = OutboundRequest::new(record?, now, [step; 10]);
    if step == b'b' {
        ask = ask.with_deadline(Duration::from_millis(number(rest)));
    }
    if step == b'c' {
        ask = ask.with_peer(name("rm"));
    }
    Some(RequestInput::Start(Box::new(ask)))
}

impl Driven for Caller {
    fn fresh(options: &Options) -> Self {
        let breaker = BreakerOptions::new().with_failures(1).with_open(options.time(1));
        let caller = CallerOptions::new().with_request(options.request()).with_breaker(breaker);
        Caller::new(name("hub"), options.0).with_options(caller)
    }

    fn own(
        &self,
        step: u8,
        rest: &[u8],
        record: Option<Envelope>,
        now: Now,
    ) -> Option<RequestInput> {
        request(step, rest, record, now)
    }
}

impl Driven for Responder {
    fn fresh(options: &Options) -> Self {
        let respond = RespondOptions::new()
            .with_concurrent(options.count(0))
            .with_capacity(options.count(1))
            .with_remember(options.time(2))
            .with_execution_timeout(options.time(3))
            .with_queue_wait(options.time(4))
            .with_accepted(name("hub"));
        Responder::new(name("rm"), options.0).with_options(respond)
    }

    fn rejected(rejected: Rejected) -> Option<RespondInput> {
        Some(RespondInput::Rejected(Box::new(rejected)))
    }

    fn own(&self, step: u8, rest: &[u8], record: Option<Envelope>, _: Now) -> Option<RespondInput> {
        let source = if step == b'a' { "null" } else { "\"hub\"" };
        let key = format!(r#"{{"source":{source},"request_id":"{}"}}"#, id(rest));
        let key = serde_json::from_str(&key).expect("a key");
        Some(RespondInput::Answer(key, Box::new(record?.message)))
    }
}

impl Driven for Breaker {
    fn fresh(options: &Options) -> Self {
        let breaker = BreakerOptions::new()
            .with_failures(options.count(0) as u32)
            .with_open(options.time(1))
            .with_probe(options.time(2));
        Breaker::new(breaker)
    }

    fn own(&self, step: u8, rest: &[u8], _: Option<Envelope>, _: Now) -> Option<BreakerInput> {
        Some(match step % 3 {
            0 => BreakerInput::Call(id(rest)),
            1 if rest.len() > 3 => BreakerInput::Ended(id(rest), CallResult::Neutral),
            1 => BreakerInput::Ended(id(rest), CallResult::Success),
            _ => BreakerInput::Ended(id(rest), CallResult::Failure),
        })
    }
}

impl Driven for Handshake {
    fn fresh(options: &Options) -> Self {
        let supported = ["1.0.0..=1.1.0", "1.0.0", "1.1.0,floor=1.1.0,capabilities=a+b"];
        let supported: SupportedVersions =
            supported[options.0 as usize % 3].parse().expect("a sound form");
        let handshake =
            HandshakeOptions::new().with_request(options.request()).with_heartbeat(options.time(5));
        let machine = Handshake::new(name("hub"), supported, options.0).with_options(handshake);
        if options.0.is_multiple_of(2) { machine } else { machine.with_peer(name("rm")) }
    }

    fn own(&self, step: u8, _: &[u8], _: Option<Envelope>, _: Now) -> Option<HandshakeInput> {
        Some(HandshakeInput::Greet([step; 10]))
    }
}

impl Driven for Presence {
    fn fresh(options: &Options) -> Self {
        let presence = PresenceOptions::new()
            .with_heartbeat(options.time(0))
            .with_grace(options.time(1))
            .with_health_check(options.time(2))
            .with_missing(options.count(3) as u32, options.count(4) as u32)
            .with_max_peers(options.count(5));
        Presence::new(options.0).with_options(presence)
    }

    fn own(
        &self,
        step: u8,
        rest: &[u8],
        record: Option<Envelope>,
        _: Now,
    ) -> Option<PresenceInput> {
        Some(match (step, record.map(|record| record.message)) {
            (b'a', _) => PresenceInput::Leave(String::from_utf8_lossy(rest).into_owned()),
            (b'b', _) => PresenceInput::Expect(name(id(rest).as_str())),
            (_, Some(Message::ComponentRegistration(body))) => PresenceInput::Join(body),
            (_, Some(Message::HealthStatus(body))) => PresenceInput::Health(body),
            _ => return None,
        })
    }
}

impl Driven for Dispatcher {
    fn fresh(options: &Options) -> Self {
        let overflow = if options.count(1) == 1 { Overflow::Refuse } else { Overflow::DropOldest };
        let queue = QueueOptions::new()
            .with_limit(options.count(0))
            .with_overflow(overflow)
            .with_batch(options.count(2), options.time(3))
            .with_window(options.count(4));
        let delivery = DispatcherOptions::new()
            .with_queue(queue)
            .with_timeout(options.time(5))
            .with_backoff(options.request().backoff)
            .with_remember(options.count(6), options.time(7));
        let order = Field::parse(["workflow", "/task_id"][options.0 as usize % 2]);
        let delivery = match order {
            Ok(field) if !options.0.is_multiple_of(5) => delivery.with_order(field),
            _ => delivery.with_order(None),
        };
        Dispatcher::new(options.0).with_options(delivery)
    }

    fn own(&self, step: u8, rest: &[u8], _: Option<Envelope>, _: Now) -> Option<DispatcherInput> {
        let who = name(id(rest).as_str());
        let number = number(&rest[rest.len().min(1)..]);
        let reason = || "it crashed".to_owned();
        // One that was given, or else one that was not.
        let receipt = self.under_way(&who).nth(number as usize % 8);
        let receipt = receipt.unwrap_or_else(|| {
            format!("0-0-{number}-1").parse().expect("it has the form of a receipt")
        });
        Some(match step {
            b'a' => DispatcherInput::Acknowledge(who, vec![receipt, receipt]),
            b'b' => DispatcherInput::Fail(who, receipt, reason()),
            b'c' => DispatcherInput::Reject(who, receipt, reason()),
            b'e' => DispatcherInput::Extend(who, vec![receipt]),
            b'd' => DispatcherInput::Disconnected(who),
            _ => DispatcherInput::Reconnected(who),
        })
    }
}

impl Driven for StateSync {
    fn fresh(options: &Options) -> Self {
        let sync = SyncOptions::new()
            .with_timeout(options.time(0))
            .with_interval(options.time(1))
            .with_backoff(options.request().backoff)
            .with_history(options.count(2))
            .with_max_peers(options.count(3));
        let workflow = WorkflowId::new("wf_001").expect("a sound name");
        StateSync::new(name("hub"), workflow, options.0).with_options(sync)
    }

    fn own(&self, step: u8, rest: &[u8], record: Option<Envelope>, _: Now) -> Option<SyncInput> {
        let state = match record.map(|record| record.message) {
            Some(Message::WorkflowState(state)) => Some(state),
            _ => None,
        };
        Some(match step {
            b'a' => SyncInput::Join(name(id(rest).as_str())),
            b'b' => SyncInput::Leave(name(id(rest).as_str())),
            b'c' => {
                let result = [CheckResult::Passed, CheckResult::Failed];
                let result = result[rest.len() % 2].clone();
                SyncInput::Validated(number(rest), vec![("state_integrity".to_owned(), result)])
            }
            b'd' => SyncInput::Decided(state?),
            _ => SyncInput::Changed(state?),
        })
    }
}

impl Options {
    fn ballot(&self) -> BallotOptions {
        BallotOptions::new()
            .with_open(self.time(0))
            .with_longest(self.time(1))
            .with_retry(self.request().backoff)
            .with_capacity(self.count(2))
    }
}

/// The identifier of a proposal from the first byte.
fn proposal(rest: &[u8]) -> ProposalId {
    let which = rest.first().map_or(0, |byte| byte % 8);
    ProposalId::new(format!("prop_{which}")).expect("a sound name")
}

/// What a store may have returned.
fn found(rest: &[u8], key: &Key) -> Result<Option<Entry>, StorageError> {
    match rest.len() % 3 {
        0 => Ok(None),
        1 => Ok(Some(Entry::new(key.clone(), rest, 1))),
        _ => Err(StorageError::unavailable("it is away")),
    }
}

fn slot(rest: &[u8]) -> BallotSlot {
    let workflow = WorkflowId::new("wf_001").expect("a sound name");
    BallotSlot::new(workflow, number(&rest[..rest.len().min(2)]))
}

impl Driven for Proposer {
    fn fresh(options: &Options) -> Self {
        Proposer::new(name("p1"), options.0).with_options(options.ballot())
    }

    fn own(&self, step: u8, rest: &[u8], _: Option<Envelope>, now: Now) -> Option<ProposeInput> {
        let slot = slot(rest);
        Some(match step {
            b'a' => {
                let voters = VoterSet::new([name("a"), name("b"), name("c")]);
                let value = Json::of(&rest.len()).expect("a number");
                let motion = NewProposal::new(slot, value, voters, now, [step; 10]);
                ProposeInput::Propose(Box::new(motion.with_id(proposal(rest))))
            }
            b'b' => ProposeInput::Persisted(number(rest)),
            b'c' => {
                let conflict = StorageError::unavailable("it is away");
                let result = if rest.len().is_multiple_of(2) { Ok(1) } else { Err(conflict) };
                ProposeInput::Put(proposal(rest), result)
            }
            b'd' => ProposeInput::Got(proposal(rest), found(rest, &slot.key().ok()?)),
            _ => ProposeInput::Restarted,
        })
    }
}

impl Driven for Voter {
    fn fresh(options: &Options) -> Self {
        Voter::new(name("a"), options.0).with_options(options.ballot())
    }

    fn own(&self, step: u8, rest: &[u8], _: Option<Envelope>, _: Now) -> Option<VoteInput> {
        let slot = slot(rest);
        Some(match step {
            b'a' | b'b' => VoteInput::Cast {
                proposal_id: proposal(rest),
                vote: if step == b'a' { Ballot::Accept } else { Ballot::Reject },
                reason: None,
            },
            b'c' => VoteInput::Persisted(number(rest)),
            b'd' => {
                let found = found(rest, &slot.key().ok()?);
                VoteInput::Got(slot, found)
            }
            _ => VoteInput::Restarted,
        })
    }
}

/// A machine and its twin, which is carried over to another process before every step.
fn play<M: Driven>(options: &Options, script: &[&[u8]]) {
    let mode = if options.0.is_multiple_of(3) { Mode::Strict } else { Mode::Interop };
    let mut gate = Gate::new(Validator::new(mode));
    let (mut machine, mut twin) = (M::fresh(options), M::fresh(options));
    let (mut at, mut wall) = (0_u64, 1_736_942_400_000_i64);
    for line in script {
        let snapshot = twin.snapshot().expect("a machine can be stored");
        twin = M::restore(&snapshot).expect("what was stored can be restored");
        let (step, rest) =
            line.split_first().map_or((b'p', &line[..]), |(step, rest)| (*step, rest));
        let now = Now::new(Instant::from_nanos(at), wall);
        match step {
            b'+' => {
                at = at.saturating_add(number(rest).saturating_mul(1_000_000));
                wall = wall.saturating_add(i64::try_from(number(rest)).unwrap_or(i64::MAX));
            }
            b'=' => {
                let millis = i64::try_from(number(rest)).unwrap_or(i64::MAX);
                wall = if rest.first() == Some(&b'-') { -millis } else { millis };
            }
            b'!' => at = machine.deadline().map_or(at, |due| due.as_nanos().max(at)),
            b'p' => {
                while let Some(output) = machine.poll() {
                    assert_eq!(Some(output), twin.poll());
                }
                assert!(machine.poll().is_none(), "drained stays drained");
            }
            b'a'..=b'f' => {
                let record = gate.accept(&rest[rest.len().min(1)..], wall, None).ok();
                let record = record.map(Checked::into_inner);
                if let Some(input) = machine.own(step, rest, record, now) {
                    handle(&mut machine, &mut twin, now, input);
                }
            }
            _ => match gate.accept(line, wall, None) {
                Ok(checked) => receive(&mut machine, &mut twin, now, checked),
                Err(report) => {
                    if let Some(input) = M::rejected(Rejected::new(*line, report)) {
                        handle(&mut machine, &mut twin, now, input);
                    }
                }
            },
        }
        if matches!(step, b'+' | b'!') {
            timeout(&mut machine, &mut twin, Now::new(Instant::from_nanos(at), wall));
        }
        assert_eq!(machine.deadline(), twin.deadline());
    }
    while let Some(output) = machine.poll() {
        assert_eq!(Some(output), twin.poll());
    }
    assert!(twin.poll().is_none());
}

/// What a machine does not want changes nothing and is told.
fn receive<M: Driven>(machine: &mut M, twin: &mut M, now: Now, message: Checked<Envelope>) {
    let wanted = machine.wants(&message);
    assert_eq!(wanted, twin.wants(&message));
    machine.receive(now, message.clone());
    twin.receive(now, message.clone());
    if !wanted {
        // On a third one that has nothing else to tell.
        let snapshot = machine.snapshot().expect("a machine can be stored");
        let mut third = M::restore(&snapshot).expect("what was stored can be restored");
        while third.poll().is_some() {}
        let before = third.snapshot().expect("a machine can be stored");
        third.receive(now, message);
        let told = third.poll().expect("what is not wanted is told");
        assert!(told.as_ignored().is_some(), "not wanted, and {told:?}");
        assert!(third.poll().is_none());
        let after = third.snapshot().expect("a machine can be stored");
        assert_eq!(before, after, "not wanted, and changed");
    }
}

fn handle<M: Driven>(machine: &mut M, twin: &mut M, now: Now, input: M::Input) {
    let before = machine.snapshot().expect("a machine can be stored");
    let refused = machine.handle(now, input.clone()).err().map(|error| error.to_string());
    assert_eq!(refused, twin.handle(now, input).err().map(|error| error.to_string()));
    if let Some(refused) = refused {
        let after = machine.snapshot().expect("a machine can be stored");
        assert_eq!(before, after, "refused with `{refused}`, and changed");
    }
}

fn timeout<M: Driven>(machine: &mut M, twin: &mut M, now: Now) {
    let early = machine.deadline().is_none_or(|deadline| deadline > now.at);
    let before = early.then(|| machine.snapshot().expect("a machine can be stored"));
    machine.handle_timeout(now);
    twin.handle_timeout(now);
    assert!(machine.deadline().is_none_or(|deadline| deadline > now.at), "the deadline moves on");
    if let Some(before) = before {
        assert_eq!(before, machine.snapshot().expect("a machine can be stored"), "too early");
    }
}
