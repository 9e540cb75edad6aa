//! A kit of behavioural cases that any transport, store, journal or engine can run against itself.
//!
//! The traits promise more than their signatures say. Each case here holds an implementation to
//! one of those promises, by nothing but the trait's own methods. Our implementations run them in
//! their tests; so can yours:
//!
//! ```
//! use coordination_protocol::conformance;
//! use coordination_protocol::storage::{MemoryStore, block_on};
//!
//! let summary = block_on(conformance::run(&conformance::store::cases(), MemoryStore::new));
//! summary.into_result()?;
//! # Ok::<(), conformance::Failures>(())
//! ```
//!
//! Each case gets a fresh instance, empty and not used by anything else. A case that waits for something
//! which never comes does not end: [`run_within`] ends it after a time of yours, and takes instances that
//! are made asynchronously. The cases drive several operations at once, on one task, so they need no
//! particular runtime. A failure names the step of its case by where it stands in this kit.

pub mod engine;
pub mod journal;
pub mod store;
pub mod transport;

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// The run of a case.
pub type Run<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One promise, and how to hold an implementation to it.
#[non_exhaustive]
pub struct Case<T: ?Sized> {
    /// The name, for reports.
    pub name: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// The promise of the trait's docs that this is a part of: how the point begins there. Empty if it
    /// is none of them.
    pub heading: &'static str,
    // A function pointer and not a closure: a case has no state, so it can run again.
    run: for<'a> fn(&'a T) -> Run<'a>,
    declared: fn(&T) -> bool,
}

impl<T: ?Sized> Case<T> {
    /// A case of your own.
    pub const fn new(
        name: &'static str,
        promise: &'static str,
        run: for<'a> fn(&'a T) -> Run<'a>,
    ) -> Self {
        Case { name, promise, heading: "", run, declared: |_| true }
    }

    /// Names the promise of the trait's docs that this is a part of.
    pub const fn with_heading(mut self, heading: &'static str) -> Self {
        self.heading = heading;
        self
    }

    /// The case of a promise that an implementation need not make: whether an instance makes it.
    pub const fn if_declared(mut self, declared: fn(&T) -> bool) -> Self {
        self.declared = declared;
        self
    }

    /// Runs the case against a fresh instance.
    ///
    /// # Errors
    /// [`Failure`] says what was not as promised.
    pub async fn run(&self, instance: &T) -> Result<(), Failure> {
        (self.run)(instance).await
    }
}

impl<T: ?Sized> fmt::Debug for Case<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Runs cases in turn, each against a fresh instance.
pub async fn run<T>(cases: &[Case<T>], mut fresh: impl FnMut() -> T) -> ConformanceSummary {
    let mut summary = ConformanceSummary::default();
    for case in cases {
        // A fresh instance for each, so that one that fails cannot make the next one fail.
        let instance = fresh();
        if !(case.declared)(&instance) {
            summary.not_declared.push(case.name);
            continue;
        }
        match case.run(&instance).await {
            Ok(()) => summary.passed.push(case.name),
            // Going on shows everything that an implementation lacks in one run.
            Err(failure) => summary.failed.push((case.name, case.promise, failure)),
        }
    }
    summary
}

/// Runs cases in turn, each against an instance that is made asynchronously, and each within a time
/// limit. `sleep` is your runtime's, such as `tokio::time::sleep`, or [`polls`].
///
/// An instance that cannot be made, and a case that does not end in time, are failures of the case.
///
/// ```
/// use coordination_protocol::conformance;
/// use coordination_protocol::storage::{MemoryStore, StorageError, block_on};
/// use std::future::pending;
/// use std::time::Duration;
///
/// async fn open() -> Result<MemoryStore, StorageError> {
///     Ok(MemoryStore::new())
/// }
///
/// let (cases, limit) = (conformance::store::cases(), Duration::from_secs(10));
/// let summary = block_on(conformance::run_within(&cases, open, limit, |_| pending::<()>()));
/// summary.into_result()?;
/// # Ok::<(), conformance::Failures>(())
/// ```
pub async fn run_within<T, E: fmt::Display, S: Future>(
    cases: &[Case<T>],
    mut fresh: impl AsyncFnMut() -> Result<T, E>,
    limit: Duration,
    mut sleep: impl FnMut(Duration) -> S,
) -> ConformanceSummary {
    let mut summary = ConformanceSummary::default();
    for case in cases {
        let run = async {
            let instance = fresh()
                .await
                .map_err(|error| Failure::new(format!("no instance could be made: {error}")))?;
            if !(case.declared)(&instance) {
                return Ok(false);
            }
            case.run(&instance).await.map(|()| true)
        };
        match within(run, sleep(limit)).await {
            Some(Ok(true)) => summary.passed.push(case.name),
            Some(Ok(false)) => summary.not_declared.push(case.name),
            Some(Err(failure)) => summary.failed.push((case.name, case.promise, failure)),
            None => {
                let failure = Failure::new(match limit {
                    Duration::MAX => "it does not end".to_owned(),
                    _ => format!("it did not end within {limit:?}"),
                });
                summary.failed.push((case.name, case.promise, failure));
            }
        }
    }
    summary
}

/// A time limit without a clock, for [`run_within`]: it is over when it was polled a number of times.
/// For instances that only a case itself moves: a case that still waits then waits for ever.
///
/// ```
/// use coordination_protocol::conformance;
/// use coordination_protocol::transport::{MemoryTransport, TransportError};
/// use coordination_protocol::storage::block_on;
/// use std::time::Duration;
///
/// let cases = conformance::transport::cases();
/// let open = async || Ok::<_, TransportError>(MemoryTransport::new());
/// let patience = |_| conformance::polls(1_000);
/// let summary = block_on(conformance::run_within(&cases, open, Duration::MAX, patience));
/// summary.into_result()?;
/// # Ok::<(), conformance::Failures>(())
/// ```
pub fn polls(count: u32) -> impl Future<Output = ()> + Send {
    let mut left = count;
    poll_fn(move |context| {
        left = left.saturating_sub(1);
        if left == 0 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// The output of a future, if it comes before the end of another one.
async fn within<F: Future>(future: F, end: impl Future) -> Option<F::Output> {
    let (mut future, mut end) = (pin!(future), pin!(end));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(context).map(|_| None),
    })
    .await
}

/// What came of a run.
#[doc(alias = "test report")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConformanceSummary {
    /// The names of the cases that passed.
    pub passed: Vec<&'static str>,
    /// Those that failed: name, promise and what happened instead.
    pub failed: Vec<(&'static str, &'static str, Failure)>,
    /// The names of the cases that were not run, because the implementation does not promise them.
    pub not_declared: Vec<&'static str>,
}

impl ConformanceSummary {
    /// An error that lists all failures, if there are any.
    pub fn into_result(self) -> Result<(), Failures> {
        if self.failed.is_empty() { Ok(()) } else { Err(Failures(self)) }
    }
}

/// All failures of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures(ConformanceSummary);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConformanceSummary { passed, failed, .. } = &self.0;
        write!(f, "{} of {} cases failed", failed.len(), failed.len() + passed.len())?;
        for (name, promise, failure) in failed {
            write!(f, "\n{name}: {failure}\n  promised: {promise}\n  step: {}", failure.step())?;
        }
        Ok(())
    }
}

impl std::error::Error for Failures {}

/// What was not as promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    detail: String,
    step: &'static Location<'static>,
}

impl Failure {
    /// Says what happened, in the step that calls this.
    #[track_caller]
    pub fn new(detail: impl Into<String>) -> Self {
        Failure { detail: detail.into(), step: Location::caller() }
    }

    /// The step of the case: where it stands in the source.
    pub const fn step(&self) -> &'static Location<'static> {
        self.step
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Failure {}

impl From<crate::storage::StorageError> for Failure {
    #[track_caller]
    fn from(error: crate::storage::StorageError) -> Self {
        Failure::new(format!("unexpected error: {error}"))
    }
}

impl From<crate::transport::TransportError> for Failure {
    #[track_caller]
    fn from(error: crate::transport::TransportError) -> Self {
        Failure::new(format!("unexpected error: {error}"))
    }
}

/// The table of a trait's cases: name, the function that tells whether an instance promises it, promise, and
/// the function of that name. They may stand under the
/// promises of the trait's docs, by their headings. The docs of the list are made of the same table.
macro_rules! cases {
    ($trait:ident $(, $bound:path)?: $($name:ident $(if $declared:ident)? $promise:literal;)+) => {
        /// All cases.
        ///
        /// | case | promise |
        /// |---|---|
        $(#[doc = concat!("| `", stringify!($name), "` | ", $promise, " |")])+
        pub fn cases<T: $trait $(+ $bound)?>() -> Vec<crate::conformance::Case<T>> {
            vec![$(crate::conformance::case!(T, "", $name $(if $declared)? $promise)),+]
        }
    };
    ($trait:ident: $($heading:literal { $($name:ident $(if $declared:ident)? $promise:literal;)+ })+) => {
        /// All cases.
        ///
        #[doc = concat!("| promise of [`", stringify!($trait), "`] | case | what it holds to |")]
        /// |---|---|---|
        $($(#[doc = concat!("| ", $heading, " | `", stringify!($name), "` | ", $promise, " |")])+)+
        pub fn cases<T: $trait>() -> Vec<crate::conformance::Case<T>> {
            vec![$($(crate::conformance::case!(T, $heading, $name $(if $declared)? $promise)),+),+]
        }
    };
}
macro_rules! case {
    ($instance:ty, $heading:literal, $name:ident $(if $declared:ident)? $promise:literal) => {
        crate::conformance::Case::new(
            stringify!($name),
            $promise,
            |instance: &$instance| Box::pin($name(instance)),
        )
        .with_heading($heading)
        $(.if_declared(|instance| $declared(instance)))?
    };
}
use case;
use cases;

/// Fails unless both are equal.
#[allow(clippy::needless_pass_by_value, reason = "the callers' lines stay short")]
#[track_caller]
fn same<A: PartialEq<B> + fmt::Debug, B: fmt::Debug>(
    what: &str,
    found: A,
    expected: B,
) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: found {found:?}, expected {expected:?}")))
}

/// Runs futures side by side on this task, and returns their outputs in order.
async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    // On one task, without a runtime of the kit's own: an implementation may need its own runtime
    // around it.
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut all = Poll::Ready(());
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *output = Some(value),
                    // All are polled on every wake-up, because it is not known whose it was. Fine
                    // for the handful of futures here.
                    Poll::Pending => all = Poll::Pending,
                }
            }
        }
        all
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// Polls a future once and drops it; tells whether it was ready.
async fn once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        // Dropped right after: this is what a caller under a time limit does to a future.
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
