//! Decisions that are kept: several who decide, cuts at each operation, leases.

use super::{NOON, agents, ask, at, eight_agents, file, waits};
use coordination_protocol::coordination::resources::{
    Decider, Desk, DeskError, EndReason, Grant, Holder, Lease, Pool, Ruling, Witness,
};
use coordination_protocol::machine::SplitMix64;
use coordination_protocol::message::MessageRef;
use coordination_protocol::scalar::{AllocationId, Fence, Instant, Now};
use coordination_protocol::storage::{
    Commit, Committed, Engine, Entry, Expect, Journal as _, Key, KeyPage, Log, MemoryEngine,
    MemoryJournal, NewRecord, Page, StorageError, Store, StoreScan, block_on,
};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

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

/// An engine that fails at one of its operations, before or after it was done, as a process that is killed there.
#[derive(Clone)]
struct Cut {
    engine: MemoryEngine,
    left: Arc<AtomicI64>,
    after: bool,
}

impl Cut {
    async fn operation<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        if left == 0 && !self.after {
            return Err(StorageError::unavailable("it was cut"));
        }
        let done = work.await?;
        if left == 0 {
            return Err(StorageError::unavailable("it was cut"));
        }
        Ok(done)
    }
}

impl Store for Cut {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StorageError> {
        self.operation(self.engine.get(key)).await
    }

    async fn put(&self, key: &Key, value: &[u8], expect: Expect) -> Result<u64, StorageError> {
        self.operation(self.engine.put(key, value, expect)).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<bool, StorageError> {
        self.operation(self.engine.delete(key, expect)).await
    }

    async fn scan(&self, scan: &StoreScan) -> Result<Page, StorageError> {
        self.operation(self.engine.scan(scan)).await
    }

    async fn keys(&self, scan: &StoreScan) -> Result<KeyPage, StorageError> {
        self.operation(self.engine.keys(scan)).await
    }
}

impl Engine for Cut {
    type Journal = MemoryJournal;

    fn log(&self, log: Log) -> MemoryJournal {
        self.engine.log(log)
    }

    async fn commit(&self, commit: &Commit) -> Result<Committed, StorageError> {
        self.operation(self.engine.commit(commit)).await
    }
}

/// One step of the script, by its number: requests that are granted, wait or are denied, releases, renewals, time.
async fn step<E: Engine>(desk: &mut Desk<E>, number: u64) -> Result<(), DeskError> {
    let (now, machine) = (at(number * 7), Machine::default());
    let id = AllocationId::new(format!("alloc_1-{}", number / 4 + 1)).unwrap();
    match number % 5 {
        0 if number == 0 => desk.decide(now, &machine, |d| d.set_inventory(eight_agents())).await,
        4 => {
            let fence = Fence::new(1, number / 4 + 1);
            match desk.renew(now, &machine, &id, fence).await {
                Err(DeskError::Lost { .. }) | Ok(_) => Ok(()),
                Err(error) => Err(error),
            }
        }
        3 => {
            let released = |d: &mut Decider<'_>| {
                d.release(&id, None, EndReason::Released, super::nothing()).is_ok()
            };
            desk.decide(now, &machine, released).await.map(|_| ())
        }
        kind => {
            let (request, workflow) = (format!("req_{number}"), format!("wf_{}", number % 3));
            let mut asked = waits(&request, &workflow, agents(2 + number % 7, 40 + number % 90));
            if kind == 1 {
                asked = asked.with_holder(Holder::live("p1"));
            }
            desk.decide(now, &machine, |d| d.submit(&asked).is_ok()).await.map(|_| ())
        }
    }
}

/// The script with one cut, after which another process does the same step again and goes on.
fn script(steps: u64, cut: Option<(i64, bool)>) -> (Pool, Vec<String>, i64) {
    let engine = MemoryEngine::new();
    let left = Arc::new(AtomicI64::new(cut.map_or(i64::MAX, |cut| cut.0)));
    let after = cut.is_some_and(|cut| cut.1);
    block_on(async {
        let cutting = Cut { engine: engine.clone(), left: Arc::clone(&left), after };
        let mut desk = Desk::new(cutting, "default").with_snapshot_every(9);
        for number in 0..steps {
            if let Err(error) = step(&mut desk, number).await {
                assert_eq!(error.code(), "unavailable", "{error}");
                let engine = desk_of(&engine, &left);
                desk = engine;
                step(&mut desk, number).await.unwrap();
            }
        }
        let pool = Desk::new(engine.clone(), "default").pool().await.unwrap().clone();
        (pool, events(&engine), i64::MAX - left.load(Ordering::Relaxed))
    })
}

fn desk_of(engine: &MemoryEngine, left: &Arc<AtomicI64>) -> Desk<Cut> {
    left.store(i64::MAX, Ordering::Relaxed);
    let cutting = Cut { engine: engine.clone(), left: Arc::clone(left), after: false };
    Desk::new(cutting, "default").with_snapshot_every(9)
}

#[test]
fn a_cut_at_any_operation_ends_in_the_same_state() {
    let steps = u64::try_from(crate::support::scaled(40)).unwrap().min(200);
    let (pool, told, operations) = script(steps, None);
    assert!(pool.granted() + pool.queued() > 0 && operations > i64::try_from(steps).unwrap());
    for operation in 0..operations {
        for after in [false, true] {
            let (cut, events, _) = script(steps, Some((operation, after)));
            assert_eq!(cut, pool, "cut at {operation}, after it: {after}");
            assert_eq!(events, told, "cut at {operation}, after it: {after}");
        }
    }
}

/// What holders guard: it takes what comes with the greatest token that it has seen, or a greater one.
#[derive(Default)]
struct Guarded {
    greatest: Fence,
    applied: Vec<Fence>,
    stale: Vec<Fence>,
}

impl Guarded {
    fn apply(&mut self, fence: Fence) {
        if fence < self.greatest {
            self.stale.push(fence);
        } else {
            self.greatest = fence;
            self.applied.push(fence);
        }
    }
}

#[test]
fn holders_that_pause_and_come_back_apply_nothing_stale() {
    let mut paused = 0;
    for seed in 0..u64::try_from(crate::support::scaled(60)).unwrap() {
        let engine = MemoryEngine::new();
        let mut desk = desk(&engine);
        let mut draws = SplitMix64::new(seed);
        let machine = Machine::default();
        let mut guarded = Guarded::default();
        // Each holder: its grant, and until when it is paused.
        let mut holders: Vec<(AllocationId, Fence, u64)> = Vec::new();
        block_on(async {
            for second in 0..400_u64 {
                let now = at(second);
                if second % 10 == 0 {
                    let asked = ask(&format!("req_{second}"), "wf_1", file("src", 60))
                        .with_holder(Holder::live(format!("p{second}")));
                    let ruling = desk.decide(now, &machine, |d| d.submit(&asked)).await.unwrap();
                    if let Ok(Ruling::Granted(grant)) = ruling {
                        // A fifth of them pause for one to five times as long as they live without a renewal.
                        let sleeps = draws.below(5) == 0;
                        paused += usize::from(sleeps);
                        let until = if sleeps { second + 30 * (1 + draws.below(5)) } else { 0 };
                        holders.push((grant.allocation_id.clone(), grant.fence, until));
                    }
                }
                let mut lost = Vec::new();
                for (number, (id, fence, until)) in holders.iter().enumerate() {
                    if second < *until {
                        continue;
                    }
                    // It works, whether it may or not: whoever comes back does not know that it was away.
                    guarded.apply(*fence);
                    if second % 7 == 0 && desk.renew(now, &machine, id, *fence).await.is_err() {
                        lost.push(number);
                    }
                }
                for number in lost.into_iter().rev() {
                    holders.remove(number);
                }
                let held: Vec<Fence> =
                    desk.pool().await.unwrap().grants().map(|grant| grant.fence).collect();
                assert!(held.len() <= 1, "seed {seed}: {held:?}");
            }
        });
        // What is applied never goes back, and what came late is known as that.
        assert!(guarded.applied.is_sorted(), "seed {seed}");
        assert!(guarded.stale.iter().all(|stale| *stale < guarded.greatest));
    }
    assert!(paused > 10, "{paused} paused");
}

#[test]
fn deciders_at_once_never_meet_an_error() {
    let engine = MemoryEngine::new();
    block_on(desk(&engine).decide(at(0), &(), |d| d.set_inventory(eight_agents()))).unwrap();
    let decides = |number: u64| {
        let engine = engine.clone();
        std::thread::spawn(move || {
            let mut desk = desk(&engine);
            for round in 0..40 {
                let asked = waits(&format!("req_{number}_{round}"), "wf_1", agents(1, 5));
                let now = at(round * 3);
                block_on(desk.decide(now, &(), |d| d.submit(&asked))).unwrap().unwrap();
            }
        })
    };
    let threads: Vec<_> = (0..6).map(decides).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // Each was decided once, and each grant told once.
    let told = events(&engine);
    let granted = told.iter().filter(|line| line.starts_with("RESOURCE_ALLOCATED"));
    let ids: Vec<&str> =
        granted.filter_map(|line| line.split("\"request_id\":\"").nth(1)).collect();
    let unique: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
}
