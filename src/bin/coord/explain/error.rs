//! Errors, as logs and error reports name them.

use super::Entry;
use coordination_protocol::BuildError;
use coordination_protocol::checkpoint::CheckpointError;
use coordination_protocol::error::{ErrorCode, ErrorKind};
use coordination_protocol::json::JsonError;
use coordination_protocol::machine::{
    BallotError, BreakerError, CallerError, DispatcherError, HandshakeError, Ignored,
    PresenceError, RequesterError, ResponderError, SyncError,
};
use coordination_protocol::merge::MergeError;
use coordination_protocol::route::{FilterError, PatternError, RouteKeyError};
use coordination_protocol::scalar::ScalarError;
use coordination_protocol::security::freshness::FreshnessError;
use coordination_protocol::security::permissions::PermissionDenied;
use coordination_protocol::security::replay::ReplayError;
use coordination_protocol::security::signature::SignatureError;
use coordination_protocol::storage::StorageError;
use coordination_protocol::transport::TransportError;
use coordination_protocol::version::VersionError;

/// All error types of the library.
macro_rules! types {
    ($($error:ty)+) => {
        /// The name of each type, and its codes.
        const TYPES: &[(&str, &[&[ErrorCode]])] = &[$((stringify!($error), <$error>::CODES)),+];
    };
}
types! {
    ScalarError JsonError BuildError RouteKeyError PatternError FilterError VersionError MergeError
    PermissionDenied SignatureError FreshnessError ReplayError StorageError TransportError
    CheckpointError RequesterError ResponderError BreakerError CallerError HandshakeError
    PresenceError DispatcherError SyncError BallotError Ignored
}

pub(super) fn entries() -> Vec<Entry> {
    let codes = TYPES
        .iter()
        .flat_map(|(name, rows)| rows.iter().copied().flatten().map(move |row| (*name, *row)));
    let codes = codes.map(|(name, row)| {
        Entry::new(row.code, "an error code", move || {
            let passes = if row.is_transient {
                "the same may succeed later"
            } else {
                "the same fails again until something is corrected"
            };
            format!(
                "kind: {}   type: {name}   strategy: {}\n\n{}\n{passes}.",
                row.kind, row.strategy, row.advice
            )
        })
    });
    let kinds = ErrorKind::ALL.iter().map(|kind| {
        let kind = *kind;
        Entry::new(kind.as_str(), "a kind of error", move || {
            let types = TYPES
                .iter()
                .filter(|(_, rows)| rows.iter().copied().flatten().any(|row| row.kind == kind));
            let types: Vec<&str> = types.map(|(name, _)| *name).collect();
            match types.as_slice() {
                [] => "Errors of this kind have no fixed list of codes.".to_owned(),
                types => format!("Errors of {}.", types.join(", ")),
            }
        })
    });
    codes.chain(kinds).collect()
}
