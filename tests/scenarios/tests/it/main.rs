//! This crate's machines hold in their worlds, what is planted is found, and the program shows it.

#![allow(clippy::disallowed_methods, reason = "tests may start threads and read the clock")]

mod delivery;
mod holds;
mod planted;
mod presence;
mod program;
mod states;

use coordination_protocol::Json;
use coordination_protocol::machine::SplitMix64;
use coordination_protocol::message::peek;
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::sim::{
    Actor, Check, Conditions, Counterexample, Effects, Host, Plan, Scenario, SimStats, Stimulus,
    explore, transcript,
};
use std::time::Duration;

/// How many seeds a test runs: `seeds` times `COORD_TEST_SCALE`, which is 1 unless set.
fn scaled(seeds: usize) -> usize {
    let scale = std::env::var("COORD_TEST_SCALE").ok().and_then(|text| text.parse().ok());
    seeds * scale.unwrap_or(1_usize)
}

fn holds(scenario: &dyn Scenario, seeds: usize) -> SimStats {
    let seeds = 0..scaled(seeds) as u64;
    explore(scenario, &scenario.conditions(), seeds).unwrap_or_else(|failed| panic!("{failed}"))
}

/// At least this number of each, so that nothing holds because nothing happens.
fn covers(stats: &SimStats, words: &[(&str, u64)]) {
    for (word, least) in words {
        let count = stats.marks.get(word).copied().unwrap_or(0);
        assert!(count >= *least, "{word} {count}:\n{stats}");
    }
    for (what, count) in [
        ("lost", stats.lost),
        ("repeated", stats.repeated),
        ("late", stats.late),
        ("missed", stats.missed),
        ("crashes", stats.crashes),
        ("cuts", stats.cuts),
    ] {
        assert!(count >= stats.runs / 3, "{what} {count}:\n{stats}");
    }
}

/// A scenario in which one node runs another program.
struct Planted<S> {
    scenario: S,
    node: &'static str,
    wrap: fn(Box<dyn Actor>) -> Box<dyn Actor>,
}

impl<S: Scenario> Scenario for Planted<S> {
    fn name(&self) -> &str {
        self.scenario.name()
    }

    fn nodes(&self) -> Vec<String> {
        self.scenario.nodes()
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        let actor = self.scenario.boot(host);
        if host.name == self.node { (self.wrap)(actor) } else { actor }
    }

    fn check(&self) -> Box<dyn Check> {
        self.scenario.check()
    }

    fn conditions(&self) -> Conditions {
        self.scenario.conditions()
    }

    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        self.scenario.stimuli(conditions, draws)
    }
}

/// A scenario under conditions of its own.
struct Under<S> {
    scenario: S,
    conditions: fn(Conditions) -> Conditions,
}

impl<S: Scenario> Scenario for Under<S> {
    fn name(&self) -> &str {
        self.scenario.name()
    }

    fn nodes(&self) -> Vec<String> {
        self.scenario.nodes()
    }

    fn boot(&self, host: &Host<'_>) -> Box<dyn Actor> {
        self.scenario.boot(host)
    }

    fn check(&self) -> Box<dyn Check> {
        self.scenario.check()
    }

    fn conditions(&self) -> Conditions {
        (self.conditions)(self.scenario.conditions())
    }

    fn stimuli(&self, conditions: &Conditions, draws: &mut SplitMix64) -> Vec<Stimulus> {
        self.scenario.stimuli(conditions, draws)
    }
}

/// A program that does all but what its flaw says.
struct Flawed {
    actor: Box<dyn Actor>,
    flaw: Flaw,
}

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    /// Its timers never ring.
    Sleeps,
    /// A crash costs it its disk.
    Forgets,
    /// A crash costs it what it knew of ended requests.
    ForgetsEnds,
    /// It excuses itself to whom it does not know.
    Polite,
    /// It takes the source that a message names for who sent it.
    Credulous,
    /// It takes agents for gigabytes.
    Misreads,
    /// It is woken too late.
    Slow,
    /// It hears nothing.
    Deaf,
    /// It does not see which start of a component a message is of.
    MissesMarks,
    /// It cannot tell which attempt an error report is about, nor two of them apart.
    Blurs,
}

impl Actor for Flawed {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        if self.flaw == Flaw::Polite && from == "mallory" {
            effects.send(from, "sorry?");
        }
        if self.flaw == Flaw::Credulous {
            let text = String::from_utf8_lossy(bytes);
            let source = peek(&text).header.and_then(|header| header.source);
            let from = source.as_ref().map_or(from, |source| source.as_str());
            return self.actor.receive(now, from, bytes, effects);
        }
        if self.flaw == Flaw::Blurs {
            let text = String::from_utf8_lossy(bytes);
            let (before, after) = text.split_once(r#""causation_id":""#).unwrap_or((&text, ""));
            let after = after.split_once("\",").map_or("", |(_, after)| after);
            let fresh = format!(r#""error_id":"err_{}_"#, now.at.as_nanos());
            let text = format!("{before}{after}").replace(r#""error_id":""#, &fresh);
            return self.actor.receive(now, from, text.as_bytes(), effects);
        }
        if self.flaw == Flaw::Deaf {
            return;
        }
        if self.flaw == Flaw::MissesMarks {
            let text = String::from_utf8_lossy(bytes).replace(r#""instance":"#, r#""marked":"#);
            return self.actor.receive(now, from, text.as_bytes(), effects);
        }
        if self.flaw == Flaw::Misreads {
            let text = String::from_utf8_lossy(bytes).replace("\"agents\":", "\"memory_gb\":");
            return self.actor.receive(now, from, text.as_bytes(), effects);
        }
        self.actor.receive(now, from, bytes, effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.actor.wake(now, effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        self.actor.stimulus(now, number, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.flaw {
            Flaw::Sleeps => None,
            Flaw::Slow => self.actor.deadline()?.after(Duration::from_secs(1)),
            _ => self.actor.deadline(),
        }
    }

    fn disk(&self) -> Option<Json> {
        match self.flaw {
            Flaw::Forgets => None,
            Flaw::ForgetsEnds => {
                let mut disk: serde_json::Value = self.actor.disk()?.decode().ok()?;
                disk["requester"]["ended"] = serde_json::json!({ "order": [], "values": [] });
                Json::of(&disk).ok()
            }
            _ => self.actor.disk(),
        }
    }
}

/// The first seed that finds the bug, shrunk; and what holds of every such find.
fn found(scenario: &dyn Scenario, invariant: &str, max_parts: usize) -> Counterexample {
    found_any(scenario, &[invariant], max_parts)
}

/// The same of a bug that breaks one invariant or another.
fn found_any(scenario: &dyn Scenario, invariants: &[&str], max_parts: usize) -> Counterexample {
    let failed = *explore(scenario, &scenario.conditions(), 0..100).expect_err("it is found");
    is_small(scenario, invariants, max_parts, failed)
}

/// The smallest that a number of seeds find, for bugs that come out in few worlds, and rarely alone.
fn found_among(
    scenario: &dyn Scenario,
    invariants: &[&str],
    seeds: u64,
    max_parts: usize,
) -> Counterexample {
    let one = |seed| explore(scenario, &scenario.conditions(), [seed]).err();
    let parts = |failed: &Counterexample| failed.plan.stimuli.len() + failed.plan.faults.len();
    let failed = (0..seeds).filter_map(one).min_by_key(|failed| parts(failed));
    is_small(scenario, invariants, max_parts, *failed.expect("it is found"))
}

/// What holds of every find.
fn is_small(
    scenario: &dyn Scenario,
    invariants: &[&str],
    max_parts: usize,
    failed: Counterexample,
) -> Counterexample {
    let Counterexample { drawn, plan, violation, .. } = &failed;
    let invariant = violation.invariant();
    assert!(invariants.contains(&invariant), "{failed}");
    // It is small: nothing that is left can be left out.
    let parts = plan.stimuli.len() + plan.faults.len();
    assert!(parts <= max_parts, "{parts} parts:\n{failed}");
    assert!(parts < drawn.stimuli.len() + drawn.faults.len());
    // It replays from its text, line by line.
    let replayed: Plan = plan.to_string().parse().unwrap();
    assert_eq!(replayed, *plan);
    let (outcome, lines) = transcript(scenario, &replayed);
    assert_eq!(outcome.violation.as_ref(), Some(violation));
    assert!(lines.ends_with(&failed.tail) && !lines.is_empty());
    let text = failed.to_string();
    assert!(text.contains(&plan.to_string()) && text.contains(invariant), "{text}");
    failed
}
