//! Fuzz targets of `coordination-protocol`; their bodies also run as ordinary tests.

pub mod bodies;
pub mod machines;
pub mod messages;
