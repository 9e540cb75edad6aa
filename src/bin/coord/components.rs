//! `coord components`

use crate::bus::{BusArgs, block_on};
use crate::output::{CmdResult, ExitStatus, Failure, Format, Lines, Print, Printer, complain};
use coordination_protocol::bus::{Bus, BusError, ReaderStatus};
use coordination_protocol::driver::presence_key;
use coordination_protocol::message::{Envelope, Message, MessageKind};
use coordination_protocol::scalar::ComponentId;
use coordination_protocol::storage::Store as _;
use coordination_protocol::storage::view::{Registrations, StoredRegistration};
use coordination_protocol::transport::Address;
use serde::Serialize;
use std::io;
use std::sync::Arc;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord components
  coord components --format json

A component is there while it listens at its address. The lag is the largest one of its subscriptions.

Exit status: 0 if there is one, 1 if there is none or one is damaged.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: BusArgs,

    /// How to print.
    #[arg(long, value_parser = Format::among(FORMATS), default_value = "human")]
    format: Format,
}

const FORMATS: &[(Format, &str)] =
    &[(Format::Human, "A line a component"), (Format::Json, "An object a component")];

#[derive(Serialize)]
struct Row {
    component: String,
    #[serde(rename = "type")]
    component_type: String,
    version: Option<String>,
    present: bool,
    health: Option<String>,
    /// When it showed itself last.
    last_seen: Option<String>,
    lag: u64,
}

impl Print for Row {
    fn human(&self, out: &mut Lines<'_>) -> io::Result<()> {
        let present = if self.present { "present" } else { "away" };
        let health = self.health.as_deref().unwrap_or("health not known");
        let version = self.version.as_deref().unwrap_or("-");
        let seen = self.last_seen.as_deref().unwrap_or("-");
        let Row { component, component_type, lag, .. } = self;
        out.line(format_args!(
            "{component}  {component_type} {version}  {present}, {health}, seen {seen}, lag {lag}"
        ))
    }
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let bus = args.place.open_existing()?;
    let mut out = Printer::new(args.format);
    let (shown, damaged) = block_on(show(&bus, &mut out))??;
    if shown == 0 {
        out.complain("no component is registered on this bus")?;
    }
    out.finish(ExitStatus::found(shown == 0 || damaged))
}

async fn show(bus: &Bus, out: &mut Printer) -> Result<(usize, bool), Failure> {
    const PAGE: usize = 100;
    let registrations = Registrations::new(Arc::clone(bus.engine()));
    let subscriptions = bus.subscriptions().await?;
    let (mut after, mut shown, mut damaged) = (None, 0, false);
    loop {
        let page = registrations.list(after.as_ref(), PAGE).await?;
        for stored in &page.items {
            out.row(&row(bus, stored, &subscriptions).await?)?;
            shown += 1;
        }
        for damage in &page.damaged {
            damaged = true;
            complain(damage);
        }
        after = page.next;
        if after.is_none() {
            return Ok((shown, damaged));
        }
    }
}

async fn row(
    bus: &Bus,
    stored: &StoredRegistration,
    subscriptions: &[ReaderStatus],
) -> Result<Row, Failure> {
    let registration = &stored.registration;
    let id = &registration.component_id;
    let address = Address::new(id.as_str()).map_err(BusError::from)?;
    let health = match latest(bus, id, MessageKind::HealthStatus).await? {
        Some(Message::HealthStatus(health)) => Some(health),
        _ => None,
    };
    let beat = match latest(bus, id, MessageKind::Heartbeat).await? {
        Some(Message::Heartbeat(beat)) => beat.timestamp.as_ref().map(ToString::to_string),
        _ => None,
    };
    let seen = beat.or_else(|| health.as_ref()?.timestamp.as_ref().map(ToString::to_string));
    // A component's own subscriptions are named after it.
    let own = format!("{id}:");
    let lags = subscriptions.iter().filter(|one| one.name.starts_with(&own)).map(|one| one.lag);
    Ok(Row {
        component: id.to_string(),
        component_type: registration.component_type.clone().unwrap_or_default(),
        version: registration.version.as_ref().map(ToString::to_string),
        present: bus.has_listener(&address).await?,
        health: health.map(|health| health.status.to_string()),
        last_seen: seen,
        lag: lags.max().unwrap_or_default(),
    })
}

/// The latest message of a kind by which a component shows itself.
async fn latest(
    bus: &Bus,
    id: &ComponentId,
    kind: MessageKind,
) -> Result<Option<Message>, Failure> {
    let Some(entry) = bus.engine().get(&presence_key(id, kind)?).await? else { return Ok(None) };
    let text = std::str::from_utf8(&entry.value).unwrap_or_default();
    // What cannot be read says nothing of the component.
    Ok(text.parse::<Envelope>().ok().map(|envelope| envelope.message))
}
