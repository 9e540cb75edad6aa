//! `coord inventory`

use super::print::{need, span, waiting};
use super::{PoolArgs, Processes};
use crate::input;
use crate::limits::parse;
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, failure};
use coordination_protocol::coordination::resources::{
    AGENTS, Budget, Grant, Inventory, Pool, PoolOptions, Units, Waiting,
};
use coordination_protocol::scalar::{Amount, Now, Span, Timestamp};
use coordination_protocol::storage::block_on;
use serde::Serialize;
use std::io;
use std::path::Path;

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  coord inventory                                      what is there, who holds it, who waits?
  coord inventory set agents=8 memory_gb=32 bash=4
  coord inventory set tokens=1000000/1h usd=5/1d       budgets, renewed each hour and each day
  coord inventory rule ttl=45s exclusive_windows=22:00-06:00

Exit status: 0 if it was shown or set."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    show: ShowArgs,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Say what there is. What is granted stays granted.
    Set(SetArgs),
    /// Set the rules by which it is granted.
    Rule(RuleArgs),
}

#[derive(clap::Args)]
struct ShowArgs {
    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,

    #[command(flatten)]
    pool: PoolArgs,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord inventory set agents=8 memory_gb=32
  coord inventory set tokens=1000000/1h
  coord inventory set @inventory.json

A name stands for an amount that is given back, or, with `/SPAN`, for a budget that is used up and renewed. What is
not named is as before; 0 takes it away. Less than before takes nothing from who holds it: it stops new grants,
and moves promises.

Exit status: 0 if it is set.")]
struct SetArgs {
    /// What there is, or a file with an inventory as JSON.
    #[arg(value_name = "NAME=AMOUNT[/SPAN]|@FILE", required = true)]
    items: Vec<String>,

    #[command(flatten)]
    pool: PoolArgs,
}

#[derive(clap::Args)]
#[command(after_help = RULES)]
struct RuleArgs {
    /// The rules.
    #[arg(value_name = "NAME=VALUE", required = true)]
    rules: Vec<String>,

    #[command(flatten)]
    pool: PoolArgs,
}

const RULES: &str = "\
Examples:
  coord inventory rule ttl=45s promise_slack=30s
  coord inventory rule memory_per_agent=4 alert_above=90

The rules are default_duration, auto_release_timeout, ttl, max_wait, promise_slack, max_promises, scan_limit,
claim_time, max_waiting, max_named, exclusive_windows, memory_per_agent, alert_above, alert_hysteresis.

Exit status: 0 if they are set.";

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "Tables for people"), (Format::Json, "One JSON object")];

/// All of a pool.
#[derive(Serialize)]
struct Shown<'a> {
    inventory: &'a Inventory,
    rules: &'a PoolOptions,
    resources: Vec<Resource>,
    grants: Vec<&'a Grant>,
    waiting: Vec<&'a Waiting>,
}

#[derive(Serialize)]
struct Resource {
    name: String,
    held: Units,
    capacity: Units,
    #[serde(skip_serializing_if = "Option::is_none")]
    per: Option<Span>,
}

impl<'a> Shown<'a> {
    fn of(pool: &'a Pool, now: Now) -> Self {
        let inventory = pool.inventory();
        let mut resources: Vec<Resource> = inventory
            .amounts
            .iter()
            .filter(|(name, _)| *name != AGENTS)
            .map(|(name, _)| name)
            .chain((!inventory.capacity(AGENTS).is_zero()).then_some(AGENTS))
            .map(|name| Resource {
                name: name.to_owned(),
                held: pool.held(name),
                capacity: inventory.capacity(name),
                per: None,
            })
            .collect();
        resources.extend(inventory.budgets.iter().map(|(name, budget)| Resource {
            name: name.to_string(),
            held: pool.charged(name, now.wall),
            capacity: budget.limit,
            per: Some(span(budget.window)),
        }));
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        Shown {
            inventory,
            rules: pool.rules(),
            resources,
            grants: pool.grants().collect(),
            waiting: pool.waiting().collect(),
        }
    }
}

impl Print for Shown<'_> {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        if self.resources.is_empty() {
            out.line("there is no inventory: files can be leased, and nothing else; `coord inventory set agents=8`")?;
        }
        for Resource { name, held, capacity, per } in &self.resources {
            let per = per.as_ref().map(|per| format!(" in {per}")).unwrap_or_default();
            out.line(format_args!("{name}: {held} of {capacity}{per}"))?;
        }
        out.line(format_args!("{} granted", self.grants.len()))?;
        for grant in &self.grants {
            out.line(format_args!(
                "  {}  {}  {}  until {}",
                grant.allocation_id,
                grant.workflow_id,
                need(&grant.need),
                Timestamp::from(grant.end_wall)
            ))?;
        }
        out.line(format_args!("{} waiting", self.waiting.len()))?;
        for (position, one) in self.waiting.iter().enumerate() {
            waiting(one, position, out)?;
        }
        Ok(())
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    match &args.verb {
        Some(Verb::Set(args)) => set(args),
        Some(Verb::Rule(args)) => rule(args),
        None => show(&args.show),
    }
}

fn show(args: &ShowArgs) -> CmdResult {
    let (bus, mut desk) = args.pool.open_existing()?;
    let now = bus.host().now();
    let pool = block_on(desk.preview(now, &Processes, |d| d.pool().clone()))?;
    let mut out = Printer::new(args.format);
    out.document(&Shown::of(&pool, now))?;
    out.finish(ExitStatus::Done)
}

/// One item: an amount, or a budget.
enum Item {
    Amount(Units),
    Budget(Budget),
}

fn item(text: &str) -> Result<(String, Item), Failure> {
    let no_item =
        || failure(format_args!("`{text}` is none of NAME=AMOUNT, NAME=AMOUNT/SPAN and @FILE"));
    let (name, amount) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(no_item)?;
    let (amount, window) = match amount.split_once('/') {
        Some((amount, window)) => (amount, Some(window)),
        None => (amount, None),
    };
    let units = Units::from(&parse::<Amount>(amount).map_err(failure)?);
    let item = match window {
        Some(window) => {
            let window = parse::<Span>(window).map_err(failure)?.value().unwrap_or_default();
            Item::Budget(Budget::new(units, window))
        }
        None => Item::Amount(units),
    };
    Ok((name.to_owned(), item))
}

fn set(args: &SetArgs) -> CmdResult {
    const MAX_BYTES: usize = 16 << 20;
    let mut file = None;
    let mut items = Vec::new();
    for text in &args.items {
        match text.strip_prefix('@') {
            Some("") => return Err(failure("`@` names no file")),
            Some(name) => {
                let text = input::text(Path::new(name), MAX_BYTES)?;
                let inventory = serde_json::from_str::<Inventory>(&text);
                file = Some(inventory.map_err(|error| {
                    failure(format_args!("{}: it is no inventory: {error}", input::name(name)))
                })?);
            }
            None => items.push(item(text)?),
        }
    }
    let (bus, mut desk) = args.pool.open()?;
    let now = bus.host().now();
    block_on(desk.decide(now, &Processes, |d| {
        let mut inventory = file.clone().unwrap_or_else(|| d.pool().inventory().clone());
        for (name, item) in &items {
            match item {
                Item::Amount(units) => {
                    inventory.budgets.remove(name.as_str());
                    inventory.amounts.set(name, *units);
                }
                Item::Budget(budget) => {
                    inventory.amounts.set(name, Units::ZERO);
                    inventory = std::mem::take(&mut inventory).with_budget(name, *budget);
                }
            }
        }
        d.set_inventory(inventory);
    }))?;
    Ok(ExitStatus::Done)
}

fn rule(args: &RuleArgs) -> CmdResult {
    let (bus, mut desk) = args.pool.open()?;
    let now = bus.host().now();
    let done = block_on(desk.decide(now, &Processes, |d| {
        let mut rules = d.pool().rules().clone();
        for text in &args.rules {
            let Some((name, value)) = text.split_once('=') else {
                return Err(format!("`{text}` is no NAME=VALUE"));
            };
            rules.set(name, value).map_err(|error| error.to_string())?;
        }
        d.set_rules(rules);
        Ok(())
    }))?;
    done.map_err(failure)?;
    Ok(ExitStatus::Done)
}
