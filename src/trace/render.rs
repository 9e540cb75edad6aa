//! Spans drawn for other programs: Chrome's trace format, which Perfetto opens, and Mermaid.

use super::span::{SpanKind, TraceSpan};
use crate::scalar::WallTime;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes spans as a Chrome JSON trace, one event a line, as they come.
///
/// Workflows are processes; agents, phases and requests are threads of theirs. Tasks and phases are complete slices
/// (`X`), grants are asynchronous ones (`b` and `e`) with a counter of how many are held, and the wait of a task is tied to
/// its attempt by a flow (`s` and `f`).
#[derive(Debug)]
pub struct ChromeTrace<W: Write> {
    out: W,
    first: bool,
    processes: BTreeMap<String, u64>,
    threads: BTreeMap<(u64, String), u64>,
    flows: u64,
    grants: BTreeMap<i64, i64>,
}

impl<W: Write> ChromeTrace<W> {
    /// Begins a trace.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        let (processes, threads, grants) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(ChromeTrace { out, first: true, processes, threads, flows: 0, grants })
    }

    fn event(&mut self, event: &serde_json::Value) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            self.out.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut self.out, event).map_err(io::Error::from)
    }

    fn process(&mut self, workflow: &str) -> io::Result<u64> {
        if let Some(pid) = self.processes.get(workflow) {
            return Ok(*pid);
        }
        let pid = self.processes.len() as u64 + 1;
        self.processes.insert(workflow.to_owned(), pid);
        let name = json!({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": workflow}});
        self.event(&name)?;
        Ok(pid)
    }

    fn thread(&mut self, pid: u64, name: &str) -> io::Result<u64> {
        if let Some(tid) = self.threads.get(&(pid, name.to_owned())) {
            return Ok(*tid);
        }
        let tid = self.threads.len() as u64 + 1;
        self.threads.insert((pid, name.to_owned()), tid);
        let name = json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}});
        self.event(&name)?;
        Ok(tid)
    }

    /// Writes a span.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn span(&mut self, span: &TraceSpan) -> io::Result<()> {
        let pid = self.process(&span.workflow)?;
        let (start, end) = (span.start.unix_millis() * 1_000, span.end.unix_millis() * 1_000);
        let args = json!({
            "outcome": span.outcome, "attempt": span.attempt, "reason": span.reason,
            "places": [span.places.0, span.places.1],
        });
        if span.kind == SpanKind::Allocation {
            let id = format!("{}/{}", span.workflow, span.name);
            let tid = self.thread(pid, "allocations")?;
            let begin = json!({"ph": "b", "cat": "allocation", "name": span.name, "id": id, "pid": pid, "tid": tid, "ts": start, "args": args});
            let over = json!({"ph": "e", "cat": "allocation", "name": span.name, "id": id, "pid": pid, "tid": tid, "ts": end});
            self.event(&begin)?;
            self.event(&over)?;
            *self.grants.entry(start).or_default() += 1;
            *self.grants.entry(end).or_default() -= 1;
            return Ok(());
        }
        let track = match (span.kind, &span.agent) {
            (SpanKind::Task | SpanKind::Waiting, Some(agent)) => format!("agent {agent}"),
            (SpanKind::Queued, _) => "requests".to_owned(),
            (SpanKind::Workflow, _) => "workflow".to_owned(),
            _ => "phases".to_owned(),
        };
        let tid = self.thread(pid, &track)?;
        let name = match span.kind {
            SpanKind::Waiting => format!("{} waits", span.name),
            _ => span.name.clone(),
        };
        let slice = json!({
            "ph": "X", "cat": span.kind.as_str(), "name": name, "pid": pid, "tid": tid,
            "ts": start, "dur": end - start, "args": args,
        });
        self.event(&slice)?;
        if span.kind == SpanKind::Waiting && span.outcome == "running" {
            self.flows += 1;
            let flow = self.flows;
            let from = json!({"ph": "s", "cat": "task", "name": "starts", "id": flow, "pid": pid, "tid": tid, "ts": start});
            let to = json!({"ph": "f", "bp": "e", "cat": "task", "name": "starts", "id": flow, "pid": pid, "tid": tid, "ts": end});
            self.event(&from)?;
            self.event(&to)?;
        }
        Ok(())
    }

    /// Ends the trace and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        let mut held = 0;
        for (at, change) in std::mem::take(&mut self.grants) {
            held += change;
            let counter =
                json!({"ph": "C", "name": "grants", "pid": 0, "ts": at, "args": {"held": held}});
            self.event(&counter)?;
        }
        self.out.write_all(b"\n]}\n")?;
        Ok(self.out)
    }
}

impl ChromeTrace<Vec<u8>> {
    /// What was written so far, which is no longer kept here.
    pub fn take_written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// How long a diagram may be for Mermaid to draw it, in characters.
pub const MERMAID_CHARACTERS: usize = 50_000;

/// Text that cannot end a name in Mermaid, or begin anything.
fn plain(text: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "_-. %".contains(c) { c } else { '_' };
    text.chars().map(kept).take(80).collect()
}

/// A Gantt chart of who worked on what: a section an agent, waits before attempts. Beyond
/// [`MERMAID_CHARACTERS`] spans are left out, and a comment says how many.
pub fn mermaid_gantt(spans: &[TraceSpan]) -> String {
    let mut sections: BTreeMap<String, Vec<&TraceSpan>> = BTreeMap::new();
    for span in spans {
        let section = match (span.kind, &span.agent) {
            (SpanKind::Task | SpanKind::Waiting, Some(agent)) => plain(agent),
            (SpanKind::Phase, _) => "phases".to_owned(),
            (SpanKind::Allocation | SpanKind::Queued, _) => "resources".to_owned(),
            _ => continue,
        };
        sections.entry(section).or_default().push(span);
    }
    let mut text = String::from("gantt\n    dateFormat x\n    axisFormat %H:%M:%S\n");
    let mut left_out = 0_usize;
    for (section, mut spans) in sections {
        spans.sort_by_key(|span| (span.start, span.end));
        let mut head = format!("    section {section}\n");
        for span in spans {
            let tag = match (span.kind, span.outcome.as_str()) {
                (SpanKind::Waiting | SpanKind::Queued, _) => "done, ",
                (_, "failed" | "timed_out") => "crit, ",
                (_, "open") => "active, ",
                _ => "",
            };
            let name = match span.kind {
                SpanKind::Waiting | SpanKind::Queued => format!("{} waits", plain(&span.name)),
                _ => plain(&span.name),
            };
            let (start, end) = (span.start.unix_millis(), span.end.unix_millis());
            let line = format!("    {name} :{tag}{start}, {end}\n");
            if text.len() + head.len() + line.len() > MERMAID_CHARACTERS {
                left_out += 1;
                continue;
            }
            text.push_str(&head);
            text.push_str(&line);
            head.clear();
        }
    }
    if left_out > 0 {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "    %% {left_out} more are left out; choose a workflow");
    }
    text
}

/// A chart for a terminal: a row a span, with a bar in `width` columns from the first start to the last end.
/// Waiting is drawn as `.`, work as `#`, what is held as `=`.
pub fn bars(spans: &[TraceSpan], width: usize) -> Vec<String> {
    let Some(first) = spans.iter().map(|span| span.start).min() else { return Vec::new() };
    let last = spans.iter().map(|span| span.end).max().unwrap_or(first);
    let length = u64::try_from(last.since(first).as_millis()).unwrap_or(u64::MAX).max(1);
    let column = |at: WallTime| {
        let after = u64::try_from(at.since(first).as_millis()).unwrap_or(u64::MAX);
        usize::try_from(u128::from(after) * width as u128 / u128::from(length)).unwrap_or(width)
    };
    let mut rows: Vec<&TraceSpan> = spans.iter().collect();
    rows.sort_by(|a, b| {
        let key =
            |span: &TraceSpan| (span.workflow.clone(), span.agent.clone(), span.start, span.end);
        key(a).cmp(&key(b))
    });
    let mark = |kind| match kind {
        SpanKind::Waiting | SpanKind::Queued => '.',
        SpanKind::Allocation => '=',
        SpanKind::Workflow | SpanKind::Phase => '-',
        SpanKind::Task => '#',
    };
    rows.into_iter()
        .map(|span| {
            let (from, to) = (column(span.start).min(width), column(span.end).min(width));
            // What took no time is seen, too.
            let to = to.max(from + 1).min(width.max(1));
            let from = from.min(to - 1);
            let bar: String = std::iter::repeat_n(' ', from)
                .chain(std::iter::repeat_n(mark(span.kind), to - from))
                .chain(std::iter::repeat_n(' ', width.saturating_sub(to)))
                .collect();
            let who = span.agent.as_deref().unwrap_or("-");
            let attempt = span.attempt.map(|n| format!(" ({n})")).unwrap_or_default();
            let reason = span.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
            let name = format!("{}{attempt}", span.name);
            format!("{who:<12} {:<10} {name:<16} |{bar}| {}{reason}", span.kind, span.outcome)
        })
        .collect()
}
