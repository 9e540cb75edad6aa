//! One run of a handler: in a task of its own, so that its panic is an outcome and its end can be forced.

use super::error::HandlerError;
use crate::bus::Host;
use crate::scalar::Instant;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    /// By itself.
    Done(T),
    /// With an error.
    Failed(HandlerError),
    /// By a panic, with what it said.
    Panicked(String),
    /// Its time was over.
    TimedOut,
    /// It was dropped, because it is not waited for any more.
    Dropped,
}

impl<T> Outcome<T> {
    /// In a word, for logs and metrics.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Outcome::Done(_) => "done",
            Outcome::Failed(_) => "failed",
            Outcome::Panicked(_) => "panicked",
            Outcome::TimedOut => "timed_out",
            Outcome::Dropped => "dropped",
        }
    }
}

/// How many turns a handler has to end by itself after it was told, before it is dropped where it stands:
/// enough to wake up, see it and return through a few awaits. Turns and no time, so that one that hangs
/// keeps nothing waiting.
const LAST_TURNS: usize = 8;

/// Ends the task with whoever waits for it.
struct Guard<T>(JoinHandle<T>);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a handler to its end, to its deadline, or until it is cancelled and a moment has passed.
pub(super) async fn run<T: Send + 'static>(
    host: &dyn Host,
    handler: impl Future<Output = Result<T, HandlerError>> + Send + 'static,
    deadline: Option<Instant>,
    cancel: &watch::Sender<bool>,
) -> Outcome<T> {
    let mut task = Guard(tokio::spawn(handler));
    let mut cancelled = cancel.subscribe();
    let over = async {
        match deadline {
            Some(at) => host.sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    let (ended, timed_out) = tokio::select! {
        biased;
        ended = &mut task.0 => (Some(ended), false),
        () = over => (None, true),
        () = super::listen::told(&mut cancelled) => (None, false),
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        cancel.send_replace(true);
        // It is told, and has some turns to end by itself; then it is dropped where it stands.
        for _ in 0..LAST_TURNS {
            tokio::task::yield_now().await;
        }
        if !task.0.is_finished() {
            return if timed_out { Outcome::TimedOut } else { Outcome::Dropped };
        }
        (&mut task.0).await
    };
    match ended {
        Ok(Ok(value)) => Outcome::Done(value),
        Ok(Err(error)) => Outcome::Failed(error),
        Err(error) if error.is_panic() => Outcome::Panicked(said(error.into_panic())),
        Err(_) => Outcome::Dropped,
    }
}

/// The text of a panic.
fn said(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => match panic.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a panic without a text".to_owned(),
        },
    }
}
