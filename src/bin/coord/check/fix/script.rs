//! Whether bash still reads the scripts of a file.

use coordination_protocol::scan::{FileKind, scripts};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Whether bash refuses a script that it took before. Where there is no bash, nothing can be said
/// against it.
pub(super) fn breaks(before: &str, after: &str, kind: FileKind) -> bool {
    let (before, after) = (scripts(before, kind), scripts(after, kind));
    if before.len() != after.len() {
        return true;
    }
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
    changed
        .into_iter()
        .any(|(before, after)| parses(after) == Some(false) && parses(before) == Some(true))
}

/// What `bash -n` says, which runs nothing.
fn parses(script: &str) -> Option<bool> {
    let mut bash = Command::new("bash")
        .args(["--norc", "-n"])
        .env_remove("BASH_ENV")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // A script that is refused at its start is not read to its end.
    let _ = bash.stdin.take()?.write_all(script.as_bytes());
    Some(bash.wait().ok()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_has_the_last_word() {
        let breaks = |before: &str, after: &str| super::breaks(before, after, FileKind::Shell);
        assert!(parses("true").is_some(), "this test needs bash");
        assert!(breaks("publish 'a'\n", "publish 'a\n"));
        assert!(breaks("if a; then b; fi\n", "if a; then b\n"));
        assert!(!breaks("publish 'a'\n", "publish \"a\"\n"));
        // What bash did not take before, it need not take afterwards.
        assert!(!breaks("publish 'a\n", "publish \"a\n"));
        let fences = ["```sh\npublish 'a'\n```\n", "```sh\npublish 'a\n```\n", "no script\n"];
        let in_markdown = |before: usize, after: usize| {
            super::breaks(fences[before], fences[after], FileKind::Markdown)
        };
        assert!(in_markdown(0, 1) && !in_markdown(1, 0) && !in_markdown(0, 0));
        assert!(in_markdown(0, 2), "a script that is gone is broken");
    }
}
