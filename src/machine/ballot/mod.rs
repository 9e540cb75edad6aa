//! Deciding together on one state for each version of a workflow (specification, State
//! Synchronization Pattern, Consensus Protocol).
//!
//! A [`Proposer`] puts a state to the vote and, once a quorum accepts it, commits it with one
//! compare-and-set write. A [`Voter`] answers for its component and learns what was decided. They
//! are two machines because they share no state and many components need only one; a component that
//! does both owns both, and takes part in its own ballots like anybody else.
//!
//! ```text
//!  Proposer                         Voter                          store
//!     │── proposal ────────────────▶ │ consider, cast                │
//!     │                              │ persist                       │
//!     │◀───────────────────── vote ──│                               │
//!     │ quorum: persist              │                               │
//!     │── put, expecting nothing ────┼──────────────────────────────▶│ ballot/<workflow>/<version>
//!     │── decision ────────────────▶ │── get ───────────────────────▶│
//! ```
//!
//! # What is guaranteed, and by what
//!
//! * **At most one state per version, ever**: by the store. Each version has a key of its own
//!   ([`BallotSlot::key`]) that is only ever written where nothing is ([`Commit::EXPECT`]). Whatever
//!   is lost, doubled, delayed or restarted, the second writer fails. Clocks play no part in it.
//! * **An epoch has versions of its own.** When a workflow is [taken back](crate::message::WorkflowState::epoch),
//!   what was decided before stays decided, and ballots go on under [`BallotSlot::after`] the state that was put
//!   back. A decision that was never applied is not applied any more then ([`BallotRecord::apply`]).
//! * **A committed state had a quorum's approval**: by the votes. They are counted once a voter, at
//!   most with the weight that the voter set grants, and stored with the decision.
//! * **A component never approves of two states of a version at a time**: by the voter. An accepting
//!   vote binds it until the version is decided, until the proposer says that its ballot failed, or
//!   until the deadline has passed and the store holds no decision. Then it is free for another
//!   proposal, so a split vote blocks no proposer for long: propose again under a new identifier, after a
//!   random pause.
//! * **What a proposer says of an end is final.** Only the proposer commits its proposal. Before it
//!   says that a ballot failed, it has asked the store, and has persisted that it will not commit.
//!
//! # What it is not
//!
//! It is not Raft and not Paxos: there is no leader, no log, no term, and no replication. Votes are
//! approval; a single store that does compare-and-set is the arbiter, and when the store is away,
//! nothing is decided. Voters trust it, and there is no protection against components that lie.
//! Versions are independent: whether version 16 may be proposed before 15 is decided is for the
//! voters to judge.
//!
//! # What it relies on
//!
//! * **The store** compares and sets as one step, and loses nothing. A version whose key is lost can
//!   be decided again; voters that remember the first decision report the second
//!   ([`BallotError::TwoDecisions`]).
//! * **One machine continues a snapshot, the latest.** Of two proposers restored from one, one can
//!   commit what the other calls expired; two such voters can accept two states. What is committed
//!   is still one state. A host that cannot rule this out stores snapshots by compare-and-set on the
//!   revision that it restored: then the second machine cannot persist, and says nothing that binds.
//! * **`Persisted` is of this run.** What the store answers may come late, also after `Restarted`;
//!   a `Persisted` of before it must not be handed in.
//! * **An identifier is used once.** Votes name a proposal by its identifier alone, so late votes
//!   would count for another proposal of that name.
//! * **The voter set is the proposer's word.** Proposals of one version may have different ones,
//!   whose quorums share no voter: then two are approved, and the store commits one of them.
//! * **Clocks** decide only how long a vote binds. A voter whose wall clock is ahead is free before
//!   the proposer stops counting, or votes and is bound for [`BallotOptions::open`] if the deadline has
//!   passed by its clock; one whose clock is behind is bound for longer, at most for
//!   [`BallotOptions::longest`].
//!
//! # Stored before it is sent
//!
//! A vote that a restart forgets could be cast twice. So nothing that binds leaves a machine before
//! the host says that it is stored: the machine outputs `Persist(n)`, the host stores a
//! [`snapshot`](super::Machine::snapshot) taken after it fetched that output, in place of the one
//! before, and hands in `Persisted(n)`; only then comes the output to send or to commit. After a
//! restart it restores the stored snapshot and hands in `Restarted`: what was asked for and perhaps not
//! done is asked for again. Ends and decisions may then be told twice.
//!
//! # A half-finished ballot
//!
//! * The answer of the store got lost, or its proposer crashed while it wrote: it reads the key, and
//!   either its decision is there, or that of another, or nothing; then it writes again. It never
//!   gives up, because the write may still be on its way, and never says anything else meanwhile.
//! * The proposer does not come back: another component proposes the same state again, under an
//!   identifier of its own. Voters that are bound to that state accept at once, and if both writes
//!   happen, the second finds its own state and ends as committed.
//! * The announcement got lost: a voter whose proposal has passed its deadline reads the key, and
//!   again after pauses ([`BallotOptions::retry`]) before it gives up. Announcements are never
//!   believed; they say where to look.
//!
//! # A whole ballot
//!
//! The host's part, over a [`Store`](crate::storage::Store): one function for each machine that does
//! what its outputs say and returns what is to be sent.
//!
//! ```
//! use coordination_protocol::machine::{
//!     BallotEnd, BallotSlot, VoterSet, Machine, NewProposal, ProposeInput, ProposeOutput, Proposer,
//!     VoteInput, VoteOutput, Voter,
//! };
//! use coordination_protocol::message::Envelope;
//! use coordination_protocol::scalar::{Ballot, ComponentId, Instant, Now, WallTime, WorkflowId};
//! use coordination_protocol::storage::{Expect, Key, MemoryStore, Store, block_on};
//! use coordination_protocol::validate::{Checked, Context, Validator};
//! use coordination_protocol::Mode;
//!
//! const NOW: Now = Now::of(Instant::START, WallTime::from_unix_millis(1_736_942_400_000));
//! type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
//!
//! /// Every message passes the validator before a machine sees it.
//! fn arrive(envelope: &Envelope) -> Checked<Envelope> {
//!     let text = envelope.to_string();
//!     let outcome = Validator::new(Mode::Strict).check(&text, &Context::new());
//!     outcome.accept().expect("machines write valid messages")
//! }
//!
//! /// A snapshot takes the place of the one before.
//! async fn persist(store: &impl Store, name: &str, machine: &impl Machine) -> Outcome<()> {
//!     let snapshot = machine.snapshot()?;
//!     store.put(&Key::of(["machine", name])?, snapshot.as_str().as_bytes(), Expect::Any).await?;
//!     Ok(())
//! }
//!
//! async fn run_proposer(
//!     proposer: &mut Proposer, store: &impl Store,
//! ) -> Outcome<(Vec<Envelope>, Option<BallotEnd>)> {
//!     let (mut sent, mut ended) = (Vec::new(), None);
//!     while let Some(output) = proposer.poll() {
//!         match output {
//!             ProposeOutput::Send(message) => sent.push(*message.envelope),
//!             ProposeOutput::Persist(number) => {
//!                 persist(store, "hub", proposer).await?;
//!                 proposer.handle(NOW, ProposeInput::Persisted(number))?;
//!             }
//!             ProposeOutput::Put(commit) => {
//!                 let id = commit.record.proposal.proposal_id.clone();
//!                 proposer.handle(NOW, ProposeInput::Put(id, commit.put(store).await))?;
//!             }
//!             ProposeOutput::Get(id, slot) => {
//!                 proposer.handle(NOW, ProposeInput::Got(id, slot.get(store).await))?;
//!             }
//!             ProposeOutput::Ended { end, .. } => ended = Some(end),
//!             other => println!("{other}"),
//!         }
//!     }
//!     Ok((sent, ended))
//! }
//!
//! async fn run_voter(voter: &mut Voter, name: &str, store: &impl Store) -> Outcome<Vec<Envelope>> {
//!     let mut sent = Vec::new();
//!     while let Some(output) = voter.poll() {
//!         match output {
//!             VoteOutput::Consider(proposal) => voter.handle(NOW, VoteInput::Cast {
//!                 proposal_id: proposal.proposal_id,
//!                 vote: Ballot::Accept,
//!                 reason: None,
//!             })?,
//!             VoteOutput::Persist(number) => {
//!                 persist(store, name, voter).await?;
//!                 voter.handle(NOW, VoteInput::Persisted(number))?;
//!             }
//!             VoteOutput::Send(message) => sent.push(*message.envelope),
//!             VoteOutput::Get(slot) => {
//!                 let found = slot.get(store).await;
//!                 voter.handle(NOW, VoteInput::Got(slot, found))?;
//!             }
//!             other => println!("{other}"),
//!         }
//!     }
//!     Ok(sent)
//! }
//!
//! block_on(async {
//!     let store = MemoryStore::new();
//!     let mut hub = Proposer::new(ComponentId::new("hub")?, 1);
//!     let names = ["a", "b", "c"];
//!     let ids = [ComponentId::new("a")?, ComponentId::new("b")?, ComponentId::new("c")?];
//!     let mut voters = ids.clone().map(|id| Voter::new(id, 2));
//!
//!     // The proposal goes out to all.
//!     let slot = BallotSlot::new(WorkflowId::new("wf_001")?, 16);
//!     let state = r#"{"phase":"testing"}"#.parse()?;
//!     let motion = NewProposal::new(slot.clone(), state, VoterSet::new(ids), NOW, [7; 10]);
//!     hub.handle(NOW, ProposeInput::Propose(Box::new(motion)))?;
//!     let (proposals, _) = run_proposer(&mut hub, &store).await?;
//!
//!     // The voters answer; the second vote makes the majority, and the proposer commits.
//!     let mut decisions = Vec::new();
//!     for (voter, name) in voters.iter_mut().zip(names) {
//!         voter.receive(NOW, arrive(&proposals[0]));
//!         for vote in run_voter(voter, name, &store).await? {
//!             hub.receive(NOW, arrive(&vote));
//!             let (sent, ended) = run_proposer(&mut hub, &store).await?;
//!             decisions.extend(sent);
//!             if let Some(BallotEnd::Committed(record)) = ended {
//!                 assert_eq!((name, record.tally().accepted), ("b", 2));
//!             }
//!         }
//!     }
//!
//!     // All learn it, from the store.
//!     for (voter, name) in voters.iter_mut().zip(names) {
//!         voter.receive(NOW, arrive(&decisions[0]));
//!         run_voter(voter, name, &store).await?;
//!         assert!(voter.decision(&slot).is_some());
//!     }
//!     let found = store.get(&"ballot/wf_001/00000000000000000016".parse()?).await?;
//!     assert!(found.is_some());
//!     Outcome::Ok(())
//! })?;
//! # Outcome::Ok(())
//! ```

mod error;
mod options;
mod propose;
mod proposer;
mod quorum;
mod record;
mod vote;
mod voter;

pub use error::BallotError;
pub use options::BallotOptions;
pub use propose::{BallotEnd, NewProposal, ProposeInput, ProposeOutput};
pub use proposer::Proposer;
pub use quorum::{Quorum, VoterSet};
pub use record::{AppliedBallot, BallotRecord, BallotSlot, Commit, CountedVote, Tally};
pub use vote::{VoteInput, VoteOutput};
pub use voter::Voter;
