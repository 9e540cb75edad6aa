//! Words and here-documents, as a shell passes them to a command.
//!
//! Scripts are put together of messages in random quoting, of here-documents, and of whatever makes a
//! reader lose its place. A shell runs each of them; what its commands got is what must be found.

use crate::support::{Rng, scaled};
use coordination_protocol::json::Limits;
use coordination_protocol::scan::{FileKind, Snippet, scan_as};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is on every message and nowhere else.
const MARK: &str = "TASK_FAILED:";

/// Commands that publish nothing, and open, close and quote what they can.
const NOISE: &[&str] = &[
    "b=\"${base%\"}\"}\"",
    "b=\"${base%\"}\"*}\"",
    "c=${base#'}'}",
    "c=\"${base#'}'}\"",
    "d=\"${nope:-\"a}b\"}\"",
    "d=\"${nope:-\"it's\"}\"",
    "e=\"${base//\\}/y}\"",
    "f=${#base}; f=\"${#base}\" # it's",
    "g=$(( ${#base} + (1 << 2) ))",
    "h=$((16#ff)) # it's",
    ": $((echo a); echo \"b)\")",
    ": \"$( (echo a); echo 'b)' )\"",
    "i=$(case x in x) echo hi;; esac)",
    "j=$(case x in (a|b) ;; *) case y in y) echo \")\";; esac ;; esac)",
    "j=\"$(case x in a) ;; esac; echo \"it's\")\"",
    "j=$( (case x in a) ;; esac) )",
    "k=( case \"b c\" # it's (\n esac )",
    "k+=( [3]='a)' \"$(echo ')')\" )",
    "l=$'it\\'s } \\x27 \\u00e9'",
    "m=$\"it's\"",
    "[[ $base == @(a|b\")\")* ]] || :",
    "n=!(zz|\"q)\")",
    "o=a#b'c d'#e",
    ": \"$#\" $# $$ ${base}#x",
    "p=\"$(cat <<EOF\n)it's\nEOF\n)\"",
    "p=$(cat <<'E)' ; echo ')'\n)\"it's\n  E)\nE)\n)",
    "q=${nope:-$(echo \"}\")}",
    "r=`echo \"it}\"`",
    "s=\"${nope:-`echo \"}\"`}\"",
    ": <(echo \"it's\") >(cat >/dev/null)",
    "diff <(echo 'a)') <(echo 'a)')",
    "t() { : \"}\" '{' }; }",
    ": 2>&1 >/dev/null 3<>/dev/null",
    ": &>/dev/null \"it's\" &>>/dev/null",
    "for ((i=0;i<1<<0;i++)); do : \"it's\"; done",
    "(( 1 << 2 )) && : 'it'\\''s'",
    "u=$[1<<2]",
    "v=\"a\\`b\\\"c\\\\\"",
    "w=${base:1:2} y=${base/'}'/\"{\"} z=\"${base^^}\"",
    ": \\' \\\" \\# '#' \\`",
    "cat >/dev/null <<\\EOF\n$(it's \"\n`\nEOF",
    "cat >/dev/null <<E\"O\"F\n${it's \" $((\nEOF",
    "cat >/dev/null <<A <<'B'\n\\$( \\` it's\nA\n$(\nB",
    "cat >/dev/null <<-EOF\n\t\tit's \"\n\tEOF",
    "# it's \"a comment\" $( ` ${ <<EOF",
    ": \\\n  \"x\" \\\n  # it's",
    "if [[ a < b ]]; then : \"it's\"; fi",
    "case $base in *\\}*) : ;; \"x)\"|'y)') : ;; esac",
    "case case in\n  case) : ;;\n  esac1|in) : ;& \n  *) : \"it's\" ;;\nesac",
    "case x in esac",
    "[[ $base =~ ^(a|b)}$ ]] || : \"it's\"",
    "x='a\nb' y=\"it's\na \\\" $(echo \"\n)\")\"",
    ": ${nope:-{a} \"${nope:-{a}\" ${base+\"b }\"}",
    ": \"${nope:+${base%\"$(echo \"}\")\"}}\"",
    "! : | : 'x' || { : \"}\"; }",
    ": {a,\"b}\"} $'\\n' \"$'\" '$'",
    "while read -r line; do : \"$line\"; done <<< \"it's\"",
    "declare -A map=( [\"a)\"]=')' ) && : \"${map[\"a)\"]}\"",
    "eval ': \"it'\"'\"'s\"'",
];

/// Pieces of the texts that messages carry.
const PIECES: &[&str] = &[
    "}", "{", "\\\"", "'", "\\\\", "$", "`", "#", "(", ")", ";", "<<EOF", "&", "|", "a b", "é",
    "~", "*", "!", "${x", "$(y", "=", "EOF", "//", " #", "%", "\\u0041", "it's", "[", "]", ">",
];

fn message(rng: &mut Rng, number: usize) -> String {
    let mut text = String::new();
    for _ in 0..rng.below(6) {
        text.push_str(PIECES[rng.below(PIECES.len())]);
    }
    format!("{MARK}wf_1:build:{{\"task_id\":\"t{number}\",\"error\":\"{text}\"}}")
}

/// The text in one of its spellings: any piece of it in any quotes.
fn quoted(rng: &mut Rng, text: &str) -> String {
    let mut word = String::new();
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let most = if rng.one_in(3) { characters.len() } else { 12 };
        let end = (at + 1 + rng.below(most)).min(characters.len());
        let piece = &characters[at..end];
        match rng.below(4) {
            0 => {
                word.push('\'');
                for c in piece {
                    if *c == '\'' { word.push_str("'\\''") } else { word.push(*c) }
                }
                word.push('\'');
            }
            1 => {
                word.push('"');
                for c in piece {
                    if "\"\\$`".contains(*c) {
                        word.push('\\');
                    }
                    word.push(*c);
                    if rng.one_in(40) {
                        word.push_str("\\\n");
                    }
                }
                word.push('"');
            }
            2 => {
                word.push_str("$'");
                for c in piece {
                    match c {
                        '\'' | '\\' => {
                            word.push('\\');
                            word.push(*c);
                        }
                        'é' if rng.one_in(2) => word.push_str("\\xc3\\xa9"),
                        _ if rng.one_in(8) => {
                            let _ = write!(word, "\\u{:04x}", u32::from(*c));
                        }
                        c if c.is_ascii() && rng.one_in(12) => {
                            let _ = write!(word, "\\{:03o}", u32::from(*c));
                        }
                        _ => word.push(*c),
                    }
                }
                word.push('\'');
            }
            _ => {
                for c in piece {
                    if !c.is_ascii_alphanumeric() && *c != '_' && *c != ':' {
                        word.push('\\');
                    }
                    word.push(*c);
                }
            }
        }
        at = end;
    }
    word
}

/// A here-document that feeds the messages to a command.
fn here_document(rng: &mut Rng, command: &str, messages: &[String], tail: &str) -> String {
    let (spelled, delimiter) = [
        ("EOF", "EOF"),
        ("'EOF'", "EOF"),
        ("\"EOF\"", "EOF"),
        ("\\EOF", "EOF"),
        ("E\"O\"F", "EOF"),
        ("EO\\F", "EOF"),
        ("$'EOF'", "EOF"),
        ("END_OF_IT", "END_OF_IT"),
        ("'E O F'", "E O F"),
        ("!", "!"),
        ("'EOF)'", "EOF)"),
    ][rng.below(11)];
    let expands = !spelled.contains(['\'', '"', '\\']);
    let tabs = rng.one_in(3);
    let mut text = format!("{command} <<{}", if tabs { "-" } else { "" });
    text.push_str(["", " "][rng.below(2)]);
    let _ = writeln!(text, "{spelled}{tail}");
    let indent = |rng: &mut Rng| if tabs { "\t".repeat(rng.below(3)) } else { String::new() };
    for message in messages {
        if rng.one_in(3) {
            let noise = ["  EOF", "EOF x", "it's", "\" (", ")", "# EOF", "'EOF'", " EOF)", ""];
            let noise = noise[rng.below(noise.len())];
            let _ = writeln!(text, "{}{noise}", indent(rng));
        }
        text.push_str(&indent(rng));
        for c in message.chars() {
            if expands && (c == '$' || c == '`' || c == '\\') {
                text.push('\\');
            }
            text.push(c);
            // A continued line is no delimiter, whatever it holds.
            if expands && rng.one_in(60) {
                text.push_str("\\\n");
            }
        }
        text.push('\n');
    }
    let _ = write!(text, "{}{delimiter}", indent(rng));
    text
}

/// Commands that pass messages, one way or another.
fn publishing(rng: &mut Rng, count: &mut usize) -> String {
    let mut next = |rng: &mut Rng| {
        *count += 1;
        message(rng, *count)
    };
    let one = next(rng);
    let word = quoted(rng, &one);
    match rng.below(20) {
        0 => format!("m={word}; publish \"$m\""),
        1 => format!("x=$(publish {word})"),
        2 => format!("x=\"$(publish {word}; echo \")\")\""),
        3 => format!("(publish {word})"),
        4 => format!("case x in y) : ;; x) publish {word} ;; esac"),
        5 => format!("list=( {word} 'b)' ); publish \"${{list[0]}}\""),
        6 => format!("cat <(publish {word}) > /dev/null"),
        7 => format!("feed <<< {word}"),
        8 => format!("printf '%s\\n' {word} | feed"),
        9 => format!("if true; then publish {word} 2>&1; fi"),
        10 => format!(": \"${{nope:-$(publish {word})}}\""),
        11 => format!("f() {{ publish {word}; }}; f"),
        12 => format!("x=$(case x in x) publish {word} ;; esac)"),
        13 => format!("for ((i=0;i<1;i++)); do publish {word} > /dev/null; done"),
        14 => {
            let two = next(rng);
            here_document(rng, "feed", &[one, two], "")
        }
        15 => here_document(rng, "x=\"$(feed", &[one], "") + "\n)\"",
        16 => here_document(rng, "{ feed", &[one], " | cat; }"),
        17 => {
            let (two, three) = (next(rng), next(rng));
            let tail = format!("; publish {}", quoted(rng, &two));
            here_document(rng, "feed", &[one, three], &tail)
        }
        18 => here_document(rng, "case x in x) feed", &[one], " ;;") + "\nesac",
        _ => format!("publish {word} other"),
    }
}

fn script(rng: &mut Rng) -> String {
    let mut script = String::new();
    let mut count = 0;
    for _ in 0..1 + rng.below(8) {
        let command = if rng.one_in(2) {
            NOISE[rng.below(NOISE.len())].to_owned()
        } else {
            publishing(rng, &mut count)
        };
        script.push_str(&command);
        script.push('\n');
    }
    script
}

const PROLOGUE: &str = "shopt -s extglob; base='x}y'
publish() { printf '%s\\n' \"$1\" >> \"$PASSED\"; }
feed() { cat >> \"$PASSED\"; }
";

/// What the commands of a script got, sorted; none if the shell does not accept the script.
fn passed(folder: &Path, script: &str) -> Option<Vec<String>> {
    let file = folder.join("passed");
    std::fs::write(&file, "").unwrap();
    let run = |arguments: &[&str]| {
        Command::new("bash")
            .args(arguments)
            .env("PASSED", &file)
            .env("LC_ALL", "C.UTF-8")
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .expect("bash is needed to judge scripts")
    };
    let text = format!("{PROLOGUE}{script}");
    let checked = run(&["-O", "extglob", "-n", "-c", &text]);
    if !checked.status.success() || !checked.stderr.is_empty() {
        return None;
    }
    run(&["-O", "extglob", "-c", &text]);
    let held = std::fs::read_to_string(&file).unwrap();
    let mut held: Vec<_> =
        held.lines().filter(|line| line.starts_with(MARK)).map(str::to_owned).collect();
    held.sort();
    Some(held)
}

fn found(script: &str) -> Vec<String> {
    let snippets = scan_as(script, FileKind::Shell, &Limits::default());
    let mut found: Vec<_> = snippets
        .filter(|snippet| snippet.text.starts_with(MARK))
        .map(|snippet: Snippet<'_>| snippet.text.into_owned())
        .collect();
    found.sort();
    found
}

#[test]
fn what_a_command_gets_is_what_is_found() {
    let folder = std::env::temp_dir().join(format!("coord-words-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (mut judged, mut messages) = (0, 0);
    for number in 0..scaled(600) as u64 {
        let script = script(&mut Rng::new(number));
        let Some(passed) = passed(&folder, &script) else { continue };
        judged += 1;
        messages += passed.len();
        let found = found(&script);
        assert_eq!(found, passed, "case {number}:\n{script}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(judged * 10 > scaled(600) * 9, "only {judged} scripts are judged");
    assert!(messages > judged, "only {messages} messages in {judged} scripts");
}

/// Whatever noise stands before it, the message behind it is found.
#[test]
fn no_command_swallows_the_rest() {
    for noise in NOISE {
        let script = format!("{noise}\npublish 'TASK_FAILED:wf_1:build:{{\"task_id\":\"t1\"}}'\n");
        assert_eq!(found(&script).len(), 1, "{script}");
    }
}
