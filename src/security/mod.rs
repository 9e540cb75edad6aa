//! Security: whether the source of a message may say it, whether it did, and whether it is new.
//!
//! | module | asks |
//! |---|---|
//! | [`permissions`] | may this component publish and subscribe to this? |
//! | [`signature`] | did it write the message, and is it unchanged? |
//! | [`freshness`] | is the message recent? |
//! | [`replay`] | was it accepted before? |
//!
//! Each part works alone. A [`SecurityPolicy`](crate::validate::SecurityPolicy) lets the validator
//! ask them of every message, and a [`Gate`](crate::validate::Gate) keeps the replay cache.

pub mod freshness;
pub mod permissions;
pub mod replay;
pub mod signature;
