//! What makes an object a message: the names in it, read without a grammar.
//!
//! Real files are full of objects, and few are messages. Names decide, before anything judges the JSON,
//! so that a message that is broken or cut off is still one, and a package file never is. What counts
//! is derived from the tables of [`spec`](crate::spec).

use super::shape::{line_end, skip_blanks};
use crate::json::{skip_space, string_end};
use crate::scalar::nearest;
use crate::spec::{
    ENVELOPE, EVENT_TYPE, FLAT, FieldType, HEADERS, MemberSpec, MessageKind, ObjectSpec,
    Requirement, Role, WORKFLOW,
};

/// The longest key that is looked at; no name of the protocol is that long.
const MOST: usize = 64;

/// What an object is, if it is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A message, broken or not.
    Message,
    /// It has an `event_type` and no workflow: an event if the command that it is an argument of
    /// names the workflow. `upper` says that the type is spelled as types are.
    EventType { upper: bool },
    /// It has fields of this body, without the body's key: a request if it is the argument of a slash
    /// command.
    Fields(MessageKind),
}

/// The slash command that an object is an argument of: the words that may say what is asked.
pub(super) type Words<'w> = &'w [std::borrow::Cow<'w, str>];

/// The evidence in the object that opens at the start of `object`. `command` is what stands before it
/// on the line of a slash command.
pub(super) fn evidence(object: &[u8], command: Option<Words<'_>>) -> Option<Evidence> {
    let mut found = Found { command: command.is_some(), ..Found::default() };
    if Walk::new(object).run(&mut found) {
        return Some(Evidence::Message);
    }
    if let Some(upper) = found.event_type {
        return Some(Evidence::EventType { upper });
    }
    found.request(command?).map(Evidence::Fields)
}

/// What was met so far in an object.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a thing that was met or not")]
struct Found {
    /// Whether fields of bodies are counted.
    command: bool,
    /// Whether the `event_type` that was met is spelled in upper case.
    event_type: Option<bool>,
    workflow: bool,
    version: bool,
    /// Another key of the header, or a body key.
    beside_version: bool,
    /// The fields of each body that were met, one bit each.
    fields: Vec<u64>,
    /// The body whose key the value at hand has.
    body: Body,
}

/// What the key of a nested object says.
#[derive(Clone, Copy, Debug, Default)]
enum Body {
    #[default]
    None,
    /// A body key that needs one of its identity fields.
    Control(&'static ObjectSpec),
    /// Nearly a body key; the required fields that were met, one bit each.
    Near(&'static ObjectSpec, u64),
}

impl Found {
    /// A key of the object, and where its value starts; whether the object is a message.
    fn key(&mut self, name: &str, object: &[u8], value: usize) -> bool {
        self.body = Body::None;
        let kind = MessageKind::lookup(name);
        if kind.is_some_and(MessageKind::is_document) {
            return true;
        }
        let header = ENVELOPE.members.iter().take(HEADERS).any(|member| member.name == name)
            || ENVELOPE.aliases.iter().any(|(alias, _)| *alias == name);
        if name == "protocol_version" {
            self.version = true;
        } else {
            self.beside_version |= header || kind.is_some();
        }
        if is_part(EVENT_TYPE, name) {
            let text = object.get(value + 1..).unwrap_or_default();
            let word = text.iter().take(MOST).take_while(|b| !b"\"'\\".contains(b));
            self.event_type = Some(is_upper_snake(&word.copied().collect::<Vec<_>>()));
        }
        self.workflow |= is_part(WORKFLOW, name);
        if matches!(object.get(value), Some(b'{')) {
            self.body = match kind {
                Some(kind) => kind.spec().map_or(Body::None, Body::Control),
                None => near(name).map_or(Body::None, |spec| Body::Near(spec, 0)),
            };
        }
        if self.command {
            self.fields.resize(MessageKind::KNOWN.len(), 0);
            for (bits, kind) in self.fields.iter_mut().zip(MessageKind::KNOWN) {
                *bits |= kind.spec().and_then(|spec| place(spec, name)).map_or(0, |at| 1 << at);
            }
        }
        self.event_type.is_some() && self.workflow || self.version && self.beside_version
    }

    /// A key of an object that is the value of a key; whether that makes the whole a message.
    fn inner_key(&mut self, name: &str) -> bool {
        match &mut self.body {
            Body::None => false,
            Body::Control(spec) => {
                place(spec, name).is_some_and(|at| identifies(spec, &spec.members[at]))
            }
            Body::Near(spec, met) => {
                if let Some(at) = place(spec, name)
                    && spec.members[at].requirement <= Requirement::Required
                {
                    *met |= 1 << at;
                }
                met.count_ones() >= 2
            }
        }
    }

    /// The document whose fields were met, if a slash command with these words asks for it.
    fn request(&self, words: Words<'_>) -> Option<MessageKind> {
        let met = |kind: &MessageKind, bits: u64| {
            let spec = kind.spec()?;
            let fields = spec.members.iter().enumerate().filter(|(at, _)| bits & 1 << at != 0);
            let count = |holds: &dyn Fn(&MemberSpec) -> bool| {
                fields.clone().filter(|(_, member)| holds(member)).count()
            };
            let essential = count(&|member| member.requirement == Requirement::Essential);
            let required = count(&|member| member.requirement <= Requirement::Required);
            let identified = count(&|member| identifies(spec, member)) > 0;
            let asked = words.iter().any(|word| asks_for(word, kind.as_str()));
            let enough = asked && essential > 0 || identified && required > 1;
            enough.then_some((asked, required, bits.count_ones()))
        };
        let kinds = MessageKind::KNOWN.iter().zip(&self.fields);
        let kinds = kinds.filter(|(kind, _)| **kind != MessageKind::Event);
        kinds
            .filter_map(|(kind, bits)| Some((met(kind, *bits)?, *kind)))
            // On a tie the earlier row, whose message is the more frequent one.
            .rev()
            .max_by_key(|(weight, _)| *weight)
            .map(|(_, kind)| kind)
    }
}

/// Whether a key names a part of an event that stands beside the header.
fn is_part(part: usize, name: &str) -> bool {
    FLAT.members[HEADERS + part].name == name
        || FLAT.aliases.iter().any(|(alias, place)| *alias == name && *place == HEADERS + part)
}

fn place(spec: &ObjectSpec, name: &str) -> Option<usize> {
    spec.members.iter().position(|member| member.name == name)
}

/// Whether a member tells which thing a body is about: the type of an event, an essential identifier
/// of another body, or, where a body has none, whatever is essential.
fn identifies(spec: &ObjectSpec, member: &MemberSpec) -> bool {
    let id = |member: &MemberSpec| {
        member.requirement == Requirement::Essential && member.field_type() == Some(FieldType::Id)
    };
    if spec.role == Role::Event {
        return member.name == spec.members[EVENT_TYPE].name;
    }
    id(member) || member.requirement == Requirement::Essential && !spec.members.iter().any(id)
}

/// The body whose key a name nearly is.
fn near(name: &str) -> Option<&'static ObjectSpec> {
    let known = nearest(name, MessageKind::KNOWN.iter().map(|kind| kind.as_str()))?;
    MessageKind::lookup(known)?.spec()
}

/// Whether a word of a command line asks for a kind of message: `allocate` for `allocation_request`,
/// `register` for `component_registration`.
fn asks_for(word: &str, body_key: &str) -> bool {
    /// As many letters as related words share at their starts.
    const STEM: usize = 5;
    let parts =
        |text: &str| text.split(['_', '-']).map(str::to_ascii_lowercase).collect::<Vec<_>>();
    let key = parts(body_key);
    // What a body is asked with or answered by says nothing about its subject.
    let says = |part: &&String| {
        !matches!(part.as_str(), "request" | "response" | "component" | "workflow")
    };
    parts(word).iter().any(|word| {
        let stem = word.get(..STEM).unwrap_or(word);
        stem.len() >= 4 && key.iter().filter(says).any(|part| part.starts_with(stem))
    })
}

/// `TASK_FAILED`: words in upper case with an underscore between two.
pub(super) fn is_upper_snake(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_uppercase)
        && name.contains(&b'_')
        && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}

/// What comes next on a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A key, or the end.
    Key,
    Value,
    /// An element of an array: nothing on this level is a key.
    Element,
}

/// A walk over the keys of an object and of the objects in it, over broken text as well: missing or
/// doubled commas, colons and quotes, comments, escaped quotes.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    /// Of the two outermost levels.
    next: [Next; 2],
}

impl<'t> Walk<'t> {
    fn new(object: &'t [u8]) -> Self {
        Walk { text: object, at: 1, depth: 1, next: [Next::Key; 2] }
    }

    /// Walks to the end, or to where it is clear that the object is a message.
    fn run(mut self, found: &mut Found) -> bool {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'{' | b'[' => self.open(byte),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return false;
                    }
                    self.ended();
                    self.at += 1;
                }
                b':' | b',' => {
                    let next = if byte == b':' { Next::Value } else { Next::Key };
                    self.expect(next);
                    self.at += 1;
                }
                b'/' if self.text[self.at..].starts_with(b"//") => {
                    self.at = line_end(self.text, self.at);
                }
                b'#' => self.at = line_end(self.text, self.at),
                b'"' | b'\'' => {
                    if self.string(found) {
                        return true;
                    }
                }
                b'\\' if matches!(self.text.get(self.at + 1), Some(b'"')) => {
                    if self.escaped(found) {
                        return true;
                    }
                }
                _ if byte.is_ascii_alphanumeric() || byte == b'_' => {
                    if self.word(found) {
                        return true;
                    }
                }
                _ => self.at += 1,
            }
        }
        false
    }

    /// What is expected on the level at hand, if it is one of those that are looked at.
    fn level(&mut self) -> Option<&mut Next> {
        self.next.get_mut(self.depth - 1)
    }

    fn expect(&mut self, next: Next) {
        if let Some(level) = self.level()
            && *level != Next::Element
        {
            *level = next;
        }
    }

    /// A value has ended; where the comma behind it is missing, a key follows all the same.
    fn ended(&mut self) {
        self.expect(Next::Key);
    }

    fn open(&mut self, byte: u8) {
        self.at += 1;
        // A brace too many before the first key.
        if byte == b'{' && self.level().is_some_and(|level| *level == Next::Key) && self.depth == 1
        {
            return;
        }
        self.depth += 1;
        if let Some(level) = self.level() {
            *level = if byte == b'{' { Next::Key } else { Next::Element };
        }
    }

    fn takes_key(&mut self) -> bool {
        self.level().is_some_and(|level| *level == Next::Key)
    }

    fn string(&mut self, found: &mut Found) -> bool {
        let (start, text) = (self.at, self.text);
        let quote = text[start];
        let key = self.takes_key();
        let word = text[start + 1..].iter().take(MOST).take_while(|b| is_word(**b)).count();
        let behind = start + 1 + word;
        // The closing quote was forgotten.
        if key && word > 0 && text.get(behind) == Some(&b':') {
            let value = skip_blanks(text, behind + 1);
            if text.get(value).is_none_or(|b| b"\"'{[\r\n".contains(b)) {
                self.at = behind;
                return self.key(start + 1..behind, found);
            }
        }
        let end = match string_end(text, start) {
            Some((end, _)) => end,
            None => line_end(text, start).max(start + 1),
        };
        self.at = end;
        if key && end == behind + 1 && text.get(behind) == Some(&quote) {
            return self.key(start + 1..behind, found);
        }
        self.ended();
        false
    }

    /// A string between escaped quotes, as in a text that was meant for double quotes.
    fn escaped(&mut self, found: &mut Found) -> bool {
        let (start, text) = (self.at + 2, self.text);
        let line = &text[start..];
        let mut length = 0;
        loop {
            let Some(next) = memchr::memchr2(b'\\', b'\n', &line[length..]) else {
                self.at = text.len();
                return false;
            };
            length += next;
            if line[length] == b'\n' || line[length..].starts_with(b"\\\"") {
                break;
            }
            length += 1;
        }
        self.at = start + length + if line[length] == b'\n' { 0 } else { 2 };
        if self.takes_key() && length < MOST && line[..length].iter().all(|b| is_word(*b)) {
            return self.key(start..start + length, found);
        }
        self.ended();
        false
    }

    /// A bare word: a value, or a key that lost its opening quote.
    fn word(&mut self, found: &mut Found) -> bool {
        let (start, text) = (self.at, self.text);
        let length = text[start..].iter().take_while(|b| is_word(**b)).count();
        self.at = start + length;
        if self.takes_key() && length < MOST && matches!(text.get(self.at), Some(b'"' | b'\'')) {
            let colon = skip_blanks(text, self.at + 1);
            if text.get(colon) == Some(&b':') {
                self.at += 1;
                return self.key(start..start + length, found);
            }
        }
        self.ended();
        false
    }

    /// A name where a key stands; a value has to follow, if not its colon.
    fn key(&mut self, name: std::ops::Range<usize>, found: &mut Found) -> bool {
        let mut value = skip_space(self.text, self.at);
        match self.text.get(value) {
            Some(b':' | b'=') => value = skip_space(self.text, value + 1),
            // Nothing behind it: the text is cut off.
            Some(b'{' | b'[' | b'"' | b'\'') | None => {}
            Some(_) => return false,
        }
        self.at = value;
        self.expect(Next::Value);
        let name = std::str::from_utf8(&self.text[name]).unwrap_or_default();
        match self.depth {
            1 => found.key(name, self.text, value),
            _ => found.inner_key(name),
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{Evidence, evidence};
    use crate::spec::MessageKind;
    use std::borrow::Cow;

    #[test]
    fn names_make_an_object_a_message() {
        for text in [
            r#"{"error_report":1}"#,
            r#"{"a":{"b":[1,{"c":2}]},'workflow_state':null"#,
            r#"{"event":{"workflow_id":1,"event_type":"#,
            r#"{"vote":{"voter":"a"}}"#,
            r#"{"dead_letter":{"original":"x"}}"#,
            r#"{"event_type":"A","data":{},"workflow_id":"w"}"#,
            r#"{"event_type":"A","workflow_context":"w"}"#,
            r#"{"protocol_version":"1.0.0","timestamp":"x"}"#,
            r#"{"protocol_version":"1.0.0","release":{}}"#,
            r#"{"errorReport":{"error_id":"e","timestamp":"x"}}"#,
            r#"{"alocation_request":{"request_id":"r","x":{"y":1},"workflow_id":"w"}}"#,
            // Broken.
            r#"{"a":1 "error_report":{"#,
            r#"{"a":"b","error_report" {"x":1}}"#,
            r#"{"error_report: {"a":1}}"#,
            r#"{error_report": {"a":1}}"#,
            r#"{\"error_report\":{\"a\":1}}"#,
            "{\"a\":\"not closed,\n\"error_report\":{}}",
            "{ // why\n \"a\":1, # because\n \"error_report\":{}}",
            r#"{{"error_report":{}}}"#,
            r#"{"a":tru,"error_report":{}}"#,
        ] {
            assert_eq!(evidence(text.as_bytes(), None), Some(Evidence::Message), "{text}");
        }
    }

    #[test]
    fn other_objects_are_not_ours() {
        for text in [
            r#"{"decision":"approve"}"#,
            r#"{"decision":{"outcome":"approve"}}"#,
            r#"{"event":{"type":"x","workflow_id":"w"}}"#,
            r#"{"event":"TASK_FAILED"}"#,
            r#"{"release":{"version":"1.0.0","workflow_id":"w"}}"#,
            r#"{"welcome":{"version":"1.0.0"}}"#,
            r#"{"subscription":{"patterns":[]}}"#,
            r#"{"event":[{"event_type":"a"}]}"#,
            r#"{"a":{"event_type":"A","workflow_id":"w"}}"#,
            r#"{"a":{"error_report":{}}}"#,
            r#"{"a":"error_report","b":["workflow_state"]}"#,
            r#"{"protocol_version":"2024-11-05","capabilities":{}}"#,
            r#"{"timestamp":"x","source":"y","request_id":"z"}"#,
            r#"{"events":{"event_type":"a"}}"#,
            r#"{"workflow_id":"w","agents":3}"#,
            r#"{"error_report"}"#,
            "{error_report:{}}",
            "{\"a\":1 // \"error_report\":{}\n}",
        ] {
            assert_eq!(evidence(text.as_bytes(), None), None, "{text}");
        }
        let lone = evidence(br#"{"event_type":"TASK_FAILED","task_id":"t"}"#, None);
        assert_eq!(lone, Some(Evidence::EventType { upper: true }));
        let lone = evidence(br#"{"event_type":"deploy"}"#, None);
        assert_eq!(lone, Some(Evidence::EventType { upper: false }));
    }

    #[test]
    fn a_command_tells_which_request_an_object_is() {
        let asked = |words: &str, text: &str| {
            let words: Vec<_> = words.split_whitespace().map(Cow::Borrowed).collect();
            match evidence(text.as_bytes(), Some(&words)) {
                Some(Evidence::Fields(kind)) => Some(kind),
                None => None,
                other => panic!("{other:?}"),
            }
        };
        for (words, text, kind) in [
            ("allocate", r#"{"workflow_id":"w","agents":3}"#, MessageKind::AllocationRequest),
            ("release", r#"{"allocation_id":"a","force":true}"#, MessageKind::Release),
            ("register", r#"{"component_id":"c"}"#, MessageKind::ComponentRegistration),
            ("rollback wf_1", r#"{"checkpoint_id":"c"}"#, MessageKind::Rollback),
            ("do", r#"{"component_id":"c","status":"healthy"}"#, MessageKind::HealthStatus),
            ("report-error", r#"{"error_id":"e"}"#, MessageKind::ErrorReport),
        ] {
            assert_eq!(asked(words, text), Some(kind), "{words} {text}");
        }
        for (words, text) in [
            ("restore", r#"{"checkpoint_id":"c","strategy":"full"}"#),
            ("allocate", r#"{"agents":3}"#),
            ("workflow_1 do", r#"{"workflow_id":"w","x":1}"#),
            ("", r#"{"timestamp":"x","status":"y"}"#),
        ] {
            assert_eq!(asked(words, text), None, "{words} {text}");
        }
    }
}
