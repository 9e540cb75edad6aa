//! A future on the calling thread.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives one future to its end on the calling thread, which sleeps while there is nothing to do.
///
/// For programs without a runtime: a short command that writes its state and exits. Inside an
/// asynchronous runtime, await the future instead; this would block one of its threads.
///
/// ```
/// use coordination_protocol::storage::block_on;
///
/// assert_eq!(block_on(async { 6 * 7 }), 42);
/// ```
#[doc(alias = "runtime")]
#[doc(alias = "executor")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            // A wake-up before the park is remembered by the thread's token, so it is not lost. A
            // park may end without reason; the loop asks again.
            Poll::Pending => thread::park(),
        }
    }
}
