//! `coord why`

use super::print::{granted, need, sentences, settled};
use super::{PoolArgs, Processes};
use crate::output::{CmdResult, ExitStatus, Format, Lines, Print, Printer, complain};
use coordination_protocol::coordination::resources::{Explanation, Grant, Lease, Settled, Waiting};
use coordination_protocol::scalar::{AllocationId, RequestId, Timestamp};
use coordination_protocol::storage::block_on;
use serde::Serialize;
use std::io;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord why req_7                     why does it wait, and what would help?
  coord why alloc_1-7                 who holds it, until when, or why is it over?

Exit status: 0 if something is known of it, 1 if not.")]
pub(crate) struct Args {
    /// The request, or the grant.
    #[arg(value_name = "REQUEST|ALLOCATION")]
    id: String,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    pool: PoolArgs,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "Sentences for people"), (Format::Json, "One JSON object on one line")];

/// What is known of a request or a grant.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Known {
    Granted {
        grant: Box<Grant>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lease: Option<Lease>,
    },
    Waiting {
        waiting: Box<Waiting>,
        position: usize,
        blocked: Explanation,
        #[serde(skip_serializing_if = "Option::is_none")]
        start: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        latest: Option<Timestamp>,
    },
    Over {
        settled: Settled,
    },
}

impl Print for Known {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        match self {
            Known::Granted { grant, .. } => {
                granted(grant, out)?;
                out.line(format_args!(
                    "request {} of {}, granted at {}",
                    grant.request_id,
                    grant.workflow_id,
                    Timestamp::from(grant.since)
                ))?;
                match &grant.holder {
                    Some(holder) => out.line(format_args!("held by {}", holder.id)),
                    None => out.line("held until it is given back, or its time is over"),
                }
            }
            Known::Waiting { waiting, position, blocked, start, latest } => {
                out.line(format_args!(
                    "{} of {} waits since {} for {}; {position} before it",
                    waiting.submission.request_id,
                    waiting.submission.workflow_id,
                    Timestamp::from(waiting.since),
                    need(&waiting.submission.need)
                ))?;
                if let (Some(start), Some(latest)) = (start, latest) {
                    out.line(format_args!("it starts at {start}, at the latest at {latest}"))?;
                } else {
                    out.line("it is not promised when it starts")?;
                }
                sentences(&blocked.to_string(), out)
            }
            Known::Over { settled: over } => {
                settled(over).lines().try_for_each(|line| out.line(line))
            }
        }
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let (bus, mut desk) = args.pool.open_existing()?;
    let now = bus.host().now();
    let known = block_on(desk.preview(now, &Processes, |d| {
        let request = RequestId::new(&*args.id).ok();
        let allocation = AllocationId::new(&*args.id).ok();
        let pool = d.pool();
        let of_request = request.as_ref().and_then(|request| pool.grant_of(request));
        let of_name = allocation.as_ref().and_then(|allocation| pool.grant(allocation));
        if let Some(grant) = of_request.or(of_name) {
            return Some(Known::Granted { grant: Box::new(grant.clone()), lease: None });
        }
        if let Some(waiting) =
            request.as_ref().and_then(|request| pool.waiting_of(request)).cloned()
        {
            let position = pool.position_of(&waiting.order);
            let time = |at| Timestamp::from(d.wall_of(at));
            let start = waiting.promise.map(|promise| time(promise.start));
            let latest = waiting.promise.map(|promise| time(promise.latest));
            let blocked = d.explain(&waiting.submission);
            return Some(Known::Waiting {
                waiting: Box::new(waiting),
                position,
                blocked,
                start,
                latest,
            });
        }
        let over = request.as_ref().and_then(|request| pool.settled(request));
        let over = over.or_else(|| pool.ended(allocation.as_ref()?));
        over.cloned().map(|settled| Known::Over { settled })
    }))?;
    let Some(known) = known else {
        complain(format_args!("nothing is known of `{}`", args.id));
        return Ok(ExitStatus::No);
    };
    let known = match known {
        Known::Granted { grant, .. } => {
            let lease = block_on(desk.lease(&grant.allocation_id))?;
            Known::Granted { grant, lease }
        }
        other => other,
    };
    let mut out = Printer::new(args.format);
    out.row(&known)?;
    out.finish(ExitStatus::Done)
}
