//! The simulated world: it replays, shrinks and finds what is planted; and this crate's machines hold
//! in it.

use crate::support::scaled;
use coordination_protocol::Json;
use coordination_protocol::machine::{
    Backoff, BreakerOptions, Draws, PresenceOptions, RequestOptions, RespondOptions,
};
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::sim::scenario::{Hostile, Presences, Requests, Upgrade, all};
use coordination_protocol::sim::{
    Act, Actor, Broken, Check, Conditions, Event, Failed, Fate, Fault, Host, Mishap, Net, Network,
    Plan, Scenario, Stats, What, explore, run, shrink, transcript, try_seed,
};
use std::time::Duration;

fn holds(scenario: &dyn Scenario) -> Stats {
    let seeds = 0..scaled(300) as u64;
    explore(scenario, &scenario.conditions(), seeds).unwrap_or_else(|failed| panic!("{failed}"))
}

/// At least so many of each, so that nothing holds because nothing happens.
fn covers(stats: &Stats, words: &[(&str, u64)]) {
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

#[test]
fn requests_end_exactly_once() {
    let stats = holds(&Requests::new());
    let more = [("asked", 10_000), ("answers", 5_000), ("abandons", 100), ("queued", 300)];
    covers(&stats, &more);
    covers(&stats, &[("puts-off", 1_000), ("circuit", 100), ("kept-away", 50), ("ignored", 1_000)]);
    assert!(stats.wiped >= 50 && stats.shifts >= 50, "{stats}");
}

#[test]
fn who_is_alive_is_known_in_time() {
    let stats = holds(&Presences::new());
    covers(&stats, &[("sees", 3_000), ("hangs", 300), ("leaves", 100), ("goes-on", 50)]);
    assert!(stats.wiped >= 50, "{stats}");
}

#[test]
fn hostile_messages_cause_no_reply() {
    let stats = holds(&Hostile::new());
    covers(&stats, &[("buries", 20_000), ("turned-away", 10_000), ("answers", 2_000)]);
}

#[test]
fn a_rolling_upgrade_loses_and_misreads_nothing() {
    let stats = holds(&Upgrade::new());
    covers(&stats, &[("asked", 8_000), ("installs", 800), ("agrees", 500), ("held", 1_000)]);
    covers(&stats, &[("greets-in-vain", 300), ("cannot-read", 1_000)]);
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

    fn acts(&self, conditions: &Conditions, draws: &mut Draws) -> Vec<Act> {
        self.scenario.acts(conditions, draws)
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
    /// It excuses itself to whom it does not know.
    Polite,
    /// It takes agents for gigabytes.
    Misreads,
    /// It is woken too late.
    Slow,
}

impl Actor for Flawed {
    fn receive(&mut self, now: Now, from: &str, bytes: &[u8], net: &mut Net) {
        if self.flaw == Flaw::Polite && from == "mallory" {
            net.send(from, "sorry?");
        }
        if self.flaw == Flaw::Misreads {
            let text = String::from_utf8_lossy(bytes).replace("\"agents\":", "\"memory_gb\":");
            return self.actor.receive(now, from, text.as_bytes(), net);
        }
        self.actor.receive(now, from, bytes, net);
    }

    fn wake(&mut self, now: Now, net: &mut Net) {
        self.actor.wake(now, net);
    }

    fn act(&mut self, now: Now, number: u64, net: &mut Net) {
        self.actor.act(now, number, net);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.flaw {
            Flaw::Sleeps => None,
            Flaw::Slow => self.actor.deadline()?.after(Duration::from_secs(1)),
            _ => self.actor.deadline(),
        }
    }

    fn disk(&self) -> Option<Json> {
        self.actor.disk().filter(|_| self.flaw != Flaw::Forgets)
    }
}

/// The first seed that finds the bug, shrunk; and what holds of every such find.
fn found(scenario: &dyn Scenario, law: &str, most_parts: usize) -> Failed {
    let failed = *explore(scenario, &scenario.conditions(), 0..100).expect_err("it is found");
    let Failed { drawn, plan, broken, .. } = &failed;
    assert_eq!(broken.law(), law, "{failed}");
    // It is small: nothing that is left can be left out.
    let parts = plan.acts.len() + plan.faults().len();
    assert!(parts <= most_parts, "{parts} parts:\n{failed}");
    assert!(parts < drawn.acts.len() + drawn.faults().len());
    // It replays from its text, line by line.
    let replayed: Plan = plan.to_string().parse().unwrap();
    assert_eq!(replayed, *plan);
    let (outcome, lines) = transcript(scenario, &replayed);
    assert_eq!(outcome.broken.as_ref(), Some(broken));
    assert!(lines.ends_with(&failed.tail) && !lines.is_empty());
    let text = failed.to_string();
    assert!(text.contains(&plan.to_string()) && text.contains(law), "{text}");
    failed
}

const ONCE: &str = "each request ends exactly once";

#[test]
fn a_requester_that_forgets_to_ask_again_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Sleeps });
    let failed = found(&Planted { scenario: Requests::new(), node: "hub-1", wrap }, ONCE, 2);
    assert!(failed.broken.detail().ends_with("of hub-1 never ends"), "{failed}");
}

#[test]
fn a_requester_that_is_late_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Slow });
    let scenario = Planted { scenario: Requests::new(), node: "hub-1", wrap };
    let failed = explore(&scenario, &scenario.conditions(), 0..100).unwrap_err();
    let bounds = ["attempts keep their bounds", "circuits keep their bounds"];
    assert!(bounds.contains(&failed.broken.law()), "{failed}");
}

#[test]
fn a_requester_that_forgets_what_it_asked_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Forgets });
    found(&Planted { scenario: Requests::new(), node: "hub-2", wrap }, ONCE, 3);
}

#[test]
fn a_responder_that_performs_twice_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Forgets });
    let scenario = Planted { scenario: Requests::new(), node: "rm", wrap };
    found(&scenario, "a request is performed once", 3);
    let forgetful = RespondOptions::new().with_remember(Duration::from_secs(1));
    found(&Requests::new().with_respond(forgetful), "a request is performed once", 3);
}

#[test]
fn a_breaker_that_never_opens_is_found() {
    let law = "circuits keep their bounds";
    let never = BreakerOptions::new().with_failures(u32::MAX);
    let failed = found(&Requests::new().with_breaker(never), law, 40);
    assert!(failed.broken.detail().starts_with("it is closed after 5"), "{failed}");
    let hasty = BreakerOptions::new().with_failures(4);
    found(&Requests::new().with_breaker(hasty), law, 40);
    let eager = BreakerOptions::new().with_open(Duration::from_secs(10));
    found(&Requests::new().with_breaker(eager), law, 40);
}

#[test]
fn pauses_out_of_bounds_are_found() {
    let law = "attempts keep their bounds";
    let one = |backoff| Requests::new().with_request(RequestOptions::new().with_backoff(backoff));
    found(&one(Backoff::new().with_attempts(4)), law, 6);
    found(&one(Backoff::new().with_base(Duration::from_secs(5))), law, 4);
    let hasty = RequestOptions::new().with_timeout(Duration::from_secs(20));
    found(&Requests::new().with_request(hasty), law, 4);
}

#[test]
fn a_watcher_out_of_bounds_is_found() {
    let one = |degraded, unhealthy| {
        let options = PresenceOptions::new().with_missing(degraded, unhealthy);
        Presences::new().with_options(options)
    };
    found(&one(1, 2), "who is heard is what it says", 4);
    found(&one(1, 9), "who is silent is unhealthy", 4);
    let hasty = PresenceOptions::new().with_grace(Duration::ZERO);
    found(&Presences::new().with_options(hasty), "who is heard is what it says", 4);
}

#[test]
fn a_reply_to_a_hostile_message_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Polite });
    let scenario = Planted { scenario: Hostile::new(), node: "rm", wrap };
    found(&scenario, "hostile messages cause no reply", 1);
}

#[test]
fn a_reader_that_misreads_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Misreads });
    let scenario = Planted { scenario: Upgrade::new(), node: "rm", wrap };
    let failed = found(&scenario, "nothing is misread", 1);
    assert!(failed.broken.detail().ends_with("asks for none"), "{failed}");
}

/// An attempt that says more than the one before is another request to the responder.
#[test]
fn attempts_in_two_versions_are_found() {
    let failed = found(&Upgrade::new().with_version_by_attempt(), "nothing is misread", 8);
    println!("{failed}");
}
