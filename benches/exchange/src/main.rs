//! Measures the exchange of messages within one process.
//!
//! Ratios count, nanoseconds only give the scale. Run it with `--features count-alloc` for the
//! allocations, and with a word to measure only the tables whose title has it.

#[path = "../../common/alloc.rs"]
mod alloc;
mod gate;
#[path = "../../common/harness.rs"]
mod harness;
mod machines;
#[path = "../../common/requests.rs"]
mod requests;

use coordination_protocol::event::EventBuf;
use coordination_protocol::route::{GroupChoice, Pattern, RouteKey, RouteTable};
use coordination_protocol::transport::{
    Address, MemoryReceiver, MemoryTransport, Packet, Received, Receiver, Subscription, Transport,
};
use harness::{Row, SHORT, pass_row, table};
use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

const EVENTS: usize = 4_096;
const BATCH: usize = 64;
const LINE: &str = r#"TASK_COMPLETED:wf_001:implementation:{"task_id":"task_789","agent_id":"agent_003","duration":"4m 12s","results":{"files":3,"tests":41,"warnings":0},"correlation_id":"corr_0194","timestamp":"2025-01-15T12:00:00Z"}"#;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default().to_lowercase();
    for (subscribers, goal) in [(1, 0.65), (8, 0.10), (64, 0.05)] {
        let title = format!("Fan-out to {subscribers} subscribers, a delivery");
        if title.to_lowercase().contains(&wanted) {
            table(&title, EVENTS * subscribers, SHORT, fan_out(subscribers, goal));
        }
    }
    if "dispatch".contains(&wanted) {
        table(
            "Dispatch to 64 handlers that are matched already, a call",
            64 * 256,
            SHORT,
            dispatch(),
        );
    }
    for subscribers in [1, 8, 64] {
        let title = format!("Machine: to {subscribers} subscribers, a delivery");
        if title.to_lowercase().contains(&wanted) {
            table(&title, machines::MESSAGES * subscribers, SHORT, machines::delivery(subscribers));
        }
    }
    gate::tables(|title, rows| {
        if title.to_lowercase().contains(&wanted) {
            table(title, gate::RECORDS, SHORT, rows);
        }
    });
    if "machine: request".contains(&wanted) {
        table(
            "Machine: request and response, a round trip",
            requests::ROUND_TRIPS,
            SHORT,
            vec![
                pass_row("write and check both messages", requests::messages),
                pass_row("`Requester` and `Responder`", requests::machines),
            ],
        );
    }
    if "request".contains(&wanted) {
        table("Request and response, a round trip", ROUND_TRIPS, SHORT, requests());
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn packets() -> Vec<Packet> {
    let body: Arc<[u8]> = LINE.as_bytes().into();
    let key = RouteKey::new("TASK_COMPLETED", "wf_001", "implementation");
    (0..BATCH).map(|_| Packet::new(key.clone(), Arc::clone(&body))).collect()
}

/// Receives until that number of packets came, and says how many bytes they had.
async fn drain(receiver: &mut MemoryReceiver, count: usize) -> usize {
    let (mut left, mut bytes) = (count, 0);
    while left > 0 {
        match receiver.receive().await.expect("it is open") {
            Received::Packets(packets) => {
                left -= packets.len();
                bytes += packets.iter().map(|packet| packet.body.len()).sum::<usize>();
            }
            other => panic!("{other:?}"),
        }
    }
    bytes
}

/// A publisher and its subscribers in one thread; nothing gets lost. What is received is looked at.
fn fan_out(subscribers: usize, goal: f64) -> Vec<Row<'static>> {
    let event = EventBuf::parse(LINE).expect("it is an event");
    let shared = Arc::new(event);
    let channels = {
        let shared = Arc::clone(&shared);
        let runtime = runtime();
        pass_row("tokio mpsc a subscriber", move || {
            let shared = Arc::clone(&shared);
            runtime.block_on(tokio::task::LocalSet::new().run_until(async move {
                let (senders, tasks): (Vec<_>, Vec<_>) = (0..subscribers)
                    .map(|_| {
                        let (sender, mut receiver) = mpsc::channel::<Arc<EventBuf>>(1_000);
                        let task = tokio::task::spawn_local(async move {
                            let mut bytes = 0;
                            while let Some(event) = receiver.recv().await {
                                bytes += event.as_str().len();
                            }
                            bytes
                        });
                        (sender, task)
                    })
                    .unzip();
                for _ in 0..EVENTS {
                    for sender in &senders {
                        sender.send(Arc::clone(&shared)).await.expect("it is open");
                    }
                }
                drop(senders);
                for task in tasks {
                    assert_eq!(task.await.expect("it ends"), EVENTS * LINE.len());
                }
            }));
        })
    };
    let through = |name, batch: usize, anew: bool| {
        let runtime = runtime();
        let packets = packets();
        let batch: Arc<[Packet]> = packets[..batch].into();
        pass_row(name, move || {
            let batch = Arc::clone(&batch);
            let packets = packets.clone();
            runtime.block_on(tokio::task::LocalSet::new().run_until(async move {
                let transport = MemoryTransport::new();
                let mut tasks = Vec::new();
                for _ in 0..subscribers {
                    let wanted = Subscription::new(Pattern::parse("task.>").expect("a pattern"));
                    let mut receiver = transport.subscribe(&wanted).await.expect("it is open");
                    tasks.push(tokio::task::spawn_local(async move {
                        drain(&mut receiver, EVENTS).await
                    }));
                }
                let mut left = EVENTS;
                while left > 0 {
                    let batch: Arc<[Packet]> = match anew {
                        true => packets[..batch.len()].into(),
                        false => Arc::clone(&batch),
                    };
                    match transport.publish(Arc::clone(&batch)).await {
                        Ok(_) => left -= batch.len(),
                        // The queues are full: let the subscribers run.
                        Err(_) => tokio::task::yield_now().await,
                    }
                }
                for task in tasks {
                    assert_eq!(task.await.expect("it ends"), EVENTS * LINE.len());
                }
            }));
        })
    };
    vec![
        channels,
        through("`MemoryTransport`, batches of 64 made of packets", BATCH, true).at_most(goal),
        through("`MemoryTransport`, batches of 64 ready made", BATCH, false),
        through("`MemoryTransport`, one by one", 1, false),
    ]
}

type Handler = Box<dyn Fn(&str)>;

fn handlers(sum: &Rc<Cell<usize>>) -> Vec<Handler> {
    (0..64)
        .map(|n| {
            let sum = Rc::clone(sum);
            let handler: Handler = Box::new(move |line| sum.set(sum.get() + line.len() + n));
            handler
        })
        .collect()
}

fn dispatch() -> Vec<Row<'static>> {
    let sum = Rc::new(Cell::new(0));
    let direct = handlers(&sum);
    let mut routes = RouteTable::new();
    for handler in handlers(&sum) {
        routes.insert(Pattern::parse("task.>").expect("a pattern"), handler);
    }
    let key = RouteKey::new("TASK_COMPLETED", "wf_001", "implementation");
    vec![
        pass_row("a direct call", move || {
            for _ in 0..256 {
                for handler in &direct {
                    handler(black_box(LINE));
                }
            }
        }),
        pass_row("`RouteTable::receivers` of a key that was seen", move || {
            for _ in 0..256 {
                for (_, handler) in routes.receivers(black_box(&key), GroupChoice::Rotate) {
                    handler(black_box(LINE));
                }
            }
        })
        .at_most(1.5),
    ]
}

const ROUND_TRIPS: usize = 2_000;

fn requests() -> Vec<Row<'static>> {
    let one: Arc<[Packet]> = packets().into_iter().take(1).collect();
    let channel = runtime();
    let memory = runtime();
    vec![
        pass_row("tokio mpsc and oneshot", move || {
            channel.block_on(tokio::task::LocalSet::new().run_until(async {
                let (sender, mut receiver) =
                    mpsc::channel::<(Arc<str>, oneshot::Sender<Arc<str>>)>(1_000);
                tokio::task::spawn_local(async move {
                    while let Some((request, answer)) = receiver.recv().await {
                        let _ = answer.send(request);
                    }
                });
                let line: Arc<str> = LINE.into();
                for _ in 0..ROUND_TRIPS {
                    let (answer, response) = oneshot::channel();
                    sender.send((Arc::clone(&line), answer)).await.expect("it is open");
                    black_box(response.await.expect("it answers"));
                }
            }));
        }),
        pass_row("`MemoryTransport`, an address each", move || {
            let one = Arc::clone(&one);
            memory.block_on(tokio::task::LocalSet::new().run_until(async move {
                let transport = MemoryTransport::new();
                let server = Address::new("resource-manager").expect("an address");
                let client = Address::new("coordination-hub").expect("an address");
                let mut requests = transport.listen(&server, 1_000).await.expect("it is free");
                let mut answers = transport.listen(&client, 1_000).await.expect("it is free");
                let (back, to) = (transport.clone(), client.clone());
                let batch = Arc::clone(&one);
                tokio::task::spawn_local(async move {
                    while let Ok(Received::Packets(packets)) = requests.receive().await {
                        for _ in packets.iter() {
                            back.send(&to, Arc::clone(&batch)).await.expect("it listens");
                        }
                    }
                });
                for _ in 0..ROUND_TRIPS {
                    transport.send(&server, Arc::clone(&one)).await.expect("it listens");
                    black_box(answers.receive().await.expect("it answers"));
                }
            }));
        })
        .at_most(3.0),
    ]
}
