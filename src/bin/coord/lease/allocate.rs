//! `coord allocate` and `coord plan`

use super::ask::Asking;
use super::print::Answer;
use super::{BusDesk, PoolArgs, Processes};
use crate::bus::{Ended, Signals, block_on};
use crate::output::{CmdResult, ExitStatus, Failure, Format, Printer, complain, failure};
use coordination_protocol::adapter::sqlite::ProcessIdentity;
use coordination_protocol::bus::Bus;
use coordination_protocol::coordination::resources::{
    Holder, Ruling, Settled, Submission, WaitEnd,
};
use coordination_protocol::scalar::{ComponentId, Instant};
use coordination_protocol::storage::{self, Journal as _};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord allocate --need agents=3 --need memory_gb=8 --for 2h
  coord allocate --file 'src/**' --share docs --pid $$
  coord allocate --need agents=8 --wait --max-wait 10m
  coord allocate --request @request.json --format json

What cannot start now is denied, with every reason and the least that would change it. With --wait it waits
until it starts; with --queue it stays in the queue, and what is granted later is an offer that
`coord claim` takes. Give it back with `coord release`.

Exit status: 0 if it is granted, or with --queue waits; 1 if it is denied; 3 if it waited too long.")]
pub(crate) struct Args {
    #[command(flatten)]
    asking: Asking,

    /// Wait until it is granted.
    #[arg(long, conflicts_with = "queue")]
    wait: bool,

    /// Stay in the queue, and leave.
    #[arg(long)]
    queue: bool,

    /// The grant ends with this process.
    #[arg(long, value_name = "PID", value_parser = process)]
    pid: Option<ProcessIdentity>,

    #[command(flatten)]
    common: Common,
}

/// What both verbs take.
#[derive(clap::Args)]
struct Common {
    /// Who asks.
    #[arg(
        long = "as",
        value_name = "COMPONENT",
        default_value = "coord",
        env = "COORD_COMPONENT",
        hide_env_values = true
    )]
    component: ComponentId,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    pool: PoolArgs,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "Sentences for people"),
    (Format::Json, "The allocation response on one line"),
];

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord plan --need agents=3 --for 2h
  coord plan --file 'src/**'

It says what `coord allocate --queue` would say now, and changes nothing.

Exit status: 0 if it would be granted now, 1 if it would wait or be denied.")]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    asking: Asking,

    #[command(flatten)]
    common: Common,
}

/// A process that is there.
pub(super) fn process(text: &str) -> Result<ProcessIdentity, String> {
    let pid: u32 = text.parse().map_err(|_| "a process is named by its number".to_owned())?;
    ProcessIdentity::of(pid).ok_or_else(|| format!("there is no process {pid}"))
}

pub(crate) fn plan(args: &PlanArgs) -> CmdResult {
    let (bus, mut desk) = args.common.pool.open_existing()?;
    let mut asked = args.asking.submission(args.common.component.as_str(), || bus.new_id())?;
    asked.fallback.queue = true;
    let now = bus.host().now();
    let ruling = storage::block_on(desk.preview(now, &Processes, |d| d.plan(&asked)))?;
    let ruling = ruling.map_err(failure)?;
    let status = match &ruling {
        Ruling::Granted(_) => ExitStatus::Done,
        _ => ExitStatus::No,
    };
    let mut out = Printer::new(args.common.format);
    out.row(&Answer::new(&ruling, &asked.request_id, bus.new_id(), now))?;
    out.finish(status)
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let (bus, mut desk) = args.common.pool.open()?;
    let mut asked = args.asking.submission(args.common.component.as_str(), || bus.new_id())?;
    asked.fallback.queue = args.wait || args.queue;
    if let Some(process) = &args.pid {
        asked = asked.with_holder(Holder::live(process.to_string()));
    }
    if args.wait {
        asked = asked.with_waiter(Holder::live(ProcessIdentity::current().to_string()));
    }
    let now = bus.host().now();
    let ruling = storage::block_on(desk.decide(now, &Processes, |d| d.submit(&asked)))?;
    let ruling = ruling.map_err(failure)?;
    if args.wait && matches!(ruling, Ruling::Queued { .. }) {
        return wait(args, &bus, &mut desk, &asked);
    }
    print(args, &bus, &ruling, &asked, args.queue)
}

fn print(args: &Args, bus: &Bus, ruling: &Ruling, asked: &Submission, queued: bool) -> CmdResult {
    let status = match ruling {
        Ruling::Granted(_) => ExitStatus::Done,
        Ruling::Queued { .. } if queued => ExitStatus::Done,
        Ruling::Settled(Settled::WaitEnded { reason: WaitEnd::TooLong, .. }) => {
            ExitStatus::TimedOut
        }
        _ => ExitStatus::No,
    };
    let mut out = Printer::new(args.common.format);
    out.row(&Answer::new(ruling, &asked.request_id, bus.new_id(), bus.host().now()))?;
    out.finish(status)
}

/// Waits until the request no longer does. Until then this process decides for all what is due.
fn wait(args: &Args, bus: &Bus, desk: &mut BusDesk, asked: &Submission) -> CmdResult {
    let ended = block_on(async {
        let mut signals = Signals::new()?;
        let waited = tokio::select! {
            biased;
            signal = signals.next() => Err(signal),
            ruling = settled(bus, desk, asked) => Ok(ruling?),
        };
        match waited {
            Ok(ruling) => print(args, bus, &ruling, asked, false).map(Ended::With),
            Err(signal) => {
                // Who waits no longer is in nobody's way.
                let now = bus.host().now();
                let request = &asked.request_id;
                let done = desk.decide(now, &Processes, |d| d.cancel(request, WaitEnd::Cancelled));
                if let Err(error) = done.await {
                    complain(error);
                }
                Ok::<_, Failure>(Ended::By(signal))
            }
        }
    })??;
    Ok(ended.status())
}

/// How often a process that waits looks whether others are gone, if nothing else wakes it.
const LOOKS: std::time::Duration = std::time::Duration::from_secs(5);

/// What becomes of a request, once it no longer waits. Until then this process decides for all what is due.
pub(crate) async fn settled(
    bus: &Bus,
    desk: &mut BusDesk,
    asked: &Submission,
) -> Result<Ruling, Failure> {
    let log = bus.decisions();
    loop {
        let now = bus.host().now();
        let ruling = desk.decide(now, &Processes, |d| d.submit(asked)).await?.map_err(failure)?;
        if !matches!(ruling, Ruling::Queued { .. }) {
            return Ok(ruling);
        }
        // Something is decided, or due: for whomever, since nobody else may be there to do it.
        let (due, next) = desk.next().await?;
        let looks = now.at.after(LOOKS).unwrap_or(Instant::from_nanos(u64::MAX));
        let until = due.map_or(looks, |due| due.min(looks));
        tokio::select! {
            () = bus.host().sleep_until(until) => {}
            appended = log.wait(next) => { appended?; }
        }
    }
}
