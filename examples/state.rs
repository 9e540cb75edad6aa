//! A state that two replicas keep in step, apart for a while, merged, and kept in a checkpoint that
//! puts it right again.
//!
//! Run it with `cargo run --example state --features checkpoint,sqlite`.

use coordination_protocol::adapter::sqlite::{Sqlite, SqliteOptions};
use coordination_protocol::checkpoint::{Checkpoints, NewCheckpoint, Parts, StateTarget};
use coordination_protocol::machine::{Machine, Outbound, StateSync, SyncInput, SyncOutput};
use coordination_protocol::merge::content_digest;
use coordination_protocol::message::{AgentState, CurrentPhase, Map, WorkflowState};
use coordination_protocol::scalar::{ComponentId, Instant, Now, Percent, WorkflowId};
use coordination_protocol::storage::block_on;
use coordination_protocol::storage::view::States;
use coordination_protocol::validate::{Gate, Validator};
use coordination_protocol::{Code, Mode};
use std::collections::VecDeque;
use std::error::Error;

type Failed = Box<dyn Error>;

/// The time in seconds from the start. It is virtual, so nothing waits.
fn now(second: u64) -> Now {
    let wall = 1_736_942_400_000 + i64::try_from(second).unwrap_or_default() * 1_000;
    Now::new(Instant::from_millis(second * 1_000), wall)
}

/// Carries messages between the replicas until no replica has anything more to send.
fn exchange(replicas: &mut [(ComponentId, StateSync)], now: Now) -> Result<(), Failed> {
    // Forks and older versions are what these machines settle, so the checks let them through.
    let validator = [Code::StateFork, Code::StaleVersion]
        .into_iter()
        .fold(Validator::new(Mode::Strict), Validator::without_code);
    let mut checks = Gate::new(validator);
    let mut under_way: VecDeque<Outbound> = VecDeque::new();
    loop {
        for (name, replica) in &mut *replicas {
            while let Some(output) = replica.poll() {
                println!("{name}: {output}");
                if let SyncOutput::Send(message) = output {
                    under_way.push_back(message);
                }
            }
        }
        let Some(message) = under_way.pop_front() else { return Ok(()) };
        // As bytes, as over a network: what comes in is checked before a machine sees it.
        let bytes = message.envelope.to_string();
        let checked = checks
            .accept(bytes.as_bytes(), now.wall, None)
            .map_err(|report| format!("refused: {:?}", report.findings()))?;
        for (name, replica) in &mut *replicas {
            if message.to.contains(name) {
                replica.receive(now, checked.clone());
            }
        }
    }
}

/// The state of a replica, to be changed.
fn copy(replica: &StateSync) -> Result<WorkflowState, Failed> {
    Ok(replica.state().ok_or("there is no state")?.clone())
}

pub(crate) fn main() -> Result<(), Failed> {
    let workflow = WorkflowId::new("wf_001")?;
    let names = [ComponentId::new("hub")?, ComponentId::new("worker")?];
    let [hub, worker] = &names;
    let replica = |name: &ComponentId, seed| StateSync::new(name.clone(), workflow.clone(), seed);
    // A random seed for each start of a component; these repeat what they print.
    let mut replicas = [(hub.clone(), replica(hub, 7)), (worker.clone(), replica(worker, 8))];
    replicas[0].1.handle(now(0), SyncInput::Join(worker.clone()))?;
    replicas[1].1.handle(now(0), SyncInput::Join(hub.clone()))?;

    println!("# in step");
    let first = WorkflowState::new(workflow.clone(), 1_u64, now(0).timestamp());
    replicas[0].1.handle(now(0), SyncInput::Changed(Box::new(first)))?;
    exchange(&mut replicas, now(0))?;

    println!("# both change the same version: the fork is merged field by field");
    let mut ours = copy(&replicas[0].1)?;
    ours.current_phase = Some(CurrentPhase::new(3).with_progress(Percent::new(40.0)?));
    let mut theirs = copy(&replicas[1].1)?;
    theirs.agent_states.get_or_insert_default().insert("a1", AgentState::new("active"));
    replicas[0].1.handle(now(10), SyncInput::Changed(Box::new(ours)))?;
    replicas[1].1.handle(now(11), SyncInput::Changed(Box::new(theirs)))?;
    exchange(&mut replicas, now(12))?;
    let merged = copy(&replicas[0].1)?;
    // What they say is the same; the metadata is each replica's own.
    assert_eq!(content_digest(&merged), content_digest(&copy(&replicas[1].1)?));

    println!(
        "# a copy that is not current any more is merged with the version that it was made from"
    );
    let mut late = copy(&replicas[0].1)?;
    let mut quick = late.clone();
    quick.agent_states.get_or_insert_default().insert("a2", AgentState::new("active"));
    replicas[1].1.handle(now(13), SyncInput::Changed(Box::new(quick)))?;
    exchange(&mut replicas, now(13))?;
    late.agent_states.get_or_insert_default().insert("a3", AgentState::new("active"));
    replicas[0].1.handle(now(14), SyncInput::Changed(Box::new(late)))?;
    exchange(&mut replicas, now(14))?;
    let merged = copy(&replicas[1].1)?;
    assert_eq!(merged.agent_states.as_ref().map(Map::len), Some(3));

    // A folder of its own, which goes with the program.
    let folder = std::env::temp_dir().join(format!("coord-example-{}", std::process::id()));
    let done = block_on(keep(&folder, &workflow, merged));
    std::fs::remove_dir_all(&folder)?;

    println!("# what was put back begins an epoch, which all follow");
    replicas[0].1.handle(now(31), SyncInput::Decided(Box::new(done?)))?;
    exchange(&mut replicas, now(31))?;
    let (ours, theirs) = (copy(&replicas[0].1)?, copy(&replicas[1].1)?);
    assert_eq!((content_digest(&ours), ours.epoch), (content_digest(&theirs), theirs.epoch));
    Ok(())
}

/// Stores a state, makes a checkpoint of it, goes back to that, and returns what was put back.
async fn keep(
    folder: &std::path::Path,
    workflow: &WorkflowId,
    state: WorkflowState,
) -> Result<WorkflowState, Failed> {
    println!("# kept");
    let store = Sqlite::open_in(folder, &SqliteOptions::new("example"))?;
    let states = States::new(store.clone());
    let good = states.put_state(state.clone(), None, None).await?;

    // Whoever writes names the version that it read. Of two writers, one is told that it is late.
    let version = good.version();
    let late = states.put(&good.text, Some(version - 1)).await.unwrap_err();
    println!("{late}");

    let checkpoints = Checkpoints::new(store.clone());
    let new = |second, random| NewCheckpoint::new(now(second), random);
    let made = checkpoints.create(&Parts::parse(&good.text)?, &new(20, [1; 10])).await?;
    let id = &made.sync.checkpoint_id;
    println!("checkpoint {id}: {}", made.form);

    let mut bad = state;
    bad.state_version = (version + 1).into();
    bad.current_phase = None;
    states.put_state(bad, None, Some(version)).await?;

    // Verified first; the state before is kept in a checkpoint of its own.
    let mut target = StateTarget::new(store, States::key(workflow)?);
    let done = checkpoints.restore(workflow, id, &mut target, &new(30, [2; 10])).await?;
    println!("put back as version {}", done.state_version);
    let back = states.get(workflow).await?.ok_or("there is no state")?;
    assert!(Parts::parse(&back.text)?.says_the_same(&Parts::parse(&good.text)?));
    // Who read the version that was given up is late.
    let late = states.put_state(good.state, None, Some(version + 1)).await.unwrap_err();
    println!("{late}");
    assert!(checkpoints.verify(workflow).await?.is_empty());
    Ok(back.state)
}
