//! The state of a pool: the fold of its decisions.

use super::decision::{
    Charge, Decision, DecisionRecord, FOLD_VERSION, Grant, Promise, QueueOrder, WaitEnd, Waiting,
};
use super::explain::Explanation;
use super::inventory::Inventory;
use super::need::Need;
use super::options::PoolOptions;
use super::timeline::{Clocks, Timeline, ends};
use super::units::Units;
use crate::path::PathIndex;
use crate::scalar::{AgentId, AllocationId, Fence, Instant, Now, RequestId, WallTime, WorkflowId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The state of a pool of resources: what there is, what is granted, who waits. It is the fold of decisions:
/// [`apply`](Self::apply) is all that changes it.
///
/// [The module](super) has an example.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "PoolState", into = "PoolState")]
pub struct Pool {
    state: PoolState,
    index: PoolIndex,
}

/// What is stored of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct PoolState {
    v: u32,
    incarnation: u64,
    boot: String,
    /// Counts grants.
    counter: u64,
    /// Counts requests.
    submitted: u64,
    inventory: Inventory,
    rules: PoolOptions,
    grants: BTreeMap<AllocationId, Grant>,
    waiting: Vec<Waiting>,
    /// What of budgets is used up, beside what grants and plans set aside.
    used: Vec<Charge>,
    above: BTreeSet<SmolStr>,
    settled: VecDeque<(RequestId, Settled)>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Settled {
    /// It was granted, and the grant is over.
    Ended {
        /// The grant.
        allocation_id: AllocationId,
        /// Why it is over.
        reason: super::decision::EndReason,
        /// When that was.
        at: WallTime,
    },
    /// It was denied.
    Denied {
        /// Why.
        blocked: Box<Explanation>,
    },
    /// It waited, and was not granted.
    WaitEnded {
        /// Why.
        reason: WaitEnd,
        /// When that was.
        at: WallTime,
    },
}

/// What is found quickly. Nothing of it is stored.
#[derive(Clone, Debug, Default)]
struct PoolIndex {
    timeline: Timeline,
    waiting: BTreeMap<QueueOrder, Waiting>,
    order_of: BTreeMap<RequestId, QueueOrder>,
    grant_of: BTreeMap<RequestId, AllocationId>,
    settled: BTreeMap<RequestId, u64>,
    /// How many of `settled` were forgotten.
    forgotten: u64,
    ends: BTreeSet<(Instant, AllocationId)>,
    claims: BTreeSet<(Instant, AllocationId)>,
    give_ups: BTreeSet<(Instant, QueueOrder)>,
    starts: BTreeSet<(Instant, QueueOrder)>,
    waiting_for: BTreeMap<SmolStr, BTreeSet<QueueOrder>>,
    waiting_paths: PathIndex<QueueOrder>,
    unplanned_for: BTreeMap<SmolStr, BTreeSet<QueueOrder>>,
    unplanned_paths: BTreeSet<QueueOrder>,
    planned: BTreeSet<QueueOrder>,
    holders_of: BTreeMap<SmolStr, BTreeSet<(Instant, AllocationId)>>,
    held_by: BTreeMap<WorkflowId, BTreeSet<AllocationId>>,
    live: BTreeSet<AllocationId>,
    busy: BTreeSet<AgentId>,
}

impl PoolIndex {
    /// What is found of a grant.
    fn add_grant(&mut self, grant: &Grant) {
        let id = grant.allocation_id.clone();
        self.timeline.take(&id, &grant.need, grant.end);
        for charge in &grant.charged {
            self.timeline.charge(&charge.name, charge.window, charge.amount);
        }
        self.ends.insert((grant.end, id.clone()));
        if let Some(until) = grant.claim_by {
            self.claims.insert((until, id.clone()));
        }
        for (name, _) in grant.need.amounts.iter() {
            let holders = self.holders_of.entry(SmolStr::new(name)).or_default();
            holders.insert((grant.end, id.clone()));
        }
        self.held_by.entry(grant.workflow_id.clone()).or_default().insert(id.clone());
        if grant.holder.as_ref().is_some_and(|holder| holder.live) {
            self.live.insert(id.clone());
        }
        self.grant_of.insert(grant.request_id.clone(), id.clone());
        self.busy.extend(grant.agents.iter().cloned());
    }
}

impl From<PoolState> for Pool {
    fn from(mut state: PoolState) -> Self {
        let waiting = std::mem::take(&mut state.waiting);
        let mut pool = Pool { state, index: PoolIndex::default() };
        for charge in &pool.state.used {
            pool.index.timeline.charge(&charge.name, charge.window, charge.amount);
        }
        for (at, (request, _)) in pool.state.settled.iter().enumerate() {
            pool.index.settled.insert(request.clone(), at as u64);
        }
        for grant in pool.state.grants.values() {
            pool.index.add_grant(grant);
        }
        for waiting in waiting {
            pool.insert_waiting(waiting);
        }
        pool
    }
}

impl From<Pool> for PoolState {
    fn from(pool: Pool) -> Self {
        let mut state = pool.state;
        state.waiting = pool.index.waiting.into_values().collect();
        state
    }
}

impl PartialEq for Pool {
    /// Pools are equal if their states are; what is derived follows.
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state && self.index.waiting == other.index.waiting
    }
}

impl Eq for Pool {}

impl Pool {
    /// How many requests that are over are remembered, so that a repetition gets the same answer.
    pub const REMEMBERED: usize = 256;

    /// A pool about which nothing was decided.
    pub fn new() -> Self {
        Pool::default()
    }

    /// The fold of decisions, oldest first.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a DecisionRecord>) -> Self {
        let mut pool = Pool::new();
        for record in records {
            pool.apply(record);
        }
        pool
    }

    /// Whether it was opened.
    pub const fn is_open(&self) -> bool {
        self.state.incarnation > 0
    }

    /// The incarnation of its log.
    pub const fn incarnation(&self) -> u64 {
        self.state.incarnation
    }

    /// What names the run of the machine that its moments are of.
    pub fn boot(&self) -> &str {
        &self.state.boot
    }

    /// What there is.
    pub const fn inventory(&self) -> &Inventory {
        &self.state.inventory
    }

    /// The rules by which it is decided about.
    pub const fn rules(&self) -> &PoolOptions {
        &self.state.rules
    }

    /// The grants, by name.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.state.grants.values()
    }

    /// How many grants there are.
    pub fn granted(&self) -> usize {
        self.state.grants.len()
    }

    /// A grant.
    pub fn grant(&self, allocation: &AllocationId) -> Option<&Grant> {
        self.state.grants.get(allocation)
    }

    /// The grant that answers a request.
    pub fn grant_of(&self, request: &RequestId) -> Option<&Grant> {
        self.state.grants.get(self.index.grant_of.get(request)?)
    }

    /// The grants of a workflow.
    pub fn held_by(&self, workflow: &WorkflowId) -> impl Iterator<Item = &Grant> {
        let held = self.index.held_by.get(workflow).into_iter().flatten();
        held.filter_map(|allocation| self.state.grants.get(allocation))
    }

    /// The grants whose holders show that they are there.
    pub fn live(&self) -> impl Iterator<Item = &Grant> {
        self.index.live.iter().filter_map(|allocation| self.state.grants.get(allocation))
    }

    /// The requests that wait, in their order.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.index.waiting.values()
    }

    /// How many requests wait.
    pub fn queued(&self) -> usize {
        self.index.waiting.len()
    }

    /// A request that waits.
    pub fn waiting_of(&self, request: &RequestId) -> Option<&Waiting> {
        self.index.waiting.get(self.index.order_of.get(request)?)
    }

    /// How many requests wait before one.
    pub fn position_of(&self, order: &QueueOrder) -> usize {
        self.index.waiting.range(..order).count()
    }

    /// What became of a request that is over, if that is remembered.
    pub fn settled(&self, request: &RequestId) -> Option<&Settled> {
        let at = self.index.settled.get(request)?.checked_sub(self.index.forgotten)?;
        let (_, settled) = self.state.settled.get(usize::try_from(at).ok()?)?;
        Some(settled)
    }

    /// What became of an allocation that is over, if that is remembered.
    pub fn ended(&self, allocation: &AllocationId) -> Option<&Settled> {
        let ended = |settled: &&(RequestId, Settled)| match &settled.1 {
            Settled::Ended { allocation_id, .. } => allocation_id == allocation,
            _ => false,
        };
        self.state.settled.iter().rev().find(ended).map(|(_, settled)| settled)
    }

    /// How much of a resource grants hold. Of a budget it is what they set aside, and what was used up.
    pub fn held(&self, name: &str) -> Units {
        self.index.timeline.held(name)
    }

    /// What of a budget is used up or set aside in the window of a time.
    pub fn charged(&self, name: &str, wall: WallTime) -> Units {
        match self.state.inventory.budgets.get(name) {
            Some(budget) => self.index.timeline.charged(name, budget.window_of(wall.unix_millis())),
            None => Units::ZERO,
        }
    }

    /// When something is due next by itself: a grant ends, an offer lapses, a request gives up or may start.
    pub fn due(&self) -> Option<Instant> {
        let firsts = [
            self.index.ends.first().map(|entry| entry.0),
            self.index.claims.first().map(|entry| entry.0),
            self.index.give_ups.first().map(|entry| entry.0),
            self.index.starts.first().map(|entry| entry.0),
        ];
        firsts.into_iter().flatten().min()
    }

    pub(super) const fn timeline(&self) -> &Timeline {
        &self.index.timeline
    }

    pub(super) const fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.index.timeline
    }

    pub(super) const fn next_counter(&self) -> u64 {
        self.state.counter + 1
    }

    pub(super) const fn next_number(&self) -> u64 {
        self.state.submitted + 1
    }

    pub(super) fn is_above(&self, name: &str) -> bool {
        self.state.above.contains(name)
    }

    pub(super) fn ended_by(&self, now: Instant) -> Option<&Grant> {
        let (end, allocation) = self.index.ends.first()?;
        (*end <= now).then(|| self.state.grants.get(allocation)).flatten()
    }

    pub(super) fn unclaimed_by(&self, now: Instant) -> Option<&Grant> {
        let (until, allocation) = self.index.claims.first()?;
        (*until <= now).then(|| self.state.grants.get(allocation)).flatten()
    }

    pub(super) fn gives_up_by(&self, now: Instant) -> Option<&Waiting> {
        let (until, order) = self.index.give_ups.first()?;
        (*until <= now).then(|| self.index.waiting.get(order)).flatten()
    }

    pub(super) fn starts_by(&self, now: Instant) -> Option<&Waiting> {
        let (start, order) = self.index.starts.first()?;
        (*start <= now).then(|| self.index.waiting.get(order)).flatten()
    }

    pub(super) fn at(&self, order: &QueueOrder) -> Option<&Waiting> {
        self.index.waiting.get(order)
    }

    /// Those that wait and are planned, in their order.
    pub(super) fn planned(&self) -> Vec<QueueOrder> {
        self.index.planned.iter().copied().collect()
    }

    /// The first of those that wait for something of a need, in their order.
    pub(super) fn candidates(&self, freed: &Need, limit: usize) -> Vec<QueueOrder> {
        let mut found = BTreeSet::new();
        for (name, _) in freed.amounts.iter() {
            let waiting = self.index.waiting_for.get(name).into_iter().flatten();
            found.extend(waiting.take(limit).copied());
        }
        for lease in &freed.paths {
            // All of them, since they are in the order of their paths.
            found
                .extend(self.index.waiting_paths.overlapping(&lease.path).map(|(_, order)| *order));
        }
        found.into_iter().take(limit).collect()
    }

    /// The first one that waits for something of a need and is not planned.
    pub(super) fn first_unplanned(&self, need: &Need) -> Option<QueueOrder> {
        let by_name = need
            .amounts
            .iter()
            .filter_map(|(name, _)| self.index.unplanned_for.get(name)?.first().copied());
        let by_path = (!need.paths.is_empty()).then(|| self.index.unplanned_paths.first().copied());
        by_name.chain(by_path.flatten()).min()
    }

    /// The holders of a resource, those that end first at the front, and how many there are.
    pub(super) fn holders_of(&self, name: &str) -> (impl Iterator<Item = &Grant>, usize) {
        let holders = self.index.holders_of.get(name);
        let count = holders.map_or(0, BTreeSet::len);
        let grants = holders.into_iter().flatten();
        (grants.filter_map(|(_, allocation)| self.state.grants.get(allocation)), count)
    }

    /// Whether anybody who waits asks for a path that overlaps.
    pub(super) fn contended(&self, need: &Need) -> bool {
        need.paths.iter().any(|lease| {
            self.index.waiting_paths.overlapping(&lease.path).any(|(path, order)| {
                let waiting = self.index.waiting.get(order);
                let leases = waiting.into_iter().flat_map(|w| &w.submission.need.paths);
                leases
                    .filter(|other| &other.path == path)
                    .any(|other| other.access.excludes(lease.access))
            })
        })
    }

    /// The largest share that a workflow holds of any resource, in thousandths.
    pub(super) fn share_of(&self, workflow: &WorkflowId) -> u32 {
        let mut sums: BTreeMap<&str, Units> = BTreeMap::new();
        for grant in self.held_by(workflow) {
            for (name, amount) in grant.need.amounts.iter() {
                let sum = sums.entry(name).or_default();
                *sum = sum.plus(amount);
            }
        }
        let shares = sums.into_iter().map(|(name, held)| {
            let capacity = self.state.inventory.capacity(name).thousandths().max(1);
            held.thousandths().saturating_mul(1_000) / capacity
        });
        u32::try_from(shares.max().unwrap_or_default()).unwrap_or(u32::MAX)
    }

    /// Applies one decision. What it names and is not there changes nothing.
    pub fn apply(&mut self, record: &DecisionRecord) {
        let now = Now::new(record.at, record.wall);
        match &record.decision {
            Decision::Opened { incarnation, boot } => {
                let state = PoolState {
                    v: FOLD_VERSION,
                    incarnation: *incarnation,
                    boot: boot.clone(),
                    inventory: std::mem::take(&mut self.state.inventory),
                    rules: std::mem::take(&mut self.state.rules),
                    ..PoolState::default()
                };
                *self = Pool::from(state);
            }
            Decision::Inventory { inventory } => self.state.inventory = inventory.clone(),
            Decision::Rules { rules } => self.state.rules = (**rules).clone(),
            Decision::Granted { grant, .. } => {
                self.remove_waiting(&grant.request_id);
                self.state.counter = self.state.counter.max(grant.fence.counter);
                self.insert_grant((**grant).clone());
            }
            Decision::Queued { waiting, .. } => {
                self.state.submitted = self.state.submitted.max(waiting.order.number);
                self.insert_waiting((**waiting).clone());
            }
            Decision::Denied { request_id, blocked, .. } => {
                self.settle(request_id.clone(), Settled::Denied { blocked: blocked.clone() });
            }
            Decision::Planned { request_id, promise, charged } => {
                self.replan(request_id, Some(*promise), charged);
            }
            Decision::PromiseMoved { request_id, to, charged, .. } => {
                self.replan(request_id, *to, charged);
            }
            Decision::WaitEnded { request_id, reason } => {
                if self.remove_waiting(request_id).is_some() {
                    let settled = Settled::WaitEnded { reason: *reason, at: now.wall };
                    self.settle(request_id.clone(), settled);
                }
            }
            Decision::Claimed { allocation_id, holder } => {
                self.change_grant(allocation_id, |grant| {
                    grant.claim_by = None;
                    if holder.is_some() {
                        grant.holder.clone_from(holder);
                    }
                });
            }
            Decision::Extended { allocation_id, end, end_wall } => {
                self.change_grant(allocation_id, |grant| {
                    (grant.end, grant.end_wall) = (*end, *end_wall);
                });
            }
            Decision::Ended { allocation_id, reason, used } => {
                let Some(grant) = self.remove_grant(allocation_id) else { return };
                for charge in &grant.charged {
                    let used = used.get(&charge.name).min(charge.amount);
                    self.use_up(Charge { amount: used, ..charge.clone() }, now.wall);
                }
                let (allocation_id, reason) = (grant.allocation_id, *reason);
                self.settle(
                    grant.request_id,
                    Settled::Ended { allocation_id, reason, at: now.wall },
                );
            }
            Decision::NotProved { allocation_id, again } => {
                self.change_grant(allocation_id, |grant| {
                    (grant.end, grant.unproved) = (*again, true);
                    // Nothing is offered that somebody may still work with.
                    grant.claim_by = None;
                });
            }
            Decision::Threshold { name, above, .. } => {
                if *above {
                    self.state.above.insert(name.clone());
                } else {
                    self.state.above.remove(name);
                }
            }
            Decision::Restarted { boot } => self.restart(boot, now),
            Decision::YieldAsked { .. } | Decision::Optimized { .. } => {}
        }
    }

    /// Moments of the machine's last run mean nothing: what is to happen is told by the wall clock.
    fn restart(&mut self, boot: &str, now: Now) {
        boot.clone_into(&mut self.state.boot);
        let clocks = Clocks::new(now);
        let grants: Vec<AllocationId> = self.state.grants.keys().cloned().collect();
        for allocation in grants {
            self.change_grant(&allocation, |grant| {
                grant.end = clocks.at(grant.end_wall.unix_millis());
                grant.claim_by = grant.claim_by.map(|_| now.at);
            });
        }
        let waiting: Vec<Waiting> = self.index.waiting.values().cloned().collect();
        for mut waiting in waiting {
            self.remove_waiting(&waiting.submission.request_id.clone());
            // Who waited is gone with the machine; the others begin to wait anew.
            waiting.give_up = ends(now.at, waiting.max_wait);
            (waiting.promise, waiting.charged) = (None, Vec::new());
            self.insert_waiting(waiting);
        }
    }

    fn use_up(&mut self, charge: Charge, now: WallTime) {
        let budgets = &self.state.inventory.budgets;
        let present = |charge: &Charge| {
            budgets
                .get(&charge.name)
                .is_some_and(|b| b.window_of(now.unix_millis()) <= charge.window)
        };
        // Windows that are over are of no use to anybody.
        let (kept, over): (Vec<Charge>, Vec<Charge>) =
            std::mem::take(&mut self.state.used).into_iter().partition(present);
        for charge in over {
            self.index.timeline.refund(&charge.name, charge.window, charge.amount);
        }
        self.state.used = kept;
        if charge.amount.is_zero() {
            return;
        }
        self.index.timeline.charge(&charge.name, charge.window, charge.amount);
        let same = |used: &&mut Charge| used.name == charge.name && used.window == charge.window;
        match self.state.used.iter_mut().find(same) {
            Some(used) => used.amount = used.amount.plus(charge.amount),
            None => self.state.used.push(charge),
        }
    }

    fn settle(&mut self, request: RequestId, settled: Settled) {
        let at = self.index.forgotten + self.state.settled.len() as u64;
        self.index.settled.insert(request.clone(), at);
        self.state.settled.push_back((request, settled));
        self.forget();
    }

    /// Forgets the oldest of what is over.
    fn forget(&mut self) {
        while self.state.settled.len() > Pool::REMEMBERED {
            let Some((request, _)) = self.state.settled.pop_front() else { return };
            // A request that was asked again later has a younger entry.
            if self.index.settled.get(&request) == Some(&self.index.forgotten) {
                self.index.settled.remove(&request);
            }
            self.index.forgotten += 1;
        }
    }

    fn insert_grant(&mut self, grant: Grant) {
        self.index.add_grant(&grant);
        self.state.grants.insert(grant.allocation_id.clone(), grant);
    }

    fn remove_grant(&mut self, id: &AllocationId) -> Option<Grant> {
        let grant = self.state.grants.remove(id)?;
        let index = &mut self.index;
        index.timeline.give_back(id, &grant.need, grant.end);
        for charge in &grant.charged {
            index.timeline.refund(&charge.name, charge.window, charge.amount);
        }
        index.ends.remove(&(grant.end, id.clone()));
        if let Some(until) = grant.claim_by {
            index.claims.remove(&(until, id.clone()));
        }
        for (name, _) in grant.need.amounts.iter() {
            remove_from(&mut index.holders_of, name, &(grant.end, id.clone()));
        }
        if let Some(held) = index.held_by.get_mut(&grant.workflow_id) {
            held.remove(id);
            if held.is_empty() {
                index.held_by.remove(&grant.workflow_id);
            }
        }
        index.live.remove(id);
        index.grant_of.remove(&grant.request_id);
        grant.agents.iter().for_each(|agent| {
            index.busy.remove(agent);
        });
        Some(grant)
    }

    fn change_grant(&mut self, id: &AllocationId, change: impl FnOnce(&mut Grant)) {
        if let Some(mut grant) = self.remove_grant(id) {
            change(&mut grant);
            self.insert_grant(grant);
        }
    }

    fn insert_waiting(&mut self, waiting: Waiting) {
        let order = waiting.order;
        let need = &waiting.submission.need;
        self.index.give_ups.insert((waiting.give_up, order));
        for (name, _) in need.amounts.iter() {
            self.index.waiting_for.entry(SmolStr::new(name)).or_default().insert(order);
        }
        for lease in &need.paths {
            self.index.waiting_paths.insert(lease.path.clone(), order);
        }
        self.index.order_of.insert(waiting.submission.request_id.clone(), order);
        self.index.waiting.insert(order, waiting);
        self.plan(&order);
    }

    fn remove_waiting(&mut self, request: &RequestId) -> Option<Waiting> {
        let order = *self.index.order_of.get(request)?;
        self.unplan(&order);
        self.index.order_of.remove(request);
        let waiting = self.index.waiting.remove(&order)?;
        let need = &waiting.submission.need;
        self.index.give_ups.remove(&(waiting.give_up, order));
        for (name, _) in need.amounts.iter() {
            remove_from(&mut self.index.waiting_for, name, &order);
        }
        for lease in &need.paths {
            self.index.waiting_paths.remove(&lease.path, &order);
        }
        Some(waiting)
    }

    /// Takes a request that waits off the timeline, or out of those that are on none.
    pub(super) fn unplan(&mut self, order: &QueueOrder) {
        let index = &mut self.index;
        let Some(waiting) = index.waiting.get(order) else { return };
        let need = &waiting.submission.need;
        if let Some(promise) = waiting.promise {
            let end = ends(promise.start, need.duration.unwrap_or_default());
            index.timeline.unplan(&waiting.submission.request_id, need, promise.start, end);
            for charge in &waiting.charged {
                index.timeline.refund(&charge.name, charge.window, charge.amount);
            }
            index.starts.remove(&(promise.start, *order));
            index.planned.remove(order);
        } else {
            for (name, _) in need.amounts.iter() {
                remove_from(&mut index.unplanned_for, name, order);
            }
            index.unplanned_paths.remove(order);
        }
    }

    /// Puts a request that waits on the timeline, or to those that are on none.
    pub(super) fn plan(&mut self, order: &QueueOrder) {
        let index = &mut self.index;
        let Some(waiting) = index.waiting.get(order) else { return };
        let need = &waiting.submission.need;
        if let Some(promise) = waiting.promise {
            let end = ends(promise.start, need.duration.unwrap_or_default());
            index.timeline.plan(&waiting.submission.request_id, need, promise.start, end);
            for charge in &waiting.charged {
                index.timeline.charge(&charge.name, charge.window, charge.amount);
            }
            index.starts.insert((promise.start, *order));
            index.planned.insert(*order);
        } else {
            for (name, _) in need.amounts.iter() {
                index.unplanned_for.entry(SmolStr::new(name)).or_default().insert(*order);
            }
            if !need.paths.is_empty() {
                index.unplanned_paths.insert(*order);
            }
        }
    }

    fn replan(&mut self, request: &RequestId, promise: Option<Promise>, charged: &[Charge]) {
        let Some(order) = self.index.order_of.get(request).copied() else { return };
        self.unplan(&order);
        if let Some(waiting) = self.index.waiting.get_mut(&order) {
            waiting.promise = promise;
            waiting.charged = charged.to_vec();
        }
        self.plan(&order);
    }

    /// As many agents as are asked for, by name, of those that nobody has; none if none is named.
    pub(super) fn free_agents(&self, amount: Units) -> Vec<AgentId> {
        let count = usize::try_from(amount.thousandths() / 1_000).unwrap_or(usize::MAX);
        let named = self.state.inventory.agents.keys();
        named.filter(|agent| !self.index.busy.contains(*agent)).take(count).cloned().collect()
    }

    /// The token of the next grant.
    pub(super) const fn next_fence(&self) -> Fence {
        Fence::new(self.state.incarnation, self.next_counter())
    }
}

fn remove_from<K: Ord + std::borrow::Borrow<str>, V: Ord>(
    map: &mut BTreeMap<K, BTreeSet<V>>,
    key: &str,
    value: &V,
) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}
