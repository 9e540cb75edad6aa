//! Requests over a bad network.

use super::hosts::{Answering, Asking};
use super::{names, numbered};
use coordination_protocol::finding::Mode;
use coordination_protocol::machine::{BreakerOptions, RequestOptions, RespondOptions, SplitMix64};
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
/// * It is performed at most once while the responder remembers it, and its answer is one that was
///   given to it.
/// * Attempts and the pauses between them keep the specification's bounds, and so does the circuit:
///   it opens at the fifth failure in a row and not before, for 30 s, and lets through one probe.
///
/// The bounds are those of the specification, whatever options the hosts run with.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    request: RequestOptions,
    breaker: BreakerOptions,
    respond: RespondOptions,
}

impl Requests {
    /// Hosts with the specification's figures.
    pub fn new() -> Self {
        Requests::default()
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
        Box::new(Asking::new(host, ANSWERING, (self.request, self.breaker), gate))
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(Exchange::new(true))
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
    /// When the last attempt was made.
    at: Instant,
    /// When an error report first asked for another attempt since.
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
    ended: BTreeSet<String>,
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
            "queued" | "told-to-retry" => {
                if let Some(open) = self.open.get_mut(id) {
                    open.queued |= word == "queued";
                    if word == "told-to-retry" {
                        open.again.get_or_insert(event.at);
                    }
                }
            }
            "ended" => {
                circuit.ended(id, more);
                self.end_of(id, more)?;
            }
            "performs" => {
                let known = self.performed.get(id);
                let remembered = |answered: &Option<Instant>| {
                    answered.is_none_or(|at| event.at.since(at) < REMEMBERED)
                };
                if known.is_some_and(remembered) {
                    return Err(Violation::new(
                        "a request is performed once",
                        format!("{id} again"),
                    ));
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

    fn attempt(&mut self, at: Instant, id: &str, number: &str) -> Result<(), Violation> {
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
        Ok(())
    }

    fn end_of(&mut self, id: &str, how: &str) -> Result<(), Violation> {
        if self.open.remove(id).is_none() {
            let why = if self.ended.contains(id) { "ends again" } else { "ends and was not asked" };
            return Err(Violation::new(ONCE, format!("{id} {why}: {how}")));
        }
        self.ended.insert(id.to_owned());
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
/// How long a responder remembers its answers.
const REMEMBERED: Duration = Duration::from_secs(300);

impl Check for Exchange {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        match event.kind {
            SimEventKind::Marked { word, text } => return self.mark(event, word, text),
            SimEventKind::Crashed { wiped: true } => {
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
}

impl Default for Circuit {
    fn default() -> Self {
        let (state, since) = ("closed".to_owned(), Instant::START);
        Circuit { state, failures: 0, since, probe: None, verdict: None }
    }
}

fn breaks(why: String) -> Result<(), Violation> {
    Err(Violation::new("circuits keep their bounds", why))
}

impl Circuit {
    fn asked(&mut self, at: Instant, id: &str) -> Result<(), Violation> {
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
        let success = match how.split(' ').next() {
            Some("answered" | "refused") => true,
            Some("failed" | "timed-out") => false,
            _ => return,
        };
        match &self.probe {
            Some((probe, _)) if probe == id => self.verdict = Some(success),
            _ if self.state == "closed" => {
                self.failures = if success { 0 } else { self.failures + 1 }
            }
            _ => {}
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
