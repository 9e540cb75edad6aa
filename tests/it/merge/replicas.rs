//! Replicas that work apart and meet in random order.

use super::{form, state, text};
use crate::support::{Rng, scaled};
use coordination_protocol::merge::{MergePolicy, MergeRule, Row, content_digest, merge};
use coordination_protocol::message::{AgentState, WorkflowState};
use coordination_protocol::scalar::{Count, Percent, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Every row is a join.
fn joins() -> MergePolicy {
    let row = |pointer: &str, rule| Row::new(pointer, rule).unwrap();
    MergePolicy::state().with_rows([
        row("/agent_states", MergeRule::ChangeWins),
        row("/agent_states/*", MergeRule::RemoveWins),
        row("/agent_states/*/progress", MergeRule::Highest),
        row("/agent_states/*/performance_score", MergeRule::Highest),
        row("/resource_usage/*", MergeRule::Highest),
    ])
}

fn base() -> WorkflowState {
    state(
        r#"{"workflow_id":"wf_1","state_version":1,"timestamp":"2025-01-15T12:00:00Z","current_phase":{"phase_id":1,"progress":0},"agent_states":{"a0":{"status":"active","progress":0},"a1":{"status":"active","progress":0},"a2":{"status":"active","progress":0}},"validation_required":["v0","v1"]}"#,
    )
}

/// What the replicas did, all in all.
#[derive(Default)]
struct Done {
    progress: BTreeMap<String, u64>,
    removed: BTreeSet<String>,
    added: BTreeSet<String>,
    checked: BTreeSet<String>,
    phase: (u64, u64),
}

/// The replicas use whole percentages only.
fn whole(percent: &Percent) -> u64 {
    percent.as_str().parse().unwrap()
}

/// One update of a replica, as a writer makes it: the version counts up.
fn update(state: &mut WorkflowState, done: &mut Done, rng: &mut Rng, time: usize) {
    state.state_version = Count::from(state.state_version.get() + 1);
    state.timestamp =
        Some(Timestamp::new(format!("2025-01-15T12:{:02}:{:02}Z", time / 60, time % 60)).unwrap());
    let agents = state.agent_states.as_mut().unwrap();
    match rng.below(5) {
        0 | 1 => {
            let name = format!("a{}", rng.below(5));
            if done.removed.contains(&name) {
                return;
            }
            let old = agents.get(&name).and_then(|a| a.progress.as_ref()).map_or(0, whole);
            let new = (old + 1 + rng.below(9) as u64).min(100);
            let agent = AgentState::new("active").with_progress(Percent::new(new as f64).unwrap());
            agents.insert(&name, agent);
            let most = done.progress.entry(name).or_default();
            *most = new.max(*most);
        }
        2 => {
            // Only agents that were there from the start: others have no base to be removed from.
            let name = format!("a{}", rng.below(3));
            let kept = agents.iter().filter(|(key, _)| *key != name);
            let kept = kept.map(|(key, agent)| (key.to_owned(), agent.clone())).collect();
            state.agent_states = Some(kept);
            done.removed.insert(name);
        }
        3 => {
            let list = state.validation_required.as_mut().unwrap();
            if rng.one_in(2) {
                let name = format!("n{}", rng.below(4));
                done.added.insert(name.clone());
                if !list.contains(&name) {
                    list.push(name);
                }
            } else {
                let name = format!("v{}", rng.below(2));
                list.retain(|item| *item != name);
                done.checked.insert(name);
            }
        }
        _ => {
            let phase = state.current_phase.as_mut().unwrap();
            let mut now: u64 = phase.phase_id.as_ref().unwrap().to_string().parse().unwrap();
            let mut progress = whole(phase.progress.as_ref().unwrap());
            if rng.one_in(3) {
                (now, progress) = (now + 1, 0);
            } else {
                progress = (progress + 10).min(100);
            }
            phase.phase_id = Some((now as u32).into());
            phase.progress = Some(Percent::new(progress as f64).unwrap());
            done.phase = done.phase.max((now, progress));
        }
    }
}

#[test]
fn replicas_converge_whoever_meets_whom() {
    let (policy, base) = (joins(), base());
    for seed in 0..scaled(2_000) as u64 {
        let mut rng = Rng::new(seed + 1);
        let count = 2 + rng.below(3);
        let mut replicas = vec![base.clone(); count];
        let mut done = Done { phase: (1, 0), ..Done::default() };
        for step in 0..12 {
            let own = rng.below(count);
            if rng.one_in(2) {
                update(&mut replicas[own], &mut done, &mut rng, step);
            } else {
                // The network is parted at random; who meets, merges.
                let other = rng.below(count);
                let theirs = replicas[other].clone();
                let merged = merge(&base, replicas[own].clone(), &theirs, &policy);
                assert!(merged.is_clean(), "seed {seed}: {:?}", merged.conflicts);
                replicas[own] = merged.value;
            }
        }
        // Healed: everybody hears of everybody, in an order of its own, some of it twice.
        let healed = replicas.clone();
        for replica in &mut replicas {
            let mut order: Vec<usize> = (0..count).chain(0..count).collect();
            rng.shuffle(&mut order);
            for other in order {
                replica.clone_from(&merge(&base, replica.clone(), &healed[other], &policy).value);
            }
        }
        let digests: BTreeSet<String> = replicas
            .iter()
            .map(|replica| {
                content_digest(&{
                    // Replicas that merged in another order have counted differently.
                    let mut replica = replica.clone();
                    replica.state_version = Count::from(0_u64);
                    replica
                })
                .unwrap()
                .to_string()
            })
            .collect();
        assert_eq!(digests.len(), 1, "seed {seed}: {replicas:#?}");
        // And nothing that was done is missing.
        let result = &replicas[0];
        let agents = result.agent_states.as_ref().unwrap();
        for (name, progress) in &done.progress {
            let now = agents.get(name).map(|agent| whole(agent.progress.as_ref().unwrap()));
            let expected = (!done.removed.contains(name)).then_some(*progress);
            assert_eq!(now, expected, "seed {seed}: {name}");
        }
        let list: BTreeSet<String> =
            result.validation_required.as_ref().unwrap().iter().cloned().collect();
        let expected: BTreeSet<String> = ["v0", "v1"]
            .iter()
            .map(|name| (*name).to_owned())
            .filter(|name| !done.checked.contains(name))
            .chain(done.added)
            .collect();
        assert_eq!(list, expected, "seed {seed}");
        let phase = result.current_phase.as_ref().unwrap();
        assert_eq!(
            phase.phase_id.as_ref().unwrap().to_string(),
            done.phase.0.to_string(),
            "seed {seed}"
        );
        assert_eq!(whole(phase.progress.as_ref().unwrap()), done.phase.1, "seed {seed}");
        let newest = healed.iter().map(|replica| replica.state_version.get()).max().unwrap();
        assert!(result.state_version.get() >= newest, "seed {seed}");
    }
}

/// A policy that is no join does not converge: the simulation can tell.
#[test]
fn replicas_that_prefer_their_own_diverge() {
    let policy =
        MergePolicy::state().with_row(Row::new("/validation_required", MergeRule::Ours).unwrap());
    let base = base();
    let with = |name: &str| base.clone().with_validation_required(vec![name.to_owned()]);
    let (a, b) = (with("a"), with("b"));
    let there = merge(&base, a.clone(), &b, &policy).value;
    let back = merge(&base, b, &a, &policy).value;
    assert_ne!(form(&text(&there)), form(&text(&back)));
}
