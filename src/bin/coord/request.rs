//! `coord request`

use crate::bus::{BusArgs, Ended, Signals, block_on};
use crate::clock::now;
use crate::config::strict;
use crate::input;
use crate::output::{
    CmdResult, ExitStatus, Failure, Format, Printer, complain, draw, failure, unavailable,
};
use crate::show;
use crate::source::Item;
use crate::subscribe::span;
use coordination_protocol::Mode;
use coordination_protocol::bus::{Bus, BusError};
use coordination_protocol::driver::{Client, DriverError, EXCHANGES};
use coordination_protocol::finding::Verdict;
use coordination_protocol::machine::CallerOptions;
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::transport::Address;
use coordination_protocol::validate::{Context, Validator};
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
`coord check --mode strict`; identifier, time and source are filled in. The answer is printed on one line.
While nobody listens, the request waits for a listener until the time is over, unless --now is given.

Exit status: 0 if it was answered, 1 if the request is invalid or the answer is an error report, 3 if no
answer came in time, 4 with --now if nobody listens.")]
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

    /// End at once if nobody listens.
    #[arg(long)]
    now: bool,

    /// The component that asks.
    #[arg(
        long = "as",
        value_name = "COMPONENT",
        default_value = "coord",
        env = "COORD_COMPONENT",
        hide_env_values = true
    )]
    component: ComponentId,

    #[command(flatten)]
    place: BusArgs,
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
    let text = text.trim();
    let outcome = validator.check_bytes(text.as_bytes(), &Context::new().with_now(now().wall));
    let item = Item::whole(outcome, text.as_bytes());
    if item.outcome.report.verdict() > Verdict::Valid {
        draw(&show::record(&name, &item, false));
    }
    let Ok(accepted) = item.outcome.accept() else { return Ok(ExitStatus::No) };
    let envelope = accepted.into_inner();
    let kind = envelope.kind();
    if !EXCHANGES.iter().any(|(asks, _)| *asks == kind) {
        let asking: Vec<String> = EXCHANGES.iter().map(|(asks, _)| asks.to_string()).collect();
        return Err(failure(format_args!(
            "a message of kind `{kind}` asks for no answer; these do: {}",
            asking.join(", ")
        )));
    }
    let bus = args.place.open_to_read()?;
    let ended = block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            biased;
            signal = signals.next() => Ok(Ended::By(signal)),
            done = ask(args, &bus, envelope) => done.map(Ended::With),
        }
    })??;
    drop(bus);
    Ok(ended.status())
}

async fn ask(args: &Args, bus: &Bus, envelope: Envelope) -> Result<ExitStatus, Failure> {
    let address = Address::new(args.target.as_str()).map_err(BusError::from)?;
    if args.now && !bus.has_listener(&address).await? {
        return Err(unavailable(format_args!("nobody listens at `{}`", args.target)));
    }
    let validator = Validator::new(Mode::Interop);
    let options = CallerOptions::default();
    let client = Client::open_with(bus, args.component.clone(), options, validator).await?;
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
