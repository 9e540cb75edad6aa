//! Delivery: its laws and transcripts, the sentences of its refusals, and a ledger of what became of
//! every message in random runs.

use super::laws::{Scripted, all};
use super::transcripts::{Command, Told};
use super::{START, Step, checked, ignored, name, now, outputs};
use crate::support::{Rng, scaled};
use coordination_protocol::error::{IntoReport, Occurrence};
use coordination_protocol::machine::{
    Backoff, Delivered, Dispatcher, DispatcherError, DispatcherInput, DispatcherOptions,
    DispatcherOutput, Machine, QueueOptions,
};
use coordination_protocol::message::Message;
use coordination_protocol::route::{Field, Filter};
use coordination_protocol::scalar::{ComponentId, ErrorId, Now, WorkflowId};
use coordination_protocol::transport::{Gap, Overflow};
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Checked, Envelope, Mode};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A task event, with what else its header says.
fn event(id: &str, workflow: &str, header: &str, retries: usize) -> Box<Checked<Envelope>> {
    checked(&format!(
        r#"{{"message_id":"{id}","source":"worker"{header},"event":{{"event_type":"TASK_FAILED","workflow_id":"{workflow}","phase":"build",
            "data":{{"task_id":"t1","agent_id":"a1","failure_reason":"exit 1","retry_count":{retries}}}}}}}"#,
    ))
}

fn subscription(who: &str, patterns: &[&str], more: &str) -> Box<Checked<Envelope>> {
    let patterns: Vec<_> = patterns.iter().map(|pattern| format!("\"{pattern}\"")).collect();
    checked(&format!(
        r#"{{"subscription":{{"subscriber":"{who}","patterns":[{}]{more}}}}}"#,
        patterns.join(",")
    ))
}

/// The machine of a transcript.
pub(super) fn of(command: &Command<'_>, seed: u64) -> Dispatcher {
    let queue = QueueOptions::new()
        .with_limit(command.count("limit", "1000"))
        .with_batch(command.count("batch", "64"), command.span("linger", "0s"))
        .with_window(command.count("window", "256"))
        .with_overflow(match command.get("overflow", "refuse") {
            "refuse" => Overflow::Refuse,
            _ => Overflow::DropOldest,
        });
    let order = match command.get("order", "workflow") {
        "none" => None,
        field => Some(Field::parse(field).unwrap()),
    };
    let options = DispatcherOptions::new()
        .with_queue(queue)
        .with_order(order)
        .with_timeout(command.span("timeout", "30s"))
        .with_subscriptions(command.count("subscriptions", "1000"))
        .with_backoff(Backoff::new().with_attempts(command.count("attempts", "3")));
    Dispatcher::new(seed).with_options(options)
}

impl Told for Dispatcher {
    fn input(&self, _: Now, command: &Command<'_>) -> Step<DispatcherInput> {
        let who = command.words[1];
        let message = || {
            let mut header = String::new();
            if let Some(priority) = command.pairs.get("priority") {
                header += &format!(r#","priority":"{priority}""#);
            }
            if let Some(ttl) = command.pairs.get("ttl") {
                let sent = command.get("sent", "12:00:00");
                header += &format!(r#","ttl_seconds":{ttl},"timestamp":"2025-01-15T{sent}Z""#);
            }
            let which = command.words.last().unwrap();
            event(which, command.get("wf", "wf_001"), &header, command.count("retries", "0"))
        };
        let numbers = || command.words[2..].iter().map(|word| word.parse().unwrap()).collect();
        let number = || command.words[2].parse().unwrap();
        let reason = || command.get("reason", "crashed").to_owned();
        Step::Input(match command.words[0] {
            verb @ ("subscribe" | "cancel") => {
                let mut more = String::new();
                if let Some(filter) = command.pairs.get("filter") {
                    more += &format!(r#","filter":{}"#, Filter::parse(filter).unwrap().to_json());
                }
                if let Some(group) = command.pairs.get("group") {
                    more += &format!(r#","group":"{group}""#);
                }
                if verb == "cancel" {
                    more += r#","cancel":true"#;
                }
                DispatcherInput::Subscribe(subscription(who, &command.words[2..], &more))
            }
            "publish" => DispatcherInput::Publish(message()),
            "redrive" => DispatcherInput::Redrive(name(who), message()),
            "letter" => DispatcherInput::Redrive(
                name(who),
                checked(
                    r#"{"dead_letter":{"reason":"r","original":"o","attempts":3,"died_at":"2025-01-15T12:00:00Z"}}"#,
                ),
            ),
            "ack" => DispatcherInput::Acknowledge(name(who), numbers()),
            "ack_gap" => {
                let count = |at: usize| command.words[at].parse().unwrap();
                DispatcherInput::AckGap(name(who), Gap::new(count(2), count(3), count(4)))
            }
            "fail" => DispatcherInput::Fail(name(who), number(), reason()),
            "reject" => DispatcherInput::Reject(name(who), number(), reason()),
            "disconnected" => DispatcherInput::Disconnected(name(who)),
            "reconnected" => DispatcherInput::Reconnected(name(who)),
            other => panic!("unknown command `{other}`"),
        })
    }
}

impl Scripted for Dispatcher {
    fn fresh(seed: u64) -> Self {
        let queue = QueueOptions::new().with_limit(3).with_window(2);
        let oldest = queue.with_overflow(Overflow::DropOldest);
        let options = DispatcherOptions::new()
            .with_queue(queue.with_batch(2, Duration::from_secs(1)))
            .with_queue_of(name("b"), oldest)
            .with_subscriptions(5)
            .with_remember(20, Duration::from_secs(300));
        let mut machine = Dispatcher::new(seed).with_options(options);
        for who in ["a", "b", "c", "d"] {
            let group = if who > "b" { r#","group":"g""# } else { "" };
            let input = DispatcherInput::Subscribe(subscription(who, &["task.>"], group));
            machine.handle(now(0), input).unwrap();
        }
        machine
    }

    fn draw(rng: &mut Rng, now: Now) -> Step<DispatcherInput> {
        let who = rng.pick(&["a", "b", "c", "d"]);
        let number = 1 + rng.below(6) as u64;
        Step::Input(match rng.below(24) {
            0..=10 => {
                let sent = coordination_protocol::scalar::Timestamp::from(now.wall);
                let header = match rng.below(4) {
                    0 => r#","priority":"high""#.to_owned(),
                    1 => format!(r#","timestamp":"{sent}","ttl_seconds":{}"#, rng.below(60)),
                    _ => String::new(),
                };
                let (id, workflow) =
                    (format!("msg_{}", rng.below(30)), format!("wf_{}", rng.below(3)));
                DispatcherInput::Publish(event(&id, &workflow, &header, rng.below(3)))
            }
            11 if rng.one_in(2) => {
                let dropped = 1 + rng.below(2) as u64;
                DispatcherInput::AckGap(name(who), Gap::new(number, number + dropped - 1, dropped))
            }
            11..=13 => DispatcherInput::Acknowledge(name(who), vec![number, number + 1]),
            14 | 15 if rng.below(4) > 0 => {
                DispatcherInput::Fail(name(who), number, "crashed".to_owned())
            }
            14 | 15 => DispatcherInput::Reject(name(who), number, "no".to_owned()),
            16 => DispatcherInput::Disconnected(name(who)),
            17 => DispatcherInput::Reconnected(name(who)),
            18 => {
                let group = rng.pick(&["", r#","group":"g""#]);
                let filter = rng.pick(&[
                    "",
                    r#","filter":{"compare":{"field":"/retry_count","op":">=","value":1}}"#,
                    r#","filter":{"nonsense":1}"#,
                ]);
                let patterns =
                    [&["task.>"][..], &["*.failed", "WORKFLOW_STARTED.>"], &["a.b.c.d"], &[]];
                let more = format!("{group}{filter}");
                DispatcherInput::Subscribe(subscription(who, patterns[rng.below(4)], &more))
            }
            19 if rng.one_in(2) => {
                let more = rng.pick(&[r#","cancel":true"#, r#","cancel":true,"group":"g""#]);
                DispatcherInput::Subscribe(subscription(who, &[], more))
            }
            20 => DispatcherInput::Publish(checked(
                r#"{"heartbeat":{"component_id":"a","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#,
            )),
            21 => DispatcherInput::Redrive(name(who), event("msg_r", "wf_1", "", 0)),
            _ => DispatcherInput::Redrive(
                name(who),
                checked(
                    r#"{"dead_letter":{"reason":"r","original":"o","attempts":3,"died_at":"2025-01-15T12:00:00Z"}}"#,
                ),
            ),
        })
    }
}

#[test]
fn dispatcher_keeps_the_laws() {
    all::<Dispatcher>(&[
        "Deliver {",
        "gap: Some",
        "attempt: 3",
        "Published",
        "Duplicate",
        "Subscribed",
        "Unsubscribed",
        "DeadLetter",
        "Discard",
        "GapUnacknowledged",
        "not acknowledged in time",
        "time to live was over",
        "crashed",
        "no other member",
        "has no subscription",
        "was not given number",
        "is full; it holds",
        "at most 5 are allowed",
        "is no pattern",
        "the filter of the subscription",
        "has no pattern",
    ]);
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut machine = Dispatcher::new(1).with_options(
        DispatcherOptions::new()
            .with_subscriptions(2)
            .with_queue(QueueOptions::new().with_limit(1)),
    );
    let mut refused = |input| {
        let error = machine.handle(now(0), input).err().map(|error| error.to_string());
        error.unwrap_or_default()
    };
    let subscribe = |message| DispatcherInput::Subscribe(message);
    assert_eq!(refused(subscribe(event("m", "wf_1", "", 0))), "`event` is no subscription");
    let foreign = r#"{"source":"eve","subscription":{"subscriber":"a","patterns":[">"]}}"#;
    assert_eq!(refused(subscribe(checked(foreign))), "`eve` cannot subscribe for `a`");
    assert_eq!(
        refused(subscribe(subscription("a", &[], ""))),
        "the subscription of `a` has no pattern"
    );
    assert_eq!(
        refused(subscribe(subscription("a", &["task..x"], ""))),
        "`task..x` is no pattern: the token at byte 5 is empty"
    );
    let filter = r#","filter":{"exact":{"field":"sorce","value":1}}"#;
    assert_eq!(
        refused(subscribe(subscription("a", &[">"], filter))),
        "the filter of the subscription is none: `sorce` is no field of a header; did you mean `source`? (at /exact/field)"
    );
    assert_eq!(
        refused(subscribe(subscription("a", &["task.>", "phase.>", "agent.>"], ""))),
        "there would be 3 subscriptions, at most 2 are allowed"
    );
    assert_eq!(
        refused(subscribe(subscription("a", &[">"], r#","cancel":true"#))),
        "`a` has no subscription"
    );
    assert_eq!(refused(DispatcherInput::Disconnected(name("a"))), "`a` has no subscription");
    assert_eq!(refused(DispatcherInput::Reconnected(name("a"))), "`a` has no subscription");
    let acknowledge = |numbers| DispatcherInput::Acknowledge(name("a"), numbers);
    assert_eq!(refused(acknowledge(vec![1])), "`a` has no subscription");
    let replay = || DispatcherInput::Redrive(name("a"), event("m", "wf_1", "", 0));
    assert_eq!(refused(replay()), "`a` has no subscription");
    assert_eq!(refused(subscribe(subscription("a", &[">"], ""))), "");
    assert_eq!(refused(acknowledge(vec![1])), "`a` was not given number 1");
    assert_eq!(refused(acknowledge(vec![0])), "`a` was not given number 0");
    // Every kind of message has a key, but not what no reader knows.
    let unknown = Validator::new(Mode::Interop)
        .check(r#"{"operation":"status"}"#, &Context::new())
        .accept()
        .expect("it is read");
    assert_eq!(
        refused(DispatcherInput::Publish(Box::new(unknown))),
        "`unknown` has no routing key"
    );
    assert_eq!(refused(DispatcherInput::Publish(event("m1", "wf_1", "", 0))), "");
    let busy = "the queue of `a` is full; it holds 1 messages";
    assert_eq!(refused(DispatcherInput::Publish(event("m2", "wf_1", "", 0))), busy);
    // What others publish or subscribe to is ignored for the same reason.
    let told = |reason: &str, why: &str| format!("{reason}, {why}");
    assert_eq!(ignored(&mut machine, event("m2", "wf_1", "", 0)), told("full", busy));
    assert_eq!(
        ignored(&mut machine, checked(foreign)),
        told("wrong-sender", "`eve` cannot subscribe for `a`")
    );
    let filtered = ignored(&mut machine, subscription("a", &["task..x"], ""));
    assert!(filtered.starts_with("invalid, `task..x` is no pattern"), "{filtered}");
    let mut refused = |input| {
        let error = machine.handle(now(0), input).err().map(|error| error.to_string());
        error.unwrap_or_default()
    };
    assert_eq!(refused(replay()), busy);
    assert_eq!(machine.subscribers().collect::<Vec<_>>(), [(&name("a"), 1)]);
}

#[test]
fn refusals_become_reports() {
    let occurrence =
        Occurrence::new(ErrorId::new("err_1").unwrap(), WorkflowId::global(), now(0).timestamp());
    let busy = DispatcherError::Busy { subscriber: name("a"), limit: 1 };
    for error in [
        busy,
        DispatcherError::TooMany { count: 2, limit: 1 },
        DispatcherError::NotSubscribed(name("a")),
        DispatcherError::NoPattern(name("a")),
    ] {
        let report = error.to_report(&occurrence);
        let suggestions = report.recovery_suggestions.unwrap();
        assert!(suggestions[0].description.as_ref().is_some_and(|text| text.ends_with('.')));
    }
}

/// A dead letter is evidence: what, for whom, how often, when, and why.
#[test]
fn letters_are_evidence() {
    let mut machine = Dispatcher::new(1);
    let subscribe = DispatcherInput::Subscribe(subscription("a", &[">"], ""));
    machine.handle(now(0), subscribe).unwrap();
    let message = event("msg_1", "wf_1", "", 0);
    let text = message.to_string();
    machine.handle(now(0), DispatcherInput::Publish(message)).unwrap();
    while let Some(at) = machine.deadline().filter(|at| *at < now(200_000).at) {
        machine.handle_timeout(now(at.as_nanos() / 1_000_000));
    }
    let letter = std::iter::from_fn(|| machine.poll())
        .find_map(|output| match output {
            DispatcherOutput::DeadLetter(letter) => Some(letter),
            _ => None,
        })
        .unwrap();
    assert_eq!(letter.original, text);
    assert_eq!(letter.subscriber, Some(name("a")));
    assert_eq!(letter.attempts.as_ref().unwrap().get(), 3);
    assert_eq!(letter.reason, "it was not acknowledged in time");
    let millis = |time: &Option<coordination_protocol::scalar::Timestamp>| {
        time.as_ref().unwrap().unix_millis().unwrap() - START
    };
    assert_eq!(millis(&letter.first_attempt_at), 0);
    assert!(millis(&letter.last_attempt_at) > 60_000);
    assert!(millis(&letter.died_at) >= millis(&letter.last_attempt_at) + 30_000);
    // It is a strictly valid message, and what it holds can be published again.
    checked(&Envelope::from(*letter.clone()).to_string());
    let again = checked(&letter.original);
    machine.handle(now(200_000), DispatcherInput::Redrive(name("a"), again)).unwrap();
    assert_eq!(outputs(&mut machine), ["deliver a: 2"]);
}

/// What a subscriber of a random run does with what it is given.
#[derive(Default)]
struct Handled {
    /// The messages in the order in which they were handled first, by workflow.
    order: BTreeMap<String, Vec<usize>>,
    known: BTreeSet<usize>,
    /// Which number is which message.
    numbers: BTreeMap<u64, usize>,
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
        gap: Option<Gap>,
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
        if let Some(gap) = gap.filter(|_| self.flaw != Flaw::NoGaps) {
            who.lost = who.lost.max(gap.to);
            self.tell(DispatcherInput::AckGap(to.clone(), gap))?;
        }
        let mut given_up = BTreeSet::new();
        for item in batch {
            let which = number_of(&item.envelope);
            let workflow = self.workflows[&which].clone();
            who.numbers.insert(item.number, which);
            if given_up.contains(&workflow) {
                continue;
            }
            let fate = if self.calm { 9 } else { self.rng.below(10) };
            if fate < 2 {
                let (to, why) = (to.clone(), "no".to_owned());
                self.tell(match fate {
                    0 => DispatcherInput::Fail(to, item.number, why),
                    _ => DispatcherInput::Reject(to, item.number, why),
                })?;
                given_up.insert(workflow);
                continue;
            }
            // Or it is handled, and the acknowledgement gets lost.
            if fate > 2 {
                numbers.push(item.number);
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

/// Members of a group share the work, and one that leaves loses nothing.
#[test]
fn a_group_shares_and_takes_over() {
    let mut machine = Dispatcher::new(1).with_options(DispatcherOptions::new().with_order(None));
    for who in ["one", "two", "three"] {
        let input = DispatcherInput::Subscribe(subscription(who, &["task.>"], r#","group":"g""#));
        machine.handle(now(0), input).unwrap();
    }
    for n in 0..30 {
        let input = DispatcherInput::Publish(event(&format!("msg_{n}"), "wf_1", "", 0));
        machine.handle(now(0), input).unwrap();
    }
    let share: Vec<_> = machine.subscribers().map(|(_, count)| count).collect();
    assert_eq!(share, [10, 10, 10]);
    machine.handle(now(0), DispatcherInput::Disconnected(name("one"))).unwrap();
    let cancel = DispatcherInput::Subscribe(subscription("two", &[], r#","cancel":true"#));
    machine.handle(now(0), cancel).unwrap();
    let share: Vec<_> = machine.subscribers().map(|(who, count)| (who.as_str(), count)).collect();
    assert_eq!(share, [("one", 0), ("three", 30)]);
    outputs(&mut machine);
    // No one is left to take over.
    machine.handle(now(0), DispatcherInput::Disconnected(name("three"))).unwrap();
    machine.handle(now(0), DispatcherInput::Reconnected(name("three"))).unwrap();
    let batches = std::iter::from_fn(|| machine.poll());
    let delivered = batches
        .map(|output| match output {
            DispatcherOutput::Deliver { batch, .. } => {
                assert!(batch.iter().all(|item| item.attempt == 1));
                batch.len()
            }
            other => panic!("{other}"),
        })
        .sum::<usize>();
    assert_eq!(delivered, 30);
}

/// The message itself arrives, as it was published.
#[test]
fn messages_arrive_as_they_were_published() {
    let mut machine = Dispatcher::new(1);
    let subscribe = DispatcherInput::Subscribe(subscription("a", &["*.failed"], ""));
    machine.handle(now(0), subscribe).unwrap();
    let message = event("msg_1", "wf_1", r#","priority":"urgent","x":{"y":8.0}"#, 3);
    let sent = message.to_string();
    machine.handle(now(0), DispatcherInput::Publish(message)).unwrap();
    let batch = std::iter::from_fn(|| machine.poll()).find_map(|output| match output {
        DispatcherOutput::Deliver { batch, .. } => Some(batch),
        _ => None,
    });
    let batch = batch.unwrap();
    assert_eq!(batch[0].envelope.to_string(), sent);
    assert!(matches!(batch[0].envelope.message, Message::Event(_)));
}

/// A subscription may hold as many patterns as a message has room for: it costs no more than they do.
#[test]
fn many_patterns_are_refused_at_once() {
    let patterns: Vec<String> = (0..5_000).map(|n| format!("a{n}.b")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let mut machine = Dispatcher::new(1);
    let subscribe = |more| DispatcherInput::Subscribe(subscription("a", &patterns, more));
    assert_eq!(
        machine.handle(now(0), subscribe("")).unwrap_err().to_string(),
        "there would be 5000 subscriptions, at most 1000 are allowed"
    );
    let few = DispatcherInput::Subscribe(subscription("a", &patterns[..1_000], ""));
    machine.handle(now(0), few).unwrap();
    machine.handle(now(0), subscribe(r#","cancel":true"#)).unwrap();
    assert_eq!(outputs(&mut machine), ["subscribed a patterns=1000", "unsubscribed a left=0"]);
}
