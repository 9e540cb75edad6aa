//! The verbs of resources: each loads the pool from the file, decides, appends, and leaves.

pub(crate) mod allocate;
mod ask;
pub(crate) mod hold;
pub(crate) mod inventory;
mod print;
pub(crate) mod serve;
pub(crate) mod why;

pub(crate) use allocate::settled;
pub(crate) use ask::Asking;

use crate::bus::BusArgs;
use crate::output::Failure;
use coordination_protocol::adapter::sqlite::{MachineClock, ProcessIdentity};
use coordination_protocol::bus::Bus;
use coordination_protocol::coordination::resources::{Desk, Holder, Witness};
use coordination_protocol::storage::DynEngine;
use std::path::PathBuf;
use std::sync::Arc;

/// Which pool, as verbs take it.
#[derive(Clone, clap::Args)]
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
        #[cfg(target_os = "linux")]
        if let Ok(file) = self.file() {
            crate::run::proof::decides_about(&file, &self.pool);
        }
        let desk = self.desk_of(&bus);
        (bus, desk)
    }

    /// The pool once more, on the same bus.
    pub(crate) fn desk_of(&self, bus: &Bus) -> BusDesk {
        Desk::new(Arc::clone(bus.engine()), &self.pool)
    }

    /// The file of the bus.
    pub(crate) fn file(&self) -> Result<PathBuf, Failure> {
        self.place.file()
    }

    /// Hands all of it on but the URL.
    #[cfg(target_os = "linux")]
    pub(crate) fn pass(&self, to: &mut std::process::Command) {
        to.arg("--pool").arg(&self.pool);
        if self.place.allows_filesystem() {
            to.arg("--allow-filesystem");
        }
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

    #[cfg(target_os = "linux")]
    fn is_proved_over(
        &self,
        grant: &coordination_protocol::coordination::resources::Grant,
    ) -> bool {
        crate::run::proof::is_proved_over(grant)
    }
}
