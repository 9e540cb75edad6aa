//! Simple commands: their names, and messages that stand where a command would.

use super::super::lines::{self, Context};
use super::super::shape::{array_of_objects, component, event_head, starts_object};
use super::super::{Command, Place};
use super::parts::Part;
use super::{Next, Shell};
use std::borrow::Cow;

/// What is known of the simple command that is being read.
#[derive(Default)]
pub(super) struct Simple<'a> {
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) words: Vec<Cow<'a, str>>,
    /// Words until the one that `jq --argjson name` reads as JSON.
    pub(super) json_in: usize,
    /// What the last words hold, and all words of a `printf`.
    pub(super) parts: Vec<Part<'a>>,
    /// Whether a word names a workflow.
    pub(super) names_workflow: bool,
    /// From here on there are messages that are ours only if a word names a workflow.
    pub(super) doubtful: Option<usize>,
}

impl<'a> Simple<'a> {
    pub(super) fn command(&self) -> Option<Command<'a>> {
        let name = component(self.name.as_deref()?)?.to_owned();
        Some(Command { name: Cow::Owned(name), words: self.words.clone() })
    }
}

pub(super) fn is_reserved(word: &str) -> bool {
    const RESERVED: &[&str] = &[
        "!", "$", "%", "builtin", "command", "do", "done", "elif", "else", "env", "esac", "exec",
        "fi", "if", "nohup", "sudo", "then", "time", "until", "while", "{", "}",
    ];
    RESERVED.contains(&word)
}

/// Whether a command reads its words as programs in a language of its own.
pub(super) fn reads_programs(name: &str) -> bool {
    const PROGRAMS: &[&str] = &[
        "awk", "egrep", "gawk", "gojq", "grep", "jq", "mawk", "node", "perl", "python", "python3",
        "rg", "ruby", "sed", "yq",
    ];
    PROGRAMS.contains(&name.rsplit('/').next().unwrap_or(name))
}

/// Whether a command is a shell of the kind that is read here.
pub(in super::super) fn is_shell(name: &str) -> bool {
    const SHELLS: &[&str] = &["bash", "dash", "ksh", "sh", "zsh"];
    SHELLS.contains(&name.rsplit('/').next().unwrap_or(name))
}

/// Whether a command reads its words as scripts.
pub(super) fn runs_scripts(name: &str) -> bool {
    is_shell(name) || ["eval", "ssh", "trap"].contains(&name.rsplit('/').next().unwrap_or(name))
}

/// Whether a command reads a program from its input.
pub(super) fn interprets(name: &str) -> bool {
    reads_programs(name) && !name.ends_with('q')
}

impl Shell<'_, '_, '_> {
    /// Reads a message that stands where a command would: no command is spelled like one, so it is
    /// meant as it stands. Also an object behind a slash command, which no shell reads.
    pub(super) fn try_message(&mut self) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        let (at, byte) = (self.at, self.bytes[self.at]);
        if frame.next != Next::Word || byte.is_ascii_whitespace() {
            return false;
        }
        let mut context = Context::new(self.place);
        match &frame.simple.name {
            None if self.at_top() && frame.nest.is_empty() => {
                let starts = match byte {
                    b'{' | b'[' => self.starts_json(at),
                    b'"' => event_head(self.text, at + 1).is_some_and(|head| head.object),
                    b'A'..=b'Z' | b'a'..=b'z' => {
                        event_head(self.text, at).is_some_and(|head| head.object)
                    }
                    _ => false,
                };
                if !starts {
                    return false;
                }
            }
            Some(name) if component(name).is_some() && matches!(byte, b'{' | b'[') => {
                if !self.starts_json(at) {
                    return false;
                }
                context.command = frame.simple.command();
                context.argument = true;
                if context.place != Place::InlineCode {
                    context.place = Place::Argument { quote: None };
                }
            }
            _ => return false,
        }
        let mark = self.output.found.len();
        let Some(end) = lines::bare(self.output, self.source, at, &context) else { return false };
        self.at = end;
        if let Some(frame) = self.frames.last_mut() {
            frame.simple.name.get_or_insert(Cow::Borrowed(""));
        }
        self.doubt(mark);
        true
    }

    fn starts_json(&self, at: usize) -> bool {
        starts_object(self.text, at) || array_of_objects(self.text, at).is_some()
    }
}
