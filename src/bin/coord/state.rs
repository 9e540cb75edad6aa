//! `coord state`

use crate::{Failure, Outcome, Result2, input, state_put, state_show};
use clap::{Subcommand, ValueEnum};
use coordination_protocol::event::Codec;
use coordination_protocol::finding::Mode;
use coordination_protocol::json::{Json, Limits};
use coordination_protocol::merge::{
    Conflict, Difference, MergeError, MergePolicy, MergeRule, Relation, Row, STATE_ROWS, Strategy,
    diff, merge, merge_json, relation,
};
use coordination_protocol::message::{
    Envelope, EnvelopeHeader, Message, MessageKind, WorkflowState, peek,
};
use serde::Serialize;
use std::io::{self, Write};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state put state.json                      keep the first state of a workflow
  coord state put next.json --replaces 1          and the next one, unless somebody was faster
  coord state show workflow_123
  coord state merge base.json ours.json theirs.json -o merged.json

Exit status: 0 fine, 1 something was found, 2 usage or I/O error; each verb says more.")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Put a state into the store, in the place of the version that it was made from.
    Put(state_put::Put),
    /// Show the states of workflows as the store has them.
    Show(state_show::Show),
    /// Merge two versions of a state, or of any JSON document, by what both started from.
    Merge(MergeArgs),
    /// Show what changed from one state, or any JSON document, to another.
    Diff(DiffArgs),
    /// List how each field of a state is merged, and the rules there are.
    Policy(PolicyArgs),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// JSON.
    Json,
}

/// How large documents may be.
#[derive(clap::Args)]
#[allow(clippy::struct_field_names, reason = "they name the options")]
struct Bounds {
    /// The most bytes of one document.
    #[arg(long, default_value_t = 256 << 20, value_name = "N", help_heading = "Limits")]
    max_bytes: usize,

    /// The deepest nesting, at most 512.
    #[arg(long, default_value_t = Limits::DEFAULT.depth, value_name = "N", help_heading = "Limits")]
    max_depth: usize,

    /// The most keys of one object.
    #[arg(long, default_value_t = 10_000_000, value_name = "N", help_heading = "Limits")]
    max_keys: usize,
}

impl Bounds {
    fn limits(&self) -> Limits {
        let limits = Limits::DEFAULT.with_bytes(self.max_bytes).with_depth(self.max_depth);
        limits.with_keys(self.max_keys)
    }
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state merge base.json ours.json theirs.json -o merged.json
  coord state merge base.json ours.json theirs.json --strategy theirs
  coord state merge base.json ours.json theirs.json --policy rows.json --format json

Three workflow_state messages are merged field by field as `coord state policy` lists; the result is
a bare message, without the headers. Any other JSON documents are merged member by member, by the
rows of --policy: [{\"pointer\":\"/tags\",\"rule\":\"union\"}]. The result holds ours where there is a
conflict. One of the files may be `-`, standard input.

Exit status: 0 if all is settled, 1 if there are conflicts, 2 for usage and I/O errors.")]
struct MergeArgs {
    /// What both sides started from.
    base: String,

    /// Our version.
    ours: String,

    /// Their version.
    theirs: String,

    /// What becomes of what no rule settles.
    #[arg(long, value_parser = strategy, default_value = "merge", value_name = "ours|theirs|merge|manual")]
    strategy: Strategy,

    /// Rows that go before the built-in ones.
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,

    /// Where the documents have their timestamps.
    #[arg(long, default_value = "/timestamp", value_name = "POINTER")]
    clock: String,

    /// Write the merged document here and not to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,

    /// How to print: the document, with conflicts on standard error; or one object with both.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    bounds: Bounds,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state diff yesterday.json today.json
  coord state diff a.json b.json --format json

Values are compared by what they mean: 8 and 8.0 do not differ, nor do members in another order.
One of the files may be `-`, standard input.

Exit status: 0 if nothing differs, 1 if something does, 2 for usage and I/O errors.")]
struct DiffArgs {
    /// The first document.
    before: String,

    /// The second document.
    after: String,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    bounds: Bounds,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord state policy
  coord state policy --format json > rows.json    to be changed, for `coord state merge --policy`

Exit status: 0.")]
struct PolicyArgs {
    /// How to print; JSON is the form of policy files.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

fn strategy(text: &str) -> Result<Strategy, String> {
    text.parse().map_err(|error: coordination_protocol::scalar::ScalarError| error.to_string())
}

pub(crate) fn run(args: &Args) -> Result2 {
    match &args.verb {
        Verb::Put(args) => state_put::run(args),
        Verb::Show(args) => state_show::run(args),
        Verb::Merge(args) => merged(args),
        Verb::Diff(args) => differences(args),
        Verb::Policy(args) => policy(args),
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure(error.to_string())
}

/// An error with the name of the file that it is about.
fn of_side<const N: usize>(error: &MergeError, sides: [&str; N], paths: [&str; N]) -> Failure {
    let path = sides
        .iter()
        .zip(paths)
        .find(|(side, _)| matches!(error, MergeError::Json { side: at, .. } if at == *side));
    Failure(
        path.map_or_else(
            || error.to_string(),
            |(_, path)| format!("{}: {error}", input::name(path)),
        ),
    )
}

/// The documents as states, if all of them are `workflow_state` messages.
fn states<const N: usize>(
    paths: [&str; N],
    texts: &[String; N],
    limits: &Limits,
) -> Result<Option<[(EnvelopeHeader, WorkflowState); N]>, Failure> {
    if texts.iter().any(|text| peek(text).kind != MessageKind::WorkflowState) {
        return Ok(None);
    }
    let codec = Codec::new(Mode::Interop).with_limits(*limits);
    let mut states = Vec::new();
    for (path, text) in paths.iter().zip(texts) {
        let failed =
            |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", input::name(path)));
        let message = codec.parse_message(text).map_err(|error| failed(&error))?;
        let Envelope { header, message, .. } = message.decode().map_err(|error| failed(&error))?;
        if let Message::WorkflowState(state) = message {
            states.push((header, *state));
        }
    }
    Ok(states.try_into().ok())
}

/// Where the body of a state message is.
const BODY: &str = "/workflow_state";

#[derive(Serialize)]
struct Merged<'a> {
    conflicts: &'a [Conflict],
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Json>,
}

fn merged(args: &MergeArgs) -> Result2 {
    let (value, conflicts) = combine(args)?;
    if let Some(path) = &args.output {
        std::fs::write(path, format!("{value}\n"))
            .map_err(|error| Failure(format!("cannot write {path}: {error}")))?;
    }
    let mut out = io::stdout().lock();
    match args.format {
        Format::Json => {
            let value = args.output.is_none().then_some(&value);
            let row = serde_json::to_string(&Merged { conflicts: &conflicts, value });
            writeln!(out, "{}", row.map_err(failure)?)?;
        }
        Format::Human => {
            if args.output.is_none() {
                writeln!(out, "{value}")?;
            }
            out.flush()?;
            tell(&conflicts)?;
        }
    }
    Ok(if conflicts.is_empty() { Outcome::Fine } else { Outcome::Found })
}

/// Reads and merges the documents.
fn combine(args: &MergeArgs) -> Result<(Json, Vec<Conflict>), Failure> {
    let limits = args.bounds.limits();
    let paths = [&*args.base, &*args.ours, &*args.theirs];
    if paths.iter().filter(|path| **path == "-").count() > 1 {
        return Err(Failure("only one document can be read from standard input".to_owned()));
    }
    let texts = [
        input::text(paths[0], limits.bytes)?,
        input::text(paths[1], limits.bytes)?,
        input::text(paths[2], limits.bytes)?,
    ];
    let states = states(paths, &texts, &limits)?;
    let mut policy = if states.is_some() { MergePolicy::state() } else { MergePolicy::empty() };
    if let Some(path) = &args.policy {
        let rows = MergePolicy::rows_from_json(&input::text(path, limits.bytes)?, &limits);
        policy = policy
            .with_rows(rows.map_err(|error| Failure(format!("{}: {error}", input::name(path))))?);
    }
    let policy = policy.with_strategy(args.strategy).with_clock(&args.clock).map_err(failure)?;
    let Some([base, ours, theirs]) = states else {
        let [base, ours, theirs] = &texts;
        let merged = merge_json(base, ours, theirs, &policy, &limits)
            .map_err(|error| of_side(&error, ["base", "ours", "theirs"], paths))?;
        return Ok((merged.value, merged.conflicts));
    };
    if [&base.0, &ours.0, &theirs.0].iter().any(|header| **header != EnvelopeHeader::new()) {
        writeln!(anstream::stderr(), "coord: the headers of the messages are left out")?;
    }
    let mut merged = merge(&base.1, ours.1, &theirs.1, &policy);
    for conflict in &mut merged.conflicts {
        conflict.pointer.insert_str(0, BODY);
    }
    Ok((Json::of(&Envelope::from(merged.value)).map_err(failure)?, merged.conflicts))
}

/// Tells people of conflicts.
fn tell(conflicts: &[Conflict]) -> io::Result<()> {
    let mut out = anstream::stderr();
    for conflict in conflicts {
        let pointer = if conflict.pointer.is_empty() { "the document" } else { &conflict.pointer };
        writeln!(out, "conflict at {pointer}")?;
        let sides =
            [("base", &conflict.base), ("ours", &conflict.ours), ("theirs", &conflict.theirs)];
        for (side, value) in sides {
            let value = value.as_ref().map_or("nothing", Json::as_str);
            writeln!(out, "  {side:<6} {value}")?;
        }
        writeln!(out, "  rule   {}: {}", conflict.rule, conflict.cause.words())?;
    }
    match conflicts.len() {
        0 => Ok(()),
        1 => writeln!(out, "1 conflict; the document holds ours there"),
        count => writeln!(out, "{count} conflicts; the document holds ours there"),
    }
}

#[derive(Serialize)]
struct Differences<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<&'static str>,
    changes: &'a [Difference],
}

fn differences(args: &DiffArgs) -> Result2 {
    let limits = args.bounds.limits();
    let paths = [&*args.before, &*args.after];
    if paths == ["-", "-"] {
        return Err(Failure("only one document can be read from standard input".to_owned()));
    }
    let texts = [input::text(paths[0], limits.bytes)?, input::text(paths[1], limits.bytes)?];
    let related: Option<Relation> =
        states(paths, &texts, &limits)?.map(|[before, after]| relation(&before.1, &after.1));
    let changes = diff(&texts[0], &texts[1], &limits)
        .map_err(|error| of_side(&error, ["before", "after"], paths))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        Format::Json => {
            let relation = related.map(Relation::as_str);
            let row = serde_json::to_string(&Differences { relation, changes: &changes });
            writeln!(out, "{}", row.map_err(failure)?)?;
        }
        Format::Human => {
            for change in &changes {
                writeln!(out, "{change}")?;
            }
            if let Some(relation) = related {
                writeln!(out, "the second state is {relation}")?;
            }
        }
    }
    out.flush()?;
    Ok(if changes.is_empty() { Outcome::Fine } else { Outcome::Found })
}

fn policy(args: &PolicyArgs) -> Result2 {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.format {
        Format::Json => {
            let rows = serde_json::to_string_pretty(STATE_ROWS).map_err(failure)?;
            writeln!(out, "{rows}")?;
        }
        Format::Human => {
            let rule = |row: &Row| match row.sibling() {
                Some(sibling) => format!("{} of {sibling}", row.rule()),
                None => row.rule().to_string(),
            };
            for row in STATE_ROWS {
                let join = if row.is_join() { "join" } else { "" };
                writeln!(
                    out,
                    "{:<40} {:<24} {join:<5} {}",
                    row.pointer(),
                    rule(row),
                    row.summary()
                )?;
            }
            writeln!(
                out,
                "\nRules; by those that are joins replicas converge, whoever meets whom:"
            )?;
            for rule in MergeRule::ALL {
                let join = if rule.is_join() { "join" } else { "" };
                writeln!(out, "{rule:<12} {join:<5} {}", rule.summary())?;
            }
        }
    }
    out.flush()?;
    Ok(Outcome::Fine)
}
