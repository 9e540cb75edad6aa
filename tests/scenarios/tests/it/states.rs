//! Ballots and synchronization in the simulated world: they hold, and what is planted is found.

use super::{Flaw, Flawed, Planted, Under, covers, found, found_any, holds};
use coordination_protocol::Json;
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::sim::{Actor, Effects};
use scenarios::{Ballots, Syncs};

#[test]
fn one_state_is_decided_for_each_version() {
    let stats = holds(&Ballots::new(), 500);
    covers(&stats, &[("proposes", 2_000), ("votes", 4_000), ("stores", 500), ("puts", 600)]);
    covers(&stats, &[("committed", 700), ("conflict", 50), ("rejected", 100), ("expired", 100)]);
    covers(&stats, &[("learns", 1_500), ("gives-up", 100)]);
    assert!(stats.wiped >= 50, "{stats}");
}

#[test]
fn replicas_converge_and_lose_no_change() {
    let stats = holds(&Syncs::new(), 500);
    covers(&stats, &[("says", 400), ("gets-to", 400), ("asked", 8), ("decided", 8)]);
    covers(&stats, &[("merged", 8), ("newer-with-gap", 15), ("newer", 1_000)]);
    let stats = holds(&Syncs::new().with_joins_only(), 500);
    covers(&stats, &[("gets-to", 400), ("merged", 3)]);
}

/// Through restarts from older snapshots, clocks that jump, and cuts of minutes.
#[test]
fn replicas_converge_through_setbacks() {
    let stats = holds(&Syncs::new().with_setbacks(), 500);
    covers(&stats, &[("takes-back", 80), ("restored", 200), ("merged", 20), ("decided", 10)]);
    assert!(stats.shifts >= 60, "{stats}");
}

#[test]
fn who_changed_nothing_follows() {
    let stats = holds(&Syncs::new().with_one_author(), 500);
    covers(&stats, &[("gets-to", 800), ("newer-with-gap", 50), ("newer", 200)]);
}

#[test]
fn a_replica_that_does_not_name_what_others_had_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> = |actor| {
        let mislead = |_: &dyn Actor, text: &str| {
            let (before, after) = text.split_once("\"ancestors\":[").unwrap_or((text, ""));
            let after = after.split_once(']').map_or("", |(_, after)| after);
            let other = format!("\"ancestors\":[\"sha256:{}\"]", "0".repeat(64));
            if after.is_empty() { text.to_owned() } else { format!("{before}{other}{after}") }
        };
        Box::new(Misled { actor, mislead })
    };
    let scenario = Planted { scenario: Syncs::new().with_one_author(), node: "copy-2", wrap };
    // It takes more versions than a state names ancestors of, so it cannot be small.
    found(&scenario, "who changed nothing is not asked for consensus", 25);
}

#[test]
fn a_replica_that_knows_no_epochs_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> = |actor| {
        let mislead = |_: &dyn Actor, text: &str| {
            let (before, after) = text.split_once("\"epoch\":").unwrap_or((text, ""));
            let after = after.split_once(',').map_or("", |(_, after)| after);
            if after.is_empty() { text.to_owned() } else { format!("{before}{after}") }
        };
        Box::new(Misled { actor, mislead })
    };
    let scenario = Planted { scenario: Syncs::new().with_setbacks(), node: "copy-3", wrap };
    found(&scenario, "all have the same state in the end", 12);
}

#[test]
fn a_voter_that_forgets_its_vote_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Forgets });
    // Many crashes, so that what a crash costs is found.
    let scenario = Planted { scenario: Ballots::new(), node: "voter-1", wrap };
    let scenario = Under {
        scenario,
        conditions: |usual| {
            let steady = usual.with_shifts(0).with_wiped(0);
            steady.with_crashes(30).with_down(3_000).with_lost(200)
        },
    };
    found_any(
        &scenario,
        &[
            "a voter approves of one state at a time",
            "who voted for a decision learns it or gives up asking",
        ],
        20,
    );
}

/// A program that is told something else than was sent.
struct Misled {
    actor: Box<dyn Actor>,
    mislead: fn(&dyn Actor, &str) -> String,
}

impl Actor for Misled {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], effects: &mut Effects) {
        let text = (self.mislead)(self.actor.as_ref(), &String::from_utf8_lossy(bytes));
        self.actor.receive(now, from, text.as_bytes(), effects);
    }

    fn wake(&mut self, now: Now, effects: &mut Effects) {
        self.actor.wake(now, effects);
    }

    fn stimulus(&mut self, now: Now, number: u64, effects: &mut Effects) {
        self.actor.stimulus(now, number, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        self.actor.deadline()
    }

    fn disk(&self) -> Option<Json> {
        self.actor.disk()
    }
}

#[test]
fn an_unconditional_write_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> = |actor| {
        let mislead = |_: &dyn Actor, text: &str| text.replace("put absent ", "put any ");
        Box::new(Misled { actor, mislead })
    };
    let scenario = Planted { scenario: Ballots::new(), node: "store", wrap };
    found(&scenario, "one state for each version", 8);
}

#[test]
fn a_replica_that_adopts_any_newer_state_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> = |actor| {
        // Everything seems to come from its own state.
        let mislead = |actor: &dyn Actor, text: &str| {
            let current = actor.disk().and_then(|disk| disk.get("current"));
            match current.and_then(|current| current.get("digest")?.to_text()) {
                Some(own) => text.replace("\"ancestors\":[", &format!("\"ancestors\":[\"{own}\",")),
                None => text.to_owned(),
            }
        };
        Box::new(Misled { actor, mislead })
    };
    let scenario = Planted { scenario: Syncs::new(), node: "copy-2", wrap };
    found(&scenario, "no change is lost without being named", 12);
}

/// If one does, the others make up for it.
#[test]
fn replicas_that_never_ask_again_are_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Sleeps });
    let scenario = Planted { scenario: Syncs::new(), node: "copy-1", wrap };
    let scenario = Planted { scenario, node: "copy-2", wrap };
    let scenario = Planted { scenario, node: "copy-3", wrap };
    let scenario = Planted { scenario, node: "copy-4", wrap };
    found(&scenario, "all have the same state in the end", 8);
}
