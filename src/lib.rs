//! The command coordination protocol as an embeddable library.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod event;
pub mod finding;
pub mod json;
pub mod route;
pub mod scalar;
