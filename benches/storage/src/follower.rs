//! A follower in a process of its own: how soon it notices, and what it costs while nothing happens.

use crate::harness::{met, quartiles};
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::storage::{Journal, block_on};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

fn nanos() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
}

/// The other process: prints how many nanoseconds ago each record was handed to its writer.
pub fn follow(path: &str) {
    let file = Sqlite::open(path, &SqliteOptions::new("follower")).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "ready").unwrap();
    let mut next = 1;
    loop {
        block_on(file.wait(next)).unwrap();
        let now = nanos();
        for record in block_on(file.read(next, 1_000)).unwrap() {
            next = record.position + 1;
            let sent: u128 = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
            writeln!(out, "{}", now - sent).unwrap();
        }
    }
}

fn start(path: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("follow")
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
    let path = folder.join("followed.sqlite");
    let file = Sqlite::open(&path, &SqliteOptions::new("bench")).unwrap();
    let (mut child, lines) = start(&path);
    let before = processor_time(child.id());
    std::thread::sleep(idle);
    let used = processor_time(child.id()) - before;
    let share = used as f64 / idle.as_nanos() as f64 * 100.0;

    let send = |count: u32| {
        for number in 0..count {
            // Not in step with the follower.
            std::thread::sleep(Duration::from_micros(15_000 + u64::from(number * 7_919 % 10_007)));
            block_on(file.append(&[nanos().to_string()])).unwrap();
        }
    };
    send(400);
    let late: Vec<f64> = lines.take(400).map(|line| line.parse::<f64>().unwrap() / 1e6).collect();
    let worst = late.iter().copied().fold(0.0, f64::max);
    let [low, median, high] = quartiles(late);
    child.kill().unwrap();
    child.wait().unwrap();

    println!("\n### A follower in another process\n");
    println!("| what | measured | goal |");
    println!("|---|--:|--:|");
    println!(
        "| processor while idle for {} s, percent of a core | {share:.3} | 1 {} |",
        idle.as_secs(),
        met(share < 1.0)
    );
    println!(
        "| from append to notice, commit included, ms: median (quartiles, worst) | \
         {median:.2} ({low:.2}-{high:.2}, {worst:.1}) | 10 {} |",
        met(median < 10.0)
    );
}
