//! `coord publish`

mod data;
mod stream;

use crate::bus::BusArgs;
use crate::config::strict;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, failure};
use crate::sender::{Sender, SenderArgs};
use crate::show;
use coordination_protocol::bus::{Bus, Position, Post};
use coordination_protocol::message::Envelope;
use coordination_protocol::scalar::{Phase, WorkflowId};
use coordination_protocol::storage::block_on;
use serde::Serialize;
use std::io::{self, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord publish TASK_STARTED wf_001 build task_id=t1 agent_id=a1 start_time=2025-01-15T12:00:00Z
  coord publish TASK_FAILED wf_001 build @failure.json retry_count=3
  coord publish WORKFLOW_PAUSED wf_001 global 'pause_reason=it is \"late\"' current_state:='{}'
  coord publish TASK_FAILED wf_001 build - < failure.json
  coord publish - < events.log

A word that begins with `{`, a `-` and @FILE are the data, which comes first and once. Every other word is
a pair: KEY=VALUE takes the type that the registry gives the field (a number, true or false, a list as in
a,b), else it is a text; KEY:=JSON is taken as it is. Pairs replace what the data has.

It is checked as by `coord check --mode strict`; with an error in it nothing is published. What is
published is an envelope with an identifier, the time and the source, signed if there is a key.

A `-` alone reads event lines and messages from standard input, one a line, and publishes them in batches.
Those that are wrong are told, and the others published. A signed message stays as it is.

Printed is the position of each message. It is printed when the message is on the disk: a program that is
killed before has published it once or not at all.

Exit status: 0 if all was published, 1 if something was wrong and was not.")]
pub(crate) struct Args {
    /// The event type; `-` alone for a stream of messages.
    #[arg(value_name = "TYPE|-")]
    event_type: String,

    /// The workflow, or `global`.
    #[arg(value_name = "WORKFLOW")]
    workflow: Option<String>,

    /// The phase, or `global`.
    #[arg(value_name = "PHASE")]
    phase: Option<String>,

    /// The data and its fields.
    #[arg(value_name = "DATA|-|@FILE|KEY=VALUE|KEY:=JSON")]
    data: Vec<String>,

    #[command(flatten)]
    by: Publishing,
}

/// Who publishes, where, and how it is told.
#[derive(clap::Args)]
pub(crate) struct Publishing {
    #[command(flatten)]
    pub(crate) place: BusArgs,

    #[command(flatten)]
    pub(crate) sender: SenderArgs,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] = &[
    (Format::Human, "The position of each message, such as 0:17"),
    (Format::Json, "An object a message: position, message_id"),
];

/// A message that was published.
#[derive(Serialize)]
struct Published {
    position: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
}

impl Print for Published {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        out.line(&self.position)
    }
}

/// What is to be published, and by which identifier it is told.
struct Prepared {
    post: Post,
    message_id: Option<String>,
    bytes: usize,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let (Some(workflow), Some(phase)) = (&args.workflow, &args.phase) else {
        return match (args.event_type.as_str(), &args.workflow) {
            ("-", None) => stream::run(args),
            ("-", Some(_)) => Err(failure("a `-` in the place of TYPE stands alone")),
            _ => Err(failure(
                "TYPE, WORKFLOW and PHASE belong together; `global` may stand for either",
            )),
        };
    };
    let (validator, reading) = strict()?;
    let registry = validator.codec().registry();
    let event_type = header(&args.event_type, workflow, phase)?;
    let data = data::data(&args.data, event_type, registry, reading.max_bytes)?;
    let line = format!("{event_type}:{workflow}:{phase}:{data}");
    let Some(envelope) = show::accepted(&validator, "<arguments>", &line) else {
        return Ok(ExitStatus::No);
    };
    let sender = args.by.sender.sender()?;
    args.by.publish(&args.by.place.open()?, &sender, envelope)
}

impl Publishing {
    /// Publishes one message, and prints where it stands.
    pub(crate) fn publish(&self, bus: &Bus, sender: &Sender, envelope: Envelope) -> CmdResult {
        let mut out = Printer::new(self.format);
        publish(bus, &[prepare(bus, sender, envelope)?], &mut out)?;
        out.finish(ExitStatus::Done)
    }
}

/// The event type, if the parts of the header are such that they make a line.
fn header<'a>(event_type: &'a str, workflow: &str, phase: &str) -> Result<&'a str, Failure> {
    if event_type.is_empty() || event_type.contains([':', '\n', '\r', '{', '=']) {
        return Err(failure(format_args!("TYPE: `{event_type}` is no event type")));
    }
    WorkflowId::new(workflow)
        .map_err(|error| failure(format_args!("WORKFLOW: `{workflow}`: {error}")))?;
    Phase::new(phase).map_err(|error| failure(format_args!("PHASE: `{phase}`: {error}")))?;
    Ok(event_type)
}

/// Fills in a message and makes its text.
fn prepare(bus: &Bus, sender: &Sender, mut envelope: Envelope) -> Result<Prepared, Failure> {
    sender.stamp(bus, &mut envelope);
    let text = sender.text(&envelope)?;
    as_written(&envelope, text)
}

/// Takes the text of a message as it is.
fn as_written(envelope: &Envelope, text: String) -> Result<Prepared, Failure> {
    let bytes = text.len();
    let post = Post::written(envelope, text)?;
    let message_id = envelope.header.message_id.as_ref().map(ToString::to_string);
    Ok(Prepared { post, message_id, bytes })
}

/// Publishes a batch, and prints where its messages stand.
fn publish(bus: &Bus, batch: &[Prepared], out: &mut Printer) -> Result<(), Failure> {
    let posts: Vec<Post> = batch.iter().map(|prepared| prepared.post.clone()).collect();
    let appended = block_on(bus.publish(&posts))?;
    for (offset, prepared) in appended.positions.zip(batch) {
        let position = Position::new(offset).to_string();
        out.row(&Published { position, message_id: prepared.message_id.clone() })?;
    }
    Ok(out.flush()?)
}
