//! Buses by their URL.

use super::{Bus, BusError};
#[cfg(feature = "sqlite")]
use crate::adapter::sqlite::{Sqlite, SqliteOptions, locate};
#[cfg(feature = "sqlite")]
use crate::storage::StorageError;
use std::fmt;
use std::str::FromStr;

/// Where a bus is.
///
/// ```
/// use coordination_protocol::bus::BusUrl;
///
/// let url: BusUrl = "sqlite:/tmp/coord.sqlite".parse()?;
/// assert_eq!(url, BusUrl::Sqlite(Some("/tmp/coord.sqlite".into())));
/// assert_eq!(
///     "kafka:x".parse::<BusUrl>().unwrap_err().to_string(),
///     "`kafka:x` is no place of a bus: it must start with `memory:` or `sqlite:`",
/// );
/// # Ok::<(), coordination_protocol::bus::BusError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusUrl {
    /// In memory.
    Memory,
    /// In an SQLite file; without a path in that of the project.
    Sqlite(Option<std::path::PathBuf>),
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusUrl::Memory => f.write_str("memory:"),
            BusUrl::Sqlite(None) => f.write_str("sqlite:"),
            BusUrl::Sqlite(Some(path)) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl FromStr for BusUrl {
    type Err = BusError;

    fn from_str(text: &str) -> Result<Self, BusError> {
        let refused =
            |reason: &str| BusError::Url { url: text.to_owned(), reason: reason.to_owned() };
        match text.split_once(':') {
            Some(("memory", "")) => Ok(BusUrl::Memory),
            Some(("memory", _)) => Err(refused("a bus in memory has no name")),
            Some(("sqlite", "")) => Ok(BusUrl::Sqlite(None)),
            Some(("sqlite", path)) => Ok(BusUrl::Sqlite(Some(path.into()))),
            _ => Err(refused("it must start with `memory:` or `sqlite:`")),
        }
    }
}

impl Bus {
    /// Opens the bus of a URL. Blocks for as long as the file takes to open.
    ///
    /// ```
    /// use coordination_protocol::bus::Bus;
    ///
    /// let bus = Bus::open("memory:")?;
    /// assert_eq!(bus.place(), "memory:");
    /// # Ok::<(), coordination_protocol::bus::BusError>(())
    /// ```
    ///
    /// # Errors
    /// [`Url`](BusError::Url) if it is none, or needs a feature that is off;
    /// [`Storage`](BusError::Storage) if it cannot be opened.
    pub fn open(url: &str) -> Result<Self, BusError> {
        match url.parse()? {
            BusUrl::Memory => Ok(Bus::memory()),
            #[cfg(feature = "sqlite")]
            BusUrl::Sqlite(path) => {
                let path = match path {
                    Some(path) => path,
                    None => project_file()?,
                };
                let options = SqliteOptions::new(program());
                Ok(Bus::sqlite(Sqlite::open(path, &options)?))
            }
            #[cfg(not(feature = "sqlite"))]
            BusUrl::Sqlite(_) => Err(BusError::Url {
                url: url.to_owned(),
                reason: "this program was built without the feature `sqlite`".to_owned(),
            }),
        }
    }
}

#[cfg(feature = "sqlite")]
impl Bus {
    /// The bus of an open file, with the clock that all processes of the machine share.
    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    pub fn sqlite(file: Sqlite) -> Self {
        let place = BusUrl::Sqlite(Some(file.path().to_owned())).to_string();
        Bus::of(file).with_host(super::MachineHost::new()).at(&place)
    }
}

/// The file of the project that the working folder belongs to.
#[cfg(feature = "sqlite")]
#[allow(clippy::disallowed_methods, reason = "a URL without a path is resolved here")]
fn project_file() -> Result<std::path::PathBuf, BusError> {
    let here = std::env::current_dir().map_err(|error| {
        let detail = format!("the working folder cannot be read: {error}");
        StorageError::unavailable(detail).with_source(error)
    })?;
    Ok(locate(&here, std::env::home_dir().as_deref())?)
}

/// The name of the program that runs, for the errors of others.
#[cfg(feature = "sqlite")]
fn program() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from).unwrap_or_default();
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "component".to_owned())
}
