//! The examples do what they say.

#[cfg(all(feature = "sqlite", feature = "tokio"))]
#[path = "../../examples/component.rs"]
#[allow(dead_code, reason = "a test starts its second process by another name")]
mod component;
#[path = "../../examples/embed.rs"]
mod embed;
#[cfg(feature = "sqlite")]
#[path = "../../examples/gateway.rs"]
mod gateway;
#[path = "../../examples/replica.rs"]
mod replica;
#[cfg(all(feature = "checkpoint", feature = "sqlite"))]
#[path = "../../examples/state.rs"]
mod state;
#[cfg(feature = "conformance")]
#[path = "../../examples/store.rs"]
mod store;
#[cfg(feature = "conformance")]
#[path = "../../examples/transport.rs"]
mod transport;

#[cfg(feature = "sqlite")]
use crate::support;

#[test]
fn all_run_to_their_end() {
    embed::main().unwrap();
    #[cfg(all(feature = "checkpoint", feature = "sqlite"))]
    state::main().unwrap();
}

/// What fits is added up by a function, what does not is decided once: whoever asks for it, the replicas that
/// were asked propose the same state, so each of their ballots ends as committed.
#[test]
fn replicas_merge_by_a_rule_of_their_own_and_decide_the_rest() {
    let mut out = Vec::new();
    assert_eq!(replica::run(&mut out).unwrap(), 5);
    let out = String::from_utf8(out).unwrap();
    let (added_up, ballot) = out.split_once("# both spend more than there is").unwrap();
    assert!(added_up.contains("adopt v3 from right: merged"), "{out}");
    assert!(ballot.contains("ask for consensus on v5 with right: /budget"), "{out}");
    let count = |part: &str| ballot.lines().filter(|line| line.contains(part)).count();
    assert_eq!((count(": end prop_"), count(" committed as ")), (3, 3), "{out}");
    assert!(count("left: reject a budget of 5") > 0, "{out}");
    assert_eq!((count(": learned wf_001 version 5"), count("adopt v5: decided")), (3, 3), "{out}");
    assert!(out.ends_with("# one state: 5 left\n"), "{out}");
}

/// Lines and documents, mixed: what is sound is handed on, all else is kept with its bytes and its findings.
#[test]
#[cfg(feature = "sqlite")]
fn a_gateway_keeps_what_it_refuses() {
    use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
    use coordination_protocol::storage::block_on;
    use coordination_protocol::storage::view::DeadLetters;

    let input: &[u8] =
        b"SYSTEM_SHUTDOWN:global:global:{\"component_name\":\"hub\",\"shutdown_reason\":\"x\"}\n\
        TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t1\"}\n\
        {\"source\":\"hub\",\n \"heartbeat\":{\"component_id\":\"hub\",\"sequence\":1,\n\
        \"timestamp\":\"2025-01-15T12:00:00Z\"}}\n\
        {\"heartbeat\":{\"component_id\":7}}\n\
        no message \xff\n";
    let folder = support::Folder::new();
    let file = folder.path("letters.db");
    let mut out = Vec::new();
    let done = gateway::run(input, &mut out, file.as_ref(), || 1_736_942_400_000.into()).unwrap();
    assert_eq!(done, (2, 3));
    let out = String::from_utf8(out).unwrap();
    let told: Vec<&str> =
        out.lines().map(|line| line.split(" is dead-letter/").next().unwrap()).collect();
    assert_eq!(
        told,
        [
            "line 1: system.global.shutdown",
            "line 2: required data `agent_id` is missing (`missing-data` at /agent_id, byte 41), and 1 more finding",
            "line 3: system.global.heartbeat",
            "line 6: expected an identifier, found number 7 (`wrong-kind` at /heartbeat/component_id, byte 29), and 2 more findings",
            "line 7: byte 0xFF is not UTF-8 (`not-utf-8` at byte 11)",
        ]
    );
    let letters = DeadLetters::new(Sqlite::open(&file, &SqliteOptions::new("test")).unwrap());
    let kept = block_on(letters.list(None, 10)).unwrap().items;
    let mut originals: Vec<_> = kept.iter().map(|letter| letter.original().unwrap()).collect();
    originals.sort();
    assert_eq!(
        originals,
        [
            &b"TASK_TIMEOUT:wf_001:build:{\"task_id\":\"t1\"}"[..],
            b"no message \xff",
            b"{\"heartbeat\":{\"component_id\":7}}",
        ]
    );
    assert!(
        kept.iter().all(|letter| letter.letter.findings.as_ref().is_some_and(|f| !f.is_empty()))
    );
}

/// A store of an embedder's own keeps every promise that the trait makes.
#[test]
#[cfg(feature = "conformance")]
fn a_store_of_ones_own_passes_the_kit() {
    use coordination_protocol::conformance;

    assert_eq!(
        store::run().unwrap(),
        conformance::store::cases::<coordination_protocol::storage::MemoryStore>().len()
    );
}

/// A transport of an embedder's own keeps what every one promises and what it declares; with a log that is
/// too small for what a case sends, the program says what is broken, and fails.
#[test]
#[cfg(feature = "conformance")]
fn a_transport_of_ones_own_passes_the_kit() {
    transport::main().unwrap();
    let mut out = Vec::new();
    let summary = transport::run(1_000, &mut out).unwrap();
    assert_eq!(
        summary.not_declared,
        ["busy", "oversized", "gaps", "full_members", "busy_listeners"]
    );
    assert_eq!(summary.failed, []);
    let out = String::from_utf8(out).unwrap();
    let kept = out.lines().filter(|line| line.starts_with("kept: ")).count();
    assert_eq!((kept, kept), (summary.passed.len(), 13));
    assert_eq!(kept + 5, out.lines().count());

    let mut out = Vec::new();
    let summary = transport::run(4, &mut out).unwrap();
    assert!(summary.passed.contains(&"no_silence"), "what went out of the log is a gap");
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains(
            "\nBROKEN: packets of many publishers all arrive, each publisher's in order\n"
        )
    );
    let failures = summary.into_result().unwrap_err().to_string();
    assert!(failures.contains("\nmany_publishers: it does not end\n"), "{failures}");
}

/// The worker of the example: this process is started a second time with this test alone.
#[test]
#[ignore = "the second process of another test"]
#[cfg(all(feature = "sqlite", feature = "tokio"))]
fn a_worker_of_the_example() {
    let Ok(url) = std::env::var("COORD_TEST_BUS") else { return };
    let stopped = component::work(&url).unwrap();
    assert_eq!((stopped.succeeded, stopped.failed, stopped.abandoned), (2, 0, 0));
}

/// A worker and a manager in two processes, over one file.
#[test]
#[cfg(all(feature = "sqlite", feature = "tokio"))]
fn two_processes_do_a_task_together() {
    let folder = support::Folder::new();
    let url = format!("sqlite:{}", folder.path("bus.sqlite"));
    let log = std::path::PathBuf::from(folder.path("worker.log"));
    let mut worker = std::process::Command::new(std::env::current_exe().unwrap());
    worker
        .args(["--exact", "examples::a_worker_of_the_example", "--ignored", "--nocapture"])
        .env("COORD_TEST_BUS", &url)
        .stdout(std::fs::File::create(&log).unwrap());
    let stopped = component::manage(&url, &mut worker).unwrap();
    assert_eq!((stopped.succeeded, stopped.failed, stopped.abandoned), (3, 0, 0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("worker: the request is approved\n"), "{log}");
    assert!(log.contains("1 passed"), "{log}");
}
