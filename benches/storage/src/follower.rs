//! A follower in a process of its own: how soon it notices what was committed, and what it costs while
//! nothing happens. By hints, by looking now and then, and against a loop that asks every 5 ms.

use crate::harness::met;
use coordination_protocol::adapter::sqlite::{MachineClock, Sqlite, SqliteOptions};
use coordination_protocol::storage::{Journal, block_on};
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How it follows, and the goals for the median and the 99th percentile in ms, if any.
const WAYS: [(&str, &str, Option<[f64; 2]>); 3] = [
    ("hints", "`wait`, by hints", Some([2.0, 20.0])),
    ("polls", "`wait`, without hints", None),
    ("raw", "rusqlite, every 5 ms", None),
];

/// Messages a second, and for how long.
const RATE: u32 = 50;
const SECONDS: u32 = 20;

fn nanos() -> u64 {
    MachineClock::new().at().as_nanos()
}

/// The other process: prints when it noticed each position.
pub fn follow(how: &str, path: &str) {
    let mut out = std::io::stdout();
    let mut next = 1;
    let mut told = |end: u64| {
        let now = nanos();
        for position in next..end {
            writeln!(out, "{position} {now}").unwrap();
        }
        next = next.max(end);
        next
    };
    if how == "raw" {
        let raw = Connection::open(path).unwrap();
        println!("ready");
        let mut seen = -1;
        loop {
            let version = |sql: &str| {
                let mut statement = raw.prepare_cached(sql).unwrap();
                statement.query_row([], |row| row.get::<_, i64>(0)).unwrap()
            };
            let found = version("PRAGMA data_version");
            if found != seen {
                seen = found;
                told(version("SELECT coalesce(max(position), 0) + 1 FROM record").unsigned_abs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let options = SqliteOptions::new("follower").with_hints(how == "hints");
    let file = Sqlite::open(path, &options).unwrap();
    println!("ready");
    let mut from = 1;
    loop {
        from = told(block_on(file.wait(from)).unwrap());
    }
}

fn start(how: &str, path: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["follow", how])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "ready");
    (child, lines)
}

/// Nanoseconds that the threads of a process have run.
fn processor_time(process: u32) -> u64 {
    fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .map(|task| fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap())
        .map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

pub fn measure(folder: &Path, idle: Duration) {
    println!("\n### A follower in another process\n");
    println!(
        "From the end of `append` in one process to the end of the wait in the other, {RATE} records a \
         second for {SECONDS} s; and its processor time while nothing is appended for {} s.\n",
        idle.as_secs()
    );
    println!("| follower | median ms | 99 % ms | worst ms | idle, percent of a core | goal |");
    println!("|---|--:|--:|--:|--:|---|");
    for (how, name, goal) in WAYS {
        let path = folder.join(format!("followed-{how}.sqlite"));
        let file = Sqlite::open(&path, &SqliteOptions::new("bench")).unwrap();
        let (mut child, lines) = start(how, &path);
        // What the start costs is not part of it.
        std::thread::sleep(Duration::from_millis(1_500));
        let before = processor_time(child.id());
        std::thread::sleep(idle);
        let used = processor_time(child.id()) - before;
        let share = used as f64 / idle.as_nanos() as f64 * 100.0;

        let count = RATE * SECONDS;
        let mut committed = Vec::new();
        for number in 0..count {
            // Not in step with the follower: 15 to 25 ms, less what the append takes.
            let pause = Duration::from_micros(15_000 + u64::from(number * 7_919 % 10_007));
            std::thread::sleep(pause);
            block_on(file.append(&["TASK_COMPLETED:wf_001:build:{}"])).unwrap();
            committed.push(nanos());
        }
        let mut late: Vec<f64> = lines
            .take(count as usize)
            .map(|line| {
                let (position, noticed) = line.split_once(' ').unwrap();
                let position: usize = position.parse().unwrap();
                // It may notice before the writer does.
                let noticed: u64 = noticed.parse().unwrap();
                noticed.saturating_sub(committed[position - 1]) as f64 / 1e6
            })
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        late.sort_by(f64::total_cmp);
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        let (median, most, worst) = (at(0.5), at(0.99), at(1.0));
        let goal = goal.map_or_else(String::new, |[half, nearly_all]| {
            let all = median <= half && most <= nearly_all && share < 0.5;
            format!("{half:.0}, {nearly_all:.0}, 0.5 {}", met(all))
        });
        println!("| {name} | {median:.2} | {most:.2} | {worst:.1} | {share:.3} | {goal} |");
    }
}
