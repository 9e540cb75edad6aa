//! One bus under full load for minutes: publisher and component in a closed loop, with a retention that works
//! all the time. Memory and files must stay flat.

use crate::{event, id, open};
use coordination_protocol::Event;
use coordination_protocol::adapter::sqlite::Synchronous;
use coordination_protocol::bus::Retention;
use coordination_protocol::driver::{Client, Component, Context};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What the log may take.
const RETENTION: u64 = 64 << 20;

/// Resident memory in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is in there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len()) >> 20
}

pub fn run(folder: &Path, minutes: u64) {
    let path = folder.join("soak.sqlite");
    let wal = folder.join("soak.sqlite-wal");
    let bus = open(&path, Synchronous::Normal);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    println!("| minute | messages a second | resident KiB | growth | file MiB | log MiB |");
    println!("|--:|--:|--:|--:|--:|--:|");
    runtime.block_on(async {
        // A message more is published when one was worked on.
        let open = Arc::new(Semaphore::new(256));
        let handled = Arc::clone(&open);
        let handler = move |_: Context, _: Event| {
            handled.add_permits(1);
            async { Ok(()) }
        };
        let component = Component::new("worker").subscribe("task.>", handler);
        let running = component.connect(&bus).await.unwrap();
        let client = Client::open(&bus, id("bench")).await.unwrap();
        let retention = Retention::new().with_max_bytes(RETENTION);
        let (start, mut sent, mut told, mut base) = (Instant::now(), 0_usize, 0, 0);
        for minute in 1..=minutes {
            let end = start + Duration::from_secs(60 * minute);
            let mut tidied = Instant::now();
            while Instant::now() < end {
                open.acquire().await.unwrap().forget();
                client.publish(event(sent)).await.unwrap();
                sent += 1;
                if tidied.elapsed() > Duration::from_secs(1) {
                    bus.tidy(&retention).await.unwrap();
                    tidied = Instant::now();
                }
            }
            let resident = memory();
            if minute == 1 {
                base = resident;
            }
            let growth = (resident as f64 / base as f64 - 1.0) * 100.0;
            let (file, log) = (size(&path), size(&wal));
            println!(
                "| {minute} | {} | {resident} | {growth:.1} % | {file} | {log} |",
                (sent - told) / 60
            );
            told = sent;
        }
        println!("\n{}", running.stop("done").await);
    });
}
