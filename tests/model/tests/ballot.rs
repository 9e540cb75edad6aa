//! The explorations: what they span, how many states there are, and that planted bugs are found.
//! `cargo test -- --nocapture` prints the numbers.

use ballot_model::{Action, Flaw, State, Who, World};
use stateright::{Checker, Model, Path};

/// What must hold in every state, or in the end of every run.
const LAWS: [&str; 6] = [
    "one state per version",
    "a quorum approved",
    "ends are true",
    "one promise at a time",
    "every ballot ends",
    "every voter comes to rest",
];

/// What must happen in some run, else the exploration shows nothing.
const EXAMPLES: [&str; 4] = ["committed", "conflict", "rejected", "expired"];

fn steps(path: Path<State, Action>) -> String {
    let steps: Vec<_> = path.into_actions().iter().map(|action| format!("  {action}")).collect();
    steps.join("\n")
}

/// Explores all states, or those up to a depth, and holds them to the laws.
fn explore(title: &str, world: World, depth: Option<usize>, least: usize) {
    let mut builder = world.checker();
    if let Some(depth) = depth {
        builder = builder.target_max_depth(depth);
    }
    let checker = builder.spawn_bfs().join();
    let (all, depth_seen) = (checker.unique_state_count(), checker.max_depth());
    println!("{title}: {all} states, {} transitions, depth {depth_seen}", checker.state_count());
    for law in LAWS {
        if let Some(path) = checker.discovery(law) {
            panic!("{title}: \"{law}\" is broken by\n{}", steps(path));
        }
    }
    for example in EXAMPLES {
        assert!(
            checker.discovery(example).is_some() || depth.is_some(),
            "{title}: \"{example}\" never happens"
        );
    }
    assert!(all >= least, "{title}: only {all} states");
}

/// Two proposers, who may crash, and how many answers of the store are lost.
fn world(open: [u64; 2], crasher: Option<Who>, lost_answers: u8) -> World {
    let mut world = World::new(3, &open);
    world.crasher = crasher;
    world.lost_answers = lost_answers;
    world
}

#[test]
fn three_voters_and_two_proposers() {
    explore("same deadline", world([30, 30], None, 0), None, 90_000);
    explore("a lost answer", world([30, 30], None, 1), None, 200_000);
}

#[test]
fn a_proposer_crashes() {
    explore("a proposer crashes", world([30, 30], Some(Who::Proposer(0)), 0), None, 390_000);
}

#[test]
fn a_voter_crashes() {
    explore("a voter crashes", world([30, 30], Some(Who::Voter(0)), 0), Some(12), 10_000);
}

#[test]
fn a_later_deadline() {
    let world = world([30, 90], None, 0);
    explore("a later deadline", world, Some(13), 10_000);
}

#[test]
fn five_voters() {
    let mut world = World::new(5, &[30, 30]);
    world.crasher = Some(Who::Proposer(0));
    world.lost_answers = 1;
    explore("five voters", world, Some(10), 4_800);
}

/// The laws that a flawed world breaks, with the shortest run that does.
fn broken(world: World, law: &'static str, depth: usize) -> String {
    let found = world.checker().target_max_depth(depth).spawn_bfs().join();
    let path = found.discovery(law).unwrap_or_else(|| panic!("\"{law}\" was not broken"));
    let steps = steps(path);
    println!("\"{law}\" is broken by\n{steps}");
    steps
}

/// Without compare-and-set, the second write replaces the first.
#[test]
fn a_blind_write_is_found() {
    let mut world = world([30, 90], None, 0);
    world.flaw = Flaw::BlindPut;
    let steps = broken(world, "one state per version", 15);
    assert!(steps.lines().filter(|step| step.contains("write")).count() >= 2, "{steps}");
}

/// A voter that forgets its vote votes twice.
#[test]
fn a_vote_that_is_not_stored_is_found() {
    let mut world = world([30, 30], Some(Who::Voter(0)), 0);
    world.flaw = Flaw::NothingStored;
    let steps = broken(world, "one promise at a time", 6);
    assert!(steps.contains("v0 crashes"), "{steps}");
}
