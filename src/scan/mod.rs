//! Finding event lines and JSON documents in what command authors write.
//!
//! A command is defined in a Markdown file: prose, fenced examples, shell functions that publish
//! events. No checker runs over the messages in it, because they are hidden in here-documents
//! and quoted arguments. [`scan`] finds them, takes the shell's quoting away, and tells for each
//! byte where it stands in the file. It judges nothing: what it yields goes to the same checks as
//! any other message.
//!
//! ```
//! use coordination_protocol::json::Limits;
//! use coordination_protocol::scan::{SnippetForm, LineIndex, scan};
//!
//! let file = concat!(
//!     "# Report\n\n```bash\n",
//!     r#"publish_event "PHASE_COMPLETED:$wf:build:{\"duration\":\"45m\"}""#,
//!     "\n```\n",
//! );
//! let found: Vec<_> = scan(file, &Limits::default()).collect();
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].form, SnippetForm::EventLine);
//! assert_eq!(found[0].text, r#"PHASE_COMPLETED:$wf:build:{"duration":"45m"}"#);
//! assert!(found[0].template);
//! let position = LineIndex::new(file).position(found[0].origin(0));
//! assert_eq!((position.line, position.column), (4, 16));
//! ```
//!
//! # What is found
//!
//! Names decide, before anything judges the JSON, so that a message that is broken or cut off is still
//! found, and a package file never is.
//!
//! * An **event line**: a registered type in any spelling, or an `UPPER_SNAKE` word with an underscore;
//!   two parts; data that begins with `{` or a placeholder. Behind a registered type anything counts as
//!   its data.
//! * A **document**: an object with the key of one of the eight documents; with `event` and an
//!   `event_type` in it; with the key of a control message and one of its identifiers in it; with
//!   `event_type` beside `workflow_id`; with `protocol_version` beside another key of the header or of
//!   a body; with nearly a body key and two required fields of that body. Messages in an array are
//!   found one by one. What is nested deeper in another object is part of that object.
//! * An **event of separate words** of a command, type, workflow, phase and data, and what a `printf`
//!   prints with three colons ([`Place::Words`]).
//! * In the argument of a **command**: an object with an `event_type`, if the command line names the
//!   workflow; behind a slash command, the fields of a document without its key
//!   ([`Snippet::implied`]).
//! * In a **log**, each of these behind a time, a level, a process, brackets and the like.
//!
//! Every other object, and every other line of a log, is passed over and counted
//! ([`Snippets::passed_over`]). A broken value ends where its brackets close, else with its fence,
//! here-document or argument, and before the next message.
//!
//! Markdown is read by its blocks, as `CommonMark` has them, and shell by its quotes, expansions and
//! here-documents. A quote, `$(` or `${` that nothing closes is a mistake of the author's: a message
//! right behind the quote is read as far as it goes, the rest of the line is passed over, and what
//! follows is read as if it had been closed.
//!
//! A message has to start its line, its quoted argument, or its inline code. Prose that mentions
//! one in the middle of a sentence without marking it as code is not searched, and neither are
//! fences in a programming language and programs of `jq`, `awk` and the like: `jq -n '{event: ...}'`
//! makes a message that is not there to be read.

mod blocks;
mod evidence;
mod fence;
mod html;
mod kind;
mod lines;
mod log;
mod mapped;
mod markdown;
mod position;
mod shape;
mod shell;
mod stream;
mod template;
mod yaml;

pub use kind::{FileKind, looks_like};
pub use position::{LineIndex, Position};
pub use stream::{LogPart, LogReader, is_log_line};

use crate::json::Limits;
use crate::spec::MessageKind;
use lines::{Context, Mode, Unclosed};
use mapped::{Mapped, Origins};
use std::borrow::Cow;
use std::ops::Range;

/// How often files are read inside files: a here-document that holds a script, a fence that holds
/// Markdown. What is nested deeper is read as plain lines.
const LEVELS: usize = 3;

/// What a snippet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SnippetForm {
    /// `EVENT_TYPE:workflow:phase:data`.
    EventLine,
    /// JSON text.
    Document,
}

/// Where a snippet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place<'a> {
    /// On lines of their own, outside any block.
    Line,
    /// On lines of a fenced block.
    Fence {
        /// The text behind the opening marks, such as `json`; often empty.
        info: &'a str,
    },
    /// In a shell here-document.
    HereDoc {
        /// The delimiter as the file spells it, its quotes included.
        delimiter: &'a str,
        /// Whether the shell expands `$var` in it; a quoted delimiter says no.
        expands: bool,
    },
    /// In an argument or an assignment of a command.
    Argument {
        /// The quote that opens it: `'` or `"`. None for a bare word.
        quote: Option<char>,
    },
    /// In inline code of Markdown.
    InlineCode,
    /// In words of a command, one a part: `publish "TASK_FAILED" "$wf" build '{...}'`. The text is
    /// the event line that the command makes of them; a colon between two parts stands where the
    /// first of them ends.
    Words,
    /// On a line of a log, behind its time, level and the like.
    LogLine,
}

/// The command whose argument a snippet is: `/resource-manager allocate '{...}'`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command<'a> {
    /// The component, without the slash.
    pub name: Cow<'a, str>,
    /// The words before the argument, quotes resolved: the first 8 that have at most 128 bytes and
    /// no line break.
    pub words: Vec<Cow<'a, str>>,
}

/// A message in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snippet<'a> {
    /// What it is.
    pub form: SnippetForm,
    /// The message as its author would send it: the quoting of the shell resolved, the indentation
    /// of a fence and the marks of a quotation taken away. At most one character more than
    /// [`Limits::bytes`] allows, so that checks say that it is too long.
    pub text: Cow<'a, str>,
    /// Whether it holds something to be filled in: `$var`, `a|b|c`, `<name>`, `{{name}}`, `...`, or
    /// shows the grammar. Its values, and outside strings its syntax, are not meant as they stand.
    pub template: bool,
    /// Where it stands.
    pub place: Place<'a>,
    /// The command that it is an argument of, if that is a slash command.
    pub command: Option<Command<'a>>,
    origins: Origins,
    /// Whether its data is spelled out, and not a `$variable` as a whole.
    spelled_out: bool,
    meant: Meant,
}

/// What makes a snippet a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    /// What is in it.
    Message,
    /// The command line around it names the workflow of the event.
    Event,
    /// The same, if the command line does so; `upper` says that the type is spelled as types are.
    EventIf { upper: bool },
    /// The command that it is an argument of asks for this.
    Body(MessageKind),
}

impl Snippet<'_> {
    /// What an object without a body key stands for, where only the command line around it tells: an
    /// event, whose workflow is one of the other words, or the body whose fields it has.
    ///
    /// ```
    /// use coordination_protocol::json::Limits;
    /// use coordination_protocol::message::MessageKind;
    /// use coordination_protocol::scan::{FileKind, scan_as};
    ///
    /// let line = r#"/resource-manager allocate '{"workflow_id":"wf_1","agents":3}'"#;
    /// let found = scan_as(line, FileKind::Shell, &Limits::default()).next().unwrap();
    /// assert_eq!(found.implied(), Some(MessageKind::AllocationRequest));
    /// ```
    pub fn implied(&self) -> Option<MessageKind> {
        match self.meant {
            Meant::Message => None,
            Meant::Event | Meant::EventIf { .. } => Some(MessageKind::Event),
            Meant::Body(kind) => Some(kind),
        }
    }

    /// Where a byte of [`text`](Self::text) stands in the file. For a resolved escape, the character
    /// that it stands for, or the backslash if the file does not hold the character. The end of the
    /// snippet for an offset beyond the text.
    pub fn origin(&self, offset: usize) -> usize {
        self.origins.of(offset)
    }

    /// What the snippet covers in the file, in bytes.
    pub fn range(&self) -> Range<usize> {
        self.origin(0)..self.origin(usize::MAX)
    }
}

/// The snippets of a file in the order of their places. They do not overlap.
#[derive(Clone, Debug)]
pub struct Snippets<'a> {
    found: std::vec::IntoIter<Snippet<'a>>,
    passed_over: PassedOver,
}

impl Snippets<'_> {
    /// What was seen and is no message of this protocol.
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over
    }
}

/// What a file holds beside its messages, counted: it is not ours, so nothing is found in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PassedOver {
    /// Objects without evidence of a message.
    pub objects: usize,
    /// Lines of a log without a message.
    pub lines: usize,
}

impl<'a> Iterator for Snippets<'a> {
    type Item = Snippet<'a>;

    fn next(&mut self) -> Option<Snippet<'a>> {
        self.found.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.found.size_hint()
    }
}

impl ExactSizeIterator for Snippets<'_> {}

/// Finds the messages of a file of any kind; [`looks_like`] tells which it is.
///
/// The time grows with the length of the text, whatever is in it. `limits.bytes` bounds a snippet,
/// `limits.depth` how deep command substitutions are followed.
pub fn scan<'a>(text: &'a str, limits: &Limits) -> Snippets<'a> {
    scan_as(text, looks_like(text), limits)
}

/// Finds the messages of a file whose kind is known.
///
/// ```
/// use coordination_protocol::json::Limits;
/// use coordination_protocol::scan::{FileKind, scan_as};
///
/// let script = "notify 'TASK_STARTED:wf_001:build:{\"task_id\":\"t1\"}'";
/// let found = scan_as(script, FileKind::Shell, &Limits::default()).next().unwrap();
/// assert_eq!(found.text, r#"TASK_STARTED:wf_001:build:{"task_id":"t1"}"#);
/// ```
pub fn scan_as<'a>(text: &'a str, kind: FileKind, limits: &Limits) -> Snippets<'a> {
    let output = read(text, kind, limits);
    Snippets { found: output.found.into_iter(), passed_over: output.passed_over }
}

fn read<'a>(text: &'a str, kind: FileKind, limits: &Limits) -> Output<'a> {
    let mut output = Output::new(limits);
    output.file(text, kind);
    output
}

/// The scripts in a file, as a shell would get them: all of a shell script, each fence of Markdown that
/// is read as shell, each `run:` of YAML, and each script that one of them writes into another file.
///
/// ```
/// use coordination_protocol::scan::{FileKind, scripts};
///
/// let file = "Run it:\n\n- ```sh\n  set -e\n  ```\n";
/// assert_eq!(scripts(file, FileKind::Markdown), ["set -e\n"]);
/// ```
pub fn scripts(text: &str, kind: FileKind) -> Vec<Cow<'_, str>> {
    let mut output = Output { scripts: Some(Vec::new()), ..Output::new(&Limits::default()) };
    output.file(text, kind);
    output.scripts.unwrap_or_default()
}

/// What the readers fill.
struct Output<'a> {
    limits: Limits,
    found: Vec<Snippet<'a>>,
    passed_over: PassedOver,
    unclosed: Unclosed,
    /// Where the line of a log starts that is read.
    line: usize,
    /// Where the first line starts that more text might go on with.
    open: Option<usize>,
    /// The scripts, where they are asked for.
    scripts: Option<Vec<Cow<'a, str>>>,
}

/// How much an output held at some time.
#[derive(Clone, Copy)]
struct Mark {
    found: usize,
    passed_over: PassedOver,
}

impl<'a> Output<'a> {
    fn new(limits: &Limits) -> Self {
        Output {
            limits: *limits,
            found: Vec::new(),
            passed_over: PassedOver::default(),
            unclosed: Unclosed::default(),
            line: 0,
            open: None,
            scripts: None,
        }
    }

    /// Reads a file.
    fn file(&mut self, text: &'a str, kind: FileKind) {
        let file = Mapped::file(text);
        let context = Context::new(Place::Line);
        match kind {
            FileKind::Markdown => markdown::read(self, &file, &context, 0),
            FileKind::Shell => shell::read(self, &file, &context, 0),
            FileKind::EventLines => lines::read(self, &file, Mode::Text, &context, 0),
            FileKind::Json => lines::read(self, &file, Mode::File, &context, 0),
            FileKind::Log => {
                lines::read(self, &file, Mode::Log, &Context::new(Place::LogLine), 0);
            }
            FileKind::Yaml => yaml::read(self, &file, &context, 0, false),
        }
    }

    fn mark(&self) -> Mark {
        Mark { found: self.found.len(), passed_over: self.passed_over }
    }

    /// Forgets what was added since: it is read again, in another way.
    fn back_to(&mut self, mark: Mark) {
        self.found.truncate(mark.found);
        self.passed_over = mark.passed_over;
    }

    /// More text might go on with what starts on this line.
    fn may_go_on(&mut self) {
        self.open.get_or_insert(self.line);
    }

    /// Adds the message in a range of a text. `data` is where its JSON text starts.
    fn add(
        &mut self,
        source: &Mapped<'a>,
        range: Range<usize>,
        form: SnippetForm,
        data: usize,
        context: &Context<'a, '_>,
    ) {
        // One byte more than allowed, so that whoever checks it says that it is too long, and no more,
        // so that a file of one huge value is not copied.
        let most = self.limits.bytes.saturating_add(1);
        let mut end = range.end.min(range.start.saturating_add(most));
        while !source.text.is_char_boundary(end) {
            end += 1;
        }
        let mapped = source.slice(range.start..end);
        let spelled = mapped.text.as_bytes().get(data - range.start..).unwrap_or_default();
        let spelled_out = form == SnippetForm::Document || !shape::stands_for_data(spelled);
        let template = context.expands_in(range.start..end)
            || form == SnippetForm::EventLine && !spelled_out
            || template::is_template(&mapped.text, data - range.start, context.printf);
        self.found.push(Snippet {
            form,
            text: mapped.text,
            template,
            place: context.place,
            command: context.command.clone(),
            origins: mapped.origins,
            spelled_out,
            meant: Meant::Message,
        });
    }

    /// Puts what a word holds in its place among `inner`, what was found in the substitutions inside
    /// the word. Where they overlap, the message that is spelled out further wins.
    fn merge(&mut self, mark: usize, inner: Vec<Snippet<'a>>) {
        if inner.is_empty() {
            return;
        }
        let outer = self.found.split_off(mark);
        let mut inner = inner.into_iter().peekable();
        for snippet in outer {
            let range = snippet.range();
            while let Some(before) = inner.next_if(|held| held.range().end <= range.start) {
                self.found.push(before);
            }
            if snippet.spelled_out {
                while inner.next_if(|held| held.range().start < range.end).is_some() {}
                self.found.push(snippet);
            } else if inner.peek().is_none_or(|held| held.range().start >= range.end) {
                self.found.push(snippet);
            }
        }
        self.found.extend(inner);
    }
}
