//! The wrapper: it asks for the resources, has the command run, renews the lease and gives everything back.

use super::family::{end_all, pid};
use super::talk::{self, FORWARDED, News, Order, tell};
use super::{Args, Job, MARGIN, ends, itself, proof, tell_own, terminal};
use crate::bus::{Ended, Signals, block_on};
use crate::lease::{BusDesk, Processes, settled};
use crate::output::{ExitStatus, Failure};
use coordination_protocol::adapter::sqlite::ProcessIdentity;
use coordination_protocol::bus::Bus;
use coordination_protocol::coordination::resources::{
    Amounts, DeskError, EndReason, Explanation, Grant, Holder, Lease, Ruling, Settled, Submission,
    WaitEnd,
};
use coordination_protocol::scalar::Instant;
use coordination_protocol::storage;
use rustix::process::{Pid, Signal, getpgrp, kill_process};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How this process ends, told or to be told.
enum Stop {
    /// It was told.
    With(u8),
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.into())
    }
}

pub(super) fn run(args: &Args) -> u8 {
    match hold(args) {
        Ok(code) | Err(Stop::With(code)) => code,
        Err(Stop::Failed(failed)) => {
            tell_own(&failed);
            if failed.status() == ExitStatus::Usage { ends::USAGE } else { ends::UNAVAILABLE }
        }
    }
}

fn hold(args: &Args) -> Result<u8, Stop> {
    let (bus, mut desk) = args.pool.open()?;
    let ttl = storage::block_on(desk.pool())?.rules().ttl;
    let margin = args.kill_grace + MARGIN;
    // Two thirds of the time to live pass between a renewal and the next but one.
    if ttl / 3 * 2 <= margin {
        return Err(crate::output::failure(format_args!(
            "a lease lives for {ttl:?}, too short for a grace of {:?}; raise the rule `ttl` above {:?}",
            args.kill_grace,
            margin / 2 * 3
        ))
        .into());
    }
    let grant = acquire(args, &bus, &mut desk)?;
    let code = match with(args, &bus, &grant) {
        Ok(code) | Err(Stop::With(code)) => code,
        Err(stop) => {
            give_back(args, &bus, &mut desk, &grant);
            return Err(stop);
        }
    };
    give_back(args, &bus, &mut desk, &grant);
    Ok(code)
}

/// Asks, and waits if that is wanted.
fn acquire(args: &Args, bus: &Bus, desk: &mut BusDesk) -> Result<Grant, Stop> {
    let me = Holder::live(ProcessIdentity::current().to_string());
    let mut asked = args.asking.submission(args.component.as_str(), || bus.new_id())?;
    asked.fallback.queue = args.wait;
    asked = asked.with_holder(me.clone());
    if args.wait {
        asked = asked.with_waiter(me.clone());
    }
    let now = bus.host().now();
    let ruling = storage::block_on(desk.decide(now, &Processes, |d| d.submit(&asked)))?;
    let mut ruling = ruling.map_err(crate::output::failure)?;
    if args.wait && matches!(ruling, Ruling::Queued { .. }) {
        ruling = wait(bus, desk, &asked)?;
    }
    let request = &asked.request_id;
    let denied = |blocked: &Explanation| {
        let lines: Vec<String> =
            blocked.to_string().lines().map(|line| line.trim().to_owned()).collect();
        tell_own(format_args!("{request} is denied: {}", lines.join("; ")));
        Stop::With(ends::DENIED)
    };
    match ruling {
        Ruling::Granted(grant) if grant.holder.as_ref() == Some(&me) => Ok(*grant),
        Ruling::Granted(grant) => {
            tell_own(format_args!(
                "{request} is granted to another process as {}",
                grant.allocation_id
            ));
            Err(Stop::With(ends::DENIED))
        }
        Ruling::Denied(blocked)
        | Ruling::Queued { blocked, .. }
        | Ruling::Settled(Settled::Denied { blocked }) => Err(denied(&blocked)),
        Ruling::Settled(Settled::WaitEnded { reason: WaitEnd::TooLong, .. }) => {
            tell_own(format_args!("{request} waited too long"));
            Err(Stop::With(ends::WAITED))
        }
        Ruling::Settled(_) => {
            tell_own(format_args!("{request} is over; `coord why {request}` tells why"));
            Err(Stop::With(ends::DENIED))
        }
        _ => Err(Stop::With(ends::UNAVAILABLE)),
    }
}

fn wait(bus: &Bus, desk: &mut BusDesk, asked: &Submission) -> Result<Ruling, Stop> {
    let waited = block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            biased;
            signal = signals.next() => {
                // Who waits no longer is in nobody's way.
                let now = bus.host().now();
                let request = &asked.request_id;
                let cancelled =
                    desk.decide(now, &Processes, |d| d.cancel(request, WaitEnd::Cancelled));
                if let Err(error) = cancelled.await {
                    tell_own(error);
                }
                Ok(Err(signal))
            }
            ruling = settled(bus, desk, asked) => Ok::<_, Failure>(Ok(ruling?)),
        }
    })??;
    waited.map_err(|signal| {
        let _ = Ended::By(signal).status();
        Stop::With(u8::try_from(128 + signal).unwrap_or(u8::MAX))
    })
}

/// Gives back what was granted, once nothing works with it any more.
fn give_back(args: &Args, bus: &Bus, desk: &mut BusDesk, grant: &Grant) {
    let id = &grant.allocation_id;
    if !proof::is_proved_over(grant) {
        tell_own(format_args!(
            "{id} is not given back: the command left processes that do not end"
        ));
        return;
    }
    let now = bus.host().now();
    let done = storage::block_on(desk.decide(now, &Processes, |d| {
        // If it is over already, there is nothing to give back.
        drop(d.release(id, Some(grant.fence), EndReason::Released, Amounts::new()));
    }));
    if let Err(error) = done {
        tell_own(format_args!(
            "{id} is not given back, it ends within {:?}: {error}",
            args.kill_grace + MARGIN
        ));
    }
}

enum Event {
    Signal(i32),
    News(News),
    GuardGone,
    Renewed(Instant),
    Lost(String),
}

/// What runs, with what is granted.
struct Running {
    socket: UnixStream,
    guard: Child,
    child: Option<Pid>,
}

fn with(args: &Args, bus: &Bus, grant: &Grant) -> Result<u8, Stop> {
    let desk = args.pool.desk_of(bus);
    let first = storage::block_on(desk.renew(
        bus.host().now(),
        &Processes,
        &grant.allocation_id,
        grant.fence,
    ));
    let lease = match first {
        Ok(lease) => lease,
        Err(lost @ DeskError::Lost { .. }) => {
            tell_own(lost);
            return Err(Stop::With(ends::LOST));
        }
        Err(error) => return Err(error.into()),
    };
    let cannot = |error: io::Error| {
        Stop::Failed(crate::output::unavailable(format_args!("the command cannot be run: {error}")))
    };
    // What the guard leaves, if it is killed, becomes a child of this process.
    let reaper = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    reaper.map_err(|error| cannot(error.into()))?;
    let (sender, events) = channel();
    watch_signals(sender.clone()).map_err(cannot)?;
    let mut running = start(args, grant, &lease, sender.clone()).map_err(cannot)?;
    let (stop, stopped) = channel();
    let renewer = renew(bus.clone(), desk, grant.clone(), lease.ttl / 3, sender, stopped);
    let code = running.watch(&events, grant, args.kill_grace);
    drop(stop);
    let _ = renewer.join();
    let _ = running.guard.wait();
    Ok(code)
}

fn start(args: &Args, grant: &Grant, lease: &Lease, sender: Sender<Event>) -> io::Result<Running> {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let job = Job {
        pool: args.pool.clone(),
        allocation: grant.allocation_id.clone(),
        fence: grant.fence,
        until: lease.until.as_nanos(),
        end: grant.end.as_nanos(),
        ttl: nanos(lease.ttl),
        grace: nanos(args.kill_grace),
        stop: nanos(args.stop_time),
        command: args.command.clone(),
    };
    let (socket, other) = UnixStream::pair()?;
    let mut command = itself("run-guard");
    if terminal::is_there() {
        // What is typed at the terminal is not for it.
        command.arg("--group").arg(getpgrp().as_raw_nonzero().to_string()).process_group(0);
    }
    job.pass(&mut command)?;
    talk::send_input(&socket)?;
    let guard = command.stdin(Stdio::from(OwnedFd::from(other))).spawn()?;
    // The other end is the guard's only: when it is gone, so is this one's other side.
    drop(command);
    let from = socket.try_clone()?;
    std::thread::spawn(move || {
        talk::hear(from, |news| drop(sender.send(Event::News(news))));
        let _ = sender.send(Event::GuardGone);
    });
    Ok(Running { socket, guard, child: None })
}

fn watch_signals(sender: Sender<Event>) -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new(FORWARDED.map(Signal::as_raw))?;
    std::thread::spawn(move || {
        for number in signals.forever() {
            if sender.send(Event::Signal(number)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Renews the lease until it is told to stop, or the lease is lost.
fn renew(
    bus: Bus,
    desk: BusDesk,
    grant: Grant,
    every: Duration,
    sender: Sender<Event>,
    stopped: Receiver<()>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pause = every;
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let now = bus.host().now();
            let renewed = desk.renew(now, &Processes, &grant.allocation_id, grant.fence);
            let event = match storage::block_on(renewed) {
                Ok(lease) => {
                    pause = every;
                    Event::Renewed(lease.until)
                }
                Err(lost @ DeskError::Lost { .. }) => Event::Lost(lost.to_string()),
                Err(_) => {
                    // The guard knows until when it can be tried.
                    pause = every / 4;
                    continue;
                }
            };
            let lost = matches!(event, Event::Lost(_));
            if sender.send(event).is_err() || lost {
                return;
            }
        }
    })
}

impl Running {
    /// Until the guard is gone, and with it everything else.
    fn watch(&mut self, events: &Receiver<Event>, grant: &Grant, grace: Duration) -> u8 {
        let id = &grant.allocation_id;
        let mut code = None;
        // A sender outlives the guard in any case.
        while let Ok(event) = events.recv() {
            match event {
                Event::Signal(number) => {
                    if number == Signal::CONT.as_raw() {
                        // Back in the foreground, the command is, too.
                        self.hand_over(terminal::is_for_command());
                    }
                    tell(&self.socket, Order::Signal(number));
                }
                Event::Renewed(until) => tell(&self.socket, Order::Until(until.as_nanos())),
                Event::Lost(why) => {
                    if code.is_none() {
                        tell_own(why);
                        code = Some(ends::LOST);
                    }
                    tell(&self.socket, Order::Lost);
                }
                Event::News(News::Started(number)) => {
                    self.child = pid(number);
                    self.hand_over(terminal::is_for_command());
                }
                Event::News(News::Stopped(number)) => self.stopped(number),
                Event::News(News::Continued) => {}
                Event::News(News::Ended(ended)) => {
                    code.get_or_insert(ended);
                }
                Event::News(News::Lost) => {
                    if code.is_none() {
                        tell_own(format_args!(
                            "the lease of {id} is over, or could not be renewed; the command was ended"
                        ));
                        code = Some(ends::LOST);
                    }
                }
                Event::GuardGone => break,
            }
        }
        code.unwrap_or_else(|| {
            // The command died with the guard; what it started did not.
            let _ = self.guard.wait();
            end_all(grace);
            tell_own("its guard was killed, and so was the command");
            128 + 9
        })
    }

    /// Gives the command the terminal, if this process has it.
    fn hand_over(&self, wanted: bool) -> bool {
        wanted && self.child.is_some_and(terminal::hand_over)
    }

    /// The command was stopped: it gets the terminal if it asked for that, else this process stops, too, so that the
    /// shell sees it.
    fn stopped(&self, number: i32) {
        let asked = [Signal::TTIN, Signal::TTOU].iter().any(|signal| signal.as_raw() == number);
        if self.hand_over(asked) {
            tell(&self.socket, Order::Signal(Signal::CONT.as_raw()));
        } else if asked || number == Signal::TSTP.as_raw() {
            let _ = kill_process(rustix::process::getpid(), Signal::STOP);
        }
    }
}
