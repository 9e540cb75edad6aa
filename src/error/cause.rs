//! What an error of another library is kept in.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The error of another library, kept as the [`source`](Error::source) of one of this crate.
///
/// It is shared, so an error that has a cause can be cloned and given to all who wait for the same
/// operation. It names no foreign type, so the library below can change its version. Two causes are
/// equal if they say the same.
///
/// ```
/// use coordination_protocol::storage::StorageError;
/// use std::error::Error;
///
/// let below = std::io::Error::other("no such device");
/// let error = StorageError::unavailable("cannot open the file").with_source(below);
/// assert_eq!(error.to_string(), "the store is not available: cannot open the file");
/// assert_eq!(error.source().unwrap().to_string(), "no such device");
/// ```
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Keeps an error.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Cause(Arc::new(error))
    }
}

// `Cause` is no `Error` itself: it would appear twice in a chain of causes.
impl Deref for Cause {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for Cause {}
