//! Search for a seed that violates an invariant, and shrinking of what was found.

use super::event::{SimEvent, SimStats};
use super::plan::{Fault, Network, Plan};
use super::world::{SimOutcome, run};
use super::{Conditions, Scenario, Violation};
use std::collections::VecDeque;
use std::fmt;

/// How many lines of the transcript a counterexample shows.
const TAIL: usize = 30;

/// The maximum number of runs that shrinking takes, so that a world of long runs is shrunk in minutes.
const ATTEMPTS: usize = 2_000;

/// Runs one seed after another, up to the first that violates an invariant.
///
/// # Errors
/// A [`Counterexample`], shrunk.
#[doc(alias = "fuzz")]
pub fn explore(
    scenario: &dyn Scenario,
    conditions: &Conditions,
    seeds: impl IntoIterator<Item = u64>,
) -> Result<SimStats, Box<Counterexample>> {
    let mut stats = SimStats::default();
    for seed in seeds {
        stats.add(&try_seed(scenario, conditions, seed)?);
    }
    Ok(stats)
}

/// Runs one seed.
///
/// # Errors
/// A [`Counterexample`], shrunk.
pub fn try_seed(
    scenario: &dyn Scenario,
    conditions: &Conditions,
    seed: u64,
) -> Result<SimStats, Box<Counterexample>> {
    let plan = conditions.plan(scenario, seed);
    let outcome = run(scenario, &plan, &mut |_| {});
    match outcome.violation {
        None => Ok(outcome.stats),
        Some(_) => Err(Box::new(Counterexample::new(scenario, plan))),
    }
}

/// Runs a plan and keeps every line of its transcript.
pub fn transcript(scenario: &dyn Scenario, plan: &Plan) -> (SimOutcome, Vec<String>) {
    let mut lines = Vec::new();
    let outcome = run(scenario, plan, &mut |event| lines.push(event.to_string()));
    (outcome, lines)
}

/// A plan that violates an invariant. `Display` has all that is needed to look into it.
///
/// It is the result of a search, not an error of an operation, so it does not implement `Error`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counterexample {
    /// The plan as it was drawn.
    pub drawn: Plan,
    /// The smallest part of it that was found to violate the same invariant.
    pub plan: Plan,
    /// What the small plan violates.
    pub violation: Violation,
    /// The last lines of its transcript.
    pub tail: Vec<String>,
}

impl Counterexample {
    fn new(scenario: &dyn Scenario, drawn: Plan) -> Self {
        let plan = shrink(scenario, &drawn);
        let mut tail = VecDeque::new();
        let outcome = run(scenario, &plan, &mut |event: &SimEvent<'_>| {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(event.to_string());
        });
        // An actor that depends on anything but its inputs passes when it runs again.
        let none =
            || Violation::new("equal plans give equal runs", "the second run violated nothing");
        let violation = outcome.violation.unwrap_or_else(none);
        Counterexample { drawn, plan, violation, tail: tail.into() }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counterexample { drawn, plan, violation, tail } = self;
        writeln!(f, "{} fails with seed {}: {violation}", plan.scenario, drawn.seed)?;
        writeln!(f, "\nthe plan, shrunk:\n{plan}\nthe end of its transcript:")?;
        tail.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The smallest plan that is found to violate the same invariant; the plan itself if it violates none.
///
/// First the rates are replaced by the faults of single messages that they led to. Then stimuli and
/// faults are left out, half of them at a time, then a quarter, down to single ones, until all that is
/// left is needed; and the network is made perfect but for the faults that are left. It takes 2,000 runs
/// at most.
#[doc(alias = "minimize")]
pub fn shrink(scenario: &dyn Scenario, plan: &Plan) -> Plan {
    let outcome = run(scenario, plan, &mut |_| {});
    let Some(violation) = outcome.violation else { return plan.clone() };
    let mut shrinking = Shrinking {
        scenario,
        invariant: violation.invariant(),
        plan: plan.clone(),
        left: ATTEMPTS,
    };
    // Rates draw a fault for every message; only as faults of single messages can they be left out one
    // by one. A perfect network comes first: often the rates had no part in it.
    let mut pinned = plan.clone();
    pinned.network = pinned.network.calm();
    shrinking.attempt(pinned.clone());
    if shrinking.plan == *plan {
        pinned.faults.extend(outcome.message_faults);
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
    invariant: &'static str,
    /// The smallest plan so far.
    plan: Plan,
    left: usize,
}

impl Shrinking<'_> {
    /// Takes a plan if it violates the same invariant. Another violation is another bug.
    fn attempt(&mut self, plan: Plan) -> bool {
        if self.left == 0 || plan == self.plan {
            return false;
        }
        self.left -= 1;
        let violation = run(self.scenario, &plan, &mut |_| {}).violation;
        let same = violation.is_some_and(|found| found.invariant() == self.invariant);
        if same {
            self.plan = plan;
        }
        same
    }

    /// Leaves out stimuli and faults: large pieces first, since most of a drawn plan is not needed.
    fn spare(&mut self) {
        let mut size = (self.plan.stimuli.len() + self.plan.faults.len()).div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.plan.stimuli.len() + self.plan.faults.len() {
                let mut plan = self.plan.clone();
                let stimuli = plan.stimuli.len();
                let end = from + size;
                plan.stimuli.drain(from.min(stimuli)..end.min(stimuli));
                let faults = plan.faults.len();
                plan.faults
                    .drain(from.saturating_sub(stimuli)..end.saturating_sub(stimuli).min(faults));
                let spared = self.attempt(plan.clone())
                    || size == 1 && from < stimuli && self.renumbered(&plan);
                if !spared {
                    from = end;
                }
            }
            size /= 2;
        }
    }

    /// Takes a plan with one stimulus less. A fault counts the messages of its link, so without the message
    /// of that stimulus the one it means has a lower number.
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

    /// Makes the network fast, and lets crashes keep their disk: a reader asks whether they matter.
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
