//! What an agent's event asks, and the answer.

use super::Args;
use super::files::{above, is_around, is_left, resolve, taken, touches};
use crate::lease::{BusDesk, Processes};
use crate::subscribe::feed;
use coordination_protocol::bus::Bus;
use coordination_protocol::coordination::resources::{
    Amounts, Decider, EndReason, Grant, Holder, Need, PathLease, Ruling, Submission,
};
use coordination_protocol::path::PathPattern;
use coordination_protocol::scalar::{AllocationId, WorkflowId};
use coordination_protocol::storage::block_on;
use serde::Deserialize;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The maximum number of bytes of an event, and of what is said of a command.
const MAX_EVENT: u64 = 16 << 20;
const MAX_TOLD: u64 = 4 << 10;

/// What is used of an event; agents send more.
#[derive(Deserialize)]
struct Event {
    hook_event_name: String,
    session_id: String,
    #[serde(default)]
    agent_id: Option<String>,
    #[serde(default)]
    cwd: Option<PathBuf>,
    #[serde(default)]
    tool_name: String,
    #[serde(default)]
    tool_input: ToolInput,
}

#[derive(Default, Deserialize)]
struct ToolInput {
    file_path: Option<PathBuf>,
    notebook_path: Option<PathBuf>,
    command: Option<String>,
}

/// Why the tool must not run, if it must not.
pub(super) fn answer(args: &Args) -> Result<Option<String>, String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_EVENT).read_to_string(&mut text);
    read.map_err(|error| format!("the event cannot be read: {error}"))?;
    let event: Event =
        serde_json::from_str(&text).map_err(|error| format!("that is no event: {error}"))?;
    match (event.hook_event_name.as_str(), event.tool_name.as_str()) {
        ("PreToolUse", "Edit" | "Write" | "MultiEdit" | "NotebookEdit") => edit(args, &event),
        ("PreToolUse", "Bash") => command(&event),
        ("SessionEnd" | "StopFailure", _) => release(args, &format!("hook:{}/", event.session_id)),
        ("SubagentStop", _) if event.agent_id.is_some() => {
            release(args, &format!("{}@", event.name()))
        }
        _ => Ok(None),
    }
}

impl Event {
    /// What names the agent, the process aside.
    fn name(&self) -> String {
        format!("hook:{}/{}", self.session_id, self.agent_id.as_deref().unwrap_or("main"))
    }

    /// The holder of what the agent claims. It is tied to the editor, which is the nearest process above that is no
    /// shell.
    fn holder(&self) -> Holder {
        const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "fish", "ksh", "env"];
        let above = above();
        let editor = above.iter().find(|(_, name)| !SHELLS.contains(&name.as_str()));
        let process = editor.map(|(process, _)| process.to_string()).unwrap_or_default();
        Holder::named(format!("{}@{process}", self.name()))
    }
}

/// Checks the messages in a command, as `coord check` does with a script.
fn command(event: &Event) -> Result<Option<String>, String> {
    let Some(script) = &event.tool_input.command else { return Ok(None) };
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut check = Command::new(program);
    check.args(["--color", "never", "check", "--as", "shell", "-"]).stderr(Stdio::null());
    if let Some(folder) = &event.cwd {
        check.current_dir(folder);
    }
    let (ended, told) =
        feed(check, script.as_bytes(), Some(MAX_TOLD)).map_err(|error| error.to_string())?;
    match ended.code() {
        Some(0) => Ok(None),
        Some(1) => Ok(Some(format!(
            "The command has messages that are invalid:\n{}",
            String::from_utf8_lossy(&told)
        ))),
        _ => Err("the command cannot be checked".to_owned()),
    }
}

fn edit(args: &Args, event: &Event) -> Result<Option<String>, String> {
    let input = &event.tool_input;
    let file = input.file_path.as_ref().or(input.notebook_path.as_ref());
    let file = file.ok_or("the event names no file")?;
    let folder = match &event.cwd {
        Some(folder) => folder.clone(),
        None => std::env::current_dir().map_err(|error| error.to_string())?,
    };
    let Some(path) = resolve(&folder, file)? else { return Ok(None) };
    let said = |error: crate::output::Failure| error.to_string();
    if args.claim {
        let (bus, mut desk) = args.pool.open().map_err(said)?;
        return claim(args, &bus, &mut desk, event, &path);
    }
    // Where there is no bus nothing is leased.
    if !args.pool.file().is_ok_and(|file| file.is_file()) {
        return Ok(None);
    }
    let (bus, mut desk) = args.pool.open_existing().map_err(said)?;
    let name = format!("{}@", event.name());
    let others = |grant: &&Grant| {
        touches(grant, &path) && !is_around(grant) && !is_left(grant) && !is_of(grant, &name)
    };
    let now = bus.host().now();
    let found =
        block_on(desk.preview(now, &Processes, |d| d.pool().grants().find(others).cloned()))
            .map_err(|error| error.to_string())?;
    Ok(found.map(|grant| taken(&path, &grant)))
}

/// Whether the name of a grant's holder begins so.
fn is_of(grant: &Grant, name: &str) -> bool {
    grant.holder.as_ref().is_some_and(|holder| holder.id.starts_with(name))
}

fn claim(
    args: &Args,
    bus: &Bus,
    desk: &mut BusDesk,
    event: &Event,
    path: &PathPattern,
) -> Result<Option<String>, String> {
    let holder = event.holder();
    let mut need = Need::new().with_path(PathLease::exclusive(path.clone()));
    need.duration = Some(args.idle);
    let asked = Submission::new(bus.new_id(), WorkflowId::global(), "hook", need)
        .with_holder(holder.clone());
    let now = bus.host().now();
    let decided = desk.decide(now, &Processes, |d| {
        end(d, |grant| {
            grant.holder.as_ref().is_some_and(|h| h.id.starts_with("hook:")) && is_left(grant)
        });
        let covers = |grant: &&Grant| {
            let is_own = grant.holder.as_ref() == Some(&holder) || is_around(grant);
            is_own && grant.need.paths.iter().any(|lease| lease.path.covers(path))
        };
        let own = d.pool().grants().find(covers).cloned();
        if let Some(own) = own {
            let left = own.end.since(now.at);
            if left < args.idle / 2 && !is_around(&own) {
                // It stays as long as it is not in the way of others.
                drop(d.extend(&own.allocation_id, Some(own.fence), args.idle.saturating_sub(left)));
            }
            return Ok(None);
        }
        let other = d.pool().grants().find(|g| touches(g, path) && !is_around(g)).cloned();
        match d.submit(&asked).map_err(|error| error.to_string())? {
            Ruling::Granted(_) => Ok(None),
            Ruling::Denied(blocked) => {
                Ok(Some(other.map_or_else(|| blocked.to_string(), |other| taken(path, &other))))
            }
            _ => Err("the request was not decided".to_owned()),
        }
    });
    block_on(decided).map_err(|error| error.to_string())?
}

/// Gives back all grants that are so.
fn end(d: &mut Decider<'_>, mut is: impl FnMut(&Grant) -> bool) {
    let over: Vec<AllocationId> =
        d.pool().grants().filter(|grant| is(grant)).map(|g| g.allocation_id.clone()).collect();
    for allocation in over {
        drop(d.release(&allocation, None, EndReason::HolderGone, Amounts::new()));
    }
}

/// Gives back all that holders whose name begins so have.
fn release(args: &Args, name: &str) -> Result<Option<String>, String> {
    if !args.pool.file().is_ok_and(|file| file.is_file()) {
        return Ok(None);
    }
    let (bus, mut desk) = args.pool.open_existing().map_err(|error| error.to_string())?;
    let now = bus.host().now();
    block_on(desk.decide(now, &Processes, |d| end(d, |grant| is_of(grant, name))))
        .map_err(|error| error.to_string())?;
    Ok(None)
}
