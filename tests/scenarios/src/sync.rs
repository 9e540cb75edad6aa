//! Replicas of a state that change apart and come together.

use super::component;
use super::hosts::admit;
use super::names;
use coordination_protocol::finding::{Code, Mode};
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Machine, SplitMix64, StateSync, SyncInput, SyncOptions, SyncOutput,
};
use coordination_protocol::merge::{MergePolicy, MergeRule, Row};
use coordination_protocol::message::{AgentState, Map, WorkflowState};
use coordination_protocol::scalar::{Instant, Now, Percent, WorkflowId};
use coordination_protocol::sim::{
    Actor, Check, Conditions, Effects, Host, Scenario, SimEvent, SimEventKind, Stimulus, Violation,
};
use coordination_protocol::validate::{Gate, Validator};
use std::collections::{BTreeMap, BTreeSet};

const REPLICAS: [&str; 4] = ["copy-1", "copy-2", "copy-3", "copy-4"];

/// How many versions apart replicas still find a common ancestor.
const HISTORY: usize = 6;

/// The stimulus that makes the first state, or the last.
const PLAIN: u64 = 0;

/// Four replicas change a state, each its own copy: the progress of agents, which a join merges, and
/// what agents do, which is a conflict if two change it at a time. Some are apart for longer than the
/// history reaches.
///
/// * When it is calm, all have the same state, and say that there is no conflict.
/// * No progress is lost. What an agent was said to do stands, or was replaced by a copy that had seen
///   it, or was named in a conflict that a host was asked about.
/// * Versions never go back at a replica, and a host that is asked without a conflict has no common
///   ancestor.
///
/// The hosts settle conflicts in the simplest way: each takes what the machine proposes, which is the
/// same on both sides. Disks are not lost here, since a copy that no other replica has seen is lost with it.
#[derive(Clone, Debug, Default)]
pub struct Syncs {
    joins: bool,
}

impl Syncs {
    /// The world.
    pub fn new() -> Self {
        Syncs::default()
    }

    /// No replica changes what could be in conflict.
    pub const fn with_joins_only(mut self) -> Self {
        self.joins = true;
        self
    }
}

impl Scenario for Syncs {
    fn name(&self) -> &'static str {
        "sync"
    }

    fn summary(&self) -> &'static str {
        "replicas change a state apart: all converge, and no change is lost without being named"
    }

    fn nodes(&self) -> Vec<String> {
        names(&REPLICAS)
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        Box::new(Copy::new(host, self.joins))
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(Changes { joins: self.joins, ..Changes::default() })
    }

    fn conditions(&self) -> Conditions {
        Conditions::new().with_stimuli(50).with_wiped(0)
    }

    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        let mut stimuli = vec![Stimulus::new(REPLICAS[0], 0, PLAIN)];
        for number in 1..=u64::from(conditions.stimuli) {
            let node = REPLICAS[draws.below(4) as usize];
            stimuli.push(Stimulus::new(node, draws.below(conditions.calm), number));
        }
        stimuli.push(Stimulus::new(REPLICAS[0], conditions.calm + 600_000, PLAIN));
        stimuli
    }
}

/// A replica.
struct Copy {
    machine: StateSync,
    gate: Gate,
    joins: bool,
    draws: SplitMix64,
}

impl Copy {
    fn new(host: &Host<'_>, joins: bool) -> Self {
        let mut draws = SplitMix64::new(host.seed);
        let restored = host.disk.and_then(|disk| StateSync::restore(disk).ok());
        let machine = restored.unwrap_or_else(|| {
            let workflow = WorkflowId::new("wf_1").expect("it is an identifier");
            let row =
                Row::new("/agent_states/*/status", MergeRule::Manual).expect("it is a pointer");
            let mut fresh = StateSync::new(component(host.name), workflow, draws.next_u64())
                .with_policy(MergePolicy::state().with_row(row))
                .with_options(SyncOptions::new().with_history(HISTORY));
            for peer in REPLICAS.iter().filter(|peer| **peer != host.name) {
                // There is room, and it is another replica.
                let _ = fresh.handle(host.now, SyncInput::Join(component(peer)));
            }
            fresh
        });
        // Forks and late versions are what the machine is for.
        let validator = Validator::new(Mode::Strict)
            .without_code(Code::StateFork)
            .without_code(Code::StaleVersion);
        Copy { machine, gate: Gate::new(validator), joins, draws }
    }

    fn tell(&mut self, now: Now, input: SyncInput, effects: &mut Effects) {
        if let Err(refused) = self.machine.handle(now, input) {
            effects.mark("not-taken", refused.to_string());
        }
    }

    fn follow(&mut self, now: Now, effects: &mut Effects) {
        while let Some(output) = self.machine.poll() {
            match output {
                SyncOutput::Send(message) => {
                    for to in &message.to {
                        effects.send(to.as_str(), message.envelope.to_string());
                    }
                }
                SyncOutput::Ignored(ignored) => effects.mark("not-taken", ignored.to_string()),
                SyncOutput::Adopted { origin, state, .. } => {
                    let agents = agents(&state).into_iter();
                    let agents: Vec<String> =
                        agents.map(|(name, says)| format!("{name}={says}")).collect();
                    let (version, agents) = (&state.state_version, agents.join(" "));
                    effects.mark("adopts", format!("{version} {agents}"));
                    effects.mark(origin_word(origin), version.to_string());
                }
                SyncOutput::Consensus { state, conflicts, .. } => {
                    let named = |side: &Option<Json>| {
                        side.as_ref().and_then(Json::to_text).unwrap_or_default()
                    };
                    let sides = conflicts.iter().flat_map(|conflict| {
                        [named(&conflict.ours), named(&conflict.theirs), named(&conflict.base)]
                    });
                    let sides: Vec<String> = sides.collect();
                    effects.mark("asked", sides.join(" "));
                    self.tell(now, SyncInput::Decided(state), effects);
                }
                SyncOutput::Related { peer, relation } => {
                    effects.mark("sees", format!("{peer} {relation}"));
                }
                SyncOutput::Validate { .. } | SyncOutput::Rejected { .. } => {}
                other => panic!("no host knows {other:?}"),
            }
        }
    }

    /// Changes the progress of an agent, or what it does.
    fn change(&mut self, now: Now, number: u64, effects: &mut Effects) {
        let own = self.machine.state().cloned();
        let Some(mut state) = own.or_else(|| {
            let workflow = WorkflowId::new("wf_1").ok()?;
            (number == PLAIN).then(|| WorkflowState::new(workflow, 1_u64, now.timestamp()))
        }) else {
            // Another replica makes the first state.
            return effects.mark("waits", "");
        };
        let mut all: BTreeMap<String, AgentState> = state
            .agent_states
            .take()
            .into_iter()
            .flat_map(|agents| {
                let one = |(name, agent): (&str, &AgentState)| (name.to_owned(), agent.clone());
                agents.iter().map(one).collect::<Vec<_>>()
            })
            .collect();
        let name = format!("a{}", self.draws.below(3));
        let before = all.remove(&name).unwrap_or_else(|| AgentState::new("idle"));
        let progress = progress(&before);
        let status = status(&before).to_owned();
        let changed = if !self.joins && number != PLAIN && number.is_multiple_of(2) {
            effects.mark("says", format!("{name} s{number} {status}"));
            AgentState::new(format!("s{number}").as_str()).with_progress(percent(progress))
        } else {
            let more = (progress + 1 + self.draws.below(3)).min(100);
            effects.mark("gets-to", format!("{name} {more}"));
            AgentState::new(status.as_str()).with_progress(percent(more))
        };
        all.insert(name, changed);
        state = state.with_agent_states(Map::from_iter(all));
        self.tell(now, SyncInput::Changed(Box::new(state)), effects);
    }
}

fn percent(value: u64) -> Percent {
    Percent::parse(&value.to_string()).expect("it is at most 100")
}

fn progress(agent: &AgentState) -> u64 {
    agent.progress.as_ref().and_then(|progress| progress.as_str().parse().ok()).unwrap_or(0)
}

fn status(agent: &AgentState) -> &str {
    agent.status.as_deref().unwrap_or("idle")
}

/// What a state says of each agent.
fn agents(state: &WorkflowState) -> BTreeMap<String, String> {
    let says = |(name, agent): (&str, &AgentState)| {
        (name.to_owned(), format!("{}/{}", status(agent), progress(agent)))
    };
    state
        .agent_states
        .iter()
        .flat_map(|agents| agents.iter().map(says).collect::<Vec<_>>())
        .collect()
}

/// How a state came, as the word of a mark.
fn origin_word(how: coordination_protocol::machine::StateOrigin) -> &'static str {
    use coordination_protocol::machine::StateOrigin;
    match how {
        StateOrigin::First => "first",
        StateOrigin::Own => "own",
        StateOrigin::Newer { gap: 0 } => "newer",
        StateOrigin::Newer { .. } => "newer-with-gap",
        StateOrigin::Merged => "merged",
        StateOrigin::Decided => "decided",
        StateOrigin::Restored => "restored",
        other => panic!("no host knows {other:?}"),
    }
}

impl Actor for Copy {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        match admit(&mut self.gate, now, from, bytes) {
            Ok(envelope) => self.machine.receive(now, envelope),
            Err(_) => effects.mark("turned-away", from),
        }
        self.follow(now, effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.machine.handle_timeout(now);
        self.follow(now, effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        self.change(now, number, effects);
        self.follow(now, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }

    fn disk(&self) -> Option<Json> {
        self.machine.snapshot().ok()
    }
}

const SAME: &str = "all have the same state in the end";
const LOST: &str = "no change is lost without being named";
const BACK: &str = "versions never go back";
const AGREE: &str = "there is no conflict in the end";
const JOINS: &str = "joins have no conflict";

/// Status and progress by agent.
type Agents = BTreeMap<String, (String, u64)>;

/// What was changed, and what became of it.
#[derive(Default)]
struct Changes {
    joins: bool,
    /// The version and the agents of each replica.
    copies: BTreeMap<String, (u64, Agents)>,
    /// The progress that each agent made.
    progress: BTreeMap<String, u64>,
    /// What each agent was said to do; and what was replaced knowingly or named in a conflict.
    said: BTreeMap<String, String>,
    settled: BTreeSet<String>,
    /// Whether the last message of a replica told of a conflict.
    conflicts: BTreeMap<String, bool>,
    /// A replica lost its disk.
    void: bool,
}

fn wrong(invariant: &'static str, why: impl Into<String>) -> Result<(), Violation> {
    Err(Violation::new(invariant, why))
}

impl Changes {
    fn mark(&mut self, node: &str, word: &str, text: &str) -> Result<(), Violation> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        match word {
            "says" => {
                let (agent, word) = (next(), next());
                self.settled.insert(next());
                self.said.insert(word, agent);
            }
            "gets-to" => {
                let highest = self.progress.entry(next()).or_default();
                *highest = (*highest).max(next().parse().unwrap_or(0));
            }
            "asked" => {
                if self.joins && !text.is_empty() {
                    return wrong(JOINS, format!("{node} is asked about {text}"));
                }
                self.settled.extend(text.split(' ').map(str::to_owned));
            }
            "adopts" => {
                let version = next().parse().unwrap_or(0);
                let agent = |text: &str| {
                    let (name, says) = text.split_once('=')?;
                    let (status, progress) = says.split_once('/')?;
                    Some((name.to_owned(), (status.to_owned(), progress.parse().ok()?)))
                };
                let agents = text.split(' ').filter_map(agent).collect();
                let copy = (version, agents);
                if let Some((before, _)) = self.copies.insert(node.to_owned(), copy)
                    && before > version
                {
                    return wrong(BACK, format!("{node} goes from {before} to {version}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Changes {
    fn same(&self) -> Result<(), Violation> {
        let Some((_, copy)) = self.copies.first_key_value() else { return Ok(()) };
        for name in REPLICAS {
            match self.copies.get(name) {
                Some(other) if other == copy => {}
                other => return wrong(SAME, format!("{name} has {other:?}, not {copy:?}")),
            }
        }
        Ok(())
    }
}

impl Check for Changes {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        match event.kind {
            _ if self.void => {}
            SimEventKind::Crashed { wiped: true } => self.void = true,
            SimEventKind::Marked { word, text } => return self.mark(event.node, word, text),
            SimEventKind::Sent { bytes, .. } => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                let told = text.contains("\"conflict_detected\":true");
                self.conflicts.insert(event.node.to_owned(), told);
            }
            // It has been calm for long, and nothing was changed since.
            SimEventKind::Stimulated(PLAIN) if event.at > Instant::START => return self.same(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _: Instant) -> Result<(), Violation> {
        let Some((_, (_, agents))) = self.copies.first_key_value().filter(|_| !self.void) else {
            return Ok(());
        };
        self.same()?;
        if let Some((node, _)) = self.conflicts.iter().find(|(_, conflict)| **conflict) {
            return wrong(AGREE, format!("{node} does"));
        }
        for (agent, highest) in &self.progress {
            if agents.get(agent).is_none_or(|(_, progress)| progress < highest) {
                return wrong(
                    LOST,
                    format!("{agent} got to {highest}, and is {:?}", agents.get(agent)),
                );
            }
        }
        for (word, agent) in &self.said {
            let stands = agents.get(agent).is_some_and(|(status, _)| status == word);
            if !stands && !self.settled.contains(word) {
                return wrong(LOST, format!("{agent} {word}, and is {:?}", agents.get(agent)));
            }
        }
        Ok(())
    }
}
