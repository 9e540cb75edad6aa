//! Reading event lines.

use super::line::EventRef;
use crate::codec::{Codec, Collect, ReadError, ReadRecord, examine_line};
use crate::finding::FindingSeverity;

impl Codec {
    /// Reads a line and stops at the first error. In interop mode the event may deviate;
    /// [`check`](Self::check) tells how.
    ///
    /// # Errors
    /// The first error that is met, which need not be the first by position.
    #[inline]
    pub fn parse<'a>(&self, line: &'a str) -> Result<EventRef<'a>, ReadError> {
        let shape = self.read(
            |sink| examine_line(self, line, sink),
            |sink| examine_line(self, line, sink).is_some(),
        )?;
        Ok(EventRef { text: line, shape })
    }

    /// Like [`parse`](Self::parse), from bytes.
    ///
    /// # Errors
    /// The first error that is met.
    pub fn parse_bytes<'a>(&self, line: &'a [u8]) -> Result<EventRef<'a>, ReadError> {
        match std::str::from_utf8(line) {
            Ok(text) => self.parse(text),
            Err(_) => Err(self.no_text(line)),
        }
    }

    /// Reads a line and finds everything that is wrong with it.
    pub fn check<'a>(&self, line: &'a str) -> ReadRecord<'a, EventRef<'a>> {
        self.check_within(line, self.limits().findings)
    }

    fn check_within<'a>(&self, line: &'a str, most: usize) -> ReadRecord<'a, EventRef<'a>> {
        let mut sink = Collect::within(self, most);
        let shape = examine_line(self, line, &mut sink);
        let report = sink.into_report();
        let event = shape.map(|shape| EventRef { text: line, shape });
        let known = event.as_ref().map(EventRef::type_name);
        let name = known.or_else(|| self.event_name(line));
        let readable = report.worst() != Some(FindingSeverity::Error);
        ReadRecord { value: event.filter(|_| readable), draft: None, name, report }
    }

    /// Like [`check`](Self::check), from bytes.
    pub fn check_bytes<'a>(&self, line: &'a [u8]) -> ReadRecord<'a, EventRef<'a>> {
        self.check_bytes_within(line, self.limits().findings)
    }

    /// Like [`check_bytes`](Self::check_bytes); the report keeps at most `most` findings.
    pub(crate) fn check_bytes_within<'a>(
        &self,
        line: &'a [u8],
        most: usize,
    ) -> ReadRecord<'a, EventRef<'a>> {
        match self.text(line, most) {
            Ok(text) => self.check_within(text, most),
            Err(report) => ReadRecord { value: None, draft: None, name: None, report },
        }
    }
}
