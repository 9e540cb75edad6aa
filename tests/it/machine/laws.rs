//! The laws of all machines, over random scripts; and flawed machines that show that each law can
//! be broken.

use super::{START, Step, answer, checked, error, hand_in, id, name, request};
use crate::support::{Rng, scaled};
use coordination_protocol::machine::{
    Breaker, BreakerInput, BreakerOptions, CallResult, Caller, CallerOptions, Handshake,
    HandshakeInput, Machine, OutboundRequest, Presence, PresenceInput, Rejected, RequestInput,
    RequestOptions, Requester, RespondInput, RespondOptions, Responder, snapshot_of,
};
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::validate::{Gate, Validator};
use coordination_protocol::{Checked, Envelope, Error, Json, Mode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::{Debug, Write as _};
use std::time::Duration;

/// A machine that scripts can be drawn for.
pub(super) trait Scripted:
    Machine<Output: Debug + PartialEq> + Serialize + DeserializeOwned
{
    fn fresh(seed: u64) -> Self;
    fn draw(rng: &mut Rng, now: Now) -> Step<Self::Input>;
}

fn pick_id(rng: &mut Rng) -> String {
    format!("req_{}", rng.below(6))
}

impl Scripted for Requester {
    fn fresh(seed: u64) -> Self {
        Requester::new(name("hub"), seed)
    }

    fn draw(rng: &mut Rng, _: Now) -> Step<RequestInput> {
        let which = pick_id(rng);
        Step::Input(match rng.below(10) {
            0..=3 => {
                let more = match rng.below(4) {
                    0 => r#","constraints":{"max_wait_time":"20s"}"#,
                    _ => "",
                };
                let mut envelope = request(&which, 3, more);
                if rng.one_in(8) {
                    envelope.header.request_id = Some(id("req_other"));
                }
                let mut ask = OutboundRequest::new(envelope, super::now(0), [7; 10]);
                if rng.one_in(3) {
                    ask = ask.with_deadline(Duration::from_secs(rng.below(90) as u64));
                }
                if rng.one_in(4) {
                    ask = ask.with_peer(name(rng.pick(&["rm", "other"])));
                }
                RequestInput::Start(Box::new(ask))
            }
            4..=6 => {
                let corr = match rng.below(4) {
                    0 => r#","correlation_id":"corr_wrong""#.to_owned(),
                    1 => String::new(),
                    _ => format!(r#","correlation_id":"corr_{which}""#),
                };
                return Step::Message(answer(&which, &corr, rng.pick(&["approved", "queued"])));
            }
            7 => return Step::Message(error(&which, rng.pick(&[r#","recoverable":true"#, ""]))),
            8 => return Step::Message(heartbeat("rm", 1)),
            _ => RequestInput::Cancel(id(&which)),
        })
    }
}

fn heartbeat(component: &str, sequence: usize) -> Box<Checked<Envelope>> {
    checked(&format!(
        r#"{{"heartbeat":{{"component_id":"{component}","sequence":{sequence},"timestamp":"2025-01-15T12:00:00Z"}}}}"#,
    ))
}

impl Scripted for Responder {
    fn fresh(seed: u64) -> Self {
        let options = RespondOptions::new()
            .with_accepted(name("hub"))
            .with_concurrent(3)
            .with_capacity(4)
            .with_remembered(4);
        Responder::new(name("rm"), seed).with_options(options)
    }

    fn draw(rng: &mut Rng, now: Now) -> Step<RespondInput> {
        let which = pick_id(rng);
        Step::Input(match rng.below(10) {
            0..=3 => {
                let text = request(&which, 1 + rng.below(2), "").to_string();
                return Step::Message(checked(&text));
            }
            4 => return Step::Message(answer(&which, "", "approved")),
            5 => return Step::Message(heartbeat("hub", 1)),
            6 | 7 => {
                let source = rng.pick(&["hub", "stranger"]);
                let body = rng.pick(&["allocation_request", "error_report", "dead_letter", "x"]);
                let end = rng.pick(&["}}", "}"]);
                let record = format!(
                    r#"{{"source":"{source}","request_id":"{which}","response_required":true,"{body}":{{"a":1{end}"#,
                );
                let mut gate = Gate::new(Validator::new(Mode::Strict));
                let report = gate.accept(record.as_bytes(), now.wall, None).unwrap_err();
                RespondInput::Rejected(Box::new(Rejected::new(record, report)))
            }
            _ => {
                let key = serde_json::json!({ "source": "hub", "request_id": which });
                let key = serde_json::from_value(key).unwrap();
                let message = match rng.below(4) {
                    0 => error(&which, r#","recoverable":true"#),
                    1 => answer(&which, "", "queued"),
                    _ => answer(&which, "", "approved"),
                };
                RespondInput::Answer(key, Box::new(message.into_inner().message))
            }
        })
    }
}

impl Scripted for Breaker {
    fn fresh(_: u64) -> Self {
        Breaker::new(BreakerOptions::new().with_failures(1))
    }

    fn draw(rng: &mut Rng, _: Now) -> Step<BreakerInput> {
        let call = id(&format!("req_{}", rng.below(2)));
        Step::Input(match rng.below(6) {
            0 | 1 => BreakerInput::Call(call),
            2 if rng.one_in(2) => BreakerInput::Ended(call, CallResult::Success),
            2 => BreakerInput::Ended(call, CallResult::Neutral),
            _ => BreakerInput::Ended(call, CallResult::Failure),
        })
    }
}

impl Scripted for Caller {
    fn fresh(seed: u64) -> Self {
        let second = Duration::from_secs(1);
        let breaker = BreakerOptions::new().with_failures(1).with_open(second);
        let request = RequestOptions::new().with_timeout(second);
        let options = CallerOptions::new().with_breaker(breaker).with_request(request);
        Caller::new(name("hub"), seed).with_options(options)
    }

    fn draw(rng: &mut Rng, now: Now) -> Step<RequestInput> {
        Requester::draw(rng, now)
    }
}

impl Scripted for Handshake {
    fn fresh(seed: u64) -> Self {
        let supported = "1.0.0..=1.1.0,floor=1.0.0".parse().unwrap();
        Handshake::new(name("hub"), supported, seed)
    }

    fn draw(rng: &mut Rng, _: Now) -> Step<HandshakeInput> {
        // The greeting's identifier is made from the time and these bytes, both known here.
        let greeting = coordination_protocol::scalar::RequestId::generate(0, [7; 10]);
        let peer = rng.pick(&["worker", "worker", "worker", "hub", "other"]);
        let text = match rng.below(8) {
            0..=2 => return Step::Input(HandshakeInput::Greet([7; 10])),
            3 | 4 => {
                let (min, max) =
                    [("1.0.0", "1.0.0"), ("1.0.0", "1.1.0"), ("1.2.0", "1.3.0")][rng.below(3)];
                format!(
                    r#"{{"request_id":"req_h","correlation_id":"corr_h","response_required":true,
                        "hello":{{"component_id":"{peer}","versions":[{{"min":"{min}","max":"{max}"}}]}}}}"#,
                )
            }
            5 | 6 => {
                let version = rng.pick(&["1.0.0", "1.1.0", "1.5.0"]);
                format!(
                    r#"{{"response_to":"{greeting}","welcome":{{"component_id":"{peer}","version":"{version}"}}}}"#,
                )
            }
            _ => format!(
                r#"{{"response_to":"{greeting}","error_report":{{"error_id":"err_1","workflow_id":"global",
                    "timestamp":"2025-01-15T12:00:00Z","recovery_suggestions":[{{"strategy":"upgrade"}}],
                    "classification":{{"category":"system","severity":"high","type":"conflict","scope":"system","recoverable":false}}}}}}"#,
            ),
        };
        Step::Message(checked(&text))
    }
}

impl Scripted for Presence {
    fn fresh(seed: u64) -> Self {
        Presence::new(seed)
    }

    fn draw(rng: &mut Rng, _: Now) -> Step<PresenceInput> {
        let peer = rng.pick(&["a", "b", "c"]);
        let registration = format!(
            r#"{{"component_registration":{{"component_id":"{peer}","component_type":"utility","version":"1.0.0"}}}}"#,
        );
        let body = |text: &str| checked(text).into_inner().message;
        let status = format!(
            r#"{{"health_status":{{"component_id":"{peer}","status":"{}","timestamp":"2025-01-15T12:00:{:02}Z"}}}}"#,
            rng.pick(&["healthy", "degraded", "unhealthy", "sleepy"]),
            rng.below(60),
        );
        Step::Input(match rng.below(12) {
            0 => match body(&registration) {
                coordination_protocol::Message::ComponentRegistration(body) => {
                    PresenceInput::Join(body)
                }
                other => panic!("{other:?}"),
            },
            1 => match body(&status) {
                coordination_protocol::Message::HealthStatus(body) => PresenceInput::Health(body),
                other => panic!("{other:?}"),
            },
            2 if rng.one_in(3) => PresenceInput::Leave("done".to_owned()),
            3 => PresenceInput::Expect(name(peer)),
            4 => return Step::Message(checked(&status)),
            5 if rng.one_in(2) => {
                return Step::Message(checked(&format!(
                    r#"{{"deregistration":{{"component_id":"{peer}","reason":"done"}}}}"#,
                )));
            }
            6 | 7 => return Step::Message(checked(&registration)),
            8 => return Step::Message(error("req_1", "")),
            _ => return Step::Message(heartbeat(peer, rng.below(20))),
        })
    }
}

/// How far the clock is moved, in milliseconds.
const STEPS: [u64; 9] = [0, 1, 10, 500, 1_000, 29_999, 30_000, 60_000, 600_000];

/// Plays one script and says what was heard, or which law was broken.
fn play<M: Scripted>(seed: u64, carried_over: bool) -> Result<String, String> {
    let mut rng = Rng::new(seed);
    let mut machine = M::fresh(seed);
    let mut heard = String::new();
    let mut millis = 0;
    for step in 0..=rng.below(30) {
        let broken = |law: &str| Err(format!("seed {seed}, step {step}: {law}"));
        let jump = STEPS[rng.below(STEPS.len())];
        // The clock goes on, now and then to the deadline exactly, once in a while (against the
        // contract) back.
        let due = machine.deadline().map(|at| at.as_nanos().div_ceil(1_000_000));
        millis = match (rng.below(12), due) {
            (0..=3, Some(due)) => due,
            (4, _) if rng.one_in(4) => millis.saturating_sub(jump),
            _ => millis + jump,
        };
        // Identifiers of greetings are known beforehand.
        let wall = if rng.one_in(2) { 0 } else { START };
        let now = Now::new(Instant::from_millis(millis), wall);
        if carried_over {
            let snapshot = machine.snapshot().unwrap();
            machine = M::restore(&snapshot).unwrap();
        }
        if rng.one_in(3) {
            let early = machine.deadline().is_none_or(|deadline| deadline > now.at);
            let before = early.then(|| machine.snapshot().unwrap());
            machine.handle_timeout(now);
            if machine.deadline().is_some_and(|deadline| deadline <= now.at) {
                return broken("the deadline is not later than now");
            }
            if before.is_some_and(|before| before != machine.snapshot().unwrap()) {
                return broken("a timeout before the deadline changed something");
            }
        } else {
            let input = M::draw(&mut rng, now);
            let before = machine.snapshot().unwrap();
            if let Err(refused) = hand_in(&mut machine, now, input) {
                if before != machine.snapshot().unwrap() {
                    return broken("a refused input changed something");
                }
                let _ = writeln!(heard, "{step} refused: {refused}");
            }
        }
        if !rng.one_in(4) {
            while let Some(output) = machine.poll() {
                let _ = writeln!(heard, "{step} {output:?}");
            }
            if machine.poll().is_some() {
                return broken("drained, and there is more");
            }
        }
        let _ = writeln!(heard, "{step} next {:?}", machine.deadline());
    }
    Ok(heard)
}

/// All laws for one script.
fn laws<M: Scripted>(seed: u64) -> Result<String, String> {
    let heard = play::<M>(seed, false)?;
    if heard != play::<M>(seed, false)? {
        return Err(format!("seed {seed}: the same script was heard differently"));
    }
    if heard != play::<M>(seed, true)? {
        return Err(format!("seed {seed}: the snapshot was noticed"));
    }
    Ok(heard)
}

/// Checks many scripts, and that they lead to all of these outputs.
pub(super) fn all<M: Scripted>(wanted: &[&str]) {
    let mut missing: Vec<&str> = wanted.to_vec();
    for seed in 0..scaled(400) as u64 {
        let heard = laws::<M>(seed).unwrap_or_else(|broken| panic!("{broken}"));
        missing.retain(|word| !heard.contains(word));
    }
    assert!(missing.is_empty(), "never heard: {missing:?}");
}

#[test]
fn requester_keeps_the_laws() {
    all::<Requester>(&[
        "attempt: 3",
        "Queued",
        "Answered",
        "Failed",
        "TimedOut",
        "Cancelled",
        "Late",
        "Duplicate",
        "was asked before",
        "Contradiction",
        "is not open",
        "was not asked",
        "another correlation_id",
        "another component",
        "Unwanted",
        "and the body",
    ]);
}

#[test]
fn responder_keeps_the_laws() {
    all::<Responder>(&[
        "Execute",
        "AllocationResponse",
        "Cancel",
        "DeadLetter",
        "was used for another request",
        "which is the limit",
        "not answered in time",
        "Unwanted",
        "is not under way",
    ]);
}

#[test]
fn breaker_keeps_the_laws() {
    all::<Breaker>(&["to: Open", "to: HalfOpen", "to: Closed", "is open until", "is under way"]);
}

#[test]
fn caller_keeps_the_laws() {
    all::<Caller>(&[
        "Queued",
        "Answered",
        "Failed",
        "TimedOut",
        "Cancelled",
        "Contradiction",
        "to: Open",
        "to: HalfOpen",
        "to: Closed",
        "is open until",
        "was asked before",
        "is not open",
        "Duplicate",
    ]);
}

#[test]
fn handshake_keeps_the_laws() {
    all::<Handshake>(&[
        "Agreed",
        "Incompatible",
        "Refused(",
        "BadWelcome",
        "NoAnswer",
        "has begun",
        "Own",
        "the peer is",
        "was not asked",
    ]);
}

#[test]
fn presence_keeps_the_laws() {
    all::<Presence>(&[
        "HealthDue",
        "Some(Degraded)",
        "Some(Unhealthy)",
        "Some(Unknown)",
        "to: None",
        "Heartbeat",
        "Deregistration",
        "neither registered",
        "Unwanted",
        "Stale",
        "has not joined",
        "joined already",
        "is not the component",
    ]);
}

/// The ways in which a machine can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Flaw {
    None,
    RefusedCounts,
    StaleDeadline,
    EarlyCounts,
    Refills,
    Forgets,
    Varies,
}

/// Counts its inputs and refuses every third.
#[derive(Serialize, Deserialize)]
struct Flawed<const FLAW: u8> {
    count: u64,
    due: Option<Instant>,
    out: Vec<u64>,
    #[serde(skip)]
    hidden: u64,
    refill: bool,
}

const FLAWS: [Flaw; 7] = [
    Flaw::None,
    Flaw::RefusedCounts,
    Flaw::StaleDeadline,
    Flaw::EarlyCounts,
    Flaw::Refills,
    Flaw::Forgets,
    Flaw::Varies,
];

static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl<const FLAW: u8> Flawed<FLAW> {
    fn has(flaw: Flaw) -> bool {
        FLAWS[usize::from(FLAW)] == flaw
    }
}

impl<const FLAW: u8> Machine for Flawed<FLAW> {
    type Input = u64;
    type Output = u64;
    type Error = std::fmt::Error;

    fn handle(&mut self, now: Now, input: u64) -> Result<(), std::fmt::Error> {
        if input == 0 {
            self.count += u64::from(Self::has(Flaw::RefusedCounts));
            return Err(std::fmt::Error);
        }
        self.count += input;
        self.hidden += 1;
        self.due = now.at.after(Duration::from_secs(1));
        self.out.push(self.count);
        self.refill = true;
        Ok(())
    }

    fn wants(&self, _: &Envelope) -> bool {
        false
    }

    fn receive(&mut self, _: Now, _: Checked<Envelope>) {}

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }

    fn handle_timeout(&mut self, now: Now) {
        self.count += u64::from(Self::has(Flaw::EarlyCounts));
        if self.due.is_some_and(|due| due <= now.at) && !Self::has(Flaw::StaleDeadline) {
            self.due = None;
            self.out.push(if Self::has(Flaw::Forgets) { self.hidden } else { 0 });
        }
    }

    fn poll(&mut self) -> Option<u64> {
        if let Some(output) = self.out.pop() {
            let runs = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Some(if Self::has(Flaw::Varies) { runs } else { output });
        }
        if Self::has(Flaw::Refills) && self.refill {
            self.refill = false;
            self.out.push(1);
        }
        None
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }
}

impl<const FLAW: u8> Scripted for Flawed<FLAW> {
    fn fresh(_: u64) -> Self {
        Flawed { count: 0, due: None, out: Vec::new(), hidden: 0, refill: false }
    }

    fn draw(rng: &mut Rng, _: Now) -> Step<u64> {
        Step::Input(rng.below(3) as u64)
    }
}

#[test]
fn every_broken_law_is_noticed() {
    fn verdict<const FLAW: u8>() -> String {
        let broken = (0..200).find_map(|seed| laws::<Flawed<FLAW>>(seed).err());
        broken.map_or_else(String::new, |text| text.rsplit(": ").next().unwrap().to_owned())
    }
    assert_eq!(verdict::<0>(), "");
    assert_eq!(verdict::<1>(), "a refused input changed something");
    assert_eq!(verdict::<2>(), "the deadline is not later than now");
    assert_eq!(verdict::<3>(), "a timeout before the deadline changed something");
    assert_eq!(verdict::<4>(), "drained, and there is more");
    assert_eq!(verdict::<5>(), "the snapshot was noticed");
    assert_eq!(verdict::<6>(), "the same script was heard differently");
}

/// What is no snapshot is refused, and says so.
#[test]
fn a_foreign_snapshot_is_refused() {
    let breaker = Breaker::default().snapshot().unwrap();
    let error = Requester::restore(&breaker).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("no snapshot of this machine: "), "{text}");
    assert!(text.contains("missing field"), "{text}");
}
