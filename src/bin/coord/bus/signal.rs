//! Ending in order when the program is asked to.

use crate::output::{ExitStatus, Failure, unavailable};

/// The signals that ask the program to end.
pub(crate) struct Signals {
    #[cfg(unix)]
    each: Vec<(i32, tokio::signal::unix::Signal)>,
}

impl Signals {
    /// From here on the program has to see to it that it ends.
    pub(crate) fn new() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let each = kinds.into_iter().map(|kind| Ok((kind.as_raw_value(), signal(kind)?)));
            let each: Result<Vec<_>, std::io::Error> = each.collect();
            let cannot = |error| unavailable(format_args!("signals cannot be waited for: {error}"));
            Ok(Signals { each: each.map_err(cannot)? })
        }
        #[cfg(not(unix))]
        Ok(Signals {})
    }

    /// The number of the signal that came. It may be dropped at any time.
    pub(crate) async fn next(&mut self) -> i32 {
        #[cfg(unix)]
        {
            std::future::poll_fn(|context| {
                for (number, signal) in &mut self.each {
                    if signal.poll_recv(context).is_ready() {
                        return std::task::Poll::Ready(*number);
                    }
                }
                std::task::Poll::Pending
            })
            .await
        }
        #[cfg(not(unix))]
        {
            // Without it nothing asks.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            2
        }
    }
}

/// How a verb ended that waits on the bus.
pub(crate) enum Ended {
    /// By itself.
    With(ExitStatus),
    /// By a signal.
    By(i32),
}

impl Ended {
    /// Ends as the signal would have ended the program: whoever started it sees that it was cut.
    pub(crate) fn status(self) -> ExitStatus {
        match self {
            Ended::With(status) => status,
            Ended::By(signal) => {
                #[cfg(unix)]
                let _ = signal_hook::low_level::emulate_default_handler(signal);
                #[cfg(not(unix))]
                let _ = signal;
                // Only if the signal could not be sent.
                ExitStatus::Unavailable
            }
        }
    }
}
