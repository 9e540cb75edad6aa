//! Whole processes: `coord publish` beside `sqlite3` with one insert, in turn, on files that are there already.

use crate::raw::{Raw, TABLES};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const PAIRS: usize = 60;

fn program() -> PathBuf {
    let named = std::env::var_os("COORD_BENCH_PROGRAM").map(PathBuf::from);
    let beside = || {
        let bench = std::env::current_exe().expect("it runs");
        bench.with_file_name("coord")
    };
    named.unwrap_or_else(beside)
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
    println!("| file | sqlite3, one insert, ms | coord publish, ms | ratio | quartiles | goal |");
    println!("|---|--:|--:|--:|--:|---|");
    for held in [false, true] {
        let (ours, theirs) = (folder.join("coord.sqlite"), folder.join("sqlite3.sqlite"));
        let _ = (std::fs::remove_file(&ours), std::fs::remove_file(&theirs));
        let mut raw = Raw::open(&theirs, "FULL");
        raw.append(1_000);
        let bus = format!("sqlite:{}", ours.display());
        let publish = |number: usize| {
            let mut command = Command::new(program());
            command.args(["publish", "TASK_COMPLETED", "wf_1", "build", "agent_id=agent_003"]);
            command.args([
                &format!("task_id=task_{number}"),
                "duration=4m 12s",
                "results:={\"files\":3}",
            ]);
            command.args(["--bus", &bus]).env("COORD_COMPONENT", "bench");
            command
        };
        let insert = |number: usize| {
            let at = 1_001 + number;
            let id = format!("msg_{at:026}");
            let text = format!(
                r#"{{"message_id":"{id}","timestamp":"2025-01-15T12:00:00.000Z","source":"bench","event":{{"event_type":"TASK_COMPLETED","workflow_id":"wf_1","phase":"build","data":{{"task_id":"task_{number}","agent_id":"agent_003","duration":"4m 12s","results":{{"files":3}}}}}}}}"#
            );
            let mut command = Command::new("sqlite3");
            command.arg(&theirs).arg(format!(
                "PRAGMA synchronous = FULL; INSERT INTO record VALUES ({at}, 7, CAST('{text}' AS BLOB), 'workflow/wf_1', '{id}', 'task.wf_1.completed');"
            ));
            command
        };
        assert!(TABLES.contains("record"), "the insert is made for these tables");
        timed(Command::new(program()).args(["bus", "init", "--bus", &bus]));
        timed(&mut publish(0));
        // While another process has the files open, neither has to recover or clean up the log.
        let keep = held.then(|| rusqlite::Connection::open(&ours).expect("it is a database"));
        if let Some(open) = &keep {
            open.query_row("SELECT count(*) FROM record", [], |_| Ok(())).expect("it has records");
        } else {
            drop(raw);
        }
        let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
            .map(|number| {
                if number % 2 == 0 {
                    let insert = timed(&mut insert(number));
                    (insert, timed(&mut publish(number + 1)))
                } else {
                    let publish = timed(&mut publish(number + 1));
                    (timed(&mut insert(number)), publish)
                }
            })
            .collect();
        let middle = |pairs: &mut Vec<(f64, f64)>, of: fn(&(f64, f64)) -> f64, share: usize| {
            pairs.sort_by(|one, other| of(one).total_cmp(&of(other)));
            of(&pairs[(pairs.len() - 1) * share / 4])
        };
        let insert = middle(&mut pairs, |pair| pair.0, 2);
        let publish = middle(&mut pairs, |pair| pair.1, 2);
        let [low, ratio, high] =
            [1, 2, 3].map(|share| middle(&mut pairs, |pair| pair.1 / pair.0, share));
        let met = if ratio <= 1.1 { "met" } else { "MISSED" };
        let file = if held { "held open by another process" } else { "opened by each alone" };
        println!(
            "| {file} | {insert:.2} | {publish:.2} | {ratio:.3} | {low:.3}-{high:.3} | 1.10 {met} |"
        );
    }
}
