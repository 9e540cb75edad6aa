//! A future of the driver may be dropped at any await: nothing is lost, and nothing happens twice.

use crate::bus_support::{Done, check, id, pass, paused, published, resumed};
use coordination_protocol::Event;
use coordination_protocol::bus::{Bus, Interest, Start, VirtualHost};
use coordination_protocol::driver::{Client, Component, Context};
use coordination_protocol::message::{ConflictCheck, Message};
use coordination_protocol::storage::{
    Appended, Bounds, Commit, Committed, Cursor, Engine, Entry, Expect, Journal, JournalRecord,
    Key, KeyPage, LaneEnd, LaneForm, Log, MemoryEngine, MemoryJournal, NewRecord, Page,
    StorageError, Store, StoreScan,
};
use std::cell::Cell;
use std::pin::pin;
use std::task::Poll;

/// Polls a future, with a turn for all others in between, until it is to be dropped. Its output, if it ended
/// before.
pub(crate) async fn cut_when<F: Future>(
    future: F,
    mut now: impl FnMut() -> bool,
) -> Option<F::Output> {
    let mut future = pin!(future);
    while !now() {
        let once = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if let Poll::Ready(output) = once.await {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Polls a future a number of times, and drops it.
async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut turns = 0..polls;
    cut_when(future, || turns.next().is_none()).await
}

/// An engine each of whose operations takes a turn before it is done and one before that is known, so that a
/// future can be dropped on either side of it.
#[derive(Debug, Default)]
struct Slow(MemoryEngine);

/// A journal of it.
struct SlowJournal(MemoryJournal);

/// Operations that are those of the engine below, with turns around them.
macro_rules! slowly {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => { $(
        async fn $name(&self, $($argument: $type),*) -> Result<$output, StorageError> {
            tokio::task::yield_now().await;
            let output = self.0.$name($($argument),*).await;
            tokio::task::yield_now().await;
            output
        }
    )+ };
}

impl Store for Slow {
    slowly! {
        get(key: &Key) -> Option<Entry>;
        put(key: &Key, value: &[u8], expect: Expect) -> u64;
        delete(key: &Key, expect: Expect) -> bool;
        scan(scan: &StoreScan) -> Page;
        keys(scan: &StoreScan) -> KeyPage;
    }
}

impl Journal for SlowJournal {
    fn lanes(&self) -> LaneForm {
        self.0.lanes()
    }

    slowly! {
        append_records(records: &[NewRecord], expected: &[LaneEnd]) -> Appended;
        lane_end(lane: &Key) -> Option<u64>;
        forget_lanes() -> u64;
        read(from: u64, limit: usize) -> Vec<JournalRecord>;
        bounds() -> Bounds;
        wait(from: u64) -> u64;
        trim(before: u64) -> u64;
        cursor(name: &Key) -> Option<u64>;
        move_cursor(name: &Key, expected: Option<u64>, to: u64) -> ();
        remove_cursor(name: &Key) -> bool;
        cursors() -> Vec<Cursor>;
    }
}

impl Engine for Slow {
    type Journal = SlowJournal;

    fn log(&self, log: Log) -> SlowJournal {
        SlowJournal(self.0.log(log))
    }

    slowly! { commit(commit: &Commit) -> Committed; }
}

/// Runs a test for each number of polls, until it says that the future ended before it was dropped.
fn for_each_poll(
    test: impl AsyncFn(Bus, VirtualHost, usize) -> Result<bool, Box<dyn std::error::Error>>,
) {
    for polls in 0..2_000 {
        let ended = Cell::new(false);
        let host = VirtualHost::new(7);
        let bus = Bus::of(Slow::default()).with_host(host.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let run: Done = runtime.block_on(host.run(async {
            ended.set(test(bus, host.clone(), polls).await?);
            Ok(())
        }));
        run.unwrap_or_else(|error| panic!("after {polls} polls: {error}"));
        if ended.get() {
            assert!(polls > 1, "the future ended at once: nothing was tested");
            return;
        }
    }
    panic!("the future never ended");
}

#[test]
fn a_request_is_performed_at_most_once_and_the_client_works_on() {
    for_each_poll(async |bus, host, polls| {
        let manager = Component::new("manager")
            .on_request(|context: Context, check: ConflictCheck| async move {
                let count = Key::of(["performed", check.request_id.as_str()])?;
                // Refused if it was performed before: the request would fail.
                context.put(count, "1".as_bytes(), Expect::Absent);
                Ok(check)
            })
            .connect(&bus)
            .await?;
        let client = Client::open(&bus, id("hub")).await?;
        let target = id("manager");
        let ended = cut(client.request(&target, check("req_1")), polls).await;
        let ended = ended.map(|answer| answer.unwrap()).is_some();
        // The client is not held up by what was dropped.
        client.request(&target, check("req_2")).await?;
        pass(&host, 300).await;
        let performed = bus.engine().get(&Key::of(["performed", "req_1"])?).await?.is_some();
        assert!(performed || !ended);
        let stopped = manager.stop("done").await;
        assert_eq!((stopped.failed, stopped.dead_lettered), (0, 0));
        Ok(ended)
    });
}

#[test]
fn a_message_is_published_whole_or_not_at_all_and_once() {
    for_each_poll(async |bus, _, polls| {
        let client = Client::open(&bus, id("hub")).await?;
        let prepared = client.prepare(paused("wf_1", "x"));
        let ended = cut(client.publish(prepared.clone()), polls).await.is_some();
        client.publish(prepared.clone()).await?;
        assert_eq!(published(&bus, "*.paused").await.len(), 1);
        Ok(ended)
    });
}

/// A component that stores each message once, and would fail on a second time.
fn worker() -> Component {
    Component::new("worker").subscribe(
        Interest::new("*.paused".parse().unwrap()).starting(Start::First),
        |context: Context, event: Event| async move {
            let at = Key::of(["handled", event.workflow_id.as_str()])?;
            context.put(at, "1".as_bytes(), Expect::Absent);
            context.publish(Message::from(resumed(event.workflow_id.as_str())))?;
            Ok(())
        },
    )
}

/// All messages are handled once by whoever comes next.
async fn all_handled(bus: &Bus, host: &VirtualHost) -> Done {
    // Who was cut off shows itself no more, after a while.
    pass(host, 60).await;
    let next = worker().connect(bus).await?;
    pass(host, 60).await;
    let stopped = next.stop("done").await;
    assert_eq!((stopped.failed, stopped.dead_lettered), (0, 0), "{stopped}");
    let resumed = published(bus, "*.resumed").await;
    assert_eq!(resumed.len(), 3);
    Ok(())
}

#[test]
fn a_component_that_is_cut_off_while_it_connects_leaves_nothing_behind() {
    for_each_poll(async |bus, host, polls| {
        let client = Client::open(&bus, id("hub")).await?;
        for number in 1..=3 {
            client.publish(Message::from(paused(&format!("wf_{number}"), "x"))).await?;
        }
        let connected = cut(Box::pin(worker().connect(&bus)), polls).await;
        let ended = connected.is_some();
        drop(connected);
        all_handled(&bus, &host).await?;
        Ok(ended)
    });
}

#[test]
fn a_component_that_is_cut_off_while_it_runs_or_stops_loses_nothing() {
    for_each_poll(async |bus, host, polls| {
        let client = Client::open(&bus, id("hub")).await?;
        let running = worker().connect(&bus).await?;
        for number in 1..=3 {
            client.publish(Message::from(paused(&format!("wf_{number}"), "x"))).await?;
        }
        // A few turns of work, then the stop, all of it cut off somewhere.
        let life = async {
            running
                .run_until(async {
                    for _ in 0..5 {
                        tokio::task::yield_now().await;
                    }
                })
                .await
        };
        let ended = cut(life, polls).await.is_some();
        all_handled(&bus, &host).await?;
        Ok(ended)
    });
}
