//! The events of a run. Checks judge them, statistics count them, and their `Display` is the
//! transcript.

use super::plan::Seconds;
use crate::event::EventRef;
use crate::message::peek;
use crate::scalar::Instant;
use std::collections::BTreeMap;
use std::fmt;

/// One event of a run. `Display` is one line of the transcript.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SimEvent<'a> {
    /// When it happens.
    pub at: Instant,
    /// The node that it happens to, or that sends.
    pub node: &'a str,
    /// What happens.
    pub kind: SimEventKind<'a>,
}

/// What happens to a node.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SimEventKind<'a> {
    /// The node sends.
    Sent {
        /// The receiver.
        to: &'a str,
        /// Its position among the messages from this node to that one, from 1.
        number: u32,
        /// The message.
        bytes: &'a [u8],
        /// What the network does with it.
        fate: MessageFate,
    },
    /// The node receives.
    Received {
        /// The sender.
        from: &'a str,
        /// Its position among the messages of this sender to this receiver.
        number: u32,
        /// The message.
        bytes: &'a [u8],
    },
    /// A message finds the node down or cut off.
    Missed {
        /// The sender.
        from: &'a str,
        /// Its position among the messages of this sender to this receiver.
        number: u32,
        /// The message.
        bytes: &'a [u8],
    },
    /// The node's program reports what it did.
    Marked {
        /// The kind of mark, which the statistics count.
        word: &'static str,
        /// The details.
        text: &'a str,
    },
    /// The node receives a stimulus with this number.
    Stimulated(u64),
    /// The node crashes.
    Crashed {
        /// Whether it loses its disk, too.
        wiped: bool,
    },
    /// The node's program stops, in order.
    Stopped,
    /// The node starts for the nth time, from 0.
    Started(u32),
    /// A network partition begins: these nodes are cut off from the rest.
    #[doc(alias = "partition")]
    Cut(&'a [String]),
    /// The partition ends.
    Joined,
    /// The wall clock of the node jumps by this many milliseconds.
    #[doc(alias = "clock skew")]
    Shifted(i64),
}

/// What the network does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageFate {
    /// It arrives once, after the usual time.
    Arrives,
    /// It is lost.
    Lost,
    /// It arrives twice, the second time this many milliseconds after the first.
    #[doc(alias = "duplicate")]
    Repeated(u64),
    /// It takes this many milliseconds longer than usual.
    #[doc(alias = "delay")]
    Late(u64),
    /// It is lost in a partition, or there is no such node.
    Cut,
}

impl fmt::Display for SimEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SimEvent { at, node, kind } = self;
        write!(f, "{} ", Seconds(at.as_nanos() / 1_000_000))?;
        match kind {
            SimEventKind::Sent { to, number, bytes, fate } => {
                write!(f, "{node} -> {to} #{number} {}", Gist(bytes))?;
                match fate {
                    MessageFate::Arrives => Ok(()),
                    MessageFate::Lost => f.write_str(", lost"),
                    MessageFate::Repeated(_) => f.write_str(", twice"),
                    MessageFate::Late(by) => write!(f, ", {} late", Seconds(*by)),
                    MessageFate::Cut => f.write_str(", cut off"),
                }
            }
            SimEventKind::Received { from, number, bytes } => {
                write!(f, "{node} <- {from} #{number} {}", Gist(bytes))
            }
            SimEventKind::Missed { from, number, bytes } => {
                write!(f, "{node} <- {from} #{number} {}, missed", Gist(bytes))
            }
            SimEventKind::Marked { word, text } => write!(f, "{node}: {word} {text}"),
            SimEventKind::Stimulated(number) => write!(f, "{node}: stimulus {number}"),
            SimEventKind::Crashed { wiped: false } => write!(f, "{node}: crashes"),
            SimEventKind::Crashed { wiped: true } => {
                write!(f, "{node}: crashes and loses its disk")
            }
            SimEventKind::Stopped => write!(f, "{node}: stops"),
            SimEventKind::Started(0) => write!(f, "{node}: starts"),
            SimEventKind::Started(again) => write!(f, "{node}: starts again ({again})"),
            SimEventKind::Cut(group) => write!(f, "{} cut off", group.join(" ")),
            SimEventKind::Joined => write!(f, "{node} joined again"),
            SimEventKind::Shifted(by) => write!(f, "{node}: wall clock jumps by {by} ms"),
        }
    }
}

/// The kind of a message and the request that it belongs to; the start of what is no message.
struct Gist<'a>(&'a [u8]);

impl fmt::Display for Gist<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(text) = std::str::from_utf8(self.0) else {
            return write!(f, "{} bytes", self.0.len());
        };
        let seen = peek(text);
        if let Some(header) = seen.header {
            f.write_str(seen.kind.as_str())?;
            return match header.response_to.or(header.request_id) {
                Some(id) => write!(f, " {id}"),
                None => Ok(()),
            };
        }
        if let Ok(event) = EventRef::parse(text) {
            return write!(f, "{} {}", event.type_name(), event.workflow());
        }
        let short: String = text.chars().take(40).flat_map(char::escape_default).collect();
        let more = if text.chars().nth(40).is_some() { "..." } else { "" };
        write!(f, "`{short}`{more}")
    }
}

/// Counts of what happened in one run or in several.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SimStats {
    /// Runs.
    pub runs: u64,
    /// Stimuli.
    pub stimuli: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that arrived, repetitions included.
    pub received: u64,
    /// Messages that the network lost.
    pub lost: u64,
    /// Messages that arrived twice.
    pub repeated: u64,
    /// Messages that took longer than usual.
    pub late: u64,
    /// Messages lost in a partition, or at a node that was down.
    pub missed: u64,
    /// Crashes.
    pub crashes: u64,
    /// Crashes that lost the disk.
    pub wiped: u64,
    /// Partitions.
    pub cuts: u64,
    /// Jumps of a wall clock.
    pub shifts: u64,
    /// Marks of the nodes, by their word.
    pub marks: BTreeMap<&'static str, u64>,
}

impl SimStats {
    pub(super) fn count(&mut self, kind: &SimEventKind<'_>) {
        match kind {
            SimEventKind::Sent { fate, .. } => {
                self.sent += 1;
                match fate {
                    MessageFate::Arrives => {}
                    MessageFate::Lost => self.lost += 1,
                    MessageFate::Repeated(_) => self.repeated += 1,
                    MessageFate::Late(_) => self.late += 1,
                    MessageFate::Cut => self.missed += 1,
                }
            }
            SimEventKind::Received { .. } => self.received += 1,
            SimEventKind::Missed { .. } => self.missed += 1,
            SimEventKind::Marked { word, .. } => *self.marks.entry(word).or_default() += 1,
            SimEventKind::Stimulated(_) => self.stimuli += 1,
            SimEventKind::Crashed { wiped } => {
                self.crashes += 1;
                self.wiped += u64::from(*wiped);
            }
            SimEventKind::Cut(_) => self.cuts += 1,
            SimEventKind::Shifted(_) => self.shifts += 1,
            SimEventKind::Stopped | SimEventKind::Started(_) | SimEventKind::Joined => {}
        }
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &SimStats) {
        let SimStats { runs, stimuli, sent, received, lost, repeated, late, .. } = other;
        let SimStats { missed, crashes, wiped, cuts, shifts, marks, .. } = other;
        self.runs += runs;
        self.stimuli += stimuli;
        self.sent += sent;
        self.received += received;
        self.lost += lost;
        self.repeated += repeated;
        self.late += late;
        self.missed += missed;
        self.crashes += crashes;
        self.wiped += wiped;
        self.cuts += cuts;
        self.shifts += shifts;
        for (word, count) in marks {
            *self.marks.entry(word).or_default() += count;
        }
    }
}

impl fmt::Display for SimStats {
    /// Two lines: the counts of the world, then the marks of the nodes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SimStats { runs, stimuli, sent, received, lost, repeated, late, .. } = self;
        let SimStats { missed, crashes, wiped, cuts, shifts, marks, .. } = self;
        write!(
            f,
            "runs {runs}, stimuli {stimuli}, sent {sent}, received {received}, lost {lost}, \
             repeated {repeated}, late {late}, missed {missed}, crashes {crashes} \
             ({wiped} with the disk), cuts {cuts}, clock jumps {shifts}"
        )?;
        for (index, (word, count)) in marks.iter().enumerate() {
            write!(f, "{}{word} {count}", if index == 0 { "\n" } else { ", " })?;
        }
        Ok(())
    }
}
