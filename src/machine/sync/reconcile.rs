//! What a state that comes in means, and what is made of it.

use super::io::{StateOrigin, SyncError, SyncOutput};
use super::replica::{Version, VersionMark};
use super::{Candidate, Due, Fork, StateSync};
use crate::json::Json;
use crate::machine::IgnoreReason;
use crate::machine::effect::NotApplied;
use crate::machine::settings::at_least;
use crate::merge::{Cause, Conflict, MergeRule, Merged, Relation, Strategy, merge};
use crate::message::{StateMetadata, WorkflowState};
use crate::scalar::{CheckResult, ComponentId, Now};
use std::cmp::Ordering;

/// Which line of a workflow a state is of, seen from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Ours,
    /// The workflow was taken back, and this goes on from there.
    Later,
    /// Ours goes on from where the workflow was taken back to; this does not.
    Abandoned,
}

impl StateSync {
    /// Takes note of a state that comes in, from a peer or as `decided`.
    pub(super) fn on_state(
        &mut self,
        now: Now,
        mut theirs: Version,
        from: Option<&ComponentId>,
        decided: Option<StateOrigin>,
    ) -> Result<(), NotApplied> {
        let plain = theirs.ancestors().is_empty();
        if let Some(peer) = from.and_then(|name| self.peers.get_mut(name)) {
            // Noted also if the state is not adopted: relations and confidence are about what peers
            // have.
            let before = peer.last.replace(theirs.mark());
            // The peer has moved on, so what was done about the old fork is void.
            if peer.fork.as_ref().is_some_and(|fork| fork.theirs != theirs.digest) {
                peer.fork = None;
            }
            // A peer had its last state before this one.
            if let Some(before) = before.filter(|before| self.went_into(before, &theirs)) {
                theirs.name(&before.digest);
            }
        }
        let result = match self.line_of(&theirs, plain || decided.is_some()) {
            Line::Abandoned => {
                let (found, current) = (theirs.epoch(), self.epoch());
                let detail = format!("it is of epoch {found}, but epoch {current} has begun");
                Err(NotApplied::new(IgnoreReason::Stale, detail))
            }
            line => {
                let digest = theirs.digest.clone();
                // A plain peer does not merge, so to wait for it would be to wait for ever. A
                // decision waits for no answer.
                let waits = line == Line::Ours && !plain && decided.is_none();
                if !waits || !self.defer_to_peer(now, &theirs, from) {
                    self.reconcile(now, theirs, from, decided, false);
                }
                if let (Some(peer), Some(ours)) =
                    (from.and_then(|name| self.peers.get_mut(name)), &self.current)
                    && ours.comes_from(digest.as_ref())
                {
                    peer.included = digest;
                }
                Ok(())
            }
        };
        self.schedule_peer(now, from);
        result
    }

    fn epoch(&self) -> u64 {
        self.current.as_ref().map_or(0, Version::epoch)
    }

    /// Whether what a peer had before went into what it has now.
    fn went_into(&self, before: &VersionMark, theirs: &Version) -> bool {
        // What is not known here is of no use, neither to follow nor to merge with.
        let mut known = self.current.iter().chain(self.history.iter());
        let known = known.find(|known| before.digest.is_some() && known.digest == before.digest);
        known.is_some_and(|known| {
            // A peer that was put back to an older snapshot has made its state of what came before.
            // Ancestors are named from the latest on, so then it names those and not this. One of
            // them alone may be what another peer last had.
            let earlier = &known.ancestors()[..known.ancestors().len().min(3)];
            let put_back = !earlier.is_empty()
                && !theirs.comes_from(known.digest.as_ref())
                && earlier.iter().all(|digest| theirs.comes_from(Some(digest)));
            theirs.number() > known.number() && !put_back
        })
    }

    /// Which line of the workflow a state is of.
    fn line_of(&self, theirs: &Version, trusted: bool) -> Line {
        let Some(ours) = &self.current else { return Line::Ours };
        match theirs.epoch().cmp(&ours.epoch()) {
            Ordering::Greater => return Line::Later,
            Ordering::Less if theirs.state.epoch.is_some() => return Line::Abandoned,
            Ordering::Less => {}
            Ordering::Equal => return Line::Ours,
        }
        // It names no epoch. Versions before the first restore have none. 1.0.0 writers know none, so
        // what they made counts as current if nothing contradicts it, and so does what was decided.
        let mut line = self.history.iter().chain([ours]).filter(|v| v.epoch() == ours.epoch());
        let follows = line.any(|version| theirs.comes_from(version.digest.as_ref()));
        if follows || trusted && theirs.number() > ours.number() {
            Line::Ours
        } else {
            Line::Abandoned
        }
    }

    /// Whether a fork that is met for the first time is left to the peer.
    fn defer_to_peer(&mut self, now: Now, theirs: &Version, from: Option<&ComponentId>) -> bool {
        let Some(ours) = &self.current else { return false };
        let relation = ours.relation(&theirs.mark());
        let fork = self.fork(now, ours, theirs, 0);
        let Some(peer) = from.and_then(|name| self.peers.get_mut(name)) else { return false };
        // One of two merges, by an order that both compute alike. If both did, with different
        // ancestors, they could swap different results for ever. A fork that is met again was not
        // merged by the peer, so then we do it.
        let leaves = relation == Relation::Fork
            && peer.fork.is_none()
            && self.current.as_ref().is_some_and(|ours| ours.precedence() > theirs.precedence());
        if leaves {
            peer.fork = Some(fork);
        }
        leaves
    }

    fn fork(&self, now: Now, ours: &Version, theirs: &Version, conflicts: usize) -> Fork {
        let (ours, theirs) = (ours.digest.clone(), theirs.digest.clone());
        Fork { ours, theirs, conflicts, until: now.at.after(at_least(self.options.interval)) }
    }

    /// Forgets what was done about forks: one of their sides is no more.
    pub(super) fn forget_forks(&mut self) {
        for peer in self.peers.values_mut() {
            peer.fork = None;
        }
    }

    /// Adopts a state, merges it with ours, or leaves it. `how` is how it would become the current
    /// one, if that is known already.
    fn reconcile(
        &mut self,
        now: Now,
        theirs: Version,
        from: Option<&ComponentId>,
        origin: Option<StateOrigin>,
        validated: bool,
    ) {
        let decided = origin == Some(StateOrigin::Decided);
        if !decided && self.jumps(now, &theirs, from) {
            return;
        }
        let Some(ours) = &self.current else {
            let origin = origin.unwrap_or(StateOrigin::First);
            return self.accept_candidate(now, theirs, origin, from, validated);
        };
        if theirs.epoch() > ours.epoch() {
            // Versions never go back here, whatever was counted in the line that is given up.
            let number = ours.number().saturating_add(1);
            let theirs = if theirs.number() < number {
                theirs.renumbered(number, self.options.history)
            } else {
                theirs
            };
            return self.accept_candidate(now, theirs, StateOrigin::Restored, from, validated);
        }
        let origin = match ours.relation(&theirs.mark()) {
            // What was decided is what we have, so nothing is in dispute any more.
            Relation::Duplicate if decided => {
                self.remember_decision(&theirs);
                return self.forget_forks();
            }
            // All agreed on it, so what ours says beside it counts no more.
            Relation::Newer { .. } if decided => StateOrigin::Decided,
            // A higher number proves nothing: two lines may have grown apart. Only a state that
            // ours went into may replace ours.
            Relation::Newer { gap } if theirs.comes_from(ours.digest.as_ref()) => match origin {
                None | Some(StateOrigin::Newer { .. }) => StateOrigin::Newer { gap },
                Some(origin) => origin,
            },
            Relation::Older { .. } if decided && self.has_decided(&theirs) => return,
            // A decision stands, though ours has gone on without it.
            Relation::Older { .. } if decided && !ours.comes_from(theirs.digest.as_ref()) => {
                return self.merge_fork(now, &theirs, from, decided);
            }
            Relation::Duplicate | Relation::Older { .. } | Relation::Unrelated => return,
            Relation::Newer { .. } | Relation::Fork | Relation::Unknown => {
                return self.merge_fork(now, &theirs, from, decided);
            }
        };
        self.accept_candidate(now, theirs, origin, from, validated);
    }

    /// Adopts a state that may replace ours, or has it validated first.
    fn accept_candidate(
        &mut self,
        now: Now,
        mut theirs: Version,
        origin: StateOrigin,
        from: Option<&ComponentId>,
        validated: bool,
    ) {
        if theirs.state.epoch.is_none()
            && let Some(ours) = &self.current
        {
            // A 1.0.0 writer leaves it out; the epoch goes on nevertheless.
            theirs.state.epoch.clone_from(&ours.state.epoch);
            theirs.state.restored_version.clone_from(&ours.state.restored_version);
        }
        if validated {
            self.adopt(now, theirs, origin, from);
        } else {
            self.validate_candidate(now, theirs, origin, from);
        }
    }

    /// Whether a peer's state is too far ahead to be taken on its word. Then the host is asked.
    fn jumps(&mut self, now: Now, theirs: &Version, from: Option<&ComponentId>) -> bool {
        let own = self.current.as_ref().map_or((0, 0), |ours| (ours.number(), ours.epoch()));
        let far = |own: u64, other: u64| other > own.saturating_add(self.options.max_jump);
        let (pointer, ours, others) = if far(own.0, theirs.number()) {
            ("/state_version", own.0, theirs.number())
        } else if far(own.1, theirs.epoch()) {
            ("/epoch", own.1, theirs.epoch())
        } else {
            return false;
        };
        let conflict = Conflict {
            pointer: pointer.to_owned(),
            base: None,
            ours: Some(Json::from(ours)),
            theirs: Some(Json::from(others)),
            rule: MergeRule::Version,
            cause: Cause::Unfit,
        };
        self.ask_consensus(now, theirs, from, theirs.state.clone(), vec![conflict]);
        true
    }

    /// Asks the host to have a fork settled, once a fork and interval: states are repeated, and it
    /// should not be asked again each time.
    fn ask_consensus(
        &mut self,
        now: Now,
        theirs: &Version,
        with: Option<&ComponentId>,
        state: WorkflowState,
        conflicts: Vec<Conflict>,
    ) {
        let ours = self.current.as_ref().and_then(|ours| ours.digest.clone());
        let until = now.at.after(at_least(self.options.interval));
        let conflict_count = conflicts.len().max(1);
        let fork = Fork { ours, theirs: theirs.digest.clone(), conflicts: conflict_count, until };
        let Some((with, peer)) = with.and_then(|with| Some((with, self.peers.get_mut(with)?)))
        else {
            return;
        };
        let again = peer.fork.as_ref().is_some_and(|known| {
            known.conflicts > 0
                && (&known.ours, &known.theirs) == (&fork.ours, &fork.theirs)
                && known.until.is_none_or(|until| until > now.at)
        });
        if !again {
            peer.fork = Some(fork);
            let (with, state) = (with.clone(), Box::new(state));
            self.out.push(SyncOutput::Consensus { with, state, conflicts });
        }
    }

    /// Whether a decision was adopted, or merged into ours.
    fn has_decided(&self, theirs: &Version) -> bool {
        theirs.digest.as_ref().is_some_and(|digest| self.decided.contains(digest))
    }

    pub(super) fn remember_decision(&mut self, theirs: &Version) {
        if let (Some(digest), false) = (theirs.digest.clone(), self.has_decided(theirs)) {
            self.decided.push_back(digest);
            if self.decided.len() > self.options.history.max(1) {
                self.decided.pop_front();
            }
        }
    }

    /// Merges two states of which neither came from the other.
    fn merge_fork(
        &mut self,
        now: Now,
        theirs: &Version,
        from: Option<&ComponentId>,
        decided: bool,
    ) {
        let Some(ours) = self.current.clone() else { return };
        // The latest common ancestor: the less has changed since, the fewer conflicts.
        let common = self.history.latest(|known| theirs.comes_from(known.digest.as_ref()));
        // A decision of a version was made of the one before, though it may not name it: it may have
        // been written by hand.
        let before =
            |known: &Version| known.number() < theirs.number() && known.epoch() == ours.epoch();
        let common = common.or_else(|| self.history.latest(before).filter(|_| decided));
        if common.is_none() && decided {
            // What was removed in it cannot be told from what ours has added, so it stands alone.
            let number = ours.number().saturating_add(1);
            self.remember_decision(theirs);
            let theirs = theirs.renumbered(number, self.options.history);
            return self.accept_candidate(now, theirs, StateOrigin::Decided, from, false);
        }
        let base = common.map(Version::bare);
        let known = base.is_some();
        // Without an ancestor nothing counts as removed.
        let base = base.unwrap_or_else(|| {
            let time = ours.state.timestamp.clone();
            let mut nothing = WorkflowState::new(self.workflow.clone(), 0_u64, now.timestamp());
            nothing.timestamp = time;
            nothing
        });
        // By the states, not by who merges, so that all replicas get the same result.
        let (first, second) = if ours.precedence() >= theirs.precedence() {
            (&ours, theirs)
        } else {
            (theirs, &ours)
        };
        // Bare, for confidence, source and ancestors are each replica's own and would be in
        // conflict always.
        let mut made = merge(&base, first.bare(), &second.bare(), &self.policy);
        let clean = made.conflicts.is_empty() && known;
        if !clean && decided {
            // What was decided stands, whatever we made of it meanwhile.
            let policy = self.policy.clone().with_strategy(Strategy::Theirs);
            made = merge(&base, ours.bare(), &theirs.bare(), &policy);
        }
        let Merged { mut value, conflicts, .. } = made;
        // What is put to a ballot is not ours alone. Replicas that ask at the same time offer the same
        // state, so whichever ballot is decided settles it for all.
        if clean || decided {
            let metadata = value.metadata.take().unwrap_or_else(StateMetadata::new);
            value.metadata = Some(metadata.with_last_update_source(self.own.as_str()));
        }
        let mut merged = Version::new(value);
        merged.descend(&[first, second], self.options.history);
        // A merge with conflicts is not adopted on our own authority.
        if !clean && !decided {
            return self.ask_consensus(now, theirs, from, merged.state, conflicts);
        }
        if decided {
            self.remember_decision(theirs);
        }
        if ours.relation(&merged.mark()) == Relation::Duplicate {
            // Ours has everything already. Say so, so that the peer can take it.
            self.current = Some(merged);
            self.forget_forks();
        } else {
            let origin = if decided { StateOrigin::Decided } else { StateOrigin::Merged };
            self.validate_candidate(now, merged, origin, from);
        }
    }

    /// Adopts a state, after its validation if it asks for one. Of the states of one peer that wait
    /// for it the latest is enough.
    fn validate_candidate(
        &mut self,
        now: Now,
        version: Version,
        origin: StateOrigin,
        from: Option<&ComponentId>,
    ) {
        let names = version.state.validation_required.as_deref().unwrap_or_default();
        if names.is_empty() {
            return self.adopt(now, version, origin, from);
        }
        // What waits already is not validated twice. If it has been decided meanwhile, it counts as
        // decided.
        let same = |waiting: &&mut Candidate| {
            version.digest.is_some() && waiting.version.digest == version.digest
        };
        let decided = origin == StateOrigin::Decided;
        if let Some(known) = self.candidates.iter_mut().find(same) {
            if decided {
                known.origin = origin;
            }
            return;
        }
        // The one under way stays, for its results are being computed; of the others a peer's
        // latest is enough.
        self.candidates.retain(|waiting| {
            waiting.asked || waiting.from.is_none() || waiting.from.as_ref() != from
        });
        if self.candidates.len() >= self.options.max_peers.max(1) {
            // A peer sends its state again; a decision comes once.
            if !decided {
                return;
            }
            self.candidates.pop_back();
        }
        self.number += 1;
        let (number, from) = (self.number, from.cloned());
        // In order of arrival. Each is judged against what is current when its turn is over, not
        // when it came.
        self.candidates.push_back(Candidate { number, version, origin, from, asked: false });
        self.validate(now);
    }

    /// Asks for the validation of the first candidate, once.
    fn validate(&mut self, now: Now) {
        let Some(candidate) = self.candidates.front_mut() else {
            return self.timers.set(Due::Validation, None);
        };
        // One at a time: what the first one changes may settle the next.
        if std::mem::replace(&mut candidate.asked, true) {
            return;
        }
        let state = &candidate.version.state;
        self.out.push(SyncOutput::Validate {
            number: candidate.number,
            names: state.validation_required.clone().unwrap_or_default(),
            state: Box::new(state.clone()),
        });
        let until = now.at.after(at_least(self.options.timeout));
        self.timers.set(Due::Validation, until);
    }

    pub(super) fn validated(
        &mut self,
        now: Now,
        number: u64,
        results: Vec<(String, CheckResult)>,
    ) -> Result<(), SyncError> {
        // Results of another number are late: their validation had its timeout, and counts as
        // unknown.
        let fits = self.candidates.front().is_some_and(|first| first.number == number);
        let candidate = if fits { self.candidates.pop_front() } else { None };
        let candidate = candidate.ok_or(SyncError::NotValidating(number))?;
        let failed: Vec<String> = results
            .into_iter()
            // Unknown is no failure: a component that cannot run a check must not block those that
            // can.
            .filter(|(_, result)| *result == CheckResult::Failed)
            .map(|(name, _)| name)
            .collect();
        let Candidate { version, origin, from, .. } = candidate;
        if failed.is_empty() {
            // Ours may have moved on meanwhile.
            self.reconcile(now, version, from.as_ref(), Some(origin), true);
        } else {
            let version = version.number();
            self.out.push(SyncOutput::Rejected { from, version, failed });
        }
        self.validate(now);
        Ok(())
    }
}
