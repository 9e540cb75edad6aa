//! The explorations. `cargo test -- --nocapture` prints what they span and how many states there
//! are.
//!
//! What takes more than some twenty seconds of one core is explored only if `COORD_TEST_SCALE` is at least 10.

use ballot_model::{Action, Flaw, State, Who, World};
use coordination_protocol::scalar::Ballot;
use stateright::{Checker, Model, Path};
use std::time::Instant;

/// What must hold in every state.
const LAWS: [&str; 7] = [
    "one state per version",
    "a quorum approved",
    "ends are true",
    "one promise at a time",
    "epochs stand apart",
    "every ballot ends",
    "every voter comes to rest",
];

/// What must happen in some run, else the exploration shows nothing.
const EXAMPLES: [&str; 4] = ["committed", "conflict", "rejected", "expired"];

/// The same where each proposer proposes for an epoch of its own.
const APART: [&str; 4] = ["committed", "both committed", "rejected", "expired"];

fn steps(path: Path<State, Action>) -> String {
    let steps: Vec<_> = path.into_actions().iter().map(|action| format!("  {action}")).collect();
    steps.join("\n")
}

/// Whether the tests run at such a scale.
fn at_scale(least: usize) -> bool {
    let scale = std::env::var("COORD_TEST_SCALE").ok().and_then(|text| text.parse().ok());
    scale.unwrap_or(1) >= least
}

/// Explores states up to a depth, or all, and holds them to the laws. Tells how many there are.
#[expect(clippy::disallowed_methods, reason = "people want to know how long it takes")]
fn search(title: &str, world: World, depth: Option<usize>) -> usize {
    let begun = Instant::now();
    let two_epochs = !world.epochs.is_empty();
    let rejects = !two_epochs || world.opinions.contains(&Ballot::Reject);
    let mut builder = world.checker();
    if let Some(depth) = depth {
        builder = builder.target_max_depth(depth);
    }
    let checker = builder.spawn_bfs().join();
    let (states, seen) = (checker.unique_state_count(), checker.max_depth());
    println!(
        "{title}: {}, {states} states, {} transitions, depth {seen}, {:.1?}",
        if depth.is_some() { "to a depth" } else { "all" },
        checker.state_count(),
        begun.elapsed(),
    );
    for law in LAWS {
        if let Some(path) = checker.discovery(law) {
            panic!("{title}: \"{law}\" is broken by\n{}", steps(path));
        }
    }
    let examples = if two_epochs { APART } else { EXAMPLES };
    for example in examples.into_iter().filter(|example| rejects || *example != "rejected") {
        assert!(
            checker.discovery(example).is_some() || depth.is_some(),
            "{title}: \"{example}\" never happens"
        );
    }
    states
}

/// Explores all states, of which there are at least this number: fewer would mean that steps are missed.
fn all(title: &str, world: World, least: usize) {
    let states = search(title, world, None);
    assert!(states >= least, "{title}: only {states} states");
}

/// Three voters, two proposers with this number of seconds, and what else is so of their world.
fn three(open: [u64; 2], more: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(3, &open);
    more(&mut world);
    world
}

const P0: Option<Who> = Some(Who::Proposer(0));
const V0: Option<Who> = Some(Who::Voter(0));

#[test]
fn three_voters_all() {
    all("one deadline", three([30, 30], |_| {}), 52_000);
    all("a lost answer", three([30, 30], |world| world.lost_answers = 1), 124_000);
}

/// Voters whose wall clocks are apart: one is half a minute ahead, past the deadline when the proposal comes;
/// one is behind. They vote, no promise is broken, and all come to rest.
#[test]
fn voters_whose_clocks_are_apart_all() {
    let mut two = World::new(2, &[30, 30]);
    two.ahead = vec![31, -20];
    all("two clocks apart", two, 6_200);
    let three = three([30, 30], |world| world.ahead = vec![31, 10, -20]);
    all("three clocks apart", three, 231_000);
}

/// The workflow was taken back between two ballots on the same version: both can be committed, each in its
/// epoch, and neither stands in the way of the other.
#[test]
fn a_restore_in_between_all() {
    let mut two = World::new(2, &[30, 30]);
    (two.epochs, two.ahead) = (vec![0, 1], vec![31, 0]);
    two.opinions.push(Ballot::Reject);
    all("two epochs", two, 27_900);
    let content = three([30, 30], |world| world.epochs = vec![0, 1]);
    all("three voters that reject nothing, two epochs", content, 31_000);
    let three = three([30, 30], |world| {
        world.epochs = vec![0, 1];
        world.opinions.push(Ballot::Reject);
    });
    all("three voters, two epochs", three, 462_000);
}

#[test]
fn three_voters_with_a_later_deadline_all() {
    if at_scale(10) {
        all("two deadlines", three([30, 90], |_| {}), 82_000);
    }
}

#[test]
fn three_voters_with_a_later_deadline_one_of_which_crashes_to_depth_14() {
    if at_scale(10) {
        let world = three([30, 90], |world| world.crasher = V0);
        search("two deadlines, and a voter crashes", world, Some(14));
    }
}

#[test]
fn three_voters_that_may_reject_all() {
    let world = three([30, 30], |world| world.opinions.push(Ballot::Reject));
    all("voters may reject", world, 254_000);
}

#[test]
fn three_voters_and_a_proposer_crashes_all() {
    all("a proposer crashes", three([30, 30], |world| world.crasher = P0), 234_000);
    if at_scale(10) {
        let early = three([30, 30], |world| (world.crasher, world.early) = (P0, true));
        all("a proposer crashes that is stored early", early, 273_000);
        let lost = three([30, 30], |world| (world.crasher, world.lost_answers) = (P0, 1));
        all("a proposer crashes, and a lost answer", lost, 234_000);
    }
}

#[test]
fn three_voters_one_of_which_crashes_all() {
    all("a voter crashes", three([30, 30], |world| world.crasher = V0), 582_000);
    if at_scale(10) {
        let lost = three([30, 30], |world| (world.crasher, world.lost_answers) = (V0, 1));
        all("a voter crashes, and a lost answer", lost, 582_000);
    }
}

/// Five voters, a crash of the first proposer, and a lost answer, to a depth.
fn five(depth: usize) {
    let mut world = World::new(5, &[30, 30]);
    (world.crasher, world.lost_answers) = (P0, 1);
    search("five voters, a proposer crashes, and a lost answer", world, Some(depth));
}

#[test]
fn five_voters_to_depth_11() {
    five(11);
}

#[test]
fn five_voters_to_depth_15() {
    if at_scale(10) {
        five(15);
    }
}

/// The shortest run in which a flawed world breaks a law.
fn broken(world: &World, law: &'static str) -> String {
    let found = (2..30).find_map(|depth| {
        world.clone().checker().target_max_depth(depth).spawn_bfs().join().discovery(law)
    });
    let steps = steps(found.unwrap_or_else(|| panic!("\"{law}\" was not broken")));
    println!("\"{law}\" is broken by\n{steps}");
    steps
}

/// Without compare-and-set, the second write replaces the first.
#[test]
fn a_blind_write_is_found() {
    let world = three([30, 90], |world| world.flaw = Some(Flaw::BlindPut));
    let steps = broken(&world, "one state per version");
    assert!(steps.lines().filter(|step| step.contains("the write of")).count() >= 2, "{steps}");
}

/// A voter that forgets its vote votes twice.
#[test]
fn a_vote_that_is_not_stored_is_found() {
    let world =
        three([30, 30], |world| (world.crasher, world.flaw) = (V0, Some(Flaw::NothingStored)));
    let steps = broken(&world, "one promise at a time");
    assert!(steps.contains("v0 crashes"), "{steps}");
}

/// A voter that reads no epochs is bound by what it had accepted in the line that was given up.
#[test]
fn a_voter_that_ignores_a_restore_is_found() {
    let world =
        three([30, 30], |world| (world.epochs, world.flaw) = (vec![0, 1], Some(Flaw::NoEpochs)));
    let steps = broken(&world, "epochs stand apart");
    assert!(steps.lines().all(|step| step.starts_with("  v0 receives prop_")), "{steps}");
}

/// A vote that counts twice makes a majority of one voter.
#[test]
fn a_voter_that_is_counted_twice_is_found() {
    let world = three([30, 30], |world| world.flaw = Some(Flaw::CountedTwice));
    let steps = broken(&world, "a quorum approved");
    assert_eq!(steps.matches("receives accept").count(), 1, "{steps}");
}

/// A proposer that writes before it has stored that it does says after a crash that its ballot
/// failed, and then the write happens.
#[test]
fn a_commit_before_it_is_stored_is_found() {
    let world = three([30, 30], |world| {
        (world.crasher, world.early, world.flaw) = (P0, true, Some(Flaw::CommitFirst));
    });
    let steps = broken(&world, "ends are true");
    assert!(steps.contains("p0 crashes"), "{steps}");
    assert!(steps.contains("the write of p0"), "{steps}");
}
