//! Hostile messages among good ones.

use super::hosts::{Answering, Asking, request, request_id};
use super::request::Exchange;
use super::{component, names};
use coordination_protocol::finding::Mode;
use coordination_protocol::machine::{CallerOptions, RespondOptions, SplitMix64};
use coordination_protocol::message::{Envelope, peek};
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::sim::{
    Actor, Check, Conditions, Effects, Host, Scenario, SimEvent, SimEventKind, Stimulus, Violation,
};
use coordination_protocol::validate::{Gate, SecurityPolicy, Validator};

const HUB: &str = "hub";
const RM: &str = "rm";
const MALLORY: &str = "mallory";

/// How many messages a hostile stimulus sends.
const SALVO: u64 = 8;

/// A component asks another, while a third sends both whatever may do harm: garbage, mutations of real
/// messages, requests in the name of another component, forged answers.
///
/// * Nothing that a stranger sends is answered, and no message leaves the responder but answers to
///   requests that the good component made.
/// * Every good request ends exactly once, and only with an answer that was given to it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Hostile {}

impl Hostile {
    /// The world.
    pub fn new() -> Self {
        Hostile::default()
    }
}

impl Scenario for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn summary(&self) -> &'static str {
        "hostile messages among good ones: they cause no reply, and good requests end"
    }

    fn nodes(&self) -> Vec<String> {
        names(&[HUB, RM, MALLORY])
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        let validator = Validator::new(Mode::Strict);
        match host.name {
            // It has no permissions to check by; it knows whom it asked.
            HUB => {
                let options = CallerOptions::new();
                Box::new(Asking::new(host, RM, options, Gate::new(validator)))
            }
            RM => {
                let permissions = Permissions::new()
                    .with_component(&component(HUB), ["workflow.*.resource_request"], [])
                    .expect("the pattern is one");
                let policy = SecurityPolicy::new().with_permissions(permissions);
                let gate = Gate::new(validator.with_policy(policy));
                let options = RespondOptions::new().with_accepted(component(HUB));
                Box::new(Answering::new(host, options, gate))
            }
            _ => Box::new(Mallory(SplitMix64::new(host.seed))),
        }
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(NoReply { good: Exchange::new(false) })
    }

    fn conditions(&self) -> Conditions {
        Conditions::new().with_stimuli(30)
    }

    /// Two hostile stimuli for each good one.
    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        let one = |number: u64| {
            let node = if number.is_multiple_of(3) { HUB } else { MALLORY };
            Stimulus::new(node, draws.below(conditions.calm), number)
        };
        (1..=u64::from(conditions.stimuli)).map(one).collect()
    }
}

struct NoReply {
    good: Exchange,
}

impl Check for NoReply {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        if let SimEventKind::Sent { to, bytes, .. } = event.kind
            && event.node != MALLORY
        {
            let invariant = "hostile messages cause no reply";
            if to == MALLORY {
                return Err(Violation::new(invariant, format!("{} answers", event.node)));
            }
            let header = std::str::from_utf8(bytes).ok().and_then(|text| peek(text).header);
            let answered = header.and_then(|header| header.response_to);
            let asked = answered.as_ref().is_some_and(|id| self.good.knows(id.as_str()));
            if event.node == RM && !asked {
                return Err(Violation::new(invariant, format!("{answered:?} was not asked")));
            }
        }
        self.good.observe(event)
    }

    fn end(&mut self, at: Instant) -> Result<(), Violation> {
        self.good.end(at)
    }
}

/// Sends what may do harm.
struct Mallory(SplitMix64);

impl Mallory {
    fn message(&mut self, now: Now) -> Vec<u8> {
        let Mallory(draws) = self;
        let number = 1 + draws.below(60);
        let source = [HUB, RM, MALLORY, "nobody"][draws.below(4) as usize];
        let id = request_id(number);
        let body = match draws.below(10) {
            0..=2 => Envelope::from(request(number, &component(source), now)).to_string(),
            3 | 4 => format!(
                r#"{{"allocation_response":{{"response_id":"resp_forged","request_id":"{id}","status":"denied","timestamp":"{}"}}}}"#,
                now.timestamp(),
            ),
            5 => r#"{"error_report":{"error_id":"err_1","classification":{"recoverable":false}}}"#
                .to_owned(),
            6 => r#"{"dead_letter":{"reason":"none"}}"#.to_owned(),
            7 => r#"{"hello":{"component_id":"mallory","versions":[]}}"#.to_owned(),
            8 => format!("{{\"allocation_request\":{}1", "[".repeat(draws.below(2_000) as usize)),
            _ => "TASK_FAILED:wf_1:build:{'task_id':1}".to_owned(),
        };
        let header = match draws.below(4) {
            0 => String::new(),
            1 => format!(r#""source":"{source}","response_to":"{id}","request_id":"{id}","#),
            _ => format!(r#""source":"{source}","request_id":"{id}","response_required":true,"#),
        };
        let mut bytes = body.replacen('{', &format!("{{{header}"), 1).into_bytes();
        if draws.below(2) == 0 {
            mutate(draws, &mut bytes);
        }
        bytes
    }
}

impl Actor for Mallory {
    fn stimulus(&mut self, now: Now, _: u64, effects: &mut Effects) {
        for _ in 0..SALVO {
            let to = if self.0.below(4) == 0 { HUB } else { RM };
            let bytes = self.message(now);
            effects.send(to, bytes);
        }
    }
}

/// Changes a few bytes: flips, cuts, doubles and replaces them.
pub(super) fn mutate(draws: &mut SplitMix64, bytes: &mut Vec<u8>) {
    for _ in 0..=draws.below(3) {
        let at = draws.below(bytes.len() as u64 + 1) as usize;
        let end = (at + 1 + draws.below(12) as usize).min(bytes.len());
        match draws.below(6) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << draws.below(8),
            2 if at < end => drop(bytes.drain(at..end)),
            3 if at < end => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 if draws.below(4) == 0 => bytes.truncate(at),
            _ => {
                let pieces: [&[u8]; 8] =
                    [b"\"", b"{", b"}", b":", b"null", b"1e999", b"\xff", b"\"source\":\"hub\","];
                bytes.splice(at..at, pieces[draws.below(8) as usize].iter().copied());
            }
        }
    }
}
