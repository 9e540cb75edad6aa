//! Each rule by itself.

use super::{
    Desk, agents, ask, at, eight_agents, file, nothing, seconds, waits, with_file, with_tokens,
};
use coordination_protocol::coordination::resources::{
    Amounts, BlockingFact, Decider, Decision, EndReason, Fallback, Grant, Holder, Inventory,
    Isolation, Need, PathLease, PoolOptions, Ruling, Settled, Submission, Tolerance, Units,
    Urgency, WaitEnd,
};
use coordination_protocol::path::PathPattern;
use coordination_protocol::scalar::{AgentId, AllocationId, Fence, Window};
use std::time::Duration;

fn granted(ruling: Ruling) -> Box<Grant> {
    match ruling {
        Ruling::Granted(grant) => grant,
        other => panic!("not granted: {other:?}"),
    }
}

fn denied(ruling: &Ruling) -> String {
    match ruling {
        Ruling::Denied(blocked) => blocked.to_string(),
        other => panic!("not denied: {other:?}"),
    }
}

fn queued(ruling: &Ruling) -> String {
    match ruling {
        Ruling::Queued { blocked, .. } => blocked.to_string(),
        other => panic!("does not wait: {other:?}"),
    }
}

fn shared(path: &str, lasts: u64) -> Need {
    let path = PathPattern::new(path).unwrap();
    Need::new().with_path(PathLease::shared(path)).with_duration(seconds(lasts))
}

#[test]
fn without_an_inventory_files_can_be_leased_and_nothing_else() {
    let mut desk = Desk::new(Inventory::new());
    granted(desk.submit(ask("req_1", "wf_1", file("src", 10))));
    assert_eq!(
        denied(&desk.submit(ask("req_2", "wf_1", agents(1, 10)))),
        "agents: 1 needed, and the inventory has none\nno small change would grant it"
    );
}

#[test]
fn a_denial_names_every_fact_and_the_least_that_would_help() {
    let mut desk = Desk::new(eight_agents());
    let need = with_file(agents(6, 600), "src");
    granted(desk.submit(ask("req_1", "wf_1", need)));
    let need = with_file(agents(4, 600), "src/net/tcp.rs");
    assert_eq!(
        denied(&desk.submit(ask("req_2", "wf_2", need))),
        "agents: 4 needed, 2 of 8 free; held by alloc_1-1 of wf_1 until 2025-01-15T12:10:00Z\n\
         path src/net/tcp.rs: needed alone, and src is taken; held by alloc_1-1 of wf_1 until 2025-01-15T12:10:00Z\n\
         it would be granted if alloc_1-1 ended\n\
         it would be granted if it asked at 2025-01-15T12:10:00Z\n\
         it would be granted if it asked for agents=2, and it did not ask for src/net/tcp.rs"
    );
}

#[test]
fn what_never_fits_is_denied_at_once_and_says_what_would() {
    let options = PoolOptions::new().with_memory_per_agent(Some(Units::whole(4)));
    let mut desk = Desk::with(eight_agents(), options);
    assert_eq!(
        denied(&desk.submit(waits("req_1", "wf_1", agents(9, 600)))),
        "agents: 9 needed, and there are 8 in all\nit would be granted if it asked for agents=8"
    );
    assert_eq!(
        denied(&desk.submit(waits("req_2", "wf_1", agents(1, 90_000)))),
        "duration: 1d 1h needed, at most 1d are granted\nit would be granted if it asked for 1d"
    );
    let need = agents(2, 600).with("memory_gb", Units::whole(12));
    assert_eq!(
        denied(&desk.submit(waits("req_3", "wf_1", need))),
        "memory of an agent: 6 GB needed, at most 4 GB are granted\n\
         it would be granted if it asked for memory_gb=8"
    );
    let fast = ask("req_4", "wf_1", agents(1, 60)).with_min_performance("fast");
    assert_eq!(
        denied(&desk.submit(fast)),
        "performance `fast` is not offered\nit would be granted if it asked for no performance"
    );
    let standard = ask("req_5", "wf_1", agents(1, 60)).with_min_performance("standard");
    granted(desk.submit(standard));
}

#[test]
fn fewer_agents_are_granted_only_as_permitted() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_1", "wf_1", agents(6, 600))));
    let mut fallback = Fallback::new();
    fallback.fewer_agents = true;
    let fewer = granted(desk.submit(ask("req_2", "wf_2", agents(4, 600)).with_fallback(fallback)));
    assert_eq!((fewer.partial, fewer.need.clone()), (true, agents(2, 600)));
    desk.decide(|d| d.release(&fewer.allocation_id, None, EndReason::Released, nothing())).unwrap();

    // Half as many for twice as long, where that is permitted, too.
    fallback.longer = true;
    let longer = granted(desk.submit(ask("req_3", "wf_2", agents(4, 600)).with_fallback(fallback)));
    assert_eq!(longer.need, agents(2, 1_200));

    // One that needs what is not there for another reason is not helped by fewer agents.
    let memory = agents(1, 600).with("memory_gb", Units::whole(16));
    desk.decide(|d| d.release(&longer.allocation_id, None, EndReason::Released, nothing()))
        .unwrap();
    granted(desk.submit(ask("req_4", "wf_3", memory)));
    let both = agents(4, 600).with("memory_gb", Units::whole(1));
    denied(&desk.submit(ask("req_5", "wf_2", both).with_fallback(fallback)));
}

#[test]
fn files_are_shared_as_isolation_and_options_say() {
    let mut fallback = Fallback::new();
    fallback.shared = true;
    let lease = |desk: &mut Desk, id: &str, isolation| {
        let asked =
            ask(id, "wf_2", file("src", 100)).with_fallback(fallback).with_isolation(isolation);
        desk.submit(asked)
    };
    let mut desk = Desk::new(Inventory::new());
    granted(desk.submit(ask("req_1", "wf_1", shared("src", 100))));
    denied(&lease(&mut desk, "req_2", Isolation::Strict));
    let moderate = granted(lease(&mut desk, "req_3", Isolation::Moderate));
    assert!(moderate.partial && moderate.need == shared("src", 100));

    // Where nobody else is, only a relaxed request shares.
    let mut desk = Desk::new(Inventory::new());
    let relaxed = granted(lease(&mut desk, "req_4", Isolation::Relaxed));
    assert_eq!(relaxed.need, shared("src", 100));
    let mut desk = Desk::new(Inventory::new());
    let alone = granted(lease(&mut desk, "req_5", Isolation::Moderate));
    assert_eq!(alone.need, file("src", 100));
    denied(&desk.submit(ask("req_6", "wf_3", shared("src/a", 100)).with_fallback(fallback)));
}

#[test]
fn a_tolerance_says_behind_whom_a_request_waits() {
    let ruling = |tolerance, second: bool, promises| {
        let options = PoolOptions::new().with_max_promises(promises);
        let mut desk = Desk::with(Inventory::new().with("bash", Units::whole(9)), options);
        granted(desk.submit(ask("req_1", "wf_1", file("src", 100))));
        if second {
            queued(&desk.submit(waits("req_2", "wf_2", file("src", 100))));
        }
        let need = file("src", 100).with("bash", Units::whole(1));
        desk.submit(waits("req_3", "wf_3", need).with_tolerance(tolerance))
    };
    let waits = |tolerance, second, promises| {
        matches!(ruling(tolerance, second, promises), Ruling::Queued { .. })
    };
    assert!(!waits(Tolerance::None, false, 64));
    assert!(waits(Tolerance::Low, false, 64) && !waits(Tolerance::Low, true, 64));
    assert!(waits(Tolerance::Medium, true, 64) && !waits(Tolerance::Medium, true, 0));
    assert!(waits(Tolerance::High, true, 0));
    assert_eq!(
        denied(&ruling(Tolerance::None, false, 64)).lines().nth(1),
        Some("path src: others want it, and the request tolerates no such conflict")
    );
}

#[test]
fn exclusive_files_are_taken_in_their_windows() {
    let windows = vec![Window::new("12:30-13:00").unwrap()];
    let mut desk = Desk::with(Inventory::new(), PoolOptions::new().with_exclusive_windows(windows));
    granted(desk.submit(ask("req_1", "wf_1", shared("docs", 60))));
    let blocked = desk.submit(waits("req_2", "wf_1", file("src", 60)));
    assert_eq!(
        queued(&blocked),
        "files can be held alone from 2025-01-15T12:30:00Z on\n\
         it would be granted if it asked at 2025-01-15T12:30:00Z\n\
         it would be granted if it shared src"
    );
    desk.go_to(30 * 60 - 1);
    assert_eq!(desk.pool.queued(), 1);
    desk.go_to(30 * 60);
    assert_eq!((desk.pool.queued(), desk.pool.granted()), (0, 1));
    granted(desk.submit(ask("req_3", "wf_1", file("lib", 60))));
}

#[test]
fn later_requests_use_holes_and_break_no_promise() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_1", "wf_1", agents(6, 100))));
    let Ruling::Queued { waiting, .. } = desk.submit(waits("req_2", "wf_2", agents(4, 100))) else {
        panic!()
    };
    assert_eq!(waiting.promise.unwrap().start, at(100).at);
    // Two agents are free until the first grant ends, and four behind it.
    let urgent = |id: &str, need| waits(id, "wf_3", need).with_urgency(Urgency::Critical);
    let long = desk.submit(urgent("req_3", agents(2, 500)));
    assert!(matches!(long, Ruling::Granted(_)), "it leaves room for what was promised");
    assert!(
        queued(&desk.submit(urgent("req_4", agents(3, 50))))
            .starts_with("agents: 3 needed, 0 of 8 free")
    );
    desk.go_to(100);
    let started: Vec<_> = desk.pool.grants().map(|grant| grant.request_id.to_string()).collect();
    assert!(started.contains(&"req_2".to_owned()), "{started:?}");
}

#[test]
fn those_that_need_other_things_are_in_nobodys_way() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_1", "wf_1", agents(8, 100))));
    queued(&desk.submit(waits("req_2", "wf_2", agents(8, 100))));
    let memory = Need::new().with("memory_gb", Units::whole(16)).with_duration(seconds(900));
    granted(desk.submit(ask("req_3", "wf_3", memory)));
    granted(desk.submit(ask("req_4", "wf_4", file("src", 900))));
}

#[test]
fn urgency_and_age_make_the_order_and_it_stays() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_0", "wf_0", agents(8, 3_000))));
    let at_second = |desk: &mut Desk, second, id: &str, urgency| {
        desk.go_to(second);
        let wait = Duration::from_secs(50_000);
        let asked = waits(id, id, agents(8, 10)).with_urgency(urgency).with_max_wait(wait);
        queued(&desk.submit(asked));
    };
    at_second(&mut desk, 0, "low", Urgency::Low);
    at_second(&mut desk, 300, "medium", Urgency::Medium);
    at_second(&mut desk, 540, "critical", Urgency::Critical);
    at_second(&mut desk, 601, "late", Urgency::Critical);
    let order: Vec<_> = desk.pool.waiting().map(|w| w.submission.request_id.to_string()).collect();
    assert_eq!(order, ["critical", "low", "late", "medium"]);
}

#[test]
fn a_budget_is_charged_refunded_and_renewed() {
    let mut desk = Desk::new(with_tokens());
    let tokens = |id: &str, amount| {
        let need = Need::new().with("tokens", Units::whole(amount)).with_duration(seconds(60));
        waits(id, "wf_1", need)
    };
    let first = granted(desk.submit(tokens("req_1", 70)));
    assert_eq!(
        queued(&desk.submit(tokens("req_2", 60))),
        "budget tokens: 60 needed, 30 of 100 left until 2025-01-15T12:10:00Z\n\
         it would be granted if it asked at 2025-01-15T12:10:00Z\n\
         it would be granted if the budget tokens were 130\n\
         it would be granted if it asked for tokens=30"
    );
    // What was not used is given back, and the one that waits begins.
    let used = Amounts::new().with("tokens", Units::whole(40));
    desk.decide(|d| d.release(&first.allocation_id, None, EndReason::Released, used)).unwrap();
    assert_eq!((desk.pool.granted(), desk.pool.queued()), (1, 0));
    assert_eq!(desk.pool.charged("tokens", at(0).wall), Units::whole(100));
    let above = desk.log.iter().filter(|record| {
        matches!(&record.decision, Decision::Threshold { name, above: true, .. } if name == "tokens")
    });
    assert_eq!(above.count(), 1);
    queued(&desk.submit(tokens("req_3", 1)));
    desk.go_to(600);
    assert_eq!(desk.pool.queued(), 0, "a new window began");
}

#[test]
fn thresholds_are_strict_and_have_hysteresis() {
    let mut desk = Desk::new(Inventory::new().with("agents", Units::whole(20)));
    let told = |desk: &Desk| -> Vec<(u64, bool)> {
        let records = desk.log.iter().filter_map(|record| match &record.decision {
            Decision::Threshold { percent, above, .. } => Some((*percent, *above)),
            _ => None,
        });
        records.collect()
    };
    granted(desk.submit(ask("req_1", "wf_1", agents(15, 600))));
    let one = granted(desk.submit(ask("req_2", "wf_1", agents(1, 600))));
    assert_eq!(told(&desk), [], "80 % is not above 80 %");
    let two = granted(desk.submit(ask("req_3", "wf_1", agents(1, 600))));
    assert_eq!(told(&desk), [(85, true)]);
    let release = |desk: &mut Desk, id: &AllocationId| {
        desk.decide(|d| d.release(id, None, EndReason::Released, nothing())).unwrap();
    };
    release(&mut desk, &one.allocation_id);
    granted(desk.submit(ask("req_4", "wf_1", agents(1, 600))));
    assert_eq!(told(&desk), [(85, true)], "between the two nothing is told");
    release(&mut desk, &two.allocation_id);
    let last = desk.pool.grants().last().unwrap().allocation_id.clone();
    release(&mut desk, &last);
    assert_eq!(told(&desk), [(85, true), (75, false)]);
}

#[test]
fn who_would_wait_for_its_own_waiters_is_denied() {
    let mut desk = Desk::new(Inventory::new());
    granted(desk.submit(ask("req_1", "wf_1", file("a", 600))));
    granted(desk.submit(ask("req_2", "wf_2", file("b", 600))));
    queued(&desk.submit(waits("req_3", "wf_1", file("b", 600))));
    let text = denied(&desk.submit(waits("req_4", "wf_2", file("a", 600))));
    assert!(
        text.contains(
            "deadlock: what it needs is held by wf_1, waiting for what its workflow holds"
        ),
        "{text}"
    );
    // Who holds nothing waits for both.
    queued(&desk.submit(waits("req_5", "wf_3", file("a", 600))));
}

#[test]
fn an_offer_is_claimed_in_time_or_passed_on() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_1", "wf_1", agents(8, 100))));
    queued(&desk.submit(waits("req_2", "wf_2", agents(8, 1_000))));
    queued(&desk.submit(waits("req_3", "wf_3", agents(8, 1_000)).with_max_wait(seconds(9_000))));
    desk.go_to(100);
    let offered = desk.pool.grants().next().unwrap().clone();
    assert_eq!((offered.request_id.as_str(), offered.claim_by), ("req_2", Some(at(160).at)));
    desk.go_to(160);
    let next = desk.pool.grants().next().unwrap().clone();
    assert_eq!(next.request_id.as_str(), "req_3");
    let holder = Some(Holder::named("me"));
    let claimed = desk.decide(|d| d.claim(&next.allocation_id, holder.clone())).unwrap();
    assert_eq!(claimed.claim_by, None);
    desk.decide(|d| d.claim(&next.allocation_id, holder)).expect("the same holder, again");
    let other = desk.decide(|d| d.claim(&next.allocation_id, Some(Holder::named("you"))));
    assert_eq!(other.unwrap_err().to_string(), "grant alloc_1-3 is claimed already");
    let gone = desk.decide(|d| d.claim(&offered.allocation_id, None)).unwrap_err();
    assert_eq!(
        gone.to_string(),
        "there is no grant alloc_1-2; it ended at 2025-01-15T12:02:40Z: not_claimed"
    );
}

#[test]
fn a_fence_keeps_the_late_away() {
    let mut desk = Desk::new(eight_agents());
    let grant = granted(desk.submit(ask("req_1", "wf_1", agents(8, 100))));
    let wrong = desk
        .decide(|d| {
            d.release(&grant.allocation_id, Some(Fence::new(1, 9)), EndReason::Released, nothing())
        })
        .unwrap_err();
    assert_eq!(wrong.to_string(), "grant alloc_1-1 has the fence 1-1, not 1-9");
    assert_eq!(wrong.code(), "fenced");
    assert_eq!(desk.pool.granted(), 1);
}

#[test]
fn an_extension_breaks_no_promise() {
    let mut desk = Desk::new(eight_agents());
    let grant = granted(desk.submit(ask("req_1", "wf_1", agents(8, 100))));
    let later = desk.decide(|d| d.extend(&grant.allocation_id, Some(grant.fence), seconds(50)));
    assert_eq!(later.unwrap().end, at(150).at);
    queued(&desk.submit(waits("req_2", "wf_2", agents(1, 100))));
    let error = desk.decide(|d| d.extend(&grant.allocation_id, None, seconds(50))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "grant alloc_1-1 cannot be extended: agents: 8 needed, 7 of 8 free; \
         held by alloc_1-1 of wf_1 until 2025-01-15T12:02:30Z; promised to req_2\n\
         no small change would grant it"
    );
    let too_long = desk.decide(|d| d.extend(&grant.allocation_id, None, seconds(90_000)));
    assert!(too_long.unwrap_err().to_string().contains("at most 1d are granted"));
}

#[test]
fn less_inventory_takes_nothing_away_and_moves_promises() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_1", "wf_1", agents(4, 100))));
    granted(desk.submit(ask("req_2", "wf_2", agents(4, 200))));
    queued(&desk.submit(waits("req_3", "wf_3", agents(4, 100))));
    queued(&desk.submit(waits("req_4", "wf_4", agents(6, 100))));
    desk.decide(|d| d.set_inventory(Inventory::new().with("agents", Units::whole(5))));
    assert_eq!(desk.pool.granted(), 2);
    let moved: Vec<_> = desk
        .log
        .iter()
        .filter_map(|record| match &record.decision {
            Decision::PromiseMoved { request_id, from, to, cause, .. } => {
                Some((request_id.as_str(), *from, to.map(|to| to.start), cause.as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(moved, [("req_3", at(100).at, Some(at(200).at), "inventory")]);
    let settled = desk.pool.settled(&"req_4".parse().unwrap());
    assert!(matches!(settled, Some(Settled::WaitEnded { reason: WaitEnd::NeverFits, .. })));
}

#[test]
fn what_is_not_proved_dead_stays_held_and_moves_promises() {
    let mut desk = Desk::new(eight_agents());
    let grant = granted(desk.submit(ask("req_1", "wf_1", agents(8, 100))));
    queued(&desk.submit(waits("req_2", "wf_2", agents(8, 100))));
    desk.now = at(100);
    let mut decider = Decider::new(&mut desk.pool, desk.now);
    decider.due(|_| false);
    desk.log.extend(decider.into_records());
    let held = desk.pool.grant(&grant.allocation_id).unwrap();
    assert!(held.unproved);
    let moved = desk.log.iter().any(|record| {
        matches!(&record.decision, Decision::PromiseMoved { cause, .. } if cause == "alloc_1-1")
    });
    assert!(moved);
    let text = denied(&desk.decide(|d| d.submit(&ask("req_3", "wf_3", agents(1, 1)))).unwrap());
    assert!(
        text.contains("held by alloc_1-1 of wf_1, which is over and not proved dead"),
        "{text}"
    );
    desk.go_to(120);
    assert_eq!(desk.pool.grants().next().unwrap().request_id.as_str(), "req_2");
}

#[test]
fn another_run_of_the_machine_ends_live_grants_once() {
    let mut desk = Desk::new(eight_agents());
    let live = waits("req_1", "wf_1", agents(4, 100)).with_holder(Holder::live("pid 1"));
    granted(desk.submit(live));
    granted(desk.submit(ask("req_2", "wf_2", agents(4, 1_000))));
    queued(&desk.submit(waits("req_3", "wf_3", agents(8, 10))));
    // The clock of the machine begins anew; the one on the wall is 60 seconds on.
    desk.now = coordination_protocol::scalar::Now::new(at(5).at, at(60).wall);
    desk.decide(|d| d.boot("another"));
    let left: Vec<_> =
        desk.pool.grants().map(|grant| (grant.request_id.as_str(), grant.end)).collect();
    assert_eq!(left, [("req_2", at(5 + 940).at)]);
    let before = desk.log.len();
    desk.decide(|d| d.boot("another"));
    assert_eq!(desk.log.len(), before);
    super::oracle::log(&desk.log).unwrap();
}

#[test]
fn a_repeated_request_gets_its_answer_again() {
    let mut desk = Desk::new(eight_agents());
    let one = ask("req_1", "wf_1", agents(8, 100));
    let first = granted(desk.submit(one.clone()));
    let records = desk.log.len();
    assert_eq!(granted(desk.submit(one.clone())), first);
    let other =
        Submission::new("req_1".parse().unwrap(), "wf_2".parse().unwrap(), "x", agents(1, 1));
    let error = desk.decide(|d| d.submit(&other)).unwrap_err();
    assert_eq!(error.to_string(), "request req_1 was asked before, for something else");
    assert_eq!(desk.log.len(), records, "what is refused changes nothing");
    desk.go_to(100);
    let Ruling::Settled(Settled::Ended { reason, .. }) = desk.submit(one) else { panic!() };
    assert_eq!(reason, EndReason::Expired);
}

#[test]
fn agents_with_names_are_given_by_name() {
    let agent = |name: &str| AgentId::new(name).unwrap();
    let inventory = Inventory::new()
        .with_agent(agent("agent_002"), ["rust".to_owned()])
        .with_agent(agent("agent_001"), []);
    let mut desk = Desk::new(inventory);
    let one = granted(desk.submit(ask("req_1", "wf_1", agents(1, 100))));
    let two = granted(desk.submit(ask("req_2", "wf_1", agents(1, 100))));
    assert_eq!((one.agents, two.agents), (vec![agent("agent_001")], vec![agent("agent_002")]));
    assert!(
        denied(&desk.submit(ask("req_3", "wf_1", agents(1, 100))))
            .starts_with("agents: 1 needed, 0 of 2 free")
    );
}

#[test]
fn planning_anew_tells_what_it_improved() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_1", "wf_1", agents(8, 100))));
    queued(&desk.submit(waits("req_2", "wf_2", agents(8, 100))));
    let before = desk.log.len();
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime")]
    desk.decide(|d| d.optimize());
    assert_eq!(desk.log.len(), before, "there is nothing to improve");
}

#[test]
fn nobody_waits_longer_than_it_may() {
    let mut desk = Desk::new(eight_agents());
    granted(desk.submit(ask("req_1", "wf_1", agents(8, 100))));
    let ruling = desk.submit(waits("req_2", "wf_2", agents(8, 1)).with_max_wait(seconds(50)));
    let Ruling::Queued { waiting, blocked, .. } = &ruling else { panic!() };
    assert_eq!(waiting.promise, None, "it is not promised what it will not wait for");
    let fact = "it could start at 2025-01-15T12:01:40Z, and waits until 2025-01-15T12:00:50Z";
    assert!(blocked.to_string().contains(fact), "{blocked}");
    desk.go_to(50);
    let settled = desk.pool.settled(&"req_2".parse().unwrap());
    assert!(matches!(settled, Some(Settled::WaitEnded { reason: WaitEnd::TooLong, .. })));
    let facts = desk.decide(|d| d.plan(&waits("req_3", "wf_3", agents(8, 1)))).unwrap();
    let Ruling::Queued { blocked, .. } = facts else { panic!() };
    assert!(matches!(blocked.facts[0], BlockingFact::Amount { .. }));
    assert_eq!(desk.pool.queued(), 0, "a plan changes nothing");
}
