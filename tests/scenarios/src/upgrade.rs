//! A rolling upgrade under load.

use super::greetings::Greetings;
use super::hosts::{request, request_id};
use super::{component, names};
use coordination_protocol::event::{Codec, Registry};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Machine, OutboundRequest, RequestInput, RequestOutcome, RequestOutput, Requester, RespondInput,
    RespondOutput, Responder, SplitMix64,
};
use coordination_protocol::message::{
    AllocatedResources, AllocationResponse, ConflictCheck, Envelope, EnvelopeHeader, Message,
    MessageKind, Resources, peek,
};
use coordination_protocol::scalar::{
    AllocationId, AllocationStatus, ComponentId, Count, Instant, Now, Priority, ProtocolVersion,
    RequestId, ResponseId,
};
use coordination_protocol::sim::{
    Actor, Check, Conditions, Effects, Host, Scenario, SimEvent, SimEventKind, Stimulus, Violation,
};
use coordination_protocol::validate::{Checked, Gate, Validator};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HUBS: [&str; 2] = ["hub-1", "hub-2"];
const RM: &str = "rm";

const OLD: ProtocolVersion = ProtocolVersion::V1_0_0;
const NEW: ProtocolVersion = ProtocolVersion::V1_1_0;

/// The stimulus that installs the new program. All others ask something.
const INSTALL: u64 = 0;

/// Two components ask a third, all of them 1.0.0 only; one after another is stopped and started again
/// with a program that speaks 1.1.0, while requests are under way.
///
/// * Every message can be read by the program that gets it; only greetings reach one that is too old.
/// * What is performed is what was asked, and what ends a request is what was answered.
/// * Each request ends exactly once, is performed at most once, and what only 1.1.0 can say is said
///   once both sides can.
///
/// The hosts show how: attempts of a request stay in the version of the first, because a repetition
/// that says more is another request to the responder; and an answer is written in the version of its
/// request. Disks are not lost here, since accepted requests would be lost with them.
#[derive(Clone, Debug, Default)]
pub struct Upgrade {
    unpinned: bool,
}

impl Upgrade {
    /// The world.
    pub fn new() -> Self {
        Upgrade::default()
    }

    /// Plants the mistake that is easily made: each attempt is written in the version that the peer
    /// reads by then.
    pub const fn with_version_by_attempt(mut self) -> Self {
        self.unpinned = true;
        self
    }
}

impl Scenario for Upgrade {
    fn name(&self) -> &'static str {
        "upgrade"
    }

    fn summary(&self) -> &'static str {
        "components go from 1.0.0 to 1.1.0 one by one under load: nothing is lost or misread"
    }

    fn nodes(&self) -> Vec<String> {
        names(&["hub-1", "hub-2", RM])
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        Box::new(Component::new(host, self.unpinned))
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(Nothing::default())
    }

    fn conditions(&self) -> Conditions {
        Conditions::new().with_stimuli(30).with_wiped(0)
    }

    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        let mut stimuli = Vec::new();
        for node in self.nodes() {
            stimuli.push(Stimulus::new(node, draws.below(conditions.calm), INSTALL));
        }
        for number in 1..=u64::from(conditions.stimuli) {
            let hub = HUBS[draws.below(HUBS.len() as u64) as usize];
            stimuli.push(Stimulus::new(hub, draws.below(conditions.calm), number));
        }
        stimuli
    }
}

/// A component, old or new.
struct Component {
    own: ComponentId,
    disk: Disk,
    gate: Gate,
    greetings: Greetings,
    /// Whether attempts may differ in their version.
    unpinned: bool,
    draws: SplitMix64,
}

#[derive(Serialize, Deserialize)]
struct Disk {
    /// Whether the new program is installed.
    new: bool,
    requester: Requester,
    /// The version of each request, fixed by its first attempt.
    written: BTreeMap<RequestId, ProtocolVersion>,
    /// What only the new version can ask, until the peer can read it.
    held: Vec<u64>,
    responder: Responder,
    /// Who asked, and in which version.
    askers: BTreeMap<RequestId, (String, ProtocolVersion)>,
}

impl Component {
    fn new(host: &Host<'_>, unpinned: bool) -> Self {
        let (own, mut draws) = (component(host.name), SplitMix64::new(host.seed));
        let disk = host.disk.and_then(|disk| disk.decode().ok()).unwrap_or_else(|| Disk {
            new: false,
            requester: Requester::new(own.clone(), draws.next_u64()),
            written: BTreeMap::new(),
            held: Vec::new(),
            responder: Responder::new(own.clone(), draws.next_u64()),
            askers: BTreeMap::new(),
        });
        let version = if disk.new { NEW } else { OLD };
        let codec = Codec::new(Mode::Strict).with_registry(Registry::new(version));
        let peers = if host.name == RM { &HUBS[..] } else { &[RM] };
        let greetings = Greetings::new(if disk.new { peers } else { &[] }, &own, &mut draws);
        let gate = Gate::new(Validator::from(codec));
        Component { own, disk, gate, greetings, unpinned, draws }
    }

    /// Asks for resources or, with every third number, for conflicts, which is new.
    fn ask(&mut self, now: Now, number: u64, effects: &mut Effects) {
        let version = self.greetings.version(RM);
        let id = request_id(number);
        let body = request(number, &self.own, now);
        let message = if number.is_multiple_of(3) {
            if version < NEW {
                effects.mark("held", id.as_str());
                return self.disk.held.push(number);
            }
            let mut check = ConflictCheck::new(id.clone()).with_workflow_id(body.workflow_id);
            check.resources = body.resources;
            Message::from(check)
        } else {
            Message::from(body)
        };
        effects.mark("asked", format!("{id} {}", meaning(&message)));
        let header = EnvelopeHeader::new()
            .with_protocol_version(version.clone())
            .with_request_id(id.clone())
            .with_priority(Priority::High);
        let ask = OutboundRequest::new(Envelope::new(header, message), now, self.draws.id_bytes());
        self.disk.written.insert(id, version);
        if let Err(refused) = self.disk.requester.handle(now, RequestInput::Start(Box::new(ask))) {
            effects.mark("not-asked", refused.to_string());
        }
    }

    fn answer(&mut self, now: Now, request: &Envelope) -> Message {
        match &request.message {
            Message::AllocationRequest(body) => {
                let agents = body.resources.as_ref().and_then(|asked| asked.agents.clone());
                let id = AllocationId::generate(now.id_millis(), self.draws.id_bytes());
                let granted = AllocatedResources::new()
                    .with_allocation_id(id)
                    .with_agents(agents.unwrap_or_else(|| Count::new(0)));
                let id = ResponseId::generate(now.id_millis(), self.draws.id_bytes());
                let request = body.request_id.clone();
                AllocationResponse::new(id, request, AllocationStatus::Approved, now.timestamp())
                    .with_allocated_resources(granted)
                    .into()
            }
            Message::ConflictCheck(body) => {
                ConflictCheck::new(body.request_id.clone()).with_conflicts(Vec::new()).into()
            }
            other => other.clone(),
        }
    }

    /// Carries out the outputs of the machines.
    fn follow(&mut self, now: Now, effects: &mut Effects) {
        if self.greetings.follow(now, effects) && self.greetings.version(RM) >= NEW {
            for number in std::mem::take(&mut self.disk.held) {
                self.ask(now, number, effects);
            }
        }
        while let Some(output) = self.disk.requester.poll() {
            match output {
                RequestOutput::Send(message) => {
                    let id = message.envelope.header.request_id.as_ref();
                    let pinned = id.and_then(|id| self.disk.written.get(id));
                    let pinned = pinned.filter(|_| !self.unpinned);
                    let version = pinned.cloned().unwrap_or_else(|| self.greetings.version(RM));
                    write(&message.envelope, &version, RM, effects);
                }
                RequestOutput::Ended { request_id, outcome, .. } => {
                    self.disk.written.remove(&request_id);
                    let how = match outcome {
                        RequestOutcome::Answered(answer) => {
                            format!("answered {}", meaning(&answer.message))
                        }
                        other => other.to_string(),
                    };
                    effects.mark("ended", format!("{request_id} {how}"));
                }
                RequestOutput::Queued { .. } => {}
                RequestOutput::Contradiction { .. } | RequestOutput::Ignored(_) => {
                    effects.mark("not-taken", output.to_string());
                }
                other => panic!("no host knows {other:?}"),
            }
        }
        while let Some(output) = self.disk.responder.poll() {
            match output {
                RespondOutput::Execute { key, request, .. } => {
                    let id = key.request_id.clone();
                    effects.mark("performs", format!("{id} {}", meaning(&request.message)));
                    let answer = self.answer(now, &request);
                    effects.mark("answers", format!("{id} {}", meaning(&answer)));
                    let input = RespondInput::Answer(key, Box::new(answer));
                    if let Err(refused) = self.disk.responder.handle(now, input) {
                        effects.mark("not-taken", refused.to_string());
                    }
                }
                RespondOutput::Ignored(ignored) => effects.mark("not-taken", ignored.to_string()),
                RespondOutput::Send(message) => {
                    let envelope = message.envelope;
                    let id = envelope.header.response_to.as_ref();
                    let asker = id.and_then(|id| self.disk.askers.get(id));
                    if let Some((node, version)) = asker {
                        write(&envelope, version, node, effects);
                    }
                }
                RespondOutput::Cancel(key) => effects.mark("abandons", key.to_string()),
                RespondOutput::DeadLetter(letter) => effects.mark("dead-letters", letter.reason),
                other => panic!("no host knows {other:?}"),
            }
        }
    }

    fn take(&mut self, now: Now, from: &str, envelope: Checked<Envelope>) {
        match envelope.kind() {
            MessageKind::Hello | MessageKind::Welcome => {
                self.greetings.receive(now, from, envelope);
            }
            _ if envelope.header.response_to.is_some() => {
                self.disk.requester.receive(now, envelope);
            }
            _ => {
                if let Some(id) = &envelope.header.request_id {
                    let version = envelope.header.protocol_version.clone().unwrap_or(OLD);
                    self.disk.askers.insert(id.clone(), (from.to_owned(), version));
                }
                self.disk.responder.receive(now, envelope);
            }
        }
    }
}

impl Actor for Component {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        if let Ok(envelope) = self.gate.accept(bytes, now, Some(&component(from))) {
            self.take(now, from, envelope);
        } else {
            let kind = std::str::from_utf8(bytes).map(|text| peek(text).kind);
            effects.mark("cannot-read", kind.unwrap_or(MessageKind::Unknown).as_str());
        }
        self.follow(now, effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.greetings.wake(now);
        self.disk.requester.handle_timeout(now);
        self.disk.responder.handle_timeout(now);
        self.follow(now, effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        if number != INSTALL {
            self.ask(now, number, effects);
            return self.follow(now, effects);
        }
        if !self.disk.new {
            self.disk.new = true;
            effects.mark("installs", NEW.to_string());
            effects.restart(Duration::from_secs(1));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let Disk { requester, responder, .. } = &self.disk;
        let all = [requester.deadline(), responder.deadline(), self.greetings.deadline()];
        all.into_iter().flatten().min()
    }

    fn disk(&self) -> Option<Json> {
        Json::of(&self.disk).ok()
    }
}

/// Sends a message in a version.
fn write(envelope: &Envelope, version: &ProtocolVersion, to: &str, effects: &mut Effects) {
    match envelope.encode_for(version) {
        Ok(encoded) => {
            effects.mark("writes", version.to_string());
            effects.send(to, encoded.text);
        }
        Err(error) => effects.mark("cannot-write", format!("{}: {error}", envelope.kind())),
    }
}

/// What a request or an answer says, apart from how a version spells it.
fn meaning(message: &Message) -> String {
    let agents = |resources: Option<&Resources>| {
        let agents = resources.and_then(|resources| resources.agents.as_ref());
        agents.map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    match message {
        Message::AllocationRequest(body) => {
            format!("{} asks for {}", body.workflow_id, agents(body.resources.as_ref()))
        }
        Message::AllocationResponse(body) => {
            let granted = body.allocated_resources.as_ref();
            let granted = granted.and_then(|granted| granted.agents.as_ref());
            let granted = granted.map_or_else(|| "none".to_owned(), ToString::to_string);
            format!("{} {} {granted}", body.response_id, body.status)
        }
        Message::ConflictCheck(body) => match &body.conflicts {
            Some(conflicts) => format!("{} conflicts", conflicts.len()),
            None => format!("conflicts of {}?", agents(body.resources.as_ref())),
        },
        other => other.kind().to_string(),
    }
}

/// Nothing is lost, nothing is misread.
#[derive(Default)]
struct Nothing {
    /// What was asked, and by whom, until it ends.
    open: BTreeMap<String, String>,
    asked: BTreeMap<String, String>,
    answered: BTreeMap<String, String>,
    /// What waits for a peer that can read it.
    held: BTreeMap<String, String>,
    new: BTreeSet<String>,
}

const MISREAD: &str = "nothing is misread";
const LOST: &str = "nothing is lost";

impl Nothing {
    fn mark(&mut self, event: &SimEvent<'_>, word: &str, text: &str) -> Result<(), Violation> {
        let (id, more) = text.split_once(' ').unwrap_or((text, ""));
        let wrong = |invariant, why: String| Err(Violation::new(invariant, why));
        match word {
            "installs" => {
                self.new.insert(event.node.to_owned());
            }
            "held" => {
                self.held.insert(id.to_owned(), event.node.to_owned());
            }
            "asked" => {
                self.held.remove(id);
                self.open.insert(id.to_owned(), event.node.to_owned());
                self.asked.insert(id.to_owned(), more.to_owned());
            }
            "performs" => {
                if self.answered.contains_key(id) {
                    return wrong("a request is performed once", format!("{id} again"));
                }
                if self.asked.get(id).map(String::as_str) != Some(more) {
                    return wrong(MISREAD, format!("{id} is read as {more}"));
                }
            }
            "answers" => {
                self.answered.insert(id.to_owned(), more.to_owned());
            }
            "ended" => {
                if self.open.remove(id).is_none() {
                    return wrong("each request ends exactly once", format!("{id} {more}"));
                }
                if let Some(answer) = more.strip_prefix("answered ")
                    && self.answered.get(id).map(String::as_str) != Some(answer)
                {
                    return wrong(MISREAD, format!("{id} is answered {answer}"));
                }
                if more == "failed" {
                    return wrong(MISREAD, format!("{id} is refused"));
                }
            }
            "cannot-read" if text != "hello" || self.new.contains(event.node) => {
                return wrong(MISREAD, format!("{} cannot read `{text}`", event.node));
            }
            "cannot-write" | "not-asked" => return wrong(LOST, format!("{word}: {text}")),
            _ => {}
        }
        Ok(())
    }
}

impl Check for Nothing {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        match event.kind {
            SimEventKind::Marked { word, text } => self.mark(event, word, text),
            _ => Ok(()),
        }
    }

    fn end(&mut self, _: Instant) -> Result<(), Violation> {
        if let Some((id, node)) = self.open.first_key_value() {
            return Err(Violation::new(LOST, format!("{id} of {node} never ends")));
        }
        let due = |node: &String| self.new.contains(node) && self.new.contains(RM);
        match self.held.iter().find(|(_, node)| due(node)) {
            Some((id, node)) => Err(Violation::new(LOST, format!("{node} never asks {id}"))),
            None => Ok(()),
        }
    }
}
