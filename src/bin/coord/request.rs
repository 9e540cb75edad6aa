//! `coord request`

use crate::bus::{BusArgs, Ended, Signals, block_on};
use crate::config::strict;
use crate::input;
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Printer, complain, failure, unavailable,
};
use crate::sender::{KeysArgs, SenderArgs};
use crate::show;
use crate::subscribe::span;
use coordination_protocol::bus::{Bus, BusError};
use coordination_protocol::driver::{Client, ClientOptions, DriverError, EXCHANGES};
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::transport::Address;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord request resource-manager @request.json
  coord request resource-manager '{\"conflict_check\":{\"request_id\":\"req_1\"}}' --timeout 5s
  jq -c . request.json | coord request resource-manager - --now

The body is a message that asks: a bare document, or with a header. It is checked as by
`coord check --mode strict`; identifier, time and source are filled in, and it is signed if there is a key.
The answer is printed on one line. With --keys it must be signed by its source; one that is not is passed
over, and told if no other comes. While no component listens at the address, the request waits for a listener until the time is over, unless --now is given.

Exit status: 0 if it was answered, 1 if the request is invalid or the answer is an error report, 3 if no
answer came in time, 4 with --now if no component listens.")]
pub(crate) struct Args {
    /// The component that is asked.
    #[arg(value_name = "TARGET")]
    target: ComponentId,

    /// The request.
    #[arg(value_name = "BODY|-|@FILE")]
    body: String,

    /// How long to wait for the answer.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    timeout: Duration,

    /// End at once if no component listens.
    #[arg(long)]
    now: bool,

    #[command(flatten)]
    place: BusArgs,

    #[command(flatten)]
    sender: SenderArgs,

    #[command(flatten)]
    keys: KeysArgs,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let (validator, reading) = strict()?;
    let (name, text) = match args.body.strip_prefix('@') {
        Some("") => return Err(failure("`@` names no file")),
        Some(file) => (input::name(file), input::text(Path::new(file), reading.max_bytes)?),
        None if args.body == "-" => {
            ("<stdin>".to_owned(), input::text(Path::new("-"), reading.max_bytes)?)
        }
        None => ("<arguments>".to_owned(), args.body.clone()),
    };
    let Some(envelope) = show::accepted(&validator, &name, text.trim()) else {
        return Ok(ExitStatus::No);
    };
    let kind = envelope.kind();
    if !EXCHANGES.iter().any(|(asks, _)| *asks == kind) {
        let asking: Vec<String> = EXCHANGES.iter().map(|(asks, _)| asks.to_string()).collect();
        return Err(failure(format_args!(
            "a message of kind `{kind}` asks for no answer; these do: {}",
            asking.join(", ")
        )));
    }
    let (own, options) = args.sender.sender()?.client(&args.keys)?;
    let bus = args.place.open_to_read()?;
    let ended = block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            biased;
            signal = signals.next() => Ok(Ended::By(signal)),
            done = ask(args, &bus, own, options, envelope) => done.map(Ended::With),
        }
    })??;
    drop(bus);
    Ok(ended.status())
}

async fn ask(
    args: &Args,
    bus: &Bus,
    own: ComponentId,
    options: ClientOptions,
    envelope: Envelope,
) -> Result<ExitStatus, Failure> {
    let address = Address::new(args.target.as_str()).map_err(BusError::from)?;
    if args.now && !bus.has_listener(&address).await? {
        return Err(unavailable(format_args!("nobody listens at `{}`", args.target)));
    }
    let client = Client::open_with(bus, own, options).await?;
    let mut out = Printer::new(Format::Records);
    let status = match client.exchange(&args.target, envelope, args.timeout).await {
        Ok(answer) => {
            writeln!(out, "{answer}")?;
            ExitStatus::Done
        }
        Err(DriverError::Refused(report)) => {
            writeln!(out, "{}", Envelope::from(*report.clone()))?;
            out.complain(DriverError::Refused(report))?;
            ExitStatus::No
        }
        Err(late @ DriverError::TimedOut { .. }) => {
            complain(late);
            ExitStatus::TimedOut
        }
        Err(error) => return Err(error.into()),
    };
    out.finish(status)
}
