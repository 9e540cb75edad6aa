//! Settings of a check: from a file of the repository, from options, and by default.

mod file;
mod in_force;
mod names;
mod options;
mod sources;
mod strict;
mod verb;

pub(crate) use file::ConfigError;
pub(crate) use in_force::InForce;
pub(crate) use names::{OwnType, code, known_code};
pub(crate) use options::Options;
pub(crate) use sources::Sources;
pub(crate) use strict::strict;
pub(crate) use verb::{Args, run};
