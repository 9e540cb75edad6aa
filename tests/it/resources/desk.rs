//! Decisions that are kept: several who decide, cuts at each operation, leases.

use super::{NOON, agents, ask, at, eight_agents, file, waits};
use coordination_protocol::coordination::resources::{
    Desk, DeskError, EndReason, Grant, Holder, Lease, Pool, Ruling, Witness,
};
use coordination_protocol::message::MessageRef;
use coordination_protocol::scalar::{Instant, Now};
use coordination_protocol::storage::{
    Engine as _, Journal as _, Key, Log, MemoryEngine, NewRecord, Store as _, block_on,
};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// A machine that can be started again, on which holders can be killed.
#[derive(Default)]
struct Machine {
    boot: Mutex<String>,
    gone: Mutex<BTreeSet<String>>,
    stuck: Mutex<bool>,
}

impl Witness for Machine {
    fn boot(&self) -> String {
        self.boot.lock().unwrap().clone()
    }

    fn is_gone(&self, holder: &Holder) -> bool {
        self.gone.lock().unwrap().contains(&holder.id)
    }

    fn is_proved_over(&self, _: &Grant) -> bool {
        !*self.stuck.lock().unwrap()
    }
}

fn desk(engine: &MemoryEngine) -> Desk<MemoryEngine> {
    Desk::new(engine.clone(), "default").with_snapshot_every(5)
}

fn granted(ruling: Ruling) -> Box<Grant> {
    match ruling {
        Ruling::Granted(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn events(engine: &MemoryEngine) -> Vec<String> {
    let records = block_on(engine.log(Log::History).read(0, 1_000)).unwrap();
    let read = |record: &coordination_protocol::storage::JournalRecord| {
        let text = std::str::from_utf8(&record.data).unwrap();
        let message = MessageRef::parse(text).unwrap();
        let event = message.decode().unwrap();
        let coordination_protocol::Message::Event(event) = event.message else { panic!() };
        event.event.to_buf().unwrap().as_str().to_owned()
    };
    records.iter().map(read).collect()
}

#[test]
fn several_who_decide_see_each_other() {
    let engine = MemoryEngine::new();
    let (mut one, mut two) = (desk(&engine), desk(&engine));
    block_on(async {
        one.decide(at(0), &(), |d| d.set_inventory(eight_agents())).await.unwrap();
        for number in 0..20 {
            let (id, desk) =
                (format!("req_{number}"), if number % 3 == 0 { &mut two } else { &mut one });
            let now = at(number * 10);
            let asked = ask(&id, "wf_1", agents(8, 10));
            let ruling = desk.decide(now, &(), |d| d.submit(&asked)).await.unwrap().unwrap();
            granted(ruling);
        }
        let fresh = desk(&engine).pool().await.unwrap().clone();
        assert_eq!(&fresh, one.pool().await.unwrap());
        assert_eq!(&fresh, two.pool().await.unwrap());
        // The snapshot is only a shorter way to the same state.
        let key = Key::of(["pool", "default"]).unwrap();
        assert!(engine.get(&key).await.unwrap().is_some());
        engine.delete(&key, coordination_protocol::storage::Expect::Any).await.unwrap();
        assert_eq!(&fresh, desk(&engine).pool().await.unwrap());
    });
}

#[test]
fn events_tell_what_was_decided_once() {
    let engine = MemoryEngine::new();
    let mut desk = desk(&engine);
    block_on(async {
        desk.decide(at(0), &(), |d| d.set_inventory(eight_agents())).await.unwrap();
        let asked = ask("req_1", "wf_1", super::with_file(agents(7, 60), "src"));
        desk.decide(at(0), &(), |d| d.submit(&asked)).await.unwrap().unwrap();
        desk.decide(at(1), &(), |d| d.submit(&waits("req_2", "wf_2", agents(8, 60))))
            .await
            .unwrap()
            .unwrap();
        desk.decide(at(60), &(), |_| ()).await.unwrap();
    });
    let lines = events(&engine);
    assert_eq!(
        lines[0],
        r#"RESOURCE_ALLOCATED:wf_1:global:{"allocation_id":"alloc_1-1","resource_details":{"agents":7,"duration_hours":0.016666666666666666,"exclusive_files":["src"]},"requester":"worker","request_id":"req_1","fence":"1-1","end":"2025-01-15T12:01:00Z"}"#
    );
    let rest: Vec<&str> = lines[1..].iter().map(String::as_str).collect();
    assert_eq!(
        rest,
        [
            r#"RESOURCE_THRESHOLD:global:global:{"resource_type":"agents","current_usage":87,"threshold":80,"above":true}"#,
            r#"RESOURCE_CONFLICT:wf_2:global:{"conflict_id":"conflict_1-1","conflicting_requests":["req_2"],"severity":"low","yield_asked_of":["alloc_1-1"]}"#,
            r#"RESOURCE_DEALLOCATED:wf_1:global:{"allocation_id":"alloc_1-1","release_reason":"expired","fence":"1-1"}"#,
            r#"RESOURCE_ALLOCATED:wf_2:global:{"allocation_id":"alloc_1-2","resource_details":{"agents":8,"duration_hours":0.016666666666666666},"requester":"worker","request_id":"req_2","fence":"1-2","end":"2025-01-15T12:02:00Z"}"#,
        ]
    );
}

#[test]
fn a_lease_is_renewed_or_lost_for_good() {
    let engine = MemoryEngine::new();
    let machine = Machine::default();
    let mut desk = desk(&engine);
    block_on(async {
        let live = ask("req_1", "wf_1", file("src", 600)).with_holder(Holder::live("p1"));
        let grant = desk.decide(at(0), &machine, |d| d.submit(&live)).await.unwrap().unwrap();
        let grant = granted(grant);
        let (id, fence) = (&grant.allocation_id, grant.fence);
        let lease = desk.renew(at(20), &machine, id, fence).await.unwrap();
        assert_eq!(lease.until, at(50).at);
        desk.decide(at(49), &machine, |_| ()).await.unwrap();
        assert_eq!(desk.pool().await.unwrap().granted(), 1);

        // Nobody looked, so a late renewal is taken; once somebody found out, none is.
        desk.renew(at(60), &machine, id, fence).await.unwrap();
        *machine.stuck.lock().unwrap() = true;
        desk.decide(at(90), &machine, |_| ()).await.unwrap();
        let held = desk.pool().await.unwrap().grant(id).cloned();
        assert!(held.is_some_and(|grant| grant.unproved), "something still works with it");
        let error = desk.renew(at(91), &machine, id, fence).await.unwrap_err();
        assert_eq!(error.to_string(), "the lease of alloc_1-1 is lost: it was not renewed in time");
        *machine.stuck.lock().unwrap() = false;
        desk.decide(at(92), &machine, |_| ()).await.unwrap();
        assert_eq!(desk.pool().await.unwrap().granted(), 0);
        let error = desk.renew(at(93), &machine, id, fence).await.unwrap_err();
        assert_eq!(error.to_string(), "the lease of alloc_1-1 is lost: it is over");
        assert_eq!(error.code(), "lease-lost");
        let key = Lease::key("default", id).unwrap();
        assert!(engine.get(&key).await.unwrap().is_none(), "nothing is left");
    });
}

#[test]
fn who_is_gone_holds_nothing_and_waits_for_nothing() {
    let engine = MemoryEngine::new();
    let machine = Machine::default();
    let mut desk = desk(&engine);
    block_on(async {
        let mut ask = async |id: &str, holder: &str| {
            let asked = waits(id, id, file("src", 600))
                .with_holder(Holder::live(holder))
                .with_waiter(Holder::live(holder));
            desk.decide(at(0), &machine, |d| d.submit(&asked)).await.unwrap().unwrap()
        };
        granted(ask("req_1", "p1").await);
        ask("req_2", "p2").await;
        ask("req_3", "p3").await;
        machine.gone.lock().unwrap().extend(["p1".to_owned(), "p2".to_owned()]);
        desk.decide(at(1), &machine, |_| ()).await.unwrap();
        let pool: &Pool = desk.pool().await.unwrap();
        let held: Vec<_> = pool.grants().map(|grant| grant.request_id.as_str()).collect();
        assert_eq!((held, pool.queued()), (vec!["req_3"], 0));

        // The machine is started again: its clock begins anew, and no process of before is there.
        "second".clone_into(&mut machine.boot.lock().unwrap());
        let later = Now::new(Instant::from_millis(1), NOON + 100_000);
        desk.decide(later, &machine, |_| ()).await.unwrap();
        assert_eq!(desk.pool().await.unwrap().granted(), 0);
    });
    assert!(events(&engine).iter().any(|line| line.contains("holder_gone")));
    assert!(events(&engine).iter().any(|line| line.contains(EndReason::Restarted.as_str())));
}

#[test]
fn a_newer_decision_stops_who_does_not_know_it() {
    let engine = MemoryEngine::new();
    let mut desk = desk(&engine);
    block_on(async {
        desk.decide(at(0), &(), |d| d.set_inventory(eight_agents())).await.unwrap();
        let lane = Key::of(["pool", "default"]).unwrap();
        let newer = br#"{"v":2,"at":0,"wall":0,"decision":{"swapped":{}}}"#;
        let record = NewRecord::new(newer.as_slice()).in_lane(lane);
        engine.log(Log::Decisions).append_records(&[record], &[]).await.unwrap();
        let error = desk.decide(at(1), &(), |_| ()).await.unwrap_err();
        assert_eq!(error.to_string(), "a decision at 3 is of version 2, and this program knows 1");
        assert_eq!(error.code(), "newer-decision");
        assert!(matches!(error, DeskError::Newer { position: 3, found: 2, .. }));
    });
}
