//! Who publishes, who subscribes, and who means harm.

use super::super::hostile::mutate;
use super::{GROUP, HUB, MALLORY, MEMBERS, PICKY, PUBLISHERS, RETRIES, SLOW, SUBSCRIBERS};
use coordination_protocol::json::Json;
use coordination_protocol::machine::{Receipt, SplitMix64, Timers};
use coordination_protocol::message::peek;
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::sim::{Actor, Effects, Host};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The event of a number. How often its task was tried and how urgent it is follows from the number.
fn event(number: u64, source: &str, now: Now) -> String {
    let priority = ["low", "medium", "high", "critical"][number as usize / 5 % 4];
    format!(
        r#"{{"message_id":"msg_{number}","timestamp":"{}","source":"{source}","priority":"{priority}","event":{{"event_type":"TASK_FAILED","workflow_id":"wf_{}","phase":"build","data":{{"task_id":"t{number}","agent_id":"a1","failure_reason":"exit 1","retry_count":{}}}}}}}"#,
        now.timestamp(),
        number / 5 % 3,
        number % 4,
    )
}

/// Repeats each message until the hub says that it has it.
pub(super) struct Publisher {
    name: String,
    disk: Outbox,
    draws: SplitMix64,
}

#[derive(Default, Serialize, Deserialize)]
struct Outbox {
    messages: BTreeMap<String, String>,
    again: Timers<String>,
}

impl Publisher {
    pub(super) fn new(host: &Host<'_>) -> Self {
        let disk = host.disk.and_then(|disk| disk.decode().ok()).unwrap_or_default();
        Publisher { name: host.name.to_owned(), disk, draws: SplitMix64::new(host.seed) }
    }

    fn later(&mut self, now: Now, id: String) {
        let pause = Duration::from_millis(2_000 + self.draws.below(6_000));
        self.disk.again.set(id, now.at.after(pause));
    }
}

impl Actor for Publisher {
    fn receive(&mut self, _: Now, from: &str, bytes: &[u8], _: &mut Effects) {
        let text = String::from_utf8_lossy(bytes);
        // One that is refused is tried again, too.
        if let (HUB, Some(("accepted", id))) = (from, text.split_once(' ')) {
            self.disk.messages.remove(id);
            self.disk.again.set(id.to_owned(), None);
        }
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        while let Some(id) = self.disk.again.due(now.at) {
            if let Some(text) = self.disk.messages.get(&id) {
                effects.send(HUB, text.as_str());
            }
            self.later(now, id);
        }
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        let (id, text) = (format!("msg_{number}"), event(number, &self.name, now));
        effects.mark("publishes", format!("{id} {text}"));
        effects.send(HUB, text.as_str());
        self.disk.messages.insert(id.clone(), text);
        self.later(now, id);
    }

    fn deadline(&self) -> Option<Instant> {
        self.disk.again.earliest()
    }

    fn disk(&self) -> Option<Json> {
        Json::of(&self.disk).ok()
    }
}

/// Subscribes, handles one message after another, and acknowledges.
pub(super) struct Subscriber {
    name: String,
    disk: Known,
    /// What it was given, until it gets to it.
    given: VecDeque<Item>,
    batches: u64,
    /// Workflows of which a message of this batch could not be handled.
    left_out: BTreeSet<(u64, String)>,
    next: Option<Instant>,
    draws: SplitMix64,
}

struct Item {
    receipt: Receipt,
    batch: u64,
    id: String,
    workflow: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Known {
    subscribed: bool,
    handled: BTreeSet<String>,
    /// The highest number handled of each workflow, and the epoch of its numbering.
    reached: BTreeMap<String, (u64, u64)>,
}

impl Subscriber {
    pub(super) fn new(host: &Host<'_>) -> Self {
        Subscriber {
            name: host.name.to_owned(),
            disk: host.disk.and_then(|disk| disk.decode().ok()).unwrap_or_default(),
            given: VecDeque::new(),
            batches: 0,
            left_out: BTreeSet::new(),
            next: Some(host.now.at),
            draws: SplitMix64::new(host.seed),
        }
    }

    fn subscription(&self) -> String {
        let more = match self.name.as_str() {
            PICKY => format!(
                r#","filter":{{"compare":{{"field":"/retry_count","op":">=","value":{RETRIES}}}}}"#
            ),
            name if MEMBERS.contains(&name) => format!(r#","group":"{GROUP}""#),
            _ => String::new(),
        };
        let name = &self.name;
        format!(
            r#"{{"source":"{name}","subscription":{{"subscriber":"{name}","patterns":["task.*.failed"]{more}}}}}"#
        )
    }

    /// How long it takes to get to the next message.
    fn pause(&mut self, now: Now) -> Option<Instant> {
        let (min, spread) = if self.name == SLOW { (2_000, 16_000) } else { (5, 2_000) };
        let busy = !self.disk.subscribed || !self.given.is_empty();
        let pause = Duration::from_millis(min + self.draws.below(spread));
        busy.then(|| now.at.after(pause)).flatten()
    }

    fn take(&mut self, text: &str, effects: &mut Effects) {
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        if let ["deliver", "gap", from, to, receipt] = head[..] {
            effects.mark("hears-gap", format!("{} {from} {to}", self.name));
            effects.send(HUB, format!("heard {receipt}"));
        }
        self.batches += 1;
        for line in lines {
            if let Some((receipt, id, workflow)) = read(line) {
                self.given.push_back(Item { receipt, batch: self.batches, id, workflow });
            }
        }
    }

    fn handle(&mut self, item: Item, effects: &mut Effects) {
        let Item { receipt, batch, id, workflow } = item;
        let lane = (batch, workflow.clone());
        if self.left_out.contains(&lane) {
            return;
        }
        if self.disk.handled.contains(&id) {
            return effects.send(HUB, format!("handled {receipt}"));
        }
        let (epoch, reached) = self.disk.reached.entry(workflow).or_default();
        if *epoch != receipt.epoch() {
            // Another numbering: the hub lost its disk.
            (*epoch, *reached) = (receipt.epoch(), 0);
        }
        let number = receipt.number();
        if number < *reached {
            // It was given up, or the later ones would not have come.
            return effects.mark("leaves-out", id);
        }
        let word = if is_poison(&id) {
            "rejected"
        } else if self.draws.below(8) == 0 {
            "failed"
        } else {
            *reached = number;
            "handled"
        };
        if word == "handled" {
            self.disk.handled.insert(id.clone());
        } else {
            self.left_out.insert(lane);
        }
        effects.mark(word, id);
        effects.send(HUB, format!("{word} {receipt}"));
    }
}

impl Actor for Subscriber {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        if from != HUB {
            return;
        }
        match &*String::from_utf8_lossy(bytes) {
            "subscribed" => self.disk.subscribed = true,
            text => {
                self.take(text, effects);
                self.next = self.next.or(self.pause(now));
            }
        }
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        if !self.disk.subscribed {
            effects.send(HUB, self.subscription());
        }
        if let Some(item) = self.given.pop_front() {
            self.handle(item, effects);
        }
        // What takes long says so.
        for item in self.given.iter().filter(|_| self.name == SLOW) {
            effects.send(HUB, format!("working {}", item.receipt));
        }
        self.next = self.pause(now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.next
    }

    fn disk(&self) -> Option<Json> {
        Json::of(&self.disk).ok()
    }
}

/// A line of a batch: the receipt, the identifier of the message, and its workflow.
pub(super) fn read(line: &str) -> Option<(Receipt, String, String)> {
    let (receipt, message) = line.split_once(' ')?;
    let (id, workflow) = about(message)?;
    Some((receipt.parse().ok()?, id, workflow))
}

/// The identifier and the workflow of a message.
pub(super) fn about(message: &str) -> Option<(String, String)> {
    let id = peek(message).header?.message_id?.to_string();
    let event = message.parse::<Json>().ok()?.get("event")?;
    Some((id, event.get("workflow_id")?.to_text()?))
}

/// Whether no subscriber can ever handle it.
fn is_poison(id: &str) -> bool {
    id.bytes().fold(7_u64, |sum, byte| sum * 31 + u64::from(byte)) % 11 == 0
}

/// Sends what may do harm, to anybody.
pub(super) struct Mallory(SplitMix64);

impl Mallory {
    pub(super) fn new(host: &Host<'_>) -> Self {
        Mallory(SplitMix64::new(host.seed))
    }

    fn message(&mut self, now: Now) -> (&'static str, Vec<u8>) {
        let Mallory(draws) = self;
        let number = 1 + draws.below(80);
        let publisher = PUBLISHERS[draws.below(2) as usize];
        let subscriber = SUBSCRIBERS[draws.below(5) as usize];
        let source = [publisher, subscriber, HUB, MALLORY][draws.below(4) as usize];
        let message = event(number, source, now);
        let (to, text) = match draws.below(8) {
            0 | 1 => (HUB, message),
            2 => (HUB, format!("handled 1-1-{}-1", number % 20)),
            3 => (HUB, format!("rejected 1-1-{}-1", number % 20)),
            4 => (publisher, format!("accepted msg_{number}")),
            5 => (
                subscriber,
                format!("deliver gap 1 {number} 1-1-1-1\n1-1-{}-1 {message}", number % 20),
            ),
            6 => (
                HUB,
                format!(
                    r#"{{"source":"{source}","subscription":{{"subscriber":"{source}","patterns":["task.>"],"cancel":{}}}}}"#,
                    draws.below(2) == 0
                ),
            ),
            _ => (HUB, format!("{{\"event\":{}", "[".repeat(draws.below(2_000) as usize))),
        };
        let mut bytes = text.into_bytes();
        if draws.below(2) == 0 {
            mutate(draws, &mut bytes);
        }
        (to, bytes)
    }
}

impl Actor for Mallory {
    fn stimulus(&mut self, now: Now, _: u64, effects: &mut Effects) {
        for _ in 0..8 {
            let (to, bytes) = self.message(now);
            effects.send(to, bytes);
        }
    }
}
