//! Which message answers which.

use crate::event::Event;
use crate::message::{
    AllocationRequest, AllocationResponse, ConflictCheck, Hello, Message, MessageKind, Release,
    Rollback, Welcome, WorkflowState,
};

/// A message that asks for an answer, and what answers it. Any request may be answered with an error
/// report instead.
pub trait Request: Into<Message> + TryFrom<Message, Error = Message> + Send + 'static {
    /// The answer.
    type Response: Into<Message> + TryFrom<Message, Error = Message> + Send + 'static;

    /// The kind of the request.
    const KIND: MessageKind;
}

/// One row a pair.
macro_rules! pairs {
    ($($request:ident => $response:ident;)+) => {
        $(impl Request for $request {
            type Response = $response;

            const KIND: MessageKind = MessageKind::$request;
        })+

        /// The pairs, as lists and help tell them: what asks, what answers.
        pub const EXCHANGES: &[(MessageKind, MessageKind)] =
            &[$((MessageKind::$request, MessageKind::$response)),+];
    };
}

pairs! {
    AllocationRequest => AllocationResponse;
    ConflictCheck => ConflictCheck;
    Hello => Welcome;
    Release => Release;
    Rollback => WorkflowState;
}

/// What a subscriber's handler takes: an event, or any message.
pub trait Publication: Send + Sized + 'static {
    /// The publication of a message; none if it is something else.
    fn of(message: &Message) -> Option<Self>;
}

impl Publication for Event {
    fn of(message: &Message) -> Option<Self> {
        match message {
            Message::Event(body) => Some(body.event.clone()),
            _ => None,
        }
    }
}

impl Publication for Message {
    fn of(message: &Message) -> Option<Self> {
        Some(message.clone())
    }
}
