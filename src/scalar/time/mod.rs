//! Time as text: moments, durations and daily windows; and the time as an input.
//!
//! The specification shows these by example only: `2025-01-15T12:00:00Z`, `45m`, `2h 30m`,
//! `1.2s`, `12:30-13:00`. Each type states its grammar. All keep their spelling, and all keep an
//! unreadable text when they are deserialized; see [the page above](super).

mod now;
mod span;
mod timestamp;
mod window;

pub use now::{Instant, Now, WallTime};
pub use span::Span;
pub use timestamp::Timestamp;
pub use window::Window;
