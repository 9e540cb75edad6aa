//! Search for a seed that violates an invariant, and shrinking of what was found.

use super::event::{SimEvent, SimStats};
use super::plan::{Network, Plan, SimFault};
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
                SimFault::Message { number, .. } if *number > 1 => *number -= 1,
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
            if let SimFault::Crash { wiped: wiped @ true, .. } = &mut plan.faults[index] {
                *wiped = false;
                self.attempt(plan);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Actor, Check, Effects, Host, MessageFault, SimEventKind, Stimulus, Violation,
    };
    use super::*;
    use crate::scalar::{Instant, Now};
    use std::collections::BTreeSet;

    /// `a` sends the number of each stimulus to `b`, which marks what arrives.
    struct Node;

    impl Actor for Node {
        fn receive(&mut self, _: Now, _: &str, bytes: &[u8], effects: &mut Effects) {
            effects.mark("got", String::from_utf8_lossy(bytes));
        }

        fn stimulus(&mut self, _: Now, number: u64, effects: &mut Effects) {
            effects.send("b", number.to_string());
        }
    }

    struct Numbers(fn() -> Box<dyn Check>);

    impl Scenario for Numbers {
        fn name(&self) -> &'static str {
            "numbers"
        }

        fn nodes(&self) -> Vec<String> {
            ["a", "b"].map(str::to_owned).to_vec()
        }

        fn boot(&self, _: &Host<'_>) -> Box<dyn Actor> {
            Box::new(Node)
        }

        fn check(&self) -> Box<dyn Check> {
            self.0()
        }
    }

    fn plan(numbers: impl IntoIterator<Item = u64>) -> Plan {
        let numbers = numbers.into_iter();
        numbers.fold(Plan::new("numbers", 1), |plan, number| {
            plan.with_stimulus(Stimulus::new("a", number * 100, number))
        })
    }

    fn numbers(plan: &Plan) -> Vec<u64> {
        plan.stimuli.iter().map(|stimulus| stimulus.number).collect()
    }

    fn number(event: &SimEvent<'_>) -> Option<u64> {
        match event.kind {
            SimEventKind::Marked { word: "got", text } => text.parse().ok(),
            _ => None,
        }
    }

    #[test]
    fn what_is_needed_together_is_left_and_nothing_else() {
        let both = Numbers(|| {
            let mut got = BTreeSet::new();
            Box::new(move |event: &SimEvent<'_>| {
                got.extend(number(event));
                let both = got.contains(&3) && got.contains(&6);
                if both { Err(Violation::new("not both", "3 and 6")) } else { Ok(()) }
            })
        });
        let mut noisy = plan(1..=9)
            .with_fault(SimFault::Crash { node: "a".to_owned(), at: 950, down: 9, wiped: true })
            .with_fault(SimFault::Shift { node: "b".to_owned(), at: 5, by: 7 });
        noisy.network.latency = (1, 50);
        let small = shrink(&both, &noisy);
        assert_eq!((numbers(&small), small.faults.len()), (vec![3, 6], 0));
        assert_eq!(small.network, Network::perfect());
    }

    /// Each number arrives, by the end.
    #[derive(Default)]
    struct Arrives {
        sent: BTreeSet<u64>,
        got: BTreeSet<u64>,
    }

    impl Check for Arrives {
        fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
            if let SimEventKind::Stimulated(number) = event.kind {
                self.sent.insert(number);
            }
            self.got.extend(number(event));
            Ok(())
        }

        fn end(&mut self, _: Instant) -> Result<(), Violation> {
            if self.sent == self.got {
                return Ok(());
            }
            Err(Violation::new("each number arrives", "one does not"))
        }
    }

    fn lost(number: u32) -> SimFault {
        let (from, to) = ("a".to_owned(), "b".to_owned());
        SimFault::Message { from, to, number, fault: MessageFault::Lost }
    }

    #[test]
    fn a_fault_follows_its_message_when_those_before_it_go() {
        // Without the stimuli 1 to 3, the fourth message is the first.
        let small =
            shrink(&Numbers(|| Box::<Arrives>::default()), &plan(1..=5).with_fault(lost(4)));
        assert_eq!((numbers(&small).len(), small.faults), (1, vec![lost(1)]));
    }

    #[test]
    fn rates_become_faults_that_can_be_left_out() {
        let mut rough = plan(1..=40);
        (rough.network.lost, rough.calm) = (200, 10_000);
        let small = shrink(&Numbers(|| Box::<Arrives>::default()), &rough);
        assert_eq!((numbers(&small).len(), &*small.faults), (1, &[lost(1)][..]));
        assert_eq!(small.network, Network::perfect());
    }

    #[test]
    fn another_violation_is_not_taken_and_attempts_end() {
        let scenario = Numbers(|| {
            Box::new(|event: &SimEvent<'_>| match number(event) {
                Some(1) => Err(Violation::new("no 1", "1")),
                Some(2) => Err(Violation::new("no 2", "2")),
                _ => Ok(()),
            })
        });
        let (scenario, whole) = (&scenario, plan([1, 2]));
        let mut shrinking = Shrinking { scenario, invariant: "no 1", plan: whole.clone(), left: 2 };
        assert!(!shrinking.attempt(plan([2])));
        assert!(!shrinking.attempt(whole), "the plan itself costs no attempt");
        assert!(shrinking.attempt(plan([1])));
        assert_eq!((numbers(&shrinking.plan), shrinking.left), (vec![1], 0));
        assert!(!shrinking.attempt(plan([1, 3])));
    }
}
