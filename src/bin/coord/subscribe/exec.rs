//! A command for each message.

use super::Args;
use super::read::{retried, settle};
use crate::output::{Failure, complain, unavailable};
use coordination_protocol::bus::{Bus, BusError, Delivery, Inbox};
use coordination_protocol::machine::{Backoff, SplitMix64};
use std::io::{self, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

pub(super) struct Exec {
    words: Vec<String>,
    backoff: Backoff,
    rng: SplitMix64,
}

impl Exec {
    /// What is to be run; none if messages are printed.
    pub(super) fn new(args: &Args, bus: &Bus) -> Option<Self> {
        let (words, backoff) = (args.exec.clone(), args.backoff());
        let seed =
            bus.host().random().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        (!words.is_empty()).then(|| Exec { words, backoff, rng: SplitMix64::new(seed) })
    }

    /// Runs the command with a message. How many messages are finished by it.
    pub(super) async fn run(
        &mut self,
        inbox: &Inbox,
        delivery: &Delivery,
        dead: &mut bool,
    ) -> Result<u64, Failure> {
        let (program, rest) = self.words.split_first().map_or(("", &[][..]), |(p, r)| (p, r));
        let mut command = Command::new(program);
        command
            .args(rest)
            .env("COORD_POSITION", delivery.position.to_string())
            .env("COORD_ATTEMPT", delivery.attempt.to_string());
        let data = Arc::clone(&delivery.data);
        // A thread of its own: the claim is kept alive meanwhile.
        let ran = tokio::task::spawn_blocking(move || feed(command, &data, None)).await;
        let ended = match ran.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok((ended, _)) => ended,
            Err(error) => {
                // It is not the message's fault, so it counts as no attempt.
                let _ = inbox.give_back(delivery).await;
                return Err(unavailable(format_args!("cannot run {program}: {error}")));
            }
        };
        if ended.success() {
            settle(inbox, std::slice::from_ref(delivery)).await?;
            return Ok(1);
        }
        let reason = format!("`{program}` ended with {}", told(ended));
        let attempts = self.backoff.attempts.max(1);
        if delivery.attempt >= attempts {
            give_up(inbox, delivery, &reason).await?;
            *dead = true;
            return Ok(1);
        }
        let pause = self.backoff.pause(delivery.attempt, &mut self.rng);
        complain(format_args!(
            "{}: attempt {} of {attempts}: {reason}; again in {} ms",
            delivery.position,
            delivery.attempt,
            pause.as_millis()
        ));
        match inbox.put_back(delivery, pause).await {
            Ok(()) | Err(BusError::Stale { .. }) => Ok(0),
            // Its claim ends with this process; then another attempt is made.
            Err(error) => retried(1, &error).await.map(|()| 0),
        }
    }
}

/// Runs a command with a text as its standard input. With a bound, its output is taken, up to one byte
/// more than the bound.
pub(crate) fn feed(
    mut command: Command,
    input: &[u8],
    output: Option<u64>,
) -> io::Result<(ExitStatus, Vec<u8>)> {
    use std::io::Read as _;
    command.stdin(Stdio::piped());
    if output.is_some() {
        command.stdout(Stdio::piped());
    }
    let mut child = command.spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let taken = std::thread::scope(|scope| {
        // A command need not read what it is given.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let mut taken = Vec::new();
        match (stdout, output) {
            (Some(stdout), Some(most)) => {
                stdout.take(most.saturating_add(1)).read_to_end(&mut taken).map(|_| taken)
            }
            _ => Ok(taken),
        }
    });
    let ended = child.wait()?;
    Ok((ended, taken?))
}

/// How a command ended, in words.
pub(crate) fn told(ended: ExitStatus) -> String {
    ended.code().map_or_else(|| ended.to_string(), |code| code.to_string())
}

/// Makes a message a dead letter.
pub(super) async fn give_up(
    inbox: &Inbox,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), Failure> {
    let mut failures = 0;
    loop {
        match inbox.dead_letter(delivery, reason).await {
            Ok(letter) => {
                let position = delivery.position;
                complain(format_args!(
                    "{position}: {reason}; it is the dead letter {}",
                    letter.key
                ));
                return Ok(());
            }
            Err(BusError::Stale { .. }) => return Ok(()),
            Err(error) => {
                failures += 1;
                retried(failures, &error).await?;
            }
        }
    }
}
