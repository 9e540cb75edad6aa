//! Bugs that are planted in components and in who watches them are found.

use super::{Flaw, Flawed, Planted, found, found_any};
use coordination_protocol::machine::PresenceOptions;
use coordination_protocol::sim::Actor;
use scenarios::Presences;

/// Who is not heard of again after its registration was lost stays unknown, if neither asks nor answers.
#[test]
fn components_that_are_not_announced_again_are_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::Deaf });
    let never = PresenceOptions::new().with_announce(u32::MAX);
    let scenario = Presences::new().with_options(never);
    let scenario = Planted { scenario, node: "agent-1", wrap };
    found(&scenario, "in the end each component is seen as it is", 4);
}

/// Without the marks of its starts, a component that starts again after its clock was set back is taken
/// for a late message of before.
#[test]
fn a_watcher_that_goes_by_clocks_alone_is_found() {
    let wrap: fn(Box<dyn Actor>) -> Box<dyn Actor> =
        |actor| Box::new(Flawed { actor, flaw: Flaw::MissesMarks });
    let scenario = Planted { scenario: Presences::new(), node: "hub", wrap };
    found_any(&scenario, &["who is heard is what it says", "who is silent is unhealthy"], 6);
}
