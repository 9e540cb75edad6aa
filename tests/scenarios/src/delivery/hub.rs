//! The hub: the host of the machine.

use super::super::component;
use super::super::hosts::admit;
use super::{HUB, PUBLISHERS, SUBSCRIBERS};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Json;
use coordination_protocol::machine::{
    Dispatcher, DispatcherInput, DispatcherOptions, DispatcherOutput, IgnoreReason, Machine,
    SplitMix64, Timers,
};
use coordination_protocol::scalar::{ComponentId, Instant, Now};
use coordination_protocol::security::permissions::Permissions;
use coordination_protocol::sim::{Actor, Effects, Host};
use coordination_protocol::transport::Gap;
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
    pub(super) fn new(host: &Host<'_>, options: DispatcherOptions) -> Self {
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
        Hub { disk, gate, peaks: BTreeMap::new() }
    }

    /// A message of the protocol.
    fn message(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let Ok(envelope) = admit(&mut self.gate, now, from, bytes) else {
            return effects.mark("turned-away", from);
        };
        self.disk.delivery.receive(now, envelope);
    }

    /// A message of the hosts: what became of a number, or that a gap was heard of.
    fn note(&mut self, now: Now, from: &str, word: &str, rest: &str, effects: &mut Effects) {
        let numbers: Vec<u64> = rest.split(' ').filter_map(|text| text.parse().ok()).collect();
        let (who, why) = (component(from), word.to_owned());
        let [number, ref more @ ..] = numbers[..] else { return effects.mark("turned-away", from) };
        let input = match (word, more) {
            ("heard", [to, dropped]) => {
                DispatcherInput::AckGap(who, Gap::new(number, *to, *dropped))
            }
            ("handled", []) => DispatcherInput::Acknowledge(who, vec![number]),
            ("failed", []) => DispatcherInput::Fail(who, number, why),
            ("rejected", []) => DispatcherInput::Reject(who, number, why),
            _ => return effects.mark("turned-away", from),
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
                        let _ = write!(text, " gap {} {} {}", gap.from, gap.to, gap.dropped);
                    }
                    for item in batch {
                        let _ = write!(text, "\n{} {}", item.number, item.envelope);
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
            Some((word @ ("handled" | "failed" | "rejected" | "heard"), rest)) => {
                self.note(now, from, word, rest, effects);
            }
            _ => self.message(now, from, bytes, effects),
        }
        self.follow(Some(from), effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.disk.delivery.handle_timeout(now);
        while let Some(name) = self.disk.away.due(now.at) {
            effects.mark("back", name.as_str());
            // It subscribed before it was away, and no subscriber unsubscribes.
            let _ = self.disk.delivery.handle(now, DispatcherInput::Reconnected(name));
        }
        self.follow(None, effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        match number % 3 {
            0 => self.suspect(now, SUBSCRIBERS[number as usize / 15 % 5], effects),
            _ => self.replay(now, effects),
        }
        self.follow(None, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        let Disk { delivery, away, .. } = &self.disk;
        delivery.deadline().into_iter().chain(away.earliest()).min()
    }

    fn disk(&self) -> Option<Json> {
        Json::of(&self.disk).ok()
    }
}
