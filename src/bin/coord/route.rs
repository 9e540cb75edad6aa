//! `coord route`
use crate::{Outcome, Result2};
#[derive(clap::Args)]
pub(crate) struct Args {}
pub(crate) fn run(_: &Args) -> Result2 {
    Ok(Outcome::Fine)
}
