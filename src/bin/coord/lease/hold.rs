//! `coord claim`, `coord renew`, `coord extend`, `coord release`

use super::allocate::process;
use super::ask::amount;
use super::print::{granted, span};
use super::{PoolArgs, Processes};
use crate::limits::parse;
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, complain, failure,
};
use coordination_protocol::adapter::sqlite::ProcessIdentity;
use coordination_protocol::coordination::resources::{
    Amounts, DeskError, EndReason, Grant, GrantError, Holder, Lease, Units, WaitEnd,
};
use coordination_protocol::scalar::{AllocationId, Fence, Now, RequestId, Timestamp};
use coordination_protocol::storage::block_on;
use serde::Serialize;
use std::io;
use std::time::Duration;

/// Which grant, as verbs take it.
#[derive(clap::Args)]
struct Which {
    /// The grant.
    #[arg(value_name = "ALLOCATION", env = "COORD_ALLOCATION", hide_env_values = true)]
    allocation: AllocationId,

    /// Its fencing token: another one is refused.
    #[arg(long, value_name = "FENCE", env = "COORD_FENCE", hide_env_values = true, value_parser = parse::<Fence>)]
    fence: Option<Fence>,

    #[command(flatten)]
    print: Printing,
}

#[derive(clap::Args)]
struct Printing {
    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    pool: PoolArgs,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "Sentences for people"), (Format::Json, "One JSON object on one line")];

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord claim req_7 --pid $$
  coord claim alloc_1-7

What was granted while nobody waited for it is an offer, and is passed on if it is not claimed in time.

Exit status: 0 if it is claimed, 1 if it is not granted yet or over, 5 if somebody else claimed it.")]
pub(crate) struct ClaimArgs {
    /// The request, or the grant.
    #[arg(value_name = "REQUEST|ALLOCATION")]
    id: String,

    /// The grant ends with this process.
    #[arg(long, value_name = "PID", value_parser = process)]
    pid: Option<ProcessIdentity>,

    #[command(flatten)]
    print: Printing,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord renew alloc_1-7 --fence 1-7

A grant that is tied to a process or a session lasts for the time to live only; each renewal begins it anew.
A renewal is no decision: it moves no end and no promise.

Exit status: 0 if it is renewed, 5 if the lease is lost.")]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord extend alloc_1-7 --by 30m

A later end is refused if it would break what others were promised.

Exit status: 0 if it ends later, 1 if that is refused or it is over, 5 if the fence is another.")]
pub(crate) struct ExtendArgs {
    #[command(flatten)]
    which: Which,

    /// By how much.
    #[arg(long, value_name = "SPAN", value_parser = crate::subscribe::span)]
    by: Duration,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord release alloc_1-7
  coord release alloc_1-7 --used tokens=1200
  coord release req_9 --waiting

Exit status: 0 if it is given back, 1 if it was over, 5 if the fence is another.")]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    which: Which,

    /// What was used of a budget; the rest of what was set aside is given back.
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    used: Vec<(String, Units)>,

    /// Take back a request that waits, instead of a grant.
    #[arg(long)]
    waiting: bool,
}

/// A grant, for people and programs.
#[derive(Serialize)]
struct Shown<'a> {
    grant: &'a Grant,
}

impl Print for Shown<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        granted(self.grant, out)
    }
}

#[derive(Serialize)]
struct Renewed<'a> {
    allocation_id: &'a AllocationId,
    lease: &'a Lease,
    #[serde(skip)]
    now: Now,
}

impl Print for Renewed<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let left = span(self.lease.until.since(self.now.at));
        out.line(format_args!("{} renewed for {left}", self.allocation_id))
    }
}

#[derive(Serialize)]
struct Over<'a> {
    id: &'a str,
    at: Timestamp,
}

impl Print for Over<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        out.line(format_args!("{} given back", self.id))
    }
}

/// A refusal that the exit status tells, with its sentence.
fn refused(error: GrantError) -> Result<ExitStatus, Failure> {
    let status = match &error {
        GrantError::Fenced { .. } | GrantError::Claimed { .. } => ExitStatus::Conflict,
        GrantError::Unknown { .. }
        | GrantError::NoExtension { .. }
        | GrantError::NotWaiting { .. } => ExitStatus::No,
        _ => return Err(failure(error)),
    };
    complain(error);
    Ok(status)
}

pub(crate) fn claim(args: &ClaimArgs) -> CmdResult {
    let (bus, mut desk) = args.print.pool.open_existing()?;
    let now = bus.host().now();
    let holder = args.pid.as_ref().map(|process| Holder::live(process.to_string()));
    let claimed = block_on(desk.decide(now, &Processes, |d| {
        let request = RequestId::new(&*args.id).ok();
        let of_request = request.and_then(|request| d.pool().grant_of(&request).cloned());
        let allocation = match of_request {
            Some(grant) => grant.allocation_id,
            None => AllocationId::new(&*args.id).ok()?,
        };
        Some(d.claim(&allocation, holder.clone()))
    }))?;
    match claimed {
        Some(Ok(grant)) => {
            let mut out = Printer::new(args.print.format);
            out.row(&Shown { grant: &grant })?;
            out.finish(ExitStatus::Done)
        }
        Some(Err(error)) => refused(error),
        None => Err(failure(format_args!("`{}` names no request and no grant", args.id))),
    }
}

pub(crate) fn renew(args: &RenewArgs) -> CmdResult {
    let Which { allocation, fence, print } = &args.which;
    let Some(fence) = fence else {
        return Err(failure("a renewal needs the fence of the grant: --fence, or COORD_FENCE"));
    };
    let (bus, desk) = print.pool.open_existing()?;
    let now = bus.host().now();
    match block_on(desk.renew(now, &Processes, allocation, *fence)) {
        Ok(lease) => {
            let mut out = Printer::new(print.format);
            out.row(&Renewed { allocation_id: allocation, lease: &lease, now })?;
            out.finish(ExitStatus::Done)
        }
        Err(lost @ DeskError::Lost { .. }) => {
            complain(lost);
            Ok(ExitStatus::Conflict)
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn extend(args: &ExtendArgs) -> CmdResult {
    let Which { allocation, fence, print } = &args.which;
    let (bus, mut desk) = print.pool.open_existing()?;
    let now = bus.host().now();
    match block_on(desk.decide(now, &Processes, |d| d.extend(allocation, *fence, args.by)))? {
        Ok(grant) => {
            let mut out = Printer::new(print.format);
            out.row(&Shown { grant: &grant })?;
            out.finish(ExitStatus::Done)
        }
        Err(error) => refused(error),
    }
}

pub(crate) fn release(args: &ReleaseArgs) -> CmdResult {
    let Which { allocation, fence, print } = &args.which;
    let (bus, mut desk) = print.pool.open_existing()?;
    let now = bus.host().now();
    let request: RequestId = allocation.as_str().parse().map_err(failure)?;
    let used = args.used.iter().fold(Amounts::new(), |used, (name, units)| used.with(name, *units));
    let done = block_on(desk.decide(now, &Processes, |d| {
        if args.waiting {
            return d.cancel(&request, WaitEnd::Cancelled);
        }
        let released = d.release(allocation, *fence, EndReason::Released, used.clone());
        released.map(|_| ())
    }))?;
    match done {
        Ok(()) => {
            let mut out = Printer::new(print.format);
            out.row(&Over { id: allocation.as_str(), at: now.timestamp() })?;
            out.finish(ExitStatus::Done)
        }
        Err(error) => refused(error),
    }
}
