//! Freshness as a table; the replay cache against a model that forgets nothing.

use coordination_protocol::scalar::ComponentId;
use coordination_protocol::security::freshness::{Freshness, FreshnessError};
use coordination_protocol::security::replay::{ReplayCache, ReplayCapacity, ReplayError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::{Rng, scaled};

const NOW: i64 = 1_736_942_400_000;

fn millis(rng: &mut Rng, bound: usize) -> i64 {
    i64::try_from(rng.below(bound)).unwrap()
}

fn hub() -> ComponentId {
    ComponentId::new("hub").unwrap()
}

#[test]
fn freshness_is_as_the_table_says() {
    use FreshnessError::{Expired, FromFuture, NoTimestamp, Stale};
    let standard = Freshness::default();
    let none = standard.with_ahead(Duration::ZERO).with_behind(Duration::ZERO);
    let endless = standard.with_ahead(Duration::MAX).with_behind(Duration::MAX);
    // How far the timestamp is behind the clock, the life in seconds, and the answer.
    type Row = (Freshness, i64, Option<u64>, Result<(), FreshnessError>);
    let rows: &[Row] = &[
        (standard, 0, None, Ok(())),
        (standard, -30_000, None, Ok(())),
        (standard, -30_001, None, Err(FromFuture { millis: 1 })),
        (standard, 300_000, None, Ok(())),
        (standard, 300_001, None, Err(Stale { millis: 1 })),
        (standard, 60_000, Some(60), Ok(())),
        (standard, 60_001, Some(60), Err(Expired { millis: 1 })),
        (standard, 0, Some(0), Ok(())),
        (standard, 1, Some(0), Err(Expired { millis: 1 })),
        (standard, -1, Some(0), Ok(())),
        // A long life does not widen the window, and the sender's word goes first.
        (standard, 300_001, Some(3_600), Err(Stale { millis: 1 })),
        (standard, 300_000, Some(u64::MAX), Ok(())),
        (standard, 400_000, Some(100), Err(Expired { millis: 300_000 })),
        (standard, -30_001, Some(0), Err(FromFuture { millis: 1 })),
        (none, 0, None, Ok(())),
        (none, 1, None, Err(Stale { millis: 1 })),
        (none, -1, None, Err(FromFuture { millis: 1 })),
        (endless, i64::MAX - NOW, None, Ok(())),
        (endless, -NOW, None, Ok(())),
    ];
    for (freshness, age, ttl, expected) in rows {
        let found = freshness.check(Some((NOW - age).into()), ttl.map(Duration::from_secs), NOW);
        assert_eq!(found, *expected, "{freshness:?} {age} {ttl:?}");
    }
    assert_eq!(standard.check(None, Some(Duration::from_secs(60)), NOW), Err(NoTimestamp));
    let ends = standard.check(Some(i64::MIN.into()), None, i64::MAX).unwrap_err();
    assert_eq!(ends, Stale { millis: u64::MAX - 300_000 });
    let ends = standard
        .check(Some(i64::MAX.into()), Some(Duration::from_secs(u64::MAX)), i64::MIN)
        .unwrap_err();
    assert_eq!(ends, FromFuture { millis: u64::MAX - 30_000 });
}

#[test]
fn freshness_tells_why() {
    for (error, reason, message) in [
        (
            FreshnessError::NoTimestamp,
            "no-timestamp",
            "the message has no timestamp to judge its age by",
        ),
        (
            FreshnessError::FromFuture { millis: 5 },
            "from-future",
            "the timestamp is 5 ms further ahead of the clock than allowed",
        ),
        (FreshnessError::Expired { millis: 6 }, "expired", "the message expired 6 ms ago"),
        (
            FreshnessError::Stale { millis: 7 },
            "stale",
            "the timestamp is 7 ms further behind the clock than allowed",
        ),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (reason, message));
    }
    for (error, reason, message) in [
        (
            ReplayError::Replayed,
            "replayed",
            "a message of this source with this identifier was admitted before",
        ),
        (
            ReplayError::OutsideWindow,
            "outside-replay-window",
            "the timestamp is outside the window in which replays are recognized",
        ),
        (
            ReplayError::Forgotten,
            "no-longer-remembered",
            "messages as old as this one are no longer remembered",
        ),
        (
            ReplayError::Full,
            "replay-cache-full",
            "too many messages are remembered to admit another one",
        ),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (reason, message));
    }
}

#[test]
fn a_message_is_its_source_and_its_identifier() {
    let mut cache = ReplayCache::new(&Freshness::default());
    let source = |name: &str| ComponentId::new(name).unwrap();
    let messages = [("hub", "m1"), ("hub", "m2"), ("hubm", "1"), ("hu", "bm1"), ("hub", "")];
    for (name, id) in messages {
        assert_eq!(cache.admit(&source(name), id, NOW, NOW), Ok(()), "{name} {id}");
    }
    for (name, id) in messages {
        let again = cache.admit(&source(name), id, NOW + 1, NOW + 1);
        assert_eq!(again, Err(ReplayError::Replayed), "{name} {id}");
    }
    assert_eq!(cache.len(), messages.len());
    assert!(!cache.is_empty());
}

#[test]
fn the_window_is_that_of_the_freshness() {
    let freshness = Freshness::default();
    let mut cache = ReplayCache::new(&freshness);
    assert!(cache.is_empty());
    // The oldest and the newest timestamp that are fresh.
    assert_eq!(cache.admit(&hub(), "old", NOW - 300_000, NOW), Ok(()));
    assert_eq!(cache.admit(&hub(), "new", NOW + 30_000, NOW), Ok(()));
    let outside = Err(ReplayError::OutsideWindow);
    assert_eq!(cache.admit(&hub(), "older", NOW - 300_001, NOW), outside);
    assert_eq!(cache.admit(&hub(), "newer", NOW + 300_001, NOW), outside);
    assert_eq!(cache.admit(&hub(), "x", i64::MIN, i64::MAX), outside);
    // As long as one of them is fresh, it is known.
    let mut later_on = cache.clone();
    for later in [0, 1, 299_999, 300_000, 330_000] {
        let now = NOW + later;
        for (id, at) in [("old", NOW - 300_000), ("new", NOW + 30_000)] {
            assert!(
                freshness.check(Some(at.into()), None, now).is_err()
                    || later_on.admit(&hub(), id, at, now) == Err(ReplayError::Replayed),
                "{id} {later}"
            );
        }
    }
    // The identifier of another message is free when the window has passed.
    let now = NOW + 300_000;
    assert_eq!(cache.admit(&hub(), "old", now, now), Err(ReplayError::Replayed));
    assert_eq!(cache.admit(&hub(), "old", now + 1, now + 1), Ok(()));
    let now = NOW + 330_000;
    assert_eq!(cache.admit(&hub(), "new", now, now), Err(ReplayError::Replayed));
    assert_eq!(cache.admit(&hub(), "new", now + 1, now + 1), Ok(()));
}

#[test]
fn a_full_cache_shrinks_its_window_or_refuses() {
    let fill = |when_full| {
        let mut cache =
            ReplayCache::new(&Freshness::default()).with_capacity(3).with_when_full(when_full);
        for id in 0..3 {
            assert_eq!(cache.admit(&hub(), &id.to_string(), NOW + id, NOW + id), Ok(()));
        }
        cache
    };
    let mut cache = fill(ReplayCapacity::Refuse);
    assert_eq!(cache.admit(&hub(), "3", NOW + 3, NOW + 3), Err(ReplayError::Full));
    assert_eq!(cache.admit(&hub(), "0", NOW, NOW + 3), Err(ReplayError::Replayed));
    // The window of the first entry is over.
    let now = NOW + 300_001;
    assert_eq!(cache.admit(&hub(), "3", now, now), Ok(()));
    assert_eq!(cache.admit(&hub(), "4", now, now), Err(ReplayError::Full));

    let mut cache = fill(ReplayCapacity::ShrinkWindow);
    // Not later than the first: room for it would only be made by refusing it.
    assert_eq!(cache.admit(&hub(), "late", NOW, NOW + 3), Err(ReplayError::Forgotten));
    assert_eq!(cache.admit(&hub(), "0", NOW, NOW + 3), Err(ReplayError::Replayed));
    assert_eq!(cache.admit(&hub(), "3", NOW + 3, NOW + 3), Ok(()));
    assert_eq!(cache.admit(&hub(), "0", NOW, NOW + 3), Err(ReplayError::Forgotten));
    assert_eq!(cache.admit(&hub(), "1", NOW + 1, NOW + 3), Err(ReplayError::Replayed));
    assert_eq!(cache.len(), 3);

    let mut one = ReplayCache::with_window(Duration::from_secs(1)).with_capacity(0);
    assert_eq!(one.admit(&hub(), "0", NOW, NOW), Ok(()), "there is room for one at least");
    assert_eq!(one.admit(&hub(), "0", NOW, NOW), Err(ReplayError::Replayed));
}

#[test]
fn messages_that_are_dated_ahead_do_not_push_others_out() {
    let mut cache = ReplayCache::new(&Freshness::default()).with_capacity(10);
    for id in 0..5 {
        let ahead = NOW + 30_000;
        assert_eq!(cache.admit(&hub(), &format!("ahead {id}"), ahead, NOW), Ok(()));
    }
    for id in 0..1_000 {
        let now = NOW + id;
        assert_eq!(cache.admit(&hub(), &id.to_string(), now, now), Ok(()));
        assert_eq!(cache.admit(&hub(), "ahead 0", NOW + 30_000, now), Err(ReplayError::Replayed));
    }
    assert_eq!(cache.len(), 10);
}

#[test]
fn a_restart_refuses_what_was_sent_before() {
    let mut cache = ReplayCache::new(&Freshness::default()).with_floor(NOW);
    assert_eq!(cache.admit(&hub(), "m", NOW, NOW + 10), Err(ReplayError::Forgotten));
    assert_eq!(cache.admit(&hub(), "m", NOW + 1, NOW + 10), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_admits_nothing_twice() {
    let mut cache = ReplayCache::new(&Freshness::default());
    assert_eq!(cache.admit(&hub(), "m", NOW, NOW), Ok(()));
    let hour = NOW + 3_600_000;
    assert_eq!(cache.admit(&hub(), "ahead", hour, hour), Ok(()));
    assert_eq!(cache.len(), 1, "the first was forgotten");
    // Back again: the first is refused, and what follows it is admitted.
    assert_eq!(cache.admit(&hub(), "m", NOW, NOW + 5), Err(ReplayError::Forgotten));
    for id in 0..1_000 {
        assert_eq!(cache.admit(&hub(), &id.to_string(), NOW + 5 + id, NOW + 5 + id), Ok(()));
    }
    assert_eq!(cache.admit(&hub(), "ahead", hour, hour), Err(ReplayError::Replayed));
}

/// Any clock, any order, any capacity: no message twice, no more memory than allowed, and no
/// refusal without its reason.
#[test]
fn no_message_is_admitted_twice() {
    let (mut admitted, mut refused) = (0, BTreeMap::new());
    for case in 0..scaled(300) {
        let rng = &mut Rng::new(case as u64 + 1);
        let window = 1 + millis(rng, 200);
        let capacity = 1 + rng.below(40);
        let when_full =
            if rng.one_in(2) { ReplayCapacity::Refuse } else { ReplayCapacity::ShrinkWindow };
        let mut cache = ReplayCache::with_window(Duration::from_millis(window.unsigned_abs()))
            .with_capacity(capacity)
            .with_when_full(when_full);
        let orderly = rng.one_in(3);
        let mut now = NOW;
        // Messages with their timestamps, and when each identifier was last admitted.
        let mut seen: BTreeSet<(usize, usize, i64)> = BTreeSet::new();
        let mut last: BTreeMap<(usize, usize), i64> = BTreeMap::new();
        for _ in 0..500 {
            now += match rng.below(30) {
                0 if !orderly => -millis(rng, 1_000),
                1 => millis(rng, 1_000),
                _ => millis(rng, 8),
            };
            let (source, id) = (rng.below(2), rng.below(60));
            let at = match rng.below(4) {
                0 => now - millis(rng, 250),
                1 => now + millis(rng, 250),
                // A replay of something that was admitted, if there is something.
                2 => seen.iter().find(|m| (m.0, m.1) == (source, id)).map_or(now, |m| m.2),
                _ => now,
            };
            let name = ComponentId::new(format!("c{source}")).unwrap();
            let before = cache.len();
            let answer = cache.admit(&name, &format!("m{id}"), at, now);
            assert!(cache.len() <= capacity);
            let known = last.get(&(source, id)).copied();
            match answer {
                Ok(()) => {
                    assert!(seen.insert((source, id, at)), "case {case}: admitted twice");
                    assert!((now - at).abs() <= window);
                    if orderly && when_full == ReplayCapacity::Refuse {
                        let free = known.is_none_or(|admitted| now - admitted > window);
                        assert!(free, "case {case}: within the window");
                    }
                    last.insert((source, id), now);
                    admitted += 1;
                }
                Err(error) => {
                    match error {
                        ReplayError::Replayed => assert!(known.is_some(), "case {case}"),
                        ReplayError::OutsideWindow => assert!((now - at).abs() > window),
                        ReplayError::Full => {
                            assert_eq!((when_full, before), (ReplayCapacity::Refuse, capacity));
                        }
                        // Something at least as late was admitted and had to go.
                        ReplayError::Forgotten => {
                            assert!(seen.iter().any(|message| message.2 >= at), "case {case}");
                        }
                        other => panic!("{other}"),
                    }
                    *refused.entry(error.code()).or_insert(0) += 1;
                }
            }
        }
    }
    assert!(admitted > 10_000, "{admitted}");
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert!(refused.values().all(|count| *count > 500), "{refused:?}");
}

/// A source that keeps order and pace is never refused, whatever was forgotten before.
#[test]
fn an_orderly_source_is_always_admitted() {
    for capacity in [1, 2, 100] {
        let mut cache = ReplayCache::new(&Freshness::default()).with_capacity(capacity);
        for id in 0..i64::try_from(scaled(5_000)).unwrap() {
            let at = NOW + id * 3;
            assert_eq!(cache.admit(&hub(), &id.to_string(), at, at + 40), Ok(()));
        }
        assert_eq!(cache.len(), capacity);
    }
}
