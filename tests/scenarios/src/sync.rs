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
    kind: Kind,
}

/// What the replicas go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Conflicts,
    /// No replica changes what could be in conflict.
    Joins,
    /// Their hosts store snapshots now and then only, so a crash puts a replica back to an older one; and
    /// now and then one takes the workflow back. Clocks jump, and cuts take minutes.
    Setbacks,
    /// One changes the state, and the others follow.
    Author,
}

impl Syncs {
    /// The world.
    pub fn new() -> Self {
        Syncs::default()
    }

    /// No replica changes what could be in conflict.
    pub const fn with_joins_only(mut self) -> Self {
        self.kind = Kind::Joins;
        self
    }

    /// Crashes put replicas back to older snapshots, replicas take the workflow back, clocks jump, and
    /// cuts take minutes. Then changes are lost with who made them; still all have the same state in the
    /// end, and no replica goes back to an earlier epoch.
    pub const fn with_setbacks(mut self) -> Self {
        self.kind = Kind::Setbacks;
        self
    }

    /// One replica changes the state again and again, through cuts of minutes. The others follow, and none
    /// is ever asked for consensus.
    pub const fn with_one_author(mut self) -> Self {
        self.kind = Kind::Author;
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
        Box::new(Copy::new(host, self.kind))
    }

    fn check(&self) -> Box<dyn Check> {
        Box::new(Changes { kind: self.kind, ..Changes::default() })
    }

    fn conditions(&self) -> Conditions {
        let usual = Conditions::new().with_stimuli(50).with_wiped(0);
        match self.kind {
            Kind::Conflicts | Kind::Joins => usual,
            Kind::Setbacks => usual.with_crashes(8).with_shifts(6).with_cuts(6).with_cut(280_000),
            // As many versions as a state names ancestors: also who has it of a third one follows.
            Kind::Author => {
                let usual = usual.with_stimuli(30).with_crashes(8).with_shifts(6);
                usual.with_cuts(6).with_cut(280_000)
            }
        }
    }

    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        let mut stimuli = vec![Stimulus::new(REPLICAS[0], 0, PLAIN)];
        for number in 1..=u64::from(conditions.stimuli) {
            let which = if self.kind == Kind::Author { 0 } else { draws.below(4) as usize };
            let node = REPLICAS[which];
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
    kind: Kind,
    draws: SplitMix64,
    /// The snapshot that its host has stored, where that does not store each.
    stored: Option<Json>,
}

impl Copy {
    fn new(host: &Host<'_>, kind: Kind) -> Self {
        let mut draws = SplitMix64::new(host.seed);
        let restored = host.disk.and_then(|disk| StateSync::restore(disk).ok());
        let machine = restored.unwrap_or_else(|| {
            let workflow = WorkflowId::new("wf_1").expect("it is an identifier");
            let row =
                Row::new("/agent_states/*/status", MergeRule::Manual).expect("it is a pointer");
            let mut fresh = StateSync::new(component(host.name), workflow, draws.next_u64())
                .with_policy(MergePolicy::state().with_row(row))
                .with_options(match kind {
                    Kind::Author => SyncOptions::new(),
                    _ => SyncOptions::new().with_history(HISTORY),
                });
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
        let stored = host.disk.cloned();
        Copy { machine, gate: Gate::new(validator), kind, draws, stored }
    }

    fn tell(&mut self, now: Now, input: SyncInput, effects: &mut Effects) {
        if let Err(refused) = self.machine.handle(now, input) {
            effects.mark("not-taken", refused.to_string());
        }
    }

    fn follow(&mut self, now: Now, effects: &mut Effects) {
        self.fetch(now, effects);
        // The first one is stored: without any it would begin as a stranger.
        if self.stored.is_none() || self.draws.below(8) == 0 {
            self.stored = self.machine.snapshot().ok();
        }
    }

    /// Takes the workflow back to how it was without agents, as a restore of a checkpoint would.
    fn take_back(&mut self, now: Now, effects: &mut Effects) {
        let Some(own) = self.machine.state() else { return effects.mark("waits", "") };
        let (version, epoch) = (own.state_version.get(), own.epoch.clone());
        let epoch = epoch.map_or(0, |epoch| epoch.get()) + 1;
        let mut back = WorkflowState::new(own.workflow_id.clone(), version + 1, now.timestamp());
        back.epoch = Some(epoch.into());
        back.restored_version = Some(1_u64.into());
        effects.mark("takes-back", epoch.to_string());
        self.tell(now, SyncInput::Decided(Box::new(back)), effects);
    }

    fn fetch(&mut self, now: Now, effects: &mut Effects) {
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
                    let epoch = state.epoch.as_ref().map_or(0, |epoch| epoch.get());
                    effects.mark("adopts", format!("{version} {epoch} {agents}"));
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
        let plain = matches!(self.kind, Kind::Joins | Kind::Author);
        let changed = if !plain && number != PLAIN && number.is_multiple_of(2) {
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
        if self.kind == Kind::Setbacks && number != PLAIN && number.is_multiple_of(16) {
            self.take_back(now, effects);
        } else {
            self.change(now, number, effects);
        }
        self.follow(now, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }

    fn disk(&self) -> Option<Json> {
        match self.kind {
            Kind::Setbacks => self.stored.clone(),
            _ => self.machine.snapshot().ok(),
        }
    }
}

const SAME: &str = "all have the same state in the end";
const LOST: &str = "no change is lost without being named";
const BACK: &str = "versions never go back";
const AGREE: &str = "there is no conflict in the end";
const JOINS: &str = "joins have no conflict";
const FOLLOW: &str = "who changed nothing is not asked for consensus";

/// Status and progress by agent.
type Agents = BTreeMap<String, (String, u64)>;

/// What was changed, and what became of it.
#[derive(Default)]
struct Changes {
    kind: Kind,
    /// The epoch, the version and the agents of each replica.
    copies: BTreeMap<String, (u64, u64, Agents)>,
    /// The epoch and the version of each replica since its last crash.
    lines: BTreeMap<String, (u64, u64)>,
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
                if self.kind == Kind::Author {
                    return wrong(FOLLOW, format!("{node} is"));
                }
                if self.kind == Kind::Joins && !text.is_empty() {
                    return wrong(JOINS, format!("{node} is asked about {text}"));
                }
                self.settled.extend(text.split(' ').map(str::to_owned));
            }
            "adopts" => {
                let version = next().parse().unwrap_or(0);
                let epoch = next().parse().unwrap_or(0);
                let agent = |text: &str| {
                    let (name, says) = text.split_once('=')?;
                    let (status, progress) = says.split_once('/')?;
                    Some((name.to_owned(), (status.to_owned(), progress.parse().ok()?)))
                };
                let agents = text.split(' ').filter_map(agent).collect();
                self.copies.insert(node.to_owned(), (epoch, version, agents));
                let line = (epoch, version);
                if let Some(before) = self.lines.insert(node.to_owned(), line)
                    && (before.0 > epoch || before.1 > version)
                {
                    return wrong(BACK, format!("{node} goes from {before:?} to {line:?}"));
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
            // Who is put back to an older snapshot goes on from there.
            SimEventKind::Crashed { .. } if self.kind == Kind::Setbacks => {
                self.lines.remove(event.node);
            }
            SimEventKind::Marked { word, text } => return self.mark(event.node, word, text),
            SimEventKind::Sent { bytes, .. } => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                let told = text.contains("\"conflict_detected\":true");
                self.conflicts.insert(event.node.to_owned(), told);
            }
            // It has been calm for long, and nothing was changed since.
            // In spite of a setback that no adoption told of, the last change is adopted by all.
            SimEventKind::Stimulated(PLAIN)
                if event.at > Instant::START && self.kind != Kind::Setbacks =>
            {
                return self.same();
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _: Instant) -> Result<(), Violation> {
        let Some((_, (_, _, agents))) = self.copies.first_key_value().filter(|_| !self.void) else {
            return Ok(());
        };
        self.same()?;
        if let Some((node, _)) = self.conflicts.iter().find(|(_, conflict)| **conflict) {
            return wrong(AGREE, format!("{node} does"));
        }
        if self.kind == Kind::Setbacks {
            // What a replica forgets in a crash, or takes back, is lost with it.
            return Ok(());
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
