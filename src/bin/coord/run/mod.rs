//! `coord run`: a command that holds resources for as long as it runs.
//!
//! Three processes: the wrapper asks, renews and gives back ([`wrapper`]); its [`guard`] is the parent of the command and
//! outlives the wrapper; a third prepares itself and becomes the [`command`]. [`proof`] is how others find out that none
//! of that is left.

mod command;
mod family;
mod guard;
pub(crate) mod proof;
mod talk;
mod terminal;
mod wrapper;

use crate::lease::{Asking, PoolArgs};
use crate::limits::parse;
use crate::output::{CmdResult, ExitStatus, tell};
use crate::subscribe::span;
use coordination_protocol::scalar::{AllocationId, Fence, Instant};
use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How `coord run` ends by itself.
pub(crate) mod ends {
    /// What was asked for is denied.
    pub(crate) const DENIED: u8 = 121;
    /// Arguments that cannot be used.
    pub(crate) const USAGE: u8 = 122;
    /// It waited for too long.
    pub(crate) const WAITED: u8 = 123;
    /// The bus, or this machine, cannot be used.
    pub(crate) const UNAVAILABLE: u8 = 124;
    /// The lease was lost.
    pub(crate) const LOST: u8 = 125;
    /// The command cannot be run.
    pub(crate) const NOT_RUN: u8 = 126;
    /// There is no such command.
    pub(crate) const NOT_FOUND: u8 = 127;
}

/// How much earlier than the lease everything must be over, beside the time to end.
const MARGIN: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord run --need agents=1 --file src/net -- cargo test
  coord run --need memory_gb=8 --wait --max-wait 10m -- ./build.sh --fast
  coord run --file 'docs/**' --for 2h --kill-grace 10s -- make docs

The command runs once the resources are granted, and they are given back when it ends, however it ends. Until then the
lease is renewed. COORD_ALLOCATION, COORD_FENCE, COORD_BUS and COORD_POOL tell the command what it holds.

No shell stands in between. Signals go to the command and its group. What the command leaves running is ended with
it. If the lease is lost, or the time of --for is over, the command and all that it started are asked to end, and
killed after the grace: that is done before anybody else is granted the same. Whoever is granted next makes sure of
that. A program that closes the descriptors it inherits is outside of this promise.

It runs on Linux.

Exit status: that of the command, or 128 and the number of the signal that ended it. Its own ends: 121 denied, 122 usage,
123 waited too long, 124 bus unavailable, 125 lease lost, 126 the command cannot be run, 127 there is no such command.")]
pub(crate) struct Args {
    #[command(flatten)]
    asking: Asking,

    /// Wait until it is granted.
    #[arg(long)]
    wait: bool,

    /// Who asks.
    #[arg(
        long = "as",
        value_name = "COMPONENT",
        default_value = "coord",
        env = "COORD_COMPONENT",
        hide_env_values = true
    )]
    component: coordination_protocol::scalar::ComponentId,

    /// How long the command may take to end when it is asked to, before it is killed.
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = span)]
    kill_grace: Duration,

    /// How long the command may be stopped before the lease is lost.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    stop_time: Duration,

    #[command(flatten)]
    pool: PoolArgs,

    /// The command.
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<OsString>,
}

/// What the processes of one run know, each from the one before it.
#[derive(clap::Args)]
pub(crate) struct Job {
    #[command(flatten)]
    pool: PoolArgs,

    #[arg(long)]
    allocation: AllocationId,

    #[arg(long, value_parser = parse::<Fence>)]
    fence: Fence,

    /// Until when the lease lasts, in nanoseconds of the clock of the machine.
    #[arg(long)]
    until: u64,

    /// When the grant ends.
    #[arg(long)]
    end: u64,

    /// For how long a renewal is good, in nanoseconds.
    #[arg(long)]
    ttl: u64,

    /// In nanoseconds.
    #[arg(long)]
    grace: u64,

    /// In nanoseconds.
    #[arg(long)]
    stop: u64,

    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Job {
    fn kill_grace(&self) -> Duration {
        Duration::from_nanos(self.grace)
    }

    fn stop_time(&self) -> Duration {
        Duration::from_nanos(self.stop)
    }

    fn renews_every(&self) -> Duration {
        Duration::from_nanos(self.ttl) / 3
    }

    /// When nothing is held any more, if the lease is not renewed.
    fn over(&self, until: Instant) -> Instant {
        until.min(Instant::from_nanos(self.end))
    }

    /// When the command has to be asked to end, if the lease is not renewed.
    fn must_end(&self, until: Instant) -> Instant {
        let margin = self.kill_grace() + MARGIN;
        let margin = u64::try_from(margin.as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(self.over(until).as_nanos().saturating_sub(margin))
    }

    fn file(&self) -> io::Result<PathBuf> {
        self.pool.file().map_err(|error| io::Error::other(error.to_string()))
    }

    fn lock_file(&self) -> io::Result<PathBuf> {
        Ok(proof::lock_file(&proof::folder(&self.file()?, self.pool.name()), &self.allocation))
    }

    fn url(&self) -> io::Result<OsString> {
        proof::url(&self.file()?)
    }

    /// Hands all of it on.
    fn pass(&self, to: &mut Command) -> io::Result<()> {
        to.arg("--bus").arg(self.url()?);
        self.pool.pass(to);
        to.arg("--allocation").arg(self.allocation.as_str());
        to.arg("--fence").arg(self.fence.to_string());
        for (name, number) in [
            ("--until", self.until),
            ("--end", self.end),
            ("--ttl", self.ttl),
            ("--grace", self.grace),
            ("--stop", self.stop),
        ] {
            to.arg(name).arg(number.to_string());
        }
        to.arg("--").args(&self.command);
        Ok(())
    }
}

/// This program, as a process of a run: the same file, though another one may have its name by now.
fn itself(verb: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("coord").arg(verb);
    command
}

/// Tells why it ends by itself.
fn tell_own(line: impl Display) {
    tell(format_args!("coord run: {line}"));
}

/// Ends with a code that other verbs do not have.
fn end(code: u8) -> CmdResult {
    if code == 0 {
        return Ok(ExitStatus::Done);
    }
    std::process::exit(i32::from(code))
}

pub(crate) fn run(args: &Args) -> CmdResult {
    end(wrapper::run(args))
}

pub(crate) fn guard(args: &guard::Args) -> CmdResult {
    end(guard::run(args))
}

pub(crate) fn command(args: &command::Args) -> CmdResult {
    end(command::run(args))
}

/// Puts a group in the foreground of the terminal.
#[derive(clap::Args)]
pub(crate) struct ForegroundArgs {
    group: u32,
}

pub(crate) fn foreground(args: &ForegroundArgs) -> CmdResult {
    let done = family::pid(args.group).is_some_and(terminal::hand_over);
    end(u8::from(!done))
}

pub(crate) use command::Args as CommandArgs;
pub(crate) use guard::Args as GuardArgs;
