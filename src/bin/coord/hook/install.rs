//! `coord hook install` and `coord hook uninstall`

use crate::input;
use crate::output::{
    CmdResult, ExitStatus, Failure, cannot_read, cannot_write, failure, say, unavailable,
};
use crate::replace_file::replace;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord hook install                     in .claude/settings.json
  coord hook install --settings ~/.claude/settings.json
  coord hook install --git               before each commit
  coord hook uninstall

All other entries stay, and to do it twice changes nothing. A hook of git that is there already runs first.

Exit status: 0 if it is so now.")]
pub(crate) struct Args {
    /// The settings of the agent.
    #[arg(long, value_name = "FILE", default_value = ".claude/settings.json")]
    settings: PathBuf,

    /// The hook of git before a commit, instead.
    #[arg(long)]
    git: bool,
}

/// What an agent runs, and with it how ours are known.
const COMMAND: &str = "coord hook --claim";
const OURS: &str = "coord hook";
/// Which events, and for which tools.
const EVENTS: [(&str, Option<&str>); 4] = [
    ("PreToolUse", Some("Edit|Write|MultiEdit|NotebookEdit|Bash")),
    ("SessionEnd", None),
    ("StopFailure", None),
    ("SubagentStop", None),
];

const SCRIPT: &str = "\
#!/bin/sh
# Made by `coord hook install --git`; `coord hook uninstall --git` takes it back.
if [ -x \"$0.before-coord\" ]; then \"$0.before-coord\" \"$@\" || exit; fi
exec coord hook guard
";

pub(crate) fn run(args: &Args, install: bool) -> CmdResult {
    if args.git { git(install) } else { settings(&args.settings, install) }
}

fn settings(file: &Path, install: bool) -> CmdResult {
    const MAX_BYTES: usize = 16 << 20;
    let before: Value = if file.exists() {
        let text = input::text(file, MAX_BYTES)?;
        serde_json::from_str(&text)
            .map_err(|error| failure(format_args!("{}: {error}", file.display())))?
    } else {
        json!({})
    };
    let mut after = before.clone();
    merge(&mut after, install).map_err(|why| failure(format_args!("{}: {why}", file.display())))?;
    let shown = file.display();
    if after == before {
        say(format_args!("{shown}: nothing to change"))?;
        return Ok(ExitStatus::Done);
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(shown.to_string(), error))?;
    }
    let text = format!("{after:#}\n");
    replace(file, |out| out.write_all(text.as_bytes()))
        .map_err(|error| cannot_write(shown.to_string(), error))?;
    say(format_args!("{shown}: {}", if install { "installed" } else { "removed" }))?;
    Ok(ExitStatus::Done)
}

/// Removes our entries, and adds them again if they are wanted.
fn merge(settings: &mut Value, install: bool) -> Result<(), String> {
    let whole = settings.as_object_mut().ok_or("the settings are no object")?;
    let hooks = whole.entry("hooks").or_insert_with(|| json!({}));
    let hooks = hooks.as_object_mut().ok_or("`hooks` is no object")?;
    for (event, matcher) in EVENTS {
        let groups = hooks.entry(event).or_insert_with(|| json!([]));
        let groups = groups.as_array_mut().ok_or(format!("`hooks.{event}` is no array"))?;
        let mut wanted = Map::new();
        if let Some(matcher) = matcher {
            wanted.insert("matcher".to_owned(), matcher.into());
        }
        wanted.insert("hooks".to_owned(), json!([{ "type": "command", "command": COMMAND }]));
        let wanted = Value::Object(wanted);
        // One that is there already keeps its place.
        if install && groups.contains(&wanted) {
            continue;
        }
        groups.retain_mut(|group| {
            let Some(list) = group.get_mut("hooks").and_then(Value::as_array_mut) else {
                return true;
            };
            let count = list.len();
            list.retain(|hook| !is_ours(hook));
            // Only a group that is empty because of that goes.
            count == list.len() || !list.is_empty()
        });
        if install {
            groups.push(wanted);
        }
        if groups.is_empty() {
            hooks.remove(event);
        }
    }
    if hooks.is_empty() {
        whole.remove("hooks");
    }
    Ok(())
}

fn is_ours(hook: &Value) -> bool {
    let command = hook.get("command").and_then(Value::as_str);
    command
        .and_then(|text| text.strip_prefix(OURS))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Where git looks for its hooks.
fn hooks_folder() -> Result<PathBuf, Failure> {
    let told = Command::new("git")
        .args(["rev-parse", "--git-path", "hooks"])
        .output()
        .map_err(|error| unavailable(format_args!("git cannot be run: {error}")))?;
    if !told.status.success() {
        return Err(unavailable("this is no repository of git"));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&told.stdout).trim_end()))
}

fn git(install: bool) -> CmdResult {
    let folder = hooks_folder()?;
    let (file, before) = (folder.join("pre-commit"), folder.join("pre-commit.before-coord"));
    let shown = file.display().to_string();
    let present = match std::fs::read(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(cannot_read(&shown, error)),
    };
    let is_ours = present.as_deref() == Some(SCRIPT.as_bytes());
    if is_ours == install {
        say(format_args!("{shown}: nothing to change"))?;
        return Ok(ExitStatus::Done);
    }
    let cannot = |error| cannot_write(shown.clone(), error);
    if install {
        std::fs::create_dir_all(&folder).map_err(cannot)?;
        if present.is_some() {
            std::fs::rename(&file, &before).map_err(cannot)?;
        }
        std::fs::write(&file, SCRIPT).map_err(cannot)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let all = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&file, all).map_err(cannot)?;
        }
    } else if before.exists() {
        std::fs::rename(&before, &file).map_err(cannot)?;
    } else {
        std::fs::remove_file(&file).map_err(cannot)?;
    }
    say(format_args!("{shown}: {}", if install { "installed" } else { "removed" }))?;
    Ok(ExitStatus::Done)
}
