//! The rules by which a pool is decided about.

use super::units::Units;
use crate::error::leaf_errors;
use crate::scalar::{Amount, Span, Window, printable};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MILLIS_PER_MINUTE: i64 = 60_000;
const MINUTES_PER_DAY: i64 = 24 * 60;

/// The rules by which a pool is decided about. They are part of its state, so that all who decide have the same.
///
/// ```
/// use coordination_protocol::coordination::resources::PoolOptions;
/// use std::time::Duration;
///
/// let options = PoolOptions::new().with_promise_slack(Duration::from_secs(5));
/// assert_eq!(options.ttl, Duration::from_secs(30));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PoolOptions {
    /// How long a grant lasts that says nothing. An hour unless set.
    pub default_duration: Duration,
    /// The longest that a grant may last. A day unless set.
    pub auto_release_timeout: Duration,
    /// How long the grant of a live holder lasts without a renewal. 30 s unless set.
    pub ttl: Duration,
    /// How long a request waits that says nothing. An hour unless set.
    pub max_wait: Duration,
    /// How much later than planned a request may be promised to start. A minute unless set.
    pub promise_slack: Duration,
    /// How many requests that wait for one resource are promised when they start. 64 unless set.
    pub max_promises: usize,
    /// How many requests are looked at when something is given back. 100 unless set.
    pub scan_limit: usize,
    /// How long a grant waits to be claimed, if nobody waited for it. A minute unless set.
    pub claim_time: Duration,
    /// How many requests may wait. 10,000 unless set.
    pub max_waiting: usize,
    /// How many holders an explanation names for each fact. 8 unless set.
    pub max_named: usize,
    /// When exclusive files may be taken, by the wall clock in UTC; at any time if empty.
    pub exclusive_windows: Vec<Window>,
    /// How much memory an agent may have at most, in GB.
    pub memory_per_agent: Option<Units>,
    /// How much of a resource may be held before it is told, in percent. 80 unless set.
    pub alert_above: u8,
    /// By how many points it must fall below that before it is told again. 5 unless set.
    pub alert_hysteresis: u8,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            default_duration: Duration::from_secs(3_600),
            auto_release_timeout: Duration::from_secs(86_400),
            ttl: Duration::from_secs(30),
            max_wait: Duration::from_secs(3_600),
            promise_slack: Duration::from_secs(60),
            max_promises: 64,
            scan_limit: 100,
            claim_time: Duration::from_secs(60),
            max_waiting: 10_000,
            max_named: 8,
            exclusive_windows: Vec::new(),
            memory_per_agent: None,
            alert_above: 80,
            alert_hysteresis: 5,
        }
    }
}

/// Expands the rules: a setter and a reader of text for each.
macro_rules! rules {
    ($($setter:ident $field:ident: $type:ty = $read:ident;)+) => {
        impl PoolOptions {
            /// The rules that hold unless others are set.
            pub fn new() -> Self {
                PoolOptions::default()
            }

            /// The names of all rules.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )+

            /// Sets a rule by its name, from a text: a duration such as `30s`, a number, or windows with commas
            /// between them.
            ///
            /// ```
            /// use coordination_protocol::coordination::resources::PoolOptions;
            ///
            /// let mut rules = PoolOptions::new();
            /// rules.set("ttl", "45s")?;
            /// rules.set("exclusive_windows", "12:30-13:00,22:00-06:00")?;
            /// assert_eq!(rules.ttl.as_secs(), 45);
            /// assert_eq!(
            ///     rules.set("ttl", "soon").unwrap_err().to_string(),
            ///     "the rule `ttl` cannot be `soon`: it takes a duration such as `30s`",
            /// );
            /// # Ok::<(), coordination_protocol::coordination::resources::RuleError>(())
            /// ```
            ///
            /// # Errors
            /// [`RuleError`] if there is no such rule, or it does not take this.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), RuleError> {
                let read = match name {
                    $(stringify!($field) => $read(text).map(|value| self.$field = value),)+
                    _ => return Err(RuleError::Unknown { name: name.to_owned() }),
                };
                read.map_err(|takes| RuleError::Value {
                    name: name.to_owned(),
                    text: text.to_owned(),
                    takes,
                })
            }
        }
    };
}

rules! {
    with_default_duration default_duration: Duration = span;
    with_auto_release_timeout auto_release_timeout: Duration = span;
    with_ttl ttl: Duration = span;
    with_max_wait max_wait: Duration = span;
    with_promise_slack promise_slack: Duration = span;
    with_max_promises max_promises: usize = count;
    with_scan_limit scan_limit: usize = count;
    with_claim_time claim_time: Duration = span;
    with_max_waiting max_waiting: usize = count;
    with_max_named max_named: usize = count;
    with_exclusive_windows exclusive_windows: Vec<Window> = windows;
    with_memory_per_agent memory_per_agent: Option<Units> = amount;
    with_alert_above alert_above: u8 = percent;
    with_alert_hysteresis alert_hysteresis: u8 = percent;
}

/// A rule cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// There is no such rule.
    #[error("there is no rule `{}`; there are {}", printable(.name), PoolOptions::NAMES.join(", "))]
    Unknown {
        /// What was named.
        name: String,
    },
    /// It does not take this.
    #[error("the rule `{name}` cannot be `{}`: it takes {takes}", printable(.text))]
    Value {
        /// The rule.
        name: String,
        /// What it was to be.
        text: String,
        /// What it takes.
        takes: &'static str,
    },
}

leaf_errors! {
    RuleError, Coordination {
        Self::Unknown { .. } => ["unknown-rule", Resource, Unavailable, lasting, "correct_and_retry",
            "Take one of the rules that there are."],
        Self::Value { .. } => ["rule-value", Resource, Corruption, lasting, "correct_and_retry",
            "Write the rule as it is asked for."],
    }
}

fn span(text: &str) -> Result<Duration, &'static str> {
    let value = Span::from_lenient(text).value();
    value.filter(|span| !span.is_zero()).ok_or("a duration such as `30s`")
}

fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "a whole number")
}

fn percent(text: &str) -> Result<u8, &'static str> {
    let value = text.trim_end_matches('%').parse().ok();
    value.filter(|value| *value <= 100).ok_or("percents from 0 to 100")
}

fn windows(text: &str) -> Result<Vec<Window>, &'static str> {
    let windows = text.split(',').filter(|window| !window.is_empty()).map(Window::new);
    windows.collect::<Result<_, _>>().map_err(|_| "daily windows such as `12:30-13:00`")
}

fn amount(text: &str) -> Result<Option<Units>, &'static str> {
    if text == "none" {
        return Ok(None);
    }
    let amount = Amount::parse(text).map_err(|_| "an amount, or `none`")?;
    Ok(Some(Units::from(&amount)))
}

impl PoolOptions {
    /// How many milliseconds after a time the next window opens; 0 if one is open. A window that cannot be read
    /// never opens.
    pub(super) fn opens(&self, wall: i64) -> u64 {
        let minute = wall.div_euclid(MILLIS_PER_MINUTE).rem_euclid(MINUTES_PER_DAY);
        let of_day = u16::try_from(minute).unwrap_or_default();
        if self.exclusive_windows.iter().any(|w| w.contains_minute(of_day) == Some(true)) {
            return 0;
        }
        let starts = self.exclusive_windows.iter().filter_map(Window::start);
        let wait =
            starts.map(|start| (i64::from(start) - minute).rem_euclid(MINUTES_PER_DAY)).min();
        // Nothing opens: a day from now is asked about again.
        let wait = wait.unwrap_or(MINUTES_PER_DAY) * MILLIS_PER_MINUTE;
        let into = wall.rem_euclid(MILLIS_PER_MINUTE);
        u64::try_from(wait - into).unwrap_or_default()
    }
}
