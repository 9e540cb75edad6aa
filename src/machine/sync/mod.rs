//! Keeping the copies of a workflow's state in step (specification, State Synchronization Pattern).
//!
//! Each component has a copy of the state. When one changes its copy, it exchanges states with the
//! others: it sends its own and asks for theirs. Whatever is lost, doubled or late, they go on until
//! all have the same.
//!
//! | the state that comes in | what follows |
//! |---|---|
//! | the same | nothing |
//! | an older one | the answer is ours |
//! | a newer one that came from ours | it is adopted, also if versions between were never seen |
//! | another of the same version, or a newer one that did not come from ours | both are [merged](crate::merge) with the version that both came from; the result is newer than both |
//! | one that cannot be merged, or whose common ancestor is not known | the host is asked for consensus: a [ballot](super::Proposer), or a person |
//! | the notice of a checkpoint of a later version | an exchange with its source |
//!
//! So that nobody takes a state for newer that lacks one's own changes, states name the digests of
//! their [`ancestors`](crate::message::StateMetadata::ancestors) (extension). Of a component that does
//! not name them, what it last had counts instead.
//!
//! Before a state of a peer becomes the current one, what its `validation_required` names is run by
//! the host; if one has failed, the state is not adopted. What nobody can run is `unknown` and does not
//! hinder it.
//!
//! Each state that is sent says how far all agree:
//! [`agreement`] computes `synchronization_confidence` and
//! `conflict_detected` of what is known of the peers.
//!
//! An [`Inbox`](crate::validate::Inbox) that remembers what came refuses forks and older versions in
//! strict mode. They are what this machine settles, so let them through:
//!
//! ```
//! use coordination_protocol::validate::{Inbox, Validator};
//! use coordination_protocol::{Code, Mode};
//!
//! let validator = Validator::new(Mode::Strict)
//!     .without_code(Code::StateFork)
//!     .without_code(Code::StaleVersion);
//! let inbox = Inbox::new(validator);
//! ```
//!
//! All replicas that merge the same two states with the same policy get the same result: which of them
//! counts as ours follows from the states, by the later timestamp, not from where it is merged. Give
//! all replicas the same policy.

mod io;
mod options;
mod replica;

pub use io::{Adoption, SyncInput, SyncOutput, SyncRefused};
pub use options::SyncOptions;

use super::settings::at_least;
use super::{Draws, Machine, Timers};
use crate::merge::{Merged, Policy, Relation, Strategy, agreement, merge};
use crate::message::{Envelope, Header, Message, StateMetadata, WorkflowState};
use crate::scalar::{
    CheckResult, ComponentId, CorrelationId, Digest, Instant, MessageId, Now, RequestId, WorkflowId,
};
use crate::validate::Checked;
use replica::{History, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// What is known of a peer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Peer {
    /// The version that it last had, and the digest of its content.
    last: Option<(u64, Option<Digest>)>,
    /// What that was to ours when it was last told.
    told: Option<String>,
    /// How often it was asked since it was last heard.
    attempts: u32,
}

/// A state that waits for its validation.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Candidate {
    number: u64,
    version: Version,
    how: Adoption,
    from: Option<ComponentId>,
}

/// A conflict that the host was asked to have settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unsettled {
    ours: Option<Digest>,
    theirs: Option<Digest>,
    conflicts: usize,
    /// Until when the host is not asked again.
    until: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Due {
    Validation,
    Peer(ComponentId),
}

/// Keeps one component's copy of a workflow's state in step with those of others.
///
/// ```
/// use coordination_protocol::machine::{Machine, StateSync, SyncInput};
/// use coordination_protocol::message::WorkflowState;
/// use coordination_protocol::scalar::{ComponentId, Instant, Now, WorkflowId};
///
/// let workflow = WorkflowId::new("wf_001")?;
/// let mut hub = StateSync::new(ComponentId::new("hub")?, workflow.clone(), 7);
/// let now = Now::new(Instant::START, 1_736_942_400_000);
/// hub.handle(now, SyncInput::Join(ComponentId::new("worker")?))?;
/// let state = WorkflowState::new(workflow, 1_u64, now.timestamp());
/// hub.handle(now, SyncInput::Changed(Box::new(state)))?;
/// let said: Vec<String> = std::iter::from_fn(|| hub.poll()).map(|wish| wish.to_string()).collect();
/// assert_eq!(said, ["adopt v1: first", "exchange with worker v1"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StateSync {
    own: ComponentId,
    workflow: WorkflowId,
    options: SyncOptions,
    policy: Policy,
    draws: Draws,
    current: Option<Version>,
    history: History,
    peers: BTreeMap<ComponentId, Peer>,
    /// The first is being validated.
    candidates: VecDeque<Candidate>,
    /// The number of the last wish to validate.
    number: u64,
    unsettled: Option<Unsettled>,
    timers: Timers<Due>,
    out: VecDeque<SyncOutput>,
}

impl StateSync {
    /// The copy of a component, empty and without peers. The seed decides on identifiers and pauses:
    /// give each start of a component a random one.
    pub fn new(own: ComponentId, workflow: WorkflowId, seed: u64) -> Self {
        StateSync {
            own,
            workflow,
            options: SyncOptions::default(),
            policy: Policy::state(),
            draws: Draws::new(seed),
            current: None,
            history: History::default(),
            peers: BTreeMap::new(),
            candidates: VecDeque::new(),
            number: 0,
            unsettled: None,
            timers: Timers::new(),
            out: VecDeque::new(),
        }
    }

    /// Sets how it keeps in step.
    pub fn with_options(mut self, options: SyncOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets how states are merged. It must be the same for all replicas.
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Starts from a state, such as one that was stored.
    pub fn with_state(mut self, state: WorkflowState) -> Self {
        self.current = Some(Version::new(state));
        self
    }

    /// The current state. Copies that are in step have equal
    /// [`content_digest`](crate::merge::content_digest)s; the metadata is each replica's own.
    pub fn state(&self) -> Option<&WorkflowState> {
        self.current.as_ref().map(|version| &version.state)
    }

    /// What each peer's state is to ours; `None` if it was never heard, or we have none.
    pub fn peers(&self) -> impl Iterator<Item = (&ComponentId, Option<Relation>)> {
        self.peers.iter().map(|(name, peer)| (name, self.relation(peer)))
    }

    fn relation(&self, peer: &Peer) -> Option<Relation> {
        let (number, digest) = peer.last.as_ref()?;
        Some(self.current.as_ref()?.relation(*number, digest.as_ref()))
    }

    fn agrees(&self, name: &ComponentId) -> bool {
        let relation = self.peers.get(name).and_then(|peer| self.relation(peer));
        relation == Some(Relation::Duplicate)
    }

    fn join(&mut self, now: Now, name: &ComponentId) -> Result<(), SyncRefused> {
        if *name == self.own {
            return Err(SyncRefused::Ours);
        }
        if !self.peers.contains_key(name) {
            if self.peers.len() >= self.options.most.max(1) {
                return Err(SyncRefused::Full(self.peers.len()));
            }
            self.peers.insert(name.clone(), Peer::default());
            self.exchange(now, name);
        }
        Ok(())
    }

    fn leave(&mut self, name: ComponentId) -> Result<(), SyncRefused> {
        if self.peers.remove(&name).is_none() {
            return Err(SyncRefused::NotAPeer(name));
        }
        self.timers.set(Due::Peer(name), None);
        Ok(())
    }

    fn is_ours(&self, state: &WorkflowState) -> Result<(), SyncRefused> {
        if state.workflow_id != self.workflow {
            let (found, expected) = (state.workflow_id.clone(), self.workflow.clone());
            return Err(SyncRefused::OtherWorkflow { found, expected });
        }
        Ok(())
    }

    fn changed(&mut self, now: Now, mut state: WorkflowState) -> Result<(), SyncRefused> {
        self.is_ours(&state)?;
        let mut how = Adoption::First;
        if let Some(current) = &self.current {
            let mut same = state.clone();
            same.state_version = current.state.state_version.clone();
            if Version::new(same).digest.is_some_and(|digest| current.digest == Some(digest)) {
                return Err(SyncRefused::Unchanged);
            }
            state.state_version = current.number().saturating_add(1).into();
            how = Adoption::Own;
        } else if state.state_version.get() == 0 {
            state.state_version = 1_u64.into();
        }
        state.timestamp = Some(now.timestamp());
        let metadata = state.metadata.take().unwrap_or_else(StateMetadata::new);
        state.metadata = Some(metadata.with_last_update_source(self.own.as_str()));
        let version = Version::new(state);
        self.adopt(now, version, how, None);
        Ok(())
    }

    fn received(&mut self, now: Now, envelope: Checked<Envelope>) -> Result<(), SyncRefused> {
        let Envelope { header, message } = envelope.into_inner();
        let kind = message.kind();
        let source = header.source.ok_or(SyncRefused::NoSource);
        let checkpoint = match message {
            Message::WorkflowState(state) => {
                self.is_ours(&state)?;
                let source = self.peer(source?)?;
                let asked = header.request_id.filter(|_| header.response_required == Some(true));
                self.assess(now, Version::new(*state), Some(&source), false);
                if let Some(request) = asked {
                    self.answer(now, &source, request, header.correlation_id);
                }
                return Ok(());
            }
            Message::CheckpointSync(notice) => notice,
            _ => return Err(SyncRefused::NotState(kind)),
        };
        if checkpoint.workflow_id != self.workflow {
            let (found, expected) = (checkpoint.workflow_id.clone(), self.workflow.clone());
            return Err(SyncRefused::OtherWorkflow { found, expected });
        }
        let source = self.peer(source?)?;
        let known = self.current.as_ref().map_or(0, Version::number);
        if checkpoint.state_version.is_some_and(|version| version.get() > known) {
            self.exchange(now, &source);
        }
        Ok(())
    }

    /// A component that spoke is a peer from then on.
    fn peer(&mut self, name: ComponentId) -> Result<ComponentId, SyncRefused> {
        if name == self.own {
            return Err(SyncRefused::Ours);
        }
        if !self.peers.contains_key(&name) && self.peers.len() >= self.options.most.max(1) {
            return Err(SyncRefused::Full(self.peers.len()));
        }
        self.peers.entry(name.clone()).or_default().attempts = 0;
        Ok(name)
    }

    /// What a state that comes in means.
    fn assess(&mut self, now: Now, theirs: Version, from: Option<&ComponentId>, decided: bool) {
        let before = from.and_then(|name| {
            let last = (theirs.number(), theirs.digest.clone());
            self.peers.get_mut(name)?.last.replace(last)?.1
        });
        let how = if decided { Some(Adoption::Decided) } else { None };
        let Some(current) = &self.current else {
            return self.consider(now, theirs, how.unwrap_or(Adoption::First), from);
        };
        let relation = current.relation(theirs.number(), theirs.digest.as_ref());
        let descends = theirs.comes_from(current.digest.as_ref())
            || theirs.ancestors().is_empty() && before.is_some() && before == current.digest;
        match relation {
            Relation::Duplicate | Relation::Older { .. } | Relation::Unrelated => {}
            Relation::Newer { gap } if descends => {
                self.consider(now, theirs, how.unwrap_or(Adoption::Newer { gap }), from);
            }
            Relation::Newer { .. } | Relation::Fork | Relation::Unknown => {
                self.fuse(now, &theirs, before.as_ref(), from, how);
            }
        }
        self.settle_peer(now, from);
    }

    /// Merges two states of which neither came from the other.
    fn fuse(
        &mut self,
        now: Now,
        theirs: &Version,
        before: Option<&Digest>,
        from: Option<&ComponentId>,
        how: Option<Adoption>,
    ) {
        let Some(ours) = self.current.clone() else { return };
        let common = |known: &Version| {
            theirs.comes_from(known.digest.as_ref())
                || theirs.ancestors().is_empty()
                    && before.is_some()
                    && before == known.digest.as_ref()
        };
        let base = self.history.latest(common).map(Version::bare);
        let known = base.is_some();
        // Without an ancestor nothing counts as removed.
        let base = base.unwrap_or_else(|| {
            let time = ours.state.timestamp.clone();
            let mut nothing = WorkflowState::new(self.workflow.clone(), 0_u64, now.timestamp());
            nothing.timestamp = time;
            nothing
        });
        let (first, second) =
            if ours.weight() >= theirs.weight() { (&ours, theirs) } else { (theirs, &ours) };
        let mut made = merge(&base, first.bare(), &second.bare(), &self.policy);
        let clean = made.conflicts.is_empty() && known;
        if !clean && from.is_none() {
            // What was decided stands, whatever we made of it meanwhile.
            let policy = self.policy.clone().with_strategy(Strategy::Theirs);
            made = merge(&base, ours.bare(), &theirs.bare(), &policy);
        }
        let Merged { mut value, conflicts, .. } = made;
        let metadata = value.metadata.take().unwrap_or_else(StateMetadata::new);
        value.metadata = Some(metadata.with_last_update_source(self.own.as_str()));
        let mut merged = Version::new(value);
        merged.descend(&[first, second], self.options.history);
        if let (false, Some(with)) = (clean, from) {
            let asked = Unsettled {
                ours: ours.digest.clone(),
                theirs: theirs.digest.clone(),
                conflicts: conflicts.len().max(1),
                until: now.at.after(at_least(self.options.interval)),
            };
            let again = self.unsettled.as_ref().is_some_and(|known| {
                (&known.ours, &known.theirs) == (&asked.ours, &asked.theirs)
                    && known.until.is_none_or(|until| until > now.at)
            });
            if !again {
                self.unsettled = Some(asked);
                let (with, state) = (with.clone(), Box::new(merged.state));
                self.out.push_back(SyncOutput::Consensus { with, state, conflicts });
            }
            return;
        }
        match ours.relation(merged.number(), merged.digest.as_ref()) {
            // Ours has everything already. Say so, so that the peer can take it.
            Relation::Duplicate => {
                self.current = Some(merged);
                self.unsettled = None;
            }
            _ => self.consider(now, merged, how.unwrap_or(Adoption::Merged), from),
        }
    }

    /// Adopts a state, after its validation if it asks for one.
    fn consider(&mut self, now: Now, version: Version, how: Adoption, from: Option<&ComponentId>) {
        let names = version.state.validation_required.clone().unwrap_or_default();
        if names.is_empty() {
            return self.adopt(now, version, how, from);
        }
        let same = |waiting: &Candidate| waiting.version.digest == version.digest;
        if self.candidates.iter().any(same) || self.candidates.len() >= self.options.most.max(1) {
            return;
        }
        self.number += 1;
        let (number, from) = (self.number, from.cloned());
        self.candidates.push_back(Candidate { number, version, how, from });
        if self.candidates.len() == 1 {
            self.validate(now);
        }
    }

    /// Wishes the validation of the first candidate.
    fn validate(&mut self, now: Now) {
        let Some(candidate) = self.candidates.front() else {
            return self.timers.set(Due::Validation, None);
        };
        let state = &candidate.version.state;
        self.out.push_back(SyncOutput::Validate {
            number: candidate.number,
            names: state.validation_required.clone().unwrap_or_default(),
            state: Box::new(state.clone()),
        });
        let until = now.at.after(at_least(self.options.timeout));
        self.timers.set(Due::Validation, until);
    }

    fn validated(
        &mut self,
        now: Now,
        number: u64,
        results: Vec<(String, CheckResult)>,
    ) -> Result<(), SyncRefused> {
        let fits = self.candidates.front().is_some_and(|first| first.number == number);
        let candidate = if fits { self.candidates.pop_front() } else { None };
        let candidate = candidate.ok_or(SyncRefused::NotValidating(number))?;
        let failed: Vec<String> = results
            .into_iter()
            .filter(|(_, result)| *result == CheckResult::Failed)
            .map(|(name, _)| name)
            .collect();
        let Candidate { version, how, from, .. } = candidate;
        if !failed.is_empty() {
            let version = version.number();
            self.out.push_back(SyncOutput::Rejected { from, version, failed });
        } else if let Some(current) = &self.current {
            // Ours may have moved on meanwhile.
            match current.relation(version.number(), version.digest.as_ref()) {
                Relation::Newer { .. } if version.comes_from(current.digest.as_ref()) => {
                    self.adopt(now, version, how, from.as_ref());
                }
                Relation::Newer { .. } | Relation::Fork | Relation::Unknown => {
                    self.fuse(now, &version, None, from.as_ref(), Some(how));
                }
                Relation::Duplicate | Relation::Older { .. } | Relation::Unrelated => {}
            }
        } else {
            self.adopt(now, version, how, from.as_ref());
        }
        self.validate(now);
        Ok(())
    }

    fn adopt(&mut self, now: Now, mut version: Version, how: Adoption, from: Option<&ComponentId>) {
        if let Some(old) = self.current.take() {
            version.descend(&[&old], self.options.history);
            self.history.push(old, self.options.history);
        }
        self.unsettled = None;
        let state = Box::new(version.state.clone());
        self.current = Some(version);
        self.out.push_back(SyncOutput::Adopted { how, from: from.cloned(), state });
        // Who makes a state tells all; who got it waits a little, for they may get it, too.
        let got = matches!(how, Adoption::Newer { .. }) || how == Adoption::First && from.is_some();
        let names: Vec<ComponentId> = self.peers.keys().cloned().collect();
        for name in &names {
            if self.agrees(name) {
                continue;
            }
            if let Some(peer) = self.peers.get_mut(name) {
                peer.attempts = 0;
            }
            if got {
                let pause = self.options.backoff.pause(1, &mut self.draws);
                self.timers.set(Due::Peer(name.clone()), now.at.after(pause));
            } else {
                self.exchange(now, name);
            }
        }
        for name in names {
            self.settle_peer(now, Some(&name));
        }
    }

    /// Tells what a peer's state is to ours if that changed, and rests if they are the same.
    fn settle_peer(&mut self, now: Now, name: Option<&ComponentId>) {
        let Some(name) = name else { return };
        let relation = self.peers.get(name).and_then(|peer| self.relation(peer));
        let (Some(relation), Some(peer)) = (relation, self.peers.get_mut(name)) else { return };
        let word = relation.as_str();
        if peer.told.as_deref() != Some(word) {
            peer.told = Some(word.to_owned());
            self.out.push_back(SyncOutput::Related { peer: name.clone(), relation });
        }
        if relation == Relation::Duplicate {
            self.timers.set(Due::Peer(name.clone()), None);
        } else if !self.timers.has(&Due::Peer(name.clone())) {
            let later = now.at.after(at_least(self.options.interval));
            self.timers.set(Due::Peer(name.clone()), later);
        }
    }

    /// Our state as it is sent: with how far all agree.
    fn told(&self) -> Option<WorkflowState> {
        let mut state = self.current.as_ref()?.state.clone();
        let unsettled = self.unsettled.as_ref().map_or(0, |unsettled| unsettled.conflicts);
        let peers = self.peers.values().map(|peer| self.relation(peer));
        let told = agreement(peers, unsettled);
        let metadata = state.metadata.take().unwrap_or_else(StateMetadata::new);
        state.metadata = Some(
            metadata
                .with_synchronization_confidence(told.confidence)
                .with_conflict_detected(told.conflict_detected),
        );
        Some(state)
    }

    fn header(&mut self, now: Now) -> Header {
        Header::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.draws.id_bytes()))
            .with_timestamp(now.timestamp())
            .with_source(self.own.clone())
    }

    /// Sends our state to a peer and asks for its.
    fn exchange(&mut self, now: Now, to: &ComponentId) {
        let Some(state) = self.told() else { return };
        let id = self.draws.id_bytes();
        let header = self
            .header(now)
            .with_request_id(RequestId::generate(now.id_millis(), id))
            .with_correlation_id(CorrelationId::generate(now.id_millis(), id))
            .with_response_required(true);
        let Some(peer) = self.peers.get_mut(to) else { return };
        peer.attempts = peer.attempts.saturating_add(1);
        let until = now.at.after(at_least(self.options.timeout));
        self.timers.set(Due::Peer(to.clone()), until);
        let envelope = Box::new(Envelope::new(header, state));
        self.out.push_back(SyncOutput::Send { to: to.clone(), envelope });
    }

    fn answer(
        &mut self,
        now: Now,
        to: &ComponentId,
        request: RequestId,
        correlation: Option<CorrelationId>,
    ) {
        let Some(state) = self.told() else { return };
        let mut header =
            self.header(now).with_request_id(request.clone()).with_response_to(request);
        header.correlation_id = correlation;
        let envelope = Box::new(Envelope::new(header, state));
        self.out.push_back(SyncOutput::Send { to: to.clone(), envelope });
    }
}

impl Machine for StateSync {
    type Input = SyncInput;
    type Output = SyncOutput;
    type Refused = SyncRefused;

    fn handle(&mut self, now: Now, input: SyncInput) -> Result<(), SyncRefused> {
        match input {
            SyncInput::Join(name) => self.join(now, &name),
            SyncInput::Leave(name) => self.leave(name),
            SyncInput::Changed(state) => self.changed(now, *state),
            SyncInput::Received(envelope) => self.received(now, *envelope),
            SyncInput::Validated(number, results) => self.validated(now, number, results),
            SyncInput::Decided(state) => {
                self.is_ours(&state)?;
                self.assess(now, Version::new(*state), None, true);
                Ok(())
            }
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while let Some(due) = self.timers.due(now.at) {
            match due {
                // What nobody could tell is unknown.
                Due::Validation => {
                    if let Some(number) = self.candidates.front().map(|first| first.number) {
                        let _ = self.validated(now, number, Vec::new());
                    }
                }
                Due::Peer(name) if self.agrees(&name) => {}
                Due::Peer(name) => {
                    let Some(peer) = self.peers.get_mut(&name) else { continue };
                    if self.options.backoff.allows_after(peer.attempts) {
                        self.exchange(now, &name);
                    } else {
                        peer.attempts = 0;
                        let later = now.at.after(at_least(self.options.interval));
                        self.timers.set(Due::Peer(name), later);
                    }
                }
            }
        }
    }

    fn poll(&mut self) -> Option<SyncOutput> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.earliest()
    }
}

/// The wire form of [`Relation`]: its word and number.
mod relation {
    use crate::merge::Relation;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        relation: &Relation,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let number = match relation {
            Relation::Older { behind } => *behind,
            Relation::Newer { gap } => *gap,
            _ => 0,
        };
        (relation.as_str(), number).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Relation, D::Error> {
        let (word, number) = <(String, u64)>::deserialize(d)?;
        Ok(match word.as_str() {
            "older" => Relation::Older { behind: number },
            "newer" | "gap" => Relation::Newer { gap: number },
            "duplicate" => Relation::Duplicate,
            "fork" => Relation::Fork,
            "unrelated" => Relation::Unrelated,
            _ => Relation::Unknown,
        })
    }
}
