//! What is decided: the rules of the pool.

use super::decision::{Decision, DecisionRecord, EndReason, Grant, QueueOrder, WaitEnd, Waiting};
use super::explain::{BlockingFact, Explanation};
use super::inventory::Inventory;
use super::need::{Access, Isolation, Need, Submission};
use super::options::PoolOptions;
use super::pool::{Pool, Settled};
use super::timeline::{Clocks, Within, ends};
use super::units::{AGENTS, Amounts, MEMORY, Units};
use crate::error::leaf_errors;
use crate::event::Event;
use crate::scalar::{AllocationId, ConflictId, Fence, Instant, Now, RequestId, WallTime};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::time::Duration;

/// One who decides, at one moment. It changes the pool by decisions only, and keeps them for the log.
///
/// What was decided holds once it is appended with the expectation that the log ended where the pool was
/// folded up to. If it is refused, the pool is to be thrown away and folded anew.
#[derive(Debug)]
pub struct Decider<'a> {
    pub(super) pool: &'a mut Pool,
    pub(super) options: PoolOptions,
    pub(super) now: Now,
    records: Vec<DecisionRecord>,
    /// The events that tell of the decisions, if anybody wants them.
    events: Option<Vec<Event>>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ruling {
    /// It is granted, in part if the grant says so.
    Granted(Box<Grant>),
    /// It waits.
    Queued {
        /// Its place and promise.
        waiting: Box<Waiting>,
        /// How many wait before it.
        position: usize,
        /// What it waits for.
        blocked: Box<Explanation>,
    },
    /// It is denied.
    Denied(Box<Explanation>),
    /// It was asked before, and is over.
    Settled(Settled),
}

/// Why a grant cannot be changed as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// There is no such grant.
    #[error("there is no grant {allocation}{}", ended(.settled.as_ref()))]
    Unknown {
        /// What was named.
        allocation: AllocationId,
        /// What became of it, if that is remembered.
        settled: Option<Settled>,
    },
    /// It was named with the token of another grant.
    #[error("grant {allocation} has the fence {present}, not {given}")]
    #[doc(alias = "fencing")]
    Fenced {
        /// The grant.
        allocation: AllocationId,
        /// Its token.
        present: Fence,
        /// The token that was given.
        given: Fence,
    },
    /// It cannot be extended.
    #[error("grant {allocation} cannot be extended: {blocked}")]
    NoExtension {
        /// The grant.
        allocation: AllocationId,
        /// What is in the way.
        blocked: Box<Explanation>,
    },
    /// Somebody else claimed it.
    #[error("grant {allocation} is claimed already")]
    Claimed {
        /// The grant.
        allocation: AllocationId,
    },
    /// No such request waits.
    #[error("no request {request} waits")]
    NotWaiting {
        /// What was named.
        request: RequestId,
    },
    /// A request was asked before, with other content.
    #[error("request {request} was asked before, for something else")]
    Reused {
        /// The request.
        request: RequestId,
    },
}

fn ended(settled: Option<&Settled>) -> String {
    match settled {
        Some(Settled::Ended { reason, at, .. }) => {
            let at = crate::scalar::Timestamp::from(*at);
            format!("; it ended at {at}: {}", reason.as_str())
        }
        _ => String::new(),
    }
}

leaf_errors! {
    GrantError, Coordination {
        Self::Unknown { .. } => ["unknown-grant", Resource, Unavailable, lasting, "request_again",
            "Ask for the resources again."],
        Self::Fenced { .. } => ["fenced", Resource, Conflict, lasting, "discard",
            "Stop: what was granted to you is over, and somebody else may hold it."],
        Self::NoExtension { .. } => ["no-extension", Resource, Conflict, transient, "finish_in_time",
            "Finish within the time that was granted, or ask for a shorter extension."],
        Self::Claimed { .. } => ["claimed", Resource, Conflict, lasting, "discard",
            "Leave it to who claimed it."],
        Self::NotWaiting { .. } => ["not-waiting", Resource, Unavailable, lasting, "request_again",
            "Ask for the resources again."],
        Self::Reused { .. } => ["request-reused", Resource, Conflict, lasting, "correct_and_retry",
            "Take a new identifier for each request."],
    }
}

impl<'a> Decider<'a> {
    /// One who decides about a pool.
    pub fn new(pool: &'a mut Pool, now: Now) -> Self {
        let options = pool.rules().clone();
        Decider { pool, options, now, records: Vec::new(), events: None }
    }
    /// Makes the events that tell of its decisions, too.
    pub fn telling(mut self) -> Self {
        self.events = Some(Vec::new());
        self
    }

    /// The events that tell of what was decided so far, if it [makes](Self::telling) them.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The pool as it is after what was decided.
    pub const fn pool(&self) -> &Pool {
        self.pool
    }
    /// What was decided.
    pub fn into_records(self) -> Vec<DecisionRecord> {
        self.records
    }
    /// What was decided so far.
    pub fn records(&self) -> &[DecisionRecord] {
        &self.records
    }
    pub(super) fn decide(&mut self, decision: Decision) {
        let record = DecisionRecord::new(self.now, decision);
        if let Some(events) = &mut self.events {
            // Before it is applied: what ends is still there.
            events.extend(record.events(self.pool));
        }
        self.pool.apply(&record);
        self.records.push(record);
    }
    /// Begins the pool, or begins it anew after its log was lost or put back: what was granted is void.
    pub fn open(&mut self, incarnation: u64, boot: &str) {
        let boot = boot.to_owned();
        let incarnation = incarnation.max(self.pool.incarnation() + 1);
        self.decide(Decision::Opened { incarnation, boot });
    }
    /// Tells that the machine was started again, if it was: live holders are gone, and moments are told by the
    /// wall clock.
    pub fn boot(&mut self, boot: &str) {
        if self.pool.boot() == boot {
            return;
        }
        self.decide(Decision::Restarted { boot: boot.to_owned() });
        // First those who wait: what is given back must not go to who is gone.
        let gone: Vec<RequestId> = self
            .pool
            .waiting()
            .filter(|w| w.submission.waiter.as_ref().is_some_and(|waiter| waiter.live))
            .map(|w| w.submission.request_id.clone())
            .collect();
        for request in gone {
            self.stop_waiting(&request, WaitEnd::WaiterGone);
        }
        let gone: Vec<AllocationId> =
            self.pool.live().map(|grant| grant.allocation_id.clone()).collect();
        for allocation in gone {
            self.end(&allocation, EndReason::Restarted, Amounts::new());
        }
        self.plan_all("restart");
        self.start_all();
    }
    /// Sets what there is. Nothing is taken away: what is granted stays, and promises that no longer hold move.
    pub fn set_inventory(&mut self, inventory: Inventory) {
        if self.pool.inventory() == &inventory {
            return;
        }
        self.decide(Decision::Inventory { inventory });
        let never: Vec<RequestId> = self
            .pool
            .waiting()
            .filter(|waiting| !self.statics(&waiting.submission).is_empty())
            .map(|waiting| waiting.submission.request_id.clone())
            .collect();
        for request in never {
            self.stop_waiting(&request, WaitEnd::NeverFits);
        }
        self.plan_all("inventory");
        self.start_all();
        let names: Vec<SmolStr> =
            self.pool.inventory().amounts.iter().map(|(name, _)| SmolStr::new(name)).collect();
        for name in names {
            self.watch(&name);
        }
    }
    /// Sets the rules. What was granted or promised by others stands.
    pub fn set_rules(&mut self, rules: PoolOptions) {
        if self.pool.rules() != &rules {
            self.options = rules.clone();
            self.decide(Decision::Rules { rules: Box::new(rules) });
        }
    }

    /// Does what is due by itself: offers lapse, requests give up, those that may start do. A grant whose time is
    /// over ends, unless `may_end` says that something may still work with what it holds: then it is looked
    /// at again after a while.
    pub fn due(&mut self, mut may_end: impl FnMut(&Grant) -> bool) {
        let again = ends(self.now.at, self.options.claim_time / 4 + Duration::from_millis(1));
        while let Some(grant) = self.pool.ended_by(self.now.at) {
            let (allocation, dead) = (grant.allocation_id.clone(), may_end(grant));
            if dead {
                self.end(&allocation, EndReason::Expired, Amounts::new());
            } else {
                self.not_proved(&allocation, again);
            }
        }
        while let Some(grant) = self.pool.unclaimed_by(self.now.at) {
            let allocation = grant.allocation_id.clone();
            self.end(&allocation, EndReason::NotClaimed, Amounts::new());
        }
        while let Some(waiting) = self.pool.gives_up_by(self.now.at) {
            let request = waiting.submission.request_id.clone();
            self.stop_waiting(&request, WaitEnd::TooLong);
        }
        while let Some(waiting) = self.pool.starts_by(self.now.at) {
            let order = waiting.order;
            if !self.try_start(&order) {
                // What it was promised is not there: something lasts longer than it said.
                self.move_promise(&order, "overrun");
            }
        }
    }
    /// Decides about a request. A request that was decided about gets the same answer.
    ///
    /// # Errors
    /// [`Reused`](GrantError::Reused) if it was asked before, for something else, and still holds or waits.
    pub fn submit(&mut self, submission: &Submission) -> Result<Ruling, GrantError> {
        if let Some(known) = self.known(submission)? {
            return Ok(known);
        }
        let mut facts = self.statics(submission);
        if !facts.is_empty() {
            return Ok(self.deny(submission, facts));
        }
        let duration = self.duration_of(&submission.need);
        let mut asked = submission.clone();
        asked.need.duration = Some(duration);
        if asked.isolation == Isolation::Relaxed && asked.may_share() {
            let shared = shared(&asked.need);
            if shared != asked.need && self.fits(&shared, duration) {
                return Ok(self.grant(&asked, shared, false));
            }
        }
        if self.fits(&asked.need, duration) {
            return Ok(self.grant(&asked, asked.need.clone(), false));
        }
        if let Some(less) = self.less(&asked) {
            return Ok(self.grant(&asked, less, false));
        }
        facts = self.facts(&asked.need);
        let since = self.now.wall;
        let max_wait = submission.max_wait.unwrap_or(self.options.max_wait);
        let give_up = ends(self.now.at, max_wait);
        let start = self.earliest(&asked.need, duration);
        facts.extend(self.may_not_wait(&asked, start, give_up));
        let waits = submission.fallback.queue
            && !facts.iter().any(|fact| {
                matches!(
                    fact,
                    BlockingFact::NotTolerated { .. }
                        | BlockingFact::Deadlock { .. }
                        | BlockingFact::QueueFull { .. }
                )
            });
        if !waits {
            return Ok(self.deny(submission, facts));
        }
        let urgency = submission.urgency;
        let bonus = i64::try_from(urgency.bonus().as_millis()).unwrap_or_default();
        let order = QueueOrder {
            minute: since.unix_millis().saturating_sub(bonus).div_euclid(60_000),
            share: self.pool.share_of(&submission.workflow_id),
            number: self.pool.next_number(),
        };
        let promised = self.may_be_promised(&asked.need);
        // Nothing is set aside for who will not be there any more; it may be lucky.
        let start = start.filter(|start| promised && *start <= give_up);
        let promise = start.map(|start| self.promise(start, None));
        let charged = promise.map_or_else(Vec::new, |p| self.charges(&asked.need, p.start));
        let changes = self.changes(submission, &facts);
        let blocked = Box::new(Explanation { facts, changes });
        let waiting =
            Waiting { submission: asked, order, since, max_wait, give_up, promise, charged };
        let waiting = Box::new(waiting);
        self.decide(Decision::Queued { waiting: waiting.clone(), blocked: blocked.clone() });
        self.ask_to_yield(&waiting, &blocked);
        let position = self.pool.position_of(&order);
        Ok(Ruling::Queued { waiting, position, blocked })
    }
    /// What would be decided about a request, without deciding it.
    ///
    /// # Errors
    /// Those of [`submit`](Self::submit).
    pub fn plan(&self, submission: &Submission) -> Result<Ruling, GrantError> {
        let mut pool = self.pool.clone();
        Decider::new(&mut pool, self.now).submit(submission)
    }
    pub(super) fn known(&self, submission: &Submission) -> Result<Option<Ruling>, GrantError> {
        let request = &submission.request_id;
        let reused = || GrantError::Reused { request: request.clone() };
        if let Some(grant) = self.pool.grant_of(request) {
            if grant.workflow_id != submission.workflow_id {
                return Err(reused());
            }
            return Ok(Some(Ruling::Granted(Box::new(grant.clone()))));
        }
        if let Some(waiting) = self.pool.waiting_of(request) {
            let same = waiting.submission.workflow_id == submission.workflow_id
                && waiting.submission.need.amounts == submission.need.amounts
                && waiting.submission.need.paths == submission.need.paths;
            if !same {
                return Err(reused());
            }
            let facts = self.facts(&waiting.submission.need);
            return Ok(Some(Ruling::Queued {
                position: self.pool.position_of(&waiting.order),
                waiting: Box::new(waiting.clone()),
                blocked: Box::new(Explanation { facts, changes: Vec::new() }),
            }));
        }
        Ok(self.pool.settled(request).cloned().map(Ruling::Settled))
    }
    pub(super) const fn clocks(&self) -> Clocks {
        Clocks::new(self.now)
    }
    pub(super) fn duration_of(&self, need: &Need) -> Duration {
        let limit = self.options.auto_release_timeout;
        need.duration.unwrap_or(self.options.default_duration).min(limit)
    }
    pub(super) const fn within<'n>(&'n self, need: &'n Need, duration: Duration) -> Within<'n> {
        Within {
            need,
            duration,
            inventory: self.pool.inventory(),
            options: &self.options,
            clocks: self.clocks(),
        }
    }
    pub(super) fn fits(&self, need: &Need, duration: Duration) -> bool {
        self.pool.timeline().fits(self.now.at, &self.within(need, duration))
    }
    pub(super) fn earliest(&self, need: &Need, duration: Duration) -> Option<Instant> {
        self.pool.timeline().earliest(self.now.at, &self.within(need, duration))
    }
    /// Less than what was asked for, if that is permitted and can start now: paths shared, fewer agents.
    pub(super) fn less(&self, asked: &Submission) -> Option<Need> {
        let duration = asked.need.duration?;
        let mut need = asked.need.clone();
        if asked.may_share() {
            let taken = self.facts(&need);
            for lease in &mut need.paths {
                let in_the_way = taken.iter().any(|fact| {
                    matches!(fact, BlockingFact::Path { wanted, .. } if wanted == &lease.path)
                });
                if in_the_way {
                    lease.access = Access::Shared;
                }
            }
            if need != asked.need && self.fits(&need, duration) {
                return Some(need);
            }
        }
        if !asked.fallback.fewer_agents {
            return None;
        }
        let wanted = need.amounts.get(AGENTS).thousandths() / 1_000;
        // As many as are free in the worst moment: asking for fewer frees no other resource.
        let free = self.facts(&need).into_iter().find_map(|fact| match fact {
            BlockingFact::Amount { name, free, .. } if name == AGENTS => Some(free),
            _ => None,
        })?;
        let mut agents = (free.floor().thousandths() / 1_000).min(wanted.saturating_sub(1));
        while agents > 0 {
            need.amounts.set(AGENTS, Units::whole(agents));
            let lasts = if asked.fallback.longer {
                longer(duration, wanted, agents).min(self.options.auto_release_timeout)
            } else {
                duration
            };
            need.duration = Some(lasts);
            if self.per_agent(&need).is_none() && self.fits(&need, lasts) {
                return Some(need);
            }
            // A longer time may meet a plan that a shorter one does not.
            agents -= 1;
        }
        None
    }
    /// What no wait would change.
    pub(super) fn statics(&self, submission: &Submission) -> Vec<BlockingFact> {
        let need = &submission.need;
        let inventory = self.pool.inventory();
        let mut facts = Vec::new();
        for (name, needed) in need.amounts.iter() {
            let capacity = match inventory.budgets.get(name) {
                Some(budget) => budget.limit,
                None => inventory.capacity(name),
            };
            if needed > capacity {
                facts.push(BlockingFact::Never { name: SmolStr::new(name), needed, capacity });
            }
        }
        let limit = self.options.auto_release_timeout;
        if let Some(needed) = need.duration.filter(|needed| *needed > limit) {
            facts.push(BlockingFact::Duration { needed, limit });
        }
        facts.extend(self.per_agent(need));
        if let Some(word) = &submission.min_performance
            && !inventory.offers(word)
        {
            facts.push(BlockingFact::Performance { word: word.clone() });
        }
        facts
    }
    pub(super) fn per_agent(&self, need: &Need) -> Option<BlockingFact> {
        let limit = self.options.memory_per_agent?;
        let agents = need.amounts.get(AGENTS).thousandths() / 1_000;
        let memory = need.amounts.get(MEMORY).thousandths();
        let needed = Units::from_thousandths(memory.div_ceil(agents.max(1)));
        (needed > limit).then_some(BlockingFact::MemoryPerAgent { needed, limit })
    }
    pub(super) fn grant(&mut self, asked: &Submission, need: Need, waited: bool) -> Ruling {
        let duration = need.duration.unwrap_or(self.options.default_duration);
        let end = ends(self.now.at, duration);
        let fence = self.pool.next_fence();
        // A name that tells the grant from all others of this pool, and is the same if this is decided again.
        let allocation_id = AllocationId::from_valid(&format!("alloc_{fence}"));
        let offered = waited && asked.waiter.as_ref().is_none_or(|waiter| !waiter.live);
        let grant = Grant {
            allocation_id,
            request_id: asked.request_id.clone(),
            workflow_id: asked.workflow_id.clone(),
            requester: asked.requester.clone(),
            partial: need.amounts != asked.need.amounts || need.paths != asked.need.paths,
            charged: self.charges(&need, self.now.at),
            agents: self.pool.free_agents(need.amounts.get(AGENTS)),
            need,
            fence,
            holder: asked.holder.clone(),
            since: self.now.wall,
            end,
            end_wall: WallTime::from_unix_millis(self.clocks().wall(end)),
            claim_by: offered.then(|| ends(self.now.at, self.options.claim_time)),
            unproved: false,
        };
        let names: Vec<SmolStr> =
            grant.need.amounts.iter().map(|(name, _)| SmolStr::new(name)).collect();
        let grant = Box::new(grant);
        self.decide(Decision::Granted { grant: grant.clone(), waited });
        for name in names {
            self.watch(&name);
        }
        Ruling::Granted(grant)
    }
    pub(super) fn deny(&mut self, submission: &Submission, facts: Vec<BlockingFact>) -> Ruling {
        let changes = self.changes(submission, &facts);
        let blocked = Box::new(Explanation { facts, changes });
        self.decide(Decision::Denied {
            request_id: submission.request_id.clone(),
            workflow_id: submission.workflow_id.clone(),
            blocked: blocked.clone(),
        });
        Ruling::Denied(blocked)
    }
    /// Who is in the way of an urgent request is asked to give back. Nothing is taken from anybody.
    pub(super) fn ask_to_yield(&mut self, waiting: &Waiting, blocked: &Explanation) {
        let holders = blocked.facts.iter().flat_map(|fact| match fact {
            BlockingFact::Amount { held, .. } | BlockingFact::Path { held, .. } => held.by.clone(),
            _ => Vec::new(),
        });
        let own = &waiting.submission.workflow_id;
        let allocations: BTreeSet<AllocationId> =
            holders.filter(|held| &held.workflow_id != own).map(|h| h.allocation_id).collect();
        if allocations.is_empty() {
            return;
        }
        let incarnation = self.pool.incarnation();
        let conflict = format!("conflict_{incarnation}-{}", waiting.order.number);
        self.decide(Decision::YieldAsked {
            conflict_id: ConflictId::from_valid(&conflict),
            request_id: waiting.submission.request_id.clone(),
            allocations: allocations.into_iter().collect(),
        });
    }
    /// Tells when a resource is held above its threshold, and when it no longer is.
    pub(super) fn watch(&mut self, name: &str) {
        let inventory = self.pool.inventory();
        let (held, capacity) = match inventory.budgets.get(name) {
            Some(budget) => (self.pool.charged(name, self.now.wall), budget.limit),
            None => (self.pool.held(name), inventory.capacity(name)),
        };
        let (held, capacity) =
            (u128::from(held.thousandths()) * 100, u128::from(capacity.thousandths()));
        let threshold = self.options.alert_above;
        let was = self.pool.is_above(name);
        let falls_below = threshold.saturating_sub(self.options.alert_hysteresis);
        let above = held > capacity * u128::from(threshold);
        let below = held <= capacity * u128::from(falls_below);
        if (above && !was) || (below && was) {
            let percent = u64::try_from(held / capacity.max(1)).unwrap_or(u64::MAX);
            let name = SmolStr::new(name);
            self.decide(Decision::Threshold { name, percent, threshold, above });
        }
    }
}

/// A duration for fewer agents, in proportion.
fn longer(duration: Duration, wanted: u64, agents: u64) -> Duration {
    let nanos = duration.as_nanos().saturating_mul(u128::from(wanted)) / u128::from(agents.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A need that holds no path alone.
fn shared(need: &Need) -> Need {
    let mut need = need.clone();
    need.paths.iter_mut().for_each(|lease| lease.access = Access::Shared);
    need
}

/// A need without what is used up: that was charged when it began.
pub(super) fn reusable(need: &Need, inventory: &Inventory) -> Need {
    let mut need = need.clone();
    for name in inventory.budgets.keys() {
        need.amounts.set(name, Units::ZERO);
    }
    need
}
