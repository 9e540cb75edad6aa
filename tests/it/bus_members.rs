//! Members of one subscription in processes of their own, of which one is killed and one is stopped.

use coordination_protocol::bus::{Arrival, Bus, BusError, Interest, Post, Start};
use coordination_protocol::route::RouteKey;
use coordination_protocol::storage::{Commit, Expect, Key, Store as _, StoreScan};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LEASE: Duration = Duration::from_millis(600);
const MESSAGES: u64 = 40;
const LANES: u64 = 5;

fn open(file: &Path) -> Bus {
    Bus::open(&format!("sqlite:{}", file.display())).unwrap().with_lease(LEASE)
}

fn interest() -> Interest {
    Interest::new(">".parse().unwrap())
        .durable("workers")
        .starting(Start::First)
        .with_max_in_flight(1)
        .with_max_attempts(10)
}

fn signal(Member(child): &Member, name: &str) {
    let done = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(done.success());
}

/// A member: settles each message together with the note that it is done, which no other may have made.
#[test]
#[ignore = "a process of another test"]
fn a_member() {
    let Some(file) = std::env::var_os("COORD_TEST_BUS") else { return };
    let pause: u64 = std::env::var("COORD_TEST_PAUSE").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let bus = open(Path::new(&file));
        let inbox = bus.subscribe(interest()).await.unwrap();
        loop {
            let Arrival::Message(delivery) = inbox.next().await.unwrap() else {
                panic!("no message")
            };
            println!("took {} attempt {}", delivery.position, delivery.attempt);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let done = Key::of(["done", &format!("{:06}", delivery.position.offset)]).unwrap();
            let note =
                format!("{} {}", delivery.attempt, std::str::from_utf8(&delivery.data).unwrap());
            let commit = Commit::new().put(done, note.into_bytes(), Expect::Absent);
            match inbox.settle_with(&delivery, commit).await {
                Ok(()) => {}
                Err(BusError::Stale { .. }) => println!("stale {}", delivery.position),
                Err(error) => panic!("{error}"),
            }
        }
    });
}

/// A process that ends with the test, also with one that fails.
struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself. A stopped one ends by this as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn member(file: &Path, pause: u64, log: &Path) -> Member {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bus_members::a_member", "--ignored", "--nocapture"])
        .env("COORD_TEST_BUS", file)
        .env("COORD_TEST_PAUSE", pause.to_string())
        .stdout(std::fs::File::create(log).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Member(child)
}

/// Waits until a log says something.
fn wait_for(log: &Path, word: &str) {
    for _ in 0..600 {
        if std::fs::read_to_string(log).unwrap().contains(word) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} never said {word}", log.display());
}

#[test]
fn one_member_is_killed_and_one_stopped_and_each_message_is_finished_once_in_order() {
    let folder = crate::support::Folder::new();
    let file = folder.0.join("bus.sqlite");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bus = open(&file);
    runtime.block_on(async {
        for number in 0..MESSAGES {
            let workflow = format!("wf_{}", number % LANES);
            let key = RouteKey::new("TASK_FAILED", &workflow, "build");
            let text = format!("{workflow} {number:03}");
            bus.publish(&[Post::raw(&key, text.into_bytes()).unwrap()]).await.unwrap();
        }
    });
    let logs: Vec<_> = (0..3).map(|number| folder.0.join(format!("{number}.log"))).collect();
    // Two that never get to an end by themselves: each holds the message that it took first.
    let killed = member(&file, 3_600_000, &logs[0]);
    wait_for(&logs[0], "took");
    let stopped = member(&file, 3_000, &logs[1]);
    wait_for(&logs[1], "took");
    signal(&stopped, "-STOP");
    signal(&killed, "-KILL");
    drop(killed);
    let _working = member(&file, 1, &logs[2]);
    let done = runtime.block_on(async {
        for _ in 0..600 {
            let page = bus.engine().scan(&StoreScan::new("done/")).await.unwrap();
            if page.entries.len() as u64 == MESSAGES {
                return page.entries;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not all was done");
    });
    // The one that was stopped comes back, and finds that its message is another's.
    signal(&stopped, "-CONT");
    wait_for(&logs[1], "stale");
    // Each once: a second note would have been refused. What was interrupted was tried twice.
    let notes: Vec<String> =
        done.iter().map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).collect();
    let again = notes.iter().filter(|note| note.starts_with("2 ")).count();
    assert_eq!(again, 2, "{notes:?}");
    // In order within each lane, as the one that worked took them.
    let log = std::fs::read_to_string(&logs[2]).unwrap();
    let taken: Vec<u64> = log
        .lines()
        .filter_map(|line| line.strip_prefix("took 0:")?.split(' ').next()?.parse().ok())
        .collect();
    for lane in 0..LANES {
        let own: Vec<u64> = taken.iter().copied().filter(|at| (at - 1) % LANES == lane).collect();
        assert!(own.is_sorted(), "{own:?}");
    }
}
