//! Keeping states in step: laws, transcripts, refusals, and replicas over a bad network.

use super::laws::{Scripted, all};
use super::transcripts::{Command, Told};
use super::{Step, checked, error, ignored, name, now, outputs};
use crate::support::{Rng, scaled};
use coordination_protocol::machine::{
    Backoff, Machine, Outbound, StateOrigin, StateSync, SyncInput, SyncOptions, SyncOutput,
};
use coordination_protocol::merge::{Relation, content_digest};
use coordination_protocol::message::{
    AgentState, ComponentConfig, Map, Message, StateMetadata, WorkflowState,
};
use coordination_protocol::scalar::{CheckResult, Now, Percent, WorkflowId};
use coordination_protocol::{Checked, Envelope};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn workflow() -> WorkflowId {
    WorkflowId::new("wf_001").unwrap()
}

/// A state of agents and their progress, `a=10,b=20`.
fn state(version: u64, agents: &str, at: Now) -> WorkflowState {
    let agents = agents.split(',').filter(|text| !text.is_empty()).map(|text| {
        let (name, progress) = text.split_once('=').unwrap();
        let progress = Percent::parse(progress).unwrap();
        (name, AgentState::new("active").with_progress(progress))
    });
    WorkflowState::new(workflow(), version, at.timestamp())
        .with_agent_states(agents.collect::<Map<_>>())
}

fn fresh(who: &str, seed: u64) -> StateSync {
    StateSync::new(name(who), workflow(), seed)
}

fn progress_of(agent: &AgentState) -> usize {
    agent.progress.as_ref().unwrap().as_str().parse().unwrap()
}

/// The machine of a transcript.
pub(super) fn of(seed: u64) -> StateSync {
    fresh("hub", seed)
}

fn from(source: &str, more: &str, state: &WorkflowState) -> Box<Checked<Envelope>> {
    let body = serde_json::to_string(state).unwrap();
    checked(&format!(r#"{{"source":"{source}"{more},"workflow_state":{body}}}"#))
}

impl Told for StateSync {
    fn input(&self, now: Now, command: &Command<'_>) -> Step<SyncInput> {
        let who = command.words[1];
        let made = |version: &str, agents| {
            let mut state = state(version.parse().unwrap(), agents, now);
            if let Some(names) = command.pairs.get("validate") {
                state = state.with_validation_required(
                    names.split('+').map(String::from).collect::<Vec<_>>(),
                );
            }
            if let Some(status) = command.pairs.get("status") {
                let agents = state.agent_states.take().unwrap();
                let changed = agents.iter().map(|(name, agent)| {
                    let progress = agent.progress.clone().unwrap();
                    (name, AgentState::new(*status).with_progress(progress))
                });
                state = state.with_agent_states(changed.collect::<Map<_>>());
            }
            state
        };
        let agents = || command.rest_of("agents").replace('+', ",");
        Step::Input(match command.words[0] {
            "join" => SyncInput::Join(name(who)),
            "leave" => SyncInput::Leave(name(who)),
            "change" => SyncInput::Changed(Box::new(made("0", &agents()))),
            "decided" => SyncInput::Decided(Box::new(made(&who[1..], &agents()))),
            verb @ ("state" | "asks") => {
                let mut state = made(&command.words[2][1..], &agents());
                // It came from ours, or from the version that both had before.
                let ancestor = match command.get("from", "") {
                    "ours" => self.state().and_then(content_digest),
                    "base" => self.state().and_then(|own| {
                        own.metadata.as_ref()?.ancestors.as_ref()?.first().cloned()
                    }),
                    _ => None,
                };
                if let Some(digest) = ancestor {
                    let metadata = StateMetadata::new();
                    state = state.with_metadata(metadata.with_ancestors(vec![digest]));
                }
                let asks =
                    r#","request_id":"req_1","correlation_id":"corr_1","response_required":true"#;
                return Step::Message(from(who, if verb == "asks" { asks } else { "" }, &state));
            }
            "checkpoint" => {
                return Step::Message(checked(&format!(
                    r#"{{"source":"{who}","checkpoint_sync":{{"workflow_id":"wf_001","checkpoint_id":"ckpt_1",
                    "checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z","state_version":{}}}}}"#,
                    &command.words[2][1..],
                )));
            }
            "validated" => {
                let results = command.words[2..].iter().map(|word| {
                    let (name, result) = word.split_once(':').unwrap();
                    (name.to_owned(), CheckResult::from_lenient(result))
                });
                SyncInput::Validated(who.parse().unwrap(), results.collect())
            }
            other => panic!("unknown command `{other}`"),
        })
    }
}

impl Scripted for StateSync {
    fn fresh(seed: u64) -> Self {
        let options = SyncOptions::new().with_max_peers(2).with_history(3);
        let mut machine = of(seed).with_options(options);
        machine.handle(now(0), SyncInput::Join(name("a"))).unwrap();
        machine
    }

    fn draw(rng: &mut Rng, now: Now) -> Step<SyncInput> {
        let who = rng.pick(&["a", "b", "hub", "c"]);
        let version = 1 + rng.below(8) as u64;
        let mut made = state(version, &format!("x={},y={}", rng.below(4), rng.below(4)), now);
        if rng.one_in(4) {
            made = made.with_validation_required(vec!["state_integrity".to_owned()]);
        }
        if rng.one_in(6) {
            made.agent_states = None;
        }
        if rng.one_in(3) {
            // It came from whatever the machine has.
            let earlier = (1..version).flat_map(|v| (0..16).map(move |n| (v, n / 4, n % 4)));
            let earlier = earlier
                .map(|(v, x, y)| content_digest(&state(v, &format!("x={x},y={y}"), now)).unwrap());
            let ancestors: Vec<_> = earlier.collect();
            made = made.with_metadata(StateMetadata::new().with_ancestors(ancestors));
        }
        let header = rng.pick(&["", r#","request_id":"req_1","response_required":true"#]);
        Step::Input(match rng.below(16) {
            0 => SyncInput::Join(name(who)),
            1 => SyncInput::Leave(name(who)),
            2..=4 => SyncInput::Changed(Box::new(made)),
            5 => SyncInput::Decided(Box::new(made)),
            6 | 7 => {
                let result = rng.pick(&["passed", "failed", "unknown"]);
                let results =
                    vec![("state_integrity".to_owned(), CheckResult::from_lenient(result))];
                SyncInput::Validated(1 + rng.below(4) as u64, results)
            }
            8 => return Step::Message(error("req_1", "")),
            9 => {
                let other = WorkflowId::new("wf_other").unwrap();
                made.workflow_id = other;
                return Step::Message(from(who, "", &made));
            }
            10 => {
                let body = serde_json::to_string(&made).unwrap();
                return Step::Message(checked(&format!(r#"{{"workflow_state":{body}}}"#)));
            }
            11 => {
                return Step::Message(checked(&format!(
                    r#"{{"source":"{who}","checkpoint_sync":{{"workflow_id":"wf_001","checkpoint_id":"ckpt_1",
                    "checkpoint_type":"manual","timestamp":"2025-01-15T12:00:00Z","state_version":9}}}}"#,
                )));
            }
            _ => return Step::Message(from(who, header, &made)),
        })
    }
}

#[test]
fn sync_keeps_the_laws() {
    all::<StateSync>(&[
        "origin: First",
        "origin: Own",
        "origin: Newer { gap: 0 }",
        "origin: Newer { gap: 1 }",
        "origin: Merged",
        "origin: Decided",
        "Validate",
        "Rejected",
        "Consensus",
        "Duplicate",
        "Fork",
        "response_required: Some(true)",
        "response_to: Some",
        "Unwanted",
        "is that of `wf_other`",
        "does not say where it comes from",
        "Own",
        "is our own",
        "which is the limit",
        "does not take part",
        "says nothing new",
        "no validation",
    ]);
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut machine = fresh("hub", 1).with_options(SyncOptions::new().with_max_peers(1));
    let mut refused = |input| {
        machine.handle(now(0), input).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let one = state(1, "a=1", now(0));
    let mut other = one.clone();
    other.workflow_id = WorkflowId::new("wf_2").unwrap();
    let elsewhere = "the state is that of `wf_2`, not of `wf_001`";
    assert_eq!(refused(SyncInput::Changed(Box::new(other.clone()))), elsewhere);
    assert_eq!(refused(SyncInput::Decided(Box::new(other.clone()))), elsewhere);
    assert_eq!(refused(SyncInput::Join(name("hub"))), "the component is our own");
    assert_eq!(refused(SyncInput::Leave(name("a"))), "`a` does not take part");
    assert_eq!(refused(SyncInput::Validated(1, Vec::new())), "no validation 1 is under way");
    assert_eq!(refused(SyncInput::Join(name("a"))), "");
    assert_eq!(refused(SyncInput::Join(name("b"))), "1 components take part, which is the limit");
    assert_eq!(refused(SyncInput::Changed(Box::new(one.clone()))), "");
    assert_eq!(refused(SyncInput::Changed(Box::new(one.clone()))), "the state says nothing new");

    assert_eq!(ignored(&mut machine, error("req_1", "")), "unwanted");
    assert_eq!(
        ignored(&mut machine, from("a", "", &other)),
        "unwanted, the state is that of `wf_2`"
    );
    assert_eq!(
        ignored(&mut machine, checked(&Envelope::from(one.clone()).to_string())),
        "incomplete, it does not say where it comes from"
    );
    assert_eq!(ignored(&mut machine, from("hub", "", &one)), "own");
    assert_eq!(
        ignored(&mut machine, from("b", "", &one)),
        "full, 1 components take part, which is the limit"
    );
}

#[test]
fn the_configuration_is_obeyed() {
    let machine = |text: &str| {
        let config: ComponentConfig = serde_json::from_str(text).unwrap();
        let mut machine = fresh("hub", 1).with_options((&config).into());
        machine.handle(now(0), SyncInput::Join(name("a"))).unwrap();
        machine.handle(now(0), SyncInput::Changed(Box::new(state(1, "a=1", now(0))))).unwrap();
        machine
    };
    let exchanges = |text: &str| {
        let mut machine = machine(text);
        let mut times = vec![0];
        while let Some(at) = machine.deadline().filter(|at| *at < now(300_000).at) {
            machine.handle_timeout(now(at.as_nanos().div_ceil(1_000_000)));
            if outputs(&mut machine).iter().any(|output| output.starts_with("send")) {
                times.push(at.as_nanos() / 1_000_000_000);
            }
        }
        times.truncate(5);
        times
    };
    assert_eq!(exchanges(r#"{"component_id":"x"}"#), [0, 30, 60, 150, 180]);
    let quick = r#"{"component_id":"x","coordination":{"timeout_default":"5s","max_retry_attempts":2},
        "monitoring":{"health_check_interval":"20s"}}"#;
    assert_eq!(exchanges(quick), [0, 5, 30, 35, 60]);
    assert_eq!(
        SyncOptions::from(
            &serde_json::from_str::<ComponentConfig>(r#"{"component_id":"x"}"#).unwrap()
        ),
        SyncOptions::new()
    );
}

/// What is sent says how far all agree, and what the state came from; it passes the strict reader.
#[test]
fn sent_states_say_how_far_all_agree() {
    let mut machine = fresh("hub", 1);
    for peer in ["a", "b", "c"] {
        machine.handle(now(0), SyncInput::Join(name(peer))).unwrap();
    }
    let one = state(1, "x=1", now(0));
    machine.handle(now(0), SyncInput::Changed(Box::new(one.clone()))).unwrap();
    machine.receive(now(0), *from("a", "", &one));
    let two = state(2, "x=2", now(1));
    machine.handle(now(1), SyncInput::Changed(Box::new(two.clone()))).unwrap();
    machine.receive(now(1), *from("b", "", &two));
    outputs(&mut machine);
    let asks = r#","request_id":"req_9","correlation_id":"corr_9","response_required":true"#;
    machine.receive(now(2), *from("b", asks, &two));
    let Some(SyncOutput::Send(Outbound { to, envelope, .. })) = machine.poll() else {
        panic!("no answer")
    };
    assert_eq!(to, [name("b")]);
    let strict = coordination_protocol::Validator::new(coordination_protocol::Mode::Strict);
    let mut gate = coordination_protocol::validate::Gate::new(strict);
    let text = envelope.to_string();
    assert!(gate.accept(text.as_bytes(), now(2).wall, None).is_ok(), "{text}");
    assert_eq!(envelope.header.response_to.as_ref().unwrap().as_str(), "req_9");
    assert_eq!(envelope.header.correlation_id.as_ref().unwrap().as_str(), "corr_9");
    assert_eq!(envelope.header.response_required, None);
    let Message::WorkflowState(sent) = &envelope.message else { panic!("{text}") };
    let metadata = sent.metadata.as_ref().unwrap();
    // Ourselves 1, b 1, a one behind, c never heard.
    assert_eq!(metadata.synchronization_confidence.as_ref().unwrap().as_str(), "0.625");
    assert_eq!(metadata.conflict_detected, Some(false));
    assert_eq!(metadata.last_update_source.as_deref(), Some("hub"));
    assert_eq!(metadata.ancestors, Some(vec![content_digest(&one).unwrap()]));
    let relations: Vec<_> = machine.peers().map(|(_, relation)| relation).collect();
    let behind = Relation::Older { behind: 1 };
    assert_eq!(relations, [Some(behind), Some(Relation::Duplicate), None]);
}

#[test]
fn forks_of_others_pass_the_checks_that_the_module_names() {
    use coordination_protocol::{Code, Gate, Mode, Validator};
    let strict = Validator::new(Mode::Strict);
    let passing = strict.clone().without_code(Code::StateFork).without_code(Code::StaleVersion);
    let message = |source: &str, state: &WorkflowState| {
        let body = serde_json::to_string(state).unwrap();
        format!(r#"{{"source":"{source}","workflow_state":{body}}}"#)
    };
    let states = [("a", state(2, "x=2", now(1))), ("b", state(2, "y=3", now(2)))];
    let stale = ("b", state(1, "y=1", now(0)));
    for (validator, admitted) in [(strict, 1), (passing, 3)] {
        let mut gate = Gate::new(validator);
        let mut machine = fresh("hub", 1);
        let mut count = 0;
        for (source, state) in states.iter().chain([&stale]) {
            machine.handle(now(3), SyncInput::Join(name(source))).unwrap();
            let text = message(source, state);
            if let Ok(checked) = gate.accept(text.as_bytes(), now(3).wall, None) {
                machine.receive(now(3), checked);
                count += 1;
            }
        }
        assert_eq!(count, admitted);
        let told = outputs(&mut machine).join("\n");
        assert_eq!(told.contains("ask for consensus on v3 with b"), admitted == 3, "{told}");
    }
}

/// Components with a copy each over a network that loses, doubles, delays and parts.
struct World {
    rng: Rng,
    replicas: Vec<StateSync>,
    /// Messages on the way: when and to whom.
    way: BTreeMap<(u64, u64), (usize, Envelope)>,
    posted: u64,
    millis: u64,
    /// Which replicas hear each other; all if it is calm.
    side: Vec<bool>,
    calm: bool,
    asked: Vec<Vec<String>>,
    /// What the planted bug does.
    bug: Bug,
}

#[derive(Clone, Copy, PartialEq)]
enum Bug {
    None,
    /// Every newer state is taken as if it came from the receiver's own.
    BlindTrust,
    /// No one is asked again.
    NoTimeouts,
}

impl World {
    fn new(seed: u64, bug: Bug) -> Self {
        let mut rng = Rng::new(seed);
        let count = 2 + rng.below(3);
        let options = SyncOptions::new()
            .with_timeout(Duration::from_secs(2))
            .with_interval(Duration::from_secs(5));
        let replica = |n: usize| {
            let mut replica = fresh(&format!("c{n}"), seed + n as u64).with_options(options);
            for peer in (0..count).filter(|peer| *peer != n) {
                replica.handle(now(0), SyncInput::Join(name(&format!("c{peer}")))).unwrap();
            }
            replica
        };
        let replicas: Vec<_> = (0..count).map(replica).collect();
        let side = vec![false; count];
        let (way, asked) = Default::default();
        World { rng, replicas, way, posted: 0, millis: 0, side, calm: false, asked, bug }
    }

    /// Carries out the outputs of a replica.
    fn drain(&mut self, who: usize) {
        while let Some(output) = self.replicas[who].poll() {
            match output {
                SyncOutput::Send(Outbound { to, mut envelope, .. }) => {
                    let to: usize = to[0].as_str()[1..].parse().unwrap();
                    if let (Bug::BlindTrust, Message::WorkflowState(state), Some(own)) =
                        (self.bug, &mut envelope.message, self.replicas[to].state())
                    {
                        let ancestors = vec![content_digest(own).unwrap()];
                        state.metadata = Some(StateMetadata::new().with_ancestors(ancestors));
                    }
                    let cut = self.side[who] != self.side[to];
                    let copies = if self.calm { 1 } else { [0, 1, 1, 1, 2][self.rng.below(5)] };
                    for _ in 0..if cut && !self.calm { 0 } else { copies } {
                        self.posted += 1;
                        let due = self.millis + 1 + self.rng.below(800) as u64;
                        self.way.insert((due, self.posted), (to, (*envelope).clone()));
                    }
                }
                SyncOutput::Consensus { conflicts, .. } => {
                    self.asked.push(conflicts.into_iter().map(|c| c.pointer).collect());
                }
                _ => {}
            }
        }
    }

    /// The next thing that happens; false if nothing does.
    fn step(&mut self) -> bool {
        let deadlines = self.replicas.iter().filter_map(|replica| replica.deadline());
        let timeout = deadlines.map(|at| at.as_nanos().div_ceil(1_000_000)).min();
        let timeout = timeout.filter(|_| self.bug != Bug::NoTimeouts);
        let arrival = self.way.keys().next().map(|(due, _)| *due);
        let Some(next) = [timeout, arrival].into_iter().flatten().min() else { return false };
        self.millis = self.millis.max(next);
        let at = now(self.millis);
        if let Some(entry) = self.way.first_entry().filter(|entry| entry.key().0 <= self.millis) {
            let (to, envelope) = entry.remove();
            let text = envelope.to_string();
            self.replicas[to].receive(at, *checked(&text));
            self.drain(to);
        } else {
            for who in 0..self.replicas.len() {
                self.replicas[who].handle_timeout(at);
                self.drain(who);
            }
        }
        true
    }

    /// A replica raises the progress of an agent, or adds one.
    fn change(&mut self) -> Option<(String, usize)> {
        let who = self.rng.below(self.replicas.len());
        let agent = format!("a{}", self.rng.below(4));
        let own = self.replicas[who].state().cloned();
        let mut agents: BTreeMap<String, AgentState> = own
            .as_ref()
            .and_then(|state| state.agent_states.as_ref())
            .map(|agents| agents.iter().map(|(n, a)| (n.to_owned(), a.clone())).collect())
            .unwrap_or_default();
        let progress = agents.get(&agent).map_or(0, progress_of) + 1 + self.rng.below(3);
        if progress > 100 {
            return None;
        }
        let value = Percent::parse(&progress.to_string()).unwrap();
        agents.insert(agent.clone(), AgentState::new("active").with_progress(value));
        // Made from the copy, whose version it names.
        let version = own.map_or(1, |state| state.state_version.get());
        let made = WorkflowState::new(workflow(), version, now(self.millis).timestamp())
            .with_agent_states(Map::from_iter(agents));
        self.replicas[who].handle(now(self.millis), SyncInput::Changed(Box::new(made))).unwrap();
        self.drain(who);
        Some((agent, progress))
    }
}

/// Lets replicas change their copies; in the end all are the same, and hold every change.
fn converges(seed: u64, bug: Bug) -> Result<usize, String> {
    let mut world = World::new(seed, bug);
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    let first = state(1, "a0=0", now(0));
    world.replicas[0].handle(now(0), SyncInput::Changed(Box::new(first))).unwrap();
    world.drain(0);
    // All start from one state.
    world.calm = true;
    for _ in 0..2_000 {
        let agreed = world.replicas.iter().all(|replica| replica.state().is_some());
        if agreed || !world.step() {
            break;
        }
    }
    world.calm = false;
    for _ in 0..8 + world.rng.below(12) {
        if world.rng.one_in(4) {
            for side in 0..world.side.len() {
                world.side[side] = world.rng.one_in(2);
            }
        }
        if let Some((agent, progress)) = world.change() {
            let most = wanted.entry(agent).or_default();
            *most = (*most).max(progress);
        }
        for _ in 0..world.rng.below(12) {
            world.step();
        }
    }
    world.calm = true;
    for _ in 0..4_000 {
        let contents: BTreeSet<_> = world
            .replicas
            .iter()
            .map(|replica| replica.state().and_then(content_digest).map(|d| d.as_str().to_owned()))
            .collect();
        if contents.len() == 1 && world.way.is_empty() {
            break;
        }
        if !world.step() {
            break;
        }
    }
    let views: Vec<_> = world
        .replicas
        .iter()
        .map(|replica| {
            let state = replica.state().cloned().unwrap_or_else(|| state(0, "", now(0)));
            let agents = state.agent_states.unwrap_or_default();
            let view = |(name, agent): (&str, &AgentState)| (name.to_owned(), progress_of(agent));
            (state.state_version.get(), agents.iter().map(view).collect::<BTreeMap<_, _>>())
        })
        .collect();
    if views.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(format!(
            "the replicas differ: {views:?}, asked {:?} at {}",
            world.asked.iter().take(4).collect::<Vec<_>>(),
            world.millis
        ));
    }
    for (agent, progress) in &wanted {
        if views[0].1.get(agent).is_none_or(|found| found < progress) {
            return Err(format!("{agent}={progress} is lost: {views:?}"));
        }
    }
    if !world.asked.is_empty() {
        return Err(format!("asked for consensus: {:?}", world.asked));
    }
    Ok(world.posted as usize)
}

#[test]
fn replicas_converge_and_lose_no_change() {
    let mut messages = 0;
    for seed in 0..scaled(120) as u64 {
        match converges(seed, Bug::None) {
            Ok(posted) => messages += posted,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(messages > 1_000);
}

#[test]
fn planted_bugs_are_found() {
    for (bug, text) in [(Bug::BlindTrust, "is lost"), (Bug::NoTimeouts, "the replicas differ")] {
        let found = (0..30).filter_map(|seed| converges(seed, bug).err());
        let errors: Vec<String> = found.collect();
        assert!(errors.iter().any(|error| error.contains(text)), "{text}: {errors:?}");
    }
}

/// Two replicas, each of which joined the other.
struct Two([StateSync; 2]);

impl Two {
    fn new() -> Self {
        let mut two = Two([fresh("c0", 1), fresh("c1", 2)]);
        two.0[0].handle(now(0), SyncInput::Join(name("c1"))).unwrap();
        two.0[1].handle(now(0), SyncInput::Join(name("c0"))).unwrap();
        two
    }

    fn change(&mut self, who: usize, millis: u64, agents: &str) -> WorkflowState {
        let made = state(0, agents, now(millis));
        self.0[who].handle(now(millis), SyncInput::Changed(Box::new(made))).unwrap();
        self.0[who].state().unwrap().clone()
    }

    /// Carries what is sent; tells everything else that came out. What is sent to `away` is lost.
    fn exchange(&mut self, millis: u64, away: Option<usize>) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let mut way = Vec::new();
            for (who, replica) in self.0.iter_mut().enumerate() {
                while let Some(output) = replica.poll() {
                    match output {
                        SyncOutput::Send(Outbound { to, envelope, .. }) => {
                            way.push((usize::from(to[0].as_str() == "c1"), envelope));
                        }
                        output => told.push(format!("c{who}: {output}")),
                    }
                }
            }
            if way.is_empty() {
                return told;
            }
            for (to, envelope) in way {
                if away.is_none_or(|away| away != to && away != 1 - to) {
                    self.0[to].receive(now(millis), *checked(&envelope.to_string()));
                }
            }
        }
    }

    /// Lets time pass over a good network.
    fn an_hour(&mut self, millis: u64) -> Vec<String> {
        let mut told = Vec::new();
        for second in 0..3_600 {
            let at = millis + second * 1_000;
            self.0.iter_mut().for_each(|replica| replica.handle_timeout(now(at)));
            told.extend(self.exchange(at, None));
        }
        told
    }

    fn contents(&self) -> [(u64, Option<coordination_protocol::scalar::Digest>); 2] {
        self.0.each_ref().map(|replica| {
            let state = replica.state().unwrap();
            (state.state_version.get(), content_digest(state))
        })
    }
}

/// A replica that changed nothing follows, whatever it missed, and whoever had heard what of the other.
#[test]
fn who_changed_nothing_catches_up() {
    for missed in [1, 31, 32, 33, 1_000] {
        for author in [0, 1] {
            let mut two = Two::new();
            two.change(author, 0, "a=0");
            two.exchange(0, None);
            for n in 1..=missed {
                two.change(0, n, &format!("a={}", n % 100));
                two.exchange(n, Some(1));
            }
            let told = two.an_hour(10_000).join("\n");
            assert!(!told.contains("consensus"), "{missed}: {told}");
            let [a, b] = two.contents();
            assert_eq!(a, b, "{missed}: {told}");
            assert_eq!(b.0, 1 + missed);
        }
    }
}

/// The answer that told what the other had got lost: what it last sent is remembered there.
#[test]
fn who_was_not_heard_catches_up() {
    let mut two = Two::new();
    two.change(0, 0, "a=0");
    // c1 gets it; its answer is lost.
    while let Some(output) = two.0[0].poll() {
        if let SyncOutput::Send(Outbound { envelope, .. }) = output {
            two.0[1].receive(now(0), *checked(&envelope.to_string()));
        }
    }
    while two.0[1].poll().is_some() {}
    for n in 1..=40 {
        two.change(0, n, &format!("a={n}"));
        two.exchange(n, Some(1));
    }
    let told = two.an_hour(10_000).join("\n");
    assert!(!told.contains("consensus"), "{told}");
    let [a, b] = two.contents();
    assert_eq!(a, b, "{told}");
    assert_eq!(b.0, 41);
}

/// A peer that was put back to an older snapshot has not seen ours, though it once had it.
#[test]
fn who_was_put_back_takes_nothing_back() {
    let mut two = Two::new();
    two.change(0, 0, "a=1");
    two.exchange(0, None);
    let old = two.0[0].snapshot().unwrap();
    two.change(0, 1, "a=1,b=2");
    two.exchange(1, None);
    two.0[0] = StateSync::restore(&old).unwrap();
    two.change(0, 2, "a=1,c=3");
    two.change(0, 3, "a=1,c=4");
    two.an_hour(10_000);
    let [a, b] = two.contents();
    assert_eq!(a, b);
    let agents = two.0[1].state().unwrap().agent_states.clone().unwrap();
    let agents: Vec<_> = agents.iter().map(|(name, agent)| (name, progress_of(agent))).collect();
    assert_eq!(agents, [("a", 1), ("c", 4), ("b", 2)]);
}

/// What was decided stands as it is: an agent that was removed in it does not come back.
#[test]
fn a_decision_is_adopted_as_it_is() {
    for decided_at in [3, 9] {
        let mut two = Two::new();
        two.change(0, 0, "a=1,b=1");
        two.exchange(0, None);
        for (who, agents) in [(0, "a=2,b=1"), (1, "a=1,b=3")] {
            let made = two.change(who, 1 + who as u64, agents);
            assert_eq!(made.state_version.get(), 2);
        }
        two.exchange(2, Some(0));
        let decided = state(decided_at, "a=2", now(3));
        for replica in &mut two.0 {
            replica.handle(now(3), SyncInput::Decided(Box::new(decided.clone()))).unwrap();
        }
        two.exchange(3, None);
        two.an_hour(10_000);
        for replica in &mut two.0 {
            assert_eq!(content_digest(replica.state().unwrap()), content_digest(&decided));
            // Handed in again, it changes nothing.
            replica.handle(now(4), SyncInput::Decided(Box::new(decided.clone()))).unwrap();
            assert_eq!(replica.state().unwrap().state_version.get(), decided_at);
        }
    }
}

/// What is handed in is merged with the version that it was made from, or refused.
#[test]
fn stale_states_are_never_written_over() {
    let mut two = Two::new();
    let old = two.change(0, 0, "a=1,b=1");
    two.exchange(0, None);
    // Another component removes one agent and adds one, while the host works on its copy.
    two.change(1, 1, "a=1,c=5");
    two.exchange(1, None);
    let mut late = old.clone();
    late.agent_states.as_mut().unwrap().insert("d", AgentState::new("active"));
    two.0[0].handle(now(2), SyncInput::Changed(Box::new(late))).unwrap();
    two.exchange(2, None);
    for replica in &two.0 {
        let state = replica.state().unwrap();
        assert_eq!(state.state_version.get(), 3);
        let agents: Vec<_> = state.agent_states.as_ref().unwrap().iter().map(|a| a.0).collect();
        assert_eq!(agents, ["a", "c", "d"]);
    }

    let mut refused = |made: WorkflowState| {
        let before = two.0[0].snapshot().unwrap();
        let error = two.0[0].handle(now(3), SyncInput::Changed(Box::new(made))).unwrap_err();
        assert_eq!(two.0[0].snapshot().unwrap(), before);
        error.to_string()
    };
    let mut gone = old.clone();
    gone.agent_states.as_mut().unwrap().insert("b", AgentState::new("stuck"));
    assert_eq!(
        refused(gone),
        "the state was made from version 1, but version 3 is current; both changed /agent_states/b"
    );
    assert_eq!(
        refused(state(7, "a=9", now(3))),
        "the state was made from version 7, but version 3 is current"
    );
    assert_eq!(refused(old), "the state says nothing new");
    assert_eq!(
        refused(state((1 << 53) - 1 + 1, "a=9", now(3))),
        "version 9007199254740992 is beyond the last one, 9007199254740991"
    );
}

/// A peer cannot use up the versions: a jump is put to consensus, and what is beyond the last version
/// is no state.
#[test]
fn jumps_are_bounded() {
    let mut machine = fresh("hub", 1).with_options(SyncOptions::new().with_max_jump(100));
    machine.handle(now(0), SyncInput::Changed(Box::new(state(1, "a=1", now(0))))).unwrap();
    outputs(&mut machine);
    machine.receive(now(1), *from("a", "", &state(102, "a=2", now(1))));
    let told = outputs(&mut machine);
    assert_eq!(
        told,
        ["ask for consensus on v102 with a: /state_version", "a is newer, 100 missing between"]
    );
    assert_eq!(machine.state().unwrap().state_version.get(), 1);
    machine.receive(now(2), *from("a", "", &state(102, "a=2", now(1))));
    assert_eq!(outputs(&mut machine), Vec::<String>::new());
    // Whoever decides may.
    let decided = state((1 << 53) - 1, "a=3", now(3));
    machine.handle(now(3), SyncInput::Decided(Box::new(decided))).unwrap();
    let more = machine.handle(now(4), SyncInput::Changed(Box::new(state(0, "a=4", now(4)))));
    assert_eq!(
        more.unwrap_err().to_string(),
        "version 9007199254740992 is beyond the last one, 9007199254740991"
    );
    let text = Envelope::from(state(1 << 53, "a=1", now(0))).to_string();
    let gate = coordination_protocol::Gate::new(coordination_protocol::Validator::new(
        coordination_protocol::Mode::Interop,
    ));
    assert!({ gate }.accept(text.as_bytes(), now(0).wall, None).is_err());
}

/// A workflow that was taken back goes on in a later epoch; who did not hear of it is refused, and
/// learns it.
#[test]
fn a_later_epoch_replaces_the_line_before() {
    let mut two = Two::new();
    two.change(0, 0, "a=1");
    two.exchange(0, None);
    two.change(0, 1, "a=2");
    two.exchange(1, None);
    // One takes it back to version 1 while the other goes on.
    let mut back = state(3, "a=1", now(2));
    back.epoch = Some(1_u64.into());
    back.restored_version = Some(1_u64.into());
    two.0[0].handle(now(2), SyncInput::Decided(Box::new(back))).unwrap();
    let copy = two.change(1, 3, "a=3");
    two.change(1, 4, "a=4");
    let told = two.exchange(5, None).join("\n");
    assert!(told.contains("c0: adopt v3: restored"), "{told}");
    assert!(told.contains("stale, it is of epoch 0, but epoch 1 has begun"), "{told}");
    assert!(told.contains("c1: adopt v5 from c0: restored"), "{told}");
    let [a, b] = two.contents();
    assert_eq!(a, b, "{told}");
    let ours = two.0[0].state().unwrap();
    assert_eq!(ours.agent_states, state(1, "a=1", now(0)).agent_states);
    assert_eq!((ours.state_version.get(), ours.epoch.clone()), (5, Some(1_u64.into())));

    // A copy of the old line is refused, and so is what was decided in it.
    let late = two.0[1].handle(now(6), SyncInput::Changed(Box::new(copy.clone()))).unwrap_err();
    assert_eq!(late.to_string(), "the state was made from version 3, but version 5 is current");
    let mut decided = state(9, "a=9", now(6));
    decided.epoch = Some(0_u64.into());
    let late = two.0[1].handle(now(6), SyncInput::Decided(Box::new(decided))).unwrap_err();
    assert_eq!(late.to_string(), "the state is of epoch 0, but epoch 1 has begun");
    // The next one is of the epoch, though the host does not say so.
    let next = two.change(1, 7, "a=7");
    assert_eq!((next.state_version.get(), next.epoch), (6, Some(1_u64.into())));
    two.exchange(7, None);
    let [a, b] = two.contents();
    assert_eq!(a, b);
}

/// Two who settle the same conflict by the same decision have the same state.
#[test]
fn a_decision_settles_a_conflict_for_all() {
    let mut hub = fresh("hub", 1);
    let mut worker = fresh("worker", 2);
    let base = state(1, "a=10", now(0));
    hub.handle(now(0), SyncInput::Changed(Box::new(base))).unwrap();
    let adopted = std::iter::from_fn(|| hub.poll()).find_map(|output| match output {
        SyncOutput::Adopted { state, .. } => Some(state),
        _ => None,
    });
    let base = *adopted.unwrap();
    worker.receive(now(0), *from("hub", "", &base));
    let changed = |status: &str| {
        let agent = AgentState::new(status).with_progress(Percent::parse("10").unwrap());
        let mut state = base.clone().with_agent_states(Map::from_iter([("a", agent)]));
        state.metadata = None;
        Box::new(state)
    };
    // At the same moment: the later time cannot settle it.
    hub.handle(now(5), SyncInput::Changed(changed("stuck"))).unwrap();
    worker.handle(now(5), SyncInput::Changed(changed("done"))).unwrap();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let sent = from("worker", "", worker.state().unwrap());
        hub.receive(now(6), *sent);
        asked.extend(std::iter::from_fn(|| hub.poll()).filter_map(|output| match output {
            SyncOutput::Consensus { state, conflicts, with } => Some((state, conflicts, with)),
            _ => None,
        }));
    }
    // Once is enough.
    let [(proposed, conflicts, with)] = asked.as_slice() else { panic!("{}", asked.len()) };
    assert_eq!(with, &name("worker"));
    let pointers: Vec<_> = conflicts.iter().map(|c| c.pointer.as_str()).collect();
    assert_eq!(pointers, ["/agent_states/a/status"]);
    assert_eq!(proposed.state_version.get(), 3);
    for replica in [&mut hub, &mut worker] {
        replica.handle(now(9), SyncInput::Decided(proposed.clone())).unwrap();
        let origin = std::iter::from_fn(|| replica.poll()).find_map(|output| match output {
            SyncOutput::Adopted { origin, .. } if origin != StateOrigin::Own => Some(origin),
            _ => None,
        });
        assert!(matches!(origin, Some(StateOrigin::Decided | StateOrigin::First)), "{origin:?}");
    }
    assert_eq!(content_digest(hub.state().unwrap()), content_digest(worker.state().unwrap()));
}

#[test]
fn backoff_is_an_option() {
    let options = SyncOptions::new().with_backoff(Backoff::new().with_attempts(1));
    let mut machine = fresh("hub", 1).with_options(options.with_timeout(Duration::from_secs(1)));
    machine.handle(now(0), SyncInput::Join(name("a"))).unwrap();
    machine.handle(now(0), SyncInput::Changed(Box::new(state(1, "a=1", now(0))))).unwrap();
    assert_eq!(machine.deadline(), Some(now(1_000).at));
    machine.handle_timeout(now(1_000));
    assert_eq!(machine.deadline(), Some(now(61_000).at));
}

/// Replicas in lockstep: what they send in one round crosses, and all of it arrives at once. So whoever
/// could merge does it at the same time.
struct Lockstep {
    rng: Rng,
    replicas: Vec<StateSync>,
    way: Vec<(usize, Envelope)>,
    millis: u64,
    asked: usize,
}

impl Lockstep {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let count = 2 + rng.below(3);
        let options = SyncOptions::new()
            .with_timeout(Duration::from_secs(2))
            .with_interval(Duration::from_secs(5));
        let mut replicas: Vec<_> = (0..count)
            .map(|n| fresh(&format!("c{n}"), seed + n as u64).with_options(options))
            .collect();
        let first = state(1, "a0=0,a1=0", now(0));
        for (n, replica) in replicas.iter_mut().enumerate() {
            for peer in (0..count).filter(|peer| *peer != n) {
                replica.handle(now(0), SyncInput::Join(name(&format!("c{peer}")))).unwrap();
            }
            // All start from one state.
            replica.handle(now(0), SyncInput::Changed(Box::new(first.clone()))).unwrap();
        }
        Lockstep { rng, replicas, way: Vec::new(), millis: 0, asked: 0 }
    }

    /// A replica gives an agent another task, which later progress follows.
    fn change(&mut self, who: usize) {
        self.millis += 1;
        let own = self.replicas[who].state().unwrap().clone();
        let agent = format!("a{}", self.rng.below(2));
        let task = format!("t{}", self.rng.below(4));
        let task = coordination_protocol::scalar::TaskId::new(task).unwrap();
        let agents = own.agent_states.as_ref().unwrap().iter().map(|(name, state)| {
            let changed = state.clone().with_current_task(task.clone());
            (name.to_owned(), if name == agent { changed } else { state.clone() })
        });
        let made = own.clone().with_agent_states(agents.collect::<Map<_>>());
        let _ = self.replicas[who].handle(now(self.millis), SyncInput::Changed(Box::new(made)));
    }

    fn round(&mut self, loses: bool) {
        for who in 0..self.replicas.len() {
            while let Some(output) = self.replicas[who].poll() {
                match output {
                    SyncOutput::Send(Outbound { to, envelope, .. })
                        if !(loses && self.rng.one_in(2)) =>
                    {
                        self.way.push((to[0].as_str()[1..].parse().unwrap(), *envelope));
                    }
                    SyncOutput::Consensus { .. } => self.asked += 1,
                    _ => {}
                }
            }
        }
        self.millis += 100;
        let at = now(self.millis);
        for (to, envelope) in std::mem::take(&mut self.way) {
            self.replicas[to].receive(at, *checked(&envelope.to_string()));
        }
        for replica in &mut self.replicas {
            replica.handle_timeout(at);
        }
    }

    fn versions(&self) -> BTreeSet<(u64, String)> {
        let of = |replica: &StateSync| {
            let state = replica.state().unwrap();
            (state.state_version.get(), content_digest(state).unwrap().as_str().to_owned())
        };
        self.replicas.iter().map(of).collect()
    }
}

/// When no one changes anything, all get the same state and versions stop growing, also with rules that
/// are no joins and with ancestors that some never saw.
#[test]
fn versions_stop_growing() {
    let mut conflicts = 0;
    for seed in 0..scaled(60) as u64 {
        let mut world = Lockstep::new(seed);
        for _ in 0..12 {
            for who in 0..world.replicas.len() {
                if world.rng.one_in(2) {
                    world.change(who);
                }
            }
            world.round(true);
        }
        let before = world.versions().last().unwrap().0;
        // A minute, and twenty seconds to see whether that is all.
        for _ in 0..600 {
            world.round(false);
        }
        let settled = world.versions();
        for _ in 0..200 {
            world.round(false);
        }
        let after = world.versions();
        // Merged with different ancestors and as young as each other, two can be in conflict.
        conflicts += usize::from(world.asked > 0);
        assert!(after.len() == 1 || world.asked > 0, "seed {seed}: {after:?}");
        assert_eq!(after, settled, "seed {seed}");
        let most = before + 4 * world.replicas.len() as u64;
        assert!(after.last().unwrap().0 <= most, "seed {seed}: {before}, then {after:?}");
    }
    assert!(conflicts <= scaled(60) / 10, "{conflicts} conflicts");
}
