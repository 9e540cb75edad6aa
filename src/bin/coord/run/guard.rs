//! The guard: the parent of the command. It outlives the wrapper, and sees to it that the command does not.

use super::family::{end_all, pid};
use super::talk::{self, FORWARDED, News, Order, forwarded, tell};
use super::{Job, ends, itself, tell_own};
use coordination_protocol::adapter::sqlite::MachineClock;
use coordination_protocol::coordination::resources::{Amounts, DeskError, EndReason};
use coordination_protocol::scalar::Instant;
use coordination_protocol::storage::block_on;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, kill_process_group, setsid, wait,
    waitid,
};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The group to give the terminal back to.
    #[arg(long)]
    group: Option<i32>,

    #[command(flatten)]
    job: Job,
}

enum Event {
    Told(Order),
    WrapperGone,
    Child,
}

struct Guard<'a> {
    args: &'a Args,
    socket: UnixStream,
    child: Pid,
    /// Until when the lease lasts, as far as it is known.
    until: Instant,
    /// Since when the command is stopped, and when the lease was last renewed for it.
    stopped: Option<(Instant, Instant)>,
}

/// Runs the command, and returns how this process ends: nobody looks at it.
pub(crate) fn run(args: &Args) -> u8 {
    match start(args) {
        Ok((guard, events)) => guard.watch(&events),
        Err(error) => {
            tell_own(format_args!("the command cannot be guarded: {error}"));
            ends::UNAVAILABLE
        }
    }
}

fn start(args: &Args) -> io::Result<(Guard<'_>, Receiver<Event>)> {
    if args.group.is_none() {
        // Without a terminal it is in nobody's session but its own. With one the command has to stay in the
        // session, or it would lose the terminal.
        let _ = setsid();
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let (sender, events) = channel();
    watch_signals(sender.clone())?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let input = talk::receive_input(&socket)?;
    let from = socket.try_clone()?;
    std::thread::spawn(move || {
        talk::hear(from, |order| drop(sender.send(Event::Told(order))));
        let _ = sender.send(Event::WrapperGone);
    });
    let job = &args.job;
    let mut command = itself("run-command");
    command.arg("--parent").arg(std::process::id().to_string());
    job.pass(&mut command)?;
    command.env("COORD_ALLOCATION", job.allocation.as_str());
    command.env("COORD_FENCE", job.fence.to_string());
    command.env("COORD_BUS", job.url()?);
    command.env("COORD_POOL", job.pool.name());
    let child = command.process_group(0).stdin(Stdio::from(input)).spawn()?;
    let child = pid(child.id()).ok_or(io::ErrorKind::InvalidData)?;
    tell(&socket, News::Started(child.as_raw_nonzero().get().cast_unsigned()));
    let until = Instant::from_nanos(job.until);
    Ok((Guard { args, socket, child, until, stopped: None }, events))
}

/// Tells when a child changes. What ends a process otherwise is left to the wrapper; it is caught and not ignored,
/// because the command would inherit that.
fn watch_signals(sender: Sender<Event>) -> io::Result<()> {
    let others = FORWARDED.map(Signal::as_raw);
    let all = others.into_iter().chain([Signal::CHILD.as_raw(), Signal::PIPE.as_raw()]);
    let mut signals = signal_hook::iterator::Signals::new(all)?;
    std::thread::spawn(move || {
        for number in signals.forever() {
            if number == Signal::CHILD.as_raw() && sender.send(Event::Child).is_err() {
                return;
            }
        }
    });
    Ok(())
}

impl Guard<'_> {
    fn watch(mut self, events: &Receiver<Event>) -> u8 {
        let clock = MachineClock::new();
        loop {
            let now = clock.at();
            let must_end = self.must_end();
            if must_end <= now {
                return self.lost();
            }
            let next = self.renews_at().map_or(must_end, |renews| renews.min(must_end));
            match events.recv_timeout(next.since(now)) {
                Ok(Event::Told(Order::Signal(number))) => {
                    if let Some(signal) = forwarded(number) {
                        let _ = kill_process_group(self.child, signal);
                    }
                }
                Ok(Event::Told(Order::Until(nanos))) => {
                    self.until = self.until.max(Instant::from_nanos(nanos));
                }
                Ok(Event::Told(Order::Lost)) => return self.lost(),
                Ok(Event::WrapperGone) | Err(RecvTimeoutError::Disconnected) => {
                    self.end_all();
                    self.release();
                    return ends::LOST;
                }
                Ok(Event::Child) => {
                    if let Some(code) = self.reap() {
                        if self.args.job.over(self.until) <= clock.at() {
                            // This process was stopped meanwhile, and others ended the command.
                            return self.lost();
                        }
                        tell(&self.socket, News::Ended(code));
                        // What it leaves running must not work with what is given back.
                        self.end_all();
                        return 0;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.renew(),
            }
        }
    }

    /// When the command has to be asked to end, so that it is gone before the lease is.
    fn must_end(&self) -> Instant {
        let job = &self.args.job;
        let of_lease = job.must_end(self.until);
        match self.stopped {
            Some((since, _)) => {
                since.after(job.stop_time()).map_or(of_lease, |end| end.min(of_lease))
            }
            None => of_lease,
        }
    }

    fn renews_at(&self) -> Option<Instant> {
        let (_, last) = self.stopped?;
        last.after(self.args.job.renews_every())
    }

    /// Renews the lease of a command that is stopped: the wrapper may be stopped with it.
    fn renew(&mut self) {
        let Some((since, _)) = self.stopped else { return };
        let job = &self.args.job;
        let now = MachineClock::new().at();
        self.stopped = Some((since, now));
        let Ok((bus, desk)) = job.pool.open_existing() else { return };
        let now = bus.host().now();
        match block_on(desk.renew(now, &crate::lease::Processes, &job.allocation, job.fence)) {
            Ok(lease) => self.until = self.until.max(lease.until),
            // It ends at once.
            Err(DeskError::Lost { .. }) => self.until = Instant::START,
            // It is tried again, until the lease is nearly over.
            Err(_) => {}
        }
    }

    /// Looks what became of the children. The code of the command, if it is over.
    fn reap(&mut self) -> Option<u8> {
        if self.args.group.is_some() {
            let over = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if waitid(WaitId::Pid(self.child), over).is_ok_and(|found| found.is_some()) {
                // As long as it was not waited for, its group is there.
                self.give_terminal_back();
            }
        }
        let mut code = None;
        let all = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        while let Ok(Some((pid, status))) = wait(all) {
            if pid != self.child {
                continue;
            }
            if let Some(signal) = status.stopping_signal() {
                let now = MachineClock::new().at();
                self.stopped.get_or_insert((now, now));
                self.give_terminal_back();
                tell(&self.socket, News::Stopped(signal));
            } else if status.continued() {
                self.stopped = None;
                tell(&self.socket, News::Continued);
            } else {
                code = Some(code_of(status));
            }
        }
        code
    }

    /// Gives the terminal back to those who had it. Only who is in the foreground may do that, so a process that joins
    /// the group of the command does.
    fn give_terminal_back(&self) {
        let Some(group) = self.args.group else { return };
        if super::terminal::foreground() != Some(self.child) {
            return;
        }
        let mut helper = itself("run-foreground");
        helper.arg(group.to_string()).stdin(Stdio::null());
        let helper = helper.process_group(self.child.as_raw_nonzero().get()).spawn();
        let _ = helper.and_then(|mut helper| helper.wait());
    }

    fn lost(&self) -> u8 {
        tell(&self.socket, News::Lost);
        self.end_all();
        ends::LOST
    }

    /// Ends the command and all that it started. As long as its group is there, the terminal can be given back.
    fn end_all(&self) {
        self.give_terminal_back();
        end_all(self.args.job.kill_grace());
    }

    /// Gives back what the wrapper cannot give back any more.
    fn release(&self) {
        let job = &self.args.job;
        let Ok((bus, mut desk)) = job.pool.open_existing() else { return };
        if !job.lock_file().is_ok_and(|file| super::proof::prove(&file)) {
            return;
        }
        // If that does not work, whoever decides next finds that the wrapper is gone.
        let _ = block_on(desk.decide(bus.host().now(), &crate::lease::Processes, |d| {
            let reason = EndReason::HolderGone;
            d.release(&job.allocation, Some(job.fence), reason, Amounts::new()).map(drop)
        }));
    }
}

/// How a shell tells the end of a process: its code, or 128 and the signal.
pub(super) fn code_of(status: WaitStatus) -> u8 {
    let signal = || status.terminating_signal().map_or(0, |signal| 128 + signal);
    let code = status.exit_status().unwrap_or_else(signal);
    u8::try_from(code).unwrap_or(u8::MAX)
}
