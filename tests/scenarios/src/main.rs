//! Runs the scenarios from the command line: looks for a seed that breaks an invariant, replays a plan.
//!
//! Exit status: 0 if all invariants hold, 1 if one is violated, 2 for usage and I/O errors.

use clap::{Parser, ValueEnum};
use coordination_protocol::scalar::{Span, nearest};
use coordination_protocol::sim::{
    self, Conditions, Counterexample, Plan, Scenario, SimEvent, SimStats,
};
use serde::Serialize;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs the crate's machines in a simulated world, and looks for a seed that breaks an invariant.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  simulate                                   which scenarios are there?
  simulate --scenario request --seeds 10000  look for a seed that breaks an invariant
  simulate --scenario request --seed 7 --transcript
  simulate --scenario upgrade --seeds 1000 --lost 300 --crashes 8
  simulate --plan failed.plan --transcript   replay a plan that was printed

Rates are per thousand messages. Each seed draws its own figures up to the given ones; the defaults
are the scenario's. The first seed that breaks an invariant is shrunk, and its plan printed.

Exit status: 0 if all invariants hold, 1 if one is violated, 2 if the scenario or the plan cannot be read.")]
struct Args {
    /// The scenario; all are listed without one.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,

    /// The first seed.
    #[arg(long, default_value_t = 0, value_name = "N", requires = "scenario")]
    seed: u64,

    /// How many seeds, one after another.
    #[arg(long, default_value_t = 1, value_name = "N", requires = "scenario", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,

    /// Replays the plan of a file, `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "seed", "seeds", "Faults"])]
    plan: Option<String>,

    /// Prints what happens, one line each; for one seed.
    #[arg(long)]
    transcript: bool,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    faults: Faults,
}

/// What replaces the conditions of the scenario.
#[derive(clap::Args)]
#[command(next_help_heading = "Conditions")]
struct Faults {
    /// The longest usual time of a message on its way.
    #[arg(long, value_name = "SPAN", requires = "scenario", value_parser = millis)]
    latency: Option<u64>,

    /// The highest rate of lost messages.
    #[arg(long, alias = "loss", value_name = "RATE", requires = "scenario", value_parser = rate())]
    lost: Option<u32>,

    /// The highest rate of messages that arrive twice.
    #[arg(long, alias = "duplicate", value_name = "RATE", requires = "scenario", value_parser = rate())]
    repeated: Option<u32>,

    /// The highest rate of messages that take longer than usual.
    #[arg(long, value_name = "RATE", requires = "scenario", value_parser = rate())]
    late: Option<u32>,

    /// The longest extra delay of those.
    #[arg(long, value_name = "SPAN", requires = "scenario", value_parser = millis)]
    late_by: Option<u64>,

    /// The maximum number of crashes.
    #[arg(long, value_name = "N", requires = "scenario")]
    crashes: Option<u32>,

    /// How many crashes, per thousand, lose the disk.
    #[arg(long, value_name = "RATE", requires = "scenario", value_parser = rate())]
    wiped: Option<u32>,

    /// The maximum number of network partitions.
    #[arg(long, value_name = "N", requires = "scenario")]
    cuts: Option<u32>,

    /// The maximum number of jumps of wall clocks.
    #[arg(long, value_name = "N", requires = "scenario")]
    shifts: Option<u32>,

    /// The number of stimuli of the nodes.
    #[arg(long, value_name = "N", requires = "scenario")]
    stimuli: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// An object a line: the transcript's `{"line":...}`, then one with `scenario`, `stats` and, if a
    /// invariant was violated, `failed`.
    Json,
}

/// A rate per thousand.
fn rate() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=1_000)
}

fn millis(text: &str) -> Result<u64, String> {
    let span = text.parse::<Span>().map_err(|error| error.to_string())?;
    let millis = span.value().and_then(|span| u64::try_from(span.as_millis()).ok());
    // A month is longer than any run.
    millis.filter(|millis| *millis < 1 << 32).ok_or_else(|| "the time is too long".to_owned())
}

impl Faults {
    fn over(&self, mut conditions: Conditions) -> Conditions {
        if let Some(max) = self.latency {
            conditions = conditions.with_latency((conditions.latency.0.min(max), max));
        }
        for (given, value) in [
            (self.lost, &mut conditions.lost),
            (self.repeated, &mut conditions.repeated),
            (self.late, &mut conditions.late),
            (self.crashes, &mut conditions.crashes),
            (self.wiped, &mut conditions.wiped),
            (self.cuts, &mut conditions.cuts),
            (self.shifts, &mut conditions.shifts),
            (self.stimuli, &mut conditions.stimuli),
        ] {
            *value = given.unwrap_or(*value);
        }
        conditions.with_late_by(self.late_by.unwrap_or(conditions.late_by))
    }
}

/// Whether all invariants hold.
type Holds = Result<bool, Failure>;

/// An error that ends the program with status 2.
struct Failure(String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // The reader of the output has closed it, as `head` does; that is no failure.
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        Failure(error.to_string())
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure(message)) => {
            eprintln!("simulate: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Holds {
    if let Some(path) = &args.plan {
        let plan = read_plan(path)?;
        return replay(args, find(&plan.scenario)?.as_ref(), &plan);
    }
    let Some(name) = &args.scenario else {
        if args.transcript {
            return Err(Failure("--transcript needs a --scenario or a --plan".to_owned()));
        }
        return list(args.format);
    };
    let scenario = find(name)?;
    let conditions = args.faults.over(scenario.conditions());
    if args.transcript {
        if args.seeds != 1 {
            return Err(Failure("--transcript is for one seed".to_owned()));
        }
        return replay(args, scenario.as_ref(), &conditions.plan(scenario.as_ref(), args.seed));
    }
    let (stats, failed) = explore(args, scenario.as_ref(), &conditions);
    let failed = failed.map(|failed| Shown {
        seed: failed.drawn.seed,
        violation: failed.violation.to_string(),
        plan: failed.plan.to_string(),
        text: failed.to_string(),
    });
    show(args.format, scenario.name(), &stats, failed.as_ref())
}

fn find(name: &str) -> Result<Box<dyn Scenario>, Failure> {
    let mut all = scenarios::all();
    if let Some(index) = all.iter().position(|scenario| scenario.name() == name) {
        return Ok(all.swap_remove(index));
    }
    let hint = match nearest(name, all.iter().map(|scenario| scenario.name())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`simulate` lists all".to_owned(),
    };
    Err(Failure(format!("there is no scenario `{name}`; {hint}")))
}

fn list(format: Format) -> Holds {
    #[derive(Serialize)]
    struct Row<'a> {
        scenario: &'a str,
        summary: &'a str,
    }
    let mut out = io::stdout().lock();
    for scenario in scenarios::all() {
        let (name, summary) = (scenario.name(), scenario.summary());
        match format {
            Format::Human => writeln!(out, "{name:<10} {summary}")?,
            Format::Json => writeln!(out, "{}", json(&Row { scenario: name, summary })?)?,
        }
    }
    Ok(true)
}

/// The maximum size of a plan.
const PLAN_BYTES: usize = 16 << 20;

fn read_plan(path: &str) -> Result<Plan, Failure> {
    let name = if path == "-" { "<stdin>" } else { path };
    let failed = |error: io::Error| Failure(format!("cannot read {name}: {error}"));
    let reader: Box<dyn Read> = match path {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut text = String::new();
    reader.take(PLAN_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > PLAN_BYTES {
        return Err(Failure(format!("cannot read {name}: more than {PLAN_BYTES} bytes")));
    }
    text.parse().map_err(|error| Failure(format!("{name}: {error}")))
}

/// Runs one plan as it is.
fn replay(args: &Args, scenario: &dyn Scenario, plan: &Plan) -> Holds {
    let mut out = io::stdout().lock();
    let mut written = Ok(());
    let outcome = sim::run(scenario, plan, &mut |event: &SimEvent<'_>| {
        if args.transcript && written.is_ok() {
            written = match args.format {
                Format::Human => writeln!(out, "{event}"),
                Format::Json => {
                    let line = serde_json::Value::from(event.to_string());
                    writeln!(out, "{{\"line\":{line}}}")
                }
            };
        }
    });
    written?;
    drop(out);
    let failed = outcome.violation.map(|violation| Shown {
        seed: plan.seed,
        violation: violation.to_string(),
        plan: plan.to_string(),
        text: format!("{}\n{} fails: {violation}\n", outcome.stats, plan.scenario),
    });
    show(args.format, scenario.name(), &outcome.stats, failed.as_ref())
}

/// Runs many seeds on all processors. Of the seeds that break an invariant, the lowest is reported.
fn explore(
    args: &Args,
    scenario: &dyn Scenario,
    conditions: &Conditions,
) -> (SimStats, Option<Box<Counterexample>>) {
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let found = Mutex::new((SimStats::default(), None::<Box<Counterexample>>));
    // Seeds beyond the first one that failed need not run.
    let end = AtomicU64::new(args.seeds);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= end.load(Ordering::Relaxed) {
                return;
            }
            let result = sim::try_seed(scenario, conditions, args.seed.wrapping_add(index));
            let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match result {
                Ok(stats) => found.0.add(&stats),
                Err(failed) => {
                    if end.fetch_min(index, Ordering::Relaxed) > index {
                        found.1 = Some(failed);
                    }
                }
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, args.seeds);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..threads.min(usize::try_from(args.seeds).unwrap_or(usize::MAX)) {
            scope.spawn(work);
        }
        work();
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Tells who watches how far it is; a line a percent is enough.
fn progress(done: u64, seeds: u64) {
    if seeds >= 100 && done.is_multiple_of(seeds / 100) && io::stderr().is_terminal() {
        let end = if done == seeds { "\r\x1b[K" } else { "" };
        eprint!("\r{done}/{seeds} seeds{end}");
    }
}

/// A invariant that was violated.
#[derive(Serialize)]
struct Shown {
    seed: u64,
    violation: String,
    plan: String,
    /// All of it for people.
    #[serde(skip)]
    text: String,
}

fn show(format: Format, scenario: &str, stats: &SimStats, failed: Option<&Shown>) -> Holds {
    #[derive(Serialize)]
    struct Line<'a> {
        scenario: &'a str,
        stats: &'a SimStats,
        #[serde(skip_serializing_if = "Option::is_none")]
        failed: Option<&'a Shown>,
    }
    let mut out = io::stdout();
    match (format, failed) {
        (Format::Human, None) => writeln!(out, "{stats}\n{scenario}: all invariants hold")?,
        (Format::Human, Some(failed)) => write!(out, "{}", failed.text)?,
        (Format::Json, _) => writeln!(out, "{}", json(&Line { scenario, stats, failed })?)?,
    }
    Ok(failed.is_none())
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure(error.to_string()))
}
