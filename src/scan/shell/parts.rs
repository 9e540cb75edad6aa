//! Commands that make an event of separate words, and those whose words tell what an argument is.

use super::super::evidence::is_upper_snake;
use super::super::lines::Context;
use super::super::mapped::{Builder, Mapped};
use super::super::shape::{event_head, is_placeholder, is_registered, stands_for_data};
use super::super::{Meant, PassedOver, Place, SnippetForm};
use super::Shell;
use super::word::Word;
use std::borrow::Cow;

/// How many words of a `printf` are put into its format.
const MOST: usize = 64;

/// A word of a command.
pub(super) struct Part<'a> {
    word: Mapped<'a>,
    /// Where in it the shell puts something in.
    expansions: Vec<usize>,
    /// What had been found, and passed over, before it was read.
    mark: usize,
    passed_over: PassedOver,
}

impl<'a> Shell<'_, '_, 'a> {
    /// Reads an argument, and the event that it completes.
    pub(super) fn part(&mut self, word: Word<'a>, format: bool, name: &str) -> Cow<'a, str> {
        let (mark, passed_over) = (word.mark, self.output.passed_over);
        let expansions = word.expansions.clone();
        let word = self.content(word, format);
        let text = word.text.clone();
        let Some(simple) = self.simple() else { return text };
        simple.names_workflow |= names_workflow(&text);
        simple.parts.push(Part { word, expansions, mark, passed_over });
        if name == "printf" {
            simple.parts.truncate(MOST);
        } else {
            if simple.parts.len() > 4 {
                simple.parts.remove(0);
            }
            self.event_of_words(name);
        }
        text
    }

    /// Takes the last four words for an event, if they are one.
    fn event_of_words(&mut self, name: &str) {
        let Some(simple) = self.simple() else { return };
        let [kind, workflow, phase, data] = &*simple.parts else { return };
        if !is_event(name, [kind, workflow, phase, data].map(|part| &*part.word.text)) {
            return;
        }
        let parts = std::mem::take(&mut simple.parts);
        // What was found in its words is part of it.
        self.output.found.truncate(parts[0].mark);
        self.output.passed_over = parts[0].passed_over;
        let mut event = Event::at(&parts[0]);
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                event.text.push_gap(":");
            }
            event.push(part);
        }
        self.add_event(event);
    }

    /// Adds an event that was put together.
    fn add_event(&mut self, event: Event<'a>) {
        let text = event.text.finish();
        let Some(head) = event_head(&text.text, 0) else { return };
        let command = self.simple().and_then(|simple| simple.command());
        let place = if self.place == Place::InlineCode { self.place } else { Place::Words };
        let context = Context { command, expansions: &event.expansions, ..Context::new(place) };
        let range = 0..text.text.len();
        self.output.add(&text, range, SnippetForm::EventLine, head.data, &context);
    }

    /// Notes that what was found from `mark` on may depend on the words to come.
    pub(super) fn doubt(&mut self, mark: usize) {
        let found = self.output.found.iter().skip(mark);
        let doubtful = found.clone().any(|found| matches!(found.meant, Meant::EventIf { .. }));
        if doubtful && let Some(simple) = self.simple() {
            simple.doubtful.get_or_insert(mark);
        }
    }

    /// Decides what the words of a command that has ended are.
    pub(super) fn settle(&mut self) {
        let Some(simple) = self.simple() else { return };
        let parts = std::mem::take(&mut simple.parts);
        let slash = simple.command().is_some();
        let named = simple.names_workflow;
        let doubtful = simple.doubtful.take();
        let printf = simple.name.as_deref() == Some("printf");
        if let Some(from) = doubtful {
            let passed_over = &mut self.output.passed_over;
            let mut index = 0;
            self.output.found.retain(|found| {
                index += 1;
                let ours = match found.meant {
                    // Many programs know an `event_type`; only ours spell it that way.
                    Meant::EventIf { upper } if index > from => named && (slash || upper),
                    _ => true,
                };
                passed_over.objects += usize::from(!ours);
                ours
            });
        }
        if printf {
            self.printf(&parts);
        }
    }

    /// The events that a `printf` prints, whose format has three colons or more.
    fn printf(&mut self, parts: &[Part<'a>]) {
        let mut parts = parts;
        loop {
            match parts {
                [option, rest @ ..] if option.word.text == "--" => parts = rest,
                [option, _, rest @ ..] if option.word.text == "-v" => parts = rest,
                _ => break,
            }
        }
        let [format, arguments @ ..] = parts else { return };
        if arguments.is_empty() || format.word.text.matches(':').count() < 3 {
            return;
        }
        let (mut next, mut events) = (0, Vec::new());
        // A format is used again as long as there are arguments.
        while next < arguments.len() {
            let round = next;
            let printed = Printed::new(format, arguments, &mut next);
            events.append(&mut printed.events(round == 0));
            if next == round {
                break;
            }
        }
        if !events.is_empty() {
            // What was found in the format alone, or in an argument, is part of them.
            self.output.found.truncate(format.mark);
            self.output.passed_over = format.passed_over;
        }
        for event in events {
            self.add_event(event);
        }
    }
}

/// An event that is put together.
struct Event<'a> {
    text: Builder<'a>,
    expansions: Vec<usize>,
}

impl<'a> Event<'a> {
    fn at(part: &Part<'a>) -> Self {
        Event { text: part.word.builder(0), expansions: Vec::new() }
    }

    fn push(&mut self, part: &Part<'a>) {
        let start = self.text.len();
        self.expansions.extend(part.expansions.iter().map(|at| start + at));
        self.text.push(&part.word, 0..part.word.text.len());
    }
}

/// Where a piece of a printed text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// An argument, by its place among all of them.
    Argument(usize),
    /// These bytes of the format.
    Format(std::ops::Range<usize>),
    /// An escape of the format.
    Escape,
    /// A line break of the format.
    Break,
}

/// What one round of a `printf` prints.
struct Printed<'p, 'a> {
    format: &'p Part<'a>,
    arguments: &'p [Part<'a>],
    text: String,
    /// Where each piece starts in the text.
    pieces: Vec<(usize, Source)>,
}

impl<'p, 'a> Printed<'p, 'a> {
    /// Prints the format with the arguments from `next` on; counts those that it takes.
    fn new(format: &'p Part<'a>, arguments: &'p [Part<'a>], next: &mut usize) -> Self {
        let mut printed = Printed { format, arguments, text: String::new(), pieces: Vec::new() };
        let bytes = format.word.text.as_bytes();
        let (mut at, mut from) = (0, 0);
        while at < bytes.len() {
            let length = match bytes[at] {
                b'%' => directive(&bytes[at..]),
                b'\\' if at + 1 < bytes.len() && bytes[at + 1].is_ascii() => 2,
                _ => 0,
            };
            if length == 0 {
                at += 1;
                continue;
            }
            printed.literal(from..at);
            let spelled = &bytes[at..at + length];
            match spelled {
                b"%%" => printed.piece(Source::Escape, "%"),
                b"\\n" => printed.piece(Source::Break, "\n"),
                b"\\t" => printed.piece(Source::Escape, "\t"),
                [b'\\', b'"' | b'\'' | b'\\'] => printed.literal(at + 1..at + 2),
                [b'\\', ..] => printed.literal(at..at + 2),
                _ => {
                    *next += memchr::memchr_iter(b'*', spelled).count();
                    if let Some(argument) = arguments.get(*next) {
                        printed.piece(Source::Argument(*next), &argument.word.text);
                    }
                    *next += 1;
                }
            }
            at += length;
            from = at;
        }
        printed.literal(from..bytes.len());
        printed
    }

    fn literal(&mut self, range: std::ops::Range<usize>) {
        let format = self.format;
        self.piece(Source::Format(range.clone()), &format.word.text[range]);
    }

    fn piece(&mut self, source: Source, text: &str) {
        if !text.is_empty() {
            self.pieces.push((self.text.len(), source));
            self.text.push_str(text);
        }
    }

    /// The events in it, one a line: at the start of the line, or of an argument or a literal that
    /// follows something else than a word.
    fn events(&self, first: bool) -> Vec<Event<'a>> {
        let mut events = Vec::new();
        for line in self.pieces.split(|(_, source)| *source == Source::Break) {
            let Some((last, _)) = line.last() else { continue };
            let behind = self.pieces.partition_point(|(at, _)| at <= last);
            let end = self.pieces.get(behind).map_or(self.text.len(), |(at, _)| *at);
            let start = line.iter().enumerate().find_map(|(index, (at, source))| {
                let before = self.text[..*at].bytes().next_back();
                let apart = index == 0 || before.is_some_and(|b| b" =>\t|".contains(&b));
                // The words of a literal are looked at as well: `EVENT: TASK_FAILED:%s:%s:%s`.
                let length = match source {
                    Source::Format(range) => range.len(),
                    _ => 1,
                };
                let starts = (0..length).filter(|offset| match offset {
                    0 => apart,
                    _ => b" =\t|".contains(&self.text.as_bytes()[at + offset - 1]),
                });
                let at = *at;
                let mut starts = starts.map(|offset| at + offset);
                starts.find(|at| {
                    self.text.is_char_boundary(*at) && event_head(&self.text, *at).is_some()
                })
            });
            if let Some(start) = start {
                events.extend(self.event(start, end, first));
            }
        }
        events
    }

    /// The event of a range of the text. In the first round what the format says before the first
    /// argument is found there.
    fn event(&self, start: usize, end: usize, first: bool) -> Option<Event<'a>> {
        let from = self.pieces.partition_point(|(at, _)| *at <= start).saturating_sub(1);
        let pieces = &self.pieces[from..self.pieces.partition_point(|(at, _)| *at < end)];
        let ends = pieces.iter().skip(1).map(|(at, _)| *at).chain([end]);
        let pieces = pieces.iter().zip(ends);
        let argument = pieces.clone().find_map(|((_, source), _)| match source {
            Source::Argument(index) => self.arguments.get(*index),
            _ => None,
        });
        let mut event = Event::at(argument?);
        let mut met = !first;
        if first && let Some(((at, Source::Format(range)), _)) = pieces.clone().next() {
            event.text = self.format.word.builder(range.start + start.saturating_sub(*at));
        }
        for ((at, source), behind) in pieces {
            let cut = start.saturating_sub(*at);
            match source {
                Source::Argument(index) => {
                    event.push(self.arguments.get(*index)?);
                    met = true;
                }
                Source::Format(range) if !met => {
                    event.text.push(&self.format.word, range.start + cut..range.end);
                }
                _ => event.text.push_gap(&self.text[*at + cut..behind]),
            }
        }
        Some(event)
    }
}

/// The length of a directive such as `%s`, `%-10s` or `%(%F)T`; 0 if there is none.
fn directive(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"%(") {
        return memchr::memmem::find(bytes, b")T").map_or(0, |end| end + 2);
    }
    let flags = bytes.iter().skip(1).take_while(|b| b.is_ascii_digit() || b"-+ #0'.*".contains(b));
    let at = flags.count() + 1;
    match bytes.get(at) {
        Some(b'%') if at == 1 => 2,
        Some(b) if b"diouxXeEfFgGaAcsbqn".contains(b) => at + 1,
        _ => 0,
    }
}

/// Whether four words of a command make an event: a type, two identifiers, data.
fn is_event(name: &str, [kind, workflow, phase, data]: [&str; 4]) -> bool {
    /// Commands whose words are lists of names, or patterns.
    const OTHERS: &[&str] = &[
        "for", "select", "case", "in", "local", "export", "declare", "typeset", "readonly",
        "unset", "read", "test", "[", "[[", "grep", "printf",
    ];
    let registered = is_registered(kind.as_bytes());
    if OTHERS.contains(&name) || !(registered || is_upper_snake(kind.as_bytes())) {
        return false;
    }
    if !is_identifier(workflow) || !is_identifier(phase) {
        return false;
    }
    let object = data.starts_with('{') && !is_placeholder(data.as_bytes());
    // Many commands take four words, the first in upper case and the last a variable.
    let publishes = || {
        let says = |word: &str| {
            let word = word.to_ascii_lowercase();
            ["event", "publish", "emit", "notify"].iter().any(|verb| word.contains(verb))
        };
        says(name) || says(data) || [workflow, phase].contains(&"global")
    };
    object || stands_for_data(data.as_bytes()) && (registered || publishes())
}

/// Whether a word is an identifier, or stands for one.
fn is_identifier(word: &str) -> bool {
    if word.contains('$') {
        return !word.starts_with('-') && !word.contains('/');
    }
    let clean = |b: u8| !b.is_ascii_whitespace() && !b"/:\"'{}=,;()[]|&\\`".contains(&b);
    is_placeholder(word.as_bytes())
        || !word.is_empty() && !word.starts_with('-') && word.bytes().all(clean)
}

/// Whether a word names a workflow: `wf_001`, `--workflow-id=x`, `$WORKFLOW_ID`, `<workflow>`.
fn names_workflow(word: &str) -> bool {
    let name = word.trim_start_matches(['$', '{', '<', '-']).to_ascii_lowercase();
    let marked = word.starts_with(['$', '<', '{']) || word.starts_with("--");
    let rest = name.strip_prefix("workflow").or_else(|| name.strip_prefix("wf"));
    let plain = !word.contains(['/', ' ', '\n']);
    plain
        && rest.is_some_and(|rest| {
            let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) || rest == "id";
            rest.starts_with(['_', '-', '=', '.']) || marked && ends
        })
}
