//! Lines and columns of a file.

/// Characters are counted once per block of bytes, so that a position costs the same on any line.
const STEP: usize = 4096;

/// A line and a column, as editors count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Tells the line and the column of byte offsets.
///
/// A line ends with `\n`; a `\r` before it is the last character of its line. Columns count
/// characters (Unicode scalar values), which SARIF calls `unicodeCodePoints`.
///
/// ```
/// use coordination_protocol::scan::LineIndex;
///
/// let index = LineIndex::new("é = 1\nb = 2\n");
/// let position = index.position(3);
/// assert_eq!((position.line, position.column), (1, 3));
/// assert_eq!(index.position(7).line, 2);
/// ```
#[derive(Clone, Debug)]
pub struct LineIndex<'a> {
    text: &'a str,
    /// Where each line starts.
    starts: Vec<usize>,
    /// Characters before each multiple of [`STEP`].
    characters: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    /// Reads the line ends of a text once.
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1))
            .collect();
        let chunks = text.as_bytes().chunks(STEP);
        let characters = chunks
            .scan(0, |count, chunk| {
                let before = *count;
                *count += first_bytes(chunk);
                Some(before)
            })
            .collect();
        LineIndex { text, starts, characters }
    }

    /// The position of a byte; that of the end for an offset beyond the text.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        Position { line, column }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = (offset / STEP).min(self.characters.len().saturating_sub(1));
        let rest = self.text.as_bytes().get(block * STEP..offset).unwrap_or_default();
        self.characters.get(block).copied().unwrap_or_default() + first_bytes(rest)
    }
}

/// How many characters start in these bytes.
fn first_bytes(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}
