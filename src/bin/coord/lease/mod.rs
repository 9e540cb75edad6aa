//! The verbs of resources: each loads the pool from the file, decides, appends, and leaves.

pub(crate) mod allocate;
mod ask;
pub(crate) mod hold;
pub(crate) mod inventory;
mod print;
pub(crate) mod serve;
pub(crate) mod why;

use crate::bus::BusArgs;
use crate::output::Failure;
use coordination_protocol::adapter::sqlite::{MachineClock, ProcessIdentity};
use coordination_protocol::bus::Bus;
use coordination_protocol::coordination::resources::{Desk, Holder, Witness};
use coordination_protocol::storage::DynEngine;
use std::sync::Arc;

/// Which pool, as verbs take it.
#[derive(clap::Args)]
pub(crate) struct PoolArgs {
    #[command(flatten)]
    place: BusArgs,

    /// The pool of resources. Pools are decided about apart from each other.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        env = "COORD_POOL",
        hide_env_values = true
    )]
    pool: String,
}

/// Decisions about a pool on a bus.
pub(crate) type BusDesk = Desk<Arc<dyn DynEngine>>;

impl PoolArgs {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.pool
    }

    /// The pool, on a bus that is made if it is not there.
    pub(crate) fn open(&self) -> Result<(Bus, BusDesk), Failure> {
        Ok(self.desk(self.place.open()?))
    }

    /// The pool, on a bus that is there.
    pub(crate) fn open_existing(&self) -> Result<(Bus, BusDesk), Failure> {
        Ok(self.desk(self.place.open_existing()?))
    }

    fn desk(&self, bus: Bus) -> (Bus, BusDesk) {
        let desk = Desk::new(Arc::clone(bus.engine()), &self.pool);
        (bus, desk)
    }
}

/// What this machine tells of its processes.
pub(crate) struct Processes;

impl Witness for Processes {
    fn boot(&self) -> String {
        MachineClock::new().boot_id().to_owned()
    }

    fn is_gone(&self, holder: &Holder) -> bool {
        // A holder that is no process says nothing; its lease tells.
        holder.id.parse::<ProcessIdentity>().is_ok_and(|process| !process.is_alive())
    }
}
