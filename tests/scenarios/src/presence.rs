//! Who is alive, seen over a bad network.

use super::{component, names, numbered};
use coordination_protocol::error::IntoReport as _;
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Machine, Presence, PresenceInput, PresenceOptions, PresenceOutput, SplitMix64,
};
use coordination_protocol::message::{ComponentRegistration, HealthStatus, MessageKind, peek};
use coordination_protocol::scalar::{ComponentId, HealthState, Instant, Now};
use coordination_protocol::sim::{
    Actor, Check, Conditions, Effects, Host, Scenario, SimEvent, SimEventKind, Stimulus, Violation,
};
use coordination_protocol::validate::{Gate, Validator};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const WATCHED: [&str; 3] = ["agent-1", "agent-2", "agent-3"];
const WATCHING: &str = "hub";

/// Three components show that they are alive, a fourth watches them. They crash, hang, leave, come back
/// and fall ill.
///
/// * No one is called degraded or unhealthy who was heard a heartbeat and its grace ago, unless it says
///   so itself.
/// * Who is not heard for three heartbeats and the grace is unhealthy from that moment on.
/// * In the end, who is alive is what it says of itself, and who has left or hangs is not healthy.
///
/// The watcher knows no one when it starts, and may start last, or anew without its disk. Wall clocks jump by up
/// to an hour, in the middle of a run and before a restart. Registrations get lost like everything else.
#[derive(Clone, Debug, Default)]
pub struct Presences {
    options: PresenceOptions,
}

impl Presences {
    /// Hosts with the specification's figures.
    pub fn new() -> Self {
        Presences::default()
    }

    /// Lets all hosts run with other options; the bounds stay those of the specification.
    pub const fn with_options(mut self, options: PresenceOptions) -> Self {
        self.options = options;
        self
    }
}

impl Scenario for Presences {
    fn name(&self) -> &'static str {
        "presence"
    }

    fn summary(&self) -> &'static str {
        "components crash, hang, leave and come back: who watches knows it in time"
    }

    fn nodes(&self) -> Vec<String> {
        names(&["hub", "agent-1", "agent-2", "agent-3"])
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        if host.name == WATCHING {
            return Box::new(Watching::new(host, self.options));
        }
        Box::new(Watched::new(host, self.options))
    }

    fn check(&self) -> Box<dyn Check> {
        let agents = WATCHED.map(|name| (name.to_owned(), Seen::default()));
        Box::new(Alive { agents: agents.into(), watching: false })
    }

    fn conditions(&self) -> Conditions {
        // Twenty minutes hold ten times the longest silence that is accepted.
        Conditions::new().with_stimuli(8).with_shifts(6).with_calm(600_000).with_end(1_200_000)
    }

    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        numbered(conditions, &WATCHED, draws)
    }
}

/// Watches the others.
struct Watching {
    presence: Presence,
    gate: Gate,
}

impl Watching {
    fn new(host: &Host<'_>, options: PresenceOptions) -> Self {
        let kept = host.disk.and_then(|disk| Presence::restore(disk).ok());
        Watching {
            presence: kept.unwrap_or_else(|| Presence::new(host.seed).with_options(options)),
            gate: Gate::new(Validator::new(Mode::Strict)),
        }
    }

    fn follow(&mut self, effects: &mut Effects) {
        while let Some(output) = self.presence.poll() {
            match output {
                PresenceOutput::Changed { component, to, .. } => {
                    let state = to.as_ref().map_or("gone", HealthState::as_str);
                    effects.mark("sees", format!("{component} {state}"));
                }
                PresenceOutput::Send(message) => {
                    for to in &message.to {
                        effects.mark("asks", to.as_str());
                        effects.send(to.as_str(), message.envelope.to_string());
                    }
                }
                PresenceOutput::Ignored(ignored) => {
                    effects.mark("ignores", ignored.reason.as_str());
                }
                _ => {}
            }
        }
    }
}

impl Actor for Watching {
    fn receive(&mut self, now: Now, _: &str, bytes: &[u8], effects: &mut Effects) {
        match self.gate.accept(bytes, now, None) {
            Ok(envelope) => {
                self.presence.receive(now, envelope);
            }
            Err(report) => effects.mark("turned-away", report.problem().message),
        }
        self.follow(effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.presence.handle_timeout(now);
        self.follow(effects);
    }

    fn deadline(&self) -> Option<Instant> {
        self.presence.deadline()
    }

    fn disk(&self) -> Option<Json> {
        self.presence.snapshot().ok()
    }
}

/// Shows that it is alive. It keeps nothing: it registers anew at each start.
struct Watched {
    own: ComponentId,
    presence: Presence,
    gate: Gate,
    state: HealthState,
    hangs: bool,
    fresh: bool,
}

impl Watched {
    fn new(host: &Host<'_>, options: PresenceOptions) -> Self {
        Watched {
            own: component(host.name),
            presence: Presence::new(host.seed).with_options(options),
            gate: Gate::new(Validator::new(Mode::Strict)),
            state: HealthState::Healthy,
            hangs: false,
            fresh: true,
        }
    }

    fn join(&mut self, now: Now, effects: &mut Effects) {
        let registration = ComponentRegistration::new(self.own.clone(), "utility");
        let joined = self.presence.handle(now, PresenceInput::Join(Box::new(registration)));
        if joined.is_ok() {
            effects.mark("joins", self.state.as_str());
        }
    }

    fn report(&mut self, now: Now) {
        let status = HealthStatus::new(self.own.clone(), self.state.clone(), now.timestamp());
        // Refused only by who has left, and who has left reports nothing.
        let _ = self.presence.handle(now, PresenceInput::Health(Box::new(status)));
    }

    fn follow(&mut self, now: Now, effects: &mut Effects) {
        while let Some(output) = self.presence.poll() {
            match output {
                PresenceOutput::Send(message) => {
                    effects.send(WATCHING, message.envelope.to_string());
                }
                PresenceOutput::HealthDue => self.report(now),
                PresenceOutput::Changed { .. } | PresenceOutput::Ignored(_) => {}
                other => panic!("no host knows {other:?}"),
            }
        }
    }
}

impl Actor for Watched {
    fn receive(&mut self, now: Now, _: &str, bytes: &[u8], effects: &mut Effects) {
        if self.hangs {
            return;
        }
        match self.gate.accept(bytes, now, None) {
            Ok(envelope) => self.presence.receive(now, envelope),
            Err(report) => effects.mark("turned-away", report.problem().message),
        }
        self.follow(now, effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        if std::mem::take(&mut self.fresh) {
            self.join(now, effects);
        }
        self.presence.handle_timeout(now);
        self.follow(now, effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        match number % 6 {
            0 => {
                if self.presence.handle(now, PresenceInput::Leave("done".to_owned())).is_ok() {
                    effects.mark("leaves", "");
                }
            }
            1 => {
                self.hangs = true;
                effects.mark("hangs", "");
            }
            2 if self.hangs => {
                self.hangs = false;
                effects.mark("goes-on", "");
                self.wake(now, effects);
            }
            2 | 3 => {
                self.state = HealthState::Healthy;
                self.join(now, effects);
            }
            4 => self.state = HealthState::Degraded,
            _ => self.state = HealthState::Unhealthy,
        }
        effects.mark("says", self.state.as_str());
        if !self.hangs {
            self.report(now);
            self.follow(now, effects);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.presence.deadline().filter(|_| !self.hangs)
    }
}

/// What is known of a watched component, without its machine.
#[derive(Default)]
struct Seen {
    /// When each message was sent, and in which turn: a component takes a turn each time that it joins.
    sent: BTreeMap<u32, (Instant, usize)>,
    /// The marks of its turns.
    turns: Vec<String>,
    /// The turn that the hub knows of, and whether it has ended there.
    known: Option<usize>,
    /// The turns of which it heard a registration.
    heard: BTreeSet<usize>,
    gone: bool,
    /// When a message last arrived that may count, and when one that must.
    may: Option<Instant>,
    must: Option<Instant>,
    /// When the latest heartbeat of the turn that arrived was sent.
    beat: Option<Instant>,
    /// What the hub calls it.
    state: String,
    /// What it says of itself.
    says: String,
    /// Whether it said so in any message that may have arrived.
    ill: bool,
    left: bool,
    hangs: bool,
}

impl Seen {
    /// The turn that a message is of. One that hangs may say in one breath that it leaves and comes.
    fn turn(&mut self, text: &str) -> usize {
        let mark = text.split_once(r#""instance":""#).map_or("", |(_, rest)| rest);
        let mark = mark.split('"').next().unwrap_or_default();
        self.turns.iter().position(|known| known == mark).unwrap_or_else(|| {
            self.turns.push(mark.to_owned());
            self.turns.len() - 1
        })
    }

    /// A message arrives. The first registration of a turn counts whatever the clocks say, and so does each
    /// heartbeat after it that no later one has overtaken. Of another turn, or one that has ended, nothing
    /// counts.
    fn hears(&mut self, at: Instant, number: u32, kind: MessageKind) {
        let Some((sent, turn)) = self.sent.get(&number).copied() else { return };
        match kind {
            // One that was overtaken by the next turn's counts as well, for it cannot be told. What was
            // displaced so counts again after silence.
            MessageKind::ComponentRegistration
                if self.heard.insert(turn)
                    || Some(turn) != self.known
                        && self.may.is_none_or(|may| at.since(may) >= Alive::silence(1)) =>
            {
                (self.known, self.gone, self.beat) = (Some(turn), false, None);
                (self.may, self.must) = (Some(at), Some(at));
            }
            MessageKind::ComponentRegistration if Some(turn) != self.known => {}
            _ if Some(turn) != self.known || self.gone => {}
            MessageKind::ComponentRegistration | MessageKind::HealthStatus => self.may = Some(at),
            MessageKind::Heartbeat => {
                self.may = Some(at);
                if Some(sent) > self.beat {
                    (self.must, self.beat) = (Some(at), Some(sent));
                }
            }
            MessageKind::Deregistration => self.gone = true,
            _ => {}
        }
    }
}

struct Alive {
    agents: BTreeMap<String, Seen>,
    /// Whether the hub is up.
    watching: bool,
}

impl Alive {
    /// How long the silence is after which this number of heartbeats is missing: 30 s each, and a tenth of
    /// that for the way. The figures stand here once more, so that the check does not go by what it
    /// checks.
    const fn silence(missing: u64) -> Duration {
        Duration::from_secs(30 * missing + 3)
    }

    fn mark(&mut self, event: &SimEvent<'_>, word: &str, text: &str) -> Result<(), Violation> {
        if word == "sees" {
            return self.sees(event.at, text);
        }
        let Some(agent) = self.agents.get_mut(event.node) else { return Ok(()) };
        match word {
            "joins" => {
                (agent.left, agent.says) = (false, text.to_owned());
            }
            "leaves" => agent.left = true,
            "hangs" => agent.hangs = true,
            "goes-on" => agent.hangs = false,
            "says" => {
                text.clone_into(&mut agent.says);
                agent.ill |= text != "healthy";
            }
            _ => {}
        }
        Ok(())
    }

    fn sees(&mut self, at: Instant, text: &str) -> Result<(), Violation> {
        let (name, state) = text.split_once(' ').unwrap_or((text, ""));
        let Some(agent) = self.agents.get_mut(name) else { return Ok(()) };
        state.clone_into(&mut agent.state);
        let heard = agent.must.map(|heard| at.since(heard));
        let soon = |missing| heard.is_some_and(|silence| silence < Alive::silence(missing));
        let wrong = match state {
            "degraded" => soon(1) && !agent.ill,
            "unhealthy" => soon(3) && !agent.ill,
            "healthy" => agent.may != Some(at),
            _ => false,
        };
        if wrong {
            let invariant = "who is heard is what it says";
            let ago = heard.unwrap_or_default();
            return Err(Violation::new(invariant, format!("{name} is {state}, heard {ago:?} ago")));
        }
        Ok(())
    }

    /// Who was not heard for too long is unhealthy.
    fn silent(&self, at: Instant) -> Result<(), Violation> {
        for (name, agent) in &self.agents {
            let Some(silence) = agent.may.map(|heard| at.since(heard)) else { continue };
            let over = silence > Alive::silence(3);
            if self.watching && over && matches!(agent.state.as_str(), "healthy" | "degraded") {
                let invariant = "who is silent is unhealthy";
                return Err(Violation::new(
                    invariant,
                    format!("{name} is {} after {silence:?}", agent.state),
                ));
            }
        }
        Ok(())
    }
}

impl Check for Alive {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        match event.kind {
            SimEventKind::Marked { word, text } => self.mark(event, word, text)?,
            SimEventKind::Sent { number, bytes, .. } => {
                if let Some(agent) = self.agents.get_mut(event.node) {
                    let turn = agent.turn(&String::from_utf8_lossy(bytes));
                    agent.sent.insert(number, (event.at, turn));
                }
            }
            SimEventKind::Received { from, number, bytes } => {
                if let Some(agent) = self.agents.get_mut(from)
                    && let Ok(text) = std::str::from_utf8(bytes)
                {
                    agent.hears(event.at, number, peek(text).kind);
                }
            }
            SimEventKind::Crashed { wiped } if event.node == WATCHING => {
                self.watching = false;
                if wiped {
                    for agent in self.agents.values_mut() {
                        (agent.may, agent.must) = (None, None);
                        (agent.known, agent.gone, agent.beat) = (None, false, None);
                        agent.heard.clear();
                        agent.state.clear();
                    }
                }
            }
            SimEventKind::Crashed { .. } => {
                if let Some(agent) = self.agents.get_mut(event.node) {
                    (agent.hangs, agent.left) = (false, false);
                }
            }
            // The hub is up once its first wake is over, which the next event shows.
            SimEventKind::Started(_) if event.node == WATCHING => {
                self.watching = true;
                return Ok(());
            }
            _ => {}
        }
        // Marks of one step come one after another; judge when the step is over.
        if matches!(event.kind, SimEventKind::Marked { .. }) {
            Ok(())
        } else {
            self.silent(event.at)
        }
    }

    fn end(&mut self, at: Instant) -> Result<(), Violation> {
        self.silent(at)?;
        for (name, agent) in &self.agents {
            let Seen { state, says, left, hangs, .. } = agent;
            let right = match (state.as_str(), *left || *hangs) {
                ("unhealthy" | "gone" | "", true) => true,
                (state, false) => state == says,
                _ => false,
            };
            if !right {
                let invariant = "in the end each component is seen as it is";
                let how = if *left {
                    "left"
                } else if *hangs {
                    "hangs"
                } else {
                    says.as_str()
                };
                return Err(Violation::new(
                    invariant,
                    format!("{name} is called {state} and is {how}"),
                ));
            }
        }
        Ok(())
    }
}
