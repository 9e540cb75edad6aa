//! What is done to a world, as data: text that parses back and replays exactly.

use crate::machine::Draws;
use std::fmt;
use std::iter::Peekable;
use std::str::{FromStr, SplitWhitespace};

/// All that decides on a run: a seed, what is wanted of the nodes, and every fault.
///
/// Equal plans give equal runs. What becomes of a message follows from the seed, its two ends and
/// its number among those between them, so leaving one fault out does not shuffle the others.
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
/// act hub-1 at 3.250s number 17
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
/// # Ok::<(), coordination_protocol::sim::PlanError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The name of the scenario.
    pub scenario: String,
    /// What else is drawn follows from this.
    pub seed: u64,
    /// What happens to any message until [`calm`](Self::calm).
    pub network: Network,
    /// The world's faults end here, in milliseconds: the rates of the network end, and what was
    /// drawn is over.
    pub calm: u64,
    /// The run ends here at the latest, in milliseconds.
    pub end: u64,
    /// What is wanted of the nodes.
    pub acts: Vec<Act>,
    /// What goes wrong beside the rates.
    pub faults: Vec<Fault>,
}

/// What happens to any message. Rates are per thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// The shortest and the longest usual time on the way, in milliseconds. The spread reorders.
    pub latency: (u64, u64),
    /// How many are lost.
    pub lost: u32,
    /// How many arrive twice.
    pub repeated: u32,
    /// How many take longer than usual.
    pub late: u32,
    /// How much longer at most, in milliseconds. A repetition comes so much later at most, too.
    pub late_by: u64,
}

/// Something that is wanted of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Act {
    /// The node.
    pub node: String,
    /// When, in milliseconds.
    pub at: u64,
    /// What, in the scenario's own counting.
    pub number: u64,
}

impl Act {
    /// Something that is wanted of a node at a time in milliseconds.
    pub fn new(node: impl Into<String>, at: u64, number: u64) -> Self {
        Act { node: node.into(), at, number }
    }
}

/// One fault. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A node crashes and starts again.
    Crash {
        /// The node.
        node: String,
        /// When.
        at: u64,
        /// How long it is down.
        down: u64,
        /// Whether it loses its disk.
        wiped: bool,
    },
    /// Some nodes are cut off from the rest; those of the group still reach each other.
    Cut {
        /// The nodes.
        group: Vec<String>,
        /// When.
        at: u64,
        /// For how long.
        lasts: u64,
    },
    /// The wall clock of a node jumps, and stays off.
    Shift {
        /// The node.
        node: String,
        /// When.
        at: u64,
        /// By how much.
        by: i64,
    },
    /// What becomes of one message, whatever the rates say.
    Message {
        /// Who sends it.
        from: String,
        /// To whom.
        to: String,
        /// Which of the messages between them it is, from 1.
        number: u32,
        /// What becomes of it.
        mishap: Mishap,
    },
}

/// What may become of a message. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mishap {
    /// It is lost.
    Lost,
    /// It arrives once more, so much later.
    Repeated(u64),
    /// It takes so much more time.
    Late(u64),
}

impl Plan {
    /// A run without faults and without acts: a latency of 1 ms, and an end after 20 min.
    pub fn new(scenario: impl Into<String>, seed: u64) -> Self {
        Plan {
            scenario: scenario.into(),
            seed,
            network: Network::perfect(),
            calm: 0,
            end: 1_200_000,
            acts: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Adds something that is wanted of a node.
    pub fn with_act(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }

    /// Adds a fault.
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Numbers that belong to one purpose only.
    pub(super) fn stream(&self, purpose: &str, more: &[u64]) -> Draws {
        stream(self.seed, purpose, more)
    }
}

/// Numbers that follow from a seed and a purpose, whatever else is drawn.
pub(super) fn stream(seed: u64, purpose: &str, more: &[u64]) -> Draws {
    let words = purpose.bytes().map(u64::from).chain(more.iter().copied());
    Draws::new(words.fold(seed, |mixed, word| Draws::new(mixed ^ word).bits()))
}

impl Network {
    /// Nothing is lost, and everything takes 1 ms.
    pub const fn perfect() -> Self {
        Network { latency: (1, 1), lost: 0, repeated: 0, late: 0, late_by: 0 }
    }

    /// Without mishaps, but as slow as it is.
    pub(super) const fn calm(self) -> Self {
        Network { lost: 0, repeated: 0, late: 0, ..self }
    }

    /// How long a message is on its way, if nothing happens to it.
    pub(super) const fn time(&self, draws: &mut Draws) -> u64 {
        let (least, most) = self.latency;
        least.saturating_add(draws.below(most.saturating_sub(least).saturating_add(1)))
    }

    /// What becomes of a message.
    pub(super) fn mishap(&self, draws: &mut Draws) -> Option<Mishap> {
        let roll = draws.below(1_000) as u32;
        let by = draws.below(self.late_by).saturating_add(1);
        let repeated = self.lost.saturating_add(self.repeated);
        if roll < self.lost {
            Some(Mishap::Lost)
        } else if roll < repeated {
            Some(Mishap::Repeated(by))
        } else if roll < repeated.saturating_add(self.late) {
            Some(Mishap::Late(by))
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
        let Network { latency: (least, most), lost, repeated, late, late_by } = self.network;
        writeln!(f, "scenario {}\nseed {}", self.scenario, self.seed)?;
        writeln!(f, "latency {} to {}", Seconds(least), Seconds(most))?;
        writeln!(f, "rates lost {lost} repeated {repeated} late {late}")?;
        writeln!(f, "late {}", Seconds(late_by))?;
        writeln!(f, "calm {}\nend {}", Seconds(self.calm), Seconds(self.end))?;
        for Act { node, at, number } in &self.acts {
            writeln!(f, "act {node} at {} number {number}", Seconds(*at))?;
        }
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Crash { node, at, down, wiped } => {
                let wiped = if *wiped { " wiped" } else { "" };
                write!(f, "crash {node} at {} for {}{wiped}", Seconds(*at), Seconds(*down))
            }
            Fault::Cut { group, at, lasts } => {
                write!(f, "cut {} at {} for {}", group.join(" "), Seconds(*at), Seconds(*lasts))
            }
            Fault::Shift { node, at, by } => {
                let sign = if *by < 0 { "-" } else { "" };
                write!(
                    f,
                    "shift {node} at {} by {sign}{}",
                    Seconds(*at),
                    Seconds(by.unsigned_abs())
                )
            }
            Fault::Message { from, to, number, mishap } => match mishap {
                Mishap::Lost => write!(f, "lose {from} {to} {number}"),
                Mishap::Repeated(by) => {
                    write!(f, "repeat {from} {to} {number} after {}", Seconds(*by))
                }
                Mishap::Late(by) => write!(f, "delay {from} {to} {number} by {}", Seconds(*by)),
            },
        }
    }
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct PlanError {
    line: usize,
    reason: String,
}

impl PlanError {
    /// The line, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }
}

/// The words of one line. Complaints show the beginning of a word, however long it is.
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
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
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
            read.map_err(|reason| PlanError { line: index + 1, reason })?;
        }
        if plan.scenario.is_empty() {
            let line = text.lines().count().max(1);
            return Err(PlanError { line, reason: "the plan names no scenario".to_owned() });
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
        "act" => {
            let node = words.next("node")?.to_owned();
            words.word("at")?;
            let at = words.seconds()?;
            words.word("number")?;
            plan.acts.push(Act { node, at, number: words.number("number")? });
        }
        other => {
            let fault = fault(other, words)?;
            plan.faults.push(fault);
        }
    }
    Ok(())
}

fn fault(word: &str, words: &mut Words<'_>) -> Result<Fault, String> {
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
            Ok(Fault::Crash { node, at, down, wiped })
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
            Ok(Fault::Cut { group, at, lasts: words.seconds()? })
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
            Ok(Fault::Shift { node, at, by: if by.starts_with('-') { -size } else { size } })
        }
        "lose" | "repeat" | "delay" => {
            let (from, to) = (node?.to_owned(), words.next("node")?.to_owned());
            let number = words.number("number")?;
            let mishap = match word {
                "lose" => Mishap::Lost,
                "repeat" => {
                    words.word("after")?;
                    Mishap::Repeated(words.seconds()?)
                }
                _ => {
                    words.word("by")?;
                    Mishap::Late(words.seconds()?)
                }
            };
            Ok(Fault::Message { from, to, number, mishap })
        }
        other => Err(format!("`{other:.40}` begins no line of a plan")),
    }
}
