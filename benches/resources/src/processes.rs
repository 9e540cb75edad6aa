//! Whole processes: `coord allocate` beside `sqlite3` with one insert, in turn.

use crate::{ask, at, median};
use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::coordination::resources::{Desk, Inventory, Units, Witness};
use coordination_protocol::storage::block_on;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const PAIRS: usize = 41;

/// This run of the machine, so that the program does not take it for another.
struct Here;

impl Witness for Here {
    fn boot(&self) -> String {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    }
}

fn program() -> PathBuf {
    let named = std::env::var_os("COORD_BENCH_PROGRAM").map(PathBuf::from);
    named.unwrap_or_else(|| std::env::current_exe().expect("it runs").with_file_name("coord"))
}

fn timed(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().expect("it starts");
    let took = start.elapsed().as_secs_f64() * 1e3;
    assert!(status.success(), "{command:?}: {status}");
    took
}

pub fn measure(title: &str, folder: &Path) {
    println!("\n### {title}\n");
    if !program().exists() || Command::new("sqlite3").arg("--version").output().is_err() {
        println!(
            "Needs `sqlite3`, and `coord` in release beside this program or in COORD_BENCH_PROGRAM."
        );
        return;
    }
    println!("| leases | sqlite3, one insert, ms | coord allocate, ms | ratio | goal |");
    println!("|--:|--:|--:|--:|---|");
    for (leases, goal) in [(1_000, 2), (10_000, 3)] {
        let file = folder.join(format!("leases-{leases}.sqlite"));
        let engine = Sqlite::open(&file, &SqliteOptions::new("bench")).unwrap();
        let mut desk = Desk::new(engine, "default");
        let agents = Inventory::new().with("agents", Units::whole(1_000_000));
        let now = coordination_protocol::adapter::sqlite::MachineClock::new().now();
        assert!(now.at > at(0).at);
        block_on(desk.decide(now, &Here, |d| {
            d.set_inventory(agents.clone());
            for number in 0..leases {
                d.submit(&ask(number, "agents", 80_000)).unwrap();
            }
        }))
        .unwrap();
        drop(desk);
        let other = folder.join(format!("sqlite3-{leases}.sqlite"));
        let raw = rusqlite::Connection::open(&other).unwrap();
        raw.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        raw.execute_batch(
            "CREATE TABLE record (position INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
        )
        .unwrap();
        drop(raw);
        let bus = format!("sqlite:{}", file.display());
        let (mut ours, mut theirs, mut ratios) = (vec![], vec![], vec![]);
        for _ in 0..PAIRS {
            let mut allocate = Command::new(program());
            allocate.args(["allocate", "--need", "agents=1", "--for", "20h", "--bus", &bus]);
            let own = timed(&mut allocate);
            let mut insert = Command::new("sqlite3");
            let text = "x".repeat(900);
            insert.arg(&other).arg(format!(
                "PRAGMA synchronous = FULL; INSERT INTO record (data) VALUES (CAST('{text}' AS BLOB));"
            ));
            let bare = timed(&mut insert);
            ours.push(own);
            theirs.push(bare);
            ratios.push(own / bare);
        }
        println!(
            "| {leases} | {:.1} | {:.1} | {:.2} | ≤ {goal} |",
            median(&mut theirs),
            median(&mut ours),
            median(&mut ratios)
        );
    }
}
