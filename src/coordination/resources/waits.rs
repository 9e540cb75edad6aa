//! Those that wait: who may, when they are to start, and who starts when something is given back.

use super::decide::Decider;
use super::decision::{Charge, Decision, Promise, QueueOrder};
use super::explain::BlockingFact;
use super::need::{Need, PathLease, Submission, Tolerance};
use super::pool::Pool;
use super::timeline::ends;
use super::units::Units;
use crate::scalar::{Instant, WallTime};
use smol_str::SmolStr;
use std::time::Duration;

impl Decider<'_> {
    /// Plans anew what waits, and tells what that improved. Grants are left alone.
    pub fn optimize(&mut self) {
        let waits = |pool: &Pool, now: Instant| -> u64 {
            let promises = pool.waiting().filter_map(|waiting| waiting.promise);
            let wait = |p: Promise| p.start.since(now).as_millis();
            u64::try_from(promises.map(wait).sum::<u128>()).unwrap_or(u64::MAX)
        };
        let before = waits(self.pool, self.now.at);
        let queued = self.pool.queued();
        for order in self.pool.planned() {
            self.plan_sooner(&order);
        }
        self.start_all();
        let after = waits(self.pool, self.now.at);
        let started = u32::try_from(queued - self.pool.queued()).unwrap_or(u32::MAX);
        if after < before || started > 0 {
            self.decide(Decision::Optimized { before, after, started });
        }
    }
    /// Why a request must not wait, if it must not.
    pub(super) fn may_not_wait(
        &self,
        asked: &Submission,
        start: Option<Instant>,
        give_up: Instant,
    ) -> Vec<BlockingFact> {
        let mut facts = Vec::new();
        if !asked.fallback.queue {
            return facts;
        }
        let tolerates = match asked.tolerance {
            Tolerance::None => false,
            Tolerance::Low => !self.pool.contended(&asked.need),
            Tolerance::Medium => {
                start.is_some_and(|start| start <= give_up) && self.may_be_promised(&asked.need)
            }
            Tolerance::High => true,
        };
        if !tolerates {
            let duration = asked.need.duration;
            let taken = asked.need.paths.iter().find(|lease| self.path_is_taken(lease, duration));
            facts
                .extend(taken.map(|lease| BlockingFact::NotTolerated { path: lease.path.clone() }));
        }
        if self.pool.queued() >= self.options.max_waiting {
            facts.push(BlockingFact::QueueFull { limit: self.options.max_waiting });
        }
        if start.is_none_or(|start| start > give_up) {
            facts.push(BlockingFact::WaitTooLong {
                start: start.map(|start| WallTime::from_unix_millis(self.clocks().wall(start))),
                give_up: WallTime::from_unix_millis(self.clocks().wall(give_up)),
            });
        }
        facts.extend(self.deadlock(asked));
        facts
    }
    pub(super) fn path_is_taken(&self, lease: &PathLease, duration: Option<Duration>) -> bool {
        let mut need = Need::new().with_path(lease.clone());
        need.duration = duration;
        let facts = self.facts(&need);
        facts.iter().any(|fact| matches!(fact, BlockingFact::Path { .. }))
    }
    pub(super) fn may_be_promised(&self, need: &Need) -> bool {
        let timeline = self.pool.timeline();
        let amounts = need.amounts.iter();
        amounts.map(|(name, _)| timeline.plans_for(name)).all(|n| n < self.options.max_promises)
    }
    pub(super) fn promise(&self, start: Instant, latest: Option<Instant>) -> Promise {
        let latest = latest.unwrap_or_else(|| ends(start, self.options.promise_slack));
        Promise { start, latest }
    }
    /// What a start at a moment sets aside of budgets.
    pub(super) fn charges(&self, need: &Need, start: Instant) -> Vec<Charge> {
        let wall = self.clocks().wall(start);
        let budgets = &self.pool.inventory().budgets;
        let charge = |(name, amount): (&str, Units)| {
            let window = budgets.get(name)?.window_of(wall);
            Some(Charge { name: SmolStr::new(name), window, amount })
        };
        need.amounts.iter().filter_map(charge).collect()
    }
    /// Something was given back, or is no longer set aside: those that wait for it are tried in their order, until
    /// it is used up. Their plans stay; [`optimize`](Decider::optimize) draws them closer.
    pub(super) fn freed(&mut self, freed: &Need) {
        let mut left = freed.amounts.clone();
        for order in self.pool.candidates(freed, self.options.scan_limit) {
            let Some(waiting) = self.pool.at(&order) else { continue };
            let need = waiting.submission.need.amounts.clone();
            if self.try_start(&order) {
                for (name, amount) in need.iter() {
                    left.set(name, left.get(name).minus(amount));
                }
                if left.is_empty() && freed.paths.is_empty() {
                    break;
                }
            }
        }
        for (name, _) in freed.amounts.iter() {
            self.watch(name);
        }
        self.promise_next(freed);
    }

    /// Tries all that wait, up to the limit.
    pub(super) fn start_all(&mut self) {
        let orders: Vec<QueueOrder> =
            self.pool.waiting().map(|w| w.order).take(self.options.scan_limit).collect();
        for order in orders {
            self.try_start(&order);
        }
    }
    /// Gives a promise to those that have none, as long as there is room for one.
    pub(super) fn promise_next(&mut self, need: &Need) {
        for _ in 0..self.options.scan_limit {
            let Some(order) = self.pool.first_unplanned(need) else { return };
            let Some(waiting) = self.pool.at(&order) else { return };
            let (request_id, need) =
                (waiting.submission.request_id.clone(), waiting.submission.need.clone());
            if !self.may_be_promised(&need) {
                return;
            }
            let Some(start) = self.earliest(&need, need.duration.unwrap_or_default()) else {
                return;
            };
            let (promise, charged) = (self.promise(start, None), self.charges(&need, start));
            self.decide(Decision::Planned { request_id, promise, charged });
        }
    }
    /// Starts one that waits, if nothing but its own plan is in its way.
    pub(super) fn try_start(&mut self, order: &QueueOrder) -> bool {
        self.pool.unplan(order);
        let Some(waiting) = self.pool.at(order) else { return false };
        let need = &waiting.submission.need;
        let duration = need.duration.unwrap_or_default();
        let fits = self.fits(need, duration);
        let (asked, freed) = (waiting.submission.clone(), waiting.promise.is_some());
        self.pool.plan(order);
        if fits {
            let need = asked.need.clone();
            self.grant(&asked, need.clone(), true);
            if freed {
                // It leaves room for a promise.
                self.promise_next(&need);
            }
        }
        fits
    }
    /// Plans one that waits at an earlier time, if that can be.
    pub(super) fn plan_sooner(&mut self, order: &QueueOrder) {
        self.pool.unplan(order);
        let Some(waiting) = self.pool.at(order) else { return };
        let (need, promise) = (&waiting.submission.need, waiting.promise);
        let start = self.earliest(need, need.duration.unwrap_or_default());
        let (request_id, need) = (waiting.submission.request_id.clone(), need.clone());
        self.pool.plan(order);
        if let (Some(start), Some(old)) = (start, promise)
            && start < old.start
        {
            let promise = self.promise(start, Some(old.latest));
            let charged = self.charges(&need, start);
            self.decide(Decision::Planned { request_id, promise, charged });
        }
    }
    /// Plans one that waits at a later time, since it cannot start when it was to.
    pub(super) fn move_promise(&mut self, order: &QueueOrder, cause: &str) {
        self.pool.unplan(order);
        let Some(waiting) = self.pool.at(order) else { return };
        let (need, promise) = (&waiting.submission.need, waiting.promise);
        let later = Instant::from_nanos(self.now.at.as_nanos().saturating_add(1));
        let within = self.within(need, need.duration.unwrap_or_default());
        let start = self.pool.timeline().earliest(later, &within);
        let (request_id, need) = (waiting.submission.request_id.clone(), need.clone());
        self.pool.plan(order);
        let Some(old) = promise else { return };
        let charged = start.map_or_else(Vec::new, |start| self.charges(&need, start));
        match start {
            // Within what was promised there is room.
            Some(start) if start <= old.latest => {
                let promise = self.promise(start, Some(old.latest));
                self.decide(Decision::Planned { request_id, promise, charged });
            }
            _ => {
                let to = start.map(|start| self.promise(start, None));
                let cause = SmolStr::new(cause);
                let from = old.latest;
                self.decide(Decision::PromiseMoved { request_id, from, to, cause, charged });
            }
        }
    }
    /// Plans anew, in their order, all whose plans no longer hold.
    pub(super) fn plan_all(&mut self, cause: &str) {
        for order in self.pool.planned() {
            self.pool.unplan(&order);
            let Some(waiting) = self.pool.at(&order) else { continue };
            let (need, promise) = (&waiting.submission.need, waiting.promise);
            let within = self.within(need, need.duration.unwrap_or_default());
            let holds = promise.is_some_and(|promise| {
                let start = promise.start.max(self.now.at);
                self.pool.timeline().fits(start, &within)
            });
            self.pool.plan(&order);
            if !holds {
                self.move_promise(&order, cause);
            }
        }
        let unplanned: Vec<Need> = self
            .pool
            .waiting()
            .filter(|waiting| waiting.promise.is_none())
            .map(|waiting| waiting.submission.need.clone())
            .take(self.options.max_promises)
            .collect();
        for need in unplanned {
            self.promise_next(&need);
        }
    }
}
