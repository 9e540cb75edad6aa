//! What must hold in every state, and what must happen in some.

use crate::node::brief;
use crate::state::State;
use crate::{World, proposal, proposed};
use coordination_protocol::machine::BallotEnd;
use stateright::{Expectation, Model, Property};

/// The proposals of an epoch among some.
pub(crate) fn of_epoch(world: &World, epoch: u64, some: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..world.open.len()).filter(|which| world.epoch(*which) == epoch && some(*which)).collect()
}

pub(crate) fn epochs(world: &World) -> impl Iterator<Item = u64> {
    let last = (0..world.open.len()).map(|which| world.epoch(which)).max().unwrap_or(0);
    0..=last
}

/// Two states are never committed for one version of an epoch.
fn one_state(world: &World, state: &State) -> bool {
    epochs(world).all(|epoch| of_epoch(world, epoch, |which| state.ever.contains(which)).len() <= 1)
}

/// What is committed was accepted by a majority, each of whom sent that vote.
fn approved(_: &World, state: &State) -> bool {
    !state.unapproved
}

/// Who has ended says what the store says; who has failed has not committed, then or later.
fn ends_are_true(world: &World, state: &State) -> bool {
    let told = state.ends().all(|(which, end)| {
        let stored = state.stored.get(&world.epoch(which));
        let stored = stored.map(|stored| &stored.decision.proposal);
        let own = |state: &_| *state == Some(proposed(which));
        match end {
            BallotEnd::Committed(_) => stored.is_some_and(|stored| own(&stored.value)),
            BallotEnd::Conflict(_) => stored.is_some_and(|stored| !own(&stored.value)),
            _ => stored.is_none_or(|stored| stored.proposal_id != proposal(which)),
        }
    });
    told && (0..state.proposers.len())
        .all(|which| !(state.failed.contains(which) && state.ever.contains(which)))
}

/// A voter that accepted two states of a version was free of one of them: its ballot had failed, or its
/// deadline had passed by the voter's clock. A clock by which it had passed when the proposal came does not
/// make a vote bind less: then it binds for as long as a ballot is open.
fn one_promise(world: &World, state: &State) -> bool {
    (0..world.voters).all(|voter| {
        epochs(world).all(|epoch| {
            let accepted = state.promised(world, voter, epoch);
            accepted.len() < 2 || accepted.iter().any(|which| state.is_free(voter, *which))
        })
    })
}

/// What was accepted before the workflow was taken back binds no one afterwards.
fn epochs_stand_apart(_: &World, state: &State) -> bool {
    !state.astray
}

/// Whether nothing can happen any more.
fn is_end(world: &World, state: &State) -> bool {
    // A timer that is set fires, or the host does first what its component waits for.
    if state.is_armed() {
        return false;
    }
    let mut actions = Vec::new();
    world.actions(state, &mut actions);
    actions.into_iter().all(|action| world.next_state(state, action).is_none())
}

/// In the end no one waits: each ballot has ended, unless its proposer forgot it in a crash.
fn all_end(world: &World, state: &State) -> bool {
    state.proposers.iter().all(|node| node.machine.open().next().is_none()) || !is_end(world, state)
}

/// In the end no voter is bound, and no decision is awaited.
fn all_rest(world: &World, state: &State) -> bool {
    state.voters.iter().all(|node| node.machine.proposals().next().is_none())
        || !is_end(world, state)
}

/// How a ballot ended for somebody.
fn ended(state: &State, how: fn(&BallotEnd) -> bool) -> bool {
    state.ends().any(|(_, end)| how(end))
}

/// Notes what came of it, if this is wanted.
fn note(world: &World, state: &State) -> bool {
    let Some(outcomes) = &world.outcomes else { return true };
    let ends: Vec<_> =
        state.ends().map(|(which, end)| format!("p{which} {}", brief(end))).collect();
    let stored = state.stored.values().map(|stored| &stored.decision.proposal.proposal_id);
    let stored = stored.map(ToString::to_string).collect::<Vec<_>>();
    let broken: Vec<_> = properties()
        .iter()
        .filter(|law| matches!(law.expectation, Expectation::Always) && law.name != NOTE)
        .filter(|law| !(law.condition)(world, state))
        .map(|law| law.name)
        .collect();
    outcomes.lock().unwrap().insert(format!("{ends:?} {stored:?} {broken:?}"));
    true
}

const NOTE: &str = "outcomes are noted";

pub(crate) fn properties() -> Vec<Property<World>> {
    vec![
        Property::always("one state per version", one_state),
        Property::always("a quorum approved", approved),
        Property::always("ends are true", ends_are_true),
        Property::always("one promise at a time", one_promise),
        Property::always("epochs stand apart", epochs_stand_apart),
        Property::always("every ballot ends", all_end),
        Property::always("every voter comes to rest", all_rest),
        Property::always(NOTE, note),
        Property::sometimes("committed", |_, state: &State| {
            ended(state, |end| matches!(end, BallotEnd::Committed(_)))
        }),
        Property::sometimes("both committed", |_, state: &State| state.stored.len() > 1),
        Property::sometimes("conflict", |_, state: &State| {
            ended(state, |end| matches!(end, BallotEnd::Conflict(_)))
        }),
        Property::sometimes("rejected", |_, state: &State| {
            ended(state, |end| matches!(end, BallotEnd::Rejected(_)))
        }),
        Property::sometimes("expired", |_, state: &State| {
            ended(state, |end| matches!(end, BallotEnd::Expired(_)))
        }),
    ]
}
