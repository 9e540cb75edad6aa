//! Who has the terminal.

use rustix::process::{Pid, getpgrp};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::fs::File;
use std::io::{IsTerminal as _, stdin, stdout};

fn terminal() -> Option<File> {
    File::options().read(true).write(true).open("/dev/tty").ok()
}

/// Whether this process has a terminal.
pub(super) fn is_there() -> bool {
    terminal().is_some()
}

/// The group in the foreground.
pub(super) fn foreground() -> Option<Pid> {
    tcgetpgrp(terminal()?).ok()
}

/// Hands the terminal to a group, if this process has it.
pub(super) fn hand_over(group: Pid) -> bool {
    let Some(terminal) = terminal() else { return false };
    // Who is in the background would be stopped by asking.
    tcgetpgrp(&terminal).is_ok_and(|present| present == getpgrp())
        && tcsetpgrp(&terminal, group).is_ok()
}

/// Whether the command should have the terminal at once. In a pipe the others need it as well; then it gets it when it
/// asks for it.
pub(super) fn is_for_command() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}
