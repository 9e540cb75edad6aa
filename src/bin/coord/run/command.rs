//! The last step to the command: this process prepares itself, and becomes it.

use super::proof;
use super::{Job, ends, tell_own};
use coordination_protocol::adapter::sqlite::MachineClock;
use coordination_protocol::coordination::resources::DeskError;
use coordination_protocol::storage::block_on;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The process that has to be the parent.
    #[arg(long)]
    parent: u32,

    #[command(flatten)]
    job: Job,
}

/// Becomes the command, or tells how it ends without it.
pub(crate) fn run(args: &Args) -> u8 {
    let job = &args.job;
    match prepared(args) {
        Ok(()) => {}
        Err(code) => return code,
    }
    let mut command = Command::new(&job.command[0]);
    let error = command.args(&job.command[1..]).exec();
    tell_own(format_args!("cannot run `{}`: {error}", job.command[0].display()));
    if error.kind() == io::ErrorKind::NotFound { ends::NOT_FOUND } else { ends::NOT_RUN }
}

fn prepared(args: &Args) -> Result<(), u8> {
    let job = &args.job;
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        tell_own(format_args!("{what}: {error}"));
        ends::UNAVAILABLE
    };
    let died = set_parent_process_death_signal(Some(Signal::KILL));
    died.map_err(|error| cannot("the command cannot be tied to its guard", &error))?;
    // The signal is not sent for a parent that was gone before.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get().cast_unsigned() != args.parent) {
        return Err(ends::UNAVAILABLE);
    }
    let file = job.lock_file().map_err(|error| cannot("the bus cannot be found", &error))?;
    let locked = proof::take(&file).and_then(|lock| {
        fcntl_setfd(&lock, FdFlags::empty())?;
        Ok(lock)
    });
    let lock = locked.map_err(|error| cannot(&file.display().to_string(), &error))?;
    // Whoever found the lease to be over before the lock was taken has marked it: then it cannot be renewed.
    let (bus, desk) =
        job.pool.open_existing().map_err(|error| cannot("the bus cannot be used", &error))?;
    let renewed = block_on(desk.renew(
        bus.host().now(),
        &crate::lease::Processes,
        &job.allocation,
        job.fence,
    ));
    let lease = match renewed {
        Ok(lease) => lease,
        Err(error) => {
            let _ = std::fs::remove_file(&file);
            let lost = matches!(error, DeskError::Lost { .. });
            let code = cannot("the command was not started", &error);
            return Err(if lost { ends::LOST } else { code });
        }
    };
    if job.must_end(lease.until) <= MachineClock::new().at() {
        tell_own(format_args!("the command was not started: {} is over", job.allocation));
        return Err(ends::LOST);
    }
    // It stays open for as long as the command and what it starts.
    std::mem::forget(lock);
    Ok(())
}
