//! A dispatcher with a host that keeps the receipts, so that scripts can speak of numbers.

use super::{event, subscription};
use crate::machine::laws::Scripted;
use crate::machine::transcripts::{Command, Told};
use crate::machine::{Step, checked, name, now};
use crate::support::Rng;
use coordination_protocol::machine::{
    Backoff, Dispatcher, DispatcherError, DispatcherInput, DispatcherOptions, DispatcherOutput,
    Machine, QueueOptions, Receipt, snapshot_of,
};
use coordination_protocol::route::{Field, Filter};
use coordination_protocol::scalar::{ComponentId, Instant, Now};
use coordination_protocol::transport::{Gap, Overflow};
use coordination_protocol::{Checked, Envelope, Error, Json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A number, and which attempt; the last one if none is named.
type Which = (u64, Option<u32>);

/// What is told, by numbers.
pub(crate) enum Said {
    Input(DispatcherInput),
    Acknowledge(ComponentId, Vec<Which>),
    Extend(ComponentId, Vec<Which>),
    Fail(ComponentId, Which, String),
    Reject(ComponentId, Which, String),
    AckGap(ComponentId, Gap),
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Hosted {
    machine: Dispatcher,
    /// The receipts of each number or gap, by subscriber.
    given: BTreeMap<String, Vec<Receipt>>,
}

impl Hosted {
    fn new(machine: Dispatcher) -> Self {
        Hosted { machine, given: BTreeMap::new() }
    }

    pub(crate) fn with_max_outputs(mut self, outputs: usize) -> Self {
        self.machine = self.machine.with_max_outputs(outputs);
        self
    }

    /// A receipt of that number; one that was never given if there is none.
    fn receipt(&self, who: &ComponentId, (number, attempt): Which) -> Receipt {
        let given = self.given.get(&format!("{who} {number}")).into_iter().flatten();
        let mut given = given.filter(|receipt| attempt.is_none_or(|at| at == receipt.attempt()));
        let made_up = || format!("0-0-{number}-{}", attempt.unwrap_or(1)).parse().unwrap();
        given.next_back().copied().unwrap_or_else(made_up)
    }

    fn gap(&self, who: &ComponentId, gap: Gap) -> Receipt {
        let given = self.given.get(&format!("{who} {gap:?}")).and_then(|given| given.last());
        given.copied().unwrap_or_else(|| format!("0-0-{}-1", gap.to).parse().unwrap())
    }
}

impl Machine for Hosted {
    type Input = Said;
    type Output = DispatcherOutput;
    type Error = DispatcherError;

    fn handle(&mut self, now: Now, said: Said) -> Result<(), DispatcherError> {
        let all = |who: &ComponentId, numbers: &[Which]| {
            numbers.iter().map(|which| self.receipt(who, *which)).collect()
        };
        let input = match said {
            Said::Input(input) => input,
            Said::Acknowledge(who, numbers) => {
                let receipts = all(&who, &numbers);
                DispatcherInput::Acknowledge(who, receipts)
            }
            Said::Extend(who, numbers) => {
                let receipts = all(&who, &numbers);
                DispatcherInput::Extend(who, receipts)
            }
            Said::Fail(who, which, reason) => {
                let receipt = self.receipt(&who, which);
                DispatcherInput::Fail(who, receipt, reason)
            }
            Said::Reject(who, which, reason) => {
                let receipt = self.receipt(&who, which);
                DispatcherInput::Reject(who, receipt, reason)
            }
            Said::AckGap(who, gap) => {
                let receipt = self.gap(&who, gap);
                DispatcherInput::AckGap(who, receipt)
            }
        };
        self.machine.handle(now, input)
    }

    fn wants(&self, message: &Envelope) -> bool {
        self.machine.wants(message)
    }

    fn receive(&mut self, now: Now, message: Checked<Envelope>) {
        self.machine.receive(now, message);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.machine.handle_timeout(now);
    }

    fn poll(&mut self) -> Option<DispatcherOutput> {
        let output = self.machine.poll()?;
        if let DispatcherOutput::Deliver { to, gap, batch } = &output {
            // Scripts speak of the first numbers only.
            for item in batch.iter().filter(|item| item.receipt.number() <= 20) {
                let key = format!("{to} {}", item.receipt.number());
                self.given.entry(key).or_default().push(item.receipt);
            }
            if let Some(notice) = gap {
                let key = format!("{to} {:?}", notice.gap);
                self.given.entry(key).or_default().push(notice.receipt);
            }
        }
        Some(output)
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }

    fn snapshot(&self) -> Result<Json, Error> {
        snapshot_of(self)
    }
}

/// The machine of a transcript.
pub(crate) fn of(command: &Command<'_>, seed: u64) -> Hosted {
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
        .with_longest(command.span("longest", "10m"))
        .with_disconnections(command.count("disconnections", "0"))
        .with_subscriptions(command.count("subscriptions", "1000"))
        .with_backoff(Backoff::new().with_attempts(command.count("attempts", "3")));
    Hosted::new(Dispatcher::new(seed).with_options(options))
}

impl Told for Hosted {
    fn input(&self, _: Now, command: &Command<'_>) -> Step<Said> {
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
        // `3` is the last hand-over of number 3, `3#1` the first.
        let which = |word: &str| match word.split_once('#') {
            Some((number, attempt)) => (number.parse().unwrap(), attempt.parse().ok()),
            None => (word.parse().unwrap(), None),
        };
        let numbers = || command.words[2..].iter().map(|word| which(word)).collect();
        let number = || which(command.words[2]);
        let reason = || command.get("reason", "crashed").to_owned();
        Step::Input(Said::Input(match command.words[0] {
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
            "ack" => return Step::Input(Said::Acknowledge(name(who), numbers())),
            "extend" => return Step::Input(Said::Extend(name(who), numbers())),
            "ack_gap" => {
                let count = |at: usize| command.words[at].parse().unwrap();
                let gap = Gap::new(count(2), count(3), count(4));
                return Step::Input(Said::AckGap(name(who), gap));
            }
            "fail" => return Step::Input(Said::Fail(name(who), number(), reason())),
            "reject" => return Step::Input(Said::Reject(name(who), number(), reason())),
            "disconnected" => DispatcherInput::Disconnected(name(who)),
            "reconnected" => DispatcherInput::Reconnected(name(who)),
            other => panic!("unknown command `{other}`"),
        }))
    }
}

impl Scripted for Hosted {
    fn fresh(seed: u64) -> Self {
        let queue = QueueOptions::new().with_limit(3).with_window(2);
        let oldest = queue.with_overflow(Overflow::DropOldest);
        let options = DispatcherOptions::new()
            .with_queue(queue.with_batch(2, Duration::from_secs(1)))
            .with_queue_of(name("b"), oldest)
            .with_subscriptions(5)
            .with_remember(20, Duration::from_secs(300));
        let mut machine = Hosted::new(Dispatcher::new(seed).with_options(options));
        for who in ["a", "b", "c", "d"] {
            let group = if who > "b" { r#","group":"g""# } else { "" };
            let input = DispatcherInput::Subscribe(subscription(who, &["task.>"], group));
            machine.handle(now(0), Said::Input(input)).unwrap();
        }
        machine
    }

    fn draw(rng: &mut Rng, now: Now) -> Step<Said> {
        let who = rng.pick(&["a", "b", "c", "d"]);
        let number = 1 + rng.below(6) as u64;
        let which = (number, rng.one_in(6).then_some(1));
        Step::Input(Said::Input(match rng.below(25) {
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
                let gap = Gap::new(number, number + dropped - 1, dropped);
                return Step::Input(Said::AckGap(name(who), gap));
            }
            11..=13 => {
                let numbers = vec![which, (number + 1, None)];
                return Step::Input(Said::Acknowledge(name(who), numbers));
            }
            14 | 15 if rng.below(4) > 0 => {
                return Step::Input(Said::Fail(name(who), which, "crashed".to_owned()));
            }
            14 | 15 => return Step::Input(Said::Reject(name(who), which, "crashed".to_owned())),
            24 => return Step::Input(Said::Extend(name(who), vec![which])),
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
        }))
    }
}
