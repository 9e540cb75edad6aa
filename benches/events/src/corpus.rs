//! Generated event lines, the same in every run.

use crate::baseline::ROWS;
use std::fmt::Write as _;

/// The generator `SplitMix64`: enough for a corpus and a handful of lines.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or_default()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn time(&mut self) -> String {
        let (day, hour) = (1 + self.below(28), self.below(24));
        let (minute, second, milli) = (self.below(60), self.below(60), self.below(1000));
        format!(
            "\"2025-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\"",
            1 + day % 12
        )
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<&str> = (0..count).map(|_| self.pick(WORDS)).collect();
        format!("\"{}\"", words.join(" "))
    }

    fn tenths(&mut self, whole: usize) -> String {
        format!("{}.{}", self.below(whole), 1 + self.below(9))
    }
}

const WORDS: &[&str] = &[
    "agent",
    "waits",
    "for",
    "the",
    "cache",
    "after",
    "a",
    "missed",
    "heartbeat",
    "dependency",
    "unavailable",
    "checkpoint",
    "passed",
    "limit",
    "reached",
    "operator",
    "request",
    "rebuild",
];
const NAMES: &[&str] = &["memory_usage", "batch_resize", "implementer", "tool_upgrade", "timeout"];
const COMPONENTS: &[&str] = &["coordination-hub", "resource-manager", "workflow-status"];
const SKILLS: &[&str] =
    &["resource_allocation", "conflict_detection", "checkpoint_rollback", "bash"];
const PHASES: &[&str] = &["setup", "planning", "implementation", "testing", "deployment"];

/// One event, its members still apart so that errors can be planted.
#[derive(Clone)]
pub struct Sample {
    pub name: String,
    pub workflow: String,
    pub phase: &'static str,
    /// Keys with the JSON text of their values; the required ones come first.
    pub members: Vec<(&'static str, String)>,
    /// How many members are required.
    pub required: usize,
}

impl Sample {
    pub fn line(&self) -> String {
        let mut line = format!("{}:{}:{}:{{", self.name, self.workflow, self.phase);
        for (index, (key, value)) in self.members.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            // Writing to a text cannot fail.
            let _ = write!(line, "{comma}\"{key}\":{value}");
        }
        line.push('}');
        line
    }

    /// The event with its required members only.
    pub fn bare(&self) -> Self {
        let mut bare = self.clone();
        bare.members.truncate(self.required);
        bare
    }
}

/// `count` events over all types of the registry, with the extra members that are met in the
/// field.
pub fn samples(count: usize) -> Vec<Sample> {
    let random = &mut Random::new(1);
    (0..count)
        .map(|index| {
            let (name, fields) =
                ROWS[if index < ROWS.len() { index } else { random.below(ROWS.len()) }];
            let global = name.starts_with("SYSTEM");
            let (workflow, phase) = if global {
                ("global".to_owned(), "global")
            } else {
                (format!("wf_{:03}", random.below(500)), random.pick(PHASES))
            };
            let mut members: Vec<_> =
                fields.iter().map(|(key, kind)| (*key, value(random, kind, &workflow))).collect();
            members.push(("timestamp", random.time()));
            members.push(("correlation_id", format!("\"req_{:016x}\"", random.next())));
            if random.below(3) == 0 {
                let count = 4 + random.below(10);
                members.push(("note", random.words(count)));
            }
            Sample { name: name.to_owned(), workflow, phase, members, required: fields.len() }
        })
        .collect()
}

/// A value of one kind, as JSON text.
fn value(random: &mut Random, kind: &str, workflow: &str) -> String {
    match kind {
        "object" => format!(
            "{{\"agents\":{},\"memory_gb\":{},\"status\":\"{}\",\"tasks_completed\":{},\
             \"files\":[\"src/mod_{}.rs\",\"home.nix\"]}}",
            1 + random.below(8),
            random.tenths(16),
            random.pick(&["active", "passed", "partial"]),
            random.below(50),
            random.below(99),
        ),
        "texts" => {
            let count = 2 + random.below(3);
            let texts: Vec<String> =
                (0..count).map(|_| format!("\"{}\"", random.pick(SKILLS))).collect();
            format!("[{}]", texts.join(","))
        }
        "number" | "percent" => random.tenths(100),
        "count" | "phase" => (1 + random.below(9)).to_string(),
        "span" => format!("\"{}m\"", 1 + random.below(90)),
        "time" => random.time(),
        "version" => format!("\"1.{}.{}\"", random.below(9), random.below(20)),
        "severity" => format!("\"{}\"", random.pick(&["critical", "high", "medium", "low"])),
        "workflow" => format!("\"{workflow}\""),
        "task" => format!("\"task_{}\"", random.below(1000)),
        "agent" => format!("\"agent_{:03}\"", random.below(200)),
        "allocation" => format!("\"alloc_{}\"", random.below(9999)),
        "conflict" => format!("\"conf_{:08x}\"", random.below(1 << 32)),
        "component" => format!("\"{}\"", random.pick(COMPONENTS)),
        "sentence" => {
            let count = 3 + random.below(7);
            random.words(count)
        }
        _ => format!("\"{}\"", random.pick(NAMES)),
    }
}

/// How many kinds of errors [`plant`] knows.
pub const ERRORS: usize = 8;

/// The line of an event with one error.
pub fn plant(sample: &Sample, error: usize) -> String {
    let mut sample = sample.clone();
    let last = sample.required - 1;
    match error {
        // A required key is missing.
        0 => drop(sample.members.remove(last)),
        1 => drop(sample.members.remove(0)),
        // A value has the wrong kind.
        2 => wrong(&mut sample, last),
        3 => sample.workflow.clear(),
        4 => sample.name.push('X'),
        // A key stands twice.
        5 => sample.members.push(sample.members[last].clone()),
        // The JSON is broken.
        6 => return sample.line().replacen("\":", "\"", 1),
        _ => {
            let mut line = sample.line();
            line.pop();
            return line;
        }
    }
    sample.line()
}

/// Gives the member a value that does not fit, or leaves it out if every value fits.
fn wrong(sample: &mut Sample, index: usize) {
    let (key, value) = &mut sample.members[index];
    if any_json(key) {
        sample.members.remove(index);
    } else {
        "false".clone_into(value);
    }
}

/// Whether the registry leaves the type of this key open.
fn any_json(key: &str) -> bool {
    use coordination_protocol::event::{FieldType, REGISTRY};
    REGISTRY
        .iter()
        .flat_map(|spec| spec.required())
        .any(|field| field.name == key && field.field_type() == Some(FieldType::Json))
}

/// The line of an event with up to three errors, each with a finding of its own.
pub fn plant_three(sample: &Sample, random: &mut Random) -> String {
    let mut sample = sample.clone();
    let errors = 1 + random.below(3);
    wrong(&mut sample, 0);
    if errors > 1 {
        sample.members.pop();
    }
    if errors > 2 {
        sample.phase = "";
    }
    sample.line()
}
