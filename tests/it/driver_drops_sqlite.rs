//! Futures of the driver that are dropped at random moments, on a file: the thread that writes goes on
//! meanwhile, so what was asked for may happen after its future is gone.

use crate::bus_support::{check, id, letters, paused, published, resumed};
use crate::driver_drops::cut_when;
use crate::support::{Folder, Rng, scaled};
use coordination_protocol::bus::{Bus, Interest, Start};
use coordination_protocol::driver::{Client, Component, ComponentOptions, Context, Running};
use coordination_protocol::machine::Backoff;
use coordination_protocol::message::{ConflictCheck, Message};
use coordination_protocol::storage::{Expect, Key, Store as _, StoreScan};
use coordination_protocol::{Data, Envelope, Event};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a member that was cut off keeps what it had.
const LEASE: Duration = Duration::from_millis(300);
const LANES: usize = 4;

/// What is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    Publish,
    Request,
    Connect,
    Run,
    Stop,
}

const CUTS: [Cut; 5] = [Cut::Publish, Cut::Request, Cut::Connect, Cut::Run, Cut::Stop];

/// A member of the group that answers each pause with a resumption. Interrupted attempts do not use up the
/// message here: there are many.
fn worker(number: usize) -> Component {
    let options = ComponentOptions::new().with_redelivery(Backoff::new().with_attempts(u32::MAX));
    Component::new(format!("worker-{number}")).with_options(options).subscribe(
        Interest::new("*.paused".parse().unwrap()).durable("workers").starting(Start::First),
        |context: Context, event: Event| async move {
            // Effects and outcome are stored together: it tells what caused it, once.
            Ok(context.publish(Message::from(resumed(event.workflow_id.as_str())))?)
        },
    )
}

fn manager() -> Component {
    Component::new("manager").on_request(|context: Context, check: ConflictCheck| async move {
        let at = Key::of(["performed", check.request_id.as_str()])?;
        // Refused if it was performed before: the request would fail.
        context.put(at, "1".as_bytes(), Expect::Absent);
        Ok(check)
    })
}

/// How long each kind takes that is not cut off, so that the moments fall into all of it.
struct Lengths(BTreeMap<Cut, Duration>);

impl Lengths {
    fn moment(&self, rng: &mut Rng, cut: Cut) -> Duration {
        let longest = self.0.get(&cut).copied().unwrap_or(Duration::from_millis(20));
        longest.mul_f64(rng.below(1_200) as f64 / 1_000.0)
    }

    /// Keeps up with how fast the machine is now. Only what ended says how long that takes: by what was cut
    /// off, moments would get earlier and earlier.
    fn took(&mut self, cut: Cut, time: Duration) {
        let known = self.0.entry(cut).or_insert(time);
        *known = (*known * 3 + time) / 4;
    }
}

/// Lets a future run until a moment, or to its end in one of eight rounds of a kind. What it returned, if it
/// ended.
async fn cut_at<F: Future>(
    lengths: &mut Lengths,
    rng: &mut Rng,
    (cut, turn): (Cut, usize),
    future: F,
) -> Option<F::Output> {
    let (start, moment) = (Instant::now(), lengths.moment(rng, cut));
    let whole = turn % 8 == 0;
    let ended = cut_when(future, || !whole && start.elapsed() >= moment).await;
    if ended.is_some() {
        lengths.took(cut, start.elapsed());
    }
    ended
}

/// Messages of a pattern by lane: the identifier, and what caused it.
async fn by_lane(bus: &Bus, pattern: &str) -> BTreeMap<String, Vec<Envelope>> {
    let mut lanes: BTreeMap<String, Vec<Envelope>> = BTreeMap::new();
    for envelope in published(bus, pattern).await {
        let workflow = envelope.message.workflow().unwrap().to_string();
        lanes.entry(workflow).or_default().push(envelope);
    }
    lanes
}

fn reason(envelope: &Envelope) -> usize {
    let Message::Event(body) = &envelope.message else { panic!("{envelope}") };
    let Data::WorkflowPaused(data) = &body.event.data else { panic!("{envelope}") };
    data.pause_reason.parse().unwrap()
}

async fn story(bus: &Bus, rounds: usize) -> BTreeMap<Cut, usize> {
    let rng = &mut Rng::new(41);
    let lengths = &mut Lengths(BTreeMap::new());
    let mut cut_off: BTreeMap<Cut, usize> = BTreeMap::new();
    let manager = manager().connect(bus).await.unwrap();
    let client = Client::open(bus, id("hub")).await.unwrap();
    let mut prepared: Vec<Envelope> = Vec::new();
    for round in 0..rounds {
        let cut = CUTS[round % CUTS.len()];
        let turn = (cut, round / CUTS.len());
        let ended = match cut {
            Cut::Publish => {
                let lane = format!("wf_{}", rng.below(LANES));
                let message = client.prepare(paused(&lane, &round.to_string()));
                let publish = client.publish(message.clone());
                let ended = cut_at(lengths, rng, turn, publish).await.is_some();
                // Half of them are left to what became of them.
                if ended || rng.one_in(2) {
                    client.publish(message.clone()).await.unwrap();
                    prepared.push(message);
                }
                ended
            }
            Cut::Request => {
                let asked = check(&format!("req_{round}"));
                let target = id("manager");
                cut_at(lengths, rng, turn, client.request(&target, asked)).await.is_some()
            }
            Cut::Connect => {
                let connect = Box::pin(worker(round).connect(bus));
                cut_at(lengths, rng, turn, connect).await.is_some()
            }
            Cut::Run => {
                let running = worker(round).connect(bus).await.unwrap();
                let life = running.run_until(tokio::time::sleep(Duration::from_millis(2)));
                cut_at(lengths, rng, turn, life).await.is_some()
            }
            Cut::Stop => {
                let running: Running = worker(round).connect(bus).await.unwrap();
                // In the midst of work.
                let lane = format!("wf_{}", rng.below(LANES));
                let message = client.prepare(paused(&lane, &round.to_string()));
                client.publish(message.clone()).await.unwrap();
                prepared.push(message);
                cut_at(lengths, rng, turn, running.stop("done")).await.is_some()
            }
        };
        if !ended {
            *cut_off.entry(cut).or_default() += 1;
        }
    }
    // Whoever has it now lets go of it at the latest when its time is over.
    let last = worker(rounds).connect(bus).await.unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let (all, done) = loop {
        let (all, done) = (by_lane(bus, "*.paused").await, by_lane(bus, "*.resumed").await);
        let count =
            |lanes: &BTreeMap<String, Vec<Envelope>>| lanes.values().map(Vec::len).sum::<usize>();
        if count(&done) >= count(&all) || Instant::now() > end {
            break (all, done);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // Each is there whole, and once if it was published again.
    let ids: Vec<_> = all.values().flatten().map(|envelope| &envelope.header.message_id).collect();
    for message in &prepared {
        let count = ids.iter().filter(|id| **id == &message.header.message_id).count();
        assert_eq!(count, 1, "{message}");
    }
    for (lane, messages) in &all {
        assert!(messages.iter().map(reason).is_sorted(), "{lane}");
        // Each was handled once, in the order of its lane.
        let caused: Vec<_> =
            done[lane].iter().map(|envelope| envelope.header.causation_id.clone()).collect();
        let ids: Vec<_> =
            messages.iter().map(|envelope| envelope.header.message_id.clone()).collect();
        assert_eq!(caused, ids, "{lane}");
    }
    // The client and the manager were not held up by what was dropped, and no request was performed twice.
    client.request(&id("manager"), check("req_last")).await.unwrap();
    let performed =
        bus.engine().scan(&StoreScan::new("performed/").with_limit(10_000)).await.unwrap();
    assert!(performed.entries.len() > rounds / CUTS.len() / 10, "{}", performed.entries.len());
    let stopped = manager.stop("done").await;
    assert_eq!((stopped.failed, stopped.dead_lettered), (0, 0), "{stopped}");
    last.stop("done").await;
    assert_eq!(letters(bus).await, [""; 0]);
    cut_off
}

#[test]
fn futures_that_are_dropped_at_random_moments_lose_nothing_in_a_file() {
    let folder = Folder::new();
    let file = folder.0.join("coord.sqlite");
    // 2,000 at scale 4: each costs several commits, and the test should stay under 20 s.
    let rounds = scaled(500).max(50);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cut_off = runtime.block_on(async {
        let bus = Bus::open(&format!("sqlite:{}", file.display())).unwrap().with_lease(LEASE);
        story(&bus, rounds).await
    });
    drop(runtime);
    // Of each kind a good part was cut off.
    for cut in CUTS {
        let count = cut_off.get(&cut).copied().unwrap_or(0);
        let all = rounds / CUTS.len();
        assert!(count > all / 10, "{cut:?}: {count} of {all}");
    }
    let check = rusqlite::Connection::open(&file).unwrap();
    let sound: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}
