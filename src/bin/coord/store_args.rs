//! Where a project keeps its data.

use crate::output::{Failure, failure, status_of, unavailable};
use coordination_protocol::adapter::sqlite::{FILE_NAME, Sqlite, SqliteOptions};
use coordination_protocol::storage::StorageError;
use std::path::{Path, PathBuf};

/// The root, as verbs take it.
#[derive(clap::Args)]
pub(crate) struct StoreArgs {
    /// The folder that holds the project's data, `coord.sqlite` among it.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".claude/data",
        env = "COORD_ROOT",
        hide_env_values = true
    )]
    root: PathBuf,
}

impl StoreArgs {
    /// Opens the file of a verb that writes, and makes it if it is not there.
    pub(crate) fn open(&self, verb: &str) -> Result<Sqlite, Failure> {
        self.open_with(&SqliteOptions::new(format!("coord {verb}")))
    }

    /// Opens the file of a verb that only looks. It must be there.
    pub(crate) fn open_existing(&self, verb: &str) -> Result<Sqlite, Failure> {
        let file = self.root.join(FILE_NAME);
        if !file.is_file() {
            return Err(unavailable(format_args!(
                "there is no store at {}; name its folder with --root",
                file.display()
            )));
        }
        self.open_with(&SqliteOptions::new(format!("coord {verb}")).with_create(false))
    }

    fn open_with(&self, options: &SqliteOptions) -> Result<Sqlite, Failure> {
        Sqlite::open_in(&self.root, options).map_err(|error| {
            let mut message = error.to_string();
            if matches!(error, StorageError::Busy { .. }) {
                message = format!("{}: {message}", self.file().display());
            }
            if message.contains("readonly") {
                message.push_str("; the file and its folder must be writable, also for reading");
            }
            failure(message).ending(status_of(&error))
        })
    }

    /// The file of the store.
    pub(crate) fn file(&self) -> PathBuf {
        self.root.join(FILE_NAME)
    }

    /// The root itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}
