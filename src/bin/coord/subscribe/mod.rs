//! `coord subscribe`

mod exec;
mod read;
mod row;

pub(crate) use exec::{feed, told};
pub(crate) use row::Row;

use crate::bus::{BusArgs, Since, block_on};
use crate::filter;
use crate::output::{CmdResult, Failure, Format, complain};
use crate::route::compile;
use coordination_protocol::bus::{Bus, Interest, Start};
use coordination_protocol::machine::Backoff;
use coordination_protocol::scalar::Span;
use coordination_protocol::storage::{Key, Store as _};
use std::str::FromStr;
use std::time::Duration;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord subscribe '*.failed'                     what failed so far
  coord subscribe --follow '>' --since 10m       all messages, from ten minutes ago on
  coord subscribe --count 1 'workflow.*.completed' --filter 'workflow = wf_001'
  coord subscribe --follow '*.failed' --durable alarms --exec ./alarm.sh

Without --follow and --count it prints what there is, and ends. It starts with the oldest message; with
either it starts with what is published from now on. --since says otherwise: a position that was printed,
a time, or a span before now.

With --durable, the bus remembers under this name how far it got, and --since counts the first time only.
Several readers of one name share the messages. The place moves when the lines are written, so what was
under way when a reader was killed is printed again; --format json tells the attempt.

With --exec, each message is the standard input of the command, and is done when that ends with 0. Else it
comes again after a pause that grows; after the last attempt it becomes a dead letter. COORD_POSITION and
COORD_ATTEMPT are in its environment. Messages of one workflow come one after the other.

Messages that are gone before they were read are told on standard error, and in JSON as a line with `gap`.

Exit status: 0 if all was printed that was asked for, 1 if there are dead letters now, 4 if the stream was
cut. A signal ends it as it ends every program.")]
pub(crate) struct Args {
    /// The pattern, as `coord route explain` explains it.
    #[arg(value_name = "PATTERN")]
    pattern: String,

    /// Take only messages that this filter accepts.
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

    /// Go on with what is published, until a signal.
    #[arg(long, short)]
    follow: bool,

    /// End after this number of messages, and wait for them.
    #[arg(long, value_name = "N", conflicts_with = "follow", value_parser = at_least_one::<u64>)]
    count: Option<u64>,

    /// Where to start: a position, a time, or a span before now.
    #[arg(long, value_name = "POSITION|TIME|SPAN")]
    since: Option<Since>,

    /// Remember how far it got under this name.
    #[arg(long, value_name = "NAME")]
    durable: Option<String>,

    /// Run a command with each message; all words behind it are the command's.
    #[arg(
        long,
        value_name = "COMMAND",
        num_args = 1..,
        allow_hyphen_values = true,
        requires = "durable"
    )]
    exec: Vec<String>,

    /// How often a command is tried with one message.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "exec")]
    attempts: u32,

    /// The longest pause behind the first attempt; it doubles with each.
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = span, requires = "exec")]
    pause: Duration,

    #[command(flatten)]
    place: BusArgs,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "records")]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Records, "The messages as they were published, one a line"),
    (Format::Json, "An object a message: position, attempt, message"),
];

/// How many messages a reader that prints claims at a time: as many may come again when it is killed.
const PAGE: usize = 64;

/// A number of things, of which there has to be one.
pub(crate) fn at_least_one<N: FromStr + From<u8> + PartialOrd>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| "it is no number from 1 on".to_owned())
}

/// Reads a span that has an end.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let span = Span::from_lenient(text).value();
    span.ok_or_else(|| "it is no duration like 30s or 2h 30m".to_owned())
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let mut interest = Interest::new(compile(&args.pattern)?);
    if let Some(filter) = &args.filter {
        interest = interest.with_filter(filter::compile(filter)?);
    }
    let bus = args.place.open_to_read()?;
    let ended = block_on(async {
        let interest = placed(args, &bus, interest).await?;
        read::read(args, &bus, interest).await
    })??;
    // Its threads end before a signal ends the program.
    drop(bus);
    Ok(ended.status())
}

/// The interest, with its start and its name.
async fn placed(args: &Args, bus: &Bus, interest: Interest) -> Result<Interest, Failure> {
    let bounded = !args.follow && args.count.is_none();
    let start = match &args.since {
        Some(since) => since.start(bus).await?,
        None if bounded => Start::First,
        None => Start::Now,
    };
    let mut interest = interest.starting(start);
    if let Some(name) = &args.durable {
        let known = bus.engine().get(&Key::of(["subscription", name])?).await?.is_some();
        if known && args.since.is_some() {
            complain(format_args!("`{name}` goes on where it was; --since is for a new name"));
        }
        interest = interest.durable(name);
    }
    Ok(if args.exec.is_empty() {
        // Printing does not fail, so a message is printed until that is stored.
        interest.in_sequence().with_max_in_flight(PAGE).with_max_attempts(u32::MAX)
    } else {
        interest.with_max_in_flight(1).with_max_attempts(args.attempts)
    })
}

impl Args {
    fn backoff(&self) -> Backoff {
        Backoff::new().with_base(self.pause).with_attempts(self.attempts)
    }
}
