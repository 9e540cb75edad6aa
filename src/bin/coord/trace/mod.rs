//! `coord trace`

mod read;

use crate::bus::BusArgs;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, failure};
use coordination_protocol::lifecycle::{LIFECYCLES, Lifecycle};
use coordination_protocol::trace::{
    ChromeTrace, SpanKind, Trace, TraceOptions, TraceRule, TraceSpan, TraceStep, TraceViolation,
    bars, mermaid_gantt,
};
use serde::Serialize;
use std::io::{self, Write as _};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord trace                            what happened on the bus, and does it fit together?
  coord trace events.log --workflow wf_001
  coord trace --bus sqlite:coord.sqlite --format perfetto > trace.json
  coord trace events.log --format mermaid > gantt.mmd
  coord trace --lifecycle task           the states of a task as a Mermaid diagram

It reads event lines and messages from a file or standard input, or the history of the bus, and tells what
cannot be: work that never began or goes on behind its end, agents that speak for others, attempts, epochs and
fences that are stale, grants that are double, overlapping or leaked, progress and clocks that go backwards.
Then it draws who worked on what when. The trace of `--format perfetto` opens in ui.perfetto.dev.

Exit status: 0 if everything fits together, 1 if not.")]
pub(crate) struct Args {
    /// A log, or `-` for standard input; the history of the bus if left out.
    #[arg(value_name = "FILE|-")]
    file: Option<std::path::PathBuf>,

    /// Show this workflow only.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,

    /// A workflow that has not ended with the log is told, too.
    #[arg(long)]
    expect_end: bool,

    /// How to print.
    #[arg(long, value_enum, default_value_t = View::Human)]
    format: View,

    /// How many rows of the timeline are drawn for people.
    #[arg(long, value_name = "N", default_value_t = 200)]
    rows: usize,

    /// Draw the states of a workflow, phase, task, agent, allocation, checkpoint, component or recovery.
    #[arg(long, value_name = "NOUN", value_parser = life, conflicts_with_all = ["file", "workflow"])]
    lifecycle: Option<&'static Lifecycle>,

    #[command(flatten)]
    place: BusArgs,
}

/// What is drawn.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum View {
    /// What is wrong, and a timeline, for people.
    Human,
    /// An object a violation and a span, one a line.
    Json,
    /// A Gantt chart for Mermaid.
    Mermaid,
    /// A Chrome JSON trace, which Perfetto opens.
    Perfetto,
}

fn life(name: &str) -> Result<&'static Lifecycle, String> {
    Lifecycle::named(name).ok_or_else(|| {
        let names: Vec<&str> = LIFECYCLES.iter().map(|life| life.name).collect();
        format!("it is none of {}", names.join(", "))
    })
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Row<'a> {
    Violation {
        rule: &'static str,
        place: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        contradicts: Option<u64>,
        workflow: &'a str,
        detail: &'a str,
    },
    Span {
        kind: &'static str,
        workflow: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u64>,
        start: String,
        end: String,
        outcome: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        places: (u64, u64),
    },
    Summary {
        records: u64,
        unread: u64,
        violations: u64,
    },
}

impl Print for Row<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        match self {
            Row::Violation { rule, place, contradicts, detail, .. } => {
                let see = contradicts.map(|place| format!(" (see {place})")).unwrap_or_default();
                out.line(format_args!("{place}: error[{rule}]: {detail}{see}"))
            }
            Row::Span { .. } => Ok(()),
            Row::Summary { records, unread, violations } => {
                let unread = match unread {
                    0 => String::new(),
                    unread => format!(", {unread} that are no messages"),
                };
                out.line(format_args!("{records} records{unread}: {violations} violations"))
            }
        }
    }
}

/// Takes what a trace shows, in one view.
struct Shown<'a> {
    args: &'a Args,
    out: Printer,
    spans: Vec<TraceSpan>,
    /// Spans that are no longer kept for the timeline.
    left_out: usize,
    chrome: Option<ChromeTrace<Vec<u8>>>,
    violations: u64,
}

impl<'a> Shown<'a> {
    fn new(args: &'a Args) -> Result<Self, Failure> {
        let format = match args.format {
            View::Json => Format::Json,
            View::Human => Format::Human,
            View::Mermaid | View::Perfetto => Format::Records,
        };
        let chrome = (args.format == View::Perfetto).then(|| ChromeTrace::new(Vec::new()));
        let chrome = chrome.transpose()?;
        let (spans, out) = (Vec::new(), Printer::new(format));
        Ok(Shown { args, out, spans, left_out: 0, chrome, violations: 0 })
    }

    fn take(&mut self, step: &TraceStep) -> Result<(), Failure> {
        let args = self.args;
        let wants = |workflow: &str| args.workflow.as_deref().is_none_or(|own| own == workflow);
        for violation in step.violations.iter().filter(|v| wants(&v.workflow)) {
            self.violations += 1;
            let TraceViolation { place, contradicts, workflow, detail, rule, .. } = violation;
            let rule = TraceRule::code(*rule);
            let row =
                Row::Violation { rule, place: *place, contradicts: *contradicts, workflow, detail };
            match self.args.format {
                View::Human | View::Json => self.out.row(&row)?,
                // The drawing is the output; what is wrong goes beside it.
                View::Mermaid | View::Perfetto => self.out.complain(violation)?,
            }
        }
        for span in step.spans.iter().filter(|span| wants(&span.workflow)) {
            match self.args.format {
                View::Human => self.keep(span),
                View::Mermaid => self.spans.push(span.clone()),
                View::Json => self.out.row(&json(span))?,
                View::Perfetto => {
                    if let Some(chrome) = &mut self.chrome {
                        chrome.span(span)?;
                    }
                }
            }
        }
        // A long trace goes out as it comes.
        if let Some(chrome) = &mut self.chrome {
            let written = chrome.take_written();
            self.out.write_all(&written)?;
        }
        Ok(())
    }

    /// Keeps as many of the last spans as are drawn.
    fn keep(&mut self, span: &TraceSpan) {
        if span.kind == SpanKind::Workflow && self.args.workflow.is_none() && self.args.rows < 2 {
            return;
        }
        self.spans.push(span.clone());
        if self.spans.len() > self.args.rows.saturating_mul(2) + 64 {
            let surplus = self.spans.len() - self.args.rows;
            self.spans.drain(..surplus);
            self.left_out += surplus;
        }
    }

    fn finish(mut self, records: u64, unread: u64) -> CmdResult {
        let violations = self.violations;
        match self.args.format {
            View::Human => {
                let surplus = self.spans.len().saturating_sub(self.args.rows);
                let shown = &self.spans[surplus..];
                let mut workflow = None;
                let mut rows: Vec<TraceSpan> = shown.to_vec();
                rows.sort_by(|a, b| a.workflow.cmp(&b.workflow));
                for chunk in rows.chunk_by(|a, b| a.workflow == b.workflow) {
                    if workflow.replace(chunk[0].workflow.clone()).is_some() {
                        self.out.note("")?;
                    }
                    self.out.note(format_args!("workflow {}", chunk[0].workflow))?;
                    for row in bars(chunk, 40) {
                        self.out.note(row)?;
                    }
                }
                let left_out = self.left_out + surplus;
                if left_out > 0 {
                    self.out.note(format_args!(
                        "{left_out} earlier spans are not drawn; --rows, --workflow"
                    ))?;
                }
                self.out.row(&Row::Summary { records, unread, violations })?;
            }
            View::Json => self.out.row(&Row::Summary { records, unread, violations })?,
            View::Mermaid => {
                let text = mermaid_gantt(&self.spans);
                self.out.write_all(text.as_bytes())?;
            }
            View::Perfetto => {
                if let Some(chrome) = self.chrome.take() {
                    let rest = chrome.finish()?;
                    self.out.write_all(&rest)?;
                }
            }
        }
        let status = if violations > 0 { ExitStatus::No } else { ExitStatus::Done };
        self.out.finish(status)
    }
}

fn json(span: &TraceSpan) -> Row<'_> {
    let time = |at| coordination_protocol::scalar::Timestamp::from(at).to_string();
    Row::Span {
        kind: span.kind.as_str(),
        workflow: &span.workflow,
        name: &span.name,
        agent: span.agent.as_deref(),
        attempt: span.attempt,
        start: time(span.start),
        end: time(span.end),
        outcome: &span.outcome,
        reason: span.reason.as_deref(),
        places: span.places,
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    if let Some(life) = args.lifecycle {
        let mut out = Printer::new(Format::Records);
        out.write_all(life.to_mermaid().as_bytes())?;
        return out.finish(ExitStatus::Done);
    }
    if args.rows == 0 {
        return Err(failure("--rows has to be at least 1"));
    }
    let mut options = TraceOptions::new();
    if args.expect_end {
        options = options.expecting_end();
    }
    let mut trace = Trace::new(options);
    let mut shown = Shown::new(args)?;
    let (mut records, mut unread) = (0, 0);
    let mut take = |place: u64, text: &[u8]| {
        records += 1;
        if let Some(step) = read::step(&mut trace, place, text) {
            return shown.take(&step);
        }
        unread += 1;
        Ok(())
    };
    match &args.file {
        Some(file) => read::file(file, &mut take)?,
        None => read::history(&args.place.open_existing()?, &mut take)?,
    }
    let step = trace.finish();
    shown.take(&step)?;
    shown.finish(records, unread)
}
