//! A component in a process of its own: how soon its handler is entered after a message was committed, and what
//! it costs while nothing happens. By hints, by looking now and then, and against a loop that asks every 5 ms.

use crate::{event, id, runtime};
use coordination_protocol::Event;
use coordination_protocol::adapter::sqlite::{MachineClock, Sqlite, SqliteOptions};
use coordination_protocol::bus::Bus;
use coordination_protocol::driver::{Client, Component, Context};
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How it follows, and whether the goals are for it.
const WAYS: [(&str, &str, bool); 3] = [
    ("hints", "`Component`, by hints", true),
    ("polls", "`Component`, without hints", false),
    ("raw", "rusqlite, every 5 ms", false),
];

/// Messages a second, and how many.
const RATE: u64 = 50;

fn nanos() -> u64 {
    MachineClock::new().at().as_nanos()
}

/// Seconds, if the environment says a number.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The other process: prints when its handler was entered with each position.
pub fn follow(how: &str, path: &str) {
    if how == "raw" {
        return poll(path);
    }
    let options = SqliteOptions::new("follower").with_hints(how == "hints");
    let bus = Bus::sqlite(Sqlite::open(path, &options).unwrap());
    runtime().block_on(async {
        let handler = |context: Context, _: Event| async move {
            println!("{} {}", context.position().offset, nanos());
            Ok(())
        };
        let component = Component::new("follower").subscribe("task.>", handler);
        let _running = component.connect(&bus).await.unwrap();
        println!("ready");
        std::future::pending::<()>().await;
    });
}

/// What somebody would write by hand.
fn poll(path: &str) {
    let raw = Connection::open(path).unwrap();
    let number = |sql: &str, of: i64| -> i64 {
        raw.prepare_cached(sql).unwrap().query_row([of], |row| row.get(0)).unwrap()
    };
    let last = "SELECT coalesce(max(position), 0) FROM record WHERE position > ?1";
    let mut done = number(last, 0);
    println!("ready");
    loop {
        for position in done + 1..=number(last, done) {
            println!("{position} {}", nanos());
            done = position;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Nanoseconds that the threads of a process have run.
fn processor_time(process: u32) -> u64 {
    fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .map(|task| fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap())
        .map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

pub fn measure(folder: &Path) {
    let idle = Duration::from_secs(setting("COORD_BENCH_IDLE_SECONDS", 20));
    let count = setting("COORD_BENCH_MESSAGES", 1_000);
    println!("\n### Wake-up in another process\n");
    println!(
        "From the end of `Client::publish` here to the handler there, {count} messages, {RATE} a second; and \
         the processor time of that process while nothing is published for {} s.\n",
        idle.as_secs()
    );
    println!("| follower | median ms | 99 % ms | worst ms | idle, percent of a core | goal |");
    println!("|---|--:|--:|--:|--:|---|");
    for (how, name, judged) in WAYS {
        let path = folder.join(format!("followed-{how}.sqlite"));
        let bus = Bus::sqlite(Sqlite::open(&path, &SqliteOptions::new("bench")).unwrap());
        let runtime = runtime();
        let client = runtime.block_on(Client::open(&bus, id("bench"))).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["follow", how])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "ready");
        // What the start costs is not part of it.
        std::thread::sleep(Duration::from_millis(1_500));
        let before = processor_time(child.id());
        std::thread::sleep(idle);
        let used = processor_time(child.id()) - before;
        let share = used as f64 / idle.as_nanos() as f64 * 100.0;

        let mut committed = Vec::new();
        for number in 0..count {
            // Not in step with the follower: 15 to 25 ms, less what the commit takes.
            std::thread::sleep(Duration::from_micros(15_000 + number * 7_919 % 10_007));
            let position = runtime.block_on(client.publish(event(number as usize))).unwrap();
            committed.push((position.offset, nanos()));
        }
        let late = |(position, committed): (u64, u64)| {
            // The presence of the component stands between the messages.
            let seen = lines.by_ref().find_map(|line| {
                let (seen, at) = line.split_once(' ')?;
                (seen.parse() == Ok(position)).then(|| at.parse::<u64>().unwrap())
            });
            // It may notice before the writer does.
            seen.expect("it is still there").saturating_sub(committed) as f64 / 1e6
        };
        let mut late: Vec<f64> = committed.into_iter().map(late).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        late.sort_by(f64::total_cmp);
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        let (median, most, worst) = (at(0.5), at(0.99), at(1.0));
        let met = if median <= 2.0 && most <= 20.0 && share < 0.5 { "met" } else { "MISSED" };
        let goal = if judged { format!("2, 20, 0.5 {met}") } else { String::new() };
        println!("| {name} | {median:.2} | {most:.2} | {worst:.1} | {share:.3} | {goal} |");
    }
}
