//! `coord wait`

use crate::bus::{BusArgs, Ended, Signals, Since, block_on, records};
use crate::filter;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Printer, complain, failure};
use crate::route::compile;
use crate::subscribe::{Row, span};
use coordination_protocol::bus::{Arrival, Bus, Interest, Position, Start, workflow_lane};
use coordination_protocol::event::Category;
use coordination_protocol::message::WorkflowState;
use coordination_protocol::route::RouteKey;
use coordination_protocol::scalar::WorkflowId;
use coordination_protocol::storage::view::States;
use coordination_protocol::storage::{Journal as _, JournalRecord, Key, StorageError};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord wait --workflow wf_001 --state completed --timeout 10m
  coord wait --event 'task.*.completed' --filter '/task_id = t1' --since 0:17

With --workflow, the present is looked at first: what the last WORKFLOW_ event of the workflow says, such as
`paused` or `completed`, and the phase that its state in the store names. With --event it waits for what is
published from now on, unless --since says otherwise. The message that was waited for is printed.

Exit status: 0 if it came, 3 if not within the time.")]
#[command(group(clap::ArgGroup::new("what").args(["event", "workflow"]).required(true)))]
pub(crate) struct Args {
    /// Wait for a message that this pattern selects.
    #[arg(long, value_name = "PATTERN")]
    event: Option<String>,

    /// Take only a message that this filter accepts.
    #[arg(long, value_name = "FILTER", conflicts_with = "workflow")]
    filter: Option<String>,

    /// Where to start: a position, a time, or a span before now.
    #[arg(long, value_name = "POSITION|TIME|SPAN", conflicts_with = "workflow")]
    since: Option<Since>,

    /// Wait for a workflow to be in a state.
    #[arg(long, value_name = "WORKFLOW", requires = "state")]
    workflow: Option<WorkflowId>,

    /// The state: the word of a WORKFLOW_ event, or the name or number of a phase.
    #[arg(
        long,
        value_name = "WORD",
        requires = "workflow",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    state: Option<String>,

    /// How long to wait; without end if left out.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    timeout: Option<Duration>,

    #[command(flatten)]
    place: BusArgs,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "records")]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Records, "The message that came, as it was published"),
    (Format::Json, "An object: position, attempt, message"),
];

/// How often the store is looked at, whose changes are not announced.
const LOOK: Duration = Duration::from_millis(250);

/// How many records are read at a time.
const PAGE: usize = 256;

pub(crate) fn run(args: &Args) -> CmdResult {
    // Before anything is opened: what is wrong with the words is told first.
    let interest = match &args.event {
        Some(pattern) => Some(Interest::new(compile(pattern)?)),
        None => None,
    };
    let filter = args.filter.as_deref().map(filter::compile).transpose()?;
    let bus = args.place.open_to_read()?;
    let ended = block_on(async {
        let mut signals = Signals::new()?;
        let mut out = Printer::new(args.format);
        let come = async {
            match (&args.workflow, &args.state, interest) {
                (Some(workflow), Some(state), _) => in_state(&bus, workflow, state, &mut out).await,
                (_, _, Some(interest)) => {
                    let interest = match filter {
                        Some(filter) => interest.with_filter(filter),
                        None => interest,
                    };
                    event(args, &bus, interest, &mut out).await
                }
                _ => Err(failure("name what to wait for")),
            }
        };
        let late = async {
            match args.timeout {
                Some(within) => tokio::time::sleep(within).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = signals.next() => Ok(Ended::By(signal)),
            done = come => done.map(|()| Ended::With(ExitStatus::Done)),
            () = late => {
                complain("what was waited for did not come in time");
                Ok::<_, Failure>(Ended::With(ExitStatus::TimedOut))
            }
        }
    })??;
    drop(bus);
    Ok(ended.status())
}

async fn event(
    args: &Args,
    bus: &Bus,
    interest: Interest,
    out: &mut Printer,
) -> Result<(), Failure> {
    let start = match &args.since {
        Some(since) => since.start(bus).await?,
        None => Start::Now,
    };
    let inbox = bus.subscribe(interest.starting(start)).await?;
    loop {
        match inbox.next().await? {
            Arrival::Message(delivery) => {
                out.row(&Row::new(&delivery))?;
                return Ok(out.flush()?);
            }
            Arrival::Gap { from, to } => {
                out.complain(format_args!("the messages from {from} to before {to} are gone"))?;
            }
            _ => {}
        }
    }
}

/// Waits until a workflow is in a state.
async fn in_state(
    bus: &Bus,
    workflow: &WorkflowId,
    word: &str,
    out: &mut Printer,
) -> Result<(), Failure> {
    let lane = workflow_lane(workflow.as_str())?;
    let says = |record: &JournalRecord| event_word(bus, &lane, record);
    let mut next = bus.history().bounds().await?.next;
    if let Some((record, found)) = last_word(bus, next, &says).await?
        && found == word
    {
        return print(&record, out);
    }
    let states = States::new(Arc::clone(bus.engine()));
    loop {
        match states.get(workflow).await {
            Ok(Some(stored)) if is_in(&stored.state, word) => {
                writeln!(out, "{}", stored.text.trim_end())?;
                return Ok(out.flush()?);
            }
            // Another writer may put a damaged one right while this one waits.
            Ok(_) | Err(StorageError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // What is gone or damaged is passed over: what counts is what comes last.
        let page = records(bus, next, PAGE).await?;
        next = page.next;
        for record in page.records {
            if says(&record).is_some_and(|found| found == word) {
                return print(&record, out);
            }
        }
        tokio::select! {
            waited = bus.history().wait(next) => drop(waited?),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn print(record: &JournalRecord, out: &mut Printer) -> Result<(), Failure> {
    out.row(&Row::of(Position::new(record.position), &record.data))?;
    Ok(out.flush()?)
}

/// What a record says of the workflow of a lane, if it is one of its WORKFLOW_ events.
fn event_word(bus: &Bus, lane: &Key, record: &JournalRecord) -> Option<String> {
    let subject = record.subject.as_deref().filter(|_| record.lane.as_ref() == Some(lane))?;
    let key = RouteKey::parse_with(bus.registry(), subject).ok()?;
    let is_of_workflow = key.event_type()?.category() == Category::Workflow;
    is_of_workflow.then(|| key.word().into_owned())
}

/// Whether the phase of a state has this name or number.
fn is_in(state: &WorkflowState, word: &str) -> bool {
    let Some(phase) = &state.current_phase else { return false };
    let id = phase.phase_id.as_ref().map(ToString::to_string);
    phase.name.as_deref() == Some(word) || id.as_deref() == Some(word)
}

/// The last record before a position that says something, looked for from the end.
async fn last_word(
    bus: &Bus,
    end: u64,
    says: &impl Fn(&JournalRecord) -> Option<String>,
) -> Result<Option<(JournalRecord, String)>, Failure> {
    let first = bus.history().bounds().await?.first;
    let mut end = end;
    while end > first {
        let start = end.saturating_sub(PAGE as u64).max(first);
        let (mut from, mut found) = (start, None);
        while from < end {
            let limit = usize::try_from(end - from).unwrap_or(PAGE);
            let page = records(bus, from, limit).await?;
            if page.next == from {
                break;
            }
            from = page.next;
            let said = page.records.into_iter().filter(|record| record.position < end);
            found = said.filter_map(|record| says(&record).map(|w| (record, w))).last().or(found);
        }
        if found.is_some() {
            return Ok(found);
        }
        end = start;
    }
    Ok(None)
}
