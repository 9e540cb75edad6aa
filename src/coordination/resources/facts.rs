//! The facts that block a request, the smallest changes that would not, and who would wait for whom.

use super::decide::Decider;
use super::decision::Grant;
use super::explain::{BlockingFact, Change, Explanation, Held, HeldBy, Step};
use super::need::{Access, Need, Submission};
use super::timeline::{Obstacle, Taker, ends};
use super::units::Units;
use crate::path::PathPattern;
use crate::scalar::{AllocationId, Instant, WallTime, WorkflowId};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many smallest changes are told.
const CHANGES: usize = 3;
/// How many holders are tried, whether the end of one of them would do.
const TRIED: usize = 16;

impl Decider<'_> {
    /// Why a request is not granted now, whether it waits or not. A request that waits is not in its own way.
    pub fn explain(&mut self, asked: &Submission) -> Explanation {
        let order = self.pool.waiting_of(&asked.request_id).map(|waiting| waiting.order);
        if let Some(order) = &order {
            self.pool.unplan(order);
        }
        let mut facts = self.statics(asked);
        if facts.is_empty() {
            facts = self.facts(&asked.need);
        }
        let changes = self.changes(asked, &facts);
        if let Some(order) = &order {
            self.pool.plan(order);
        }
        Explanation { facts, changes }
    }

    /// The time on the wall at a moment that is not before now.
    pub fn wall_of(&self, at: Instant) -> WallTime {
        WallTime::from_unix_millis(self.clocks().wall(at))
    }

    /// All that keeps a need from being granted now.
    pub(super) fn facts(&self, need: &Need) -> Vec<BlockingFact> {
        let duration = self.duration_of(need);
        let (start, end) = (self.now.at, ends(self.now.at, duration));
        let within = self.within(need, duration);
        let inventory = self.pool.inventory();
        let mut facts: Vec<BlockingFact> = Vec::new();
        for obstacle in self.pool.timeline().blocking(start, &within) {
            match obstacle {
                Obstacle::Amount { name, free } => {
                    let (holders, count) = self.pool.holders_of(&name);
                    let by: Vec<HeldBy> =
                        holders.take(self.options.max_named).map(held_by).collect();
                    let ahead = self.pool.timeline().planned_in(&name, start, end);
                    facts.push(BlockingFact::Amount {
                        needed: need.amounts.get(&name),
                        free,
                        capacity: inventory.capacity(&name),
                        held: Held { more: count - by.len(), by },
                        ahead: ahead.take(self.options.max_named).cloned().collect(),
                        name,
                    });
                }
                Obstacle::Path { wanted, held, by } => {
                    self.path_fact(&mut facts, need, wanted, held, &by.by);
                }
                Obstacle::Budget { name, left } => {
                    let Some(budget) = inventory.budgets.get(&name) else { continue };
                    let renews = budget.next(budget.window_of(self.now.wall.unix_millis()));
                    facts.push(BlockingFact::Budget {
                        needed: need.amounts.get(&name),
                        left,
                        limit: budget.limit,
                        renews: WallTime::from_unix_millis(renews),
                        name,
                    });
                }
                Obstacle::Window => {
                    let now = self.now.wall.unix_millis();
                    let opens = i64::try_from(self.options.opens(now)).unwrap_or(i64::MAX);
                    let opens = WallTime::from_unix_millis(now.saturating_add(opens));
                    facts.push(BlockingFact::Window { opens });
                }
            }
        }
        facts
    }

    /// One fact for each pair of paths, with all who hold the second.
    fn path_fact(
        &self,
        facts: &mut Vec<BlockingFact>,
        need: &Need,
        wanted: PathPattern,
        path: PathPattern,
        by: &Taker,
    ) {
        let same = |fact: &BlockingFact| {
            let pair = match fact {
                BlockingFact::Path { wanted, taken, .. } => Some((wanted, taken)),
                _ => None,
            };
            pair == Some((&wanted, &path))
        };
        let at = facts.iter().position(same).unwrap_or_else(|| {
            let lease = need.paths.iter().find(|lease| lease.path == wanted);
            let access = lease.map_or(Access::Exclusive, |lease| lease.access);
            let (held, ahead) = (Held::default(), Vec::new());
            facts.push(BlockingFact::Path { wanted, access, taken: path, held, ahead });
            facts.len() - 1
        });
        let BlockingFact::Path { held, ahead, .. } = &mut facts[at] else { return };
        match by {
            Taker::Grant(_) if held.by.len() >= self.options.max_named => held.more += 1,
            Taker::Grant(id) => held.by.extend(self.pool.grant(id).map(held_by)),
            Taker::Plan(_) if ahead.len() >= self.options.max_named => {}
            Taker::Plan(request) => ahead.push(request.clone()),
        }
    }

    /// Up to three smallest changes, those with the fewest steps first.
    pub(super) fn changes(&mut self, asked: &Submission, facts: &[BlockingFact]) -> Vec<Change> {
        let mut found: Vec<Vec<Step>> = Vec::new();
        // What never fits is not helped by others, nor by time.
        if self.statics(asked).is_empty() {
            found.extend(self.one_that_ends(asked, facts));
            let duration = self.duration_of(&asked.need);
            let start = self.earliest(&asked.need, duration);
            found.extend(start.and_then(|start| self.wait(start, asked, duration)));
            // Those that wait for the budget would have it first.
            if let [BlockingFact::Budget { name, needed, left, limit, .. }] = facts
                && self.pool.candidates(&Need::new().with(name, *needed), 1).is_empty()
            {
                let limit = limit.minus(*left).plus(*needed);
                found.push(vec![Step::LargerBudget { name: name.clone(), limit }]);
            }
        }
        found.push(self.ask_for_less(asked));
        found.retain(|steps| !steps.is_empty());
        found.sort_by_key(Vec::len);
        found.truncate(CHANGES);
        found.into_iter().map(|steps| Change { steps }).collect()
    }

    /// The wait until a moment, in whole milliseconds: the wall clock tells no finer.
    fn wait(&self, start: Instant, asked: &Submission, duration: Duration) -> Option<Vec<Step>> {
        let clocks = self.clocks();
        let mut until = clocks.wall(start);
        if clocks.at(until) < start {
            until += 1;
        }
        let within = self.within(&asked.need, duration);
        let fits = self.pool.timeline().fits(clocks.at(until), &within);
        fits.then(|| vec![Step::Wait { until: WallTime::from_unix_millis(until) }])
    }

    /// A grant without which the request could start now.
    fn one_that_ends(&mut self, asked: &Submission, facts: &[BlockingFact]) -> Option<Vec<Step>> {
        let named = facts.iter().flat_map(|fact| match fact {
            BlockingFact::Amount { held, .. } | BlockingFact::Path { held, .. } => {
                held.by.as_slice()
            }
            _ => &[],
        });
        let named: BTreeSet<&AllocationId> =
            named.take(TRIED).map(|held| &held.allocation_id).collect();
        let duration = self.duration_of(&asked.need);
        for id in named {
            let Some(grant) = self.pool.grant(id).cloned() else { continue };
            // Those that wait for what it gives back would have it first.
            if !self.pool.candidates(&grant.need, 1).is_empty() {
                continue;
            }
            // What it used of a budget stays used.
            self.pool.timeline_mut().give_back(id, &grant.need, grant.end);
            let fits = self.fits(&asked.need, duration);
            self.pool.timeline_mut().take(id, &grant.need, grant.end);
            if fits {
                return Some(vec![Step::Ends { allocation_id: id.clone() }]);
            }
        }
        None
    }

    /// A request for less that could start now: one step for each fact, and none that is not needed.
    fn ask_for_less(&self, asked: &Submission) -> Vec<Step> {
        let mut less = asked.clone();
        let mut steps = Vec::new();
        // A step may uncover what stood behind it, so it is asked again until nothing is in the way.
        for _ in 0..4 {
            let mut facts = self.statics(&less);
            if facts.is_empty() {
                facts = self.facts(&less.need);
            }
            if facts.is_empty() {
                break;
            }
            for fact in facts {
                if let BlockingFact::Window { .. } = fact {
                    // They are about what is held alone.
                    let alone = less.need.paths.iter().filter(|l| l.access == Access::Exclusive);
                    let paths: Vec<PathPattern> = alone.map(|lease| lease.path.clone()).collect();
                    for path in paths {
                        let step = Step::Share { path };
                        step.apply_to(&mut less);
                        steps.push(step);
                    }
                    continue;
                }
                let step = match fact {
                    BlockingFact::Amount { name, free, .. } => {
                        let to = if name == super::units::AGENTS { free.floor() } else { free };
                        Step::Less { name, to }
                    }
                    BlockingFact::Never { name, capacity, .. } => Step::Less { name, to: capacity },
                    BlockingFact::Budget { name, left, .. } => Step::Less { name, to: left },
                    BlockingFact::Path { wanted, access, .. } => {
                        let shared = Need { paths: Vec::new(), ..less.need.clone() };
                        let lease = super::need::PathLease::shared(wanted.clone());
                        let shared = shared.with_path(lease);
                        let helps = access == Access::Exclusive
                            && !self
                                .facts(&shared)
                                .iter()
                                .any(|fact| matches!(fact, BlockingFact::Path { .. }));
                        if helps {
                            Step::Share { path: wanted }
                        } else {
                            Step::Drop { path: wanted }
                        }
                    }
                    BlockingFact::Duration { limit, .. } => Step::Shorter { to: limit },
                    BlockingFact::MemoryPerAgent { limit, .. } => {
                        let agents = less.need.amounts.get(super::units::AGENTS).thousandths();
                        let agents = (agents / 1_000).max(1);
                        let to = limit.thousandths().saturating_mul(agents);
                        Step::Less {
                            name: SmolStr::new_static(super::units::MEMORY),
                            to: Units::from_thousandths(to),
                        }
                    }
                    BlockingFact::Performance { .. } => Step::AnyPerformance,
                    // It is only about when, and some time passes by itself.
                    _ => return Vec::new(),
                };
                if !steps.contains(&step) {
                    step.apply_to(&mut less);
                    steps.push(step);
                }
            }
        }
        if less.need.is_empty() || !self.would_start(&less) {
            return Vec::new();
        }
        self.without_needless(asked, steps)
    }

    /// The same steps without those that are not needed.
    fn without_needless(&self, asked: &Submission, mut steps: Vec<Step>) -> Vec<Step> {
        let mut at = 0;
        while at < steps.len() && steps.len() > 1 {
            let mut tried = asked.clone();
            let others = steps.iter().enumerate().filter(|(other, _)| *other != at);
            others.for_each(|(_, step)| step.apply_to(&mut tried));
            if !tried.need.is_empty() && self.would_start(&tried) {
                steps.remove(at);
            } else {
                at += 1;
            }
        }
        steps
    }

    fn would_start(&self, submission: &Submission) -> bool {
        self.statics(submission).is_empty()
            && self.fits(&submission.need, self.duration_of(&submission.need))
    }

    /// Whether what a request needs is held by those who wait, directly or not, for what its workflow holds.
    ///
    /// Workflows that wait for nothing give back what they hold, then those whose requests fit do, and so on. If
    /// in the end the request still does not fit, nobody will ever give back what it needs.
    pub(super) fn deadlock(&self, asked: &Submission) -> Option<BlockingFact> {
        // Who holds nothing is in nobody's way.
        self.pool.held_by(&asked.workflow_id).next()?;
        let mut waiting: BTreeMap<&WorkflowId, Vec<&Need>> = BTreeMap::new();
        for other in self.pool.waiting() {
            let submission = &other.submission;
            waiting.entry(&submission.workflow_id).or_default().push(&submission.need);
        }
        if waiting.is_empty() {
            return None;
        }
        waiting.entry(&asked.workflow_id).or_default().push(&asked.need);
        let mut left: Vec<&Grant> = self.pool.grants().collect();
        loop {
            let before = (left.len(), waiting.len());
            left.retain(|grant| waiting.contains_key(&grant.workflow_id));
            // A workflow keeps what it holds while it waits for more.
            let fit: Vec<WorkflowId> = waiting
                .iter()
                .filter(|(_, needs)| needs.iter().all(|need| self.is_free(need, &left)))
                .map(|(workflow, _)| (*workflow).clone())
                .collect();
            waiting.retain(|workflow, _| !fit.contains(workflow));
            if !waiting.contains_key(&asked.workflow_id) {
                return None;
            }
            if before == (left.len(), waiting.len()) {
                break;
            }
        }
        let others: Vec<WorkflowId> = left
            .iter()
            .map(|grant| &grant.workflow_id)
            .filter(|workflow| **workflow != asked.workflow_id)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .cloned()
            .collect();
        // Nobody else holds anything: it asks for more than there is beside its own.
        (!others.is_empty()).then_some(BlockingFact::Deadlock { workflows: others })
    }

    /// Whether a need fits beside some grants, whatever is planned.
    fn is_free(&self, need: &Need, held: &[&Grant]) -> bool {
        let inventory = self.pool.inventory();
        let amounts = need.amounts.iter().all(|(name, amount)| {
            let taken =
                held.iter().fold(amount, |sum, grant| sum.plus(grant.need.amounts.get(name)));
            inventory.budgets.contains_key(name) || taken <= inventory.capacity(name)
        });
        amounts
            && need.paths.iter().all(|lease| {
                let others = held.iter().flat_map(|grant| &grant.need.paths);
                !others
                    .filter(|other| other.access.excludes(lease.access))
                    .any(|other| other.path.overlaps(&lease.path))
            })
    }
}

fn held_by(grant: &Grant) -> HeldBy {
    HeldBy {
        allocation_id: grant.allocation_id.clone(),
        workflow_id: grant.workflow_id.clone(),
        until: grant.end_wall,
        unproved: grant.unproved,
    }
}
