//! Named readers of dialects of real-world input.

use super::{Migrated, envelope, fault, names};
use crate::scalar::nearest;
use crate::version::record::Record;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

macro_rules! adapters {
    ($($(#[$meta:meta])* $variant:ident $name:literal $apply:path;)+) => {
        /// A dialect of real-world input that can be rewritten as protocol 1.1.0.
        ///
        /// An adapter leaves alone what is not in its dialect. What the dialect never had, an
        /// error's identifier for example, stays missing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Adapter { $($(#[$meta])* $variant,)+ }

        impl Adapter {
            /// All adapters, in the order in which they run.
            pub const ALL: &'static [Adapter] = &[$(Adapter::$variant),+];

            /// The name, as on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Adapter::$variant => $name),+ }
            }

            /// Rewrites a record of the dialect; none if it is not in the dialect.
            pub(super) fn apply(self, record: &Record<'_>) -> Option<Migrated> {
                match self { $(Adapter::$variant => $apply(record)),+ }
            }
        }
    };
}

adapters! {
    /// Dotted and snake-case event types: `phase.completed`, `phase_completed`. They become
    /// `PHASE_COMPLETED` if that is registered.
    EventNames "event-names" names::apply;
    /// Events whose header, type and data stand side by side in one object. The header keys go to
    /// the envelope, the rest to its `event`; keys without a place stay beside it.
    FlatEnvelope "flat-envelope" envelope::apply;
    /// Error reports with words in capitals, or with a flat classification. The words go to lower
    /// case where that is a known word, the facts to where an `error_report` has them.
    ErrorReports "error-reports" fault::apply;
}

/// A name that is no adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterError(String);

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Adapter::ALL.iter().map(|adapter| adapter.as_str()).collect();
        write!(f, "`{}` is none of {}", self.0, names.join(", "))?;
        match nearest(&self.0, names) {
            Some(known) => write!(f, "; did you mean `{known}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for AdapterError {}

impl FromStr for Adapter {
    type Err = AdapterError;

    fn from_str(name: &str) -> Result<Self, AdapterError> {
        let found = Adapter::ALL.iter().copied().find(|adapter| adapter.as_str() == name);
        found.ok_or_else(|| AdapterError(name.to_owned()))
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Adapter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
