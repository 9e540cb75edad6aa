//! What every reading yields, whatever the record.

use super::error::ReadError;
use super::faults;
use super::options::Codec;
use super::sink::{Collect, FailFast};
use crate::finding::{Code, Finding, Report};

/// What a check yields: everything that was found, and the record if it can be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadRecord<'a, T> {
    /// The record, unless a finding is an error.
    pub value: Option<T>,
    /// What can be read of a message with errors, for rules that find more.
    pub(crate) draft: Option<T>,
    /// What the record calls itself, as far as it can be told: the name in the place of an event
    /// type, or the body key of a message.
    pub name: Option<&'a str>,
    /// What was found.
    pub report: Report,
}

impl Codec {
    /// Examines a record up to the first error.
    #[inline]
    pub(crate) fn read<'c, T>(
        &'c self,
        examine: impl Fn(&mut FailFast<'c>) -> Option<T>,
        again: impl Fn(&mut Collect<'c>) -> bool,
    ) -> Result<T, ReadError> {
        let mut sink = FailFast::new(self);
        match (examine(&mut sink), sink.into_finding()) {
            (Some(value), None) => Ok(value),
            (_, Some(finding)) => Err(ReadError::new(finding)),
            (None, None) => Err(self.unreadable(again)),
        }
    }

    /// The finding that ended an examination, whatever its severity: the caller gave its code a lower
    /// one, but that does not make the record readable.
    #[cold]
    fn unreadable<'c>(&'c self, again: impl Fn(&mut Collect<'c>) -> bool) -> ReadError {
        let mut sink = Collect::within(self, usize::MAX);
        again(&mut sink);
        ReadError::new(sink.into_last().unwrap_or_else(|| Finding::new(Code::NotAMessage, 0..0)))
    }

    /// The text of a record, or the report that refuses bytes that are too many, or none. It keeps at
    /// most `most` findings.
    pub(crate) fn text<'a>(&self, record: &'a [u8], most: usize) -> Result<&'a str, Report> {
        let finding = if record.len() > self.limits().bytes {
            faults::too_long(self.limits(), record)
        } else {
            match std::str::from_utf8(record) {
                Ok(text) => return Ok(text),
                Err(error) => faults::not_utf8(record, error),
            }
        };
        let mut sink = Collect::within(self, most);
        sink.add(finding);
        Err(sink.into_report())
    }

    /// Why a record that is no text is refused.
    #[cold]
    pub(crate) fn no_text(&self, record: &[u8]) -> ReadError {
        let report = self.text(record, 1).err().unwrap_or_default();
        let first = report.findings().first().cloned();
        ReadError::new(first.unwrap_or_else(|| Finding::new(Code::NotUtf8, 0..0)))
    }
}
