//! Adapters to real storage. Each names only public items of this crate, so it could leave for a
//! package of its own unedited.

#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite;
