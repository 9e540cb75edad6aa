//! Measures decisions about resources: in memory with few and with many leases, kept in a file beside bare
//! commits of the same bytes, and as whole processes beside `sqlite3` with one insert.
//!
//! Ratios count, times only give the scale. The first argument selects tables by a word of their title.
//! `COORD_BENCH_DIR` says on which disk to work, `COORD_BENCH_PROGRAM` where `coord` is.

mod naive;
mod processes;

use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::coordination::resources::{
    Amounts, Decider, Desk, EndReason, Fallback, Inventory, Need, Pool, PoolOptions, Ruling,
    Submission, Units, WaitEnd,
};
use coordination_protocol::scalar::{Instant, Now, RequestId, WorkflowId};
use coordination_protocol::storage::block_on;
use naive::Naive;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NOON: i64 = 1_736_942_400_000;

fn at(seconds: u64) -> Now {
    Now::new(Instant::from_millis(seconds * 1_000), NOON + (seconds * 1_000) as i64)
}

pub fn ask(number: usize, name: &str, lasts: u64) -> Submission {
    let need = Need::new().with(name, Units::whole(1)).with_duration(Duration::from_secs(lasts));
    let request = RequestId::new(format!("req_{number}")).unwrap();
    let workflow = WorkflowId::new(format!("wf_{number}")).unwrap();
    Submission::new(request, workflow, "bench", need).with_fallback(Fallback::new().queued())
}

/// A pool whose agents are all held, with as many requests that wait for one, and room for memory.
struct Busy {
    pool: Pool,
    naive: Naive,
    number: usize,
}

impl Busy {
    fn new(leases: usize, waiting: usize) -> Self {
        let mut pool = Pool::new();
        let mut naive = Naive::new(leases);
        let rules = PoolOptions::new().with_max_waiting(usize::MAX);
        let mut decider = Decider::new(&mut pool, at(0));
        decider.open(1, "bench");
        decider.set_rules(rules);
        decider.set_inventory(
            Inventory::new()
                .with("agents", Units::whole(leases as u64))
                .with("memory_gb", Units::whole(1_000)),
        );
        for number in 0..leases + waiting {
            let asked = ask(number, "agents", 1_000 + (number % 20_000) as u64);
            decider.submit(&asked).unwrap();
            naive.submit(number, 1_000 + (number % 20_000) as u64);
        }
        assert_eq!((pool.granted(), pool.queued()), (leases, waiting));
        Busy { pool, naive, number: leases + waiting }
    }

    fn next(&mut self) -> usize {
        self.number += 1;
        self.number
    }

    /// A request that is granted at once, and given back outside of the time.
    fn grant(&mut self) -> Duration {
        let asked = ask(self.next(), "memory_gb", 600);
        let start = std::time::Instant::now();
        let ruling = Decider::new(&mut self.pool, at(1)).submit(&asked).unwrap();
        let took = start.elapsed();
        let Ruling::Granted(grant) = ruling else { panic!() };
        let mut decider = Decider::new(&mut self.pool, at(1));
        decider.release(&grant.allocation_id, None, EndReason::Released, Amounts::new()).unwrap();
        took
    }

    /// A request that has to wait, and is taken back outside of the time.
    fn queue(&mut self) -> Duration {
        let asked = ask(self.next(), "agents", 600);
        let start = std::time::Instant::now();
        let ruling = Decider::new(&mut self.pool, at(1)).submit(&asked).unwrap();
        let took = start.elapsed();
        assert!(matches!(ruling, Ruling::Queued { .. }));
        let mut decider = Decider::new(&mut self.pool, at(1));
        decider.cancel(&asked.request_id, WaitEnd::Cancelled).unwrap();
        took
    }

    /// A release with which one that waits begins; another one comes to wait outside of the time.
    fn release(&mut self) -> Duration {
        let allocation = self.pool.grants().next().unwrap().allocation_id.clone();
        let before = self.pool.queued();
        let start = std::time::Instant::now();
        let mut decider = Decider::new(&mut self.pool, at(1));
        decider.release(&allocation, None, EndReason::Released, Amounts::new()).unwrap();
        let took = start.elapsed();
        drop(decider);
        assert_eq!(self.pool.queued(), before - 1);
        let asked = ask(self.next(), "agents", 1_500);
        Decider::new(&mut self.pool, at(1)).submit(&asked).unwrap();
        took
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

type Operation = fn(&mut Busy) -> Duration;
type Scan = fn(&mut Naive) -> Duration;

fn memory(title: &str) {
    println!("\n### {title}\n");
    println!(
        "| decision | 100 and 100, µs | 10,000 and 10,000, µs | ratio | goal | a look at all, µs | faster | goal |"
    );
    println!("|---|--:|--:|--:|---|--:|--:|---|");
    let (mut few, mut many) = (Busy::new(100, 100), Busy::new(10_000, 10_000));
    let rows: [(&str, Operation, Scan); 3] = [
        ("grant at once", Busy::grant, Naive::grant),
        ("queue", Busy::queue, Naive::queue),
        ("release with one grant", Busy::release, Naive::release),
    ];
    for (name, operation, scan) in rows {
        let (mut small, mut large, mut all, mut ratios) = (vec![], vec![], vec![], vec![]);
        for round in 0..401 {
            let (a, b) = (micros(operation(&mut few)), micros(operation(&mut many)));
            small.push(a);
            large.push(b);
            ratios.push(b / a);
            if round % 20 == 0 {
                all.push(micros(scan(&mut many.naive)));
            }
        }
        let (small, large, all) = (median(&mut small), median(&mut large), median(&mut all));
        println!(
            "| {name} | {small:.1} | {large:.1} | {:.2} | ≤ 2 | {all:.0} | {:.0} | ≥ 50 |",
            median(&mut ratios),
            all / large
        );
    }
}

/// Durable decisions, one a commit, beside one commit of the same bytes.
fn durable(title: &str, folder: &Path) {
    println!("\n### {title}\n");
    println!("| decision, ms | bare commit, ms | share | goal |");
    println!("|--:|--:|--:|---|");
    let file = folder.join("durable.sqlite");
    let engine = Sqlite::open(&file, &SqliteOptions::new("bench")).unwrap();
    let mut desk = Desk::new(engine, "default");
    let agents = Inventory::new().with("agents", Units::whole(1_000_000));
    block_on(desk.decide(at(0), &(), |d| d.set_inventory(agents.clone()))).unwrap();
    let raw = rusqlite::Connection::open(folder.join("bare.sqlite")).unwrap();
    raw.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    raw.pragma_update(None, "synchronous", "FULL").unwrap();
    raw.execute_batch(
        "CREATE TABLE record (position INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    )
    .unwrap();
    let bytes = vec![b'x'; 900];
    let (mut ours, mut bare, mut ratios) = (vec![], vec![], vec![]);
    for number in 0..301 {
        let asked = ask(number, "agents", 600);
        let start = std::time::Instant::now();
        block_on(desk.decide(at(1), &(), |d| d.submit(&asked))).unwrap().unwrap();
        let own = micros(start.elapsed()) / 1e3;
        let start = std::time::Instant::now();
        raw.execute("INSERT INTO record (data) VALUES (?1)", [&bytes]).unwrap();
        let other = micros(start.elapsed()) / 1e3;
        ours.push(own);
        bare.push(other);
        ratios.push(other / own);
    }
    println!(
        "| {:.3} | {:.3} | {:.2} | ≥ 0.9 |",
        median(&mut ours),
        median(&mut bare),
        median(&mut ratios)
    );
}

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default().to_lowercase();
    let folder = std::env::var_os("COORD_BENCH_DIR")
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join(format!("coord-resources-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |title: &str, measure: &dyn Fn(&str)| {
        if title.to_lowercase().contains(&wanted) {
            measure(title);
        }
    };
    run("Decisions in memory", &memory);
    run("Durable decisions, FULL", &|title| durable(title, &folder));
    run("Whole processes", &|title| processes::measure(title, &folder));
    std::fs::remove_dir_all(&folder).unwrap();
}
