//! Where the bus is, and the runtime that a verb waits on it with.

use crate::config::strict;
use crate::limits::parse;
use crate::output::{Failure, cannot_read, failure, tell, unavailable};
use coordination_protocol::adapter::sqlite::{
    FILE_NAME, PROJECT_FOLDER, Sqlite, SqliteOptions, locate,
};
use coordination_protocol::bus::{Bus, BusUrl};
use coordination_protocol::storage::StorageError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the program waits for what hangs after its work is done.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The bus, as verbs take it.
#[derive(Clone, clap::Args)]
pub(crate) struct BusArgs {
    /// The bus: `sqlite:PATH`, or `sqlite:` for the file of the project.
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite:",
        env = "COORD_BUS",
        hide_env_values = true,
        value_parser = parse::<BusUrl>
    )]
    bus: BusUrl,

    /// Use a file system of which it is not known whether it is local. Network file systems stay refused.
    #[arg(long)]
    allow_filesystem: bool,

    /// Tell on standard error which file is used.
    #[arg(long, short)]
    verbose: bool,
}

impl BusArgs {
    /// The file of the bus, whether it is there or not.
    pub(crate) fn file(&self) -> Result<PathBuf, Failure> {
        match &self.bus {
            BusUrl::Sqlite(Some(path)) => Ok(path.clone()),
            BusUrl::Memory => Err(failure(
                "a bus in memory ends with the program; name a file as in --bus sqlite:PATH",
            )),
            // Another place than a file is not known yet.
            _ => Ok(locate(&working_folder()?, std::env::home_dir().as_deref())?),
        }
    }

    /// Whether any file system is used.
    pub(crate) fn allows_filesystem(&self) -> bool {
        self.allow_filesystem
    }

    /// Whether more is to be told than usual.
    pub(crate) fn verbose(&self) -> bool {
        self.verbose
    }

    /// The same for who makes it: outside of any project it is that of the working folder.
    pub(crate) fn file_to_make(&self) -> Result<PathBuf, Failure> {
        match &self.bus {
            BusUrl::Sqlite(None) => {
                let start = working_folder()?;
                match locate(&start, std::env::home_dir().as_deref()) {
                    Err(StorageError::NoProject { .. }) => {
                        Ok(start.join(PROJECT_FOLDER).join(FILE_NAME))
                    }
                    found => Ok(found?),
                }
            }
            _ => self.file(),
        }
    }

    /// Opens the bus, and makes its file if it is not there.
    pub(crate) fn open(&self) -> Result<Bus, Failure> {
        self.open_file(&self.file()?)
    }

    /// Opens the bus of a file.
    pub(crate) fn open_file(&self, file: &Path) -> Result<Bus, Failure> {
        if self.verbose {
            tell(format_args!("coord: the bus is {}", file.display()));
        }
        let options = SqliteOptions::new("coord").with_any_file_system(self.allow_filesystem);
        Ok(Bus::sqlite(Sqlite::open(file, &options)?))
    }

    /// Opens the bus for a verb that reads messages: it knows the event types of the settings.
    pub(crate) fn open_to_read(&self) -> Result<Bus, Failure> {
        let registry = strict()?.0.codec().registry().clone();
        Ok(self.open()?.with_registry(registry))
    }

    /// Opens the bus for a verb that only looks.
    pub(crate) fn open_existing(&self) -> Result<Bus, Failure> {
        let file = self.file()?;
        if !file.is_file() {
            return Err(unavailable(format_args!(
                "there is no bus at {}; `coord bus init` makes one",
                file.display()
            )));
        }
        self.open()
    }
}

fn working_folder() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|error| cannot_read("the working folder", error))
}

/// Runs what waits. A thread beside this one keeps the claims of this process alive while it writes or
/// runs commands.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| unavailable(format_args!("the runtime cannot be started: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(ENDS_WITHIN);
    Ok(done)
}
