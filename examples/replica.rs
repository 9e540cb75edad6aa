//! Three replicas of one state with a merge rule of one's own. Two of them spend of one budget while
//! they are apart: what fits is added up by the rule, and what would overdraw it goes to a ballot.
//!
//! Run it with `cargo run --example replica`.

use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    BallotSlot, Machine, NewProposal, Outbound, ProposeInput, ProposeOutput, Proposer, StateSync,
    SyncInput, SyncOutput, VoteInput, VoteOutput, Voter, VoterSet,
};
use coordination_protocol::merge::{ConflictChoice, MergePolicy, MergeRule, Row, content_digest};
use coordination_protocol::message::WorkflowState;
use coordination_protocol::route::RouteKey;
use coordination_protocol::scalar::{Ballot, ComponentId, Instant, Now, WorkflowId};
use coordination_protocol::storage::{Expect, Key, MemoryStore, Store, block_on};
use coordination_protocol::transport::{
    Address, MemoryReceiver, MemoryTransport, Packet, Received, Receiver, Transport,
};
use coordination_protocol::validate::{Gate, Validator};
use coordination_protocol::{Code, Mode};
use std::error::Error;
use std::io::Write;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The time in seconds from the start. It is virtual, so nothing waits.
fn now(second: u64) -> Now {
    let wall = 1_736_942_400_000 + i64::try_from(second).unwrap_or_default() * 1_000;
    Now::new(Instant::from_millis(second * 1_000), wall)
}

fn number(json: Option<&Json>) -> Option<i64> {
    json?.as_str().parse().ok()
}

fn budget(state: &WorkflowState) -> Option<i64> {
    number(state.extra().get("budget"))
}

/// What both sides spent is gone, as long as it was there. It says nothing of a budget that would be
/// overdrawn: then the row's rule is asked, which makes a conflict of it.
fn policy() -> Outcome<MergePolicy> {
    let row = Row::new("/budget", MergeRule::Manual)?.with_function(|base, ours, theirs| {
        let left = number(ours)?.checked_add(number(theirs)?)?.checked_sub(number(base)?)?;
        (left >= 0).then(|| ConflictChoice::Value(Json::from(left)))
    });
    Ok(MergePolicy::state().with_row(row))
}

/// A component: its copy of the state, its vote, and the ballots that it calls.
struct Replica {
    name: ComponentId,
    sync: StateSync,
    voter: Voter,
    proposer: Proposer,
    inbox: MemoryReceiver,
    gate: Gate,
    /// What it left of the budget when it spent of it last.
    left: Option<i64>,
    seed: u8,
}

/// All replicas and what is between them.
struct World<W> {
    replicas: Vec<Replica>,
    transport: MemoryTransport,
    /// Snapshots and decisions.
    store: MemoryStore,
    out: W,
}

impl<W: Write> World<W> {
    async fn new(names: &[ComponentId], workflow: &WorkflowId, out: W) -> Outcome<Self> {
        let transport = MemoryTransport::new();
        let mut replicas = Vec::new();
        for (seed, name) in (1..).zip(names) {
            // Forks and older versions are what these machines settle, so the checks let them through.
            let validator = Validator::new(Mode::Strict)
                .without_code(Code::StateFork)
                .without_code(Code::StaleVersion);
            // A random seed for each start of a component; these repeat what they print.
            let sync =
                StateSync::new(name.clone(), workflow.clone(), seed.into()).with_policy(policy()?);
            replicas.push(Replica {
                name: name.clone(),
                sync,
                voter: Voter::new(name.clone(), u64::from(seed)),
                proposer: Proposer::new(name.clone(), u64::from(seed)),
                inbox: transport.listen(&Address::new(name.as_str())?, 100).await?,
                gate: Gate::new(validator),
                left: None,
                seed,
            });
        }
        let mut world = World { replicas, transport, store: MemoryStore::new(), out };
        for replica in &mut world.replicas {
            for peer in names.iter().filter(|name| **name != replica.name) {
                replica.sync.handle(now(0), SyncInput::Join(peer.clone()))?;
            }
        }
        Ok(world)
    }

    /// A component spends of the budget, by its own copy of the state.
    fn spend(&mut self, who: usize, sum: i64, at: Now) -> Outcome<()> {
        let Replica { name, sync, left: own, .. } = &mut self.replicas[who];
        let mut state = sync.state().ok_or("there is no state")?.clone();
        let left = budget(&state).ok_or("there is no budget")? - sum;
        writeln!(self.out, "{name} spends {sum}, {left} left")?;
        *own = Some(left);
        state.extra_mut().insert("budget", left)?;
        Ok(sync.handle(at, SyncInput::Changed(Box::new(state)))?)
    }

    /// Does what the machines ask for until none asks for anything more.
    async fn run(&mut self, at: Now) -> Outcome<()> {
        loop {
            let mut sent = Vec::new();
            for who in 0..self.replicas.len() {
                self.step(who, at, &mut sent).await?;
            }
            if sent.is_empty() {
                return Ok(());
            }
            for message in sent {
                let key = RouteKey::of(&message.envelope).ok_or("a message without a key")?;
                let packet = Packet::new(key, message.envelope.to_string().as_bytes());
                for to in &message.to {
                    self.transport.send(&Address::new(to.as_str())?, [packet.clone()]).await?;
                    let replica = self.replicas.iter_mut().find(|replica| replica.name == *to);
                    replica.ok_or("no replica of that name")?.take(at).await?;
                }
            }
        }
    }

    /// Carries out the outputs of one component.
    async fn step(&mut self, who: usize, at: Now, sent: &mut Vec<Outbound>) -> Outcome<()> {
        let World { replicas, store, out, .. } = self;
        let voters = VoterSet::new(replicas.iter().map(|replica| replica.name.clone()));
        let Replica { name, sync, voter, proposer, left, seed, .. } = &mut replicas[who];
        loop {
            if let Some(output) = sync.poll() {
                match output {
                    SyncOutput::Send(message) => sent.push(message),
                    SyncOutput::Related { .. } => {}
                    SyncOutput::Consensus { ref state, .. } => {
                        writeln!(out, "{name}: {output}")?;
                        // The version after both. Whoever meets the fork may propose, under an
                        // identifier of its own: one decision settles it for all.
                        let slot =
                            BallotSlot::new(state.workflow_id.clone(), state.state_version.get());
                        let state = Json::of(&**state)?;
                        let proposal =
                            NewProposal::new(slot, state, voters.clone(), at, [*seed; 10]);
                        proposer.handle(at, ProposeInput::Propose(Box::new(proposal)))?;
                    }
                    other => writeln!(out, "{name}: {other}")?,
                }
            } else if let Some(output) = proposer.poll() {
                match output {
                    ProposeOutput::Send(message) => sent.push(message),
                    ProposeOutput::Persist(number) => {
                        persist(store, name, "proposer", proposer).await?;
                        proposer.handle(at, ProposeInput::Persisted(number))?;
                    }
                    ProposeOutput::Put(commit) => {
                        let id = commit.record.proposal.proposal_id.clone();
                        proposer.handle(at, ProposeInput::Put(id, commit.put(store).await))?;
                    }
                    ProposeOutput::Get(id, slot) => {
                        proposer.handle(at, ProposeInput::Got(id, slot.get(store).await))?;
                    }
                    other => writeln!(out, "{name}: {other}")?,
                }
            } else if let Some(output) = voter.poll() {
                match output {
                    VoteOutput::Send(message) => sent.push(message),
                    VoteOutput::Consider(proposal) => {
                        // Who would lose what it has spent is against it.
                        let state: WorkflowState = proposal.value.ok_or("no state")?.decode()?;
                        let sum = budget(&state).ok_or("no budget")?;
                        let fine = left.is_none_or(|left| sum == left);
                        let vote = if fine { Ballot::Accept } else { Ballot::Reject };
                        writeln!(out, "{name}: {vote} a budget of {sum}")?;
                        let proposal_id = proposal.proposal_id;
                        let cast = VoteInput::Cast { proposal_id, vote, reason: None };
                        voter.handle(at, cast)?;
                    }
                    VoteOutput::Persist(number) => {
                        persist(store, name, "voter", voter).await?;
                        voter.handle(at, VoteInput::Persisted(number))?;
                    }
                    VoteOutput::Get(slot) => {
                        let found = slot.get(store).await;
                        voter.handle(at, VoteInput::Got(slot, found))?;
                    }
                    VoteOutput::Learned(record) => {
                        writeln!(out, "{name}: learned {} {}", record.slot(), record.tally())?;
                        sync.handle(at, SyncInput::Decided(Box::new(record.state()?)))?;
                    }
                    other => writeln!(out, "{name}: {other}")?,
                }
            } else {
                return Ok(());
            }
        }
    }
}

/// A snapshot takes the place of the one before.
async fn persist(
    store: &MemoryStore,
    name: &ComponentId,
    role: &str,
    machine: &impl Machine,
) -> Outcome<()> {
    let key = Key::of([role, name.as_str()])?;
    store.put(&key, machine.snapshot()?.as_str().as_bytes(), Expect::Any).await?;
    Ok(())
}

impl Replica {
    /// Takes what has come in: it is checked, and goes to every machine that wants it.
    async fn take(&mut self, at: Now) -> Outcome<()> {
        let Received::Packets(packets) = self.inbox.receive().await? else { return Ok(()) };
        for packet in packets.iter() {
            let message = self.gate.accept(&packet.body, at.wall, None)?;
            if self.sync.wants(&message) {
                self.sync.receive(at, message);
            } else if self.voter.wants(&message) {
                self.voter.receive(at, message);
            } else {
                self.proposer.receive(at, message);
            }
        }
        Ok(())
    }
}

/// Tells the story, and returns the budget that all agree on.
pub(crate) fn run(out: impl Write) -> Outcome<i64> {
    let workflow = WorkflowId::new("wf_001")?;
    let names = [ComponentId::new("hub")?, ComponentId::new("left")?, ComponentId::new("right")?];
    block_on(async {
        let mut world = World::new(&names, &workflow, out).await?;
        let first = WorkflowState::new(workflow, 1_u64, now(0).timestamp());
        let first = first.with_extra("budget", 100)?;
        world.replicas[0].sync.handle(now(0), SyncInput::Changed(Box::new(first)))?;
        world.run(now(0)).await?;

        writeln!(
            world.out,
            "# both spend of one version, and there is enough: the rule adds it up"
        )?;
        world.spend(1, 30, now(10))?;
        world.spend(2, 40, now(11))?;
        world.run(now(12)).await?;

        writeln!(world.out, "# both spend more than there is: a ballot decides")?;
        world.spend(1, 20, now(20))?;
        world.spend(2, 25, now(21))?;
        world.run(now(22)).await?;

        let states = world.replicas.iter().filter_map(|replica| replica.sync.state());
        let digests: Vec<_> = states.map(content_digest).collect();
        if digests.len() != names.len() || digests.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err("the replicas differ".into());
        }
        let left = world.replicas[0].sync.state().and_then(budget).ok_or("there is no budget")?;
        writeln!(world.out, "# one state: {left} left")?;
        Ok(left)
    })
}

#[allow(dead_code, reason = "tests call `run`")]
pub(crate) fn main() -> Outcome<()> {
    run(std::io::stdout())?;
    Ok(())
}
