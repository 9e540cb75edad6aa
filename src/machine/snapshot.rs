//! Why a machine cannot be stored or restored.
#![allow(unreachable_pub, reason = "the table of leaves writes public methods")]

use crate::error::leaf_errors;
use crate::scalar::printable;
use std::fmt;

/// A machine cannot be stored, or a text is no machine. Callers see the crate's error.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no snapshot of this machine: {}", printable(.0))]
pub(super) struct SnapshotError(String);

impl SnapshotError {
    pub(super) fn new(error: &impl fmt::Display) -> Self {
        SnapshotError(error.to_string())
    }
}

leaf_errors! {
    SnapshotError, Machine {
        Self(_) => ["snapshot", State, Corruption, lasting, "restart", "Start the machine anew, or with the version of the crate that wrote the snapshot."],
    }
}
