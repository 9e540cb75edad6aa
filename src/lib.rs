//! The command coordination protocol as an embeddable library.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod json;
pub mod scalar;
