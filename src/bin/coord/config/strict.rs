//! The settings for what is written from the working folder.

use super::{Options, Sources};
use crate::limits::Reading;
use crate::output::{Failure, failure};
use clap::{Args as _, Command, FromArgMatches as _};
use coordination_protocol::validate::Validator;
use std::path::Path;

/// How a writer in the working folder is checked: strictly, with the event types and the severities of the
/// `coord.toml` that is in force there.
pub(crate) fn strict() -> Result<(Validator, Reading), Failure> {
    let words = ["coord", "--mode", "strict"];
    let matches = Options::augment_args(Command::new("coord")).try_get_matches_from(words);
    let options = matches.and_then(|matches| Options::from_arg_matches(&matches));
    let sources = Sources::new(&options.map_err(failure)?);
    let in_force = sources.of(Path::new("-")).0.map_err(|error| failure(&error))?;
    Ok((in_force.validator.clone(), in_force.reading.clone()))
}
