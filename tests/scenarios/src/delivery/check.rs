//! What became of every message.

use super::Bounds;
use super::ends::{about, read};
use super::{ALL, GROUP, HUB, MALLORY, PICKY, RETRIES, SLOW, SUBSCRIBERS, limits};
use coordination_protocol::json::Json;
use coordination_protocol::machine::Receipt;
use coordination_protocol::scalar::Instant;
use coordination_protocol::sim::{Check, SimEvent, SimEventKind, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ENDS: &str = "what was accepted is handled, in a dead letter, or in a gap";
const ORDER: &str = "messages of a workflow are handled in order";
const ONCE: &str = "a message is handled once";
const WANTED: &str = "only what was published and matches is delivered";
const LIMITS: &str = "queues and windows keep their limits";
const LETTERS: &str = "a dead letter holds its message and is kept";
const BOUNDED: &str = "hand-overs of a message are bounded, and each is counted";
const UNSEEN: &str = "nothing is settled that its subscriber was not given";
const HOSTILE: &str = "hostile messages cause no reply";

/// How long the hub waits for an acknowledgement.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What became of a message for one receiver.
#[derive(Clone, Copy, PartialEq)]
enum MessageFate {
    /// Its number, if that can be told.
    Open(Option<u64>),
    Handled,
    DeadLettered,
}

/// Messages that were handed over and not settled since: when, and of which workflow.
type UnderWay = BTreeMap<u64, (Instant, String)>;

#[derive(Default)]
pub(super) struct Ledger {
    /// The messages as they were published.
    published: BTreeMap<String, String>,
    /// The order in which they were accepted.
    accepted: BTreeMap<String, usize>,
    subscribed: BTreeSet<String>,
    /// By receiver and message. A queue group is one receiver.
    fates: BTreeMap<(&'static str, String), MessageFate>,
    /// The latest that was handled of each workflow, by receiver.
    reached: BTreeMap<(&'static str, String), usize>,
    handled: BTreeSet<(String, String)>,
    /// The dead letters that are not replayed yet, by receiver; and all that ever were, and were replayed.
    letters: Vec<(String, String)>,
    dead_letters: BTreeSet<(&'static str, String)>,
    replayed: BTreeSet<(&'static str, String)>,
    /// The last number of the one that gets everything and may lose some.
    last: u64,
    gaps: Vec<(u64, u64)>,
    under_way: BTreeMap<String, UnderWay>,
    /// The attempts of each message, by receiver, since it was accepted or replayed.
    attempts: BTreeMap<(&'static str, String), u32>,
    bounds: Bounds,
    /// Who lost its disk.
    wiped: BTreeSet<&'static str>,
    /// The hub lost its disk: nothing holds any more, but that strangers get no reply.
    void: bool,
    /// The hub went back to an older snapshot, or may have: from then on only what is accepted later is
    /// known, and nothing of orders and numbers.
    older: bool,
}

fn wrong(invariant: &'static str, why: impl Into<String>) -> Result<(), Violation> {
    Err(Violation::new(invariant, why))
}

/// As what a subscriber receives.
fn receiver(name: &str) -> &'static str {
    match name {
        ALL => ALL,
        SLOW => SLOW,
        PICKY => PICKY,
        _ => GROUP,
    }
}

impl Ledger {
    pub(super) fn new(bounds: Bounds) -> Self {
        Ledger { bounds, ..Ledger::default() }
    }

    /// The hub starts with an older snapshot. What it was told since, it does not know; all that it will
    /// accept from now on has to end.
    fn go_back(&mut self) {
        self.older = true;
        self.fates.clear();
        self.accepted.clear();
        self.under_way.clear();
        self.attempts.clear();
        self.letters.clear();
    }

    fn mark(&mut self, node: &str, word: &str, text: &str) -> Result<(), Violation> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "publishes" => drop(self.published.insert(first.to_owned(), rest.to_owned())),
            "subscribed" => drop(self.subscribed.insert(first.to_owned())),
            "accepted" => self.accept(first, rest)?,
            "handled" => self.handle(node, first)?,
            "dead-letters" => self.dead_letter(first, rest)?,
            "replays" => self.replay(first, rest)?,
            "no-letters" if !self.older && !self.letters.is_empty() => {
                return wrong(LETTERS, format!("{:?} is gone", self.letters[0]));
            }
            "cannot-replay" | "nameless" | "unexpected" => return wrong(LETTERS, text),
            "hears-gap" | "unheard" => {
                let numbers: Vec<u64> = rest.split(' ').filter_map(|n| n.parse().ok()).collect();
                if first != SLOW {
                    return wrong(ENDS, format!("{first} has a gap and may not lose anything"));
                }
                self.gaps.push((numbers[0], numbers[1]));
            }
            "holds" if rest.parse().is_ok_and(|count: usize| count > limits(first).0) => {
                return wrong(LIMITS, format!("the queue of {first} holds {rest}"));
            }
            "away" => drop(self.under_way.remove(first)),
            _ => {}
        }
        Ok(())
    }

    fn wants(&self, receiver: &str, id: &str) -> bool {
        let retries = |text: &String| {
            let event = text.parse::<Json>().ok()?.get("event")?;
            event.get("data")?.get("retry_count")?.decode::<u64>().ok()
        };
        receiver != PICKY
            || self.published.get(id).and_then(retries).is_some_and(|count| count >= RETRIES)
    }

    fn accept(&mut self, id: &str, count: &str) -> Result<(), Violation> {
        if !self.published.contains_key(id) {
            return wrong(WANTED, format!("{id} is accepted and was not published"));
        }
        if self.accepted.insert(id.to_owned(), self.accepted.len()).is_some() && !self.older {
            return wrong(ONCE, format!("{id} is accepted twice"));
        }
        let who: BTreeSet<_> = self.subscribed.iter().map(|name| receiver(name)).collect();
        let who: Vec<_> = who.into_iter().filter(|receiver| self.wants(receiver, id)).collect();
        if count != who.len().to_string() && !self.older {
            return wrong(ENDS, format!("{count} will receive {id}, not {who:?}"));
        }
        // The older snapshot may lack subscriptions.
        if self.older && count != who.len().to_string() {
            return Ok(());
        }
        // Numbers of before are not those of now, so it cannot be told which of them a gap covers.
        let told = |receiver: &&str| !(self.older && *receiver == SLOW);
        for receiver in who.into_iter().filter(told).collect::<Vec<_>>() {
            let number = self.number(receiver);
            self.fates.insert((receiver, id.to_owned()), MessageFate::Open(number));
        }
        Ok(())
    }

    /// The next number, of whom gets everything.
    fn number(&mut self, receiver: &str) -> Option<u64> {
        self.last += u64::from(receiver == SLOW);
        (receiver == SLOW).then_some(self.last)
    }

    fn handle(&mut self, node: &str, id: &str) -> Result<(), Violation> {
        let receiver = receiver(node);
        let key = (receiver, id.to_owned());
        let again = !self.handled.insert((node.to_owned(), id.to_owned()));
        if again && !self.wiped.contains(receiver) {
            return wrong(ONCE, format!("{node} handles {id} again"));
        }
        let (Some(at), Some(fate)) = (self.accepted.get(id), self.fates.get_mut(&key)) else {
            return match self.older {
                true => Ok(()),
                false => wrong(WANTED, format!("{node} handles {id}")),
            };
        };
        if std::mem::replace(fate, MessageFate::Handled) == MessageFate::Handled {
            return Ok(());
        }
        let workflow = self.published.get(id).and_then(|text| about(text)).unwrap_or_default().1;
        let reached = self.reached.entry((receiver, workflow)).or_default();
        // What was given up may be handled late: by a replay, or by another member of the group.
        let given_up =
            self.replayed.contains(&key) || receiver == GROUP && self.dead_letters.contains(&key);
        if *at < *reached && !given_up && !self.wiped.contains(receiver) && !self.older {
            return wrong(ORDER, format!("{node} handles {id} late"));
        }
        *reached = (*reached).max(*at);
        Ok(())
    }

    fn dead_letter(&mut self, name: &str, original: &str) -> Result<(), Violation> {
        let id = about(original).unwrap_or_default().0;
        if self.published.get(&id).is_none_or(|text| text != original) {
            return wrong(LETTERS, format!("the letter holds {original}"));
        }
        let key = (receiver(name), id.clone());
        match self.fates.get_mut(&key) {
            None if self.older => return Ok(()),
            None => return wrong(WANTED, format!("{id} is a dead letter for {name}")),
            Some(fate @ MessageFate::Open(_)) => *fate = MessageFate::DeadLettered,
            Some(_) => {}
        }
        self.dead_letters.insert(key);
        self.letters.push((name.to_owned(), id));
        Ok(())
    }

    fn replay(&mut self, name: &str, original: &str) -> Result<(), Violation> {
        let id = about(original).unwrap_or_default().0;
        let letter = (name.to_owned(), id.clone());
        self.attempts.remove(&(receiver(name), id.clone()));
        let Some(at) = self.letters.iter().position(|kept| *kept == letter) else {
            if self.older {
                return Ok(());
            }
            return wrong(LETTERS, format!("{id} is replayed for {name} and was no dead letter"));
        };
        self.letters.remove(at);
        let key = (receiver(name), id);
        let number = self.number(key.0);
        if let Some(fate @ MessageFate::DeadLettered) = self.fates.get_mut(&key) {
            *fate = MessageFate::Open(number);
        }
        self.replayed.insert(key);
        Ok(())
    }

    /// A hand-over. Members of a group share the attempts of a message.
    fn count(&mut self, to: &str, receipt: Receipt, id: &str) -> Result<(), Violation> {
        let made = self.attempts.entry((receiver(to), id.to_owned())).or_default();
        *made += 1;
        if *made > self.bounds.hand_overs {
            return wrong(BOUNDED, format!("{id} is handed over to {to} {made} times"));
        }
        if *made != receipt.attempt() {
            let told = receipt.attempt();
            return wrong(BOUNDED, format!("{id} is handed over {made} times, and told as {told}"));
        }
        Ok(())
    }

    /// The hub hands something over.
    fn deliver(&mut self, at: Instant, to: &str, text: &str) -> Result<(), Violation> {
        let (_, window, batch) = limits(to);
        let items: Vec<_> = text.lines().skip(1).filter_map(read).collect();
        for (receipt, id, _) in &items {
            let known = self.accepted.contains_key(id);
            if !self.wants(receiver(to), id) || !known && !self.older {
                return wrong(WANTED, format!("{to} gets {id}"));
            }
            if known {
                self.count(to, *receipt, id)?;
            }
        }
        let under_way = self.under_way.entry(to.to_owned()).or_default();
        let late: Vec<u64> = under_way
            .iter()
            .filter(|(_, (since, _))| at.since(*since) >= TIMEOUT)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            settle(under_way, number, true);
        }
        let count = items.len();
        under_way
            .extend(items.into_iter().map(|(receipt, _, lane)| (receipt.number(), (at, lane))));
        let open = under_way.len();
        if !self.older && (count > batch || open > window) {
            return wrong(LIMITS, format!("{count} messages in a batch, {open} under way to {to}"));
        }
        Ok(())
    }

    fn heard(&mut self, from: &str, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let Some((word @ ("handled" | "failed" | "rejected"), rest)) = text.split_once(' ') else {
            return;
        };
        if let (Some(under_way), Ok(receipt)) =
            (self.under_way.get_mut(from), rest.parse::<Receipt>())
        {
            settle(under_way, receipt.number(), word != "handled");
        }
    }
}

/// A number is under way no more. If it failed, later ones of its workflow are not either.
fn settle(under_way: &mut UnderWay, number: u64, failed: bool) {
    if let Some((_, workflow)) = under_way.remove(&number)
        && failed
    {
        under_way.retain(|later, (_, other)| *later < number || *other != workflow);
    }
}

impl Check for Ledger {
    fn observe(&mut self, event: &SimEvent<'_>) -> Result<(), Violation> {
        match event.kind {
            SimEventKind::Sent { to: MALLORY, .. } => {
                return wrong(HOSTILE, format!("{} answers", event.node));
            }
            _ if self.void => {}
            SimEventKind::Sent { to, bytes, .. } if event.node == HUB => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                if text.starts_with("deliver") {
                    return self.deliver(event.at, to, text);
                }
            }
            SimEventKind::Received { from, bytes, .. } if event.node == HUB => {
                self.heard(from, bytes)
            }
            SimEventKind::Marked { word, text } => return self.mark(event.node, word, text),
            SimEventKind::Crashed { wiped: true } if event.node == HUB => self.void = true,
            SimEventKind::Crashed { wiped: false }
                if event.node == HUB && self.bounds.goes_back =>
            {
                self.go_back();
            }
            SimEventKind::Crashed { wiped: true } if SUBSCRIBERS.contains(&event.node) => {
                self.wiped.insert(receiver(event.node));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _: Instant) -> Result<(), Violation> {
        let told = |number: u64| self.gaps.iter().any(|(from, to)| (*from..=*to).contains(&number));
        for ((receiver, id), fate) in &self.fates {
            if let MessageFate::Open(number) = fate
                && !self.void
                && !number.is_some_and(told)
            {
                // It was settled by what was told of another, or else it would be one of the above.
                let invariant = if self.older { UNSEEN } else { ENDS };
                return wrong(invariant, format!("{id} is in no state for {receiver}"));
            }
        }
        Ok(())
    }
}
