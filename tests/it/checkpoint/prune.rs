//! Retention.

use super::stores::Faulty;
use super::*;
use crate::support::scaled;
use coordination_protocol::checkpoint::{
    CheckpointError, CheckpointForm, CheckpointOptions, CheckpointSummary, Retention, StateTarget,
};
use coordination_protocol::message::Rollback;
use coordination_protocol::scalar::RollbackMode;
use coordination_protocol::storage::view::States;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The message of a state.
fn message(state: &str) -> String {
    format!(r#"{{"workflow_state":{state}}}"#)
}

/// All stay.
pub(super) fn everything() -> Retention {
    Retention::new()
}

fn ids(list: &[CheckpointSummary]) -> Vec<&str> {
    list.iter().map(|summary| summary.sync.checkpoint_id.as_str()).collect()
}

#[test]
fn count_and_age_decide() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    for (retention, stay) in [
        (Retention::new(), &["ckpt_0", "ckpt_1", "ckpt_2", "ckpt_3", "ckpt_4"][..]),
        (Retention::new().with_keep(2), &["ckpt_3", "ckpt_4"]),
        (Retention::new().with_keep(0), &["ckpt_4"]),
        (Retention::new().with_keep(0).with_at_least(0), &[]),
        (Retention::new().with_older_than(hours(2)), &["ckpt_2", "ckpt_3", "ckpt_4"]),
        (Retention::new().with_older_than(hours(0)), &["ckpt_4"]),
        (Retention::new().with_older_than(hours(2)).with_keep(1), &["ckpt_4"]),
        (Retention::new().with_older_than(hours(1)).with_keep(4), &["ckpt_3", "ckpt_4"]),
        (
            Retention::new().with_older_than(hours(0)).with_at_least(3),
            &["ckpt_2", "ckpt_3", "ckpt_4"],
        ),
    ] {
        let checkpoints = Checkpoints::new(MemoryStore::new());
        for number in 0..5_u8 {
            let mut new = new(number);
            new.now = at(i64::from(number) * 3_600);
            create(&checkpoints, &state(number.into()), &new);
        }
        let pruned = block_on(checkpoints.prune(&workflow(), &retention, at(4 * 3_600))).unwrap();
        let listing = block_on(checkpoints.list(&workflow())).unwrap();
        assert_eq!(ids(&listing.checkpoints), stay, "{retention:?}");
        assert_eq!(pruned.removed.len(), 5 - stay.len());
        assert_eq!(all(checkpoints.store(), "checkpoint-parts/").len(), stay.len());
    }
}

#[test]
fn the_laws_of_retention() {
    let rng = &mut Rng::new(31);
    let mut needed = 0;
    for case in 0..scaled(60) {
        let options = CheckpointOptions::default().with_chain(rng.below(4) + 1, 1 << 20);
        let checkpoints = Checkpoints::new(MemoryStore::new()).with_options(options);
        let mut clock = 0;
        for number in 0..rng.below(12) as u8 {
            // Clocks go back, too.
            clock += i64::try_from(rng.below(100)).unwrap() - 15;
            let mut new = if rng.one_in(4) { new(number) } else { incremental(number) };
            new.now = at(clock);
            create(&checkpoints, &state(number.into()), &new);
        }
        let before = block_on(checkpoints.list(&workflow())).unwrap().checkpoints;
        let mut retention = Retention::new().with_at_least(rng.below(3));
        retention.keep = (!rng.one_in(3)).then(|| rng.below(8));
        retention.older_than = (!rng.one_in(3)).then(|| Duration::from_secs(rng.below(400) as u64));
        let now = at(clock);
        let pruned = block_on(checkpoints.prune(&workflow(), &retention, now)).unwrap();
        let after = block_on(checkpoints.list(&workflow())).unwrap().checkpoints;
        let stay: BTreeSet<&str> = ids(&after).into_iter().collect();
        // Nothing is lost or made up.
        assert_eq!(pruned.removed.len() + after.len(), before.len(), "case {case}");
        // What stays can be loaded: no delta lost its base.
        assert_eq!(block_on(checkpoints.verify(&workflow())).unwrap(), [], "case {case}");
        let bases: BTreeSet<String> = after
            .iter()
            .filter_map(|summary| match &summary.form {
                CheckpointForm::Delta { base } => Some(base.to_string()),
                _ => None,
            })
            .collect();
        for (newer, summary) in before.iter().rev().enumerate() {
            let id = summary.sync.checkpoint_id.as_str();
            let age = now.wall.since(summary.created);
            let wanted = newer < retention.at_least
                || retention.keep.is_none_or(|keep| newer < keep)
                    && retention.older_than.is_none_or(|limit| age <= limit);
            let needs = pruned.needed.iter().any(|needed| needed.as_str() == id);
            assert_eq!(stay.contains(id), wanted || needs, "case {case}, {id}");
            assert!(!needs || bases.contains(id), "case {case}, {id}");
            needed += usize::from(needs);
        }
        // Once more changes nothing.
        let again = block_on(checkpoints.prune(&workflow(), &retention, now)).unwrap();
        assert_eq!(again.removed, [], "case {case}");
        let count = all(checkpoints.store(), "checkpoint-parts/").len();
        assert_eq!(count, after.len(), "no part is left behind");
    }
    assert!(needed > 5, "{needed}");
}

#[test]
fn what_was_left_behind_goes() {
    let checkpoints = Checkpoints::new(MemoryStore::new());
    let store = checkpoints.store();
    create(&checkpoints, &state(1), &new(1));
    // A part of no one, and a writer that died with its entry pending.
    put(store, &key(&["checkpoint-parts", "wf_001", "ckpt_8", "workflow_state"]), "x");
    let dead = Faulty::new(store.clone(), super::stores::Fault::Dead, 2);
    block_on(Checkpoints::new(dead).create(&parts(&state(2)), &new(2))).unwrap_err();
    let listing = block_on(checkpoints.list(&workflow())).unwrap();
    assert_eq!(listing.pending, [id("ckpt_2")]);
    let prune =
        |seconds| block_on(checkpoints.prune(&workflow(), &everything(), at(seconds))).unwrap();
    let early = prune(3_000);
    assert_eq!((early.swept.len(), early.orphans), (0, 1), "it may still be alive");
    let late = prune(4_000);
    assert_eq!((late.swept, late.orphans), (vec![id("ckpt_2")], 0));
    assert_eq!(all(store, "checkpoint").len(), 2);
}

#[test]
fn a_slow_writer_that_was_swept_is_told() {
    for number in 0.. {
        let store = MemoryStore::new();
        let sound = Checkpoints::new(store.clone());
        let sweeper = sound.clone();
        let hooked = Faulty::hooked(store.clone(), number, move || {
            block_on(sweeper.prune(&workflow(), &everything(), at(1_000_000))).unwrap();
        });
        let result = block_on(Checkpoints::new(hooked.clone()).create(&parts(&state(1)), &new(1)));
        if !hooked.reached() {
            assert!(number > 2);
            break;
        }
        match result {
            Ok(_) => assert_eq!(loaded(&sound, "ckpt_1"), parts(&state(1))),
            Err(error) => {
                assert_eq!(error, CheckpointError::Swept(id("ckpt_1")));
                assert_eq!(
                    error.to_string(),
                    "ckpt_1 was swept while it was being made; make it anew"
                );
                assert_eq!(all(&store, ""), []);
            }
        }
    }
}

/// A delta that is made while its base is pruned, at every moment of the one and of the other.
#[test]
fn a_base_is_not_pruned_under_a_delta() {
    let (mut kept, mut refused) = (0, 0);
    for pruner_waits in [true, false] {
        for number in 0.. {
            let store = MemoryStore::new();
            let sound = Checkpoints::new(store.clone());
            create(&sound, &state(1), &new(1));
            // All the pruner wants is to remove the base.
            let none = Retention::new().with_keep(0).with_at_least(0);
            let made: Arc<Mutex<Option<_>>> = Arc::default();
            let maker = Arc::clone(&made);
            let other = sound.clone();
            let hooked = Faulty::hooked(store.clone(), number, move || {
                if pruner_waits {
                    let result = block_on(other.create(&parts(&state(2)), &incremental(2)));
                    *maker.lock().unwrap() = Some(result);
                } else {
                    let keep = Retention::new().with_keep(0).with_at_least(0);
                    block_on(other.prune(&workflow(), &keep, at(1))).unwrap();
                }
            });
            let outer = Checkpoints::new(hooked.clone());
            if pruner_waits {
                block_on(outer.prune(&workflow(), &none, at(1))).unwrap();
            } else {
                let result = block_on(outer.create(&parts(&state(2)), &incremental(2)));
                *made.lock().unwrap() = Some(result);
            }
            if !hooked.reached() {
                break;
            }
            assert_eq!(block_on(sound.verify(&workflow())).unwrap(), [], "{pruner_waits} {number}");
            let made = made.lock().unwrap().take().unwrap().unwrap();
            match &made.form {
                CheckpointForm::Delta { .. } => kept += 1,
                _ => refused += 1,
            }
            let listing = block_on(sound.list(&workflow())).unwrap();
            if ids(&listing.checkpoints).contains(&"ckpt_2") {
                assert_eq!(loaded(&sound, "ckpt_2"), parts(&state(2)));
            }
        }
    }
    assert!(kept > 3 && refused > 3, "{kept} deltas, {refused} full");
}

/// Whatever operation of pruning is the last one: what is listed is whole, and the next run ends
/// where an undisturbed one does.
#[test]
fn pruning_that_dies_is_taken_up() {
    let keep = Retention::new().with_keep(1).with_at_least(0);
    for fault in [super::stores::Fault::Dead, super::stores::Fault::DeadAfter] {
        for number in 0.. {
            let store = MemoryStore::new();
            let sound = Checkpoints::new(store.clone());
            for (number, new) in [(1, new(1)), (2, incremental(2)), (3, new(3)), (4, new(4))] {
                create(&sound, &state(number), &new);
            }
            let dying = Faulty::new(store.clone(), fault, number);
            let result = block_on(Checkpoints::new(dying.clone()).prune(&workflow(), &keep, at(9)));
            assert_eq!(block_on(sound.verify(&workflow())).unwrap(), [], "{fault:?} {number}");
            assert_eq!(loaded(&sound, "ckpt_4"), parts(&state(4)));
            // Somebody who keeps more saves what was condemned.
            block_on(sound.prune(&workflow(), &everything(), at(9))).unwrap();
            let entries = all(&store, "checkpoints/");
            assert_eq!(all(&store, "checkpoint-parts/").len(), entries.len());
            for (key, value) in entries {
                let text = String::from_utf8(value).unwrap();
                assert!(text.contains(r#""stage":"ready""#), "{key}: {text}");
            }
            block_on(sound.prune(&workflow(), &keep, at(9))).unwrap();
            assert_eq!(ids(&block_on(sound.list(&workflow())).unwrap().checkpoints), ["ckpt_4"]);
            if !dying.reached() {
                assert!(result.is_ok());
                break;
            }
        }
    }
}

#[test]
fn damaged_ones_are_kept_and_told() {
    let checkpoints = Checkpoints::new(MemoryStore::new());
    create(&checkpoints, &state(1), &new(1));
    put(checkpoints.store(), &key(&["checkpoints", "wf_001", "ckpt_1"]), "x");
    let none = Retention::new().with_keep(0).with_at_least(0);
    let pruned = block_on(checkpoints.prune(&workflow(), &none, at(99_999))).unwrap();
    assert_eq!((pruned.removed.len(), pruned.orphans), (0, 0));
    let damaged = block_on(checkpoints.verify(&workflow())).unwrap();
    assert_eq!(damaged[0].to_string(), "the entry of ckpt_1 is damaged: it is not sealed");
    assert_eq!(all(checkpoints.store(), "checkpoint-parts/").len(), 1);
}

/// Damages a checkpoint: its entry, or a part that its entry names.
fn damage(checkpoints: &Checkpoints<MemoryStore>, checkpoint: &str, part: Option<&str>) {
    let key = match part {
        None => key(&["checkpoints", "wf_001", checkpoint]),
        Some(part) => key(&["checkpoint-parts", "wf_001", checkpoint, part]),
    };
    put(checkpoints.store(), &key, "x");
}

#[test]
fn what_is_kept_loads() {
    for part in [None, Some("workflow_state")] {
        let checkpoints = Checkpoints::new(MemoryStore::new());
        for number in 1..=4 {
            create(&checkpoints, &state(number.into()), &new(number));
        }
        damage(&checkpoints, "ckpt_4", part);
        let keep = Retention::new().with_keep(1);
        let before = all(checkpoints.store(), "");
        let plan = block_on(checkpoints.plan_prune(&workflow(), &keep, at(9))).unwrap();
        assert_eq!(all(checkpoints.store(), ""), before, "a plan changes nothing");
        let pruned = block_on(checkpoints.prune(&workflow(), &keep, at(9))).unwrap();
        assert_eq!(pruned, plan);
        assert_eq!(pruned.removed, [id("ckpt_1"), id("ckpt_2")], "{part:?}");
        assert_eq!(pruned.damaged[0].checkpoint, id("ckpt_4"));
        assert_eq!(loaded(&checkpoints, "ckpt_3"), parts(&state(3)));
        // Once more is the same.
        let again = block_on(checkpoints.prune(&workflow(), &keep, at(9))).unwrap();
        assert_eq!((again.removed.len(), again.damaged.len()), (0, 1));
    }
}

#[test]
fn what_a_state_names_stays_and_backups_are_counted_apart() {
    let store = MemoryStore::new();
    let states = States::new(store.clone());
    block_on(states.put(&message(&state(1)), None)).unwrap();
    let checkpoints = Checkpoints::new(store.clone());
    create(&checkpoints, &state(1), &new(1));
    for number in 2..=4_u64 {
        let text = message(&state(number));
        block_on(states.put(&text, Some(number - 1))).unwrap();
    }
    let request = Rollback::new(workflow(), id("ckpt_1"), RollbackMode::Full);
    let mut target = StateTarget::new(store.clone(), States::key(&workflow()).unwrap());
    block_on(checkpoints.rollback(&request, &mut target, &new(5))).unwrap();
    create(&checkpoints, &state(6), &new(6));
    create(&checkpoints, &state(7), &new(7));
    // The backup of the rollback does not count, and what the state names stays.
    let keep = Retention::new().with_keep(1);
    let pruned = block_on(checkpoints.prune(&workflow(), &keep, at(9))).unwrap();
    assert_eq!((pruned.removed, pruned.needed), (vec![id("ckpt_6")], vec![id("ckpt_1")]));
    let listing = block_on(checkpoints.list(&workflow())).unwrap();
    assert_eq!(ids(&listing.checkpoints), ["ckpt_1", "ckpt_5", "ckpt_7"]);
    // So does what the host names; backups have a number of their own.
    create(&checkpoints, &state(8), &new(8));
    let keep = keep.with_at_least(0).with_keep_backups(0).with_named([id("ckpt_7")]);
    let pruned = block_on(checkpoints.prune(&workflow(), &keep, at(9))).unwrap();
    assert_eq!(pruned.removed, [id("ckpt_5")]);
    let listing = block_on(checkpoints.list(&workflow())).unwrap();
    assert_eq!(ids(&listing.checkpoints), ["ckpt_1", "ckpt_7", "ckpt_8"]);
}
