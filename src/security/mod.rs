//! Security: whether the source of a message may say it, whether it did, and whether it is new.
//!
//! | module | asks |
//! |---|---|
//! | [`permissions`] | may this component publish and subscribe to this? |
//! | [`signature`] | did it write the message, and has nobody changed it? |
//! | [`freshness`] | is the message recent? |
//! | [`replay`] | was it accepted before? |
//!
//! Each part works alone. A [`SecurityPolicy`](crate::validate::SecurityPolicy) lets the validator
//! ask them of every message, and a [`Gate`](crate::validate::Gate) keeps the replay cache.

pub mod freshness;
pub mod permissions;
pub mod replay;
pub mod signature;

crate::error::reports! {
    permissions::PermissionsError, System, Corruption, "correct_and_resend", "Register patterns such as `resource.*.allocated`.";
    permissions::PermissionDenied, System, Unavailable, "register_permissions", "Register the publication or subscription, or send from the component that has it.";
    freshness::FreshnessError, System, Timeout, "resend", "Send the message anew, with the current time.";
    replay::ReplayError, System, Conflict, "drop", "Drop it if it is a repetition; else send it anew under a new `message_id`.";
    signature::KeyError, System, Corruption, "correct_and_retry", "Give the key an identifier and 32 bytes.";
    signature::KeyRingError, System, Conflict, "correct_and_retry", "Give each key one identifier and one owner.";
    signature::KeyFileError, System, Corruption, "correct_and_retry", "Correct the key file at the place that is named.";
    signature::InputError, System, Corruption, "correct_and_resend", "Send one sound JSON object whose numbers a double can hold.";
    signature::SignError, System, Unavailable, "retry", "Sign with a key that is at hand.";
    signature::VerifyError, System, Unavailable, "sign_and_resend", "Sign the message with a valid key of its source.";
}

#[cfg(feature = "signature")]
crate::error::reports! {
    signature::SeedError, System, Corruption, "correct_and_retry", "Give a seed of 64 hexadecimal digits or 44 characters of Base64.";
}
