//! Requests over a bad network.

use super::hosts::{Answering, Asking};
use super::{names, numbered};
use coordination_protocol::finding::Mode;
use coordination_protocol::machine::{
    BreakerOptions, CallerOptions, RequestOptions, RespondOptions, SplitMix64,
};
use coordination_protocol::message::ComponentConfig;
use coordination_protocol::scalar::Instant;
use coordination_protocol::sim::{
    Actor, Check, Conditions, Host, Scenario, SimEvent, SimEventKind, Stimulus, Violation,
};
use coordination_protocol::validate::{Gate, Validator};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ASKING: [&str; 3] = ["hub-1", "hub-2", "hub-3"];
const ANSWERING: &str = "rm";

/// Three components ask a fourth, each behind a circuit breaker.
///
/// * Each request ends exactly once for its caller, whichever node crashes; only a lost disk ends it silently.
/// * It is performed once, however long its requester goes on asking, and its answer is one that was
///   given to it.
/// * What is granted after the end of a request is told to its host.
/// * Attempts and the pauses between them keep the specification's bounds, and so does the circuit:
///   it opens at the fifth failure in a row and not before, for 30 s, and lets through one probe. An
///   error report ends the attempt that it is about and no other, however often it comes.
///
/// The bounds are those of the specification, whatever options the hosts run with.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    request: RequestOptions,
    breaker: BreakerOptions,
    respond: RespondOptions,
    unbounded: bool,
}

impl Requests {
    /// Hosts with the specification's figures.
    pub fn new() -> Self {
        Requests::default()
    }

    /// Hosts that ask and answer by one configuration. The bounds of attempts are not checked then.
    pub fn of_config(config: &ComponentConfig) -> Self {
        Requests {
            request: config.into(),
            breaker: BreakerOptions::new(),
            respond: config.into(),
            unbounded: true,
        }
    }

    /// Lets the components ask with other options.
    pub const fn with_request(mut self, options: RequestOptions) -> Self {
        self.request = options;
        self
    }

    /// Lets them break the circuit with other options.
    pub const fn with_breaker(mut self, options: BreakerOptions) -> Self {
        self.breaker = options;
        self
    }

    /// Lets the responder answer with other options.
    pub fn with_respond(mut self, options: RespondOptions) -> Self {
        self.respond = options;
        self
    }
}

impl Scenario for Requests {
    fn name(&self) -> &'static str {
        "request"
    }

    fn summary(&self) -> &'static str {
        "three components ask a fourth: each request ends exactly once and is performed at most once"
    }

    fn nodes(&self) -> Vec<String> {
        names(&["hub-1", "hub-2", "hub-3", "rm"])
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        let gate = Gate::new(Validator::new(Mode::Strict));
        if host.name == ANSWERING {
            return Box::new(Answering::new(host, self.respond.clone(), gate));
        }
        let options = CallerOptions::new().with_request(self.request).with_breaker(self.breaker);
        Box::new(Asking::new(host, ANSWERING, options, gate))
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(Exchange::new(!self.unbounded))
    }

    fn conditions(&self) -> Conditions {
        Conditions::new().with_stimuli(60)
    }

    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        numbered(conditions, &ASKING, draws)
    }
}

/// What is known of a request that has not ended.
struct Open {
    node: String,
    attempts: u32,
    /// When the last attempt was made, and in which message.
    at: Instant,
    message: String,
    /// When an error report about it first asked for another.
    again: Option<Instant>,
    queued: bool,
    /// When the node last started since.
    restarted: Option<Instant>,
}

/// The invariants of asking and answering.
#[derive(Default)]
pub(super) struct Exchange {
    bounds: bool,
    asked: BTreeSet<String>,
    open: BTreeMap<String, Open>,
    /// What ended: whose it was, and how.
    ended: BTreeMap<String, (String, String)>,
    /// What was granted after the end, and whether it was told.
    late: BTreeMap<(String, String), bool>,
    /// The late grant that arrived last, until it is clear whether the gate let it in.
    arrived: Option<(String, String)>,
    /// What was performed: `None` while it is under way, then when it was answered.
    performed: BTreeMap<String, Option<Instant>>,
    /// All answers, by request.
    answers: BTreeMap<String, BTreeSet<String>>,
    circuits: BTreeMap<String, Circuit>,
}

impl Exchange {
    /// Also checks the bounds of pauses and circuits.
    pub(super) fn new(bounds: bool) -> Self {
        Exchange { bounds, ..Exchange::default() }
    }

    /// Whether a request was ever asked.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.asked.contains(id)
    }

    fn mark(&mut self, event: &SimEvent<'_>, word: &str, text: &str) -> Result<(), Violation> {
        let (id, more) = text.split_once(' ').unwrap_or((text, ""));
        let circuit = self.circuits.entry(event.node.to_owned()).or_default();
        match word {
            "asked" => {
                circuit.asked(event.at, id)?;
                let open = Open {
                    node: event.node.to_owned(),
                    attempts: 0,
                    at: event.at,
                    message: String::new(),
                    again: None,
                    queued: false,
                    restarted: None,
                };
                self.open.insert(id.to_owned(), open);
                self.asked.insert(id.to_owned());
            }
            "kept-away" => circuit.kept_away(event.at, id)?,
            "circuit" => circuit.changed(event.at, text)?,
            "attempt" => self.attempt(event.at, id, more)?,
            "queued" => {
                // Who puts it into a queue works.
                circuit.ended(id, "answered");
                if let Some(open) = self.open.get_mut(id) {
                    open.queued = true;
                }
            }
            // The gate refused it, so the machine never saw it.
            "turned-away" => {
                if let Some(key) = self.arrived.take() {
                    self.late.remove(&key);
                }
            }
            "contradicts" => {
                self.late.insert((id.to_owned(), more.to_owned()), true);
            }
            "ended" => {
                circuit.ended(id, more);
                self.end_of(event.node, id, more)?;
            }
            "performs" => {
                if self.performed.contains_key(id) {
                    let invariant = "a request is performed once";
                    return Err(Violation::new(invariant, format!("{id} again")));
                }
                self.performed.insert(id.to_owned(), None);
            }
            "answers" => {
                self.performed.insert(id.to_owned(), Some(event.at));
                self.answers.entry(id.to_owned()).or_default().insert(more.to_owned());
            }
            "puts-off" | "abandons" => {
                self.performed.remove(id);
            }
            _ => {}
        }
        Ok(())
    }

    /// A message arrives at who asks, as it was sent.
    fn arrives(&mut self, at: Instant, bytes: &[u8]) {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
        let text = |pointer: &str| message.pointer(pointer).and_then(serde_json::Value::as_str);
        let Some(id) = text("/response_to") else { return };
        let again = message.pointer("/error_report/classification/recoverable");
        if let (Some(serde_json::Value::Bool(true)), Some(open)) = (again, self.open.get_mut(id))
            && text("/causation_id") == Some(&open.message)
        {
            open.again.get_or_insert(at);
        }
        if text("/allocation_response/status") == Some("approved")
            && let Some(name) = text("/allocation_response/response_id")
            && let Some((_, how)) = self.ended.get(id)
            && how.strip_prefix("answered ") != Some(name)
        {
            let key = (id.to_owned(), name.to_owned());
            if !self.late.contains_key(&key) {
                self.late.insert(key.clone(), false);
                self.arrived = Some(key);
            }
        }
    }

    fn attempt(&mut self, at: Instant, id: &str, text: &str) -> Result<(), Violation> {
        let (number, message) = text.split_once(' ').unwrap_or((text, ""));
        let Some(open) = self.open.get_mut(id) else {
            return Err(Violation::new(ONCE, format!("{id} is sent and not open")));
        };
        open.attempts += 1;
        let wrong = |why: String| {
            Err(Violation::new(
                "attempts keep their bounds",
                format!("{id}, attempt {number}: {why}"),
            ))
        };
        if number != open.attempts.to_string() {
            return wrong(format!("it is number {}", open.attempts));
        }
        if self.bounds && open.attempts > ATTEMPTS {
            return wrong(format!("the maximum is {ATTEMPTS}"));
        }
        if self.bounds && open.attempts > 1 {
            let over = open.at.after(TIMEOUT).unwrap_or(open.at);
            let from = match (open.again, open.queued) {
                (Some(again), true) => again,
                (Some(again), false) => again.min(over),
                (None, false) => over,
                (None, true) => return wrong("it waits in the queue".to_owned()),
            };
            let last = from.max(open.restarted.unwrap_or(from));
            let last = last.after(Duration::from_secs(1 << (open.attempts - 2))).unwrap_or(last);
            if at <= from || at > last {
                return wrong(format!("it was due after {from}, up to {last}"));
            }
        }
        (open.at, open.again, open.queued, open.restarted) = (at, None, false, None);
        message.clone_into(&mut open.message);
        Ok(())
    }

    fn end_of(&mut self, node: &str, id: &str, how: &str) -> Result<(), Violation> {
        if self.open.remove(id).is_none() {
            let why =
                if self.ended.contains_key(id) { "ends again" } else { "ends and was not asked" };
            return Err(Violation::new(ONCE, format!("{id} {why}: {how}")));
        }
        self.ended.insert(id.to_owned(), (node.to_owned(), how.to_owned()));
        if let Some(answer) = how.strip_prefix("answered ") {
            let given = self.answers.get(id).is_some_and(|answers| answers.contains(answer));
            if !given {
                let invariant = "an answer is one that was given";
                return Err(Violation::new(invariant, format!("{id} ends with {answer}")));
            }
        }
        Ok(())
    }
}

const ONCE: &str = "each request ends exactly once";

// The figures of the specification, and our own for the rest. They are stated here once more, so that
// the check does not go by what it checks.

/// How long an attempt waits, how long a circuit is open, and how long its probe may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum number of attempts. The first pause takes up to 1 s, each further one twice as long.
const ATTEMPTS: u32 = 3;
/// How many failures in a row open a circuit.
const FAILURES: u32 = 5;

impl Check for Exchange {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        match event.kind {
            SimEventKind::Marked { word, text } => return self.mark(event, word, text),
            SimEventKind::Received { from, bytes, .. } => {
                // What is refused next is this message, and no earlier one.
                self.arrived = None;
                if from == ANSWERING {
                    self.arrives(event.at, bytes);
                }
            }
            SimEventKind::Crashed { wiped: true } => {
                // What it does not remember it cannot tell.
                self.late.retain(|(id, _), _| {
                    self.ended.get(id).is_some_and(|(node, _)| node != event.node)
                });
                self.ended.retain(|_, (node, _)| node != event.node);
                self.open.retain(|_, open| open.node != event.node);
                self.circuits.remove(event.node);
                if event.node == ANSWERING {
                    self.performed.clear();
                }
            }
            SimEventKind::Started(_) => {
                for open in self.open.values_mut().filter(|open| open.node == event.node) {
                    open.restarted = Some(event.at);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _: Instant) -> Result<(), Violation> {
        if let Some((id, open)) = self.open.first_key_value() {
            return Err(Violation::new(ONCE, format!("{id} of {} never ends", open.node)));
        }
        if let Some(((id, name), _)) = self.late.iter().find(|(_, told)| !**told) {
            let invariant = "what is granted too late is told";
            return Err(Violation::new(invariant, format!("{name} for {id} is not")));
        }
        self.circuits.values().try_for_each(Circuit::end)
    }
}

/// A circuit as it is seen from outside.
struct Circuit {
    state: String,
    failures: u32,
    /// When it changed.
    since: Instant,
    /// The call that probes, and when it was made.
    probe: Option<(String, Instant)>,
    /// Whether the probe succeeded, once it has ended.
    verdict: Option<bool>,
    /// The calls under way since it changed: only those count.
    calls: BTreeSet<String>,
}

impl Default for Circuit {
    fn default() -> Self {
        let (state, since) = ("closed".to_owned(), Instant::START);
        Circuit { state, failures: 0, since, probe: None, verdict: None, calls: BTreeSet::new() }
    }
}

fn breaks(why: String) -> Result<(), Violation> {
    Err(Violation::new("circuits keep their bounds", why))
}

impl Circuit {
    fn asked(&mut self, at: Instant, id: &str) -> Result<(), Violation> {
        self.calls.insert(id.to_owned());
        match (self.state.as_str(), &self.probe) {
            ("closed", _) => self.end(),
            ("half-open", None) => {
                self.probe = Some((id.to_owned(), at));
                Ok(())
            }
            (state, _) => breaks(format!("{id} is let through while it is {state}")),
        }
    }

    fn kept_away(&self, at: Instant, id: &str) -> Result<(), Violation> {
        let right = match (self.state.as_str(), &self.probe) {
            ("open", _) => at.since(self.since) <= TIMEOUT,
            ("half-open", Some((_, since))) => at.since(*since) <= TIMEOUT,
            _ => false,
        };
        if right { Ok(()) } else { breaks(format!("{id} is kept away while it is {}", self.state)) }
    }

    fn ended(&mut self, id: &str, how: &str) {
        if !self.calls.remove(id) {
            return;
        }
        let success = match how.split(' ').next() {
            Some("answered" | "refused") => true,
            Some("failed" | "timed-out") => false,
            // It says nothing. If it was the probe, another call may be it.
            _ => {
                self.probe = self.probe.take().filter(|(probe, _)| probe != id);
                return;
            }
        };
        if self.state == "closed" {
            self.failures = if success { 0 } else { self.failures + 1 };
        } else {
            self.verdict = Some(success);
        }
    }

    fn changed(&mut self, at: Instant, text: &str) -> Result<(), Violation> {
        let (from, to) = text.split_once(" -> ").unwrap_or((text, ""));
        let passed = at.since(self.since);
        let right = match (from, to) {
            ("closed", "open") => self.failures == FAILURES,
            ("open", "half-open") => passed >= TIMEOUT,
            ("half-open", "closed") => self.verdict == Some(true),
            ("half-open", "open") => {
                let over = |(_, since): &(String, Instant)| at.since(*since) >= TIMEOUT;
                self.verdict == Some(false) || self.probe.as_ref().is_some_and(over)
            }
            _ => false,
        };
        if from != self.state || !right {
            return breaks(format!("{text} after {passed:?} and {} failures", self.failures));
        }
        *self = Circuit { state: to.to_owned(), since: at, ..Circuit::default() };
        Ok(())
    }

    /// A circuit that had to open is open.
    fn end(&self) -> Result<(), Violation> {
        if self.state == "closed" && self.failures >= FAILURES {
            return breaks(format!("it is closed after {} failures", self.failures));
        }
        Ok(())
    }
}
