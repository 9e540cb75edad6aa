//! What a state that comes in means, and what is made of it.

use super::io::{StateOrigin, SyncError, SyncOutput};
use super::replica::Version;
use super::{Candidate, Due, Fork, StateSync};
use crate::machine::settings::at_least;
use crate::merge::{Merged, Relation, Strategy, merge};
use crate::message::{StateMetadata, WorkflowState};
use crate::scalar::{CheckResult, ComponentId, Now};

impl StateSync {
    /// Takes note of a state that comes in, from a peer or as `decided`.
    pub(super) fn on_state(
        &mut self,
        now: Now,
        mut theirs: Version,
        from: Option<&ComponentId>,
        decided: Option<StateOrigin>,
    ) {
        let plain = theirs.ancestors().is_empty();
        if let Some(peer) = from.and_then(|name| self.peers.get_mut(name)) {
            let last = (theirs.number(), theirs.digest.clone());
            // Noted also if the state is not adopted: relations and confidence are about what peers
            // have.
            let before = peer.last.replace(last).and_then(|(_, digest)| digest);
            // The peer has moved on, so what was done about the old fork is void.
            if peer.fork.as_ref().is_some_and(|fork| fork.theirs != theirs.digest) {
                peer.fork = None;
            }
            if plain {
                // A peer that names no ancestors had its last state before this one. If that was
                // ours, ours went into it.
                theirs.came_from(before);
            }
        }
        // A plain peer does not merge, so to wait for it would be to wait for ever. A decision
        // waits for no answer.
        if plain || decided.is_some() || !self.defer_to_peer(now, &theirs, from) {
            self.reconcile(now, theirs, from, decided, false);
        }
        self.schedule_peer(now, from);
    }

    /// Whether a fork that is met for the first time is left to the peer.
    fn defer_to_peer(&mut self, now: Now, theirs: &Version, from: Option<&ComponentId>) -> bool {
        let Some(ours) = &self.current else { return false };
        let relation = ours.relation(theirs.number(), theirs.digest.as_ref());
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
        let relation = self
            .current
            .as_ref()
            .map(|ours| (ours, ours.relation(theirs.number(), theirs.digest.as_ref())));
        let origin = match relation {
            None => origin.unwrap_or(StateOrigin::First),
            // A higher number proves nothing: two lines may have grown apart. Only a state that
            // ours went into may replace ours.
            Some((ours, Relation::Newer { gap })) if theirs.comes_from(ours.digest.as_ref()) => {
                match origin {
                    None | Some(StateOrigin::Newer { .. }) => StateOrigin::Newer { gap },
                    Some(origin) => origin,
                }
            }
            // What was decided is what we have, so nothing is in dispute any more.
            Some((_, Relation::Duplicate)) if decided => return self.forget_forks(),
            // A decision stands, though ours has gone on without it.
            Some((ours, Relation::Older { .. }))
                if decided && !ours.comes_from(theirs.digest.as_ref()) =>
            {
                return self.merge_fork(now, &theirs, from, decided);
            }
            Some((_, Relation::Duplicate | Relation::Older { .. } | Relation::Unrelated)) => return,
            Some((_, Relation::Newer { .. } | Relation::Fork | Relation::Unknown)) => {
                return self.merge_fork(now, &theirs, from, decided);
            }
        };
        if validated {
            self.adopt(now, theirs, origin, from);
        } else {
            self.validate_candidate(now, theirs, origin, from);
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
        let metadata = value.metadata.take().unwrap_or_else(StateMetadata::new);
        value.metadata = Some(metadata.with_last_update_source(self.own.as_str()));
        let mut merged = Version::new(value);
        merged.descend(&[first, second], self.options.history);
        // A merge with conflicts is not adopted on our own authority. The host is asked once a fork
        // and interval, because states are repeated and it should not be asked again each time.
        if let (false, false, Some(with)) = (clean, decided, from) {
            let fork = self.fork(now, &ours, theirs, conflicts.len().max(1));
            let Some(peer) = self.peers.get_mut(with) else { return };
            let again = peer.fork.as_ref().is_some_and(|known| {
                known.conflicts > 0
                    && (&known.ours, &known.theirs) == (&fork.ours, &fork.theirs)
                    && known.until.is_none_or(|until| until > now.at)
            });
            if !again {
                peer.fork = Some(fork);
                let (with, state) = (with.clone(), Box::new(merged.state));
                self.out.push(SyncOutput::Consensus { with, state, conflicts });
            }
            return;
        }
        if ours.relation(merged.number(), merged.digest.as_ref()) == Relation::Duplicate {
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
