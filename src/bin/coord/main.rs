//! `coord`: checks and converts messages of the coordination protocol.
//!
//! Exit status: 0 if all is fine, 1 if something was found, 2 for usage and I/O errors.

#![allow(clippy::disallowed_methods, reason = "a program may read the clock; the library may not")]

mod check;
mod checkpoint;
mod clock;
mod compat;
mod convert;
mod deprecations;
mod explain;
mod filter;
mod input;
mod migrate;
mod negotiate;
mod place;
mod registry;
mod route;
mod sarif;
mod schema;
mod security;
mod show;
mod sign;
mod source;
mod state;
mod state_put;
mod state_show;
mod store;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use coordination_protocol::event::{Codec, Registry};
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Limits;
use coordination_protocol::scalar::ProtocolVersion;
use std::io::{self, Write};
use std::process::ExitCode;

/// Checks and converts messages of the coordination protocol.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    /// When to colour the output.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    color: Color,

    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  coord check events.log                 what is wrong with these lines?
  coord check --mode strict -            check standard input as a writer must write it
  coord registry TASK_FAILED             what data must this event carry?
  coord check commands/*.md              check the messages in these files
  coord explain missing-data             what does this finding mean?
  coord schema allocation_request        what must this document look like?
  coord convert --to json events.log     event lines as JSON
  coord route explain '*.failed'         which events does this pattern select?
  coord filter test '/retry_count >= 3'  which of these events does this filter accept?
  coord negotiate current 1.0.0          which version do two sides speak?
  coord state put state.json             keep the first state of a workflow
  coord store check                      is everything that is kept sound?
  coord checkpoint list                  which states of workflows are kept?
  coord migrate --from 1.1.0 --to 1.0.0 --dry-run events.log
  coord state merge base.json ours.json theirs.json

Exit status: 0 fine, 1 something was found, 2 usage or I/O error.";

#[derive(Subcommand)]
enum Verb {
    /// Check events and messages, and say precisely what is wrong with each.
    Check(check::Args),
    /// List the event types with their required data.
    Registry(registry::Args),
    /// Explain a finding code or an event type.
    Explain(explain::Args),
    /// Convert events and messages between lines and JSON.
    Convert(convert::Args),
    /// Print the JSON Schemas of everything that is written.
    Schema(schema::Args),
    /// Sign messages.
    Sign(sign::Sign),
    /// Verify the signatures of messages.
    Verify(sign::Verify),
    /// Make a key to sign with.
    Keygen(sign::Keygen),
    /// Try routing patterns.
    Route(route::Args),
    /// Try filters.
    Filter(filter::Args),
    /// Find the protocol version that two sides speak.
    Negotiate(negotiate::Args),
    /// Show which protocol version reads what another writes.
    Compat(compat::Args),
    /// List what is announced to end.
    Deprecations(deprecations::Args),
    /// Rewrite records of one protocol version in another.
    Migrate(migrate::Args),
    /// Show, compare and merge states of workflows, and merge other JSON documents.
    State(state::Args),
    /// Keep states of a workflow, and put them back.
    Checkpoint(checkpoint::Args),
    /// Look after the store.
    Store(store::Args),
    /// Print the completion script of a shell.
    #[command(
        after_help = "Example:\n  coord completions bash > ~/.local/share/bash-completion/completions/coord\n\nExit status: 0."
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the reader of lines is told on the command line.
#[derive(clap::Args)]
struct Reading {
    /// Read as writers must write, or as readers must accept.
    #[arg(long, value_parser = mode, default_value = "interop", value_name = "strict|interop")]
    mode: Mode,

    /// The protocol version whose event types are known.
    #[arg(long, default_value_t = ProtocolVersion::DEFAULT, value_name = "VERSION", value_parser = protocol)]
    protocol: ProtocolVersion,

    /// The most bytes of one record.
    #[arg(long, default_value_t = Limits::DEFAULT.bytes, value_name = "N", help_heading = "Limits")]
    max_bytes: usize,

    /// The deepest nesting, at most 512.
    #[arg(long, default_value_t = Limits::DEFAULT.depth, value_name = "N", help_heading = "Limits")]
    max_depth: usize,

    /// The most keys of one object.
    #[arg(long, default_value_t = Limits::DEFAULT.keys, value_name = "N", help_heading = "Limits")]
    max_keys: usize,

    /// The most findings of one record; the rest are counted.
    #[arg(long, default_value_t = Limits::DEFAULT.findings, value_name = "N", help_heading = "Limits")]
    max_findings: usize,
}

impl Reading {
    fn codec(&self) -> Codec {
        let limits = Limits::DEFAULT
            .with_bytes(self.max_bytes)
            .with_depth(self.max_depth)
            .with_keys(self.max_keys)
            .with_findings(self.max_findings);
        Codec::new(self.mode)
            .with_registry(Registry::new(self.protocol.clone()))
            .with_limits(limits)
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    text.parse().map_err(|error: coordination_protocol::scalar::ScalarError| error.to_string())
}

fn protocol(text: &str) -> Result<ProtocolVersion, String> {
    let version: ProtocolVersion = text
        .parse()
        .map_err(|error: coordination_protocol::scalar::ScalarError| error.to_string())?;
    if coordination_protocol::version::VERSIONS.contains(&version) {
        Ok(version)
    } else {
        Err(format!("{version} is not supported; 1.0.0 and 1.1.0 are"))
    }
}

/// How a verb ended.
enum Outcome {
    Fine,
    Found,
    /// An input could not be read, which was said when it was met.
    Unreadable,
}

/// An error that ends the program with status 2.
struct Failure(String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Whoever read the output has seen enough; that is no failure.
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        Failure(error.to_string())
    }
}

type Result2 = Result<Outcome, Failure>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let result = match cli.verb {
        Verb::Check(args) => check::run(&args),
        Verb::Registry(args) => registry::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Convert(args) => convert::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Sign(args) => sign::sign(&args),
        Verb::Verify(args) => sign::verify(&args),
        Verb::Keygen(args) => sign::keygen(&args),
        Verb::Route(args) => route::run(&args),
        Verb::Filter(args) => filter::run(&args),
        Verb::Negotiate(args) => negotiate::run(&args),
        Verb::Compat(args) => compat::run(&args),
        Verb::Deprecations(args) => deprecations::run(&args),
        Verb::Migrate(args) => migrate::run(&args),
        Verb::State(args) => state::run(&args),
        Verb::Checkpoint(args) => checkpoint::run(&args),
        Verb::Store(args) => store::run(&args),
        Verb::Completions { shell } => completions(shell),
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        Ok(Outcome::Unreadable) => ExitCode::from(2),
        Err(Failure(message)) => {
            let _ = writeln!(anstream::stderr(), "coord: {message}");
            ExitCode::from(2)
        }
    }
}

fn completions(shell: clap_complete::Shell) -> Result2 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "coord", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Outcome::Fine)
}
