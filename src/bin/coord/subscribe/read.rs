//! Messages from an inbox to standard output, or to a command.

use super::exec::Exec;
use super::row::{Gap, GapRow};
use super::{Args, Row};
use crate::bus::{Ended, Signals};
use crate::output::{ExitStatus, Failure, Printer, complain, unavailable};
use coordination_protocol::bus::{Arrival, Bus, BusError, Delivery, Inbox, Interest, Position};
use std::io::Write as _;
use std::time::Duration;

/// How often what passes by itself is tried again.
const TRIES: u32 = 10;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a reader with an end looks whether it is there.
const LOOK: Duration = Duration::from_millis(20);

/// Reads until there is enough, or the end, or a signal.
pub(super) async fn read(args: &Args, bus: &Bus, interest: Interest) -> Result<Ended, Failure> {
    let bounded = !args.follow && args.count.is_none();
    let end = if bounded { Some(bus.end().await?) } else { None };
    let mut signals = Signals::new()?;
    let inbox = bus.subscribe(interest).await?;
    let mut out = Printer::new(args.format);
    let reader = Reader { args, inbox: &inbox, end };
    let done = reader.deliver(&mut signals, &mut out).await;
    // However it ended: what is claimed and not worked on is free for others at once.
    let closed = inbox.close().await;
    let left = bus.leave().await;
    let ended = done?;
    closed?;
    left?;
    out.finish(ExitStatus::Done)?;
    Ok(ended)
}

struct Reader<'a> {
    args: &'a Args,
    inbox: &'a Inbox,
    /// Where a reader ends that does not follow.
    end: Option<Position>,
}

impl Reader<'_> {
    async fn deliver(&self, signals: &mut Signals, out: &mut Printer) -> Result<Ended, Failure> {
        let mut left = self.args.count.unwrap_or(u64::MAX);
        let mut exec = Exec::new(self.args, self.inbox.bus());
        let (mut failures, mut dead) = (0, false);
        loop {
            if left == 0 || self.end.is_some_and(|end| self.inbox.position() >= end) {
                return Ok(Ended::With(ExitStatus::found(dead)));
            }
            let look = async {
                match self.end {
                    Some(_) => tokio::time::sleep(LOOK).await,
                    None => std::future::pending().await,
                }
            };
            let arrival = tokio::select! {
                biased;
                signal = signals.next() => return Ok(Ended::By(signal)),
                arrival = self.inbox.next() => arrival,
                () = look => continue,
            };
            match arrival {
                Ok(Arrival::Gap { from, to }) => {
                    failures = 0;
                    gap(from, to, out)?;
                }
                Ok(Arrival::Message(delivery)) => {
                    failures = 0;
                    left -= match &mut exec {
                        Some(exec) => exec.run(self.inbox, &delivery, &mut dead).await?,
                        None => self.print(delivery, left, out).await?,
                    };
                }
                Ok(Arrival::Exhausted(delivery)) => {
                    failures = 0;
                    super::exec::give_up(self.inbox, &delivery, "all attempts were interrupted")
                        .await?;
                    dead = true;
                    left -= 1;
                }
                Ok(_) => {}
                Err(error) => {
                    failures += 1;
                    retried(failures, &error).await?;
                }
            }
        }
    }

    /// Prints a message and those that are there behind it, and then moves the place. How many it were.
    async fn print(&self, first: Delivery, most: u64, out: &mut Printer) -> Result<u64, Failure> {
        let mut page = vec![first];
        while (page.len() as u64) < most {
            match self.inbox.try_next() {
                Some(Arrival::Message(delivery) | Arrival::Exhausted(delivery)) => {
                    page.push(delivery);
                }
                Some(Arrival::Gap { from, to }) => gap(from, to, out)?,
                _ => break,
            }
        }
        let written = page.iter().try_for_each(|delivery| out.row(&Row::new(delivery)));
        if let Err(error) = written.and_then(|()| out.flush()) {
            // It is not read any more, so it counts as no attempt.
            for delivery in &page {
                let _ = self.inbox.give_back(delivery).await;
            }
            return Err(error.into());
        }
        settle(self.inbox, &page).await?;
        Ok(page.len() as u64)
    }
}

/// Marks messages as done. Those that another reader took over are told, and printed there again.
pub(super) async fn settle(inbox: &Inbox, page: &[Delivery]) -> Result<(), Failure> {
    let mut failures = 0;
    loop {
        match inbox.settle_all(page).await {
            Ok(()) => return Ok(()),
            Err(stale @ BusError::Stale { .. }) => {
                complain(format_args!("{stale}: another reader took it over"));
                return Ok(());
            }
            Err(error) => {
                failures += 1;
                retried(failures, &error).await?;
            }
        }
    }
}

/// Waits where an error passes by itself, or cuts the stream.
pub(super) async fn retried(failures: u32, error: &BusError) -> Result<(), Failure> {
    if failures > TRIES || !error.is_transient() {
        return Err(unavailable(format_args!("the stream is cut: {error}")));
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}

fn gap(from: Position, to: Position, out: &mut Printer) -> Result<(), Failure> {
    out.complain(format_args!("the messages from {from} to before {to} are gone"))?;
    out.row(&GapRow { gap: Gap { from: from.to_string(), to: to.to_string() } })?;
    Ok(out.flush()?)
}
