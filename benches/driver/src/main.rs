//! Measures what runs: requests over the driver, publishing through a client, how soon a component in another
//! process works on a message, and whole processes of `coord publish`.
//!
//! Ratios count, times only give the scale. The first argument selects tables by a word of their title;
//! `soak MINUTES` runs one bus under full load instead. `COORD_BENCH_DIR` says on which disk to work, and
//! `COORD_BENCH_PROGRAM` where `coord` is.

#[path = "../../common/alloc.rs"]
mod alloc;
#[path = "../../common/harness.rs"]
mod harness;
mod processes;
mod raw;
#[path = "../../common/requests.rs"]
mod requests;
mod soak;
mod wake;

use coordination_protocol::Event;
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions, Synchronous};
use coordination_protocol::bus::Bus;
use coordination_protocol::driver::{Client, Component, Context};
use coordination_protocol::message::AllocationRequest;
use coordination_protocol::scalar::ComponentId;
use harness::{LONG, Row, SHORT, pass_row, table};
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// How many messages are under way at once.
const IN_FLIGHT: usize = 256;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let folder = std::env::var_os("COORD_BENCH_DIR")
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join(format!("coord-driver-bench-{}", std::process::id()));
    match words[..] {
        ["follow", how, path] => return wake::follow(how, path),
        _ => std::fs::create_dir_all(&folder).unwrap(),
    }
    let wanted = match words[..] {
        ["soak", minutes] => {
            soak::run(&folder, minutes.parse().expect("a number of minutes"));
            return std::fs::remove_dir_all(&folder).unwrap();
        }
        [word, ..] => word.to_lowercase(),
        [] => String::new(),
    };
    let run = |title: &str, measure: &dyn Fn(&str)| {
        if title.to_lowercase().contains(&wanted) {
            measure(title);
        }
    };
    run("Request and response in one process", &|title| {
        table(title, requests::ROUND_TRIPS, SHORT, requests(&folder));
    });
    for (synchronous, name) in [(Synchronous::Full, "FULL"), (Synchronous::Normal, "NORMAL")] {
        run(&format!("Publish, {IN_FLIGHT} in flight, {name}"), &|title| {
            table(title, PUBLISHED, LONG, publish(&folder, synchronous, name));
        });
    }
    run("Wake-up in another process", &|_| wake::measure(&folder));
    run("Whole processes that publish", &|title| processes::measure(title, &folder));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn id(text: &str) -> ComponentId {
    ComponentId::new(text).expect("a name")
}

fn open(path: &Path, synchronous: Synchronous) -> Bus {
    let options = SqliteOptions::new("bench").with_synchronous(synchronous);
    Bus::sqlite(Sqlite::open(path, &options).expect("a file"))
}

/// About 300 bytes as an envelope with all that a client fills in.
fn event(number: usize) -> Event {
    let text = format!(
        r#"TASK_COMPLETED:wf_{}:build:{{"task_id":"task_{number}","agent_id":"agent_003","duration":"4m 12s","results":{{"files":3}}}}"#,
        number % 16,
    );
    text.parse().expect("an event")
}

/// A round trip: one request under way, on one thread.
fn requests(folder: &Path) -> Vec<Row<'static>> {
    let over = |name, bus: &Bus| {
        let runtime = runtime();
        let (client, running) = runtime.block_on(async {
            let manager = Component::new("rm").on_request(
                |_: Context, request: AllocationRequest| async move {
                    Ok(requests::response(request.request_id))
                },
            );
            let running = manager.connect(bus).await.expect("it runs");
            (Client::open(bus, id("hub")).await.expect("a client"), running)
        });
        pass_row(name, move || {
            // It runs as long as the row.
            let _running = &running;
            runtime.block_on(async {
                for _ in 0..requests::ROUND_TRIPS {
                    let request = requests::request(client.new_id());
                    client.request(&id("rm"), request).await.expect("an answer");
                }
            });
        })
    };
    vec![
        pass_row("`Requester` and `Responder`", requests::machines),
        over("`Client` and `Component`, in memory", &Bus::memory()).at_most(2.0),
        over(
            "... on SQLite, NORMAL",
            &open(&folder.join("requests-normal.sqlite"), Synchronous::Normal),
        ),
        over("... on SQLite, FULL", &open(&folder.join("requests.sqlite"), Synchronous::Full)),
    ]
}

/// How many messages a pass publishes.
const PUBLISHED: usize = 2_048;

fn publish(folder: &Path, synchronous: Synchronous, name: &str) -> Vec<Row<'static>> {
    let raw = {
        let mut raw = raw::Raw::open(&folder.join(format!("raw-{name}.sqlite")), name);
        pass_row("rusqlite by hand, 256 a transaction", move || {
            for _ in 0..PUBLISHED / IN_FLIGHT {
                raw.append(IN_FLIGHT);
            }
        })
    };
    let runtime = runtime();
    let bus = open(&folder.join(format!("ours-{name}.sqlite")), synchronous);
    let client = runtime.block_on(Client::open(&bus, id("bench"))).expect("a client");
    let ours = pass_row("`Client::publish`", move || {
        runtime.block_on(async {
            let mut publishing = JoinSet::new();
            for number in 0..PUBLISHED {
                if publishing.len() == IN_FLIGHT {
                    publishing.join_next().await.expect("there are some").expect("no panic");
                }
                let client = client.clone();
                publishing.spawn(async move {
                    client.publish(event(number)).await.expect("it is stored");
                });
            }
            publishing.join_all().await;
        });
    });
    vec![raw, ours.at_most(1.0 / 0.85)]
}
