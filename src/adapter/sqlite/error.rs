//! What an error of `SQLite` means for a store.

use crate::storage::StorageError;
use rusqlite::ErrorCode;
use std::path::Path;
use std::time::Duration;

/// The store's own word for an error of `SQLite`, which stays as its source.
pub(super) fn from_sqlite(error: rusqlite::Error) -> StorageError {
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::full(detail).with_source(error),
        // Whoever waited knows for how long, and replaces this.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StorageError::Busy { waited: Duration::ZERO, writer: None }
        }
        // Bytes that are no database; a table that is missing or a constraint that never fails;
        // or not `SQLite`'s complaint, but the shape of what it returned.
        Some(
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::Unknown
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch,
        )
        | None => StorageError::corrupt(detail).with_source(error),
        // Everything else is in the way of the file rather than in it: I/O, permissions, memory.
        Some(_) => StorageError::unavailable(detail).with_source(error),
    }
}

/// Whether another connection is in the way, so that waiting helps.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Says which file an error is about.
pub(super) fn at(path: &Path, mut error: StorageError) -> StorageError {
    if let StorageError::Corrupt { detail, .. }
    | StorageError::Unsupported { detail, .. }
    | StorageError::Unavailable { detail, .. }
    | StorageError::Full { detail, .. } = &mut error
    {
        *detail = format!("{}: {detail}", path.display());
    }
    error
}
