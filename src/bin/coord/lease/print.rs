//! How grants, those that wait, and explanations are printed.

use crate::output::{Lines, Print};
use coordination_protocol::coordination::resources::{
    Access, Grant, Need, Ruling, Settled, Waiting,
};
use coordination_protocol::message::AllocationResponse;
use coordination_protocol::scalar::{Now, RequestId, ResponseId, Span, Timestamp, WallTime};
use serde::Serialize;
use std::io;
use std::time::Duration;

/// An answer: the document for programs, sentences for people.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    allocation_response: AllocationResponse,
    #[serde(skip)]
    ruling: &'a Ruling,
    #[serde(skip)]
    request: &'a RequestId,
    #[serde(skip)]
    now: Now,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        ruling: &'a Ruling,
        request: &'a RequestId,
        id: ResponseId,
        now: Now,
    ) -> Self {
        Answer { allocation_response: ruling.answer(request, id, now), ruling, request, now }
    }
}

/// What is needed or held, in words.
pub(super) fn need(need: &Need) -> String {
    let mut words: Vec<String> =
        need.amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    for lease in &need.paths {
        let how = if lease.access == Access::Shared { " (shared)" } else { "" };
        words.push(format!("{}{how}", lease.path));
    }
    words.join(" ")
}

impl Print for Answer<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let at = |at| {
            let later =
                i64::try_from(coordination_protocol::Instant::since(at, self.now.at).as_millis());
            let wall = self.now.wall.unix_millis().saturating_add(later.unwrap_or(i64::MAX));
            Timestamp::from(WallTime::from_unix_millis(wall))
        };
        match self.ruling {
            Ruling::Granted(grant) => granted(grant, out),
            Ruling::Queued { waiting, position, blocked } => {
                out.line(format_args!("{} waits; {position} before it", self.request))?;
                match waiting.promise {
                    Some(promise) => out.line(format_args!(
                        "it starts at {}, at the latest at {}",
                        at(promise.start),
                        at(promise.latest)
                    ))?,
                    None => out.line("it is not promised when it starts")?,
                }
                sentences(&blocked.to_string(), out)
            }
            Ruling::Denied(blocked) => {
                out.line(format_args!("{} is denied", self.request))?;
                sentences(&blocked.to_string(), out)
            }
            Ruling::Settled(over) => {
                out.line(format_args!("{} is over: {}", self.request, settled(over)))
            }
            _ => out.line(format_args!("{} was decided", self.request)),
        }
    }
}

pub(super) fn sentences(text: &str, out: &mut Lines<'_>) -> io::Result<()> {
    text.lines().try_for_each(|line| out.line(format_args!("  {line}")))
}

/// What became of a request, in words.
pub(super) fn settled(settled: &Settled) -> String {
    match settled {
        Settled::Ended { allocation_id, reason, at } => {
            format!("{allocation_id} ended at {}: {}", Timestamp::from(*at), reason.as_str())
        }
        Settled::Denied { blocked } => format!("denied\n{blocked}"),
        Settled::WaitEnded { reason, at } => {
            format!("it waited until {}: {}", Timestamp::from(*at), reason.as_str())
        }
        _ => "it was decided by a newer program".to_owned(),
    }
}

pub(super) fn granted(grant: &Grant, out: &mut Lines<'_>) -> io::Result<()> {
    let partly = if grant.partial { " in part" } else { "" };
    out.line(format_args!("{} granted{partly}: {}", grant.allocation_id, need(&grant.need)))?;
    out.line(format_args!("fence {}, until {}", grant.fence, Timestamp::from(grant.end_wall)))?;
    if grant.claim_by.is_some() {
        out.line(format_args!("it has to be claimed: coord claim {}", grant.allocation_id))?;
    }
    if grant.unproved {
        out.line("it is over, and it is not proved that nothing works with it any more")?;
    }
    Ok(())
}

/// One that waits, in a line.
pub(super) fn waiting(waiting: &Waiting, position: usize, out: &mut Lines<'_>) -> io::Result<()> {
    let wait = waiting.promise.map_or_else(|| "not promised".to_owned(), |_| "promised".to_owned());
    out.line(format_args!(
        "{:>4}  {}  {}  {}  {wait}",
        position + 1,
        waiting.submission.request_id,
        waiting.submission.workflow_id,
        need(&waiting.submission.need)
    ))
}

pub(super) fn span(duration: Duration) -> Span {
    Span::from(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}
