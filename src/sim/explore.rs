//! Looking for a seed that breaks a law, and making what was found small.

use super::event::{Event, Stats};
use super::plan::{Fault, Network, Plan};
use super::world::{Outcome, run};
use super::{Broken, Conditions, Scenario};
use std::collections::VecDeque;
use std::fmt;

/// How many lines of the transcript a failure shows.
const TAIL: usize = 30;

/// The most runs that shrinking takes.
const ATTEMPTS: usize = 2_000;

/// Runs one seed after another, up to the first that breaks a law.
///
/// # Errors
/// [`Failed`], shrunk.
pub fn explore(
    scenario: &dyn Scenario,
    conditions: &Conditions,
    seeds: impl IntoIterator<Item = u64>,
) -> Result<Stats, Box<Failed>> {
    let mut stats = Stats::default();
    for seed in seeds {
        stats.add(&try_seed(scenario, conditions, seed)?);
    }
    Ok(stats)
}

/// Runs one seed.
///
/// # Errors
/// [`Failed`], shrunk.
pub fn try_seed(
    scenario: &dyn Scenario,
    conditions: &Conditions,
    seed: u64,
) -> Result<Stats, Box<Failed>> {
    let plan = conditions.plan(scenario, seed);
    let outcome = run(scenario, &plan, &mut |_| {});
    match outcome.broken {
        None => Ok(outcome.stats),
        Some(_) => Err(Box::new(Failed::new(scenario, plan))),
    }
}

/// A run with every line of its transcript.
pub fn transcript(scenario: &dyn Scenario, plan: &Plan) -> (Outcome, Vec<String>) {
    let mut lines = Vec::new();
    let outcome = run(scenario, plan, &mut |event| lines.push(event.to_string()));
    (outcome, lines)
}

/// A plan that breaks a law. `Display` has all that is needed to look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failed {
    /// The plan as it was drawn.
    pub drawn: Plan,
    /// As little of it as breaks the same law.
    pub plan: Plan,
    /// What the small plan breaks.
    pub broken: Broken,
    /// The last lines of its transcript.
    pub tail: Vec<String>,
}

impl Failed {
    fn new(scenario: &dyn Scenario, drawn: Plan) -> Self {
        let plan = shrink(scenario, &drawn);
        let mut tail = VecDeque::new();
        let outcome = run(scenario, &plan, &mut |event: &Event<'_>| {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(event.to_string());
        });
        let nothing = || Broken::new("equal plans give equal runs", "the second run broke nothing");
        let broken = outcome.broken.unwrap_or_else(nothing);
        Failed { drawn, plan, broken, tail: tail.into() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failed { drawn, plan, broken, tail } = self;
        writeln!(f, "{} breaks with seed {}: {broken}", plan.scenario, drawn.seed)?;
        writeln!(f, "\nthe plan, shrunk:\n{plan}\nthe end of its transcript:")?;
        tail.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl std::error::Error for Failed {}

/// The smallest plan that is found to break the same law; the plan itself if it breaks none.
///
/// First the rates are replaced by the mishaps that they led to. Then acts and faults are left out,
/// half of them at a time, then a quarter, down to single ones, until none can be spared; and the
/// network is made perfect but for the mishaps that are left. It takes 2,000 runs at most.
pub fn shrink(scenario: &dyn Scenario, plan: &Plan) -> Plan {
    let outcome = run(scenario, plan, &mut |_| {});
    let Some(broken) = outcome.broken else { return plan.clone() };
    let mut shrinking =
        Shrinking { scenario, law: broken.law(), plan: plan.clone(), left: ATTEMPTS };
    let mut pinned = plan.clone();
    pinned.network = pinned.network.calm();
    shrinking.attempt(pinned.clone());
    if shrinking.plan == *plan {
        pinned.faults.extend(outcome.mishaps);
        shrinking.attempt(pinned);
    }
    loop {
        let before = shrinking.plan.clone();
        shrinking.spare();
        shrinking.soften();
        if shrinking.plan == before || shrinking.left == 0 {
            return shrinking.plan;
        }
    }
}

struct Shrinking<'s> {
    scenario: &'s dyn Scenario,
    law: &'static str,
    /// The smallest plan so far.
    plan: Plan,
    left: usize,
}

impl Shrinking<'_> {
    /// Takes a plan if it breaks the same law.
    fn attempt(&mut self, plan: Plan) -> bool {
        if self.left == 0 || plan == self.plan {
            return false;
        }
        self.left -= 1;
        let broken = run(self.scenario, &plan, &mut |_| {}).broken;
        let same = broken.is_some_and(|broken| broken.law() == self.law);
        if same {
            self.plan = plan;
        }
        same
    }

    /// Leaves out acts and faults.
    fn spare(&mut self) {
        let mut size = (self.plan.acts.len() + self.plan.faults.len()).div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.plan.acts.len() + self.plan.faults.len() {
                let mut plan = self.plan.clone();
                let acts = plan.acts.len();
                let end = from + size;
                plan.acts.drain(from.min(acts)..end.min(acts));
                let faults = plan.faults.len();
                plan.faults.drain(from.saturating_sub(acts)..end.saturating_sub(acts).min(faults));
                let spared = self.attempt(plan.clone())
                    || size == 1 && from < acts && self.renumbered(&plan);
                if !spared {
                    from = end;
                }
            }
            size /= 2;
        }
    }

    /// Takes a plan with one act less, whose message a later mishap may have counted.
    fn renumbered(&mut self, plan: &Plan) -> bool {
        (0..plan.faults.len()).any(|index| {
            let mut plan = plan.clone();
            match &mut plan.faults[index] {
                Fault::Message { number, .. } if *number > 1 => *number -= 1,
                _ => return false,
            }
            self.attempt(plan)
        })
    }

    /// Makes the network faster, and crashes keep their disk.
    fn soften(&mut self) {
        let mut plan = self.plan.clone();
        let perfect = Network::perfect();
        plan.network.latency = perfect.latency;
        self.attempt(plan);
        let mut plan = self.plan.clone();
        if (plan.network.lost, plan.network.repeated, plan.network.late) == (0, 0, 0) {
            plan.network.late_by = 0;
            self.attempt(plan);
        }
        for index in 0..self.plan.faults.len() {
            let mut plan = self.plan.clone();
            if let Fault::Crash { wiped: wiped @ true, .. } = &mut plan.faults[index] {
                *wiped = false;
                self.attempt(plan);
            }
        }
    }
}
