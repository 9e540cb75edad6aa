//! What to do where something is never closed.
//!
//! A script that a shell accepts closes all that it opens. In a block of Markdown a quote is easily
//! forgotten, and the messages behind it must not be lost with it. So where the script ends inside
//! quotes or a substitution, the innermost of them is taken for what it is, a mistake or a character
//! that means nothing, and the reading goes on behind it.

use super::super::lines::{self, Context, Mode};
use super::super::shape::line_end;
use super::super::Place;
use super::{Closer, Shell};

impl Shell<'_, '_, '_> {
    /// Goes back behind the innermost thing that is open at the end of the script. Tells whether
    /// there is something to read.
    pub(super) fn recover(&mut self) -> bool {
        let Some(frame) = self.frames.last_mut() else { return false };
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
        self.output.found.truncate(mark);
        self.at = opener;
        if let Some(frame) = self.frames.last_mut()
            && frame.quote.take().is_some()
        {
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

    /// A quote that nothing closes: a message behind it is read as far as it goes, or else its line
    /// is passed over. Tells that the reading goes on.
    pub(super) fn unclosed_quote(&mut self, at: usize) -> bool {
        let eol = line_end(self.bytes, at);
        let place = match self.place {
            Place::InlineCode => Place::InlineCode,
            _ => Place::Argument { quote: Some(char::from(self.bytes[at])) },
        };
        let mut context = Context::new(place);
        if let Some(frame) = self.frames.last_mut() {
            frame.word = None;
            context.command = frame.simple.command();
        }
        let end = lines::bare(self.output, self.source, at, &context);
        self.at = end.map_or(eol, |end| line_end(self.bytes, end));
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
        self.output.found.truncate(mark);
        self.frames.clear();
        let rest = self.source.slice(opener..self.bytes.len());
        let context = Context::new(self.place);
        lines::read(self.output, &rest, Mode::Text, &context, self.level);
        self.at = self.bytes.len();
    }
}
