//! What happens in a world. The checks judge events, the statistics count them, and the transcript
//! is their `Display`.

use super::plan::Seconds;
use crate::event::EventRef;
use crate::message::peek;
use crate::scalar::Instant;
use std::collections::BTreeMap;
use std::fmt;

/// One thing that happens in a world. `Display` is one line of the transcript.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// When.
    pub at: Instant,
    /// On which node, or from which.
    pub node: &'a str,
    /// What.
    pub what: What<'a>,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum What<'a> {
    /// The node sends.
    Sent {
        /// To whom.
        to: &'a str,
        /// Which message it is of those from this node to that, from 1.
        number: u32,
        /// The message.
        bytes: &'a [u8],
        /// What the network does with it.
        fate: Fate,
    },
    /// The node receives.
    Received {
        /// From whom.
        from: &'a str,
        /// Which message it is.
        number: u32,
        /// The message.
        bytes: &'a [u8],
    },
    /// A message finds the node down or cut off.
    Missed {
        /// From whom.
        from: &'a str,
        /// Which message it is.
        number: u32,
        /// The message.
        bytes: &'a [u8],
    },
    /// The node's program says that something happened.
    Marked {
        /// What.
        word: &'static str,
        /// More about it.
        text: &'a str,
    },
    /// Somebody wants something of the node.
    Acted(u64),
    /// The node crashes.
    Crashed {
        /// Whether its disk is lost, too.
        wiped: bool,
    },
    /// The node's program stops, in order.
    Stopped,
    /// The node starts for the nth time, from 0.
    Started(u32),
    /// The node and these others are cut off from the rest.
    Cut(&'a [String]),
    /// They are joined to the rest again.
    Joined,
    /// The wall clock of the node jumps, in milliseconds.
    Shifted(i64),
}

/// What the network does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It arrives once, after the usual time.
    Arrives,
    /// It is lost.
    Lost,
    /// It arrives once more, so many milliseconds later.
    Repeated(u64),
    /// It takes so many milliseconds more.
    Late(u64),
    /// It is lost at a cut, or there is no such node.
    Cut,
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { at, node, what } = self;
        write!(f, "{} ", Seconds(at.as_nanos() / 1_000_000))?;
        match what {
            What::Sent { to, number, bytes, fate } => {
                write!(f, "{node} -> {to} #{number} {}", Gist(bytes))?;
                match fate {
                    Fate::Arrives => Ok(()),
                    Fate::Lost => f.write_str(", lost"),
                    Fate::Repeated(_) => f.write_str(", twice"),
                    Fate::Late(by) => write!(f, ", {} late", Seconds(*by)),
                    Fate::Cut => f.write_str(", cut off"),
                }
            }
            What::Received { from, number, bytes } => {
                write!(f, "{node} <- {from} #{number} {}", Gist(bytes))
            }
            What::Missed { from, number, bytes } => {
                write!(f, "{node} <- {from} #{number} {}, missed", Gist(bytes))
            }
            What::Marked { word, text } => write!(f, "{node}: {word} {text}"),
            What::Acted(number) => write!(f, "{node}: act {number}"),
            What::Crashed { wiped: false } => write!(f, "{node}: crashes"),
            What::Crashed { wiped: true } => write!(f, "{node}: crashes and loses its disk"),
            What::Stopped => write!(f, "{node}: stops"),
            What::Started(0) => write!(f, "{node}: starts"),
            What::Started(again) => write!(f, "{node}: starts again ({again})"),
            What::Cut(group) => write!(f, "{} cut off", group.join(" ")),
            What::Joined => write!(f, "{node} joined again"),
            What::Shifted(by) => write!(f, "{node}: wall clock jumps by {by} ms"),
        }
    }
}

/// What a message says, in a few words.
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

/// What happened in one run or in many, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Runs.
    pub runs: u64,
    /// Acts.
    pub acts: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that arrived, repetitions included.
    pub received: u64,
    /// Messages that the network lost.
    pub lost: u64,
    /// Messages that it repeated.
    pub repeated: u64,
    /// Messages that it held up.
    pub late: u64,
    /// Messages lost at a cut, or at a node that was down.
    pub missed: u64,
    /// Crashes.
    pub crashes: u64,
    /// Crashes that lost the disk.
    pub wiped: u64,
    /// Cuts.
    pub cuts: u64,
    /// Jumps of a wall clock.
    pub shifts: u64,
    /// Marks, by their word.
    pub marks: BTreeMap<&'static str, u64>,
}

impl Stats {
    pub(super) fn count(&mut self, what: &What<'_>) {
        match what {
            What::Sent { fate, .. } => {
                self.sent += 1;
                match fate {
                    Fate::Arrives => {}
                    Fate::Lost => self.lost += 1,
                    Fate::Repeated(_) => self.repeated += 1,
                    Fate::Late(_) => self.late += 1,
                    Fate::Cut => self.missed += 1,
                }
            }
            What::Received { .. } => self.received += 1,
            What::Missed { .. } => self.missed += 1,
            What::Marked { word, .. } => *self.marks.entry(word).or_default() += 1,
            What::Acted(_) => self.acts += 1,
            What::Crashed { wiped } => {
                self.crashes += 1;
                self.wiped += u64::from(*wiped);
            }
            What::Cut(_) => self.cuts += 1,
            What::Shifted(_) => self.shifts += 1,
            What::Stopped | What::Started(_) | What::Joined => {}
        }
    }

    /// Adds what another run counted.
    pub fn add(&mut self, other: &Stats) {
        let Stats { runs, acts, sent, received, lost, repeated, late, .. } = other;
        let Stats { missed, crashes, wiped, cuts, shifts, marks, .. } = other;
        self.runs += runs;
        self.acts += acts;
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

impl fmt::Display for Stats {
    /// Two lines: what the world did, and what the nodes said of themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { runs, acts, sent, received, lost, repeated, late, .. } = self;
        let Stats { missed, crashes, wiped, cuts, shifts, marks, .. } = self;
        write!(
            f,
            "runs {runs}, acts {acts}, sent {sent}, received {received}, lost {lost}, \
             repeated {repeated}, late {late}, missed {missed}, crashes {crashes} \
             ({wiped} with the disk), cuts {cuts}, clock jumps {shifts}"
        )?;
        for (index, (word, count)) in marks.iter().enumerate() {
            write!(f, "{}{word} {count}", if index == 0 { "\n" } else { ", " })?;
        }
        Ok(())
    }
}
