//! Bugs that are planted in requesters, responders, breakers, watchers and readers are found.

use super::{Flaw, Flawed, Planted, Under, found, found_among, scaled};
use coordination_protocol::machine::{
    Backoff, BreakerOptions, PresenceOptions, RequestOptions, RespondOptions,
};
use coordination_protocol::message::{ComponentConfig, CoordinationConfig};
use coordination_protocol::scalar::{ComponentId, Count, Span};
use coordination_protocol::sim::{Actor, Scenario, explore};
use scenarios::{Hostile, Presences, Requests, Upgrade};
use std::time::Duration;

const ONCE: &str = "each request ends exactly once";

#[test]
fn a_requester_that_forgets_to_ask_again_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Sleeps });
    let failed = found(&Planted { scenario: Requests::new(), node: "hub-1", wrap }, ONCE, 2);
    assert!(failed.violation.detail().ends_with("of hub-1 never ends"), "{failed}");
}

#[test]
fn a_requester_that_is_late_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Slow });
    let scenario = Planted { scenario: Requests::new(), node: "hub-1", wrap };
    let failed = explore(&scenario, &scenario.conditions(), 0..100).unwrap_err();
    let bounds = ["attempts keep their bounds", "circuits keep their bounds"];
    assert!(bounds.contains(&failed.violation.invariant()), "{failed}");
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

/// However patient the requesters are, the responder remembers for as long. One that does not is found.
#[test]
fn a_responder_less_patient_than_its_requesters_is_found() {
    let scenario = Requests::of_config(&patient());
    let seeds = scaled(40) as u64;
    explore(&scenario, &scenario.conditions(), 0..seeds)
        .unwrap_or_else(|failed| panic!("{failed}"));
    let hasty = RespondOptions::from(&patient()).with_remember(Duration::from_secs(60));
    found(&scenario.with_respond(hasty), "a request is performed once", 12);
}

/// Ten attempts of ten seconds.
fn patient() -> ComponentConfig {
    let coordination = CoordinationConfig::new()
        .with_max_retry_attempts(Count::new(10))
        .with_timeout_default(Span::from(Duration::from_secs(10)));
    let id = ComponentId::new("hub").expect("it is a name");
    ComponentConfig::new(id).with_coordination(coordination)
}

#[test]
fn a_requester_that_counts_repeated_errors_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Blurs });
    let scenario = Planted { scenario: Requests::new(), node: "hub-1", wrap };
    // A report that comes twice, and no answer to the attempt in between. In most worlds more is needed to
    // bring that about, so it is searched for in many.
    found_among(&scenario, &["attempts keep their bounds"], scaled(300) as u64, 6);
}

/// A requester that forgets its ended requests takes a late grant for an answer to nothing.
#[test]
fn a_late_grant_that_nobody_hears_of_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::ForgetsEnds });
    let scenario = Planted { scenario: Requests::new(), node: "hub-1", wrap };
    // A crash has to come between the end and the grant.
    let scenario = Under { scenario, conditions: |usual| usual.with_crashes(30).with_wiped(0) };
    found(&scenario, "what is granted too late is told", 12);
}

#[test]
fn a_breaker_that_never_opens_is_found() {
    let invariant = "circuits keep their bounds";
    let never = BreakerOptions::new().with_failures(u32::MAX);
    let failed = found(&Requests::new().with_breaker(never), invariant, 40);
    assert!(failed.violation.detail().starts_with("it is closed after 5"), "{failed}");
    let hasty = BreakerOptions::new().with_failures(4);
    found(&Requests::new().with_breaker(hasty), invariant, 40);
    let eager = BreakerOptions::new().with_open(Duration::from_secs(10));
    found(&Requests::new().with_breaker(eager), invariant, 40);
}

#[test]
fn pauses_out_of_bounds_are_found() {
    let invariant = "attempts keep their bounds";
    let one = |backoff| Requests::new().with_request(RequestOptions::new().with_backoff(backoff));
    found(&one(Backoff::new().with_attempts(4)), invariant, 6);
    found(&one(Backoff::new().with_base(Duration::from_secs(5))), invariant, 4);
    let hasty = RequestOptions::new().with_timeout(Duration::from_secs(20));
    found(&Requests::new().with_request(hasty), invariant, 4);
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

/// A responder that takes the source that a message names for its sender performs what is asked in the name of
/// another, and answers who has not asked.
#[test]
fn a_forged_sender_that_is_believed_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Credulous });
    let scenario = Planted { scenario: Hostile::new(), node: "rm", wrap };
    let failed = found(&scenario, "hostile messages cause no reply", 2);
    assert!(failed.violation.detail().ends_with("was not asked"), "{failed}");
}

#[test]
fn a_reader_that_misreads_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Misreads });
    let scenario = Planted { scenario: Upgrade::new(), node: "rm", wrap };
    let failed = found(&scenario, "nothing is misread", 1);
    assert!(failed.violation.detail().ends_with("asks for none"), "{failed}");
}

/// An attempt that says more than the one before is another request to the responder.
#[test]
fn attempts_in_two_versions_are_found() {
    let scenario = Upgrade::new().with_version_by_attempt();
    let failed = found(&scenario, "a request is performed once", 4);
    // One request, an upgrade of both sides, and an answer that does not arrive.
    assert_eq!((failed.plan.stimuli.len(), failed.plan.faults.len()), (3, 1), "{failed}");
}
