//! The documents that are merged and compared.

use crate::input;
use crate::output::{Failure, failure};
use coordination_protocol::event::Codec;
use coordination_protocol::finding::Mode;
use coordination_protocol::json::Limits;
use coordination_protocol::merge::MergeError;
use coordination_protocol::message::{
    Envelope, EnvelopeHeader, Message, MessageKind, WorkflowState, peek,
};
use std::fmt::Display;
use std::path::Path;

/// An error about a file.
pub(super) fn in_file(path: &Path, error: impl Display) -> Failure {
    failure(format_args!("{}: {error}", input::name(path)))
}

/// Reads documents, of which one at most may be standard input: it can be read once only.
pub(super) fn texts<const N: usize>(
    paths: [&Path; N],
    limits: &Limits,
) -> Result<[String; N], Failure> {
    if paths.iter().filter(|path| input::is_stdin(path)).count() > 1 {
        return Err(failure("only one document can be read from standard input"));
    }
    let mut texts = [const { String::new() }; N];
    for (text, path) in texts.iter_mut().zip(paths) {
        *text = input::text(path, limits.bytes)?;
    }
    Ok(texts)
}

/// An error with the name of the file that it is about.
pub(super) fn of_side<const N: usize>(
    error: &MergeError,
    sides: [&str; N],
    paths: [&Path; N],
) -> Failure {
    let path = sides
        .iter()
        .zip(paths)
        .find(|(side, _)| matches!(error, MergeError::Json { side: at, .. } if at == *side));
    match path {
        Some((_, path)) => in_file(path, error),
        None => failure(error),
    }
}

/// The documents as states, if all of them are `workflow_state` messages.
pub(super) fn states<const N: usize>(
    paths: [&Path; N],
    texts: &[String; N],
    limits: &Limits,
) -> Result<Option<[(EnvelopeHeader, WorkflowState); N]>, Failure> {
    if texts.iter().any(|text| peek(text).kind != MessageKind::WorkflowState) {
        return Ok(None);
    }
    let codec = Codec::new(Mode::Interop).with_limits(*limits);
    let mut states = Vec::new();
    for (path, text) in paths.iter().zip(texts) {
        let message = codec.parse_message(text).map_err(|error| in_file(path, error))?;
        let Envelope { header, message, .. } =
            message.decode().map_err(|error| in_file(path, error))?;
        if let Message::WorkflowState(state) = message {
            states.push((header, *state));
        }
    }
    Ok(states.try_into().ok())
}
