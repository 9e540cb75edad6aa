//! `coord`: checks and converts messages of the coordination protocol.
//!
//! A verb is a file, or a folder where it has verbs of its own. What they share: [`output`] prints rows
//! and has the exit statuses, [`limits`] the options for reading, [`input`] and [`source`] bring
//! records, [`show`] draws diagnostics, [`store_args`] finds the store, [`bus`] the bus, [`security`] the
//! keys, [`sender`] fills in what messages say of themselves.

#![allow(clippy::disallowed_methods, reason = "a program may read the clock; the library may not")]

mod bus;
mod check;
mod checkpoint;
mod clock;
mod compat;
mod completions;
mod components;
mod config;
mod convert;
mod dead_letters;
mod deprecations;
mod explain;
mod filter;
mod help;
mod hook;
mod input;
mod interrupt;
mod keygen;
mod lease;
mod limits;
mod man;
mod migrate;
mod negotiate;
mod output;
mod publish;
mod registry;
mod replace_file;
mod report_error;
mod request;
mod respond;
mod route;
#[cfg(target_os = "linux")]
mod run;
mod schema;
mod security;
mod sender;
mod show;
mod sign;
mod source;
mod state;
mod store;
mod store_args;
mod subject;
mod subscribe;
mod trace;
mod usage;
mod verify;
mod wait;

use clap::{Parser, Subcommand};
use output::{CmdResult, Color, report};
use std::process::ExitCode;

/// Checks and converts messages of the coordination protocol.
#[derive(Parser)]
#[command(name = "coord", version, after_help = EXAMPLES, disable_help_subcommand = true)]
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
  coord config                           which settings are in force here?
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
  coord publish TASK_STARTED wf_001 build task_id=t1 agent_id=a1
  coord subscribe --follow '*.failed'    print what fails
  coord request resource-manager @request.json
  coord allocate --need agents=3 --file 'src/**' --for 2h
  coord run --file 'src/**' -- make      hold them while a command runs
  coord migrate --from 1.1.0 --to 1.0.0 --dry-run events.log
  coord state merge base.json ours.json theirs.json";

#[derive(Subcommand)]
enum Verb {
    /// Check events and messages, and say precisely what is wrong with each.
    Check(check::Args),
    /// Show the settings of a check, and where each comes from.
    Config(config::Args),
    /// List the event types with their required data.
    Registry(registry::Args),
    /// Explain a finding, a field, an error, or any other word.
    Explain(explain::Args),
    /// Convert events and messages between lines and JSON.
    Convert(convert::Args),
    /// Print the JSON Schemas of everything that is written.
    Schema(schema::Args),
    /// Sign messages.
    Sign(sign::Args),
    /// Verify the signatures of messages.
    Verify(verify::Args),
    /// Make a key to sign with.
    Keygen(keygen::Args),
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
    /// Look at the bus that components share.
    Bus(bus::Args),
    /// Publish an event, or a stream of messages.
    Publish(publish::Args),
    /// Print messages as they come, or run a command with each.
    Subscribe(subscribe::Args),
    /// Tell what happened, who worked on what when, and what does not fit together.
    Trace(trace::Args),
    /// Wait for a message, or for a workflow to be in a state.
    Wait(wait::Args),
    /// Ask a component, and print its answer.
    Request(request::Args),
    /// Answer requests with a command.
    Respond(respond::Args),
    /// Show who is on the bus, and how it is.
    Components(components::Args),
    /// Publish an error report.
    ReportError(report_error::Args),
    /// Look at what could not be delivered, and publish it again.
    DeadLetters(dead_letters::Args),
    /// Ask for resources, and hold them until they are given back.
    Allocate(lease::allocate::Args),
    /// Say what would be granted now, and why not.
    Plan(lease::allocate::PlanArgs),
    /// Take what was granted while nobody waited for it.
    Claim(lease::hold::ClaimArgs),
    /// Show that the holder of a grant is there.
    Renew(lease::hold::RenewArgs),
    /// Let a grant end later.
    Extend(lease::hold::ExtendArgs),
    /// Give resources back.
    Release(lease::hold::ReleaseArgs),
    /// Show what there is, who holds it and who waits, or set it.
    Inventory(lease::inventory::Args),
    /// Run a component of the protocol.
    Serve(lease::serve::Args),
    /// Run a command that holds resources for as long as it runs.
    #[cfg(target_os = "linux")]
    Run(run::Args),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    RunGuard(run::GuardArgs),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    RunCommand(run::CommandArgs),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    RunForeground(run::ForegroundArgs),
    /// Answer an editor's agent whether it may write a file.
    Hook(hook::Args),
    /// Say why a request waits, was denied, or is over.
    Why(lease::why::Args),
    /// Print the completion script of a shell.
    Completions(completions::Args),
    /// Write manual pages.
    Man(man::Args),
    /// Show what a verb does, and its options.
    Help(help::Args),
}

fn main() -> ExitCode {
    interrupt::outlive_limits();
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    cli.color.set();
    let status = run(cli.verb).unwrap_or_else(|failed| {
        if !failed.is_closed_pipe() {
            report(&failed);
        }
        failed.status()
    });
    status.into()
}

fn run(verb: Verb) -> CmdResult {
    match verb {
        Verb::Check(args) => check::run(&args),
        Verb::Config(args) => config::run(&args),
        Verb::Registry(args) => registry::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Convert(args) => convert::run(&args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Sign(args) => sign::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Keygen(args) => keygen::run(&args),
        Verb::Route(args) => route::run(&args),
        Verb::Filter(args) => filter::run(&args),
        Verb::Negotiate(args) => negotiate::run(&args),
        Verb::Compat(args) => compat::run(&args),
        Verb::Deprecations(args) => deprecations::run(&args),
        Verb::Migrate(args) => migrate::run(&args),
        Verb::State(args) => state::run(&args),
        Verb::Checkpoint(args) => checkpoint::run(&args),
        Verb::Store(args) => store::run(&args),
        Verb::Bus(args) => bus::run(&args),
        Verb::Publish(args) => publish::run(&args),
        Verb::Subscribe(args) => subscribe::run(&args),
        Verb::Trace(args) => trace::run(&args),
        Verb::Wait(args) => wait::run(&args),
        Verb::Request(args) => request::run(&args),
        Verb::Respond(args) => respond::run(&args),
        Verb::Components(args) => components::run(&args),
        Verb::ReportError(args) => report_error::run(&args),
        Verb::DeadLetters(args) => dead_letters::run(&args),
        Verb::Allocate(args) => lease::allocate::run(&args),
        Verb::Plan(args) => lease::allocate::plan(&args),
        Verb::Claim(args) => lease::hold::claim(&args),
        Verb::Renew(args) => lease::hold::renew(&args),
        Verb::Extend(args) => lease::hold::extend(&args),
        Verb::Release(args) => lease::hold::release(&args),
        Verb::Inventory(args) => lease::inventory::run(&args),
        Verb::Serve(args) => lease::serve::run(&args),
        #[cfg(target_os = "linux")]
        Verb::Run(args) => run::run(&args),
        #[cfg(target_os = "linux")]
        Verb::RunGuard(args) => run::guard(&args),
        #[cfg(target_os = "linux")]
        Verb::RunCommand(args) => run::command(&args),
        #[cfg(target_os = "linux")]
        Verb::RunForeground(args) => run::foreground(&args),
        Verb::Hook(args) => hook::run(&args),
        Verb::Why(args) => lease::why::run(&args),
        Verb::Completions(args) => completions::run(&args),
        Verb::Man(args) => man::run(&args),
        Verb::Help(args) => help::run(&args),
    }
}
