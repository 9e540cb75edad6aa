//! What the wrapper and its guard tell each other: lines on a socket, which ends with either.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::Signal;
use std::io::{self, BufRead as _, BufReader, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

/// The signals that are handed on to the command.
pub(super) const FORWARDED: [Signal; 9] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
    Signal::CONT,
    Signal::TSTP,
];

/// A signal of [`FORWARDED`] by its number.
pub(super) fn forwarded(number: i32) -> Option<Signal> {
    FORWARDED.into_iter().find(|signal| signal.as_raw() == number)
}

/// What the wrapper tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Hand this signal on.
    Signal(i32),
    /// The lease lasts until then, in nanoseconds of the clock of the machine.
    Until(u64),
    /// The lease is lost: end the command.
    Lost,
}

/// What the guard tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The command has this number.
    Started(u32),
    /// The command was stopped by a signal.
    Stopped(i32),
    /// The command goes on.
    Continued,
    /// The command is over, and this is how the wrapper ends.
    Ended(u8),
    /// It was ended before the lease was.
    Lost,
}

/// Words with a number behind them, or none.
macro_rules! lines {
    ($name:ident { $($word:literal $variant:ident $(($value:ident))?,)+ }) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $($name::$variant $(($value))? => {
                        f.write_str($word)?;
                        $(write!(f, " {}", $value)?;)?
                        Ok(())
                    })+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(line: &str) -> Result<Self, ()> {
                let (word, number) = line.split_once(' ').unwrap_or((line, ""));
                match word {
                    $($word => Ok($name::$variant $(({
                        let $value = number.parse().map_err(|_| ())?;
                        $value
                    }))?),)+
                    _ => Err(()),
                }
                .inspect(|_| { let _ = number; })
            }
        }
    };
}

lines! { Order {
    "signal" Signal(number),
    "until" Until(nanos),
    "lost" Lost,
} }

lines! { News {
    "started" Started(number),
    "stopped" Stopped(number),
    "continued" Continued,
    "ended" Ended(code),
    "lost" Lost,
} }

/// Tells the other side something. If it is gone, its end of the socket tells so to who reads.
pub(super) fn tell(socket: &UnixStream, line: impl std::fmt::Display) {
    let mut socket = socket;
    let _ = socket.write_all(format!("{line}\n").as_bytes());
}

/// Calls for each line of the other side, until it is gone.
pub(super) fn hear<T: std::str::FromStr>(socket: UnixStream, mut told: impl FnMut(T)) {
    for line in BufReader::new(socket).lines().map_while(Result::ok) {
        if let Ok(line) = line.parse() {
            told(line);
        }
    }
}

/// Sends this process's standard input through a socket.
pub(super) fn send_input(socket: &UnixStream) -> io::Result<()> {
    let input = io::stdin();
    let fds = [input.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &[IoSlice::new(b"\n")], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Receives the standard input that was sent.
pub(super) fn receive_input(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    received.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        for order in [Order::Signal(15), Order::Until(u64::MAX), Order::Lost] {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        let all = [News::Started(7), News::Stopped(20), News::Continued, News::Ended(255)];
        for news in all.into_iter().chain([News::Lost]) {
            assert_eq!(news.to_string().parse(), Ok(news));
        }
        for line in ["", "ended", "ended 256", "signal x", "more"] {
            assert_eq!((line.parse::<News>(), line.parse::<Order>()), (Err(()), Err(())), "{line}");
        }
    }
}
