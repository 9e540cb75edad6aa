//! The worlds hold, over many seeds.

use super::{covers, holds, scaled};
use coordination_protocol::sim::{Plan, run, transcript, try_seed};
use scenarios::{Hostile, Presences, Requests, Upgrade, all};

#[test]
fn requests_end_exactly_once() {
    let stats = holds(&Requests::new(), 300);
    let more = [("asked", 10_000), ("answers", 5_000), ("abandons", 100), ("queued", 300)];
    covers(&stats, &more);
    covers(&stats, &[("puts-off", 1_000), ("circuit", 100), ("kept-away", 50), ("ignored", 1_000)]);
    covers(&stats, &[("contradicts", 20)]);
    assert!(stats.wiped >= 50 && stats.shifts >= 50, "{stats}");
}

#[test]
fn who_is_alive_is_known_in_time() {
    let stats = holds(&Presences::new(), 500);
    covers(&stats, &[("sees", 3_000), ("hangs", 300), ("leaves", 100), ("goes-on", 50)]);
    covers(&stats, &[("asks", 200), ("ignores", 500)]);
    assert!(stats.wiped >= 50 && stats.shifts >= 300, "{stats}");
}

#[test]
fn hostile_messages_cause_no_reply() {
    let stats = holds(&Hostile::new(), 150);
    covers(&stats, &[("dead-letters", 10_000), ("turned-away", 4_000), ("answers", 800)]);
}

#[test]
fn a_rolling_upgrade_loses_and_misreads_nothing() {
    let stats = holds(&Upgrade::new(), 200);
    covers(&stats, &[("asked", 4_000), ("installs", 400), ("agrees", 400), ("held", 500)]);
    covers(&stats, &[("greets-in-vain", 200), ("cannot-read", 600)]);
}

/// Plans that are equal give transcripts that are equal, line by line; other seeds give others.
#[test]
fn equal_plans_give_equal_transcripts() {
    for scenario in all() {
        let mut before = Vec::new();
        for seed in 0..scaled(4) as u64 {
            let plan = scenario.conditions().plan(scenario.as_ref(), seed);
            assert_eq!(plan, scenario.conditions().plan(scenario.as_ref(), seed));
            let read: Plan = plan.to_string().parse().unwrap();
            assert_eq!(read, plan);
            let first = transcript(scenario.as_ref(), &plan);
            assert_eq!(transcript(scenario.as_ref(), &read), first);
            assert_eq!(run(scenario.as_ref(), &plan, &mut |_| {}), first.0);
            assert_ne!(first.1, before, "{} {seed}", scenario.name());
            before = first.1;
        }
        let seeded = try_seed(scenario.as_ref(), &scenario.conditions(), 3).unwrap();
        assert_eq!((seeded.runs, seeded.sent > 0), (1, true));
    }
}
