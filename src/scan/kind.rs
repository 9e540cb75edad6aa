//! What kind of file a text is, told by its name or by its content.

use super::fence::opens_fence;
use super::log;
use super::shape::{component, event_head, line_end};
use super::shell::command::is_shell;
use std::path::Path;

/// How much of a text is looked at: enough for any preface, and the same time for any file.
const LOOKED_AT: usize = 64 * 1024;

/// What a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// Event lines, with or without JSON values between them; also anything that is nothing else.
    EventLines,
    /// JSON values, one or many.
    Json,
    /// Prose with messages in it.
    Markdown,
    /// A shell script.
    Shell,
    /// Lines of a program's log, some with a message behind their time, level and the like.
    Log,
    /// YAML, whose `run:` blocks are scripts.
    Yaml,
}

/// Extensions of file names, and what they say.
const EXTENSIONS: &[(FileKind, &[&str])] = &[
    (FileKind::Markdown, &["md", "mdx", "markdown"]),
    (FileKind::Shell, &["sh", "bash", "zsh", "ksh"]),
    (FileKind::Json, &["json", "jsonl", "ndjson"]),
    (FileKind::Log, &["log", "txt"]),
    (FileKind::Yaml, &["yml", "yaml"]),
];

impl FileKind {
    /// The kind that a file's extension names, in upper or lower case; `None` if it names none.
    ///
    /// It decides before the content does: a note is Markdown whatever its first line looks like. Only
    /// `.log` and `.txt` leave something open, since events are written into both: a stream of records
    /// is one whatever it is called, which [`looks_like`] tells.
    ///
    /// ```
    /// use coordination_protocol::scan::FileKind;
    /// use std::path::Path;
    ///
    /// assert_eq!(FileKind::from_path(Path::new("commands/deploy.md")), Some(FileKind::Markdown));
    /// assert_eq!(FileKind::from_path(Path::new("ci.YML")), Some(FileKind::Yaml));
    /// assert_eq!(FileKind::from_path(Path::new("Makefile")), None);
    /// ```
    pub fn from_path(path: &Path) -> Option<FileKind> {
        let extension = path.extension()?.to_str()?;
        let named = |names: &&[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(extension));
        EXTENSIONS.iter().find(|(_, names)| named(names)).map(|(kind, _)| *kind)
    }

    /// The kind that the first line of a script names by its interpreter; `None` for a line that names
    /// no shell of the kind that is read here.
    ///
    /// ```
    /// use coordination_protocol::scan::FileKind;
    ///
    /// assert_eq!(FileKind::from_shebang("#!/usr/bin/env -S bash -e"), Some(FileKind::Shell));
    /// assert_eq!(FileKind::from_shebang("#! /bin/sh"), Some(FileKind::Shell));
    /// assert_eq!(FileKind::from_shebang("#!/usr/bin/fish"), None);
    /// ```
    pub fn from_shebang(line: &str) -> Option<FileKind> {
        let mut words = line.strip_prefix("#!")?.split_ascii_whitespace();
        let mut interpreter = words.next()?;
        if interpreter.rsplit('/').next() == Some("env") {
            // Its options and assignments stand before what it runs.
            interpreter = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        }
        is_shell(interpreter).then_some(FileKind::Shell)
    }

    /// The word for lists and messages, such as `event lines` or `Markdown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            FileKind::EventLines => "event lines",
            FileKind::Json => "JSON",
            FileKind::Markdown => "Markdown",
            FileKind::Shell => "a shell script",
            FileKind::Log => "a log",
            FileKind::Yaml => "YAML",
        }
    }
}

/// What a line says about its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Record(FileKind),
    /// A shell command.
    Command,
    /// A heading of Markdown, or a comment.
    Hash,
    /// A list, a table, a link, inline code, markup.
    Markup,
    /// A message behind the prefix of a log.
    Logged,
    /// Such a prefix, and no message.
    Log,
    Other,
}

/// Tells the kind of a text by what its lines look like; a file name is not needed.
///
/// Records win: a text whose first line, comments aside, is an event line or starts a JSON value is
/// a stream of records whatever follows, so nothing that is written into an event log can make it
/// look like Markdown. Markdown and shell need evidence of their own.
///
/// ```
/// use coordination_protocol::scan::{FileKind, looks_like};
///
/// assert_eq!(looks_like("# Deploy\n\nRuns the steps.\n"), FileKind::Markdown);
/// assert_eq!(looks_like("#!/usr/bin/env bash\nset -e\n"), FileKind::Shell);
/// assert_eq!(looks_like("TASK_FAILED:wf_001:build:{}\n"), FileKind::EventLines);
/// assert_eq!(looks_like("{\"a\":1}\n```json\n"), FileKind::Json);
/// ```
pub fn looks_like(text: &str) -> FileKind {
    let text = text.trim_start_matches('\u{feff}');
    let bytes = text.as_bytes();
    if text.starts_with("#!") {
        // A program in another language is searched for what is marked as code in its comments.
        return FileKind::from_shebang(&text[..line_end(bytes, 0)]).unwrap_or(FileKind::Markdown);
    }
    if is_front_matter(text) {
        return FileKind::Markdown;
    }
    let (mut records, mut commands, mut hashes, mut markup, mut others) = (0, 0, 0, 0, 0);
    let (mut logged, mut log) = (0, 0);
    let mut at = 0;
    while at < bytes.len().min(LOOKED_AT) {
        let eol = line_end(bytes, at);
        let line = text[at..eol].trim();
        if !line.is_empty() {
            // Only what stands before anything else decides alone: deeper down a message may be quoted
            // in prose, and a command in a message.
            let nothing_yet = commands + markup + others + logged + log == 0;
            // Nothing but Markdown has fences, unless a log of records holds a text that has some.
            if opens_fence(text, at) {
                let stream = records > 0 && records >= hashes + markup + others;
                return if stream { FileKind::EventLines } else { FileKind::Markdown };
            }
            match sign(line) {
                Sign::Record(kind) if nothing_yet => return kind,
                Sign::Command if nothing_yet => return FileKind::Shell,
                Sign::Record(_) => records += 1,
                Sign::Command => commands += 1,
                Sign::Hash => hashes += 1,
                Sign::Markup => markup += 1,
                Sign::Logged => logged += 1,
                Sign::Log => log += 1,
                Sign::Other => others += 1,
            }
        }
        at = eol + 1;
    }
    let prose = markup + others;
    // Most lines are neither events nor messages, and some that look like a log's hold one.
    if logged > 0 && records <= logged + log + prose && logged + log >= hashes + markup + commands {
        return FileKind::Log;
    }
    let prose = prose + logged + log;
    if records >= prose.max(1) {
        FileKind::EventLines
    } else if commands > prose {
        FileKind::Shell
    } else if hashes + markup > 0 {
        FileKind::Markdown
    } else {
        FileKind::EventLines
    }
}

/// `---`, then `key:`.
fn is_front_matter(text: &str) -> bool {
    let mut lines = text.lines();
    lines.next().is_some_and(|line| line.trim_end() == "---")
        && lines.next().is_some_and(|line| {
            line.split_once(':').is_some_and(|(key, _)| {
                !key.is_empty()
                    && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            })
        })
}

fn sign(line: &str) -> Sign {
    let first = line.as_bytes()[0];
    let quoted = usize::from(matches!(first, b'"' | b'\''));
    if event_head(line, quoted).is_some() || names_type(&line[quoted..]) {
        return Sign::Record(FileKind::EventLines);
    }
    let told = log::line(line, 0, line.len());
    if told.prefix && !b"-*+>#|".contains(&first) {
        return if told.message.is_some() { Sign::Logged } else { Sign::Log };
    }
    if is_command(line) {
        return Sign::Command;
    }
    match first {
        b'#' => Sign::Hash,
        b'{' if !matches!(line.as_bytes().get(1), Some(b'%' | b'{' | b'#' | b':')) => {
            Sign::Record(FileKind::Json)
        }
        b'[' if !is_link(line) => Sign::Record(FileKind::Json),
        b'-' | b'*' | b'+' | b'>' | b'|' | b'<' | b'[' | b'!' | b'=' => Sign::Markup,
        b'/' if line.split(' ').next().and_then(component).is_some() => Sign::Markup,
        b'0'..=b'9' if line.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(". ") => {
            Sign::Markup
        }
        _ if line.matches('`').nth(1).is_some() || line.contains("](") || line.contains("**") => {
            Sign::Markup
        }
        _ => Sign::Other,
    }
}

/// Whether a line starts with an `UPPER_SNAKE` word, as a broken event line does.
fn names_type(line: &str) -> bool {
    let end =
        line.bytes().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    let end = end.count();
    let name = &line[..end];
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.contains('_')
        && matches!(line.as_bytes().get(end), Some(b':' | b' '))
}

/// `[text](target)`, `[name]: target`, `[[page]]`, `[ ] task`, `![image]`.
fn is_link(line: &str) -> bool {
    let inner = line[1..].trim_start();
    let value = inner.starts_with(['{', '[', '"', '\'', '-']) || matches!(inner, "" | "]");
    let word = ["true", "false", "null"].iter().any(|word| inner.starts_with(word));
    let digit = inner.starts_with(|c: char| c.is_ascii_digit());
    let named = line.split_once(']').is_some_and(|(_, rest)| rest.starts_with(['(', ':', '[']));
    let page =
        line.starts_with("[[") && line.as_bytes().get(2).is_some_and(u8::is_ascii_alphabetic);
    named || page || inner.starts_with('!') || line.starts_with("[![") || !(value || word || digit)
}

/// Whether a line can only be meant for a shell.
fn is_command(line: &str) -> bool {
    const STARTS: &[&str] = &[
        "echo ",
        "printf ",
        "cat <<",
        "cat >",
        "export ",
        "local ",
        "declare ",
        "readonly ",
        "set -",
        "set +",
        "source ",
        "function ",
        "if [",
        "elif [",
        "while read",
        "while [",
        "[ -",
        "[[ ",
        "curl ",
        "jq ",
        "exit ",
        "return ",
        "trap ",
        "shift",
        "mkdir ",
        "$ ",
    ];
    const ENDS: &[&str] = &["; then", "; do", "() {", "()", "<<EOF", "<<'EOF'"];
    let word = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let assigns = word.is_some_and(|end| end > 0 && line[end..].starts_with('='))
        && !line.starts_with(|c: char| c.is_ascii_digit())
        && !line.contains("==");
    let message = || line.contains("\"$") || line.contains(":{\\\"");
    assigns
        || STARTS.iter().any(|start| line.starts_with(start))
        || ENDS.iter().any(|end| line.ends_with(end)) && !line.starts_with(['#', '-', '*', '>'])
        || line.starts_with(|c: char| c.is_ascii_lowercase()) && message()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_says_about_its_file() {
        use FileKind::{EventLines, Json};
        for (line, said) in [
            ("A_B:w:p:{\"a\":1}", Sign::Record(EventLines)),
            ("\"A_B:w:p:{'a':1}\"", Sign::Record(EventLines)),
            // A broken event line is still one.
            ("TASK_FAILED wf_001 build", Sign::Record(EventLines)),
            ("{\"a\":1}", Sign::Record(Json)),
            ("[1, 2]", Sign::Record(Json)),
            ("[true]", Sign::Record(Json)),
            ("{% raw %}", Sign::Other),
            ("{{ page }}", Sign::Other),
            ("[text](target)", Sign::Markup),
            ("[[Page]]", Sign::Markup),
            ("[ ] open task", Sign::Markup),
            ("[name]: target", Sign::Markup),
            ("# Title or comment", Sign::Hash),
            ("set -e", Sign::Command),
            ("NAME=value", Sign::Command),
            ("a == b", Sign::Other),
            ("publish \"$event\"", Sign::Command),
            ("if [ -f x ]; then", Sign::Command),
            ("- runs `a` when done", Sign::Markup),
            ("1. First", Sign::Markup),
            ("/resource-manager allocate", Sign::Markup),
            ("/usr/bin/env bash", Sign::Other),
            ("Plain words.", Sign::Other),
        ] {
            assert_eq!(sign(line), said, "{line}");
        }
    }

    #[test]
    fn a_first_record_decides_whatever_follows() {
        let fence = "```json\n{}\n```\n";
        assert_eq!(looks_like(&format!("# log\nA_B:w:p:{{}}\n{fence}")), FileKind::EventLines);
        assert_eq!(
            looks_like(&format!("Some words.\nA_B:w:p:{{}}\n{fence}")),
            FileKind::EventLines
        );
        assert_eq!(
            looks_like(&format!("Some words.\nMore.\nA_B:w:p:{{}}\n{fence}")),
            FileKind::Markdown
        );
        assert_eq!(looks_like("---\nname: x\n---\nset -e\n"), FileKind::Markdown);
        assert_eq!(looks_like("\u{feff}#!/bin/sh\n# Title\n"), FileKind::Shell);
        assert_eq!(looks_like("#!/usr/bin/env python3\n"), FileKind::Markdown);
        assert_eq!(looks_like(""), FileKind::EventLines);
    }
}
