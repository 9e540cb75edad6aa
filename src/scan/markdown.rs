//! Markdown: prose and fenced blocks.

use super::fence::{Opening, opening};
use super::lines::{self, Context, Mode};
use super::mapped::Mapped;
use super::shape::{line_end, skip_blanks};
use super::{FileKind, LEVELS, Output, Place, looks_like, shell};

/// How the lines of a fenced block are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Json,
    Shell,
    Markdown,
    /// Lines of any kind.
    Text,
    /// Not tagged: told by content.
    Untagged,
    /// Another language; its objects are no messages.
    Other,
}

/// The language that an info string names. Tags that name no known language are read as lines.
fn language(info: &str) -> Language {
    const TABLE: &[(Language, &str)] = &[
        (Language::Json, "json jsonl ndjson"),
        (Language::Shell, "bash sh shell zsh console ksh dash shell-session terminal"),
        (Language::Markdown, "markdown md mdx"),
        (
            Language::Other,
            "asm awk bat c c++ clojure cmake cpp cs csharp css dart diff dockerfile dot elixir erl \
             erlang ex fish fsharp go golang gradle graphql groovy haskell hcl hs html java \
             javascript jinja jq js json5 jsonc jsx julia kotlin kt latex less lua make makefile \
             mermaid nix objc ocaml patch perl php plantuml powershell ps1 proto protobuf py python \
             python3 r rb rs ruby rust sass scala scss solidity sql svelte svg swift terraform tex \
             ts tsx typescript vim vue xml zig",
        ),
    ];
    let word = info.trim_start_matches(['{', '.', ' ']);
    let end = word.find([' ', ',', '}', '\t', ':']).unwrap_or(word.len());
    let word = &word[..end];
    if word.is_empty() {
        return Language::Untagged;
    }
    let named = |names: &str| names.split(' ').any(|name| name.eq_ignore_ascii_case(word));
    TABLE.iter().find(|(_, names)| named(names)).map_or(Language::Text, |(language, _)| *language)
}

/// Reads Markdown.
pub(super) fn read<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    context: &Context<'a, '_>,
    level: usize,
) {
    let text = &*source.text;
    let bytes = text.as_bytes();
    let (mut prose, mut at) = (0, 0);
    while at < bytes.len() {
        let eol = line_end(bytes, at);
        let mut opening = opening(text, at, eol);
        // The prose before a fence is read as one piece: a document may span its lines.
        if opening.is_some() && prose < at {
            lines::read(output, &source.slice(prose..at), Mode::Prose, context, level);
        }
        at = (eol + 1).min(bytes.len());
        while let Some(open) = opening {
            let block = Block::read(text, at, &open);
            fence(output, source, &open, &block, context, level);
            (at, prose) = (block.after, block.after);
            opening = block.next;
        }
    }
    if prose < bytes.len() {
        lines::read(output, &source.slice(prose..bytes.len()), Mode::Prose, context, level);
    }
}

/// The lines of a fenced block.
struct Block<'t> {
    /// Each line without the indentation of the fence, as ranges of the text.
    lines: Vec<std::ops::Range<usize>>,
    after: usize,
    /// The fence that follows at once, where one was opened before this one was closed.
    next: Option<Opening<'t>>,
}

impl<'t> Block<'t> {
    fn read(text: &'t str, from: usize, open: &Opening<'_>) -> Self {
        let bytes = text.as_bytes();
        let mut block = Block { lines: Vec::new(), after: bytes.len(), next: None };
        let mut at = from;
        while at < bytes.len() {
            let eol = line_end(bytes, at);
            let next = (eol + 1).min(bytes.len());
            let mut start = at;
            for _ in 0..open.quotes {
                let mark = skip_blanks(bytes, start);
                if bytes.get(mark) != Some(&b'>') {
                    // A quotation ends with its marks, and the fence in it as well.
                    block.after = at;
                    return block;
                }
                start = mark + 1;
            }
            let line = text[start..eol].trim();
            let marks = line.bytes().take_while(|b| *b == open.mark).count();
            // A fence is closed by as many marks or more, so that it can show shorter ones.
            if marks >= open.length {
                let info = &line[marks..];
                if info.is_empty() {
                    block.after = next;
                    return block;
                }
                // Fences do not nest with marks of the same length. Where they seem to, the one
                // before was not closed, or was closed by the wrong line.
                let tag = info
                    .split(' ')
                    .next()
                    .is_some_and(|tag| tag.bytes().all(|b| b.is_ascii_alphanumeric()));
                if marks == open.length && tag {
                    block.after = next;
                    block.next = opening(text, start, eol);
                    return block;
                }
            }
            let blanks = bytes[start..eol].iter().take_while(|b| matches!(b, b' ' | b'\t'));
            let indent = if open.quotes > 0 { 1 } else { open.indent };
            // Only the indentation of the fence is taken away; what stands further in belongs to the
            // text, and tells values that are nested from values that follow.
            block.lines.push(start + blanks.take(indent).count()..next);
            at = next;
        }
        block
    }
}

fn fence<'a>(
    output: &mut Output<'a>,
    source: &Mapped<'a>,
    open: &Opening<'_>,
    block: &Block<'_>,
    context: &Context<'a, '_>,
    level: usize,
) {
    let language = language(open.info);
    if language == Language::Other {
        return;
    }
    let Some(first) = block.lines.first() else { return };
    let mut body = source.builder(first.start);
    for line in &block.lines {
        body.push(source, line.clone());
    }
    let body = body.finish();
    let info = source.source(open.info_at..open.info_at + open.info.len());
    let mut context = context.clone();
    if context.place == Place::Line {
        context.place = Place::Fence { info };
    }
    let nested = level + 1 < LEVELS;
    let mode = match language {
        Language::Json => Mode::Json,
        // Also at the last level: the shell reads what is nested deeper as plain words.
        Language::Shell => return shell::read(output, &body, &context, level + 1),
        Language::Markdown if nested => {
            // The places inside are those of its own fences.
            context.place = Place::Line;
            return read(output, &body, &context, level + 1);
        }
        Language::Untagged if nested && looks_like(&body.text) == FileKind::Shell => {
            return shell::read(output, &body, &context, level + 1);
        }
        _ => Mode::Text,
    };
    lines::read(output, &body, mode, &context, level + 1);
}
