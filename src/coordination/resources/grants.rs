//! What becomes of grants, and of requests that are taken back.

use super::decide::{Decider, GrantError, reusable};
use super::decision::{Decision, EndReason, Grant, WaitEnd};
use super::explain::{BlockingFact, Explanation};
use super::need::{Holder, Need};
use super::timeline::ends;
use super::units::Amounts;
use crate::scalar::{AllocationId, Fence, Instant, RequestId, WallTime, WorkflowId};
use std::time::Duration;

impl Decider<'_> {
    /// Gives a grant back. What was used of budgets is charged, the rest refunded. The one way to end a grant
    /// by somebody's will.
    ///
    /// # Errors
    /// [`Unknown`](GrantError::Unknown), [`Fenced`](GrantError::Fenced).
    pub fn release(
        &mut self,
        allocation: &AllocationId,
        fence: Option<Fence>,
        reason: EndReason,
        used: Amounts,
    ) -> Result<Grant, GrantError> {
        let grant = self.held(allocation, fence)?.clone();
        self.end(allocation, reason, used);
        Ok(grant)
    }
    /// Ends all grants of a workflow, and its requests that wait.
    pub fn end_workflow(&mut self, workflow: &WorkflowId) {
        let waiting: Vec<RequestId> = self
            .pool
            .waiting()
            .filter(|waiting| &waiting.submission.workflow_id == workflow)
            .map(|waiting| waiting.submission.request_id.clone())
            .collect();
        for request in waiting {
            self.stop_waiting(&request, WaitEnd::Cancelled);
        }
        let held: Vec<AllocationId> =
            self.pool.held_by(workflow).map(|grant| grant.allocation_id.clone()).collect();
        for allocation in held {
            self.end(&allocation, EndReason::WorkflowEnded, Amounts::new());
        }
    }
    /// Takes a grant that was offered.
    ///
    /// # Errors
    /// [`Unknown`](GrantError::Unknown); [`Claimed`](GrantError::Claimed) by another holder.
    pub fn claim(
        &mut self,
        allocation: &AllocationId,
        holder: Option<Holder>,
    ) -> Result<Grant, GrantError> {
        let grant = self.held(allocation, None)?.clone();
        if grant.claim_by.is_none() {
            // The same holder may ask again: its answer may have been lost.
            if holder.is_some() && grant.holder == holder {
                return Ok(grant);
            }
            return Err(GrantError::Claimed { allocation: allocation.clone() });
        }
        self.decide(Decision::Claimed { allocation_id: allocation.clone(), holder });
        Ok(self.held(allocation, None)?.clone())
    }
    /// Lets a grant end later. It must not be in the way of anybody who was promised something.
    ///
    /// # Errors
    /// [`Unknown`](GrantError::Unknown), [`Fenced`](GrantError::Fenced),
    /// [`NoExtension`](GrantError::NoExtension).
    pub fn extend(
        &mut self,
        allocation: &AllocationId,
        fence: Option<Fence>,
        by: Duration,
    ) -> Result<Grant, GrantError> {
        let grant = self.held(allocation, fence)?.clone();
        let end = ends(grant.end, by);
        let lasts = end.since(self.now.at);
        let since = Duration::from_millis(
            u64::try_from(self.now.wall.unix_millis().saturating_sub(grant.since.unix_millis()))
                .unwrap_or_default(),
        );
        let limit = self.options.auto_release_timeout;
        let mut facts = Vec::new();
        if since + lasts > limit {
            facts.push(BlockingFact::Duration { needed: since + lasts, limit });
        }
        // What it holds itself is not in its way.
        self.pool.timeline_mut().give_back(allocation, &grant.need, grant.end);
        let need = Need { duration: Some(lasts), ..reusable(&grant.need, self.pool.inventory()) };
        facts.extend(self.facts(&need).into_iter().filter(|fact| {
            // The windows are about when files are taken, not about how long they are held.
            !matches!(fact, BlockingFact::Window { .. })
        }));
        self.pool.timeline_mut().take(allocation, &grant.need, grant.end);
        if !facts.is_empty() {
            let blocked = Box::new(Explanation { facts, changes: Vec::new() });
            let allocation = allocation.clone();
            return Err(GrantError::NoExtension { allocation, blocked });
        }
        let end_wall = WallTime::from_unix_millis(self.clocks().wall(end));
        let allocation_id = allocation.clone();
        self.decide(Decision::Extended { allocation_id, end, end_wall });
        Ok(self.held(allocation, None)?.clone())
    }
    /// Ends the wait of those who are gone, of the first so many that show that they are there.
    pub fn waiters_gone(&mut self, asked: usize, mut is_gone: impl FnMut(&Holder) -> bool) {
        let live = self.pool.waiting().filter_map(|waiting| {
            let waiter = waiting.submission.waiter.as_ref().filter(|waiter| waiter.live)?;
            Some((waiting.submission.request_id.clone(), waiter))
        });
        let gone = live.take(asked).filter(|(_, waiter)| is_gone(waiter));
        let gone: Vec<RequestId> = gone.map(|(request, _)| request).collect();
        for request in gone {
            self.stop_waiting(&request, WaitEnd::WaiterGone);
        }
    }

    /// Takes back a request that waits.
    ///
    /// # Errors
    /// [`NotWaiting`](GrantError::NotWaiting).
    pub fn cancel(&mut self, request: &RequestId, reason: WaitEnd) -> Result<(), GrantError> {
        if self.pool.waiting_of(request).is_none() {
            return Err(GrantError::NotWaiting { request: request.clone() });
        }
        self.stop_waiting(request, reason);
        Ok(())
    }
    pub(super) fn held(
        &self,
        allocation: &AllocationId,
        fence: Option<Fence>,
    ) -> Result<&Grant, GrantError> {
        let Some(grant) = self.pool.grant(allocation) else {
            let settled = self.pool.ended(allocation).cloned();
            return Err(GrantError::Unknown { allocation: allocation.clone(), settled });
        };
        match fence {
            Some(given) if given != grant.fence => Err(GrantError::Fenced {
                allocation: allocation.clone(),
                present: grant.fence,
                given,
            }),
            _ => Ok(grant),
        }
    }
    /// The one way in which a grant ends, whatever ended it.
    pub(super) fn end(&mut self, allocation: &AllocationId, reason: EndReason, used: Amounts) {
        let Some(grant) = self.pool.grant(allocation) else { return };
        let freed = grant.need.clone();
        self.decide(Decision::Ended { allocation_id: allocation.clone(), reason, used });
        self.freed(&freed);
    }
    /// The one way in which a wait ends without a grant.
    pub(super) fn stop_waiting(&mut self, request: &RequestId, reason: WaitEnd) {
        let Some(waiting) = self.pool.waiting_of(request) else { return };
        let freed = waiting.submission.need.clone();
        let planned = waiting.promise.is_some();
        self.decide(Decision::WaitEnded { request_id: request.clone(), reason });
        if planned {
            self.freed(&freed);
        }
    }
    pub(super) fn not_proved(&mut self, allocation: &AllocationId, again: Instant) {
        self.decide(Decision::NotProved { allocation_id: allocation.clone(), again });
        self.plan_all(allocation.as_str());
    }
    /// Ends a grant whose holder does not show itself, or keeps it if something may still work with it.
    pub fn expire(&mut self, allocation: &AllocationId, reason: EndReason, dead: bool) {
        if dead {
            self.end(allocation, reason, Amounts::new());
        } else {
            let again = ends(self.now.at, self.options.claim_time / 4 + Duration::from_millis(1));
            self.not_proved(allocation, again);
        }
    }
}
