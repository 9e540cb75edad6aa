//! The worlds that this crate's own machines are held to.
//!
//! | scenario | machines | invariants |
//! |---|---|---|
//! | [`Requests`] | [`Requester`](coordination_protocol::machine::Requester), [`Responder`](coordination_protocol::machine::Responder), [`Breaker`](coordination_protocol::machine::Breaker) | each request ends exactly once; is performed once; pauses and circuits keep their bounds |
//! | [`Presences`] | [`Presence`](coordination_protocol::machine::Presence) | who is heard is healthy, who is silent is not, in time |
//! | [`Hostile`] | [`Responder`](coordination_protocol::machine::Responder), [`Gate`](coordination_protocol::validate::Gate) | hostile messages cause no reply and end no request |
//! | [`Upgrade`] | [`Handshake`](coordination_protocol::machine::Handshake), [`Envelope::encode_for`](coordination_protocol::Envelope::encode_for) | nothing is lost or misread while components go from 1.0.0 to 1.1.0 |
//! | [`Deliveries`] | [`Dispatcher`](coordination_protocol::machine::Dispatcher) | each message is handled, in a dead letter, or in a gap; order, filters and limits hold |
//! | [`Ballots`] | [`Proposer`](coordination_protocol::machine::Proposer), [`Voter`](coordination_protocol::machine::Voter) | one state for each version, with a quorum; who ends says what the store says |
//! | [`Syncs`] | [`StateSync`](coordination_protocol::machine::StateSync) | all converge, also after setbacks; no change is lost without being named; who changed nothing follows |
//!
//! The hosts in them run the specification's figures, so a run covers minutes of virtual time. Each
//! writes its state to its disk in every step, so a crash costs nothing but the time; those of
//! [`Ballots`] write when a machine asks for it, which takes a while. A scenario is one module and one row of
//! [`all`].

mod ballot;
mod delivery;
mod greetings;
mod hostile;
mod hosts;
mod presence;
mod request;
mod sync;
mod upgrade;

pub use ballot::Ballots;
pub use delivery::Deliveries;
pub use hostile::Hostile;
pub use presence::Presences;
pub use request::Requests;
pub use sync::Syncs;
pub use upgrade::Upgrade;

use coordination_protocol::machine::SplitMix64;
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::sim::{Conditions, Scenario, Stimulus};

/// All scenarios.
pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Requests::new()),
        Box::new(Presences::new()),
        Box::new(Hostile::new()),
        Box::new(Upgrade::new()),
        Box::new(Deliveries::new()),
        Box::new(Ballots::new()),
        Box::new(Syncs::new()),
    ]
}

/// The name of a node as that of a component.
fn component(name: &str) -> ComponentId {
    ComponentId::new(name).expect("nodes are named like components")
}

fn names(nodes: &[&str]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

/// Acts of some nodes at random times, numbered from 1, so that each number is used once.
fn numbered(conditions: &Conditions, nodes: &[&str], draws: &mut SplitMix64) -> Vec<Stimulus> {
    let one = |number| {
        let node = nodes[draws.below(nodes.len() as u64) as usize];
        Stimulus::new(node, draws.below(conditions.calm), number)
    };
    (1..=u64::from(conditions.stimuli)).map(one).collect()
}
