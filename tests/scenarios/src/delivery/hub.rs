//! The hub: the host of the machine.

use super::super::component;
use super::super::hosts::admit;
use super::{HUB, PUBLISHERS, SUBSCRIBERS};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Dispatcher, DispatcherInput, DispatcherOptions, DispatcherOutput, IgnoreReason, Machine,
    Receipt, SplitMix64, Timers,
};
use coordination_protocol::scalar::{ComponentId, Instant, Now};
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::sim::{Actor, Effects, Host};
use coordination_protocol::validate::{Gate, SecurityPolicy, Validator};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

/// How long a subscriber counts as away.
const AWAY: Duration = Duration::from_secs(45);

pub(super) struct Hub {
    disk: Disk,
    gate: Gate,
    /// The longest that each queue was.
    peaks: BTreeMap<ComponentId, usize>,
    habit: Habit,
    /// What stands on the disk of one that stores now and then.
    stored: Option<Json>,
    steps: u32,
}

/// How a hub departs from what is asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habit {
    /// It stores every tenth step only, and so goes back to an older snapshot when it starts anew.
    pub(super) stores_seldom: bool,
    /// It goes by the numbers of receipts, and by nothing else that they say.
    pub(super) trusts_numbers: bool,
}

#[derive(Serialize, Deserialize)]
struct Disk {
    delivery: Dispatcher,
    /// Whom each dead letter is for, and what it holds.
    letters: VecDeque<(ComponentId, String)>,
    /// Who is away, and until when.
    away: Timers<ComponentId>,
}

impl Hub {
    pub(super) fn new(host: &Host<'_>, options: DispatcherOptions, habit: Habit) -> Self {
        let disk = host.disk.and_then(|disk| disk.decode().ok()).unwrap_or_else(|| Disk {
            delivery: Dispatcher::new(SplitMix64::new(host.seed).next_u64()).with_options(options),
            letters: VecDeque::new(),
            away: Timers::new(),
        });
        let grant = |permissions: Permissions, name: &str, may: [&[&str]; 2]| {
            let [publish, subscribe] = may.map(|patterns| patterns.iter().copied());
            permissions
                .with_component(&component(name), publish, subscribe)
                .expect("these are patterns")
        };
        let permissions = PUBLISHERS.iter().fold(Permissions::new(), |permissions, name| {
            grant(permissions, name, [&["task.>"], &[]])
        });
        let permissions = SUBSCRIBERS
            .iter()
            .fold(permissions, |permissions, name| grant(permissions, name, [&[], &["task.>"]]));
        let policy = SecurityPolicy::new().with_permissions(permissions);
        let gate = Gate::new(Validator::new(Mode::Strict).with_policy(policy));
        let stored = host.disk.cloned();
        Hub { disk, gate, peaks: BTreeMap::new(), habit, stored, steps: 0 }
    }

    /// A message of the protocol.
    fn message(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let Ok(envelope) = admit(&mut self.gate, now, from, bytes) else {
            return effects.mark("turned-away", from);
        };
        self.disk.delivery.receive(now, envelope);
    }

    /// A message of the hosts: what became of a message, or that a gap was heard of.
    fn note(&mut self, now: Now, from: &str, word: &str, rest: &str, effects: &mut Effects) {
        let (who, why) = (component(from), word.to_owned());
        let Ok(mut receipt) = rest.parse::<Receipt>() else {
            return effects.mark("turned-away", from);
        };
        if self.habit.trusts_numbers {
            let mut open = self.disk.delivery.under_way(&who);
            receipt = open.find(|open| open.number() == receipt.number()).unwrap_or(receipt);
        }
        let input = match word {
            "heard" => DispatcherInput::AckGap(who, receipt),
            "handled" => DispatcherInput::Acknowledge(who, vec![receipt]),
            "working" => DispatcherInput::Extend(who, vec![receipt]),
            "failed" => DispatcherInput::Fail(who, receipt, why),
            _ => DispatcherInput::Reject(who, receipt, why),
        };
        if let Err(refused) = self.disk.delivery.handle(now, input) {
            effects.mark("not-taken", refused.to_string());
        }
    }

    /// Carries out the outputs of the machine. What goes to the sender of a message answers it.
    fn follow(&mut self, from: Option<&str>, effects: &mut Effects) {
        while let Some(output) = self.disk.delivery.poll() {
            match output {
                DispatcherOutput::Deliver { to, gap, batch } => {
                    let mut text = String::from("deliver");
                    if let Some(gap) = gap {
                        let _ =
                            write!(text, " gap {} {} {}", gap.gap.from, gap.gap.to, gap.receipt);
                    }
                    for item in batch {
                        let _ = write!(text, "\n{} {}", item.receipt, item.envelope);
                    }
                    effects.send(to.as_str(), text);
                }
                DispatcherOutput::Published { message_id: Some(id), receivers } => {
                    effects.mark("accepted", format!("{id} {receivers}"));
                    effects.send(from.unwrap_or(HUB), format!("accepted {id}"));
                }
                DispatcherOutput::Published { message_id: None, .. } => {
                    effects.mark("nameless", "")
                }
                DispatcherOutput::Ignored(ignored) => {
                    match (ignored.reason, &ignored.message.message_id) {
                        (IgnoreReason::Duplicate, Some(id)) => {
                            effects.mark("knows", id.as_str());
                            effects.send(from.unwrap_or(HUB), format!("accepted {id}"));
                        }
                        (IgnoreReason::Full, Some(id)) => {
                            effects.mark("busy", format!("{id} {}", ignored.detail));
                            effects.send(from.unwrap_or(HUB), format!("busy {id}"));
                        }
                        _ => effects.mark("not-taken", ignored.to_string()),
                    }
                }
                DispatcherOutput::Subscribed { subscriber, .. } => {
                    effects.mark("subscribed", subscriber.as_str());
                    effects.send(subscriber.as_str(), "subscribed");
                }
                DispatcherOutput::DeadLetter(letter) => {
                    let Some(who) = letter.subscriber.clone() else { continue };
                    effects.mark("dead-letters", format!("{who} {}", letter.original));
                    self.disk.letters.push_back((who, letter.original.clone()));
                }
                DispatcherOutput::ReceiptsIgnored { subscriber, said, ignored } => {
                    for one in ignored {
                        effects.mark("stray", format!("{} {said} {subscriber}", one.reason));
                    }
                }
                DispatcherOutput::GapUnacknowledged { subscriber, gap } => {
                    effects.mark("unheard", format!("{subscriber} {} {}", gap.from, gap.to));
                }
                other => effects.mark("unexpected", other.to_string()),
            }
        }
        for (name, count) in self.disk.delivery.subscribers() {
            let peak = self.peaks.entry(name.clone()).or_default();
            if count > *peak {
                *peak = count;
                effects.mark("holds", format!("{name} {count}"));
            }
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.habit.stores_seldom && self.steps.is_multiple_of(10) {
            self.stored = Json::of(&self.disk).ok();
        }
    }

    /// Reports a subscriber as away for a while.
    fn suspect(&mut self, now: Now, name: &str, effects: &mut Effects) {
        if self.disk.delivery.handle(now, DispatcherInput::Disconnected(component(name))).is_ok() {
            effects.mark("away", name);
            self.disk.away.set(component(name), now.at.after(AWAY));
        }
    }

    /// Replays the oldest dead letter.
    fn replay(&mut self, now: Now, effects: &mut Effects) {
        let Some((who, original)) = self.disk.letters.front().cloned() else {
            return effects.mark("no-letters", "");
        };
        // It was accepted from another component, so permissions and replays do not matter here.
        let mut gate = Gate::new(Validator::new(Mode::Strict));
        let Ok(envelope) = gate.accept(original.as_bytes(), now, None) else {
            return effects.mark("cannot-replay", original);
        };
        match self
            .disk
            .delivery
            .handle(now, DispatcherInput::Redrive(who.clone(), Box::new(envelope)))
        {
            Ok(()) => {
                self.disk.letters.pop_front();
                effects.mark("replays", format!("{who} {original}"));
            }
            Err(refused) => effects.mark("not-taken", refused.to_string()),
        }
    }
}

impl Actor for Hub {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        match text.split_once(' ') {
            Some((word @ ("handled" | "failed" | "rejected" | "working" | "heard"), rest)) => {
                self.note(now, from, word, rest, effects);
            }
            _ => self.message(now, from, bytes, effects),
        }
        self.follow(Some(from), effects);
        self.step();
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.disk.delivery.handle_timeout(now);
        while let Some(name) = self.disk.away.due(now.at) {
            effects.mark("back", name.as_str());
            // It subscribed before it was away, and no subscriber unsubscribes.
            let _ = self.disk.delivery.handle(now, DispatcherInput::Reconnected(name));
        }
        self.follow(None, effects);
        self.step();
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        match number % 3 {
            0 => self.suspect(now, SUBSCRIBERS[number as usize / 15 % 5], effects),
            _ => self.replay(now, effects),
        }
        self.follow(None, effects);
        self.step();
    }

    fn deadline(&self) -> Option<Instant> {
        let Disk { delivery, away, .. } = &self.disk;
        delivery.deadline().into_iter().chain(away.earliest()).min()
    }

    fn disk(&self) -> Option<Json> {
        match self.habit.stores_seldom {
            true => self.stored.clone(),
            false => Json::of(&self.disk).ok(),
        }
    }
}
