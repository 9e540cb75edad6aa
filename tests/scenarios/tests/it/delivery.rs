//! Delivery in the simulated world: it holds, and what is planted is found.

use super::{Planted, Under, covers, found, found_any, holds};
use coordination_protocol::Json;
use coordination_protocol::machine::Backoff;
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::sim::{Actor, Effects, Scenario};
use scenarios::Deliveries;

const ENDS: &str = "what was accepted is handled, in a dead letter, or in a gap";
const LETTERS: &str = "a dead letter holds its message and is kept";

#[test]
fn every_message_is_handled_in_a_dead_letter_or_in_a_gap() {
    let stats = holds(&Deliveries::new(), 500);
    covers(
        &stats,
        &[("accepted", 2_000), ("handled", 5_000), ("dead-letters", 500), ("busy", 500)],
    );
    covers(&stats, &[("hears-gap", 200), ("replays", 150), ("knows", 200), ("turned-away", 1_500)]);
    covers(&stats, &[("away", 100), ("leaves-out", 3), ("failed", 400), ("rejected", 400)]);
    covers(&stats, &[("stray", 300)]);
}

/// A subscriber that never says a word costs the others nothing, and its messages end.
#[test]
fn a_subscriber_that_never_acknowledges_is_drained() {
    let wraps: [fn(Box<dyn Actor>) -> Box<dyn Actor>; 3] = [
        |actor| flawed(actor, Flaw::DeafTo("slow")),
        |actor| flawed(actor, Flaw::DeafTo("all")),
        |actor| flawed(actor, Flaw::DeafTo("member-1")),
    ];
    for wrap in wraps {
        let stats = holds(&Planted { scenario: Deliveries::new(), node: "hub", wrap }, 10);
        covers(&stats, &[("dead-letters", 50)]);
    }
}

#[test]
fn what_is_told_of_before_an_older_snapshot_settles_nothing() {
    let stats = holds(&Deliveries::new().with_older_snapshots(), 500);
    covers(&stats, &[("accepted", 2_000), ("stray", 300)]);
}

#[test]
fn a_hub_that_goes_by_numbers_is_found() {
    let scenario = Under {
        scenario: Deliveries::new().with_older_snapshots().with_trust_in_numbers(),
        conditions: |usual| usual.with_crashes(12).with_wiped(0),
    };
    found(&scenario, "nothing is settled that its subscriber was not given", 60);
}

#[test]
fn a_hub_that_hands_over_too_often_is_found() {
    let invariant = "hand-overs of a message are bounded, and each is counted";
    let often = Deliveries::new().with_backoff(Backoff::new().with_attempts(4));
    found(&often, invariant, 12);
    found(&Deliveries::new().with_disconnections(9), invariant, 12);
}

struct Flawed {
    actor: Box<dyn Actor>,
    flaw: Flaw,
    /// What stands on the disk of one that stores now and then.
    stored: Option<Json>,
    steps: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    /// It stores every tenth step.
    StoresLater,
    /// A crash costs it its dead letters.
    LosesLetters,
    /// It acknowledges what it has not handled yet.
    Hasty,
    /// It takes no notice of gaps.
    Deaf,
    /// One subscriber does not get through to it with what became of anything.
    DeafTo(&'static str),
}

impl Flawed {
    fn step(&mut self) {
        self.steps += 1;
        if self.flaw == Flaw::StoresLater && self.steps.is_multiple_of(10) {
            self.stored = self.actor.disk();
        }
    }
}

impl Actor for Flawed {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if let Flaw::DeafTo(node) = self.flaw
            && from == node
            && !text.starts_with('{')
        {
            return;
        }
        if text.starts_with("deliver") && from == "hub" {
            if self.flaw == Flaw::Hasty {
                for receipt in text.lines().skip(1).filter_map(|line| line.split(' ').next()) {
                    effects.send("hub", format!("handled {receipt}"));
                }
            }
            if self.flaw == Flaw::Deaf && text.starts_with("deliver gap") {
                let rest = text.split_once('\n').map(|(_, rest)| format!("\n{rest}"));
                text = format!("deliver{}", rest.unwrap_or_default());
                effects.mark("hushes", "");
            }
            self.actor.receive(now, from, text.as_bytes(), effects);
        } else {
            self.actor.receive(now, from, bytes, effects);
        }
        self.step();
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.actor.wake(now, effects);
        self.step();
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        self.actor.stimulus(now, number, effects);
        self.step();
    }

    fn deadline(&self) -> Option<Instant> {
        self.actor.deadline()
    }

    fn disk(&self) -> Option<Json> {
        match self.flaw {
            Flaw::StoresLater => self.stored.clone(),
            Flaw::LosesLetters => {
                let mut disk: serde_json::Value = self.actor.disk()?.decode().ok()?;
                disk["letters"] = serde_json::json!([]);
                Json::of(&disk).ok()
            }
            _ => self.actor.disk(),
        }
    }
}

fn planted(node: &'static str, wrap: fn(Box<dyn Actor>) -> Box<dyn Actor>) -> impl Scenario {
    // Fewer stimuli, so that what is found is small.
    let scenario = Planted { scenario: Deliveries::new(), node, wrap };
    Under {
        scenario,
        conditions: |usual| usual.with_stimuli(25).with_calm(120_000).with_crashes(6).with_wiped(0),
    }
}

fn flawed(actor: Box<dyn Actor>, flaw: Flaw) -> Box<dyn Actor> {
    Box::new(Flawed { actor, flaw, stored: None, steps: 0 })
}

#[test]
fn a_hub_that_accepts_before_it_stores_is_found() {
    let scenario = planted("hub", |actor| flawed(actor, Flaw::StoresLater));
    let invariants = [ENDS, LETTERS, "a message is handled once"];
    found_any(&scenario, &invariants, 12);
}

#[test]
fn a_hub_that_loses_letters_is_found() {
    let scenario = planted("hub", |actor| flawed(actor, Flaw::LosesLetters));
    let failed = found(&scenario, LETTERS, 12);
    assert!(failed.violation.detail().ends_with("is gone"), "{failed}");
}

#[test]
fn a_subscriber_that_acknowledges_before_it_handles_is_found() {
    let scenario = planted("all", |actor| flawed(actor, Flaw::Hasty));
    found_any(&scenario, &[ENDS], 8);
}

/// The hub says so itself, so that nothing is lost in silence.
#[test]
fn a_gap_that_nobody_hears_is_told_to_the_hub() {
    let scenario = Planted {
        scenario: Deliveries::new(),
        node: "slow",
        wrap: |actor| flawed(actor, Flaw::Deaf),
    };
    let stats = holds(&scenario, 20);
    covers(&stats, &[("unheard", 5), ("hushes", 20)]);
}
