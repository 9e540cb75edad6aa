//! All inputs of a run as data: text that parses back and replays exactly.

use crate::error::{Error, ErrorKind};
use crate::machine::SplitMix64;
use std::fmt;
use std::iter::Peekable;
use std::str::{FromStr, SplitWhitespace};

/// All inputs of a run: a seed, the stimuli of the nodes, and every fault.
///
/// Equal plans give equal runs. The fate of a message follows from the seed, its sender, its receiver and
/// its number between these two, so leaving one fault out leaves the others as they are.
///
/// The text form has one line for each part, in any order; `#` starts a comment. Times are seconds
/// since the start, rates are per thousand messages:
///
/// ```
/// use coordination_protocol::sim::Plan;
///
/// let text = "\
/// scenario request
/// seed 7
/// latency 0.001s to 0.200s
/// rates lost 50 repeated 20 late 5
/// late 30.000s
/// calm 300.000s
/// end 1200.000s
/// stimulus hub-1 at 3.250s number 17
/// crash rm at 12.350s for 5.000s wiped
/// cut hub-1 hub-2 at 20.000s for 10.000s
/// shift hub-1 at 4.000s by -3600.000s
/// lose hub-1 rm 3
/// repeat rm hub-1 2 after 0.350s
/// delay rm hub-1 4 by 8.000s
/// ";
/// let plan: Plan = text.parse()?;
/// assert_eq!(plan.to_string(), text);
/// assert_eq!(plan.faults.len(), 6);
/// # Ok::<(), coordination_protocol::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The name of the scenario.
    pub scenario: String,
    /// The seed of all that the plan does not state.
    pub seed: u64,
    /// What may happen to any message until [`calm`](Self::calm).
    pub network: Network,
    /// When the rates of the network end and drawn faults are over, in milliseconds.
    pub calm: u64,
    /// When the run ends at the latest, in milliseconds.
    pub end: u64,
    /// The stimuli of the nodes.
    pub stimuli: Vec<Stimulus>,
    /// Faults, besides those that follow from the rates.
    pub faults: Vec<SimFault>,
}

/// What may happen to any message. Rates are per thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// The shortest and the longest usual latency, in milliseconds. The spread reorders messages.
    pub latency: (u64, u64),
    /// The rate of lost messages.
    pub lost: u32,
    /// The rate of messages that arrive twice.
    pub repeated: u32,
    /// The rate of messages that take longer than usual.
    pub late: u32,
    /// The longest extra delay, in milliseconds, and the longest delay of a duplicate.
    pub late_by: u64,
}

/// Work for a node that arrives from outside the world.
#[doc(alias = "input")]
#[doc(alias = "workload")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stimulus {
    /// The node.
    pub node: String,
    /// When it arrives, in milliseconds.
    pub at: u64,
    /// What it asks for; its meaning is the scenario's.
    pub number: u64,
}

impl Stimulus {
    /// A stimulus of a node at a time in milliseconds.
    pub fn new(node: impl Into<String>, at: u64, number: u64) -> Self {
        Stimulus { node: node.into(), at, number }
    }
}

/// One fault. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimFault {
    /// A node crashes and starts again.
    Crash {
        /// The node.
        node: String,
        /// When it begins.
        at: u64,
        /// How long it is down.
        down: u64,
        /// Whether it loses its disk.
        wiped: bool,
    },
    /// Some nodes are cut off from the rest; those of the group still reach each other.
    #[doc(alias = "partition")]
    Cut {
        /// The nodes.
        group: Vec<String>,
        /// When it begins.
        at: u64,
        /// How long it lasts.
        lasts: u64,
    },
    /// The wall clock of a node jumps, and is not set back.
    #[doc(alias = "clock skew")]
    Shift {
        /// The node.
        node: String,
        /// When it begins.
        at: u64,
        /// How far it jumps; negative is back.
        by: i64,
    },
    /// The fault of one message, whatever the rates say.
    Message {
        /// The sender.
        from: String,
        /// The receiver.
        to: String,
        /// Its position among the messages from this sender to this receiver, from 1.
        number: u32,
        /// What happens to it.
        fault: MessageFault,
    },
}

/// A fault of one message. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageFault {
    /// It is lost.
    Lost,
    /// It arrives twice, the second time this much after the first.
    #[doc(alias = "duplicate")]
    Repeated(u64),
    /// It takes this much longer than usual.
    #[doc(alias = "delay")]
    Late(u64),
}

impl Plan {
    /// A run without faults and without stimuli: a latency of 1 ms, and an end after 20 min.
    pub fn new(scenario: impl Into<String>, seed: u64) -> Self {
        Plan {
            scenario: scenario.into(),
            seed,
            network: Network::perfect(),
            calm: 0,
            end: 1_200_000,
            stimuli: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Adds a stimulus.
    pub fn with_stimulus(mut self, stimulus: Stimulus) -> Self {
        self.stimuli.push(stimulus);
        self
    }

    /// Adds a fault.
    pub fn with_fault(mut self, fault: SimFault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Numbers that are drawn for one purpose only.
    pub(super) fn stream(&self, purpose: &str, more: &[u64]) -> SplitMix64 {
        stream(self.seed, purpose, more)
    }
}

/// Numbers that follow from a seed and a purpose, whatever else is drawn: leaving one thing out of a plan
/// must not change the others.
pub(super) fn stream(seed: u64, purpose: &str, more: &[u64]) -> SplitMix64 {
    let words = purpose.bytes().map(u64::from).chain(more.iter().copied());
    SplitMix64::new(words.fold(seed, |mixed, word| SplitMix64::new(mixed ^ word).next_u64()))
}

impl Network {
    /// Nothing is lost, and everything takes 1 ms.
    pub const fn perfect() -> Self {
        Network { latency: (1, 1), lost: 0, repeated: 0, late: 0, late_by: 0 }
    }

    /// The same latency without faults.
    pub(super) const fn calm(self) -> Self {
        Network { lost: 0, repeated: 0, late: 0, ..self }
    }

    /// The latency of a message without a fault.
    pub(super) const fn time(&self, draws: &mut SplitMix64) -> u64 {
        let (min, max) = self.latency;
        min.saturating_add(draws.below(max.saturating_sub(min).saturating_add(1)))
    }

    /// Draws the fault of a message. All figures are drawn, whatever the rates are: a plan with another rate
    /// draws the same delays.
    pub(super) fn fault(&self, draws: &mut SplitMix64) -> Option<MessageFault> {
        let roll = draws.below(1_000) as u32;
        let by = draws.below(self.late_by).saturating_add(1);
        let repeated = self.lost.saturating_add(self.repeated);
        if roll < self.lost {
            Some(MessageFault::Lost)
        } else if roll < repeated {
            Some(MessageFault::Repeated(by))
        } else if roll < repeated.saturating_add(self.late) {
            Some(MessageFault::Late(by))
        } else {
            None
        }
    }
}

/// Milliseconds, written as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1_000, self.0 % 1_000)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Network { latency: (min, max), lost, repeated, late, late_by } = self.network;
        writeln!(f, "scenario {}\nseed {}", self.scenario, self.seed)?;
        writeln!(f, "latency {} to {}", Seconds(min), Seconds(max))?;
        writeln!(f, "rates lost {lost} repeated {repeated} late {late}")?;
        writeln!(f, "late {}", Seconds(late_by))?;
        writeln!(f, "calm {}\nend {}", Seconds(self.calm), Seconds(self.end))?;
        for Stimulus { node, at, number } in &self.stimuli {
            writeln!(f, "stimulus {node} at {} number {number}", Seconds(*at))?;
        }
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl fmt::Display for SimFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SimFault::Crash { node, at, down, wiped } => {
                let wiped = if *wiped { " wiped" } else { "" };
                write!(f, "crash {node} at {} for {}{wiped}", Seconds(*at), Seconds(*down))
            }
            SimFault::Cut { group, at, lasts } => {
                write!(f, "cut {} at {} for {}", group.join(" "), Seconds(*at), Seconds(*lasts))
            }
            SimFault::Shift { node, at, by } => {
                let sign = if *by < 0 { "-" } else { "" };
                write!(
                    f,
                    "shift {node} at {} by {sign}{}",
                    Seconds(*at),
                    Seconds(by.unsigned_abs())
                )
            }
            SimFault::Message { from, to, number, fault } => match fault {
                MessageFault::Lost => write!(f, "lose {from} {to} {number}"),
                MessageFault::Repeated(by) => {
                    write!(f, "repeat {from} {to} {number} after {}", Seconds(*by))
                }
                MessageFault::Late(by) => {
                    write!(f, "delay {from} {to} {number} by {}", Seconds(*by))
                }
            },
        }
    }
}

/// The error of a text that is no plan. It names the line, from 1.
fn malformed(line: usize, reason: &str) -> Error {
    Error::new(ErrorKind::Read, "plan", format!("line {line}: {reason}"))
}

/// The words of one line. Errors show the beginning of a word only: a plan may come from a stranger.
struct Words<'a>(Peekable<SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    fn next(&mut self, what: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("{what} is missing"))
    }

    /// A fixed word.
    fn word(&mut self, word: &str) -> Result<(), String> {
        match self.next(&format!("`{word}`"))? {
            found if found == word => Ok(()),
            found => Err(format!("`{word}` is expected, not `{found:.40}`")),
        }
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Result<T, String> {
        let text = self.next(what)?;
        text.parse().map_err(|_| format!("`{text:.40}` is no {what}"))
    }

    fn seconds(&mut self) -> Result<u64, String> {
        let text = self.next("time")?;
        seconds(text).ok_or_else(|| format!("`{text:.40}` is no time such as 12.350s"))
    }
}

/// Reads seconds with up to three decimals as milliseconds.
fn seconds(text: &str) -> Option<u64> {
    let text = text.strip_suffix('s')?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let millis: u64 = format!("{part:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(millis)
}

impl FromStr for Plan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut plan = Plan::new("", 0);
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = Words(line.split_whitespace().peekable());
            if words.0.peek().is_none() {
                continue;
            }
            let read = read(&mut plan, &mut words).and_then(|()| match words.0.next() {
                Some(more) => Err(format!("`{more:.40}` is too much")),
                None => Ok(()),
            });
            read.map_err(|reason| malformed(index + 1, &reason))?;
        }
        if plan.scenario.is_empty() {
            let line = text.lines().count().max(1);
            return Err(malformed(line, "the plan names no scenario"));
        }
        Ok(plan)
    }
}

/// Reads one line.
fn read(plan: &mut Plan, words: &mut Words<'_>) -> Result<(), String> {
    let network = &mut plan.network;
    match words.next("word")? {
        "scenario" => words.next("name")?.clone_into(&mut plan.scenario),
        "seed" => plan.seed = words.number("seed")?,
        "latency" => {
            network.latency.0 = words.seconds()?;
            words.word("to")?;
            network.latency.1 = words.seconds()?;
        }
        "rates" => {
            for (name, rate) in [
                ("lost", &mut network.lost),
                ("repeated", &mut network.repeated),
                ("late", &mut network.late),
            ] {
                words.word(name)?;
                *rate = words.number("rate")?;
            }
        }
        "late" => network.late_by = words.seconds()?,
        "calm" => plan.calm = words.seconds()?,
        "end" => plan.end = words.seconds()?,
        "stimulus" => {
            let node = words.next("node")?.to_owned();
            words.word("at")?;
            let at = words.seconds()?;
            words.word("number")?;
            plan.stimuli.push(Stimulus { node, at, number: words.number("number")? });
        }
        other => {
            let fault = fault(other, words)?;
            plan.faults.push(fault);
        }
    }
    Ok(())
}

fn fault(word: &str, words: &mut Words<'_>) -> Result<SimFault, String> {
    let node = words.next("node");
    match word {
        "crash" => {
            let node = node?.to_owned();
            words.word("at")?;
            let at = words.seconds()?;
            words.word("for")?;
            let down = words.seconds()?;
            let wiped = words.0.peek().is_some();
            if wiped {
                words.word("wiped")?;
            }
            Ok(SimFault::Crash { node, at, down, wiped })
        }
        "cut" => {
            let mut group = vec![node?.to_owned()];
            loop {
                match words.next("`at`")? {
                    "at" => break,
                    node => group.push(node.to_owned()),
                }
            }
            let at = words.seconds()?;
            words.word("for")?;
            Ok(SimFault::Cut { group, at, lasts: words.seconds()? })
        }
        "shift" => {
            let node = node?.to_owned();
            words.word("at")?;
            let at = words.seconds()?;
            words.word("by")?;
            let by = words.next("time")?;
            let size = seconds(by.strip_prefix('-').unwrap_or(by))
                .and_then(|size| i64::try_from(size).ok())
                .ok_or_else(|| format!("`{by:.40}` is no time such as -12.350s"))?;
            Ok(SimFault::Shift { node, at, by: if by.starts_with('-') { -size } else { size } })
        }
        "lose" | "repeat" | "delay" => {
            let (from, to) = (node?.to_owned(), words.next("node")?.to_owned());
            let number = words.number("number")?;
            let fault = match word {
                "lose" => MessageFault::Lost,
                "repeat" => {
                    words.word("after")?;
                    MessageFault::Repeated(words.seconds()?)
                }
                _ => {
                    words.word("by")?;
                    MessageFault::Late(words.seconds()?)
                }
            };
            Ok(SimFault::Message { from, to, number, fault })
        }
        other => Err(format!("`{other:.40}` begins no line of a plan")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_rate_draws_the_same_delays() {
        let network = |lost, repeated, late| Network {
            lost,
            repeated,
            late,
            late_by: 5_000,
            ..Network::perfect()
        };
        for number in 0..50 {
            let drawn = |network: Network| {
                let mut draws = stream(9, "a b", &[number]);
                let fault = network.fault(&mut draws);
                (fault, draws.next_u64())
            };
            let (Some(MessageFault::Repeated(repeated)), after) = drawn(network(0, 1_000, 0))
            else {
                panic!("everything is repeated");
            };
            assert_eq!(drawn(network(0, 0, 1_000)), (Some(MessageFault::Late(repeated)), after));
            assert_eq!(drawn(network(1_000, 0, 0)), (Some(MessageFault::Lost), after));
            assert_eq!(drawn(network(0, 0, 0)), (None, after));
        }
    }

    #[test]
    fn seconds_are_read_as_they_are_written() {
        for millis in [0, 1, 999, 1_000, 12_350, u64::MAX / 1_000 * 1_000] {
            assert_eq!(seconds(&Seconds(millis).to_string()), Some(millis));
        }
        for text in ["", "s", "1", "1.s", ".5s", "1.2345s", "-1s", "1,5s", "99999999999999999999s"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(seconds("1.5s"), Some(1_500));
    }
}
