//! What to do where something is never closed.
//!
//! A script that a shell accepts closes all that it opens. In a block of Markdown a quote is easily
//! forgotten, and the messages behind it must not be lost with it. So where the script ends inside
//! quotes or a substitution, the innermost of them is taken for what it is, a mistake or a character
//! that means nothing, and the reading goes on behind it.

use super::super::lines::{self, Context, Mode};
use super::super::shape::line_end;
use super::super::{Mark, Place};
use super::{Closer, Shell};

impl Shell<'_, '_, '_> {
    /// Goes back behind the innermost thing that is open at the end of the script. Tells whether
    /// there is something to read.
    pub(super) fn recover(&mut self) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        let quoted = frame.quote.is_some();
        let (opener, mark) = match frame.quote {
            Some(open) => open,
            None if frame.closer == Closer::Nothing => return false,
            None => (frame.opened, frame.mark),
        };
        if !self.may_spend(opener) {
            self.give_up();
            return false;
        }
        self.spend(opener);
        self.output.back_to(mark);
        self.at = opener;
        if quoted {
            return self.unclosed_quote(opener);
        }
        // `$(`, `${` and their kind stand for themselves.
        let length = match &self.bytes[opener..] {
            [b'`', ..] => 1,
            [b'$', b'(', b'(', ..] => 3,
            _ => 2,
        };
        self.frames.pop();
        self.take(opener..opener + length);
        self.at = opener + length;
        true
    }

    /// Notes a quote that was closed right before this, if its end looks like the start of another.
    pub(super) fn suspect(&mut self, open: usize, mark: Mark) {
        let starts = self.peek(0).is_some_and(|b| b.is_ascii_alphanumeric() || b"{$_".contains(&b));
        if starts && self.suspect.is_none() && self.at_top() {
            let lines = memchr::memchr(b'\n', &self.bytes[open..self.at]).is_some();
            self.suspect = lines.then_some((open, mark));
        }
    }

    /// A quote that nothing closes: a message behind it is read as far as it goes, or else its line
    /// is passed over. Tells that the reading goes on.
    pub(super) fn unclosed_quote(&mut self, mut at: usize) -> bool {
        if let Some((open, mark)) = self.suspect.take().filter(|(open, _)| self.may_spend(*open)) {
            self.spend(open);
            self.output.back_to(mark);
            self.frames.truncate(1);
            at = open;
        }
        let place = match self.place {
            Place::InlineCode => Place::InlineCode,
            _ => Place::Argument { quote: Some(char::from(self.bytes[at])) },
        };
        let mut context = Context::new(place);
        if let Some(frame) = self.frames.last_mut() {
            (frame.word, frame.quote) = (None, None);
            context.command = frame.simple.command();
        }
        let end = lines::bare(self.output, self.source, at, &context).unwrap_or(at);
        self.at = line_end(self.bytes, end);
        true
    }

    pub(super) fn spend(&mut self, from: usize) {
        self.rework = self.rework.saturating_sub(self.bytes.len() - from);
    }

    fn may_spend(&self, from: usize) -> bool {
        self.rework >= self.bytes.len() - from
    }

    /// Reads the rest as lines: it is no script.
    fn give_up(&mut self) {
        let Some(frame) = self.frames.first() else { return };
        let inside = self.frames.get(1).map(|frame| (frame.opened, frame.mark));
        let Some((opener, mark)) = frame.quote.or(inside) else { return };
        self.output.back_to(mark);
        self.frames.clear();
        let rest = self.source.slice(opener..self.bytes.len());
        let context = Context::new(self.place);
        lines::read(self.output, &rest, Mode::Text, &context, self.level);
        self.at = self.bytes.len();
    }
}
