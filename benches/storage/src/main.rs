//! Measures the journal on `SQLite`: against the same statements by hand, many tasks that share
//! commits, and followers in other processes.
//!
//! Ratios count, nanoseconds only give the scale. The first argument selects tables by a word of
//! their title; `COORD_BENCH_DIR` says on which disk to work.

mod follower;
mod harness;
mod raw;

use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions, Synchronous};
use coordination_protocol::storage::{Journal, block_on};
use harness::{row, table};
use raw::Raw;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BATCH: usize = 100;
/// About what an event line has.
const BYTES: usize = 262;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verb, how, path] = &arguments[..]
        && verb == "follow"
    {
        return follower::follow(how, path);
    }
    let wanted = arguments.get(1).cloned().unwrap_or_default().to_lowercase();
    let folder = std::env::var_os("COORD_BENCH_DIR")
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join(format!("coord-storage-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |title: &str, measure: &dyn Fn(&str)| {
        if title.to_lowercase().contains(&wanted) {
            measure(title);
        }
    };
    run("Append, 100 a commit, FULL", &|title| {
        append(title, &folder, BATCH, 60, Synchronous::Full, 1.15);
    });
    run("Append, 100 a commit, NORMAL", &|title| {
        append(title, &folder, BATCH, 200, Synchronous::Normal, 1.15);
    });
    run("Append, one a commit, FULL", &|title| {
        append(title, &folder, 1, 200, Synchronous::Full, 1.3);
    });
    run("Read back", &|title| read(title, &folder));
    run("Single durable events of 8 tasks, FULL", &|title| share(title, &folder));
    run("Follower", &|_| follower::measure(&folder, Duration::from_secs(20)));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn records(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| {
            let start =
                format!(r#"TASK_COMPLETED:wf_{number}:build:{{"task_id":"t{number}","pad":""#);
            let mut line = start.into_bytes();
            line.extend((line.len()..BYTES - 2).map(|at| b'a' + (at * number % 26) as u8));
            line.extend(b"\"}");
            line
        })
        .collect()
}

fn open(path: &Path, synchronous: Synchronous) -> Sqlite {
    Sqlite::open(path, &SqliteOptions::new("bench").with_synchronous(synchronous)).unwrap()
}

fn name(synchronous: Synchronous) -> &'static str {
    if synchronous == Synchronous::Full { "FULL" } else { "NORMAL" }
}

fn append(
    title: &str,
    folder: &Path,
    batch: usize,
    commits: usize,
    synchronous: Synchronous,
    goal: f64,
) {
    let batch = records(batch);
    let at = |kind: &str| folder.join(format!("{title} {kind}.sqlite"));
    let raw = Raw::open(&at("raw"), name(synchronous));
    let file = open(&at("ours"), synchronous);
    let mut next = 1;
    let rows = vec![
        row("rusqlite by hand", || {
            for _ in 0..commits {
                raw.append(&mut next, &batch);
            }
            commits * batch.len()
        }),
        row("`Sqlite::append`", || {
            for _ in 0..commits {
                block_on(file.append(&batch)).unwrap();
            }
            commits * batch.len()
        })
        .at_most(goal),
    ];
    table(title, 21, rows);
}

fn read(title: &str, folder: &Path) {
    const TOTAL: usize = 100_000;
    const PAGE: usize = 10_000;
    let raw = Raw::open(&folder.join("raw.sqlite"), "NORMAL");
    let file = open(&folder.join("ours.sqlite"), Synchronous::Normal);
    let mut next = 1;
    for chunk in records(TOTAL).chunks(1_000) {
        raw.append(&mut next, chunk);
        block_on(file.append(chunk)).unwrap();
    }
    let rows = vec![
        row("rusqlite by hand", || {
            let (mut from, mut count) = (1, 0);
            loop {
                let page = raw.read(from, PAGE);
                let Some((last, _)) = page.last() else { return count };
                from = last + 1;
                count += page.len();
            }
        }),
        row("`Sqlite::read`", || {
            let (mut from, mut count) = (1, 0);
            loop {
                let page = block_on(file.read(from, PAGE)).unwrap();
                let Some(last) = page.last() else { return count };
                from = last.position + 1;
                count += page.len();
            }
        })
        .at_most(1.2),
    ];
    table(title, 21, rows);
}

fn share(title: &str, folder: &Path) {
    const EACH: usize = 100;
    let file = open(&folder.join("shared.sqlite"), Synchronous::Full);
    let event = records(1);
    let run = |tasks: usize| {
        std::thread::scope(|scope| {
            for _ in 0..tasks {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        block_on(file.append(&event)).unwrap();
                    }
                });
            }
        });
        tasks * EACH
    };
    table(title, 21, vec![row("1 task", || run(1)), row("8 tasks", || run(8)).faster(4.0)]);
}
