//! Named readers of dialects of real-world input.

use super::{envelope, fault, names};
use crate::scalar::words;
use crate::version::loss::Migrated;
use crate::version::record::Record;

macro_rules! adapters {
    ($($(#[$meta:meta])* $variant:ident $name:literal $apply:path;)+) => {
        words! {
            /// A dialect of real-world input that can be rewritten as protocol 1.1.0. Adapters run
            /// in the order of their list.
            ///
            /// An adapter leaves alone what is not in its dialect. What the dialect never had, an
            /// error's identifier for example, stays missing.
            Adapter { $($(#[$meta])* $variant $name,)+ }
        }

        impl Adapter {
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
