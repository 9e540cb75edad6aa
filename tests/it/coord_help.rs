//! What `--help` promises.

use crate::coord::{err, out, run};

/// The help of a verb, and that of all verbs below it.
fn helps(verb: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut args: Vec<&str> = verb.iter().map(String::as_str).collect();
    args.push("--help");
    let output = run(&args, b"");
    assert_eq!(output.status.code(), Some(0), "{verb:?}");
    let text = out(&output);
    if let Some((_, commands)) = text.split_once("\nCommands:\n") {
        // What is indented deeper goes on with the line before.
        for line in commands.lines().take_while(|line| !line.is_empty()) {
            if !line.starts_with("   ")
                && let Some(name) = line.split_whitespace().next()
            {
                helps(&[verb, &[name.to_owned()]].concat(), found);
            }
        }
    }
    found.push((verb.to_vec(), text));
}

/// The commands of an example, without what they read, write and mean.
fn commands(line: &str) -> Vec<String> {
    let command = line.split("  ").next().unwrap_or_default();
    let mut quoted = false;
    let parts = command.split(|c| {
        quoted ^= c == '\'';
        !quoted && "|<>".contains(c)
    });
    let own = parts.map(str::trim).filter(|part| part.starts_with("coord "));
    own.map(str::to_owned).collect()
}

#[test]
fn every_verb_says_how_it_ends_and_shows_examples_that_it_takes() {
    let mut found = Vec::new();
    helps(&[], &mut found);
    assert!(found.len() > 35, "{}", found.len());
    let mut taken = 0;
    for (verb, text) in &found {
        let (_, examples) =
            text.split_once("\nExample").unwrap_or_else(|| panic!("{verb:?} has no example"));
        let lines = examples.lines().skip(1).map(str::trim);
        for command in lines.take_while(|line| !line.is_empty()).flat_map(commands) {
            let program = env!("CARGO_BIN_EXE_coord");
            // Help comes last, so that everything before it is read and nothing is done.
            // What belongs to another command is not read as ours.
            let at = [" --exec ", " -- "].iter().filter_map(|mark| command.find(mark)).min();
            let (own, rest) = command.split_at(at.unwrap_or(command.len()));
            let script = format!("{program} {} --help{rest}", &own["coord ".len()..]);
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{command}: {}", err(&output));
            taken += 1;
        }
    }
    assert!(taken > 90, "{taken}");
    let silent: Vec<String> = found
        .iter()
        .filter(|(_, text)| !text.contains("\n\nExit status: "))
        .map(|(verb, _)| verb.join(" "))
        .collect();
    assert_eq!(silent, Vec::<String>::new());
    // One table for all, which the page of the program has too.
    let table = "0 done, 1 negative verdict, 2 usage, 3 time-out, 4 I/O, cut or unavailable, 5 conflict or stale.";
    for (verb, text) in &found {
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(table), "{verb:?}");
    }
    assert!(out(&run(&["man", "check"], b"")).contains("5 conflict or stale."));
}
