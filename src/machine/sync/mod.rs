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
//! | a newer one that came from ours | it is adopted, however many versions between were never seen |
//! | another of the same version, or a newer one that did not come from ours | both are [merged](crate::merge) with the version that both came from; the result is newer than both |
//! | one that cannot be merged, or whose common ancestor is not known | the host is asked for consensus: a [ballot](super::Proposer), or a person |
//! | one that is further ahead than [`max_jump`](SyncOptions::max_jump) | the host is asked for consensus |
//! | one of a later [epoch](crate::message::WorkflowState::epoch) | it is adopted: the workflow was taken back |
//! | one of an earlier epoch | it is ignored, and answered with ours |
//! | the notice of a checkpoint of a later version | an exchange with its source |
//!
//! So that a state that lacks one's own changes is not taken for newer, states name the digests of
//! their [`ancestors`](crate::message::StateMetadata::ancestors) (extension): the latest ones, and
//! what each peer last had if that is among the earlier ones. So a component that changed nothing
//! always follows. What a component last sent counts as an ancestor of what it sends now, too, which
//! is all there is of one that names none; unless the state names the ancestors of that and not that
//! itself: then the component was put back to an older snapshot meanwhile.
//!
//! What the component itself hands in names the version that it was made from. If that is not the
//! current one any more, the two are merged, or the state is refused; none is written over.
//!
//! Before a state of a peer becomes the current one, what its `validation_required` names is run by
//! the host; if one has failed, the state is not adopted. A validation that the host cannot run is `unknown` and does not
//! hinder it.
//!
//! Each state that is sent says how far all agree:
//! [`agreement`] computes `synchronization_confidence` and
//! `conflict_detected` of what is known of the peers.
//!
//! A [`Gate`](crate::validate::Gate) that remembers what came refuses forks and older versions in
//! strict mode. They are what this machine settles, so let them through:
//!
//! ```
//! use coordination_protocol::validate::{Gate, Validator};
//! use coordination_protocol::{Code, Mode};
//!
//! let validator = Validator::new(Mode::Strict)
//!     .without_code(Code::StateFork)
//!     .without_code(Code::StaleVersion);
//! let gate = Gate::new(validator);
//! ```
//!
//! All replicas that merge the same two states with the same policy get the same result: which of them
//! counts as ours follows from the states, by the later timestamp, not from where it is merged. Give
//! all replicas the same policy.
//!
//! But they may merge with different ancestors, if one of them never saw the version that the other
//! has, and then a rule that is no join may give each another result. So
//! that two do not swap results for ever, one of two replicas merges: the one with the lower version,
//! of equal ones that with the earlier timestamp. The other waits for what comes of it, and merges only
//! when it meets the same fork again. Who merges several times in a row pauses before it sends, longer
//! each time. When nothing changes, versions stop growing.

mod handed_in;
mod io;
mod options;
mod reconcile;
mod replica;

pub use io::{StateOrigin, SyncError, SyncInput, SyncOutput};
pub use options::SyncOptions;

use super::effect::NotApplied;
use super::outbox::{Outbox, bounded_outputs};
use super::settings::at_least;
use super::{IgnoreReason, Machine, Outbound, Purpose, SplitMix64, Timers, snapshot_of};
use crate::error::Error;
use crate::json::Json;
use crate::merge::{MergePolicy, Relation, agreement};
use crate::message::{Envelope, EnvelopeHeader, Message, StateMetadata, WorkflowState};
use crate::scalar::{
    ComponentId, CorrelationId, Digest, Instant, MessageId, Now, RequestId, WorkflowId,
};
use crate::validate::Checked;
use replica::{History, Version, VersionMark};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// What is known of a peer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Peer {
    /// The version that it last had.
    last: Option<VersionMark>,
    /// The last of its contents that went into ours. It is named when we send, so that a peer that
    /// changed nothing meanwhile can follow, however many versions it missed.
    included: Option<Digest>,
    /// What that was to ours when it was last told.
    told: Option<String>,
    /// How often it was asked since its last message.
    attempts: u32,
    fork: Option<Fork>,
}

/// A state that waits for its validation.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Candidate {
    number: u64,
    version: Version,
    origin: StateOrigin,
    from: Option<ComponentId>,
    /// Whether the host was asked to validate it.
    asked: bool,
}

/// Two states of which neither came from the other, and what was done about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fork {
    ours: Option<Digest>,
    theirs: Option<Digest>,
    /// What the host was asked to have settled; 0 if it is left to the peer to merge them.
    conflicts: usize,
    /// Until when that is not done again.
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
/// let said: Vec<String> = std::iter::from_fn(|| hub.poll()).map(|output| output.to_string()).collect();
/// assert_eq!(said, ["adopt v1: first", "send workflow_state v1 attempt=1 to worker"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "replication")]
#[doc(alias = "anti-entropy")]
#[doc(alias = "merge")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StateSync {
    own: ComponentId,
    workflow: WorkflowId,
    options: SyncOptions,
    policy: MergePolicy,
    rng: SplitMix64,
    current: Option<Version>,
    history: History,
    peers: BTreeMap<ComponentId, Peer>,
    /// The first is being validated.
    candidates: VecDeque<Candidate>,
    /// The contents that were decided, the latest last. A decision may be handed in again long after
    /// the ancestors that a state names reach back to it.
    decided: VecDeque<Digest>,
    /// The number of the last output to validate.
    number: u64,
    /// How many merges there were in a row.
    merges: u32,
    timers: Timers<Due>,
    out: Outbox<SyncOutput>,
}

bounded_outputs!(StateSync);

impl StateSync {
    /// The copy of a component, empty and without peers. The seed decides on identifiers and pauses:
    /// give each start of a component a random one.
    pub fn new(own: ComponentId, workflow: WorkflowId, seed: u64) -> Self {
        StateSync {
            own,
            workflow,
            options: SyncOptions::default(),
            policy: MergePolicy::state(),
            rng: SplitMix64::new(seed),
            current: None,
            history: History::default(),
            peers: BTreeMap::new(),
            candidates: VecDeque::new(),
            decided: VecDeque::new(),
            number: 0,
            merges: 0,
            timers: Timers::new(),
            out: Outbox::new(),
        }
    }

    /// Sets how it keeps in step.
    pub fn with_options(mut self, options: SyncOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets how states are merged. It must be the same for all replicas.
    /// [Functions](crate::merge::Row::with_function) are not in a snapshot: set the policy again on a
    /// machine that was restored.
    ///
    /// ```
    /// use coordination_protocol::json::Json;
    /// use coordination_protocol::machine::{Machine, StateSync};
    /// use coordination_protocol::merge::{ConflictChoice, MergePolicy, MergeRule, Row};
    /// use coordination_protocol::scalar::{ComponentId, WorkflowId};
    ///
    /// // A field of one's own: whichever note is longer says more.
    /// let policy = || -> Result<MergePolicy, Box<dyn std::error::Error>> {
    ///     let note = Row::new("/note", MergeRule::Manual)?.with_function(|_, ours, theirs| {
    ///         let (ours, theirs) = (ours?.to_text()?, theirs?.to_text()?);
    ///         let rank = |text: &String| (text.len(), text.clone());
    ///         let longer = if rank(&ours) > rank(&theirs) { ours } else { theirs };
    ///         Some(ConflictChoice::Value(Json::text(&longer)))
    ///     });
    ///     Ok(MergePolicy::state().with_row(note))
    /// };
    /// let (hub, workflow) = (ComponentId::new("hub")?, WorkflowId::new("wf_001")?);
    /// let machine = StateSync::new(hub, workflow, 7).with_policy(policy()?);
    /// let again = StateSync::restore(&machine.snapshot()?)?.with_policy(policy()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_policy(mut self, policy: MergePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Starts from a state, such as one that was stored. The states before it are not known, so of
    /// a fork with it no common ancestor is found; a [`snapshot`](Machine::snapshot) carries them over.
    pub fn with_state(mut self, state: WorkflowState) -> Self {
        self.current = Some(Version::new(state));
        self
    }

    /// The current state. Copies that are in step have equal
    /// [`content_digest`](crate::merge::content_digest)s; the metadata is each replica's own.
    pub fn state(&self) -> Option<&WorkflowState> {
        self.current.as_ref().map(|version| &version.state)
    }

    /// What each peer's state is to ours; `None` if it has sent none, or we have none.
    pub fn peers(&self) -> impl Iterator<Item = (&ComponentId, Option<Relation>)> {
        self.peers.iter().map(|(name, peer)| (name, self.relation(peer)))
    }

    fn relation(&self, peer: &Peer) -> Option<Relation> {
        Some(self.current.as_ref()?.relation(peer.last.as_ref()?))
    }

    fn agrees(&self, name: &ComponentId) -> bool {
        let relation = self.peers.get(name).and_then(|peer| self.relation(peer));
        relation == Some(Relation::Duplicate)
    }

    fn join(&mut self, now: Now, name: &ComponentId) -> Result<(), SyncError> {
        if *name == self.own {
            return Err(SyncError::Ours);
        }
        // Joining twice is no error: both sides join each other, and a host may repeat it after a
        // restart.
        if !self.peers.contains_key(name) {
            if self.peers.len() >= self.options.max_peers.max(1) {
                return Err(SyncError::Full(self.peers.len()));
            }
            self.peers.insert(name.clone(), Peer::default());
            self.exchange(now, name);
        }
        Ok(())
    }

    fn leave(&mut self, name: ComponentId) -> Result<(), SyncError> {
        if self.peers.remove(&name).is_none() {
            return Err(SyncError::NotAPeer(name));
        }
        self.timers.set(Due::Peer(name), None);
        Ok(())
    }

    fn received(&mut self, now: Now, envelope: Checked<Envelope>) -> Result<(), NotApplied> {
        let workflow = workflow_of(&envelope).ok_or(IgnoreReason::Unwanted)?;
        // Before the source is entered: a stray message adds no peer.
        if *workflow != self.workflow {
            let detail = format!("the state is that of `{workflow}`");
            return Err(NotApplied::new(IgnoreReason::Unwanted, detail));
        }
        let source = envelope.header.source.clone().ok_or_else(|| {
            NotApplied::new(IgnoreReason::Incomplete, "it does not say where it comes from")
        })?;
        self.peer(&source)?;
        // Taken over, not worked out again: who compared the state before has paid for it.
        let digest = envelope.content_digest().cloned();
        let Envelope { header, message } = envelope.into_inner();
        match message {
            Message::WorkflowState(state) => {
                // Weighed before it is answered, so that the answer carries the result and saves
                // another round.
                let asked = header.request_id.filter(|_| header.response_required == Some(true));
                let theirs = Version::with_digest(*state, digest);
                let result = self.on_state(now, theirs, Some(&source), None);
                // Also who is refused: what is current tells it why.
                if let Some(request) = asked {
                    self.answer(now, &source, request, header.correlation_id);
                }
                return result;
            }
            Message::CheckpointSync(notice) => {
                let known = self.current.as_ref().map_or(0, Version::number);
                // The notice carries no state. Its source has it, so that is asked.
                if notice.state_version.is_some_and(|version| version.get() > known) {
                    self.exchange(now, &source);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A component that spoke is a peer from then on.
    fn peer(&mut self, name: &ComponentId) -> Result<(), NotApplied> {
        if *name == self.own {
            return Err(IgnoreReason::Own.into());
        }
        let count = self.peers.len();
        if !self.peers.contains_key(name) && count >= self.options.max_peers.max(1) {
            let detail = format!("{count} components take part, which is the limit");
            return Err(NotApplied::new(IgnoreReason::Full, detail));
        }
        // Attempts count silence in a row, and this is a word.
        self.peers.entry(name.clone()).or_default().attempts = 0;
        Ok(())
    }

    fn adopt(
        &mut self,
        now: Now,
        mut version: Version,
        origin: StateOrigin,
        from: Option<&ComponentId>,
    ) {
        if origin == StateOrigin::Decided {
            self.remember_decision(&version);
        }
        if let Some(old) = self.current.take() {
            // Names the old state as an ancestor before that is put away: by this others see that
            // it may replace theirs.
            version.descend(&[&old], self.options.history);
            self.history.push(old, self.options.history);
        }
        // A fork is one of two states, and one of them is current no more.
        self.forget_forks();
        let state = Box::new(version.state.clone());
        self.current = Some(version);
        self.out.push(SyncOutput::Adopted { origin, from: from.cloned(), state });
        // Who makes a state tells all; who got it waits a little, for they may get it, too. So does who
        // merges again and again: others may be at the same.
        self.merges = if origin == StateOrigin::Merged { self.merges.saturating_add(1) } else { 0 };
        let got = matches!(origin, StateOrigin::Newer { .. })
            || origin == StateOrigin::First && from.is_some();
        let waits = got || self.merges > 1;
        let attempt = self.merges.max(1);
        let names: Vec<ComponentId> = self.peers.keys().cloned().collect();
        let told = self.told();
        for name in &names {
            // Who has the state already is not told, which is how the exchange comes to an end.
            if self.agrees(name) {
                continue;
            }
            if let Some(peer) = self.peers.get_mut(name) {
                peer.attempts = 0;
            }
            if waits {
                let pause = self.options.backoff.pause(attempt, &mut self.rng);
                self.timers.set(Due::Peer(name.clone()), now.at.after(pause));
            } else if let Some(told) = told.clone() {
                self.ask(now, name, told);
            }
        }
        for name in names {
            self.schedule_peer(now, Some(&name));
        }
    }

    /// Tells what a peer's state is to ours if that changed, and rests if they are the same.
    fn schedule_peer(&mut self, now: Now, name: Option<&ComponentId>) {
        let Some(name) = name else { return };
        let relation = self.peers.get(name).and_then(|peer| self.relation(peer));
        let (Some(relation), Some(peer)) = (relation, self.peers.get_mut(name)) else { return };
        let word = relation.as_str();
        // Told once a change, by the word alone: a peer that falls further behind is behind as
        // before.
        if peer.told.as_deref() != Some(word) {
            peer.told = Some(word.to_owned());
            self.out.push(SyncOutput::Related { peer: name.clone(), relation });
        }
        // Equal copies have nothing to say until one changes. This is where versions stop growing.
        if relation == Relation::Duplicate {
            self.timers.set(Due::Peer(name.clone()), None);
        // A pause that runs is kept. Set anew with each state that comes in, it might never end.
        } else if !self.timers.has(&Due::Peer(name.clone())) {
            let later = now.at.after(at_least(self.options.interval));
            self.timers.set(Due::Peer(name.clone()), later);
        }
    }

    /// Our state as it is sent: with how far all agree, and with what peers had that went into it.
    fn told(&self) -> Option<Version> {
        let mut told = self.current.clone()?;
        let forks = self.peers.values().filter_map(|peer| peer.fork.as_ref());
        let unsettled = forks.map(|fork| fork.conflicts).sum();
        let peers = self.peers.values().map(|peer| self.relation(peer));
        // Computed when it is sent: it is about the peers as they are known now, and no part of the
        // state.
        let agreed = agreement(peers, unsettled);
        let metadata = told.state.metadata.take().unwrap_or_else(StateMetadata::new);
        told.state.metadata = Some(
            metadata
                .with_synchronization_confidence(agreed.confidence)
                .with_conflict_detected(agreed.conflict_detected),
        );
        // Those of other peers, too, as far as there is room: who gets this passes it on to them.
        let included = self.peers.values().filter_map(|peer| peer.included.as_ref());
        let far = included.filter(|digest| !told.comes_from(Some(digest)));
        let far: Vec<Digest> = far.take(self.options.history).cloned().collect();
        told.name(&far);
        Some(told)
    }

    fn header(&mut self, now: Now) -> EnvelopeHeader {
        EnvelopeHeader::new()
            .with_message_id(MessageId::generate(now.id_millis(), self.rng.id_bytes()))
            .with_timestamp(now.timestamp())
            .with_source(self.own.clone())
    }

    /// Sends our state to a peer and asks for its.
    fn exchange(&mut self, now: Now, to: &ComponentId) {
        if let Some(told) = self.told() {
            self.ask(now, to, told);
        }
    }

    fn ask(&mut self, now: Now, to: &ComponentId, mut told: Version) {
        let id = self.rng.id_bytes();
        let header = self
            .header(now)
            .with_request_id(RequestId::generate(now.id_millis(), id))
            .with_correlation_id(CorrelationId::generate(now.id_millis(), id))
            .with_response_required(true);
        let Some(peer) = self.peers.get_mut(to) else { return };
        told.name(&peer.included);
        // Counted when asking, not when the answer fails to come: a restart between the two does
        // not start the count anew.
        peer.attempts = peer.attempts.saturating_add(1);
        let purpose = Purpose::Request { attempt: peer.attempts };
        let until = now.at.after(at_least(self.options.timeout));
        self.timers.set(Due::Peer(to.clone()), until);
        let envelope = Envelope::new(header, told.state);
        self.out.push(Outbound::new(vec![to.clone()], envelope, purpose));
    }

    fn answer(
        &mut self,
        now: Now,
        to: &ComponentId,
        request: RequestId,
        correlation: Option<CorrelationId>,
    ) {
        let Some(mut told) = self.told() else { return };
        told.name(self.peers.get(to).and_then(|peer| peer.included.as_ref()));
        let mut header =
            self.header(now).with_request_id(request.clone()).with_response_to(request);
        header.correlation_id = correlation;
        let envelope = Envelope::new(header, told.state);
        self.out.push(Outbound::new(vec![to.clone()], envelope, Purpose::Answer));
    }
}

/// The workflow whose state a message is about.
fn workflow_of(envelope: &Envelope) -> Option<&WorkflowId> {
    match &envelope.message {
        Message::WorkflowState(state) => Some(&state.workflow_id),
        Message::CheckpointSync(notice) => Some(&notice.workflow_id),
        _ => None,
    }
}

impl Machine for StateSync {
    type Input = SyncInput;
    type Output = SyncOutput;
    type Error = SyncError;

    fn handle(&mut self, now: Now, input: SyncInput) -> Result<(), SyncError> {
        // The results of a validation belong to an output that was fetched, and leaving outputs
        // nothing: neither adds to what waits without end.
        if !matches!(input, SyncInput::Validated(..) | SyncInput::Leave(_)) {
            self.out.command(SyncError::Unpolled)?;
        }
        match input {
            SyncInput::Join(name) => self.join(now, &name),
            SyncInput::Leave(name) => self.leave(name),
            SyncInput::Changed(state) => self.changed(now, *state),
            SyncInput::Validated(number, results) => self.validated(now, number, results),
            SyncInput::Decided(state) => self.decided(now, *state),
        }
    }

    fn wants(&self, message: &Envelope) -> bool {
        workflow_of(message) == Some(&self.workflow)
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        let Some(identity) = self.out.room_for(&message) else { return };
        if let Err(why) = self.received(now, message) {
            self.out.ignore(identity, why);
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        while !self.out.is_full()
            && let Some(due) = self.timers.due(now.at)
        {
            match due {
                // What could not be told is unknown.
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
                        // Left alone for an interval, not for good: a peer that cannot be reached
                        // costs one round of attempts in each.
                        peer.attempts = 0;
                        let later = now.at.after(at_least(self.options.interval));
                        self.timers.set(Due::Peer(name), later);
                    }
                }
            }
        }
    }

    fn poll(&mut self) -> Option<SyncOutput> {
        self.out.pop()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() { None } else { self.timers.earliest() }
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}
