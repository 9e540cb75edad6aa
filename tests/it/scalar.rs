//! Scalars: what is accepted, what is refused and how, and that spellings survive.

mod id;
mod nearest;
mod number;
#[cfg(feature = "schema")]
mod schema;
mod text;
mod time;
mod version;
mod word;

use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads JSON from a borrowed text, a reader and a value; all must agree.
fn read<T: DeserializeOwned + PartialEq + Debug>(json: &str) -> Result<T, String> {
    let borrowed = serde_json::from_str::<T>(json).map_err(|error| error.to_string());
    let streamed = serde_json::from_reader::<_, T>(json.as_bytes());
    assert_eq!(borrowed.as_ref().ok(), streamed.as_ref().ok(), "{json}");
    borrowed
}

/// Asserts that JSON is written exactly as it was read.
fn keeps<T: DeserializeOwned + Serialize + PartialEq + Debug>(json: &str) -> T {
    let value = read::<T>(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    value
}

/// Asserts the whole message of an error.
fn refuses<T: Debug, E: Display>(result: Result<T, E>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}
