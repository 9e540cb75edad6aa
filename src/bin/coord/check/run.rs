//! A check under way: what all its inputs share.

use super::baseline::Baseline;
use super::fix::FixArgs;
use super::render::Style;
use crate::config::{InForce, Sources};
use crate::source::{As, Checker};
use coordination_protocol::scalar::{ComponentId, WallTime};
use coordination_protocol::validate::Gate;
use coordination_protocol::version::{Calendar, Date};
use std::sync::{Arc, Mutex, PoisonError};

/// What all inputs of a check share; threads may, too.
pub(crate) struct Run<'s> {
    pub(crate) sources: &'s Arc<Sources>,
    pub(crate) style: Style,
    /// What is done with fixes.
    pub(crate) fixes: &'s FixArgs,
    /// What the input is taken for.
    pub(crate) given: As,
    /// The time, in milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) now: WallTime,
    /// The component that records without a source come from.
    pub(crate) from: Option<ComponentId>,
    /// What refuses messages that were seen before.
    pub(crate) replay: Option<Arc<Mutex<Gate>>>,
    /// What is announced to end, and the day to judge by.
    pub(crate) calendar: Option<(Calendar, Option<Date>)>,
    /// What is known and not reported.
    pub(crate) baseline: Option<Baseline>,
    /// Whether a baseline is to be written.
    pub(crate) collects: bool,
    pub(crate) checkers: Mutex<Vec<(&'s InForce, Arc<Checker<'s>>)>>,
}

impl<'s> Run<'s> {
    /// The checker by some settings: one for all inputs that they are in force for.
    pub(crate) fn checker(&self, settings: &'s InForce) -> Arc<Checker<'s>> {
        let mut checkers = self.checkers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, made)) = checkers.iter().find(|(known, _)| std::ptr::eq(*known, settings)) {
            return Arc::clone(made);
        }
        let mut checker = Checker::new(&settings.validator, &settings.reading, self.given);
        checker.now = Some(self.now);
        checker.from.clone_from(&self.from);
        checker.replay.clone_from(&self.replay);
        checker.calendar.clone_from(&self.calendar);
        let checker = Arc::new(checker);
        checkers.push((settings, Arc::clone(&checker)));
        checker
    }
}
