//! `coord hook`: leases kept by editors' agents and by git, which know nothing of them.

mod event;
mod files;
mod guard;
mod install;

use crate::lease::PoolArgs;
use crate::output::{CmdResult, ExitStatus, Format, Printer, tell};
use crate::subscribe::span;
use std::io::Write as _;
use std::time::Duration;

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  coord hook install                     an editor's agent asks before it edits, from now on
  coord hook --claim < event.json        may this agent edit this file? It holds the file then
  coord hook --fail closed < event.json
  coord hook guard                       are staged files leased by others? As a hook of git

It reads an event of an agent (Claude Code) on standard input, and prints a denial, or nothing. Before an edit the file is
looked up among the leases of others; with --claim the agent holds it from then on, until its session or the
editor ends, or nothing was edited for the time of --idle. The messages in a shell command are checked as
`coord check` does. A subagent holds what it claims for itself.

Files count by their path below the top of the work tree, behind symbolic links; others are not guarded. What shell
commands write is not seen: `coord hook guard` finds it at the commit.

Exit status: always 0 for an event; the answer tells."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// Claim the file that is to be edited.
    #[arg(long)]
    claim: bool,

    /// How long a claim lasts after the last edit.
    #[arg(long, value_name = "SPAN", default_value = "2h", value_parser = span)]
    idle: Duration,

    /// What happens if the question cannot be answered: the tool runs (open), or not (closed).
    #[arg(long, value_enum, default_value_t = Fail::Open)]
    fail: Fail,

    #[command(flatten)]
    pool: PoolArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Fail {
    /// The tool runs.
    Open,
    /// The tool does not run.
    Closed,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Let an editor's agent, or git, ask before it writes.
    Install(install::Args),
    /// Take that back.
    Uninstall(install::Args),
    /// Refuse a commit of files that others lease.
    Guard(guard::Args),
}

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Some(Verb::Install(args)) => return install::run(args, true),
        Some(Verb::Uninstall(args)) => return install::run(args, false),
        Some(Verb::Guard(args)) => return guard::run(args),
        None => {}
    }
    let answer = match event::answer(args) {
        Ok(answer) => answer,
        Err(problem) => {
            tell(format_args!("coord hook: {problem}"));
            (args.fail == Fail::Closed)
                .then(|| format!("coord cannot tell whether that is free: {problem}"))
        }
    };
    if let Some(reason) = answer {
        let denial = serde_json::json!({ "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": reason,
        } });
        let mut out = Printer::new(Format::Records);
        // Whoever asks reads it, or has no use for it: a hook always ends with 0.
        let _ = writeln!(out, "{denial}").and_then(|()| out.settle());
    }
    Ok(ExitStatus::Done)
}
