//! `coord serve`

use super::{PoolArgs, Processes};
use crate::bus::{Ended, Signals, block_on};
use crate::output::{CmdResult, ExitStatus, Failure, complain, tell};
use crate::sender::{KeyArgs, KeysArgs};
use coordination_protocol::bus::BusError;
use coordination_protocol::driver::{DriverError, ResourceManager, Running};
use coordination_protocol::scalar::Instant;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord serve resource-manager
  coord serve resource-manager --pool gpu --as gpu-manager

It answers allocation_request, conflict_check and release, and does what is due when it is due: leases end,
those that wait start. Everything else works without it: `coord allocate` and its siblings decide by themselves.

A second one of the same pool takes over, and the first one ends.

Exit status: a signal ends it as it ends every program; 4 if the bus cannot be used any more, 5 if another one
took over.")]
pub(crate) struct Args {
    /// What is served.
    #[arg(value_name = "COMPONENT", value_parser = ["resource-manager"])]
    component: String,

    /// The name by which it is asked.
    #[arg(long = "as", value_name = "NAME", default_value = "resource-manager")]
    name: String,

    #[command(flatten)]
    pool: PoolArgs,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    keys: KeysArgs,
}

/// How long the one before may take to end.
const TAKES_OVER: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &Args) -> CmdResult {
    let (bus, _) = args.pool.open()?;
    let (pool, witness) = (args.pool.name(), Arc::new(Processes));
    let manager = ResourceManager::with_witness(&bus, pool, &args.name, witness);
    let component = || -> Result<_, Failure> {
        let component = manager.component().with_validator(args.keys.validator()?);
        Ok(match args.key.signer(&args.name)? {
            Some(signer) => component.with_signer(signer),
            None => component,
        })
    };
    let ended = block_on(async {
        let mut signals = Signals::new()?;
        let limit = bus.host().now().at.after(TAKES_OVER);
        let limit = limit.unwrap_or(Instant::from_nanos(u64::MAX));
        let serving = async {
            let tending = manager.tend();
            tokio::pin!(tending);
            let connecting = async {
                loop {
                    match component()?.connect(&bus).await {
                        Ok(running) => return Ok::<Running, Failure>(running),
                        // The one before still ends.
                        Err(DriverError::Bus(BusError::AddressTaken { .. }))
                            if bus.host().now().at < limit => {}
                        Err(error) => return Err(error.into()),
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            };
            let running = tokio::select! {
                ended = &mut tending => return ended.map_err(Failure::from),
                running = connecting => running?,
            };
            tell(format_args!("coord: {} serves the pool {pool}", args.name));
            let ended = tending.await;
            running.stop("another one took over").await;
            ended.map_err(Failure::from)
        };
        tokio::select! {
            biased;
            signal = signals.next() => Ok(Ended::By(signal)),
            ended = serving => {
                ended?;
                complain("another one took over");
                Ok::<_, Failure>(Ended::With(ExitStatus::Conflict))
            }
        }
    })??;
    Ok(ended.status())
}
