//! Each reduction loses nothing: without it the same comes of a small world, sound or flawed.

use ballot_model::{Flaw, Reduction, Who, World};
use coordination_protocol::scalar::Ballot;
use stateright::{Checker, Model};
use std::collections::BTreeSet;

/// All that comes of a world, and how many states it has.
fn explored(world: World) -> (BTreeSet<String>, usize) {
    let world = world.noting();
    let checker = world.clone().checker().spawn_bfs().join();
    (world.outcomes(), checker.unique_state_count())
}

type Change = fn(&mut World);

/// Worlds with two proposers, each with the law that it breaks, if any.
const WORLDS: [(&str, Change, Option<&str>); 10] = [
    ("sound", |_| {}, None),
    ("a lost answer", |world| world.lost_answers = 1, None),
    ("rejections", |world| world.opinions.push(Ballot::Reject), None),
    ("a voter crashes", |world| world.crasher = Some(Who::Voter(0)), None),
    (
        "a proposer crashes",
        |world| (world.crasher, world.early) = (Some(Who::Proposer(0)), true),
        None,
    ),
    ("clocks apart", |world| world.ahead = vec![31, -20], None),
    ("two epochs", |world| (world.epochs, world.ahead) = (vec![0, 1], vec![31, 0]), None),
    (
        "blind",
        |world| {
            (world.open, world.flaw) = (vec![30, 90], Some(Flaw::BlindPut));
        },
        Some("one state per version"),
    ),
    (
        "forgetful",
        |world| {
            (world.crasher, world.flaw) = (Some(Who::Voter(0)), Some(Flaw::NothingStored));
        },
        Some("one promise at a time"),
    ),
    (
        "hasty",
        |world| {
            (world.crasher, world.early) = (Some(Who::Proposer(0)), true);
            world.flaw = Some(Flaw::CommitFirst);
        },
        Some("ends are true"),
    ),
];

/// Without a reduction there are many more states, so at scale 1 four worlds do.
fn is_explored(title: &str) -> bool {
    let scale = std::env::var("COORD_TEST_SCALE").ok().and_then(|text| text.parse::<u32>().ok());
    scale >= Some(10) || ["sound", "rejections", "clocks apart", "blind"].contains(&title)
}

/// Explores worlds with and without a reduction, and tells how many states there are of each.
fn lossless(reduction: Reduction, which: impl Fn(&str) -> bool) -> Vec<(usize, usize)> {
    let which = |title: &str| which(title) && is_explored(title);
    let mut counts = Vec::new();
    for (title, change, law) in WORLDS.into_iter().filter(|(title, ..)| which(title)) {
        let mut world = World::new(2, &[30, 30]);
        change(&mut world);
        let (reduced, fewer) = explored(world.clone());
        let mut full = World::new(2, &[30, 30]);
        change(&mut full);
        full.without = Some(reduction);
        let (outcomes, more) = explored(full);
        println!("{title}: {fewer} states, {more} without {reduction:?}");
        assert_eq!(reduced, outcomes, "{title} without {reduction:?}");
        let broken = |law: &str| outcomes.iter().any(|outcome| outcome.contains(law));
        match law {
            Some(law) => assert!(broken(law), "{title}: \"{law}\" was not broken"),
            None => assert!(outcomes.iter().all(|outcome| outcome.ends_with("[]")), "{title}"),
        }
        counts.push((fewer, more));
    }
    counts
}

#[test]
fn voters_are_interchangeable() {
    let counts = lossless(Reduction::Voters, |_| true);
    assert!(counts.iter().all(|(fewer, more)| fewer <= more), "{counts:?}");
    assert!(counts[0].0 < counts[0].1, "{counts:?}");
}

#[test]
fn effects_depend_on_what_they_are_told_apart_by() {
    // To work everything out again takes long.
    let scale = std::env::var("COORD_TEST_SCALE").ok().and_then(|text| text.parse::<u32>().ok());
    let which =
        |title: &str| scale >= Some(10) || ["sound", "rejections", "blind"].contains(&title);
    let counts = lossless(Reduction::Effects, which);
    assert!(counts.iter().all(|(fewer, more)| fewer == more), "{counts:?}");
}

#[test]
fn digests_tell_apart_what_matters() {
    lossless(Reduction::Digests, |_| true);
}

#[test]
fn what_is_dropped_has_no_effect() {
    lossless(Reduction::Dropping, |_| true);
}

#[test]
fn of_what_has_ended_only_the_end_counts() {
    let counts = lossless(Reduction::Ends, |_| true);
    assert!(counts.iter().all(|(fewer, more)| fewer < more), "{counts:?}");
}

#[test]
fn moments_are_told_apart_by_how_far_ahead_they_are() {
    let counts = lossless(Reduction::Clocks, |_| true);
    assert!(counts.iter().all(|(fewer, more)| fewer <= more), "{counts:?}");
    assert!(counts[0].0 < counts[0].1, "{counts:?}");
}

#[test]
fn a_promise_that_cannot_be_broken_any_more_counts_no_more() {
    let counts = lossless(Reduction::Promises, |_| true);
    assert!(counts.iter().all(|(fewer, more)| fewer <= more), "{counts:?}");
    assert!(counts[0].0 < counts[0].1, "{counts:?}");
}

/// With one voter, all comes of it in single steps what comes of it in one. With two, only a part
/// can be explored, and nothing else comes of that.
#[test]
fn hosts_may_take_their_time() {
    let single = |voters, change: Change| {
        let mut world = World::new(voters, &[30, 30]);
        change(&mut world);
        let mut full = World::new(voters, &[30, 30]);
        change(&mut full);
        (full.without, full.hurries) = (Some(Reduction::Steps), 1);
        (world, full)
    };
    for (title, change, _) in
        WORLDS.into_iter().filter(|(title, ..)| ["sound", "blind"].contains(title))
    {
        let (world, mut full) = single(1, change);
        full.hurries = 0;
        let ((reduced, fewer), (outcomes, more)) = (explored(world), explored(full));
        println!("{title}: {fewer} states, {more} in single steps");
        assert_eq!(reduced, outcomes, "{title}");
    }
    for (title, change, _) in WORLDS.into_iter().filter(|(title, ..)| is_explored(title)) {
        let (world, full) = single(2, change);
        let full = full.noting();
        let checker = full.clone().checker().target_max_depth(8).spawn_bfs().join();
        let (reduced, _) = explored(world);
        let others: Vec<_> = full.outcomes().difference(&reduced).cloned().collect();
        println!("{title}: {} states to depth 8 in single steps", checker.unique_state_count());
        assert!(others.is_empty(), "{title}: {others:?}");
    }
}
