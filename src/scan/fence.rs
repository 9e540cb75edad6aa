//! The language of a fence, by its tag.

use super::blocks::{Blocks, Line};
use super::shape::{line_end, skip_blanks};

/// How the lines of a fenced block are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Json,
    Shell,
    Markdown,
    /// Lines of any kind.
    Text,
    /// Lines, and the scripts in it.
    Yaml,
    /// Not tagged: told by content.
    Untagged,
    /// Another language; its objects are no messages.
    Other,
}

/// Names of languages, as highlighters know them.
const TABLE: &[(Language, &str)] = &[
    (Language::Json, "json jsonl jsonlines ndjson application/json json-lines"),
    (
        Language::Shell,
        "bash bash-session command-line console dash ksh mksh posix posix-shell session sh \
         sh-session shell shell-script shell-session shellscript shellsession terminal zsh",
    ),
    (Language::Markdown, "markdown md mdx gfm commonmark mdown mkd"),
    (Language::Yaml, "yaml yml"),
    (Language::Text, "text txt plain plaintext plain-text none log logs output http nohighlight"),
    (
        Language::Other,
        "abap abnf actionscript ada agda al apacheconf apex apl applescript arduino as asciidoc \
         asm asp astro asymptote atom autohotkey autoit awk ballerina bat batch bazel bb bbcode \
         bc beancount bf bibtex bicep bison blade bnf brainfuck bsl bzl c c# c++ c3 cadence cairo \
         caddyfile ceylon cfg cfml chapel cjs ck cl clarity clj cljs clojure clojurescript cmake \
         cmd cobol coffee coffeescript conf cpp cql cr crystal cs csharp cshtml csh cson csproj \
         css csv cts cuda cue cxx cypher cython d d2 dart dax dbml delphi desktop diff django \
         docker docker-compose docker-file dockerfile dot dotenv dts ebnf ecl edge editorconfig edn eex \
         ejs elisp elixir elm emacs-lisp env eps erb erl erlang ex excel exs f# f90 factor fennel \
         fish flow flux fluent fortran fs fsharp fsx ftl gawk gcl gd gdscript gherkin git \
         git-commit git-rebase gitattributes gitignore gleam glsl gnuplot go go-html-template \
         go-mod gohtml golang gomod gql gradle graphql graphviz groovy gren hack haml handlebars \
         hare haskell haxe hbs hcl heex hh hjson hlsl hpp hs html html+erb htm hy idl idris ignore \
         imba ini inform7 ino io ipython isabelle j janet java javascript jinja jinja2 jl jq js \
         jsdoc jsligo json-with-comments json5 jsonc jsonnet jsp jsx julia jupyter just justfile \
         k kdl kotlin kql kt kts kusto latex lean lean4 less lhs lilypond liquid lisp llvm logo \
         lua luau m4 make makefile mako marko mathematica matlab mawk mermaid meson metal mips \
         mjs mko ml mlir mod mojo mongodb moonbit moonscript move msbuild mssql mts mustache \
         mysql n4js nasm nawk nextflow nginx nim nimrod nix node nodejs noir nsis nu nunjucks \
         nushell objc objective-c objectivec objectpascal objectscript ocaml octave odin opencl \
         openscad opts oz pas pascal patch pcre peg perl perl6 pgsql php phtml pine pkl plantuml \
         plist plpgsql plsql po pony postcss postgres postgresql postscript pot powerquery \
         powershell ppm prisma processing progress prolog promql properties proto protobuf \
         protocol-buffers prql ps ps1 psl psm1 pug puml puppet pure purebasic purescript pwsh py \
         py2 py3 pycon pyi pyrex python python-repl python2 python3 q ql qml qore qsharp r racket \
         raku razor rb re reason red redscript reg regex regexp rego rel rescript rest rexx rhai \
         riot ripple riscv rkt rmd robot robotframework ron rpm-spec rs rsc rst ruby ruby-erb \
         rust sas sass sassy scala scheme scm scss sdbl shaderlab shex slang slim slint \
         smali smalltalk smarty smithy sml snippet snobol sol solidity solution-file soy sparql \
         splunk spl sql sqlite sqlpl squirrel ssh-config ssml stan starlark stata stylus sv \
         svelte svg swift swig systemd systemverilog t4 tads talon tap tcl tcsh templ terraform tex tf \
         tfvars thrift tla toml trig ts tsql tsx turtle twig twoslash typ typescript \
         typespec typoscript typst uc udev ui unison uri ursa v vala vb vba vbnet vbs vbscript \
         velocity verilog vhdl vi vim viml vimscript visual-basic visualbasic vlang vue vue-html \
         vyper wasm wast wat wdl web-idl webidl wenyan wgsl wiki wikitext wit wl wolfram wren x++ \
         x86asm xaml xhtml xml xonsh xpath xq xquery xsd xsl xslt xtend yang yara yul zeek zenscript \
         zig zil zon",
    ),
];

/// The language that an info string names. Tags that name no known language are read as lines.
pub(super) fn language(info: &str) -> Language {
    // `{.json}` and `{python}` are what Pandoc and notebooks write.
    let word = info.trim_start_matches(['{', '.', ' ', '\t']);
    let ends = |c: char| c.is_whitespace() || "{}[](),;|=:".contains(c);
    let word = &word[..word.find(ends).unwrap_or(word.len())];
    if word.is_empty() {
        return Language::Untagged;
    }
    // `#` starts attributes, but `c#` is a name.
    let known = named(word);
    let word = if known.is_some() { word } else { word.split('#').next().unwrap_or_default() };
    let word = word.strip_prefix("language-").or(word.strip_prefix("lang-")).unwrap_or(word);
    if word.is_empty() {
        return Language::Untagged;
    }
    let extension = || word.rsplit_once('.').and_then(|(_, extension)| named(extension));
    known.or_else(|| named(word)).or_else(extension).unwrap_or(Language::Text)
}

fn named(word: &str) -> Option<Language> {
    let same = |name: &str| name.len() == word.len() && name.eq_ignore_ascii_case(word);
    let is_in = |names: &str| names.split_ascii_whitespace().any(same);
    TABLE.iter().find(|(_, names)| is_in(names)).map(|(language, _)| *language)
}

/// Whether the line opens a fence, in whatever stands before it on the line.
pub(super) fn opens_fence(text: &str, at: usize) -> bool {
    let eol = line_end(text.as_bytes(), at);
    let start = skip_blanks(text.as_bytes(), at);
    start < eol && matches!(Blocks::new().line(text, start, eol), Line::Opens { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_its_language() {
        use Language::{Json, Markdown, Other, Shell, Text, Untagged, Yaml};
        for (language_of, infos) in [
            (
                Json,
                &[
                    "json",
                    "JSON",
                    "json{1}",
                    "{.json}",
                    "{ .json .x }",
                    "json title=\"a\"",
                    "jsonl",
                ][..],
            ),
            (Json, &["json;x", "json,x", "json|x", "json=x", "json#x", "json[1]", "language-json"]),
            (Shell, &["bash", "sh{1,3}", "{.bash .numberLines}", "Console", "shell-session"]),
            (Markdown, &["md", "Markdown{x}"]),
            (Yaml, &["yaml", "yml title=x"]),
            (
                Other,
                &[
                    "js{1,3}",
                    "mjs",
                    "node",
                    "C#",
                    "c++",
                    "f#",
                    "{python}",
                    "{r, echo=FALSE}",
                    "py:main.py",
                ],
            ),
            (Other, &["ts twoslash", "src/index.ts", "jsx|pure", "Rust,ignore", "toml#a"]),
            (Text, &["text", "unknown", "unknown{1}", "notes.unknown"]),
            (Untagged, &["", "{}", "{#id}", "title=x"][..3]),
        ] {
            for info in infos {
                assert_eq!(language(info), language_of, "{info}");
            }
        }
    }
}
