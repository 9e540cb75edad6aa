//! What the gate before the machines adds to the check of a record: it remembers what it accepts.
//!
//! The baseline checks with the same history and takes the message out. Whatever the gate does beyond that,
//! it does for every record that a component receives.

use crate::harness::{Row, row};
use coordination_protocol::validate::{Context, Gate, History, Validator};
use coordination_protocol::{Checked, Envelope, Mode};
use std::fmt::Write as _;

/// How many records a pass takes in.
pub const RECORDS: usize = 32;
const AGENTS: usize = 200;

/// The state of a workflow with many agents.
fn state(version: usize) -> String {
    let mut agents = String::new();
    for n in 0..AGENTS {
        let comma = if n == 0 { "" } else { "," };
        write!(
            agents,
            r#"{comma}"agent_{n:03}":{{"status":"active","current_task":"task_{n}","progress":{}.5,"performance_score":91.25}}"#,
            n % 100
        )
        .expect("it is memory");
    }
    format!(
        r#"{{"message_id":"msg_{version}","source":"hub","workflow_state":{{"workflow_id":"wf_001","state_version":{version},"timestamp":"2025-01-15T12:00:00Z","agent_states":{{{agents}}}}}}}"#
    )
}

fn validator() -> Validator {
    Validator::new(Mode::Strict)
}

fn check(validator: &Validator, history: &History, record: &str) -> Checked<Envelope> {
    let context = Context::new().with_history(history).with_now(0);
    validator.check(record, &context).accept().expect("it is valid")
}

fn accept(gate: &mut Gate, record: &str) -> Checked<Envelope> {
    gate.accept(record.as_bytes(), 0, None).expect("it is valid")
}

/// The same records again and again, once the gate knows them.
fn known(records: &[String], goal: f64) -> Vec<Row<'_>> {
    let (validator, mut gate) = (validator(), Gate::new(validator()));
    for record in [&records[0], &records[0]] {
        accept(&mut gate, record);
    }
    let history = gate.history().clone();
    vec![
        row("`Validator::check`, `accept`", records, move |record| {
            check(&validator, &history, record)
        }),
        row("`Gate::accept`", records, move |record| accept(&mut gate, record)).at_most(goal),
    ]
}

/// Ever newer versions. Each pass begins with a gate that knows none.
fn newer(records: &[String]) -> Vec<Row<'_>> {
    let mut gate = Gate::new(validator());
    accept(&mut gate, &state(0));
    let history = gate.history().clone();
    let (validator, mut at) = (validator(), 0);
    vec![
        row("`Validator::check`, `accept`", records, move |record| {
            check(&validator, &history, record)
        }),
        row("`Gate::accept`", records, move |record| {
            if at % RECORDS == 0 {
                gate = Gate::new(self::validator());
            }
            at += 1;
            accept(&mut gate, record)
        })
        .at_most(1.2),
    ]
}

/// Each table: its title, its records, and its rows.
pub fn tables(mut table: impl FnMut(&str, Vec<Row<'_>>)) {
    let same = vec![state(15); RECORDS];
    table(&format!("Gate: a state of {AGENTS} agents, its version known"), known(&same, 1.2));
    let versions: Vec<String> = (1..=RECORDS).map(state).collect();
    table(&format!("Gate: a state of {AGENTS} agents, its version new"), newer(&versions));
    let beat = r#"{"message_id":"msg_1","source":"hub","heartbeat":{"component_id":"hub","sequence":1,"timestamp":"2025-01-15T12:00:00Z"}}"#;
    table("Gate: a heartbeat", known(&vec![beat.to_owned(); RECORDS], 1.1));
}
