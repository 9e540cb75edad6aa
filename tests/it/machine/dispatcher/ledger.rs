//! A ledger of what became of every message in random runs.

use super::{event, subscription};
use crate::machine::{checked, name, now};
use crate::support::{Rng, scaled};
use coordination_protocol::Envelope;
use coordination_protocol::machine::{
    Delivered, Dispatcher, DispatcherError, DispatcherInput, DispatcherOptions, DispatcherOutput,
    GapNotice, IgnoreReason, Machine, QueueOptions, Receipt, Settlement,
};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::transport::Overflow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a subscriber of a random run does with what it is given.
#[derive(Default)]
struct Handled {
    /// The messages in the order in which they were handled first, by workflow.
    order: BTreeMap<String, Vec<usize>>,
    known: BTreeSet<usize>,
    /// Which number is which message.
    numbers: BTreeMap<Receipt, usize>,
    acknowledged: BTreeSet<usize>,
    dead_lettered: BTreeSet<usize>,
    lost: u64,
}

/// How the world of a random run deceives the machine or its observer.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Dead letters vanish.
    NoLetters,
    /// Batches arrive backwards.
    Backwards,
    /// What is under way is forgotten.
    NoTimeouts,
    /// Gaps are not told.
    NoGaps,
}

/// A random run.
struct Run {
    rng: Rng,
    flaw: Flaw,
    batch: usize,
    machine: Dispatcher,
    handled: BTreeMap<String, Handled>,
    accepted: BTreeSet<usize>,
    workflows: BTreeMap<usize, String>,
    millis: u64,
    /// Nothing new happens, and nothing gets lost.
    calm: bool,
}

const SUBSCRIBERS: [&str; 4] = ["all", "slow", "one", "two"];

impl Run {
    fn new(seed: u64, flaw: Flaw) -> Self {
        let mut rng = Rng::new(seed);
        let queue = QueueOptions::new()
            .with_limit(2 + rng.below(10))
            .with_window(1 + rng.below(6))
            .with_batch(1 + rng.below(4), Duration::from_millis([0, 0, 700][rng.below(3)]));
        let oldest = queue.with_overflow(Overflow::DropOldest).with_limit(3);
        let options = DispatcherOptions::new()
            .with_timeout(Duration::from_secs(2))
            .with_queue(queue)
            .with_queue_of(name("slow"), oldest);
        let mut machine = Dispatcher::new(seed).with_options(options);
        for who in SUBSCRIBERS {
            let group = if matches!(who, "one" | "two") { r#","group":"g""# } else { "" };
            let input = DispatcherInput::Subscribe(subscription(who, &["task.>"], group));
            machine.handle(now(0), input).unwrap();
        }
        let (handled, accepted, workflows) = Default::default();
        let batch = queue.batch;
        Run { rng, flaw, batch, machine, handled, accepted, workflows, millis: 0, calm: false }
    }

    fn tell(&mut self, input: DispatcherInput) -> Result<(), String> {
        self.machine.handle(now(self.millis), input).map_err(|error| error.to_string())
    }

    fn act(&mut self) -> Result<(), String> {
        if self.rng.one_in(2) {
            let which = self.workflows.len() + 1;
            let workflow = format!("wf_{}", self.rng.below(3));
            let priority =
                self.rng.pick(&["", r#","priority":"critical""#, r#","priority":"low""#]);
            let message = event(&format!("msg_{which}"), &workflow, priority, 0);
            self.workflows.insert(which, workflow);
            match self.machine.handle(now(self.millis), DispatcherInput::Publish(message)) {
                Ok(()) => {
                    self.accepted.insert(which);
                }
                Err(DispatcherError::Busy { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        } else if self.rng.one_in(10) {
            let who = name(self.rng.pick(&SUBSCRIBERS));
            let away = self.rng.one_in(2);
            self.tell(if away {
                DispatcherInput::Disconnected(who)
            } else {
                DispatcherInput::Reconnected(who)
            })?;
        }
        Ok(())
    }

    fn heed(&mut self, output: DispatcherOutput) -> Result<(), String> {
        match output {
            DispatcherOutput::Deliver { to, gap, batch } => return self.deliver(&to, gap, batch),
            DispatcherOutput::DeadLetter(letter) if self.flaw != Flaw::NoLetters => {
                let original = checked(&letter.original);
                let which = number_of(&original);
                let who = letter.subscriber.unwrap().as_str().to_owned();
                self.handled.entry(who).or_default().dead_lettered.insert(which);
            }
            // It acknowledged what goes again, or is given up: then it did not settle it.
            DispatcherOutput::ReceiptsIgnored { subscriber, said, ignored } => {
                let who = self.handled.entry(subscriber.as_str().to_owned()).or_default();
                for ignored in ignored.iter().filter(|one| one.reason != IgnoreReason::Duplicate) {
                    if let Some(which) = who.numbers.get(&ignored.receipt)
                        && said == Settlement::Acknowledge
                    {
                        who.acknowledged.remove(which);
                    }
                }
            }
            DispatcherOutput::Subscribed { .. }
            | DispatcherOutput::Published { .. }
            | DispatcherOutput::DeadLetter(_) => {}
            DispatcherOutput::GapUnacknowledged { .. } if self.flaw == Flaw::NoGaps => {
                return Err("a gap was not heard of".to_owned());
            }
            // All attempts to tell of it got lost, so this is what tells.
            DispatcherOutput::GapUnacknowledged { subscriber, gap } => {
                let who = self.handled.entry(subscriber.as_str().to_owned()).or_default();
                who.lost = who.lost.max(gap.to);
            }
            other => return Err(format!("{other}")),
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        to: &ComponentId,
        gap: Option<GapNotice>,
        mut batch: Vec<Delivered>,
    ) -> Result<(), String> {
        if batch.is_empty() && gap.is_none() {
            return Err("an empty batch".to_owned());
        }
        if batch.len() > self.batch {
            return Err(format!("{} messages in a batch", batch.len()));
        }
        if self.flaw == Flaw::Backwards {
            batch.reverse();
        }
        // The batch is lost on its way.
        if !self.calm && self.rng.one_in(5) {
            return Ok(());
        }
        let mut who = self.handled.remove(to.as_str()).unwrap_or_default();
        let mut numbers = Vec::new();
        if let Some(notice) = gap.filter(|_| self.flaw != Flaw::NoGaps) {
            who.lost = who.lost.max(notice.gap.to);
            self.tell(DispatcherInput::AckGap(to.clone(), notice.receipt))?;
        }
        let mut given_up = BTreeSet::new();
        for item in batch {
            let which = number_of(&item.envelope);
            let workflow = self.workflows[&which].clone();
            who.numbers.insert(item.receipt, which);
            if given_up.contains(&workflow) {
                continue;
            }
            let fate = if self.calm { 9 } else { self.rng.below(10) };
            if fate < 2 {
                let (to, why) = (to.clone(), "no".to_owned());
                self.tell(match fate {
                    0 => DispatcherInput::Fail(to, item.receipt, why),
                    _ => DispatcherInput::Reject(to, item.receipt, why),
                })?;
                given_up.insert(workflow);
                continue;
            }
            // Or it is handled, and the acknowledgement gets lost.
            if fate > 2 {
                numbers.push(item.receipt);
            }
            if who.known.insert(which) {
                who.order.entry(workflow).or_default().push(which);
            }
        }
        for number in &numbers {
            who.acknowledged.extend(who.numbers.get(number));
        }
        self.handled.insert(to.as_str().to_owned(), who);
        self.tell(DispatcherInput::Acknowledge(to.clone(), numbers))
    }
}

fn number_of(envelope: &Envelope) -> usize {
    envelope.header.message_id.as_ref().unwrap().as_str()[4..].parse().unwrap()
}

/// Publishes, loses, fails and acknowledges at random; then lets everything settle, and says what was
/// wrong with it.
fn ledger(seed: u64, flaw: Flaw) -> Result<(), String> {
    let mut run = Run::new(seed, flaw);
    let steps = 40 + run.rng.below(60);
    for step in 0.. {
        run.calm = step >= steps;
        if !run.calm {
            run.act()?;
        } else if step == steps {
            for who in SUBSCRIBERS {
                run.tell(DispatcherInput::Reconnected(name(who)))?;
            }
        }
        while let Some(output) = run.machine.poll() {
            run.heed(output)?;
        }
        let due = run.machine.deadline().map(|at| at.as_nanos().div_ceil(1_000_000));
        // What is remembered of published messages is not waited for.
        let due = due.filter(|due| *due < 250_000);
        run.millis = match due {
            Some(due) if run.calm || run.rng.one_in(3) => due.max(run.millis),
            None if run.calm => break,
            _ => run.millis + run.rng.below(900) as u64,
        };
        if flaw != Flaw::NoTimeouts {
            run.machine.handle_timeout(now(run.millis));
        } else if step > steps + 50 {
            break;
        }
    }
    audit(&run.handled, &run.accepted)
}

fn audit(handled: &BTreeMap<String, Handled>, accepted: &BTreeSet<usize>) -> Result<(), String> {
    let empty = Handled::default();
    let of = |who: &str| handled.get(who).unwrap_or(&empty);
    for (who, log) in handled {
        for (workflow, order) in &log.order {
            if !order.is_sorted() {
                return Err(format!("{who} handled {workflow} as {order:?}"));
            }
        }
    }
    for which in accepted {
        let ended = |who: &str| {
            let log = of(who);
            log.acknowledged.contains(which) || log.dead_lettered.contains(which)
        };
        if !ended("all") {
            return Err(format!("it is not known what became of msg_{which} for all"));
        }
        if !ended("one") && !ended("two") {
            return Err(format!("it is not known what became of msg_{which} for the group"));
        }
        if !ended("slow") && of("slow").lost == 0 {
            return Err(format!("it is not known what became of msg_{which} for slow"));
        }
    }
    Ok(())
}

#[test]
fn no_message_is_lost_in_silence_and_order_is_kept() {
    for seed in 0..scaled(300) as u64 {
        if let Err(error) = ledger(seed, Flaw::None) {
            panic!("seed {seed}: {error}");
        }
    }
}

#[test]
fn the_ledger_finds_what_is_wrong() {
    let found = |flaw| (0..100).find_map(|seed| ledger(seed, flaw).err());
    let starts = |flaw, text: &str| {
        let error = found(flaw).unwrap_or_default();
        assert!(error.contains(text), "{error}");
    };
    starts(Flaw::NoLetters, "it is not known what became of");
    starts(Flaw::Backwards, "handled wf_");
    starts(Flaw::NoTimeouts, "it is not known what became of");
    starts(Flaw::NoGaps, "a gap was not heard of");
}
