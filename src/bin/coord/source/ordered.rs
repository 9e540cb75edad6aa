//! Work on many threads whose output comes in order, with bounded memory.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How much a piece of work may write ahead of its turn before it waits: this many blocks.
const BLOCKS: usize = 8;
/// The size of a block, in bytes. It ends with a line, so it may be larger.
const BLOCK: usize = 32 << 10;
/// How many pieces of work may be under way for each thread.
const AHEAD: usize = 8;

/// What a piece of work sends to whoever prints it.
enum Part<T> {
    Bytes(Vec<u8>),
    Done(T),
}

/// Where a piece of work writes. What it writes waits in a few blocks until its turn comes.
pub(crate) struct Sheet<T> {
    block: Vec<u8>,
    parts: SyncSender<Part<T>>,
}

impl<T> Sheet<T> {
    fn send(&mut self) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        // It is not taken any more if the output cannot be written.
        self.parts.send(Part::Bytes(block)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl<T> Write for Sheet<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK && bytes.ends_with(b"\n") {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does `work` for each of the jobs, on as many threads, and hands what it writes, line by line, to
/// `out`, and what comes of it to `done`, all in the order of the jobs.
///
/// Memory is bounded: few jobs are under way at once, and each writes little before its turn.
///
/// # Errors
/// That of `out` or `done`; what was not begun is left out then.
pub(crate) fn in_order<J: Send, T: Send, W: Write, E: From<io::Error>>(
    threads: NonZero<usize>,
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(J, &mut Sheet<T>) -> T + Sync,
    out: &mut W,
    mut done: impl FnMut(&mut W, T) -> Result<(), E>,
) -> Result<(), E> {
    let (order, turns) = sync_channel::<Receiver<Part<T>>>(threads.get() * AHEAD);
    let (queue, taken) = sync_channel::<(J, SyncSender<Part<T>>)>(threads.get());
    let taken = &Mutex::new(taken);
    let work = &work;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for job in jobs {
                let (parts, receiver) = sync_channel(BLOCKS);
                // First its place in the order, then the work, so that the printer never waits for work
                // that is not done. Both fail only when the printer has stopped.
                if order.send(receiver).is_err() || queue.send((job, parts)).is_err() {
                    return;
                }
            }
        });
        for _ in 0..threads.get() {
            scope.spawn(move || {
                loop {
                    let next = taken.lock().ok().and_then(|queue| queue.recv().ok());
                    let Some((job, parts)) = next else { return };
                    let mut sheet = Sheet { block: Vec::new(), parts };
                    let result = work(job, &mut sheet);
                    // Both fail only when the printer has stopped. The queue is still emptied then, so
                    // that whoever fills it does not wait for ever.
                    let _ = sheet.send().and_then(|()| {
                        let sent = sheet.parts.send(Part::Done(result));
                        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
                    });
                }
            });
        }
        for parts in turns {
            for part in parts {
                match part {
                    Part::Bytes(bytes) => out.write_all(&bytes)?,
                    Part::Done(result) => done(out, result)?,
                }
            }
        }
        Ok(())
    })
}
