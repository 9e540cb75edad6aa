//! Random sequences: each ruling against the oracle, each state against the invariants.

use super::oracle::{check, earliest, fits, log, permitted};
use super::{
    Desk, agents, ask, at, eight_agents, file, nothing, seconds, waits, with_file, with_tokens,
};
use crate::support::scaled;
use coordination_protocol::coordination::resources::{
    Amounts, Decider, Decision, EndReason, Explanation, Fallback, Need, PathLease, Promise, Ruling,
    Step, Submission, Tolerance, Units, Urgency, WaitEnd,
};
use coordination_protocol::path::PathPattern;
use coordination_protocol::scalar::{AllocationId, Fence, Instant, Now};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Act {
    Submit { workflow: u8, need: Need, fallback: Fallback, urgency: Urgency, tolerance: Tolerance },
    Release(prop::sample::Index, u64),
    Extend(prop::sample::Index, u64),
    Cancel(prop::sample::Index),
    Pass(u64),
    EndWorkflow(u8),
    Optimize,
}

fn need() -> impl Strategy<Value = Need> {
    let path = prop::sample::select(vec!["a", "a/b", "a/*", "b", "**/c", "b/c", "d"]);
    let paths = prop::collection::vec((path, any::<bool>()), 0..3);
    (0_u64..5, 0_u64..9, 0_u64..60, paths, 1_u64..8).prop_map(
        |(agents, memory, tokens, paths, lasts)| {
            let mut need = Need::new()
                .with("agents", Units::whole(agents))
                .with("memory_gb", Units::from_thousandths(memory * 700))
                .with("tokens", Units::whole(if tokens < 30 { 0 } else { tokens }))
                .with_duration(seconds(lasts * 100));
            for (path, alone) in paths {
                let path = PathPattern::new(path).unwrap();
                let lease =
                    if alone { PathLease::exclusive(path) } else { PathLease::shared(path) };
                need = need.with_path(lease);
            }
            if need.is_empty() { need.with("agents", Units::whole(1)) } else { need }
        },
    )
}

fn fallback() -> impl Strategy<Value = Fallback> {
    (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.8)).prop_map(
        |(fewer, longer, shared, queue)| {
            let mut fallback = Fallback::new();
            (fallback.fewer_agents, fallback.longer) = (fewer, longer);
            (fallback.shared, fallback.queue) = (shared, queue);
            fallback
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let urgency =
        prop::sample::select(vec![Urgency::Critical, Urgency::High, Urgency::Medium, Urgency::Low]);
    let tolerance = prop::sample::select(vec![
        Tolerance::None,
        Tolerance::Low,
        Tolerance::Medium,
        Tolerance::High,
    ]);
    let submit = (0_u8..4, need(), fallback(), urgency, tolerance).prop_map(
        |(workflow, need, fallback, urgency, tolerance)| Act::Submit {
            workflow,
            need,
            fallback,
            urgency,
            tolerance,
        },
    );
    prop_oneof![
        10 => submit,
        4 => (any::<prop::sample::Index>(), 0_u64..60).prop_map(|(of, used)| Act::Release(of, used)),
        1 => (any::<prop::sample::Index>(), 1_u64..500).prop_map(|(of, by)| Act::Extend(of, by)),
        1 => any::<prop::sample::Index>().prop_map(Act::Cancel),
        4 => (1_u64..400).prop_map(Act::Pass),
        1 => (0_u8..4).prop_map(Act::EndWorkflow),
        1 => Just(Act::Optimize),
    ]
}

fn submission(number: usize, act: &Act) -> Submission {
    let Act::Submit { workflow, need, fallback, urgency, tolerance } = act else { panic!() };
    ask(&format!("req_{number}"), &format!("wf_{workflow}"), need.clone())
        .with_fallback(*fallback)
        .with_urgency(*urgency)
        .with_tolerance(*tolerance)
}

/// A ruling against what a look at everything says about the pool as it was before.
fn judge(desk: &mut Desk, asked: &Submission) -> Result<(), String> {
    let now = desk.now.at;
    let could = fits(&desk.pool, &asked.need, now);
    let first = earliest(&desk.pool, &asked.need, now);
    let before = desk.pool.clone();
    match desk.submit(asked.clone()) {
        Ruling::Granted(grant) => {
            permitted(asked, &grant)?;
            if could == grant.partial {
                return Err(format!("it fits: {could}, and less is granted: {}", grant.partial));
            }
            if grant.partial && !fits(&before, &grant.need, now) {
                return Err("what is granted does not fit".to_owned());
            }
        }
        Ruling::Queued { waiting, blocked, .. } => {
            if could || !asked.fallback.queue {
                return Err("it waits for nothing, or may not wait".to_owned());
            }
            let first = first.filter(|first| *first <= waiting.give_up);
            if waiting.promise.map(|promise| promise.start) != first {
                return Err(format!("promised {:?}, possible {first:?}", waiting.promise));
            }
            explained(desk, &before, asked, &blocked)?;
        }
        Ruling::Denied(blocked) => {
            if could {
                return Err(format!("it fits and is denied: {blocked}"));
            }
            explained(desk, &before, asked, &blocked)?;
        }
        other => return Err(format!("it is settled before it is decided: {other:?}")),
    }
    Ok(())
}

/// Each change that is told grants the request, and no part of it does.
fn explained(
    desk: &Desk,
    before: &coordination_protocol::coordination::resources::Pool,
    asked: &Submission,
    blocked: &Explanation,
) -> Result<(), String> {
    if blocked.facts.is_empty() {
        return Err("nothing is in the way".to_owned());
    }
    let grants = |steps: &[&Step]| {
        let (mut pool, mut now, mut asked) = (before.clone(), desk.now, asked.clone());
        asked.fallback = Fallback::new();
        for step in steps {
            step.apply_to(&mut asked);
            match step {
                Step::Wait { until } => {
                    let later = until.since(now.wall);
                    now = Now::new(now.at.after(later).unwrap(), *until);
                }
                Step::Ends { allocation_id } => {
                    let mut decider = Decider::new(&mut pool, now);
                    let ended =
                        decider.release(allocation_id, None, EndReason::Released, nothing());
                    ended.unwrap();
                }
                Step::LargerBudget { name, limit } => {
                    let mut inventory = pool.inventory().clone();
                    inventory.budgets.get_mut(name).unwrap().limit = *limit;
                    Decider::new(&mut pool, now).set_inventory(inventory);
                }
                _ => {}
            }
        }
        !asked.need.is_empty()
            && matches!(Decider::new(&mut pool, now).submit(&asked), Ok(Ruling::Granted(_)))
    };
    for change in &blocked.changes {
        let steps: Vec<&Step> = change.steps.iter().collect();
        if !grants(&steps) {
            return Err(format!("it is not granted if {change}"));
        }
        for without in 0..steps.len() {
            let mut part = steps.clone();
            part.remove(without);
            if grants(&part) {
                return Err(format!("a part is enough: {change}"));
            }
        }
    }
    Ok(())
}

fn run(acts: &[Act]) -> Result<Desk, String> {
    let mut desk = Desk::new(with_tokens());
    let mut second = 0;
    for (number, act) in acts.iter().enumerate() {
        let held: Vec<AllocationId> =
            desk.pool.grants().map(|grant| grant.allocation_id.clone()).collect();
        match act {
            Act::Submit { .. } => judge(&mut desk, &submission(number, act))?,
            Act::Release(of, used) if !held.is_empty() => {
                let id = &held[of.index(held.len())];
                let used = Amounts::new().with("tokens", Units::whole(*used));
                desk.decide(|d| d.release(id, None, EndReason::Released, used)).unwrap();
            }
            Act::Extend(of, by) if !held.is_empty() => {
                let id = &held[of.index(held.len())];
                // Whether it is granted or refused, nothing that was promised moves.
                let _ = desk.decide(|d| d.extend(id, None, seconds(*by)));
            }
            Act::Cancel(of) if desk.pool.queued() > 0 => {
                let at = of.index(desk.pool.queued());
                let request = desk.pool.waiting().nth(at).unwrap().submission.request_id.clone();
                desk.decide(|d| d.cancel(&request, WaitEnd::Cancelled)).unwrap();
            }
            Act::Pass(by) => {
                second += by;
                desk.go_to(second);
            }
            Act::EndWorkflow(workflow) => {
                let workflow = format!("wf_{workflow}").parse().unwrap();
                desk.decide(|d| d.end_workflow(&workflow));
            }
            #[allow(
                clippy::redundant_closure_for_method_calls,
                reason = "the method is of one lifetime"
            )]
            Act::Optimize => desk.decide(|d| d.optimize()),
            _ => {}
        }
        check(&desk).map_err(|error| format!("after {act:?}: {error}"))?;
    }
    // Nothing leaks: when all time has passed, nothing is held and nobody waits.
    desk.go_to(second + 100_000);
    if desk.pool.granted() + desk.pool.queued() > 0 {
        return Err("something is held, or waits, for ever".to_owned());
    }
    check(&desk)?;
    Ok(desk)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: u32::try_from(scaled(1_000)).unwrap(), ..ProptestConfig::default() })]

    #[test]
    fn rulings_agree_with_a_look_at_everything(acts in prop::collection::vec(act(), 1..40)) {
        if let Err(error) = run(&acts) {
            prop_assert!(false, "{}", error);
        }
    }
}

/// A desk with a grant of five agents and `src`, and a request that waits for six.
fn busy() -> Desk {
    let mut desk = Desk::new(eight_agents());
    let need = with_file(agents(5, 100), "src");
    desk.submit(ask("req_1", "wf_1", need));
    desk.submit(waits("req_2", "wf_2", agents(6, 100)));
    check(&desk).unwrap();
    desk
}

/// Puts a decision into the log that no decider would make, and says which invariant it breaks.
fn planted(change: impl FnOnce(&mut Desk) -> Decision) -> String {
    let mut desk = busy();
    let decision = change(&mut desk);
    let mut record = desk.log.last().unwrap().clone();
    record.at = desk.now.at;
    record.decision = decision;
    desk.pool.apply(&record);
    desk.log.push(record);
    check(&desk).unwrap_err()
}

fn forged(
    desk: &Desk,
    change: impl FnOnce(&mut coordination_protocol::coordination::resources::Grant),
) -> Decision {
    let mut grant = desk.pool.grants().next().unwrap().clone();
    grant.allocation_id = AllocationId::new("alloc_1-2").unwrap();
    grant.request_id = "req_9".parse().unwrap();
    grant.fence = Fence::new(1, 2);
    grant.need = agents(1, 50);
    change(&mut grant);
    Decision::Granted { grant: Box::new(grant), waited: false }
}

#[test]
fn every_invariant_is_seen_when_it_is_broken() {
    let more = planted(|desk| forged(desk, |grant| grant.need = agents(4, 100)));
    assert_eq!(more, "at 0s more of agents is taken than there is");

    let planned = planted(|desk| {
        forged(desk, |grant| {
            (grant.need, grant.end) = (agents(3, 150), Instant::from_millis(150_000));
        })
    });
    assert_eq!(planned, "at 1m 40s more of agents is taken than there is");

    let twice = planted(|desk| forged(desk, |grant| grant.need = file("src/net", 10)));
    assert_eq!(twice, "at 0s alloc_1-1 holds src and alloc_1-2 holds src/net");

    let fence = planted(|desk| forged(desk, |grant| grant.fence = Fence::new(1, 1)));
    assert_eq!(fence, "the fence 1-1 does not grow");

    let late = planted(|desk| {
        desk.now = at(101);
        let (id, reason) = (AllocationId::new("alloc_1-1").unwrap(), EndReason::Expired);
        let mut record = desk.log.last().unwrap().clone();
        record.decision = Decision::Ended { allocation_id: id, reason, used: nothing() };
        desk.pool.apply(&record);
        desk.log.push(record);
        let mut grant = desk.log[3].clone();
        let Decision::Granted { grant: first, .. } = &mut grant.decision else { panic!() };
        let mut grant = first.clone();
        grant.allocation_id = AllocationId::new("alloc_1-2").unwrap();
        (grant.request_id, grant.fence) = ("req_2".parse().unwrap(), Fence::new(1, 2));
        grant.need = agents(6, 100);
        Decision::Granted { grant, waited: true }
    });
    assert_eq!(late, "req_2 starts later than promised");

    let behind = planted(|_| {
        let (start, latest) = (Instant::from_millis(200_000), Instant::from_millis(100_000));
        let mut promise = Promise::clone(&busy().pool.waiting().next().unwrap().promise.unwrap());
        (promise.start, promise.latest) = (start, latest);
        Decision::Planned { request_id: "req_2".parse().unwrap(), promise, charged: Vec::new() }
    });
    assert_eq!(behind, "req_2 is planned behind its promise");

    let unknown = planted(|_| Decision::Ended {
        allocation_id: AllocationId::new("alloc_1-7").unwrap(),
        reason: EndReason::Released,
        used: nothing(),
    });
    assert_eq!(unknown, "alloc_1-7 ends and was not granted");

    // A state that is not the fold of its log.
    let mut desk = busy();
    desk.log.pop();
    desk.log.pop();
    assert_eq!(check(&desk).unwrap_err(), "the fold of the log is another pool");
}

#[test]
fn less_than_asked_for_is_seen_unless_it_is_permitted() {
    let mut desk = Desk::new(eight_agents());
    let asked = ask("req_1", "wf_1", agents(5, 100));
    let Ruling::Granted(grant) = desk.submit(asked.clone()) else { panic!() };
    assert_eq!(permitted(&asked, &grant), Ok(()));
    let mut less = (*grant).clone();
    less.need = agents(4, 100);
    assert_eq!(permitted(&asked, &less).unwrap_err(), "agents: 5 asked for and 4 granted");
    let mut longer = (*grant).clone();
    longer.need.duration = Some(Duration::from_secs(101));
    assert_eq!(
        permitted(&asked, &longer).unwrap_err(),
        "Some(100s) asked for and Some(101s) granted"
    );
    assert_eq!(log(&desk.log), Ok(()));
}
