//! The blocks of Markdown, line by line, as far as fences depend on them: quotations, list items,
//! paragraphs, HTML and tables, as `CommonMark` 0.31 and GitHub's tables have them.
//!
//! A fence opens and closes within what is around it. Which that is depends on columns, on the
//! paragraph before, and on what HTML swallows; so each line is taken through the same steps as in
//! a full parser, without building anything.

use super::html::{self, HtmlEnd};

/// Quotations and list items deeper than this are text. Each blank line passes through all of them.
const DEEPEST: usize = 64;

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Prose, or anything else that is no fence.
    Text,
    /// The row of a table below its head; with the range of the head where it is the first.
    Row {
        head: Option<std::ops::Range<usize>>,
    },
    /// Opens a fence; where its info stands, without white space around it.
    Opens {
        info: std::ops::Range<usize>,
    },
    /// In a fence: where the content starts, and how many columns of a tab before it belong to it.
    Content {
        start: usize,
        columns: usize,
    },
    Closes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Quote,
    Item {
        /// Columns that a line has to be indented to be in it.
        width: usize,
        /// Whether nothing is in it yet.
        empty: bool,
    },
}

/// The block that lines go into.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    Nothing,
    /// With its last line.
    Paragraph(std::ops::Range<usize>),
    Fence {
        mark: u8,
        length: usize,
        indent: usize,
    },
    Html(HtmlEnd),
    Table,
}

/// What is open.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    containers: Vec<Container>,
    leaf: Leaf,
}

impl Blocks {
    pub(super) fn new() -> Self {
        Blocks { containers: Vec::new(), leaf: Leaf::Nothing }
    }

    /// Takes the line from `start` to its end. A fence that was open before it is closed by it unless
    /// it is [`Line::Content`].
    pub(super) fn line(&mut self, text: &str, start: usize, eol: usize) -> Line {
        let bytes = &text.as_bytes()[..eol];
        let bytes = bytes.strip_suffix(b"\r").filter(|line| line.len() >= start).unwrap_or(bytes);
        let mut cursor = Cursor { bytes, at: start, column: 0, tab: 0 };
        let matched = self.matching(&mut cursor);
        let all = matched == self.containers.len();
        if all && let Some(line) = self.in_leaf(&mut cursor) {
            return line;
        }
        if !all && !matches!(self.leaf, Leaf::Paragraph(_)) {
            self.leaf = Leaf::Nothing;
        }
        self.starts(cursor, matched)
    }

    /// How many of the containers go on.
    fn matching(&mut self, cursor: &mut Cursor<'_>) -> usize {
        let count = self.containers.len();
        for (index, container) in self.containers.iter().enumerate() {
            let indent = cursor.indent();
            let goes_on = match container {
                Container::Quote => indent < 4 && cursor.take_quote(),
                Container::Item { width, .. } if indent >= *width => {
                    cursor.advance(*width);
                    true
                }
                // An item that starts with a blank line has its content on the next.
                Container::Item { empty, .. } => {
                    let blank = cursor.is_blank();
                    if blank {
                        cursor.advance(indent);
                    }
                    blank && !(*empty && index + 1 == count)
                }
            };
            if !goes_on {
                return index;
            }
        }
        count
    }

    /// The line in the fence, or the HTML, that is open.
    fn in_leaf(&mut self, cursor: &mut Cursor<'_>) -> Option<Line> {
        match self.leaf {
            Leaf::Fence { mark, length, indent } => {
                let before = cursor.indent();
                let rest = cursor.rest();
                let marks = rest.iter().take_while(|b| **b == mark).count();
                if before < 4 && marks >= length && rest[marks..].trim_ascii().is_empty() {
                    self.leaf = Leaf::Nothing;
                    return Some(Line::Closes);
                }
                cursor.advance(before.min(indent));
                Some(cursor.content())
            }
            Leaf::Html(end) => {
                if html::ends(end, &cursor.bytes[cursor.at..]) {
                    self.leaf = Leaf::Nothing;
                }
                Some(Line::Text)
            }
            _ => None,
        }
    }

    /// What the line starts behind the containers that go on.
    fn starts(&mut self, mut cursor: Cursor<'_>, matched: usize) -> Line {
        // Containers that do not go on stay open for a paragraph that does.
        let mut open = matched;
        let lazy = matched < self.containers.len();
        let mut paragraph = matches!(self.leaf, Leaf::Paragraph(_));
        let close = |this: &mut Self, open: &mut usize| {
            this.containers.truncate(*open);
            *open = this.containers.len();
        };
        loop {
            let indent = cursor.indent();
            if indent >= 4 || cursor.is_blank() {
                break;
            }
            let line = cursor.rest();
            // Whether the line could go on with a paragraph in the same containers.
            let goes_on = paragraph && open == matched && !lazy;
            if line[0] == b'>' && open < DEEPEST {
                close(self, &mut open);
                self.enter();
                cursor.take_quote();
                self.containers.push(Container::Quote);
                (open, paragraph) = (open + 1, false);
                self.leaf = Leaf::Nothing;
                continue;
            }
            if let Some(fence) = opens(line, indent) {
                close(self, &mut open);
                self.enter();
                self.leaf = fence.0;
                let at = cursor.bytes.len() - line.len();
                return Line::Opens { info: at + fence.1.start..at + fence.1.end };
            }
            if let Some(end) = html::starts(line, paragraph) {
                close(self, &mut open);
                self.enter();
                self.leaf = if html::ends(end, line) { Leaf::Nothing } else { Leaf::Html(end) };
                return Line::Text;
            }
            let underline = goes_on && is_underline(line);
            if underline || is_heading(line) || is_break(line) {
                close(self, &mut open);
                self.enter();
                if let Some(row) = self.table_head(&cursor, underline) {
                    return row;
                }
                self.leaf = Leaf::Nothing;
                return Line::Text;
            }
            let Some(width) = item(line, goes_on).filter(|_| open < DEEPEST) else { break };
            close(self, &mut open);
            self.enter();
            cursor.advance(indent);
            let (marker, before) = (width, cursor.column);
            cursor.at += marker;
            cursor.column += marker;
            let spaces = cursor.indent();
            let blank = cursor.is_blank();
            let padding = if blank || spaces > 4 { 1 } else { spaces };
            cursor.advance(padding);
            let width = indent + (before + marker - before) + padding;
            self.containers.push(Container::Item { width, empty: true });
            (open, paragraph) = (open + 1, false);
            self.leaf = Leaf::Nothing;
        }
        if cursor.is_blank() {
            close(self, &mut open);
            self.leaf = Leaf::Nothing;
            return Line::Text;
        }
        let content = cursor.content_range();
        if paragraph && lazy && open == matched {
            // A lazy line of the paragraph.
            self.leaf = Leaf::Paragraph(content);
            return Line::Text;
        }
        close(self, &mut open);
        self.enter();
        if self.leaf == Leaf::Table {
            return Line::Row { head: None };
        }
        if !paragraph && cursor.indent() >= 4 {
            return Line::Text;
        }
        if let Some(row) = self.table_head(&cursor, paragraph) {
            return row;
        }
        self.leaf = Leaf::Paragraph(content);
        Line::Text
    }

    /// Something goes into the innermost item.
    fn enter(&mut self) {
        if let Some(Container::Item { empty, .. }) = self.containers.last_mut() {
            *empty = false;
        }
    }

    /// The first row of a table, where the line draws the border below its head.
    fn table_head(&mut self, cursor: &Cursor<'_>, paragraph: bool) -> Option<Line> {
        let Leaf::Paragraph(head) = &self.leaf else { return None };
        let cells = border(cursor.rest()).filter(|_| paragraph)?;
        if cells != cell_count(&cursor.bytes[head.clone()]) {
            return None;
        }
        let head = Some(head.clone());
        self.leaf = Leaf::Table;
        Some(Line::Row { head })
    }
}

/// A place on a line, counted in columns: a tab reaches to the next multiple of 4.
#[derive(Clone, Copy, Debug)]
struct Cursor<'t> {
    /// The text up to the end of the line.
    bytes: &'t [u8],
    at: usize,
    column: usize,
    /// Columns left of the tab at `at`, where a part of it was passed.
    tab: usize,
}

impl<'t> Cursor<'t> {
    /// Columns of white space from here.
    fn indent(&self) -> usize {
        let (mut column, mut at) = (self.column, self.at);
        if self.tab > 0 {
            (column, at) = (column + self.tab, at + 1);
        }
        loop {
            match self.bytes.get(at) {
                Some(b' ') => column += 1,
                Some(b'\t') => column += 4 - column % 4,
                _ => return column - self.column,
            }
            at += 1;
        }
    }

    /// Passes columns of white space.
    fn advance(&mut self, mut columns: usize) {
        while columns > 0 {
            match self.bytes.get(self.at) {
                Some(b' ') => {
                    (self.at, self.column, columns) = (self.at + 1, self.column + 1, columns - 1);
                }
                Some(b'\t') => {
                    let left = if self.tab > 0 { self.tab } else { 4 - self.column % 4 };
                    let taken = left.min(columns);
                    (self.column, columns, self.tab) =
                        (self.column + taken, columns - taken, left - taken);
                    self.at += usize::from(self.tab == 0);
                }
                _ => return,
            }
        }
    }

    /// What follows the white space.
    fn rest(&self) -> &'t [u8] {
        let rest = &self.bytes[self.at..];
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        &rest[blanks..]
    }

    fn is_blank(&self) -> bool {
        self.rest().is_empty()
    }

    /// Passes a mark of quotation and the column behind it.
    fn take_quote(&mut self) -> bool {
        if self.rest().first() != Some(&b'>') {
            return false;
        }
        self.advance(self.indent());
        (self.at, self.column) = (self.at + 1, self.column + 1);
        self.advance(1);
        true
    }

    fn content(&self) -> Line {
        let start = self.at + usize::from(self.tab > 0);
        Line::Content { start, columns: self.tab }
    }

    fn content_range(&self) -> std::ops::Range<usize> {
        self.bytes.len() - self.rest().len()..self.bytes.len()
    }
}

/// The fence that a line opens, and where on it the info stands.
fn opens(line: &[u8], indent: usize) -> Option<(Leaf, std::ops::Range<usize>)> {
    let mark = *line.first().filter(|b| matches!(b, b'`' | b'~'))?;
    let length = line.iter().take_while(|b| **b == mark).count();
    let rest = &line[length..];
    if length < 3 || mark == b'`' && rest.contains(&b'`') {
        return None;
    }
    let start = line.len() - rest.trim_ascii_start().len();
    let end = start + line[start..].trim_ascii_end().len();
    Some((Leaf::Fence { mark, length, indent }, start..end))
}

fn is_heading(line: &[u8]) -> bool {
    let marks = line.iter().take_while(|b| **b == b'#').count();
    (1..=6).contains(&marks) && matches!(line.get(marks), None | Some(b' ' | b'\t'))
}

/// The line below the text of a heading.
fn is_underline(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    matches!(line.first(), Some(b'=' | b'-')) && line.iter().all(|b| *b == line[0])
}

/// Three marks or more, and nothing else.
fn is_break(line: &[u8]) -> bool {
    let marks = line.iter().filter(|b| !matches!(b, b' ' | b'\t'));
    matches!(line.first(), Some(b'*' | b'-' | b'_'))
        && marks.clone().all(|b| *b == line[0])
        && marks.count() >= 3
}

/// The length of the mark that starts a list item. In the middle of a paragraph (`interrupts`) it
/// needs content, and a number needs to be 1.
fn item(line: &[u8], interrupts: bool) -> Option<usize> {
    let digits = line.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let length = match line {
        [b'-' | b'*' | b'+', ..] => 1,
        _ if (1..10).contains(&digits) && matches!(line.get(digits), Some(b'.' | b')')) => {
            digits + 1
        }
        _ => return None,
    };
    let one = digits == 0
        || line[..digits].iter().rev().skip(1).all(|b| *b == b'0') && line[digits - 1] == b'1';
    let content = !line[length..].trim_ascii().is_empty();
    let blank = matches!(line.get(length), None | Some(b' ' | b'\t'));
    (blank && (!interrupts || one && content)).then_some(length)
}

/// The number of cells below the border of a table, if the line is one.
fn border(line: &[u8]) -> Option<usize> {
    let inner = line.trim_ascii();
    if !inner.iter().any(|b| matches!(b, b'|' | b':')) {
        return None;
    }
    let inner = inner.strip_prefix(b"|").unwrap_or(inner);
    let inner = inner.strip_suffix(b"|").unwrap_or(inner);
    let mut cells = inner.split(|b| *b == b'|').map(|cell| {
        let cell = cell.trim_ascii();
        let cell = cell.strip_prefix(b":").unwrap_or(cell);
        let cell = cell.strip_suffix(b":").unwrap_or(cell);
        !cell.is_empty() && cell.iter().all(|b| *b == b'-')
    });
    let count = cells.clone().count();
    cells.all(|is_border| is_border).then_some(count)
}

/// The number of cells of a row.
fn cell_count(line: &[u8]) -> usize {
    let line = line.trim_ascii();
    let (mut count, mut at) = (1, 0);
    let inner = line.strip_prefix(b"|").unwrap_or(line);
    while at < inner.len() {
        match inner[at] {
            b'\\' => at += 1,
            // The bar at the end opens no cell.
            b'|' if at + 1 < inner.len() => count += 1,
            _ => {}
        }
        at += 1;
    }
    count
}
