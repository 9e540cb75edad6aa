//! `coord publish -`: messages from standard input, as they come.

use super::{Args, Prepared, as_written, prepare, publish};
use crate::config::strict;
use crate::output::{CmdResult, ExitStatus, Failure, Printer, failure, unavailable};
use crate::sender::Sender;
use crate::show;
use crate::source::{As, Checker, Item};
use coordination_protocol::Json;
use coordination_protocol::bus::Bus;
use coordination_protocol::finding::Verdict;
use coordination_protocol::message::Envelope;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How many messages are appended at a time: one commit for all of them.
const BATCH: usize = 256;
/// And how many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// What the reader hands on.
enum Step {
    Message(Prepared),
    /// What is to be told before the next message, and whether it keeps one from being published.
    Told {
        text: String,
        refused: bool,
    },
}

pub(super) fn run(args: &Args) -> CmdResult {
    let sender = args.by.sender.sender()?;
    let bus = args.by.place.open()?;
    let mut out = Printer::new(args.by.format);
    let (steps, read) = sync_channel(2 * BATCH);
    std::thread::scope(|scope| {
        // Read by a thread of its own, so that what is there is published while more is waited for.
        let reader = scope.spawn(|| {
            let steps = steps;
            read_all(&bus, &sender, &steps)
        });
        let published = publish_all(&bus, &read, &mut out);
        // Whoever still reads is told that it is not taken any more.
        drop(read);
        let refused = published?;
        let read = reader.join().map_err(|_| unavailable("standard input was not read"))??;
        out.finish(ExitStatus::found(refused).or(read))
    })
}

fn read_all(bus: &Bus, sender: &Sender, steps: &SyncSender<Step>) -> CmdResult {
    let (validator, reading) = strict()?;
    let mut checker = Checker::new(&validator, &reading, As::Messages);
    checker.now = Some(crate::clock::now().wall);
    checker.path(Path::new("-"), &mut |source, item| {
        if item.outcome.report.verdict() > Verdict::Valid {
            let text = show::record(source.name(), &item, false);
            send(steps, Step::Told { text, refused: !item.outcome.is_accepted() })?;
        }
        if !item.outcome.is_accepted() {
            return Ok(());
        }
        let line = item.position(0).0;
        match prepared(bus, sender, item) {
            Ok(prepared) => send(steps, Step::Message(prepared)),
            Err(failed) => {
                let text = format!("coord: {source}:{line}: {failed}\n");
                send(steps, Step::Told { text, refused: true })
            }
        }
    })?;
    Ok(ExitStatus::Done)
}

fn send(steps: &SyncSender<Step>, step: Step) -> Result<(), Failure> {
    steps.send(step).map_err(|_| unavailable("nothing more is published"))
}

fn prepared(bus: &Bus, sender: &Sender, item: Item<'_>) -> Result<Prepared, Failure> {
    let text = match &item.outcome.message {
        Some(message) => Some(message.root().raw().parse::<Json>().map_err(failure)?),
        None => None,
    };
    let accepted = item.outcome.accept().map_err(|_| failure("it is invalid"))?;
    let envelope: Envelope = accepted.into_inner();
    match text {
        // Whatever is filled in would break the signature.
        Some(text) if envelope.header.signature.is_some() => {
            as_written(&envelope, text.as_str().to_owned())
        }
        _ => prepare(bus, sender, envelope),
    }
}

/// Whether something was refused.
fn publish_all(bus: &Bus, steps: &Receiver<Step>, out: &mut Printer) -> Result<bool, Failure> {
    let mut refused = false;
    while let Ok(first) = steps.recv() {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(step) = next.take() {
            match step {
                Step::Message(prepared) => {
                    bytes += prepared.bytes;
                    batch.push(prepared);
                }
                Step::Told { text, refused: lost } => {
                    refused |= lost;
                    out.draw(&text)?;
                }
            }
            if batch.len() < BATCH && bytes < BATCH_BYTES {
                next = steps.try_recv().ok();
            }
        }
        if !batch.is_empty() {
            publish(bus, &batch, out)?;
        }
    }
    Ok(refused)
}
