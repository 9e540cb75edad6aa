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

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;
    use std::error::Error as _;

    #[test]
    fn every_code_has_its_word_and_stays_as_the_source() {
        for (code, word) in [
            (ffi::SQLITE_FULL, "full"),
            (ffi::SQLITE_BUSY, "busy"),
            (ffi::SQLITE_LOCKED, "busy"),
            (ffi::SQLITE_CORRUPT, "corrupt"),
            (ffi::SQLITE_NOTADB, "corrupt"),
            (ffi::SQLITE_CONSTRAINT, "corrupt"),
            (ffi::SQLITE_IOERR, "unavailable"),
            (ffi::SQLITE_CANTOPEN, "unavailable"),
            (ffi::SQLITE_READONLY, "unavailable"),
        ] {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = from_sqlite(failure);
            assert_eq!(error.code(), word, "{code}");
            let source = error.source().and_then(|source| source.downcast_ref::<rusqlite::Error>());
            assert_eq!(source.is_some(), word != "busy", "{code}");
        }
        // Not a complaint of `SQLite`, but the shape of what it returned.
        assert_eq!(from_sqlite(rusqlite::Error::QueryReturnedNoRows).code(), "corrupt");
    }

    #[test]
    fn an_error_says_which_file_it_is_about() {
        let error = at(Path::new("a/coord.sqlite"), StorageError::full("no space"));
        assert_eq!(error.to_string(), "the store is full: a/coord.sqlite: no space");
        let busy = StorageError::Overloaded { limit: 1 };
        assert_eq!(at(Path::new("a"), busy.clone()), busy);
    }
}
